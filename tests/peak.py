"""Memory of this process as Linux tells it; ru_maxrss would be that of whoever started it, where that was more."""

from __future__ import annotations

from pathlib import Path


def held_bytes(name: str) -> int:
    """A figure of /proc/self/status: VmRSS is what is held now, VmHWM the most since the start or `forget_peak`."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


def peak_mb() -> float:
    """The most that this process has held, MB."""
    return held_bytes("VmHWM") / 1e6


def forget_peak() -> None:
    """Count the most from now on."""
    Path("/proc/self/clear_refs").write_text("5")
