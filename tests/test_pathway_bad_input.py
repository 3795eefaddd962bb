"""derm-kit simulate on files that are wrong, hostile, or ask for much: one line that helps, or figures that warn."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from derm_kit.pathway.capacity import growing
from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.simulation import simulate
from tests.pathways import clinic, pathway
from tests.peak import forget_peak, peak_mb
from tests.test_cli_tuning import Command, Said, derm_kit
from tests.test_pathway_definition import BILLION, ECONOMICS, EXAMPLE, JARGON

__all__ = ["derm_kit"]

WHOLE = EXAMPLE + ECONOMICS
SECONDS = 5

# What is written in place of what; then a part of the line that is named, the value that is shown, a part of the rule.
WRONG = {
    "a loop without exit": (
        ("cancer: treated\n", "cancer: scan\n"), "  report:", "report", "nobody with 'cancer' who comes to this stage"
    ),
    "negative slots": (("{mon: 12, thu: 24}\n    l", "{mon: -12, thu: 24}\n    l"), "mon: -12", "-12", "0 or more"),
    "an unknown stage": (("{to: scan,", "{to: scam,"), "{to: scam,", "scam", "did you mean 'scan'?"),
    "an unknown stage in the economics": (("price_of: scan", "price_of: MRI"), "price_of", "MRI", "no such stage"),
    "outcomes that do not add up": (("scan: 0.95,", "scan: 0.8,"), "scan: 0.8,", "0.85", "add up to 1"),
    "conditions that do not add up": (("share: 0.94", "share: 0.95"), "conditions:", "1.01", "add up to 1"),
    "dates backwards": (
        ("days: 365,", "holidays: [2026-12-25, 2026-05-04], days: 365,"), "holidays", "2026-05-04", "in their order"
    ),
    "days backwards": (("days: 365,", "days: -365,"), "days: -365", "-365", "1 or more"),
    "a date that is none": (("2026-04-01", "2026-02-30"), "2026-02-30", "2026-02-30", "no such date"),
    "ten million a week": (("value: 30,", "value: 1e7,"), "value: 1e7", "10000000", "at most 30,000,000 people"),
    "an anchor": (("share: 0.94", "share: &a 0.94"), "&a", "a", "anchors and aliases"),
    "an alias": (("share: 0.94", "share: *a"), "*a", "a", "anchors and aliases"),
    "a tag": (("0.94", "!!python/object/apply:os.system [ls]"), "!!py", "!!python/object/apply:os.system", "tags"),
    "a tag of one's own": (("share: 0.94", "share: !half 0.94"), "!half", "!half", "tags"),
    "a name twice": (("  other lump:\n", "  cancer:\n"), "  cancer:", "cancer", "a name stands once"),
    "a field twice": (("lead_days: 3", "lead_days: 3\n    slots: 5"), "slots: 5", "slots", "a name stands once"),
    "no number": (("share: 0.94", "share: .NaN"), ".NaN", ".NaN", "a number is written plainly"),
    "endless": (("cost_gbp: 150", "cost_gbp: -.inf"), "-.inf", "-.inf", "a number is written plainly"),
    "endless in words": (("cost_gbp: 150", "cost_gbp: Infinity"), "Infinity", "Infinity", "a number is needed"),
    "beyond counting": (("cost_gbp: 150", "cost_gbp: 1e400"), "1e400", "1e400", "a size that can be counted with"),
    "a number as text": (("cost_gbp: 150", "cost_gbp: '150'"), "'150'", "150", "quotation marks"),
    "a whole number as text": (("servers: 1", 'servers: "1"'), 'servers: "1"', "1", "without quotation marks"),
    "text as a number": (("price_year: 2025/26", "price_year: 2025"), "price_year", "2025", "text is needed"),
    "a chance above 1": (("utility_loss: 0.2,", "utility_loss: 1.2,"), "1.2", "1.2", "from 0 to 1"),
    "a negative price": (("cost_gbp: 150", "cost_gbp: -150"), "-150", "-150", "0 or more"),
    "a binary number": (("servers: 1", "servers: 0b1"), "0b1", "0b1", "a number is written plainly"),
    "underscores": (("cost_gbp: 150", "cost_gbp: 1_500"), "1_500", "1_500", "a number is written plainly"),
    "digits of another script": (("cost_gbp: 150", "cost_gbp: ١٥٠"), "١٥٠", "١٥٠", "a number is needed"),
}  # fmt: skip

# Contents that have no one value to show; a part of the rule.
JUNK: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "a byte order mark": (b"\xef\xbb\xbf", "the file is empty"),
    "tabs": (EXAMPLE.replace("    lead_days", "\tlead_days").encode(), "a tab stands here"),
    "a bomb": (BILLION.encode(), "anchors and aliases"),
    "a bomb in one line": (b"a: " + b"[" * 200_000 + b"]" * 90_000, "at most 20 deep"),
    "a bomb of names": (b"? " * 100_000 + b"a", "at most 20 deep"),
    "a binary file": (bytes(range(256)) * 40, "cannot be seen|save it as UTF-8"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(1000), "save it as UTF-8"),
    "a compressed file": (b"\x1f\x8b\x08\x00" + bytes(100), "save it as UTF-8"),
    "UTF-16 without its mark": (EXAMPLE.encode("utf-16-le"), "cannot be seen"),
    "UTF-32": (EXAMPLE.encode("utf-32"), "cannot be seen|save it as UTF-8"),
    "UTF-16 cut in half": (EXAMPLE.encode("utf-16")[:-1], "save it as UTF-8"),
    "a page": (b"<!doctype html>\n<title>Log in</title>\n", "begins with its fields"),
    "another kind of file": (b"[pathway]\nname = mine\n", "begins with its fields|YAML"),
}


def line_of_help(said: Said, name: str) -> str:
    """What is printed of a refusal: one line with the file first, nothing else, and no word of programmers."""
    assert said.code == 2
    assert said.out == ""
    assert "Traceback" not in said.err
    [line] = said.err.splitlines()
    assert line.startswith(f"derm-kit: {name}"), line
    assert not JARGON.search(line), line
    assert re.search(r"\. [A-Z][^.]+\.$", line), line  # the next step
    return line


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_told_with_file_line_value_rule_and_next_step(what: str, derm_kit: Command, tmp_path: Path):
    (old, new), marker, value, rule = WRONG[what]
    assert old in WHOLE
    text = WHOLE.replace(old, new, 1)
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    line = line_of_help(derm_kit("simulate", "mine.yaml"), "mine.yaml, line ")
    lines = [i + 1 for i, own in enumerate(text.splitlines()) if marker in own]
    assert int(re.findall(r", line (\d+):", line)[0]) in lines
    assert f"(found: {value})" in line
    assert rule in line


@pytest.mark.parametrize("ends", ["\r\n", "\r"])
def test_line_ends_of_other_systems_count_as_lines(ends: str, derm_kit: Command, tmp_path: Path):
    text = WHOLE.replace("found_outside_gbp: 1500", "found_outside_gbp: -1500")
    (tmp_path / "mine.yaml").write_bytes(text.replace("\n", ends).encode())
    line = text[: text.index("-1500")].count("\n") + 1
    assert f"line {line}:" in line_of_help(derm_kit("simulate", "mine.yaml"), "mine.yaml")
    (tmp_path / "good.yaml").write_bytes(WHOLE.replace("\n", ends).encode())
    (tmp_path / "plain.yaml").write_text(WHOLE)
    assert Pathway.read(tmp_path / "good.yaml") == Pathway.read(tmp_path / "plain.yaml")


@pytest.mark.parametrize("what", JUNK)
def test_what_is_no_pathway_is_told_at_once(what: str, derm_kit: Command, tmp_path: Path):
    content, rule = JUNK[what]
    (tmp_path / "mine.yaml").write_bytes(content)
    started = time.monotonic()
    assert re.search(rule, line_of_help(derm_kit("simulate", "mine.yaml"), "mine.yaml"))
    assert time.monotonic() - started < SECONDS


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.write(WHOLE.encode())
        file.truncate(200 * 2**20)  # sparse: it takes no room on disk


def _two_that_name_each_other(path: Path) -> None:
    other = path.with_name("other.yaml")
    path.symlink_to(other)
    other.symlink_to(path)


def _to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


NO_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "of 200 MB": (_huge, "at most 300,000 bytes (found: 209,715,200)"),
    "a folder": (Path.mkdir, "a regular file, no folder, pipe or device"),
    "a pipe that nobody writes to": (os.mkfifo, "a regular file, no folder, pipe or device"),
    "an endless device": (_to_a_device, "a regular file, no folder, pipe or device"),
    "links in a ring": (_two_that_name_each_other, "Too many levels of symbolic links"),
    "a link to itself": (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
    "a link to nothing": (lambda path: path.symlink_to("gone.yaml"), "No such file"),
    "nothing": (lambda _: None, "No such file"),
}


@pytest.mark.parametrize("what", NO_FILES)
def test_what_cannot_be_read_is_told_at_once_and_takes_no_memory(what: str, derm_kit: Command, tmp_path: Path):
    build, rule = NO_FILES[what]
    build(tmp_path / "mine.yaml")
    forget_peak()
    started, before = time.monotonic(), peak_mb()
    assert rule in line_of_help(derm_kit("simulate", "mine.yaml"), "mine.yaml: ")
    assert time.monotonic() - started < SECONDS
    assert peak_mb() - before < 100


@pytest.mark.parametrize("name", ["", "-", "../../etc", "\u202emine.yaml", "[red]mine", "x" * 5_000])
def test_a_name_of_no_file_is_told(name: str, derm_kit: Command):
    line = line_of_help(derm_kit("simulate", name), "")
    assert "\u202e" not in line
    assert len(line) < 500


def test_a_file_in_utf_16_is_read_as_the_same_in_utf_8(derm_kit: Command, tmp_path: Path):
    printed = []
    for name, encoding in (("one.yaml", "utf-16"), ("two.yaml", "utf-8")):
        (tmp_path / name).write_text(WHOLE, encoding=encoding)
        said = derm_kit("simulate", name, "--replications", "1")
        assert said.code == 0
        printed.append(said.out)
    assert printed[0] == printed[1]


# What can be read, and asks for more than there is


def overloaded(slots: str, **calendar: int) -> str:
    """The pathway of the guide with other slots at the clinic that 32 people a week come to."""
    text = EXAMPLE.replace("slots: {mon: 12, thu: 24}\n    lead", f"slots: {slots}\n    lead")
    for name, days in calendar.items():
        text = re.sub(rf"\b{name}: \d+", f"{name}: {days}", text)
    return text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (overloaded("{mon: 12, thu: 17}"), r"29 slots a week for 32 that are needed, .* passes 28 days on about \d\d "),
        (overloaded("{mon: 4, thu: 6}"), r"10 slots a week .* above 28 days from the first day on\."),
        (overloaded("0"), r"0 slots a week for 32 that are needed, .* nobody is seen there\."),
        (
            overloaded("{mon: 10, thu: 10}", days=28, warm_up_days=0),
            r"from \d people on 01 April 2026 to \d\d on 28 April 2026; at this pace the wait there passes 28 days on",
        ),
        (
            EXAMPLE.replace("mean: 20, sd: 5", "mean: 60, sd: 15"),
            r"scan has 4\d\d minutes a week for 7\d\d that are needed, so its queue grows from \d+ people on",
        ),
    ],
)
def test_a_capacity_below_the_load_is_told_with_its_numbers_and_when(
    text: str, says: str, derm_kit: Command, tmp_path: Path
):
    (tmp_path / "mine.yaml").write_text(text)
    said = derm_kit("simulate", "mine.yaml", "--replications", "3", "--arm", "as it is")
    assert said.code == 0
    assert re.search(r"as it is: " + r"(?:clinic|scan) has ", said.out)
    assert re.search(says, " ".join(said.out.split()))


def test_a_wait_that_will_be_long_is_foretold_on_its_day():
    """Ten a week more than the 40 that are seen: 28 days of waiting are 160 people, 16 weeks after an empty start."""
    of = pathway({"clinic": clinic(8)}, per_week=50, calendar={"days": 56})
    [said] = growing(simulate(of, replications=200, seed=3), "only")
    told = re.search(r"at this pace the wait there passes 28 days on about (\d+ \w+ \d+)", said)
    assert told, said
    day = time.strptime(told[1], "%d %B %Y")
    assert abs((time.mktime(day) - time.mktime(time.strptime("2026-01-05", "%Y-%m-%d"))) / 86_400 - 16 * 7) < 7


def test_a_queue_is_not_said_to_have_grown_where_people_are_held_up_before():
    """50 a week come to a clinic of 5, so that 5 reach the next, which has 10 and would need 50."""
    stages = {"first": clinic(1, "second"), "second": clinic(2)}
    [first, second] = growing(simulate(pathway(stages, per_week=50), replications=3), "only")
    assert "first has 5 slots a week for 50 that are needed, so its queue grows from" in first
    assert (
        "second has 10 slots a week for 50 that are needed, so its queue grows by 40.0 people a week in the" in second
    )
    assert "for fewer come there in these days" in second


def test_a_national_year_of_ten_million_runs_and_its_queue_is_told(derm_kit: Command, tmp_path: Path):
    text = overloaded("{mon: 12, thu: 24}", warm_up_days=0, follow_up_days=0)
    (tmp_path / "mine.yaml").write_text(text.replace("value: 30,", "value: 191781,"))
    said = derm_kit("simulate", "mine.yaml", "--replications", "1", "--arm", "as it is")
    assert said.code == 0
    told = re.search(r"from [\d,]+ people on 01 April 2026 to ([\d,]+) on 31 March 2027", " ".join(said.out.split()))
    assert told
    assert int(told[1].replace(",", "")) == pytest.approx(1e7, rel=0.01)
