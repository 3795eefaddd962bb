"""score(): every case in the run or in rejects, the same files however often it is interrupted."""

from __future__ import annotations

import errno
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from derm_kit import Classifier, Cohort, read, read_run, score
from derm_kit.cases.cohort import complete, reject_table
from derm_kit.errors import RunError
from derm_kit.model import parts
from derm_kit.model.batches import Batch, Cases, Pool, score_batches
from derm_kit.model.card import ModelCard
from derm_kit.model.identity import differences, identity
from derm_kit.model.parts import PARTS_FOLDER, Parts
from derm_kit.model.run import CASES_FILE, FEATURES_FILE, REJECTS_FILE, RUN_FILE, SCORE_COLUMNS, SCORES_FILE
from derm_kit.model.scoring import may_be_continued
from tests.slow_parts import SLOW_PARTS

FILES = (SCORES_FILE, CASES_FILE, FEATURES_FILE, REJECTS_FILE)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(device="cpu")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty pictures, the seventh of which is no picture; to copy and never to write to."""
    folder = tmp_path_factory.mktemp("forty") / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(5)
    for i in range(40):
        picture = cv2.GaussianBlur(rng.integers(0, 255, (256, 300, 3), np.uint8), (0, 0), 3)
        cv2.imwrite(str(folder / f"case{i:02d}.jpg"), picture)
    (folder / "case07.jpg").write_text("not a picture")
    return folder


@pytest.fixture
def cohort(pictures: Path, tmp_path: Path) -> Cohort:
    """The forty pictures in a folder of the test's own."""
    return read(shutil.copytree(pictures, tmp_path / "pictures"))


@pytest.fixture(scope="module")
def forty(pictures: Path) -> Cohort:
    """The forty pictures where they lie, for tests that leave them as they are."""
    return read(pictures)


@pytest.fixture(scope="module")
def stopped_once(forty: Cohort, classifier: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in parts of four cases that was stopped when all its parts were written; to copy and never to write to."""
    out = tmp_path_factory.mktemp("once") / "stopped"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(parts, "BATCHES_PER_PART", 2)
        patch.setattr(Parts, "finish", stop)
        score(forty, classifier, out, batch_size=2, progress=False)
    return out


@pytest.fixture
def stopped(stopped_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That run, of `forty`, in a folder of the test's own."""
    monkeypatch.setattr(parts, "BATCHES_PER_PART", 2)
    return shutil.copytree(stopped_once, tmp_path / "stopped")


def stop(*_: object) -> None:
    raise KeyboardInterrupt


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


@dataclass
class Elsewhere:
    """Four threads that take jobs of eight batches, as the workers of a cluster do, and how long each job was."""

    classifier: Classifier
    executor: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4))
    jobs: list[int] = field(default_factory=list)
    batches_a_job: int = 8
    ahead: int = 12

    @property
    def card(self) -> ModelCard:
        return self.classifier.card

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        return self.classifier.device

    @contextmanager
    def pool(self) -> Iterator[Pool]:
        with self.executor:
            yield self

    def submit(self, job: list[Cases]) -> Future[list[Batch]]:
        self.jobs.append(len(job))
        return self.executor.submit(score_batches, job, self.classifier)

    def result(self, future: Future[list[Batch]]) -> list[Batch]:
        return future.result()


def test_jobs_grow_short_towards_the_end_so_that_nobody_waits_for_the_last(classifier: Classifier, tmp_path: Path):
    names = pd.Series([f"case{i:04d}" for i in range(1_003)])
    cases = complete(pd.DataFrame({"case_id": names, "image": names + ".jpg"}))
    missing = Cohort("missing", cases, reject_table(), (), tmp_path)
    others = Elsewhere(classifier)
    run = score(missing, others, tmp_path / "run", batch_size=4, progress=False)
    assert len(run) == 0
    assert list(pd.read_csv(tmp_path / "run" / REJECTS_FILE)["case_id"]) == list(names)
    assert sum(others.jobs) == 251  # the last of them of three cases
    assert others.jobs[0] == others.batches_a_job
    assert others.jobs[-others.ahead :] == [1] * others.ahead


def test_a_killed_run_continues_and_gives_the_same_files(
    cohort: Cohort, classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(parts, "BATCHES_PER_PART", 2)
    score(cohort, classifier, tmp_path / "whole", batch_size=2, progress=False)
    child = f"""
from pathlib import Path
from derm_kit import Classifier, read, score
{SLOW_PARTS}
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
    with pytest.raises(RunError, match=r"the list of cases.*another --out"):
        score(cohort.select(np.arange(len(cohort)) < 3), classifier, tmp_path / "run", progress=False)
    assert contents(tmp_path / "run") == before


def test_an_out_that_cannot_be_a_folder_is_a_plain_refusal(cohort: Cohort, classifier: Classifier, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="must be writable"):
        score(cohort, classifier, tmp_path / "file" / "run", progress=False)


def test_a_cohort_without_a_case_is_refused(cohort: Cohort, classifier: Classifier, tmp_path: Path):
    with pytest.raises(RunError, match="at least one case"):
        score(cohort.select(np.zeros(len(cohort), bool)), classifier, tmp_path / "run", progress=False)


def test_a_cohort_of_rejects_says_the_first_and_lists_all(classifier: Classifier, tmp_path: Path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "x.gif").write_bytes(b"GIF89a")
    for _ in range(2):
        with pytest.raises(RunError, match=r"x\.gif: the picture must be JPEG.*Convert it.*rejects\.csv"):
            score(read(tmp_path / "pictures"), classifier, tmp_path / "run", progress=False)
    assert list(pd.read_csv(tmp_path / "run" / REJECTS_FILE)["file"]) == ["x.gif"]
    assert not may_be_continued(tmp_path / "run")
    cv2.imwrite(str(tmp_path / "pictures" / "x.png"), np.full((256, 256, 3), 150, np.uint8))
    (tmp_path / "pictures" / "x.gif").unlink()
    assert len(score(read(tmp_path / "pictures"), classifier, tmp_path / "run", progress=False)) == 1


def test_a_case_without_a_picture_is_rejected_as_that(classifier: Classifier, tmp_path: Path):
    (tmp_path / "table.csv").write_text("isic_id,diagnosis\nISIC_1,nevus\n")
    run = score(read(tmp_path / "table.csv"), classifier, tmp_path / "run", progress=False)
    assert len(run) == 0
    assert pd.read_csv(tmp_path / "run" / REJECTS_FILE)["rule"].item() == "a case needs a picture to be scored"


def test_a_picture_taken_again_under_its_name_is_not_given_the_old_score(
    cohort: Cohort, classifier: Classifier, tmp_path: Path
):
    score(cohort, classifier, tmp_path / "run", progress=False)
    before = contents(tmp_path / "run")
    cv2.imwrite(str(cohort.root / "case03.jpg"), np.full((256, 256, 3), 150, np.uint8))
    with pytest.raises(RunError, match=r"the pictures themselves.*another --out"):
        score(read(cohort.root), classifier, tmp_path / "run", progress=False)
    assert contents(tmp_path / "run") == before


def test_a_file_that_is_newly_rejected_is_not_passed_over(cohort: Cohort, classifier: Classifier, tmp_path: Path):
    score(cohort, classifier, tmp_path / "run", progress=False)
    (cohort.root / "x.gif").write_bytes(b"GIF89a")
    with pytest.raises(RunError, match="differs from the run in this folder: the files and rows that were rejected"):
        score(read(cohort.root), classifier, tmp_path / "run", progress=False)


def test_a_picture_that_went_missing_is_rejected_and_seen_when_it_is_back(
    cohort: Cohort, classifier: Classifier, tmp_path: Path
):
    picture = (cohort.root / "case03.jpg").read_bytes()
    (cohort.root / "case03.jpg").unlink()
    run = score(cohort, classifier, tmp_path / "run", progress=False)
    assert "case03" not in set(run.scores["case_id"])
    (cohort.root / "case03.jpg").write_bytes(picture)
    with pytest.raises(RunError, match="the pictures themselves"):
        score(cohort, classifier, tmp_path / "run", progress=False)


def test_settings_that_differ_are_told_with_both_values(cohort: Cohort, classifier: Classifier, tmp_path: Path):
    score(cohort, classifier, tmp_path / "run", batch_size=4, progress=False)
    with pytest.raises(RunError, match=r"folder: the batch size \(then 4, now 8\)\."):
        score(cohort, classifier, tmp_path / "run", batch_size=8, progress=False)


def test_everything_in_the_identity_can_be_told(cohort: Cohort, classifier: Classifier):
    wanted = identity(cohort, classifier, 8)
    assert differences(wanted, wanted) == ""
    assert differences({}, wanted).count(";") == len(wanted) - 1


@pytest.mark.parametrize("change", [{"temperature": 3.0}, {"architecture": "another"}])
def test_a_stopped_run_is_not_continued_under_another_card(
    forty: Cohort, classifier: Classifier, stopped: Path, change: dict, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(classifier, "card", classifier.card.model_copy(update=change))
    with pytest.raises(RunError, match="what its card says"):
        score(forty, classifier, stopped, batch_size=2, progress=False)


def test_the_folder_of_the_pictures_is_never_the_run_folder(cohort: Cohort, classifier: Classifier, tmp_path: Path):
    before = sorted(cohort.root.iterdir())
    (tmp_path / "link").symlink_to(cohort.root)
    for out in (cohort.root, tmp_path / "link"):
        with pytest.raises(RunError, match="a folder of its own"):
            score(cohort, classifier, out, progress=False)
    assert sorted(cohort.root.iterdir()) == before


def test_a_folder_with_other_files_such_as_the_table_is_refused(cohort: Cohort, classifier: Classifier, tmp_path: Path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "cases.csv").write_text("isic_id,diagnosis\ncase01,nevus\n")
    with_table = read(cohort.root, table=tmp_path / "tables" / "cases.csv")
    with pytest.raises(RunError, match=r"1 other files or folders, such as cases\.csv"):
        score(with_table, classifier, tmp_path / "tables", progress=False)
    assert [p.name for p in (tmp_path / "tables").iterdir()] == ["cases.csv"]


@pytest.mark.parametrize("table", [None, "metadata.csv"])
def test_a_run_below_the_pictures_changes_nothing_that_is_read(
    cohort: Cohort, classifier: Classifier, table: str | None
):
    if table:
        (cohort.root / table).write_text("isic_id,diagnosis\ncase01,nevus\ncase02,nevus\n")
    before = read(cohort.root)
    score(before, classifier, cohort.root / "run", progress=False)
    written = (cohort.root / "run" / RUN_FILE).stat().st_mtime_ns
    again = read(cohort.root)
    pd.testing.assert_frame_equal(again.cases, before.cases)
    pd.testing.assert_frame_equal(again.rejects, before.rejects)
    assert len(score(again, classifier, cohort.root / "run", progress=False)) == (2 if table else 39)
    assert (cohort.root / "run" / RUN_FILE).stat().st_mtime_ns == written


def test_a_run_folder_has_a_readable_name(cohort: Cohort, classifier: Classifier, tmp_path: Path):
    with pytest.raises(RunError, match="readable text"):
        score(cohort, classifier, tmp_path / "r\udcff", progress=False)


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def with_a_zeroed_page(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 4 : len(content) // 4 + 64] = bytes(64)
    file.write_bytes(content)


def with_a_row_less(file: Path) -> None:
    pd.read_parquet(file).iloc[:-1].to_parquet(file)


@pytest.mark.parametrize("damage", [lambda file: file.write_bytes(b""), cut_short, with_a_zeroed_page, with_a_row_less])
def test_a_part_damaged_by_a_power_cut_is_scored_again(
    forty: Cohort, classifier: Classifier, stopped: Path, tmp_path: Path, damage
):
    score(forty, classifier, tmp_path / "whole", batch_size=2, progress=False)
    file = stopped / PARTS_FOLDER / "000002.parquet"
    kept = (stopped / PARTS_FOLDER / "000003.parquet").stat().st_mtime_ns
    damage(file)
    plan = Parts(stopped, len(forty), 2, identity(forty, classifier, 2))
    assert plan.missing() == [2]
    with pytest.raises(RunError, match=r"000002.*same command again"):
        plan.finish(forty)
    assert (stopped / PARTS_FOLDER / "000003.parquet").stat().st_mtime_ns == kept
    score(forty, classifier, stopped, batch_size=2, progress=False)
    assert contents(stopped) == contents(tmp_path / "whole")


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{}", b"\xff", None])
def test_a_damaged_run_json_beside_parts_is_told(
    forty: Cohort, classifier: Classifier, stopped: Path, content: bytes | None
):
    file = stopped / PARTS_FOLDER / RUN_FILE
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(RunError, match=r"missing, empty or damaged.*remove this run folder"):
        score(forty, classifier, stopped, batch_size=2, progress=False)
    for part in (stopped / PARTS_FOLDER).glob("*.parquet"):
        part.unlink()
    assert len(score(forty, classifier, stopped, batch_size=2, progress=False)) == 39


def test_a_damaged_run_json_of_a_finished_run_is_told(cohort: Cohort, classifier: Classifier, tmp_path: Path):
    score(cohort, classifier, tmp_path / "run", progress=False)
    (tmp_path / "run" / RUN_FILE).write_text("null")
    with pytest.raises(RunError, match="missing, empty or damaged"):
        score(cohort, classifier, tmp_path / "run", progress=False)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
@pytest.mark.parametrize("largest_bytes", [100, 4_000])
def test_a_full_disk_is_one_plain_sentence(forty: Cohort, classifier: Classifier, stopped: Path, largest_bytes: int):
    child = f"""
import resource
from pathlib import Path
from derm_kit import Classifier, read, score
from derm_kit.errors import RunError
from derm_kit.model import parts
parts.BATCHES_PER_PART = 2
forty, classifier = read(Path({str(forty.root)!r})), Classifier(device="cpu")
most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, ({largest_bytes}, most))
try:
    score(forty, classifier, Path({str(stopped)!r}), batch_size=2, progress=False)
except RunError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))  # what counts covered lines writes a file at the end
"""
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert "must be writable (File too large)" in done.stdout
    assert len(score(forty, classifier, stopped, batch_size=2, progress=False)) == 39


def test_no_writer_is_left_to_its_destructor_where_closing_fails(
    forty: Cohort, classifier: Classifier, stopped: Path, monkeypatch: pytest.MonkeyPatch
):
    class Full(pq.ParquetWriter):
        def close(self) -> None:
            if self.is_open:
                raise OSError(errno.ENOSPC, "No space left on device")

    ignored: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)
    with monkeypatch.context() as patch:
        patch.setattr(parts.pq, "ParquetWriter", Full)
        with pytest.raises(RunError, match="No space left on device"):
            score(forty, classifier, stopped, batch_size=2, progress=False)
    gc.collect()
    assert ignored == []
    assert len(score(forty, classifier, stopped, batch_size=2, progress=False)) == 39


def test_a_batch_that_does_not_fit_into_memory_asks_for_a_smaller_one(
    cohort: Cohort, classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(classifier, "infer", full)
        with pytest.raises(RunError, match=r"batch size of 20.*Give a smaller --batch-size"):
            score(cohort, classifier, tmp_path / "run", batch_size=20, progress=False)
    assert len(score(cohort, classifier, tmp_path / "run", batch_size=4, progress=False)) == 39


def test_a_run_says_whether_it_may_be_continued(forty: Cohort, classifier: Classifier, stopped: Path):
    assert may_be_continued(stopped)
    score(forty, classifier, stopped, batch_size=2, progress=False)
    assert not may_be_continued(stopped)


def test_run_json_says_what_made_the_scores(cohort: Cohort, classifier: Classifier, tmp_path: Path):
    score(cohort, classifier, tmp_path / "run", progress=False)
    meta = json.loads((tmp_path / "run" / "run.json").read_text())
    assert meta["model_hash"] == classifier.card.model_hash
    assert meta["scoring_sha256"] == classifier.card.scoring_sha256
    assert meta["notes"] == list(cohort.notes) != []
    assert (meta["n_cases"], meta["n_rejected"], meta["device"]) == (39, 1, "cpu")
    assert set(meta["trained_types"]) == set(SCORE_COLUMNS) - {"atypical_naevus"}


def test_an_unfinished_folder_is_not_a_run(tmp_path: Path):
    (tmp_path / "run").mkdir()
    with pytest.raises(RunError, match="finished run"):
        read_run(tmp_path / "run")


def test_a_partitioned_run_is_folders_of_parquet_that_read_as_the_same_run(
    stopped: Path, forty: Cohort, classifier: Classifier, tmp_path: Path
):
    plain = shutil.copytree(stopped, tmp_path / "plain")
    one = score(forty, classifier, plain, batch_size=2, progress=False)
    again = score(forty, classifier, stopped, batch_size=2, progress=False, partitioned=True)
    for name in (SCORES_FILE, CASES_FILE, FEATURES_FILE):
        files = sorted((stopped / name).iterdir())
        assert [file.name for file in files] == [f"part-{part:06d}.parquet" for part in range(10)]
        assert sum(pq.read_metadata(file).num_rows for file in files) == 39
        pd.testing.assert_frame_equal(pd.read_parquet(stopped / name), pd.read_parquet(plain / name))
    assert one.scores.equals(again.scores)
    assert one.cases.equals(again.cases)
    assert one.features is not None
    assert one.features.equals(again.features)
    for name in (SCORES_FILE, CASES_FILE):
        (stopped / name / "part-000004.parquet").unlink()
    with pytest.raises(RunError, match=r"as many scores as its run\.json says, 39 \(found: 35\)"):
        read_run(stopped)


@pytest.mark.parametrize("next_time", [True, False])
def test_a_partitioned_run_that_was_stopped_while_its_tables_were_named_goes_on(
    stopped: Path, forty: Cohort, classifier: Classifier, monkeypatch: pytest.MonkeyPatch, next_time: bool
):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Parts, "write_rejects", stop)
        score(forty, classifier, stopped, batch_size=2, progress=False, partitioned=True)
    assert (stopped / SCORES_FILE).is_dir()
    assert len(score(forty, classifier, stopped, batch_size=2, progress=False, partitioned=next_time)) == 39
    assert (stopped / SCORES_FILE).is_dir() == next_time
