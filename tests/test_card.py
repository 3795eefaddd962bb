"""The card: weights never travel without their meaning, and another file is never taken for them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from derm_kit.errors import ModelError
from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType
from derm_kit.model.card import (
    CARD_FILE,
    HASHED_FILES,
    ONNX_FILE,
    SELF_HASH,
    WEIGHTS_FILE,
    MapSanity,
    default_model,
    load_card,
    write_card,
)
from tests.cards import edit_card

MEGABYTE = 1024 * 1024


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the model that ships."""
    return Path(shutil.copytree(default_model(), tmp_path / "derm11"))


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
    edit_card(model, lambda card: card["files_sha256"].update({"../secret": "0" * 64}))
    with pytest.raises(ModelError, match="own folder"):
        load_card(model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(temperature=0), "temperature"),
        (lambda c: c["types"].append("wart"), "types"),
        (lambda c: c["types"].append("melanoma"), "twice"),
        (lambda c: c["types"].__setitem__(slice(None), [c["types"][-1], *c["types"][1:-1], c["types"][0]]), "order of"),
        (lambda c: c.update(temperature=float("nan")), "NaN is no number"),
        (lambda c: c["preprocessing"].update(std=float("inf")), "Infinity is no number"),
        (lambda c: c["constancy"]["types"].pop(), "10 scores for 9 types"),
        (lambda c: c["operating_points"].update(atypical_naevus=c["operating_points"]["melanoma"]), "untrained"),
        *((lambda c, name=name: c["files_sha256"].pop(name), name) for name in HASHED_FILES),
        (lambda c: c.update(surprise=1), "surprise"),
        (lambda c: c.update({"x" * 20_000: 1}), r"card\.json: the card is not valid at x{119}…"),
        (lambda c: c.pop("licence"), "licence"),
    ],
)
def test_an_invalid_card_is_refused_with_its_field(model: Path, change, message: str):
    edit_card(model, change)
    with pytest.raises(ModelError, match=message):
        load_card(model)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["types"].pop(),
        lambda c: c.update(temperature=c["temperature"] * 2),
        lambda c: c["operating_points"]["melanoma"].update(threshold=0.9),
        lambda c: c["operating_characteristics"][0].update(caught=228),
        lambda c: c.update(not_for="Nothing."),
        lambda c: c.pop(SELF_HASH),
        lambda c: c.update({SELF_HASH: None}),
    ],
)
def test_a_card_edited_by_hand_is_refused_with_what_to_do(model: Path, change):
    edit_card(model, change, sealed=False)
    with pytest.raises(ModelError, match=f"{SELF_HASH}.*never edited by hand"):
        load_card(model)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{", b"\xff\xfe"])
def test_a_card_that_is_no_card_is_refused(model: Path, content: bytes):
    (model / CARD_FILE).write_bytes(content)
    with pytest.raises(ModelError, match="never edited by hand"):
        load_card(model)


def test_a_card_written_again_says_the_same(model: Path):
    card = load_card(model)
    before = (model / CARD_FILE).read_bytes()
    write_card(card, model)
    assert (model / CARD_FILE).read_bytes() == before
    assert load_card(model) == card


def test_what_decides_the_scores_decides_their_hash(model: Path):
    card = load_card(model)
    for changed in (
        {"temperature": card.temperature + 1e-9},
        {"types": card.types[:-1]},
        {"preprocessing": card.preprocessing.model_copy(update={"mean": 0.0})},
        {"files_sha256": card.files_sha256 | {ONNX_FILE: "0" * 64}},
    ):
        assert card.model_copy(update=changed).scoring_sha256 != card.scoring_sha256
    for kept in ({"operating_characteristics": ()}, {"released": "2000-01-01"}):
        assert card.model_copy(update=kept).scoring_sha256 == card.scoring_sha256


@pytest.mark.parametrize(
    ("flat", "correlation", "words"),
    [
        (10, None, "10 of 10 maps mark nothing. So the maps depend on what it learnt."),
        (4, 0.21, "4 of 10 maps mark nothing; the other 6 agree 0.21 with these (1 is full). So the maps depend on"),
        (0, 0.83, "the maps hardly depend on what it learnt: do not rely on them."),
    ],
)
def test_the_check_of_maps_by_random_layers_says_what_it_found(flat, correlation, words):
    check = MapSanity(method="m", random_down_to="blocks.1", n=10, flat=flat, correlation=correlation)
    assert words in check.sentence
