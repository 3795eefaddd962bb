"""Scenarios that somebody kept: one file each in the workspace, never written over."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import pandas as pd
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from derm_kit import plain_json
from derm_kit.cases.folder_walk import leaves
from derm_kit.errors import RecordError, printable
from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.words import key_figures
from derm_kit.records.workspace import Workspace

MOST_KEPT = 500
LONGEST_NAME = 80
MOST_BYTES = 4_000_000
"""A kept scenario has some 50,000; a file beyond this is none."""


def _readable(name: str) -> str:
    if not name.isprintable() or name != " ".join(name.split()):
        raise ValueError("a name has only characters that can be seen")
    return name


Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME), AfterValidator(_readable)]


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

    `setting` is the scenario as an address holds it; `pathway` the whole pathway that it was set on, so that the
    scenario can be opened again whatever becomes of the file that it came from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    name: Name
    kept_at: AwareDatetime
    pathway_name: str
    ships: bool
    setting: str
    policy: str
    pathway: dict[str, Any]
    figures: tuple[KeptFigure, ...]


class Kept(NamedTuple):
    """The scenarios of a folder, oldest first, and the names of the files there that are none or cannot be read."""

    scenarios: tuple[KeptScenario, ...]
    unread: tuple[str, ...]


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
        kept = self.read().scenarios
        if any(one.name == scenario.name for one in kept):
            raise _is_kept(scenario.name)
        if len(kept) >= MOST_KEPT:
            raise RecordError(
                f"at most {MOST_KEPT} scenarios are kept",
                case=str(self.folder),
                next_step="Move files that are no longer needed out of this folder.",
            )
        try:
            path = self._written(scenario)
        except OSError as error:
            raise RecordError(
                f"the scenario cannot be kept ({error.strerror})",
                case=str(self.folder),
                next_step="Free space, or have the folder made writable; the scenario is still on the page.",
            ) from None
        if path is None:
            raise _is_kept(scenario.name)
        return path

    def read(self) -> Kept:
        """All that can be read. Raises RecordError where the folder cannot be."""
        found, unread = [], []
        try:
            paths = sorted(self.folder.glob("*.json")) if self.folder.is_dir() else []
        except OSError as error:
            raise RecordError(
                f"kept scenarios cannot be read ({error.strerror})",
                case=str(self.folder),
                next_step="Have the folder made readable.",
            ) from None
        for path in paths:
            try:
                found.append(KeptScenario.model_validate(plain_json.parse(_content(path, self.folder))))
            except (OSError, ValueError, ValidationError):
                unread.append(path.name)
        return Kept(tuple(sorted(found, key=lambda one: one.kept_at)), tuple(unread))

    def _written(self, scenario: KeptScenario) -> Path | None:
        """Its file, whole or not at all; None for the later of two that are kept at once under one name."""
        slug = re.sub("[^a-z0-9]+", "-", scenario.name.lower()).strip("-")[:40] or "scenario"
        path = self.folder / f"{slug}-{hashlib.sha256(scenario.name.encode()).hexdigest()[:8]}.json"
        own = self.folder / f".{secrets.token_hex(8)}.part"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with own.open("x", encoding="utf-8") as file:
                file.write(scenario.model_dump_json(indent=2) + "\n")
                file.flush()
                os.fsync(file.fileno())
            return path if _is_linked(own, path) else None
        finally:
            own.unlink(missing_ok=True)


def _is_linked(own: Path, path: Path) -> bool:
    """Give a whole file its name; False where that is taken."""
    try:
        os.link(own, path)
    except FileExistsError:
        return False
    return True


def _is_kept(name: str) -> RecordError:
    return RecordError(
        "a scenario is kept once under its name, so that none is lost", value=name, next_step="Choose another name."
    )


def _content(path: Path, folder: Path) -> bytes:
    """Raises ValueError for what is no file of a scenario's size, or a link that leads out of the folder."""
    if leaves(path, folder) or not path.is_file() or path.stat().st_size > MOST_BYTES:
        raise ValueError(path.name)
    return path.read_bytes()


def kept(
    name: str, pathway_name: str, *, ships: bool, setting: str, policy: str, pathway: Pathway, figures: pd.DataFrame
) -> KeptScenario:
    """A scenario as it is kept, from the page's setting on a pathway and `measures.table`.

    Raises RecordError for an unusable name.
    """
    rows = key_figures(pathway, figures)
    numbers = rows[["value", "low", "high"]].astype(object).where(rows[["value", "low", "high"]].notna(), None)
    said = " ".join(name.split())
    if not said or len(said) > LONGEST_NAME or not said.isprintable():
        raise RecordError(
            f"a scenario's name has 1 to {LONGEST_NAME} characters, all of which can be seen",
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
