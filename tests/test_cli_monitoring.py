"""derm-kit monitor as somebody who looks after a service runs it."""

from __future__ import annotations

import dataclasses
import json
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from derm_kit.cli.monitoring import monitor
from derm_kit.errors import DermKitError
from derm_kit.model.run import ScoreRun, write_joined
from derm_kit.surveillance.deliveries import write_feed
from derm_kit.surveillance.scenarios import TRUST, Scenario, planted_feed
from derm_kit.triage.policy import TriagePolicy


def run(*words: object) -> Result:
    app = Typer()
    app.command()(monitor)
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two years of a small service in which the model is changed without a word, 60 % on."""
    small = dataclasses.replace(TRUST, cases_a_year=6_000, years=2, starts=date(2024, 1, 1))
    feed, _ = planted_feed(Scenario.SILENT_MODEL_CHANGE, small)
    folder = tmp_path_factory.mktemp("feeds") / "feed"
    write_feed(feed, folder)
    return folder


def test_a_feed_is_watched_and_every_table_written(simulated: Path, tmp_path: Path):
    said = run(simulated, "--out", tmp_path / "out")
    assert said.exit_code == 0, said.output
    assert said.output.index("Simulated feed") < said.output.index("12,000 cases from 2024-01 to 2025-12")
    for words in ("Sensitivity and specificity", "verification bias", "Melanoma sensitivity, CUSUM", "An audit sample"):
        assert words in said.output
    told = json.loads((tmp_path / "out" / "monitoring.json").read_text())
    assert set(told["deliveries_sha256"]) >= {"cases/cases.parquet", "feed.json", "features/features.parquet"}
    assert told["lag_days"] == 365
    volume = pd.read_csv(tmp_path / "out" / "volume.csv")
    assert volume["cases"].sum() == 12_000
    assert [row["cases"] for row in told["tables"]["volume"]] == volume["cases"].tolist()
    names = {path.stem for path in (tmp_path / "out").glob("*.csv")}
    assert names >= {"remarks", "set_aside", "accuracy", "signals", "quality_and_mix", "input_drift", "turnaround"}
    assert set(told["tables"]) == names - {"set_aside"}
    assert any(row["value"] is None and row["reason"] for row in told["tables"]["accuracy"])


def test_the_same_feed_gives_the_same_bytes_and_results_are_not_written_over(simulated: Path, tmp_path: Path):
    options = ("--site", "Site 1", "--from", "2024-03-01", "--until", "2025-07-01", "--lag-days", "90")
    for name in ("one", "two"):
        assert run(simulated, *options, "--out", tmp_path / name).exit_code == 0
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / n).iterdir()} for n in ("one", "two"))
    assert one == two
    told = json.loads(one["monitoring.json"])
    assert told["chosen"] == {
        "sites": ["Site 1"], "products": [], "devices": [],
        "since": "2024-03-01T00:00:00+00:00", "until": "2025-06-30T23:00:00+00:00",
    }  # fmt: skip
    assert [row["period"] for row in told["tables"]["volume"]][::15] == ["2024-03", "2025-06"]
    refused = run(simulated, "--out", tmp_path / "one")
    assert isinstance(refused.exception, DermKitError)
    assert "none is lost" in str(refused.exception)


def test_a_broken_delivery_comes_first_and_ends_with_status_1(
    tmp_path: Path, reference: ScoreRun, policy: TriagePolicy
):
    (tmp_path / "feed" / "cases").mkdir(parents=True)
    moments = pd.date_range("2026-01-01", "2026-06-30", periods=len(reference), tz="UTC")
    dated = ScoreRun(reference.scores, reference.cases.assign(imaged_at=moments), meta=reference.meta)
    write_joined(dated, tmp_path / "feed" / "cases" / "b.parquet")
    (tmp_path / "feed" / "cases" / "a.parquet").write_bytes(b"nothing")
    (tmp_path / "policy.json").write_text(policy.model_dump_json())
    said = run(tmp_path / "feed", "--policy", tmp_path / "policy.json", "--out", tmp_path / "out")
    assert said.exit_code == 1, said.output
    assert "NOT READ, and in no figure: cases/a.parquet" in said.stderr
    words = " ".join(said.output.split())
    assert "2,419 cases from 2026-01 to 2026-06, 0 with an outcome" in words
    assert "Missed cancers cannot be seen here" in words
    assert "holds no features" in words
    first = pd.read_csv(tmp_path / "out" / "remarks.csv")["sentence"].iloc[0]
    assert first.startswith("NOT READ")


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (("--site", "Atlantis"), "a site is one that the feed has: Site 1"),
        (("--from", "last week"), "--from is a day as 2026-01-31"),
        (("--timezone", "Mars/Phobos"), "IANA"),
        (("--from", "2039-01-01"), "leaves at least one case"),
    ],
)
def test_what_cannot_be_chosen_is_refused_with_the_rule(simulated: Path, words: tuple[str, ...], rule: str):
    refused = run(simulated, *words)
    assert isinstance(refused.exception, DermKitError)
    assert rule in str(refused.exception)


def test_names_from_a_feed_are_neither_mark_up_nor_formulas(tmp_path: Path):
    rows = "\n".join(f"c{i},2026-03-0{1 + i % 9}T10:00:00Z,{site},none,discharge,0.1" for i, site in
                     enumerate(["=cmd|' /C calc'!A0", "[red]Leeds[/red]", "\x1b[31mYork"] * 5))  # fmt: skip
    (tmp_path / "feed" / "cases").mkdir(parents=True)
    (tmp_path / "feed" / "cases" / "a.csv").write_text(
        f"case_id,imaged_at,site,suspected,disposition,melanoma\n{rows}\n"
    )
    said = run(tmp_path / "feed", "--out", tmp_path / "out")
    assert said.exit_code == 0, said.output
    assert "\x1b[31mYork" not in said.output
    groups = (tmp_path / "out" / "subgroups.csv").read_text()
    assert "'=cmd|" in groups
    assert ",=cmd|" not in groups
