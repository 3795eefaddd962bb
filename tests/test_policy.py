"""decide(): how a triage policy reads scores, by the rules of the order of risk."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from derm_kit.errors import PolicyError
from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType
from derm_kit.model.card import default_model, load_card
from derm_kit.model.run import SCORE_COLUMNS, ScoreRun
from derm_kit.triage.policy import DEFAULT_DISPOSITIONS, Disposition, TriagePolicy, decide, suspected_index

TRAINED = [t for t in LESION_TYPES if t is not LesionType.ATYPICAL_NAEVUS]
THRESHOLDS = {t: 0.3 for t in TRAINED if t.flagged} | {LesionType.MELANOMA: 0.1}


def make_run(rows: list[dict[str, float]], model_hash: str = "", scoring: str = "", **columns: list) -> ScoreRun:
    """A run of given scores; types not named score 0, atypical naevus NaN."""
    scores = pd.DataFrame([{t.value: row.get(t.value, 0.0) for t in TRAINED} for row in rows], dtype=np.float32)
    scores["atypical_naevus"] = np.float32(np.nan)
    scores.insert(0, "case_id", [f"case{i}" for i in range(len(rows))])
    n = len(rows)
    cases = pd.DataFrame(
        {
            "case_id": scores["case_id"],
            "quality_fail": columns.get("quality_fail", [False] * n),
            "quality_reason": columns.get("quality_reason", [""] * n),
            "exclusion": columns.get("exclusion", [""] * n),
            "anatomical_site": columns.get("anatomical_site", [""] * n),
            "truth": columns.get("truth", [""] * n),
            "skin_type": columns.get("skin_type", [""] * n),
            "skin_tone_class": columns.get("skin_tone_class", [np.nan] * n),
        }
    )
    meta = {"model_hash": model_hash, "scoring_sha256": scoring, "trained_types": [t.value for t in TRAINED]}
    return ScoreRun(scores[["case_id", *SCORE_COLUMNS]], cases, meta=meta)


def make_policy(**changes: object) -> TriagePolicy:
    return TriagePolicy(**({"name": "test", "version": "1", "model_hash": "", "thresholds": THRESHOLDS} | changes))


def only(decisions) -> pd.Series:
    assert len(decisions) == 1
    return decisions.table.iloc[0]


def test_the_most_serious_type_that_reaches_its_threshold_is_suspected():
    row = only(decide(make_run([{"melanoma": 0.12, "basal_cell_carcinoma": 0.8}]), make_policy()))
    assert (row["suspected"], row["disposition"]) == ("melanoma", "urgent suspected cancer")
    assert "0.120 reaches its threshold 0.100" in row["reason"]


def test_a_score_equal_to_its_threshold_reaches_it():
    threshold = float(np.float32(0.1))
    policy = make_policy(thresholds=THRESHOLDS | {LesionType.MELANOMA: threshold})
    assert only(decide(make_run([{"melanoma": 0.1}]), policy))["suspected"] == "melanoma"


@pytest.mark.parametrize(
    ("autonomous", "expected"), [(False, "dermatologist second read"), (True, "discharge advice with safety-netting")]
)
def test_a_case_that_reaches_no_threshold_is_not_called_benign(autonomous: bool, expected: str):
    row = only(decide(make_run([{"benign_naevus": 0.99}]), make_policy(autonomous=autonomous)))
    assert (row["suspected"], row["disposition"]) == ("", expected)
    assert "does not prove it benign" in row["reason"]
    assert "If you are worried, refer" in row["reason"]


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"quality_fail": [True], "quality_reason": ["out of focus"]}, "quality"),
        ({"exclusion": ["under 18"]}, "exclusion"),
        ({"skin_type": ["VI"]}, "skin type"),
        ({"skin_tone_class": [0.0]}, "skin tone"),
    ],
)
@pytest.mark.parametrize("autonomous", [False, True])
def test_review_cases_never_leave_by_the_model(columns: dict, rule: str, autonomous: bool):
    run = make_run([{"benign_naevus": 0.99, "melanoma": 0.5}], **columns)
    row = only(decide(run, make_policy(autonomous=autonomous)))
    assert (row["disposition"], row["rule"], row["suspected"]) == ("clinician review", rule, "")


def test_a_missing_score_of_a_trained_type_goes_to_review_and_an_untrained_one_does_not():
    run = make_run([{"melanoma": float("nan"), "basal_cell_carcinoma": 0.9}, {"basal_cell_carcinoma": 0.9}])
    table = decide(run, make_policy(autonomous=True)).table
    assert list(table["rule"]) == ["missing score", "threshold"]
    assert table["reason"].iloc[0] == "missing score: this picture has no score for melanoma"


def test_a_policy_of_another_model_is_refused():
    with pytest.raises(PolicyError, match=r"model it was made for.*weights bbbbbbbbbbbb, .*weights aaaaaaaaaaaa"):
        decide(make_run([{}], model_hash="a" * 64), make_policy(model_hash="b" * 64))


def test_a_policy_of_the_same_weights_under_another_card_is_refused():
    run = make_run([{}], model_hash="a" * 64, scoring="c" * 64)
    with pytest.raises(PolicyError, match=r"the same weights under a card that scores otherwise.*derm-kit policy"):
        decide(run, make_policy(model_hash="a" * 64, scoring_sha256="d" * 64))
    assert decide(run, make_policy(model_hash="a" * 64, scoring_sha256="c" * 64)).remarks == ()


def test_a_policy_made_from_a_card_carries_what_the_card_says_on_scoring():
    card = load_card(default_model())
    policy = TriagePolicy.from_card(card)
    assert policy.scoring_sha256 == card.scoring_sha256
    warmer = card.model_copy(update={"temperature": card.temperature + 0.1})
    run = make_run([{}], model_hash=warmer.model_hash, scoring=warmer.scoring_sha256)
    with pytest.raises(PolicyError, match="the same weights"):
        decide(run, policy)
    assert decide(run, TriagePolicy.from_card(warmer)).remarks == ()


def test_a_policy_older_than_the_field_is_compared_by_weights_and_says_so(tmp_path: Path):
    older = json.loads(make_policy(model_hash="a" * 64).model_dump_json())
    del older["scoring_sha256"]
    (tmp_path / "policy.json").write_text(json.dumps(older))
    policy = TriagePolicy.read(tmp_path / "policy.json")
    decisions = decide(make_run([{}], model_hash="a" * 64, scoring="c" * 64), policy)
    assert decisions.remarks == (
        "Policy and scores were matched by the model's weights alone: the policy does not say which temperature, "
        "preprocessing and lesion types the model had.",
    )
    with pytest.raises(PolicyError, match="model it was made for"):
        decide(make_run([{}], model_hash="b" * 64, scoring="c" * 64), policy)
    newer = make_policy(model_hash="a" * 64, scoring_sha256="c" * 64)
    assert "these scores do not say" in decide(make_run([{}], model_hash="a" * 64), newer).remarks[0]


def test_scores_and_policies_that_name_no_model_are_read_and_that_is_said():
    named = make_policy(model_hash="a" * 64, scoring_sha256="c" * 64)
    assert "These scores do not say which model gave them" in decide(make_run([{}]), named).remarks[0]
    assert "The policy names no model" in decide(make_run([{}], model_hash="a" * 64), make_policy()).remarks[0]


@pytest.mark.parametrize("cancer", [t for t in LESION_TYPES if t.cancer])
@pytest.mark.parametrize("others", [0.01, 0.9])
def test_no_case_is_discharged_while_a_cancer_has_no_score(cancer: LesionType, others: float):
    columns = {t.value: [np.nan if t is cancer else 0.01] for t in LESION_TYPES}
    columns["basal_cell_carcinoma" if cancer is LesionType.MELANOMA else "melanoma"] = [others]
    run = ScoreRun(pd.DataFrame({"case_id": ["a"]} | columns), pd.DataFrame({"case_id": ["a"]}))
    thresholds = {t: 0.5 for t in FLAGGED if t is not cancer}
    decisions = decide(run, make_policy(thresholds=thresholds, autonomous=True))
    row = only(decisions)
    if others < 0.5:
        assert (row["disposition"], row["rule"]) == ("clinician review", "untrained cancer")
        assert cancer.label.lower() in row["reason"]
        assert decisions.in_review.all()
    else:
        assert row["rule"] == "threshold"
    assert f"There is no score for {cancer.label.lower()}" in decisions.remarks[-1]
    second = only(decide(run, make_policy(thresholds=thresholds)))
    assert second["disposition"] == ("dermatologist second read" if others < 0.5 else row["disposition"])


def test_in_review_are_the_cases_that_the_scores_did_not_decide():
    run = make_run(
        [{"melanoma": 0.9}, {}, {"melanoma": 0.9}, {"melanoma": float("nan")}], exclusion=["", "", "under 18", ""]
    )
    policy = make_policy(dispositions=DEFAULT_DISPOSITIONS | {LesionType.MELANOMA: Disposition.CLINICIAN_REVIEW})
    assert decide(run, policy).in_review.tolist() == [False, False, True, True]


def test_a_threshold_of_an_untrained_type_is_refused():
    policy = make_policy(thresholds=THRESHOLDS | {LesionType.ATYPICAL_NAEVUS: 0.5})
    with pytest.raises(PolicyError, match="hold none of atypical naevus in any case"):
        decide(make_run([{}]), policy)


def test_a_benign_threshold_and_a_threshold_of_zero_are_invalid():
    with pytest.raises(ValueError, match="benign"):
        make_policy(thresholds={LesionType.BENIGN_NAEVUS: 0.5})
    with pytest.raises(ValueError, match=r"greater than or equal to 0\.000001"):
        make_policy(thresholds={LesionType.MELANOMA: 0.0})


@given(
    scores=arrays(np.float32, (7, 11), elements=st.floats(0, 1, width=32) | st.just(np.nan)),
    cut=st.lists(st.floats(0.01, 1), min_size=6, max_size=6),
)
def test_the_cascade_equals_a_walk_down_the_order_of_risk(scores, cut):
    thresholds = dict(zip(FLAGGED, cut, strict=True))
    for row, found in zip(scores, suspected_index(scores, thresholds), strict=True):
        walked = next((i for i, t in enumerate(LESION_TYPES) if t.flagged and float(row[i]) >= thresholds[t]), -1)
        assert found == walked


@settings(deadline=None)
@given(lower=st.floats(0.01, 1), higher=st.floats(0.01, 1), score=st.floats(0, 1, width=32))
def test_raising_a_threshold_never_flags_more(lower: float, higher: float, score: float):
    lower, higher = sorted((lower, higher))
    run = make_run([{"melanoma": score}])
    called = [only(decide(run, make_policy(thresholds={LesionType.MELANOMA: t})))["suspected"] for t in (lower, higher)]
    assert called != ["", "melanoma"]


def test_the_policy_survives_json_and_names_what_is_wrong(tmp_path: Path):
    path = tmp_path / "policy.json"
    policy = TriagePolicy.from_card(load_card(default_model()))
    path.write_text(policy.model_dump_json())
    assert TriagePolicy.read(path) == policy
    broken = json.loads(policy.model_dump_json())
    broken["thresholds"]["melanoma"] = 7
    path.write_text(json.dumps(broken))
    with pytest.raises(PolicyError, match=r"thresholds\.melanoma.*7"):
        TriagePolicy.read(path)
    with pytest.raises(PolicyError, match="cannot be read"):
        TriagePolicy.read(tmp_path / "none.json")


def test_every_flagged_type_has_a_default_disposition():
    assert set(make_policy().dispositions) == set(FLAGGED)
    assert all(isinstance(d, Disposition) for d in make_policy().dispositions.values())


def test_the_schema_names_the_required_fields():
    assert {"name", "version", "model_hash", "thresholds"} <= set(TriagePolicy.model_json_schema()["required"])


def read_policy(tmp_path: Path, **changes: object) -> TriagePolicy:
    fields = json.loads(make_policy().model_dump_json()) | changes
    (tmp_path / "policy.json").write_text(json.dumps(fields))
    return TriagePolicy.read(tmp_path / "policy.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"dispositions": DEFAULT_DISPOSITIONS | {"melanoma": "discharge advice with safety-netting"}},
            r"dispositions\.melanoma: .*never discharged.*found: discharge advice",
        ),
        ({"thresholds": {}, "autonomous": True}, "autonomous: .*would discharge every case"),
        ({"autonomous": "yes"}, "autonomous: should be true or false .*found: yes"),
        ({"autonomous": 1}, "autonomous: should be true or false .*found: 1"),
        ({"thresholds": {"melanoma": True}}, r"thresholds\.melanoma: .*number.*found: True"),
        ({"thresholds": {"melanoma": "0.5"}}, r"thresholds\.melanoma: .*number.*found: 0\.5"),
        ({"thresholds": [0.5]}, r"thresholds: should list flagged types, each with its value.*found: \[0\.5"),
        ({"name": ""}, "name: should not be empty"),
        ({"version": 2}, "version: should be text, in quotation marks .*found: 2"),
        ({"thresholds": {"melanoma": 1e-320}}, r"thresholds\.melanoma: .*0\.000001.*found: 1e-320"),
        ({"thresholds": {"melanoma": float("nan")}}, "NaN is no number in JSON"),
        ({"thresholds": {"benign_naevus": 0.5}}, r"thresholds\.benign_naevus: .*is benign"),
        ({"dispositions": {}}, r"dispositions\.melanoma: a type with a threshold needs a disposition"),
        ({"review_skin_types": ["5", "vi"]}, r"review_skin_types\.0: .*'V' or 'VI' .*found: 5"),
        ({"review_skin_types": "V"}, "review_skin_types: should be a list, in square brackets .*found: V"),
        ({"review_skin_tone_classes": [99]}, r"review_skin_tone_classes\.0: .*5 .*found: 99"),
        ({"review_skin_tone_classes": [True]}, r"review_skin_tone_classes\.0: .*whole number.*found: True"),
        ({"review_skin\x1b[2J": []}, r"review_skin\\x1b\[2J: a policy has no such field"),
        ({"review_sites": "scalp"}, "review_sites: should be a list, in square brackets .*found: scalp"),
        ({"review_sites": ["scalp", " "]}, r"review_sites\.1: should not be empty"),
        ({"review_sites": [3]}, r"review_sites\.0: should be text, in quotation marks .*found: 3"),
        ({"read_despite_quality": ["out of focus"]}, r"read_despite_quality\.0: .*'heavy hair' .*found: out of focus"),
        ({"read_despite_quality": "all"}, "read_despite_quality: should be a list, in square brackets .*found: all"),
        ({"read_despite_exclusion": ["genital"]}, "read_despite_exclusion: a policy has no such field"),
        ({"second_read_margin": 1}, r"second_read_margin: should be less than 1 .*found: 1"),
        ({"second_read_margin": -0.1}, r"second_read_margin: .*greater than or equal to 0 .*found: -0\.1"),
        ({"second_read_margin": float("nan")}, "NaN is no number in JSON"),
        ({"second_read_margin": "20%"}, r"second_read_margin: should be a number.*found: 20%"),
        ({"second_read_margin": True}, r"second_read_margin: should be a number.*found: True"),
    ],
)
def test_a_policy_that_could_harm_is_refused_by_its_field(tmp_path: Path, changes: dict, message: str):
    with pytest.raises(PolicyError, match=message):
        read_policy(tmp_path, **changes)


def test_review_is_turned_off_only_by_an_empty_list(tmp_path: Path):
    policy = read_policy(tmp_path, review_skin_types=[], review_skin_tone_classes=[], autonomous=True)
    run = make_run([{"benign_naevus": 0.99}], skin_type=["VI"], skin_tone_class=[0.0])
    assert only(decide(run, policy))["rule"] == "no threshold"


def test_an_autonomous_policy_needs_a_threshold_for_every_trained_flagged_type():
    thresholds = {t: cut for t, cut in THRESHOLDS.items() if t is not LesionType.SQUAMOUS_CELL_CARCINOMA}
    decide(make_run([{}]), make_policy(thresholds=thresholds))
    with pytest.raises(PolicyError, match=r"thresholds: .*none for squamous cell carcinoma"):
        decide(make_run([{}]), make_policy(thresholds=thresholds, autonomous=True))


def test_the_default_policy_may_be_made_autonomous():
    policy = TriagePolicy.from_card(load_card(default_model()), autonomous=True)
    assert only(decide(make_run([{"benign_naevus": 0.99}]), policy))["disposition"] == Disposition.DISCHARGE_ADVICE


@pytest.mark.parametrize(
    "text", ["[]", "null", "{", "[" * 100_000, "\x00", '{"thresholds": {"melanoma": 0.9, "melanoma": 0.1}}']
)
def test_a_file_that_is_no_policy_is_refused(tmp_path: Path, text: str):
    (tmp_path / "policy.json").write_text(text)
    with pytest.raises(PolicyError, match="a policy is a JSON object"):
        TriagePolicy.read(tmp_path / "policy.json")


def test_a_pipe_and_a_folder_are_no_policy(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(PolicyError, match="a policy is a regular file"):
            TriagePolicy.read(path)
