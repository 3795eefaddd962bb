"""The rules beside a policy's thresholds: who gets a second read or a clinician though the scores say otherwise."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from derm_kit import ScoreRun, TriagePolicy, decide
from derm_kit.cli import app
from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType
from derm_kit.model.run import SCORE_COLUMNS
from derm_kit.triage.counts import CALLS, CaseCounter
from derm_kit.triage.measures import rates
from derm_kit.triage.policy import Disposition
from tests.test_policy import THRESHOLDS, TRAINED, make_policy, make_run, only

HAIR = "heavy hair: 41% of the picture, at most 30% allowed"
READABLE = ("lesion clipped", "heavy glare", "heavy hair")
SECOND, DISCHARGE = Disposition.SECOND_READ, Disposition.DISCHARGE_ADVICE
MELANOMA, BCC = LesionType.MELANOMA, LesionType.BASAL_CELL_CARCINOMA
NEWER = ("review_sites", "read_despite_quality", "second_read_margin")


# Defaults


def test_a_policy_older_than_the_rules_reads_as_one_that_leaves_them_off(tmp_path: Path, policy: TriagePolicy):
    older = {name: value for name, value in json.loads(policy.model_dump_json()).items() if name not in NEWER}
    (tmp_path / "policy.json").write_text(json.dumps(older))
    assert TriagePolicy.read(tmp_path / "policy.json") == policy
    assert {name: getattr(policy, name) for name in NEWER} == {
        "review_sites": (),
        "read_despite_quality": (),
        "second_read_margin": 0.0,
    }


def test_the_default_policy_sends_these_numbers_of_reference_cases_each_way(reference, policy):
    """By hand from the table: rules in the order of their weight, then the thresholds from the top."""
    left = np.ones(len(reference), bool)
    counts = {}
    cases = reference.cases
    for rule, held in (
        ("exclusion", cases["exclusion"] != ""),
        ("quality", cases["quality_fail"]),
        ("skin tone", cases["skin_tone_class"].isin([0, 1])),
        ("threshold", np.any([reference.scores[t] >= v for t, v in policy.thresholds.items()], axis=0)),
        ("no threshold", left),
    ):
        counts[rule] = int((left & held).sum())
        left = left & ~held
    assert decide(reference, policy).table["rule"].value_counts().to_dict() == counts
    assert counts == {"threshold": 1434, "no threshold": 879, "exclusion": 38, "quality": 38, "skin tone": 30}


# Near a threshold


@pytest.mark.parametrize("autonomous", [False, True])
def test_a_score_just_below_its_threshold_gets_a_second_read_and_is_not_flagged(autonomous: bool):
    run = make_run([{"melanoma": 0.085}, {"melanoma": 0.075}, {"melanoma": 0.1001}])
    table = decide(run, make_policy(second_read_margin=0.2, autonomous=autonomous)).table
    assert list(table["rule"]) == ["near threshold", "no threshold", "threshold"]
    assert list(table["suspected"]) == ["", "", "melanoma"]
    assert list(table["disposition"]) == [SECOND, DISCHARGE if autonomous else SECOND, "urgent suspected cancer"]
    assert table["reason"].iloc[0] == (
        "no flagged type reached its threshold, but the melanoma score 0.085 comes within 20% of its threshold 0.100"
    )


def test_a_score_at_the_very_edge_of_the_margin_is_near_and_the_next_lower_is_not():
    edge = np.float32(0.25)
    run = make_run([{"melanoma": edge}, {"melanoma": np.nextafter(edge, np.float32(0))}])
    policy = make_policy(thresholds=THRESHOLDS | {MELANOMA: 0.5}, second_read_margin=0.5)
    assert list(decide(run, policy).table["rule"]) == ["near threshold", "no threshold"]


def test_of_several_near_types_the_most_serious_is_named_and_a_called_case_is_not_near():
    run = make_run([{"melanoma": 0.09, "basal_cell_carcinoma": 0.29}, {"melanoma": 0.09, "basal_cell_carcinoma": 0.3}])
    table = decide(
        run, make_policy(second_read_margin=0.2, thresholds=THRESHOLDS | {BCC: float(np.float32(0.3))})
    ).table
    assert "melanoma score 0.090" in table["reason"].iloc[0]
    assert (table["rule"].iloc[1], table["suspected"].iloc[1]) == ("threshold", "basal_cell_carcinoma")


def test_near_a_threshold_a_case_still_goes_to_a_clinician_where_a_cancer_has_no_score():
    columns = {t.value: [0.0 if t in TRAINED else np.nan] for t in LESION_TYPES}
    columns |= {"squamous_cell_carcinoma": [np.nan], "melanoma": [0.09]}
    run = ScoreRun(pd.DataFrame({"case_id": ["a"]} | columns), pd.DataFrame({"case_id": ["a"]}))
    thresholds = {t: v for t, v in THRESHOLDS.items() if t.value != "squamous_cell_carcinoma"}
    row = only(decide(run, make_policy(thresholds=thresholds, second_read_margin=0.2, autonomous=True)))
    assert (row["rule"], row["disposition"]) == ("untrained cancer", "clinician review")


def test_on_the_reference_cases_the_margin_moves_discharges_to_second_read_and_no_rate(reference, policy):
    alone = policy.changed(autonomous=True)
    wider = alone.changed(second_read_margin=0.3)
    before, after = decide(reference, alone).table, decide(reference, wider).table
    moved = before["disposition"] != after["disposition"]
    near = np.any([reference.scores[t] >= v * 0.7 for t, v in policy.thresholds.items()], axis=0)
    assert (moved == (near & (before["rule"] == "no threshold"))).all()
    assert set(before["disposition"][moved]) == {DISCHARGE}
    assert set(after["disposition"][moved]) == {SECOND}
    assert moved.sum() > 0
    first, second = (rates(CaseCounter(reference, p).count(p.thresholds)).frame() for p in (alone, wider))
    pd.testing.assert_frame_equal(first, second)


# Pictures that fail quality


@pytest.mark.parametrize("autonomous", [False, True])
def test_a_failure_that_the_policy_reads_through_is_called_or_read_a_second_time(autonomous: bool):
    rows = [{"melanoma": 0.5}, {}, {"melanoma": 0.09}]
    run = make_run(rows, quality_fail=[True] * 3, quality_reason=[HAIR] * 3)
    policy = make_policy(read_despite_quality=["heavy hair"], second_read_margin=0.2, autonomous=autonomous)
    table = decide(run, policy).table
    assert list(table["rule"]) == ["threshold", "poor picture", "near threshold"]
    assert list(table["disposition"]) == ["urgent suspected cancer", SECOND, SECOND]
    assert table["reason"].iloc[0] == (
        f"Melanoma score 0.500 reaches its threshold 0.100; read although the picture fails quality ({HAIR})"
    )
    assert table["reason"].iloc[1] == (
        f"no flagged type reached its threshold; read although the picture fails quality ({HAIR})"
    )
    assert "comes within 20% of its threshold 0.100; read although the picture" in table["reason"].iloc[2]
    assert not decide(run, policy).in_review.any()


@pytest.mark.parametrize(
    "reason",
    [
        "",
        "heavy glare",
        "out of focus: fine detail 0.40 grey levels, at least 0.60 needed",
        "heavy hair; out of focus",
        "heavy hair: 41% of the picture; out of focus",
        "out of focus; heavy hair",
        "very heavy hair",
        "heavy hair:",
        "Heavy Hair and blur",
    ],
)
def test_a_failure_that_is_not_named_or_not_alone_goes_to_a_clinician(reason: str):
    run = make_run([{"melanoma": 0.5}], quality_fail=[True], quality_reason=[reason])
    row = only(decide(run, make_policy(read_despite_quality=["heavy hair"])))
    assert (row["rule"], row["suspected"], row["disposition"]) == ("quality", "", "clinician review")


def test_an_exclusion_a_missing_score_and_dark_skin_hold_a_poor_picture_back_all_the_same():
    columns = {"quality_fail": [True] * 3, "quality_reason": [HAIR] * 3}
    columns |= {"exclusion": ["genital", "", ""], "skin_type": ["", "", "VI"]}
    run = make_run([{"melanoma": 0.5}, {"melanoma": float("nan")}, {"melanoma": 0.5}], **columns)
    table = decide(run, make_policy(read_despite_quality=READABLE)).table
    assert list(table["rule"]) == ["exclusion", "missing score", "skin type"]
    assert set(table["disposition"]) == {"clinician review"}
    assert not table["reason"].str.contains("although").any()


def test_what_may_be_read_through_is_what_the_quality_check_says_of_reference_pictures(reference, policy):
    """10 of the 39 failing pictures are sharp, well exposed skin; the policy's other rules hold none of them."""
    failing = reference.cases[reference.cases["quality_fail"]]
    named = failing["quality_reason"].str.partition(":")[0]
    assert named[named.isin(READABLE)].value_counts().to_dict() == {
        "lesion clipped": 6,
        "heavy glare": 3,
        "heavy hair": 1,
    }
    through = decide(reference, policy.changed(read_despite_quality=READABLE)).table
    before = decide(reference, policy).table
    moved = before["rule"] != through["rule"]
    assert set(before["case_id"][moved]) == set(failing["case_id"][named.isin(READABLE)])
    assert set(before["rule"][moved]) == {"quality"}
    assert set(through["rule"][moved]) <= {"threshold", "poor picture"}


# Sites


def test_a_site_that_the_policy_names_goes_to_a_clinician_by_its_words():
    sites = ["scalp", "Scalp, left", "scalping", "palms/soles", "trunk", ""]
    run = make_run([{"melanoma": 0.5}] * 6, anatomical_site=sites)
    decisions = decide(run, make_policy(review_sites=["Scalp", "palms/soles"]))
    assert list(decisions.table["rule"]) == ["site", "site", "threshold", "site", "threshold", "threshold"]
    assert decisions.table["reason"].iloc[0] == "site: scalp, which this policy leaves to a clinician"
    assert decisions.in_review.tolist() == [True, True, False, True, False, False]
    assert "Cases that do not say their site, which the policy's review_sites needs: 1." in decisions.remarks


def test_a_named_site_where_no_case_lies_is_said():
    run = make_run([{}, {}], anatomical_site=["trunk", "scalp"])
    assert decide(run, make_policy(review_sites=["scalp", "skalp", "(ear"])).remarks[-1] == (
        "No case lies at a site that the policy's review_sites names: skalp, (ear."
    )
    assert not any("site" in remark for remark in decide(run, make_policy()).remarks)


# What holds whatever the rules and cases

_SCORES = st.floats(0, 1, width=32) | st.sampled_from([0.0, 0.1, 0.3, 1.0])
_REASONS = st.sampled_from(["", HAIR, "heavy glare", "lesion clipped: 60% of the frame's edge", "out of focus", "?"])


@st.composite
def runs(draw: st.DrawFn) -> ScoreRun:
    """Up to twelve cases, each with anything that a rule may look at."""
    n = draw(st.integers(1, 12))
    scores = st.fixed_dictionaries({t.value: _SCORES | st.just(float("nan")) for t in TRAINED})
    low = st.fixed_dictionaries({t.value: st.floats(0, 0.125, width=32) for t in TRAINED})

    def column(values: st.SearchStrategy) -> list:
        return draw(st.lists(values, min_size=n, max_size=n))

    return make_run(
        column(low | scores),
        quality_fail=column(st.booleans()),
        quality_reason=column(_REASONS),
        exclusion=column(st.sampled_from(["", "", "", "genital", "the lesion is ulcerated or open"])),
        skin_type=column(st.sampled_from(["", "II", "VI"])),
        anatomical_site=column(st.sampled_from(["", "scalp", "trunk"])),
        truth=column(st.sampled_from(["", "benign_naevus|melanoma", *(t.value for t in LESION_TYPES)])),
    )


@st.composite
def policies(draw: st.DrawFn) -> TriagePolicy:
    """Any policy for these runs, most of them such that they discharge."""
    cut = st.floats(1e-6, 1) | st.sampled_from([float(np.float32(0.1)), float(np.float32(0.3)), 1.0])
    return make_policy(
        thresholds={t: draw(cut) for t in TRAINED if t.flagged},
        autonomous=draw(st.sampled_from([True, True, False])),
        review_skin_types=draw(st.sampled_from([(), ("V", "VI")])),
        review_skin_tone_classes=(),
        review_sites=draw(st.sampled_from([(), ("scalp",)])),
        read_despite_quality=draw(st.lists(st.sampled_from(READABLE), unique=True)),
        second_read_margin=draw(st.sampled_from([0.0, 0.2]) | st.floats(0, 1, exclude_max=True)),
    )


many = settings(max_examples=30, deadline=None)


@many
@given(runs(), policies())
def test_no_failing_excluded_or_unscored_case_is_ever_discharged(run: ScoreRun, policy: TriagePolicy):
    table = decide(run, policy).table
    trained = run.matrix[:, run.trained]
    unscored, excluded = np.isnan(trained).any(axis=1), run.cases["exclusion"] != ""
    failing = run.cases["quality_fail"]
    assert not (table["disposition"] == DISCHARGE)[failing | unscored | excluded].any()
    assert (table["disposition"] == "clinician review")[unscored | excluded].all()
    named = tuple(policy.read_despite_quality)
    other = failing & ~run.cases["quality_reason"].str.startswith(named) if named else failing
    assert (table["disposition"] == "clinician review")[other].all()
    assert (table["suspected"] == "")[table["disposition"].isin([DISCHARGE])].all()


@many
@given(runs(), policies(), st.data())
def test_lowering_a_threshold_never_loses_a_catch_nor_discharges_another_case(run, policy, data):
    moved = data.draw(st.sampled_from(sorted(policy.thresholds)))
    lower = data.draw(st.floats(1e-6, policy.thresholds[moved]))
    other = policy.changed(thresholds=policy.thresholds | {moved: lower})
    before, after = decide(run, policy).table, decide(run, other).table
    assert not ((after["disposition"] == DISCHARGE) & (before["disposition"] != DISCHARGE)).any()
    rank = {"": len(LESION_TYPES)} | {t.value: i for i, t in enumerate(LESION_TYPES)}
    assert (after["suspected"].map(rank) <= before["suspected"].map(rank)).all()
    first, second = (rates(CaseCounter(run, p).count(p.thresholds)).frame() for p in (policy, other))
    caught = first["measure"] == "sensitivity"
    assert caught.sum() >= 2 * len(FLAGGED)
    assert not (second["value"][caught] < first["value"][caught]).any()


@many
@given(runs(), policies(), st.randoms())
def test_neither_the_order_of_cases_nor_their_truth_changes_a_decision(run, policy, random):
    order = list(range(len(run)))
    random.shuffle(order)
    cases = run.cases.assign(truth="").iloc[order].reset_index(drop=True)
    shuffled = ScoreRun(run.scores.iloc[order].reset_index(drop=True), cases, meta=run.meta)
    one, other = decide(run, policy), decide(shuffled, policy)
    pd.testing.assert_frame_equal(one.table.iloc[order].reset_index(drop=True), other.table)
    assert one.remarks == other.remarks


@many
@given(runs(), policies())
def test_counts_call_every_case_as_decide_does(run: ScoreRun, policy: TriagePolicy):
    decisions = decide(run, policy)
    words = np.where(decisions.in_review, "clinician review", decisions.table["suspected"].replace("", "not flagged"))
    called = CaseCounter(run, policy).called(policy.thresholds)
    assert (np.array(CALLS, dtype=object)[called] == words).all()


@many
@given(runs(), policies())
def test_a_second_read_by_rule_only_ever_replaces_what_no_threshold_called(run: ScoreRun, policy: TriagePolicy):
    plain = decide(run, policy.changed(second_read_margin=0.0)).table
    table = decide(run, policy).table
    differ = plain["rule"] != table["rule"]
    assert set(table["rule"][differ]) <= {"near threshold"}
    assert set(plain["rule"][differ]) <= {"no threshold", "poor picture"}
    assert (plain["disposition"] == table["disposition"])[~differ].all()


def test_no_case_at_all_is_decided_without_complaint():
    empty = pd.DataFrame({"case_id": pd.Series(dtype="str")} | {t: pd.Series(dtype="float32") for t in SCORE_COLUMNS})
    run = ScoreRun(empty, empty[["case_id"]])
    policy = make_policy(review_sites=["scalp"], read_despite_quality=READABLE, second_read_margin=0.2)
    assert len(decide(run, policy)) == 0


# The written form


def shipped_schema() -> dict:
    return json.loads(files("derm_kit.triage").joinpath("triage_policy.schema.json").read_text(encoding="utf-8"))


def test_the_shipped_schema_is_the_models_and_holds_for_its_default_policy(policy: TriagePolicy):
    assert shipped_schema() == TriagePolicy.model_json_schema()
    jsonschema.Draft202012Validator.check_schema(shipped_schema())
    written = json.loads(policy.model_dump_json())
    jsonschema.validate(written, shipped_schema())
    for altered in (
        {"second_read_margin": 1},
        {"read_despite_quality": ["out of focus"]},
        {"review_sites": [""]},
        {"thresholds": {"melanoma": 0}},
        {"schema_version": 2},
        {"read_despite_exclusion": []},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(written | altered, shipped_schema())


def test_the_command_prints_every_field_and_the_shipped_schema():
    printed = {words: json.loads(CliRunner().invoke(app, ["policy", *words]).stdout) for words in ((), ("--schema",))}
    assert list(printed[()]) == list(TriagePolicy.model_fields)
    assert printed["--schema",] == shipped_schema()


def test_the_rules_survive_json(tmp_path: Path):
    policy = make_policy(review_sites=["palms/soles"], read_despite_quality=READABLE, second_read_margin=0.25)
    (tmp_path / "policy.json").write_text(policy.model_dump_json())
    assert TriagePolicy.read(tmp_path / "policy.json") == policy
    assert policy.review_sites == ("palms and soles",)
