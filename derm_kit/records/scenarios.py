"""Scenarios that somebody kept: one file each in the workspace, never written over."""

from __future__ import annotations

import json
import os
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from derm_kit.errors import RecordError, printable
from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.words import key_figures
from derm_kit.records.workspace import Workspace

MOST_KEPT = 500


class KeptFigure(BaseModel):
    """One key figure of one arm, as `words.key_figures` names it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    arm: str
    unit: str
    value: float | None
    low: float | None
    high: float | None


class KeptScenario(BaseModel):
    """What was set, for which pathway and policy, and what came of it.

    `setting` is the scenario as an address holds it; `pathway` the whole pathway as it was simulated, so that the
    scenario can be read whatever becomes of the file that it came from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    name: str = Field(min_length=1, max_length=80)
    kept_at: datetime
    pathway_name: str
    ships: bool
    setting: str
    policy: str
    pathway: dict[str, Any]
    figures: tuple[KeptFigure, ...]


@dataclass(frozen=True)
class Scenarios:
    """The kept scenarios of a workspace."""

    folder: Path

    @classmethod
    def of(cls, workspace: Workspace) -> Scenarios:
        """Those of one workspace; its folder is made when the first is kept."""
        return cls(workspace.folder / "scenarios")

    def keep(self, scenario: KeptScenario) -> Path:
        """Write a scenario to a file of its own.

        Raises RecordError where one of that name is kept, there are MOST_KEPT, or the file cannot be written.
        """
        kept = self.read()
        if any(one.name == scenario.name for one in kept):
            raise RecordError(
                "a scenario is kept once under its name, so that none is lost",
                value=scenario.name,
                next_step="Choose another name.",
            )
        if len(kept) >= MOST_KEPT:
            raise RecordError(
                f"at most {MOST_KEPT} scenarios are kept",
                case=str(self.folder),
                next_step="Move files that are no longer needed out of this folder.",
            )
        slug = re.sub("[^a-z0-9]+", "-", scenario.name.lower()).strip("-")[:40] or "scenario"
        path = self.folder / f"{slug}-{secrets.token_hex(4)}.json"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(scenario.model_dump_json(indent=2) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise RecordError(
                f"the scenario cannot be kept ({error.strerror})",
                case=str(self.folder),
                next_step="Free space, or have the folder made writable; the scenario is still on the page.",
            ) from None
        return path

    def read(self) -> tuple[KeptScenario, ...]:
        """All that can be read, oldest first; a file that is none is passed over."""
        found = []
        for path in sorted(self.folder.glob("*.json")) if self.folder.is_dir() else ():
            try:
                found.append(KeptScenario.model_validate(json.loads(path.read_bytes())))
            except (OSError, ValueError, ValidationError, RecursionError):
                continue
        return tuple(sorted(found, key=lambda one: one.kept_at))


def kept(
    name: str, pathway_name: str, *, ships: bool, setting: str, policy: str, pathway: Pathway, figures: pd.DataFrame
) -> KeptScenario:
    """A scenario as it is kept, from the page's setting and `measures.table`.

    Raises RecordError for an unusable name.
    """
    rows = key_figures(pathway, figures)
    numbers = rows[["value", "low", "high"]].astype(object).where(rows[["value", "low", "high"]].notna(), None)
    said = " ".join(name.split())
    if not said or len(said) > 80 or not said.isprintable():
        raise RecordError(
            "a scenario's name has 1 to 80 letters",
            value=printable(name),
            next_step="Give it a short name.",
        )
    return KeptScenario(
        name=said,
        kept_at=datetime.now(UTC),
        pathway_name=pathway_name,
        ships=ships,
        setting=setting,
        policy=policy,
        pathway=pathway.model_dump(mode="json", exclude_unset=True),
        figures=tuple(
            KeptFigure(label=label, arm=arm, unit=unit, value=value, low=low, high=high)
            for (label, arm, unit), (value, low, high) in zip(
                rows[["label", "arm", "unit"]].itertuples(index=False, name=None),
                numbers.itertuples(index=False, name=None),
                strict=True,
            )
        ),
    )
