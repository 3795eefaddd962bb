"""Constancy check: scores are held against the card under the name of their lesion type."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from derm_kit.errors import ModelError
from derm_kit.lesions import LesionType
from derm_kit.model import constancy
from derm_kit.model.card import Constancy

TYPES = (LesionType.MELANOMA, LesionType.DERMATOFIBROMA, LesionType.BENIGN_NAEVUS)
SCORES = {"phantom-a": (0.7, 0.2, 0.1), "phantom-b": (0.1, 0.2, 0.7)}


def compared(monkeypatch: pytest.MonkeyPatch, types: tuple[LesionType, ...], now: dict) -> constancy.ConstancyResult:
    """The check of a card whose phantoms were measured over TYPES, on a model that says `now` over `types`."""
    monkeypatch.setattr(constancy, "measure", lambda _: now)
    stored = Constancy(tolerance=0.01, types=TYPES, scores=SCORES)
    card = SimpleNamespace(name="model", types=types, constancy=stored)
    return constancy.compare(SimpleNamespace(card=card, device="cpu"))  # type: ignore[arg-type]


def test_scores_as_in_the_card_pass(monkeypatch: pytest.MonkeyPatch):
    found = compared(monkeypatch, TYPES, SCORES)
    assert found.passed
    assert found.largest == 0


def test_a_card_with_two_types_swapped_fails_though_every_number_is_the_same(monkeypatch: pytest.MonkeyPatch):
    found = compared(monkeypatch, TYPES[::-1], SCORES)
    assert not found.passed
    assert set(found.differences["lesion_type"]) == {"melanoma", "benign_naevus"}


def test_a_type_put_in_anothers_place_fails(monkeypatch: pytest.MonkeyPatch):
    found = compared(monkeypatch, (*TYPES[:2], LesionType.SOLAR_LENTIGO), SCORES)
    assert set(found.differences["lesion_type"]) == {"benign_naevus", "solar_lentigo"}
    assert len(found.differences) == 4


def test_a_shortened_list_of_types_fails(monkeypatch: pytest.MonkeyPatch):
    found = compared(monkeypatch, TYPES[:2], {case: row[:2] for case, row in SCORES.items()})
    assert set(found.differences["lesion_type"]) == {"benign_naevus"}


def test_other_phantoms_are_refused(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ModelError, match="another set of phantoms"):
        compared(monkeypatch, TYPES, {"phantom-a": SCORES["phantom-a"]})
