"""Hazards and alarms for tests, and what somebody with SQL may do to them behind derm-kit's back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from derm_kit.records import hazards
from derm_kit.records.alarms import Alarm
from derm_kit.records.hazard_content import HazardContent, content_of
from derm_kit.records.hazards import Hazard
from derm_kit.records.register import Register
from tests.records.places import PASSPHRASE, Place
from tests.records.proposals import REASON, Staff

TODAY = datetime.now(UTC).date()
LATER = (TODAY + timedelta(days=90)).isoformat()
RAW: dict[str, Any] = {
    "name": "False-negative discharge",
    "description": "A cancer leaves with advice.",
    "causes": ["scored below every threshold"],
    "effect": "nobody looks again",
    "harm": "late treatment",
    "existing_controls": ["safety-netting"],
    "initial_likelihood": "high",
    "initial_severity": "major",
    "new_controls": {"design": ["second read near the threshold"], "test": ["audit sample"]},
    "residual_likelihood": "low",
    "residual_severity": "major",
    "basis": "weighed at the safety meeting",
    "owner": "lead for skin cancer",
    "next_review": LATER,
}
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "'); DROP TABLE hazards; --",
    "\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe\N{POP DIRECTIONAL FORMATTING}",
    "\0 in front, \0 between, behind \0",
    "=HYPERLINK(1)",
    "'=1+1",
    "\t=1+1",
    "'",
    r"\u0000 \x00 \\ {} %s %(x)s :note ?",
    " \t\v\f\x1b[2J\x7f\x85\u2028\ufeff\uffff x ",
    "[red]mark-up[/red] {{ 7 * 7 }} {% raw %}",
)


def content(**fields: Any) -> HazardContent:
    """A sound content with some fields otherwise."""
    return content_of(RAW | fields, "test")


def a_hazard(register: Register, people: Staff, **fields: Any) -> Hazard:
    """A hazard that nobody approved yet."""
    return hazards.add(register, content(**fields), people.author, PASSPHRASE)


def approved(register: Register, people: Staff, found: Hazard) -> Hazard:
    """The hazard, approved."""
    return hazards.approve(register, found, people.officer, PASSPHRASE, REASON)


def approved_log(register: Register) -> list[Hazard]:
    """The newest approved version of every hazard that has one."""
    return list({found.id: found for found in hazards.versions(register) if found.approval}.values())


def an_alarm(**fields: Any) -> Alarm:
    """An alarm with some fields otherwise."""
    return Alarm(
        **{
            "signal": "risk-adjusted CUSUM of melanoma sensitivity",
            "scope": "site A",
            "raised_at": "2026-11-28T09:30:00+00:00",
            "said": "Fewer melanomas are caught at site A than agreed.",
            "facts": {"value": 4.2, "limit": 3.9, "melanomas": 57, "feed_sha256": "0" * 64},
        }
        | fields
    )


def attack(place: Place, *statements: str, **values: Any) -> None:
    """Take the triggers of hazards and incidents away, then do as the statements say."""
    with place.sql() as connection:
        sqlite = connection.dialect.name == "sqlite"
        for table in ("hazards", "hazard_approvals", "incidents", "incident_steps"):
            for what in ("update", "delete") if sqlite else ("update", "delete", "truncate"):
                on = "" if sqlite else f" ON {table}"
                connection.execute(text(f"DROP TRIGGER IF EXISTS {table}_no_{what}{on}"))
        for statement in statements:
            connection.execute(text(statement), values)
