"""Writing an input, links that lead out of it, and what lies beyond it."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz import pictures
from tests.fuzz.limits import TOKEN
from tests.fuzz.tables import SCORES


def put_secrets(base: Path) -> None:
    """What no input may reach, beside the folder of the input."""
    rows = [SCORES[0], [TOKEN, *SCORES[1][1:]]]
    text = "\n".join(",".join(row) for row in rows) + "\n"
    (base / "secret.csv").write_text(text)
    (base / "secret.jpg").write_bytes(pictures.seeds()["JPEG"])
    (base / "secret.json").write_text(json.dumps({"name": TOKEN}))
    pq.write_table(pa.Table.from_pandas(pd.read_csv(base / "secret.csv")), base / "secret.parquet")
    (base / "secret_folder").mkdir()
    (base / "secret_folder" / f"{TOKEN}.jpg").write_bytes(pictures.seeds()["JPEG"])
    (base / "secret_folder" / "run.json").write_text(json.dumps({"name": TOKEN}))


def link(rng: Random, folder: Path) -> None:
    """A link somewhere in the folder that leads out of it, to itself or to a device."""
    places = [folder, *(path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())]
    place = rng.choice(places)
    names = [path.name for path in place.iterdir()]
    path = place / rng.choice(
        (*names, "link.csv", "link.jpg", "link.parquet", "metadata.csv", "run", "feed.json", "IM1.jpg")
    )
    base = folder.parent
    target = rng.choice(
        (
            *(base / f"secret{end}" for end in (".csv", ".jpg", ".json", ".parquet", "_folder")),
            Path("../secret.csv"),
            Path("../../secret.csv"),
            Path("../../secret_folder"),
            Path("/etc/passwd"),
            Path("/dev/zero"),
            Path("/"),
            path,
            Path(),
        )
    )
    if path.is_symlink() or path.is_file():
        path.unlink()
    if not path.exists():
        path.symlink_to(target)


def written(folder: Path, name: str, data: bytes) -> str:
    (folder / name).write_bytes(data)
    return name
