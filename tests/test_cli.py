"""The command line, as a person runs it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pandas as pd
import pytest

from derm_kit.cases.phantom import demo_cohort

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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures and a table with a column that means nothing here."""
    (tmp_path / "pictures").mkdir()
    cohort = demo_cohort()
    for i, image in enumerate(cohort.cases["image"][:2]):
        shutil.copy(cohort.root / image, tmp_path / "pictures" / f"case{i}.png")
    (tmp_path / "pictures" / "metadata.csv").write_text(
        "isic_id,diagnosis,colour of the door\ncase0,nevus,green\ncase1,nevus,red\n"
    )
    return tmp_path / "pictures"


def test_score_says_what_was_not_understood_and_where_to_read_all(folder: Path, tmp_path: Path):
    done = derm_kit("score", folder, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "not recognised, left out: colour of the door" in done.stdout
    assert f"derm-kit cohort {folder}" in done.stdout.replace("\n", "")
    assert json.loads((tmp_path / "run" / "run.json").read_text())["notes"]


def test_score_of_a_finished_run_says_that_nothing_was_scored(folder: Path, tmp_path: Path):
    first = derm_kit("score", folder, "--out", tmp_path / "run")
    again = derm_kit("score", folder, "--out", tmp_path / "run")
    assert "already finished" not in first.stdout
    assert "already finished on 20" in again.stdout
    assert "nothing was scored again" in again.stdout
    os.utime(folder / "case0.png")
    changed = derm_kit("score", folder, "--out", tmp_path / "run")
    assert changed.returncode == 2
    assert "the pictures themselves (size or date of a file)" in changed.stderr
    assert "another --out" in changed.stderr


def test_score_where_nothing_can_be_scored_fails_and_says_why(tmp_path: Path):
    for name, content in (("x.gif", b"GIF89a"), ("x.jpg", b"no picture")):
        (tmp_path / name).write_bytes(content)
        done = derm_kit("score", tmp_path / name, "--out", tmp_path / f"run of {name}")
        assert done.returncode in (1, 2)
        assert f"{name}: " in done.stderr
        assert "JPEG or PNG" in done.stderr
        assert "Next:" not in done.stdout
        assert pd.read_csv(tmp_path / f"run of {name}" / "rejects.csv")["file"].item() == name


@pytest.mark.parametrize("out", ["", " ", b"r\xff", "."])
def test_score_refuses_an_out_that_is_no_folder_of_its_own(folder: Path, out: str | bytes):
    before = sorted(folder.iterdir())
    done = subprocess.run([COMMAND, "score", folder, "--out", out], capture_output=True, check=False, cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith(b"derm-kit: ")
    assert done.stderr.count(b"\n") == 1
    assert sorted(folder.iterdir()) == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
def test_ctrl_c_says_how_to_go_on_where_that_is_so(folder: Path, tmp_path: Path):
    for i in range(200):
        (folder / f"more{i}.png").symlink_to("case0.png")
    (folder / "metadata.csv").unlink()
    out = tmp_path / "run"
    with subprocess.Popen(
        [COMMAND, "score", folder, "--out", out],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        while not (out / ".parts" / "run.json").exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told.endswith("Stopped. The same command continues where it was.\n")
    assert "Traceback" not in told
    assert "Cases scored: 202." in derm_kit("score", folder, "--out", out).stdout


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_terminal_that_lacks_letters_gets_plain_tables(run: Path, encoding: str):
    for words in (("decide", run), ("show", run), ("score", "--out", run), ("--help",), ("score", "müßte-es-geben→")):
        done = subprocess.run(
            [COMMAND, *map(str, words)],
            capture_output=True,
            check=False,
            env=os.environ | {"COLUMNS": "200", "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
        )
        assert done.returncode == (2 if words[0] == "score" and len(words) == 2 else 0), done.stderr
        assert b"Traceback" not in done.stderr
        if words[0] == "decide":
            assert b"| clinician review" in done.stdout
            assert b"\\u25" not in done.stdout


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


def test_decide_says_what_was_not_checked_and_which_cancer_has_no_score(run: Path, tmp_path: Path):
    policy = json.loads(derm_kit("policy").stdout)
    assert policy["scoring_sha256"] == json.loads((run / "run.json").read_text())["scoring_sha256"]
    assert "weights alone" not in derm_kit("decide", run).stdout
    del policy["scoring_sha256"]
    (tmp_path / "older.json").write_text(json.dumps(policy))
    assert "matched by the model's weights alone" in derm_kit("decide", run, "--policy", tmp_path / "older.json").stdout
    (tmp_path / "other.json").write_text(json.dumps(policy | {"scoring_sha256": "0" * 64}))
    refused = derm_kit("decide", run, "--policy", tmp_path / "other.json")
    assert refused.returncode == 2
    assert "the same weights under a card that scores otherwise" in refused.stderr
    (tmp_path / "foreign.json").write_text(
        json.dumps(policy | {"thresholds": {"basal_cell_carcinoma": 0.5}, "autonomous": True})
    )
    (tmp_path / "foreign.csv").write_text("case_id,basal_cell_carcinoma,benign_naevus\nA,0.01,0.99\n")
    done = derm_kit("decide", tmp_path / "foreign.csv", "--policy", tmp_path / "foreign.json")
    assert done.returncode == 0, done.stderr
    assert "discharge advice" not in done.stdout
    assert "There is no score for melanoma or squamous cell carcinoma or intraepidermal carcinoma" in done.stdout


def test_the_printed_policy_obeys_the_printed_schema_and_a_broken_one_does_not():
    schema, policy = (json.loads(derm_kit("policy", *words).stdout) for words in (("--schema",), ()))
    jsonschema.validate(policy, schema)
    for broken in ({"thresholds": {"melanoma": 0}}, {"autonomous": "yes"}, {"colour": "green"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(policy | broken, schema)


@pytest.mark.parametrize("words", [("cohort", "--help"), ("--help",)])
def test_help_loads_no_heavy_library(words: tuple[str, ...]):
    code = (
        "import sys; from derm_kit.cli import app\n"
        "try: app(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'pandas', 'cv2', 'torch', 'onnxruntime', 'tqdm'} & set(sys.modules)\n"
        "raise SystemExit(f'loaded: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


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
        ("policy", "--model", "."),
    ],
)
def test_a_foreseen_error_is_one_line_without_traceback(words: tuple[str, ...], tmp_path: Path):
    done = derm_kit(*words, "--out", tmp_path / "run") if words[0] == "score" else derm_kit(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("derm-kit: ")
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_show_and_decide_send_no_escape_sequence_to_the_terminal(tmp_path: Path):
    policy = json.loads(derm_kit("policy").stdout) | {"name": "my\x1b[2Jpolicy", "model_hash": ""}
    policy["thresholds"] = {"melanoma": 0.5}
    (tmp_path / "policy.json").write_text(json.dumps(policy))
    (tmp_path / "scores.csv").write_text("case_id,melanoma,quality_fail,quality_reason\nA,0.9,yes,blurred\x1b[31m\n")
    (tmp_path / "odd.csv").write_text("case_id,melanoma\nA\x1b]0;title\x07,0.9\n")
    shown = derm_kit("show", tmp_path / "scores.csv")
    decided = derm_kit("decide", tmp_path / "scores.csv", "--policy", tmp_path / "policy.json")
    assert (shown.returncode, decided.returncode) == (0, 0), shown.stderr + decided.stderr
    assert r"my\x1b[2Jpolicy: 1 cases" in decided.stdout
    refused = derm_kit("show", tmp_path / "odd.csv")
    assert refused.returncode == 2
    for done in (shown, decided, refused):
        assert "\x1b" not in done.stdout + done.stderr
        assert "\x07" not in done.stdout + done.stderr


def test_show_of_a_run_folder_without_its_cases_says_so(run: Path, tmp_path: Path):
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "cases.parquet").unlink()
    done = derm_kit("show", tmp_path / "run")
    assert done.returncode == 2
    assert "cases.parquet: the file is missing" in done.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with a name")
def test_a_pipe_as_run_or_policy_is_refused_at_once(run: Path, tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.csv")
    for words in (("show", tmp_path / "pipe.csv"), ("decide", run, "--policy", tmp_path / "pipe.csv")):
        done = derm_kit(*words)
        assert done.returncode == 2
        assert "regular file" in done.stderr
