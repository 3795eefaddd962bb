"""Input drift: whether a month's pictures, as the network sees them, are still like those of the baseline months."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from derm_kit.surveillance.changed_shares import changed_shares, in_words
from derm_kit.surveillance.false_alarms import WANTED_MONTHS, FalseAlarms
from derm_kit.surveillance.feed import Feed, FeedError
from derm_kit.surveillance.looks import Looks
from derm_kit.surveillance.two_samples import Discrepancy, Vectors, told_apart

PERMUTATIONS = 1_999
CASES_TO_SHOW = 5
LIKE = "Like the baseline, as far as this look can tell."
COLUMNS = (
    "month", "group", "n_cases", "n_sampled", "discrepancy", "p_value", "alarm", "told_apart_auc", "told_apart_p_value",
    "says", "unlike_baseline",
)  # fmt: skip


@dataclass(frozen=True)
class InputDriftPlan:
    """How input drift is looked for.

    months_between   wanted mean months between false alarms of the whole service while nothing changes.
    baseline_months  the first months of the feed are the baseline; each group is held against its own.
    by               the column whose groups are looked at apart; "" looks at the whole service.
    most_cases       cases drawn from a month, and as many from the baseline, anew at each look: this bounds the cost.
    fewest_cases     with fewer cases nothing is said of a month.
    test             which test raises the alarm.
    """

    months_between: float = WANTED_MONTHS
    baseline_months: int = 12
    by: str = "site"
    most_cases: int = 150
    fewest_cases: int = 50
    test: Literal["discrepancy", "classifier"] = "discrepancy"
    seed: int = 1


AS_USUAL = InputDriftPlan()


@dataclass(frozen=True)
class InputDrift:
    """What each look at a month found.

    looks         one row a group and month after the baseline (COLUMNS): `month` (its first instant, UTC), the squared
                  discrepancy and p-value (NaN where nothing is said), and for alarms how well a classifier tells the
                  month from the baseline, what changed in words, and the cases least like the baseline.
    changes       what differs most, for alarms: month, group, figure, value, share_now, share_baseline.
    false_alarms  what is promised.
    """

    looks: pd.DataFrame
    changes: pd.DataFrame
    plan: InputDriftPlan
    false_alarms: FalseAlarms
    remarks: tuple[str, ...] = field(default=())

    @property
    def alarms(self) -> pd.DataFrame:
        """The looks that raised an alarm."""
        return self.looks[self.looks["alarm"]]


def input_drift(feed: Feed, plan: InputDriftPlan = AS_USUAL) -> InputDrift:
    """Look at every month after the baseline, group by group.

    A look costs O(most_cases²), whatever the month's size. Its draw depends on seed, group and month alone, so that a
    month is judged alike whichever others the feed holds. Raises FeedError where the feed holds no features.
    """
    looks = Looks.of(feed.cases, plan.by)
    vectors, row_of = _features(feed)
    promised = FalseAlarms(plan.months_between, len(looks.groups))
    with threadpool_limits(1, user_api="blas"):
        rows, changes = _all(feed, plan, looks, promised.level, vectors, row_of)
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"alarm": bool})
    table["month"] = looks.begins[table["month"].to_numpy(np.int64)]
    return InputDrift(table, _dated(changes, looks), plan, promised, _remarks(row_of, looks, plan))


def _all(
    feed: Feed,
    plan: InputDriftPlan,
    looks: Looks,
    level: float,
    vectors: npt.NDArray[np.float16],
    row_of: npt.NDArray[np.intp],
) -> tuple[list[dict[str, object]], list[pd.DataFrame]]:
    """Rows of `looks`, and what changed at each alarm; months counted from the first. Looks run on all cores."""
    rows, changes = [], []
    cells = [(g, month) for g in range(len(looks.groups)) for month in range(plan.baseline_months, looks.n_months)]
    before_of = [looks.places(g, 0, plan.baseline_months) for g in range(len(looks.groups))]

    def look(cell: tuple[int, int]) -> _Look:
        now, before = row_of[looks.places(*cell)], row_of[before_of[cell[0]]]
        return _look(vectors, now, before, plan, level, _stream(plan, looks, *cell))

    with ThreadPoolExecutor() as pool:
        for (g, month), found in zip(cells, pool.map(look, cells), strict=True):
            places, before, group = looks.places(g, month), before_of[g], looks.groups[g]
            row = {"month": month, "group": group, **vars(found)}
            row["unlike_baseline"] = tuple(feed.cases["case_id"].iloc[places[found.unlike]])
            if found.alarm:
                changed = changed_shares(feed.cases, places, before)
                row["says"] = f"{found.says} {in_words(changed)}"
                changes.append(changed.assign(month=month, group=group))
            rows.append(row)
    return rows, changes


def _features(feed: Feed) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.intp]]:
    """Components (R, 64) and each case's row in them (N,), -1 where it has none."""
    if feed.features is None:
        raise FeedError(
            "input drift is looked for in the network's features, which this feed does not hold",
            next_step="Deliver the features.parquet of the score runs with their scores.",
        )
    ids = feed.features["case_id"]
    vectors = feed.features.drop(columns="case_id").to_numpy(np.float16)
    if len(ids) == len(feed.cases) and (ids.to_numpy() == feed.cases["case_id"].to_numpy()).all():
        return vectors, np.arange(len(ids))
    return vectors, pd.Index(ids).get_indexer(pd.Index(feed.cases["case_id"]))


def _stream(plan: InputDriftPlan, looks: Looks, group: int, month: int) -> np.random.Generator:
    name = f"{looks.groups[group]} {looks.labels[month]}".encode()
    return np.random.default_rng([plan.seed, int.from_bytes(hashlib.sha256(name).digest()[:8])])


@dataclass(frozen=True)
class _Look:
    """What one look found; `unlike` are places among the month's cases."""

    n_cases: int
    n_sampled: int
    says: str
    discrepancy: float = np.nan
    p_value: float = np.nan
    alarm: bool = False
    told_apart_auc: float = np.nan
    told_apart_p_value: float = np.nan
    unlike: npt.NDArray[np.intp] = field(default_factory=lambda: np.empty(0, np.intp))


def _look(
    vectors: npt.NDArray[np.float16],
    now: npt.NDArray[np.intp],
    before: npt.NDArray[np.intp],
    plan: InputDriftPlan,
    level: float,
    rng: np.random.Generator,
) -> _Look:
    """One look; `now` and `before` are rows of `vectors`, -1 for cases without features."""
    seen, known = np.flatnonzero(now >= 0), before[before >= 0]
    n = len(now), min(len(seen), plan.most_cases)
    if min(len(seen), len(known)) < plan.fewest_cases:
        few = (
            f"{len(seen):,} cases with features" if len(seen) < plan.fewest_cases else f"{len(known):,} in the baseline"
        )
        return _Look(*n, f"Too few to say: {few}, at least {plan.fewest_cases} needed.")
    seen = rng.choice(seen, min(len(seen), plan.most_cases), replace=False)
    known = rng.choice(known, min(len(known), plan.most_cases), replace=False)
    new, old = vectors[now[seen]].astype(np.float32), vectors[known].astype(np.float32)
    found, auc = Discrepancy(new, old), np.nan
    if plan.test == "classifier":
        auc, p_value = told_apart(new, old, rng)
    else:
        p_value = found.p_value(rng, max(PERMUTATIONS, int(np.ceil(2 / level))))
    if p_value > level:
        return _Look(*n, LIKE, found.squared, p_value, told_apart_auc=auc)
    auc, auc_p = told_apart(new, old, rng) if np.isnan(auc) else (auc, p_value)
    unlike = seen[np.argsort(-found.witness, kind="stable")[:CASES_TO_SHOW]]
    return _Look(*n, _unlike(new, old, auc), found.squared, p_value, True, auc, auc_p, unlike)


def _unlike(new: Vectors, old: Vectors, auc: float) -> str:
    spread = np.maximum(old.std(axis=0), np.finfo(np.float32).tiny)
    moved = (new.mean(axis=0) - old.mean(axis=0)) / spread
    most = np.argsort(-np.abs(moved), kind="stable")[:3]
    components = ", ".join(f"{c:02d} ({moved[c]:+.1f})" for c in most)
    return (
        f"Unlike the baseline: a classifier tells the new case of a pair from the baseline one in {auc:.0%} of pairs "
        f"(chance: 50%). Components that moved most, in standard deviations: {components}."
    )


def _dated(changes: list[pd.DataFrame], looks: Looks) -> pd.DataFrame:
    columns = ["month", "group", "figure", "value", "share_now", "share_baseline"]
    if not changes:
        return pd.DataFrame(columns=columns)
    table = pd.concat(changes, ignore_index=True)[columns]
    return table.assign(month=looks.begins[table["month"].to_numpy(np.int64)])


def _remarks(row_of: npt.NDArray[np.intp], looks: Looks, plan: InputDriftPlan) -> tuple[str, ...]:
    said = []
    without = int((row_of < 0).sum())
    if without:
        said.append(f"Cases without features, which no look sees: {without:,}.")
    if looks.n_months <= plan.baseline_months:
        said.append(
            f"The feed spans {looks.n_months} months and the first {plan.baseline_months} are the baseline: "
            "there is no month to look at yet."
        )
    return tuple(said)
