"""What the workbench opens on: named on the command line, refused there, read by the pages."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from derm_kit.cli.app import main
from derm_kit.cli.console import console, errors
from derm_kit.errors import DermKitError
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.panels.thresholds import thresholds_page
from derm_kit.triage.opening import POLICY_VARIABLE, RUN_VARIABLE, Opening, name_opening, policy_for

MEL, BCC = LesionType.MELANOMA, LesionType.BASAL_CELL_CARCINOMA


@pytest.fixture
def environment(monkeypatch):
    for name in (RUN_VARIABLE, POLICY_VARIABLE):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for stream in (console, errors):  # main() points them at this test's streams
        monkeypatch.setattr(stream, "_file", None)
    return monkeypatch


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    path = tmp_path / "scores.csv"
    rows = [f"c{i},{0.9 if i % 2 else 0.1},0.2,{LESION_TYPES[i % 11]}" for i in range(44)]
    path.write_text("case_id,melanoma,basal_cell_carcinoma,truth\n" + "\n".join(rows))
    return path


def test_unnamed_it_is_the_reference_cohort_and_the_models_policy(environment, policy):
    opening = Opening.named()
    assert len(opening.run) == 2419
    assert opening.policy == policy
    assert policy_for(opening.run, policy) is policy


def test_scores_and_policy_that_are_named_reach_the_page(environment, scores, policy, tmp_path, monkeypatch):
    mine = tmp_path / "policy.json"
    mine.write_text(policy.changed(name="ours", thresholds={MEL: 0.42, BCC: 0.3}).model_dump_json())
    monkeypatch.chdir(tmp_path)
    name_opening(Path("scores.csv"), Path("policy.json"))
    monkeypatch.chdir("/")
    opening = Opening.named()
    assert len(opening.run) == 44
    assert policy_for(opening.run, opening.policy).thresholds == {MEL: 0.42, BCC: 0.3}
    texts = [str(getattr(child, "value", "")) for child in _all(thresholds_page())]
    assert any("ours" in text and "44 cases" in text for text in texts)


def _all(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _all(child)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--run", "missing.csv"], "missing.csv"),
        (["--policy", "missing.json"], "cannot be read"),
        (["--policy", "other.json"], "of the model it was made for"),
    ],
)
def test_what_no_page_could_open_on_is_refused_before_anything_starts(
    environment, tmp_path, policy, capsys, monkeypatch, arguments, words
):
    monkeypatch.chdir(tmp_path)
    Path("other.json").write_text(policy.changed(model_hash="0" * 64).model_dump_json())
    monkeypatch.setattr(sys, "argv", ["derm-kit", "serve", "--no-browser", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert RUN_VARIABLE not in os.environ


def test_a_named_run_that_has_gone_since_is_told(environment, tmp_path):
    name_opening(tmp_path / "gone.csv", None)
    with pytest.raises(DermKitError, match="gone"):
        Opening.named()
