"""What happens in a service month by month, or week by week: the tables behind the charts, each figure with its n."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import gammaincinv

from derm_kit.surveillance.case_tables import SCORES
from derm_kit.surveillance.choice import EVERYTHING, Chosen
from derm_kit.surveillance.feed import NOT_ASSESSED, SUSPECTED
from derm_kit.surveillance.known_outcomes import CALLS, verification_note, verified_table
from derm_kit.surveillance.order_statistics import order_statistics
from derm_kit.surveillance.service_accuracy import accuracy_table, share, words
from derm_kit.surveillance.subgroup_rates import subgroup_accuracy, subgroup_shares
from derm_kit.surveillance.turnaround import turnaround
from derm_kit.surveillance.watched import Picked, Watched
from derm_kit.triage.definition import Disposition
from derm_kit.triage.subgroups import FEW

QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
REFERRED: Final = "referred, urgent or routine"
_DISPOSITIONS: Final = tuple(d.value for d in Disposition)
_REFERRALS: Final = (
    Disposition.URGENT_SUSPECTED_CANCER,
    Disposition.ROUTINE_DERMATOLOGY,
    Disposition.ROUTINE_OR_GP_TREATMENT,
)
Ints = npt.NDArray[np.signedinteger[Any]]


@dataclass(frozen=True)
class Rates:
    """Tables of what was chosen of a feed; periods without a case have their rows too.

    volume         period, cases, low, high (exact Poisson interval of the mean; Garwood, Biometrika 28 (1936) 437).
    quality        period, of ("any" or the rule broken), count, n, value, low, high, reason: failures of all cases.
    scores         period, type, n, q05, q25, q50, q75, q95, low, high (interval of the median), reason: of cases that
                   the model assessed.
    suspected      as quality: `of` a suspected type, "none" or "not assessed".
    dispositions   as quality: `of` a disposition, or REFERRED.
    accuracy       as `service_accuracy.accuracy_table` by period; `accuracy_total` over all of them together.
    subgroups      as `subgroup_rates.subgroup_shares`; `subgroup_accuracy` as `subgroup_rates.subgroup_accuracy`.
    turnaround     as `turnaround.turnaround`.
    verified       as `known_outcomes.verified_by_call`, and `notes` what it means.

    Shares have Clopper-Pearson intervals (95 %); every one assumes independent lesions. A figure that cannot be had is
    NaN and its reason says why; one on fewer than 30 cases is "too few to say".
    """

    volume: pd.DataFrame
    quality: pd.DataFrame
    scores: pd.DataFrame
    suspected: pd.DataFrame
    dispositions: pd.DataFrame
    accuracy: pd.DataFrame
    accuracy_total: pd.DataFrame
    subgroups: pd.DataFrame
    subgroup_accuracy: pd.DataFrame
    turnaround: pd.DataFrame
    verified: pd.DataFrame
    notes: tuple[str, ...]

    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, pd.DataFrame)}


def rates(watched: Watched, chosen: Chosen = EVERYTHING) -> Rates:
    """Every table of what is chosen. Raises FeedError where a name is none of the feed's, or no case is left."""
    picked = watched.picked(chosen)
    suspected = _cross(picked, picked.of(watched.suspected), len(SUSPECTED))
    called = np.bincount(picked.of(watched.call), minlength=len(CALLS))
    verified = verified_table(called, watched.call[watched.row], watched.known, picked.known)
    whole = np.zeros(len(watched.row), np.int8)
    return Rates(
        _volume(picked),
        _quality(watched, picked),
        _scores(watched, picked),
        _shares(suspected, picked, SUSPECTED),
        _dispositions(watched, picked),
        accuracy_table(watched, picked.known, picked.known_period, picked.labels, "period"),
        accuracy_table(watched, picked.known, whole, ("all",), "period"),
        subgroup_shares(watched, picked),
        subgroup_accuracy(watched, picked),
        turnaround(watched, picked),
        verified,
        verification_note(verified, watched.known),
    )


def _cross(picked: Picked, codes: Ints, width: int, period: Ints | None = None) -> npt.NDArray[np.int64]:
    """Cases by period and code, (P, width)."""
    cells = (picked.period if period is None else period) * np.int32(width) + codes
    counts = np.bincount(cells, minlength=len(picked.labels) * width)
    return np.asarray(counts.reshape(len(picked.labels), width), np.int64)


def _volume(picked: Picked) -> pd.DataFrame:
    n = picked.n
    low = np.where(n > 0, gammaincinv(np.maximum(n, 1), 0.025), 0.0)
    return pd.DataFrame({"period": picked.labels, "cases": n, "low": low, "high": gammaincinv(n + 1, 0.975)})


def _quality(watched: Watched, picked: Picked) -> pd.DataFrame:
    failed = picked.of(watched.failed)
    rules = watched.rule.labels
    counts = _cross(picked, picked.of(watched.rule.codes)[failed], len(rules), picked.period[failed])
    met = np.asarray(counts.any(0))
    together = np.column_stack([counts.sum(1), counts[:, met]])
    return _shares(together, picked, ("any", *(rule for rule, is_met in zip(rules, met, strict=True) if is_met)))


def _dispositions(watched: Watched, picked: Picked) -> pd.DataFrame:
    counts = _cross(picked, picked.of(watched.disposition), len(_DISPOSITIONS))
    referred = counts[:, [_DISPOSITIONS.index(d) for d in _REFERRALS]].sum(1)
    return _shares(np.column_stack([counts, referred]), picked, (*_DISPOSITIONS, REFERRED))


def _shares(counts: npt.NDArray[np.int64], picked: Picked, of: tuple[str, ...]) -> pd.DataFrame:
    """Counts (P, W) of the cases of each period as shares, a row for each period and what they are `of`."""
    n = np.repeat(picked.n, len(of))
    value, low, high = share(counts.ravel(), n)
    return pd.DataFrame(
        {
            "period": words(picked.labels, np.repeat(np.arange(len(picked.labels)), len(of))),
            "of": words(of, np.tile(np.arange(len(of)), len(picked.labels))),
            "count": counts.ravel(),
            "n": n,
            "value": value,
            "low": low,
            "high": high,
            "reason": words(("", "no case", "too few to say"), np.select([n == 0, n < FEW], [1, 2], 0)),
        }
    )


def _scores(watched: Watched, picked: Picked) -> pd.DataFrame:
    assessed = picked.of(watched.call) != CALLS.index(NOT_ASSESSED)
    rows = np.flatnonzero(assessed) if picked.rows is None else picked.rows[assessed]
    edges = np.searchsorted(picked.period[assessed], np.arange(len(picked.labels) + 1)).astype(np.int64)
    found = [order_statistics(watched.scores[name][rows], edges, QUANTILES) for name in SCORES]
    n = np.concatenate([part["n"] for part in found])
    periods = np.tile(np.arange(len(picked.labels)), len(SCORES))
    return pd.DataFrame(
        {
            "period": words(picked.labels, periods),
            "type": words(SCORES, np.repeat(np.arange(len(SCORES)), len(picked.labels))),
            **{name: np.concatenate([part[name] for part in found]) for name in found[0]},
            "reason": words(("", "no score", "too few to say"), np.select([n == 0, n < FEW], [1, 2], 0)),
        }
    )
