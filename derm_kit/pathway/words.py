"""What the figures mean for people, in sentences."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from derm_kit.pathway.capacity import growing
from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.measures import PER, RANGE
from derm_kit.pathway.outcomes import Outcomes
from derm_kit.pathway.quantities import SOURCE_REQUIRED, unsourced_inputs

NOTICE = "For research and teaching, not a medical device: a simulation shows what follows from its settings, no more."
COHORT = (
    "People are drawn from the scored cases within their condition: this assumes that lesions of one condition look "
    "alike here and there, and that lesions are independent (no source has a patient id)."
)


class Figure(NamedTuple):
    """A figure with the limits between which 95 % of the simulated years lie."""

    value: float
    low: float
    high: float


def figures_of(figures: pd.DataFrame, arm: str) -> dict[tuple[str, str], Figure]:
    """Figures of one arm in `measures.table` by measure and what it is of."""
    own = figures[figures["arm"] == arm]
    keys = zip(own["measure"].astype(str), own["of"].astype(str), strict=True)
    numbers = own[["value", "low", "high"]].to_numpy(np.float64).tolist()
    return {key: Figure(*row) for key, row in zip(keys, numbers, strict=True)}


def headline(outcomes: Outcomes, arm: str, figures: pd.DataFrame) -> str:
    """Who leaves the pathway on the model's word, and how many cancers are among them, per 1,000 people referred.

    `figures` is `measures.table(outcomes)`.
    """
    own = figures_of(figures, arm)
    advised = own["left with advice at first", ""].value if ("left with advice at first", "") in own else 0.0
    groups = outcomes.pathway.target_groups
    if any(math.isnan(own["way out", name].value) for name in outcomes.pathway.exits):
        return f"{arm}: nobody is referred."
    if round(advised) == 0:
        missed = "; ".join(_missed(own, "missed", group) for group in groups)
        sent = f" Sent away untreated at first: {missed}." if missed else ""
        return f"{arm}: nobody would leave unseen by a person.{sent}"
    missed = "; ".join(_missed(own, "missed, left with advice", group) for group in groups)
    among = f" Among them would be, and might be found late or never: {missed}." if missed else ""
    return f"{arm}: about {advised:,.0f} of {PER:,} people would leave the pathway with safety-netting advice.{among}"


def _missed(own: dict[tuple[str, str], Figure], measure: str, group: str) -> str:
    figure, referred = own[measure, group], own["referred", group].value
    low, high = math.floor(figure.low), math.ceil(figure.high)
    return f"{figure.value:.1f} of {referred:,.0f} with {group} (between {low} and {high})"


KEY = (
    ("people", "way out", "per 1,000 referred"),
    ("people", "false alarms", "per 1,000 referred"),
    ("cancers", "missed", "per 1,000 referred"),
    ("cancers", "missed and found later", "per 1,000 referred"),
    ("cancers", "referral to treatment", "days, mean"),
    ("clock", "within the limit", "share"),
    ("wait", "median", ""),
    ("clinic", "slots used", "share"),
    ("cost", "cost of all stages", "GBP per referral"),
)
"""What arms are held beside each other by, in the order in which people ask."""


def key_figures(pathway: Pathway, figures: pd.DataFrame) -> pd.DataFrame:
    """The rows of `measures.table` that KEY names, each with a label in words, in their order."""
    places = {(topic, measure): place for place, (topic, measure, _) in enumerate(KEY)}
    pairs = zip(figures["topic"], figures["measure"], strict=True)
    place = np.array([places.get(pair, -1) for pair in pairs], np.int64)
    own, place = figures[place >= 0], place[place >= 0]
    costs = own["remark"][own["topic"] == "cost"]
    unsourced = ", source required" if (costs == SOURCE_REQUIRED).any() else ""
    labels = [
        f"{measure}{f': {of}' if of else ''} ({unit or pathway.time_unit}{unsourced if topic == 'cost' else ''})"
        for (topic, measure, unit), of in zip((KEY[at] for at in place), own["of"].astype(str), strict=True)
    ]
    order = np.lexsort((pd.factorize(own["of"])[0], place))
    labelled = own.assign(label=[label[:1].upper() + label[1:] for label in labels])
    return labelled.iloc[order].reset_index(drop=True)


def said(value: float, low: float, high: float, unit: str) -> tuple[str, str]:
    """A figure and its limits in words: shares in per cent, others with one decimal; a dash where there is none."""
    if math.isnan(value):
        return "–", ""
    form = ".1%" if unit.startswith("share") else ",.1f"
    return f"{value:{form}}", f"{low:{form}} to {high:{form}}"


def remarks(outcomes: Outcomes) -> list[str]:
    """What belongs beside every figure: growing queues, and what the figures rest on."""
    return [*(sentence for arm in outcomes.arms for sentence in growing(outcomes, arm)), *rests_on(outcomes)]


def rests_on(outcomes: Outcomes) -> list[str]:
    """What intervals hold, inputs without source, assumptions."""
    pathway, said = outcomes.pathway, []
    years = f"{outcomes.replications:,} replication{'s' if outcomes.replications > 1 else ''}"
    said.append(f"Intervals: {RANGE} ({years}, seed {outcomes.seed}).")
    if pathway.reads_policy:
        said.append(COHORT)
    unsourced = unsourced_inputs(pathway)
    if unsourced:
        said.append(
            f"{len(unsourced)} inputs have no source and are settings to be confirmed locally (source required): "
            f"{', '.join(unsourced[:6])}{' and others' if len(unsourced) > 6 else ''}."
        )
    return [*said, NOTICE]
