"""The values that an economic evaluation rests on: which of them vary and how, and which nobody gave a source for."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np
from pydantic.fields import FieldInfo
from scipy.special import betainc, betaincinv, gammainc, gammaincinv, ndtr, ndtri

from derm_kit.pathway.quantities import SOURCE_REQUIRED, Duration, Part, Quantity, Share
from derm_kit.pathway.tallies import Floats

if TYPE_CHECKING:
    from derm_kit.pathway.definition import Pathway

NHS, SOCIETAL = "NHS and PSS", "societal"
VIEWS = (NHS, SOCIETAL)
SOCIETAL_ONLY = ("patient_cost_gbp", "lost_work_gbp_a_year")
TAIL = 0.025
_IS_SHARE = get_args(Share)[1]
_BESIDE_THE_MODEL = ("thresholds_gbp_per_qaly", "budget")


@dataclass(frozen=True)
class Input:
    """A value of the evaluation and the limits that it lies within, whatever its distribution says."""

    quantity: Quantity
    highest: float = np.inf
    lowest: float = 0.0

    @property
    def low(self) -> float:
        """The lower end of its 95 % interval (of a uniform distribution: its lowest value)."""
        return self._end(self.quantity.low, TAIL)

    @property
    def high(self) -> float:
        """The upper end of its 95 % interval (of a uniform distribution: its highest value)."""
        return self._end(self.quantity.high, 1 - TAIL)

    def _end(self, given: float | None, probability: float) -> float:
        if given is not None:
            return min(max(float(given), self.lowest), self.highest)
        return float(self.at(np.array([probability]))[0])

    def at(self, probability: Floats) -> Floats:
        """Quantiles of the distribution, cut off at the limits.

        Parameters come from mean and standard deviation (Briggs, Claxton and Sculpher, Decision Modelling for Health
        Economic Evaluation, 2006, chapter 4): beta alpha = m(m(1 - m)/s^2 - 1), beta = alpha(1 - m)/m; gamma shape =
        m^2/s^2, scale = s^2/m; lognormal sigma^2 = ln(1 + s^2/m^2), mu = ln m - sigma^2/2.
        """
        said = self.quantity
        if said.distribution == "fixed":
            return np.full(probability.shape, float(said.value))
        below, above = (self._until(limit) for limit in (self.lowest, self.highest))
        return np.clip(self._quantile(below + probability * (above - below)), self.lowest, self.highest)

    def _until(self, limit: float) -> float:
        """Probability that the distribution gives at most `limit`."""
        mean, sd, kind = float(self.quantity.value), self.quantity.sd, self.quantity.distribution
        if np.isinf(limit):
            return float(limit > 0)
        if kind == "normal":
            return float(ndtr((limit - mean) / sd))
        if kind == "uniform":
            low, high = float(self.quantity.low or 0), float(self.quantity.high or 0)
            return min(max((limit - low) / (high - low), 0.0), 1.0)
        if limit <= 0:
            return 0.0
        if kind == "beta":
            return float(betainc(*_beta(mean, sd), min(limit, 1.0)))
        if kind == "gamma":
            return float(gammainc((mean / sd) ** 2, limit / sd * (mean / sd)))
        mu, sigma = _lognormal(mean, sd)
        return float(ndtr((np.log(limit) - mu) / sigma))

    def _quantile(self, probability: Floats) -> Floats:
        mean, sd, kind = float(self.quantity.value), self.quantity.sd, self.quantity.distribution
        found: Floats
        if kind == "normal":
            found = mean + sd * ndtri(probability)
        elif kind == "uniform":
            low, high = float(self.quantity.low or 0), float(self.quantity.high or 0)
            found = low + probability * (high - low)
        elif kind == "beta":
            found = betaincinv(*_beta(mean, sd), probability)
        elif kind == "gamma":
            found = gammaincinv((mean / sd) ** 2, probability) * sd * (sd / mean)
        else:
            mu, sigma = _lognormal(mean, sd)
            found = np.exp(mu + sigma * ndtri(probability))
        return found


def _beta(mean: float, sd: float) -> tuple[float, float]:
    of_both = mean / sd * ((1 - mean) / sd) - 1
    return mean * of_both, (1 - mean) * of_both


def _lognormal(mean: float, sd: float) -> tuple[float, float]:
    variance = np.log1p((sd / mean) ** 2)
    return float(np.log(mean) - variance / 2), float(np.sqrt(variance))


def stage_cost_of(stage: str) -> str:
    """Place of a stage's cost in the pathway's file."""
    return f"stages / {stage} / cost_gbp"


def arm_cost_of(arm: str) -> str:
    """Place of an arm's yearly cost."""
    return f"arms / {arm} / yearly_cost_gbp"


def progression_of(condition: str) -> str:
    """Place of the rate at which a condition advances."""
    return f"conditions / {condition} / progression_per_30_days"


def inputs(pathway: Pathway, view: str) -> dict[str, Input]:
    """Every value that costs or QALYs of a view are computed from, by its place in the pathway's file.

    What the simulation itself was run with (shares of outcomes, attendance, times) is not among them: it is in the
    replications. The rate at which a disease advances is in both.
    """
    found = {stage_cost_of(name): Input(stage.cost_gbp) for name, stage in pathway.stages.items()}
    found |= {arm_cost_of(name): Input(arm.yearly_cost_gbp) for name, arm in pathway.arms.items()}
    for name in pathway.targets:
        found[progression_of(name)] = Input(pathway.conditions[name].progression_per_30_days, 1)
    if pathway.economics:
        found |= dict(_inside(pathway.economics, "economics", view))
    return found


def _inside(part: Part, where: str, view: str) -> Iterator[tuple[str, Input]]:
    for name, field in type(part).model_fields.items():
        value, at = getattr(part, name), f"{where} / {name}"
        if name in _BESIDE_THE_MODEL or (name in SOCIETAL_ONLY and view != SOCIETAL):
            continue
        if isinstance(value, Quantity):
            yield at, Input(value, _highest(field))
        elif isinstance(value, Part):
            yield from _inside(value, at, view)
        elif isinstance(value, dict):
            for key, item in value.items():
                yield from _inside(item, f"{at} / {key}", view)


def _highest(field: FieldInfo) -> float:
    return 1.0 if _IS_SHARE in field.metadata else np.inf


def at_values(given: Mapping[str, Input]) -> dict[str, Floats]:
    """Every input at its value (1,)."""
    return {name: np.array([float(one.quantity.value)]) for name, one in given.items()}


def drawn(given: Mapping[str, Input], draws: int, seed: int) -> dict[str, Floats]:
    """Every input drawn from its distribution (draws,), independently of the others.

    An input's draws depend on its name and the seed alone, so that two pathways that share it share them.
    """
    return {name: one.at(_stream(seed, name).random(draws)) for name, one in given.items()}


def resampled(replications: int, draws: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """One replication's place for each draw (draws,)."""
    return _stream(seed, "replication").integers(0, replications, draws)


def _stream(seed: int, name: str) -> np.random.Generator:
    own = np.random.SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()),))
    return np.random.Generator(np.random.PCG64(own))


def unsourced(pathway: Pathway, view: str) -> tuple[str, ...]:
    """Places in the pathway's file of every value that the view's result rests on and nobody gave a source for.

    A table of shares (`reads`) is named once. Targets of clocks are left out: they change no cost and no QALY.
    """
    return tuple(_without_source(pathway, "", view))


def unsourced_in(part: Part) -> tuple[str, ...]:
    """The same within one part, by place in it."""
    return tuple(_without_source(part, "", SOCIETAL))


def _without_source(value: object, where: str, view: str) -> Iterator[str]:
    if isinstance(value, Quantity | Duration):
        if not value.sourced:
            yield where
        return
    if isinstance(value, dict):
        if where.endswith(("/ reads", "/ share")):
            yield from [where] * any(True for _ in _items(value, where, view))
        else:
            yield from _items(value, where, view)
        return
    if isinstance(value, tuple):
        for item in value:
            yield from _without_source(item, where, view)
        return
    if not isinstance(value, Part):
        return
    source = getattr(value, "source", None)
    if isinstance(source, str) and source.lower().startswith(SOURCE_REQUIRED) and _rests_on_source(value):
        yield where
    for name in type(value).model_fields:
        if name not in ("clocks", "budget") and (name not in SOCIETAL_ONLY or view == SOCIETAL):
            yield from _without_source(getattr(value, name), f"{where} / {name}" if where else name, view)


def _rests_on_source(part: Part) -> bool:
    """Whether a part's own source stands for values of it: a life table's does not where there is none."""
    return getattr(part, "life_table", True) != ()


def _items(values: Mapping[str, object], where: str, view: str) -> Iterator[str]:
    for key, item in values.items():
        yield from _without_source(item, f"{where} / {key}" if where else key, view)
