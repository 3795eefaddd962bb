"""What a value-for-money report says of the AI: the model, its policy, and the cases that its effect is known from."""

from __future__ import annotations

import pandas as pd

from derm_kit.lesions import LESION_TYPES, LesionType, parse_truth
from derm_kit.model.card import ModelCard
from derm_kit.model.run import ScoreRun
from derm_kit.pathway.outcomes import Outcomes
from derm_kit.pathway.patients import Cases
from derm_kit.records.cheers_ai import Titles
from derm_kit.records.report import Block, Paragraph, Points, Section, Table
from derm_kit.records.value_for_money_cells import NONE
from derm_kit.triage.policy import TriagePolicy, decide

MOST_NAMED = 12


def triage_model(outcomes: Outcomes, card: ModelCard | None) -> Section:
    """The model that reads pictures, the policy that reads its scores, and the cases that its effect is known from."""
    policy, run = outcomes.policy, outcomes.run
    if policy is None or run is None:
        none = (
            "No stage of this pathway reads a policy of derm-kit. What a test or an AI says is given as shares by "
            f"condition in the pathway's file: see '{Titles.RESTS}'. Where they come from, and how an AI was made, has "
            "to be added."
        )
        return Section(Titles.MODEL, (Paragraph(none),))
    name = str(run.meta.get("model", "")) or "one that the scores do not name"
    said = (
        f"The model is {name}; SHA-256 of its weights: {run.model_hash or 'not said'}. It gives each lesion type a "
        f"score for one picture of one lesion. {_learning(card)} No learning was modelled: a case has the same scores "
        "on every day of the simulation.",
        f"The policy is {policy.name}, version {policy.version}. A case is called the first type, in order of risk, "
        f"whose score reaches its threshold. A case that reaches none {_where_the_others_go(outcomes)}.",
        _to_a_clinician(policy),
        f"Source of where cases go: {policy.dispositions_source}.",
        *decide(run, policy).remarks,
    )
    autonomous = sorted({outcomes.pathway.arms[arm].autonomous for arm in outcomes.arms})
    effect = [_sent(outcomes, run, policy.changed(autonomous=alone)) for alone in autonomous]
    return Section(
        Titles.MODEL,
        (Points(said), _thresholds(policy, card), _cohort(outcomes, run), *effect, *_development(run, card)),
    )


def _learning(card: ModelCard | None) -> str:
    if card is None:
        return "Whether it learns in use is not known here."
    return "It does not learn in use: these weights are fixed, and other weights need a policy of their own."


def _to_a_clinician(policy: TriagePolicy) -> str:
    also = [
        f"skin types {', '.join(policy.review_skin_types)}" if policy.review_skin_types else "",
        f"skin tone classes {', '.join(map(str, policy.review_skin_tone_classes))}"
        if policy.review_skin_tone_classes
        else "",
        f"sites {', '.join(policy.review_sites)}" if policy.review_sites else "",
    ]
    whose = ", ".join(["excluded cases and poor pictures", *(text for text in also if text)])
    margin = policy.second_read_margin
    near = f" A score up to {margin:.0%} below its threshold gets a second read." if margin else ""
    return f"To a clinician whatever the scores: {whose}.{near}"


def _where_the_others_go(outcomes: Outcomes) -> str:
    alone = [name for name in outcomes.arms if outcomes.pathway.arms[name].autonomous]
    return f"gets a second read, but in {', '.join(alone)} leaves with advice" if alone else "gets a second read"


def _thresholds(policy: TriagePolicy, card: ModelCard | None) -> Table:
    rows = [
        (kind.label, f"{threshold:.6g}", policy.dispositions[kind].value, *_known_of(kind, threshold, card))
        for kind, threshold in policy.thresholds.items()
    ]
    heads = ("type", "threshold", "where such a case goes", "sensitivity when it was chosen", "guarantee")
    return Table("Thresholds", heads, tuple(rows))


def _known_of(kind: LesionType, threshold: float, card: ModelCard | None) -> tuple[str, str]:
    """Sensitivity and guarantee by the card, where the threshold is the card's."""
    point = card.operating_points.get(kind) if card else None
    if point is None or point.threshold != threshold:
        return NONE, "none known for this threshold"
    share = f"{point.sensitivity:.1%} ({point.low:.1%} to {point.high:.1%})"
    return f"{share} of {point.n_positive} on {point.chosen_on}", point.guarantee


def _cohort(outcomes: Outcomes, run: ScoreRun) -> Paragraph:
    """The people behind the scored cases, as far as the cases say."""
    told = [f"{name}: {_counts(run.cases[name])}" for name in ("source", "sex") if name in run.cases]
    ages = run.cases["age_years"].dropna()
    if len(ages):
        told.append(f"age in years: {ages.min():.0f} to {ages.max():.0f}, median {ages.median():.0f}")
    tones = run.cases["skin_tone_class"].map(lambda tone: "not said" if pd.isna(tone) else f"class {tone:.0f}")
    told.append(f"skin tone, class 0 the darkest: {_counts(tones)}")
    return Paragraph(
        f"The AI's effect is taken from {len(run):,} scored lesions (a study of accuracy, no trial of what follows). "
        f"{Cases.of(outcomes.pathway, run).left_out:,} of them stand for no condition of the pathway and are left out. "
        f"Of all: {'; '.join(told)}."
    )


def _counts(column: pd.Series) -> str:
    counts = column.astype(str).replace("", "not said").value_counts()
    return ", ".join(f"{name} {n:,}" for name, n in counts.head(MOST_NAMED).items())


def _sent(outcomes: Outcomes, run: ScoreRun, policy: TriagePolicy) -> Table:
    """Where the policy sends the scored cases of each condition: the evidence on the AI's effect."""
    names = list(outcomes.pathway.conditions)
    condition = Cases.of(outcomes.pathway, run).condition
    counts = pd.crosstab(condition, decide(run, policy).table["disposition"].to_numpy())
    counts = counts.reindex(range(len(names)), fill_value=0)
    rows = [
        (name, f"{sum(own):,}", *(f"{100 * n / sum(own):.1f}" if sum(own) else NONE for n in own))
        for name, own in zip(names, counts.to_numpy().tolist(), strict=True)
    ]
    where = "leaves with advice" if policy.autonomous else "gets a second read"
    caption = f"Where the policy sends scored cases, in per cent, if one that reaches no threshold {where}"
    return Table(caption, ("condition", "cases", *map(str, counts.columns)), tuple(rows))


def _development(run: ScoreRun, card: ModelCard | None) -> tuple[Block, ...]:
    if card is None:
        return (Paragraph("No card of this model is at hand: how it was developed and validated has to be added."),)
    truths = [parse_truth(truth) for truth in run.cases["truth"]]
    rows = [
        (kind.label, f"{card.training_cases.get(kind, 0):,g}", f"{sum(types == {kind} for types in truths):,}")
        for kind in LESION_TYPES
    ]
    kept_out = "split" in run.cases and set(run.cases["split"]) == {"reference"}
    validation = "Validation: the scored cases are a split that was kept out of training and calibration."
    return (
        Paragraph(
            f"Development, by the model's card: {card.name} {card.version}, {card.architecture}, released "
            f"{card.released}; calibrated on {card.calibrated_on}. {card.intended_use} {card.not_for} {card.licence}"
        ),
        Table("Pictures it was trained on, and scored cases of one type", ("type", "training", "scored"), tuple(rows)),
        Paragraph(
            (validation if kept_out else "Whether the scored cases were kept out of training is not said.")
            + _same_archives(run, card)
        ),
    )


def _same_archives(run: ScoreRun, card: ModelCard) -> str:
    own = set(run.cases["attribution"]) if "attribution" in run.cases else set()
    shared = [name for name in card.attribution if name in own]
    if not shared:
        return ""
    return (
        f" They come from the archives that the training pictures come from ({'; '.join(shared)}), so they say little "
        "of how the model reads pictures from elsewhere."
    )
