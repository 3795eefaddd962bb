"""Probabilistic sensitivity analysis: every value drawn at once, each draw on one simulated year."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from derm_kit.errors import PathwayError
from derm_kit.pathway.economic_inputs import drawn, resampled
from derm_kit.pathway.economics import Evaluation, Model, evaluate, joined
from derm_kit.pathway.tallies import Floats

CHUNK = 250
"""Draws that are computed together."""
MOST_DRAWS = 100_000
THRESHOLDS_GBP = tuple(range(0, 100_001, 1_000))
EVPI_NOTE = (
    "The value of perfect information is an estimate from so many draws (its standard error stands beside it); with "
    "few draws and arms that are close it comes out too low. Draws on single simulated years hold chance between years "
    "too, which no research would settle, and that makes it too high; draws on the mean of the years do not."
)


@dataclass(frozen=True)
class Psa:
    """Draws of an evaluation: fewer than `asked` where somebody stopped it."""

    evaluation: Evaluation
    asked: int
    seed: int

    @property
    def draws(self) -> int:
        """How many draws were computed."""
        return len(self.evaluation.cost_gbp)


def psa(
    model: Model,
    draws: int = 1_000,
    seed: int = 1,
    *,
    resample: bool = True,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Psa:
    """Costs and QALYs for `draws` values of every input, each on a replication drawn with it.

    With `resample` False every draw takes the mean of the replications: the uncertainty of the values alone. `progress`
    is told how many draws are done, and of how many; once `stop` (such as a threading.Event's `is_set`) says true, the
    draws so far are returned, at least the first 250. Raises PathwayError for fewer than 1 or more than 100,000 draws.
    """
    if not 1 <= draws <= MOST_DRAWS:
        raise PathwayError(
            f"draws are from 1 to {MOST_DRAWS:,}",
            case=model.pathway.name,
            value=draws,
            next_step="Choose another number.",
        )
    values = drawn(model.inputs, draws, seed)
    replications = resampled(model.tree.replications, draws, seed)
    pieces: list[Evaluation] = []
    for at in range(0, draws, CHUNK):
        if pieces and stop and stop():
            break
        part = slice(at, min(at + CHUNK, draws))
        own = {name: value[part] for name, value in values.items()}
        pieces.append(evaluate(model, own, replications[part] if resample else None))
        if progress:
            progress(part.stop, draws)
    return Psa(joined(pieces), draws, seed)


def plane(found: Psa) -> pd.DataFrame:
    """The cost-effectiveness plane against today's arm: arm, draw (from 1), more_qaly, more_cost_gbp, remark."""
    model, evaluation = found.evaluation.model, found.evaluation
    parts = [
        pd.DataFrame(
            {
                "arm": arm,
                "draw": np.arange(1, found.draws + 1),
                "more_qaly": evaluation.qaly[:, a] - evaluation.qaly[:, model.today],
                "more_cost_gbp": evaluation.cost_gbp[:, a] - evaluation.cost_gbp[:, model.today],
                "remark": model.remark,
            }
        )
        for a, arm in enumerate(model.arms)
        if a != model.today
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def acceptability(found: Psa, thresholds_gbp: tuple[float, ...] = THRESHOLDS_GBP) -> pd.DataFrame:
    """Share of draws in which each arm has the highest net benefit, by threshold.

    Columns: gbp_per_qaly, arm, share, standard_error, highest_mean (whether its mean net benefit is the highest: the
    acceptability frontier; Fenwick, Claxton and Sculpher, Health Econ 2001), remark. Arms that are level share a draw,
    so that shares add up to 1.
    """
    model, rows = found.evaluation.model, []
    for threshold in thresholds_gbp:
        benefit = found.evaluation.net_benefit_gbp(threshold)
        share, highest = shares_of_best(benefit), benefit.mean(axis=0) == benefit.mean(axis=0).max()
        error = np.sqrt(share * (1 - share) / found.draws)
        for a, arm in enumerate(model.arms):
            rows.append((threshold, arm, share[a], error[a], bool(highest[a]), model.remark))
    return pd.DataFrame(rows, columns=["gbp_per_qaly", "arm", "share", "standard_error", "highest_mean", "remark"])


def shares_of_best(benefit_gbp: Floats) -> Floats:
    """Share of draws (A,) in which each arm of `benefit_gbp` (N, A) is best; arms that are level share the draw."""
    best = benefit_gbp == benefit_gbp.max(axis=1, keepdims=True)
    shares: Floats = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    return shares


def perfect_information(found: Psa) -> pd.DataFrame:
    """What it would be worth to know every value for certain, at each threshold of the pathway.

    Columns: threshold, gbp_per_qaly, evpi_gbp (per person referred), standard_error_gbp (Monte Carlo),
    evpi_gbp_a_year (for the people referred in a year), people_a_year, draws, remark. Say EVPI_NOTE beside it.
    """
    model, rows = found.evaluation.model, []
    people = float(model.tree.referred.mean())
    for name, threshold in model.thresholds.items():
        value, error = evpi(found.evaluation.net_benefit_gbp(threshold))
        rows.append((name, threshold, value, error, value * people, people, found.draws, model.remark))
    columns = ["threshold", "gbp_per_qaly", "evpi_gbp", "standard_error_gbp", "evpi_gbp_a_year", "people_a_year"]
    return pd.DataFrame(rows, columns=[*columns, "draws", "remark"])


def evpi(benefit_gbp: Floats) -> tuple[float, float]:
    """Expected value of perfect information from net benefits (N, A), and its Monte Carlo standard error.

    Mean of the best minus the best of the means (Briggs, Claxton and Sculpher 2006, chapter 6): what is lost on average
    by choosing the arm that is best on average. The error is NaN for a single draw.
    """
    chosen = int(benefit_gbp.mean(axis=0).argmax())
    lost = benefit_gbp.max(axis=1) - benefit_gbp[:, chosen]
    error = float(lost.std(ddof=1) / np.sqrt(len(lost))) if len(lost) > 1 else np.nan
    return float(lost.mean()), error
