"""Out to a file and back: nothing changes on the way, and what does not hold is told row by row before it is stored."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from derm_kit.errors import DermKitError, RecordError
from derm_kit.records import hazard_import, hazards
from derm_kit.records.hazard_content import HazardContent
from derm_kit.records.hazard_files import COLUMNS, FORMAT, Given, as_csv, as_json, read, write
from derm_kit.records.hazard_import import Import, Outcome, import_log, look_through, seed
from derm_kit.records.register import Register
from tests.records.hazards import HOSTILE, RAW, a_hazard, approved, content
from tests.records.places import PASSPHRASE, Place
from tests.records.proposals import Staff, staff

KINDS = (".csv", ".json")


@pytest.fixture
def people(register: Register) -> Staff:
    return staff(register)


def hostile() -> list[dict[str, Any]]:
    """Contents in which every kind of text stands in every kind of field."""
    found = []
    for i, said in enumerate(HOSTILE):
        line = said.replace("\n", "").replace("\r", "") + str(i)
        link = {"kind": "document", "reference": line.replace("|", "/"), "shows": line}
        controls = {"design": [line], "test": [line, "b"], "training": [], "process": ["=1"]}
        found.append(
            RAW
            | {"name": line, "description": f"{said}\r\n{said}.", "causes": [line, line], "owner": line}
            | {"new_controls": controls, "evidence": [link], "basis": f"\n{said}|", "transferred_to": line}
        )
    return found


def given(*raw: dict[str, Any], ids: tuple[str, ...] = (), versions: tuple[int | None, ...] = ()) -> list[Given]:
    """Rows of a file."""
    blank = len(raw)
    return [
        Given(i, hazard, version, one)
        for i, (one, hazard, version) in enumerate(
            zip(raw, ids or ("",) * blank, versions or (None,) * blank, strict=True), 2
        )
    ]


def told(done: Import) -> list[tuple[int, str, str]]:
    return [(row.number, str(row.outcome), row.broken.field if row.broken else "") for row in done.rows]


@pytest.mark.parametrize("kind", KINDS)
def test_out_and_into_another_register_nothing_is_lost(
    register: Register, place: Place, people: Staff, tmp_path: Path, kind: str
):
    import_log(register, given(*hostile()), people.author, PASSPHRASE)
    made = hazards.log(register)
    seen = hazards.revise(register, made[2], content(leads_to=["H-001", "H-002"]), people.author, PASSPHRASE)
    approved(register, people, seen)
    before = hazards.log(register)
    write(before, tmp_path / f"log{kind}")
    with place.elsewhere("other").open() as other:
        theirs = staff(other)
        done = import_log(other, read(tmp_path / f"log{kind}"), theirs.author, PASSPHRASE)
        assert done.stored and len(done.of(Outcome.NEW)) == len(before)
        after = hazards.log(other)
        assert [(h.id, h.content) for h in after] == [(h.id, h.content) for h in before]
        assert {(h.version, h.author, h.approval) for h in after} == {(1, theirs.author, None)}, (
            "drafts of the importer"
        )
        assert [h.content.text for h in after] == [h.content.text for h in before]
        assert other.verify().sound


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_stored_already_is_the_same_and_nothing_is_written(
    register: Register, people: Staff, tmp_path: Path, kind: str
):
    import_log(register, given(*hostile()), people.author, PASSPHRASE)
    write(hazards.log(register), tmp_path / f"log{kind}")
    before = hazards.log(register)
    done = import_log(register, read(tmp_path / f"log{kind}"), people.author, PASSPHRASE)
    assert not done.stored
    assert len(done.of(Outcome.SAME)) == len(before)
    assert hazards.log(register) == before
    write(before, tmp_path / f"again{kind}")
    assert (tmp_path / f"again{kind}").read_bytes() == (tmp_path / f"log{kind}").read_bytes()


def test_no_cell_of_a_spreadsheet_is_a_formula(register: Register, people: Staff, tmp_path: Path):
    import_log(register, given(*hostile()), people.author, PASSPHRASE)
    write(hazards.log(register), tmp_path / "log.csv")
    assert (tmp_path / "log.csv").read_bytes().startswith(b"\xef\xbb\xbf"), "a spreadsheet knows UTF-8 by it"
    rows = list(csv.reader(io.StringIO((tmp_path / "log.csv").read_bytes().decode("utf-8-sig"), newline="")))
    assert tuple(rows[0]) == COLUMNS
    cells = [cell for row in rows[1:] for cell in row]
    assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@"))]
    assert any(cell.startswith("'=HYPERLINK") for cell in cells)


def test_a_spreadsheet_of_another_program_is_read(register: Register, people: Staff, tmp_path: Path):
    """pandas writes it with semicolons, without quotes where none are needed, and with other line ends."""
    import pandas as pd

    a_hazard(register, people, causes=["one", "two, and; three"])
    write(hazards.log(register), tmp_path / "log.csv")
    table = pd.read_csv(tmp_path / "log.csv", dtype=str, keep_default_na=False)
    assert table["causes"].item() == "one\ntwo, and; three"
    table["harm"] = "death"
    table["causes"] = "one\r\ntwo, and; three\r\n\r\nfour"
    table[list(table)[::-1]].to_csv(tmp_path / "theirs.csv", sep=";", index=False)
    done = import_log(register, read(tmp_path / "theirs.csv"), people.author, PASSPHRASE)
    assert told(done) == [(2, "changed", "")] and done.stored
    assert hazards.find(register, "H-001").content == content(harm="death", causes=["one", "two, and; three", "four"])


def test_each_row_is_told_and_nothing_is_stored_where_one_is_refused(register: Register, people: Staff):
    kept = a_hazard(register, people, name="kept")
    changed = a_hazard(register, people, name="to change")
    same = kept.content.model_dump(mode="json")
    newer = changed.content.model_dump(mode="json") | {"harm": "other"}
    wanted = [
        Given(2, "H-001", 1, same),
        Given(3, "H-002", 1, newer),
        Given(4, "", None, RAW | {"name": "new"}),
        Given(5, "H-077", 9, RAW | {"name": "new, with an id of its own"}),
        Given(6, "", None, RAW | {"initial_severity": ""}),
        Given(7, "", None, RAW | {"status": "closed", "residual_likelihood": "high"}),
        Given(8, "H-7", None, RAW),
        Given(9, "", None, RAW | {"owner": "Ada Author"}),
        Given(10, "", None, RAW | {"evidence": [{"kind": "release", "reference": "4"}]}),
        Given(11, "", None, RAW | {"leads_to": ["H-050"]}),
    ]  # fmt: skip
    before = hazards.log(register)
    done = import_log(register, wanted, people.author, PASSPHRASE)
    assert told(done) == [
        (2, "as stored", ""), (3, "changed", ""), (4, "new", ""), (5, "new", ""), (6, "refused", "initial_severity"),
        (7, "refused", "status"), (8, "refused", "hazard"), (9, "refused", "owner"), (10, "refused", "evidence"),
        (11, "refused", "leads_to"),
    ]  # fmt: skip
    assert all(row.broken and row.broken.rule and row.broken.next_step for row in done.of(Outcome.REFUSED))
    assert done.in_words() == "2 new, 1 changed, 1 as stored, 6 refused"
    assert not done.stored and hazards.log(register) == before
    assert look_through(register, wanted) == done
    done = import_log(register, wanted, people.author, PASSPHRASE, without_refused=True)
    assert done.stored
    names = {h.id: (h.version, h.content.name) for h in hazards.log(register)}
    assert names == {
        "H-001": (1, "kept"), "H-002": (2, "to change"), "H-077": (1, "new, with an id of its own"),
        "H-078": (1, "new"),
    }  # fmt: skip
    assert register.verify().sound


def test_a_file_twice_imported_makes_no_hazard_twice(register: Register, people: Staff):
    wanted = given(RAW, RAW | {"name": "other"})
    assert import_log(register, wanted, people.author, PASSPHRASE).stored
    again = import_log(register, wanted, people.author, PASSPHRASE)
    assert [(row.hazard, row.outcome) for row in again.rows] == [("H-001", "as stored"), ("H-002", "as stored")]
    assert len(hazards.log(register)) == 2


@pytest.mark.parametrize("version", [1, 3, None])
def test_a_file_from_before_somebody_saved_overwrites_nothing(register: Register, people: Staff, version: int | None):
    seen = a_hazard(register, people)
    stays = hazards.revise(register, seen, content(harm="theirs"), people.dermatologist, PASSPHRASE)
    mine = seen.content.model_dump(mode="json") | {"harm": "mine"}
    done = import_log(register, [Given(2, seen.id, version, mine)], people.author, PASSPHRASE, without_refused=True)
    [row] = done.rows
    assert row.outcome is Outcome.REFUSED and row.broken and row.broken.field == "version"
    assert "version 2" in row.broken.value
    assert hazards.find(register, seen.id) == stays


def test_a_field_left_out_of_a_change_is_not_taken_for_empty(register: Register, people: Staff):
    seen = a_hazard(register, people, leads_to=[], evidence=[{"kind": "document", "reference": "SOP 1"}])
    raw = seen.content.model_dump(mode="json") | {"harm": "other"}
    del raw["evidence"]
    [row] = import_log(register, [Given(2, seen.id, 1, raw)], people.author, PASSPHRASE).rows
    assert row.broken and (row.broken.field, row.outcome) == ("evidence", "refused")


def test_rows_that_make_a_circle_or_hang_on_a_refused_one_are_refused_together(register: Register, people: Staff):
    wanted = given(
        RAW | {"leads_to": ["H-002"]},
        RAW | {"leads_to": ["H-003"]},
        RAW | {"leads_to": ["H-001"]},
        RAW | {"leads_to": ["H-001"]},
        RAW | {"leads_to": ["H-006"]},
        RAW | {"name": ""},
        RAW | {"name": "sound"},
        RAW | {"leads_to": ["H-005"]},
        ids=tuple(f"H-{i:03d}" for i in range(1, 9)),
    )
    done = import_log(register, wanted, people.author, PASSPHRASE, without_refused=True)
    assert [row.hazard for row in done.of(Outcome.NEW)] == ["H-007"]
    assert done.rows[0].broken and done.rows[0].broken.value == "H-001 → H-002 → H-003 → H-001"
    assert done.rows[7].broken and done.rows[7].broken.value == "H-005"
    assert [hazard.id for hazard in hazards.log(register)] == ["H-007"]


def test_a_hazard_that_stands_twice_in_a_file_is_refused_both_times(register: Register, people: Staff):
    wanted = given(RAW, RAW | {"harm": "other"}, ids=("H-001", "H-001"))
    assert told(import_log(register, wanted, people.author, PASSPHRASE)) == [
        (2, "refused", "hazard"),
        (3, "refused", "hazard"),
    ]


def test_a_hazard_saved_between_looking_and_storing_is_not_lost(
    register: Register, people: Staff, monkeypatch: pytest.MonkeyPatch
):
    seen = a_hazard(register, people)
    mine = seen.content.model_dump(mode="json") | {"harm": "mine"}
    whole = hazard_import.look_through

    def slow(*args: Any) -> Import:
        looked = whole(*args)
        hazards.revise(register, seen, content(harm="theirs"), people.dermatologist, PASSPHRASE)
        return looked

    monkeypatch.setattr(hazard_import, "look_through", slow)
    with pytest.raises(RecordError, match="the log was changed while this was read"):
        import_log(register, [Given(2, seen.id, 1, mine)], people.author, PASSPHRASE)
    assert hazards.find(register, seen.id).content.harm == "theirs"


def test_of_two_who_import_the_same_file_at_once_no_hazard_is_made_twice(register: Register, people: Staff):
    wanted = given(*(RAW | {"name": f"hazard {i}"} for i in range(5)))

    def one(_: int) -> bool:
        try:
            return import_log(register, wanted, people.author, PASSPHRASE).stored
        except RecordError:
            return False

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(one, range(2)))
    assert [hazard.content.name for hazard in hazards.log(register)] == [f"hazard {i}" for i in range(5)]


def test_the_ten_hazards_begin_an_empty_log_as_drafts_and_no_other(register: Register, people: Staff):
    done = seed(register, people.author, PASSPHRASE)
    found = hazards.log(register)
    assert done.stored and len(found) == 10
    assert {(h.author, h.standing, h.version) for h in found} == {(people.author, "draft", 1)}
    with pytest.raises(RecordError, match="only an empty log"):
        seed(register, people.author, PASSPHRASE)
    with pytest.raises(RecordError, match="your own, with what they rest on"):
        approved(register, people, found[0])
    raw = found[0].content.model_dump(mode="json") | {
        "basis": "weighed here",
        "owner": "lead",
        "next_review": "2099-01-01",
    }
    mine = hazards.revise(
        register, found[0], HazardContent.model_validate_json(json.dumps(raw)), people.author, PASSPHRASE
    )
    assert approved(register, people, mine).approval
    assert len(hazards.overdue(register)) == 9
    assert register.verify().sound


def test_nothing_of_an_import_is_stored_with_a_wrong_passphrase(register: Register, people: Staff):
    for attempt in (
        lambda: import_log(register, given(RAW), people.author, "wrong words, all"),
        lambda: seed(register, people.author, "wrong words, all"),
    ):
        with pytest.raises(RecordError, match="passphrase is wrong"):
            attempt()
    assert hazards.log(register) == []


HEAD = ",".join(COLUMNS)


@pytest.mark.parametrize(
    ("name", "data", "rule"),
    [
        ("log.txt", b"", "a .csv or a .json file"),
        ("log.csv", b"", "too few"),
        ("log.csv", b"hazard,name,colour\n", "unknown: colour"),
        ("log.csv", b"hazard,name,name\n", "twice: name"),
        ("log.csv", b"\xff\xfeh\0", "UTF-8: in the spreadsheet"),
        ("log.csv", HEAD.encode() + b'\n"a"b,"\n', "a table of quoted cells"),
        ("log.json", b"{", "cannot be read"),
        ("log.json", b"[]", "no JSON object"),
        ("log.json", b'{"format": "other", "hazards": []}', FORMAT),
        ("log.json", f'{{"format": "{FORMAT}", "hazards": [], "more": 1}}'.encode(), "nothing else"),
        ("log.json", b'{"format": 1, "format": 2}', "stands there twice"),
    ],
)
def test_a_file_that_is_no_log_is_refused_whole(tmp_path: Path, name: str, data: bytes, rule: str):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DermKitError, match=rule) as told_:
        read(tmp_path / name)
    assert told_.value.next_step


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("/dev/zero"), lambda path: None])
def test_a_folder_a_device_or_nothing_is_refused_and_not_waited_for(tmp_path: Path, make: Callable[[Path], None]):
    for kind in KINDS:
        path = tmp_path / f"log{kind}"
        make(path)
        with pytest.raises(DermKitError):
            read(path)


@pytest.mark.parametrize(
    ("cells", "field", "rule"),
    [
        ({"version": "one"}, "version", "whole number"),
        ({"version": "²"}, "version", "whole number"),
        ({"initial_risk": "5"}, "initial_risk", "by the matrix"),
        ({"evidence": "hearsay: a colleague"}, "evidence, item 1, kind", "should be"),
        ({"next_review": "01/03/2027"}, "next_review", "YYYY-MM-DD"),
        ({"description": "x" * 1_000_000}, "description", "20,000"),
        ({"causes": ""}, "causes", "at least one"),
        ({"initial_likelihood": "Low"}, "initial_likelihood", "should be"),
        (
            {"status": "closed", "residual_risk": "", "residual_likelihood": "very high", "evidence": "hearsay"},
            "",
            "4 rules are broken: (1) evidence, item 1, kind",
        ),
    ],
)
def test_a_cell_that_does_not_hold_is_told_by_its_row(
    register: Register, people: Staff, tmp_path: Path, cells: dict[str, str], field: str, rule: str
):
    a_hazard(register, people)
    rows = list(csv.DictReader(io.StringIO(as_csv(hazards.log(register)), newline="")))
    with (tmp_path / "log.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        file.write("\n")
        writer.writerow(rows[0] | {"harm": "other"} | cells)
        file.write("H-002,1\n")
    done = look_through(register, read(tmp_path / "log.csv"))
    found = done.rows[0]
    assert (found.number, found.outcome) == (3, "refused")
    assert found.broken and found.broken.field == field and rule in found.broken.rule
    assert found.broken.value and found.broken.next_step
    assert done.rows[1].broken and "as many cells as the heading" in done.rows[1].broken.rule


def test_items_of_a_json_log_that_are_no_hazards_are_told_by_their_place(tmp_path: Path, register: Register):
    items = [3, {"content": 4}, {"hazard": "H-001", "content": RAW, "colour": "red"}, {"hazard": 4, "content": RAW},
             {"hazard": "H-001", "version": True, "content": RAW}, {"content": RAW}]  # fmt: skip
    (tmp_path / "log.json").write_text(json.dumps({"format": FORMAT, "hazards": items}))
    done = look_through(register, read(tmp_path / "log.json"))
    assert [(row.number, str(row.outcome)) for row in done.rows] == [
        *((i, "refused") for i in range(1, 6)),
        (6, "new"),
    ]


def test_a_file_is_never_written_over(register: Register, people: Staff, tmp_path: Path):
    log = [a_hazard(register, people)]
    for kind in KINDS:
        path = tmp_path / f"log{kind}"
        path.write_text("mine")
        with pytest.raises(RecordError, match="cannot be written"):
            write(log, path)
        assert path.read_text() == "mine"
    with pytest.raises(RecordError, match=r"a \.csv or a \.json"):
        write(log, tmp_path / "log.xlsx")


def test_a_thousand_hazards_are_imported_in_one_go(register: Register, people: Staff, tmp_path: Path):
    wanted = given(*(RAW | {"name": f"hazard {i}"} for i in range(1_000)))
    assert import_log(register, wanted, people.author, PASSPHRASE).stored
    log = hazards.log(register)
    assert (len(log), log[-1].id) == (1_000, "H-1000")
    for kind, text in ((".csv", as_csv(log)), (".json", as_json(log))):
        (tmp_path / f"log{kind}").write_text(text, newline="")
        assert {row.outcome for row in look_through(register, read(tmp_path / f"log{kind}")).rows} == {Outcome.SAME}


@pytest.mark.parametrize("text", ["hazard,name\nH-001,Fall\n", 'hazard,name\nH-001,"Fall\n', "no,such,heading\n"])
def test_reading_a_log_leaves_the_limit_of_cells_to_others(tmp_path: Path, text: str):
    (tmp_path / "log.csv").write_text(text)
    before = csv.field_size_limit()
    with suppress(DermKitError):
        read(tmp_path / "log.csv")
    assert csv.field_size_limit() == before


def test_an_endless_heading_is_not_told_in_full(tmp_path: Path):
    (tmp_path / "log.csv").write_text(f"hazard,name,{'x' * 100_000}\n")
    with pytest.raises(RecordError, match="unknown: xxx") as refused:
        read(tmp_path / "log.csv")
    assert len(str(refused.value)) < 1_000
