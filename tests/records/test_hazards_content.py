"""What a hazard must say, and what it may not: every rule with its field, value and next step."""

from __future__ import annotations

import itertools
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from derm_kit.errors import RecordError
from derm_kit.records import hazard_evidence
from derm_kit.records.hazard_cells import CONTENT_COLUMNS, cells_of, guarded, raw_of, unguarded, wrong_risk
from derm_kit.records.hazard_content import PROPOSED, EvidenceKind, EvidenceLink, HazardContent, content_of, problems
from derm_kit.records.hazard_evidence import Standing, standing
from derm_kit.records.hazard_import import seed_hazards
from derm_kit.records.hazard_links import broken_link, circle
from derm_kit.records.hazard_rules import Status
from derm_kit.records.risk_matrix import Likelihood, Severity
from tests.records.hazards import HOSTILE, RAW, content
from tests.records.test_hazards_risk import CELLS

TEN = (
    "false-negative discharge", "automation bias", "poor image accepted", "wrong patient or wrong lesion",
    "under-performance in skin types v and vi", "drift after a device change", "excluded lesion assessed",
    "second read overwhelmed", "prevalence shift", "stale threshold",
)  # fmt: skip
LEVEL = {cell[:2]: cell[2] for cell in CELLS}
NO_CONTROL: dict[str, list[str]] = {}


@pytest.mark.parametrize(
    ("fields", "field", "rule"),
    [
        ({"initial_likelihood": None}, "initial_likelihood", "should be 'very high', 'high'"),
        ({"initial_severity": "bad"}, "initial_severity", "should be 'minor'"),
        ({"residual_likelihood": None}, "residual_likelihood", "judged together"),
        ({"residual_severity": None}, "residual_severity", "judged together"),
        (
            {"status": "closed", "residual_likelihood": None, "residual_severity": None},
            "status",
            "closed only once its residual risk was judged",
        ),
        (
            {"status": "closed", "initial_severity": "catastrophic", "residual_severity": "catastrophic"},
            "status",
            "residual risk of 4 or 5 is never closed",
        ),
        ({"status": "transferred", "owner": " "}, "owner", "names its owner here and the party"),
        ({"status": "transferred"}, "transferred_to", "names its owner here and the party"),
        ({"residual_severity": "catastrophic"}, "residual_reason", "above the initial one has its reason"),
        ({"residual_likelihood": "very high", "residual_reason": " \n"}, "residual_reason", "has its reason"),
        ({"new_controls": NO_CONTROL}, "new_controls", "a risk that falls has a new control"),
        ({"leads_to": ["H-002", "H-002"]}, "leads_to", "linked once"),
        ({"leads_to": ["H-02"]}, "leads_to, item 1", "H- and its number"),
        ({"leads_to": ["H-000"]}, "leads_to, item 1", "H- and its number"),
        ({"leads_to": ["H-001\n"]}, "leads_to, item 1", "H- and its number"),
        ({"causes": []}, "causes", "at least one"),
        ({"causes": ["a", " "]}, "causes, item 2", "said, not left blank"),
        ({"causes": ["two\nlines"]}, "causes, item 1", "one line"),
        ({"causes": "one text"}, "causes", "it is a list"),
        ({"name": ""}, "name", "said, not left blank"),
        ({"name": 3}, "name", "it is text"),
        ({"basis": "\t"}, "basis", "said, not left blank"),
        ({"description": "x" * 1_000_000}, "description", "a text 20,000"),
        ({"effect": "half \ud800"}, "", "half of a surrogate pair"),
        ({"colour": "red"}, "colour", "no such field"),
        ({"new_controls": {"magic": ["x"]}}, "new_controls, magic", "no such field"),
        ({"evidence": [{"kind": "hearsay", "reference": "x"}]}, "evidence, item 1, kind", "should be 'test'"),
        ({"evidence": [{"kind": "test", "reference": "a|b"}]}, "evidence, item 1, reference", "no | in it"),
        ({"next_review": "1 March"}, "next_review", "YYYY-MM-DD"),
        ({"next_review": "2027-02-29"}, "next_review", "YYYY-MM-DD"),
        ({"status": "deleted"}, "status", "should be 'open', 'transferred' or 'closed'"),
    ],
)
def test_what_breaks_a_rule_is_told_with_field_value_rule_and_next_step(fields: dict[str, Any], field: str, rule: str):
    found = problems(RAW | fields)
    assert found[0].field == field
    assert rule in found[0].rule
    assert found[0].value
    with pytest.raises(RecordError) as told:
        content_of(RAW | fields, "H-007")
    assert str(told.value).startswith("H-007: ")
    assert "Nothing was stored." in told.value.next_step
    assert len(str(told.value)) < 600


def test_every_broken_rule_between_fields_is_told_at_once_also_beside_a_field_that_no_rule_looks_at():
    wrong: dict[str, Any] = {
        "status": "closed", "residual_likelihood": "very high", "residual_severity": "catastrophic",
        "leads_to": ["H-002", "H-002"],
    }  # fmt: skip
    between = ["status", "residual_reason", "leads_to"]
    assert [one.field for one in problems(RAW | wrong)] == between
    assert [one.field for one in problems(RAW | wrong | {"name": " ", "colour": "red"})] == ["name", "colour", *between]
    assert [one.field for one in problems(RAW | wrong | {"initial_likelihood": "often"})] == ["initial_likelihood"]
    with pytest.raises(RecordError) as told:
        content_of(RAW | wrong, "H-007")
    assert "3 rules are broken: (1) status: a hazard with a residual risk of 4 or 5 is never closed" in str(told.value)
    assert "(2) residual reason: " in str(told.value)
    assert "(3) leads to: a hazard is linked once (found: H-002, H-002)" in str(told.value)


@pytest.mark.parametrize(
    "field", ["initial_likelihood", "initial_severity", "name", "harm", "effect", "basis", "causes"]
)
def test_what_every_hazard_says_is_missed(field: str):
    [found] = problems({name: said for name, said in RAW.items() if name != field})
    assert (found.field, found.rule, found.value) == (field, "it is missing", "nothing")


def test_the_model_itself_holds_the_rules_and_takes_nothing_for_something_else():
    sound = content()
    with pytest.raises(ValidationError, match="4 or 5 is never closed"):
        HazardContent(**dict(sound) | {"status": Status.CLOSED, "residual_likelihood": Likelihood.HIGH})
    with pytest.raises(ValidationError):
        HazardContent(**dict(sound) | {"initial_likelihood": "high"})  # text is no Likelihood where it is strict
    with pytest.raises(ValidationError):
        HazardContent.model_validate(RAW)
    assert HazardContent.model_validate_json(sound.text) == sound


@pytest.mark.parametrize("cell", CELLS)
def test_a_hazard_is_closed_with_a_residual_risk_of_1_to_3_and_never_with_4_or_5(cell: tuple[str, str, int]):
    fields = {"initial_likelihood": "very high", "initial_severity": "catastrophic", "status": "closed"}
    residual = {"residual_likelihood": cell[0], "residual_severity": cell[1]}
    assert (not problems(RAW | fields | residual)) == (cell[2] <= 3)
    assert not problems(RAW | fields | residual | {"status": "open"})


def test_a_residual_above_the_initial_needs_its_reason_in_each_of_the_625_pairs():
    likelihoods, severities = list(reversed(Likelihood)), list(Severity)
    for first, last in itertools.product(LEVEL, LEVEL):
        worse = (
            likelihoods.index(last[0]) > likelihoods.index(first[0])
            or severities.index(last[1]) > severities.index(first[1])
            or LEVEL[last] > LEVEL[first]
        )
        fields = dict(zip(("initial_likelihood", "initial_severity"), first, strict=True))
        fields |= dict(zip(("residual_likelihood", "residual_severity"), last, strict=True))
        assert bool(problems(RAW | fields)) == worse, (first, last)
        assert not problems(RAW | fields | {"residual_reason": "the new control has a harm of its own"})
        without = problems(RAW | fields | {"new_controls": {}, "residual_reason": "said"})
        assert bool(without) == (LEVEL[last] < LEVEL[first]), (first, last)


def test_risks_are_those_of_the_matrix_and_are_not_stored():
    found = content()
    assert (found.initial_risk, found.residual_risk) == (4, 3)
    assert found.initial_in_words() == "high x major: risk 4, mandatory reduction"
    assert "risk" not in json.loads(found.text)
    assert content(residual_likelihood=None, residual_severity=None).residual_risk is None
    assert found.next_review == date.fromisoformat(RAW["next_review"])


one_line = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=40).filter(str.strip)
lines = st.lists(one_line | st.sampled_from(HOSTILE), max_size=3)
texts = st.text(st.characters(codec="utf-8"), max_size=80).map(lambda text: f"{text}x")


@st.composite
def contents(draw: st.DrawFn) -> HazardContent:
    """Any sound content."""
    links = st.fixed_dictionaries(
        {
            "kind": st.sampled_from(list(EvidenceKind)),
            "reference": one_line.map(lambda text: text.replace("|", "/")).filter(str.strip),
            "shows": one_line | st.just(""),
        }
    )
    return content(
        name=draw(one_line),
        description=draw(texts),
        causes=draw(lists_of_one(lines)),
        effect=draw(texts),
        existing_controls=draw(lines),
        new_controls={"design": draw(lines), "test": ["one"], "training": draw(lines), "process": draw(lines)},
        residual_reason=draw(texts | st.just("")),
        basis=draw(texts),
        owner=draw(one_line | st.just("")),
        evidence=draw(st.lists(links, max_size=3)),
        leads_to=draw(st.lists(st.sampled_from(["H-002", "H-010", "H-1000"]), unique=True)),
        next_review=draw(st.dates().map(date.isoformat) | st.none()),
    )


def lists_of_one(found: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    return found.map(lambda items: items or ["one"])


@settings(max_examples=150, deadline=None)
@given(contents())
def test_a_content_goes_into_cells_and_back_without_losing_a_character(found: HazardContent):
    cells = {name: guarded(cell) for name, cell in cells_of(found).items()}
    assert tuple(cells) == CONTENT_COLUMNS
    back = {name: unguarded(cell) for name, cell in cells.items()}
    assert content_of(raw_of(back), "test") == found
    assert wrong_risk(back) is None


@given(st.text() | st.sampled_from(HOSTILE))
def test_no_cell_begins_as_a_formula_does_and_every_text_comes_back(text: str):
    cell = guarded(text)
    assert unguarded(cell) == text
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))


def test_an_apostrophe_of_ones_own_is_kept():
    assert (guarded("'tis"), unguarded("'tis")) == ("'tis", "'tis")
    assert (guarded("'=1"), unguarded("''=1")) == ("''=1", "'=1")


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ({"initial_risk": "5"}, "here 4, mandatory reduction"),
        ({"residual_risk": "12"}, "here 3, undesirable"),
        ({"residual_risk": "3", "residual_likelihood": ""}, "one of them is missing"),
        ({"initial_risk": "4, mandatory reduction"}, ""),
        ({"initial_risk": " "}, ""),
    ],
)
def test_a_risk_in_a_file_is_that_of_the_matrix_or_is_told(cells: dict[str, str], told: str):
    found = wrong_risk(cells_of(content()) | cells)
    assert (told in found.rule) if found and told else (found is None and not told)


def test_links_lead_one_way():
    links = {"H-001": ("H-002",), "H-002": ("H-003",), "H-003": ("H-001",), "H-004": ("H-001",), "H-005": ()}
    assert circle(links, "H-001") == ("H-001", "H-002", "H-003", "H-001")
    assert circle({"H-001": ("H-001",)}, "H-001") == ("H-001", "H-001")
    assert circle(links, "H-004") == () == circle(links, "H-005")
    assert broken_link(links, "H-004") is None, "it leads into the circle and is not on it"
    told = broken_link(links, "H-002")
    assert told and told.value == "H-002 → H-003 → H-001 → H-002"
    nowhere = broken_link({"H-001": ("H-009",)}, "H-001")
    assert nowhere and nowhere.value == "H-009"


@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda pair: pair[0] < pair[1])))
def test_what_only_leads_onwards_has_no_circle_and_one_link_back_makes_one(pairs: set[tuple[int, int]]):
    links = {str(i): tuple(str(b) for a, b in sorted(pairs) if a == i) for i in range(10)}
    assert not any(circle(links, start) for start in links)
    for a, b in pairs:
        back = links | {str(b): (*links[str(b)], str(a))}
        way = circle(back, str(b))
        assert way[0] == way[-1] == str(b)
        assert all(there in back[here] for here, there in itertools.pairwise(way))


def test_the_ten_hazards_that_ship_are_whole_and_every_judgement_in_them_is_proposed():
    given_ = seed_hazards()
    assert [one.hazard for one in given_] == [f"H-{i:03d}" for i in range(1, 11)]
    found = {one.hazard: content_of(one.raw, one.hazard) for one in given_}
    assert tuple(hazard.name.lower() for hazard in found.values()) == TEN
    for hazard in found.values():
        assert hazard.proposed and hazard.basis.startswith(PROPOSED) and len(hazard.basis) > len(PROPOSED) + 40
        assert len(hazard.causes) >= 3 and hazard.existing_controls and hazard.residual_risk
        assert all((hazard.new_controls.design, hazard.new_controls.training, hazard.new_controls.process))
        assert not hazard.owner and hazard.next_review is None, "both are yours to say"
        assert sum(link.kind is EvidenceKind.TEST for link in hazard.evidence) >= 5
        assert all(link.shows for link in hazard.evidence)
    links = {name: hazard.leads_to for name, hazard in found.items()}
    assert not any(broken_link(links, name) for name in links)


@pytest.mark.parametrize("one", seed_hazards(), ids=lambda one: one.hazard)
def test_every_piece_of_evidence_that_a_shipped_hazard_names_is_there(one: Any):
    for link in content_of(one.raw, one.hazard).evidence:
        assert standing(None, link) is Standing.FOUND, link  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "reference",
    [
        "tests/test_policy.py::test_that_nobody_wrote",
        "tests/test_nowhere.py::test_x",
        "tests/../tests/test_policy.py::test_that_nobody_wrote",
        "tests/../../../../etc/passwd.py::test_x",
        "test_policy.py::test_review_cases_never_leave_by_the_model",
        "tests/test_policy.py",
        "tests/test_policy.py::default",
    ],
)
def test_a_test_that_is_not_there_is_known_to_be_missing(reference: str):
    assert standing(None, EvidenceLink(kind=EvidenceKind.TEST, reference=reference)) is Standing.MISSING  # type: ignore[arg-type]


def test_a_document_outside_this_workbench_is_not_checked_and_one_of_it_is():
    for kind, reference, found in (
        (EvidenceKind.DOCUMENT, "SOP 12 of the trust, version 3", Standing.UNCHECKED),
        (EvidenceKind.DOCUMENT, "docs/change-control.md", Standing.FOUND),
        (EvidenceKind.DOCUMENT, "docs/nothing.md", Standing.MISSING),
        (EvidenceKind.DOCUMENT, "docs/../../nothing.md", Standing.MISSING),
        (EvidenceKind.FIGURE, "docs/change-control.md: The impact report", Standing.FOUND),
        (EvidenceKind.FIGURE, "page 03, subgroups", Standing.UNCHECKED),
        (EvidenceKind.RUN, "0" * 64, Standing.UNCHECKED),
    ):
        assert standing(None, EvidenceLink(kind=kind, reference=reference)) is found, reference  # type: ignore[arg-type]


def test_without_the_sources_a_test_cannot_be_looked_up_and_that_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hazard_evidence, "sources", lambda: None)
    link = EvidenceLink(kind=EvidenceKind.TEST, reference="tests/test_policy.py::test_that_nobody_wrote")
    assert standing(None, link) is Standing.UNCHECKED  # type: ignore[arg-type]


def test_an_installed_derm_kit_has_no_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    hazard_evidence.sources.cache_clear()
    monkeypatch.setattr(hazard_evidence.derm_kit, "__file__", str(tmp_path / "site-packages/derm_kit/__init__.py"))
    try:
        assert hazard_evidence.sources() is None
    finally:
        hazard_evidence.sources.cache_clear()
