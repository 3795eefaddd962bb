"""What the workbench was opened on: scores, and the policy in force for them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from derm_kit.lesions import LESION_TYPES
from derm_kit.model.card import ModelCard, default_model, load_card
from derm_kit.model.reference import REFERENCE_FILE
from derm_kit.model.run import ScoreRun, read_run
from derm_kit.triage.policy import TriagePolicy, require_match

RUN_VARIABLE, POLICY_VARIABLE = "DERM_KIT_RUN", "DERM_KIT_POLICY"
"""Environment variables that name what pages open on; left out, the reference cohort and the model's default policy."""


@dataclass(frozen=True)
class Opening:
    """Scores and the policy in force; one that was named stands whatever a register says."""

    run: ScoreRun
    policy: TriagePolicy
    policy_named: bool = False

    @classmethod
    def read(cls, run: Path | None = None, policy: Path | None = None) -> Opening:
        """From a run folder, joined parquet or CSV, and a policy's file. Raises RunError or PolicyError as these do."""
        folder = default_model()
        return cls(
            read_run(folder / REFERENCE_FILE if run is None else run),
            TriagePolicy.from_card(load_card(folder)) if policy is None else TriagePolicy.read(policy),
            policy is not None,
        )

    @classmethod
    def named(cls) -> Opening:
        """What the environment names."""
        return cls.read(_path(RUN_VARIABLE), _path(POLICY_VARIABLE))


def named_policy() -> TriagePolicy | None:
    """The policy that the environment names, for a page without scores of a run; None where it names none."""
    path = _path(POLICY_VARIABLE)
    return TriagePolicy.read(path) if path else None


def policy_for(run: ScoreRun, policy: TriagePolicy) -> TriagePolicy:
    """`policy` as it is read on scores that do not name their model: without its hashes, for the types they hold.

    The same policy where the scores name their model.
    """
    if run.model_hash:
        return policy
    trained = {LESION_TYPES[i] for i in run.trained}
    kept = {t: threshold for t, threshold in policy.thresholds.items() if t in trained}
    return policy.changed(model_hash="", scoring_sha256="", thresholds=kept)


def require_reads(card: ModelCard, policy: TriagePolicy) -> None:
    """Raise PolicyError unless `policy` can be read on the scores that a card's model gives."""
    meta = {
        "model_hash": card.model_hash,
        "scoring_sha256": card.scoring_sha256,
        "trained_types": [t.value for t in card.types],
    }
    no_case = pd.DataFrame(columns=["case_id", *LESION_TYPES])
    require_match(ScoreRun(no_case, no_case[["case_id"]], meta=meta), policy)


def name_opening(run: Path | None, policy: Path | None) -> None:
    """Have the pages of every process that starts from here open on these."""
    for variable, path in ((RUN_VARIABLE, run), (POLICY_VARIABLE, policy)):
        if path is not None:
            os.environ[variable] = str(path.resolve())


def _path(variable: str) -> Path | None:
    named = os.environ.get(variable)
    return Path(named) if named else None
