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
        ("045Y", 45), ("١٢", 12), ("0", 0), ("120", 120),
    ],
)  # fmt: skip
def test_ages_that_are_understood(text, years):
    assert values.ages(column(text))[0].tolist() == [years]


@pytest.mark.parametrize("text", ["121", "-3", "fifty", "40-45", "1e2", "nan", "45 months", "1,234,5", "999999"])
def test_ages_that_are_not_understood_are_unknown_and_noted(text):
    years, notes = values.ages(column(text, "50", ""))
    assert math.isnan(years.iloc[0])
    assert "1 rows" in notes[0]
    assert text in notes[0]


def test_an_age_given_as_a_bound_is_noted():
    assert "85+" in values.ages(column("85+", "30"))[1][0]


def test_words_for_not_known_are_empty():
    assert values.tidy(column("NaN", " unknown ", "N/A", "-", "", "x\ty", " none of these ")).tolist() == [
        "", "", "", "", "", "x y", "none of these",
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
    assert set(values.skin_types(texts)[0]) <= {"", "I", "II", "III", "IV", "V", "VI"}
    assert len(values.exclusions(ages, [texts], texts)) == len(cells)
