"""The page of what was tried: each tool writes between its own two markers, and nowhere else."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

PAGE = Path("docs/robustness.md")


def put(name: str, text: str) -> None:
    """Put `text` between the markers of `name`. Raises ValueError where the page has none."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, _, rest = PAGE.read_text("utf-8").partition(begin)
    old, found, after = rest.partition(end)
    if not found or begin in old:
        raise ValueError(f"{PAGE} has no place for {name}")
    PAGE.write_text(f"{before}{begin}{text.rstrip()}\n{end}{after}", "utf-8")


def measured() -> str:
    """When, by which version and on what machine."""
    return (
        f"{datetime.now(UTC):%d %B %Y}, derm-kit {version('derm-kit')}, Python {platform.python_version()}, "
        f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.0f} at the end."
    )
