"""A proposed change of thresholds, with the evidence that a person who signs for it must see. It changes nothing."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from derm_kit.errors import PolicyError
from derm_kit.model.run import ScoreRun
from derm_kit.triage.changes import compare
from derm_kit.triage.counts import CaseCounter
from derm_kit.triage.guarantee import Guarantee, lost_guarantees
from derm_kit.triage.measures import confusion, rates
from derm_kit.triage.policy import TriagePolicy

Table = list[dict[str, Any]]
Hash = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")]
SHORTEST_RATIONALE = 20


class ChangeProposal(BaseModel):
    """What is to change, on which evidence, and why: what a register, a simulator and a hazard log go on with.

    `hazard_ids` is empty and `capacity` null until they are filled there. Tables are rows of a table as records, NaN
    as null. Hashes are SHA-256: of the model's weights, of what its card says on scoring ("" where the scores do not
    say), and of the scores and truth that the evidence rests on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    created: str
    code_version: str
    model_hash: Hash
    scoring_sha256: Hash
    run_sha256: Hash
    cases: Annotated[int, Field(ge=1)]
    old_policy: TriagePolicy
    new_policy: TriagePolicy
    rationale: Annotated[str, StringConstraints(strip_whitespace=True, min_length=SHORTEST_RATIONALE)]
    guarantees: Table
    change_by_type: Table
    change_overall: Table
    change_per_1000: Table
    confusion_before: Table
    confusion_after: Table
    rates_before: Table
    rates_after: Table
    hazard_ids: list[str] = Field(default_factory=list)
    capacity: dict[str, Any] | None = None


def propose(
    counter: CaseCounter, new_policy: TriagePolicy, rationale: str, guarantees: tuple[Guarantee, ...] = ()
) -> ChangeProposal:
    """The proposal to replace the counter's policy by `new_policy`, with tables over the counter's cases.

    Only guarantees that still hold in `new_policy` are kept, as `lost_guarantees` says, and every refusal. Raises
    PolicyError where nothing changes, where anything but name, version and thresholds does, or where the rationale is
    too short to be one.
    """
    old = counter.policy
    _require_change_of_thresholds(old, new_policy)
    before, after = counter.count(old.thresholds), counter.count(new_policy.thresholds)
    changes = compare(counter, old.thresholds, new_policy.thresholds)
    found = {g.lesion_type: g.threshold for g in guarantees if g.threshold is not None}
    lost = lost_guarantees(old.thresholds | found, new_policy.thresholds, found)
    kept = [g for g in guarantees if g.lesion_type not in lost]
    try:
        return ChangeProposal(
            created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            code_version=version("derm-kit"),
            model_hash=counter.run.model_hash,
            scoring_sha256=counter.run.scoring_sha256,
            run_sha256=run_hash(counter.run),
            cases=len(counter.run),
            old_policy=old,
            new_policy=new_policy,
            rationale=rationale,
            guarantees=_records(pd.DataFrame([_of(g) for g in kept])),
            change_by_type=_records(changes.by_type()),
            change_overall=_records(changes.overall()),
            change_per_1000=_records(changes.per_1000()),
            confusion_before=_records(confusion(before).reset_index()),
            confusion_after=_records(confusion(after).reset_index()),
            rates_before=_records(rates(before).frame().query("n > 0")),
            rates_after=_records(rates(after).frame().query("n > 0")),
        )
    except ValidationError:
        raise PolicyError(
            f"a proposal says why, in at least {SHORTEST_RATIONALE} characters",
            value=rationale,
            next_step="Write what the change is for and which harm it accepts.",
        ) from None


def run_hash(run: ScoreRun) -> str:
    """SHA-256 over case ids, scores and truth of a run, in its order."""
    found = hashlib.sha256()
    found.update("\n".join(run.scores["case_id"]).encode())
    found.update(np.ascontiguousarray(run.matrix).tobytes())
    found.update("\n".join(run.cases["truth"]).encode())
    return found.hexdigest()


def _require_change_of_thresholds(old: TriagePolicy, new: TriagePolicy) -> None:
    mine = {"name", "version", "thresholds"}
    other = [
        field for field in TriagePolicy.model_fields if field not in mine and getattr(old, field) != getattr(new, field)
    ]
    if other or old.thresholds == new.thresholds:
        raise PolicyError(
            "a proposal changes thresholds, and nothing but them",
            case=new.name,
            value=f"{other[0]} changes too" if other else "every threshold is as it was",
            next_step="Move a threshold first." if not other else "Start from the policy in force.",
        )


def _of(guarantee: Guarantee) -> dict[str, Any]:
    return {field: getattr(guarantee, field) for field in guarantee.__dataclass_fields__}


def _records(table: pd.DataFrame) -> Table:
    rows: Table = json.loads(table.to_json(orient="records", double_precision=15))
    return rows
