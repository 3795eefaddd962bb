"""Score and truth tables that tests write by hand or draw at random; columns by number, atypical naevus untrained."""

from __future__ import annotations

import numpy as np

MEL, SCC, BCC, BOWEN, AK, ATYPICAL, _, SK, _, LENTIGO, NAEVUS = range(11)


def dirichlet(n: int, *, seed: int, concentration: float = 0.6) -> np.ndarray:
    """Scores (n, 11) that sum to one, atypical naevus untrained."""
    scores = np.full((n, 11), np.nan)
    trained = [k for k in range(11) if k != ATYPICAL]
    scores[:, trained] = np.random.default_rng(seed).dirichlet(np.full(10, concentration), size=n)
    return scores


def drawn_truth(scores: np.ndarray, *, seed: int) -> np.ndarray:
    """Truth (n, 11) drawn from the scores themselves: what a perfectly calibrated model would meet."""
    cumulative = np.nancumsum(scores, axis=1)
    place = (np.random.default_rng(seed).random((len(scores), 1)) < cumulative).argmax(1)
    return np.eye(11, dtype=bool)[place]


def scores_of(*rows: dict[int, float]) -> np.ndarray:
    """Scores by column number; others 0, atypical naevus NaN."""
    table = np.zeros((len(rows), 11))
    table[:, ATYPICAL] = np.nan
    for row, given_scores in zip(table, rows, strict=True):
        for column, score in given_scores.items():
            row[column] = score
    return table
