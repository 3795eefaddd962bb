"""Cards that tests change by hand, with or without the hash that proves them unchanged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from derm_kit.model.card import CARD_FILE, SELF_HASH, _hash_of


def edit_card(model: Path, change: Callable[[dict[str, Any]], object], *, sealed: bool = True) -> None:
    """Change card.json in `model`; `sealed` writes the hash of what it now says, as a forger would."""
    card = json.loads((model / CARD_FILE).read_text("utf-8"))
    change(card)
    if sealed:
        card[SELF_HASH] = _hash_of({name: value for name, value in card.items() if name != SELF_HASH})
    (model / CARD_FILE).write_text(json.dumps(card), "utf-8")
