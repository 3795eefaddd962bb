"""What commands are given: their shared arguments, and what stands in for one that is left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from derm_kit.errors import DermKitError

if TYPE_CHECKING:
    from derm_kit.cases.cohort import Cohort
    from derm_kit.model.run import ScoreRun
    from derm_kit.triage.policy import TriagePolicy

CohortPath = Annotated[
    str | None, typer.Argument(help="Folder, table, archive, picture or s3://… folder. Left out: the phantoms.")
]
RunPath = Annotated[
    Path | None, typer.Argument(help="Run folder, joined parquet or CSV of scores. Left out: the reference cohort.")
]
ModelFolder = Annotated[Path | None, typer.Option("--model", help="Model folder. Left out: the one that ships.")]
Rows = Annotated[int, typer.Option("--rows", min=0, help="How many cases to print; 0 prints all.")]


def read_cohort(path: str | None, table: Path | None) -> Cohort:
    """The cohort named, or the demo phantoms."""
    from derm_kit.cases.phantom import demo_cohort
    from derm_kit.cases.sources import read

    return demo_cohort() if path is None else read(path, table=table)


def read_run(path: Path | None) -> ScoreRun:
    """The run named, or the reference cohort of the model that ships."""
    from derm_kit.model.card import default_model
    from derm_kit.model.reference import REFERENCE_FILE
    from derm_kit.model.run import read_run as read

    return read(default_model() / REFERENCE_FILE if path is None else path)


def default_policy(model: Path | None) -> TriagePolicy:
    """The default policy of the model named, or of the one that ships."""
    from derm_kit.model.card import default_model, load_card
    from derm_kit.triage.policy import TriagePolicy

    return TriagePolicy.from_card(load_card(model or default_model()))


def require_new(out: Path | None) -> None:
    """Refuse to write over a file, the run itself among them, before anything is computed."""
    if out is not None and (out.exists() or out.is_symlink()):
        raise DermKitError(
            "results are written to a new file, so that none is lost; this one exists",
            case=str(out),
            next_step="Name a file that does not exist.",
        )


def require_new_folder(out: Path | None) -> None:
    """Refuse to write over results, before anything is computed."""
    if out is not None and (out.is_symlink() or (out.exists() and (not out.is_dir() or any(out.iterdir())))):
        raise DermKitError(
            "results are written to a new or empty folder, so that none is lost",
            case=str(out),
            next_step="Name a folder that does not exist.",
        )


@contextmanager
def results_in(out: Path) -> Iterator[None]:
    """Make the folder `out`, for what is written inside. Raises DermKitError where either cannot be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise DermKitError(
            "the folder of results must be writable",
            case=str(out),
            value=error.strerror,
            next_step="Name another folder.",
        ) from None
