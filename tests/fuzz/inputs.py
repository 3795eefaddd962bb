"""Inputs by kind: sound files made in code, then changed. A maker writes into a folder and says what it made.

Everything beside that folder is a secret: files of every kind that hold TOKEN, which links and paths try to reach.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from derm_kit.lesions import LESION_TYPES
from derm_kit.model.run import CASE_COLUMNS, SCORE_COLUMNS
from tests.fuzz import pictures
from tests.fuzz.documents import (
    CHANGES,
    alarm,
    card,
    case_mix,
    hazards,
    pathway,
    phone,
    policy,
    proposal,
    scenarios,
    signed_policy,
    template,
    tests_run,
)
from tests.fuzz.files import link, written
from tests.fuzz.mutations import bytes_changed, json_changed, table_changed
from tests.fuzz.nasty import NASTY
from tests.fuzz.tables import FEED_CASES, FEED_OUTCOMES, METADATA, SCORES, parquet_changed


def picture(rng: Random, folder: Path, changes: int = CHANGES) -> str:
    """One picture of JPEG, PNG, TIFF, WebP or BMP."""
    return written(folder, "picture.jpg", pictures.changed(rng, changes != 0, dicom=False))


def dicom(rng: Random, folder: Path, changes: int = CHANGES) -> str:
    """One DICOM file."""
    return written(folder, "picture.dcm", pictures.changed(rng, changes != 0, dicom=True))


def cohort(rng: Random, folder: Path, changes: int = CHANGES) -> str:
    """A folder of pictures with a table, with odd names and links."""
    (folder / "images").mkdir()
    kinds = pictures.small_seeds()
    for i in range(4):
        data = rng.choice(kinds)
        (folder / "images" / f"IM{i}.jpg").write_bytes(data if rng.random() < 0.7 else bytes_changed(rng, data))
    if not changes:
        (folder / "metadata.csv").write_text("\n".join(",".join(row) for row in METADATA) + "\n")
        return "plain"
    if rng.random() < 0.9:
        name = rng.choice(("metadata.csv", "metadata.csv", "table.csv", "table.tsv", "METADATA.CSV"))
        (folder / name).write_bytes(table_changed(rng, METADATA))
    if rng.random() < 0.2:
        (folder / "second.csv").write_bytes(table_changed(rng, METADATA))
    for _ in range(rng.randrange(3)):
        _odd_file(rng, folder)
    if rng.random() < 0.5:
        link(rng, folder)
    return "folder"


def _odd_file(rng: Random, folder: Path) -> None:
    """A file or folder whose name, depth or content is odd."""
    name = rng.choice(
        (*NASTY, "C:", "a\\b.jpg", ".hidden.jpg", "x.JPG", "nul.jpg", "Ünï.jpg", "IM1.png", "IM1.dcm", "a.heic")
    )
    name = name.replace("/", "_").replace("\x00", "_")[:60].strip(".") or "_"
    place = folder
    if rng.random() < 0.2:
        for _ in range(rng.choice((3, 40))):
            place /= "d"
        place.mkdir(parents=True, exist_ok=True)
    path = place / (name.encode(errors="replace").decode() + rng.choice(("", ".jpg", ".csv")))
    try:
        if rng.random() < 0.2:
            path.mkdir()
        elif not path.exists():
            path.write_bytes(rng.choice((b"", b"case_id\n1\n", pictures.seeds()["JPEG"], b"\x00" * 300)))
    except OSError:
        pass  # a name that this file system does not take


def run(rng: Random, folder: Path, changes: int = CHANGES) -> str:
    """A CSV or parquet of scores, or a run folder."""
    way = rng.randrange(4)
    if way == 0 or not changes:
        rows = table_changed(rng, SCORES) if changes else ("\n".join(",".join(r) for r in SCORES) + "\n").encode()
        return written(folder, "scores.csv", rows)
    table = pd.DataFrame(SCORES[1:], columns=SCORES[0])
    for kind in (t.value for t in LESION_TYPES):
        table[kind] = pd.to_numeric(table[kind], errors="coerce").astype("float32")
    if way < 3:
        meta = (
            json_changed(rng, {"trained_types": ["melanoma"], "model_hash": "ab" * 32}) if rng.random() < 0.3 else b"{}"
        )
        return written(folder, "scores.parquet", parquet_changed(rng, table, {b"derm_kit": meta}))
    about = {"trained_types": [t.value for t in LESION_TYPES], "model_hash": "ab" * 32, "scoring_sha256": "cd" * 32}
    (folder / "run.json").write_bytes(json_changed(rng, about) if rng.random() < 0.5 else json.dumps(about).encode())
    cases = pd.DataFrame({name: table.get(name, pd.Series([""] * len(table), dtype="str")) for name in CASE_COLUMNS})
    cases["quality_fail"] = False
    for name, part in (
        ("scores", table[list(SCORE_COLUMNS) if "case_id" in SCORE_COLUMNS else ["case_id", *SCORE_COLUMNS]]),
        ("cases", cases),
    ):
        plain = _parquet(pa.Table.from_pandas(part, preserve_index=False))
        (folder / f"{name}.parquet").write_bytes(parquet_changed(rng, part, {}) if rng.random() < 0.4 else plain)
    if rng.random() < 0.4:
        link(rng, folder)
    return "run folder"


def _parquet(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def feed(rng: Random, folder: Path, changes: int = CHANGES) -> str:
    """A feed's folder with deliveries as CSV and parquet, and what it says of itself."""
    for name, rows in (("cases", FEED_CASES), ("outcomes", FEED_OUTCOMES)):
        (folder / name).mkdir()
        plain = ("\n".join(",".join(row) for row in rows) + "\n").encode()
        table = pd.DataFrame(rows[1:], columns=rows[0])
        for i in range(1 if not changes else rng.choice((1, 1, 2))):
            if not changes or rng.random() < 0.2:
                (folder / name / f"{i}.csv").write_bytes(plain)
            elif rng.random() < 0.5:
                (folder / name / f"{i}.csv").write_bytes(table_changed(rng, rows))
            else:
                (folder / name / f"{i}.parquet").write_bytes(parquet_changed(rng, table, {}))
    if changes and rng.random() < 0.2:
        said = {
            "remarks": [{"sentence": "simulated", "count": 3, "examples": ["a"]}],
            "as_of": "2026-05-01T00:00:00+00:00",
        }
        (folder / "feed.json").write_bytes(json_changed(rng, said))
    if changes and rng.random() < 0.2:
        (folder / "features").mkdir()
        table = pd.DataFrame({"case_id": ["a1", "a2"]} | {f"component_{i:02d}": [0.5, 1.5] for i in range(64)})
        (folder / "features" / "f.parquet").write_bytes(parquet_changed(rng, table, {}))
    if changes and rng.random() < 0.3:
        link(rng, folder)
    return "feed"


MAKERS: dict[str, Callable[..., str]] = {
    one.__name__: one
    for one in (
        picture,
        dicom,
        cohort,
        run,
        feed,
        policy,
        card,
        pathway,
        hazards,
        scenarios,
        case_mix,
        signed_policy,
        proposal,
        alarm,
        template,
        tests_run,
        phone,
    )
}
WEIGHTS = {
    "picture": 5,
    "dicom": 4,
    "cohort": 4,
    "run": 4,
    "feed": 4,
    "policy": 3,
    "card": 2,
    "pathway": 4,
    "hazards": 3,
    "scenarios": 2,
    "case_mix": 1,
    "signed_policy": 1,
    "proposal": 1,
    "alarm": 1,
    "template": 2,
    "tests_run": 1,
    "phone": 1,
}
"""How often each kind is drawn."""
