"""decide(): from scores to a suspected type and a disposition, each with its reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.errors import PolicyError
from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType
from derm_kit.model.run import ScoreRun
from derm_kit.triage.definition import DEFAULT_DISPOSITIONS, Disposition, TriagePolicy

__all__ = [
    "DEFAULT_DISPOSITIONS",
    "NOT_FLAGGED",
    "SAFETY_NET",
    "Decisions",
    "Disposition",
    "TriagePolicy",
    "decide",
    "require_match",
    "review_rules",
    "suspected_index",
    "unscored_cancers",
]

NOT_FLAGGED = "no flagged type reached its threshold"
SAFETY_NET = "If you are worried, refer: this result never overrides clinical suspicion."
_CALLED, _NOT_CALLED, _NEAR, _POOR = _BY_SCORE = ("threshold", "no threshold", "near threshold", "poor picture")
"""Rules by which the scores decide; every other sends the case to clinician review."""


@dataclass(frozen=True)
class Decisions:
    """What a policy made of the N cases of a run.

    table      one row a case: case_id, suspected (type value or ""), disposition, rule (short code), reason (one
               sentence).
    remarks    sentences on the whole run that belong beside the table: what was not checked, which cancers have no
               score.
    """

    table: pd.DataFrame
    policy: TriagePolicy
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.table)

    @property
    def in_review(self) -> npt.NDArray[np.bool_]:
        """Cases (N,) that went to clinician review whatever their scores: the model neither called nor cleared them."""
        return ~self.table["rule"].isin(_BY_SCORE).to_numpy(np.bool_)


def decide(run: ScoreRun, policy: TriagePolicy) -> Decisions:
    """Read every case's scores by `policy`, in order of risk.

    Quality failures, exclusions, brown or black skin (NICE HTE24), sites named for review and a NaN score of any
    trained type go to clinician review whatever the scores; so does a case that would be discharged while a cancer has
    no score in any case. A case that reaches no threshold gets a second read where a score lies within the policy's
    margin below one, or where its picture fails for a reason that the policy reads through. A run that does not say
    which model gave it is read by any policy, and the remarks say so. Raises PolicyError where the policy is another
    model's, asks for an untrained type, or discharges on its own without a threshold for every flagged type that the
    model was trained on.
    """
    require_match(run, policy)
    scores, n = run.matrix, len(run)
    called = suspected_index(scores, policy.thresholds)
    nowhere = Disposition.DISCHARGE_ADVICE if policy.autonomous else Disposition.SECOND_READ
    suspected = np.array(["", *LESION_TYPES], dtype=object)[called + 1]
    disposition = np.array([nowhere, *(policy.dispositions.get(t, "") for t in LESION_TYPES)], dtype=object)[called + 1]
    rule = np.where(called >= 0, _CALLED, _NOT_CALLED).astype(object)
    reason = np.full(n, f"{NOT_FLAGGED}: this does not prove it benign. {SAFETY_NET}", dtype=object)
    for t, threshold in policy.thresholds.items():
        index = LESION_TYPES.index(t)
        cases = called == index
        values = scores[cases, index].tolist()
        reason[cases] = [f"{t.label} score {v:.3f} reaches its threshold {threshold:.3f}" for v in values]
    for name, cases, words in _second_reads(run, policy, called):
        rule[cases], reason[cases], disposition[cases] = name, words, Disposition.SECOND_READ
    poor = _read_though_poor(run, policy)
    why = zip(reason[poor], run.cases["quality_reason"][poor].tolist(), strict=True)
    reason[poor] = [f"{said}; read although the picture fails quality ({failure})" for said, failure in why]
    for name, cases, words in _reviews(run, policy, called):
        rule[cases], reason[cases] = name, [f"{name}: {text}" for text in words]
        suspected[cases], disposition[cases] = "", Disposition.CLINICIAN_REVIEW
    return Decisions(
        pd.DataFrame(
            {
                "case_id": run.scores["case_id"].to_numpy(),
                "suspected": [str(t) for t in suspected],
                "disposition": [str(d) for d in disposition],
                "rule": rule,
                "reason": reason,
            }
        ),
        policy,
        _remarks(run, policy),
    )


def unscored_cancers(run: ScoreRun) -> list[LesionType]:
    """Cancers that no case of the run has a score for: while there is one, no case is discharged."""
    trained = run.trained
    return [t for i, t in enumerate(LESION_TYPES) if t.cancer and i not in trained]


def suspected_index(scores: npt.NDArray[np.float32], thresholds: dict[LesionType, float]) -> npt.NDArray[np.int64]:
    """Index of the first flagged type, in order of risk, that reaches its threshold; -1 where none does.

    Scores (N, 11) to indices (N,).
    """
    reached = np.zeros((len(scores), len(LESION_TYPES)), dtype=bool)
    for t in FLAGGED:
        if t in thresholds:
            index = LESION_TYPES.index(t)
            reached[:, index] = scores[:, index].astype(np.float64) >= thresholds[t]
    return np.where(reached.any(axis=1), reached.argmax(axis=1), -1)


def require_match(run: ScoreRun, policy: TriagePolicy) -> None:
    """Raise PolicyError unless `policy` can be read on the scores of `run`."""
    trained, found = run.trained, ""
    if run.model_hash and policy.model_hash and run.model_hash != policy.model_hash:
        found = f"policy for the weights {policy.model_hash[:12]}, scores by the weights {run.model_hash[:12]}"
    elif run.scoring_sha256 and policy.scoring_sha256 and run.scoring_sha256 != policy.scoring_sha256:
        found = "the same weights under a card that scores otherwise: temperature, preprocessing, types or files"
    if found:
        raise PolicyError(
            "a policy is read only on scores of the model it was made for",
            case=policy.name,
            value=found,
            next_step="Score the cohort with that model, or start from the policy that 'derm-kit policy' prints for "
            "the model of these scores (--model names its folder).",
        )
    untrained = [t.label.lower() for t in policy.thresholds if LESION_TYPES.index(t) not in trained]
    if untrained:
        raise PolicyError(
            f"a threshold needs scores to be read on; these hold none of {untrained[0]} in any case",
            case=policy.name,
            next_step="Add that type's scores, or take its threshold out of the policy: nothing is then said of it.",
        )
    open_types = [t.label.lower() for i, t in enumerate(FLAGGED) if i in trained and t not in policy.thresholds]
    if policy.autonomous and open_types:
        raise PolicyError(
            "thresholds: an autonomous policy discharges, so each flagged type that the model was trained on needs one",
            case=policy.name,
            value=f"none for {', '.join(open_types)}",
            next_step="Add these thresholds, or set autonomous to false.",
        )


def _remarks(run: ScoreRun, policy: TriagePolicy) -> tuple[str, ...]:
    """What was not checked, and the cancers without a score."""
    said = []
    if not (run.model_hash and policy.model_hash) and not (run.scoring_sha256 and policy.scoring_sha256):
        silent = "The policy names no model" if run.model_hash else "These scores do not say which model gave them"
        said.append(f"{silent}: whether policy and scores belong together was not checked.")
    elif not (run.scoring_sha256 and policy.scoring_sha256):
        silent = "these scores do" if policy.scoring_sha256 else "the policy does"
        said.append(
            f"Policy and scores were matched by the model's weights alone: {silent} not say which temperature, "
            "preprocessing and lesion types the model had."
        )
    sites = run.cases["anatomical_site"]
    if policy.review_sites and (sites == "").any():
        said.append(
            f"Cases that do not say their site, which the policy's review_sites needs: {(sites == '').sum():,}."
        )
    unmet = [site for site in policy.review_sites if not _at_sites(sites, (site,)).any()]
    if unmet and (sites != "").any():
        said.append(f"No case lies at a site that the policy's review_sites names: {', '.join(unmet)}.")
    unseen = unscored_cancers(run)
    if unseen:
        said.append(f"There is no score for {_names(unseen)}: any case may be one, whatever it is called here.")
    return tuple(said)


def _names(types: list[LesionType]) -> str:
    return " or ".join(t.label.lower() for t in types)


def review_rules(run: ScoreRun, policy: TriagePolicy) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """The rules that send a case to clinician review whatever its scores, weakest first, with the cases (N,)."""
    cases = run.cases
    yield "skin type", cases["skin_type"].isin(policy.review_skin_types).to_numpy(np.bool_)
    yield "skin tone", cases["skin_tone_class"].isin(policy.review_skin_tone_classes).to_numpy(np.bool_)
    yield "missing score", np.asarray(_missing(run).any(axis=1))
    yield "quality", cases["quality_fail"].to_numpy(np.bool_) & ~_read_though_poor(run, policy)
    yield "site", _at_sites(cases["anatomical_site"], policy.review_sites)
    yield "exclusion", np.asarray(cases["exclusion"] != "", np.bool_)


def _missing(run: ScoreRun) -> npt.NDArray[np.bool_]:
    missing = np.isnan(run.matrix)
    missing[:, np.setdiff1d(np.arange(len(LESION_TYPES)), run.trained)] = False
    return missing


def _read_though_poor(run: ScoreRun, policy: TriagePolicy) -> npt.NDArray[np.bool_]:
    """Cases (N,) whose picture fails for one reason alone, and one that the policy reads through."""
    if not policy.read_despite_quality:
        return np.zeros(len(run), dtype=np.bool_)
    alone = rf"(?:{'|'.join(policy.read_despite_quality)})(?:: [^;]+)?"
    poor = run.cases["quality_fail"].to_numpy(np.bool_, copy=True)
    poor[poor] = run.cases["quality_reason"][poor].str.fullmatch(alone)
    return poor


def _at_sites(sites: pd.Series[str], named: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """Cases (N,) whose site holds the words of one of those named."""
    if not named:
        return np.zeros(len(sites), dtype=np.bool_)
    words = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, named))})(?!\w)")
    codes, distinct = pd.factorize(sites)
    return np.array([bool(words.search(site)) for site in distinct], dtype=np.bool_)[codes]


def _second_reads(
    run: ScoreRun, policy: TriagePolicy, called: npt.NDArray[np.int64]
) -> Iterator[tuple[str, npt.NDArray[np.bool_], list[str]]]:
    """Rules of a second read where no threshold was reached, weakest first, with cases and reasons as in `_reviews`."""
    unclear = _read_though_poor(run, policy) & (called < 0)
    yield _POOR, unclear, [NOT_FLAGGED] * int(unclear.sum())
    scores, margin = run.matrix, policy.second_read_margin
    near = suspected_index(scores, {t: threshold * (1 - margin) for t, threshold in policy.thresholds.items()})
    near[called >= 0] = -1
    for t, threshold in policy.thresholds.items():
        index = LESION_TYPES.index(t)
        cases = near == index
        found = f"{NOT_FLAGGED}, but the {t.label.lower()} score"
        within = f"comes within {100 * margin:g}% of its threshold {threshold:.3f}"
        yield _NEAR, cases, [f"{found} {value:.3f} {within}" for value in scores[cases, index].tolist()]


def _reviews(
    run: ScoreRun, policy: TriagePolicy, called: npt.NDArray[np.int64]
) -> Iterator[tuple[str, npt.NDArray[np.bool_], list[str]]]:
    """Rules of clinician review, weakest first, each with its cases (N,) and the reason for each of these."""
    unseen = unscored_cancers(run)
    if policy.autonomous and unseen:
        why = f"without a score for {_names(unseen)} no case is discharged"
        yield "untrained cancer", called < 0, [why] * int((called < 0).sum())
    for rule, cases in review_rules(run, policy):
        said = run.cases[cases]
        if rule == "quality":
            words = [reason or "no reason is given" for reason in said["quality_reason"].tolist()]
        elif rule == "exclusion":
            words = said["exclusion"].tolist()
        elif rule == "site":
            words = [f"{site}, which this policy leaves to a clinician" for site in said["anatomical_site"].tolist()]
        elif rule == "missing score":
            patterns, of_case = np.unique(_missing(run)[cases], axis=0, return_inverse=True)
            lacking = [[t for t, lacks in zip(LESION_TYPES, row, strict=True) if lacks] for row in patterns]
            words_of = [f"this picture has no score for {_names(types)}" for types in lacking]
            words = [words_of[i] for i in of_case.tolist()]
        else:
            words = ["professional review for brown or black skin (NICE HTE24)"] * len(said)
        yield rule, cases, words
