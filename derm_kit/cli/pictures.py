"""derm-kit cohort, phantoms and fetch-isic: pictures before a model sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from derm_kit.cli.console import console
from derm_kit.cli.inputs import CohortPath, read_cohort
from derm_kit.errors import printable

LONGEST_LINE = 1_000


def cohort(
    path: CohortPath = None,
    table: Annotated[Path | None, typer.Option()] = None,
    ignored: Annotated[bool, typer.Option("--ignored", help="Name every file that is passed over.")] = False,
) -> None:
    """Say what a cohort's pictures and table were understood to mean, and what was not understood."""
    found = read_cohort(path, table)
    for line in (*found.describe(), *(found.ignored if ignored else ())):
        console.print(escape(printable(line, LONGEST_LINE)))


def phantoms(
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    each: Annotated[int, typer.Option(min=1, max=10_000, help="Phantoms a lesion type.")] = 6,
    first_seed: Annotated[int, typer.Option(min=0, help="Seeds from here on; the demo cohort has 0 to 5.")] = 5_000,
) -> None:
    """Draw phantoms, test objects with known truth, with their masks and a table."""
    from derm_kit.cases.phantom import write_phantoms
    from derm_kit.errors import CohortError
    from derm_kit.lesions import LESION_TYPES

    try:
        write_phantoms(folder, [(t, first_seed + i, None) for t in LESION_TYPES for i in range(each)])
    except OSError as error:
        raise CohortError(
            f"phantoms are drawn into a new folder that can be written ({error.strerror})",
            case=str(folder),
            next_step="Name another folder.",
        ) from None
    console.print(f"{each * len(LESION_TYPES)} phantoms in {escape(str(folder))}. They are test objects, not patients.")


def fetch_isic(
    reference: Annotated[bool, typer.Option("--reference", help="Pictures of the reference cases.")] = False,
    search: Annotated[str, typer.Option(help="Pictures of a search in the archive's own words.")] = "",
    n: Annotated[int, typer.Option("--n", min=1, help="How many pictures at most.")] = 60,
    out: Annotated[Path | None, typer.Option(help="Folder to fill. Left out: derm-kit's own.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before the download.")] = False,
) -> None:
    """Bring real pictures from the ISIC Archive, with attribution; number, size and licences are said first."""
    from tqdm.auto import tqdm

    from derm_kit.cases import isic
    from derm_kit.cases.pictures import fetched_folder
    from derm_kit.model.reference import reference_cases

    if reference == bool(search):
        raise typer.BadParameter("say either --reference or --search WORDS")
    found = isic.find_by_search(search, n) if search else isic.find_by_id([case.case_id for case in reference_cases(n)])
    folder = out or fetched_folder()
    console.print(f"{found.sentence} They go to {escape(str(folder))}; each keeps its own licence.")
    if not found.records or not (yes or typer.confirm("Fetch them?")):
        raise typer.Exit(0 if found.records else 1)
    with tqdm(total=len(found.records), unit="picture", desc="Fetching", disable=None) as bar:
        isic.download(found, folder, advance=lambda k: bar.update(k) and None)
    console.print(f"Fetched {len(found.records)} pictures to {escape(str(folder))}, attribution in attribution.txt.")
