"""derm-kit: an open workbench for safe AI triage of skin lesions. Research and teaching; not a medical device.

One case goes through four functions, left to right: read() a cohort, score() it, decide() on its scores, simulate() the
pathway. Names are loaded when first used, so that opening a page does not load a network.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from derm_kit.cases.cohort import Cohort
    from derm_kit.cases.phantom import demo_cohort
    from derm_kit.cases.sources import read
    from derm_kit.errors import DermKitError
    from derm_kit.lesions import LESION_TYPES, LesionType
    from derm_kit.model.card import ModelCard
    from derm_kit.model.classifier import Classifier
    from derm_kit.model.run import ScoreRun, read_run
    from derm_kit.model.scoring import score
    from derm_kit.pathway.definition import Pathway
    from derm_kit.pathway.outcomes import Outcomes
    from derm_kit.pathway.simulation import simulate
    from derm_kit.triage.policy import Decisions, TriagePolicy, decide

_HOME = {
    "LESION_TYPES": "lesions",
    "Classifier": "model.classifier",
    "Cohort": "cases.cohort",
    "Decisions": "triage.policy",
    "DermKitError": "errors",
    "LesionType": "lesions",
    "ModelCard": "model.card",
    "Outcomes": "pathway.outcomes",
    "Pathway": "pathway.definition",
    "ScoreRun": "model.run",
    "TriagePolicy": "triage.policy",
    "decide": "triage.policy",
    "demo_cohort": "cases.phantom",
    "read": "cases.sources",
    "read_run": "model.run",
    "score": "model.scoring",
    "simulate": "pathway.simulation",
}

__all__ = [
    "LESION_TYPES",
    "Classifier",
    "Cohort",
    "Decisions",
    "DermKitError",
    "LesionType",
    "ModelCard",
    "Outcomes",
    "Pathway",
    "ScoreRun",
    "TriagePolicy",
    "decide",
    "demo_cohort",
    "read",
    "read_run",
    "score",
    "simulate",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    if name not in _HOME:
        raise AttributeError(f"module 'derm_kit' has no attribute {name!r}")
    return getattr(import_module(f"derm_kit.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
