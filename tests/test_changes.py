"""What another threshold changes: by hand, and the sums that must agree."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from derm_kit.lesions import LesionType
from derm_kit.model.card import default_model, load_card
from derm_kit.model.run import read_run
from derm_kit.triage.changes import (
    BURDENED,
    NEWLY_FLAGGED,
    NEWLY_MISSED,
    OPEN,
    OTHER_CALL,
    SPARED,
    compare,
    paired_difference,
)
from derm_kit.triage.counts import CaseCounter
from derm_kit.triage.measures import rates
from derm_kit.triage.policy import TriagePolicy
from tests.test_measures import by_hand
from tests.test_policy import make_policy


def test_the_cases_that_change_sides_by_hand():
    policy = make_policy()
    after = policy.thresholds | {LesionType.MELANOMA: 0.15, LesionType.BASAL_CELL_CARCINOMA: 0.95}
    found = compare(CaseCounter(by_hand(), policy), policy.thresholds, after)
    moved = found.moved.set_index("case_id")
    assert moved["kind"].to_dict() == {"case1": NEWLY_MISSED, "case5": SPARED}
    assert moved.loc["case1", ["truth", "before", "after"]].tolist() == [
        "melanoma", "basal_cell_carcinoma", "not flagged",
    ]  # fmt: skip
    assert moved.loc["case1", "score"] == pytest.approx(0.9)
    by_type = found.by_type().set_index("lesion_type")
    assert by_type.loc["melanoma", ["n", "before", "after", "gained", "lost"]].tolist() == [3, 1, 1, 0, 0]
    per_1000 = found.per_1000().set_index("kind")["per_1000"]
    assert per_1000[NEWLY_MISSED] == 100
    assert per_1000[SPARED] == 100
    assert per_1000[[NEWLY_FLAGGED, BURDENED, OTHER_CALL, OPEN]].sum() == 0


def test_back_again_turns_every_kind_around():
    policy = make_policy()
    after = policy.thresholds | {LesionType.MELANOMA: 0.95}
    counter = CaseCounter(by_hand(), policy)
    there, back = compare(counter, policy.thresholds, after), compare(counter, after, policy.thresholds)
    kinds = {NEWLY_MISSED: NEWLY_FLAGGED, SPARED: BURDENED, OPEN: OPEN, OTHER_CALL: OTHER_CALL}
    assert there.moved["kind"].map(kinds).value_counts().to_dict() == back.moved["kind"].value_counts().to_dict()
    assert (there.table == back.table.transpose(0, 2, 1)).all()


def test_changes_add_up_to_the_rates_before_and_after():
    run = read_run(default_model() / "reference_scores.parquet")
    policy = TriagePolicy.from_card(load_card(default_model()))
    after = policy.thresholds | {LesionType.MELANOMA: 0.2, LesionType.SQUAMOUS_CELL_CARCINOMA: 0.002}
    counter = CaseCounter(run, policy)
    found = compare(counter, policy.thresholds, after)
    first, second = rates(counter.count(policy.thresholds)), rates(counter.count(after))
    for line in found.by_type().itertuples():
        place = first.place("sensitivity", LesionType(line.lesion_type))
        assert (line.before, line.after) == (first.count[0, place], second.count[0, place])
        assert line.after - line.before == line.gained - line.lost
    assert int(found.per_1000()["cases"].sum()) == len(found.moved)
    flagged = found.overall().set_index("measure").loc["all cases flagged"]
    place = first.place("flagged")
    assert (flagged["before"], flagged["after"]) == (first.count[0, place], second.count[0, place])


def test_nothing_changes_where_thresholds_stay():
    policy = make_policy()
    found = compare(CaseCounter(by_hand(), policy), policy.thresholds, policy.thresholds)
    assert found.moved.empty
    assert found.by_type()["gained"].sum() == 0


def test_the_paired_interval_covers_as_it_says():
    """5,000 draws of n = 80 pairs with chances .10 and .04 of a change one way and the other."""
    rng = np.random.default_rng(3)
    gained, lost, _ = rng.multinomial(80, [0.10, 0.04, 0.86], size=5000).T
    low, high = paired_difference(gained, lost, 80)
    covered = int(((low <= 0.06) & (high >= 0.06)).sum())
    assert stats.binomtest(covered, 5000, 0.95).proportion_ci(0.999).low <= 0.96
    assert covered / 5000 > 0.94


def test_the_paired_interval_is_undefined_without_cases():
    low, high = paired_difference(0, 0, 0)
    assert math.isnan(low)
    assert math.isnan(high)
