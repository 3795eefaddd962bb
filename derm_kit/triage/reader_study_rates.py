"""Rates of each reader and of the group before and after the model, what changed, and the two modes compared."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from derm_kit.triage.reader_study_estimates import between, change, share
from derm_kit.triage.reader_study_tables import (
    AFTER,
    AT_ONCE,
    BEFORE,
    BLIND_FIRST,
    MEASURES,
    Answers,
    Study,
    counted,
    hit_of,
)


def rates(study: Study, *, level: float = 0.95) -> pd.DataFrame:
    """Accuracy, sensitivity and specificity of every answer given, by reader, mode and phase.

    A group's share is that of its answers, so that a reader who answered more counts for more. Columns: reader (GROUP
    for all), measure, mode, phase, count, n, value, low, high, method, reason.
    """
    rows = []
    for (mode, phase), answers in readings(study):
        for measure in MEASURES:
            of_all, hit = answers.where(counted(answers["side"], measure)), hit_of(measure)
            for reader, own in of_all.by_reader(study):
                e, count = share(own, hit, level=level), int(own[hit].sum())
                rows.append((reader, measure, mode, phase, count, e.n, e.value, e.low, e.high, e.method, e.reason))
    columns = "reader measure mode phase count n value low high method reason"
    return pd.DataFrame(rows, columns=columns.split())


def differences(study: Study, *, level: float = 0.95) -> pd.DataFrame:
    """Each rate after the model less before it, over the cases that were answered both times.

    Columns: reader (GROUP for all), measure, n pairs, before, after, gained, lost, difference, low, high, method,
    reason, p_value, test. Nothing is corrected for many readers or measures.
    """
    pairs, rows = study.pairs, []
    for measure in MEASURES:
        hits = {phase: pairs[f"{hit_of(measure)}_{phase}"] for phase in (BEFORE, AFTER)}
        of_all = Answers.of(study, pairs, **hits).where(counted(pairs["side"].to_numpy(), measure))
        for reader, own in of_all.by_reader(study):
            found = change(own, BEFORE, AFTER, level=level)
            e, sides = found.difference, [_mean(own[phase]) for phase in (BEFORE, AFTER)]
            figures = (e.n, *sides, found.gained, found.lost, e.value, e.low, e.high, e.method, e.reason)
            rows.append((reader, measure, *figures, found.p_value, found.test))
    columns = "reader measure n before after gained lost difference low high method reason p_value test"
    return pd.DataFrame(rows, columns=columns.split())


def compare_modes(study: Study, *, level: float = 0.95) -> pd.DataFrame:
    """The model in sight at once, less the same readers' or others' answers blind first, before and after the model.

    A reader reads a case in one mode, so that no two answers are a pair. Columns: reader (GROUP for all), measure,
    against ("before", "after"), n_at_once, n_blind_first, at_once, blind_first, difference, low, high, method, reason.
    No row where nobody read at once.
    """
    answers, rows = study.answers, []
    once = (answers["mode"] == AT_ONCE).to_numpy()
    for against in (BEFORE, AFTER) if once.any() else ():
        kept = once | (answers["phase"] == against).to_numpy()
        for measure in MEASURES:
            both = Answers.of(study, answers, hit=answers[hit_of(measure)], once=once)
            of_all = both.where(kept & counted(answers["side"].to_numpy(), measure))
            for reader, own in of_all.by_reader(study):
                e, sides = (
                    between(own, "hit", "once", level=level),
                    [own["hit"][own["once"] == s] for s in (True, False)],
                )
                figures = (*map(len, sides), *map(_mean, sides), e.value, e.low, e.high, e.method, e.reason)
                rows.append((reader, measure, against, *figures))
    columns = "reader measure against n_at_once n_blind_first at_once blind_first difference low high method reason"
    return pd.DataFrame(rows, columns=columns.split())


def readings(study: Study) -> list[tuple[tuple[str, str], Answers]]:
    """The answers by the ways of reading that the study has, as mode and phase."""
    table = study.answers
    names = ["side", "right", "managed", "confidence_prob", "seconds"]
    answers = Answers.of(study, table, **{name: table[name] for name in names})
    parts = []
    for mode, phase in ((BLIND_FIRST, BEFORE), (BLIND_FIRST, AFTER), (AT_ONCE, AFTER)):
        own = answers.where((table["mode"] == mode).to_numpy() & (table["phase"] == phase).to_numpy())
        if (table["mode"] == mode).any():
            parts.append(((mode, phase), own))
    return parts


def _mean(values: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    return float(values.mean()) if len(values) else math.nan
