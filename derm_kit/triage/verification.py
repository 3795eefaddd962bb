"""Accuracy where only some cases were verified, or were verified by different means: verification bias.

Calls and truth are arrays (N,) in the order of the cases. Every interval assumes independent lesions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit

from derm_kit.errors import DermKitError
from derm_kit.triage.benefit import flags, require_one_length
from derm_kit.triage.proportions import Estimate, FloatArray, clopper_pearson, normal_quantile, proportion
from derm_kit.triage.subgroups import FEW, UNKNOWN

VERIFIED_BY_CALL = (
    "Assumes that who was verified depended on the call alone: among cases called alike, those without truth are like "
    "those with it."
)


@dataclass(frozen=True)
class VerificationCorrection:
    """Sensitivity and specificity of all cases, corrected, beside those of the verified cases alone.

    `n_unverified` cases had a call but no truth; `assumption` belongs beside the figures.
    """

    sensitivity: Estimate
    specificity: Estimate
    sensitivity_verified: Estimate
    specificity_verified: Estimate
    n_unverified: int
    assumption: str = VERIFIED_BY_CALL


def begg_greenes(
    called: npt.ArrayLike, positive: npt.ArrayLike, verified: npt.ArrayLike, *, level: float = 0.95
) -> VerificationCorrection:
    """Sensitivity and specificity where some cases carry a call but no truth (N,); truth is read where verified.

    Begg and Greenes, Biometrics 39 (1983) 207: P(truth | call) among the verified, times P(call) among all. Interval by
    the delta method on the logit scale (Zhou et al., Statistical Methods in Diagnostic Medicine, 2011, chapter 10);
    unreliable where few verified cases were called wrong (Cronin and Vickers, BMC Med Res Methodol 8 (2008) 75), and
    the reason says so. Raises DermKitError where every case is verified, or a call (yes or no) has no verified case.
    """
    call, known = flags(called, "calls"), flags(verified, "verified")
    given = np.asarray(positive)
    require_one_length(call, known, given)
    if known.all():
        raise DermKitError(
            "every case is verified: nothing to correct",
            value=f"{len(known)} cases",
            next_step="Look at specificity by source of truth: verified by whom, and after which call?",
        )
    pos = np.zeros(len(known), bool)
    pos[known] = flags(given[known], "truth")
    checked = np.array([(known & side).sum() for side in (call, ~call)])
    if not checked.all():
        raise DermKitError(
            "among the cases called, and among those not called, some are verified",
            value=f"{checked[0]} of {call.sum()} called, {checked[1]} of {(~call).sum()} not called",
            next_step="Verify a random sample of the cases that have none, or report the verified cases alone as such.",
        )
    n = np.array([call.sum(), (~call).sum()], np.float64)
    sick = np.array([(pos & call).sum(), (pos & ~call).sum()], np.float64)
    well = checked - sick
    return VerificationCorrection(
        _corrected(n, sick, checked, level, "positive"),
        _corrected(n[::-1], well[::-1], checked[::-1], level, "negative"),
        proportion(int(sick[0]), int(sick.sum()), level=level),
        proportion(int(well[1]), int(well.sum()), level=level),
        int((~known).sum()),
    )


def specificity_by_truth_source(
    called_flagged: npt.ArrayLike, benign: npt.ArrayLike, truth_source: npt.ArrayLike, *, level: float = 0.95
) -> pd.DataFrame:
    """Share of benign cases not called, for each source of truth: biopsied lesions are the ones that look worst.

    Columns: truth_source ("not recorded" where blank), n benign cases, not_flagged, specificity, its Clopper-Pearson
    interval low to high, remark. Largest group first; a group below FEW cases is marked "too few to say", never
    dropped, and one without a benign case is NaN.
    """
    flagged, harmless = flags(called_flagged, "calls"), flags(benign, "benign")
    given = pd.Series(np.asarray(truth_source, object), dtype=object)
    require_one_length(flagged, harmless, given.to_numpy())
    source = given.where(given.notna(), "").astype(str).str.strip().replace("", UNKNOWN)
    counts = pd.DataFrame({"truth_source": source, "n": harmless, "not_flagged": harmless & ~flagged})
    table = counts.groupby("truth_source", as_index=False).sum().astype({"n": int, "not_flagged": int})
    table = table.sort_values(["n", "truth_source"], ascending=[False, True], ignore_index=True)
    table["specificity"] = table["not_flagged"] / table["n"].replace(0, np.nan)
    table["low"], table["high"] = clopper_pearson(table["not_flagged"], table["n"], level=level)
    table["remark"] = np.select([table["n"] == 0, table["n"] < FEW], ["no benign case", "too few to say"], "")
    return table


def _corrected(n: FloatArray, found: FloatArray, checked: FloatArray, level: float, side: str) -> Estimate:
    """Share of cases of a side that have the right call; each array is (right call, wrong call)."""
    method, total = "Begg-Greenes, logit", int(found.sum())
    if not total:
        return Estimate(math.nan, math.nan, math.nan, 0, 0, method, f"no verified {side} case")
    share = found / checked
    value = float(n[0] * share[0] / (n @ share))
    if not found.all():
        reason = f"no interval: no verified {side} case among those called {'right' if not found[0] else 'wrong'}"
        return Estimate(value, math.nan, math.nan, total, total, method, reason)
    margin = normal_quantile(level) * math.sqrt(n.sum() / n.prod() + ((1 - share) / found).sum())
    low, high = expit(logit(value) + np.array([-margin, margin]))
    few = f"{int(found[1])} verified {side} cases called wrong decide the figure (Cronin and Vickers 2008)"
    return Estimate(value, float(low), float(high), total, total, method, few if found[1] < 5 else "")
