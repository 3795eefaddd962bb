"""Pictures of known cases are found by id, in the named folder first, and never outside it."""

from __future__ import annotations

import pytest

from derm_kit.cases import pictures


@pytest.fixture
def folders(tmp_path, monkeypatch):
    for name in ("data/images", "fetched"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("DERM_KIT_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(pictures, "fetched_folder", lambda: tmp_path / "fetched")
    return tmp_path


def test_the_named_folder_comes_before_the_fetched_one(folders):
    (folders / "fetched" / "ISIC_1.jpg").touch()
    assert pictures.picture_of("ISIC_1") == folders / "fetched" / "ISIC_1.jpg"
    (folders / "data" / "images" / "ISIC_1.png").touch()
    assert pictures.picture_of("ISIC_1") == folders / "data" / "images" / "ISIC_1.png"


@pytest.mark.parametrize("case_id", ["", ".", "..", "../secret", "images/ISIC_1", "/etc/passwd", "ISIC_2"])
def test_what_is_not_there_or_no_plain_name_has_no_picture(folders, case_id):
    (folders / "secret.jpg").touch()
    (folders / "data" / "images" / "ISIC_1.jpg").touch()
    assert pictures.picture_of(case_id) is None
