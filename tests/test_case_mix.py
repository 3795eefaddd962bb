"""Case mixes and the weights that reach them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from derm_kit.errors import DermKitError
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.triage.case_mix import LABEL_SHIFT, CaseMix, case_weights, effective_sample_size

MELANOMA, BCC, NAEVUS = LesionType.MELANOMA, LesionType.BASAL_CELL_CARCINOMA, LesionType.BENIGN_NAEVUS
COUNTS = st.lists(st.integers(30, 90), min_size=11, max_size=11)


def cohort(counts: dict[LesionType, int] | list[int]) -> np.ndarray:
    """Truth (N, 11) with so many cases of each type."""
    if isinstance(counts, dict):
        counts = [counts.get(t, 0) for t in LESION_TYPES]
    return np.repeat(np.eye(len(LESION_TYPES), dtype=bool), counts, axis=0)


def shares_of(truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return weights @ truth / weights.sum()


def test_weights_by_hand():
    """100 melanomas of 1,000 meant to be 2 % weigh .2 each; 900 others meant to be 98 % weigh 98/90."""
    truth = cohort({MELANOMA: 100, BCC: 300, NAEVUS: 600})
    found = case_weights(truth, CaseMix.of({"melanoma": 0.02}))
    assert found.weights == pytest.approx(np.repeat([0.2, 98 / 90], [100, 900]))
    assert shares_of(truth, found.weights)[[0, 2, 10]] == pytest.approx([0.02, 0.98 / 3, 0.98 * 2 / 3])
    assert effective_sample_size(found.weights) == pytest.approx(1000**2 / (100 * 0.04 + 900 * (98 / 90) ** 2))
    assert found.left_out == 0
    assert found.assumption == LABEL_SHIFT
    assert "label shift" in LABEL_SHIFT


def test_types_of_one_share_keep_their_proportion():
    truth = cohort({MELANOMA: 60, LesionType.SQUAMOUS_CELL_CARCINOMA: 20, NAEVUS: 120})
    found = case_weights(truth, CaseMix.of({"melanoma|squamous_cell_carcinoma": 0.062}))
    assert shares_of(truth, found.weights)[[0, 1, 10]] == pytest.approx([0.062 * 0.75, 0.062 * 0.25, 0.938])


@given(COUNTS, st.lists(st.integers(0, 50), min_size=11, max_size=11).filter(any))
def test_weighted_shares_equal_the_target(counts, parts):
    truth = cohort(counts)
    target = np.array(parts) / sum(parts)
    found = case_weights(truth, CaseMix.of(dict(zip(LESION_TYPES, target, strict=True))))
    assert shares_of(truth, found.weights) == pytest.approx(target, abs=1e-12)
    assert found.weights.mean() == pytest.approx(1)
    assert 0 < effective_sample_size(found.weights) <= len(truth) + 1e-6


@given(COUNTS, st.sets(st.integers(0, 10)))
def test_the_cohorts_own_mix_weighs_every_case_one(counts, named):
    truth = cohort(counts)
    own = truth.mean(0)
    found = case_weights(truth, CaseMix.of({LESION_TYPES[i].value: own[i] for i in named}))
    assert found.weights == pytest.approx(np.ones(len(truth)))
    assert effective_sample_size(found.weights) == pytest.approx(len(truth))
    assert found.remarks == ()


@given(COUNTS, st.randoms(use_true_random=False))
def test_order_of_cases_does_not_matter(counts, random):
    truth = cohort(counts)
    mix = CaseMix.of({"melanoma": 0.01, "basal_cell_carcinoma": 0.05})
    order = list(range(len(truth)))
    random.shuffle(order)
    assert np.array_equal(case_weights(truth[order], mix).weights, case_weights(truth, mix).weights[order])


def test_open_truth_and_none_are_left_out_and_counted():
    truth = np.vstack([cohort({MELANOMA: 30, NAEVUS: 30}), np.zeros((2, 11), bool), np.ones((1, 11), bool)])
    found = case_weights(truth, CaseMix.of({"melanoma": 0.5}))
    assert found.left_out == 3
    assert found.weights[60:].tolist() == [0, 0, 0]
    assert found.group[60:].tolist() == [-1, -1, -1]
    assert found.weights[:60] == pytest.approx(np.ones(60))


def test_a_type_with_too_few_cases_is_refused_unless_its_share_is_nothing():
    truth = cohort({MELANOMA: 29, NAEVUS: 100})
    with pytest.raises(DermKitError, match=r"at least 30 cases.*meant to be 2\.0%, with 29 cases of melanoma\)"):
        case_weights(truth, CaseMix.of({"melanoma": 0.02}))
    with pytest.raises(DermKitError, match=r"0 cases of basal cell carcinoma"):
        case_weights(truth, CaseMix.of({"basal_cell_carcinoma": 0.02}))
    with pytest.raises(DermKitError, match=r"meant to be 10\.0%, with 29 cases of melanoma or"):
        case_weights(truth, CaseMix.of({"benign_naevus": 0.9}))
    without = case_weights(truth, CaseMix.of({"melanoma": 0}))
    assert without.weights == pytest.approx(np.repeat([0, 1.29], [29, 100]))
    assert without.remarks[0] == "29 cases of melanoma weigh nothing: their share is 0."
    assert "No case of squamous cell carcinoma or basal cell" in without.remarks[1]
    case_weights(cohort({MELANOMA: 30, NAEVUS: 100}), CaseMix.of({"melanoma": 0.02}))


@pytest.mark.parametrize(
    ("shares", "rule"),
    [
        ({"melanoma": 0.7, "benign_naevus": 0.4}, "add up to 1"),
        ({t.value: 0.05 for t in LESION_TYPES}, "add up to 1"),
        ({"melanoma": -0.1}, "from 0 to 1"),
        ({"melanoma": float("nan")}, "from 0 to 1"),
        ({"melanoma": "0.1"}, "from 0 to 1"),
        ({"melanoma": True}, "from 0 to 1"),
        ({"melanoma|basal_cell_carcinoma": 0.1, "melanoma": 0.1}, "one share only"),
        ({"": 0.1}, "one share only"),
        ({"wart": 0.1}, "lesion types"),
    ],
)
def test_impossible_mixes_are_refused(shares, rule):
    with pytest.raises(DermKitError, match=rule):
        CaseMix.of(shares)


def test_a_case_mix_is_read_from_json(tmp_path):
    path = tmp_path / "mix.json"
    path.write_text(json.dumps({"name": "clinic", "source": "referrals of 2025", "shares": {"melanoma": 0.015}}))
    mix = CaseMix.read(path)
    assert mix == CaseMix.of({"melanoma": 0.015}, name="clinic", source="referrals of 2025")
    assert mix.rest == pytest.approx(0.985)
    assert CaseMix.of({}).rest == 1
    assert "source required" in CaseMix.of({}).source


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"melanoma": 0.1}',
        '{"shares": {"melanoma": 0.1, "melanoma": 0.2}}',
        '{"shares": {}, "place": "here"}',
        '{"shares": {}, "name": 3}',
        "[" * 100_000,
    ],
)
def test_a_file_that_is_no_case_mix_is_refused(tmp_path, text):
    path = tmp_path / "mix.json"
    path.write_text(text)
    with pytest.raises(DermKitError, match=r"mix\.json: a case mix is a JSON object"):
        CaseMix.read(path)
    with pytest.raises(DermKitError, match="a case mix is a JSON object"):
        CaseMix.read(tmp_path / "none.json")


def test_effective_sample_size_by_hand():
    assert effective_sample_size([1, 1, 1, 1]) == 4
    assert effective_sample_size([3, 1]) == 1.6
    assert effective_sample_size([5, 0]) == 1
    assert effective_sample_size([]) == 0
    assert effective_sample_size([0, 0]) == 0


def test_a_clinics_mix_by_hand():
    """6 % cancers of which 1.5 % melanoma: the other cancers share 4.5 %, all else 94 %."""
    mel, bcc, derm = LesionType.MELANOMA, LesionType.BASAL_CELL_CARCINOMA, LesionType.DERMATOFIBROMA
    mix = CaseMix.of_clinic(0.06, {mel: 0.015, derm: 0.02, bcc: 0.0}, name="clinic")
    shares = dict(mix.groups)
    others = frozenset(t for t in LESION_TYPES if t.cancer and t is not mel)
    assert shares[frozenset({mel})] == 0.015
    assert shares[frozenset({derm})] == 0.02
    assert shares[others] == pytest.approx(0.045)
    assert mix.rest == pytest.approx(0.92)
    assert CaseMix.of_clinic(0.0, {mel: 0.015}).rest == pytest.approx(0.985)
    with pytest.raises(DermKitError, match=r"7\.00% named, 6\.00% in all"):
        CaseMix.of_clinic(0.06, {mel: 0.07})
    every = {t: 0.01 for t in LESION_TYPES if t.cancer}
    assert dict(CaseMix.of_clinic(0.01 * len(every), every).groups) == {frozenset({t}): 0.01 for t in every}
    with pytest.raises(DermKitError, match="where some are not named"):
        CaseMix.of_clinic(0.2, every)
