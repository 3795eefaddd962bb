"""What the threshold page says: a threshold's worth, a change and a case, as escaped HTML. It computes nothing."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

import cv2
import pandas as pd

from derm_kit.cases.images import decode
from derm_kit.lesions import LesionType
from derm_kit.panels.parts import notice_html, proportion_html
from derm_kit.panels.tables import table_html
from derm_kit.triage.changes import NEWLY_MISSED, Changes
from derm_kit.triage.guarantee import Guarantee
from derm_kit.triage.measures import Rates

SHOWN_CASES = 100
PLURALS = {
    LesionType.MELANOMA: "melanomas",
    LesionType.SQUAMOUS_CELL_CARCINOMA: "squamous cell carcinomas",
    LesionType.BASAL_CELL_CARCINOMA: "basal cell carcinomas",
    LesionType.INTRAEPIDERMAL_CARCINOMA: "intraepidermal carcinomas",
    LesionType.ACTINIC_KERATOSIS: "actinic keratoses",
    LesionType.ATYPICAL_NAEVUS: "atypical naevi",
}


def worth_html(found: Rates, lesion_type: LesionType, standing: str) -> str:
    """What a type's threshold is worth: caught of n with the interval, missed, as own type, and its guarantee."""
    all_cases, own = found.place("sensitivity", lesion_type), found.place("caught as own type", lesion_type)
    assessed = found.place("sensitivity", lesion_type, assessed=True)
    n, caught = int(found.n[0, all_cases]), int(found.count[0, all_cases])
    if not n:
        return f"<p>No case of this type here: nothing can be said of its sensitivity. {escape(standing)}</p>"
    low, high = float(found.low[0, all_cases]), float(found.high[0, all_cases])
    review = n - int(found.n[0, assessed])
    missed = n - caught - review
    return (
        f"<p>Caught {proportion_html(caught, n, low, high)}; <strong>{missed} missed</strong>; {review} to clinician "
        f"review; {int(found.count[0, own])} as their own type. {escape(standing)}</p>"
    )


def sentence(found: Rates, lesion_type: LesionType) -> str:
    """The same for somebody who counts people: of 100 such lesions so many, between so many and so many."""
    place = found.place("sensitivity", lesion_type)
    if not found.n[0, place]:
        return ""
    about, low, high = (f"{100 * float(part[0, place]):.0f}" for part in (found.value, found.low, found.high))
    return (
        f"Of 100 {PLURALS[lesion_type]} like those in this set about {about} would be called that or something more "
        f"serious (between {low} and {high}); those of a primary-care clinic may differ."
    )


def summary_html(found: Rates, types: tuple[LesionType, ...]) -> str:
    """What the policy does to all cases, in sentences."""
    lines = [sentence(found, t) for t in types]
    flagged, cleared, review = (found.place(name) for name in ("flagged", "not flagged", "clinician review"))
    benign = found.place("benign not flagged")
    missed = found.place("cancers missed among not flagged", assessed=True)
    lines.append(
        f"Of {int(found.n[0, flagged]):,} cases {int(found.count[0, flagged]):,} are flagged, "
        f"{int(found.count[0, cleared]):,} are not, and {int(found.count[0, review]):,} go to clinician review "
        "whatever their scores."
    )
    if found.n[0, benign]:
        lines.append(f"Of 100 benign lesions {100 * float(found.value[0, benign]):.0f} are not flagged.")
    if found.n[0, missed]:
        lines.append(
            f"Of 1,000 lesions that are not flagged {1000 * float(found.value[0, missed]):.0f} are cancers in this set "
            f"(between {1000 * float(found.low[0, missed]):.0f} and {1000 * float(found.high[0, missed]):.0f}); how "
            "many it would be elsewhere depends on how common cancer is there."
        )
    return "".join(f"<p>{escape(line)}</p>" for line in lines if line)


def changes_html(changes: Changes) -> str:
    """What is otherwise than under the policy in force."""
    if changes.moved.empty:
        return notice_html("info", "No case is called otherwise than under the policy in force.")
    missed = int((changes.moved["kind"] == NEWLY_MISSED).sum())
    kind = "warning" if missed else "info"
    words = (
        f"{missed} cancers that the policy in force flags are no longer flagged."
        if missed
        else "No cancer that the policy in force flags is lost."
    )
    paired = {"n": "n", "before": "caught before", "after": "caught after"}
    by_type = changes.by_type().query("n > 0")
    return (
        notice_html(kind, words)
        + table_html(changes.per_1000(), "Changes, and how many of 1,000 cases like these", {"per_1000": "per 1,000"})
        + table_html(by_type, "Caught by type: gained, lost and the paired difference, 95% interval", paired)
    )


def moved_html(moved: pd.DataFrame) -> str:
    """The cases that change sides, cancers no longer flagged first."""
    if moved.empty:
        return ""
    more = f"; {len(moved) - SHOWN_CASES:,} more are in the CSV" if len(moved) > SHOWN_CASES else ""
    return table_html(moved.head(SHOWN_CASES), f"{len(moved):,} cases change sides{more}")


def picture_html(picture: Path) -> str:
    """A case's picture, made small."""
    rgb = decode(picture, case=picture.stem).rgb
    scale = min(1.0, 360 / max(rgb.shape[:2]))
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    _, coded = cv2.imencode(".jpg", cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)[..., ::-1])
    return f"<p><img alt='The lesion' src='data:image/jpeg;base64,{base64.b64encode(coded.tobytes()).decode()}'></p>"


def proposal_html(text: str) -> str:
    """A proposal to keep: it is written nowhere else and changes nothing."""
    coded = base64.b64encode(text.encode()).decode()
    link = (
        f"<a download='change-proposal.json' href='data:application/json;base64,{coded}'>Keep the proposal (JSON)</a>"
    )
    said = notice_html("success", "The proposal is made. Keep it: it lies nowhere else, and no policy has changed.")
    return f"{said}<p>{link}</p>"


def guarantees_html(guarantees: tuple[Guarantee, ...]) -> str:
    """Each guarantee or refusal in a sentence."""
    if not guarantees:
        return ""
    held = all(g.threshold is not None for g in guarantees)
    assumed = "Every guarantee assumes independent lesions, drawn as those at your clinic are."
    return notice_html("success" if held else "warning", *(g.sentence for g in guarantees), assumed)
