"""Which policy the threshold page starts from."""

from __future__ import annotations

from derm_kit.model.run import ScoreRun
from derm_kit.panels.changes_policy import STARTS, PolicyPanel
from derm_kit.panels.tuning_source import Source
from derm_kit.triage.policy import TriagePolicy, require_match


class InForcePanel(PolicyPanel):
    """The policy in force for `run`, whose scores it has to be judged on; one that was `named` stands."""

    def __init__(self, run: ScoreRun, policy: TriagePolicy, *, named: bool) -> None:
        def require(found: TriagePolicy) -> None:
            require_match(run, found)
            Source.of(run, found)

        super().__init__(policy, policy if named else None, require, STARTS)
