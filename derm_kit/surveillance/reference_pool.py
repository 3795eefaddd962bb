"""ReferencePool: the real reference lesions that made-up services draw from, and what a policy does with each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.model.card import default_model, load_card
from derm_kit.model.reference import REFERENCE_FILE
from derm_kit.model.run import SCORE_COLUMNS, ScoreRun, read_run
from derm_kit.surveillance.feed import NONE, NOT_ASSESSED, FeedError
from derm_kit.triage.policy import TriagePolicy, decide

REFERENCE_FEATURES_FILE = "reference_features.parquet"
SENSITIVITY_BEFORE = 0.95
SENSITIVITY_AFTER = 0.88
MELANOMA = LESION_TYPES.index(LesionType.MELANOMA)

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Read:
    """What the policy made of the R reference cases under one set of scores: `scores` (R, 11), NaN where not assessed;
    `suspected` and `disposition` (R,) as a feed writes them.
    """

    scores: Floats
    suspected: npt.NDArray[np.object_]
    disposition: npt.NDArray[np.object_]


@dataclass(frozen=True)
class ReferencePool:
    """Scores, truth and features of the reference cases, and the policy that reads them.

    The policy is the model's default, used on its own, with the melanoma threshold at which SENSITIVITY_BEFORE of the
    assessed reference melanomas are called melanoma: the made-up services run at the published target.
    """

    run: ScoreRun
    features: pd.DataFrame
    policy: TriagePolicy

    @classmethod
    def shipped(cls) -> ReferencePool:
        """The pool of the model that ships with the workbench."""
        model = default_model()
        run = read_run(model / REFERENCE_FILE)
        features = pd.read_parquet(model / REFERENCE_FEATURES_FILE)
        start = TriagePolicy.from_card(load_card(model), autonomous=True)
        melanomas = _melanoma_scores(run, start)
        threshold = float(_lowest_called(melanomas, SENSITIVITY_BEFORE))
        thresholds = {**start.thresholds, LesionType.MELANOMA: threshold}
        return cls(run, features, start.changed(name="surveillance teaching", thresholds=thresholds))

    @cached_property
    def vectors(self) -> npt.NDArray[np.float16]:
        """Components (R, 64) in the order of the run's cases."""
        at = pd.Index(self.features["case_id"]).get_indexer(pd.Index(self.run.cases["case_id"]))
        return np.asarray(self.features.drop(columns="case_id").to_numpy(np.float16)[at])

    @cached_property
    def before(self) -> Read:
        """The model's own scores."""
        return self._read(self.run)

    @cached_property
    def after(self) -> Read:
        """The scores of a silently changed model: every melanoma score lower by one and the same step in log odds, the
        step at which SENSITIVITY_AFTER of the assessed reference melanomas are called; other scores as they were.
        """
        melanomas = _melanoma_scores(self.run, self.policy)
        step = _log_odds(_lowest_called(melanomas, SENSITIVITY_AFTER)) - _log_odds(
            self.policy.thresholds[LesionType.MELANOMA]
        )
        odds = np.exp(_log_odds(self.run.scores["melanoma"].to_numpy(np.float64)) - step)
        scores = self.run.scores.assign(melanoma=(odds / (1 + odds)).astype(np.float32))
        return self._read(ScoreRun(scores, self.run.cases, meta=self.run.meta))

    def places(self, truths: Mapping[str, float], source: str = "") -> tuple[Ints, Ints, Ints]:
        """The reference cases of each truth, from one source or all: their places one truth after another, and where
        each truth begins and how many it has (T,).

        Raises FeedError where a truth with a share has no case.
        """
        truth, of_source = self.run.cases["truth"], self.run.cases["source"].isin([source]) if source else True
        found = [np.flatnonzero((truth == name) & of_source) for name in truths]
        sizes = np.array([len(one) for one in found], np.int64)
        for (name, share), size in zip(truths.items(), sizes, strict=True):
            if share > 0 and size == 0:
                raise FeedError(
                    "a truth that a made-up service meets has at least one reference case",
                    value=f"{name}{f' from {source}' if source else ''}: none",
                    next_step="Set its share to 0, or draw from all sources.",
                )
        return np.concatenate(found), np.cumsum(sizes) - sizes, sizes

    def _read(self, run: ScoreRun) -> Read:
        decided = decide(run, self.policy)
        unread = decided.in_review
        suspected = decided.table["suspected"].to_numpy(object).copy()
        suspected[suspected == ""] = NONE
        suspected[unread] = NOT_ASSESSED
        scores = run.scores[list(SCORE_COLUMNS)].to_numpy(np.float32).copy()
        scores[unread] = np.nan
        return Read(scores, suspected, decided.table["disposition"].to_numpy(object))


def _melanoma_scores(run: ScoreRun, policy: TriagePolicy) -> Floats:
    """Melanoma scores of the assessed melanomas (n,), highest first."""
    melanoma = (run.cases["truth"] == LesionType.MELANOMA.value).to_numpy()
    return -np.sort(-run.matrix[melanoma & ~decide(run, policy).in_review, MELANOMA])


def _lowest_called(highest_first: Floats, sensitivity: float) -> np.float64:
    """The threshold that as near `sensitivity` of the scores as can be reach: half-way to the next, in log odds."""
    called = round(sensitivity * len(highest_first))
    odds = np.exp(_log_odds(highest_first[called - 1 : called + 1].astype(np.float64)).mean())
    return np.float64(odds / (1 + odds))


def _log_odds(score: npt.ArrayLike) -> npt.NDArray[np.float64]:
    values = np.asarray(score, np.float64)
    return np.asarray(np.log(values / (1 - values)))
