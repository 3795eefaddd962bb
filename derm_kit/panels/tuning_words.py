"""What the threshold page says: a threshold's worth, a change and a case, as escaped HTML. It computes nothing."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape

import pandas as pd

from derm_kit.lesions import LesionType
from derm_kit.panels.parts import notice_html, proportion_html
from derm_kit.panels.tables import shares, table_html
from derm_kit.triage.changes import NEWLY_FLAGGED, NEWLY_MISSED, Changes
from derm_kit.triage.guarantee import Guarantee, rounded_down
from derm_kit.triage.measures import Rates
from derm_kit.triage.subgroups import FEW

SHOWN_CASES = 50
PLURALS = {
    LesionType.MELANOMA: "melanomas",
    LesionType.SQUAMOUS_CELL_CARCINOMA: "squamous cell carcinomas",
    LesionType.BASAL_CELL_CARCINOMA: "basal cell carcinomas",
    LesionType.INTRAEPIDERMAL_CARCINOMA: "intraepidermal carcinomas",
    LesionType.ACTINIC_KERATOSIS: "actinic keratoses",
    LesionType.ATYPICAL_NAEVUS: "atypical naevi",
}
NOT_CALLED = "No threshold: no case is called this. Move the slider to give it one."


def counted(number: int, one: str, many: str) -> str:
    """A number with its noun and verb: one case is, two cases are."""
    return f"{number:,} {one if number == 1 else many}"


def worth(found: Rates, lesion_type: LesionType) -> tuple[int, int, int, int]:
    """Of a type's cases: n, caught, missed, in clinician review; the last three add up to n."""
    all_cases, assessed = (found.place("sensitivity", lesion_type, assessed=part) for part in (False, True))
    n, caught, left = int(found.n[0, all_cases]), int(found.count[0, all_cases]), int(found.n[0, assessed])
    return n, caught, left - caught, n - left


def worth_html(found: Rates, lesion_type: LesionType, standing: str) -> str:
    """What a type's threshold is worth: caught of n with the interval, missed, as own type, and its guarantee."""
    n, caught, missed, review = worth(found, lesion_type)
    if not n:
        return f"<p>No case of this type here: nothing can be said of its sensitivity. {escape(standing)}</p>"
    place = found.place("sensitivity", lesion_type)
    own = int(found.count[0, found.place("caught as own type", lesion_type)])
    few = " <em>Too few to say.</em>" if n < FEW else ""
    rate = proportion_html(caught, n, float(found.low[0, place]), float(found.high[0, place]))
    return (
        f"<p>Caught {rate}, {own} of them as their own type; <strong>{missed} missed</strong>; {review} to clinician "
        f"review.{few}<br>{escape(standing)}</p>"
    )


def worth_aloud(found: Rates, lesion_type: LesionType) -> str:
    """The same in a few words, for somebody who moves the slider by ear."""
    n, caught, missed, review = worth(found, lesion_type)
    return f"{caught} of {n} caught, {missed} missed, {review} to clinician review" if n else "no case of this type"


def sentence(found: Rates, lesion_type: LesionType) -> str:
    """The same for somebody who counts people: of 100 such lesions so many, between so many and so many."""
    place = found.place("sensitivity", lesion_type)
    if not found.n[0, place]:
        return f"No {lesion_type.label.lower()} here: nothing can be said of how many would be caught."
    about, low, high = (f"{100 * float(part[0, place]):.0f}" for part in (found.value, found.low, found.high))
    more = "" if lesion_type is LesionType.MELANOMA else " or worse"
    few = "; too few to say" if found.n[0, place] < FEW else ""
    return (
        f"Of 100 {PLURALS[lesion_type]} like those in this set about {about} would be flagged as that{more} "
        f"(between {low} and {high}){few}."
    )


def summary_html(found: Rates, types: tuple[LesionType, ...]) -> str:
    """What the policy does to all cases, in sentences."""
    flagged, cleared, review = (found.place(name) for name in ("flagged", "not flagged", "clinician review"))
    benign = found.place("benign not flagged")
    missed = found.place("cancers missed among not flagged", assessed=True)
    lines = [sentence(found, t) for t in types]
    lines.append(
        f"Of {int(found.n[0, flagged]):,} cases {int(found.count[0, flagged]):,} are flagged, "
        f"{int(found.count[0, cleared]):,} are not, and {int(found.count[0, review]):,} go to clinician review "
        "whatever their scores."
    )
    if found.n[0, benign]:
        about, low, high = (f"{100 * float(part[0, benign]):.0f}" for part in (found.value, found.low, found.high))
        lines.append(f"Of 100 benign lesions about {about} are not flagged (between {low} and {high}).")
    if found.n[0, missed]:
        about, low, high = (f"{1000 * float(part[0, missed]):.0f}" for part in (found.value, found.low, found.high))
        lines.append(
            f"Of 1,000 lesions that are not flagged about {about} are cancers in this set (between {low} and {high}); "
            "elsewhere it depends on how common cancer is there."
        )
    said = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul class='dk-table-list'>{said}</ul><p>Lesions of a primary-care clinic may differ from these.</p>"


def guarantee_sentence(g: Guarantee, stays: float | None) -> str:
    """A guarantee or its refusal in short words; `stays` is the threshold that a refused type keeps."""
    if g.threshold is not None:
        group = f" in the group “{g.group_of_the_limit}”, which sets the limit" if g.group_of_the_limit else ""
        lost = f"; {g.lost} more went to clinician review" if g.lost else ""
        return (
            f"{g.lesion_type.label}, at {rounded_down(g.threshold)}: at least {100 * g.target:g}%. "
            f"Here {g.caught} of {g.n}"
            f"{group} ({g.low:.0%} to {g.high:.0%}){lost}."
        )
    where = f" in the group “{g.group_of_the_limit}”" if g.group_of_the_limit else ""
    if g.rank is not None:
        why = f"Too many of its {g.n} cases{where} score next to nothing: a threshold low enough would call nearly all."
    else:
        held = "none" if not g.n else "only 1" if g.n == 1 else f"only {g.n}"
        why = (
            f"A promise of {100 * g.target:g}% needs at least {g.needed} assessed cases of this type, and there "
            f"{'is' if g.n == 1 else 'are'} {held}{where}."
        )
    kept = f" Its threshold stays at {rounded_down(stays)}, without a guarantee." if stays is not None else ""
    return (
        f"{g.lesion_type.label}: refused. {why}{kept} Add labelled cases of this type, lower its target, or hold fewer "
        "types or groups at once."
    )


def guarantees_html(guarantees: tuple[Guarantee, ...], stays: Mapping[LesionType, float]) -> str:
    """Each guarantee, then each refusal, in a sentence."""
    if not guarantees:
        return ""
    held = [guarantee_sentence(g, None) for g in guarantees if g.threshold is not None]
    refused = [guarantee_sentence(g, stays.get(g.lesion_type)) for g in guarantees if g.threshold is None]
    together = " for all of them together" if len(guarantees) > 1 else ""
    lead = (
        f"With {100 * guarantees[0].confidence:g}% confidence{together}, these thresholds catch at least the share "
        "named of such lesions, as that type or a more serious one."
    )
    assumed = "Every guarantee assumes independent lesions, drawn as those at your clinic are."
    return (notice_html("success", lead, *held, assumed) if held else "") + (
        notice_html("warning", *refused) if refused else ""
    )


def standing(g: Guarantee | None, lost: str | None) -> str:
    """Whether a threshold is guaranteed as it stands, from its guarantee and why that was lost."""
    if g is None:
        return "Not guaranteed."
    if g.threshold is None:
        return "Not guaranteed: refused (see “What to hold”)."
    if lost:
        return f"{lost[0].upper()}{lost[1:]}."
    groups = " in every group" if g.group_of_the_limit else ""
    return f"Guaranteed: at least {100 * g.target:g}% of assessed cases{groups}."


def changes_html(changes: Changes, calls_before: pd.DataFrame, calls_after: pd.DataFrame) -> str:
    """What is otherwise than under the policy in force, with the calls by truth under both."""
    if changes.moved.empty:
        return notice_html("info", "No case is called otherwise than under the policy in force.")
    missed, gained = (int((changes.moved["kind"] == kind).sum()) for kind in (NEWLY_MISSED, NEWLY_FLAGGED))
    lost = (
        counted(missed, "cancer that the policy in force flags is", "cancers that the policy in force flags are")
        + " no longer flagged."
        if missed
        else "No cancer that the policy in force flags is lost."
    )
    more = counted(gained, "cancer is", "cancers are") + " newly flagged."
    per_1000, by_type = changes.per_1000(), changes.by_type().query("n > 0")
    often = per_1000.assign(per_1000=[f"{rate:.1f}" for rate in per_1000["per_1000"]])
    caught = by_type[["lesion_type", "n", "before", "after", "gained", "lost"]].assign(
        difference=shares(by_type["difference"], by_type["low"], by_type["high"], signed=True)
    )
    heads = {"n": "cases", "before": "caught before", "after": "caught after", "lesion_type": "type"}
    return (
        notice_html("warning" if missed else "info", lost, more)
        + table_html(often, "Changes, and how many of 1,000 cases like these", {"per_1000": "per 1,000"})
        + table_html(caught, "Caught by type, with the paired difference and its 95% interval", heads)
        + _calls_html(calls_before, calls_after)
    )


def _calls_html(before: pd.DataFrame, after: pd.DataFrame) -> str:
    """Calls by truth; a cell that changes says what it was."""
    rows = []
    for truth, was, now in zip(after.index, before.to_numpy(), after.to_numpy(), strict=True):
        if now.any():
            rows.append((truth, *(f"{b} → {a}" if a != b else f"{a}" for b, a in zip(was, now, strict=True))))
    shown = pd.DataFrame(rows, columns=["truth", *(LesionType(c).label if c in set(LesionType) else c for c in after)])
    table = table_html(shown, "Cases of one known type by what they are called: in force → as set, where they differ")
    return f"<details><summary>Calls by truth, before and after</summary>{table}</details>"


def moved_html(moved: pd.DataFrame) -> str:
    """The cases that change sides, cancers no longer flagged first, each with a button that opens it."""
    if moved.empty:
        return "<p>None.</p>"
    more = f"; the first {SHOWN_CASES} are listed, all are in the files below" if len(moved) > SHOWN_CASES else ""
    caption = f"{counted(len(moved), 'case changes', 'cases change')} sides{more}. Press one to open it."
    return f"<div class='dk-table-cases'>{table_html(moved.head(SHOWN_CASES), caption, {'case_id': 'case'})}</div>"


def proposal_html(text: str) -> str:
    """A proposal to keep: it is written nowhere else and changes nothing."""
    coded = base64.b64encode(text.encode()).decode()
    link = (
        f"<a download='change-proposal.json' href='data:application/json;base64,{coded}'>Keep the proposal (JSON)</a>"
    )
    said = notice_html("success", "The proposal is made. Keep it: it lies nowhere else, and no policy has changed.")
    return f"{said}<p>{link}</p>"
