"""models/explain.py on a small cohort with masks: its table, its section of the card, the check by random layers."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

from derm_kit.cases.phantom import write_phantoms
from derm_kit.lesions import LesionType
from derm_kit.model.card import default_model, load_card

MODELS = Path(__file__).parents[1] / "models"
sys.path.insert(0, str(MODELS))
import explain  # noqa: E402


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model that ships, its maps measured on four phantoms called reference cases."""
    folder = tmp_path_factory.mktemp("explain")
    kinds = (LesionType.MELANOMA, LesionType.BASAL_CELL_CARCINOMA, LesionType.DERMATOFIBROMA, LesionType.BENIGN_NAEVUS)
    write_phantoms(folder / "data", [(t, 8_000, None) for t in kinds])
    table = folder / "data" / "metadata.csv"
    pd.read_csv(table).assign(split="reference").to_csv(table, index=False)
    shutil.copytree(default_model(), folder / "model")
    argv = sys.argv
    sys.argv = ["explain.py", str(folder / "data"), "--model", str(folder / "model"), "--cases", "4",
                "--methods", "grad_cam_one_pass,places_that_matter"]  # fmt: skip
    try:
        explain.main()
    finally:
        sys.argv = argv
    return folder / "model"


def test_figures_of_each_method_lie_in_their_range(explained: Path):
    table = pd.read_csv(explained / "explanations.csv").set_index(["method", "metric"])
    assert set(table["weights_hash"]) == {load_card(explained).model_hash}
    for method in ("grad_cam_one_pass", "places_that_matter"):
        figures = table.loc[method]
        assert set(figures["n"]) == {4}
        assert figures.loc[["pointing", "explains", "energy", "area"], "value"].between(0, 1).all()
        assert figures.loc["ms_a_case", "value"] > 0
    assert table.loc[("grad_cam_one_pass", "agreement"), "value"] == pytest.approx(1)
    assert table.loc[("grad_cam_one_pass", "energy"), "value"] > table.loc[("grad_cam_one_pass", "area"), "value"]


def test_maps_depend_on_what_was_learnt(explained: Path):
    """Adebayo 2018: with every layer random, maps mark nothing or bear no likeness to those of the trained network."""
    checks = load_card(explained).map_sanity
    assert [c.random_down_to for c in checks] == list(explain.LAST_TO_FIRST)
    last = checks[-1]
    assert last.flat == last.n or abs(last.correlation) < 0.5


def test_the_card_holds_both_in_words(explained: Path):
    text = (explained / "MODEL_CARD.md").read_text("utf-8")
    section = text.split("## Maps")[1].split("## Limits")[0]
    assert "| Grad-CAM in one pass | 4 |" in section
    assert f"| {explain.LAST_TO_FIRST[-1]} |" in section
    assert json.loads((explained / "card.json").read_text())["map_sanity"]
