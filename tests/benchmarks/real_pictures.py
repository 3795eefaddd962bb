"""The real pictures that speeds are measured on."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from derm_kit import Cohort, read


def real_pictures(n: int) -> Cohort:
    """At least `n` cases spread over the folder that DERM_KIT_DATA names; exits where it names none."""
    data = os.environ.get("DERM_KIT_DATA")
    if not data:
        sys.exit("make bench measures on real files: name their folder in DERM_KIT_DATA.")
    everyone = read(Path(data))
    return everyone.select(np.arange(len(everyone)) % (len(everyone) // n) == 0)
