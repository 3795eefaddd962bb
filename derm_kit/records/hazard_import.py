"""Hazards from a file: what is new, changed, the same or refused, row by row, and then all of it stored or nothing."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib.resources import files
from typing import Any

from sqlalchemy.orm import Session

from derm_kit.errors import RecordError
from derm_kit.records import hazards
from derm_kit.records.hazard_content import HAZARD_ID, HazardContent, content_of, fields_of, problems
from derm_kit.records.hazard_evidence import missing_evidence
from derm_kit.records.hazard_files import Given, given_in
from derm_kit.records.hazard_links import broken_link
from derm_kit.records.hazard_names import known_names, somebody_named
from derm_kit.records.hazard_rules import UNSTORED, Broken, together
from derm_kit.records.hazards import Hazard
from derm_kit.records.register import Register


class Outcome(StrEnum):
    """What becomes of a row."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "as stored"
    REFUSED = "refused"


@dataclass(frozen=True)
class Row:
    """One row (or item) of a file: the hazard's id, what becomes of it, and what is wrong with it if so.

    `seen` is the stored version that it would follow, 0 for a new hazard.
    """

    number: int
    hazard: str
    outcome: Outcome
    content: HazardContent | None = None
    seen: int = 0
    broken: Broken | None = None

    @property
    def to_store(self) -> bool:
        """Whether something of it would be stored."""
        return self.outcome in (Outcome.NEW, Outcome.CHANGED)

    def refused(self, broken: Broken) -> Row:
        """The same row, refused."""
        return replace(self, outcome=Outcome.REFUSED, broken=broken)


@dataclass(frozen=True)
class Import:
    """Every row of a file with what becomes of it; `stored` is whether it was done."""

    rows: tuple[Row, ...]
    stored: bool = False

    def of(self, outcome: Outcome) -> tuple[Row, ...]:
        """The rows of one outcome."""
        return tuple(row for row in self.rows if row.outcome is outcome)

    def in_words(self) -> str:
        """How many of each."""
        return ", ".join(f"{len(self.of(outcome)):,} {outcome}" for outcome in Outcome)


def look_through(register: Register, given: Iterable[Given]) -> Import:
    """What an import would do; nothing is stored."""
    with register.reading() as session:
        return Import(_planned(session, list(given)))


def import_log(
    register: Register, given: Iterable[Given], by: str, passphrase: str, *, without_refused: bool = False
) -> Import:
    """Store what is new and what is changed as drafts of `by`, in one transaction.

    Where rows are refused nothing is stored, unless `without_refused` asks for the others. Raises RecordError for a
    wrong passphrase.
    """
    wanted = list(given)
    looked = look_through(register, wanted)  # reads files of evidence before others wait for the writers' lock
    register.check_passphrase(by, passphrase)
    if not _may_store(looked, without_refused=without_refused):
        return looked
    with register.writing() as session:
        rows = _planned(session, wanted)
        if not _may_store(Import(rows), without_refused=without_refused):
            raise RecordError(
                "the log was changed while this was read, and rows no longer fit it",
                case="import",
                next_step=f"{UNSTORED} Import the file again: it says which.",
            )
        _store(session, rows, by)
        return Import(rows, stored=True)


def seed(register: Register, by: str, passphrase: str) -> Import:
    """Begin an empty log with the hazards that derm-kit ships, as drafts of `by`. Raises RecordError for any other."""
    given = seed_hazards()
    register.check_passphrase(by, passphrase)
    with register.writing() as session:
        there = hazards.newest(session)
        if there:
            raise RecordError(
                "only an empty log is begun with the hazards that derm-kit ships",
                case="hazard log",
                value=f"{len(there):,} hazards",
                next_step="To add to this one: derm-kit hazards add, or hazards import.",
            )
        rows = _planned(session, given)
        _store(session, rows, by)
        return Import(rows, stored=True)


def seed_hazards() -> list[Given]:
    """The hazards that derm-kit ships: every judgement in them is proposed, none confirmed."""
    text = files("derm_kit.records").joinpath("seed_hazards.json").read_text("utf-8")
    return given_in(json.loads(text), "seed_hazards.json")


def full_content(raw: dict[str, Any], case: str) -> HazardContent:
    """The content of a revision, which says every field: one left out would be lost. Raises RecordError."""
    missing = _left_out(raw)
    if missing:
        raise missing.error(case)
    return content_of(raw, case)


def _may_store(looked: Import, *, without_refused: bool) -> bool:
    return any(row.to_store for row in looked.rows) and (without_refused or not looked.of(Outcome.REFUSED))


def _store(session: Session, rows: tuple[Row, ...], by: str) -> None:
    wanted = [row for row in rows if row.to_store and row.content]
    links = hazards.links_of(hazards.newest(session)) | {r.hazard: r.content.leads_to for r in wanted if r.content}
    for row in wanted:
        if row.content:
            hazards.store(session, row.hazard, row.content, by, seen=row.seen, links=links)


def _planned(session: Session, given: list[Given]) -> tuple[Row, ...]:
    """Every row, judged alone, then with the others that are left."""
    stored = {hazard.id: hazard for hazard in hazards.newest(session)}
    names = known_names(session)
    counts = Counter(one.hazard for one in given if one.hazard)
    twice = {hazard for hazard, count in counts.items() if count > 1}
    rows = [_judged(session, one, stored, names, twice) for one in given]
    return _linked(_numbered(rows, stored), stored)


def _judged(session: Session, one: Given, stored: dict[str, Hazard], names: tuple[str, ...], twice: set[str]) -> Row:
    row, there = Row(one.row, one.hazard, Outcome.NEW), stored.get(one.hazard)
    if one.broken:
        return row.refused(one.broken)
    if one.hazard and not re.fullmatch(HAZARD_ID, one.hazard):
        return row.refused(Broken("hazard", one.hazard, "a hazard id is H- and its number, or blank for a new hazard"))
    if one.hazard in twice:
        return row.refused(Broken("hazard", one.hazard, "a file holds a hazard once"))
    found = [left_out] if there and (left_out := _left_out(one.raw)) else problems(one.raw)
    if not found:
        content = content_of(one.raw, one.hazard)
        row = replace(row, content=content, outcome=Outcome.CHANGED if there else Outcome.NEW)
        same = there if there else next((h for h in stored.values() if not one.hazard and h.content == content), None)
        if same and same.content == content:
            return replace(row, hazard=same.id, outcome=Outcome.SAME, seen=same.version)
    if there:
        row = replace(row, seen=there.version)
        found += [_other_version(one, there)] if one.version != there.version else []
    fields = fields_of(one.raw)
    if fields:
        found += [*somebody_named(names, fields), *missing_evidence(session, fields)]
    return row.refused(together(found)) if found else row


def _left_out(raw: dict[str, Any]) -> Broken | None:
    missing = [name for name in HazardContent.model_fields if name not in raw]
    if not missing:
        return None
    rule = "a revision says every field, as the export does: one left out would be lost"
    return Broken(missing[0], "nothing", rule)


def _other_version(one: Given, there: Hazard) -> Broken:
    return Broken(
        "version",
        f"the file: {one.version or 'none'}; stored: {there.in_words()}",
        "a change starts from the version that is stored",
        f"{UNSTORED} Export the log anew, look at what was stored meanwhile, and carry your change over.",
    )


def _numbered(rows: list[Row], stored: dict[str, Hazard]) -> list[Row]:
    """New rows without an id get the next ones after every id that the log or the file holds."""
    known = [hazard for hazard in (*stored, *(row.hazard for row in rows)) if re.fullmatch(HAZARD_ID, hazard)]
    last = max(map(hazards.number, known), default=0)
    numbered = []
    for row in rows:
        if row.outcome is Outcome.NEW and not row.hazard:
            last += 1
            row = replace(row, hazard=f"H-{last:03d}")
        numbered.append(row)
    return numbered


def _linked(rows: list[Row], stored: dict[str, Hazard]) -> tuple[Row, ...]:
    """Rows whose links do not hold among what would be stored are refused, until those that are left all hold."""
    while True:
        links = hazards.links_of(stored.values()) | {
            r.hazard: r.content.leads_to for r in rows if r.to_store and r.content
        }
        judged = [
            row.refused(broken) if row.to_store and (broken := broken_link(links, row.hazard)) else row for row in rows
        ]
        if judged == rows:
            return tuple(rows)
        rows = judged
