"""The wheel in an empty environment and an empty folder: it scores, opens its pages and brings its model along."""

from __future__ import annotations

import os
import re
import subprocess
import urllib.request
import zipfile
from pathlib import Path

import pytest

from derm_kit.cli.workbench import copy_notebooks
from derm_kit.errors import DermKitError
from derm_kit.model.card import default_model, load_card, share
from tests.environments import ROOT, Environment, beside_python, checkout, project
from tests.serving import free_port, wait_until_it_answers

PAGES = sorted(page.name for page in share("notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as it is built for a release."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        ["uv", "build", "--quiet", "--wheel", "--out-dir", str(folder), str(checkout(folder / "tree"))],
        check=True,
        env=os.environ | {"PATH": beside_python()},
    )
    (built,) = folder.glob("*.whl")
    return built


def test_it_holds_the_package_the_model_and_the_notebooks_and_nothing_else(wheel: Path):
    assert wheel.name.startswith(f"derm_kit-{project()['version']}-py3-none-any")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"derm_kit", f"derm_kit-{project()['version']}.dist-info"}
    inside = set(names)
    assert {f"derm_kit/_share/notebooks/{page}" for page in PAGES} <= inside
    model = {p.relative_to(ROOT).as_posix() for p in default_model().rglob("*") if p.is_file()}
    assert {f"derm_kit/_share/{name}" for name in model} <= inside
    sources = {p.relative_to(ROOT).as_posix() for p in (ROOT / "derm_kit").rglob("*") if p.is_file()}
    assert {name for name in sources if "__pycache__" not in name} <= inside


def test_in_an_empty_folder_it_scores_and_opens_its_pages(wheel: Path, tmp_path: Path):
    environment = Environment(tmp_path / "environment", ROOT / "binder" / "requirements.txt")
    environment.install("--no-deps", str(wheel))
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "Constancy check passed" in environment.run("derm-kit", "check", cwd=empty)
    environment.run("derm-kit", "phantoms", "pictures", "--each", "1", cwd=empty)
    assert "Cases scored: 11." in environment.run("derm-kit", "score", "pictures", "--out", "run", cwd=empty)
    said = environment.run("derm-kit", "workbench", "notebooks", cwd=empty)
    card = load_card(default_model())
    assert f"Model: {card.name} {card.version}" in said
    assert f"Notebooks copied to notebooks: {len(PAGES)}." in said
    assert sorted(page.name for page in (empty / "notebooks").iterdir()) == PAGES
    assert "a map by this method needs PyTorch" in environment.run(
        "python", "-c", "from derm_kit.model.explanation import find_method as f; f('occlusion')", cwd=empty, status=1
    )
    assert "torch none" in environment.run("derm-kit", "check", "--device", "cuda", cwd=empty, status=2)
    _opens(environment, empty)


def _opens(environment: Environment, folder: Path) -> None:
    """The pages are served, without one that waits ready."""
    port = free_port()
    server = subprocess.Popen(
        ["derm-kit", "workbench", "--no-browser", "--lean", "--port", str(port)],
        cwd=folder, env=environment.variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}", server)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=120) as page:
            assert page.url.endswith("/voila/render/00_start_here.ipynb")
            assert re.search(r"<title>.*</title>", page.read().decode(), re.DOTALL)
    finally:
        server.terminate()
        said, _ = server.communicate(timeout=30)
    assert str(environment.folder) in said.decode().replace("\n", ""), "pages and model are those that came along"


def test_a_notebook_that_was_changed_is_kept_and_named(tmp_path: Path):
    assert copy_notebooks(share("notebooks"), tmp_path) == (len(PAGES), [])
    assert copy_notebooks(share("notebooks"), tmp_path) == (0, [])
    (tmp_path / PAGES[1]).write_text("mine")
    (tmp_path / PAGES[0]).unlink()
    (tmp_path / PAGES[2]).unlink()
    (tmp_path / PAGES[2]).symlink_to(tmp_path / "elsewhere")
    assert copy_notebooks(share("notebooks"), tmp_path) == (1, PAGES[1:3])
    assert (tmp_path / PAGES[1]).read_text() == "mine"
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DermKitError, match=r"file: notebooks are copied to a folder.*Name another folder"):
        copy_notebooks(share("notebooks"), tmp_path / "file")
