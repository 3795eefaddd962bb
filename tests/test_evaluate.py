"""evaluate.py on small synthetic tables: rows of results.csv, the log's refusals, MODEL_CARD.md from the rows alone."""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from derm_kit.errors import RunError
from derm_kit.lesions import FLAGGED, LESION_TYPES
from derm_kit.model.card import HASHED_FILES, ModelCard, load_card, sha256, write_card
from derm_kit.model.run import SCORE_COLUMNS, ScoreRun, write_joined

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
import evaluate
import figures
from model_card import BARS, COLUMNS, HEADLINES, model_card, read_results

TRAINED = [t for t in LESION_TYPES if t.value != "atypical_naevus"]
KEYS = ["run", "metric", "stratum", "stratum_value"]
TRUTHS = [t.value for t in TRAINED] + ["seborrhoeic_keratosis|solar_lentigo", ""]


def synthetic_run(n: int, *, skill: float, seed: int, model_hash: str = "") -> ScoreRun:
    """Dirichlet scores that lean to the truth by `skill`; the same cases whatever the seed."""
    world = np.random.default_rng(0)
    truth = [TRUTHS[i % len(TRUTHS)] for i in range(n)]
    cases = pd.DataFrame(
        {
            "case_id": [f"case{i}" for i in range(n)],
            "truth": truth,
            "source": world.choice(["north", "south"], n),
            "split": "reference",
            "skin_tone_class": world.choice([np.nan, 1.0, 3.0], n),
            "anatomical_site": world.choice(["", "trunk", "ear"], n, p=[0.1, 0.8, 0.1]),
            "sex": world.choice(["female", "male"], n),
            "age_years": world.choice([np.nan, 12, 45, 67, 91], n),
            "truth_source": "histopathology",
            "exclusion": "",
            "quality_reason": np.where(np.arange(n) % 40 == 0, "blurred", ""),
            "quality_fail": np.arange(n) % 40 == 0,
        }
    )
    rng = np.random.default_rng(seed)
    weight = 0.4 + skill * np.array([[t.value in text.split("|") for t in TRAINED] for text in truth])
    drawn = pd.DataFrame([rng.dirichlet(row) for row in weight], columns=[t.value for t in TRAINED], dtype=np.float32)
    scores = drawn.reindex(columns=list(SCORE_COLUMNS))
    scores.insert(0, "case_id", cases["case_id"])
    return ScoreRun(scores.astype(dict.fromkeys(SCORE_COLUMNS, np.float32)), cases, None, {"model_hash": model_hash})


def synthetic_card(folder: Path) -> ModelCard:
    """A card of stand-in weights in `folder`: what evaluate.py needs to know about a model, without a network."""
    for name in HASHED_FILES:
        (folder / name).write_bytes(b"stand-in")
    card = ModelCard.model_validate(
        {
            "name": "synthetic", "version": "0", "architecture": "dirichlet", "types": TRAINED, "temperature": 1.0,
            "preprocessing": {"input_size_px": 224, "mean": 0, "std": 1}, "feature_components": 0,
            "operating_points": {
                t: {
                    "threshold": 0.3, "target_sensitivity": 0.9, "sensitivity": 0.9, "low": 0.8, "high": 0.95,
                    "n_positive": 20, "chosen_on": "validation", "guarantee": "no guarantee",
                }
                for t in FLAGGED if t in TRAINED
            },
            "operating_characteristics": (), "constancy": {"tolerance": 0.01, "types": TRAINED, "scores": {}},
            "training_cases": {t: 10.0 * (i + 1) for i, t in enumerate(TRAINED)}, "calibrated_on": "validation",
            "intended_use": "Tests.", "not_for": "Anything else.", "licence": "None.", "attribution": ("Nobody",),
            "data_sha256": "0", "files_sha256": {name: sha256(folder / name) for name in HASHED_FILES},
            "code_version": "0", "released": "2000-01-01",
        }
    )  # fmt: skip
    write_card(card, folder)
    return card


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory) -> Path:
    """A model folder after one evaluation of synthetic scores beside a weaker baseline."""
    folder = tmp_path_factory.mktemp("model")
    card = synthetic_card(folder)
    write_joined(synthetic_run(360, skill=1.4, seed=1, model_hash=card.model_hash), folder / "run.parquet")
    write_joined(synthetic_run(360, skill=0.7, seed=2), folder / "baseline.parquet")
    evaluate.main(command(folder, "--baseline", str(folder / "baseline.parquet")))
    return folder


def test_the_baselines_card_gives_its_hash_and_its_shares(tmp_path):
    card = baseline_card = synthetic_card(tmp_path)
    runs = synthetic_run(200, skill=1.4, seed=1), synthetic_run(200, skill=0.7, seed=2)
    about = {"date": "2026-01-01T00:00:00Z", "weights_hash": card.model_hash, "split": "reference", "note": ""}
    table, _ = evaluate.evaluate(runs[0], card, about, runs[1], baseline_card, "naive")
    free = table[(table["metric"] == "balanced_accuracy_prevalence_free") & (table["stratum"] == "all")]
    model, baseline, difference = (
        free.loc[free["run"] == r, "value"].item() for r in ("model", "baseline", "difference")
    )
    assert difference == pytest.approx(model - baseline)
    labelled = (runs[1].cases["truth"] != "") & ~runs[1].cases["truth"].str.contains("|", regex=False)
    scores, truth = runs[1].scores[labelled], runs[1].cases.loc[labelled, "truth"]
    call = (scores[[t.value for t in TRAINED]] / np.arange(1, 1 + len(TRAINED))).idxmax(axis=1)
    assert baseline == pytest.approx((call == truth).groupby(truth).mean().mean())
    assert set(table.loc[table["run"] == "baseline", "weights_hash"]) == {"naive"}


def test_untrained_types_leave_the_figure_over_trained_ones(tmp_path):
    run = synthetic_run(200, skill=1.4, seed=1)
    run.cases.loc[:9, "truth"] = "atypical_naevus"
    found = dict(figures.headline(figures.scored(run)))
    over_all, trained = found["balanced_accuracy"], found["balanced_accuracy_trained_types"]
    types = run.cases.loc[~run.cases["truth"].str.contains("|", regex=False), "truth"].replace("", np.nan).nunique()
    assert trained.value == pytest.approx(over_all.value * types / (types - 1))
    assert trained.n == over_all.n - 10


def command(folder: Path, *more: str) -> list[str]:
    weights = load_card(folder).model_hash
    return [str(folder / "run.parquet"), "--out", str(folder), "--weights-hash", weights, *more]


@pytest.fixture
def rows(evaluated: Path) -> pd.DataFrame:
    return read_results(evaluated / "results.csv").set_index(KEYS).sort_index()


def test_every_row_is_dated_hashed_and_defined_or_reasoned(evaluated):
    table = read_results(evaluated / "results.csv")
    assert tuple(table.columns) == COLUMNS
    assert table["date"].str.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").all()
    weights = load_card(evaluated).model_hash
    assert set(table.loc[table["run"] != "baseline", "weights_hash"]) == {weights}
    baseline = set(table.loc[table["run"] == "baseline", "weights_hash"])
    assert baseline == {"scores:" + sha256(evaluated / "baseline.parquet")}
    figures = table[table["method"] != "bar"]
    silent = figures[figures[["value", "low", "high"]].isna().any(axis=1) & (figures["reason"] == "")]
    assert silent.empty
    assert not table.duplicated(KEYS).any()
    bounded = figures.dropna(subset=["low"])
    bounded = bounded[bounded["metric"] != "calibration_floor"]
    assert ((bounded["low"] <= bounded["value"] + 1e-6) & (bounded["value"] <= bounded["high"] + 1e-6)).all()


def test_figures_agree_with_an_independent_count(rows):
    run = synthetic_run(360, skill=1.4, seed=1)
    labelled = (run.cases["truth"] != "").to_numpy()
    truth = run.cases.loc[labelled, "truth"]
    scores = run.scores[labelled]
    melanoma = rows.loc[("model", "melanoma_auc", "all", "")]
    assert melanoma["value"] == pytest.approx(roc_auc_score(truth == "melanoma", scores["melanoma"]), abs=1e-6)
    assert (melanoma["n"], melanoma["n_positive"]) == (labelled.sum(), (truth == "melanoma").sum())
    top = scores[list(SCORE_COLUMNS)].fillna(-1).idxmax(axis=1)
    single = ~truth.str.contains("|", regex=False)
    recall = (top == truth)[single].groupby(truth[single]).mean()
    assert rows.loc[("model", "balanced_accuracy", "all", ""), "value"] == pytest.approx(recall.mean(), abs=1e-6)
    assert rows.loc[("model", "recall", "type", "dermatofibroma"), "value"] == pytest.approx(
        recall["dermatofibroma"], abs=1e-6
    )
    shares = pd.Series({t.value: 10.0 * (i + 1) for i, t in enumerate(TRAINED)})
    free = (scores[list(shares.index)] / shares).idxmax(axis=1)
    assert rows.loc[("model", "balanced_accuracy_prevalence_free", "all", ""), "value"] == pytest.approx(
        (free == truth)[single].groupby(truth[single]).mean().mean(), abs=1e-6
    )
    south = rows.loc[("model", "calibration_error", "source", "south")]
    assert south["n"] == (run.cases.loc[labelled, "source"] == "south").sum()


def test_differences_are_model_minus_baseline(rows):
    for metric in BARS:
        model, baseline, difference = (
            rows.loc[(run, metric, "all", ""), "value"] for run in ("model", "baseline", "difference")
        )
        assert difference == pytest.approx(model - baseline, abs=2e-6)
    assert rows.loc[("difference", "melanoma_auc", "all", ""), "low"] > 0


def test_small_strata_are_kept_with_their_reason(rows):
    naevus = rows.loc[("model", "auc", "type", "atypical_naevus")]
    assert math.isnan(naevus["value"])
    assert naevus["reason"] == "no positive case"
    run = synthetic_run(360, skill=1.4, seed=1)
    assert set(rows.loc[("model", "melanoma_auc", "skin_tone_class")].index) == {"1", "3", "not recorded"}
    assert set(rows.loc[("model", "melanoma_auc", "age_band")].index) == {
        "0-17", "40-59", "60-79", "80 and over", "not recorded"
    }  # fmt: skip
    assert set(rows.loc[("model", "recall", "type and source")].index) == {
        f"{t.value}, {source}" for t in LESION_TYPES for source in set(run.cases["source"])
    }


def test_default_thresholds_count_review_as_not_caught(rows, evaluated):
    """Failed quality, skin tone 1 and under 18 go to a clinician: lost from `caught`, left out of `caught_assessed`."""
    run = synthetic_run(360, skill=1.4, seed=1)
    melanoma = (run.cases["truth"] == "melanoma").to_numpy()
    review = run.cases["quality_fail"] | (run.cases["skin_tone_class"] == 1) | (run.cases["age_years"] < 18)
    decided = melanoma & ~review.to_numpy()
    caught = decided & (run.scores["melanoma"] >= 0.3).to_numpy()
    found = {m: rows.loc[("model", m, "type", "melanoma")] for m in ("caught", "caught_assessed", "clinician_review")}
    assert found["caught"]["value"] == pytest.approx(caught.sum() / melanoma.sum(), abs=1e-6)
    assert found["caught_assessed"]["value"] == pytest.approx(caught.sum() / decided.sum(), abs=1e-6)
    assert found["clinician_review"]["value"] == pytest.approx(1 - decided.sum() / melanoma.sum(), abs=1e-6)
    kept = {(c.lesion_type.value, c.source): c for c in load_card(evaluated).operating_characteristics}
    assert kept["melanoma", "all"].caught == caught.sum()
    assert kept["melanoma", "all"].n == melanoma.sum()
    assert kept["melanoma", "north"].n + kept["melanoma", "south"].n == melanoma.sum()
    assert kept["atypical_naevus", "all"].low is None


def test_a_second_look_needs_a_reason_and_is_logged(evaluated, tmp_path):
    for name in ("results.csv", "card.json", *HASHED_FILES, "run.parquet"):
        (tmp_path / name).write_bytes((evaluated / name).read_bytes())
    before = (tmp_path / "results.csv").read_text()
    with pytest.raises(RunError, match="once per weights"):
        evaluate.main(command(tmp_path))
    assert (tmp_path / "results.csv").read_text() == before
    evaluate.main(command(tmp_path, "--again", "the table was mended"))
    after = (tmp_path / "results.csv").read_text()
    assert after.startswith(before)
    log = (tmp_path / "MODEL_CARD.md").read_text().split("## Evaluation log")[1]
    assert "| first |" in log
    assert "| the table was mended |" in log


def test_other_weights_and_other_splits_are_refused(evaluated, tmp_path):
    run = [str(evaluated / "run.parquet"), "--out", str(evaluated)]
    with pytest.raises(RunError, match="the card and --weights-hash"):
        evaluate.main([*run, "--weights-hash", "0" * 64])
    with pytest.raises(RunError, match="the run and --weights-hash"):
        evaluate.main([run[0], "--out", str(tmp_path), "--weights-hash", "0" * 64])
    with pytest.raises(RunError, match=r"split 'validation' \(found: reference\)"):
        evaluate.main(command(evaluated, "--split", "validation"))
    short = synthetic_run(340, skill=0.7, seed=2)
    write_joined(short, tmp_path / "short.parquet")
    with pytest.raises(RunError, match="20 of 360 cases missing"):
        evaluate.main(command(evaluated, "--baseline", str(tmp_path / "short.parquet"), "--again", "a test"))


def cells(text: str) -> list[list[str]]:
    """Body rows of every table, cells stripped."""
    body = []
    for before, line in zip(text.splitlines(), text.splitlines()[1:], strict=False):
        if line.startswith("|") and before.startswith("|") and "---" not in line:
            body.append([cell.strip() for cell in line.strip("|").split("|")])
    return body


def test_every_number_in_the_cards_tables_stands_in_results(evaluated):
    table = read_results(evaluated / "results.csv")
    allowed = {format(v, spec) for c in ("value", "low", "high") for v in table[c].dropna() for spec in (".3f", "+.3f")}
    allowed |= {f"{n:.0f}" for c in ("n", "n_positive") for n in table[c].dropna()}
    allowed |= {number for text in table["reason"].unique() for number in re.findall(r"\d+", text)}
    text = (evaluated / "MODEL_CARD.md").read_text()
    tables, _ = text.split("## Evaluation log")
    numbers = [x for row in cells(tables) for cell in row[1:] for x in re.findall(r"[+-]?\d+(?:\.\d+)?", cell)]
    assert len(numbers) > 300
    assert set(numbers) <= allowed


def test_headline_cells_are_those_of_their_row(evaluated, rows):
    found = {row[0]: row[1:] for row in cells((evaluated / "MODEL_CARD.md").read_text())}
    for metric, (must, _) in BARS.items():
        model = rows.loc[("model", metric, "all", "")]
        difference = rows.loc[("difference", metric, "all", "")]
        row = found[HEADLINES[metric]]
        assert row[0] == f"{model['n']:.0f}"
        assert row[1].startswith(f"{model['value']:.3f} ({model['low']:.3f} to {model['high']:.3f})")
        assert row[3].startswith(f"{difference['value']:+.3f} (")
        assert row[4] == f"{must:.3f}"
        reached = model["value"] <= must if metric == "calibration_error" else model["value"] >= must
        assert row[6].startswith("must not met") != reached


@pytest.mark.parametrize(
    ("value", "low", "verdict"),
    [
        (0.96, 0.93, "aim met"),
        (0.96, 0.91, "aim met, interval reaches below must"),
        (0.93, 0.92, "must met"),
        (0.93, 0.90, "must met, interval reaches below"),
        (0.91, 0.90, "must not met"),
    ],
)
def test_the_verdict_follows_value_and_interval(evaluated, value, low, verdict):
    results = read_results(evaluated / "results.csv")
    here = (results["metric"] == "melanoma_auc") & (results["stratum"] == "all") & (results["run"] == "model")
    results.loc[here, ["value", "low"]] = value, low
    text = model_card(results, json.loads((evaluated / "card.json").read_text()), evaluated)
    (row,) = [row for row in cells(text) if row[0] == HEADLINES["melanoma_auc"]]
    assert row[-1] == verdict


def test_the_card_says_what_must_be_said(evaluated):
    text = (evaluated / "MODEL_CARD.md").read_text()
    for words in (
        "not a medical device", "Not trained: atypical naevus", "confounded", "too few to say", "Merkel cell carcinoma",
        "No source names the patient", "verification bias", "this result never overrides clinical suspicion",
        "- Nobody", "No evaluation of unseen phantoms",
    ):  # fmt: skip
        assert words in text


def test_phantoms_have_their_own_section(evaluated, tmp_path):
    for name in ("results.csv", "card.json", *HASHED_FILES):
        (tmp_path / name).write_bytes((evaluated / name).read_bytes())
    run = synthetic_run(120, skill=3, seed=4)
    run.cases["split"] = ""
    write_joined(run, tmp_path / "run.parquet")
    evaluate.main(command(tmp_path, "--split", "phantom"))
    text = (tmp_path / "MODEL_CARD.md").read_text()
    section = text.split("## Phantoms")[1].split("## Limits")[0]
    (row,) = [row for row in cells(section) if row[0] == HEADLINES["balanced_accuracy"]]
    table = read_results(tmp_path / "results.csv")
    here = table[(table["split"] == "phantom") & (table["metric"] == "balanced_accuracy") & (table["stratum"] == "all")]
    assert row[2].startswith(f"{here['value'].item():.3f}")
    assert load_card(tmp_path).operating_characteristics == load_card(evaluated).operating_characteristics


def test_without_an_evaluation_the_card_says_so(tmp_path):
    card = synthetic_card(tmp_path)
    empty = pd.DataFrame(columns=list(COLUMNS))
    text = model_card(empty, card.model_dump(mode="json"), tmp_path)
    assert "No evaluation of `reference` is logged" in text
