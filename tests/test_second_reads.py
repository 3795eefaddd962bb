"""Second reads: states, who reads next, agreement and export, by reviews that went through a register."""

from __future__ import annotations

import csv
import io
import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from derm_kit.cases.cohort import safe_csv
from derm_kit.records.people import Role
from derm_kit.records.register import Register
from derm_kit.records.reviews import Review, Verdict
from derm_kit.records.second_reads import (
    EXPORT_COLUMNS,
    ReadState,
    agreement_of,
    export_reviews,
    may_read_next,
    reading_states,
)
from derm_kit.triage.agreement import cohen_kappa, fleiss_kappa
from derm_kit.triage.definition import Disposition

URGENT, ROUTINE, DISCHARGE = (
    Disposition.URGENT_SUSPECTED_CANCER,
    Disposition.ROUTINE_DERMATOLOGY,
    Disposition.DISCHARGE_ADVICE,
)
PASSPHRASE = "correct horse battery staple"  # noqa: S105 - of a test


@dataclass(frozen=True)
class Desk:
    """A run of its own in a register, and the ids of four people who read it."""

    register: Register
    run: str
    readers: tuple[str, ...]

    def save(
        self,
        reader: str,
        disposition: Disposition = URGENT,
        verdict: str = "melanoma",
        case: str = "case 1",
        **more: Any,
    ) -> Review:
        """Store what a reader thinks now, as the next version of what they thought before."""
        before = [review.version for review in self.register.reviews(self.run, case) if review.reviewer == reader]
        version = max(before, default=0)
        return self.register.save_review(Review(self.run, case, reader, verdict, disposition, version=version, **more))

    def worklist(self) -> list[Verdict]:
        return self.register.worklist(self.run)

    def state(self) -> pd.Series:
        return reading_states(self.worklist(), ["case 1"]).iloc[0]

    def next_readers(self) -> list[int]:
        """Who may read the case next, by their places."""
        states = reading_states(self.worklist(), ["case 1"])
        return [i for i, reader in enumerate(self.readers) if may_read_next(states, reader)[0]]


@pytest.fixture(scope="module")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Register, tuple[str, ...]]]:
    """A register in SQLite with four people: hashing a passphrase is slow on purpose, so they are added once."""
    names = ("Ada Lovelace", "Ben Nevis", "Cleo Patra", "Dan Druff")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DERM_KIT_DATABASE_URL", raising=False)
        with Register.open(tmp_path_factory.mktemp("register") / "workspace") as register:
            people = [register.add_person(n, Role.DERMATOLOGIST, PASSPHRASE, registration="GMC 1") for n in names]
            yield register, tuple(person.id for person in people)


@pytest.fixture
def desk(staffed: tuple[Register, tuple[str, ...]], request: pytest.FixtureRequest) -> Desk:
    return Desk(staffed[0], request.node.name, staffed[1])


def verdict(case: str, reviewer: str, disposition: Disposition = URGENT, name: str = "melanoma", **more) -> Verdict:
    values = {"agrees": None, "adjudication": False, "version": 1, "at": ""} | more
    return Verdict(case, reviewer, name, disposition.value, **values)


def test_a_case_goes_from_unread_over_two_readers_who_differ_to_adjudicated(desk: Desk):
    ada, ben, cleo, _ = desk.readers
    assert desk.state()["state"] == ReadState.UNREAD
    assert desk.next_readers() == [0, 1, 2, 3]
    desk.save(ada, URGENT)
    assert (desk.state()["state"], desk.state()["disposition"]) == (ReadState.ONE_READER, "")
    assert desk.next_readers() == [1, 2, 3]
    desk.save(ben, DISCHARGE, "benign_naevus")
    assert (desk.state()["state"], desk.state()["disposition"]) == (ReadState.DIFFER, "")
    assert desk.next_readers() == [2, 3]
    desk.save(cleo, URGENT, adjudication=True)
    settled = desk.state()
    assert (settled["state"], settled["disposition"]) == (ReadState.ADJUDICATED, URGENT)
    assert settled["readers"] == (ada, ben)
    assert desk.next_readers() == []


def test_two_readers_agree_by_where_the_patient_goes_and_the_verdict_stands_beside(desk: Desk):
    desk.save(desk.readers[0], URGENT, "melanoma")
    assert desk.state()["same_verdict"] is None
    desk.save(desk.readers[1], URGENT, "squamous_cell_carcinoma")
    found = desk.state()
    assert (found["state"], found["disposition"], found["same_verdict"]) == (ReadState.AGREE, URGENT, False)
    assert desk.next_readers() == []
    desk.save(desk.readers[1], ROUTINE, "melanoma")
    found = desk.state()
    assert (found["state"], found["disposition"], found["same_verdict"]) == (ReadState.DIFFER, "", True)


def test_a_third_reading_that_differs_opens_an_agreed_case(desk: Desk):
    for reader, disposition in zip(desk.readers, (DISCHARGE, DISCHARGE, URGENT), strict=False):
        desk.save(reader, disposition)
    assert desk.state()["state"] == ReadState.DIFFER
    assert desk.next_readers() == [3]


def test_a_reading_changed_after_the_adjudication_opens_the_case_again(desk: Desk):
    ada, ben, cleo, _ = desk.readers
    for reader, disposition in ((ada, URGENT), (ben, DISCHARGE)):
        desk.save(reader, disposition)
    desk.save(cleo, DISCHARGE, adjudication=True)
    desk.save(ben, ROUTINE)
    assert desk.state()["state"] == ReadState.DIFFER
    assert desk.next_readers() == [2, 3]
    desk.save(ben, URGENT)
    assert (desk.state()["state"], desk.state()["disposition"]) == (ReadState.AGREE, URGENT)
    desk.save(ben, DISCHARGE)
    desk.save(cleo, URGENT, adjudication=True)
    assert (desk.state()["state"], desk.state()["disposition"]) == (ReadState.ADJUDICATED, URGENT)


def test_an_adjudication_neither_overrules_agreement_nor_counts_as_a_reading(desk: Desk):
    ada, ben, cleo, dan = desk.readers
    desk.save(cleo, DISCHARGE, adjudication=True)
    assert desk.state()["state"] == ReadState.UNREAD
    desk.save(ada, URGENT)
    assert desk.state()["state"] == ReadState.ONE_READER
    desk.save(ben, URGENT)
    desk.save(dan, DISCHARGE, adjudication=True)
    assert (desk.state()["state"], desk.state()["disposition"]) == (ReadState.AGREE, URGENT)


def test_one_who_differs_cannot_settle_it_alone(desk: Desk):
    desk.save(desk.readers[0], URGENT)
    desk.save(desk.readers[1], DISCHARGE)
    desk.save(desk.readers[1], DISCHARGE, adjudication=True)
    assert desk.state()["state"] == ReadState.ONE_READER


OPINIONS = st.tuples(st.sampled_from([URGENT, DISCHARGE]), st.booleans())


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abcd"), OPINIONS, max_size=4))
def test_nobody_reads_a_case_twice_and_settled_cases_are_closed(opinions: dict):
    worklist = [
        verdict("x", reader, disposition, adjudication=third) for reader, (disposition, third) in opinions.items()
    ]
    states = reading_states(worklist, ["x"])
    found = states.iloc[0]
    read = {v.reviewer for v in worklist if not v.adjudication}
    assert set(found["readers"]) == read
    is_open = found["state"] not in (ReadState.AGREE, ReadState.ADJUDICATED)
    assert (found["disposition"] == "") == is_open
    for reader in "abcde":
        assert may_read_next(states, reader)[0] == (is_open and reader not in read)
    if found["state"] == ReadState.ADJUDICATED:
        assert len({v.disposition for v in worklist if not v.adjudication}) > 1
        assert worklist[-1].adjudication


def test_states_come_in_the_order_of_the_cases_and_leave_other_cases_out():
    states = reading_states([verdict("b", "r"), verdict("gone", "r")], ["a", "b", "c"])
    assert states["case_id"].tolist() == ["a", "b", "c"]
    assert states["state"].tolist() == ["unread", "one reader", "unread"]
    assert reading_states([], []).empty
    assert may_read_next(reading_states([], []), "r").shape == (0,)


def test_the_states_of_10000_cases_are_there_at_once():
    cases = [f"case {i}" for i in range(10_000)]
    worklist = [verdict(case, reader) for case, reader in itertools.product(cases, "ab")]
    took = []
    for _ in range(5):
        began = time.process_time()  # what others do on this machine does not count
        may_read_next(reading_states(worklist, cases), "a")
        took.append(time.process_time() - began)
    assert min(took) < 0.1


def test_agreement_of_two_readers_is_cohens_kappa_whoever_was_first(desk: Desk):
    ada, ben, cleo, _ = desk.readers
    said = [(URGENT, URGENT), (URGENT, ROUTINE), (DISCHARGE, DISCHARGE), (ROUTINE, DISCHARGE), (ROUTINE, ROUTINE)]
    for i, (of_ada, of_ben) in enumerate(said):
        both = [(ada, of_ada), (ben, of_ben)]
        for reader, disposition in both if i % 2 else reversed(both):
            desk.save(reader, disposition, case=f"case {i}")
    desk.save(cleo, URGENT, case="case 1", adjudication=True)
    desk.save(cleo, URGENT, case="read once")
    found = agreement_of(desk.worklist())
    expected = cohen_kappa(*zip(*said, strict=True))
    assert (found.disposition.cohen.value, found.disposition.cohen.low) == (expected.value, expected.low)
    assert found.disposition.cohen.value != pytest.approx(1)
    assert (found.disposition.share.value, found.disposition.share.n) == (0.6, 5)
    assert list(found.disposition.fleiss) == [2]
    assert found.disposition.fleiss[2].value == fleiss_kappa(said).value
    assert "only one reading" in found.verdict.cohen.reason
    assert "pairs of readers" not in found.disposition.cohen.reason


def test_fleiss_kappa_stands_apart_for_each_number_of_readers_and_pooled_pairs_are_told():
    three = [("x1", "abc", (URGENT, URGENT, ROUTINE)), ("x2", "abd", (ROUTINE,) * 3), ("x3", "bcd", (URGENT,) * 3)]
    two = [("y1", "ab", (URGENT, ROUTINE)), ("y2", "cd", (ROUTINE, ROUTINE))]
    worklist = [
        verdict(case, reader, disposition)
        for case, who, said in three + two
        for reader, disposition in zip(who, said, strict=True)
    ]
    found = agreement_of(worklist).disposition
    assert found.fleiss[3].value == fleiss_kappa([said for _, _, said in three]).value
    assert found.fleiss[2].value == fleiss_kappa([said for _, _, said in two]).value
    assert found.share.n == 5
    assert "3 pairs of readers" in found.cohen.reason


def test_each_readers_agreement_with_the_model_counts_what_was_compared(desk: Desk):
    ada, ben, cleo, _ = desk.readers
    for i, agrees in enumerate((True, True, False, None)):
        desk.save(ada, case=f"case {i}", agrees=agrees)
    desk.save(ben, agrees=None)
    desk.save(cleo, agrees=False, adjudication=True)
    with_model = agreement_of(desk.worklist()).with_model
    assert list(with_model) == [ada]
    assert (with_model[ada].value, with_model[ada].n) == (pytest.approx(2 / 3), 3)
    assert with_model[ada].low == pytest.approx(0.0943, abs=1e-4)  # binom.test(2, 3) in R


def test_nothing_read_twice_has_no_agreement_and_says_so():
    found = agreement_of([verdict("x", "a")])
    assert math.isnan(found.disposition.cohen.value)
    assert found.disposition.cohen.reason == found.verdict.share.reason == "no case"
    assert found.disposition.fleiss == {}
    assert found.with_model == {}


def test_the_export_holds_every_version_by_id_and_can_be_held_against_the_log(desk: Desk):
    ada, ben, *_ = desk.readers
    first = desk.save(ada, note="=1+1\nsee\0 <b>", agrees=True, confidence_percent=80, seconds=12.5)
    desk.save(ada, DISCHARGE, "benign_naevus")
    desk.save(ben, case="case 2", blind=True)
    desk.register.save_review(Review("another run", "case 1", ada, "melanoma", URGENT))
    table = export_reviews(desk.register, desk.run)
    assert list(table.columns) == [*EXPORT_COLUMNS, "audit_count", "audit_head"]
    assert table["reviewer"].tolist() == [ada, ada, ben]
    assert table["version"].tolist() == [1, 2, 1]
    assert table.loc[0, "note"] == first.note
    assert (table["audit_head"] == desk.register.head().seal).all()
    entries = {entry.position: entry for entry in desk.register.entries()}
    assert [entries[entry].details["case"] for entry in table["entry"]] == ["case 1", "case 1", "case 2"]

    file = io.StringIO()
    safe_csv(file, table)
    text = file.getvalue()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert not any(name in text for name in ("Ada", "Lovelace", "Ben", "GMC"))
    assert rows[0]["note"] == "'=1+1\\nsee\\x00 <b>"
    assert (rows[0]["agrees"], rows[0]["confidence_percent"], rows[0]["seconds"]) == ("True", "80", "12.5")
    assert [rows[1][name] for name in ("agrees", "confidence_percent", "seconds", "note")] == [""] * 4
    assert rows[2]["blind"] == "True"


def test_the_export_of_a_run_without_reviews_has_the_columns_and_no_row(desk: Desk):
    table = export_reviews(desk.register, desk.run)
    assert table.empty
    assert list(table.columns[:3]) == ["run", "case_id", "reviewer"]
