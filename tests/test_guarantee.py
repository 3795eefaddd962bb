"""Guaranteed thresholds against the published ranks, hand counts, laws that must hold, and repeated draws."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import betainc

from derm_kit.errors import DermKitError
from derm_kit.lesions import FLAGGED, LesionType
from derm_kit.triage.definition import LOWEST_THRESHOLD, TriagePolicy
from derm_kit.triage.guarantee import (
    GRID,
    METHODS,
    lost_guarantees,
    safest_thresholds,
)
from derm_kit.triage.policy import suspected_index
from derm_kit.triage.ranks import needed_at, order_statistic_rank
from derm_kit.triage.rates import specificity_at_sensitivity
from tests.score_tables import AK, ATYPICAL, BCC, MEL, NAEVUS, SCC, scores_of

MELANOMA, SQUAMOUS, BASAL, BOWEN_TYPE, ACTINIC, ATYPICAL_NAEVUS = FLAGGED
both_methods = pytest.mark.parametrize("method", METHODS)


def truth_of(*columns: int | tuple[int, ...]) -> np.ndarray:
    table = np.zeros((len(columns), 11), bool)
    for row, column in zip(table, columns, strict=True):
        row[list(np.atleast_1d(column))] = True
    return table


def melanomas(*scores: float) -> tuple[np.ndarray, np.ndarray]:
    return scores_of(*({MEL: s} for s in scores)), truth_of(*[MEL] * len(scores))


def one(*arguments, **options):
    (found,) = safest_thresholds(*arguments, **options)
    return found


def grid_point(threshold: float) -> float:
    """The highest point of the grid that is not above `threshold`."""
    return GRID[np.searchsorted(GRID, threshold, "right") - 1]


# Ranks and sample sizes


@pytest.mark.parametrize(
    ("n", "rank"), [(0, None), (58, None), (59, 1), (100, 2), (200, 5), (300, 9), (500, 17), (1000, 39)]
)
def test_order_statistic_rank_gives_the_computed_ranks(n, rank):
    assert order_statistic_rank(n, 0.95, 0.95) == rank


@given(st.integers(1, 3000), st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.97, 0.99]), st.sampled_from([0.75, 0.95, 0.99]))
def test_order_statistic_rank_is_the_last_whose_binomial_tail_is_small_enough(n, target, confidence):
    rank = order_statistic_rank(n, target, confidence) or 0
    below, above = stats.binom.cdf([rank - 1, rank], n, 1 - target)
    assert below <= (1 - confidence) * (1 + 1e-8)
    assert above > (1 - confidence) * (1 - 1e-8)


def test_rounding_of_the_target_changes_no_rank():
    """P(Binomial(n, 1 - target) = 0) equals delta exactly in decimals, where 1 - .9 is .09999999999999998 in binary."""
    for target, confidence in ((0.1, 0.9), (0.01, 0.99), (0.2, 0.96), (0.05, 0.95), (0.3, 0.973)):
        n = 1
        while Fraction(str(target)) ** n > 1 - Fraction(str(confidence)):
            n += 1
        assert Fraction(str(target)) ** n == 1 - Fraction(str(confidence))
        assert order_statistic_rank(n, target, confidence) == 1
        assert needed_at(target, 1 - confidence) == n


@pytest.mark.parametrize(
    ("target", "confidence", "n"), [(0.95, 0.95, 59), (0.95, 0.99, 90), (0.90, 0.99, 44), (0.90, 0.95, 29)]
)
def test_needed_positives_of_one_and_of_five_types(target, confidence, n):
    assert needed_at(target, 1 - confidence) == n


@pytest.mark.parametrize(("bound", "n"), [(0.90, 29), (0.95, 59), (0.97, 99), (0.98, 149), (0.99, 299)])
def test_needed_positives_is_the_zero_miss_sample_size(bound, n):
    assert needed_at(bound, 1 - 0.95) == n


@given(st.floats(0.01, 0.999), st.floats(0.01, 0.999))
def test_needed_positives_is_where_ranks_begin(target, confidence):
    n = needed_at(target, 1 - confidence)
    assert order_statistic_rank(n, target, confidence)
    assert order_statistic_rank(n - 1, target, confidence) is None


# Hand counts


def test_one_type_by_hand():
    """Target .5, confidence .75: of 6 positives P(Bin(6, .5) <= 1) = 7/64 <= .25 < 22/64, so the second lowest."""
    found = one(*melanomas(0.5, 0.125, 0.875, 0.25, 0.75, 0.625), {MELANOMA: 0.5}, confidence=0.75)
    assert (found.threshold, found.rank, found.n, found.caught) == (0.25, 2, 6, 5)
    assert found.violation_prob == pytest.approx(7 / 64)
    assert (found.delta, found.needed, found.lost, found.group_of_the_limit) == (0.25, 2, 0, "")
    expected = stats.binomtest(5, 6).proportion_ci(0.95, method="exact")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.reason == "guaranteed: 1 of 6 positives missed, fewer than 2 may be"
    assert found.sentence == (
        "Melanoma: a threshold of 0.25 catches at least 50% of such lesions, as this type or a more serious one, with "
        "75% confidence; on these cases 5 of 6 (35.9% to 99.6%)."
    )


TWO_TYPES = (
    scores_of(
        *({MEL: s} for s in (0.25, 0.5, 0.75, 0.875)),
        {MEL: 0.5, BCC: 0.125},
        {MEL: 0.125, BCC: 0.25},
        {MEL: 0.125, BCC: 0.5},
        {MEL: 0.125, BCC: 0.75},
        {MEL: 0.125, NAEVUS: 0.75},
        {MEL: 0.0, BCC: 0.0},
    ),
    truth_of(MEL, MEL, MEL, MEL, BCC, BCC, BCC, BCC, NAEVUS, (BCC, NAEVUS)),
)
"""Shares of delta .125: of 4 positives 1/16 <= .125 < 5/16 at target .5, so the lowest of each; a two-type truth stays
out. The BCC with the lowest score of its own is called melanoma."""


def test_two_types_down_the_order_of_risk_by_hand():
    melanoma, basal = safest_thresholds(*TWO_TYPES, {BASAL: 0.5, MELANOMA: 0.5}, confidence=0.75)
    assert (melanoma.lesion_type, melanoma.threshold, melanoma.rank, melanoma.delta) == (MELANOMA, 0.25, 1, 0.125)
    assert (basal.lesion_type, basal.threshold, basal.caught, basal.n) == (BASAL, 0.25, 4, 4)
    assert ", for all guarantees together" in basal.sentence
    alone = one(*TWO_TYPES, {BASAL: 0.5}, confidence=0.875)
    assert alone.threshold == 0.125


def test_what_more_serious_thresholds_catch_alone_needs_no_threshold_of_its_own():
    scores = scores_of(*({MEL: 0.5, BCC: s} for s in (0.0, 0.25, 0.5, 0.75)))
    for method in METHODS:
        found = one(scores, truth_of(*[BCC] * 4), {BASAL: 0.5}, confidence=0.9, fixed={MELANOMA: 0.5}, method=method)
        assert (found.threshold, found.caught) == (1.0, 4)
        assert found.reason == (
            "guaranteed by the more serious thresholds alone: they miss 0 of 4 positives, fewer than 1 may be missed; "
            "1 is the highest threshold that a policy allows"
        )


def test_fixed_thresholds_catch_for_the_types_below_them_only():
    targets = {BASAL: 0.5}
    above = one(*TWO_TYPES, targets, confidence=0.875, fixed={MELANOMA: 0.5})
    below = one(*TWO_TYPES, targets, confidence=0.875, fixed={ACTINIC: 0.001})
    assert (above.threshold, below.threshold) == (0.25, 0.125)


def test_a_refused_type_catches_nothing_below_it_unless_its_fixed_threshold_stands():
    scores, truth = TWO_TYPES
    targets = {MELANOMA: 0.999, BASAL: 0.5}
    melanoma, basal = safest_thresholds(scores, truth, targets, confidence=0.75)
    assert (melanoma.threshold, melanoma.caught, basal.threshold) == (None, 0, 0.125)
    melanoma, basal = safest_thresholds(scores, truth, targets, confidence=0.75, fixed={MELANOMA: 0.5})
    assert (melanoma.threshold, melanoma.caught, basal.threshold) == (None, 3, 0.25)
    assert melanoma.reason.endswith("; its fixed threshold 0.5 stays, without a guarantee")


def test_cases_in_clinician_review_are_left_out_and_counted():
    scores, truth = melanomas(0.5, 0.125, 0.875, 0.25, 0.75, 0.625, 0.01, 0.9)
    assessed = np.arange(8) < 6
    found = one(scores, truth, {MELANOMA: 0.5}, confidence=0.75, assessed=assessed)
    assert (found.threshold, found.n, found.lost) == (0.25, 6, 2)
    assert found.sentence.endswith("(35.9% to 99.6%); 2 more went to clinician review.")


def test_a_positive_without_a_score_counts_as_missed_even_where_a_more_serious_threshold_is_met():
    scores, truth = melanomas(0.5, 0.125, 0.875, math.nan, 0.75, 0.625)
    found = one(scores, truth, {MELANOMA: 0.5}, confidence=0.75)
    assert (found.threshold, found.n, found.caught) == (0.125, 6, 5)
    assert found.reason.endswith("; 1 without the score of a trained type count as missed")
    scores = scores_of(*({MEL: 0.5, BCC: s} for s in (0.25, 0.5, math.nan)))
    found = one(scores, truth_of(*[BCC] * 3), {BASAL: 0.5}, confidence=0.8, fixed={MELANOMA: 0.5})
    assert (found.threshold, found.rank, found.caught) == (None, 1, 2)


def test_the_threshold_holds_in_the_group_where_it_is_hardest():
    scores, truth = melanomas(*(0.3, 0.4, 0.5, 0.6), *(0.2, 0.7, 0.8, 0.9, 0.95), *(0.1, 0.7))
    groups = ["light"] * 4 + ["dark"] * 5 + [None, ""]
    four, five = slice(0, 4), slice(0, 9)
    found = one(scores[five], truth[five], {MELANOMA: 0.5}, confidence=0.75, groups=groups[five])
    assert (found.threshold, found.group_of_the_limit, found.n) == (pytest.approx(0.2), "dark", 5)
    assert found.delta == 0.125
    assert "of 5 positives in dark missed" in found.reason
    assert one(scores[four], truth[four], {MELANOMA: 0.5}, confidence=0.75).threshold == pytest.approx(0.3)
    unlabelled = one(scores, truth, {MELANOMA: 0.5}, confidence=0.75, groups=groups)
    assert (unlabelled.threshold, unlabelled.group_of_the_limit, unlabelled.n) == (None, "not recorded", 2)


@both_methods
def test_equal_scores_give_that_score_or_the_grid_point_below(method):
    found = one(*melanomas(*[0.5] * 80), {MELANOMA: 0.95}, method=method)
    assert found.caught == 80
    assert found.threshold == (0.5 if method == METHODS[0] else grid_point(0.5))


@pytest.mark.parametrize("value", [0.0, LOWEST_THRESHOLD])
@both_methods
def test_the_lowest_threshold_of_a_policy_is_the_lowest_here(value, method):
    found = one(*melanomas(*[np.nextafter(np.float32(value), np.float32(1))] * 80), {MELANOMA: 0.95}, method=method)
    if value:
        assert found.threshold >= LOWEST_THRESHOLD
        assert found.caught == 80
    else:
        assert found.threshold is None


# Refusals


@both_methods
def test_too_few_positives_are_refused_in_plain_words(method):
    truth = np.eye(11, dtype=bool)[np.repeat(range(5), 20)]
    scores = np.where(truth, 0.9, 0.01)
    found = safest_thresholds(scores, truth, dict.fromkeys(FLAGGED[:5], 0.95), method=method)
    assert [g.lesion_type for g in found] == list(FLAGGED[:5])
    for guarantee in found:
        assert (guarantee.threshold, guarantee.rank, guarantee.needed, guarantee.n) == (None, None, 90, 20)
        assert math.isnan(guarantee.violation_prob)
        assert guarantee.reason == (
            "refused: 20 positives, at least 90 are needed for 95% sensitivity at this confidence; add labelled cases "
            "of this type, lower the target or guarantee fewer types or groups at once"
        )
        assert guarantee.sentence.startswith(f"{guarantee.lesion_type.label}: no threshold. Refused: 20 positives")


@both_methods
def test_a_threshold_that_calls_nearly_every_case_is_refused(method):
    found = one(*melanomas(*[0.0] * 5, *[0.9] * 95), {MELANOMA: 0.95}, method=method)
    assert (found.threshold, found.rank, found.caught) == (None, 2, 0)
    assert found.reason == (
        "refused: 2 or more of 100 positives score below 1e-06, so that nearly every case would be called; lower the "
        "target, or leave this type to clinicians"
    )


def test_a_type_without_positives_is_refused():
    found = one(scores_of({MEL: 0.5}), truth_of(NAEVUS), {MELANOMA: 0.975})
    assert (found.threshold, found.n, found.caught) == (None, 0, 0)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert "refused: 0 positives, at least 119 are needed for 97.5% sensitivity" in found.reason


@pytest.mark.parametrize(
    ("targets", "options", "rule"),
    [
        ({}, {}, "needs a target"),
        ({MELANOMA: 1.0}, {}, "between 0 and 1"),
        ({MELANOMA: math.nan}, {}, "between 0 and 1"),
        ({MELANOMA: 0.9}, {"confidence": 0.0}, "between 0 and 1"),
        ({LesionType.BENIGN_NAEVUS: 0.9}, {}, "flagged types"),
        ({ATYPICAL_NAEVUS: 0.9}, {}, "no case has one of this type"),
        ({MELANOMA: 0.9}, {"fixed": {ATYPICAL_NAEVUS: 0.5}}, "no case has one of this type"),
        ({MELANOMA: 0.9}, {"fixed": {BASAL: 0.0}}, "between 1e-06 and 1"),
        ({MELANOMA: 0.9}, {"fixed": {BASAL: math.nan}}, "between 1e-06 and 1"),
        ({MELANOMA: 0.9}, {"method": "bootstrap"}, "the method is one of"),
        ({MELANOMA: 0.9}, {"assessed": [True]}, "one value a case"),
        ({MELANOMA: 0.9}, {"groups": ["a", "b", "c"]}, "one value a case"),
    ],
)
def test_impossible_requests_are_refused(targets, options, rule):
    with pytest.raises(DermKitError, match=rule) as refusal:
        safest_thresholds(*melanomas(0.5, 0.6), targets, **options)
    assert refusal.value.next_step


def test_impossible_shapes_and_shares_are_refused():
    scores, truth = melanomas(0.5, 0.6)
    with pytest.raises(DermKitError, match="truth has the scores' shape"):
        safest_thresholds(scores, truth[:1], {MELANOMA: 0.9})
    with pytest.raises(DermKitError, match="eleven lesion types"):
        safest_thresholds(scores[:, :4], truth[:, :4], {MELANOMA: 0.9})
    for shares in ((1.0, 0.95), (0.95, 1.0)):
        with pytest.raises(DermKitError, match="between 0 and 1"):
            order_statistic_rank(10, *shares)


# Laws

cases = st.lists(
    st.tuples(st.sampled_from([MEL, SCC, BCC, NAEVUS]), *[st.integers(0, 20)] * 3, st.booleans()),
    min_size=1,
    max_size=60,
)
shares = st.sampled_from([0.3, 0.5, 0.7, 0.8])
THREE = (MELANOMA, SQUAMOUS, BASAL)


def table_of(rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores with ties and zeros, none exact in binary; truth; two groups."""
    scores = scores_of(*({MEL: a / 20, SCC: b / 20, BCC: c / 20} for _, a, b, c, _ in rows))
    return scores, truth_of(*(row[0] for row in rows)), np.array([row[4] for row in rows])


def height(guarantee) -> float:
    return -math.inf if guarantee.threshold is None else guarantee.threshold


@given(cases, shares, st.sampled_from(METHODS), st.randoms(use_true_random=False))
def test_the_order_of_the_cases_does_not_matter(rows, target, method, random):
    def found(rows):
        scores, truth, groups = table_of(rows)
        options = {"confidence": 0.6, "groups": groups, "method": method}
        guarantees = safest_thresholds(scores, truth, dict.fromkeys(THREE, target), **options)
        return [repr(dataclasses.astuple(g)) for g in guarantees]

    shuffled = random.sample(rows, len(rows))
    assert found(rows) == found(shuffled)


@given(cases, shares, shares, shares, shares, st.sampled_from(METHODS))
def test_a_higher_target_or_confidence_never_raises_the_threshold(rows, a, b, c, d, method):
    scores, truth, _ = table_of(rows)
    easy, hard = (
        one(scores, truth, {BASAL: t}, confidence=f, fixed={MELANOMA: 0.7}, method=method)
        for t, f in ((min(a, b), min(c, d)), (max(a, b), max(c, d)))
    )
    assert height(hard) <= height(easy)


@given(cases, shares, st.sampled_from(METHODS))
def test_asking_for_more_groups_or_types_never_raises_the_first_threshold(rows, target, method):
    scores, truth, groups = table_of(rows)
    options = {"confidence": 0.6, "method": method}
    alone = one(scores, truth, {MELANOMA: target}, **options)
    grouped = one(scores, truth, {MELANOMA: target}, groups=groups, **options)
    first, _ = safest_thresholds(scores, truth, {MELANOMA: target, BASAL: target}, **options)
    assert height(grouped) <= height(alone)
    assert height(first) <= height(alone)


@given(cases, shares)
def test_learn_then_test_gives_the_grid_point_at_or_below_the_order_statistic(rows, target):
    scores, truth, _ = table_of(rows)
    exact, tested = (
        one(scores, truth, {BASAL: target}, confidence=0.6, fixed={MELANOMA: 0.7}, method=m) for m in METHODS
    )
    assert tested.threshold == (None if exact.threshold is None else grid_point(exact.threshold))
    assert tested.caught >= exact.caught


@given(cases, shares, st.sampled_from(METHODS), st.booleans())
def test_a_policy_calls_what_the_guarantee_counts(rows, target, method, in_float32):
    scores, truth, _ = table_of(rows)
    given_scores = scores.astype(np.float32) if in_float32 else scores
    found = safest_thresholds(given_scores, truth, dict.fromkeys(THREE, target), confidence=0.2, method=method)
    thresholds = {g.lesion_type: g.threshold for g in found if g.threshold is not None}
    policy = TriagePolicy(name="p", version="1", model_hash="", thresholds=thresholds)
    called = suspected_index(scores.astype(np.float32), policy.thresholds)
    for guarantee in found:
        column = FLAGGED.index(guarantee.lesion_type)
        calls = called[truth[:, column]]
        assert guarantee.caught == ((calls >= 0) & (calls <= column)).sum()
        if guarantee.threshold is not None:
            assert guarantee.n - guarantee.caught < guarantee.rank


def test_a_score_that_float32_rounds_down_is_still_called():
    """A run holds .7 as .699999988: a threshold of .7 would miss the case that it was taken from."""
    scores, truth = melanomas(0.7)
    found = one(scores, truth, {MELANOMA: 0.3}, confidence=0.6)
    assert found.threshold == float(np.float32(0.7)) < 0.7
    assert suspected_index(scores.astype(np.float32), {MELANOMA: found.threshold})[0] == MEL


# Moving thresholds

BEFORE = {MELANOMA: 0.2, SQUAMOUS: 0.3, BASAL: 0.4, ACTINIC: 0.5}


def test_raising_a_threshold_voids_the_guarantees_below_it_and_its_own():
    lost = lost_guarantees(BEFORE, BEFORE | {SQUAMOUS: 0.31}, BEFORE)
    assert list(lost) == [SQUAMOUS, BASAL, ACTINIC]
    assert lost[SQUAMOUS] == "no longer guaranteed: its threshold was moved by hand"
    assert lost[BASAL] == ("guarantee lost, recompute: a more serious threshold was raised (Squamous cell carcinoma)")


def test_lowering_a_threshold_ends_its_own_guarantee_only():
    assert list(lost_guarantees(BEFORE, BEFORE | {SQUAMOUS: 0.29}, BEFORE)) == [SQUAMOUS]


def test_taking_a_threshold_out_raises_it_and_adding_one_lowers_it():
    without = {t: v for t, v in BEFORE.items() if t is not MELANOMA}
    assert list(lost_guarantees(BEFORE, without, [BASAL])) == [BASAL]
    assert lost_guarantees(without, BEFORE, [BASAL]) == {}


def test_unguaranteed_and_unmoved_types_lose_nothing():
    assert lost_guarantees(BEFORE, dict(BEFORE), BEFORE) == {}
    assert lost_guarantees(BEFORE, BEFORE | {ACTINIC: 0.9}, [MELANOMA, BASAL]) == {}


# Repeated draws: the sensitivity of the chosen threshold is known from the distribution that the scores are drawn from

DRAWS = 2000
BETA = {MEL: (2.0, 1.5), BCC: (1.6, 1.2), AK: (1.4, 1.6)}
"""Beta distribution of each type's score in its own lesions; in the others' lesions it is STRANGER's."""
HARD = {column: (a, b + 2) for column, (a, b) in BETA.items()}
"""The same in a group of patients whose lesions score lower."""
STRANGER = (1.0, 3.0)


def drawn(rng: np.random.Generator, sizes: dict[int, int], hard: np.ndarray | bool = False):
    own = np.repeat(list(sizes), list(sizes.values()))
    scores = np.zeros((len(own), 11))
    scores[:, ATYPICAL] = np.nan
    for column in BETA:
        of_own = np.where(np.atleast_1d(hard)[:, None], HARD[column], BETA[column])
        scores[:, column] = rng.beta(*np.where((own == column)[:, None], of_own, STRANGER).T)
    return scores, np.eye(11, dtype=bool)[own]


def true_sensitivity(column: int, thresholds: dict[int, float], own=BETA) -> float:
    """1 - P(the type's own score and every more serious one lie below their thresholds); scores are independent."""
    return 1 - math.prod(
        beta_cdf(threshold, *(own[column] if other == column else STRANGER))
        for other, threshold in thresholds.items()
        if other <= column
    )


def beta_cdf(x: float, a: float, b: float) -> float:
    return float(betainc(a, b, x))


def p_value(violations: int) -> float:
    """Of the claim that at most a twentieth of the draws violates the target."""
    return stats.binomtest(violations, DRAWS, 0.05, alternative="greater").pvalue


@pytest.mark.parametrize("n", [59, 100, 181])
@both_methods
def test_one_type_breaks_its_target_as_rarely_as_promised(n, method):
    """n = 59 and 181 leave violation probabilities of .048 and .050: one place higher is found out at once."""
    rng = np.random.default_rng(n)
    rank = order_statistic_rank(n, 0.95, 0.95)
    exact = stats.beta(*BETA[MEL]).ppf(0.05)
    broken = next_place = 0
    for _ in range(DRAWS):
        scores, truth = drawn(rng, {MEL: n})
        broken += one(scores, truth, {MELANOMA: 0.95}, method=method).threshold > exact
        next_place += np.partition(scores[:, MEL], rank)[rank] > exact
    assert p_value(broken) > 0.001
    assert p_value(next_place) < 0.001
    assert broken > 0.01 * DRAWS


@both_methods
def test_three_types_together_break_any_target_as_rarely_as_promised(method):
    """The third type's threshold rests on those above: read without them it breaks its target in most draws."""
    rng = np.random.default_rng(7)
    sizes = {MEL: 120, BCC: 100, AK: 90}
    broken = read_alone = 0
    for _ in range(DRAWS):
        found = safest_thresholds(*drawn(rng, sizes), {MELANOMA: 0.9, BASAL: 0.9, ACTINIC: 0.9}, method=method)
        thresholds = dict(zip(sizes, (g.threshold for g in found), strict=True))
        broken += any(true_sensitivity(column, thresholds) < 0.9 for column in sizes)
        read_alone += true_sensitivity(AK, {AK: thresholds[AK]}) < 0.9
    assert p_value(broken) > 0.001
    assert read_alone > 0.5 * DRAWS
    assert broken > 0.01 * DRAWS


@both_methods
def test_two_groups_and_types_together_break_any_target_as_rarely_as_promised(method):
    """One group scores lower: thresholds that hold over all cases break its targets far more often."""
    rng = np.random.default_rng(8)
    sizes = {MEL: 124, BCC: 124}
    hard = np.arange(248) % 2 == 0

    def breaks(cases, groups):
        found = safest_thresholds(*cases, {MELANOMA: 0.9, BASAL: 0.9}, method=method, groups=groups)
        thresholds = dict(zip(sizes, (g.threshold for g in found), strict=True))
        return any(true_sensitivity(k, thresholds, own) < 0.9 for k in sizes for own in (BETA, HARD))

    broken = sum(breaks(drawn(rng, sizes, hard), hard) for _ in range(DRAWS))
    assert p_value(broken) > 0.001
    assert broken > 0.005 * DRAWS
    assert p_value(sum(breaks(drawn(rng, sizes, hard), None) for _ in range(DRAWS))) < 0.001


@pytest.mark.parametrize("n", [100, 200, 1000])
def test_the_usual_empirical_point_breaks_the_target_in_over_two_draws_of_five(n):
    rng = np.random.default_rng(n)
    exact = stats.beta(*BETA[MEL]).ppf(0.05)
    positive = np.arange(n + 1) < n
    broken = 0
    for _ in range(DRAWS):
        scores = np.append(rng.beta(*BETA[MEL], size=n), 0.0)
        broken += specificity_at_sensitivity(scores, positive).threshold > exact
    assert broken > 0.4 * DRAWS
