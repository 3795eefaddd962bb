"""Figures of one model, or paired differences of two, on one set of labelled cases: over all, per type, per group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from derm_kit.errors import RunError
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.model.run import ScoreRun
from derm_kit.triage import accuracy
from derm_kit.triage.accuracy import Estimate

SIDES = {"melanoma": (LesionType.MELANOMA,), "any_cancer": tuple(t for t in LESION_TYPES if t.cancer)}
TARGET = 0.95
AGE_BANDS = ((0, "0-17"), (18, "18-39"), (40, "40-59"), (60, "60-79"), (80, "80 and over"))
STRATA = ("source", "skin_tone_class", "anatomical_site", "sex", "age_band", "truth_source")
UNKNOWN = "not recorded"

Figure = tuple[str, str, str, Estimate]
"""Metric, stratum, stratum value, estimate."""


@dataclass(frozen=True)
class Scored:
    """Scores of one or two models on the same labelled cases; of two, every figure is the first minus the second.

    models: (N, 11) each, untrained types NaN; truth (N, 11) bool; groups: texts (N,) of each stratum; shares: for each
    model those (11,) of the types in the set that its scores are calibrated to, none where one is unknown.
    """

    models: tuple[np.ndarray, ...]
    truth: np.ndarray
    groups: dict[str, np.ndarray] = field(default_factory=dict)
    shares: tuple[np.ndarray, ...] = ()

    def only(self, rows: np.ndarray) -> Scored:
        """The cases in which `rows` (N,) is True."""
        groups = {name: values[rows] for name, values in self.groups.items()}
        return Scored(tuple(m[rows] for m in self.models), self.truth[rows], groups, self.shares)

    @property
    def paired(self) -> bool:
        """Whether figures are differences of two models."""
        return len(self.models) == 2


def scored(run: ScoreRun, baseline: ScoreRun | None = None, shares: tuple[np.ndarray, ...] = ()) -> Scored:
    """The labelled cases of a run, beside a baseline's scores of them.

    Raises RunError where the baseline lacks a case.
    """
    models = [run.matrix.astype(np.float64)]
    if baseline is not None:
        place = pd.Index(baseline.scores["case_id"]).get_indexer(pd.Index(run.scores["case_id"]))
        if (place < 0).any():
            raise RunError(
                "the baseline has a score for every case of the run",
                case=str(run.scores["case_id"].iloc[int(np.argmin(place))]),
                value=f"{(place < 0).sum()} of {len(run)} cases missing",
                next_step="Score the same cohort with the baseline.",
            )
        models.append(baseline.matrix.astype(np.float64)[place])
    truth = accuracy.truth_matrix(run.cases["truth"])
    return Scored(tuple(models), truth, groups_of(run.cases), shares).only(truth.any(1))


def groups_of(cases: pd.DataFrame) -> dict[str, np.ndarray]:
    """The stratum of each case as text, "not recorded" where unknown; strata without a column are left out."""
    table = cases.copy()
    if "age_years" in table:
        ages = pd.to_numeric(table["age_years"])
        edges = [low for low, _ in AGE_BANDS] + [np.inf]
        table["age_band"] = pd.cut(ages, edges, right=False, labels=[name for _, name in AGE_BANDS]).astype(object)
    if "skin_tone_class" in table:
        tones = pd.to_numeric(table["skin_tone_class"])
        table["skin_tone_class"] = tones.map(lambda tone: f"{tone:g}", na_action="ignore").astype(object)
    named = [c for c in STRATA if c in table]
    return {c: table[c].fillna("").astype(str).replace("", UNKNOWN).to_numpy(object) for c in named}


def figures(data: Scored) -> Iterator[Figure]:
    """Every figure: over all cases, per type, per stratum, and per type and source."""
    for metric, estimate in headline(data):
        yield metric, "all", "", estimate
    yield from per_type(data)
    cuts = overall_thresholds(data)
    for stratum, values in data.groups.items():
        for value in sorted(set(values)):
            part = data.only(values == value)
            for metric, estimate in headline(part):
                yield metric, stratum, value, estimate
            if not data.paired:
                for metric, estimate in at_overall_threshold(part, cuts):
                    yield metric, stratum, value, estimate
    for source in sorted(set(data.groups.get("source", ()))):
        part = data.only(data.groups["source"] == source)
        for metric, _, value, estimate in per_type(part):
            yield metric, "type and source", f"{value}, {source}", estimate


def free_calls(data: Scored) -> list[np.ndarray]:
    """The call of each model (N,) with the prevalence of its calibration set taken out."""
    return [accuracy.top_type(m, shares=s) for m, s in zip(data.models, data.shares, strict=True)]


def headline(data: Scored) -> Iterator[tuple[str, Estimate]]:
    """The figures that stand over a whole set of cases."""
    pair, truth = data.paired, data.truth
    balanced = accuracy.balanced_accuracy_difference if pair else accuracy.balanced_accuracy
    area = accuracy.auc_difference if pair else accuracy.auc
    specificity = accuracy.specificity_difference if pair else accuracy.specificity_estimate
    calibration = accuracy.calibration_error_difference if pair else accuracy.calibration_error
    yield "balanced_accuracy", balanced(*(accuracy.top_type(m) for m in data.models), truth)
    if data.shares:
        yield "balanced_accuracy_prevalence_free", balanced(*free_calls(data), truth)
    known = truth[:, ~np.isnan(data.models[0]).all(0)].any(1)
    if not known.all():
        calls = (accuracy.top_type(m)[known] for m in data.models)
        yield "balanced_accuracy_trained_types", balanced(*calls, truth[known])
    for name, types in SIDES.items():
        positive, counted = accuracy.one_against_rest(truth, types)
        scores = [accuracy.summed_score(m, types)[counted] for m in data.models]
        yield f"{name}_auc", area(*scores, positive[counted])
        yield f"{name}_specificity_at_95_sensitivity", specificity(*scores, positive[counted], target=TARGET)
    yield "calibration_error", calibration(*data.models, truth)
    if not pair:
        yield "calibration_floor", accuracy.calibration_floor(accuracy.top_score(data.models[0], truth)[0])


def per_type(data: Scored) -> Iterator[Figure]:
    """Recall by highest score (and free of prevalence) and AUC of each type against every other labelled case."""
    called = [accuracy.top_type(m) for m in data.models]
    calls = {"recall": called}
    if data.shares:
        calls["recall_prevalence_free"] = free_calls(data)
    for column, lesion_type in enumerate(LESION_TYPES):
        own = data.truth[:, column] & (data.truth.sum(1) == 1)
        for metric, by_model in calls.items():
            if data.paired:
                recall = accuracy.balanced_accuracy_difference(*(c[own] for c in by_model), data.truth[own])
            else:
                recall = accuracy.proportion(int((by_model[0][own] == column).sum()), int(own.sum()))
            yield metric, "type", lesion_type.value, recall
        positive, counted = accuracy.one_against_rest(data.truth, (lesion_type,))
        area = accuracy.auc_difference if data.paired else accuracy.auc
        scores = (m[counted, column] for m in data.models)
        yield "auc", "type", lesion_type.value, area(*scores, positive[counted])


def overall_thresholds(data: Scored) -> dict[str, float]:
    """The threshold of each side that reaches the target over all cases, by the first model."""
    cuts = {}
    for name, types in SIDES.items():
        positive, counted = accuracy.one_against_rest(data.truth, types)
        score = accuracy.summed_score(data.models[0], types)[counted]
        cuts[name] = accuracy.specificity_at_sensitivity(score, positive[counted], target=TARGET).threshold
    return cuts


def at_overall_threshold(data: Scored, cuts: dict[str, float]) -> Iterator[tuple[str, Estimate]]:
    """What the threshold that serves all cases does to a stratum: its sensitivity and specificity."""
    for name, types in SIDES.items():
        positive, counted = accuracy.one_against_rest(data.truth, types)
        if np.isnan(cuts[name]):
            no_cut = Estimate(np.nan, np.nan, np.nan, len(data.truth), None, "", "no threshold over all cases")
            yield f"{name}_sensitivity_at_overall_threshold", no_cut
            yield f"{name}_specificity_at_overall_threshold", no_cut
            continue
        reached = accuracy.summed_score(data.models[0], types) >= cuts[name]
        negative = counted & ~positive
        caught, cleared = int((reached & positive).sum()), int((~reached & negative).sum())
        yield f"{name}_sensitivity_at_overall_threshold", accuracy.proportion(caught, int(positive.sum()))
        yield f"{name}_specificity_at_overall_threshold", accuracy.proportion(cleared, int(negative.sum()))
