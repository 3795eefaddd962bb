#!/usr/bin/env python3
"""Known vulnerabilities of what requirements.lock names: fails where there is one, says where nobody could be asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements.lock"


def main() -> int:
    """Status 1 where a package of the lock has a known vulnerability, else 0."""
    asked = subprocess.run(
        [
            sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--require-hashes", "--disable-pip",
            "--progress-spinner", "off", "--timeout", "10", "--format", "json",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    try:
        packages = json.loads(asked.stdout)["dependencies"]
    except (ValueError, KeyError):
        packages = []
    known = [package for package in packages if "vulns" in package]
    if not known:
        print("Known vulnerabilities: the service that knows them does not answer from here; nothing was audited.")
        return 0
    found = [(package, one) for package in known for one in package["vulns"]]
    for package, one in found:
        mended = ", ".join(one.get("fix_versions") or []) or "no version yet"
        print(f"{package['name']} {package['version']}: {one['id']}, mended in {mended}")
    print(f"Known vulnerabilities: {len(found)} in {len(known)} of {len(packages)} packages that could be looked up.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
