"""Cohorts in stores: an S3 server and a store in memory give what the same folder gives."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from moto.server import ThreadedMotoServer
from upath import UPath

from derm_kit import Classifier, Cohort, read, score
from derm_kit.cases.images import decode
from derm_kit.cases.places import StoreError, store_place
from derm_kit.errors import CaseError, CohortError, DermKitError, RunError
from derm_kit.model.cluster import ClusterAddress, connected
from derm_kit.model.cluster_scoring import ClusterScorer
from derm_kit.model.run import CASES_FILE, FEATURES_FILE, REJECTS_FILE, SCORES_FILE
from tests.dask_cluster import dask_cluster

FILES = (SCORES_FILE, CASES_FILE, FEATURES_FILE, REJECTS_FILE)
ADDRESS = "s3://clinic/lesions/2026"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures under images/, one of which is none, with their table."""
    folder = tmp_path_factory.mktemp("here") / "2026"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(5)
    rows = ["image_id,diagnosis,age"]
    for i in range(12):
        picture = cv2.GaussianBlur(rng.integers(0, 255, (256, 300, 3), np.uint8), (0, 0), 3)
        cv2.imwrite(str(folder / "images" / f"case {i:02d}#1.jpg"), picture)
        rows.append(f"case {i:02d}#1,nevus,{10 + 3 * i}")
    (folder / "images" / "case 07#1.jpg").write_text("not a picture")
    (folder / "metadata.csv").write_text("\n".join([*rows, "gone,nevus,50"]) + "\n")
    return folder


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An S3 server on this machine, which every process that is started here asks."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_CONFIG_FILE", str(tmp_path_factory.mktemp("aws") / "none"))
        store_place("s3://clinic").fs.mkdir("clinic")
        yield
    server.stop()


@pytest.fixture(scope="module")
def stored(s3: None, folder: Path) -> str:
    """The folder, as it lies in the store."""
    put(folder, ADDRESS)
    return ADDRESS


def put(folder: Path, address: str) -> None:
    root = store_place(address)
    for file in folder.rglob("*"):
        if file.is_file():
            root.fs.pipe_file((root / file.relative_to(folder).as_posix()).path, file.read_bytes())


def same_cohort(one: Cohort, other: Cohort) -> None:
    pd.testing.assert_frame_equal(one.cases, other.cases)
    pd.testing.assert_frame_equal(one.rejects, other.rejects)
    assert one.name == other.name
    assert [note.replace(str(one.root), "") for note in one.notes] == [
        note.replace(str(other.root), "") for note in other.notes
    ]


def contents(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in FILES}


def test_a_store_is_read_as_the_same_folder(stored: str, folder: Path):
    found = read(stored)
    same_cohort(found, read(folder))
    assert str(found.root) == ADDRESS
    assert list(found.rejects["case_id"]) == ["gone"]


def test_pictures_without_a_table_are_the_same_cases(folder: Path, s3: None, tmp_path: Path):
    own = shutil.copytree(folder, tmp_path / "bare")
    (own / "metadata.csv").unlink()
    put(own, "s3://clinic/bare")
    same_cohort(read("s3://clinic/bare"), read(own))


def test_threads_and_a_cluster_score_from_a_store_what_they_score_from_a_folder(
    stored: str, folder: Path, tmp_path: Path
):
    classifier = Classifier(device="cpu")
    score(read(folder), classifier, tmp_path / "folder", batch_size=4, progress=False)
    score(read(stored), classifier, tmp_path / "threads", batch_size=4, progress=False)
    assert contents(tmp_path / "threads") == contents(tmp_path / "folder")
    with (
        dask_cluster(tmp_path / "cluster", workers=1) as cluster,
        connected(ClusterAddress(cluster.address)) as client,
    ):
        score(read(stored), ClusterScorer.of(client, device="cpu"), tmp_path / "there", batch_size=4, progress=False)
    assert contents(tmp_path / "there") == contents(tmp_path / "folder")
    assert list(pd.read_csv(tmp_path / "there" / REJECTS_FILE)["case_id"]) == ["gone", "case 07#1"]


def test_another_picture_under_the_same_name_is_another_run(folder: Path, s3: None, tmp_path: Path):
    put(folder, "s3://clinic/changing")
    classifier = Classifier(device="cpu")
    score(read("s3://clinic/changing"), classifier, tmp_path / "run", progress=False)
    score(read("s3://clinic/changing"), classifier, tmp_path / "run", progress=False)
    other = (folder / "images" / "case 01#1.jpg").read_bytes()
    store_place("s3://clinic").fs.pipe_file("clinic/changing/images/case 00#1.jpg", other)
    with pytest.raises(RunError, match="the pictures themselves"):
        score(read("s3://clinic/changing"), classifier, tmp_path / "run", progress=False)


def test_a_store_in_memory_and_a_file_address_are_read(folder: Path):
    put(folder, "memory://here/2026")
    same_cohort(read("memory://here/2026"), read(folder))
    same_cohort(read(f"file://{folder}"), read(folder))


def test_dicom_is_refused_by_name_and_by_content(s3: None):
    root = store_place("s3://clinic/dicom")
    for name, data in {"a.dcm": b"x", "b.jpg": bytes(128) + b"DICM", "c/../d.jpg": b"x", ".hidden/e.jpg": b"x"}.items():
        root.fs.pipe_file(f"clinic/dicom/{name}", data)
    found = read(str(root))
    assert set(found.rejects["file"]) == {"a.dcm", "c/../d.jpg"}
    assert found.rejects["rule"].str.contains("from a folder, not from a store").sum() == 1
    assert list(found.cases["image"]) == ["b.jpg"]
    with pytest.raises(CaseError, match="read from a folder, not from a store"):
        decode(found.root / "b.jpg", case="b")


def test_a_picture_that_is_gone_is_rejected_but_a_store_that_fails_stops_the_run(
    folder: Path, s3: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    put(folder, "s3://clinic/failing")
    cohort = read("s3://clinic/failing")
    store_place("s3://clinic").fs.rm("clinic/failing/images/case 00#1.jpg")
    run = score(cohort, Classifier(device="cpu"), tmp_path / "run", progress=False)
    assert len(run) == 10

    def fails(*_: object, **__: object) -> None:
        raise TimeoutError("no answer")

    monkeypatch.setattr(type(store_place("s3://clinic").fs), "_open", fails)
    with pytest.raises(StoreError, match=r"the store must answer.*credentials"):
        score(cohort, Classifier(device="cpu"), tmp_path / "other", progress=False)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("s3://nowhere/at/all", "at least one file|must answer"),
        ("nothing://x/y", "a store needs the library"),
        ("memory://empty", "at least one file"),
        ("memory://lone/picture.jpg", "at least one file"),
    ],
)
def test_what_cannot_be_read_is_told(s3: None, address: str, expected: str):
    UPath("memory://lone").fs.pipe_file("/lone/picture.jpg", b"x")
    with pytest.raises(DermKitError, match=expected):
        read(address)


def test_a_faulty_table_is_told_under_its_address(s3: None):
    store_place("s3://clinic").fs.pipe_file("clinic/odd/metadata.csv", b"\x00\x01\x02")
    with pytest.raises(CohortError, match="s3://clinic/odd"):
        read("s3://clinic/odd")
