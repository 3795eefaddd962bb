"""Readers: every layout of cohort, and everything that can be wrong with one."""

from __future__ import annotations

import csv
import io
import os
import socket
import stat
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from derm_kit import ScoreRun, TriagePolicy, decide
from derm_kit.cases.cohort import Cohort
from derm_kit.cases.folder_walk import listing
from derm_kit.cases.images import decode
from derm_kit.cases.sources import read
from derm_kit.errors import CohortError, DermKitError
from derm_kit.lesions import FLAGGED, LESION_TYPES


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((300, 320, 3), (120, 150, 200), np.uint8)
    cv2.circle(pixels, (160, 150), 60, (40, 60, 90), -1)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())


def dicom(path: Path, *, who: str = "1234567890", age: str = "045Y", site: str = "Back") -> None:
    data = Dataset()
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.4"
    data.SOPInstanceUID = generate_uid()
    data.Modality, data.PatientName, data.PatientID, data.PatientAge, data.PatientSex = "XC", "Doe^Jane", who, age, "F"
    data.BodyPartExamined = site.upper()
    data.Rows = data.Columns = 300
    data.SamplesPerPixel, data.BitsAllocated, data.BitsStored, data.HighBit = 3, 8, 8, 7
    data.PixelRepresentation, data.PlanarConfiguration, data.PhotometricInterpretation = 0, 0, "RGB"
    data.PixelData = np.full((300, 300, 3), 150, np.uint8).tobytes()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)


def folder(root: Path, table: str, *pictures: str, name: str = "metadata.csv") -> Path:
    root.mkdir(exist_ok=True)
    (root / name).write_text(table, encoding="utf-8")
    for file in pictures:
        picture(root / file)
    return root


def rejected(cohort: Cohort) -> list[tuple[str, str]]:
    return list(zip(cohort.rejects["case_id"], cohort.rejects["rule"], strict=True))


def noted(cohort: Cohort) -> str:
    return "\n".join(cohort.notes)


# --- layouts ---------------------------------------------------------------------------------------------------------


def test_a_folder_of_pictures_without_a_table(tmp_path):
    for file in ("b.jpg", "a.PNG", "deep/down/c.tif", "masks/a.png", ".hidden.jpg"):
        picture(tmp_path / file.lower())
    (tmp_path / "a.png").rename(tmp_path / "a.PNG")
    (tmp_path / "notes.txt").write_text("x")
    cohort = read(tmp_path)
    assert cohort.cases[["case_id", "image"]].to_numpy().tolist() == [
        ["a", "a.PNG"],
        ["b", "b.jpg"],
        ["c", "deep/down/c.tif"],
    ]
    assert len(cohort.rejects) == 0
    assert "2 other files are ignored: masks/a.png, notes.txt." in cohort.notes
    assert cohort.root == tmp_path
    assert decode(cohort.root / "deep/down/c.tif", case="c").rgb.shape == (300, 320, 3)


def test_pictures_of_one_name_in_two_folders_keep_apart(tmp_path):
    for file in ("one/IMG_1.jpg", "two/IMG_1.jpg", "two/IMG_2.jpg"):
        picture(tmp_path / file)
    assert read(tmp_path).cases["case_id"].tolist() == ["one__IMG_1", "two__IMG_1", "IMG_2"]


def test_two_formats_of_one_picture_are_one_case_and_one_reject(tmp_path):
    picture(tmp_path / "a.jpg")
    picture(tmp_path / "a.png")
    cohort = read(tmp_path)
    assert len(cohort) == 1
    assert rejected(cohort) == [("a", "a case id must be unique")]


def test_pictures_of_other_formats_and_odd_names_are_rejected_by_name(tmp_path):
    for file in ("=1+1.jpg", "<b>.jpg", "ok.jpg"):
        picture(tmp_path / file)
    (tmp_path / "iphone.heic").write_bytes(b"x")
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
    cohort = read(tmp_path)
    assert cohort.cases["case_id"].tolist() == ["ok"]
    assert sorted(cohort.rejects["file"]) == sorted(["=1+1.jpg", "<b>.jpg", "iphone.heic", "caf\\udce9.jpg"])


def test_our_own_metadata(tmp_path):
    table = (
        "image_id,lesion_id,group_id,split,diagnosis,lesion_types,diagnosis_source,age_years,sex,anatomical_site,"
        "anatomical_site_detail,skin_tone_class,diagnosis_1,source,licence,attribution,mask\n"
        'I1,L1,G1,train,nevus,benign_naevus,,55.0,female,anterior_torso,,3.0,,x,CC-0,"A, B",masks/I1.png\n'
        "I2,L2,G1,reference,BKL,seborrhoeic_keratosis|solar_lentigo,histopathology,12.0,male,,oral or genital,,,x,,,\n"
        "I3,L3,,train,Merkel,,,,,,,,,x,,,masks/gone.png\n"
    )
    pictures = ["images/I1.jpg", "images/I2.png", "images/I3.jpg", "images/I9.jpg", "masks/I1.png"]
    cohort = read(folder(tmp_path, table, *pictures))
    cases = cohort.cases.set_index("case_id")
    assert cases["image"].tolist() == ["images/I1.jpg", "images/I2.png", "images/I3.jpg"]
    assert cases["mask"].tolist() == ["masks/I1.png", "", ""]
    assert cases["truth"].tolist() == ["benign_naevus", "seborrhoeic_keratosis|solar_lentigo", ""]
    assert cases["lesion_id"].tolist() == ["G1", "G1", "L3"]
    assert cases["exclusion"].tolist() == ["", "under 18; genital", ""]
    assert cases["anatomical_site"].tolist() == ["anterior torso", "oral or genital", ""]
    assert cases.loc["I1", ["age_years", "skin_tone_class", "attribution"]].tolist() == [55.0, 3.0, "A, B"]
    assert "1 other files are ignored: images/I9.jpg." in cohort.notes
    assert "Masks that are named but cannot be used: 1." in cohort.notes
    assert len(cohort.rejects) == 0


def test_an_isic_archive_download(tmp_path):
    table = (
        "isic_id,attribution,copyright_license,age_approx,anatom_site_general,anatom_site_special,diagnosis_1,diagnosis_2,"
        "diagnosis_3,diagnosis_4,diagnosis_5,diagnosis_confirm_type,fitzpatrick_skin_type,image_type,lesion_id,sex\n"
        "ISIC_0000001,Someone,CC-BY,50,head/neck,,Benign,Benign melanocytic proliferations,Nevus,,,histopathology,II,"
        "dermoscopic,IL_1,male\n"
        "ISIC_0000002,Someone,CC-0,85+,,nail NOS,Malignant,Malignant melanocytic proliferations (Melanoma),"
        "Melanoma in situ,,,histopathology,,dermoscopic,IL_2,female\n"
        "ISIC_0000003,Someone,CC-0,,,,,,,,,,,clinical: close-up,,\n"
    )
    (tmp_path / "licenses").mkdir()
    (tmp_path / "licenses" / "CC-0.txt").write_text("x")
    (tmp_path / "attribution.txt").write_text("x")
    cohort = read(folder(tmp_path, table, *[f"ISIC_000000{i}.jpg" for i in (1, 2, 3)]))
    cases = cohort.cases
    assert cases["image"].tolist() == [f"ISIC_000000{i}.jpg" for i in (1, 2, 3)]
    assert cases["truth"].tolist() == ["benign_naevus", "melanoma", ""]
    assert cases["diagnosis"].tolist() == ["Nevus", "Melanoma in situ", ""]
    assert cases["exclusion"].tolist() == ["", "subungual", "not a dermoscopic picture"]
    assert cases["age_years"].fillna(-1).tolist() == [50, 85, -1]
    assert cases["licence"].tolist() == ["CC-BY", "CC-0", "CC-0"]
    assert "not recognised" not in noted(cohort)


def test_ham10000(tmp_path):
    table = (
        "lesion_id,image_id,dx,dx_type,age,sex,localization,dataset\n"
        "HAM_1,ISIC_1,bkl,histo,80.0,male,scalp,vidir_modern\n"
        "HAM_1,ISIC_2,bkl,histo,80.0,male,scalp,vidir_modern\n"
        "HAM_2,ISIC_3,nv,follow_up,,unknown,genital,rosendahl\n"
        "HAM_3,ISIC_4,mel,histo,5.0,female,back,rosendahl\n"
    )
    pictures = [
        "HAM10000_images_part_1/ISIC_1.jpg",
        "HAM10000_images_part_1/ISIC_2.jpg",
        "HAM10000_images_part_2/ISIC_3.jpg",
    ]
    cohort = read(folder(tmp_path, table, *pictures, "HAM10000_images_part_2/ISIC_4.jpg", name="HAM10000_metadata.csv"))
    assert cohort.cases["truth"].str.split("|").str[0].tolist() == [
        "seborrhoeic_keratosis", "seborrhoeic_keratosis", "benign_naevus", "melanoma",
    ]  # fmt: skip
    assert cohort.cases["sex"].tolist() == ["male", "male", "", "female"]
    assert cohort.cases["exclusion"].tolist() == ["", "", "genital", "under 18"]
    assert cohort.cases["image"].iloc[3] == "HAM10000_images_part_2/ISIC_4.jpg"


def test_isic_2019_one_hot_ground_truth(tmp_path):
    table = (
        "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK\n"
        "ISIC_1,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0\n"
        "ISIC_2,0,0,0,0,0,0,0,1,0\n"
        "ISIC_3,0,0,0,0,0,0,0,0,1\n"
        "ISIC_4,0,1,1,0,0,0,0,0,0\n"
    )
    cohort = read(folder(tmp_path, table, *[f"ISIC_{i}.jpg" for i in range(1, 5)], name="truth.csv"))
    assert cohort.cases["truth"].tolist() == ["melanoma", "squamous_cell_carcinoma", "", ""]
    assert cohort.cases["diagnosis"].tolist() == ["MEL", "SCC", "UNK", ""]
    assert "not exactly one of the one-hot columns is 1, no truth taken from them: 1." in noted(cohort)


def test_a_diagnosis_in_no_vocabulary_is_counted_and_left_empty(tmp_path):
    rows = "".join(f"I{i},{'wibble' if i < 3 else 'nevus'}\n" for i in range(5))
    cohort = read(folder(tmp_path, "image_id,diagnosis\n" + rows, *[f"I{i}.jpg" for i in range(5)]))
    assert cohort.cases["truth"].tolist() == ["", "", "", "benign_naevus", "benign_naevus"]
    assert "Diagnoses not understood, no truth taken from them: 3 rows: wibble (3)." in cohort.notes


def test_lesion_types_in_any_order_are_put_in_order_of_risk(tmp_path):
    table = "image_id,lesion_types\nI1,solar_lentigo|seborrhoeic_keratosis\nI2,mole\n"
    cohort = read(folder(tmp_path, table, "I1.jpg", "I2.jpg"))
    assert cohort.cases["truth"].tolist() == ["seborrhoeic_keratosis|solar_lentigo", ""]
    assert "Lesion types not understood, no truth taken from them: 1 rows: mole (1)." in cohort.notes


def test_a_lone_table_finds_its_pictures_beside_it(tmp_path):
    table = "image,diagnosis\nsub/I1.jpg,nevus\nI2.jpg,nevus\nI3.jpg,nevus\nwin\\I4.jpg,nevus\n./dot/I5.jpg,nevus\n"
    pictures = ["sub/I1.jpg", "images/I2.jpg", "elsewhere/I3.jpg", "win/I4.jpg", "dot/I5.jpg"]
    folder(tmp_path, table, *pictures, name="cases.csv")
    cohort = read(tmp_path / "cases.csv")
    assert cohort.name == "cases"
    assert cohort.cases["case_id"].tolist() == ["I1", "I2", "I4", "I5"]
    assert cohort.cases["image"].tolist() == ["sub/I1.jpg", "images/I2.jpg", "win/I4.jpg", "dot/I5.jpg"]
    assert rejected(cohort) == [("I3", "the picture must exist")]


def test_a_lone_table_without_pictures_is_a_cohort_of_metadata(tmp_path):
    cohort = read(folder(tmp_path, "isic_id,sex\nI1,male\nI2,female\n") / "metadata.csv")
    assert cohort.cases["image"].tolist() == ["", ""]
    assert "No picture lies beside metadata.csv: its cases have none." in cohort.notes


def test_a_table_from_elsewhere(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "t.tsv").write_text("image_id\tsex\nI1\tmale\n", encoding="utf-8")
    root = folder(tmp_path / "pictures", "image_id\nI1\nI2\n", "I1.jpg", "I2.jpg")
    cohort = read(root, table=tmp_path / "tables" / "t.tsv")
    assert cohort.cases["sex"].tolist() == ["male"]
    assert "2 other files are ignored: I2.jpg, metadata.csv." in cohort.notes


def test_a_single_picture(tmp_path):
    picture(tmp_path / "lesion.jpg")
    picture(tmp_path / "other.jpg")
    cohort = read(str(tmp_path / "lesion.jpg"))
    assert cohort.cases[["case_id", "image"]].to_numpy().tolist() == [["lesion", "lesion.jpg"]]
    assert cohort.root == tmp_path


def test_dicom_files_with_and_without_a_suffix(tmp_path):
    dicom(tmp_path / "s1" / "a.dcm", who="111", age="017Y")
    dicom(tmp_path / "s1" / "1.2.840.99.5", who="222", site="Genital")
    dicom(tmp_path / "s2" / "IM0001", who="111")
    dicom(tmp_path / "DICOMDIR")
    (tmp_path / "s2" / "README").write_text("x")
    (tmp_path / "bad.dcm").write_bytes(b"")
    cohort = read(tmp_path)
    cases = cohort.cases.set_index("case_id")
    assert sorted(cases.index) == ["1.2.840.99.5", "IM0001", "a"]
    assert cases.loc["a", "patient_id"] == cases.loc["IM0001", "patient_id"] != cases.loc["1.2.840.99.5", "patient_id"]
    assert cases.loc["a", ["age_years", "sex", "exclusion"]].tolist() == [17.0, "female", "under 18"]
    assert cases.loc["1.2.840.99.5", "exclusion"] == "genital"
    assert cohort.rejects["file"].tolist() == ["bad.dcm"]
    text = cases.to_csv() + noted(cohort)
    assert not any(word in text for word in ("Doe", "Jane", "111", "222"))
    assert read(tmp_path).cases.equals(cohort.cases)
    assert decode(cohort.root / cases.loc["IM0001", "image"], case="IM0001").rgb.shape == (300, 300, 3)
    assert read(tmp_path / "s2" / "IM0001").cases["case_id"].tolist() == ["IM0001"]


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "../secret.jpg", "images/../../secret.jpg", "/etc/passwd", "C:/x.jpg", "C:\\x.jpg", "..\\secret.jpg", "~/x.jpg",
        "..", "./../secret.jpg", "link.jpg", "linked/x.jpg", "images/link.jpg",
    ],
)  # fmt: skip
@pytest.mark.parametrize("column", ["image", "mask"])
def test_a_path_that_leaves_the_folder_is_one_reject(tmp_path, path, column):
    picture(tmp_path / "secret.jpg")
    picture(tmp_path / "out" / "x.jpg")
    root = tmp_path / "in"
    folder(root, f"image_id,{column}\nI1,{path}\nI2,\n", "I1.jpg", "I2.jpg", "images/x.jpg")
    (root / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "images" / "link.jpg").symlink_to("../../secret.jpg")
    (root / "linked").symlink_to(tmp_path / "out")
    cohort = read(root)
    assert cohort.cases["case_id"].tolist() == ["I2"]
    linked = path.startswith("linked/")
    rule = "a folder must lie here itself, not as a link" if linked else "a picture must lie inside the folder"
    assert cohort.rejects["rule"].tolist() == [rule]
    assert len(read(root / "metadata.csv").rejects) == 1


def test_links_inside_the_folder_serve_and_others_are_named(tmp_path):
    root = folder(tmp_path / "in", "image_id\ninside\nbroken\nloop\noutside\n", "real.jpg")
    (root / "inside.jpg").symlink_to("real.jpg")
    (root / "broken.jpg").symlink_to("nowhere.jpg")
    (root / "loop.jpg").symlink_to("loop.jpg")
    (root / "outside.jpg").symlink_to("/etc/hostname")
    cohort = read(root)
    assert cohort.cases["image"].tolist() == ["inside.jpg"]
    assert dict(rejected(cohort)) == {
        "broken": "the picture must exist",
        "loop": "the picture must exist",
        "outside": "a picture must lie inside the folder",
    }
    (root / "metadata.csv").unlink()
    again = read(root)
    assert sorted(again.cases["case_id"]) == ["inside", "real"]
    assert sorted(again.rejects["file"]) == ["broken.jpg", "loop.jpg", "outside.jpg"]


def test_pipes_and_sockets_are_never_opened(tmp_path, monkeypatch):
    picture(tmp_path / "a.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.jpg")
        cohort = read(tmp_path)
        assert sorted(cohort.rejects["file"]) == ["pipe.jpg", "socket.jpg"]
        for odd in ("pipe.jpg", "socket.jpg"):
            with pytest.raises(CohortError, match="a cohort is a folder"):
                read(tmp_path / odd)
        with pytest.raises(CohortError, match="a cohort is a folder"):
            read(tmp_path, table=tmp_path / "pipe.jpg")


def test_bad_rows_are_one_reject_each_and_the_rest_are_cases(tmp_path):
    table = (
        "image_id,age_approx,sex\n"
        "good,50,male\n"
        "gone,50,male\n"
        "good,50,female\n"
        ",50,male\n"
        "<img src=x>,50,male\n"
        '"=HYPERLINK(""http://x"")",50,male\n'
        "two,50,male\n"
        "phone,50,male\n"
        "ragged,50\n"
        "nul\x00,50,male\n"
        'open,"50,male\n'
        'fine.jpg,"45,5",F\n'
    )
    folder(tmp_path, table, "good.jpg", "two.jpg", "two.png", "fine.jpg")
    (tmp_path / "phone.heic").write_bytes(b"x")
    cohort = read(tmp_path)
    assert cohort.cases["case_id"].tolist() == ["good", "fine"]
    assert cohort.cases["age_years"].tolist() == [50, 45.5]
    rules = dict(zip(cohort.rejects["file"], cohort.rejects["rule"], strict=True))
    assert len(cohort.rejects) == 10
    assert rules["gone"] == "the picture must exist"
    assert rules["two"] == "one picture must answer to a case id"
    assert rules["phone"] == "the picture must be JPEG, PNG, TIFF, WebP, BMP or DICOM"
    assert rules["metadata.csv, line 4"] == "a case id must be unique"
    assert "as many cells" in rules["metadata.csv, line 10"]
    assert "NUL" in rules["metadata.csv, line 11"]
    assert "quotes" in rules["metadata.csv, line 12"]


def test_unsafe_ids_with_a_picture_are_rejected_by_line(tmp_path):
    table = "case_id,image\n<b>x</b>,a.jpg\n=1+1,a.jpg\n@x,a.jpg\n../x,a.jpg\na\u202eb,a.jpg\nok,a.jpg\n"
    cohort = read(folder(tmp_path, table, "a.jpg"))
    assert cohort.cases["case_id"].tolist() == ["ok"]
    assert cohort.rejects["file"].tolist() == [f"metadata.csv, line {n}" for n in range(2, 7)]


def test_rows_that_share_a_picture_are_noted(tmp_path):
    cohort = read(folder(tmp_path, "case_id,image\na,x.jpg\nb,x.jpg\n", "x.jpg"))
    assert "Rows whose picture another row names too: 1." in cohort.notes


def test_decomposed_letters_in_file_names_are_found(tmp_path):
    cohort = read(folder(tmp_path, "image_id\nl\u00e9sion\nle\u0301e\n", "images/le\u0301sion.jpg", "l\u00e9e.jpg"))
    assert len(cohort) == 2
    assert all((cohort.root / image).is_file() for image in cohort.cases["image"])


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("", "must not be empty"),
        ("image_id,age\n", "at least one row"),
        ("x,y\n1,2\n", "column of case ids"),
        ("image_id,age,age\na,1,2\n", "once"),
        ("image_id,image_id\na,b\n", "once"),
    ],
)
def test_tables_that_cannot_be_a_cohort_are_refused(tmp_path, content, word):
    with pytest.raises(CohortError, match=word) as caught:
        read(folder(tmp_path, content, "a.jpg"))
    assert "metadata.csv" in str(caught.value)


def test_folders_that_cannot_be_a_cohort_are_refused(tmp_path):
    with pytest.raises(CohortError, match="at least one picture"):
        read(tmp_path)
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_text(f"image_id\n{name}\n")
    with pytest.raises(CohortError, match="must share case ids") as caught:
        read(tmp_path)
    assert "--table" in caught.value.next_step
    (tmp_path / "archive.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(CohortError, match="a cohort is a folder"):
        read(tmp_path / "archive.zip")
    with pytest.raises(CohortError, match="a table goes with a folder"):
        read(tmp_path / "one.csv", table=tmp_path / "two.csv")


@pytest.mark.parametrize("path", ["nowhere", "x" * 5000, "a\x00b", "loop", "file.csv/below"])
def test_paths_that_are_not_there(tmp_path, path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file.csv").write_text("image_id\na\n")
    with pytest.raises(CohortError, match="readable"):
        read(f"{tmp_path}/{path}")
    with pytest.raises(CohortError, match="readable"):
        read(tmp_path, table=f"{tmp_path}/{path}")


def test_folders_without_the_right_to_read_them():
    """As nobody, because root may read everything."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        picture(root / "open" / "a.jpg")
        picture(root / "open" / "shut" / "b.jpg")
        (root / "open" / "shut").chmod(0)
        (root / "metadata.csv").write_text("image_id\na\n")
        (root / "metadata.csv").chmod(0)
        me = os.geteuid()
        if me == 0:
            os.seteuid(65534)
        try:
            with pytest.raises(CohortError, match="readable"):
                read(root / "open" / "shut")
            with pytest.raises(CohortError, match="readable"):
                read(root)
            cohort = read(root / "open")
        finally:
            if me == 0:
                os.seteuid(me)
            (root / "open" / "shut").chmod(stat.S_IRWXU)
        assert cohort.cases["case_id"].tolist() == ["a"]
        assert cohort.rejects[["file", "rule"]].to_numpy().tolist() == [["shut", "a folder must be readable"]]


def test_a_listing_that_stops_at_the_folders_asked_for(tmp_path):
    for file in ("a.jpg", "images/b.jpg", "elsewhere/c.jpg"):
        picture(tmp_path / file)
    assert listing(tmp_path, ["", "images", "nowhere"]).files == {"a.jpg", "images/b.jpg"}


# --- what is said of a case and cannot be read ------------------------------------------------------------------------


def test_an_age_skin_type_or_tone_that_cannot_be_read_goes_to_a_clinician(tmp_path):
    table = (
        "image_id,age,fitzpatrick,skin_tone,exclusion\n"
        "months,6 months,,,\nbelow,<18,,,\nrange,17-18,,,no\nword,child,,,\nbrown,40,brown,,\ndark,40,,very dark,\n"
        "both,<18,brown,,ulcerated\nabsent,unknown,NA,n/a,\nempty,,,-,none\nplain,40,II,4,no\nolder,85+,V,0,\n"
    )
    ids = [line.split(",")[0] for line in table.splitlines()[1:]]
    cohort = read(folder(tmp_path, table, *[f"{name}.jpg" for name in ids]))
    assert dict(zip(cohort.cases["case_id"], cohort.cases["exclusion"], strict=True)) == {
        "months": "under 18",
        "below": "under 18",
        "range": "under 18",
        "word": "age not understood: child",
        "brown": "skin type not understood: brown",
        "dark": "skin tone not understood: very dark",
        "both": "ulcerated; under 18; skin type not understood: brown",
        "absent": "",
        "empty": "",
        "plain": "",
        "older": "",
    }
    assert "Ages not understood or outside 0 to 120, for clinician review: 1 rows: child (1)." in cohort.notes


def test_what_a_table_says_and_cannot_be_read_reaches_triage(tmp_path):
    """The chain itself: a cohort's cases as the run keeps them, decided by a policy that would discharge."""
    table = "image_id,age,skin_type\nbelow,<18,\nword,child,\nbrown,40,brown\nplain,40,II\n"
    cases = read(folder(tmp_path, table, *[f"{name}.jpg" for name in ("below", "word", "brown", "plain")])).cases
    scores = pd.DataFrame({"case_id": cases["case_id"]} | dict.fromkeys(LESION_TYPES, 0.01))
    policy = TriagePolicy(
        name="test", version="1", model_hash="", thresholds=dict.fromkeys(FLAGGED, 0.5), autonomous=True
    )
    decisions = decide(ScoreRun(scores, cases), policy).table
    assert decisions["rule"].tolist() == ["exclusion", "exclusion", "exclusion", "no threshold"]


# --- properties ------------------------------------------------------------------------------------------------------

CELL = st.one_of(
    st.sampled_from(["", "a", "b", "a.jpg", "../a.jpg", "=1", "<b>", "melanoma", "nevus", "85+", "-1", "NaN", "sub/b"]),
    st.text(st.characters(codec="utf-8"), max_size=8),
)
NAME = st.one_of(
    st.sampled_from(
        [
            "image_id",
            "image",
            "mask",
            "age",
            "sex",
            "diagnosis",
            "diagnosis_1",
            "lesion_types",
            "MEL",
            "NV",
            "BCC",
            "site",
        ]
    ),
    st.text(max_size=6),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(NAME, max_size=5), st.lists(st.lists(CELL, min_size=6, max_size=6), max_size=6), st.booleans())
def test_any_table_is_read_or_refused_and_no_row_is_lost(tmp_path, names, rows, alone):
    header = ["case_id", *names]
    rows = [row[: len(header)] for row in rows]
    rows = [row for row in rows if "".join(row).strip()]
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([header, *rows])
    folder(tmp_path, text.getvalue())
    if not (tmp_path / "a.jpg").exists():
        picture(tmp_path / "a.jpg")
        picture(tmp_path / "sub" / "b.jpg")
    try:
        cohort = read(tmp_path / "metadata.csv" if alone else tmp_path)
    except DermKitError as error:
        assert error.next_step
        return
    spanning = any(c in cell for row in rows for cell in row for c in "\n\r\x00")
    lost = len(rows) - len(cohort) - len(cohort.rejects)
    assert lost <= 0 if spanning else lost == 0
    assert (cohort.rejects["rule"] != "").all()
    assert all((cohort.root / image).is_file() for image in cohort.cases["image"] if image)
    cohort.describe()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=120))
def test_any_bytes_as_a_table_are_read_or_refused(tmp_path, content):
    for prefix in (b"", b"image_id,age,diagnosis\n"):
        (tmp_path / "metadata.csv").write_bytes(prefix + content)
        try:
            read(tmp_path / "metadata.csv").describe()
        except DermKitError as error:
            assert error.case is not None


# --- real data -------------------------------------------------------------------------------------------------------


@pytest.mark.data
def test_the_real_folder_is_read_whole(data_folder):
    cohort = read(data_folder)
    with (data_folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    cases = cohort.cases
    assert len(cohort) == 9677
    assert len(cohort.rejects) == 0
    assert cases["case_id"].tolist() == [row["image_id"] for row in rows]
    assert cases["truth"].tolist() == [row["lesion_types"] for row in rows]
    assert cases["split"].value_counts().to_dict() == {"train": 6290, "reference": 2419, "validation": 968}
    assert cases["mask"].tolist() == [row["mask"] for row in rows]
    assert cases["lesion_id"].tolist() == [row["group_id"] for row in rows]
    assert cases["age_years"].isna().sum() == sum(not row["age_years"] for row in rows)
    assert not [note for note in cohort.notes if "not understood" in note]
    assert not cases["exclusion"].str.contains("not understood").any()
    assert "3 other files are ignored: ATTRIBUTION.md, LICENCE-CC-BY-NC-4.0.txt, README.md." in cohort.notes


@pytest.mark.data
def test_the_real_diagnoses_give_the_same_truth(data_folder, tmp_path):
    """Without the lesion_types column, the diagnoses and their hierarchy must not contradict it."""
    with (data_folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    given = [row.pop("lesion_types") for row in rows]
    with (tmp_path / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    cohort = read(tmp_path / "metadata.csv")
    truths = [(set(a.split("|")), set(b.split("|"))) for a, b in zip(given, cohort.cases["truth"], strict=True)]
    assert all(a <= b or b <= a for a, b in truths if "" not in a | b)
