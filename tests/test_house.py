"""The laws of the house that can be tested from outside."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import derm_kit
from tests.public_api import lines

ROOT = Path(__file__).parents[1]
LONGEST_MODULE, LONGEST_NOTEBOOK = 300, 40
LONGER = {"derm_kit/pathway/engine.py"}
"""Modules that docs/developer.md gives a reason for."""


def test_public_names_and_what_they_take_are_the_listed_ones():
    listed = (ROOT / "tests" / "reference" / "public_api.txt").read_text().splitlines()
    assert list(lines()) == listed, "a change that is meant: see tests/public_api.py, and say it in CHANGELOG.md"
    assert set(derm_kit.__all__) == set(dir(derm_kit))


def test_a_module_is_short_or_the_page_for_developers_says_why_not():
    long = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "derm_kit").rglob("*.py")
        if len(path.read_text().splitlines()) > LONGEST_MODULE
    }
    assert long == LONGER
    said = (ROOT / "docs" / "developer.md").read_text()
    assert [name for name in LONGER if name.removeprefix("derm_kit/") not in said] == []


def test_a_notebook_has_few_lines_of_code():
    long = {}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
        long[path.name] = sum(1 for line in code.splitlines() if line.strip())
    assert long
    assert {name: n for name, n in long.items() if n > LONGEST_NOTEBOOK} == {}


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = derm_kit.nothing_here


def test_scoring_on_a_cpu_leaves_torch_unloaded(tmp_path: Path):
    code = """
import sys
from pathlib import Path
import numpy as np, cv2
from derm_kit import Classifier, TriagePolicy, decide, read, score
folder = Path(sys.argv[1]) / "pictures"
folder.mkdir()
cv2.imwrite(str(folder / "one.png"), np.full((256, 256, 3), 150, np.uint8))
classifier = Classifier(device="cpu")
run = score(read(folder), classifier, Path(sys.argv[1]) / "run", progress=False)
assert len(decide(run, TriagePolicy.from_card(classifier.card))) == 1
loaded = [m for m in ("torch", "torchvision", "timm", "captum", "matplotlib", "sklearn") if m in sys.modules]
sys.exit(f"loaded: {loaded}" if loaded else 0)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "notebook", sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem
)
def test_a_notebook_names_its_tab_and_holds_little_code(notebook: Path):
    held = json.loads(notebook.read_text("utf-8"))
    assert held["metadata"]["title"].endswith(" · derm-kit")
    lines = [line for cell in held["cells"] if cell["cell_type"] == "code" for line in cell["source"] if line.strip()]
    assert len(lines) <= 40
