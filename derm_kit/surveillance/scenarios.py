"""Planted scenarios: made-up services in which it is known what went wrong, where and when.

Scores, features, truth and metadata are those of real reference lesions that the model never saw, drawn with
replacement within each truth to a chosen case mix; times, sites, devices and outcomes are simulated. A case is never
made up: a lesion stands for many cases of the service, so such a feed says nothing about the model that the reference
cases do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from derm_kit.model.run import SCORE_COLUMNS
from derm_kit.surveillance.feed import SUSPECTED, Feed, Remark
from derm_kit.surveillance.reference_pool import Ints, Read, ReferencePool
from derm_kit.surveillance.scenario_outcomes import Outcomes, simulated
from derm_kit.surveillance.scenario_service import TRUST, Service
from derm_kit.triage.definition import Disposition

PRODUCT = "derm11 0.3.0"
NEW_CAMERA_SOURCE = "milk10k"
MORE_CANCER = 2.0
MORE_FREQUENT = ("melanoma", "squamous_cell_carcinoma")
LATE_DAYS = 120.0
AS_USUAL = Outcomes()
TEACHING_SEED = 112
"""Under this seed TRUST in control raises no alarm at all in five years. It was chosen for that: about one seed in ten
is so quiet, as each of the signals promises a false alarm now and then."""
SIMULATED = (
    "Simulated feed: real reference lesions drawn again and again; times, sites, devices and outcomes are made up."
)


class Scenario(StrEnum):
    """What is planted."""

    IN_CONTROL = "in_control"
    NEW_CAMERA = "new_camera"
    PREVALENCE_SHIFT = "prevalence_shift"
    LATE_LABELS = "late_labels"
    SILENT_MODEL_CHANGE = "silent_model_change"


class Signal(StrEnum):
    """Which kind of signal should find what is planted."""

    INPUT_DRIFT = "input drift"
    MIX_DRIFT = "quality, mix and score drift"
    LATE_OUTCOMES = "late outcomes"
    SENSITIVITY = "melanoma sensitivity"
    DISCHARGE_RATE = "discharge rate"


@dataclass(frozen=True)
class Planted:
    """What was planted: `sentence` in words, from `starts_at` (UTC; None in control), at `site` ("" everywhere).

    `found_by` are the signals that should find it, `silent` those that should stay silent though it is there.
    """

    name: Scenario
    sentence: str
    starts_at: pd.Timestamp | None
    site: str
    found_by: tuple[Signal, ...]
    silent: tuple[Signal, ...] = ()


def planted_feed(
    name: Scenario,
    service: Service = TRUST,
    *,
    seed: int = TEACHING_SEED,
    after_months: int | None = None,
    outcomes: Outcomes = AS_USUAL,
    features: bool = True,
    pool: ReferencePool | None = None,
) -> tuple[Feed, Planted]:
    """A made-up service's feed, and what was planted in it from `after_months` on (default: 60 % of its months).

    The same seed gives the same feed. Memory: about 0.6 GB for a million cases, with features.
    """
    pool = pool or _shipped()
    planted = _planted(name, service, round(0.6 * 12 * service.years) if after_months is None else after_months)
    case_stream, outcome_stream = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    imaged_at, site = service.imaged_at(case_stream), service.site_of(case_stream)
    hit = _hit(planted, service, imaged_at, site)
    truths = list(service.mix)
    truth = _truth(service.mix, hit & (name == Scenario.PREVALENCE_SHIFT), case_stream)
    drawn = _drawn(pool, service.mix, truth, hit & (name == Scenario.NEW_CAMERA), case_stream)
    cases = _cases(pool, service, drawn, imaged_at, site, hit, planted, case_stream)
    late = hit & (name == Scenario.LATE_LABELS), LATE_DAYS
    told = simulated(cases, _category(truth, truths), service, outcomes, outcome_stream, late)
    return Feed(
        cases, told, (Remark(SIMULATED, len(cases)),), _features(pool, cases, drawn) if features else None
    ), planted


def _planted(name: Scenario, service: Service, after_months: int) -> Planted:
    at = pd.Timestamp(service.month(after_months), tz="UTC")
    site, when = service.sites[min(2, len(service.sites) - 1)], f"{at:%-d %B %Y}"
    return {
        Scenario.IN_CONTROL: Planted(name, "Nothing changes in any year.", None, "", (), tuple(Signal)),
        Scenario.NEW_CAMERA: Planted(
            name,
            f"From {when} {site} has a new camera: its lesions are those photographed for one collection "
            f"({NEW_CAMERA_SOURCE}) alone, where until then they came from all three. The case mix stays the same.",
            at, site, (Signal.INPUT_DRIFT, Signal.MIX_DRIFT),
        ),
        Scenario.PREVALENCE_SHIFT: Planted(
            name,
            f"From {when} melanoma and SCC are {MORE_CANCER:g} times as frequent at every site, naevi less so; the "
            "model is as good as before on each type.",
            at, "", (Signal.MIX_DRIFT, Signal.DISCHARGE_RATE), (Signal.LATE_OUTCOMES, Signal.SENSITIVITY),
        ),
        Scenario.LATE_LABELS: Planted(
            name,
            f"From {when} the outcomes of {site} are told {LATE_DAYS:g} days later than before; care is the same.",
            at, site, (Signal.LATE_OUTCOMES,),
            (Signal.INPUT_DRIFT, Signal.MIX_DRIFT, Signal.SENSITIVITY, Signal.DISCHARGE_RATE),
        ),
        Scenario.SILENT_MODEL_CHANGE: Planted(
            name,
            f"From {when} the product, its name as before, gives lower melanoma scores: at the policy's threshold its "
            "sensitivity falls from 95% to 88%. The pictures are the same.",
            at, "", (Signal.SENSITIVITY, Signal.DISCHARGE_RATE, Signal.MIX_DRIFT),
            (Signal.INPUT_DRIFT, Signal.LATE_OUTCOMES),
        ),
    }[name]  # fmt: skip


@cache
def _shipped() -> ReferencePool:
    return ReferencePool.shipped()


def _hit(
    planted: Planted, service: Service, imaged_at: npt.NDArray[np.datetime64], site: Ints
) -> npt.NDArray[np.bool_]:
    """Cases (N,) that what is planted touches."""
    if planted.starts_at is None:
        return np.zeros(len(site), np.bool_)
    since = imaged_at >= planted.starts_at.tz_localize(None).to_datetime64()
    return np.asarray(since & (site == service.sites.index(planted.site)) if planted.site else since)


def _truth(mix: Mapping[str, float], shifted: npt.NDArray[np.bool_], rng: np.random.Generator) -> Ints:
    """Place of each case's truth in the mix (N,)."""
    chance = rng.random(len(shifted))
    truth = _by_share(mix, chance)
    if shifted.any():
        more = {name: mix[name] * MORE_CANCER for name in MORE_FREQUENT}
        fewer = mix["benign_naevus"] - sum(more[name] - mix[name] for name in MORE_FREQUENT)
        truth[shifted] = _by_share({**mix, **more, "benign_naevus": fewer}, chance[shifted])
    return truth


def _by_share(mix: Mapping[str, float], chance: npt.NDArray[np.float64]) -> Ints:
    return np.asarray(np.searchsorted(np.cumsum(list(mix.values()))[:-1], chance, side="right"), np.int64)


def _drawn(
    pool: ReferencePool,
    mix: Mapping[str, float],
    truth: Ints,
    new_camera: npt.NDArray[np.bool_],
    rng: np.random.Generator,
) -> Ints:
    """Reference case (its place in the pool) that stands for each case (N,)."""
    chance = rng.random(len(truth))
    drawn = _of_truth(pool, mix, "", truth, chance)
    if new_camera.any():
        drawn[new_camera] = _of_truth(pool, mix, NEW_CAMERA_SOURCE, truth[new_camera], chance[new_camera])
    return drawn


def _of_truth(
    pool: ReferencePool, mix: Mapping[str, float], source: str, truth: Ints, chance: npt.NDArray[np.float64]
) -> Ints:
    places, begins, sizes = pool.places(mix, source)
    return np.asarray(places[begins[truth] + (chance * sizes[truth]).astype(np.int64)])


def _cases(
    pool: ReferencePool,
    service: Service,
    drawn: Ints,
    imaged_at: npt.NDArray[np.datetime64],
    site: Ints,
    hit: npt.NDArray[np.bool_],
    planted: Planted,
    rng: np.random.Generator,
) -> pd.DataFrame:
    known, n = pool.run.cases, len(drawn)
    changed = hit & (planted.name == Scenario.SILENT_MODEL_CHANGE)
    place = drawn + len(known) * changed
    reads = (pool.before, pool.after)
    decided = imaged_at + rng.integers(60, 3600, n).astype("timedelta64[s]")
    table = pd.DataFrame(
        {
            "case_id": _ids(n),
            "product": _category(np.zeros(n, np.int64), [PRODUCT]),
            "site": _category(site, service.sites),
            "device": _category(
                (hit & (planted.name == Scenario.NEW_CAMERA)).astype(np.int64), ["camera 1", "camera 2"]
            ),
            "imaged_at": pd.DatetimeIndex(imaged_at, tz="UTC"),
            "decided_at": pd.DatetimeIndex(decided, tz="UTC"),
            "suspected": _taken([r.suspected for r in reads], place, SUSPECTED),
            "disposition": _taken([r.disposition for r in reads], place, tuple(Disposition)),
        }
    )
    return pd.concat([table, _scores(reads, place), _known(known, drawn)], axis=1)


def _scores(reads: tuple[Read, Read], place: Ints) -> pd.DataFrame:
    return pd.DataFrame(np.concatenate([r.scores for r in reads])[place], columns=list(SCORE_COLUMNS))


def _known(known: pd.DataFrame, drawn: Ints) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "quality_fail": known["quality_fail"].to_numpy(np.bool_)[drawn],
            "quality_reason": _taken([known["quality_reason"].to_numpy(object)], drawn),
            "age_years": known["age_years"].to_numpy(np.float32)[drawn],
            "sex": _taken([known["sex"].to_numpy(object)], drawn),
            "skin_type": _taken([known["skin_type"].to_numpy(object)], drawn),
        }
    )


def _taken(parts: list[npt.NDArray[np.object_]], place: Ints, names: Sequence[str] = ()) -> pd.Categorical[Any]:
    """One category column from values of the pool, taken by place; of the categories `names` where given."""
    values = np.concatenate(parts)
    known = list(names) or sorted(set(values))
    return _category(
        pd.Index(known).get_indexer(pd.Index(values))[place].astype(np.int64), [str(name) for name in known]
    )


def _category(codes: Ints, names: Sequence[str]) -> pd.Categorical[Any]:
    return pd.Categorical.from_codes(codes, pd.Index(list(names)))


def _ids(n: int) -> pd.Series[str]:
    numbers = pc.utf8_lpad(pa.array(np.arange(1, n + 1)).cast(pa.string()), 8, "0")
    return pd.Series(pc.binary_join_element_wise("SIM", numbers, "").to_pandas(), dtype="str")


def _features(pool: ReferencePool, cases: pd.DataFrame, drawn: Ints) -> pd.DataFrame:
    names = [name for name in pool.features.columns if name != "case_id"]
    table = pd.DataFrame(pool.vectors[drawn], columns=names)
    table.insert(0, "case_id", cases["case_id"])
    return table
