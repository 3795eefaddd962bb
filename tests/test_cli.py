"""The command line, as a person runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

COMMAND = Path(sys.executable).with_name("derm-kit")


def derm_kit(*words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"COLUMNS": "200"} | env,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo cohort, scored by the command."""
    out = tmp_path_factory.mktemp("cli") / "run"
    done = derm_kit("score", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "Cases scored: 66." in done.stdout
    return out


def test_show_prints_scores_and_says_what_is_not_trained(run: Path):
    done = derm_kit("show", run, "--rows", "3")
    assert done.returncode == 0, done.stderr
    assert "not trained" in done.stdout
    assert "63 more cases" in done.stdout
    assert "Not a medical device" in done.stdout


def test_show_in_a_narrow_window_names_the_two_highest(run: Path):
    done = derm_kit("show", run, "--rows", "1", COLUMNS="80")
    assert all(heading in done.stdout for heading in ("highest", "second"))
    assert "Not trained, no score: Atypical naevus" in done.stdout.replace("\n", " ")
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_decide_prints_dispositions_and_writes_all_of_them(run: Path, tmp_path: Path):
    done = derm_kit("decide", run, "--out", tmp_path / "decisions.csv")
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "decisions.csv")
    assert len(table) == 66
    assert table["reason"].notna().all()


def test_show_and_decide_default_to_the_reference_cohort():
    assert "2,419 cases" in derm_kit("show").stdout
    assert "2,419 cases" in derm_kit("decide").stdout


def test_policy_prints_json_that_decide_takes(run: Path, tmp_path: Path):
    policy = tmp_path / "policy.json"
    policy.write_text(derm_kit("policy").stdout)
    assert json.loads(policy.read_text())["thresholds"]["melanoma"] > 0
    assert derm_kit("decide", run, "--policy", policy).returncode == 0
    assert "thresholds" in json.loads(derm_kit("policy", "--schema").stdout)["required"]


def test_check_passes_on_this_machine():
    done = derm_kit("check")
    assert done.returncode == 0, done.stdout
    assert "passed: 66 phantoms" in done.stdout


def test_phantoms_are_drawn_into_a_new_folder_and_never_over_another(tmp_path: Path):
    done = derm_kit("phantoms", tmp_path / "new", "--each", "1")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "new" / "images").iterdir())) == 11
    again = derm_kit("phantoms", tmp_path / "new", "--each", "1")
    assert again.returncode == 2
    assert "new folder" in again.stderr


def test_cohort_says_what_was_understood(tmp_path: Path):
    (tmp_path / "metadata.csv").write_text("isic_id,diagnosis,colour of the door\nISIC_1,nevus,green\n")
    done = derm_kit("cohort", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "colour of the door" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("score", "no-such-folder"),
        ("show", "no-such-run"),
        ("decide", "--policy", "none.json"),
        ("check", "--model", "."),
    ],
)
def test_a_foreseen_error_is_one_line_without_traceback(words: tuple[str, ...], tmp_path: Path):
    done = derm_kit(*words, "--out", tmp_path / "run") if words[0] == "score" else derm_kit(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("derm-kit: ")
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
