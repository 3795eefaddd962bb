"""derm-kit tune and accuracy as a clinician runs them: figures, refusals, and what is said of bad input."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from derm_kit.cli import main
from derm_kit.cli.console import console, errors
from derm_kit.model.card import default_model, load_card
from derm_kit.triage.policy import TriagePolicy

FOREIGN = {"name": "ours", "version": "1", "model_hash": "", "thresholds": {"melanoma": 0.3}}
"""A policy for the scores of a model that derm-kit does not know."""


class Said(NamedTuple):
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def derm_kit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """The command line in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "220")
    for printer in (console, errors):
        monkeypatch.setattr(printer, "_file", None)  # main() binds it to this test's output; others get theirs back
        monkeypatch.setattr(printer, "_width", 220)

    def run(*words: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["derm-kit", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def scores(tmp_path: Path) -> pd.DataFrame:
    """200 cases of somebody else's two-type model, half of them melanomas, beside a policy for them."""
    (tmp_path / "ours.json").write_text(json.dumps(FOREIGN))
    melanoma = np.random.default_rng(0).random(200).round(3)
    return pd.DataFrame(
        {
            "case_id": [f"case{i}" for i in range(200)],
            "melanoma": melanoma,
            "benign_naevus": (1 - melanoma).round(3),
            "truth": ["melanoma", "benign_naevus"] * 100,
        }
    )


def cells(said: str, *begins: str) -> list[str]:
    """The cells of the first row of a printed table whose first cells are `begins`."""
    rows = ([cell.strip() for cell in line.strip("│\n").split("│")] for line in said.splitlines() if "│" in line)
    return next(row for row in rows if tuple(row[: len(begins)]) == begins)


def require_plain_refusal(said: Said, *words: str) -> None:
    """One line that holds `words` and a next step, exit status 2, no table and no traceback."""
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("derm-kit: ")
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err
    for word in words:
        assert word in said.err
    assert re.search(r"\. [A-Z][^.]*.*\.\n$", said.err), "no next step"


# The reference cohort


def test_tune_finds_or_refuses_each_type_of_the_reference_cohort(derm_kit: Command):
    said = derm_kit("tune")
    assert said.code == 0, said.err
    text = " ".join(said.out.split())
    for words in (
        "Melanoma: a threshold of 0.01288 catches at least 95% of such lesions",
        "on these cases 206 of 209 (95.9% to 99.7%); 19 more went to clinician review",
        "Squamous cell carcinoma: a threshold of 0.02555 catches at least 95%",
        "on these cases 103 of 103 (96.5% to 100.0%)",
        "Basal cell carcinoma: a threshold of 0.758 catches at least 90%",
        "on these cases 557 of 599 (90.6% to 94.9%)",
        "Intraepidermal carcinoma: a threshold of 0.01308 catches at least 90%",
        "on these cases 65 of 66 (91.8% to 100.0%)",
        "Actinic keratosis: no threshold. Refused: 34 positives, at least 44 are needed for 90% sensitivity",
        "its fixed threshold 0.5 stays, without a guarantee",
        "independent lesions",
        "Not a medical device",
    ):
        assert words in text
    assert text.count("without a guarantee") == 1
    assert "Atypical naevus:" not in text
    low, high = stats.binomtest(206, 228).proportion_ci(0.95, method="exact")
    expected = ["melanoma", "206", "228", f"{206 / 228:.3f}", f"{low:.3f}", f"{high:.3f}", "", "0.01288"]
    assert cells(said.out, "melanoma") == expected
    assert cells(said.out, "atypical_naevus") == ["atypical_naevus", "0", "0", "–", "–", "–", "no case", "–"]


def test_accuracy_prints_each_rate_with_its_interval_and_n(derm_kit: Command):
    said = derm_kit("accuracy", "--by", "sex")
    assert said.code == 0, said.err
    low, high = stats.binomtest(193, 209).proportion_ci(0.95, method="exact")
    assert cells(said.out, "sensitivity", "melanoma", "assessed")[3:8] == [
        "193", "209", f"{193 / 209:.3f}", f"{low:.3f}", f"{high:.3f}",
    ]  # fmt: skip
    assert cells(said.out, "sensitivity", "atypical_naevus")[3:] == ["0", "0", "–", "–", "–", "no case"]
    assert cells(said.out, "likelihood ratio of no flag")[1] == f"{(35 / 977) / (836 / 1309):.3f}"
    assert "left out: 159 open, 29 unknown" in said.out
    by_sex = said.out.split("By sex, all cases")[1]
    n = sum(int(cells(by_sex, group, "sensitivity", "melanoma")[4]) for group in ("female", "male", "not recorded"))
    assert n == 228
    wilson = derm_kit("accuracy", "--interval", "Wilson")
    theirs = stats.binomtest(193, 209).proportion_ci(0.95, method="wilson")
    assert cells(wilson.out, "sensitivity", "melanoma", "assessed")[6:8] == [f"{x:.3f}" for x in theirs]


def test_accuracy_draws_pictures_of_one_lesion_together(derm_kit: Command):
    said = derm_kit("accuracy", "--cluster", "lesion_id")
    assert said.code == 0, said.err
    count, n, _, low, high = cells(said.out, "sensitivity", "melanoma", "all")[3:8]
    assert (count, n) == ("193", "228")
    assert 0.78 < float(low) < 0.82
    assert 0.87 < float(high) < 0.91
    assert "bootstrap over lesion_id" in said.out
    refused = derm_kit("accuracy", "--cluster", "patient_id")
    assert refused.code == 2
    assert "Choose one of: lesion_id." in refused.err


def test_both_run_as_commands_of_their_own():
    command = Path(sys.executable).with_name("derm-kit")
    for words in (("tune", "--target", "melanoma=.95"), ("accuracy",), ("tune", "--target", "melanoma")):
        done = subprocess.run([command, *words], capture_output=True, text=True, check=False)
        assert done.returncode == (2 if words[-1] == "melanoma" else 0), done.stderr
        assert "Traceback" not in done.stderr


def test_one_target_is_not_split_and_a_type_may_be_written_as_people_do(derm_kit: Command):
    said = derm_kit("tune", "--target", "Basal cell carcinoma=.9", "--confidence", ".95")
    assert said.code == 0, said.err
    assert "with 95% confidence; on these cases" in " ".join(said.out.split())
    assert "Melanoma: " not in said.out
    assert cells(said.out, "melanoma")[1:3] == ["193", "228"]


def test_learn_then_test_is_close_and_never_higher(derm_kit: Command):
    thresholds = []
    for method in ("order statistic", "learn then test"):
        said = derm_kit("tune", "--target", "melanoma=.95", "--method", method)
        thresholds.append(float(cells(said.out, "melanoma")[-1]))
    assert 0.99 * thresholds[0] <= thresholds[1] <= thresholds[0]


# The tuned policy


def test_the_tuned_policy_is_written_once_and_gives_the_same_again(derm_kit: Command, tmp_path: Path):
    assert derm_kit("tune", "--out", "new.json").code == 0
    written = TriagePolicy.read(tmp_path / "new.json")
    assert written.name == "derm11 default, tuned"
    shown = float(cells(derm_kit("tune").out, "melanoma")[-1])
    assert 0.999 * written.thresholds["melanoma"] < shown <= written.thresholds["melanoma"]
    before = (tmp_path / "new.json").read_bytes()
    require_plain_refusal(derm_kit("tune", "--out", "new.json"), "new.json", "new file", "does not exist")
    assert (tmp_path / "new.json").read_bytes() == before
    again = derm_kit("tune", "--policy", "new.json", "--out", "newer.json")
    assert cells(again.out, "flagged as another type")[1] == "0"
    assert TriagePolicy.read(tmp_path / "newer.json") == written
    assert cells(derm_kit("accuracy", "--policy", "new.json").out, "sensitivity", "melanoma", "all")[3] == "206"


def test_neither_command_writes_over_a_file_least_of_all_over_the_run(
    derm_kit: Command, scores: pd.DataFrame, tmp_path: Path
):
    scores.to_csv("scores.csv", index=False)
    before = (tmp_path / "scores.csv").read_bytes()
    for command in ("tune", "accuracy"):
        said = derm_kit(command, "scores.csv", "--policy", "ours.json", "--out", "scores.csv")
        require_plain_refusal(said, "scores.csv", "so that none is lost")
    assert (tmp_path / "scores.csv").read_bytes() == before
    (tmp_path / "link.json").symlink_to("nowhere.json")
    require_plain_refusal(derm_kit("tune", "--out", "link.json"), "link.json", "new file")
    for command in ("tune", "accuracy"):
        said = derm_kit(command, "--out", "no-such-folder/x")
        assert said.code == 2
        assert "no-such-folder/x: " in said.err
        assert "Traceback" not in said.err


def test_accuracy_writes_every_rate_of_every_subgroup(derm_kit: Command, tmp_path: Path):
    assert derm_kit("accuracy", "--out", "rates.csv").code == 0
    table = pd.read_csv(tmp_path / "rates.csv", keep_default_na=False)
    row = table[(table["grouping"] == "") & (table["measure"] == "sensitivity") & (table["lesion_type"] == "melanoma")]
    assert row["count"].tolist() == [193, 193]
    assert {"age", "sex", "site", "skin tone", "source", "source of truth"} < set(table["grouping"])
    assert set(table.loc[table["n"] == 0, "remark"]) == {"no case"}


# Options that are wrong


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (["melanoma"], ("a target is a flagged type and the sensitivity to hold", "melanoma=.95")),
        (["melanoma="], ("a target is a flagged type",)),
        (["cheese=.9"], ("cheese=.9", "the types are melanoma, squamous_cell_carcinoma")),
        (["melanoma=95%"], ("found: melanoma=95%", "melanoma=.95")),
        (["melanoma=95"], ("between 0 and 1", "found: 95.0", "0.95")),
        (["melanoma=1"], ("between 0 and 1",)),
        (["melanoma=nan"], ("between 0 and 1", "found: nan")),
        (["benign_naevus=.9"], ("flagged types", "benign_naevus")),
        (["atypical_naevus=.9"], ("no case has one of this type", "atypical_naevus")),
        (["melanoma=.9", "Melanoma=.95"], ("each type has one target", "Melanoma=.95")),
    ],
)
def test_a_target_that_is_none_is_refused(derm_kit: Command, target: list[str], words: tuple[str, ...]):
    require_plain_refusal(derm_kit("tune", *(word for text in target for word in ("--target", text))), *words)


@pytest.mark.parametrize("confidence", ["0", "1", "95", "-1", "nan"])
def test_a_confidence_out_of_range_is_refused(derm_kit: Command, confidence: str):
    require_plain_refusal(derm_kit("tune", "--confidence", confidence), "confidence", "between 0 and 1", "0.95")


def test_a_grouping_that_was_not_recorded_is_refused_before_anything_is_printed(
    derm_kit: Command, scores: pd.DataFrame
):
    scores.to_csv("scores.csv", index=False)
    for command, option in (("tune", "--within"), ("accuracy", "--by")):
        require_plain_refusal(derm_kit(command, option, "postcode"), "postcode", "age, sex, site")
        said = derm_kit(command, "scores.csv", "--policy", "ours.json", option, "age")
        require_plain_refusal(said, "found: age", "none is recorded here")


# Case mix


def test_another_case_mix_is_weighted_and_says_what_it_assumes(derm_kit: Command, tmp_path: Path):
    mix = {"name": "clinic", "source": "our referrals", "shares": {"melanoma": 0.015, "basal_cell_carcinoma": 0.06}}
    (tmp_path / "mix.json").write_text(json.dumps(mix))
    for command in ("tune", "accuracy"):
        said = derm_kit(command, "--prevalence", "mix.json")
        assert said.code == 0, said.err
        assert "In the case mix 'clinic'" in said.out
        assert "label shift" in said.out
        assert "say as much as" in said.out
        assert "Source of the mix: our referrals." in said.out
        there = said.out.split("In the case mix")[1]
        missed = float(cells(there, "cancers missed per 1,000 not flagged")[1])
        npv = float(cells(there, "no cancer among not flagged")[1])
        assert missed == pytest.approx(1000 * (1 - npv), abs=0.6)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("melanoma,0.1", ("mix.json", "JSON object", "shares")),
        ('{"melanoma": 0.1}', ("mix.json", "no shares are given", '"shares": {"melanoma": 0.015}')),
        ('{"shares": {"melanoma": 1.5}}', ("the share of melanoma is a number from 0 to 1", "1.5")),
        ('{"shares": {"melanoma": "0.1"}}', ("the share of melanoma is a number",)),
        ('{"shares": {"cheese": 0.1}}', ("cheese",)),
        ('{"shares": {"melanoma": 0.7, "basal_cell_carcinoma": 0.5}}', ("add up to 1", "found: 1.2")),
        ('{"shares": {"melanoma": 0.1, "melanoma": 0.2}}', ("stands there twice",)),
        (None, ("mix.json",)),
    ],
)
def test_a_case_mix_that_is_none_is_refused_at_once(
    derm_kit: Command, tmp_path: Path, content: str | None, words: tuple[str, ...]
):
    if content is not None:
        (tmp_path / "mix.json").write_text(content)
    for command in ("tune", "accuracy"):
        require_plain_refusal(derm_kit(command, "--prevalence", "mix.json"), *words)


def test_a_type_too_rare_to_weigh_is_refused_with_its_number(derm_kit: Command, tmp_path: Path):
    (tmp_path / "mix.json").write_text('{"shares": {"vascular_lesion": 0.3}}')
    said = derm_kit("accuracy", "--prevalence", "mix.json")
    assert said.code == 2
    assert "at least 30 cases" in said.err
    assert "25 cases of vascular lesion" in said.err


# Scores and policies that are wrong


def edited(**changes: object) -> dict[str, object]:
    """The default policy of the shipped model with other fields."""
    return TriagePolicy.from_card(load_card(default_model())).model_dump(mode="json") | changes


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (edited(model_hash="0" * 64), ("the model it was made for", "000000000000", "derm-kit policy")),
        (edited(scoring_sha256="0" * 64), ("the model it was made for", "a card that scores otherwise")),
        (edited(thresholds={"melanoma": -1}), ("thresholds.melanoma", "0.000001", "found: -1")),
        (edited(thresholds={"melanoma": 95}), ("thresholds.melanoma", "less than or equal to 1", "found: 95")),
        (edited(thresholds={"melanoma": "0.5"}), ("thresholds.melanoma", "without quotation marks")),
        (edited(thresholds={"melanoma": None}), ("thresholds.melanoma", "should be a number")),
        (edited(thresholds=[0.5]), ("thresholds", "in curly brackets")),
        (edited(thresholds={"benign_naevus": 0.5}), ("thresholds.benign_naevus", "flagged types", "is benign")),
        (edited(thresholds={"cheese": 0.5}), ("thresholds.cheese", "melanoma")),
        (edited(thresholds={"atypical_naevus": 0.5}), ("atypical naevus in any case", "take its threshold out")),
        (edited(dispositions={"melanoma": "discharge advice with safety-netting"}), ("melanoma", "never discharged")),
        (edited(colour="green"), ("colour", "no such field", "found: green")),
        ({"melanoma": 0.5}, ("name", "a policy needs this field")),
        ([], ("a policy is a JSON object",)),
    ],
)
def test_a_policy_edited_into_nonsense_is_refused(
    derm_kit: Command, tmp_path: Path, policy: object, words: tuple[str, ...]
):
    (tmp_path / "policy.json").write_text(json.dumps(policy))
    for command in ("tune", "accuracy"):
        said = derm_kit(command, "--policy", "policy.json")
        require_plain_refusal(said, *words)
        assert "policy.json: " in said.err or "derm11 default: " in said.err


def test_a_policy_that_is_no_json_or_not_there_is_refused(derm_kit: Command, tmp_path: Path):
    require_plain_refusal(derm_kit("tune", "--policy", "policy.json"), "policy.json", "cannot be read")
    (tmp_path / "policy.json").write_text("{thresholds: 3")
    require_plain_refusal(derm_kit("tune", "--policy", "policy.json"), "policy.json", "'derm-kit policy' prints")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"melanoma": [*[0.1] * 3, 1.7, *[0.1] * 196]}, ("case3: the melanoma score", "between 0 and 1", "found: 1.7")),
        ({"melanoma": [*[0.1] * 199, -0.2]}, ("case199: the melanoma score", "found: -0.2")),
        ({"melanoma": 63.7}, ("case0", "found: 63.7", "no percentages")),
        ({"melanoma": "high"}, ("case0", "found: high", "after softmax or sigmoid")),
        ({"truth": "cheese"}, ("case0: truth must name lesion types", "found: cheese", "melanoma, squamous")),
        ({"truth": ""}, ("scores.csv", "truth is known", "no case has a truth", "Add a column truth")),
        ({"case_id": "case1"}, ("case1: each case stands once", "row 2")),
    ],
)
def test_scores_that_break_a_rule_are_refused_by_case_and_value(
    derm_kit: Command, scores: pd.DataFrame, change: dict[str, object], words: tuple[str, ...]
):
    scores.assign(**change).to_csv("scores.csv", index=False)
    for command in ("tune", "accuracy"):
        require_plain_refusal(derm_kit(command, "scores.csv", "--policy", "ours.json"), *words)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"melanoma": "risk", "benign_naevus": "other"}, ("scores.csv", "named as a lesion type", "case_id, risk")),
        ({"case_id": "patient name"}, ("scores.csv", "column of case ids", "Name that column case_id")),
        ({"truth": "outcome of clinic"}, ("scores.csv", "no case has a truth", "Add a column truth")),
        ({"benign_naevus": "Melanoma"}, ("scores.csv", "stands in a score table once")),
    ],
)
def test_wrong_columns_are_refused_with_the_columns_found(
    derm_kit: Command, scores: pd.DataFrame, columns: dict[str, str], words: tuple[str, ...]
):
    scores.rename(columns=columns).to_csv("scores.csv", index=False)
    for command in ("tune", "accuracy"):
        require_plain_refusal(derm_kit(command, "scores.csv", "--policy", "ours.json"), *words)


def test_no_row_and_no_byte_are_refused(derm_kit: Command, scores: pd.DataFrame):
    scores.iloc[:0].to_csv("scores.csv", index=False)
    require_plain_refusal(derm_kit("tune", "scores.csv", "--policy", "ours.json"), "at least one row", "in full")
    Path("scores.csv").write_bytes(b"")
    require_plain_refusal(derm_kit("accuracy", "scores.csv", "--policy", "ours.json"), "must not be empty")


def test_truth_of_other_cases_is_refused(derm_kit: Command, scores: pd.DataFrame, tmp_path: Path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    cases = scores[["case_id", "truth"]].assign(exclusion="", quality_fail=False, quality_reason="")
    types = TriagePolicy.model_json_schema()["$defs"]["LesionType"]["enum"]
    scores.reindex(columns=["case_id", *types]).to_parquet(folder / "scores.parquet", index=False)
    for other in (cases.assign(case_id="x" + cases["case_id"]), cases.iloc[::-1], cases.iloc[:100]):
        other.to_parquet(folder / "cases.parquet", index=False)
        said = derm_kit("tune", folder, "--policy", "ours.json")
        require_plain_refusal(said, "the same cases in the same order", "mend the table")
    cases.to_parquet(folder / "cases.parquet", index=False)
    assert derm_kit("tune", folder, "--policy", "ours.json").code == 0


def test_scores_without_the_types_of_the_policy_are_refused(derm_kit: Command, scores: pd.DataFrame):
    scores.to_csv("scores.csv", index=False)
    said = derm_kit("accuracy", "scores.csv")
    require_plain_refusal(said, "none of squamous cell carcinoma in any case", "take its threshold out")


# Odd but sound


def test_melanomas_alone_leave_specificity_undefined_and_say_so(derm_kit: Command, scores: pd.DataFrame):
    scores.assign(truth="melanoma").to_csv("scores.csv", index=False)
    tuned = derm_kit("tune", "scores.csv", "--policy", "ours.json")
    fifth_lowest = np.sort(scores["melanoma"])[4]  # of 200 positives; the scores have three decimals
    assert float(cells(tuned.out, "melanoma")[-1]) == pytest.approx(fifth_lowest, rel=1e-3)
    said = derm_kit("accuracy", "scores.csv", "--policy", "ours.json")
    assert said.code == 0, said.err
    assert cells(said.out, "benign not flagged")[3:] == ["0", "0", "–", "–", "–", "no case"]
    assert cells(said.out, "likelihood ratio of a flag")[1:] == ["–", "–", "–", "undefined: a side has no case"]


def test_no_melanoma_at_all_is_a_refusal_with_the_number_needed(derm_kit: Command, scores: pd.DataFrame):
    scores.assign(truth="benign_naevus").to_csv("scores.csv", index=False)
    said = derm_kit("tune", "scores.csv", "--policy", "ours.json", "--out", "new.json")
    assert said.code == 0, said.err
    assert "Melanoma: no threshold. Refused: 0 positives, at least 59 are needed" in " ".join(said.out.split())
    assert TriagePolicy.read(Path("new.json")) == TriagePolicy.read(Path("ours.json"))


def test_ties_everywhere_give_the_tie_or_nothing(derm_kit: Command, scores: pd.DataFrame):
    scores.assign(melanoma=0.5, benign_naevus=0.5).to_csv("scores.csv", index=False)
    said = derm_kit("tune", "scores.csv", "--policy", "ours.json")
    assert cells(said.out, "melanoma") == ["melanoma", "100", "100", "1.000", "0.964", "1.000", "", "0.5"]
    assert cells(said.out, "no cancer, newly flagged")[1] == "0"
    scores.assign(melanoma=0.0, benign_naevus=1.0).to_csv("scores.csv", index=False)
    said = derm_kit("tune", "scores.csv", "--policy", "ours.json")
    assert "Melanoma: no threshold. Refused: 2 or more of 100 positives score below 1e-06" in " ".join(said.out.split())


def test_no_false_alarm_leaves_the_ratio_of_a_flag_undefined_for_that_reason(derm_kit: Command, scores: pd.DataFrame):
    ill = scores["truth"] == "melanoma"
    scores.assign(melanoma=ill * 0.9, benign_naevus=1 - ill * 0.9).to_csv("scores.csv", index=False)
    said = derm_kit("accuracy", "scores.csv", "--policy", "ours.json")
    undefined = ["–", "–", "–", "undefined: no case on the lower side"]
    assert cells(said.out, "likelihood ratio of a flag")[1:] == undefined
    assert cells(said.out, "likelihood ratio of no flag")[1] == "0.000"
