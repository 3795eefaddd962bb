"""What the policy in force does to the scored cases, measured anew for a safety case: figures, tables and a chart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from derm_kit.errors import PolicyError
from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType
from derm_kit.model.card import ModelCard
from derm_kit.model.run import ScoreRun
from derm_kit.records.provenance import AREA, CODE, NONE, SHARE, Figure, Measured, per_1000, rounded, share
from derm_kit.records.report import Chart, Table, Value
from derm_kit.records.report_tables import table
from derm_kit.records.safety_case_chart import caught_chart
from derm_kit.triage.accuracy import Estimate, auc, one_against_rest, summed_score
from derm_kit.triage.counts import CALLS, CaseCounter
from derm_kit.triage.measures import Rates, confusion, rates
from derm_kit.triage.policy import TriagePolicy, decide

MEASURED = ("scores", "policy")
CANCERS = tuple(t for t in LESION_TYPES if t.cancer)
SKIN_GROUPINGS = ("skin type", "skin tone")


@dataclass(frozen=True)
class Performance:
    """A policy read on scored cases with truth. Raises PolicyError where the policy cannot be read on them."""

    run: ScoreRun
    policy: TriagePolicy
    card: ModelCard | None

    @cached_property
    def counter(self) -> CaseCounter:
        """The cases made ready for counting."""
        return CaseCounter(self.run, self.policy)

    @cached_property
    def rates(self) -> Rates:
        """Every rate in every subgroup."""
        return rates(self.counter.count(self.policy.thresholds))

    def rate(self, name: str, kind: LesionType | None = None, *, assessed: bool = False, row: int = 0) -> Measured:
        """One rate with its interval."""
        column = self.rates.place(name, kind, assessed=assessed)
        return share(int(self.rates.count[row, column]), int(self.rates.n[row, column]))

    def target(self, kind: LesionType) -> float | None:
        """The sensitivity that the model's card aimed at with this type's threshold."""
        point = self.card.operating_points.get(kind) if self.card else None
        return point.target_sensitivity if point else None

    def figures(self) -> dict[str, Figure]:
        """What sentences show, by the name that a template calls it by."""
        missed = self.rate("cancers missed among not flagged", assessed=True)
        known = self.rate("truth known").count or 0
        found = {
            "cases": Measured(len(self.run), "cases"),
            "melanoma_caught": self.rate("sensitivity", LesionType.MELANOMA),
            "melanoma_caught_assessed": self.rate("sensitivity", LesionType.MELANOMA, assessed=True),
            "cancers_flagged": self.rate("cancers flagged"),
            "cancers_flagged_assessed": self.rate("cancers flagged", assessed=True),
            "cancers_among_not_flagged": missed,
            "cancers_not_flagged": per_1000(missed.count or 0, known),
            "benign_not_flagged": self.rate("benign not flagged"),
            "review": self.rate("clinician review"),
            "melanoma_auc": self._auc((LesionType.MELANOMA,)),
            "cancer_auc": self._auc(CANCERS),
        }
        names = {"cancers_not_flagged": "cancers not flagged, of cases whose truth is known"}
        return {
            key: Figure(names.get(key, key.replace("_", " ").replace("auc", "AUC")), value, (*MEASURED, CODE))
            for key, value in found.items()
        }

    def tables(self) -> dict[str, Table]:
        """Each table by the name that a template calls it by."""
        return {
            "thresholds": self._thresholds(),
            "by_type": self._by_type(),
            "overall": self._overall(),
            "confusion": self._confusion(),
            "skin": self._groups("By skin, as far as it is known", SKIN_GROUPINGS),
            "truth_sources": self._groups("By how the truth is known", ("source of truth",)),
            "review_reasons": self._review_reasons(),
        }

    def chart(self) -> Chart:
        """Caught of each type, with its interval, beside the target."""
        rows = [(t.label, self.rate("sensitivity", t), self.target(t)) for t in FLAGGED]
        return caught_chart(rows, (*MEASURED, CODE))

    @property
    def kept_out(self) -> bool:
        """Whether the cases say that they were kept out of the model's training and calibration."""
        return "split" in self.run.cases and set(self.run.cases["split"]) == {"reference"}

    def unmet(self) -> dict[str, str]:
        """Types whose target is not shown to be met over all cases: what was found, in words."""
        return dict(self._unmet())

    def dark(self) -> int:
        """Cases of skin type V or VI."""
        return int(self.run.cases["skin_type"].isin(("V", "VI")).sum())

    def remarks(self) -> tuple[str, ...]:
        """What `decide` says of policy and scores together."""
        return decide(self.run, self.policy).remarks

    def _unmet(self) -> Iterator[tuple[str, str]]:
        for t in FLAGGED:
            target, found = self.target(t), self.rate("sensitivity", t)
            if target is not None and (found.low is None or found.low < target):
                yield t.label.lower(), f"caught {found.shown}, target {target:.0%}"

    def _auc(self, types: tuple[LesionType, ...]) -> Measured:
        positive, counted = one_against_rest(self.counter.truth, types)
        score = summed_score(self.run.matrix, types)
        known = counted & ~np.isnan(score)
        return _measured(auc(score[known], positive[known]), AREA)

    def _thresholds(self) -> Table:
        rows = [
            (t.label, self.policy.thresholds.get(t), self.policy.dispositions[t].value
             if t in self.policy.dispositions else NONE, self._chosen(t)) for t in FLAGGED
        ]  # fmt: skip
        return table(
            "Thresholds of the policy, and where a case of each call goes",
            ("type", "threshold", "where such a case goes", "guarantee of the model's card, where it is the card's"),
            rows, ("policy", "card"), mark=_marked(self.policy),
        )  # fmt: skip

    def _chosen(self, t: LesionType) -> str:
        point = self.card.operating_points.get(t) if self.card else None
        if t not in self.policy.thresholds:
            return "never called: left to clinicians"
        if point is None or point.threshold != self.policy.thresholds[t]:
            return "none known for this threshold"
        return point.guarantee

    def _by_type(self) -> Table:
        rows = [(t.label, *self._row(t)) for t in FLAGGED]
        return table(
            "Caught: called that type or a more serious one",
            ("type", "all cases", "of assessed cases", "as own type, all cases", "target", "target met, all cases"),
            rows, MEASURED,
        )  # fmt: skip

    def _row(self, t: LesionType) -> tuple[Value, ...]:
        target, caught = self.target(t), self.rate("sensitivity", t)
        if target is None or caught.value is None or caught.low is None:
            verdict = NONE
        elif caught.low >= target:
            verdict = "yes"
        else:
            verdict = "no" if caught.value < target else "not shown: the interval reaches below"
        return (
            caught, self.rate("sensitivity", t, assessed=True), self.rate("caught as own type", t),
            None if target is None else Measured(target, SHARE), verdict,
        )  # fmt: skip

    def _overall(self) -> Table:
        wanted = (
            ("cancers flagged", False), ("cancers flagged", True), ("cancers called a cancer", False),
            ("benign not flagged", False), ("benign not flagged", True),
            ("cancers missed among not flagged", True), ("flagged", False), ("not flagged", False),
            ("clinician review", False), ("truth known", False),
        )  # fmt: skip
        rows: list[tuple[Value, ...]] = [
            (name, "assessed cases" if assessed else "all cases", self.rate(name, assessed=assessed))
            for name, assessed in wanted
        ]
        rows += [("AUC", "melanoma", self._auc((LesionType.MELANOMA,))), ("AUC", "any cancer", self._auc(CANCERS))]
        return table("Over all lesion types", ("rate", "of", "value"), rows, MEASURED)

    def _confusion(self) -> Table:
        found = confusion(self.counter.count(self.policy.thresholds))
        rows: list[tuple[Value, ...]] = [(t.label, *map(int, found.loc[t.value])) for t in LESION_TYPES]
        heads = ("truth", *(t.short for t in FLAGGED), *CALLS[len(FLAGGED) :])
        return table("Calls by truth, cases of exactly one type", heads, rows, MEASURED)

    def _groups(self, caption: str, groupings: tuple[str, ...]) -> Table:
        wanted = (("sensitivity", LesionType.MELANOMA), ("cancers flagged", None), ("benign not flagged", None))
        rows: list[tuple[Value, ...]] = [
            (f"{grouping}: {group}", int(self.rates.n[row, self.rates.place("flagged")]),
             *(self.rate(name, kind, row=row) for name, kind in wanted))
            for row, (grouping, group) in enumerate(self.rates.strata) if grouping in groupings
        ]  # fmt: skip
        return table(
            caption, ("group", "cases", "melanomas caught", "cancers flagged", "benign not flagged"), rows, MEASURED
        )

    def _review_reasons(self) -> Table:
        found = decide(self.run, self.policy).table["rule"].value_counts()
        rows = [(str(rule), int(n), share(int(n), len(self.run))) for rule, n in sorted(found.items())]
        return table("By which rule each case was decided", ("rule", "cases", "of all"), rows, MEASURED)


def performance(run: ScoreRun, policy: TriagePolicy, card: ModelCard | None) -> Performance:
    """The policy read on cases of which the truth of some is known. Raises PolicyError where no truth is known."""
    if not (run.cases["truth"] != "").any():
        raise PolicyError(
            "a safety case rests on scored cases whose truth is known",
            case=policy.name,
            value=f"{len(run):,} cases, none with a truth",
            next_step="Name a run with truth; left out, the reference cohort is read.",
        )
    return Performance(run, policy, card)


def _marked(policy: TriagePolicy) -> str:
    return "source required" if "source required" in policy.dispositions_source else ""


def _measured(found: Estimate, unit: str) -> Measured:
    if np.isnan(found.value):
        return Measured(None, unit, why=found.reason)
    low, high = (None if np.isnan(x) else rounded(x) for x in (found.low, found.high))
    return Measured(round(found.value, 3), unit, low, high, n=found.n)
