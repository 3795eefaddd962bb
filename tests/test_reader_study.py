"""Reader studies by hand, against statsmodels, published intervals and simulated readers, and on hostile tables."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri
from statsmodels.stats.contingency_tables import mcnemar as peer_mcnemar
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.proportion import proportion_confint

from derm_kit.errors import DermKitError
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.model.run import ScoreRun
from derm_kit.triage.agreement import fleiss_kappa
from derm_kit.triage.policy import DEFAULT_DISPOSITIONS, Disposition, TriagePolicy
from derm_kit.triage.reader_study import GROUP, ReaderStudy, analyse_study, compare_readings, full_block, read_study
from derm_kit.triage.reader_study_agreement import kappa_of_counts
from derm_kit.triage.reader_study_estimates import between, change, mcnemar, share, tango
from derm_kit.triage.reader_study_management import Sent, home, sent
from derm_kit.triage.reader_study_tables import Answers, attendance
from derm_kit.triage.teaching_list import draw_list

TYPES = [t.value for t in LESION_TYPES]
MEL, SK, NAEVUS, AK = "melanoma", "seborrhoeic_keratosis", "benign_naevus", "actinic_keratosis"


def managed(diagnosis: str) -> str:
    """What a reader who trusts the diagnosis does."""
    return next(
        (d.value for t, d in DEFAULT_DISPOSITIONS.items() if t == diagnosis), "discharge advice with safety-netting"
    )


def cases_of(*truth_and_model: tuple[str, str]) -> pd.DataFrame:
    rows = [
        (f"c{i}", truth, model, managed(model) if model else "") for i, (truth, model) in enumerate(truth_and_model)
    ]
    return pd.DataFrame(rows, columns=["case_id", "truth", "model_diagnosis", "model_disposition"])


def answer(reader: str, case: str, phase: str, diagnosis: str, **more: Any) -> dict[str, Any]:
    made = {"reader": reader, "case_id": case, "phase": phase, "diagnosis": diagnosis}
    return made | {"disposition": managed(diagnosis), "confidence": 80, "seconds": 12.5} | more


def answers_of(reader: str, before: list[str], after: list[str]) -> list[dict[str, Any]]:
    """Answers of one reader on c0, c1, ..., "" where none was given."""
    sides = [("before", before), ("after", after)]
    return [answer(reader, f"c{i}", phase, d) for phase, side in sides for i, d in enumerate(side) if d]


def simulated(readers: int, cases: int, seed: int, *, crossover: bool = False) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Readers who are right half of the time and take the model's view six times of ten; it is right three of four."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(TYPES, cases)
    model = np.where(rng.random(cases) < 0.75, truth, rng.choice(TYPES, cases))
    rows = []
    for r in range(readers):
        for c in range(cases):
            before = truth[c] if rng.random() < 0.5 else rng.choice(TYPES)
            after = model[c] if rng.random() < 0.6 else before
            once = crossover and (r + c) % 2 == 1
            sure, mode = int(rng.integers(0, 101)), "ai_at_once" if once else "blind_first"
            for phase, diagnosis in (("before", before), ("after", after)):
                if not (once and phase == "before"):
                    rows.append(answer(f"r{r:02}", f"c{c}", phase, str(diagnosis), confidence=sure, mode=mode))
    return pd.DataFrame(rows), cases_of(*zip(truth.tolist(), model.tolist(), strict=True))


def row_of(table: pd.DataFrame, **wanted: str) -> pd.Series:
    found = table
    for column, value in wanted.items():
        found = found[found[column] == value]
    assert len(found) == 1, (wanted, len(found))
    return found.iloc[0]


@pytest.fixture(scope="module")
def by_hand() -> ReaderStudy:
    """Eight cases, one reader: three melanomas, three naevi, a keratosis (SK) and an actinic keratosis."""
    cases = cases_of(
        (MEL, MEL), (MEL, NAEVUS), (MEL, MEL), (NAEVUS, NAEVUS), (NAEVUS, MEL), (NAEVUS, NAEVUS), (SK, SK), (AK, AK)
    )  # fmt: skip
    before = [NAEVUS, MEL, MEL, MEL, NAEVUS, NAEVUS, NAEVUS, AK]
    after = [MEL, NAEVUS, MEL, NAEVUS, MEL, NAEVUS, NAEVUS, AK]
    return analyse_study(pd.DataFrame(answers_of("ann", before, after)), cases)


def test_rates_of_one_reader_by_hand(by_hand: ReaderStudy):
    """Right before: c1, c2, c4, c5, c7; after: c0, c2, c3, c5, c7. Held: 2 cancers of 3; discharged: 3 benign of 4."""
    for measure, count, n in (("accuracy", 5, 8), ("sensitivity", 2, 3), ("specificity", 3, 4)):
        for phase in ("before", "after"):
            row = row_of(by_hand.rates, reader="ann", measure=measure, phase=phase)
            assert (row["count"], row["n"], row["value"]) == (count, n, pytest.approx(count / n))
    accuracy = row_of(by_hand.rates, reader="ann", measure="accuracy", phase="before")
    assert (accuracy["low"], accuracy["high"]) == pytest.approx(proportion_confint(5, 8, method="wilson"))
    few = row_of(by_hand.rates, reader="ann", measure="sensitivity", phase="before")
    assert math.isnan(few["low"])
    assert few["reason"] == "too few to say: 3 cases"


def test_differences_corrections_and_errors_of_one_reader_by_hand(by_hand: ReaderStudy):
    """Corrected: c0 and c3, to the model's view; made wrong: c1 and c4, to the model's view."""
    row = row_of(by_hand.differences, reader="ann", measure="accuracy")
    assert (row["gained"], row["lost"], row["difference"], row["p_value"]) == (2, 2, 0, 1)
    assert (row["low"], row["high"]) == pytest.approx(tango(2, 2, 8))
    for view, at_risk in (("diagnosis", (3, 5)), ("management", (2, 5))):
        for kind, n in zip(("correction", "AI-induced error"), at_risk, strict=True):
            row = row_of(by_hand.corrections, reader="ann", view=view, kind=kind)
            assert (row["n"], row["count"], row["with_model"]) == (n, 2, 2), (view, kind)


def test_switches_of_one_reader_by_hand(by_hand: ReaderStudy):
    """Disagreed with a right model: c0, c3, c6, and moved twice; with a wrong one: c1, c4, and moved both times."""
    right = row_of(by_hand.reliance, reader="ann", view="diagnosis", model="right")
    wrong = row_of(by_hand.reliance, reader="ann", view="diagnosis", model="wrong")
    assert (right["n"], right["count"], wrong["n"], wrong["count"]) == (3, 2, 2, 2)
    gap = row_of(by_hand.reliance, reader="ann", view="diagnosis", model="right less wrong")
    assert gap["value"] == pytest.approx(2 / 3 - 1)
    assert gap["reason"] == "too few to say: 3 cases"
    held = row_of(by_hand.reliance, reader="ann", view="management", model="wrong")
    assert (held["n"], held["count"]) == (2, 2)


def test_confidence_against_how_often_it_was_right_by_hand():
    cases = cases_of(*[(MEL, MEL)] * 6)
    diagnoses, sure = [MEL, MEL, SK, MEL, SK, SK], [100, 90, 90, 30, 30, 0]
    rows = [
        answer("a", f"c{i}", "before", d, confidence=s) for i, (d, s) in enumerate(zip(diagnoses, sure, strict=True))
    ]
    found = analyse_study(pd.DataFrame(rows), cases)
    row = row_of(found.calibration, reader="a", phase="before")
    assert (row["mean_confidence_prob"], row["share_right"]) == pytest.approx((340 / 600, 0.5))
    assert row["overconfidence"] == pytest.approx(340 / 600 - 0.5)
    assert row["brier"] == pytest.approx((0 + 0.01 + 0.81 + 0.49 + 0.09 + 0) / 6)
    assert row["expected_calibration_error"] == pytest.approx((3 * abs(2 / 3 - 2.8 / 3) + 2 * abs(0.5 - 0.3) + 0) / 6)
    bins = found.bins[found.bins["reader"] == "a"]
    assert bins[["from_prob", "to_prob", "n", "value"]].to_numpy().tolist() == [
        [0.0, 0.2, 1, 0.0], [0.2, 0.4, 2, 0.5], [0.8, 1.0, 3, pytest.approx(2 / 3)],
    ]  # fmt: skip
    nothing = row_of(found.calibration, reader="a", phase="after")
    assert (nothing["n"], nothing["reason"]) == (0, "no answer")
    assert math.isnan(nothing["brier"])


def test_times_leave_untimed_answers_out_and_count_them():
    cases = cases_of(*[(MEL, MEL)] * 4)
    rows = [answer("a", f"c{i}", "before", MEL, seconds=s) for i, s in enumerate([10, 20, None, 90])]
    row = row_of(analyse_study(pd.DataFrame(rows), cases).times, reader="a", phase="before")
    assert (row["n"], row["untimed"], row["median_seconds"], row["mean_seconds"]) == (3, 1, 20, 40)
    assert (row["lower_quartile_seconds"], row["upper_quartile_seconds"]) == (15, 55)


def test_readers_who_stop_are_counted_and_nothing_is_dropped_unseen():
    cases = cases_of(*[(MEL, MEL)] * 6)
    whole, stopped = [MEL] * 6, [MEL, MEL, SK, "", "", ""]
    rows = answers_of("ann", whole, whole) + answers_of("bob", stopped, [MEL, "", "", SK, "", ""])
    found = analyse_study(pd.DataFrame(rows), cases)
    counts = found.attendance.set_index("reader")
    assert counts.loc["ann"].tolist() == [6, 6, 0, 0, 0, 0]
    assert counts.loc["bob"].tolist() == [6, 1, 2, 1, 0, 2]
    assert counts.loc[GROUP].tolist() == [12, 7, 2, 1, 0, 2]
    assert (counts.drop(columns="cases").sum(axis=1) == counts["cases"]).all()
    assert row_of(found.rates, reader="bob", measure="accuracy", phase="before")["n"] == 3
    assert row_of(found.differences, reader="bob", measure="accuracy")["n"] == 1
    assert row_of(found.differences, reader=GROUP, measure="accuracy")["n"] == 7
    agreement = row_of(found.agreement, view="diagnosis", phase="before")
    assert (agreement["n"], agreement["alone"]) == (6, 3)


@pytest.mark.parametrize(
    ("gained", "lost", "n", "level", "low", "high"),
    [
        (1, 7, 21, 0.95, -0.517, -0.026),  # Tango's interval of R ratesci, its example of Bentur's 21 children
        (28, 25, 618, 0.90, -0.0148, 0.0247),  # R PropCIs: scoreci.mp(25, 28, 618, .9)
    ],
)
def test_tangos_interval_is_that_of_r(gained: int, lost: int, n: int, level: float, low: float, high: float):
    places = 5.1e-4 if abs(low) > 0.1 else 5.1e-5
    assert tango(gained, lost, n, level=level) == pytest.approx((low, high), abs=places)


def test_tangos_interval_has_its_closed_form_where_nobody_changes():
    """Where no pair changes, the score of d is n d / sqrt(n d (1 - d)): it is z at z^2 / (n + z^2)."""
    z2 = ndtri(0.975) ** 2
    assert tango(0, 0, 30) == pytest.approx((-z2 / (30 + z2), z2 / (30 + z2)))
    assert np.isnan(tango(0, 0, 0)).all()


@settings(deadline=None)
@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_swapping_before_and_after_negates_and_mcnemar_is_that_of_statsmodels(gained: int, lost: int, same: int):
    n = gained + lost + same
    if n:
        low, high = tango(gained, lost, n)
        assert tango(lost, gained, n) == pytest.approx((-high, -low), abs=1e-9)
        assert -1 <= low <= (gained - lost) / n <= high <= 1
    if gained + lost:
        peer = peer_mcnemar([[same, gained], [lost, 0]], exact=True)
        assert mcnemar(gained, lost) == pytest.approx(peer.pvalue)
    assert mcnemar(gained, lost) == mcnemar(lost, gained)


@settings(deadline=None, max_examples=8)
@given(st.integers(3, 5), st.integers(6, 12), st.integers(0, 10**6), st.randoms())
def test_swapping_phases_negates_and_names_and_order_do_not_matter(readers: int, cases: int, seed: int, order):
    answers, table = simulated(readers, cases, seed)
    one = analyse_study(answers, table)
    swapped = answers.assign(phase=answers["phase"].map({"before": "after", "after": "before"}))
    other = analyse_study(swapped, table)
    same = {"nan_ok": True, "abs": 1e-9}
    for mine, theirs in zip(one.differences.itertuples(), other.differences.itertuples(), strict=True):
        assert (mine.difference, mine.low) == pytest.approx((-theirs.difference, -theirs.high), **same)
        assert mine.p_value == pytest.approx(theirs.p_value, **same)
    names = {f"r{r:02}": f"p{r:02}" for r in range(readers)}
    ids = dict(zip(table["case_id"], order.sample(list(table["case_id"]), cases), strict=True))
    mixed = answers.assign(reader=answers["reader"].map(names), case_id=answers["case_id"].map(ids))
    mixed = mixed.sample(frac=1, random_state=seed)
    renamed = analyse_study(mixed, table.assign(case_id=table["case_id"].map(ids)))
    for name in ("rates", "differences", "corrections", "reliance", "calibration", "agreement"):
        mine, theirs = getattr(one, name), getattr(renamed, name)
        numbers = mine.select_dtypes("number").columns
        by = [column for column in ("reader", "measure", "mode", "view", "kind", "model", "phase") if column in mine]
        theirs = (
            theirs.assign(reader=theirs["reader"].replace({v: k for k, v in names.items()}))
            if "reader" in by
            else theirs
        )
        left, right = mine.sort_values(by)[numbers], theirs.sort_values(by)[numbers]
        np.testing.assert_allclose(left, right, atol=1e-9, err_msg=name)


def test_a_group_of_copies_is_no_better_than_the_one_reader_it_copies():
    """Ten readers who answer alike give the interval of the cases, not one three times as narrow."""
    truth = [(MEL, MEL)] * 60
    one = [MEL if i % 10 < 7 else SK for i in range(60)]
    rows = [row for r in range(10) for row in answers_of(f"r{r}", one, [MEL] * 60)]
    found = analyse_study(pd.DataFrame(rows), cases_of(*truth))
    group = row_of(found.rates, reader=GROUP, measure="accuracy", phase="before")
    alone = row_of(found.rates, reader="r0", measure="accuracy", phase="before")
    assert (group["low"], group["high"]) == pytest.approx((alone["low"], alone["high"]), abs=0.012)
    naive = proportion_confint(420, 600, method="wilson")
    assert group["high"] - group["low"] > 2.5 * (naive[1] - naive[0])


@pytest.mark.parametrize(("chance", "readers", "cases"), [(0.7, 5, 20), (0.7, 20, 20), (0.85, 10, 40)])
def test_intervals_of_groups_hold_the_true_share_about_as_often_as_they_say(chance: float, readers: int, cases: int):
    """Readers and cases differ: right answers by a probit with a spread of .4 over readers and .8 over cases."""
    rng = np.random.default_rng(11)
    reader, case = np.divmod(np.arange(readers * cases), cases)
    middle, held = ndtri(chance) * math.sqrt(1 + 0.4**2 + 0.8**2), 0
    for _ in range(400):
        skill, ease = rng.normal(0, 0.4, readers)[reader], rng.normal(0, 0.8, cases)[case]
        hit = middle + skill + ease + rng.normal(size=reader.size) > 0
        found = share(Answers(reader, case, {"hit": hit}), "hit")
        held += found.low <= chance <= found.high
    assert 0.905 < held / 400 < 0.985


def test_changes_of_groups_without_an_effect_are_called_real_about_as_often_as_they_should_be():
    """Before and after drawn alike, with a taste of each reader and case for changing: 5 of 100 below .05."""
    rng = np.random.default_rng(12)
    reader, case = np.divmod(np.arange(8 * 30), 30)
    below = 0
    for _ in range(600):
        pull = rng.normal(0, 0.3, 8)[reader] + rng.normal(0, 0.6, 30)[case]
        before, after = (0.3 + sign * pull + rng.normal(size=reader.size) > 0 for sign in (1, -1))
        below += change(Answers(reader, case, {"b": before, "a": after}), "b", "a").p_value < 0.05
    assert 0.023 < below / 600 < 0.077


def test_groups_are_compared_as_by_obuchowski_and_rockette_where_every_answer_is_there():
    answers, cases = simulated(6, 30, 5)
    study = read_study(answers, cases)
    rows = analyse_study(answers, cases).differences
    for figure in ("accuracy", "sensitivity", "specificity"):
        row, (found, block) = row_of(rows, reader=GROUP, measure=figure), compare_readings(study, figure)
        peer = found.differences.iloc[0]
        assert (row["difference"], row["low"], row["high"]) == pytest.approx((peer["value"], peer["low"], peer["high"]))
        assert row["p_value"] == pytest.approx(peer["p_value"])
        assert not block.readers_left_out
        assert not block.cases_left_out
    area, _ = compare_readings(study)
    assert area.n_positive == (cases["truth"].isin(TYPES[:4])).sum()
    assert 0.5 < area.means["value"][0] < 1


def test_a_reader_who_stopped_is_left_out_of_the_full_block_and_named():
    answers, cases = simulated(4, 20, 6)
    cut = answers[~((answers["reader"] == "r03") & answers["case_id"].isin([f"c{i}" for i in range(5, 20)]))]
    cut = cut[~((cut["reader"] == "r01") & (cut["case_id"] == "c7"))]
    found, block = compare_readings(read_study(cut, cases), "accuracy")
    assert block.readers_left_out == ("r03",)
    assert block.cases_left_out == ("c7",)
    assert (found.n_readers, found.n_cases) == (3, 19)
    assert full_block(cut[cut["phase"] == "before"]) == block


def test_without_a_common_case_the_multi_reader_analysis_is_refused():
    cases = cases_of(*[(MEL, MEL)] * 4)
    rows = answers_of("a", [MEL, MEL, "", ""], [MEL, MEL, "", ""]) + answers_of(
        "b", ["", "", MEL, MEL], ["", "", MEL, MEL]
    )
    study = read_study(pd.DataFrame(rows), cases)
    with pytest.raises(DermKitError, match="all of them answered before and after"):
        compare_readings(study, "accuracy")
    with pytest.raises(DermKitError, match="known by name"):
        compare_readings(read_study(*simulated(3, 8, 1)), "kappa")


@pytest.mark.parametrize(("readers", "cases"), [(6, 4), (6, 5), (6, 19), (6, 20), (2, 20), (3, 4)])
def test_multi_reader_analysis_and_rates_give_intervals_by_one_rule(readers: int, cases: int):
    study = read_study(*simulated(readers, cases, 3))
    found, _ = compare_readings(study, "accuracy")
    rate = row_of(analyse_study(*simulated(readers, cases, 3)).differences, reader=GROUP, measure="accuracy")
    change_of = found.differences.iloc[0]
    assert change_of["reason"] == rate["reason"]
    assert math.isnan(change_of["low"]) == math.isnan(rate["low"]) == math.isnan(change_of["p_value"])
    assert math.isnan(found.contrast.p_value) == math.isnan(rate["low"])
    assert math.isnan(found.means["low"].iloc[0]) == math.isnan(rate["low"])
    assert found.by_reader["low"].isna().all() == (cases < 5)
    assert change_of["value"] == pytest.approx(rate["difference"])


def test_an_area_needs_enough_cases_of_both_sides():
    rng = np.random.default_rng(5)
    cases = cases_of(*[(MEL, MEL)] * 4, *[(NAEVUS, NAEVUS)] * 30)
    rows = [
        answer(r, f"c{i}", phase, str(rng.choice([MEL, NAEVUS])), confidence=int(rng.integers(101)))
        for r in "abcd" for i in range(34) for phase in ("before", "after")
    ]  # fmt: skip
    found, _ = compare_readings(read_study(pd.DataFrame(rows), cases), "auc")
    assert found.differences["reason"].tolist() == ["too few to say: 4 cases"]
    assert found.differences[["low", "high", "p_value"]].isna().all(axis=None)
    assert found.differences["value"].notna().all()


def test_crossover_compares_the_modes_without_a_pair():
    answers, cases = simulated(6, 40, 7, crossover=True)
    found = analyse_study(answers, cases)
    counts = found.attendance.set_index("reader").loc[GROUP]
    assert counts.tolist() == [240, 120, 0, 0, 120, 0]
    row = row_of(found.modes, reader=GROUP, measure="accuracy", against="before")
    right = answers["diagnosis"] == answers["case_id"].map(cases.set_index("case_id")["truth"])
    once, blind = answers["mode"] == "ai_at_once", (answers["mode"] == "blind_first") & (answers["phase"] == "before")
    assert row["difference"] == pytest.approx(right[once].mean() - right[blind].mean())
    assert (row["n_at_once"], row["n_blind_first"]) == (120, 120)
    assert row["low"] < row["difference"] < row["high"]
    assert row_of(found.differences, reader=GROUP, measure="accuracy")["n"] == 120
    assert analyse_study(*simulated(3, 8, 1)).modes.empty


def test_a_model_at_once_that_does_nothing_is_called_an_effect_about_as_often_as_it_should_be():
    """Six readers read half of 24 cases in each mode, right as often in both: 5 of 100 intervals leave 0 out."""
    rng = np.random.default_rng(13)
    reader, case = np.divmod(np.arange(6 * 24), 24)
    once, missed = (reader + case) % 2 == 1, 0
    for _ in range(600):
        ease = rng.normal(0, 0.4, 6)[reader] + rng.normal(0, 0.8, 24)[case]
        hit = 0.5 + ease + rng.normal(size=reader.size) > 0
        found = between(Answers(reader, case, {"hit": hit, "once": once}), "hit", "once")
        missed += found.low > 0 or found.high < 0
    assert 0.023 < missed / 600 < 0.077, missed


def test_two_readers_say_little_of_others_and_one_reader_is_his_own_group():
    two = analyse_study(*simulated(2, 20, 8))
    row = row_of(two.rates, reader=GROUP, measure="accuracy", phase="before")
    assert math.isnan(row["low"])
    assert row["reason"] == "no interval: 2 readers say little of others; see each reader"
    one = analyse_study(*simulated(1, 20, 8))
    group, own = (row_of(one.differences, reader=r, measure="accuracy") for r in (GROUP, "r00"))
    assert group["test"] == own["test"] == "McNemar, exact"
    assert group["low"] == own["low"]


def test_equal_answers_have_no_interval_of_the_group_and_say_so():
    rows = [row for r in "abc" for row in answers_of(r, [MEL] * 8, [MEL] * 8)]
    found = analyse_study(pd.DataFrame(rows), cases_of(*[(MEL, MEL)] * 8))
    for table, measure in ((found.rates, "value"), (found.differences, "difference")):
        row = table[(table["reader"] == GROUP) & (table["measure"] == "accuracy")].iloc[0]
        assert row[measure] in (0, 1)
        assert math.isnan(row["low"])
        assert row["reason"] == "no interval: nothing varies here"
    assert found.agreement["reason"].str.startswith("only one name was ever given").all()
    assert row_of(found.reliance, reader=GROUP, view="diagnosis", model="wrong")["reason"] == "no answer"


def test_kappa_is_that_of_statsmodels_of_fleiss_and_of_r_where_answers_are_missing():
    answers, cases = simulated(2, 60, 9)
    found = row_of(analyse_study(answers, cases).agreement, view="diagnosis", phase="before")
    table = answers[answers["phase"] == "before"].set_index(["case_id", "reader"])["diagnosis"].unstack()  # noqa: PD010
    full = fleiss_kappa(table.to_numpy(object))
    assert (found["value"], found["low"], found["high"]) == pytest.approx((full.value, full.low, full.high))
    alike = [("a", "a")] * 20 + [("a", "b")] * 5 + [("b", "a")] * 5 + [("b", "b")] * 20  # equal margins: Cohen = Fleiss
    counts = np.array([[pair.count("a"), pair.count("b")] for pair in alike], float)
    assert kappa_of_counts(counts).value == pytest.approx(cohens_kappa([[20, 5], [5, 20]]).kappa)


def test_fleiss_kappa_with_missing_answers_is_that_of_r():
    """R irrCAC, vignette: fleiss.kappa.raw(cac.raw4raters), Krippendorff's 12 units by 4 raters with missing values."""
    raters = ["12332141 2...", "12332241 25.3", ".3332342 251.", "12332441 251."]
    units = list(zip(*(rater.replace(" ", "") for rater in raters), strict=True))
    counts = np.array([[unit.count(name) for name in "12345"] for unit in units], float)
    found = kappa_of_counts(counts)
    assert found.value == pytest.approx(0.76117, abs=5e-6)
    assert (found.low, found.high) == pytest.approx((0.424, 1), abs=5e-4)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: pd.concat([t, t.iloc[:1]]), r"^c0: a reader answers a case once in a phase \(reader ann.*before"),
        (lambda t: t.assign(diagnosis="wart"), r"^c0: diagnosis: one of the names.*found: wart.*Use one of: melanoma"),
        (lambda t: t.assign(confidence=101), r"^c0: confidence is a number from 0 to 100.*found: 101"),
        (lambda t: t.assign(confidence=-1), "confidence is a number from 0 to 100.*found: -1"),
        (lambda t: t.assign(confidence=math.nan), "confidence is a number from 0 to 100.*found: nan"),
        (lambda t: t.assign(confidence="sure"), "confidence is a number from 0 to 100.*found: sure"),
        (lambda t: t.assign(seconds=-3), "seconds are 0 or more.*found: -3"),
        (lambda t: t.assign(seconds=math.inf), "seconds are 0 or more.*found: inf"),
        (lambda t: t.assign(seconds="soon"), "seconds are 0 or more.*found: soon"),
        (lambda t: t.assign(case_id="c99"), "^c99: an answer is on a case of the list.*Add the case"),
        (lambda t: t.assign(disposition="wait"), "disposition: one of the names.*found: wait"),
        (lambda t: t.assign(diagnosis=None), "diagnosis: one of the names.*found: nothing"),
        (lambda t: t.assign(reader=""), "an answer has a reader"),
        (lambda t: t.assign(phase="during"), "phase: one of the names.*Use one of: before; after"),
        (lambda t: t.assign(mode="crossover"), "mode: one of the names"),
        (lambda t: t.assign(mode="ai_at_once"), "who sees the model at once has no answer before it"),
        (lambda t: t.drop(columns="seconds"), "the table of answers has the columns.*no seconds"),
    ],
)
def test_hostile_answers_are_refused_in_plain_words(change, says: str):
    answers = pd.DataFrame(answers_of("ann", [MEL, SK], [MEL, MEL]))
    with pytest.raises(DermKitError, match=says):
        read_study(change(answers), cases_of((MEL, MEL), (SK, SK)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: pd.concat([t, t.iloc[:1]]), "^c0: a case stands in the list once"),
        (lambda t: t.assign(truth=""), "^c0: truth: one of the names.*found: nothing"),
        (lambda t: t.assign(truth="melanoma|benign_naevus"), "truth: one of the names"),
        (lambda t: t.assign(model_diagnosis="wart"), "model diagnosis: one of the names"),
        (lambda t: t.assign(model_disposition="home"), "model disposition: one of the names"),
        (lambda t: t.assign(case_id=math.nan), "a case has an id"),
        (lambda t: t.drop(columns="truth"), "the table of cases has the columns.*no truth"),
    ],
)
def test_hostile_cases_are_refused_in_plain_words(change, says: str):
    answers = pd.DataFrame(answers_of("ann", [MEL, SK], [MEL, MEL]))
    with pytest.raises(DermKitError, match=says):
        read_study(answers, change(cases_of((MEL, MEL), (SK, SK))))


def test_a_case_read_in_two_modes_is_refused_and_one_without_a_view_of_the_model_counts_in_no_switch():
    rows = [answer("a", "c0", "before", SK), answer("a", "c0", "after", SK, mode="ai_at_once")]
    with pytest.raises(DermKitError, match="a reader reads a case in one mode"):
        read_study(pd.DataFrame(rows).fillna({"mode": "blind_first"}), cases_of((MEL, MEL)))
    found = analyse_study(pd.DataFrame(answers_of("a", [SK, SK], [MEL, SK])), cases_of((MEL, ""), (MEL, MEL)))
    assert found.reliance[found.reliance["reader"] == "a"]["n"].tolist() == [1, 0, 1, 1, 0, 1]
    assert row_of(found.corrections, reader="a", view="diagnosis", kind="correction")["with_model"] == 0


def test_held_is_every_disposition_but_discharge():
    rows = [answer("a", f"c{i}", "before", MEL, disposition=d.value) for i, d in enumerate(Disposition)]
    study = read_study(pd.DataFrame(rows), cases_of(*[(MEL, MEL)] * len(Disposition)))
    assert study.answers.set_index("disposition")["held"].to_dict() == {
        d.value: d is not Disposition.DISCHARGE_ADVICE for d in Disposition
    }


URGENT, ROUTINE, READ, HOME = (
    Disposition.URGENT_SUSPECTED_CANCER, Disposition.ROUTINE_DERMATOLOGY, Disposition.SECOND_READ,
    Disposition.DISCHARGE_ADVICE,
)  # fmt: skip


@pytest.mark.parametrize(
    ("truth", "to", "wanted", "comes_to"),
    [
        (MEL, URGENT, URGENT, Sent.RIGHT),
        (MEL, ROUTINE, URGENT, Sent.LESS_URGENT),
        (MEL, READ, URGENT, Sent.LESS_URGENT),
        (MEL, Disposition.CLINICIAN_REVIEW, URGENT, Sent.LESS_URGENT),
        (MEL, HOME, URGENT, Sent.LESS_URGENT),
        ("basal_cell_carcinoma", URGENT, ROUTINE, Sent.MORE_URGENT),
        (NAEVUS, HOME, READ, Sent.RIGHT),
        (NAEVUS, HOME, HOME, Sent.RIGHT),
        (NAEVUS, READ, READ, Sent.NO_ERROR),
        (NAEVUS, READ, HOME, Sent.NO_ERROR),
        (NAEVUS, Disposition.CLINICIAN_REVIEW, HOME, Sent.NO_ERROR),
        (NAEVUS, ROUTINE, READ, Sent.MORE_URGENT),
        (AK, HOME, home(LESION_TYPES[4]), Sent.LESS_URGENT),
    ],
)
def test_where_a_case_is_sent_right(truth: str, to: Disposition, wanted: Disposition, comes_to: Sent):
    assert sent(LesionType(truth), to, wanted) is comes_to


def test_the_list_and_the_results_call_the_model_wrong_on_the_same_cases(reference: ScoreRun, policy: TriagePolicy):
    """The default policy never discharges: a benign case that it reads once more is wrong in neither."""
    drawn = draw_list(reference, policy, 60, 20, 1, picture=lambda _: Path(__file__))
    nobody = pd.DataFrame(answers_of("a", [MEL], [MEL])).iloc[:0]
    study = read_study(nobody, drawn.table())
    wrong = dict(zip(study.cases["case_id"], study.cases["model_sent"].isin(["less urgent than it should be",
                     "more urgent than it should be"]), strict=True))  # fmt: skip
    assert wrong == {case.case_id: case.model_wrong for case in drawn.cases}
    read_again = study.cases[(study.cases["side"] == "benign") & (study.cases["model_disposition"] == READ)]
    assert set(read_again["model_sent"]) == {Sent.NO_ERROR}


def test_a_second_read_of_a_benign_lesion_is_neither_an_error_nor_a_correction():
    """c0: from discharge to the model's second read; c1: from referral to it; c2: from referral to discharge."""
    cases = cases_of(*[(SK, SK)] * 3).assign(model_disposition=READ.value)
    said = [(HOME, READ), (URGENT, READ), (URGENT, HOME)]
    rows = [
        answer("a", f"c{i}", phase, SK, disposition=d.value)
        for i, both in enumerate(said)
        for phase, d in zip(("before", "after"), both, strict=True)
    ]
    found = analyse_study(pd.DataFrame(rows), cases)
    corrected, astray = (
        row_of(found.corrections, reader="a", view="management", kind=kind)
        for kind in ("correction", "AI-induced error")
    )
    assert (corrected["n"], corrected["count"]) == (2, 1)
    assert (astray["n"], astray["count"]) == (1, 0)
    right, wrong = (row_of(found.reliance, reader="a", view="management", model=m) for m in ("right", "wrong"))
    assert (right["n"], right["count"], wrong["n"]) == (3, 2, 0)
    assert row_of(found.rates, reader="a", measure="specificity", phase="after")["count"] == 1


def test_no_answer_at_all_is_an_empty_study_with_a_list():
    nobody = pd.DataFrame(answers_of("a", [MEL], [MEL])).iloc[:0]
    found = analyse_study(nobody, cases_of((MEL, MEL)))
    assert found.attendance["cases"].tolist() == [0]
    assert found.rates["reason"].eq("no answer").all()
    assert attendance(found.study).equals(found.attendance)
