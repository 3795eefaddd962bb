"""The reporting checklist of an economic evaluation of an AI tool: which items a report answers, and what it lacks.

Items 1 to 28: CHEERS 2022 (Husereau et al., BMJ 2022;376:e067975). Items AI 1 to AI 10: CHEERS-AI (Elvidge et al.,
Value in Health 2024;27:1196-1205). Topics are in our own words; the items' own text is in the papers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from derm_kit.records.report import Block, Paragraph, Table

SOURCES = (
    "Items 1 to 28 are those of CHEERS 2022 (Husereau et al., BMJ 2022;376:e067975), items AI 1 to AI 10 those that "
    "CHEERS-AI adds (Elvidge et al., Value in Health 2024;27:1196-1205). They are named by topic in our own words. The "
    "AI items were read in a public transcription of that paper, not in the paper itself, which says what each asks. A "
    "tick says that this report speaks of an item, not that it does so well enough."
)


class Titles(StrEnum):
    """Sections of the report that items point to, in their order."""

    SHORT = "In short"
    ASKED = "What was asked, and for whom"
    ARMS = "The arms"
    SETTING = "Setting and people"
    MODEL = "The model and its policy"
    METHOD = "How it was worked out"
    PEOPLE = "What happens to people"
    CLINICS = "Clinics and queues"
    MONEY = "What it costs and gives"
    DOUBT = "How sure it is"
    PRICE = "How cheap it must be"
    BUDGET = "The budget over five years"
    VIEWS = "The view of the health service beside that of society"
    RESTS = "What the figures rest on"
    LIMITS = "Limits"
    REPEAT = "How to repeat it"
    CHECKLIST = "CHEERS-AI checklist"


class Item(NamedTuple):
    """An item: its number, its topic, the section that speaks of it ("" for none), and what somebody has to add."""

    number: str
    topic: str
    section: str
    to_add: str = ""


_T = Titles
ANSWERED, IN_PART, MISSING = "✓ answered", "✓ in part", "missing"
ITEMS = (
    Item("1", "A title that says what kind of study it is and what is compared", "Title"),
    Item("2", "A structured summary, with the purpose of the AI", _T.SHORT),
    Item("3", "Background, question, and the decision that it serves", _T.ASKED, "the local decision, and why now"),
    Item("4", "A plan of the analysis written beforehand", "", "whether there was one, and where it can be read"),
    Item("5", "The people studied", _T.SETTING, "age, sex, skin tone and deprivation of people referred here"),
    Item("6", "Setting and place", _T.SETTING, "what is special about the place that may change the findings"),
    Item(
        "7", "What is compared, and why; purpose, version and users of the AI", _T.ARMS,
        "why these arms; class and risk tier of the AI under device law, training and consent that it needs",
    ),
    Item("8", "Whose costs and benefits count", _T.METHOD),
    Item("9", "How long people are followed", _T.METHOD),
    Item("10", "Discount rates", _T.METHOD),
    Item("11", "Which benefits and harms are counted", _T.METHOD),
    Item("12", "How benefits and harms are measured, and what is assumed of the AI", _T.METHOD),
    Item("13", "How outcomes are valued", _T.RESTS, "whose values the utilities are and how they were asked for"),
    Item(
        "14", "How resources and costs are valued, price and upkeep of the AI among them", _T.RESTS,
        "what the AI's price holds, and the cost of putting it in and keeping it up",
    ),
    Item("15", "Currency and price year", _T.METHOD, "one price year for all costs"),
    Item("16", "The model: what it is, why this one, where it can be had", _T.METHOD),
    Item("17", "Methods of analysis, assumptions, checks of the model", _T.METHOD),
    Item("18", "How findings may differ between groups of people", "", "findings by skin tone, age and sex"),
    Item("19", "Who gains and who loses", "", "how costs and benefits fall on groups that are worse off"),
    Item("20", "How uncertainty was dealt with", _T.METHOD),
    Item("21", "How patients and others had a say in the study", "", "who was asked, and how"),
    Item("22", "Every value with its source and spread", _T.RESTS),
    Item("23", "Main findings: costs, outcomes and their summary", _T.MONEY),
    Item("24", "What uncertainty does to the findings", _T.DOUBT),
    Item("25", "What changed because others had a say", "", "what they changed, or that nothing was"),
    Item("26", "Limits, generality, biases of the AI, what was known", _T.LIMITS, "earlier studies beside this one"),
    Item("27", "Who paid for the study", "", "the funder and its part in the study"),
    Item("28", "Conflicts of interest", "", "those of every author"),
    Item("AI 1", "Whether the AI decides, or its user does", _T.ARMS),
    Item("AI 2", "The studies that the AI's effect was taken from", _T.MODEL),
    Item("AI 3", "How learning in use changes the AI, and how that was measured", _T.MODEL),
    Item("AI 4", "How the AI was developed: training data, errors, biases", _T.MODEL, "how biases were looked for"),
    Item("AI 5", "How the AI was validated", _T.MODEL, "validation at the place where it is to be used"),
    Item("AI 6", "By which way the AI can do people good", _T.METHOD),
    Item(
        "AI 7", "How people in the studies of effect differ from the training data", _T.MODEL,
        "how they differ from people here",
    ),
    Item("AI 8", "How learning in use was modelled", _T.MODEL),
    Item("AI 9", "What the AI adds to the uncertainty", _T.DOUBT),
    Item(
        "AI 10", "What it takes to put the AI into practice", "",
        "software, cameras, staff, training, monitoring, and their cost",
    ),
)  # fmt: skip


def checklist(titles: Sequence[str], in_part: Mapping[str, str], missing: Mapping[str, str]) -> tuple[Block, ...]:
    """The items beside the numbered sections of `titles` that speak of them.

    `in_part` and `missing` say of items, by number, what somebody has to add here beyond what ITEMS say: where the
    report speaks of the item, and where it does not.
    """
    rows = [_row(item, titles, in_part, missing) for item in ITEMS]
    states = [row[2] for row in rows]
    summary = (
        f"Of {len(ITEMS)} items {states.count(ANSWERED)} are answered and {states.count(IN_PART)} in part; "
        f"{states.count(MISSING)} are missing: derm-kit cannot know them, so somebody has to add them."
    )
    heads = ("item", "topic", "state", "where", "what is still needed")
    return Paragraph(SOURCES), Paragraph(summary), Table("Items of CHEERS-AI", heads, tuple(rows))


def _row(
    item: Item, titles: Sequence[str], in_part: Mapping[str, str], missing: Mapping[str, str]
) -> tuple[str, str, str, str, str]:
    to_add = missing.get(item.number) or in_part.get(item.number) or item.to_add
    add = f"Add: {to_add}." if to_add else ""
    if item.number in missing or not item.section:
        return item.number, item.topic, MISSING, "", add
    where = f"{titles.index(item.section) + 1}. {item.section}" if item.section in titles else item.section
    return item.number, item.topic, IN_PART if to_add else ANSWERED, where, add
