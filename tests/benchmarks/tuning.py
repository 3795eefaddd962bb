"""Speed and sharpness of threshold tuning: python -m tests.benchmarks.tuning [--largest 10000000] [--draws 50].

slider step   everything that the page computes anew once a threshold moved, on cases drawn with replacement from the
              reference scores: counts, all rates with intervals in all subgroups, each group against the rest, changes,
              likelihood ratios, calls by truth, the point on the ROC and the policy's decision curve
peer calls    the same tables made call by call with scikit-learn and statsmodels
sharpness     our threshold for melanoma (sensitivity .95 with 95 % confidence) beside those of MAPIE on the same draws

Needs what the dev extra brings. Ratios are of medians; memory is the peak of a fresh process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from mapie.risk_control import BinaryClassificationController
from sklearn.metrics import confusion_matrix, recall_score, roc_curve
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType
from derm_kit.model.card import default_model, load_card
from derm_kit.model.run import ScoreRun, read_run
from derm_kit.triage import curves
from derm_kit.triage.changes import compare
from derm_kit.triage.counts import CALLS, NOT_FLAGGED_CALL, CaseCounter
from derm_kit.triage.guarantee import GRID, METHODS, safest_thresholds
from derm_kit.triage.measures import Measure, confusion, likelihood_ratios, net_benefits, rates
from derm_kit.triage.policy import TriagePolicy
from derm_kit.triage.scores import one_against_rest, truth_matrix
from tests.peak import peak_mb

Thresholds = dict[LesionType, float]
MELANOMA = LesionType.MELANOMA
CANCERS = tuple(t for t in LESION_TYPES if t.cancer)
PROBABILITIES = np.round(np.arange(0.01, 0.51, 0.01), 2)
CASES = 100_000
WANTED_MS, WANTED_RATIO = 16, 50


def drawn(reference: ScoreRun, n: int, seed: int = 0) -> ScoreRun:
    """n cases drawn with replacement, each with an id of its own."""
    rows = np.random.default_rng(seed).integers(0, len(reference), n)
    ids = pd.Series(np.char.add("case", np.arange(n).astype(str)), dtype="str")
    scores, cases = (
        table.iloc[rows].reset_index(drop=True).assign(case_id=ids) for table in (reference.scores, reference.cases)
    )
    return ScoreRun(scores, cases, meta=reference.meta)


class Page:
    """What the page holds while thresholds move: the counter, and all that no threshold changes."""

    def __init__(self, counter: CaseCounter) -> None:
        self.counter = counter
        truth = truth_matrix(list(counter.run.cases["truth"]))
        self.cancer, self.rows = one_against_rest(truth, CANCERS)
        self.rows &= ~counter.review
        self.cancer = self.cancer[self.rows]
        positive, rows = one_against_rest(truth, (MELANOMA,))
        self.roc = curves.roc_curve(counter.run.matrix[rows, 0], positive[rows])

    def step(self, thresholds: Thresholds) -> list[Any]:
        """Every table and point after one step."""
        counter = self.counter
        counts = counter.count(thresholds)
        found = rates(counts)
        changes = compare(counter, counter.policy.thresholds, thresholds)
        place = np.searchsorted(-self.roc["threshold"].to_numpy(), -thresholds[MELANOMA], "right") - 1
        return [
            found.frame(), found.differences(), likelihood_ratios(found), confusion(counts), changes.by_type(),
            changes.overall(), changes.per_1000(), changes.moved, self.roc.iloc[place],
            net_benefits(found, PROBABILITIES),
        ]  # fmt: skip


def peer_step(page: Page, thresholds: Thresholds) -> list[object]:
    """The same figures, one call of scikit-learn or statsmodels each; calls and truth are given to it ready made."""
    counter = page.counter
    called = counter.called(thresholds)
    measures = rates(counter.count(thresholds)).measures
    made: list[object] = []
    for group in _groups(counter):
        for measure in measures:
            made.append(_peer_rate(counter, called, measure, group))
    truth = counter.run.cases["truth"].to_numpy(object).astype(str)
    before, after = (np.array(CALLS)[counter.called(t)] for t in (counter.policy.thresholds, thresholds))
    single = np.isin(truth, [t.value for t in LESION_TYPES])
    labels = sorted({*CALLS, *(t.value for t in LESION_TYPES)})
    made.append(confusion_matrix(truth[single], after[single], labels=labels))
    for kind in FLAGGED:
        own = truth == kind.value
        if own.any():
            made.append(confusion_matrix(before[own], after[own], labels=list(CALLS)))
    ill = truth == MELANOMA.value
    made.append(roc_curve(ill, counter.run.matrix[:, 0]))
    flagged = called[page.rows] < NOT_FLAGGED_CALL
    for odds in PROBABILITIES / (1 - PROBABILITIES):
        tn, fp, fn, tp = confusion_matrix(page.cancer, flagged).ravel()
        made.append((tp - fp * odds) / (tp + fp + fn + tn))
    return made


def _groups(counter: CaseCounter) -> list[npt.NDArray[np.bool_]]:
    """All cases, then each subgroup's (N,)."""
    parts = [g.codes == code for g in counter.groupings for code in range(len(g.labels))]
    return [np.ones(len(counter.run), dtype=np.bool_), *parts]


def _peer_rate(
    counter: CaseCounter, called: npt.NDArray[np.uint8], measure: Measure, group: npt.NDArray[np.bool_]
) -> object:
    """One rate with its interval, and that of the group less the rest's, as one would write it."""
    cells = counter.truth_codes, called
    among, hits = measure.among[cells], measure.hits[cells]
    inside, outside = among & group, among & ~group
    if not inside.any():
        return np.nan
    value = recall_score(np.ones(int(inside.sum()), dtype=np.int64), hits[inside], zero_division=np.nan)
    count, n = int(hits[inside].sum()), int(inside.sum())
    interval = proportion_confint(count, n, method="beta")
    if not outside.any():
        return value, interval
    rest, rest_n = int(hits[outside].sum()), int(outside.sum())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return value, interval, confint_proportions_2indep(count, n, rest, rest_n, method="newcomb", compare="diff")


def median_ms(run: Callable[[Thresholds], object], start: Thresholds, steps: int) -> tuple[float, float]:
    """Median ms of `run`, by the clock and of processor time, while a slider moves melanoma up step by step."""
    clock, processor = [], []
    for i in range(steps + 2):
        thresholds = start | {MELANOMA: 0.05 + 0.001 * i}
        began, busy = time.perf_counter(), time.process_time()
        run(thresholds)
        clock.append(1000 * (time.perf_counter() - began))
        processor.append(1000 * (time.process_time() - busy))
    return statistics.median(clock[2:]), statistics.median(processor[2:])


def loaded(n: int) -> Page:
    """The page over n drawn cases under the default policy."""
    run = drawn(read_run(default_model() / "reference_scores.parquet"), n)
    return Page(CaseCounter(run, TriagePolicy.from_card(load_card(default_model()))))


class Tiled(CaseCounter):
    """A counter of many cases made of a small one's arrays, as no table of ten million cases need be validated."""

    def __init__(self, small: CaseCounter, times: int) -> None:
        self.__dict__ |= small.__dict__
        self.run = _Many(small.run, times)  # type: ignore[assignment]
        self.review = np.tile(small.review, times)
        self.truth_codes = np.tile(small.truth_codes, times)
        self.groupings = tuple(replace(g, codes=np.tile(g.codes, times)) for g in small.groupings)
        self._scores = {t: np.tile(scores, times) for t, scores in small._scores.items()}
        self._cells = [np.tile(cells, times) for cells in small._cells]


class _Many:
    """As much of a run as counting asks for."""

    def __init__(self, run: ScoreRun, times: int) -> None:
        self._n = len(run) * times

    def __len__(self) -> int:
        return self._n


def count_alone(n: int, steps: int) -> tuple[float, float]:
    """Median ms of processor time of counting n cases and their rates, and the peak memory (MB) of this process."""
    small = loaded(min(n, CASES)).counter
    counter = Tiled(small, n // len(small.run))
    _, median = median_ms(lambda t: rates(counter.count(t)), small.policy.thresholds, steps)
    return median, peak_mb()


def in_fresh_process(n: int, steps: int) -> tuple[float, float]:
    """`count_alone` where no larger run was before."""
    script = f"from tests.benchmarks.tuning import count_alone; print(*count_alone({n}, {steps}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    median, memory = map(float, done.stdout.split())
    return median, memory


def sharpness(draws: int) -> pd.DataFrame:
    """Mean threshold, and share of other lesions below it, by n melanomas and method; NaN where none was found."""
    reference = read_run(default_model() / "reference_scores.parquet")
    score = reference.matrix[:, 0].astype(np.float64)
    ill = (reference.cases["truth"] == MELANOMA.value).to_numpy()
    rng = np.random.default_rng(1)
    rows = []
    for n in (59, 100, 200, 300):
        for _ in range(draws):
            ours = np.r_[rng.choice(score[ill], n), rng.choice(score[~ill], 300)]
            truth = np.arange(n + 300) < n
            near = GRID[(ours.min() / 2 < GRID) & (np.quantile(ours[truth], 0.3) > GRID)]
            found = {f"ours, {method}": _ours(ours, truth, method) for method in METHODS}
            found["MAPIE, fixed sequence, our grid"] = _mapie(ours, truth, near, "fixed_sequence")
            found["MAPIE, fixed sequence, its grid"] = _mapie(ours, truth, np.linspace(0, 0.99, 100), "fixed_sequence")
            found["MAPIE, Bonferroni-Holm, its grid"] = _mapie(
                ours, truth, np.linspace(0, 0.99, 100), "bonferroni_holm"
            )
            rows += [(n, name, t, float((score[~ill] < t).mean())) for name, t in found.items()]
    table = pd.DataFrame(rows, columns=["n", "method", "threshold", "others_below"])
    return table.groupby(["n", "method"], sort=False).mean().reset_index()


def _ours(score: npt.NDArray[np.float64], ill: npt.NDArray[np.bool_], method: str) -> float:
    table = np.full((len(score), len(LESION_TYPES)), np.nan)
    table[:, 0], table[:, -1] = score, 1 - score
    truth = np.zeros(table.shape, dtype=np.bool_)
    truth[:, 0], truth[:, -1] = ill, ~ill
    found = safest_thresholds(table, truth, {MELANOMA: 0.95}, confidence=0.95, method=method)[0]
    return 0.0 if found.threshold is None else found.threshold


def _mapie(
    score: npt.NDArray[np.float64], ill: npt.NDArray[np.bool_], grid: npt.NDArray[np.float64], method: str
) -> float:
    controller = BinaryClassificationController(
        lambda x: np.column_stack([1 - x[:, 0], x[:, 0]]), "recall", 0.95, confidence_level=0.95,
        list_predict_params=grid, fwer_method=method,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        controller.calibrate(score[:, None], ill.astype(np.int64))
    return float(np.max(controller.valid_predict_params, initial=0.0))


def main() -> None:
    """Print times, ratios, growth and sharpness."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--largest", type=int, default=10_000_000)
    parser.add_argument("--draws", type=int, default=50)
    args = parser.parse_args()
    print(f"{CASES:,} cases, {args.steps} steps, {len(os.sched_getaffinity(0))} cores")
    page = loaded(CASES)
    start = page.counter.policy.thresholds
    ours, ours_busy = median_ms(page.step, start, args.steps)
    print(f"slider step: median {ours:.1f} ms ({ours_busy:.1f} of processor time), wanted at most {WANTED_MS}")
    theirs, theirs_busy = median_ms(lambda t: peer_step(page, t), start, 3)
    print(f"peer calls:  median {theirs:,.0f} ms ({theirs_busy:,.0f} of processor time)")
    ratios = f"{theirs / ours:,.0f} ({theirs_busy / ours_busy:,.0f} of processor time)"
    print(f"peer calls / slider step: {ratios}, wanted at least {WANTED_RATIO}")
    n = CASES
    first = None
    while n <= args.largest:
        median, memory = in_fresh_process(n, 7)
        first = first or median / n
        print(
            f"counts and rates of {n:>10,} cases: {median:8.1f} ms, {1e6 * median / n:5.1f} ns a case "
            f"({median / n / first:.2f} of the first, wanted at most 1), peak {memory:,.0f} MB"
        )
        n *= 10
    print(f"melanoma, sensitivity .95 with 95 % confidence, mean of {args.draws} draws")
    print(sharpness(args.draws).to_string(index=False, float_format="{:.4f}".format))


if __name__ == "__main__":
    main()
