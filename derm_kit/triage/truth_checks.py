"""Whether a figure hangs on how the truth is known, and on whose lesions were looked at: the checks of one run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.triage.counts import NOT_FLAGGED_CALL, CaseCounter
from derm_kit.triage.scores import one_against_rest
from derm_kit.triage.verification import VerificationCorrection, begg_greenes, specificity_by_truth_source


class TruthChecks:
    """Of one counter's assessed cases, at any thresholds.

    A case is unverified where it has scores and nobody said what the lesion was: one that was found to be none of the
    eleven types is verified, and left out.
    """

    def __init__(self, counter: CaseCounter) -> None:
        self._counter, cases = counter, counter.run.cases
        assessed = ~counter.review
        benign, _ = one_against_rest(counter.truth, [t for t in LESION_TYPES if not t.flagged])
        self._assessed, self._benign = assessed, benign[assessed]
        self._source = cases["truth_source"].to_numpy(object)[assessed] if "truth_source" in cases else None
        self._cancer, self._verified = one_against_rest(counter.truth, [t for t in LESION_TYPES if t.cancer])
        said = cases["diagnosis"].to_numpy(object) if "diagnosis" in cases else np.full(len(cases), "", object)
        unverified = (cases["truth"] == "").to_numpy() & (said == "")
        self._used = assessed & (self._verified | unverified)

    def by_source(self, thresholds: Mapping[LesionType, float]) -> pd.DataFrame | None:
        """Specificity for benign lesions by source of truth; None where no source was recorded."""
        if self._source is None:
            return None
        return specificity_by_truth_source(self._flagged(thresholds)[self._assessed], self._benign, self._source)

    def corrected(self, thresholds: Mapping[LesionType, float]) -> VerificationCorrection:
        """Begg and Greenes' correction for any cancer. Raises DermKitError as `begg_greenes`."""
        used = self._used
        return begg_greenes(self._flagged(thresholds)[used], self._cancer[used], self._verified[used])

    def _flagged(self, thresholds: Mapping[LesionType, float]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return self._counter.called(thresholds) < NOT_FLAGGED_CALL
