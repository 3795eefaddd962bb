"""The card: weights never travel without their meaning, and another file is never taken for them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from derm_kit.errors import ModelError
from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType
from derm_kit.model.card import CARD_FILE, ONNX_FILE, WEIGHTS_FILE, default_model, load_card

MEGABYTE = 1024 * 1024


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the model that ships."""
    return Path(shutil.copytree(default_model(), tmp_path / "derm11"))


def edit(model: Path, change) -> None:
    card = json.loads((model / CARD_FILE).read_text())
    change(card)
    (model / CARD_FILE).write_text(json.dumps(card))


def test_the_shipped_card_holds_together_and_names_what_is_untrained():
    card = load_card(default_model())
    assert card.untrained == (LesionType.ATYPICAL_NAEVUS,)
    assert set(card.types) | set(card.untrained) == set(LESION_TYPES)
    assert set(card.operating_points) == set(FLAGGED) - set(card.untrained)
    assert len(card.constancy.scores) == 66
    assert {c.source for c in card.operating_characteristics} >= {"all", "ham10000", "milk10k"}
    assert "non-commercial" in card.licence
    assert "Not a medical device" in card.not_for


def test_every_operating_point_says_that_it_holds_no_guarantee():
    for point in load_card(default_model()).operating_points.values():
        assert point.guarantee.startswith(f"no guarantee: n = {point.n_positive}")
        assert point.low <= point.sensitivity <= point.high
        assert point.sensitivity >= point.target_sensitivity


def test_no_shipped_file_is_larger_than_25_megabytes():
    assert all(f.stat().st_size <= 25 * MEGABYTE for f in default_model().iterdir())


@pytest.mark.parametrize("name", [WEIGHTS_FILE, ONNX_FILE])
def test_one_changed_byte_refuses_to_load(model: Path, name: str):
    content = bytearray((model / name).read_bytes())
    content[len(content) // 2] ^= 1
    (model / name).write_bytes(content)
    with pytest.raises(ModelError, match=f"{name}.*SHA-256"):
        load_card(model)


def test_a_missing_file_and_a_missing_card_are_named(model: Path, tmp_path: Path):
    (model / ONNX_FILE).unlink()
    with pytest.raises(ModelError, match=ONNX_FILE):
        load_card(model)
    with pytest.raises(ModelError, match=CARD_FILE):
        load_card(tmp_path)


def test_a_card_may_not_reach_outside_its_folder(model: Path):
    edit(model, lambda card: card["files_sha256"].update({"../secret": "0" * 64}))
    with pytest.raises(ModelError, match="own folder"):
        load_card(model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(temperature=0), "temperature"),
        (lambda c: c["types"].append("wart"), "types"),
        (lambda c: c["types"].append("melanoma"), "twice"),
        (lambda c: c["operating_points"].update(atypical_naevus=c["operating_points"]["melanoma"]), "untrained"),
        (lambda c: c["files_sha256"].pop(WEIGHTS_FILE), WEIGHTS_FILE),
        (lambda c: c.update(surprise=1), "surprise"),
        (lambda c: c.pop("licence"), "licence"),
    ],
)
def test_an_invalid_card_is_refused_with_its_field(model: Path, change, message: str):
    edit(model, change)
    with pytest.raises(ModelError, match=message):
        load_card(model)
