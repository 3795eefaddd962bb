"""Where the pictures of known cases lie on this machine: DERM_KIT_DATA first, then what fetch-isic brought."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_data_path

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".dcm")


def fetched_folder() -> Path:
    """Where `derm-kit fetch-isic` puts pictures unless told otherwise."""
    return user_data_path("derm-kit", appauthor=False) / "isic"


def picture_of(case_id: str) -> Path | None:
    """The picture of a case by its id, None where it is not on this machine; an id that is no plain name has none."""
    if Path(case_id).name != case_id or case_id in ("", ".", ".."):
        return None
    named = os.environ.get("DERM_KIT_DATA")
    folders = [*([Path(named), Path(named) / "images"] if named else []), fetched_folder()]
    candidates = (folder / f"{case_id}{suffix}" for folder in folders for suffix in SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)
