"""score(): every case in the run or in rejects, the same files however often it is interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from derm_kit import Classifier, Cohort, read, read_run, score
from derm_kit.errors import RunError
from derm_kit.model import parts
from derm_kit.model.parts import Parts
from derm_kit.model.run import CASES_FILE, FEATURES_FILE, REJECTS_FILE, SCORE_COLUMNS, SCORES_FILE

FILES = (SCORES_FILE, CASES_FILE, FEATURES_FILE, REJECTS_FILE)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(device="cpu")


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    """Forty pictures, the seventh of which is no picture."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(5)
    for i in range(40):
        picture = cv2.GaussianBlur(rng.integers(0, 255, (256, 300, 3), np.uint8), (0, 0), 3)
        cv2.imwrite(str(folder / f"case{i:02d}.jpg"), picture)
    (folder / "case07.jpg").write_text("not a picture")
    return read(folder)


def contents(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in FILES}


def test_every_case_is_scored_or_rejected(cohort: Cohort, classifier: Classifier, tmp_path: Path):
    run = score(cohort, classifier, tmp_path / "run", batch_size=4, progress=False)
    rejects = pd.read_csv(tmp_path / "run" / REJECTS_FILE)
    assert set(run.scores["case_id"]) | set(rejects["case_id"]) == set(cohort.cases["case_id"]) | set(
        cohort.rejects["case_id"]
    )
    assert list(rejects["case_id"]) == ["case07"]
    trained = run.matrix[:, run.trained]
    np.testing.assert_allclose(trained.sum(axis=1), 1, atol=1e-5)
    assert run.scores["atypical_naevus"].isna().all()
    assert run.features is not None
    assert run.features.shape == (39, 1 + classifier.card.feature_components)
    assert run.features.dtypes.iloc[1] == np.float16


def test_scores_do_not_depend_on_batch_size_or_workers(cohort: Cohort, classifier: Classifier, tmp_path: Path):
    one = score(cohort, classifier, tmp_path / "one", batch_size=1, workers=1, progress=False)
    many = score(cohort, classifier, tmp_path / "many", batch_size=16, workers=3, progress=False)
    np.testing.assert_allclose(one.matrix, many.matrix, atol=1e-5)


def test_a_killed_run_continues_and_gives_the_same_files(
    cohort: Cohort, classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(parts, "BATCHES_PER_PART", 2)
    score(cohort, classifier, tmp_path / "whole", batch_size=2, progress=False)
    child = f"""
import time
from pathlib import Path
from derm_kit import Classifier, read, score
from derm_kit.model import parts
parts.BATCHES_PER_PART = 2
write = parts.Parts.write
def slow(self, part, table):
    write(self, part, table)
    print(part, flush=True)
    time.sleep(0.2)
parts.Parts.write = slow
score(read(Path({str(cohort.root)!r})), Classifier(device="cpu"), Path({str(tmp_path / "killed")!r}),
      batch_size=2, progress=False)
"""
    with subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(3):
            assert process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    assert not (tmp_path / "killed" / "run.json").exists()
    kept = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "killed" / ".parts").glob("*.parquet")}
    assert len(kept) >= 3
    written: list[str] = []
    write = Parts.write
    monkeypatch.setattr(
        Parts, "write", lambda self, part, table: (written.append(f"{part:06d}.parquet"), write(self, part, table))
    )
    score(cohort, classifier, tmp_path / "killed", batch_size=2, progress=False)
    assert written
    assert not set(written) & set(kept)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_a_finished_run_is_returned_and_not_scored_again(cohort: Cohort, classifier: Classifier, tmp_path: Path):
    score(cohort, classifier, tmp_path / "run", progress=False)
    before = contents(tmp_path / "run")
    written = {name: (tmp_path / "run" / name).stat().st_mtime_ns for name in FILES}
    again = score(cohort, classifier, tmp_path / "run", progress=False)
    assert contents(tmp_path / "run") == before
    assert len(again) == 39
    assert {name: (tmp_path / "run" / name).stat().st_mtime_ns for name in FILES} == written


def test_a_folder_of_another_run_is_refused_and_left_as_it_was(cohort: Cohort, classifier: Classifier, tmp_path: Path):
    score(cohort, classifier, tmp_path / "run", progress=False)
    before = contents(tmp_path / "run")
    with pytest.raises(RunError, match="cohort_sha256"):
        score(cohort.select(np.arange(len(cohort)) < 3), classifier, tmp_path / "run", progress=False)
    assert contents(tmp_path / "run") == before


def test_an_out_that_cannot_be_a_folder_is_a_plain_refusal(cohort: Cohort, classifier: Classifier, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="must be writable"):
        score(cohort, classifier, tmp_path / "file" / "run", progress=False)


def test_a_cohort_without_a_case_is_refused(cohort: Cohort, classifier: Classifier, tmp_path: Path):
    with pytest.raises(RunError, match="at least one case"):
        score(cohort.select(np.zeros(len(cohort), bool)), classifier, tmp_path / "run", progress=False)


def test_run_json_says_what_made_the_scores(cohort: Cohort, classifier: Classifier, tmp_path: Path):
    score(cohort, classifier, tmp_path / "run", progress=False)
    meta = json.loads((tmp_path / "run" / "run.json").read_text())
    assert meta["model_hash"] == classifier.card.model_hash
    assert (meta["n_cases"], meta["n_rejected"], meta["device"]) == (39, 1, "cpu")
    assert set(meta["trained_types"]) == set(SCORE_COLUMNS) - {"atypical_naevus"}


def test_an_unfinished_folder_is_not_a_run(tmp_path: Path):
    (tmp_path / "run").mkdir()
    with pytest.raises(RunError, match="finished run"):
        read_run(tmp_path / "run")
