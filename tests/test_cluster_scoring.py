"""Scoring by a Dask cluster: the same files as here, every case once, whatever is killed on the way."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from derm_kit import Classifier, Cohort, read, score
from derm_kit.errors import DermKitError, ModelError, RunError
from derm_kit.model import cluster_scoring, parts
from derm_kit.model.cluster import ClusterAddress, ClusterError, connected
from derm_kit.model.cluster_scoring import NO_WORKER, ClusterScorer
from derm_kit.model.cluster_work import models_loaded
from derm_kit.model.parts import Parts
from derm_kit.model.run import CASES_FILE, FEATURES_FILE, REJECTS_FILE, SCORES_FILE
from tests.dask_cluster import DaskCluster, dask_cluster
from tests.slow_parts import SLOW_PARTS

FILES = (SCORES_FILE, CASES_FILE, FEATURES_FILE, REJECTS_FILE)
N, BATCH = 48, 2
PARTS = 12
"""Of two batches each."""

Written = list[int]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """48 pictures, the eighth of which is no picture."""
    folder = tmp_path_factory.mktemp("many") / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(5)
    for i in range(N):
        picture = cv2.GaussianBlur(rng.integers(0, 255, (256, 300, 3), np.uint8), (0, 0), 3)
        cv2.imwrite(str(folder / f"case{i:02d}.jpg"), picture)
    (folder / "case07.jpg").write_text("not a picture")
    return read(folder)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """Two workers of one thread each."""
    with dask_cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started


@pytest.fixture(scope="module")
def wanted(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What scoring in this process writes."""
    out = tmp_path_factory.mktemp("local") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "BATCHES_PER_PART", 2)
        score(cohort, Classifier(device="cpu"), out, batch_size=BATCH, progress=False)
    return contents(out)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    """The parts that are written, one after another, of two batches each."""
    monkeypatch.setattr(parts, "BATCHES_PER_PART", 2)
    return after_each_part(monkeypatch, lambda n: None)


def after_each_part(monkeypatch: pytest.MonkeyPatch, then: Callable[[int], None]) -> Written:
    """List the parts that are written, and do `then` with how many there are after each."""
    listed: Written = []
    write = Parts.write

    def writing(self: Parts, part: int, table: pd.DataFrame) -> None:
        write(self, part, table)
        listed.append(part)
        then(len(listed))

    monkeypatch.setattr(Parts, "write", writing)
    return listed


def contents(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in FILES}


@contextmanager
def scorer(cluster: DaskCluster, **more: Any) -> Iterator[ClusterScorer]:
    with connected(ClusterAddress(cluster.address)) as client:
        yield ClusterScorer.of(client, device="cpu", **more)


def by(cluster: DaskCluster, cohort: Cohort, out: Path) -> None:
    with scorer(cluster) as asked:
        score(cohort, asked, out, batch_size=BATCH, progress=False)


def test_a_cluster_writes_the_same_files_and_each_worker_loads_the_model_once(
    cohort: Cohort, wanted: dict[str, bytes], written: Written, tmp_path: Path
):
    with dask_cluster(tmp_path / "fresh") as fresh, scorer(fresh) as asked:
        asked.client.wait_for_workers(2, timeout=120)
        for out in ("one", "two"):
            score(cohort, asked, tmp_path / out, batch_size=BATCH, progress=False)
            assert contents(tmp_path / out) == wanted
        assert list(asked.client.run(models_loaded).values()) == [1, 1]
    assert written == [*range(PARTS), *range(PARTS)]


def test_a_killed_worker_loses_nothing_and_doubles_nothing(
    cluster: DaskCluster, cohort: Cohort, wanted: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(parts, "BATCHES_PER_PART", 2)
    third = cluster.start_worker()
    held: list[int] = []

    def kill(_: int) -> None:
        in_hand = sum(len(keys) for address, keys in asked.client.processing().items() if address in late)
        if in_hand and not held:
            held.append(in_hand)
            third.kill()
            third.wait()

    written = after_each_part(monkeypatch, kill)
    with scorer(cluster) as asked:
        asked.client.wait_for_workers(3, timeout=120)
        pids = asked.client.run(os.getpid)
        late = {address for address, pid in pids.items() if pid == third.pid}
        score(cohort, asked, tmp_path / "run", batch_size=BATCH, progress=False)
    assert held, "a worker was killed with work in hand"
    assert written == list(range(PARTS))
    assert contents(tmp_path / "run") == wanted


def test_a_killed_scheduler_is_told_and_a_new_one_goes_on(
    cohort: Cohort, wanted: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(parts, "BATCHES_PER_PART", 2)
    with dask_cluster(tmp_path / "cluster", workers=1) as cluster:

        def kill(n: int) -> None:
            if n == 3:
                cluster.scheduler.kill()
                cluster.scheduler.wait()

        written = after_each_part(monkeypatch, kill)
        with pytest.raises(ClusterError, match=r"was lost.*What was finished is kept"):
            by(cluster, cohort, tmp_path / "run")
        kept = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "run" / ".parts").glob("*.parquet")}
        assert 3 <= len(kept) < PARTS
        cluster.start_scheduler()
        cluster.start_worker()
        by(cluster, cohort, tmp_path / "run")
    assert sorted(written) == list(range(PARTS)), "each part was written once"
    assert contents(tmp_path / "run") == wanted


def test_a_killed_client_goes_on_where_it_was(
    cluster: DaskCluster, cohort: Cohort, wanted: dict[str, bytes], written: Written, tmp_path: Path
):
    child = f"""
from pathlib import Path
from derm_kit import read, score
from derm_kit.model.cluster import ClusterAddress, connected
from derm_kit.model.cluster_scoring import ClusterScorer
{SLOW_PARTS}
with connected(ClusterAddress({cluster.address!r})) as client:
    score(read(Path({str(cohort.root)!r})), ClusterScorer.of(client, device="cpu"), Path({str(tmp_path / "run")!r}),
          batch_size={BATCH}, progress=False)
"""
    with subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(3):
            assert process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    kept = [int(p.stem) for p in (tmp_path / "run" / ".parts").glob("*.parquet")]
    assert 3 <= len(kept) < PARTS
    by(cluster, cohort, tmp_path / "run")
    assert sorted(kept + written) == list(range(PARTS))
    assert contents(tmp_path / "run") == wanted


def test_pictures_that_a_worker_does_not_see_are_not_rejected(
    cluster: DaskCluster, cohort: Cohort, written: Written, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(cohort.root)
    with pytest.raises(RunError, match=r"a worker must see the pictures.*Mount the folder"):
        by(cluster, replace(cohort, root=Path("/proc/self/cwd")), tmp_path / "run")
    assert written == []


def test_a_picture_that_nobody_can_read_is_rejected(cluster: DaskCluster, cohort: Cohort, tmp_path: Path):
    own = read(shutil.copytree(cohort.root, tmp_path / "pictures"))
    (tmp_path / "pictures" / "case03.jpg").unlink()
    by(cluster, own, tmp_path / "run")
    rejects = pd.read_csv(tmp_path / "run" / REJECTS_FILE)
    assert list(rejects["case_id"]) == ["case03", "case07"]


def test_a_worker_with_other_versions_is_refused(cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("derm_kit.model.cluster_work.versions", lambda: {"derm-kit": "9.9"})
    with pytest.raises(ModelError, match=r"every worker has the versions.*derm-kit 9\.9"), scorer(cluster):
        pass


def test_no_worker_is_told_and_waited_for(
    cohort: Cohort, wanted: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(parts, "BATCHES_PER_PART", 2)
    monkeypatch.setattr(cluster_scoring, "LOOK_S", 0.2)
    told: list[str] = []
    with dask_cluster(tmp_path / "cluster", workers=0) as cluster:
        only = cluster.start_worker()

        def kill(n: int) -> None:
            if n == 2:
                only.kill()
                only.wait()

        def tell(words: str) -> None:
            told.append(words)
            cluster.start_worker()

        after_each_part(monkeypatch, kill)
        with scorer(cluster, tell=tell) as asked:
            score(cohort, asked, tmp_path / "run", batch_size=BATCH, progress=False)
    assert told == [NO_WORKER]
    assert contents(tmp_path / "run") == wanted


def test_a_cluster_without_workers_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster_scoring, "WORKER_S", 0.2)
    with (
        dask_cluster(tmp_path / "cluster", workers=0) as cluster,
        pytest.raises(ClusterError, match=r"a worker must come.*dask worker ADDRESS"),
        scorer(cluster),
    ):
        pass


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (ClusterAddress("tcp://10.1.2.3:8786"), "plain tcp is taken for this machine alone"),
        (ClusterAddress("tcp://dask.example.org:8786"), "plain tcp is taken for this machine alone"),
        (ClusterAddress("tcp://127.0.0.1:1", ca=Path("ca.pem")), "TLS files go with"),
        (ClusterAddress("http://127.0.0.1:8786"), "a scheduler's address is"),
        (ClusterAddress("tcp://127.0.0.1"), "a scheduler's address is"),
        (ClusterAddress("tcp://127.0.0.1:x"), "a scheduler's address is"),
        (ClusterAddress("tcp://127.0.0.1:1"), "does not answer"),
    ],
)
def test_an_address_that_cannot_be_used_is_told(
    address: ClusterAddress, expected: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("derm_kit.model.cluster.ANSWER_S", 0.5)
    with pytest.raises(DermKitError, match=expected), connected(address):
        pass


def test_a_piece_that_ends_every_worker_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")
    with (
        dask_cluster(tmp_path / "cluster", workers=1) as cluster,
        pytest.raises(ClusterError, match="one worker after another"),
        connected(ClusterAddress(cluster.address)) as client,
    ):
        client.submit(os._exit, 3, pure=False).result(timeout=60)
