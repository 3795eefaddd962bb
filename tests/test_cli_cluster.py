"""derm-kit score and simulate with one switch for a cluster: the same files as without it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from derm_kit.model.cluster import ClusterAddress, ClusterError, connected
from derm_kit.model.run import CASES_FILE, FEATURES_FILE, SCORES_FILE, ScoreRun
from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.simulation import simulate
from derm_kit.triage.policy import TriagePolicy
from tests.dask_cluster import DaskCluster, dask_cluster
from tests.test_cli_tuning import Command, derm_kit

__all__ = ["derm_kit"]

SIMULATE = ("simulate", "skin-usc", "--replications", "10", "--arm", "AI")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """Two workers of one thread each."""
    with dask_cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started


def test_score_and_simulate_take_the_cluster_that_is_named(
    derm_kit: Command, cluster: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert derm_kit("score", "--out", "here").code == 0
    assert derm_kit(*SIMULATE, "--out", "simulated-here").code == 0
    named = derm_kit("score", "--out", "there", "--scheduler", cluster.address)
    monkeypatch.setenv("DERM_KIT_SCHEDULER", cluster.address)
    by_variable = derm_kit("score", "--out", "there too")
    simulated = derm_kit(*SIMULATE, "--out", "simulated-there")
    for said in (named, by_variable, simulated):
        assert said.code == 0, said.err
        assert f"Working on the cluster {cluster.address}" in said.err
    for name in (SCORES_FILE, CASES_FILE, FEATURES_FILE):
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
        assert (tmp_path / "there too" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
    for name in ("figures.csv", "missed.csv", "waiting.csv"):
        assert (tmp_path / "simulated-there" / name).read_bytes() == (tmp_path / "simulated-here" / name).read_bytes()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--scheduler", "tcp://192.0.2.1:8786"), "--closed-network"),
        (("--scheduler", "tcp://127.0.0.1:1"), "does not answer"),
        (("--scheduler", "nowhere"), "tls://HOST:PORT"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_one_line(
    derm_kit: Command, words: tuple[str, ...], expected: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("derm_kit.model.cluster.ANSWER_S", 0.5)
    for command in (("score",), SIMULATE, ("serve", "--no-browser")):
        said = derm_kit(*command, *words)
        assert said.code == 2
        assert expected in said.err
        assert "Traceback" not in said.err


def test_a_worker_of_a_simulation_may_die_and_a_lost_scheduler_is_told(
    reference: ScoreRun, policy: TriagePolicy, tmp_path: Path
):
    asked = partial(simulate, Pathway.read("skin-usc"), reference, policy, replications=40, arms=["AI"])
    killed: list[int] = []

    def killing(process: subprocess.Popen[bytes]) -> Callable[[int, int], None]:
        def kill(done: int, of: int) -> None:
            if done and process.poll() is None:
                process.kill()
                process.wait()
                killed.append(done)

        return kill

    with dask_cluster(tmp_path / "cluster") as cluster:
        with connected(ClusterAddress(cluster.address)) as client:
            client.wait_for_workers(2, timeout=120)
            there = asked(executor=client.get_executor(pure=False), progress=killing(cluster.processes[1]))
        here = asked()
        for one, other in zip(here.arms["AI"].tally, there.arms["AI"].tally, strict=True):
            np.testing.assert_array_equal(one, other)
        with pytest.raises(ClusterError, match="was lost"), connected(ClusterAddress(cluster.address)) as client:
            asked(executor=client.get_executor(pure=False), progress=killing(cluster.scheduler))
    assert len(killed) == 2
    assert max(killed) < 40
