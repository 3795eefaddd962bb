"""What an evaluation says: costs beside consequences, increments against today's arm, net benefit, and a headline."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from derm_kit.pathway.economic_inputs import SOCIETAL
from derm_kit.pathway.economics import Evaluation, Model
from derm_kit.pathway.incremental import fully_incremental
from derm_kit.pathway.measures import PER, summary
from derm_kit.pathway.tallies import Floats

Row = tuple[str, str, str, Floats]
ENDS = ("", "_low", "_high")
SAME = "no difference"
WAITS_A_LOT = 0.01
"""Share still in the pathway at the end from which it is said."""


def consequences(base: Evaluation) -> pd.DataFrame:
    """Costs by stage and arm against what they buy (cost-consequence analysis), for `base_case(model)`.

    Columns: arm, topic (cost, consequence or QALY), item, unit, value, low, high (95 % of the simulated years), remark.
    """
    rows = [
        (arm, topic, item, unit, *summary(values[:, a]), base.model.remark)
        for topic, item, unit, values in _rows(base)
        for a, arm in enumerate(base.model.arms)
        if values.any()
    ]
    return pd.DataFrame(rows, columns=["arm", "topic", "item", "unit", "value", "low", "high", "remark"])


def _rows(base: Evaluation) -> Iterator[Row]:
    model, gbp = base.model, "GBP per person referred"
    tree, pathway = model.tree, model.pathway
    for s, stage in enumerate(pathway.stages):
        yield "cost", stage, gbp, base.stage_gbp[..., s]
    yield "cost", "the arm's yearly cost", gbp, base.fixed_gbp
    yield "cost", "the pathway in all", gbp, base.pathway_gbp
    yield "cost", "care of the disease, for life", gbp, base.disease_gbp
    if model.view == SOCIETAL:
        yield "cost", "travel and time of people", gbp, base.patient_gbp
        yield "cost", "work lost", gbp, base.lost_work_gbp
    yield "cost", "all costs", gbp, base.cost_gbp
    people = f"per {PER:,} referred"
    for group, members in pathway.target_groups.items():
        own = [pathway.targets.index(name) for name in members]
        first = tree.found - tree.later
        yield "consequence", f"{group}: treated after the first referral", people, PER * first[..., own].sum(axis=-1)
        yield "consequence", f"{group}: treated after a later referral", people, PER * tree.later[..., own].sum(axis=-1)
        yield "consequence", f"{group}: advanced by treatment", people, PER * tree.advanced[..., own].sum(axis=-1)
        yield "consequence", f"{group}: not treated", people, PER * tree.not_found[..., own].sum(axis=-1)
    yield "consequence", "false alarms", people, PER * tree.false_alarms
    yield "consequence", "days in queues", "days per person referred", tree.waited_days
    each = "QALYs per person referred"
    yield "QALY", "life, discounted", each, base.life_qaly
    yield "QALY", "taken by waiting", each, base.waiting_qaly
    yield "QALY", "taken by false alarms", each, base.alarm_qaly
    yield "QALY", "taken by visits", each, base.visit_qaly
    yield "QALY", "in all", each, base.qaly


def increments(evaluation: Evaluation) -> pd.DataFrame:
    """The fully incremental analysis of the means: columns of `fully_incremental`, and remark."""
    cost, qaly = evaluation.cost_gbp.mean(axis=0), evaluation.qaly.mean(axis=0)
    return fully_incremental(evaluation.model.arms, cost, qaly).assign(remark=evaluation.model.remark)


def against_today(evaluation: Evaluation) -> pd.DataFrame:
    """Each other arm against today's.

    Columns: arm; more_cost_gbp and more_qaly per person referred, each with its _low and _high (95 % of the draws, or
    of the simulated years); icer_gbp_per_qaly (NaN where one of the two does not differ, and where one arm is both
    cheaper and better); reads (how the figures are to be read); remark.
    """
    model, rows = evaluation.model, []
    for a, arm in enumerate(model.arms):
        if a == model.today:
            continue
        cost = evaluation.cost_gbp[:, a] - evaluation.cost_gbp[:, model.today]
        qaly = evaluation.qaly[:, a] - evaluation.qaly[:, model.today]
        reads, icer = _reading(float(cost.mean()), float(qaly.mean()))
        rows.append((arm, *summary(cost), *summary(qaly), icer, reads, model.remark))
    costs, qalys = (f"more_cost_gbp{end}" for end in ENDS), (f"more_qaly{end}" for end in ENDS)
    return pd.DataFrame(rows, columns=["arm", *costs, *qalys, "icer_gbp_per_qaly", "reads", "remark"])


def _reading(cost_gbp: float, qaly: float) -> tuple[str, float]:
    """Words for the place on the cost-effectiveness plane, and the ratio where one can be read."""
    if cost_gbp == 0 and qaly == 0:
        return SAME, np.nan
    if cost_gbp <= 0 and qaly >= 0:
        return "costs no more and gives no fewer QALYs: it dominates today's arm", np.nan
    if cost_gbp >= 0 and qaly <= 0:
        return "costs no less and gives no more QALYs: today's arm dominates it", np.nan
    if cost_gbp > 0:
        return "costs more and gives more QALYs: GBP paid for each QALY gained", cost_gbp / qaly
    return "costs less and gives fewer QALYs: GBP saved for each QALY lost", cost_gbp / qaly


def net_benefits(evaluation: Evaluation) -> pd.DataFrame:
    """Net monetary benefit of each arm at each threshold.

    Columns: threshold, gbp_per_qaly, arm, net_benefit_gbp (mean per person referred), gain_gbp over today's arm with
    gain_low_gbp and gain_high_gbp (95 % of the draws, or of the simulated years), verdict, remark. The verdict is empty
    where the result is illustrative.
    """
    model, rows = evaluation.model, []
    for name, threshold in model.thresholds.items():
        benefit = evaluation.net_benefit_gbp(threshold).mean(axis=0)
        gain = evaluation.gain_gbp(threshold)
        for a, arm in enumerate(model.arms):
            verdict = "highest net benefit" if benefit[a] == benefit.max() else "less net benefit than another arm"
            rows.append(
                (name, threshold, arm, float(benefit[a]), *summary(gain[:, a]),
                 "" if model.illustrative else verdict, model.remark)
            )  # fmt: skip
    columns = ["threshold", "gbp_per_qaly", "arm", "net_benefit_gbp", "gain_gbp", "gain_low_gbp", "gain_high_gbp"]
    return pd.DataFrame(rows, columns=[*columns, "verdict", "remark"])


def headline(evaluation: Evaluation, arm: str) -> str:
    """What an arm costs and gives beside today's, per 1,000 people referred, in a sentence or two.

    An illustrative result is stamped as such and gets no verdict against a threshold.
    """
    model, a = evaluation.model, evaluation.model.place(arm)
    today = model.arms[model.today]
    if arm == today:
        return f"{arm} is today's arm, which the others are held against."
    cost = PER * float((evaluation.cost_gbp[:, a] - evaluation.cost_gbp[:, model.today]).mean())
    qaly = PER * float((evaluation.qaly[:, a] - evaluation.qaly[:, model.today]).mean())
    said = (
        f"For {PER:,} people referred, {arm} would cost {abs(cost):,.0f} GBP {'more' if cost > 0 else 'less'} than "
        f"{today} and give {abs(qaly):,.2f} QALYs {'more' if qaly > 0 else 'less'} ({model.view} view)."
    )
    if model.illustrative:
        return (
            f"Illustrative: {said} {len(model.unsourced)} of the values behind it have no source, so nothing is said "
            f"about whether it is worth its money."
        )
    for name, threshold in model.thresholds.items():
        gain = float(evaluation.gain_gbp(threshold)[:, a].mean())
        word = "cost-effective" if gain >= 0 else "not cost-effective"
        said += f" At {threshold:,.0f} GBP per QALY ({name}) it is {word} against {today}."
    return said


def notes(model: Model) -> tuple[str, ...]:
    """What must be said beside the figures of an evaluation."""
    said = [
        "The simulation's own settings (shares of outcomes, attendance, times) are not varied but as far as its "
        "replications vary; change them and simulate again.",
        "People who are not treated in the simulated days, those who still wait included, start as not found and not "
        "yet advanced.",
        "Deaths of a disease are the same in each year of life.",
    ]
    still_in = model.tree.still_in.mean(axis=0)
    for a in np.flatnonzero(still_in > WAITS_A_LOT):
        said.append(
            f"{model.arms[a]}: {still_in[a]:.0%} of those referred are still in the pathway at the end; what they "
            "would yet cost and gain there is left out."
        )
    return tuple(said)
