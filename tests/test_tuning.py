"""Tuned policies: thresholds by an independent count, what a refusal leaves as it is, and other case mixes by Bayes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from derm_kit.errors import DermKitError, PolicyError
from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType
from derm_kit.model.card import default_model, load_card
from derm_kit.model.run import ScoreRun, read_run
from derm_kit.triage.benefit import net_benefit, net_benefit_of_calls
from derm_kit.triage.case_mix import CaseMix
from derm_kit.triage.changes import NEWLY_MISSED, compare
from derm_kit.triage.counts import CaseCounter
from derm_kit.triage.guarantee import METHODS
from derm_kit.triage.measures import net_benefits, rates
from derm_kit.triage.policy import TriagePolicy, decide
from derm_kit.triage.prevalence import predictive_values
from derm_kit.triage.tuning import DEFAULT_TARGETS, in_case_mix, targets_for, tune, with_thresholds

MELANOMA, SCC, BCC = FLAGGED[:3]
BOWEN, ACTINIC, ATYPICAL = FLAGGED[3:]
CANCERS = "|".join(t for t in LESION_TYPES if t.cancer)


@pytest.fixture(scope="module")
def counter() -> CaseCounter:
    run = read_run(default_model() / "reference_scores.parquet")
    return CaseCounter(run, TriagePolicy.from_card(load_card(default_model())))


def test_each_threshold_is_the_order_statistic_counted_afresh(counter):
    """Down the order of risk by pandas and binom.cdf: five types at .05 in all, so .01 each."""
    cases, scores = counter.run.cases, counter.run.scores
    assessed = ~decide(counter.run, counter.policy).in_review
    expected, caught_above = {}, pd.Series(False, index=scores.index)
    for kind in (MELANOMA, SCC, BCC, BOWEN, ACTINIC):
        own = assessed & (cases["truth"] == kind.value)
        ladder = sorted(np.inf if above else s for s, above in zip(scores[kind][own], caught_above[own], strict=True))
        chance = stats.binom.cdf(np.arange(len(ladder)), len(ladder), 1 - DEFAULT_TARGETS[kind])
        may_miss = int((chance <= 0.01).sum()) - 1
        threshold = min(float(ladder[may_miss]), 1.0) if may_miss >= 0 else None
        expected[kind] = (threshold, len(ladder), None if threshold is None else may_miss + 1)
        caught_above |= scores[kind] >= (counter.policy.thresholds[kind] if threshold is None else threshold)
    tuned = tune(counter, targets_for(counter))
    assert {g.lesion_type: (g.threshold, g.n, g.rank) for g in tuned.guarantees} == expected
    assert [(n, rank) for _, n, rank in expected.values()] == [(209, 4), (103, 1), (599, 43), (66, 2), (34, None)]
    assert tuned.guaranteed == (MELANOMA, SCC, BCC, BOWEN)


def test_melanoma_alone_by_hand(counter):
    """209 assessed melanomas, the whole .05: P(Bin(209, .05) <= 5) = .0478, <= 6: .0983, so the sixth lowest."""
    assert stats.binom.cdf([5, 6], 209, 0.05) == pytest.approx([0.0478, 0.0983], abs=1e-4)
    own = (counter.run.cases["truth"] == "melanoma").to_numpy() & ~counter.review
    lowest = np.sort(counter.run.matrix[own, 0])
    found = tune(counter, {MELANOMA: 0.95})
    assert found.policy.thresholds[MELANOMA] == lowest[5]
    assert (found.guarantees[0].caught, found.guarantees[0].n, found.guarantees[0].lost) == (204, 209, 19)
    assert rates(counter.count(found.policy.thresholds)).count[0, 0] == 204


def test_types_without_a_target_and_refused_types_keep_their_thresholds(counter):
    tuned = tune(counter, {MELANOMA: 0.95, ACTINIC: 0.9})
    before, after = counter.policy.thresholds, tuned.policy.thresholds
    assert after[MELANOMA] != before[MELANOMA]
    assert {t for t in before if after[t] != before[t]} == {MELANOMA}
    refused = tuned.guarantees[1]
    assert (refused.threshold, refused.n, refused.needed) == (None, 34, 36)
    assert tuned.guaranteed == (MELANOMA,)
    assert (tuned.policy.dispositions, tuned.policy.model_hash) == (
        counter.policy.dispositions, counter.policy.model_hash,
    )  # fmt: skip


def test_where_all_is_refused_the_policy_is_the_same_in_name_too(counter):
    tuned = tune(counter, {MELANOMA: 0.999})
    assert tuned.policy == counter.policy
    assert tuned.guaranteed == ()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("within", ["age", "sex", "site", "skin tone", "source", "source of truth"])
def test_within_a_grouping_no_threshold_is_higher(counter, within, method):
    alone, grouped = (
        tune(counter, {MELANOMA: 0.5}, confidence=0.8, within=name, method=method).guarantees[0]
        for name in ("", within)
    )
    assert alone.threshold is not None
    assert (grouped.threshold is None) == (within != "source")  # elsewhere a group has too few melanomas
    assert (grouped.threshold or 0) <= alone.threshold
    labels = next(g.labels for g in counter.groupings if g.name == within)
    assert grouped.group_of_the_limit in labels
    assert grouped.delta == pytest.approx(0.2 / len(labels))


def test_within_two_groups_the_lower_of_their_order_statistics_stands(counter):
    """Two groups at .025 each, melanomas of one scored lower than those of the other."""
    melanoma = (counter.run.cases["truth"] == "melanoma").to_numpy()
    score = counter.run.matrix[:, 0]
    low = score < np.median(score[melanoma])
    run = foreign(counter.run, sex=np.where(low, "female", "male"))
    found = tune(CaseCounter(run, counter.policy), {MELANOMA: 0.9}, within="sex").guarantees[0]
    ladder = np.sort(score[melanoma & low])
    rank = int((stats.binom.cdf(np.arange(len(ladder)), len(ladder), 0.1) <= 0.025).sum())
    assert (found.threshold, found.group_of_the_limit, found.rank) == (ladder[rank - 1], "female", rank)
    assert found.threshold < tune(CaseCounter(run, counter.policy), {MELANOMA: 0.9}).policy.thresholds[MELANOMA]


def test_a_group_without_a_positive_refuses_by_its_name(counter):
    found = tune(counter, {BCC: 0.6}, within="sex").guarantees[0]
    assert found.threshold is None
    assert found.reason.startswith("refused: 0 positives in not recorded, at least 9 are needed for 60% sensitivity")


def test_an_unknown_grouping_is_refused_in_plain_words(counter):
    with pytest.raises(DermKitError, match="something that was recorded of these cases") as refused:
        tune(counter, {MELANOMA: 0.95}, within="postcode")
    assert refused.value.value == "postcode"
    assert "age, sex, site, skin tone, source, source of truth" in refused.value.next_step
    bare = CaseCounter(foreign(counter.run), counter.policy)
    with pytest.raises(DermKitError) as refused:
        tune(bare, {MELANOMA: 0.95}, within="age")
    assert "none is recorded here" in refused.value.next_step


# Cases that the model knew


def in_split(run: ScoreRun, rows: slice, split: str) -> ScoreRun:
    cases = run.cases.copy()
    cases.loc[cases.index[rows], "split"] = split
    return replace(run, cases=cases)


def foreign(run: ScoreRun, **columns: object) -> ScoreRun:
    """The same scores and truth as if another model had given them."""
    return ScoreRun(run.scores, run.cases[["case_id", "truth"]].assign(**columns))


@pytest.mark.parametrize("split", ["train", "validation"])
def test_cases_the_model_learnt_from_carry_no_guarantee(counter, split):
    learnt = CaseCounter(in_split(counter.run, slice(7), split), counter.policy)
    with pytest.raises(DermKitError, match="neither learnt from nor was calibrated on") as refused:
        tune(learnt, {MELANOMA: 0.95})
    assert refused.value.value == "7 of 2419 cases are of its training or validation set"
    assert "'reference'" in refused.value.next_step
    other = CaseCounter(in_split(counter.run, slice(7), "test"), counter.policy)
    assert tune(other, {MELANOMA: 0.95}).guaranteed == (MELANOMA,)


def test_scores_of_another_model_are_taken_whatever_its_splits_are_called(counter):
    policy = counter.policy.changed(model_hash="", scoring_sha256="")
    for run in (foreign(counter.run), foreign(counter.run, split="train")):
        assert tune(CaseCounter(run, policy), {MELANOMA: 0.95}).guaranteed == (MELANOMA,)


def test_default_targets_are_of_the_types_that_have_scores(counter):
    assert targets_for(counter) == {MELANOMA: 0.95, SCC: 0.95, BCC: 0.90, BOWEN: 0.90, ACTINIC: 0.90}
    scores = counter.run.scores.assign(squamous_cell_carcinoma=np.float32(np.nan))
    two = ScoreRun(scores, counter.run.cases)
    policy = counter.policy.changed(model_hash="", thresholds={MELANOMA: 0.1})
    assert set(targets_for(CaseCounter(two, policy))) == {MELANOMA, BCC, BOWEN, ACTINIC}


# Policies with other thresholds


def test_a_policy_says_once_that_it_was_tuned(counter):
    first = with_thresholds(counter.policy, {MELANOMA: 0.2})
    second = with_thresholds(first, {MELANOMA: 0.3})
    assert first.name == second.name == "derm11 default, tuned"
    assert (first.thresholds, second.thresholds) == ({MELANOMA: 0.2}, {MELANOMA: 0.3})
    assert with_thresholds(counter.policy, counter.policy.thresholds).name == "derm11 default"
    assert counter.policy.thresholds != first.thresholds


@pytest.mark.parametrize(
    ("thresholds", "field", "found"),
    [
        ({MELANOMA: 0.0}, "thresholds.melanoma: should be greater than or equal to 0.000001", 0.0),
        ({MELANOMA: 1.5}, "thresholds.melanoma: should be less than or equal to 1", 1.5),
        ({MELANOMA: float("nan")}, "thresholds.melanoma: should be", None),
        ({MELANOMA: "half"}, "thresholds.melanoma: should be a number", "half"),
        ({LesionType.BENIGN_NAEVUS: 0.5}, "benign_naevus is benign", "benign_naevus"),
    ],
)
def test_a_nonsense_threshold_names_field_value_and_rule(counter, thresholds, field, found):
    with pytest.raises(PolicyError) as refused:
        with_thresholds(counter.policy, thresholds)
    assert field in refused.value.rule
    assert refused.value.case == "derm11 default"
    if found is not None:
        assert refused.value.value == found
    assert "derm-kit policy" in refused.value.next_step


# Another mix of cases


def shares(counter: CaseCounter) -> tuple[float, float]:
    """Sensitivity and specificity for any cancer over assessed cases of exactly one type, by pandas."""
    decisions, truth = decide(counter.run, counter.policy), counter.run.cases["truth"]
    counted = ~decisions.in_review & (truth != "") & ~truth.str.contains("|", regex=False)
    cancer = truth.isin([t.value for t in LESION_TYPES if t.cancer])
    flagged = decisions.table["suspected"] != ""
    return float(flagged[counted & cancer].mean()), float((~flagged)[counted & ~cancer].mean())


@settings(max_examples=20, deadline=None)
@given(st.floats(0.001, 0.999))
def test_any_share_of_cancers_gives_what_bayes_rule_gives(counter, share):
    found = in_case_mix(counter, counter.policy.thresholds, CaseMix.of({CANCERS: share}))
    sensitivity, specificity = shares(counter)
    expected = predictive_values(sensitivity, specificity, share)
    value = found.table.set_index("measure")["value"]
    assert value["cancers flagged"] == pytest.approx(sensitivity)
    assert value["no cancer, not flagged"] == pytest.approx(specificity)
    closed = share * sensitivity / (share * sensitivity + (1 - share) * (1 - specificity))
    assert value["cancers among flagged"] == pytest.approx(closed)
    assert value["cancers among flagged"] == pytest.approx(expected.ppv)
    assert value["no cancer among not flagged"] == pytest.approx(expected.npv)
    assert value["likelihood ratio of no flag"] == pytest.approx(expected.lr_negative)
    assert value["cancers missed per 1,000 not flagged"] == pytest.approx(expected.missed_per_1000)
    assert (found.table["low"] <= found.table["value"]).all()
    assert (found.table["value"] <= found.table["high"]).all()


def test_the_same_mix_as_here_is_the_plain_count_and_says_what_it_assumes(counter):
    truth = counter.run.cases["truth"][~counter.review]
    single = truth[(truth != "") & ~truth.str.contains("|", regex=False)]
    here = float(single.isin([t.value for t in LESION_TYPES if t.cancer]).mean())
    found = in_case_mix(counter, counter.policy.thresholds, CaseMix.of({CANCERS: here}, name="here", source="counted"))
    assert found.table["n"].tolist()[:2] == [977, 1153]
    assert found.sentences[0] == (
        f"{here:.1%} of lesions are cancers there. Weighted so, the 977 cancers here say as much as 977 would, the "
        "others as much as 1153."
    )
    assert found.sentences[1].startswith(f"{len(counter.run) - int(counter.review.sum()) - 977 - 1153} assessed cases")
    assert "label shift" in found.sentences[2]
    assert found.sentences[3] == "Source of the mix: counted."


def test_other_thresholds_change_what_a_mix_says(counter):
    mix = CaseMix.of({CANCERS: 0.1})
    strict = in_case_mix(counter, counter.policy.thresholds | {MELANOMA: 0.5}, mix).table.set_index("measure")
    loose = in_case_mix(counter, counter.policy.thresholds | {MELANOMA: 0.001}, mix).table.set_index("measure")
    assert strict.loc["cancers flagged", "value"] < loose.loc["cancers flagged", "value"]
    assert strict.loc["no cancer, not flagged", "value"] > loose.loc["no cancer, not flagged", "value"]


def test_a_type_too_rare_here_is_not_weighted(counter):
    with pytest.raises(DermKitError, match="at least 30 cases here") as refused:
        in_case_mix(counter, counter.policy.thresholds, CaseMix.of({"vascular_lesion": 0.3}, name="clinic"))
    assert refused.value.case == "clinic"
    assert "25 cases of vascular lesion" in str(refused.value)


def test_a_threshold_raised_by_tuning_says_whom_it_misses(counter):
    tuned = tune(counter, targets_for(counter))
    found = compare(counter, counter.policy.thresholds, tuned.policy.thresholds)
    missed = found.moved[found.moved["kind"] == NEWLY_MISSED]
    assert set(missed["truth"]) <= {t.value for t in LESION_TYPES if t.cancer}
    assert int(found.per_1000().set_index("kind").loc[NEWLY_MISSED, "cases"]) == len(missed) == 24


# Net benefit of a policy


def test_the_net_benefit_of_a_policy_is_that_of_its_calls(counter):
    """From counts alone, against case by case; the second figure by hand: 942 caught and 473 false alarms of 2,286."""
    decided, truth = decide(counter.run, counter.policy), counter.run.cases["truth"].str.split("|")
    cancer = truth.map(lambda types: all(t and LesionType(t).cancer for t in types)).to_numpy()
    clear = truth.map(lambda types: all(t and not LesionType(t).cancer for t in types)).to_numpy()
    counted = (cancer | clear) & ~decided.in_review
    flagged = (decided.table["suspected"] != "").to_numpy()[counted]
    probabilities = np.array([0.01, 0.2, 0.5])
    found = net_benefits(rates(counter.count(counter.policy.thresholds)), probabilities)
    assert found == pytest.approx(net_benefit(flagged.astype(float), cancer[counted], probabilities))
    assert found[1] == pytest.approx(net_benefit_of_calls(flagged, cancer[counted], 0.2).value)
    assert found[1] == pytest.approx((942 - 473 / 4) / 2286)


def test_the_net_benefit_of_nobody_is_undefined(counter):
    unknown = foreign(counter.run).cases.assign(truth="")
    found = rates(CaseCounter(ScoreRun(counter.run.scores, unknown), counter.policy).count({MELANOMA: 0.5}))
    assert np.isnan(net_benefits(found, [0.1, 0.2])).all()
