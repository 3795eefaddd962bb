"""What the readers' page is told, as JSON: never more than a reader may know at that moment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from derm_kit.lesions import LESION_TYPES
from derm_kit.readers.features import FEATURES
from derm_kit.records.teaching import TeachingSession
from derm_kit.records.teaching_place import Answer
from derm_kit.records.teaching_reading import Debriefed, Shown, Standing
from derm_kit.records.teaching_steps import Mode, State
from derm_kit.triage.definition import Disposition
from derm_kit.triage.reader_study_management import NO_ERROR, Sent

Json = dict[str, Any]

MANAGEMENT = tuple(d for d in Disposition if d is not Disposition.CLINICIAN_REVIEW)
"""What a reader chooses from: where a reader could send a case, the most urgent first."""


def choices() -> Json:
    """The eleven lesion types and the dispositions."""
    return {
        "diagnosis": [{"key": t.value, "label": t.label} for t in LESION_TYPES],
        "disposition": [{"key": d.value, "label": _sentence(d.value)} for d in MANAGEMENT],
    }


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def of_session(session: TeachingSession) -> Json:
    """What everybody with the code may read."""
    return {"title": session.title, "consent": session.consent or "Your answers are stored under the name you give."}


def state(session: TeachingSession, standing: Standing, shown: Shown | None, *, map_drawn: bool) -> Json:
    """Where a reader stands, with the case that waits for an answer."""
    told: Json = {
        "session": of_session(session),
        "reader": {"alias": standing.alias},
        "progress": _progress(standing),
        "revealed": standing.revealed,
        "case": None,
        "waits": _waits(standing),
    }
    if shown is not None:
        model = shown.model
        told["case"] = {
            "number": shown.number,
            "phase": shown.phase.value,
            "seconds": standing.seconds_a_case,
            "seconds_left": _seconds_left(standing, shown),
            "phantom": standing.phantoms,
            "model": model
            and {
                "diagnosis": model.diagnosis.value,
                "disposition": model.disposition.value,
                "reason": _sentence(model.reason),
                "map": map_drawn,
            },
            "mine": shown.first and _answer(shown.first),
        }
    return told


def _seconds_left(standing: Standing, shown: Shown) -> float | None:
    """Of the time that a page gives for a case, by the server's clock; None where it gives none."""
    if standing.seconds_a_case is None:
        return None
    gone = (datetime.now(UTC) - datetime.fromisoformat(shown.shown_at)).total_seconds()
    return max(0.0, standing.seconds_a_case - max(0.0, gone))


def _answer(answer: Answer) -> Json:
    return {
        "diagnosis": answer.diagnosis.value,
        "disposition": answer.disposition.value,
        "confidence": answer.confidence_percent,
    }


def _progress(standing: Standing) -> Json:
    done, of = standing.before + standing.after, standing.of * (1 if standing.mode is Mode.AI_AT_ONCE else 2)
    return {"done": done, "of": of, "words": f"{done} of {of} answers"}


def _waits(standing: Standing) -> str:
    if standing.state is State.ENDED:
        return "The session was ended before its results came. What you answered is stored."
    if standing.state is State.LOBBY:
        return "You are in. The first case comes here once the facilitator opens the reading."
    return "You have answered all that is open. The page goes on by itself: leave it as it is."


def debrief(session: TeachingSession, standing: Standing, cases: tuple[Debriefed, ...], drawn: frozenset[int]) -> Json:
    """Every case with its truth, in the reader's own order, and what became of their answers."""
    return {
        "summary": _summary(standing, cases),
        "names_agreed": bool(standing.names_agreed),
        "ask_names": "The group's results may name me by the name I gave" if standing.state is State.REVEALED else "",
        "cases": [_told(one, map_drawn=one.number in drawn) for one in cases],
    }


def _summary(standing: Standing, cases: tuple[Debriefed, ...]) -> list[str]:
    lines = []
    for name, answers in (("Before", [c.before for c in cases]), ("After", [c.after for c in cases])):
        given = [(one, case) for one, case in zip(answers, cases, strict=True) if one]
        if given:
            right = sum(one.diagnosis is case.case.truth for one, case in given)
            lines.append(f"{name} the model's view you named {right} of {len(given)} lesions right.")
    both = [(c.before, c.after, c.case) for c in cases if c.before and c.after]
    if both:
        mended = sum(b.diagnosis is not case.truth and a.diagnosis is case.truth for b, a, case in both)
        astray = sum(b.diagnosis is case.truth and a.diagnosis is not case.truth for b, a, case in both)
        lines.append(f"You changed {mended} from wrong to right, and {astray} from right to wrong.")
    wrong = sum(c.case.model_wrong for c in cases)
    lines.append(f"The model was wrong on {wrong} of the {len(cases)} cases; they carry a red edge below.")
    if standing.phantoms:
        lines.append("These were drawn test pictures, not skin: the session was a dry run.")
    return lines


def _told(one: Debriefed, *, map_drawn: bool) -> Json:
    case = one.case
    wrong, no_error = case.model_sent.wrong, case.model_sent is Sent.NO_ERROR
    verdict = f" The model was wrong here: {case.model_sent}." if wrong else f" {NO_ERROR}" if no_error else ""
    lines = [
        ("Truth", f"{case.truth.plain} {case.goes_to}"),
        ("The model", f"{case.model_diagnosis.label}; {case.model_disposition}.{verdict}"),
    ]
    lines += [(f"You, {name}", said.in_words()) for name, said in (("first", one.before), ("then", one.after)) if said]
    credit = " ".join(filter(None, [case.attribution, case.licence and f"({case.licence})"]))
    return {
        "number": one.number, "truth": case.truth.label, "model_wrong": case.model_wrong, "map": map_drawn,
        "lines": lines, "look_for": f"What to look for: {FEATURES[case.truth]}",
        "credit": f"{case.case_id}. {credit}".strip(),
    }  # fmt: skip
