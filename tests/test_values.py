"""Recognised columns, and cells as values: ages, sexes, sites, skin types, exclusions."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from derm_kit.cases import values
from derm_kit.cases.cohort import COLUMNS
from derm_kit.cases.columns import NAMES, understand


def column(*cells: str) -> pd.Series:
    return pd.Series(list(cells), dtype="str")


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("45", 45), ("45.0", 45), ("45,5", 45.5), ("085", 85), ("85+", 85), (">85", 85), ("45 years", 45), ("45y", 45),
        ("045Y", 45), ("١٢", 12), ("0", 0), ("120", 120), ("0.5", 0.5), (".5", 0.5), ("17.9999", 17.9999),
        ("6 months", 0.5), ("18 months", 1.5), ("18 months old", 1.5), ("018M", 1.5), ("8 weeks", 8 * 7 / 365.25),
        ("10 days", 10 / 365.25), ("12y", 12), ("12 yrs", 12), ("12 years old", 12), ("12 y.o.", 12), ("aged 17", 17),
        ("1y 6m", 1.5), ("1 year and 6 months", 1.5), ("17 years, 6 months", 17.5),
    ],
)  # fmt: skip
def test_ages_that_are_understood(text, years):
    assert values.ages(column(text))[0].tolist() == pytest.approx([years], rel=1e-12)


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("85+", 85), (">= 18", 18), ("18 or over", 18), ("over 70", 70), ("17-18", 17), ("17–18 years", 17),
        ("40-45", 40), ("17 to 18", 17), ("0-17", 0), ("6-12 months", 0.5), ("6 months - 2 years", 0.5),
    ],
)  # fmt: skip
def test_a_bound_or_range_is_read_as_the_youngest_that_the_person_may_be(text, years):
    read, notes = values.ages(column(text, "50"))
    assert read.tolist() == [years, 50]
    assert notes == [f"Ages given as a bound or range ({text}) are read as its lowest age: 1."]
    assert values.doubts({"age": column(text, "50")}, {"age": read}).tolist() == ["", ""]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<18", "under 18"), ("< 18 years", "under 18"), ("under 18", "under 18"), ("Below 16", "under 18"),
        ("<6 months", "under 18"), ("17 or under", "under 18"), ("<=18", "may be under 18"),
        ("≤ 18", "may be under 18"), ("up to 18", "may be under 18"),
        ("under 21", "may be under 18"), ("<40", "may be under 18"), ("18 and under", "may be under 18"),
    ],
)  # fmt: skip
def test_an_age_below_a_limit_may_be_under_18(text, reason):
    read, notes = values.ages(column(text, "50"))
    assert math.isnan(read.iloc[0])
    assert notes == [f"Ages only bounded from above ({text}) may be under 18, for clinician review: 1."]
    assert values.doubts({"age": column(text, "50")}, {"age": read}).tolist() == [reason, ""]


@pytest.mark.parametrize(
    "text",
    [
        *[
            "121",
            "-3",
            "fifty",
            "1e2",
            "nan",
            "1,234,5",
            "999999",
            "45m",
            "18-17",
            "17½",
            "6/12",
            "child",
            "1500 months",
        ],
        *["17 " * 20, "under", "<", "17 or 18"],
    ],
)
def test_ages_that_are_not_understood_are_unknown_noted_and_for_review(text):
    text = text.strip()
    years, notes = values.ages(column(text, "50", ""))
    doubts = values.doubts({"age": column(text, "50", "")}, {"age": years})
    assert doubts.iloc[0].startswith("age not understood: ")
    assert doubts.tolist()[1:] == ["", ""]
    assert math.isnan(years.iloc[0])
    assert "1 rows" in notes[0]
    assert text[:39] in notes[0]


def test_an_age_given_as_a_bound_is_noted():
    assert "85+" in values.ages(column("85+", "30"))[1][0]


def test_words_for_not_known_are_empty():
    assert values.tidy(column("NaN", " unknown ", "N/A", "-", "", "x\ty", " none of these ")).tolist() == [
        "", "", "", "", "", "x y", "none of these",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["", "unknown", "NA", "n/a", "-", "not known", "Unknown ", "NaN", "None", "–", "missing", "not recorded", "<NA>"],
)
def test_what_is_marked_as_absent_is_unknown_and_leads_to_no_review(text):
    said = values.tidy(column(text))
    read = {"age": values.ages(said)[0], "skin type": values.skin_types(said)[0], "skin tone": values.tones(said)[0]}
    assert values.doubts(dict.fromkeys(read, said), read).tolist() == [""]
    assert values.ages(said)[1] == values.skin_types(said)[1] == values.tones(said)[1] == []


def test_a_skin_type_or_tone_that_is_given_and_not_understood_is_for_review():
    said = {"skin type": column("V", "brown", "", "V-VI"), "skin tone": column("0", "", "very dark", "7")}
    read = {"skin type": values.skin_types(said["skin type"])[0], "skin tone": values.tones(said["skin tone"])[0]}
    assert values.doubts(said, read).tolist() == [
        "", "skin type not understood: brown", "skin tone not understood: very dark",
        "skin type not understood: V-VI; skin tone not understood: 7",
    ]  # fmt: skip


def test_sexes_and_sites():
    assert values.sexes(column("F", "m", "Female", "other", "")).tolist() == ["female", "male", "female", "other", ""]
    assert values.sites(column("lower_extremity", "Head/Neck", "head_neck", "")).tolist() == [
        "lower extremity", "head and neck", "head and neck", "",
    ]  # fmt: skip


def test_skin_types():
    types, notes = values.skin_types(column("II", "4", "6.0", "Fitzpatrick type III", "VII", "brown", ""))
    assert types.tolist() == ["II", "IV", "VI", "III", "", "", ""]
    assert "2 rows" in notes[0]


def test_skin_tones():
    tones, notes = values.tones(column("0", "5.0", "6", "2.5", ""))
    assert tones.fillna(-1).tolist() == [0, 5, -1, -1, -1]
    assert "2 rows" in notes[0]


@pytest.mark.parametrize(
    ("site", "reason"),
    [
        ("oral or genital", "genital"), ("oral/genital", "genital"),
        ("Anogenital region:Genital region:Vulva", "genital"),
        ("penis", "genital"), ("nail NOS", "subungual"), ("toenail", "subungual"), ("fingernail", "subungual"),
        ("subungual", "subungual"), ("congenital naevus, back", ""), ("acral palms or soles", ""),
        ("snail shell scar", ""), ("foot", ""), ("", ""),
    ],
)  # fmt: skip
def test_sites_that_exclude(site, reason):
    age = pd.Series([50.0])
    assert values.exclusions(age, [column(""), column(site)]).tolist() == [reason]


def test_under_18_and_pictures_that_are_not_dermoscopic_exclude():
    ages = pd.Series([17.9, 18.0, math.nan, 5.0])
    kinds = column("dermoscopic", "clinical: close-up", "", "TBP tile: overview")
    assert values.exclusions(ages, [column("", "", "", "nail NOS")], kinds).tolist() == [
        "under 18", "not a dermoscopic picture", "", "under 18; subungual; not a dermoscopic picture",
    ]  # fmt: skip


def test_every_column_of_a_cohort_is_recognised_by_its_own_name():
    understood = understand(COLUMNS)
    assert set(understood.fields) == set(COLUMNS) == set(NAMES)
    assert understood.unrecognised == ()


def test_columns_are_recognised_whatever_their_case_and_punctuation():
    understood = understand([" ISIC ID", "Age-Approx", "SEX", "shoe size", ""])
    assert understood.fields == {"case_id": (0,), "age_years": (1,), "sex": (2,)}
    assert understood.unrecognised == ("shoe size", "(column 5)")


def test_the_isic_archive_header_is_recognised():
    header = [
        *["isic_id", "attribution", "copyright_license", "age_approx", "anatom_site_general"],
        *["anatom_site_special", "diagnosis_1", "diagnosis_2", "diagnosis_3", "diagnosis_4"],
        *["diagnosis_5", "diagnosis_confirm_type", "fitzpatrick_skin_type", "image_manipulation", "image_type"],
        *["lesion_id", "patient_id", "sex"],
    ]
    understood = understand(header)
    assert understood.unrecognised == ()
    assert list(understood.levels) == [f"diagnosis_{i}" for i in range(1, 6)]
    assert set(understood.details) == {"anatom_site_special", "image_manipulation", "image_type"}
    assert {"case_id", "licence", "truth_source", "skin_type", "lesion_id", "patient_id"} <= set(understood.fields)


@pytest.mark.parametrize(
    ("header", "codes"),
    [
        ("image,MEL,NV,BCC,AKIEC,BKL,DF,VASC", "MEL NV BCC AKIEC BKL DF VASC"),
        ("image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK", "MEL NV BCC AK BKL DF VASC SCC UNK"),
        ("isic_id,diagnosis,MEL,NV,BCC", ""),
        ("image,MEL", ""),
    ],
)
def test_one_hot_tables(header, codes):
    assert set(understand(header.split(",")).codes) == set(codes.split())


def test_a_column_that_stands_twice_is_reported_if_it_matters():
    assert understand(["image_id", "age", "Age ", "x", "x"]).repeated == ("age",)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=12), max_size=12))
def test_any_header_is_sorted_into_used_and_left_out(header):
    understood = understand(header)
    used = set(understood.positions)
    twice = sum(name not in understood.unrecognised and i not in used for i, name in enumerate(header))
    assert len(used) + len(understood.unrecognised) + twice >= len(header)
    assert all(0 <= i < len(header) for i in used)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=20), max_size=6))
def test_any_text_is_a_value_or_unknown(cells):
    texts = values.tidy(pd.Series(cells, dtype="str"))
    ages = values.ages(texts)[0]
    assert ((ages >= 0) & (ages <= 120) | ages.isna()).all()
    doubts = values.doubts({"age": texts}, {"age": ages})
    assert ((doubts != "") == (ages.isna() & (texts != ""))).all()
    assert set(values.skin_types(texts)[0]) <= {"", "I", "II", "III", "IV", "V", "VI"}
    assert len(values.exclusions(ages, [texts], texts)) == len(cells)
