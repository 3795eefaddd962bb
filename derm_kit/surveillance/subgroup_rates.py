"""The same figures for every site, device, product, age group, sex and skin type of what was chosen."""

from __future__ import annotations

import numpy as np
import pandas as pd

from derm_kit.surveillance.service_accuracy import accuracy_table, share, words
from derm_kit.surveillance.watched import Picked, Watched
from derm_kit.triage.definition import Disposition
from derm_kit.triage.subgroups import FEW

_DISPOSITIONS = tuple(Disposition)
_DISCHARGED = _DISPOSITIONS.index(Disposition.DISCHARGE_ADVICE)
MEASURES = ("share of cases", "quality failures", "discharged", "urgent")
_URGENT = _DISPOSITIONS.index(Disposition.URGENT_SUSPECTED_CANCER)


def subgroup_shares(watched: Watched, picked: Picked) -> pd.DataFrame:
    """Shares of the cases of each group.

    Columns: grouping, group, measure (MEASURES), count, n, value,
    low, high (Clopper-Pearson), reason. Groups without a case are left out.
    """
    disposition = picked.of(watched.disposition)
    marks = (picked.of(watched.failed), disposition == _DISCHARGED, disposition == _URGENT)
    counts, totals, groups, labels = [], [], [], []
    for g, group in enumerate(watched.groups.values()):
        codes = picked.of(group.codes)
        n = np.bincount(codes, minlength=len(group.labels))
        met = np.flatnonzero(n)
        counts.append(np.stack([n, *(np.bincount(codes[mark], minlength=len(n)) for mark in marks)])[:, met].ravel())
        totals.append(np.concatenate([np.full(len(met), len(picked.period)), np.tile(n[met], len(marks))]))
        groups.append(np.repeat([g], counts[-1].size))
        labels += [group.labels[i] for i in met] * len(MEASURES)
    count, total = np.concatenate(counts), np.concatenate(totals)
    measure = np.concatenate([np.repeat(np.arange(len(MEASURES)), len(part) // len(MEASURES)) for part in counts])
    value, low, high = share(count, total)
    return pd.DataFrame(
        {
            "grouping": words(tuple(watched.groups), np.concatenate(groups)),
            "group": pd.array(labels, "str"),
            "measure": words(MEASURES, measure),
            "count": count,
            "n": total,
            "value": value,
            "low": low,
            "high": high,
            "reason": words(("", "too few to say"), (total < FEW).astype(np.int64)),
        }
    )


def subgroup_accuracy(watched: Watched, picked: Picked) -> pd.DataFrame:
    """Sensitivity and specificity of each group with a known outcome: grouping, then `accuracy_table`'s columns."""
    parts = []
    for grouping, group in watched.groups.items():
        codes = group.codes[watched.row]
        met = np.flatnonzero(np.bincount(codes[picked.known], minlength=len(group.labels)))
        if not len(met):
            continue
        place = np.zeros(len(group.labels), np.int32)
        place[met] = np.arange(len(met))
        labels = tuple(group.labels[i] for i in met)
        table = accuracy_table(watched, picked.known, place[codes], labels, "group")
        table.insert(0, "grouping", grouping)
        parts.append(table)
    if not parts:
        return accuracy_table(watched, picked.known, np.zeros(len(watched.row), np.int8), (), "group").assign(
            grouping=""
        )
    return pd.concat(parts, ignore_index=True)
