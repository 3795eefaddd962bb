"""What a service recorded as suspected and as disposition, in its words -> ours; a policy fills in what is blank."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.cases import values
from derm_kit.diagnoses import lesion_types
from derm_kit.errors import DiagnosisError
from derm_kit.model.run import ScoreRun
from derm_kit.surveillance.feed import NONE, NOT_ASSESSED, SUSPECTED, FeedError
from derm_kit.surveillance.oddities import Oddities
from derm_kit.triage.definition import TriagePolicy
from derm_kit.triage.policy import NOT_FLAGGED, Disposition, decide

_NOBODY_SAYS: Final = "?"
_SUSPECTED: Final[dict[str, str]] = {
    **{word.replace("_", " "): word for word in SUSPECTED},
    **dict.fromkeys(("not flagged", NOT_FLAGGED, "no flagged type", "nothing flagged", "benign"), NONE),
    **dict.fromkeys(("clinician review", "quality failure", "excluded", "not applicable"), NOT_ASSESSED),
}
_DISPOSITIONS: Final[dict[str, str]] = {
    **{d.value.casefold(): d for d in Disposition},
    **{d.name.casefold().replace("_", " "): d for d in Disposition},
    **dict.fromkeys(("discharge", "discharged", "discharge advice"), Disposition.DISCHARGE_ADVICE),
    **dict.fromkeys(("urgent", "urgent referral", "2ww", "usc"), Disposition.URGENT_SUSPECTED_CANCER),
    **dict.fromkeys(("routine", "routine referral"), Disposition.ROUTINE_DERMATOLOGY),
    **dict.fromkeys(("second read", "dermatologist review"), Disposition.SECOND_READ),
    **dict.fromkeys(("review",), Disposition.CLINICIAN_REVIEW),
}


@dataclass(frozen=True)
class Recorded:
    """What a service recorded of n cases, in our words; "" where nothing."""

    suspected: pd.Series[str]
    disposition: pd.Series[str]

    def where(self, kept: npt.NDArray[np.bool_]) -> Recorded:
        """Those of the cases that are kept (n,)."""
        return Recorded(*(said[kept].reset_index(drop=True) for said in (self.suspected, self.disposition)))


def as_recorded(suspected: pd.Series[str], disposition: pd.Series[str]) -> Recorded:
    """Suspected types and dispositions (n,) in our words; what is not understood as `not_understood` finds it.

    Cells come untidied: "none" is something said of a suspected type.
    """
    return Recorded(
        values.by_value(suspected, _read_suspected),
        values.by_value(disposition, partial(_read, _DISPOSITIONS)),
    )


def not_understood(recorded: Recorded) -> Iterator[tuple[str, npt.NDArray[np.bool_], str]]:
    """A column's name, its cases (n,) whose word nobody knows, and the rule, a column at a time."""
    for name, said, known in (
        ("suspected", recorded.suspected, SUSPECTED),
        ("disposition", recorded.disposition, tuple(Disposition)),
    ):
        rule = f"{name} as recorded in service is one of: {', '.join(known)}"
        yield name, (said == _NOBODY_SAYS).to_numpy(np.bool_), rule


def filled_in(
    run: ScoreRun, recorded: Recorded, policy: TriagePolicy | None, delivery: str, oddities: Oddities
) -> tuple[pd.Series[str], pd.Series[str]]:
    """Suspected and disposition (n,) of every case: as recorded, else as `policy` decides on its scores.

    Of a case whose suspected type alone is recorded the disposition is the policy's for that type. Raises FeedError
    where something is blank and there is no policy, PolicyError where it is not this model's.
    """
    suspected, disposition = recorded.suspected, recorded.disposition
    unsaid, homeless = suspected == "", disposition == ""
    if not (unsaid.any() or homeless.any()):
        return suspected, disposition
    if policy is None:
        raise FeedError(
            "a case says what was suspected and where it went, as recorded in service, or a policy says it for it",
            case=f"{delivery}, {run.scores['case_id'][unsaid | homeless].iloc[0]}",
            next_step="Add the columns suspected and disposition, or name the policy that was in force.",
        )
    ids = run.scores["case_id"]
    oddities.tell(
        f"{delivery}: {{n:,}} cases do not record what was suspected or where they went; the policy {policy.name} "
        f"{policy.version} says it for them, as if it had been in force.",
        ids[unsaid | homeless],
    )
    decided = decide(run, policy)
    called = decided.table["suspected"].astype("str").replace("", NONE).mask(decided.in_review, NOT_ASSESSED)
    nowhere = Disposition.DISCHARGE_ADVICE if policy.autonomous else Disposition.SECOND_READ
    of_type = {t.value: d.value for t, d in policy.dispositions.items()}
    where = values.by_value(
        suspected, lambda word: of_type.get(word, Disposition.CLINICIAN_REVIEW if word == NOT_ASSESSED else nowhere)
    )
    disposition = disposition.mask(homeless & ~unsaid, where)
    disposition = disposition.mask(homeless & unsaid, decided.table["disposition"].astype("str"))
    return suspected.mask(unsaid, called), disposition


def _read_suspected(text: str) -> str:
    known = _read(_SUSPECTED, text)
    if known != _NOBODY_SAYS:
        return known
    try:
        types = lesion_types(text)
    except DiagnosisError:
        return _NOBODY_SAYS
    return next(iter(types)).value if len(types) == 1 else _NOBODY_SAYS


def _read(words: dict[str, str], text: str) -> str:
    plain = " ".join(text.replace("_", " ").casefold().split())
    return str(words.get(plain, _NOBODY_SAYS)) if plain else ""
