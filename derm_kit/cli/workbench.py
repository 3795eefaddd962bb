"""`derm-kit workbench`: opens the pages of an installed derm-kit, or copies its notebooks for those who read code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from derm_kit.cli.console import console, plain
from derm_kit.errors import DermKitError


def workbench(
    folder: Annotated[
        Path | None, typer.Argument(help="Copy the notebooks into this folder. Left out: open the pages in a browser.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Port; 8866.")] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
    lean: Annotated[bool, typer.Option("--lean", help="No page waits ready: less memory, slower to open.")] = False,
) -> None:
    """Open the workbench that is installed, or copy its notebooks into a folder. The model comes along."""
    from derm_kit.model.card import default_model, load_card, share

    card = load_card(default_model())
    console.print(f"Model: {plain(card.name)} {plain(card.version)}, in {plain(default_model())}", soft_wrap=True)
    pages = share("notebooks")
    if folder is None:
        from derm_kit.cli.cluster import scoring_for_pages
        from derm_kit.serve import PORT, serve

        console.print(f"Pages: {plain(pages)}", soft_wrap=True)
        with scoring_for_pages(None):
            serve(port or PORT, open_browser=browser, lean=lean, ready=console.print)
        return
    copied, changed = copy_notebooks(pages, folder)
    console.print(f"Notebooks copied to {plain(folder)}: {copied}. Next: jupyter lab {plain(folder)}", soft_wrap=True)
    for name in changed:
        console.print(f"Kept as it is, since it was changed there: {plain(folder / name)}", soft_wrap=True)


def copy_notebooks(pages: Path, folder: Path) -> tuple[int, list[str]]:
    """Copy the notebooks of `pages` into `folder`: how many were copied, and which stand there changed and were kept.

    Raises DermKitError where the folder cannot be written to.
    """
    copied, changed = 0, []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for page in sorted(pages.glob("*.ipynb")):
            target = folder / page.name
            if not target.exists() and not target.is_symlink():
                with target.open("xb") as file:
                    file.write(page.read_bytes())
                copied += 1
            elif not target.is_file() or target.read_bytes() != page.read_bytes():
                changed.append(page.name)
    except OSError as error:
        raise DermKitError(
            f"notebooks are copied to a folder that can be written to ({error.strerror})",
            case=str(folder),
            next_step="Name another folder.",
        ) from None
    return copied, changed
