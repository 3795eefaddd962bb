"""Rates of a policy: by hand, against scikit-learn, and by what must hold of any thresholds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, recall_score

from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType
from derm_kit.model.run import ScoreRun
from derm_kit.triage.accuracy import operating_characteristics, truth_matrix
from derm_kit.triage.counts import CALLS, CaseCounter
from derm_kit.triage.measures import confusion, likelihood_ratios, rates
from derm_kit.triage.policy import decide
from tests.test_policy import make_policy, make_run

MELANOMA, SCC, BCC = LesionType.MELANOMA, LesionType.SQUAMOUS_CELL_CARCINOMA, LesionType.BASAL_CELL_CARCINOMA


def by_hand() -> ScoreRun:
    """Ten cases: what each is and what the thresholds of make_policy call it is written beside it."""
    rows = [
        ("melanoma", {"melanoma": 0.5}),  # melanoma
        ("melanoma", {"basal_cell_carcinoma": 0.9}),  # BCC: flagged, not caught as melanoma
        ("melanoma", {}),  # not flagged: missed
        ("basal_cell_carcinoma", {"melanoma": 0.2}),  # melanoma: caught, not as own type
        ("basal_cell_carcinoma", {"basal_cell_carcinoma": 0.4}),  # review: quality
        ("benign_naevus", {"melanoma": 0.11}),  # melanoma
        ("benign_naevus", {}),  # not flagged
        ("seborrhoeic_keratosis|solar_lentigo", {}),  # not flagged, benign either way
        ("melanoma|benign_naevus", {}),  # open between cancer and not: stays out of both
        ("", {"melanoma": 0.9}),  # unknown
    ]
    made = make_run([scores for _, scores in rows], quality_fail=[i == 4 for i in range(10)])
    cases = made.cases.assign(truth=[truth for truth, _ in rows])
    return ScoreRun(made.scores, cases, None, made.meta)


def test_every_rate_of_ten_cases_by_hand():
    counter = CaseCounter(by_hand(), make_policy())
    found = rates(counter.count(make_policy().thresholds))

    def share(name, of=None, *, assessed=False):
        place = found.place(name, of, assessed=assessed)
        return int(found.count[0, place]), int(found.n[0, place])

    assert share("sensitivity", MELANOMA) == (1, 3)
    assert share("sensitivity", BCC) == (1, 2)
    assert share("sensitivity", BCC, assessed=True) == (1, 1)
    assert share("caught as own type", BCC) == (0, 2)
    assert share("cancers flagged") == (3, 5)
    assert share("cancers flagged", assessed=True) == (3, 4)
    assert share("benign not flagged") == (2, 3)
    assert share("no cancer, not flagged", assessed=True) == (2, 3)
    assert share("cancers among flagged", assessed=True) == (3, 4)
    assert share("no cancer among not flagged", assessed=True) == (2, 3)
    assert share("cancers missed among not flagged", assessed=True) == (1, 3)
    assert share("right among those called so", MELANOMA, assessed=True) == (1, 3)
    assert share("flagged") == (5, 10)
    assert share("not flagged") == (4, 10)
    assert share("clinician review") == (1, 10)
    assert share("truth known") == (9, 10)
    assert share("sensitivity", SCC) == (0, 0)
    frame = found.frame().set_index(["measure", "lesion_type", "cases"])
    assert frame.loc[("sensitivity", SCC.value, "all"), "remark"] == "no case"
    assert math.isnan(frame.loc[("sensitivity", SCC.value, "all"), "value"])
    assert frame.loc[("sensitivity", MELANOMA.value, "all"), "remark"] == "too few to say"


def test_likelihood_ratios_by_hand():
    counter = CaseCounter(by_hand(), make_policy())
    table = likelihood_ratios(rates(counter.count(make_policy().thresholds))).set_index("measure")
    flag, none = table.loc["likelihood ratio of a flag"], table.loc["likelihood ratio of no flag"]
    assert flag["value"] == pytest.approx((3 / 4) / (1 / 3))
    assert none["value"] == pytest.approx((1 / 4) / (2 / 3))
    spread = 1.959964 * math.sqrt(1 / 3 - 1 / 4 + 1 / 1 - 1 / 3)
    assert (flag["low"], flag["high"]) == pytest.approx((2.25 * math.exp(-spread), 2.25 * math.exp(spread)), rel=1e-5)


def test_a_ratio_over_an_empty_side_is_undefined_with_its_reason():
    run = make_run([{"melanoma": 0.9}])
    run = ScoreRun(run.scores, run.cases.assign(truth=["melanoma"]), None, run.meta)
    table = likelihood_ratios(rates(CaseCounter(run, make_policy()).count(make_policy().thresholds)))
    assert table["value"].isna().all()
    assert table["remark"].str.contains("a side has no case").all()


def test_sensitivities_are_those_of_operating_characteristics(reference, policy):
    found = rates(CaseCounter(reference, policy).count(policy.thresholds))
    truth = truth_matrix(list(reference.cases["truth"]))
    table = operating_characteristics(
        reference.matrix, truth, policy.thresholds, review=decide(reference, policy).in_review
    ).set_index("type")
    for t in FLAGGED:
        place, own = found.place("sensitivity", t), found.place("caught as own type", t)
        row = table.loc[t.value]
        assert (found.count[0, place], found.n[0, place], found.count[0, own]) == (
            row["caught"], row["n"], row["caught_as_own_type"],
        )  # fmt: skip
        assert found.low[0, place] == pytest.approx(row["low"], nan_ok=True)


def test_the_confusion_table_is_scikit_learns(reference, policy):
    counter = CaseCounter(reference, policy)
    table = confusion(counter.count(policy.thresholds))
    single = ~reference.cases["truth"].str.contains("|", regex=False) & (reference.cases["truth"] != "")
    names = [t.value for t in LESION_TYPES]
    called = np.array(CALLS, dtype=object)[counter.called(policy.thresholds)][single]
    truth = reference.cases["truth"][single].to_numpy(object)
    labels = [*names, "not flagged", "clinician review"]
    theirs = confusion_matrix(truth.astype(str), called.astype(str), labels=labels)
    ours = table.reindex(columns=labels, fill_value=0).to_numpy()
    assert (ours == theirs[: len(names)]).all()
    assert table.attrs == {"open": 159, "unknown": 29}
    melanoma = rates(counter.count(policy.thresholds)).value[0, 0]
    assert melanoma == pytest.approx(recall_score(truth == "melanoma", called == "melanoma"))


def test_wilson_instead_of_clopper_pearson_changes_bounds_alone(reference, policy):
    counts = CaseCounter(reference, policy).count(policy.thresholds)
    exact, score = rates(counts), rates(counts, method="Wilson")
    assert (exact.count == score.count).all()
    known = exact.n[0] > 0
    assert (exact.low[0, known] <= score.low[0, known] + 1e-12).mean() > 0.9
    assert not np.allclose(exact.low[0, known], score.low[0, known])


def test_differences_of_two_groups_are_each_others_opposite(reference, policy):
    found = rates(CaseCounter(reference, policy).count(policy.thresholds))
    table = found.differences()
    sex = table[(table["grouping"] == "sex") & (table["measure"] == "cancers flagged") & (table["cases"] == "all")]
    by_group = sex.set_index("group")
    assert set(by_group.index) == {"female", "male", "not recorded"}
    assert by_group.loc["not recorded", "remark"] in {"too few to say", "no case on a side"}
    assert by_group.loc["female", "difference"] * by_group.loc["male", "difference"] < 0
    assert (by_group["low"].dropna() <= by_group["difference"].dropna()).all()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(1e-6, 1), min_size=5, max_size=5), st.integers(0, 4), st.floats(0.01, 1), st.integers(0, 2**32)
)
def test_lowering_a_threshold_misses_nobody_more_and_clears_nobody_more(reference, policy, values, which, share, seed):
    trained = [t for t in FLAGGED if t is not LesionType.ATYPICAL_NAEVUS]
    before = dict(zip(trained, values, strict=True))
    after = before | {trained[which]: max(values[which] * share, 1e-6)}
    shuffled = np.random.default_rng(seed).permutation(len(reference))
    run = ScoreRun(
        reference.scores.iloc[shuffled].reset_index(drop=True), reference.cases.iloc[shuffled].reset_index(drop=True),
        None, reference.meta,
    )  # fmt: skip
    counter = CaseCounter(reference, policy)
    first, second = rates(counter.count(before)), rates(counter.count(after))
    for t in FLAGGED:
        place = first.place("sensitivity", t)
        assert (second.count[:, place] >= first.count[:, place]).all()
    place = first.place("not flagged")
    assert (second.count[:, place] <= first.count[:, place]).all()
    again = rates(CaseCounter(run, policy).count(before))
    assert (again.count == first.count).all()
