"""Several tables in one folder: joined by case or lesion id, contradictions told, what cannot be joined refused."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from derm_kit.cases import truths, values
from derm_kit.cases.sources import read
from derm_kit.diagnoses import is_outside
from derm_kit.errors import CohortError, DermKitError
from tests.test_sources import noted, picture, rejected


def cohort_folder(root: Path, tables: dict[str, str | bytes], pictures: list[str]) -> Path:
    root.mkdir(exist_ok=True)
    for name, content in tables.items():
        (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    for file in pictures:
        picture(root / file)
    return root


# --- public sets as they ship ----------------------------------------------------------------------------------------

ISIC_2019 = {
    "ISIC_2019_Training_GroundTruth.csv": (
        "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK\n"
        "ISIC_0000001,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0\n"
        "ISIC_0000002_downsampled,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0\n"
        "ISIC_0000003,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0\n"
        "ISIC_0000004,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0\n"
        "ISIC_0000005,0.0,1.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0\n"
        "ISIC_0000006,0.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0\n"
    ),
    "ISIC_2019_Training_Metadata.csv": (
        "image,age_approx,anatom_site_general,lesion_id,sex\n"
        "ISIC_0000001,55.0,anterior torso,,female\n"
        "ISIC_0000002_downsampled,15.0,posterior torso,MSK4_0011169,male\n"
        "ISIC_0000003,,,,\n"
        "ISIC_0000004,60.0,oral/genital,BCN_0000001,female\n"
        "ISIC_0000005,65.0,head/neck,BCN_0000002,male\n"
        "ISIC_0000007,70.0,lower extremity,BCN_0000003,male\n"
    ),
}


def test_isic_2019(tmp_path):
    ids = ["ISIC_0000001", "ISIC_0000002_downsampled", *[f"ISIC_000000{i}" for i in range(3, 8)]]
    pictures = [f"ISIC_2019_Training_Input/{i}.jpg" for i in ids]
    cohort = read(cohort_folder(tmp_path / "isic2019", ISIC_2019, pictures))
    cases = cohort.cases
    assert cases["case_id"].tolist() == ids
    assert cases["image"].tolist() == pictures
    assert cases["truth"].tolist() == [
        "melanoma", "benign_naevus", "", "", "", "seborrhoeic_keratosis|solar_lentigo", "",
    ]  # fmt: skip
    assert cases["diagnosis"].tolist() == ["MEL", "NV", "UNK", "", "", "BKL", ""]
    assert cases["age_years"].fillna(-1).tolist() == [55, 15, -1, 60, 65, -1, 70]
    assert cases["sex"].tolist() == ["female", "male", "", "female", "male", "", "male"]
    assert cases["lesion_id"].tolist()[1] == "MSK4_0011169"
    assert cases["exclusion"].tolist() == ["", "under 18", "", "genital", "", "", ""]
    assert len(cohort.rejects) == 0
    lines = cohort.describe()
    assert lines[0].startswith("isic2019: 7 cases, 7 with a picture, 0 with a mask, 3 with a truth, 0 rejected")
    assert (
        "2 tables of isic2019 are joined to 7 cases (one row a picture: ISIC_2019_Training_GroundTruth.csv, "
        "ISIC_2019_Training_Metadata.csv)."
    ) in lines
    assert "Cases that ISIC_2019_Training_GroundTruth.csv does not have: 1." in lines
    assert "Cases that ISIC_2019_Training_Metadata.csv does not have: 1." in lines
    assert "not exactly one of the one-hot columns is 1, no truth taken from them: 2." in noted(cohort)
    assert "ignored" not in noted(cohort)


def test_the_order_of_tables_and_their_guise_change_nothing(tmp_path):
    pictures = [f"Input/ISIC_000000{i}.jpg" for i in (1, 3, 4, 5, 6, 7)]
    pictures.append("Input/ISIC_0000002_downsampled.jpg")
    plain = read(cohort_folder(tmp_path / "plain", ISIC_2019, pictures)).cases.sort_values("case_id")
    truth, metadata = ISIC_2019.values()
    guises = {
        "a.csv": metadata.replace("anterior torso", "Körper").encode("cp1252"),
        "b.tsv": truth.replace(",", "\t").replace("\n", "\r\n").encode("utf-16"),
    }
    other = read(cohort_folder(tmp_path / "other", guises, pictures)).cases.sort_values("case_id")
    assert other["anatomical_site"].tolist()[0] == "körper"
    same = [column for column in plain if column != "anatomical_site"]
    pd.testing.assert_frame_equal(plain[same].reset_index(drop=True), other[same].reset_index(drop=True))


def test_one_hot_cells_with_decimal_commas(tmp_path):
    tables = {
        "truth.csv": "image;MEL;NV;BCC\nI1;0,0;1,0;0,0\nI2;1,0;0,0;0,0\n",
        "metadata_2.csv": "image;age\nI1;45,5\nI2;50\n",
    }
    cohort = read(cohort_folder(tmp_path, tables, ["I1.jpg", "I2.jpg"]))
    assert cohort.cases["truth"].tolist() == ["benign_naevus", "melanoma"]
    assert cohort.cases["age_years"].tolist() == [45.5, 50]


MILK_CODES = "AKIEC,BCC,BEN_OTH,BKL,DF,INF,MAL_OTH,MEL,NV,SCCKA,VASC"


def milk_row(lesion: str, *codes: str) -> str:
    return f"{lesion},{','.join('1.0' if code in codes else '0.0' for code in MILK_CODES.split(','))}\n"


def milk10k() -> dict[str, str | bytes]:
    truth = [
        milk_row("IL_1", "AKIEC"),
        milk_row("IL_2", "NV"),
        milk_row("IL_3", "MEL"),
        milk_row("IL_3", "NV"),
        milk_row("IL_9", "BCC"),
        milk_row("", "BCC"),
    ]
    metadata = (
        "lesion_id,image_type,isic_id,attribution,copyright_license,image_manipulation,age_approx,sex,skin_tone_class,"
        "site,MONET_ulceration_crust,MONET_hair\n"
        "IL_1,clinical: close-up,ISIC_11,MILK study team,CC-BY-NC,instrument only,85,male,3,head_neck_face,0.1,0.2\n"
        "IL_1,dermoscopic,ISIC_12,MILK study team,CC-BY-NC,instrument only,85,male,3,head_neck_face,0.1,0.2\n"
        "IL_2,clinical: close-up,ISIC_21,MILK study team,CC-BY-NC,instrument only,40,female,5,trunk,0.1,0.2\n"
        "IL_2,dermoscopic,ISIC_22,MILK study team,CC-BY-NC,instrument only,40,female,5,trunk,0.1,0.2\n"
        "IL_3,dermoscopic,ISIC_32,MILK study team,CC-BY-NC,instrument only,50,female,4,trunk,0.1,0.2\n"
        "IL_4,dermoscopic,ISIC_42,MILK study team,CC-BY-NC,instrument only,60,female,4,foot,0.1,0.2\n"
    )
    return {
        "MILK10k_Training_GroundTruth.csv": f"lesion_id,{MILK_CODES}\n{''.join(truth)}",
        "MILK10k_Training_Metadata.csv": metadata,
    }


MILK_PICTURES = [f"MILK10k_Training_Input/IL_{i[0]}/ISIC_{i}.jpg" for i in ("11", "12", "21", "22", "32", "42")]


def test_milk10k_where_truth_has_one_row_a_lesion(tmp_path):
    cohort = read(cohort_folder(tmp_path / "milk", milk10k(), MILK_PICTURES))
    cases = cohort.cases.set_index("case_id")
    assert cases["image"].tolist() == MILK_PICTURES
    assert cases["truth"].to_dict() == {
        "ISIC_11": "intraepidermal_carcinoma|actinic_keratosis",
        "ISIC_12": "intraepidermal_carcinoma|actinic_keratosis",
        "ISIC_21": "benign_naevus",
        "ISIC_22": "benign_naevus",
        "ISIC_32": "melanoma",
        "ISIC_42": "",
    }
    assert cases["skin_tone_class"].tolist() == [3, 3, 5, 5, 4, 4]
    assert cohort.rejects.to_numpy().tolist() == [
        ["", "MILK10k_Training_GroundTruth.csv, line 7", "a row of a table of lesions needs a lesion id",
         "Add the id, or remove the row."],
        ["IL_3", "MILK10k_Training_GroundTruth.csv, line 5", "a lesion must stand once in a table of lesions",
         "Keep one row."],
        ["IL_9", "MILK10k_Training_GroundTruth.csv, line 6", "a lesion needs a row of its picture in another table",
         "Add the picture with this lesion id to the table of pictures, or remove the row."],
    ]  # fmt: skip
    lines = cohort.describe()
    assert (
        "2 tables of milk are joined to 6 cases (one row a picture: MILK10k_Training_Metadata.csv; one row a lesion, "
        "for every picture with its lesion id: MILK10k_Training_GroundTruth.csv)."
    ) in lines
    assert "Cases that MILK10k_Training_GroundTruth.csv does not have: 1." in lines


def test_a_close_up_is_never_read_as_dermoscopic(tmp_path):
    cohort = read(cohort_folder(tmp_path, milk10k(), MILK_PICTURES))
    exclusion = cohort.cases.set_index("case_id")["exclusion"]
    assert exclusion[exclusion != ""].to_dict() == dict.fromkeys(("ISIC_11", "ISIC_21"), "not a dermoscopic picture")
    assert "Excluded, for clinician review, not a dermoscopic picture: 2." in cohort.describe()


def test_milk10k_with_its_supplement_of_full_diagnoses(tmp_path):
    supplement = (
        "isic_id,diagnosis_full,diagnosis_confirm_type\n"
        'ISIC_11,"Squamous cell carcinoma in situ, Bowens disease",histopathology\n'
        'ISIC_12,"Squamous cell carcinoma in situ, Bowens disease",histopathology\n'
        "ISIC_21,Mucosal melanotic macule,histopathology\n"
        "ISIC_22,Mucosal melanotic macule,histopathology\n"
        "ISIC_32,Nevus,histopathology\n"
        "ISIC_42,Basal cell carcinoma,histopathology\n"
    )
    tables = {**milk10k(), "MILK10k_Training_Supplement.csv": supplement}
    cohort = read(cohort_folder(tmp_path, tables, MILK_PICTURES))
    cases = cohort.cases.set_index("case_id")
    assert cases["truth"].to_dict() == {
        "ISIC_11": "intraepidermal_carcinoma",
        "ISIC_12": "intraepidermal_carcinoma",
        "ISIC_21": "",
        "ISIC_22": "",
        "ISIC_42": "basal_cell_carcinoma",
    }
    assert cases.loc["ISIC_12", "diagnosis"] == "Squamous cell carcinoma in situ, Bowens disease; AKIEC"
    assert (
        "Cases whose tables differ on whether they are one of the eleven lesion types, truth left empty: 2, such as "
        "ISIC_21 (Mucosal melanotic macule in MILK10k_Training_Supplement.csv, line 4 and NV in "
        "MILK10k_Training_GroundTruth.csv, line 3)."
    ) in cohort.notes
    assert ("ISIC_32", "tables must agree on a case's truth") in rejected(cohort)


HAM10000 = {
    "HAM10000_metadata.csv": (
        "lesion_id,image_id,dx,dx_type,age,sex,localization,dataset\n"
        "HAM_0000118,ISIC_0027419,bkl,histo,80.0,male,scalp,vidir_modern\n"
        "HAM_0000118,ISIC_0025030,bkl,histo,80.0,male,scalp,vidir_modern\n"
        "HAM_0002730,ISIC_0026769,nv,follow_up,,unknown,genital,rosendahl\n"
    ),
    "ISIC2018_Task3_Training_GroundTruth.csv": (
        "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\n"
        "ISIC_0025030,0.0,0.0,0.0,0.0,1.0,0.0,0.0\n"
        "ISIC_0026769,0.0,1.0,0.0,0.0,0.0,0.0,0.0\n"
        "ISIC_0027419,0.0,0.0,0.0,0.0,1.0,0.0,0.0\n"
    ),
}
HAM_PICTURES = ["part_1/ISIC_0027419.jpg", "part_1/ISIC_0025030.jpg", "part_2/ISIC_0026769.jpg"]


def test_ham10000_with_the_truth_of_isic_2018(tmp_path):
    groupings = (
        "image,lesion_id,diagnosis_confirm_type\n"
        "ISIC_0025030,HAM_0000118,histopathology\n"
        "ISIC_0026769,HAM_0002730,serial imaging showing no change\n"
        "ISIC_0027419,HAM_0000118,histopathology\n"
    )
    tables = {**HAM10000, "ISIC2018_Task3_Training_LesionGroupings.csv": groupings}
    cohort = read(cohort_folder(tmp_path, tables, HAM_PICTURES))
    alone = read(tmp_path, table=tmp_path / "HAM10000_metadata.csv")
    same = [column for column in alone.cases if column != "truth_source"]
    pd.testing.assert_frame_equal(cohort.cases[same], alone.cases[same])
    assert cohort.cases["truth_source"].tolist() == [
        "histo; histopathology", "histo; histopathology", "follow_up; serial imaging showing no change",
    ]  # fmt: skip
    assert "Cases whose tables use different words in truth_source, all kept: 3." in cohort.notes
    assert not any("in diagnosis" in note for note in cohort.notes)
    assert len(cohort.rejects) == 0


def test_tables_of_pixels_that_say_of_no_case_whose_they_are_are_left_out_and_named(tmp_path):
    tables = {**HAM10000, "hmnist_8_8_L.csv": "pixel0000,pixel0001,label\n12,13,2\n"}
    cohort = read(cohort_folder(tmp_path, tables, HAM_PICTURES))
    assert len(cohort) == 3
    assert (
        "hmnist_8_8_L.csv is not read, no column says whose its rows are: pixel0000, pixel0001, label." in cohort.notes
    )
    assert "1 other files are ignored: hmnist_8_8_L.csv." in cohort.notes
    (tmp_path / "HAM10000_metadata.csv").unlink()
    assert read(tmp_path).cases["truth"].str.len().min() > 0


# --- contradictions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "one", "other", "field", "first", "second"),
    [
        ("age", "50", "55", "age_years", "50", "55"),
        ("sex", "male", "female", "sex", "male", "female"),
        ("patient_id", "P1", "P2", "patient_id", "P1", "P2"),
        ("lesion_id", "L1", "L2", "lesion_id", "L1", "L2"),
        ("skin_type", "II", "VI", "skin_type", "II", "VI"),
        ("skin_tone_class", "0", "5", "skin_tone_class", "0", "5"),
        ("split", "train", "reference", "split", "train", "reference"),
        ("dx", "mel", "nv", "truth", "mel", "nv"),
        ("lesion_types", "melanoma", "benign_naevus", "truth", "melanoma", "benign_naevus"),
        ("file", "I1.jpg", "x/I1.jpg", "image", "I1.jpg", "x/I1.jpg"),
        ("mask", "masks/I1.png", "masks/x.png", "mask", "masks/I1.png", "masks/x.png"),
    ],
)
def test_a_case_that_tables_contradict_each_other_about_is_rejected(tmp_path, column, one, other, field, first, second):
    tables = {
        "a.csv": f"image_id,{column}\nI1,{one}\nI2,\n",
        "b.csv": f"image_id,{column}\nI3,\nI1,{other}\nI2,{other if column != 'file' else ''}\n",
    }
    cohort = read(cohort_folder(tmp_path, tables, ["I1.jpg", "I2.jpg", "I3.jpg", "x/I1.jpg"]))
    assert cohort.cases["case_id"].tolist() == ["I2", "I3"]
    said = f"{field} is {first} in a.csv, line 2 and {second} in b.csv, line 3"
    assert cohort.rejects.to_numpy().tolist() == [
        ["I1", "a.csv, line 2", f"tables must agree on a case's {field}", f"Correct one of the tables: {said}."]
    ]
    assert f"Cases that tables contradict each other about, rejected: 1, such as I1: {said}." in cohort.notes
    assert f"Rejected, tables must agree on a case's {field}: 1." in cohort.describe()


def test_all_contradictions_of_a_case_stand_in_one_reject(tmp_path):
    tables = {"a.csv": "image_id,dx,age,sex\nI1,mel,50,male\n", "b.csv": "image_id,dx,age,sex\nI1,bcc,51,M\n"}
    cohort = read(cohort_folder(tmp_path, tables, ["I1.jpg"]))
    assert rejected(cohort) == [("I1", "tables must agree on a case's truth, age_years")]
    assert "truth is mel in a.csv, line 2 and bcc in b.csv, line 2; age_years is 50 in" in noted(cohort)


@pytest.mark.parametrize(
    ("column", "one", "other", "kept"),
    [
        ("age_years", "age\nI1,80.0", "age\nI1,80", 80),
        ("sex", "sex\nI1,F", "gender\nI1,female", "female"),
        ("sex", "sex\nI1,unknown", "gender\nI1,female", "female"),
        ("diagnosis", "dx\nI1,mel", "diagnosis\nI1,MEL", "mel"),
        ("truth", "dx\nI1,akiec", "diagnosis\nI1,Bowen's disease", "intraepidermal_carcinoma"),
        ("truth", "dx\nI1,nv", 'diagnosis\nI1,"Nevus, Atypical, Dysplastic, or Clark"', "atypical_naevus"),
        ("truth", "lesion_types\nI1,seborrhoeic_keratosis|solar_lentigo", "dx\nI1,solar lentigo", "solar_lentigo"),
        ("truth", "lesion_types\nI1,melanoma", "diagnosis_1\nI1,Malignant", "melanoma"),
        ("truth", "dx\nI1,wibble", "diagnosis\nI1,nevus", "benign_naevus"),
        ("anatomical_site", "site\nI1,scalp", "localization\nI1,head/neck", "scalp; head and neck"),
        ("licence", "license\nI1,CC-0", "licence\nI1,CC-BY", "CC-0; CC-BY"),
        ("exclusion", "age\nI1,12", "site\nI1,genital", "under 18; genital"),
        ("exclusion", "age,site\nI1,12,nail", "age,site\nI1,12,genital", "under 18; subungual; genital"),
        ("image", "image\nI1", "isic_id,file\nI1,sub/x.jpg", "sub/x.jpg"),
    ],
)
def test_what_agrees_in_other_words_is_one_case(tmp_path, column, one, other, kept):
    ids = "" if one.startswith("image\n") else "image_id,"
    tables = {"a.csv": f"{ids}{one}\n", "b.csv": f"{'' if other.startswith('isic') else 'image_id,'}{other}\n"}
    cohort = read(cohort_folder(tmp_path, tables, ["I1.jpg", "sub/x.jpg"]))
    assert len(cohort.rejects) == 0
    assert cohort.cases[column].tolist() == [kept]


@pytest.mark.parametrize(
    ("said", "truth", "contradicted", "outside"),
    [
        (["", ""], "", False, False),
        (["MEL", ""], "melanoma", False, False),
        (["MEL", "nv"], "", True, False),
        (["MEL", "INF"], "", False, True),
        (["melanoma|benign_naevus", "nv"], "benign_naevus", False, False),
        (["melanoma|basal_cell_carcinoma", "benign_naevus"], "", True, False),
        (["Malignant", "nv"], "", True, False),
        (["Benign", "nv"], "benign_naevus", False, False),
        (["AKIEC", "ak", "Bowen"], "", True, False),
    ],
)
def test_what_several_tables_say_of_the_truth(said, truth, contradicted, outside):
    together, *flags = truths.agreed([pd.Series([text], dtype="str") for text in said])
    assert (together.tolist(), *(flag.tolist() for flag in flags)) == ([truth], [contradicted], [outside])


@pytest.mark.parametrize(
    ("diagnosis", "outside"),
    [("INF", True), ("UNK", True), ("Angiofibroma", True), ("unknown", False), ("Malignant", False), ("mel", False)],
)
def test_a_diagnosis_outside_the_eleven_types(diagnosis, outside):
    assert is_outside(diagnosis) == outside


def test_hot_cells():
    cells = pd.Series(["1", "1.0", "1,0", "0", "0.0", "", "x", "0.4", "nan"], dtype="str")
    assert values.hot(cells).tolist() == [True] * 3 + [False] * 6


# --- rows that cannot be joined, tables that cannot ------------------------------------------------------------------


def test_repeated_broken_and_unsafe_rows_are_rejected_by_table_and_line(tmp_path):
    tables = {
        "a.csv": "image_id,age\nI1,50\nI1,51\n=1+1,50\n,50\nI2,50,extra\n",
        "b.csv": "image_id,sex\nI1,male\nI2,female\nI2,male\ngone,male\n",
    }
    cohort = read(cohort_folder(tmp_path, tables, ["I1.jpg", "I2.jpg"]))
    assert cohort.cases[["case_id", "sex"]].to_numpy().tolist() == [["I1", "male"], ["I2", "female"]]
    assert sorted(cohort.rejects["file"]) == [
        "a.csv, line 3", "a.csv, line 4", "a.csv, line 5", "a.csv, line 6", "b.csv, line 4", "gone",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("third", "value"),
    [
        ("name,affiliation\nDoe,Vienna\n", "a.csv with b.csv; c.csv"),
        ("lesion_id,age\nL1,50\n", "a.csv with b.csv; c.csv"),
        ("id,score\n1,0.5\n2,0.7\n", "a.csv with b.csv; c.csv"),
    ],
)
def test_tables_that_share_no_ids_are_refused_by_name(tmp_path, third, value):
    tables = {"a.csv": "image,MEL,NV,BCC\nI1,1,0,0\n", "b.csv": "image,age\nI1,50\n", "c.csv": third}
    cohort_folder(tmp_path, tables, ["I1.jpg"])
    with pytest.raises(CohortError, match="must share case ids or lesion ids") as caught:
        read(tmp_path)
    assert caught.value.value == value
    assert caught.value.case == str(tmp_path)
    assert "--table" in caught.value.next_step
    assert len(read(tmp_path, table=tmp_path / "b.csv")) == 1


def test_tables_hang_together_through_a_third(tmp_path):
    tables = {
        "a.csv": "image_id,sex\nI1,male\n",
        "b.csv": "image_id,sex\nI2,female\n",
        "c.csv": "image_id,age\nI2,40\nI1,50\n",
    }
    cohort = read(cohort_folder(tmp_path, tables, ["I1.jpg", "I2.jpg"]))
    assert cohort.cases[["case_id", "sex", "age_years"]].to_numpy().tolist() == [
        ["I1", "male", 50.0],
        ["I2", "female", 40.0],
    ]


def test_tables_of_two_kinds_of_pictures_hang_together_by_lesion(tmp_path):
    tables = {
        "close.csv": "isic_id,lesion_id,image_type\nC1,L1,clinical: close-up\n",
        "dermoscopy.csv": "isic_id,lesion_id,image_type\nD1,L1,dermoscopic\n",
        "truth.csv": "lesion_id,diagnosis\nL1,nevus\n",
    }
    cases = read(cohort_folder(tmp_path, tables, ["C1.jpg", "D1.jpg"])).cases
    assert cases["truth"].tolist() == ["benign_naevus"] * 2
    assert cases["exclusion"].tolist() == ["not a dermoscopic picture", ""]


@pytest.mark.parametrize(
    "tables",
    [
        {"a.csv": f"lesion_id,{MILK_CODES}\n{milk_row('IL_1', 'MEL')}"},
        {"a.csv": f"lesion_id,{MILK_CODES}\n{milk_row('IL_1', 'MEL')}", "b.csv": "lesion_id,age\nIL_1,50\n"},
        {"a.csv": "x,y\n1,2\n", "b.csv": "label\n1\n"},
    ],
)
def test_tables_without_a_column_of_pictures_are_refused(tmp_path, tables):
    with pytest.raises(CohortError, match="column of case ids") as caught:
        read(cohort_folder(tmp_path, tables, ["IL_1/I1.jpg"]))
    assert caught.value.next_step


def test_a_table_that_cannot_be_read_is_named_whatever_lies_beside_it(tmp_path):
    with pytest.raises(CohortError, match="must not be empty") as caught:
        read(cohort_folder(tmp_path, {"a.csv": "image,age\nI1,50\n", "b.csv": ""}, ["I1.jpg"]))
    assert caught.value.case == str(tmp_path / "b.csv")


def test_metadata_csv_stands_for_its_folder_alone(tmp_path):
    tables = {"metadata.csv": "image_id,age\nI1,50\n", "truth.csv": "image,MEL,NV,BCC\nI1,1,0,0\nI2,1,0,0\n"}
    cohort = read(cohort_folder(tmp_path, tables, ["I1.jpg", "I2.jpg"]))
    assert cohort.cases[["case_id", "truth"]].to_numpy().tolist() == [["I1", ""]]
    assert "2 other files are ignored: I2.jpg, truth.csv." in cohort.notes


# --- properties ------------------------------------------------------------------------------------------------------

IDS = st.sampled_from(["a", "b", "c", "a.jpg", "", "=1", "d"])
ROWS = st.lists(st.tuples(IDS, st.sampled_from(["mel", "nv", "INF", "wibble", ""]), st.sampled_from(["5", "50", ""])))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(ROWS, ROWS, st.booleans())
def test_no_row_of_any_table_is_lost(tmp_path, one, other, by_lesion):
    for name, rows, key in (("one.csv", one, "image_id"), ("other.csv", other, "lesion" if by_lesion else "image_id")):
        text = io.StringIO()
        extra = ["lesion_id"] if by_lesion and key == "image_id" else []
        lines = [[*row, *([row[0]] if extra else [])] for row in rows]
        csv.writer(text).writerows([[key, "dx", "age", *extra], *lines])
        (tmp_path / name).write_text(text.getvalue(), encoding="utf-8")
    if not (tmp_path / "a.jpg").exists():
        for file in ("a.jpg", "b.jpg", "c.jpg"):
            picture(tmp_path / file)
    try:
        cohort = read(tmp_path)
    except DermKitError as error:
        assert error.next_step
        return
    known = {*cohort.cases["case_id"], *cohort.rejects["case_id"]}
    for row in filter(any, (*one, *other)):  # a line of empty cells gives nothing
        assert row[0].removesuffix(".jpg") in known or row[0] in known
    assert (cohort.rejects["rule"] != "").all()
    assert not cohort.cases["case_id"].duplicated().any()
    cohort.describe()
