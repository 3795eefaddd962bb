"""What a safety case lacks, each with the place where it is mended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from derm_kit.panels.hazards_shown import Show
from derm_kit.panels.safety_setting import Looking, Tab
from derm_kit.records.document_template import Missing

TUNING, MONITORING = "03_threshold_tuning.ipynb", "06_monitoring.ipynb"
LOG = Looking(Tab.HAZARDS)


@dataclass(frozen=True)
class Place:
    """Where something is mended: a link into the workbench, or words where it is mended elsewhere."""

    words: str
    href: str = ""

    @property
    def html(self) -> str:
        """The place as a link, where it is one."""
        return f"<a href='{self.href}'>{escape(self.words)}</a>" if self.href else escape(self.words)


def _log(words: str, show: Show) -> Place:
    return Place(f"Hazard log: {words}", LOG.href(show=show))


TERMINAL = Place("On the command line of this machine")
DATA = Place("In the cases that are scored, outside this workbench")
ELSEWHERE = Place("In your own document control, outside this workbench")
THRESHOLDS = Place("Page 03, thresholds", TUNING)
PLACES = (
    ("A register as it stood", Place("Reports: choose a later day", Looking(Tab.REPORTS).href())),
    ("A register", TERMINAL),
    ("An audit log that verifies", TERMINAL),
    ("A check of the audit log", Place("Reports: each checks it as it is made", Looking(Tab.REPORTS).href())),
    ("A clinical safety officer", TERMINAL),
    ("A hazard log", Place("Hazard log: begin it", LOG.href())),
    ("Control of a residual risk of 4 or 5", _log("those with a residual risk of 4 or 5", Show.GRAVE)),
    ("Approval of hazards", _log("those not approved", Show.DRAFTS)),
    ("Likelihoods and severities", _log("those that only derm-kit judged", Show.PROPOSED)),
    ("A judged residual risk", _log("those not judged", Show.UNJUDGED)),
    ("An owner", _log("those without an owner", Show.OWNERLESS)),
    ("A review in time", _log("those with a review that is due", Show.OVERDUE)),
    ("Evidence that controls work", _log("those without evidence", Show.UNPROVEN)),
    ("Evidence that a hazard names", _log("those whose evidence is not found", Show.BROKEN)),
    ("Evidence that targets are met", THRESHOLDS),
    ("Skin types", DATA),
    ("Cases of", DATA),
    ("Patients' identities", DATA),
    ("A released policy", THRESHOLDS),
    ("The card of the policy", TERMINAL),
    ("The source of where each call goes", Place("In the policy's file, agreed in your service")),
    ("Monitoring in service", Place("Page 06, monitoring", MONITORING)),
    ("The closing of incidents", Place("Incidents", Looking(Tab.INCIDENTS).href())),
    ("A run of the tests", TERMINAL),
    ("Tests that", TERMINAL),
    ("The approval of this report", ELSEWHERE),
    ("The clinical risk management plan", ELSEWHERE),
)
"""How what is missing begins, and where it is mended; the first that fits counts."""


def place_of(missing: Missing) -> Place | None:
    """Where it is mended, None where only its next step says so."""
    return next((place for begins, place in PLACES if missing.what.startswith(begins)), None)


def missing_html(found: Sequence[Missing]) -> str:
    """The list, the gravest first, as the safety case puts it on its first page."""
    if not found:
        return (
            "<p>Nothing that derm-kit looks for is missing. It cannot see what it was not given, and it does not say "
            "that anything is safe.</p>"
        )
    items = "".join(_item(one) for one in found)
    return f"<ol class='dk-missing'>{items}</ol>"


def _item(one: Missing) -> str:
    place = place_of(one)
    where = f"<p class='dk-place'>{place.html}</p>" if place else ""
    return (
        f"<li><strong>{escape(one.what)}</strong><p>{escape(one.follows)}</p>"
        f"<p class='dk-source'>{escape(one.next_step)}</p>{where}</li>"
    )
