"""Reviews: kept exactly, never overwritten, answered at once or refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from derm_kit.errors import RecordError
from derm_kit.records.conflicts import ConflictError
from derm_kit.records.people import Role
from derm_kit.records.register import Register
from derm_kit.records.text import shown, stored
from tests.records.places import PASSPHRASE, RUN, Place, review

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "'); DROP TABLE reviews; --",
    "\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe\N{POP DIRECTIONAL FORMATTING}",
    "\0 in front, \0 between, behind \0",
    "\N{MICROSCOPE}\N{ZERO WIDTH JOINER} e\N{COMBINING ACUTE ACCENT} \ud83d half a pair, both halves \ud83d\ude00",
    r"\u0000 \x00 \\ {} %s %(x)s :note ?",
    " \t\r\n\v\f\x1b[2J\x7f\x85\u2028\ufeff\uffff ",
    "x" * 10_000,
)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_any_text_is_stored_as_text_and_comes_back_exactly(register: Register, reader: str, text: str):
    case = text[:100]
    saved = register.save_review(review(reader, case, note=text))
    person = register.add_person(f"x{text}"[:900], Role.REVIEWER, f"{text} and more words", registration=text[:900])
    assert register.reviews(RUN, case) == [saved]
    assert saved.note == text
    assert [verdict.case for verdict in register.worklist(RUN)] == [case]
    assert register.person(person.id).name == f"x{text}"[:900].strip()
    assert register.check_passphrase(person.id, f"{text} and more words").id == person.id
    assert [entry.details.get("case") for entry in register.entries()][2] == case
    assert register.verify().sound


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(note=st.text(st.characters(codec=None), max_size=200), case=st.text(min_size=1, max_size=50))
def test_whatever_is_written_is_read(register: Register, reader: str, note: str, case: str):
    before = [r for r in register.reviews(RUN, case) if r.reviewer == reader]
    saved = register.save_review(review(reader, case, note=note, version=len(before)))
    assert register.reviews(RUN, case)[-1] == saved
    assert saved.note == note


@given(st.text(st.characters(codec=None)))
def test_stored_text_has_neither_nul_nor_half_a_pair_and_is_shown_as_it_was(text: str):
    assert "\0" not in stored(text)
    assert stored(text).encode().decode() == stored(text)
    assert shown(stored(text)) == text


@given(st.text("\\u0d8\0\ud800"), st.text("\\u0d8\0\ud800"))
def test_two_texts_are_never_stored_alike(one: str, other: str):
    assert (stored(one) == stored(other)) == (one == other)


def test_every_field_of_a_review_comes_back(register: Register, reader: str):
    full = review(
        reader, agrees=False, confidence_percent=np.int64(80), seconds=np.float64(12.25), blind=True, adjudication=True
    )
    saved = register.save_review(full)
    assert replace(saved, version=0, at="") == full
    assert register.reviews(RUN, "case 1") == [saved]
    assert register.save_review(review(reader, "case 2", seconds=3)).seconds == 3
    assert register.verify().sound


def test_a_correction_is_the_next_version_and_the_first_stays(register: Register, reader: str):
    first = register.save_review(review(reader))
    second = register.save_review(replace(first, verdict="dermatofibroma"))
    assert (first.version, second.version) == (1, 2)
    assert register.reviews(RUN, "case 1") == [first, second]
    assert [(v.verdict, v.version) for v in register.worklist(RUN)] == [("dermatofibroma", 2)]


def test_the_second_of_two_tabs_is_told_and_shown_both(register: Register, place: Place, reader: str):
    seen = register.save_review(review(reader))
    with place.open() as other_tab:
        stays = other_tab.save_review(replace(seen, verdict="dermatofibroma", note="harmless"))
    with pytest.raises(ConflictError) as told:
        register.save_review(replace(seen, verdict="basal_cell_carcinoma", note="pearly"))
    assert told.value.stored == stays
    assert told.value.yours.note == "pearly"
    for word in ("dermatofibroma", "harmless", "basal cell carcinoma", "pearly"):
        assert word in str(told.value)
    assert register.reviews(RUN, "case 1") == [seen, stays]
    again = register.save_review(replace(told.value.yours, version=told.value.stored.version))
    assert again.version == 3


def test_two_readers_of_one_case_never_meet(register: Register, reader: str):
    second = register.add_person("Bo Second", Role.DERMATOLOGIST, PASSPHRASE).id
    register.save_review(review(reader))
    register.save_review(review(second, verdict="seborrhoeic_keratosis"))
    register.save_review(review(reader, verdict="solar_lentigo", version=1))
    assert [(v.reviewer, v.verdict) for v in register.worklist(RUN)] == [
        (second, "seborrhoeic_keratosis"),
        (reader, "solar_lentigo"),
    ]
    assert register.worklist("another run") == []


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"verdict": "melanom"}, "the verdict is a lesion type"),
        ({"disposition": "home"}, "the disposition is one that a policy knows"),
        ({"confidence_percent": 101}, "confidence is 0 to 100"),
        ({"seconds": float("nan")}, "seconds are counted"),
        ({"note": "x" * 100_001}, "a note has at most 100,000"),
        ({"run": ""}, "the name of a run"),
        ({"case": "\0" * 200}, "the id of a case"),
        ({"reviewer": "nobody"}, "no such person"),
    ],
)
def test_a_review_that_breaks_a_rule_is_refused_and_leaves_nothing(
    register: Register, reader: str, fields: dict[str, object], rule: str
):
    before = register.head()
    with pytest.raises(RecordError, match=rule):
        register.save_review(replace(review(reader), **fields))
    assert register.head() == before


def test_the_longest_names_of_run_and_case_fit_the_index(register: Register, reader: str):
    longest = "\0\ud800" * 83
    saved = register.save_review(replace(review(reader), run=longest, case=longest))
    assert register.reviews(longest, longest) == [saved]
