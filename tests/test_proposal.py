"""A change proposal: what it holds, that its tables are those of the page, and what it refuses to be."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from importlib.resources import files
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest

from derm_kit.errors import PolicyError
from derm_kit.lesions import FLAGGED
from derm_kit.model.card import default_model, load_card
from derm_kit.model.run import ScoreRun, read_run
from derm_kit.triage.changes import compare
from derm_kit.triage.counts import CaseCounter
from derm_kit.triage.measures import confusion, rates
from derm_kit.triage.policy import TriagePolicy
from derm_kit.triage.proposal import ChangeProposal, propose, run_hash
from derm_kit.triage.tuning import Tuned, targets_for, tune, with_thresholds

MELANOMA, SCC, BCC = FLAGGED[:3]
ACTINIC = FLAGGED[4]
WHY = "Fewer melanomas missed; accepts 93 more flags per 1,000 lesions."


@pytest.fixture(scope="module")
def counter() -> CaseCounter:
    run = read_run(default_model() / "reference_scores.parquet")
    return CaseCounter(run, TriagePolicy.from_card(load_card(default_model())))


@pytest.fixture(scope="module")
def tuned(counter: CaseCounter) -> Tuned:
    return tune(counter, targets_for(counter))


@pytest.fixture(scope="module")
def proposal(counter: CaseCounter, tuned: Tuned) -> ChangeProposal:
    return propose(counter, tuned.policy, WHY, tuned.guarantees)


def shipped_schema() -> dict[str, Any]:
    return json.loads(files("derm_kit.triage").joinpath("change_proposal.schema.json").read_text(encoding="utf-8"))


def as_rows(table: pd.DataFrame) -> list[dict[str, object]]:
    """Rows of a table in plain Python, NaN as None."""
    return [
        {name: None if isinstance(cell, float) and math.isnan(cell) else cell for name, cell in row.items()}
        for row in table.astype(object).to_dict("records")
    ]


def require_same_rows(ours: list[dict[str, Any]], theirs: list[dict[str, object]]) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one == pytest.approx(other, abs=1e-12)


# Its schema


def test_the_shipped_schema_is_the_models(proposal):
    assert shipped_schema() == ChangeProposal.model_json_schema()
    jsonschema.Draft202012Validator.check_schema(shipped_schema())


def test_a_proposal_obeys_the_schema_and_an_altered_one_does_not(proposal):
    written = json.loads(proposal.model_dump_json())
    jsonschema.validate(written, shipped_schema())
    for altered in (
        {"rationale": "because"},
        {"run_sha256": "0" * 63},
        {"cases": 0},
        {"schema_version": 2},
        {"approved": True},
        {"guarantees": {}},
        {"new_policy": written["new_policy"] | {"thresholds": {"melanoma": 0}}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(written | altered, shipped_schema())


def test_written_and_read_again_it_is_the_same(proposal):
    again = ChangeProposal.model_validate_json(proposal.model_dump_json())
    assert again == proposal
    assert again.new_policy.thresholds == proposal.new_policy.thresholds
    assert not re.search(r"\b(NaN|Infinity)\b", proposal.model_dump_json())


# What it holds


def test_it_names_model_run_code_and_leaves_hazards_and_capacity_to_others(counter, tuned, proposal):
    card = load_card(default_model())
    assert (proposal.model_hash, proposal.scoring_sha256) == (card.model_hash, card.scoring_sha256)
    assert re.fullmatch("[0-9a-f]{64}", proposal.run_sha256)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", proposal.created)
    assert proposal.code_version
    assert (proposal.cases, proposal.rationale) == (2419, WHY)
    assert (proposal.old_policy, proposal.new_policy) == (counter.policy, tuned.policy)
    assert (proposal.hazard_ids, proposal.capacity) == ([], None)


def test_its_tables_are_those_of_compare_rates_and_confusion(counter, tuned, proposal):
    changes = compare(counter, counter.policy.thresholds, tuned.policy.thresholds)
    require_same_rows(proposal.change_by_type, as_rows(changes.by_type()))
    require_same_rows(proposal.change_overall, as_rows(changes.overall()))
    require_same_rows(proposal.change_per_1000, as_rows(changes.per_1000()))
    for policy, of_rates, of_calls in (
        (counter.policy, proposal.rates_before, proposal.confusion_before),
        (tuned.policy, proposal.rates_after, proposal.confusion_after),
    ):
        counts = counter.count(policy.thresholds)
        frame = rates(counts).frame()
        require_same_rows(of_rates, as_rows(frame[frame["n"] > 0]))
        require_same_rows(of_calls, as_rows(confusion(counts).reset_index()))
    melanoma = next(row for row in proposal.change_by_type if row["lesion_type"] == "melanoma")
    assert (melanoma["n"], melanoma["before"], melanoma["after"]) == (228, 193, 206)


def test_what_is_undefined_is_null(counter, proposal):
    atypical = next(row for row in proposal.change_by_type if row["lesion_type"] == "atypical_naevus")
    assert (atypical["n"], atypical["difference"], atypical["low"], atypical["high"]) == (0, None, None, None)
    refused = next(row for row in proposal.guarantees if row["lesion_type"] == "actinic_keratosis")
    assert (refused["threshold"], refused["rank"], refused["violation_prob"]) == (None, None, None)
    assert refused["reason"].startswith("refused: 34 positives, at least 44 are needed")


# Guarantees that still hold


def test_a_guarantee_speaks_of_the_very_threshold_of_the_policy(tuned, proposal):
    held = {row["lesion_type"]: row["threshold"] for row in proposal.guarantees if row["threshold"] is not None}
    assert held == {t.value: pytest.approx(tuned.policy.thresholds[t], rel=1e-12) for t in tuned.guaranteed}
    assert len(held) == 4


@pytest.mark.parametrize(
    ("moves", "void"),
    [
        ({BCC: 0.7}, {BCC}),
        ({MELANOMA: 0.5}, {MELANOMA, SCC, BCC, FLAGGED[3]}),
        ({MELANOMA: 0.001}, {MELANOMA}),
        ({ACTINIC: 0.4}, set()),
    ],
)
def test_a_guarantee_that_a_move_by_hand_voids_is_left_out(counter, tuned, moves, void):
    """Raising a threshold voids every guarantee below it: cases that it caught for them may now be missed."""
    moved = with_thresholds(tuned.policy, tuned.policy.thresholds | moves)
    made = propose(counter, moved, WHY, tuned.guarantees)
    held = {row["lesion_type"] for row in made.guarantees if row["threshold"] is not None}
    assert held == {t.value for t in tuned.guaranteed if t not in void}
    assert [row["lesion_type"] for row in made.guarantees if row["threshold"] is None] == ["actinic_keratosis"]


def test_a_threshold_taken_out_above_voids_too(counter, tuned):
    without = {t: v for t, v in tuned.policy.thresholds.items() if t is not SCC}
    made = propose(counter, with_thresholds(tuned.policy, without), WHY, tuned.guarantees)
    assert {row["lesion_type"] for row in made.guarantees if row["threshold"] is not None} == {"melanoma"}


def test_a_refused_types_threshold_raised_above_voids_what_stood_on_it(counter):
    found = tune(counter, {MELANOMA: 0.999, BCC: 0.9})
    assert found.guaranteed == (BCC,)
    kept = propose(counter, found.policy, WHY, found.guarantees)
    raised = with_thresholds(found.policy, found.policy.thresholds | {MELANOMA: 0.5})
    lost = propose(counter, raised, WHY, found.guarantees)
    assert [row["lesion_type"] for row in kept.guarantees] == ["melanoma", "basal_cell_carcinoma"]
    assert [row["lesion_type"] for row in lost.guarantees] == ["melanoma"]


def test_without_guarantees_it_claims_none(counter, tuned):
    assert propose(counter, tuned.policy, WHY).guarantees == []


# What it refuses to be


def test_a_proposal_that_changes_no_threshold_is_refused(counter):
    for same in (counter.policy, counter.policy.changed(name="another name", version="9")):
        with pytest.raises(PolicyError, match="every threshold is as it was") as refused:
            propose(counter, same, WHY)
        assert refused.value.next_step == "Move a threshold first."


@pytest.mark.parametrize(
    "fields",
    [
        {"autonomous": True},
        {"review_skin_types": ()},
        {"review_skin_tone_classes": (0,)},
        {"model_hash": ""},
        {"dispositions_source": "our pathway"},
        {"dispositions": TriagePolicy.model_fields["dispositions"].default_factory() | {BCC: "clinician review"}},
    ],
)
def test_a_proposal_that_changes_anything_else_is_refused_by_its_name(counter, tuned, fields):
    with pytest.raises(PolicyError, match="thresholds, and nothing but them") as refused:
        propose(counter, tuned.policy.changed(**fields), WHY)
    assert refused.value.value == f"{next(iter(fields))} changes too"
    assert refused.value.case == "derm11 default, tuned"


@pytest.mark.parametrize("rationale", ["", "   ", "better", " " * 30, "nineteen characters" + "\n" * 9])
def test_a_rationale_that_says_nothing_is_refused(counter, tuned, rationale):
    with pytest.raises(PolicyError, match="says why, in at least 20 characters") as refused:
        propose(counter, tuned.policy, rationale)
    assert "harm" in refused.value.next_step
    assert propose(counter, tuned.policy, "twenty characters it").rationale == "twenty characters it"


# The hash of the evidence


def small(**changes: object) -> ScoreRun:
    table = pd.DataFrame(
        {"case_id": ["a", "b", "c"], "melanoma": [0.1, 0.2, 0.3], "benign_naevus": [0.9, 0.8, 0.7],
         "truth": ["melanoma", "", "benign_naevus"], "sex": ["female", "male", "male"]} | changes
    )  # fmt: skip
    return ScoreRun(table[["case_id", "melanoma", "benign_naevus"]], table[["case_id", "truth", "sex"]])


def test_any_score_id_or_truth_changes_the_hash_of_a_run():
    runs = [
        small(),
        small(case_id=["a", "b", "d"]),
        small(case_id=["ab", "b", "c"]),
        small(melanoma=[0.1, 0.2, np.nextafter(np.float32(0.3), np.float32(1))]),
        small(benign_naevus=[0.9, 0.8, np.nan]),
        small(melanoma=[0.9, 0.8, 0.7], benign_naevus=[0.1, 0.2, 0.3]),
        small(truth=["melanoma", "benign_naevus", ""]),
        small(truth=["melanoma", "", "benign_naevus|melanoma"]),
        small(case_id=["b", "a", "c"]),
    ]
    assert len({run_hash(run) for run in runs}) == len(runs)
    assert run_hash(small()) == run_hash(small()) == run_hash(small(sex=["", "", ""]))


def test_a_run_has_the_same_hash_once_written_and_read(counter, tmp_path):
    counter.run.joined().to_csv(tmp_path / "scores.csv", index=False)
    assert run_hash(read_run(tmp_path / "scores.csv")) == run_hash(counter.run)
    assert run_hash(replace(counter.run, meta={})) == run_hash(counter.run)
