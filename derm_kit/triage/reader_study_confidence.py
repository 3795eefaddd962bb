"""How sure readers were, how often that was right, and how long they took."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from derm_kit.triage.calibration import expected_calibration_error
from derm_kit.triage.reader_study_estimates import mean, share
from derm_kit.triage.reader_study_rates import readings
from derm_kit.triage.reader_study_tables import Answers, Study

CONFIDENCE_BINS = 5
"""Of equal width, (l, u], the first with 0: a reader of 40 cases has eight answers a bin on average."""


def calibration(study: Study, *, level: float = 0.95) -> pd.DataFrame:
    """Confidence in the diagnosis against how often it was right, by reader, mode and phase.

    overconfidence is mean confidence less the share right, with its interval; brier the mean squared distance of
    confidence from 1 (right) or 0 (Brier, Monthly Weather Review 78 (1950) 1). The expected calibration error (Guo et
    al., ICML 2017, CONFIDENCE_BINS bins) is above 0 even for a perfectly calibrated reader, the more so the fewer the
    answers, and has no interval here. Columns: reader (GROUP for all), mode, phase, n, mean_confidence_prob,
    share_right, overconfidence, low, high, method, reason, expected_calibration_error, brier.
    """
    rows = []
    for (mode, phase), answers in readings(study):
        gaps = Answers(
            answers.reader,
            answers.case,
            {**answers.columns, "gap": answers["confidence_prob"] - answers["right"]},
        )
        for reader, own in gaps.by_reader(study):
            sure, right, e = own["confidence_prob"], own["right"], mean(own, "gap", level=level)
            sides = [_mean(sure), _mean(right), e.value, e.low, e.high, e.method, e.reason]
            error = expected_calibration_error(sure, right, bins=CONFIDENCE_BINS)
            rows.append((reader, mode, phase, e.n, *sides, error, _mean(own["gap"] ** 2)))
    columns = "reader mode phase n mean_confidence_prob share_right overconfidence low high method reason"
    return pd.DataFrame(rows, columns=[*columns.split(), "expected_calibration_error", "brier"])


def calibration_bins(study: Study, *, level: float = 0.95) -> pd.DataFrame:
    """Share right beside mean confidence in bins of confidence; bins without an answer are left out.

    Columns: reader (GROUP for all), mode, phase, from_prob, to_prob, n, mean_confidence_prob, value, low, high, method,
    reason.
    """
    rows = []
    for (mode, phase), answers in readings(study):
        for reader, own in answers.by_reader(study):
            place = np.clip(np.ceil(own["confidence_prob"] * CONFIDENCE_BINS) - 1, 0, CONFIDENCE_BINS - 1)
            for i in np.unique(place).tolist():
                part = own.where(place == i)
                e, edges = share(part, "right", level=level), (i / CONFIDENCE_BINS, (i + 1) / CONFIDENCE_BINS)
                figures = (e.n, _mean(part["confidence_prob"]), e.value, e.low, e.high, e.method, e.reason)
                rows.append((reader, mode, phase, *edges, *figures))
    columns = "reader mode phase from_prob to_prob n mean_confidence_prob value low high method reason"
    return pd.DataFrame(rows, columns=columns.split())


def times(study: Study) -> pd.DataFrame:
    """Seconds an answer took, by reader, mode and phase.

    After the model's view the clock runs for reading it and revising, not for reading the case anew. Columns: reader
    (GROUP for all), mode, phase, n, untimed, median_seconds, lower_quartile_seconds, upper_quartile_seconds,
    mean_seconds; NaN where nothing was timed.
    """
    rows = []
    for (mode, phase), answers in readings(study):
        for reader, own in answers.by_reader(study):
            timed = own["seconds"][~np.isnan(own["seconds"])]
            figures = (*np.quantile(timed, [0.5, 0.25, 0.75]), timed.mean()) if len(timed) else (math.nan,) * 4
            rows.append((reader, mode, phase, len(timed), len(own) - len(timed), *map(float, figures)))
    columns = "reader mode phase n untimed median_seconds lower_quartile_seconds upper_quartile_seconds mean_seconds"
    return pd.DataFrame(rows, columns=columns.split())


def _mean(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    return float(values.mean()) if len(values) else math.nan
