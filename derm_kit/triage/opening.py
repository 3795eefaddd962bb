"""What the workbench was opened on: scores, and the policy in force for them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from derm_kit.lesions import LESION_TYPES
from derm_kit.model.card import default_model, load_card
from derm_kit.model.reference import REFERENCE_FILE
from derm_kit.model.run import ScoreRun, read_run
from derm_kit.triage.policy import TriagePolicy

RUN_VARIABLE, POLICY_VARIABLE = "DERM_KIT_RUN", "DERM_KIT_POLICY"
"""Environment variables that name what pages open on; left out, the reference cohort and the model's default policy."""


@dataclass(frozen=True)
class Opening:
    """Scores and the policy in force."""

    run: ScoreRun
    policy: TriagePolicy

    @classmethod
    def read(cls, run: Path | None = None, policy: Path | None = None) -> Opening:
        """From a run folder, joined parquet or CSV, and a policy's file. Raises RunError or PolicyError as these do."""
        folder = default_model()
        return cls(
            read_run(folder / REFERENCE_FILE if run is None else run),
            TriagePolicy.from_card(load_card(folder)) if policy is None else TriagePolicy.read(policy),
        )

    @classmethod
    def named(cls) -> Opening:
        """What the environment names."""
        run, policy = (os.environ.get(name) for name in (RUN_VARIABLE, POLICY_VARIABLE))
        return cls.read(Path(run) if run else None, Path(policy) if policy else None)


def policy_for(run: ScoreRun, policy: TriagePolicy) -> TriagePolicy:
    """`policy` as it is read on scores that do not name their model: without its hashes, for the types they hold.

    The same policy where the scores name their model.
    """
    if run.model_hash:
        return policy
    trained = {LESION_TYPES[i] for i in run.trained}
    kept = {t: threshold for t, threshold in policy.thresholds.items() if t in trained}
    return policy.changed(model_hash="", scoring_sha256="", thresholds=kept)


def name_opening(run: Path | None, policy: Path | None) -> None:
    """Have the pages of every process that starts from here open on these."""
    for variable, path in ((RUN_VARIABLE, run), (POLICY_VARIABLE, policy)):
        if path is not None:
            os.environ[variable] = str(path.resolve())
