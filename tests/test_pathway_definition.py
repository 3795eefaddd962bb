"""A pathway from a file: read as it is meant, or refused with file, line, value, rule and next step."""

from __future__ import annotations

import json
import os
import re
import time
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from derm_kit.errors import PathwayError
from derm_kit.pathway.definition import Pathway, preset, presets
from derm_kit.pathway.economics import base_case, model_of
from derm_kit.pathway.expected import expected
from derm_kit.pathway.plan import plan_of
from derm_kit.pathway.quantities import Quantity
from derm_kit.pathway.simulation import simulate
from derm_kit.pathway.valuation import Budget, Disease, DiseaseState, Economics, Mortality, VisitValues
from derm_kit.pathway.yaml_file import MOST_BYTES

GUIDE = Path(__file__).parent.parent / "docs" / "pathways.md"
EXAMPLE, ECONOMICS = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
"""The pathway of the guide, from which every broken file below is one slip away; and its section `economics`."""

JARGON = re.compile(
    r"pydantic|validation|traceback|Input should|Value error|NoneType|\bdict|\btuple|\bstr\b|\bint\b|float|literal"
    r"|mapping|sequence|scalar|token|yaml\.org|construct|codec|__|\[key\]|union|\btype=|regex|pattern|\bnull\b"
)


class Slip(NamedTuple):
    """One replacement in EXAMPLE: what is refused, in which line of the file, and what the message says."""

    old: str
    new: str
    says: tuple[str, ...]
    line: str = ""  # part of the line that is named; that of `new` where left out


SLIPS = {
    "unknown stage": Slip("scan: {to: scan,", "scan: {to: scam,", ("clinic / routes / scan", "scam", "'scan'?")),
    "unknown way on": Slip("then: report", "then: reports", ("no such stage or exit", "did you mean 'report'?")),
    "loop without exit": Slip(
        "cancer: treated\n      no cancer: back to the GP",
        "cancer: scan\n      no cancer: back to the GP",
        ("nobody with 'cancer'", "reaches an exit", "stages / report"),
        "report:",
    ),
    "negative slots": Slip("mon: 12, thu: 24}\n    lead", "mon: -12, thu: 24}\n    lead", ("0 or more", "-12", "mon")),
    "half a slot": Slip("mon: 12, thu: 24}\n    lead", "mon: 1.5, thu: 24}\n    lead", ("a whole number", "1.5")),
    "a day that is none": Slip("mon: 12, thu: 24}\n    lead", "monday: 12}\n    lead", ("'mon'", "monday")),
    "shares of outcomes": Slip("discharge: 0.05}", "discharge: 0.5}", ("reads / cancer", "add up to 1", "1.45")),
    "shares of conditions": Slip("share: 0.94", "share: 0.84", ("conditions", "add up to 1", "0.9"), "conditions:"),
    "a share in per cent": Slip("share: 0.94", "share: 94", ("from 0 to 1", "94")),
    "a share with its unit": Slip("share: 0.94", "share: 94 %", ("a number is needed", "94 %")),
    "a comma for a point": Slip("share: 0.94", "share: 0,94", ("a number is needed", "0,94")),
    "a negative share": Slip("cancer: {scan: 0.95,", "cancer: {scan: -0.95,", ("from 0 to 1", "-0.95")),
    "no value": Slip("share: 0.94", "share:", ("a number is needed", "nothing stands here")),
    "true for a number": Slip("cost_gbp: 150", "cost_gbp: true", ("a number is needed", "true")),
    "low above high": Slip("low: 1, high: 5}", "low: 5, high: 1}", ("low, mode and high stand in this order",)),
    "limits without a spread": Slip("share: 0.94", "share: {value: 0.94, low: 0.9, high: 1}", ("a distribution",)),
    "a time without its mean": Slip("mean: 20, sd: 5}", "sd: 5}", ("lognormal time is given by mean and sd",)),
    "an endless time": Slip("mean: 20, sd: 5}", "mean: 1000000, sd: 5}", ("at most 100,000",)),
    "a wild time": Slip("mean: 20, sd: 5}", "mean: 20, sd: 5000}", ("at most ten times its mean",)),
    "a distribution that is none": Slip("{distribution: logn", "{distribution: lognn", ("'lognormal'", "lognnormal")),
    "days backwards": Slip("days: 365,", "days: -365,", ("1 or more", "-365")),
    "holidays backwards": Slip(
        "days: 365,", "holidays: [2026-12-25, 2026-05-04], days: 365,", ("in their order", "2026-05-04")
    ),
    "a day that does not exist": Slip("2026-04-01", "2026-02-30", ("there is no such date", "2026-02-30")),
    "a date of another kind": Slip("2026-04-01", "01/04/2026", ("a date is needed, as 2026-04-01", "01/04/2026")),
    "a date as a number": Slip("2026-04-01", "20260401", ("a date is needed", "20260401")),
    "a date with its time": Slip("2026-04-01", "2026-04-01 09:00:00", ("a date as 2026-04-01", "09:00:00")),
    "a date of no calendar": Slip("2026-04-01", "0001-01-01", ("between 1900-01-01",)),
    "hours backwards": Slip("open_hours: [9, 13]", "open_hours: [13, 9]", ("it closes", "[13, 9]")),
    "hours by the clock": Slip("open_hours: [9, 13]", "open_hours: [9:30, 13]", ("9.5 for half past nine", "9:30")),
    "one hour": Slip("open_hours: [9, 13]", "open_hours: [9]", ("two numbers are needed",)),
    "three hours": Slip("open_hours: [9, 13]", "open_hours: [9, 13, 17]", ("at most 2",)),
    "a millisecond open": Slip("open_hours: [9, 13]", "open_hours: [9, 9.0000001]", ("a quarter of an hour",)),
    "ten million a week": Slip("value: 30,", "value: 10000000,", ("at most 30,000,000 people", "10000000")),
    "the same, short": Slip("value: 30,", "value: 1e7,", ("at most 30,000,000 people", "10000000")),
    "a number beyond counting": Slip("value: 30,", "value: 1e400,", ("a size that can be counted with", "1e400")),
    "a number of 400 digits": Slip("value: 30,", f"value: {'9' * 400},", ("a size that can be counted with",)),
    "a number of 5,000 digits": Slip("value: 30,", f"value: {'9' * 5000},", ("a size that can be counted with",)),
    "a large number": Slip("cost_gbp: 150", "cost_gbp: 1e300", ("at most 1,000,000,000,000",)),
    "not a number": Slip("share: 0.94", "share: .nan", ("a number is written plainly", ".nan")),
    "infinity": Slip("cost_gbp: 150", "cost_gbp: .inf", ("a number is written plainly", ".inf")),
    "an octal number": Slip("servers: 1", "servers: 010", ("a number is written plainly", "010")),
    "a number in quotation marks": Slip("servers: 1", "servers: '1'", ("a whole number", "without quotation marks")),
    "an unknown field": Slip("lead_days: 3", "lead_day: 3", ("no such field", "did you mean 'lead_days'?")),
    "an unknown field at the top": Slip("priorities:", "priority:", ("no such field", "did you mean 'priorities'?")),
    "a field of another stage": Slip("servers: 1", "servers: 1\n    lead_days: 2", ("no such field",), "lead_days: 2"),
    "a field left out": Slip("    servers: 1\n", "", ("stages / scan / servers", "this field is needed"), "  scan:"),
    "a comma between braces": Slip("source: our audit of 2025}", "source: audit, ours}", ("with a comma",)),
    "a kind that is none": Slip("kind: slots", "kind: slot", ("slots, servers or delay", "'slots'?", "slot")),
    "no kind": Slip("    kind: slots\n", "", ("a stage says its kind",), "  clinic:"),
    "two ways on": Slip("then: report", "then: report\n    reads: policy", ("either then", "or reads"), "  scan:"),
    "a misspelt policy": Slip("then: report", "reads: polcy\n    routes: {seen: report}", ("policy is meant", "polcy")),
    "a policy without routes": Slip(
        "then: report", "reads: policy\n    routes: {seen: report}", ("no such disposition",), "routes: {seen"
    ),
    "an unknown priority": Slip("priority: urgent}", "priority: urgnt}", ("no priority", "did you mean 'urgent'?")),
    "an unknown condition": Slip("other lump: {scan", "other lumps: {scan", ("no such condition", "'other lump'?")),
    "an outcome without route": Slip("discharge: 0.05}", "letter: 0.05}", ("this outcome has no route", "letter")),
    "a stage that nobody comes to": Slip("then: report", "then: treated", ("no arm leads to this stage",), "  report:"),
    "an unknown way in": Slip("{entry: clinic, ", "{entry: clinc, ", ("no such stage", "did you mean 'clinic'?")),
    "no arm of today": Slip(", today: true}", "}", ("exactly one arm is today's",), "arms:"),
    "arm of an unknown stage": Slip("slots: {clinic:", "slots: {scan:", ("no such stage of the kind slots",)),
    "a clock that never stops": Slip("[clinic / discharge, report]", "[clinic/discharge]", ("a clock stops at",)),
    "a clock of nothing": Slip("[clinic / discharge, report]", "[]", ("at least 1 is needed",), "stops:"),
    "a list that is none": Slip("[urgent, routine]", "urgent", ("a list is needed",)),
    "fields that are none": Slip("exits:\n", "exits: 1\nmore:\n", ("more", "no such field"), "more:"),
    "tags": Slip("share: 0.94", "share: !!python/object/apply:os.system [ls]", ("tags", "plain values only")),
    "a plain tag": Slip("share: 0.94", "share: !!bool maybe", ("tags",)),
    "anchors": Slip("share: 0.94", "share: &half 0.94", ("anchors and aliases", "half")),
    "aliases": Slip("share: 0.94", "share: *half", ("anchors and aliases", "half")),
    "a name twice": Slip("  other lump:\n", "  cancer:\n", ("a name stands once", "cancer")),
    "a field twice": Slip("lead_days: 3", "lead_days: 3\n    slots: 5", ("a name stands once", "slots"), "slots: 5"),
    "Norway": Slip("discharge: back to the GP", "no: back to the GP", ("a name is text", "quotation marks")),
    "Norway's value": Slip("discharge: back to the GP", "discharge: no", ("a stage or exit is named", "false")),
    "a number for a name": Slip("  other lump:\n", "  2:\n", ("a name is text", "quotation marks")),
    "a list for a name": Slip("  other lump:\n", "  ? [a]\n  :\n", ("a name is text",), "? [a]"),
    "text for a title": Slip("    kind: slots", "    title: 2026-04-01\n    kind: slots", ("text is",), "title:"),
    "an empty name": Slip("  other lump:\n", "  '':\n", ("this text is empty",)),
    "a name with a slash": Slip("  other lump:\n", "  other / lump:\n", ("a name has no /", "other / lump")),
    "a name with a space": Slip("  other lump:\n", "  'other lump ':\n", ("ends with a space",)),
    "a name too long": Slip("  other lump:\n", f"  {'lump ' * 20}x:\n", ("at most 60 characters",)),
    "a name that runs backwards": Slip("  other lump:\n", "  other \u202elump:\n", ("U+202E", "right-to-left")),
    "the same, written out": Slip("  other lump:\n", '  "other \\u202elump":\n', ("U+202E", "right-to-left override")),
    "a control character": Slip("  other lump:\n", '  "other\\u0007lump":\n', ("U+0007", "cannot be seen")),
    "half a character": Slip("  other lump:\n", '  "other\\ud800lump":\n', ("U+D800", "cannot be seen")),
    "a hard space": Slip("  other lump:\n", "  other\u00a0lump:\n", ("U+00A0", "no-break space")),
    "the name of a referral": Slip("  treated: {treated", "  referral: {treated", ("take another name", "referral")),
    "tabs": Slip("    lead_days: 3", "\tlead_days: 3", ("a tab stands here", "spaces")),
    "a colon too many": Slip("source: our referrals in 2025}", "source: x}\n  priority: a: b", ("colon",), "a: b"),
    "a bracket left open": Slip("[urgent, routine]", "[urgent, routine", ("a bracket is opened here",)),
    "a quotation left open": Slip("summary: People", "summary: 'People", ("a quotation mark is opened here",)),
    "wrongly indented": Slip("    lead_days: 3", "   lead_days: 3", ("indented",)),
    "several documents": Slip("arms:\n", "---\narms:\n", ("one pathway", "---"), "---"),
    "another version": Slip("name: neck-lump", "name: neck-lump\nschema_version: 2", ("1", "2"), "schema_version"),
    "uptake of today": Slip("today: true}", "today: true, uptake: 0.5}", ("today's arm",)),
    "treated with advice": Slip("{treated: true}", "{treated: true, advice: true}", ("not both",)),
    "return of a non-target": Slip("share: {cancer: 0.8}", "share: {other lump: 0.8}", ("no such target condition",)),
    "nobody attends": Slip("did_not_attend: 0.05", "did_not_attend: 1", ("nobody ever attends",)),
    "lost without an exit": Slip("    did_not_", "    rebooked: 0.5\n    did_not_", ("need an exit",), "  clinic:"),
    "eleven months": Slip("  priority: routine\n", f"  by_month: {[1] * 11}\n", ("twelve numbers", "11")),
}  # fmt: skip


def refused(path: Path) -> PathwayError:
    with pytest.raises(PathwayError) as caught:
        Pathway.read(path)
    return caught.value


def written(folder: Path, text: str | bytes, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def fit_to_read_aloud(error: PathwayError, path: Path) -> None:
    said = str(error)
    assert str(path) in said
    assert error.next_step
    assert not JARGON.search(said.replace(str(path), "")), said
    assert said.isprintable()
    assert len(said) < 600


def test_the_example_of_the_guide_is_read_simulates_and_never_falls_behind(tmp_path: Path):
    pathway = Pathway.read(written(tmp_path, EXAMPLE))
    outcomes = simulate(pathway, replications=4)
    today, more = outcomes.arms["as it is"].tally, outcomes.arms["one more clinic"].tally
    assert (today.ended.sum() + today.still_in.sum()) == today.referred.sum() > 5_000
    assert more.wait_days[:, 0].sum() < today.wait_days[:, 0].sum()
    load = expected(plan_of(pathway, "as it is")).visits[:, 0].T @ [0.06, 0.94] * 30
    assert load[0] < 36  # visits a week against the slots of the week


def test_every_field_of_the_guide_exists_and_every_field_stands_in_the_guide():
    named = set(re.findall(r"`(\w+)`", GUIDE.read_text(encoding="utf-8")))
    definitions = shipped_schema()["$defs"]
    parts = ("Condition", "SlotsStage", "ServersStage", "DelayStage", "Exit", "Returns", "Clock", "Arm", "Calendar")
    fields = {name for part in (*parts, "Referrals") for name in definitions[part]["properties"]} - {"source"}
    assert fields - named == set()
    assert set(shipped_schema()["properties"]) - named == set()


def rows_of_the_guide(heading: str) -> list[dict[str, str]]:
    """Rows of the guide's table under a heading, by the names of its columns."""
    table = GUIDE.read_text(encoding="utf-8").partition(f"**{heading}")[2].split("\n\n")[1]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return [dict(zip(head, row, strict=True)) for row in rows]


def default_in_words(field: FieldInfo) -> str:
    match field.default:
        case _ if field.is_required():
            return "needed"
        case Quantity() | (Quantity(), *_):
            first = field.default if isinstance(field.default, Quantity) else field.default[0]
            return f"{first.value:g}"
        case Budget():
            return "its defaults"
        case str():
            return f"`{field.default}`"
        case int():
            return str(field.default)
    return "none"


PARTS_OF_ECONOMICS = {
    "The section": lambda _: Economics,
    "Deaths of other causes": lambda _: Mortality,
    "A visit, a disease": lambda row: {
        "visit": VisitValues, "disease": Disease, "state": DiseaseState, "budget": Budget
    }[row["of"]],
}  # fmt: skip


def test_the_guide_has_each_field_of_the_economics_once_with_its_default():
    told, there = [], []
    for heading, part_of in PARTS_OF_ECONOMICS.items():
        for row in rows_of_the_guide(heading):
            assert row["what it says"]
            told += [(part_of(row).__name__, name, row["default"]) for name in re.findall(r"`(\w+)`", row["field"])]
    for part in (Economics, Mortality, VisitValues, Disease, DiseaseState, Budget):
        there += [(part.__name__, name, default_in_words(field)) for name, field in part.model_fields.items()]
    assert sorted(told) == sorted(there)


def test_the_economics_of_the_guide_gives_costs_and_qalys_that_are_illustrative(tmp_path: Path):
    pathway = Pathway.read(written(tmp_path, EXAMPLE + ECONOMICS))
    model = model_of(simulate(pathway, replications=2))
    found = base_case(model)
    assert model.illustrative
    assert 150 < found.pathway_gbp.mean() < 400  # a clinic visit at 150 GBP, few come twice
    assert 0 < found.qaly.mean() < 0.8 * 35


@pytest.mark.parametrize("what", SLIPS)
def test_a_slip_is_refused_with_its_line_value_rule_and_next_step(what: str, tmp_path: Path):
    slip = SLIPS[what]
    assert EXAMPLE.count(slip.old) >= 1
    text = EXAMPLE.replace(slip.old, slip.new, 1)
    path = written(tmp_path, text.encode("utf-8"))
    error = refused(path)
    fit_to_read_aloud(error, path)
    for words in slip.says:
        assert words in str(error), str(error)
    marker = slip.line or slip.new.splitlines()[0]
    lines = [i + 1 for i, line in enumerate(text.splitlines()) if marker in line]
    assert any(f"line {line}:" in str(error) for line in lines), (str(error), lines)


def test_a_slip_is_found_at_the_same_line_with_the_line_ends_of_windows(tmp_path: Path):
    text = EXAMPLE.replace("servers: 1", "servers: many").replace("\n", "\r\n")
    line = text[: text.index("servers: many")].count("\n") + 1
    assert f"line {line}:" in str(refused(written(tmp_path, text.encode())))
    assert Pathway.read(written(tmp_path, EXAMPLE.replace("\n", "\r\n"))) == Pathway.read(written(tmp_path, EXAMPLE))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le-bom"])
def test_a_file_with_a_byte_order_mark_is_read(encoding: str, tmp_path: Path):
    content = b"\xff\xfe" + EXAMPLE.encode("utf-16-le") if encoding.endswith("bom") else EXAMPLE.encode(encoding)
    assert Pathway.read(written(tmp_path, content, "other.yaml")) == Pathway.read(written(tmp_path, EXAMPLE))


BILLION = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9) if i else 'x'}]\n" for i in range(12))

JUNK = {
    "empty": (b"", "the file is empty"),
    "only remarks": (b"# nothing\n\n", "the file is empty"),
    "a list": (b"- name: x\n", "begins with its fields"),
    "a word": (b"pathway\n", "begins with its fields"),
    "a null": (b"~\n", "begins with its fields"),
    "billion laughs": (BILLION.encode(), "anchors and aliases"),
    "a deep list": (b"name: " + b"[" * 100_000, "at most 20 deep"),
    "deep braces": (b"{a: " * 60_000, "at most 20 deep"),
    "deep lines": ("\n".join(" " * i + "a:" for i in range(600)).encode(), "at most 20 deep"),
    "too large": (b"#" * (MOST_BYTES + 1), "at most 300,000 bytes"),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)), "a pathway is a text file"),
    "zeros": (b"\x00" * 2000, "cannot be seen"),
    "an archive": (b"PK\x03\x04\x14\x00\x00\x00", "cannot be seen"),
    "Latin letters of old": ("name: Bl\xe4schen".encode("latin-1"), "save it as UTF-8"),
    "half of UTF-16": (b"\xff\xfea\x00\x00", "save it as UTF-8"),
    "JSON cut off": (b'{"name": "x", "summary": "y"', "a bracket is opened here"),
    "a page": (b"<!doctype html><title>Log in</title>", "begins with its fields"),
    "an odd directive": (b"%YAML 9.9\n---\nname: x\n", "cannot be read as YAML"),
    "merging": (EXAMPLE.replace("share: 0.94", "<<: {share: 0.94}").encode(), "a name is text"),
}


@pytest.mark.parametrize("what", JUNK)
def test_what_is_no_pathway_is_refused_at_once(what: str, tmp_path: Path):
    content, says = JUNK[what]
    path = written(tmp_path, content)
    started = time.monotonic()
    error = refused(path)
    assert time.monotonic() - started < 5
    fit_to_read_aloud(error, path)
    assert says in str(error), str(error)


def test_the_largest_file_is_read_or_refused_within_seconds(tmp_path: Path):
    row = "  lump {}: {{share: 0.0001}}\n"
    rows = "".join(row.format(i) for i in range(MOST_BYTES // len(row) - 400))
    path = written(tmp_path, EXAMPLE.replace("conditions:\n", "conditions:\n" + rows))
    started = time.monotonic()
    assert "at most 30" in str(refused(path))
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("what", ["folder", "pipe", "missing", "no name", "a name with a hole", "closed"])
def test_what_is_no_file_is_refused(what: str, tmp_path: Path):
    path = tmp_path / "mine.yaml"
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "no name":
        path = Path()
    elif what == "a name with a hole":
        path = Path("mi\0ne.yaml")
    elif what == "closed":
        path = Path("/proc/self/mem/mine.yaml")
    error = refused(path)
    assert "a pathway is a regular file" in str(error) or "the pathway cannot be read" in str(error)
    assert error.next_step


def test_a_misspelt_preset_is_told_its_name():
    assert "did you mean 'skin-usc'?" in str(refused(Path("skin-ucs")))


def test_a_loop_for_one_disposition_is_a_loop_without_exit(tmp_path: Path):
    text = preset("skin-primary-care").read_text(encoding="utf-8")
    looped = text.replace(
        "      dermatologist second read: advice and guidance\n", "      dermatologist second read: AI\n"
    )
    assert looped != text
    error = refused(written(tmp_path, looped))
    assert "stages / AI: nobody with 'melanoma' and the disposition 'dermatologist second read'" in str(error)


def test_a_way_out_that_is_as_good_as_never_taken_is_none(tmp_path: Path):
    reads = "reads: {cancer: {onward: 1.0e-12, again: 1}, other lump: {onward: 1}}"
    text = EXAMPLE.replace("then: report\n", f"{reads}\n    routes: {{onward: report, again: scan}}\n")
    assert "stages / scan: nobody with 'cancer'" in str(refused(written(tmp_path, text)))


def test_accents_made_in_two_ways_are_one_name(tmp_path: Path):
    text = EXAMPLE.replace("to: clinic\n", "to: Cafe\u0301\n").replace("  clinic:\n    kind", "  Caf\u00e9:\n    kind")
    text = (
        text.replace("entry: clinic", "entry: Caf\u00e9")
        .replace("{clinic:", "{Caf\u00e9:")
        .replace("[clinic /", "[Café /")
    )
    assert "Caf\u00e9" in Pathway.read(written(tmp_path, text)).stages


def test_a_change_that_breaks_a_rule_names_pathway_and_field():
    pathway = Pathway.read("lung-chest-x-ray")
    with pytest.raises(PathwayError, match=r"^lung-chest-x-ray: calendar / days: .*1 or more \(found: 0\)"):
        pathway.changed(calendar={"start": "2026-04-01", "days": 0})
    with pytest.raises(PathwayError, match="no such field here; did you mean 'priorities'"):
        pathway.changed(priority=["urgent"])
    assert pathway.changed(summary="another").summary == "another"


# The schema


def shipped_schema() -> dict:
    return json.loads(files("derm_kit.pathway").joinpath("pathway.schema.json").read_text(encoding="utf-8"))


def plain(text: str) -> dict:
    """A YAML file as JSON has it: dates as text."""
    return json.loads(json.dumps(yaml.safe_load(text), default=str))


def test_the_shipped_schema_is_the_definitions():
    assert shipped_schema() == Pathway.model_json_schema(), (
        "write it anew: json.dumps(Pathway.model_json_schema(), indent=2) into derm_kit/pathway/pathway.schema.json"
    )
    jsonschema.Draft202012Validator.check_schema(shipped_schema())


@pytest.mark.parametrize("name", presets())
def test_presets_as_they_are_written_obey_the_schema(name: str):
    jsonschema.validate(plain(preset(name).read_text(encoding="utf-8")), shipped_schema())


def test_the_example_obeys_the_schema_and_slips_in_it_do_not():
    jsonschema.validate(plain(EXAMPLE), shipped_schema())
    jsonschema.validate(plain(EXAMPLE + ECONOMICS), shipped_schema())
    for what in ("an unknown field", "half a slot", "a share with its unit", "no kind", "a list that is none"):
        slip = SLIPS[what]
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(plain(EXAMPLE.replace(slip.old, slip.new, 1)), shipped_schema())


# Whatever somebody does to a file


SOUND = (
    [EXAMPLE.splitlines()] * 3
    + [(EXAMPLE + ECONOMICS).splitlines()] * 2
    + [preset(name).read_text(encoding="utf-8").splitlines() for name in presets()]
)
ODD_VALUES = (
    "", "~", "no", "0", "-1", "1e400", ".nan", "[]", "{}", "'", '"', "&a", "*a", "!!map", "- 1", "a: b", "|",
    "2026-02-30", "10:30", "0x1f", "\t", "\u202e", "\x07", "x" * 200, "[" * 30, "---", "...", "# x", "1_000", "=", "<<",
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> str:
    lines = list(draw(st.sampled_from(SOUND)))
    for _ in range(draw(st.integers(1, 4))):
        at, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
        line = lines[at]
        name, colon, value = line.partition(":")
        odd = draw(st.sampled_from(ODD_VALUES) | st.text(max_size=12))
        changed = {
            "taken out": [],
            "doubled": [line, line],
            "another": [lines[other]],
            "value": [f"{name}{colon} {odd}"],
            "name": [f"{odd}{colon}{value}"],
            "indented": [" " * draw(st.integers(0, 8)) + line.lstrip()],
            "swapped": [name + colon + lines[other].partition(":")[2]],
            "cut": [line[: draw(st.integers(0, len(line)))]],
        }
        lines[at : at + 1] = changed[draw(st.sampled_from(sorted(changed)))]
        lines = lines or [""]
    return "\n".join(lines)


@settings(max_examples=150)
@given(damaged())
def test_a_damaged_pathway_is_read_or_refused_and_nothing_else(tmp_path_factory: pytest.TempPathFactory, text: str):
    path = written(tmp_path_factory.getbasetemp(), text.encode("utf-8", "surrogatepass"), "damaged.yaml")
    try:
        pathway = Pathway.read(path)
    except PathwayError as error:
        fit_to_read_aloud(error, path)
        return
    few = pathway.referrals.per_week.value < 1_000 and max(pathway.calendar.days, pathway.calendar.warm_up_days) < 2_000
    if few and not pathway.reads_policy:
        goes_round = simulate_or_say(pathway)
        assert goes_round is None or "everybody leaves after" in goes_round


def simulate_or_say(pathway: Pathway) -> str | None:
    try:
        simulate(pathway, replications=1)
    except PathwayError as error:
        return str(error)
    return None


@settings(max_examples=150)
@given(st.binary(max_size=300))
def test_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes):
    path = written(tmp_path_factory.getbasetemp(), content, "bytes.yaml")
    fit_to_read_aloud(refused(path), path)
