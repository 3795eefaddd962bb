"""One scoring worker for all pages: the same results, one model, and nothing lost when it dies."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import stat
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import ipywidgets as w
import numpy as np
import psutil
import pytest
from distributed import Nanny
from PIL import Image

from derm_kit import Classifier
from derm_kit.cases.phantom import draw
from derm_kit.lesions import LesionType
from derm_kit.model.cluster import ClusterAddress, connected
from derm_kit.model.cluster_work import models_loaded
from derm_kit.model.shared import RESTARTING, SCHEDULER, SharedClassifier, named, named_cluster, open_classifier
from derm_kit.model.shared_worker import scoring_worker
from derm_kit.model.side_process import SideProcess, Work
from derm_kit.panels.start import StartPanel
from derm_kit.panels.triage import Entered, TriagePanel
from tests.dask_cluster import dask_cluster

MELANOMA = LesionType.MELANOMA


@pytest.fixture(scope="module")
def at() -> Iterator[ClusterAddress]:
    """A worker as `derm-kit serve` starts it, and no process left of it."""
    with scoring_worker() as started:
        yield started
    assert not [p for p in psutil.Process().children(recursive=True) if "spawn_main" in " ".join(p.cmdline())]


@pytest.fixture
def page(at: ClusterAddress) -> Iterator[SharedClassifier]:
    """The classifier of a page."""
    opened = SharedClassifier(at)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def square() -> np.ndarray:
    return Classifier(device="cpu").square(draw(MELANOMA, 9_000).image)


def test_the_shared_worker_says_what_a_classifier_here_says(page: SharedClassifier, square: np.ndarray):
    there, here = page.infer(square[None]), Classifier(device="cpu").infer(square[None])
    for name in ("logits", "scores", "features", "feature_map"):
        np.testing.assert_array_equal(getattr(there, name), getattr(here, name))


def test_many_pages_share_one_model(at: ClusterAddress, page: SharedClassifier, square: np.ndarray):
    other = SharedClassifier(at)
    try:
        for classifier in (page, other, page):
            classifier.infer(square[None])
        with connected(at) as client:
            assert list(client.run(models_loaded).values()) == [1]
    finally:
        other.close()


def test_only_the_holder_of_the_key_is_let_in(at: ClusterAddress):
    for file in (at.ca, at.certificate, at.key):
        assert file is not None
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    host, port = at.scheduler.removeprefix("tls://").rsplit(":", 1)
    assert host == "127.0.0.1"
    ours = [psutil.Process(), *psutil.Process().children(recursive=True)]
    listening = {c.laddr.ip for p in ours for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((host, int(port)), timeout=30) as plain, pytest.raises((ssl.SSLError, OSError)):
        with stranger.wrap_socket(plain) as wrapped:
            wrapped.settimeout(30)
            assert wrapped.recv(1), "closed without a word"
        raise AssertionError("a stranger was let in")


def test_maps_come_by_the_shared_worker_and_by_gradients_beside_it(
    at: ClusterAddress, page: SharedClassifier, square: np.ndarray
):
    here = Classifier(device="cpu")
    with named(at):
        drawn = SideProcess(page, Work("draw", square, MELANOMA, "places_that_matter")).result()
        alone = SideProcess(page, Work("draw", square, MELANOMA, "grad_cam")).result()
    assert isinstance(drawn, np.ndarray)
    assert isinstance(alone, np.ndarray)
    alike = SideProcess(here, Work("draw", square, MELANOMA, "places_that_matter")).result()
    np.testing.assert_allclose(drawn, alike, atol=1e-5)


def test_a_worker_that_dies_is_told_on_the_page_and_what_was_given_is_not_lost(
    page: SharedClassifier, at: ClusterAddress, monkeypatch: pytest.MonkeyPatch
):
    panel = TriagePanel(page)
    said: list[str] = []
    panel.notice.observe(lambda change: said.append(change["new"]), "value")
    panel.enter(Entered(picture(), "first"))
    with connected(at) as client:
        (pid,) = client.run(os.getpid).values()
    start = Nanny.instantiate

    async def late(nanny: Nanny) -> object:
        """A worker that comes back when the page has said that it is away."""
        until = time.monotonic() + 60
        while not any(RESTARTING in words for words in said) and time.monotonic() < until:
            await asyncio.sleep(0.05)
        return await start(nanny)

    monkeypatch.setattr(Nanny, "instantiate", late)
    psutil.Process(pid).kill()
    panel.enter(Entered(picture(9_001), "second"))
    assert any(RESTARTING in words for words in said)
    assert panel.notice.value == ""
    assert panel.entered.name == "second"
    with connected(at) as client:
        assert list(client.run(os.getpid).values()) != [pid]


def picture(seed: int = 9_000) -> bytes:
    file = BytesIO()
    Image.fromarray(draw(MELANOMA, seed).image).save(file, "PNG")
    return file.getvalue()


def test_a_lost_cluster_is_told_on_the_page_and_a_new_one_is_used(tmp_path: Path):
    with dask_cluster(tmp_path / "cluster", workers=1) as cluster:
        page = SharedClassifier(ClusterAddress(cluster.address))
        panel = TriagePanel(page)
        try:
            panel.enter(Entered(picture(), "first"))
            assert panel.case is not None
            cluster.scheduler.kill()
            cluster.scheduler.wait()
            panel.enter(Entered(picture(9_001), "second"))
            assert "This did not work" in panel.notice.value
            assert panel.entered.name == "first", "what is shown stays"
            cluster.start_scheduler()
            cluster.start_worker()
            panel.enter(Entered(picture(9_001), "second"))
            assert panel.entered.name == "second"
        finally:
            page.close()


def test_the_variables_name_the_cluster_while_it_is_there(at: ClusterAddress, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(SCHEDULER, raising=False)
    assert type(open_classifier(device="cpu")) is Classifier
    with named(at):
        assert named_cluster(os.environ) == at
        opened = open_classifier()
        assert isinstance(opened, SharedClassifier)
        assert "the scoring worker that all pages share" in str(StartPanel(opened).view.children[4].children[1].value)
    assert named_cluster(os.environ) is None


def test_page_01_says_where_a_picture_goes(at: ClusterAddress):
    for address, words in (
        (at, "memory of the scoring worker"),
        (ClusterAddress("tls://gpu:8786"), "of tls://gpu:8786"),
    ):
        texts = [
            str(widget.value)
            for widget in all_of(TriagePanel(SharedClassifier(address)).view)
            if isinstance(widget, w.HTML)
        ]
        assert any(words in text for text in texts)


def all_of(widget: w.Widget) -> Iterator[w.Widget]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from all_of(child)
