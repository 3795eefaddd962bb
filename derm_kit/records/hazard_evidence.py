"""Whether the evidence that a hazard names is there, as far as this machine can tell."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

import derm_kit
from derm_kit.records.hazard_content import EvidenceKind, EvidenceLink, HazardFields
from derm_kit.records.hazard_rules import UNSTORED, Broken
from derm_kit.records.tables import PolicyRow

TEST = re.compile(r"(tests/[\w./-]+\.py)::(test_\w+)(\[.*\])?")
RELEASE = re.compile(r"[1-9][0-9]{0,8}")
OURS = ("docs/", "models/", "notebooks/", "derm_kit/")
"""How the name of a file of this workbench begins; any other document is somebody else's."""


class Standing(StrEnum):
    """What was found of a piece of evidence."""

    FOUND = "found"
    MISSING = "missing"
    UNCHECKED = "not checked"
    """It lies elsewhere, or this derm-kit was installed without its sources."""


@cache
def sources() -> Path | None:
    """The folder with derm-kit's sources and tests, None where it was installed without them."""
    root = Path(derm_kit.__file__).parents[1]
    return root if (root / "pyproject.toml").is_file() and (root / "tests").is_dir() else None


def standing(session: Session, link: EvidenceLink) -> Standing:
    """Whether `link` leads anywhere."""
    match link.kind:
        case EvidenceKind.TEST:
            return _of_test(link.reference)
        case EvidenceKind.RELEASE:
            return _of_release(session, link.reference)
        case EvidenceKind.FIGURE | EvidenceKind.DOCUMENT if link.reference.startswith(OURS):
            return _of_file(link.reference)
        case _:
            return Standing.UNCHECKED


def missing_evidence(session: Session, content: HazardFields) -> list[Broken]:
    """Every piece of evidence that is known not to be there."""
    return [
        Broken("evidence", f"{link.kind}: {link.reference}", _RULES[link.kind], f"{UNSTORED} Mend the reference.")
        for link in content.evidence
        if standing(session, link) is Standing.MISSING
    ]


_RULES = {
    EvidenceKind.TEST: "a test is named as tests/FILE.py::test_NAME and stands in this derm-kit's sources",
    EvidenceKind.RELEASE: "a release is named by its number and stands in this register",
    EvidenceKind.FIGURE: "a table or figure in a file of derm-kit lies in a file that is there",
    EvidenceKind.DOCUMENT: "a document of derm-kit is a file that is there",
}


def _of_test(reference: str) -> Standing:
    named = TEST.fullmatch(reference)
    if named is None:
        return Standing.MISSING
    root = sources()
    if root is None:
        return Standing.UNCHECKED
    file = (root / named[1]).resolve()
    if not file.is_relative_to(root / "tests") or not file.is_file():
        return Standing.MISSING
    return Standing.FOUND if named[2] in _tests_in(file, file.stat().st_mtime_ns) else Standing.MISSING


@lru_cache(512)
def _tests_in(file: Path, changed_ns: int) -> frozenset[str]:
    """The tests in a file as it was when it was last changed."""
    return frozenset(re.findall(r"^def (test_\w+)\(", file.read_text("utf-8"), re.MULTILINE))


def _of_release(session: Session, reference: str) -> Standing:
    if not RELEASE.fullmatch(reference):
        return Standing.MISSING
    found = session.scalar(select(PolicyRow.id).where(PolicyRow.version == int(reference)))
    return Standing.FOUND if found else Standing.MISSING


def _of_file(reference: str) -> Standing:
    root = sources()
    if root is None:
        return Standing.UNCHECKED
    file = (root / re.split("[#:,]", reference)[0].strip()).resolve()
    return Standing.FOUND if file.is_relative_to(root) and file.is_file() else Standing.MISSING
