"""Do two samples of feature vectors come from one distribution? Maximum mean discrepancy and a classifier's answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
AT_ONCE = 99
ENOUGH_AS_HIGH = 10
"""So many permutations with a discrepancy as high as the one seen settle the p-value: no further ones are drawn."""
SHRINKAGE = 0.1
"""Inverse strength of the classifier's ridge penalty (scikit-learn's C): a few hundred cases tell 64 components."""


@dataclass(frozen=True)
class Discrepancy:
    """Maximum mean discrepancy between `new` (M, D) and `baseline` (N, D) float32 (Gretton et al., JMLR 13, 2012, 723).

    The kernel is exp(-distance² / (2 · bandwidth²)), the bandwidth the median distance between two different cases of
    both samples together (their section 8). It does not depend on which case is in which sample, so permuting the
    cases gives the exact null.
    """

    new: Vectors
    baseline: Vectors

    @cached_property
    def kernel(self) -> Vectors:
        """Kernel of every pair (M + N, M + N) float32, the new cases first, 0 on the diagonal."""
        both = np.concatenate([self.new, self.baseline]).astype(np.float32)
        squares = np.einsum("ij,ij->i", both, both)
        distances = squares[:, None] + squares[None, :] - 2 * (both @ both.T)
        np.maximum(distances, 0, out=distances)
        middle = np.median(distances.ravel()[_pairs(len(both))])
        kernel = np.exp(distances / np.float32(-2 * max(middle, np.finfo(np.float32).tiny)))
        np.fill_diagonal(kernel, 0)
        return np.asarray(kernel, np.float32)

    @cached_property
    def squared(self) -> float:
        """Unbiased estimate of the squared discrepancy (their equation 3); about 0, or below, where nothing changed."""
        return float(self._of(self._labels)[0])

    def p_value(self, rng: np.random.Generator, permutations: int) -> float:
        """Share of permutations whose discrepancy is at least the one seen, this one counted (Phipson & Smyth, 2010).

        Draws AT_ONCE permutations at a time, `permutations` in all, and stops once ENOUGH_AS_HIGH of them are as high
        (Besag & Clifford, Biometrika 78, 1991, 301): most looks without a change need few.
        """
        as_high = drawn = 0
        while drawn < permutations and as_high < ENOUGH_AS_HIGH:
            batch = min(permutations - drawn, AT_ONCE)
            shuffled = rng.permuted(np.repeat(self._labels, batch, axis=0), axis=1)
            as_high += int((self._of(shuffled) >= self.squared).sum())
            drawn += batch
        return (1 + as_high) / (1 + drawn)

    @cached_property
    def witness(self) -> npt.NDArray[np.float32]:
        """How much more like the new cases than like the baseline each new case is (M,) (their section 2.3)."""
        m, n = len(self.new), len(self.baseline)
        own, other = self.kernel[:m, :m].sum(axis=1) / max(m - 1, 1), self.kernel[:m, m:].sum(axis=1) / n
        return np.asarray(own - other, np.float32)

    @cached_property
    def _rows(self) -> npt.NDArray[np.float32]:
        return np.asarray(self.kernel.sum(axis=1), np.float32)

    @cached_property
    def _labels(self) -> Vectors:
        return np.repeat(np.array([1, 0], np.float32), [len(self.new), len(self.baseline)])[None, :]

    def _of(self, labels: Vectors) -> npt.NDArray[np.float32]:
        """Squared discrepancy (B,) where the rows of `labels` (B, M + N) say which cases are called new."""
        m, n = len(self.new), len(self.baseline)
        within = np.einsum("bi,bi->b", labels @ self.kernel, labels)
        touching = labels @ self._rows
        among_others = self._rows.sum() - 2 * touching + within
        return np.asarray(
            within / (m * (m - 1)) + among_others / (n * (n - 1)) - 2 * (touching - within) / (m * n), np.float32
        )


@lru_cache(maxsize=16)
def _pairs(n: int) -> npt.NDArray[np.intp]:
    """Places of the pairs of two different cases in a flat n by n matrix, each pair once."""
    return np.ravel_multi_index(np.triu_indices(n, 1), (n, n))


def told_apart(new: Vectors, baseline: Vectors, rng: np.random.Generator) -> tuple[float, float]:
    """How well a classifier tells `new` (M, D) from `baseline` (N, D): AUC on cases it did not learn from, and p-value.

    Logistic regression learns from a random half of each sample and is asked about the other (Lopez-Paz & Oquab, ICLR
    2017; in place of their accuracy the AUC, whose null is exact too: given the classifier, the held-out cases of both
    samples are exchangeable, so Mann and Whitney's one-sided test holds). An AUC of 0.5 tells nothing apart.
    """
    halves = []
    for sample in (new, baseline):
        order = rng.permutation(len(sample))
        halves.append((sample[order[: len(order) // 2]], sample[order[len(order) // 2 :]]))
    (learn_new, ask_new), (learn_old, ask_old) = halves
    scale = np.concatenate([learn_new, learn_old]).std(axis=0).max() or 1.0
    from scipy.stats import mannwhitneyu  # these two take a second that most looks do not need
    from sklearn.linear_model import LogisticRegression

    classifier = LogisticRegression(C=SHRINKAGE, max_iter=500)
    classifier.fit(
        np.concatenate([learn_new, learn_old]).astype(np.float64) / scale,
        np.repeat([1, 0], [len(learn_new), len(learn_old)]),
    )
    says_new, says_old = (
        classifier.decision_function(asked.astype(np.float64) / scale) for asked in (ask_new, ask_old)
    )
    found = mannwhitneyu(says_new, says_old, alternative="greater")
    return float(found.statistic) / (len(ask_new) * len(ask_old)), float(found.pvalue)
