"""Lesion types, their text form, and diagnoses of every vocabulary to lesion types."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isic_metadata.diagnosis_hierarchical import DiagnosisEnum
from isic_metadata.fields import LegacyDxEnum

from derm_kit.diagnoses import _entries, _keys, lesion_types
from derm_kit.errors import DermKitError, DiagnosisError
from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType, format_truth, parse_truth
from derm_kit.vocabulary import ALIASES, NAMES, OUT_OF_SCOPE, SUBTREES

HIERARCHY = [member.value for member in DiagnosisEnum]


def truth(*parts: str) -> str:
    return format_truth(lesion_types(*parts))


# --- the eleven types -------------------------------------------------------------------------------------------------


def test_order_of_risk_is_that_of_nice_consultation_2705():
    assert [kind.label for kind in LESION_TYPES] == [
        "Melanoma",
        "Squamous cell carcinoma",
        "Basal cell carcinoma",
        "Intraepidermal carcinoma",
        "Actinic keratosis",
        "Atypical naevus",
        "Vascular lesion",
        "Seborrhoeic keratosis",
        "Dermatofibroma",
        "Solar lentigo",
        "Benign naevus",
    ]


def test_six_types_are_flagged_and_four_are_cancers():
    assert [kind for kind in LESION_TYPES if kind.flagged] == list(FLAGGED) == list(LESION_TYPES[:6])
    assert {kind.value for kind in LESION_TYPES if kind.cancer} == {
        "melanoma",
        "squamous_cell_carcinoma",
        "basal_cell_carcinoma",
        "intraepidermal_carcinoma",
    }


def test_words_for_people_are_distinct_and_one_sentence_each():
    assert len({kind.short for kind in LESION_TYPES}) == 11
    assert len({kind.plain for kind in LESION_TYPES}) == 11
    for kind in LESION_TYPES:
        assert kind.plain.endswith(".") and ". " not in kind.plain
        assert not any(character.isdigit() for character in kind.plain)
        assert kind.cancer == ("skin cancer" in kind.plain)


def test_a_lesion_type_is_its_text():
    assert f"{LesionType.BASAL_CELL_CARCINOMA}" == "basal_cell_carcinoma"
    assert LesionType("basal_cell_carcinoma").short == "BCC"


# --- truth as text ----------------------------------------------------------------------------------------------------


@given(st.frozensets(st.sampled_from(LESION_TYPES)))
def test_truth_survives_writing_and_reading(types):
    assert parse_truth(format_truth(types)) == types


@given(st.permutations(LESION_TYPES))
def test_truth_is_written_in_order_of_risk(shuffled):
    assert format_truth(shuffled).split("|") == list(LESION_TYPES)


def test_truth_in_any_order_and_with_blanks_is_read():
    assert parse_truth(" solar_lentigo | seborrhoeic_keratosis ") == {
        LesionType.SEBORRHOEIC_KERATOSIS,
        LesionType.SOLAR_LENTIGO,
    }
    assert parse_truth("  ") == frozenset()


@pytest.mark.parametrize("text", ["melanoma|", "mole", "melanoma,dermatofibroma", "Melanoma"])
def test_truth_in_other_words_is_refused_by_name(text):
    with pytest.raises(DiagnosisError) as caught:
        parse_truth(text)
    assert caught.value.value in text
    assert "benign_naevus" in caught.value.next_step


# --- ISIC's hierarchy -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", HIERARCHY)
def test_every_value_of_the_hierarchy_is_mapped_or_out_of_scope(path):
    """Fails on any value of a newer isic-metadata that no rule covers."""
    parts = path.split(":")
    assert lesion_types(path) == lesion_types(parts[-1]) == lesion_types(*parts) == lesion_types(parts[-1], *parts, "")


def test_out_of_scope_or_too_wide_is_every_value_without_a_type_and_no_other():
    listed = {name for names in OUT_OF_SCOPE.values() for name in names}
    for path in HIERARCHY:
        members = [leaf for leaf in HIERARCHY if leaf == path or leaf.startswith(f"{path}:")]
        leaves = [leaf for leaf in members if not any(other.startswith(f"{leaf}:") for other in members)]
        some_outside = any(listed & set(leaf.split(":")) for leaf in leaves)
        assert (lesion_types(path) == frozenset()) == some_outside, path


def test_rules_name_existing_parts_of_the_hierarchy_once():
    last_parts = [path.rpartition(":")[2] for path in HIERARCHY]
    assert len(set(last_parts)) == len(last_parts)
    rules = [name for table in (SUBTREES, OUT_OF_SCOPE) for names in table.values() for name in names]
    assert len(rules) == len(set(rules))
    assert set(rules) | set(ALIASES) <= set(last_parts)
    aliases = [alias for table in (ALIASES, NAMES) for names in table.values() for alias in names]
    assert len(aliases) == len(set(aliases))


def test_no_spelling_stands_for_two_diagnoses():
    meaning: dict[object, object] = {}
    for name, entry in _entries().items():
        for key in _keys(name):
            assert meaning.setdefault(key, entry) == entry, name


def test_melanoma_agrees_with_isic_metadata():
    """isic-metadata counts a collision with a malignant lesion as well; that is more than one lesion here."""
    theirs = {path for path in HIERARCHY if DiagnosisEnum.is_melanoma(path)}
    ours = {path for path in HIERARCHY if truth(path) == "melanoma"}
    assert theirs - ours == {"Malignant:Collision - At least one malignant proliferation"}
    assert not ours - theirs


def test_behaviour_agrees_with_the_first_level():
    for path in HIERARCHY:
        types = lesion_types(path)
        level = path.split(":")[0]
        if level == "Malignant":
            assert all(kind.cancer for kind in types), path
        elif level == "Indeterminate":
            assert types <= {LesionType.ACTINIC_KERATOSIS}, path
        else:
            assert types.isdisjoint(LESION_TYPES[:5]), path


def test_subtrees_by_hand_count():
    """Counted by eye in isic-metadata 4.12's diagnosis_hierarchical.py."""
    below_nevus = Counter(truth(path) for path in HIERARCHY if ":Nevus:" in path)
    assert below_nevus == {"benign_naevus": 27, "atypical_naevus": 4}
    types = Counter(truth(path) for path in HIERARCHY)
    assert types["basal_cell_carcinoma"] == 10
    assert types["actinic_keratosis"] == 8
    assert types["intraepidermal_carcinoma"] == 3
    assert types["dermatofibroma"] == 6
    assert types["seborrhoeic_keratosis"] == 3


@pytest.mark.parametrize(
    ("diagnosis", "expected"),
    [
        ("Malignant:Malignant melanocytic proliferations (Melanoma):Melanoma Invasive", "melanoma"),
        ("Melanoma in situ, Lentigo maligna type", "melanoma"),
        ("Melanoma metastasis", "melanoma"),
        ("Keratoacanthoma", "squamous_cell_carcinoma"),
        ("Squamous cell carcinoma in situ, Bowens disease", "intraepidermal_carcinoma"),
        ("Basal cell carcinoma, Nodular", "basal_cell_carcinoma"),
        ("Baso-squamous carcinoma", "squamous_cell_carcinoma|basal_cell_carcinoma"),
        ("Malignant epidermal proliferations", "squamous_cell_carcinoma|intraepidermal_carcinoma"),
        ("Indeterminate epidermal proliferations", "actinic_keratosis"),
        ("Nevus", "benign_naevus"),
        ("Nevus, Atypical, Dysplastic, or Clark", "atypical_naevus"),
        ("Nevus, Clark", "atypical_naevus"),
        ("Nevus, Spitz", "benign_naevus"),
        ("Atypical Spitz tumor", ""),
        ("Lichen planus like keratosis", "seborrhoeic_keratosis|solar_lentigo"),
        ("Pigmented benign keratosis", "seborrhoeic_keratosis|solar_lentigo"),
        ("Subungual hemorrhage", "vascular_lesion"),
        ("Glomus tumor", ""),
        ("Benign soft tissue proliferations - Vascular", ""),
        ("Benign melanocytic proliferations", ""),
        ("Merkel cell carcinoma", ""),
        ("Mycosis fungoides", ""),
        ("Collision - At least one malignant proliferation", ""),
        ("Benign", ""),
        ("Malignant", ""),
        ("Indeterminate", ""),
        ("", ""),
    ],
)
def test_hierarchy_by_example(diagnosis, expected):
    assert truth(diagnosis) == expected


# --- flat names and codes ---------------------------------------------------------------------------------------------

LEGACY = {
    "melanoma": "melanoma",
    "melanoma metastasis": "melanoma",
    "squamous cell carcinoma": "squamous_cell_carcinoma",
    "basal cell carcinoma": "basal_cell_carcinoma",
    "actinic keratosis": "actinic_keratosis",
    "angiokeratoma": "vascular_lesion",
    "angioma": "vascular_lesion",
    "pyogenic granuloma": "vascular_lesion",
    "vascular lesion": "vascular_lesion",
    "seborrheic keratosis": "seborrhoeic_keratosis",
    "lichenoid keratosis": "seborrhoeic_keratosis|solar_lentigo",
    "pigmented benign keratosis": "seborrhoeic_keratosis|solar_lentigo",
    "dermatofibroma": "dermatofibroma",
    "solar lentigo": "solar_lentigo",
    "nevus": "benign_naevus",
    "nevus spilus": "benign_naevus",
}
"""ISIC's flat old names that have a type; the rest are out of scope."""


def test_flat_old_names_of_the_archive():
    names = [member.value for member in LegacyDxEnum]
    assert set(LEGACY) <= set(names)
    assert {name: truth(name) for name in names} == {name: LEGACY.get(name, "") for name in names}


HAM10000 = {
    "mel": "melanoma",
    "nv": "benign_naevus",
    "bcc": "basal_cell_carcinoma",
    "akiec": "intraepidermal_carcinoma|actinic_keratosis",
    "bkl": "seborrhoeic_keratosis|solar_lentigo",
    "df": "dermatofibroma",
    "vasc": "vascular_lesion",
}
ISIC_2019 = {
    "MEL": "melanoma",
    "NV": "benign_naevus",
    "BCC": "basal_cell_carcinoma",
    "AK": "actinic_keratosis",
    "BKL": "seborrhoeic_keratosis|solar_lentigo",
    "DF": "dermatofibroma",
    "VASC": "vascular_lesion",
    "SCC": "squamous_cell_carcinoma",
    "UNK": "",
}
MILK10K = {
    "AKIEC": "intraepidermal_carcinoma|actinic_keratosis",
    "BCC": "basal_cell_carcinoma",
    "BEN_OTH": "",
    "BKL": "seborrhoeic_keratosis|solar_lentigo",
    "DF": "dermatofibroma",
    "INF": "",
    "MAL_OTH": "",
    "MEL": "melanoma",
    "NV": "benign_naevus",
    "SCCKA": "squamous_cell_carcinoma",
    "VASC": "vascular_lesion",
}
ISIC_2016_2017 = {
    "benign": "",
    "malignant": "",
    "melanoma": "melanoma",
    "seborrheic_keratosis": "seborrhoeic_keratosis",
    "nevus": "benign_naevus",
    "nevus or seborrheic keratosis": "seborrhoeic_keratosis|benign_naevus",
}


@pytest.mark.parametrize(
    "codes", [HAM10000, ISIC_2019, MILK10K, ISIC_2016_2017], ids=["HAM10000", "ISIC 2019", "MILK10k", "ISIC 2016/17"]
)
def test_codes_of_the_public_sets(codes):
    assert {code: truth(code) for code in codes} == codes


@pytest.mark.parametrize("kind", LESION_TYPES)
def test_our_own_names_map_to_themselves(kind):
    for name in (kind.value, kind.label, kind.short, kind.label.upper()):
        assert lesion_types(name) == {kind}


@pytest.mark.parametrize(
    ("spelling", "same_as"),
    [
        ("SEBORRHOEIC   KERATOSIS", "seborrheic keratosis"),
        ("seborrhœic keratosis", "seborrheic keratosis"),
        ("Seborrheic-Keratosis", "seborrheic keratosis"),
        ("BasalCellCarcinoma", "basal cell carcinoma"),
        ("Naevus, Spitz", "Nevus, Spitz"),
        ("Spitz naevus", "Nevus, Spitz"),
        ("dysplastic naevus", "Nevus, Dysplastic"),
        ("haemangioma", "Hemangioma"),
        ("subungual haemorrhage", "Subungual hemorrhage"),
        ("glomus tumour", "Glomus tumor"),
        ("café-au-lait macule", "cafe-au-lait macule"),
        ("Bowen’s disease", "Squamous cell carcinoma in situ, Bowens disease"),
        ("squamous cell carcinoma in-situ", "Squamous cell carcinoma in situ"),
        ("lichen planus-like keratosis", "Lichen planus like keratosis"),
        ("invasive melanoma", "Melanoma Invasive"),
        (" Benign : Benign melanocytic proliferations : Naevus ", "Nevus"),
    ],
)
def test_spelling_does_not_matter(spelling, same_as):
    assert _meaning(spelling) == _meaning(same_as)


def _meaning(diagnosis: str) -> object:
    """The known entry behind the last part, finer than its lesion types: two out-of-scope names differ."""
    last = diagnosis.rpartition(":")[2]
    index = {key: entry for name, entry in _entries().items() for key in _keys(name)}
    lesion_types(diagnosis)
    return next(index[key] for key in _keys(last) if key in index)


# --- several parts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("bkl", "Solar lentigo"), "solar_lentigo"),
        (("AKIEC", "Bowen's disease"), "intraepidermal_carcinoma"),
        (("VASC", "Benign", "Benign soft tissue proliferations - Vascular"), "vascular_lesion"),
        (("nevus", "Benign", "Nevus, Atypical"), "atypical_naevus"),
        (("BEN_OTH", "Benign", "Benign epidermal proliferations", "Clear cell acanthoma"), ""),
        (("unknown", "melanoma"), "melanoma"),
        (("", "", "Dermatofibroma", ""), "dermatofibroma"),
        (("unknown",), ""),
        (("", ""), ""),
    ],
)
def test_several_parts_narrow_each_other(parts, expected):
    assert truth(*parts) == truth(*reversed(parts)) == expected


@pytest.mark.parametrize("parts", [("nevus", "Malignant"), ("mel", "nv"), ("Benign", "SCC"), ("Benign:Melanoma",)])
def test_parts_that_contradict_each_other_are_refused(parts):
    with pytest.raises(DiagnosisError, match="agree with each other") as caught:
        lesion_types(*parts)
    assert all(part in str(caught.value.value) for part in parts[0].split(":"))


# --- unknown text -----------------------------------------------------------------------------------------------------


def test_unknown_text_names_the_value_the_vocabularies_and_what_is_near():
    with pytest.raises(DiagnosisError) as caught:
        lesion_types("melanomma")
    message = str(caught.value)
    assert caught.value.value == "melanomma"
    assert "'melanoma'" in caught.value.next_step
    assert all(name in message for name in ("ISIC Archive", "HAM10000", "MILK10k", "lesion type"))


@pytest.mark.parametrize(
    "text", ["psoriasis", "-", "?", "黑色素瘤", "lentigo", "<script>", "=cmd()", "melanoma" * 1000]
)
def test_text_in_no_vocabulary_is_refused(text):
    with pytest.raises(DiagnosisError):
        lesion_types(text)


def test_an_unknown_part_beside_a_known_one_is_refused():
    with pytest.raises(DiagnosisError) as caught:
        lesion_types("Benign:Benign melanocytic proliferations:Nevus:Nevus, Invented")
    assert caught.value.value == "Nevus, Invented"


def test_a_name_hidden_in_a_long_text_is_not_read():
    with pytest.raises(DiagnosisError):
        lesion_types("melanoma" + " " * 500 + "excluded")


@settings(deadline=None)
@given(st.lists(st.text() | st.sampled_from(HIERARCHY) | st.sampled_from(sorted(LEGACY)), min_size=1, max_size=5))
def test_nothing_but_our_own_error_leaves(parts):
    try:
        types = lesion_types(*parts)
    except DermKitError as error:
        assert "\n" not in str(error)
    else:
        assert types <= set(LESION_TYPES)


# --- the real images --------------------------------------------------------------------------------------------------


@pytest.mark.data
def test_every_diagnosis_of_the_real_images_maps_to_its_column(data_folder: Path):
    with (data_folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    counts: Counter[str] = Counter()
    for row in rows:
        levels = [row[f"diagnosis_{level}"] for level in range(1, 5)]
        assert truth(row["diagnosis"]) == truth(row["diagnosis"], *levels) == row["lesion_types"], row["image_id"]
        counts[truth(row["diagnosis"])] += 1
    del counts[""]
    assert counts == {
        "melanoma": 914,
        "squamous_cell_carcinoma": 416,
        "basal_cell_carcinoma": 2441,
        "intraepidermal_carcinoma": 268,
        "actinic_keratosis": 169,
        "benign_naevus": 4148,
        "seborrhoeic_keratosis": 301,
        "solar_lentigo": 64,
        "seborrhoeic_keratosis|solar_lentigo": 633,
        "dermatofibroma": 100,
        "vascular_lesion": 112,
    }
