"""DICOM files are known by their signature, and what their headers say against an assessment holds."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from derm_kit.cases import dicom_cases, headers
from derm_kit.cases.dicom_cases import NOT_UNDERSTOOD, dicom_files
from derm_kit.cases.images import decode
from derm_kit.cases.sources import read
from derm_kit.errors import CohortError
from tests.hostile import encoded
from tests.test_sources import dicom, picture

NAMES = [
    "child.jpg",
    "child.png",
    "child.tiff",
    "child.dcm",
    "child",
    "child.ima",
    "child.heic",
    "child.JPG",
    "1.2.3.4",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_childs_lesion_is_excluded_whatever_its_file_is_called(tmp_path, name):
    dicom(tmp_path / name, age="016Y", site="Penis")
    for path in (tmp_path, tmp_path / name):
        cohort = read(path)
        assert cohort.cases[["image", "age_years", "exclusion"]].to_numpy().tolist() == [
            [name, 16, "under 18; genital"]
        ]


@pytest.mark.parametrize("name", ["child.jpg", "child.png", "child.dcm", "child", "child.ima"])
@pytest.mark.parametrize("column", ["image", "image_id"])
def test_and_beside_a_table(tmp_path, name, column):
    dicom(tmp_path / name, age="016Y", site="Penis")
    (tmp_path / "metadata.csv").write_text(
        f"case_id,{column},age\nc,{name},40\n".replace("case_id,image_id", "x,image_id")
    )
    for path in (tmp_path, tmp_path / "metadata.csv"):
        assert read(path).cases["exclusion"].tolist() == ["under 18; genital"]


@pytest.mark.parametrize("said", ["", "genital"])
def test_what_a_dicom_file_says_against_an_assessment_holds_beside_a_table(tmp_path, said):
    dicom(tmp_path / "child.dcm", age="016Y", site="Penis")
    dicom(tmp_path / "adult.dcm", age="045Y", site="Back")
    rows = f"image_id,anatomical_site\nchild.dcm,{said}\nadult.dcm,\n"
    (tmp_path / "metadata.csv").write_text(rows)
    cohort = read(tmp_path)
    found = dict(zip(cohort.cases["case_id"], cohort.cases["exclusion"], strict=True))
    assert set(found["child"].split("; ")) == {"under 18", "genital"}
    assert found["adult"] == ""
    assert any("table does not: 1; which a clinician must see" in note for note in cohort.notes)


def test_headers_that_cannot_be_read_go_to_a_clinician_though_the_pixels_can(tmp_path, monkeypatch):
    dicom(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    monkeypatch.setattr("derm_kit.cases.dicom._pseudonym", lambda *_: [][0])
    (tmp_path / "metadata.csv").write_text("image_id,age\na,40\n")
    assert read(tmp_path).cases["exclusion"].tolist() == [NOT_UNDERSTOOD]
    assert decode(data, case="a").rgb.shape == (300, 300, 3)
    (tmp_path / "metadata.csv").unlink()
    cohort = read(tmp_path)
    assert len(cohort) == 0
    assert cohort.rejects["rule"].tolist() == ["the DICOM data are damaged"]


def test_a_dcm_that_is_no_dicom_is_read_by_its_signature_or_refused(tmp_path):
    (tmp_path / "photo.dcm").write_bytes(encoded("JPEG"))
    (tmp_path / "text.dcm").write_bytes(b"no picture")
    cohort = read(tmp_path)
    assert cohort.cases[["case_id", "image"]].to_numpy().tolist() == [["photo", "photo.dcm"]]
    assert decode(tmp_path / "photo.dcm", case="photo").format == "JPEG"
    assert cohort.rejects["file"].tolist() == ["text.dcm"]
    assert "must be a JPEG, PNG, TIFF, WebP, BMP or DICOM file" in cohort.rejects["rule"].iloc[0]


def test_an_index_of_dicom_files_and_masks_are_no_cases(tmp_path):
    for name in ("DICOMDIR", "a.jpg", "masks/a.jpg"):
        dicom(tmp_path / name)
    assert read(tmp_path).cases["image"].tolist() == ["a.jpg"]


def test_each_picture_is_opened_once_for_132_bytes(tmp_path, monkeypatch):
    asked: list[tuple[str, int]] = []
    real = headers.format_of

    class Counted:
        def __init__(self, file, name):
            self.file, self.name = file, name

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def read(self, n):
            asked.append((self.name, n))
            return self.file.read(n)

    def counted(path: Path) -> str:
        monkeypatch.setattr(headers, "open", lambda *a, **k: Counted(open(*a, **k), path.name), raising=False)  # noqa: PTH123, SIM115
        return real(path)

    monkeypatch.setattr(dicom_cases, "format_of", counted)
    for i in range(5):
        picture(tmp_path / f"{i}.jpg")
    (tmp_path / "metadata.csv").write_text("case_id,image\n" + "".join(f"{i},{i % 3}.jpg\n" for i in range(5)))
    read(tmp_path)
    assert sorted(asked) == [(f"{i}.jpg", 132) for i in range(3)]


def test_ten_thousand_jpegs_are_looked_at_quickly(tmp_path):
    data = encoded("JPEG")
    names = [f"{i}.jpg" for i in range(10_000)]
    for name in names:
        (tmp_path / name).write_bytes(data)
    began = time.perf_counter()
    assert dicom_files(tmp_path, names) == set()
    assert time.perf_counter() - began < 5


def test_a_machine_short_of_memory_is_said_plainly(tmp_path, monkeypatch):
    dicom(tmp_path / "a.dcm")

    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr("derm_kit.cases.dicom.dicom_fields", full)
    with pytest.raises(CohortError, match=r"a\.dcm: a DICOM file must fit into memory.*Close other programs"):
        read(tmp_path)
