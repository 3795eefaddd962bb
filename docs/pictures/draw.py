"""Draw the pictures of the guides: python docs/pictures/draw.py. Phantoms only; no patient's picture goes in here."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from derm_kit.cases.phantom import draw
from derm_kit.lesions import LESION_TYPES

TILE_PX = 176
COLUMNS = 6


def main() -> None:
    """One phantom of each lesion type with its name, as phantoms.png."""
    tiles = []
    for i, t in enumerate(LESION_TYPES):
        picture = cv2.resize(draw(t, 3, skin_tone=5 - i % 6).image, (TILE_PX, TILE_PX), interpolation=cv2.INTER_AREA)
        label = np.full((26, TILE_PX, 3), 255, np.uint8)
        cv2.putText(label, t.label, (4, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA)
        tiles.append(np.vstack([label, picture]))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % COLUMNS)
    sheet = np.vstack([np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)])
    cv2.imwrite(str(Path(__file__).with_name("phantoms.png")), sheet[..., ::-1])


if __name__ == "__main__":
    main()
