"""The laws of the house that can be tested from outside."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import derm_kit

PUBLIC = {
    "LESION_TYPES", "Classifier", "Cohort", "Decisions", "DermKitError", "LesionType", "ModelCard", "Outcomes",
    "Pathway", "ScoreRun", "TriagePolicy", "decide", "demo_cohort", "read", "read_run", "score", "simulate",
}  # fmt: skip


def test_public_names_are_the_listed_ones_and_resolve():
    assert set(derm_kit.__all__) == PUBLIC == set(dir(derm_kit))
    for name in PUBLIC:
        assert getattr(derm_kit, name) is not None


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
