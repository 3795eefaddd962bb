"""The evidence map: every place that it names is there, its guide shows the same map, and it claims no compliance."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from derm_kit.cli import app
from derm_kit.records.evidence_map import SOURCES, Ask, Clause, evidence_map, evidence_tables, map_sources

ROOT = Path(__file__).parents[1]
PLACES = sorted({place for one in evidence_map() for place in one.places})
GUIDE = (ROOT / "docs/safety-case.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("place", PLACES)
def test_every_place_is_there(place: str):
    if place.startswith("derm-kit "):
        command = get_command(app)
        for word in place.split()[1:]:
            commands = getattr(command, "commands", {})
            assert word in commands, place
            command = commands[word]
    elif "::" in place:
        file, _, name = place.partition("::")
        assert re.search(rf"^def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), place
    else:
        assert place.split("/")[0] in ("derm_kit", "docs", "models", "notebooks")
        assert (ROOT / place).is_file(), place


def test_each_list_is_there_with_where_it_was_read():
    asked = [one.ask for one in evidence_map()]
    assert set(asked) == set(Ask) == set(SOURCES)
    assert asked == sorted(asked, key=list(Ask).index)
    assert set(evidence_tables()) == {f"map_{ask.name.lower()}" for ask in Ask}
    assert {f"{name}_source" for name in evidence_tables()} == set(map_sources())
    for ask in (Ask.DCB0129, Ask.DCB0160, Ask.DTAC):
        assert "check the number in the current text" in SOURCES[ask]


def test_the_clauses_of_a_change_of_thresholds_are_in_it():
    """Those of the standard that a change of thresholds touches."""
    numbers = {one.number for one in evidence_map() if one.ask is Ask.DCB0129}
    assert {"3.3.2", "3.5.2", "6.1.2", "6.3.2", "6.3.3", "7.1.3", "7.3.1 to 7.3.3", "7.3.4"} <= numbers


@pytest.mark.parametrize("one", evidence_map(), ids=lambda one: f"{one.ask.name} {one.number} {one.topic[:20]}")
def test_each_clause_says_what_it_cannot_do_and_none_claims_to_comply(one: Clause):
    assert one.cannot.endswith(".")
    assert one.topic
    said = f"{one.topic} {one.cannot}".lower()
    assert not re.search(r"\b(complies|compliant|conforms|certified)\b", said)


def test_the_guide_holds_the_map_row_by_row_and_its_limits():
    for one in evidence_map():
        places = "; ".join(f"`{place}`" for place in one.places) or "nowhere"
        assert f"| {one.number} | {one.topic} | {places} | {one.cannot} |" in GUIDE
    for said in SOURCES.values():
        assert said in GUIDE
    assert "not a medical device" in GUIDE
    assert "makes nothing compliant" in GUIDE
