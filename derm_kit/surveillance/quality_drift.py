"""Drift of what can be counted: quality failures and their reasons, device, people, suspicion, scores by month."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.lesions import FLAGGED
from derm_kit.surveillance.changed_shares import FIGURES, labelled
from derm_kit.surveillance.false_alarms import WANTED_MONTHS, FalseAlarms
from derm_kit.surveillance.feed import Feed
from derm_kit.surveillance.looks import WHOLE, Ints, Looks
from derm_kit.surveillance.monthly_shares import Judged, judged

FAILURES = "quality failures"
SCORE_BANDS = 5
COLUMNS = ("month", "group", "figure", "n_cases", "statistic", "p_value", "alarm", "moved", "dispersion", "says")


@dataclass(frozen=True)
class SharesPlan:
    """How shares are watched: baseline, groups and fewest cases as for input drift."""

    months_between: float = WANTED_MONTHS
    baseline_months: int = 12
    by: str = "site"
    fewest_cases: int = 50


AS_USUAL = SharesPlan()


@dataclass(frozen=True)
class Figure:
    """One figure of N cases: the category of each, `codes` (N,), and what the codes stand for.

    `rises` is the one of two categories whose rise alone is looked for; None: any change.
    """

    name: str
    codes: Ints
    labels: tuple[str, ...]
    rises: int | None = None


@dataclass(frozen=True)
class SharesDrift:
    """Every figure of every group in every month after the baseline.

    looks         COLUMNS: `month` (its first instant, UTC), the scaled chi-square and its p-value (NaN where nothing is
                  said), `moved` (share of cases that changed category), and for alarms what changed most, in words.
    false_alarms  what is promised of all of them together.
    """

    looks: pd.DataFrame
    plan: SharesPlan
    false_alarms: FalseAlarms

    @property
    def alarms(self) -> pd.DataFrame:
        """The looks that raised an alarm."""
        return self.looks[self.looks["alarm"]]


def quality_drift(feed: Feed, plan: SharesPlan = AS_USUAL) -> SharesDrift:
    """Hold each month's quality, mix and scores against the baseline months, by group and for the whole service."""
    looks = Looks.of(feed.cases, plan.by)
    return drift_of(list(figures(feed.cases, looks, plan.baseline_months)), looks, plan)


def figures(cases: pd.DataFrame, looks: Looks, baseline_months: int) -> Iterator[Figure]:
    """The figures that are watched: those that part the cases at all."""
    fails = cases["quality_fail"].to_numpy(np.bool_)
    made = [Figure(FAILURES, fails.astype(np.int64), ("passes", "fails"))]
    made += [Figure(name, *labelled(cases, name)) for name in FIGURES]
    in_baseline = looks.month < baseline_months
    made += [_score_bands(kind.value, cases[kind.value].to_numpy(np.float32), in_baseline) for kind in FLAGGED]
    for figure in made:
        if np.count_nonzero(np.bincount(figure.codes, minlength=len(figure.labels))) > 1:
            yield figure


def drift_of(watched: list[Figure], looks: Looks, plan: SharesPlan) -> SharesDrift:
    """Judge every figure in `watched` for every group and for all together; the promise is shared among them all."""
    groups = looks.groups if len(looks.groups) == 1 else (*looks.groups, WHOLE)
    promised = FalseAlarms(plan.months_between, len(watched) * len(groups))
    parts = []
    for figure in watched:
        k = len(figure.labels)
        flat = np.bincount(looks.cells * k + figure.codes, minlength=len(looks.groups) * looks.n_months * k)
        counts = flat.reshape(len(looks.groups), looks.n_months, k)
        if len(groups) > 1:
            counts = np.concatenate([counts, counts.sum(axis=0, keepdims=True)])
        for group, of_group in zip(groups, counts, strict=True):
            found = judged(of_group, plan.baseline_months, plan.fewest_cases)
            parts.append(_table(found, figure, group, of_group, looks, plan, promised.level))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))
    return SharesDrift(table.astype({"alarm": bool}), plan, promised)


def _table(
    found: Judged, figure: Figure, group: str, counts: Ints, looks: Looks, plan: SharesPlan, level: float
) -> pd.DataFrame:
    before = counts[: plan.baseline_months].sum(axis=0)
    p_value = found.p_value
    if figure.rises is not None:
        with np.errstate(invalid="ignore", divide="ignore"):
            rose = counts[plan.baseline_months :, figure.rises] / found.n > before[figure.rises] / before.sum()
        p_value = np.where(rose, p_value / 2, 1 - p_value / 2)
    alarm = np.nan_to_num(p_value, nan=1.0) <= level
    says = np.where(np.isnan(found.p_value), "Too few to say.", "").astype(object)
    for m in np.flatnonzero(alarm):
        says[m] = _in_words(figure, counts[plan.baseline_months + m], before)
    return pd.DataFrame(
        {
            "month": looks.begins[plan.baseline_months :],
            "group": group,
            "figure": figure.name,
            "n_cases": found.n,
            "statistic": found.statistic,
            "p_value": p_value,
            "alarm": alarm,
            "moved": found.moved,
            "dispersion": found.dispersion,
            "says": says,
        }
    )


def _in_words(figure: Figure, now: Ints, before: Ints) -> str:
    share_now, share_before = now / now.sum(), before / before.sum()
    most = int(np.argmax(np.abs(share_now - share_before)))
    return (
        f"{figure.name}: {figure.labels[most]} {share_now[most]:.1%} of {now.sum():,} cases "
        f"(baseline {share_before[most]:.1%} of {before.sum():,})."
    )


def _score_bands(kind: str, score: npt.NDArray[np.float32], in_baseline: npt.NDArray[np.bool_]) -> Figure:
    """Scores by fifths of the baseline's; a case without a score is a band of its own."""
    name = f"{kind.replace('_', ' ')} score"
    known = score[in_baseline & ~np.isnan(score)]
    edges = np.unique(np.quantile(known, np.arange(1, SCORE_BANDS) / SCORE_BANDS)) if len(known) else np.empty(0)
    codes = np.searchsorted(edges, score, side="right")
    codes[np.isnan(score)] = len(edges) + 1
    labels = (
        *(f"below {edge:.3g}" for edge in edges[:1]),
        *(f"{low:.3g} to {high:.3g}" for low, high in pairwise(edges)),
        f"{edges[-1]:.3g} or above" if len(edges) else "any score",
        "no score",
    )
    return Figure(name, codes.astype(np.int64), labels)
