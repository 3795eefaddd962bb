"""Tuning a policy: the safest thresholds for chosen targets as a policy of their own, and what each is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from derm_kit.errors import DermKitError
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.triage.case_mix import CaseMix, case_weights
from derm_kit.triage.counts import NOT_FLAGGED_CALL, REVIEW_CALL, CaseCounter
from derm_kit.triage.guarantee import METHODS, Guarantee, safest_thresholds
from derm_kit.triage.policy import TriagePolicy
from derm_kit.triage.prevalence import weighted_rates

MAKER_TARGETS = {
    LesionType.MELANOMA: 0.95,
    LesionType.SQUAMOUS_CELL_CARCINOMA: 0.95,
    LesionType.BASAL_CELL_CARCINOMA: 0.90,
}
"""Sensitivities that the maker of DERM publishes as its targets."""

DEFAULT_TARGETS = MAKER_TARGETS | {
    LesionType.INTRAEPIDERMAL_CARCINOMA: 0.90,
    LesionType.ACTINIC_KERATOSIS: 0.90,
    LesionType.ATYPICAL_NAEVUS: 0.90,
}
"""Sensitivities to aim at; those that the maker does not name are ours, to be confirmed."""

TUNED = ", tuned"
"""What the name of a policy ends in once a threshold was moved."""

LEARNT_ON = ("train", "validation")
"""Splits whose cases the shipped model learnt from or was calibrated on: no threshold is guaranteed on them."""


@dataclass(frozen=True)
class Tuned:
    """A policy with the thresholds found, and the guarantee or refusal of each target.

    A type whose target is refused keeps the threshold it had, without a guarantee.
    """

    policy: TriagePolicy
    guarantees: tuple[Guarantee, ...]

    @property
    def guaranteed(self) -> tuple[LesionType, ...]:
        """The types whose threshold holds its target."""
        return tuple(g.lesion_type for g in self.guarantees if g.threshold is not None)


def targets_for(counter: CaseCounter) -> dict[LesionType, float]:
    """The default targets of the flagged types that the run has scores for."""
    return {t: target for t, target in DEFAULT_TARGETS.items() if t in counter.trained}


def tune(
    counter: CaseCounter,
    targets: Mapping[LesionType, float],
    *,
    confidence: float = 0.95,
    within: str = "",
    method: str = METHODS[0],
) -> Tuned:
    """The counter's policy with the highest thresholds that hold `targets` at `confidence`, as `safest_thresholds`.

    `within` names a grouping in each group of which they must hold ("" for none). Thresholds of the policy that are not
    tuned stay. Raises DermKitError as `safest_thresholds`, for an unknown grouping, and where the cases are some that
    the model learnt from.
    """
    _require_unseen(counter)
    groups = None
    if within:
        found = {grouping.name: grouping for grouping in counter.groupings}
        if within not in found:
            raise DermKitError(
                "a guarantee holds within the groups of something that was recorded of these cases",
                value=within,
                next_step=f"Choose one of: {', '.join(found) or 'none is recorded here'}.",
            )
        groups = np.array(found[within].labels, dtype=object)[found[within].codes]
    guarantees = safest_thresholds(
        counter.matrix, counter.truth, targets, confidence=confidence, fixed=counter.policy.thresholds,
        assessed=~counter.review, groups=groups, method=method,
    )  # fmt: skip
    thresholds = dict(counter.policy.thresholds)
    thresholds |= {g.lesion_type: g.threshold for g in guarantees if g.threshold is not None}
    return Tuned(with_thresholds(counter.policy, thresholds), guarantees)


def with_thresholds(policy: TriagePolicy, thresholds: Mapping[LesionType, float]) -> TriagePolicy:
    """`policy` with `thresholds`, its name saying that it was tuned where any moved.

    Raises PolicyError as every policy does.
    """
    moved = policy.thresholds != thresholds and not policy.name.endswith(TUNED)
    name = policy.name + TUNED if moved else policy.name
    return policy.changed(name=name, thresholds=dict(thresholds))


@dataclass(frozen=True)
class InCaseMix:
    """Accuracy for any cancer, assessed cases, in another mix: one row a figure (measure, value, low, high, remark)."""

    name: str
    table: pd.DataFrame
    sentences: tuple[str, ...]


def in_case_mix(counter: CaseCounter, thresholds: Mapping[LesionType, float], mix: CaseMix) -> InCaseMix:
    """What a flag says of any cancer where lesion types are as common as `mix` says, beside the cohort's own mix.

    Cases in clinician review and cases of no or several types are left out. Raises DermKitError as `case_weights`.
    """
    called = counter.called(thresholds)
    truth = counter.truth & (called != REVIEW_CALL)[:, None]
    weighted = case_weights(truth, mix)
    cancer = truth[:, [t.cancer for t in LESION_TYPES]].any(axis=1)
    found = weighted_rates(called < NOT_FLAGGED_CALL, cancer, weighted)
    names = {
        "sensitivity": "cancers flagged",
        "specificity": "no cancer, not flagged",
        "ppv": "cancers among flagged",
        "npv": "no cancer among not flagged",
        "lr_negative": "likelihood ratio of no flag",
        "missed_per_1000": "cancers missed per 1,000 not flagged",
    }
    rows = [
        (words, e.value, e.low, e.high, e.n, e.reason) for name, words in names.items() for e in [getattr(found, name)]
    ]
    table = pd.DataFrame(rows, columns=["measure", "value", "low", "high", "n", "remark"])
    left_out = int((counter.truth.sum(1) != 1)[called != REVIEW_CALL].sum())
    effective = (
        f"{found.prevalence:.1%} of lesions are cancers there. Weighted so, the {int(cancer.sum())} cancers here say "
        f"as much as {found.effective_n_positive:.0f} would, the others as much as {found.effective_n_negative:.0f}."
    )
    return InCaseMix(
        mix.name,
        table,
        (
            effective,
            f"{left_out} assessed cases whose truth is unknown, or open between types, are left out of the weighted "
            "figures.",
            found.assumption,
            f"Source of the mix: {mix.source}.",
            *weighted.remarks,
        ),
    )


def _require_unseen(counter: CaseCounter) -> None:
    cases = counter.run.cases
    learnt = cases["split"].isin(LEARNT_ON) if "split" in cases and counter.run.model_hash else None
    if learnt is not None and learnt.any():
        raise DermKitError(
            "a guarantee rests on cases that the model neither learnt from nor was calibrated on",
            value=f"{int(learnt.sum())} of {len(cases)} cases are of its training or validation set",
            next_step="Score other labelled cases, or keep only those of the split 'reference'.",
        )
