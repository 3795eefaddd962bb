"""The impact report: its figures against others' arithmetic, and the proposals that it refuses to be made of."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from statsmodels.stats.proportion import proportion_confint

from derm_kit.errors import PolicyError
from derm_kit.lesions import FLAGGED
from derm_kit.records.impact import NOT_SIMULATED, ImpactReport, unlike
from derm_kit.records.proposals import read_proposal
from derm_kit.triage.counts import CaseCounter
from derm_kit.triage.policy import decide
from derm_kit.triage.proposal import ChangeProposal, propose
from tests.records.proposals import MELANOMA, WHY, default, moved, run, tuned


@pytest.fixture(scope="module")
def report() -> ImpactReport:
    return ImpactReport.of(tuned())


def written(proposal: ChangeProposal, path: Path) -> Path:
    path.write_text(proposal.model_dump_json(indent=2), encoding="utf-8")
    return path


# What it says


def test_it_names_thresholds_hashes_cases_hazards_and_capacity(report: ImpactReport):
    proposal = tuned()
    for name in ("model_hash", "scoring_sha256", "run_sha256", "cases", "rationale", "guarantees", "hazard_ids"):
        assert getattr(report, name) == getattr(proposal, name)
    assert [(t.lesion_type, t.old, t.new) for t in report.thresholds] == [
        (t, default().thresholds.get(t), proposal.new_policy.thresholds.get(t)) for t in FLAGGED
    ]
    assert report.capacity == NOT_SIMULATED == "not simulated"
    simulated = proposal.model_copy(update={"capacity": {"second_reads_per_week": 12.5}, "hazard_ids": ["H-01"]})
    filled = ImpactReport.of(simulated)
    assert (filled.capacity, filled.hazard_ids) == ({"second_reads_per_week": 12.5}, ["H-01"])


def test_its_counts_are_those_of_the_decisions_themselves(report: ImpactReport):
    """Counted case by case from what `decide` says under either policy, by another way than the proposal's tables."""
    proposal = tuned()
    before, after = (decide(run(), p).table["suspected"].to_numpy() for p in (proposal.old_policy, proposal.new_policy))
    truth = run().cases["truth"].to_numpy()
    cancers = {t.value for t in FLAGGED if t.cancer}
    is_cancer = [bool(t) and all(part in cancers for part in t.split("|")) for t in truth]
    missed = sum(c and bool(b) and not a for c, b, a in zip(is_cancer, before, after, strict=True))
    found = sum(c and not b and bool(a) for c, b, a in zip(is_cancer, before, after, strict=True))
    assert (missed, found) == (24, 31)
    kinds = {k.kind: k for k in report.per_1000}
    assert kinds["cancer no longer flagged"].cases == missed
    assert kinds["cancer no longer flagged"].per_1000 == pytest.approx(1000 * 24 / 2419, abs=1e-6)
    assert report.extra_missed_per_1000 == pytest.approx(1000 * (24 - 31) / 2419, abs=1e-6)
    melanoma = report.by_type[0]
    own = truth == "melanoma"
    assert (melanoma.n, melanoma.before, melanoma.after) == (
        own.sum(), (before[own] == "melanoma").sum(), (after[own] == "melanoma").sum(),
    )  # fmt: skip
    women = run().cases["sex"].to_numpy() == "female"
    group = next(g for g in report.by_subgroup if (g.group, g.lesion_type) == ("female", "melanoma"))
    assert (group.n, group.before, group.after) == (
        (own & women).sum(), (before[own & women] == "melanoma").sum(), (after[own & women] == "melanoma").sum(),
    )  # fmt: skip


def test_its_exact_intervals_are_those_of_statsmodels(report: ImpactReport):
    for group in report.by_subgroup:
        for count, low, high in (
            (group.before, group.before_low, group.before_high),
            (group.after, group.after_low, group.after_high),
        ):
            assert (low, high) == pytest.approx(proportion_confint(count, group.n, method="beta"), abs=1e-6)
    for kind in report.per_1000:
        low, high = proportion_confint(kind.cases, report.cases, method="beta")
        assert (kind.low, kind.high) == pytest.approx((1000 * low, 1000 * high), abs=1e-5)


def test_its_paired_intervals_are_bonett_and_price(report: ImpactReport):
    """By hand: with one case added to either cell, z of the normal, (p + q - (p - q)^2) / (n + 2) under the root."""
    melanoma = report.by_type[0]
    assert (melanoma.n, melanoma.gained, melanoma.lost) == (228, 13, 0)
    p, q = 14 / 230, 1 / 230
    half = 1.959963985 * ((p + q - (p - q) ** 2) / 230) ** 0.5
    assert (melanoma.difference, melanoma.low, melanoma.high) == pytest.approx(
        (13 / 228, p - q - half, p - q + half), abs=1e-6
    )
    atypical = report.by_type[-1]
    assert (atypical.n, atypical.difference, atypical.low, atypical.high) == (0, None, None, None)


def test_every_subgroup_of_the_proposal_is_in_it(report: ImpactReport):
    def groups(rows: list[Any]) -> set[tuple[str, str]]:
        return {(row["grouping"], row["group"]) for row in rows if row["measure"] == "benign not flagged"}

    assert groups([g.model_dump() for g in report.by_subgroup]) == groups(tuned().rates_before)
    assert {g.grouping for g in report.by_subgroup} >= {"age", "sex", "site", "skin tone", "source"}


def test_it_is_the_same_to_the_letter_from_the_proposal_once_written_and_read(report: ImpactReport, tmp_path: Path):
    again = read_proposal(written(tuned(), tmp_path / "proposal.json"))
    assert again == tuned()
    assert ImpactReport.of(again).text == report.text == ImpactReport.of(tuned()).text
    assert ImpactReport.model_validate_json(report.text) == report


def test_figures_of_the_file_other_than_counts_are_not_believed(report: ImpactReport):
    raw = copy.deepcopy(tuned().model_dump(mode="json"))
    raw["change_by_type"][0] |= {"difference": 0.9, "low": 0.8, "high": 0.95}
    raw["change_per_1000"][0] |= {"per_1000": 0.0}
    raw["rates_after"][0] |= {"value": 1.0, "low": 0.99, "high": 1.0}
    assert ImpactReport.of(ChangeProposal.model_validate(raw)).text == report.text


# What it refuses


def change_first(table: str, **fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda raw: raw[table][0].update(fields)


def more_thresholds(raw: dict[str, Any]) -> None:
    raw["new_policy"]["autonomous"] = True


def no_change(raw: dict[str, Any]) -> None:
    raw["new_policy"] = raw["old_policy"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (more_thresholds, "changes thresholds, and nothing but them.*other fields change too"),
        (no_change, "every threshold is as it was"),
        (lambda raw: raw.update(model_hash="0" * 64), "model_hash of the policies is not that of the evidence"),
        (change_first("change_by_type", after=228), "melanoma: cases before, gained, lost and after do not add up"),
        (change_first("change_by_type", before=194, after=207), "melanoma: change_by_type and the confusion tables"),
        (change_first("change_by_type", gained=207, lost=194), "melanoma: cases before, gained, lost and after"),
        (change_first("change_by_type", gained=36, lost=23), "melanoma: cases before, gained, lost and after"),
        (change_first("change_by_type", gained=-1), "change_by_type: gained is not what a proposal has there"),
        (change_first("change_by_type", n=228.5), "change_by_type: n is not what a proposal has there"),
        (change_first("change_by_type", lesion_type="<b>"), "change_by_type: lesion_type is not what"),
        (lambda raw: raw["change_by_type"].pop(), "one row for each flagged type"),
        (lambda raw: raw["change_overall"][0].pop("lost"), "change_overall: lost is not what"),
        (change_first("change_per_1000", cases=0), "count other cancers gained and lost"),
        (change_first("change_per_1000", kind="nothing"), "change_per_1000 counts, of all cases"),
        (change_first("change_per_1000", cases=10**9), "change_per_1000 counts, of all cases"),
        (
            change_first("confusion_after", melanoma=205),
            "confusion_before and confusion_after are not of the same cases",
        ),
        (change_first("confusion_after", truth="x"), "confusion_after has a row for each lesion type"),
        (change_first("confusion_before", melanoma="many"), "confusion_before has a row for each lesion type"),
        (change_first("rates_after", n=229), "not of the same subgroups and cases"),
        (change_first("rates_after", count=229), "rates_after has each rate once, with a count of at most its cases"),
        (change_first("rates_after", count=207), "melanoma: change_by_type and the rates count other cases"),
        (lambda raw: raw["rates_after"].pop(0), "not of the same subgroups and cases"),
        (lambda raw: raw["rates_before"].append(raw["rates_before"][0]), "rates_before has each rate once"),
        (lambda raw: raw["rates_before"].clear(), "not of the same subgroups and cases"),
        (lambda raw: raw.update(rates_before=[], rates_after=[]), "change_by_type and the rates count other cases"),
    ],
)
def test_a_proposal_that_contradicts_itself_is_refused(spoil: Callable[[dict[str, Any]], Any], said: str):
    raw = copy.deepcopy(tuned().model_dump(mode="json"))
    spoil(raw)
    with pytest.raises(PolicyError, match=said):
        ImpactReport.of(ChangeProposal.model_validate(raw))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda raw: raw.pop("rationale"), "rationale: a change proposal has this field"),
        (lambda raw: raw.update(colour="red"), "colour: a change proposal has no such field"),
        (lambda raw: raw.update(rationale="better"), "rationale: a rationale has at least 20 characters"),
        (lambda raw: raw.update(run_sha256="0"), "run_sha256: a hash is 64 hexadecimal digits"),
        (lambda raw: raw["new_policy"]["thresholds"].update(melanoma=0), r"new_policy.thresholds.melanoma: .*greater"),
        (lambda raw: raw.update(hazard_ids=["\ud800"]), "a change proposal cannot be read"),
        (lambda raw: raw.update(cases=float("nan")), "NaN is no number in JSON"),
    ],
)
def test_a_file_that_is_no_proposal_is_told_by_its_field(tmp_path: Path, change, said: str):
    raw = moved(default(), 0.05).model_dump(mode="json")
    change(raw)
    path = tmp_path / "proposal.json"
    path.write_text(json.dumps(raw))
    with pytest.raises(PolicyError, match=said) as told:
        read_proposal(path)
    assert str(path) in str(told.value)
    assert "pydantic" not in str(told.value)


def test_a_pipe_is_told_at_once(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PolicyError, match="it is a pipe, device or folder"):
        read_proposal(tmp_path / "pipe")


# Borne out by the scores


def test_the_scores_bear_an_honest_report_out_and_show_a_forged_one_up(tmp_path: Path):
    honest = propose(CaseCounter(run(), default()), tuned().new_policy, WHY)
    assert unlike(read_proposal(written(honest, tmp_path / "proposal.json")), run()) == ()
    raw = honest.model_dump(mode="json")
    raw["confusion_after"][0]["melanoma"] += 1  # one more, in every table that counts it: nothing contradicts
    raw["confusion_after"][0]["not flagged"] -= 1
    raw["change_by_type"][0]["after"] += 1
    raw["change_by_type"][0]["gained"] += 1
    for row in raw["rates_after"]:
        if (row["grouping"], row["measure"], row["lesion_type"], row["cases"]) == (
            "",
            "sensitivity",
            "melanoma",
            "all",
        ):
            row["count"] += 1
    forged = ChangeProposal.model_validate(raw)
    assert ImpactReport.of(forged).by_type[0].after == 207
    assert unlike(forged, run()) == ("by_subgroup", "by_type", "confusion")


def test_other_scores_are_not_compared():
    with pytest.raises(PolicyError, match="rests on other scores or truths than these"):
        unlike(tuned(), run(200))
    assert unlike(moved(default(), 0.05), run(200)) == ()
    assert moved(default(), 0.05).new_policy.thresholds[MELANOMA] == 0.05
