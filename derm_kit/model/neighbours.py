"""Neighbours: the reference cases that the network finds most like a case, to be shown beside it with their truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from derm_kit.cases.pictures import picture_of
from derm_kit.errors import DermKitError, ModelError, RunError
from derm_kit.model.card import default_model
from derm_kit.model.reference import REFERENCE_FILE
from derm_kit.model.run import ScoreRun, read_run

REFERENCE_FEATURES_FILE = "reference_features.parquet"
"""Features of the reference cases, in the order of their scores."""

ABOUT = ("case_id", "truth", "diagnosis", "licence", "attribution")
"""What is said of a neighbour: its picture is shown only beside whose it is."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Reference cases by the principal components of the pooled features, compared by the angle between them.

    The distance is the cosine distance, 1 - cos: 0 for the same direction, 1 for a right angle, 2 for the opposite.
    It was chosen on the reference cohort, leaving each case out: of the 6 nearest to each of the 2,231 cases whose
    truth is one type, 72.3 % have the same truth, against 71.8 % by Euclidean distance (mean over the types 48.4 %
    against 45.3 %; of cases drawn at random 28.2 %). A neighbour is no second opinion: of those nearest to a melanoma
    59 % are none.

    `run` is the reference cohort, `directions` (N, P) float32 its features, each of length 1.
    """

    run: ScoreRun
    directions: Floats

    @classmethod
    def of_reference(cls) -> Neighbours:
        """Those of the model that ships, read once. Raises RunError or ModelError where its files do not fit."""
        return _of_model(default_model())

    def nearest_to(self, run: ScoreRun, case_id: str, k: int = 6) -> pd.DataFrame:
        """The neighbours of a case of `run`, as `nearest` gives them, without other pictures of its lesion.

        Raises RunError where the run has no features, another model made them, or it has no such case.
        """
        rows = np.flatnonzero((run.cases["case_id"] == case_id).to_numpy())
        if not len(rows):
            raise RunError("the run has no such case", case=case_id, next_step="Take an id from the run's cases.")
        lesion = str(run.cases["lesion_id"].iloc[rows[0]]) if "lesion_id" in run.cases else ""
        return self.nearest(self._features(run, case_id), k, leave_out=case_id, lesion=lesion)

    def nearest(self, features: npt.ArrayLike, k: int = 6, *, leave_out: str = "", lesion: str = "") -> pd.DataFrame:
        """The `k` nearest reference cases, nearest first: ABOUT, distance, picture.

        `features` (P,) are components as a run holds them; `picture` is a path, None where it is not on this machine.
        The case `leave_out` and every picture of its lesion, or of `lesion`, stay out. Raises DermKitError for
        features of another length, that are not finite, or all 0.
        """
        query = np.asarray(features, np.float32)
        length = float(np.linalg.norm(query))
        if query.shape != self.directions.shape[1:] or not np.isfinite(length) or not length > 0:
            raise DermKitError(
                f"features are {self.directions.shape[1]} finite numbers, not all 0",
                case=leave_out or None,
                value=f"shape {query.shape}, length {length:g}",
                next_step="Take them from the features of a run of the same model.",
            )
        distance = np.clip(1 - self.directions @ (query / length), 0, 2)
        known = self._known
        lesions = {lesion, *known["lesion_id"][known["case_id"] == leave_out]} - {""}
        distance[(known["case_id"] == leave_out) | np.isin(known["lesion_id"], list(lesions))] = np.inf
        order = np.argsort(distance, kind="stable")[: max(0, k)]
        order = order[np.isfinite(distance[order])]
        found = {name: known[name][order] for name in ABOUT}
        pictures = pd.Series([picture_of(case_id) for case_id in found["case_id"]], dtype=object)
        return pd.DataFrame({**found, "distance": distance[order], "picture": pictures})

    @cached_property
    def _known(self) -> dict[str, npt.NDArray[np.object_]]:
        """Columns of the cases as arrays: a query by table would take longer than the comparison itself."""
        return {name: self.run.cases[name].to_numpy(object) for name in (*ABOUT, "lesion_id")}

    def _features(self, run: ScoreRun, case_id: str) -> Floats:
        if run.model_hash != self.run.model_hash:
            raise RunError(
                "similar cases are found by features of the model that scored the reference cohort",
                case=case_id,
                value=f"scores of {run.meta.get('model', 'an unnamed model')}",
                next_step="Score the pictures with the model that ships.",
            )
        if run.features is not None:
            found = run.features[run.features["case_id"] == case_id]
            rows = found.drop(columns="case_id").to_numpy(np.float32)
        elif run.meta == self.run.meta:
            rows = self.directions[self._known["case_id"] == case_id]
        else:
            rows = self.directions[:0]
        if len(rows) != 1:
            raise RunError(
                "this run has no features of the case, by which similar cases are found",
                case=case_id,
                next_step="Open the run's folder, not a joined table; 'derm-kit score' writes features.parquet there.",
            )
        made: Floats = rows[0]
        return made


@cache
def _of_model(folder: Path) -> Neighbours:
    run = read_run(folder / REFERENCE_FILE)
    try:
        table = pd.read_parquet(folder / REFERENCE_FEATURES_FILE)
        features = table.drop(columns="case_id").to_numpy(np.float32)
    except (OSError, pa.ArrowException, ValueError, KeyError) as error:
        raise _broken(folder, type(error).__name__) from error
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    if not table["case_id"].equals(run.cases["case_id"]) or not np.all(np.isfinite(lengths) & (lengths > 0)):
        raise _broken(folder, "other cases than the scores, or features that are no numbers")
    return Neighbours(run, features / lengths)


def _broken(folder: Path, found: str) -> ModelError:
    return ModelError(
        "the model's reference features belong to its reference scores, case by case",
        case=str(folder / REFERENCE_FEATURES_FILE),
        value=found,
        next_step="Install derm-kit again, or write both with models/export.py.",
    )
