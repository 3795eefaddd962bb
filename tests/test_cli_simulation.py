"""derm-kit simulate as somebody who plans a service runs it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from derm_kit.pathway.definition import Pathway, presets
from derm_kit.triage.policy import TriagePolicy
from tests.test_cli_tuning import Command, derm_kit

__all__ = ["derm_kit"]

FEW = ("--replications", "3")


def test_four_arms_of_the_skin_pathway_are_printed_from_the_shipped_scores(derm_kit: Command):
    said = derm_kit("simulate", "skin-usc", *FEW)
    assert said.code == 0
    for arm in Pathway.read("skin-usc").arms:
        assert f"{arm}" in said.out
    assert "would leave the pathway with safety-netting advice" in said.out
    assert "source required" in said.out
    assert "not a medical device" in said.out


def test_the_pathways_that_ship_are_named(derm_kit: Command):
    said = derm_kit("simulate", "--list")
    assert said.code == 0
    assert all(name in said.out for name in presets())


def test_tables_are_written_and_the_same_seed_writes_the_same(derm_kit: Command, tmp_path: Path):
    for name in ("one", "two"):
        assert derm_kit("simulate", "skin-usc", *FEW, "--seed", "5", "--people", "--out", tmp_path / name).code == 0
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / n).iterdir()} for n in ("one", "two"))
    assert one == two
    assert {"figures.csv", "missed.csv", "routes.csv", "waiting.csv", "backlog.csv", "load.csv"} <= set(one)
    assert json.loads(one["simulation.json"])["seed"] == 5
    assert Pathway.model_validate_json(one["pathway.json"]) == Pathway.read("skin-usc")
    people = pd.read_csv(tmp_path / "one" / "people_AI.csv")
    figures = pd.read_csv(tmp_path / "one" / "figures.csv")
    assert (pd.to_datetime(people["left"]) >= pd.to_datetime(people["referred"])).sum() == people["left"].notna().sum()
    assert figures["arm"].nunique() == 4


def test_a_policy_with_lower_thresholds_sends_fewer_away_with_advice(
    derm_kit: Command, tmp_path: Path, policy: TriagePolicy
):
    lower = policy.changed(thresholds={kind: value / 4 for kind, value in policy.thresholds.items()})
    (tmp_path / "lower.json").write_text(lower.model_dump_json())
    advised = []
    for name, given in (("plain", ()), ("lower", ("--policy", tmp_path / "lower.json"))):
        assert derm_kit("simulate", "skin-usc", *FEW, "--arm", "AI", *given, "--out", tmp_path / name).code == 0
        figures = pd.read_csv(tmp_path / name / "figures.csv", keep_default_na=False)
        own = figures[(figures["measure"] == "way out") & (figures["of"] == "left with advice")]
        advised.append(float(own["value"].iloc[0]))
    assert advised[1] < advised[0]


def test_a_folder_with_results_is_not_written_over(derm_kit: Command, tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "kept.txt").write_text("mine")
    said = derm_kit("simulate", "skin-usc", *FEW, "--out", tmp_path / "out")
    assert said.code == 2
    assert "none is lost" in said.err
    assert (tmp_path / "out" / "kept.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("nowhere",), "cannot be read"),
        (("skin-usc", "--arm", "x"), "Choose from: face to face"),
        (("skin-usc", "--run", "nowhere.csv"), "missing"),
        (("skin-usc", "--dask", "tcp://127.0.0.1:1"), "does not answer"),
    ],
)
def test_what_cannot_be_simulated_is_one_line(derm_kit: Command, words: tuple[str, ...], expected: str):
    said = derm_kit("simulate", *FEW, *words)
    assert said.code == 2
    assert expected in said.err
    assert "Traceback" not in said.err


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_told(derm_kit: Command, tmp_path: Path):
    tmp_path.chmod(0o500)
    try:
        assert "must be writable" in derm_kit("simulate", "skin-usc", *FEW, "--out", tmp_path / "out").err
    finally:
        tmp_path.chmod(0o700)


def test_the_tables_hold_finite_numbers_or_a_gap(derm_kit: Command, tmp_path: Path):
    derm_kit("simulate", "skin-usc", *FEW, "--out", tmp_path / "out")
    figures = pd.read_csv(tmp_path / "out" / "figures.csv")
    assert np.isfinite(figures["value"]).all()
