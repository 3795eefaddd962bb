"""The value-for-money report of a simulation: what was asked and found, what it rests on, and what is missing."""

from __future__ import annotations

import hashlib
from importlib.metadata import version

import pandas as pd

from derm_kit.errors import PathwayError
from derm_kit.model.card import ModelCard, default_model, load_card
from derm_kit.pathway.economic_inputs import NHS
from derm_kit.pathway.economic_tables import headline
from derm_kit.pathway.economics import Evaluation, Model, base_case, model_of
from derm_kit.pathway.measures import table
from derm_kit.pathway.outcomes import Outcomes
from derm_kit.pathway.sensitivity import Psa, acceptability, psa
from derm_kit.pathway.words import COHORT, NOTICE
from derm_kit.pathway.words import headline as people_headline
from derm_kit.records import value_for_money_economics as economics
from derm_kit.records import value_for_money_methods as methods
from derm_kit.records import value_for_money_results as results
from derm_kit.records.cheers_ai import Titles, checklist
from derm_kit.records.report import Block, Document, Paragraph, Points, Section, Table
from derm_kit.records.value_for_money_ai import triage_model
from derm_kit.records.value_for_money_cells import percent
from derm_kit.records.value_for_money_inputs import MOST_CHANGES, changes_from_preset, rests_on
from derm_kit.triage.proposal import run_hash

DRAWS = 1_000
FEW_DARK = 0.05
DARK_CLASSES = (0, 1)
NOT_A_DEVICE = "For research and teaching. Not a medical device: nothing here is advice on a patient or on a purchase."

_WITHOUT_A_POLICY = {
    "AI 1": "whether an AI decides, or its user does",
    "AI 2": "the studies behind the shares by condition that stand for an AI's readings",
    "AI 3": "whether the AI learns in use",
    "AI 4": "how the AI was developed",
    "AI 5": "how the AI was validated",
    "AI 7": "how people in the studies of effect differ from the training data",
    "AI 8": "whether the AI learns in use",
    "AI 9": "what the AI adds to the uncertainty",
}
_WITHOUT_A_CARD = {
    "AI 3": "whether the AI learns in use: no card of this model is at hand",
    "AI 4": "how the AI was developed: no card of this model is at hand",
    "AI 5": "how the AI was validated: no card of this model is at hand",
    "AI 7": "how the scored cases differ from the training data: no card of this model is at hand",
}


def value_for_money(outcomes: Outcomes, *, view: str = NHS, draws: int = DRAWS, found: Psa | None = None) -> Document:
    """The report of `outcomes`, in `view`; the other view stands beside it in a section of its own.

    `found` are draws that were made already, of the same simulation and view; left out, `draws` are made with the
    simulation's seed. The same outcomes give the same document. Raises PathwayError where the pathway has no section
    `economics`, today's arm was not simulated, there is no such view, or `found` is of something else.
    """
    model = model_of(outcomes, view)
    drawn = _drawn(model, draws, outcomes.seed, found)
    base, figures, card = base_case(model), table(outcomes), _card_of(outcomes)
    sections = [
        _in_short(outcomes, figures, base, drawn),
        _asked(outcomes, model),
        methods.arms(outcomes),
        methods.setting(outcomes),
        triage_model(outcomes, card),
        methods.method(outcomes, model),
        results.people(outcomes, figures),
        results.clinics(outcomes, figures),
        economics.money(base),
        economics.doubt(base, drawn),
        economics.price(base, drawn),
        economics.budget(base, drawn),
        economics.views(outcomes),
        rests_on(outcomes.pathway),
        _limits(outcomes),
        _repeat(outcomes, view, drawn),
    ]
    in_part = {"22": f"sources for {len(model.unsourced)} values"} if model.illustrative else {}
    missing = {} if card else _WITHOUT_A_CARD if outcomes.policy else _WITHOUT_A_POLICY
    sections.append(Section(Titles.CHECKLIST, checklist([one.title for one in sections], in_part, missing)))
    return Document(_title(outcomes), (NOT_A_DEVICE, *_stamp(model)), tuple(sections), NOT_A_DEVICE)


def _drawn(model: Model, draws: int, seed: int, found: Psa | None) -> Psa:
    if found is None:
        return psa(model, draws, seed)
    other = found.evaluation.model
    if (other.pathway, other.view, other.arms) != (model.pathway, model.view, model.arms):
        raise PathwayError(
            "draws belong to the simulation and the view that are reported",
            case=model.pathway.name,
            value=f"{other.pathway.name}, {other.view}",
            next_step="Draw again, or leave them out.",
        )
    return found


def _card_of(outcomes: Outcomes) -> ModelCard | None:
    """The card of the model that gave the scores, where it is the one that ships."""
    if outcomes.run is None or not outcomes.run.model_hash:
        return None
    card = load_card(default_model())
    return card if card.model_hash == outcomes.run.model_hash else None


def _others(outcomes: Outcomes) -> str:
    return ", ".join(arm for arm in outcomes.arms if arm != outcomes.pathway.today)


def _title(outcomes: Outcomes) -> str:
    pathway = outcomes.pathway
    what = "artificial intelligence in triage" if outcomes.policy else "a diagnostic pathway"
    return f"Economic evaluation by simulation of {what}: {pathway.name}, {_others(outcomes)} beside {pathway.today}"


def _stamp(model: Model) -> tuple[str, ...]:
    if not model.illustrative:
        return ()
    return (
        f"Illustrative: {len(model.unsourced)} of the values behind these figures have no source (source required). No "
        "verdict against a threshold is given, and none may be read from them.",
    )


def _in_short(outcomes: Outcomes, figures: pd.DataFrame, base: Evaluation, drawn: Psa) -> Section:
    """What CHEERS asks of an abstract: context, methods, findings, and how sure they are."""
    model, pathway = base.model, outcomes.pathway
    name, threshold = next(iter(model.thresholds.items()))
    shares = acceptability(drawn, (threshold,))
    likely = "; ".join(f"{arm} {percent(share)}" for arm, share in zip(shares["arm"], shares["share"], strict=True))
    level = f"{threshold:,.0f} GBP per QALY ({', '.join(text for text in (name, model.remark) if text)})"
    used = (
        "An AI scores pictures of skin lesions, and a policy of thresholds sorts people by the scores. "
        if outcomes.policy
        else ""
    )
    return Section(
        Titles.SHORT,
        (
            Paragraph(
                f"Setting. {pathway.summary} {used}Arms: {', '.join(outcomes.arms)}; today's is {pathway.today}."
            ),
            Paragraph(
                f"Methods. The referrals of {pathway.calendar.days} days were simulated {outcomes.replications:,} "
                "times in each arm with the same people; a Markov model follows those with a target condition for "
                f"life. View: {model.view}. Uncertainty: {drawn.draws:,} draws of all values, one value at a time, the "
                "other view."
            ),
            Points(tuple(people_headline(outcomes, arm, figures) for arm in outcomes.arms)),
            Points(tuple(headline(base, arm) for arm in model.arms if arm != pathway.today)),
            Paragraph(f"Share of draws with the highest net benefit at {level}: {likely}."),
        ),
    )


def _asked(outcomes: Outcomes, model: Model) -> Section:
    pathway = outcomes.pathway
    levels = "; ".join(f"{value:,.0f} ({name})" for name, value in model.thresholds.items())
    return Section(
        Titles.ASKED,
        (
            Paragraph(
                f"The question: among people referred as in '{pathway.name}', what do {_others(outcomes)} do to waits, "
                f"to people found late ({', '.join(pathway.target_groups)}), to clinics and to costs, beside "
                f"{pathway.today}? And what do they give for their money?"
            ),
            Paragraph(
                "For whom: people who plan or question a service, and people who learn how such a question is "
                "answered. It shows what a decision would hang on, and which figures have to be found first. It is no "
                "decision."
            ),
            Paragraph(f"Thresholds at which net benefit is counted, GBP per QALY: {levels}."),
        ),
    )


def _limits(outcomes: Outcomes) -> Section:
    said = [
        NOTICE,
        "What a simulation finds follows from its settings. Values without a source are no findings, and neither is "
        "what rests on them.",
        "Values were drawn independently of one another; those that hang together in life may make the ranges too wide "
        "or too narrow.",
        "People act as the pathway says: nobody goes elsewhere because a queue is long, and staff work as they did.",
        "Findings are for people on average; differences between groups of people were not looked at here.",
    ]
    if outcomes.policy is not None:
        said += [COHORT, *_few_dark(outcomes), _OTHER_PLACES, _HOW_IT_IS_USED]
    return Section(Titles.LIMITS, (Points(tuple(said)),))


_OTHER_PLACES = (
    "How the model reads pictures from other cameras, clinics and people than those of the scored cases cannot be "
    "learnt from them. A bias there would fall on the people whom they hold least of."
)
_HOW_IT_IS_USED = (
    "That people trust, overrule or follow the model in other ways than the pathway says is not simulated."
)


def _few_dark(outcomes: Outcomes) -> tuple[str, ...]:
    """That few scored cases are known to be of brown or black skin, where it is so."""
    if outcomes.run is None:
        return ()
    known = int(outcomes.run.cases["skin_tone_class"].isin(DARK_CLASSES).sum())
    if known >= FEW_DARK * len(outcomes.run):
        return ()
    return (f"Only {known:,} of {len(outcomes.run):,} scored cases are known to be of brown or black skin.",)


def _repeat(outcomes: Outcomes, view: str, drawn: Psa) -> Section:
    pathway, policy, run = outcomes.pathway, outcomes.policy, outcomes.run
    rows = [
        *((name, version(name)) for name in ("derm-kit", "numpy", "numba")),
        ("seed", f"{outcomes.seed}"),
        ("replications", f"{outcomes.replications:,}"),
        ("arms", ", ".join(outcomes.arms)),
        ("view", view),
        ("draws", f"{drawn.draws:,} with seed {drawn.seed}"),
        ("pathway.json, SHA-256", _sha256(pathway.model_dump_json(indent=2, exclude_unset=True))),
    ]
    if policy is not None and run is not None:
        rows += [
            ("policy.json, SHA-256", _sha256(policy.model_dump_json(indent=2))),
            ("weights that gave the scores, SHA-256", run.model_hash or "not said"),
            ("scored cases, SHA-256 of ids, scores and truth", run_hash(run)),
        ]
    made_with = Table("What this report was made with", ("what", "value"), tuple(rows))
    return Section(Titles.REPEAT, (Paragraph(_command(outcomes)), made_with, _beside_preset(outcomes)))


def _command(outcomes: Outcomes) -> str:
    read = " --policy policy.json --run RUN" if outcomes.policy else ""
    left_out = len(outcomes.arms) < len(outcomes.pathway.arms)
    only = "".join(f" --arm '{arm}'" for arm in outcomes.arms) if left_out else ""
    return (
        "derm-kit simulate with --out writes pathway.json and policy.json. With these files and the same scores it "
        f"finds the same figures again: derm-kit simulate pathway.json{read}{only} --replications "
        f"{outcomes.replications} --seed {outcomes.seed} --report report.html. The command draws {DRAWS:,} times, in "
        f"the view of {NHS}."
    )


def _beside_preset(outcomes: Outcomes) -> Block:
    """What was changed in the pathway that ships."""
    name, changed = outcomes.pathway.name, changes_from_preset(outcomes.pathway)
    if changed is None:
        return Paragraph(f"No pathway of the name '{name}' ships with derm-kit: keep its file with this report.")
    if not changed:
        return Paragraph(f"The pathway is '{name}' as it ships.")
    more = f", the first {MOST_CHANGES} of {len(changed):,}" if len(changed) > MOST_CHANGES else ""
    caption = f"What differs from '{name}' as it ships{more}"
    return Table(caption, ("place", "as it ships", "here"), tuple(changed[:MOST_CHANGES]))


def _sha256(text: str) -> str:
    """Of a file that holds `text` and the end of its line."""
    return hashlib.sha256(f"{text}\n".encode()).hexdigest()
