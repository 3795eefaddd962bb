"""Shared fixtures: the folder of real dermoscopic images, where one is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The real images named by DERM_KIT_DATA; without it the test skips, or fails where they are required."""
    named = os.environ.get("DERM_KIT_DATA")
    if named:
        return Path(named)
    missing = "DERM_KIT_DATA names no folder of real dermoscopic images"
    if os.environ.get("DERM_KIT_REQUIRE_DATA"):
        pytest.fail(missing)
    pytest.skip(missing)
