"""Maps by a cluster: those of one machine, followed and cancelled from the page, no thread taken from scoring."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from distributed import Client

from derm_kit import Classifier
from derm_kit.cases.phantom import draw
from derm_kit.errors import ModelError
from derm_kit.lesions import LesionType
from derm_kit.model.cluster import ClusterAddress, ClusterError
from derm_kit.model.cluster_maps import ClusterWork, begin
from derm_kit.model.explanation import METHODS, one_pass_maps
from derm_kit.model.shared import SharedClassifier
from derm_kit.model.side_process import SideProcess, Trust, Work
from tests.dask_cluster import DaskCluster, dask_cluster

MELANOMA = LesionType.MELANOMA


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """One worker of one thread."""
    with dask_cluster(tmp_path_factory.mktemp("cluster"), workers=1) as started:
        yield started


@pytest.fixture
def page(cluster: DaskCluster) -> Iterator[SharedClassifier]:
    opened = SharedClassifier(ClusterAddress(cluster.address))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def here() -> Classifier:
    return Classifier(device="cpu")


@pytest.fixture(scope="module")
def square(here: Classifier) -> np.ndarray:
    return here.square(draw(MELANOMA, 9_000).image)


def drawing(cluster: DaskCluster) -> list[psutil.Process]:
    """The processes that draw on the worker's machine."""
    below = [child for process in cluster.processes for child in psutil.Process(process.pid).children(recursive=True)]
    return [process for process in below if "derm_kit.model.side_process" in " ".join(process.cmdline())]


def under_way(cluster: DaskCluster) -> psutil.Process:
    """The process that draws, once it does."""
    deadline = time.monotonic() + 60
    while not (found := drawing(cluster)):
        assert time.monotonic() < deadline, "nobody draws"
        time.sleep(0.05)
    return found[0]


def furthest(cluster: DaskCluster) -> float:
    """The greatest share told of the newest work: 1 of one that was carried out."""
    with Client(cluster.address) as client:
        told = [events for topic, events in client.get_events().items() if topic.startswith("derm-kit-map-")]
    newest = max(told, key=lambda events: events[-1][0])
    return max(float(share) for _, share in newest)


@pytest.mark.parametrize("method", ["places_that_matter", "grad_cam"])
def test_a_map_from_a_cluster_is_the_map_from_this_machine(page, here, square, method):
    told: list[float] = []
    work = begin(page, Work("draw", square, MELANOMA, method))
    assert isinstance(work, ClusterWork)
    drawn = work.result(told.append)
    assert isinstance(drawn, np.ndarray)
    alike = METHODS[method].maps(here, square[None], np.array([here.card.types.index(MELANOMA)]))[0]
    np.testing.assert_allclose(drawn, alike, atol=1e-5)
    assert told == sorted(told)
    assert told[-1] == 1


def test_the_check_of_a_map_comes_from_a_cluster(page, here, square):
    drawn = one_pass_maps(here.infer(square[None]), here)[0, here.card.types.index(MELANOMA)]
    trust = begin(page, Work("check", square, MELANOMA, drawn=drawn)).result()
    alike = SideProcess(here, Work("check", square, MELANOMA, drawn=drawn)).result()
    assert isinstance(trust, Trust)
    assert isinstance(alike, Trust)
    np.testing.assert_allclose(trust.faithfulness.deletion, alike.faithfulness.deletion, atol=1e-5)
    assert trust.agreement == pytest.approx(alike.agreement, abs=1e-5)


def test_a_worker_of_one_thread_scores_while_it_draws_and_stops_drawing_when_told(page, here, square, cluster):
    work = begin(page, Work("draw", square, MELANOMA, "occlusion"))
    process = under_way(cluster)
    np.testing.assert_array_equal(page.infer(square[None]).scores, here.infer(square[None]).scores)
    assert process.is_running()
    work.cancel()
    assert work.result() is None
    process.wait(60)
    assert furthest(cluster) < 0.5


def test_what_a_page_asked_for_ends_with_the_page(page, square, cluster):
    begin(page, Work("draw", square, MELANOMA, "occlusion"))
    process = under_way(cluster)
    page.close()
    process.wait(60)
    assert furthest(cluster) < 0.5


def test_a_drawing_that_dies_is_told_and_the_worker_goes_on(page, here, square, cluster):
    work = begin(page, Work("draw", square, MELANOMA, "occlusion"))
    under_way(cluster).kill()
    with pytest.raises(ModelError, match=r"occlusion: a map is drawn .*Try again, or choose another method"):
        work.result()
    assert page.infer(square[None]).scores.shape == (1, 11)


def test_an_unknown_method_is_refused_with_the_choices(page, square):
    with pytest.raises(ModelError, match="Choose one of: grad_cam_one_pass"):
        begin(page, Work("draw", square, MELANOMA, "tea_leaves")).result()


def test_a_lost_cluster_is_told(page, square, tmp_path: Path):
    with dask_cluster(tmp_path, workers=1) as other:
        lost = SharedClassifier(ClusterAddress(other.address))
        work = begin(lost, Work("draw", square, MELANOMA, "occlusion"))
        under_way(other)
        other.scheduler.kill()
        with pytest.raises(ClusterError, match="the scheduler must stay there"):
            work.result()
        lost.close()
