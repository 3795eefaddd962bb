"""The hazard log as a document: what is missing, the matrix, every hazard with every field, and all versions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from derm_kit.records.document_template import Given, Missing, Template, write_from
from derm_kit.records.provenance_sources import register_source
from derm_kit.records.report import Document
from derm_kit.records.report_inputs import Registered, in_words
from derm_kit.records.run_of_tests import TestRun
from derm_kit.records.safety_case_hazards import fields_of, hazard_tables, statement
from derm_kit.records.safety_case_missing import of_date, of_hazards, of_officers

TEMPLATE = "hazard_log"


def hazard_log(
    known: Registered, as_of: date, *, tests: TestRun | None = None, template: Template | None = None
) -> Document:
    """The newest version of every hazard, approved or not; overdue reviews are told as of that day.

    Raises RecordError where the template breaks a rule.
    """
    approved = sum(one.approval is not None for one in known.hazards)
    values: dict[str, object] = {
        "as_of": in_words(as_of),
        "hazards": tuple(fields_of(one, known, as_of) for one in known.hazards),
        "count": len(known.hazards),
        "approved": approved,
        "versions": len(known.versions),
        "incidents": len(known.incidents),
        "audit_log": known.check,
        "statement": statement(known),
    }
    register = register_source(known.head)
    sources = tuple(one for one in (register, tests.source if tests else None) if one)
    given = Given(values, hazard_tables(known, as_of, tests), tuple(_missing(known, as_of)), sources)
    return write_from(template or Template.shipped(TEMPLATE), given)


def _missing(known: Registered, as_of: date) -> Iterator[Missing]:
    yield from of_officers(known)
    yield from of_hazards(known, as_of)
    yield from of_date(known, as_of)
