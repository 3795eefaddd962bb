"""Page 02 without a kernel: its state is set, its widgets are read. The register is real."""

from __future__ import annotations

import base64
import csv
import html
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from ipywidgets import HTML

from derm_kit import ScoreRun, TriagePolicy
from derm_kit.cases.isic import DOWNLOADS_AT_ONCE
from derm_kit.cases.phantom import draw
from derm_kit.errors import DermKitError
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.model.run import read_run
from derm_kit.panels import stopwatch
from derm_kit.panels.review import ReviewPanel, review_page
from derm_kit.panels.review_list import ROWS
from derm_kit.panels.review_setting import Looking
from derm_kit.panels.stopwatch import SHORTEST_LOOK_S
from derm_kit.records.desk import ADJUDICATION, BLIND_MARKS, MARKS, READ, SECOND, UNREAD, Desk
from derm_kit.records.register import Register
from derm_kit.triage.definition import Disposition
from derm_kit.triage.opening import Opening
from derm_kit.triage.worklist import BY_CASE, BY_RISK, DIFFERS, NEAR, POOR, Wanted
from tests.isic_archive import Archive, standing_in
from tests.readers import PASSPHRASE, copied
from tests.records.places import on_connect

URGENT, ROUTINE, DISCHARGE = (
    Disposition.URGENT_SUSPECTED_CANCER,
    Disposition.ROUTINE_DERMATOLOGY,
    Disposition.DISCHARGE_ADVICE,
)
HOSTILE = {
    "markup": "<img src=x onerror=alert(1)><script>alert(2)</script>",
    "an entity": "&lt;b&gt; &amp; 'quotes' \"double\"",
    "right to left": "\u202egnp.exe\u202c \u2067right\u2069 \u05d0\u05d1\u05d2",
    "emoji": "\U0001f9d1\U0001f3fe\u200d\u2695\ufe0f melanoma \u2764\ufe0f",
    "ten thousand": "x" * 10_000,
    "NUL": "before\0after",
    "SQL": "'; DROP TABLE reviews; --",
    "a formula": "=HYPERLINK(\"http://x\", \"click\")",
}  # fmt: skip


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of this test's own, without register and pictures; decisions are taken as soon as a case is shown."""
    monkeypatch.delenv("DERM_KIT_DATABASE_URL", raising=False)
    for variable in ("DERM_KIT_RUN", "DERM_KIT_POLICY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("DERM_KIT_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv("DERM_KIT_DATA", str(tmp_path / "pictures"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(stopwatch, "SHORTEST_LOOK_S", 0)
    (tmp_path / "pictures").mkdir()
    return tmp_path


@pytest.fixture
def workspace(staffed: tuple[Path, dict[str, str]], machine: Path) -> Path:
    return copied(staffed[0], machine / "workspace")


@pytest.fixture(scope="module")
def run(reference: ScoreRun) -> ScoreRun:
    """Forty-five real cases: more than two pages."""
    chosen = np.arange(0, 2419, 54)
    return ScoreRun(reference.scores.iloc[chosen], reference.cases.iloc[chosen], meta=reference.meta)


Open = Callable[..., ReviewPanel]


@pytest.fixture
def opened(run: ScoreRun, policy: TriagePolicy, staffed: tuple[Path, dict[str, str]]) -> Iterator[Open]:
    """Pages on one register, as several kernels have them; `who` sits down without the slow passphrase.

    Each is on a browser's screen that shows a case as soon as it is told.
    """
    panels: list[ReviewPanel] = []

    def page(who: str = "", of: ScoreRun | None = None) -> ReviewPanel:
        of = run if of is None else of
        panel = ReviewPanel(Opening(of, policy), Desk(of))
        panels.append(panel)
        panel.controls.keys.observe(lambda change: come_up(panel, change["new"]), "about")
        come_up(panel, panel.controls.keys.about)
        if who:
            panel.desk.person = panel.desk._register.person(staffed[1][who])
            panel._arrive()
        return panel

    yield page
    for panel in panels:
        if panel.desk._register:
            panel.desk._register.close()


@pytest.fixture
def panel(workspace: Path, opened: Open) -> ReviewPanel:
    """The page with Ada at it."""
    return opened("ada")


def whole(panel: ReviewPanel) -> str:
    """All HTML of the page, as it is sent."""
    c, case = panel.controls, panel.case
    pictures = [child.value for child in case.picture.children if isinstance(child, HTML)]
    places = (case.head, *case.place.values(), c.listed, c.saved, c.away, panel.sign_in.words, panel.agreement.table)
    notices = (panel.notice, case.notice, panel.sign_in.notice, panel.agreement.notice)
    return "".join([*pictures, *(place.value for place in (*places, *notices))])


def said(place: HTML | str) -> str:
    """HTML as it reads."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", place if isinstance(place, str) else place.value)).split())


def listed(panel: ReviewPanel) -> list[str]:
    return [html.unescape(case) for case in re.findall("data-case='([^']*)'", panel.controls.listed.value)]


def in_order(panel: ReviewPanel) -> list[str]:
    return panel.worklist.table["case_id"].iloc[panel.worklist.by_risk].tolist()


def come_up(panel: ReviewPanel, case: str) -> None:
    """A case comes up on the screen, as the browser says it."""
    panel.controls.keys._handle_custom_msg({"shown": case}, [])


def press(panel: ReviewPanel, key: str, times: int = 1, on: str | None = None) -> None:
    """Press a key, as the browser says it: with the case that is on the screen."""
    for _ in range(times):
        case = panel.controls.keys.seen if on is None else on
        panel.controls.keys._handle_custom_msg({"key": key, "case": case}, [])


def options(dropdown) -> list[str]:
    return [value for _, value in dropdown.options]


def picture(folder: Path, case: str, content: bytes | None = None) -> None:
    rgb = draw(LesionType.MELANOMA, 9_000).image
    path = folder / "pictures" / f"{case}.jpg"
    path.write_bytes(cv2.imencode(".jpg", rgb[..., ::-1])[1].tobytes() if content is None else content)


def stored(panel: ReviewPanel, case: str = "") -> list[tuple[str, int, str, str]]:
    """What lies in the register of a case: disposition, version, verdict, note."""
    reviews = panel.desk._register.reviews(panel.desk.run_id, case or panel.looking.case)
    return [(r.disposition, r.version, r.verdict, r.note) for r in reviews]


# opening, list, filters


def test_the_page_opens_on_the_most_serious_case(panel):
    order = in_order(panel)
    assert panel.looking.case == order[0]
    assert listed(panel) == order[:ROWS]
    assert "45 cases; 1 to 20 are here." in said(panel.controls.listed)
    assert panel.controls.address.state == ""
    assert panel.controls.earlier.disabled
    assert not panel.controls.later.disabled
    assert order[0] in said(panel.case.head)
    assert "Model scores from 0 to 1" in said(panel.case.place["model"])
    assert panel.case.place["similar"].value.count("<li>") == 6
    assert "Nobody has reviewed this case." in said(panel.case.place["readings"])
    assert panel.notice.value == panel.case.notice.value == ""


def test_the_page_of_the_workbench_opens_on_the_reference_cohort():
    page = review_page()
    assert "2,419 cases" in "".join(w.value for w in _htmls(page))


def _htmls(widget) -> Iterator[HTML]:
    if isinstance(widget, HTML):
        yield widget
    for child in getattr(widget, "children", ()):
        yield from _htmls(child)


def test_a_row_says_what_the_model_said_and_what_the_lesion_was_found_to_be(panel, run):
    case = panel.looking.case
    row = panel.worklist.table.set_index("case_id").loc[case]
    truth = LesionType(row["truth"].split("|")[0]).label.lower()
    assert f"{case} {LesionType(row['call']).label}; truth: {truth}" in said(panel.controls.listed)


def test_pages_of_the_list_turn_and_end(panel):
    order, c = in_order(panel), panel.controls
    c.later.click()
    assert listed(panel) == order[20:40]
    c.later.click()
    assert listed(panel) == order[40:]
    assert "45 cases; 41 to 45 are here." in said(c.listed)
    assert c.later.disabled
    c.earlier.click()
    assert listed(panel) == order[20:40]
    assert panel.looking.case == order[0], "turning pages opens no case"


@pytest.mark.parametrize("mark", [DIFFERS, NEAR, POOR])
def test_each_mark_lists_its_cases(panel, mark):
    panel.controls.filters["show"].value = mark
    expected = set(panel.worklist.table["case_id"][panel.worklist.marks[mark]])
    assert expected
    assert set(listed(panel)) == expected


def test_filters_hold_together_and_the_list_says_when_nothing_is_left(panel):
    f = panel.controls.filters
    f["truth"].value = "melanoma"
    f["call"].value = "melanoma"
    table = panel.worklist.table
    expected = table["case_id"][(table["truth"] == "melanoma") & (table["call"] == "melanoma")]
    assert set(listed(panel)) == set(expected)
    f["truth"].value = "dermatofibroma"
    f["call"].value = "squamous_cell_carcinoma"
    assert "No case fits these filters." in panel.controls.listed.value
    assert panel.looking.case == in_order(panel)[0], "the open case stays"


def test_a_subgroup_is_chosen_in_two_steps_and_another_way_to_part_starts_anew(panel, run):
    f = panel.controls.filters
    f["grouping"].value = "sex"
    assert options(f["group"])[0] == ""
    f["group"].value = "female"
    women = set(run.cases["case_id"][run.cases["sex"] == "female"])
    assert {*panel.worklist.table["case_id"].iloc[panel.positions]} == women
    f["grouping"].value = "age"
    assert f["group"].value == ""
    assert len(panel.positions) == 45


def test_the_orders_sort_the_list(panel):
    panel.controls.filters["sort"].value = BY_CASE
    assert listed(panel) == sorted(in_order(panel))[:ROWS]
    panel.controls.filters["sort"].value = "nearest to a threshold"
    nearest = panel.worklist.table.set_index("case_id")["nearest"]
    assert nearest[listed(panel)].is_monotonic_increasing


def test_a_case_of_the_list_opens(panel):
    case = listed(panel)[7]
    panel.controls.picker.chosen = case
    assert panel.looking.case == case
    assert case in said(panel.case.head)
    panel.step(1)
    assert panel.controls.picker.chosen == listed(panel)[8], "the list marks the case that is open"


def test_next_and_previous_walk_over_the_borders_of_pages(panel):
    order = in_order(panel)
    for expected in order[1:]:
        press(panel, "n")
        assert panel.looking.case == expected
        assert expected in listed(panel), "the list turns its page with the case"
    press(panel, "n")
    assert "This is the last case of the list." in said(panel.notice)
    assert panel.looking.case == order[-1]
    for _ in order[1:]:
        panel.controls.before.click()
    assert panel.looking.case == order[0]
    press(panel, "p")
    assert "This is the first case of the list." in said(panel.notice)
    assert listed(panel) == order[:ROWS]


def test_reading_down_a_list_of_unread_cases_leaves_none_out_and_opens_none_twice(panel):
    panel.controls.filters["show"].value = UNREAD
    order, met = in_order(panel), []
    for _ in range(3):
        panel.step(1)  # the first three wait
    for _ in range(25):
        met.append(panel.looking.case)
        panel.decide(ROUTINE)
        panel.step(1)
        assert panel.looking.case in listed(panel)
    assert met == order[3:28]
    panel.look(Looking(Wanted(show=UNREAD)))
    assert len(panel.positions) == 20


# the reader


def test_a_wrong_passphrase_is_told_plainly_and_the_right_one_signs_in(workspace, opened):
    panel = opened()
    part = panel.sign_in
    assert all(button.disabled for button in panel.controls.dispositions.values())
    part.enter.click()
    assert "Choose your name in the list." in said(part.notice)
    part.person.value = options(part.person)[1]
    part.passphrase.value = "open sesame, please"
    part.enter.click()
    assert "the passphrase is wrong; this was counted and logged (found: 1 wrong in a row)" in said(part.notice)
    assert part.passphrase.value == "", "it is forgotten"
    assert panel.desk.person is None
    part.passphrase._handle_custom_msg({"event": "submit"}, [])  # Enter, as the browser says it: before the words
    part.passphrase.value = PASSPHRASE
    assert part.notice.value == ""
    assert "Signed in: Ada Lovelace , dermatologist." in said(part.words)
    assert part.passphrase.layout.display == part.enter.layout.display == "none"
    assert not any(button.disabled for button in panel.controls.dispositions.values())


def test_what_was_stored_of_a_case_is_gone_before_the_next_one_is_seen(panel):
    panel.decide(URGENT)
    assert "Stored" in said(panel.controls.saved)
    stood: list[str] = []
    panel.case.head.observe(lambda change: stood.append(panel.controls.saved.value), "value")
    panel.step(1)
    assert stood == [""]


def test_signing_out_takes_what_was_entered_with_it(panel):
    panel.controls.note.value = "mine, not yet decided"
    panel.decide(URGENT)
    panel.step(1)
    panel.controls.note.value = "a draft"
    panel.sign_in.leave.click()
    assert "Sign in to store decisions" in said(panel.sign_in.words)
    assert panel.controls.note.value == panel.controls.saved.value == ""
    panel.step(-1)
    assert panel.controls.note.value == ""
    assert not panel.case.place["readings"].value.count("mine, not yet decided"), "the first reading is kept back"
    press(panel, "1")
    assert "Sign in above, then decide." in said(panel.notice)
    assert [version for _, version, _, _ in stored(panel)] == [1]


def test_what_was_entered_before_signing_in_is_kept(workspace, opened, staffed):
    panel = opened()
    panel.controls.note.value = "seen before I signed in"
    panel.desk.person = panel.desk._register.person(staffed[1]["ben"])
    panel._arrive()
    panel.decide(URGENT)
    assert stored(panel) == [(URGENT, 1, "not said", "seen before I signed in")]


def test_without_a_register_the_page_looks_and_a_register_made_later_is_found(machine, staffed, opened):
    panel = opened()
    assert "There is no register on this machine yet" in said(panel.sign_in.words)
    assert "Model scores from 0 to 1" in said(panel.case.place["model"])
    assert panel.sign_in.person.layout.display == "none"
    assert not (machine / "workspace").exists()
    assert panel.agreement.row.layout.display == "none"
    copied(staffed[0], machine / "workspace")
    panel.sign_in.again.click()
    assert panel.sign_in.person.layout.display == ""
    assert len(options(panel.sign_in.person)) == 4


# a decision


def test_a_decision_is_stored_at_once_with_all_that_was_said(panel, staffed):
    c, case = panel.controls, panel.looking.case
    c.verdict.value, c.confidence.value, c.note.value = "melanoma", 80, "asymmetric"
    panel.clock._since_s -= 12
    press(panel, "1")
    with Register.open() as other:
        (review_,) = other.reviews(panel.desk.run_id, case)
    model = panel.worklist.table.set_index("case_id").loc[case, "disposition"]
    assert (review_.disposition, review_.verdict, review_.confidence_percent) == (URGENT, "melanoma", 80)
    assert (review_.note, review_.reviewer, review_.version) == ("asymmetric", staffed[1]["ada"], 1)
    assert review_.agrees == (model == URGENT)
    assert 12 <= review_.seconds < 60
    assert not review_.blind
    assert "Stored: urgent suspected cancer." in said(c.saved)
    assert c.dispositions[URGENT].description.endswith("(stored)")
    assert f"{case} Melanoma; truth: benign naevus one reader" in said(c.listed)
    row = said(panel.case.place["readings"])
    assert "Ada Lovelace" in row
    assert "80%" in row
    assert panel.looking.case == case, "what comes next is the reader's choice"


@pytest.mark.parametrize(("key", "disposition"), list(zip("123456", Disposition, strict=True)))
def test_each_digit_is_the_disposition_that_its_button_names(panel, key, disposition):
    assert panel.controls.dispositions[disposition].description.lower() == f"{key}  {disposition}".lower()
    press(panel, key)
    assert stored(panel)[-1][0] == disposition


def test_a_key_pressed_for_another_case_is_not_given_to_this_one(panel):
    """The kernel was busy: "n" and what follows it were pressed while the case before was still on the screen."""
    first, second = in_order(panel)[:2]
    press(panel, "n", on=first)
    for key in ("1", "6"):
        press(panel, key, on=first)
        assert panel.looking.case == second
        assert stored(panel) == stored(panel, first) == []
        assert f"{key} was pressed for {first}, on the screen then: not taken for this one." in said(
            panel.controls.saved
        )
    press(panel, "2", on=second)
    assert [d for d, *_ in stored(panel)] == [ROUTINE]
    press(panel, "n", times=3, on=second)
    assert panel.looking.case == in_order(panel)[4], "a walk goes on whatever was on the screen"


def test_a_map_wanted_of_another_case_is_not_drawn_of_this_one(panel, machine):
    first, second = in_order(panel)[:2]
    for case in (first, second):
        picture(machine, case)
    press(panel, "n", on=first)
    press(panel, "m", on=first)
    assert panel.case.picture.children == (panel.case.viewer,)
    press(panel, "m", on=second)
    assert panel.case.picture.children != (panel.case.viewer,)


def test_nothing_is_taken_for_a_case_before_it_has_come_up_on_the_screen(panel):
    c, (first, second) = panel.controls, in_order(panel)[:2]
    press(panel, "n")
    come_up(panel, first)  # the browser has not shown the second yet
    c.dispositions[URGENT].click()
    assert "the case had only just come up" in said(panel.notice)
    assert stored(panel) == []
    c.verdict.value, c.note.value = "melanoma", "of the first"
    assert (c.verdict.label, c.note.value) == ("Not said", "")
    assert f"What you entered was for {first}: it waits there." in said(c.saved)
    come_up(panel, second)
    c.dispositions[ROUTINE].click()
    assert stored(panel) == [(ROUTINE, 1, "not said", "")]
    press(panel, "p")
    assert (c.verdict.value, c.note.value) == ("melanoma", "of the first")
    press(panel, "1")
    assert stored(panel, first) == [(URGENT, 1, "melanoma", "of the first")]


def test_keys_that_are_not_offered_do_nothing(panel):
    for key in ("0", "7", "9", "x", "", "-1"):
        press(panel, key)
    assert stored(panel) == []
    assert panel.notice.value == ""


def test_another_decision_is_the_next_version_and_both_stay(panel):
    panel.controls.dispositions[URGENT].click()
    panel.controls.dispositions[DISCHARGE].click()
    assert [(d, v) for d, v, _, _ in stored(panel)] == [(URGENT, 1), (DISCHARGE, 2)]
    assert "Stored as version 2: discharge advice" in said(panel.controls.saved)
    assert "urgent suspected cancer" in said(panel.case.place["readings"])
    assert not panel.controls.dispositions[URGENT].description.endswith("(stored)")


def test_what_is_said_after_a_decision_is_stored_at_once_as_its_next_version(panel):
    panel.decide(URGENT)
    panel.controls.note.value = "on second thoughts: regression"
    assert "Stored as version 2" in said(panel.controls.saved)
    panel.controls.verdict.value = "melanoma"
    panel.controls.confidence.value = 90
    assert stored(panel) == [
        (URGENT, 1, "not said", ""),
        (URGENT, 2, "not said", "on second thoughts: regression"),
        (URGENT, 3, "melanoma", "on second thoughts: regression"),
        (URGENT, 4, "melanoma", "on second thoughts: regression"),
    ]
    panel.step(1)
    panel.step(-1)
    assert panel.controls.note.value == "on second thoughts: regression"
    assert panel.controls.confidence.value == 90


def test_what_was_entered_waits_for_the_decision_while_other_cases_are_looked_at(panel):
    c, first = panel.controls, panel.looking.case
    c.note.value, c.verdict.value, c.confidence.value = "a draft", "melanoma", 70
    panel.step(1)
    assert (c.note.value, c.verdict.label, c.confidence.label) == ("", "Not said", "not said")
    panel.decide(ROUTINE)
    c.filters["truth"].value = "melanoma"
    panel.look(Looking(case=first))
    assert (c.note.value, c.verdict.value, c.confidence.value) == ("a draft", "melanoma", 70)
    assert stored(panel) == []
    panel.decide(URGENT)
    assert stored(panel) == [(URGENT, 1, "melanoma", "a draft")]


def test_a_decision_made_before_the_case_was_on_the_screen_is_not_taken(panel, monkeypatch):
    """A key that follows "n" too fast was meant for the case before: the browser still showed that one."""
    monkeypatch.setattr(stopwatch, "SHORTEST_LOOK_S", SHORTEST_LOOK_S)
    press(panel, "n")
    press(panel, "1")
    assert stored(panel) == []
    assert "the case had only just come up" in said(panel.notice)
    assert "Not stored" in said(panel.controls.saved)
    panel.clock._since_s -= SHORTEST_LOOK_S
    press(panel, "1")
    assert [d for d, *_ in stored(panel)] == [URGENT]
    assert panel.notice.value == ""


def test_a_pause_hides_the_case_and_stops_the_clock(panel):
    c = panel.controls
    press(panel, "z")
    at = panel.clock.seconds
    assert c.in_sight.layout.display == "none"
    assert "Paused: the case is out of sight and the clock stands." in said(c.away)
    assert c.pause.description == "Go on (z)"
    assert panel.clock.seconds == at
    press(panel, "1")
    assert stored(panel) == [], "a case that nobody sees is not decided"
    assert "Go on first" in said(panel.notice)
    c.pause.click()
    assert c.in_sight.layout.display == ""
    assert c.away.value == ""
    assert panel.clock.seconds > at or panel.clock.seconds == pytest.approx(at, abs=0.5)
    press(panel, "1")
    assert len(stored(panel)) == 1


def test_the_clock_starts_with_each_case_and_the_next_case_ends_a_pause(panel):
    panel.clock._since_s -= 100
    press(panel, "z")
    press(panel, "n")
    assert panel.clock.seconds < 10
    assert not panel.clock.paused
    assert panel.controls.in_sight.layout.display == ""


def test_time_in_a_pause_is_not_counted(monkeypatch):
    now = [50.0]
    monkeypatch.setattr("derm_kit.panels.stopwatch.monotonic", lambda: now[0])
    clock = stopwatch.Stopwatch()
    now[0] += 3
    clock.paused = True
    now[0] += 1_000
    assert clock.seconds == 3
    clock.paused = False
    now[0] += 4
    assert clock.seconds == 7
    clock.paused = clock.paused = True
    assert clock.seconds == 7
    clock.restart()
    now[0] += 2
    assert (clock.seconds, clock.paused) == (2, False)


# several readers


def test_two_pages_of_one_person_are_told_of_each_other_and_shown_both(workspace, opened):
    here, there = opened("ada"), opened("ada")
    here.controls.note.value = "from here"
    here.decide(URGENT)
    there.controls.note.value = "from there"
    there.decide(DISCHARGE)
    told = said(there.notice)
    assert "somebody saved this meanwhile" in told
    assert "from here" in told
    assert "from there" in told
    assert "Not stored" in said(there.controls.saved)
    assert there.controls.note.value == "from there", "what was entered stays"
    assert "from here" in said(there.case.place["readings"])
    assert [note for *_, note in stored(here)] == ["from here"]
    there.decide(DISCHARGE)
    assert [(d, v, note) for d, v, _, note in stored(here)] == [(URGENT, 1, "from here"), (DISCHARGE, 2, "from there")]


def test_a_note_on_a_review_that_another_page_changed_is_told_and_can_be_stored_after_a_look(workspace, opened):
    here, there = opened("ada"), opened("ada")
    here.decide(URGENT)
    there.look(there.looking)
    here.controls.note.value = "from here"
    there.controls.note.value = "from there"
    assert "somebody saved this meanwhile" in said(there.notice)
    assert [note for *_, note in stored(here)] == ["", "from here"]
    there.step(1)
    there.step(-1)
    assert there.controls.note.value == "from there", "kept until it is stored"
    there.decide(URGENT)
    assert [note for *_, note in stored(here)] == ["", "from here", "from there"]


def test_second_readings_and_adjudication_go_by_the_queue(workspace, opened):
    ada, ben, cleo = opened("ada"), opened("ben"), opened("cleo")
    case = ada.looking.case
    ada.controls.note.value = "the first reading"
    ada.decide(URGENT)
    ben.controls.filters["show"].value = SECOND
    assert listed(ben) == [case]
    assert "the first reading" not in whole(ben)
    assert "kept back until a second reader has given theirs" in said(ben.case.place["readings"])
    ben.decide(DISCHARGE)
    assert "the first reading" in said(ben.case.place["readings"])
    cleo.controls.filters["show"].value = ADJUDICATION
    assert listed(cleo) == [case]
    assert "the first reading" in said(cleo.case.place["readings"])
    cleo.decide(URGENT)
    assert "adjudication" in said(cleo.case.place["readings"])
    assert "adjudicated" in said(cleo.controls.listed)
    ada.controls.filters["show"].value = ADJUDICATION
    assert listed(ada) == []


def test_agreement_and_the_file_are_made_when_asked_for(workspace, opened):
    ada, ben = opened("ada"), opened("ben")
    ada.controls.note.value = "=1+1"
    for panel, disposition in ((ada, URGENT), (ben, URGENT)):
        panel.decide(disposition)
        panel.step(1)
    assert ada.agreement.table.value == ""
    ada.agreement.count.click()
    table = said(ada.agreement.table)
    assert "Cohen's kappa of dispositions, first two readers" in table
    assert "same disposition, first two readers 1.000" in table
    assert "sent where the model sends it, Ada Lovelace" in table
    ada.agreement.make_file.click()
    kept = base64.b64decode(re.search("base64,([^']+)", ada.agreement.file.value)[1]).decode()
    rows = list(csv.DictReader(io.StringIO(kept)))
    assert [row["version"] for row in rows] == ["1", "1"]
    assert not rows[0]["note"].startswith("=")
    assert "Lovelace" not in kept


def test_what_readers_wrote_is_for_those_who_are_signed_in(workspace, opened):
    ada, ben = opened("ada"), opened("ben")
    for panel, note in ((ada, "what I wrote"), (ben, "what the other wrote")):
        panel.controls.note.value = note
        panel.decide(URGENT)
    ben.agreement.count.click()
    ben.agreement.make_file.click()
    assert "Ada Lovelace" in ben.agreement.table.value
    ben.sign_in.leave.click()
    nobody = opened()
    for panel in (ben, nobody):
        part = panel.agreement
        assert part.row.layout.display == "none"
        assert part.words.layout.display == ""
        assert "are for readers who are signed in" in said(part.words)
        part.count.click()
        part.make_file.click()
        assert part.table.value == part.file.value == "", "a press that a browser made up gives nothing either"
        assert "2 readers have reviewed this case. Sign in to read what they said." in said(whole(panel))
        for words in ("what I wrote", "what the other wrote", "Lovelace"):
            assert words not in whole(panel)
    assert "what the other wrote" in whole(ada) or "what I wrote" in whole(ada)
    assert ada.agreement.row.layout.display == ""


# blind


def test_blind_mode_gives_nothing_away_before_the_verdict_and_all_after_it(panel, machine):
    c, order = panel.controls, in_order(panel)
    panel.look(Looking(Wanted(show=DIFFERS, call="melanoma", truth="benign_naevus", sort=BY_RISK), case=order[30]))
    unread = order[9]
    picture(machine, unread)
    c.blind.value = True
    panel.look(Looking(panel.looking.wanted, case=unread, blind=True))
    table = panel.worklist.table.set_index("case_id")
    text = said(whole(panel))
    row, recorded = table.loc[unread], panel.desk.run.cases.set_index("case_id").loc[unread]
    assert row["reason"] not in text
    for word in ("score", "threshold", "distance", "found to be:", "truth:", recorded["diagnosis"], "diagnosis"):
        assert word not in text.lower(), word
    for lesion_type in LESION_TYPES:
        assert lesion_type.label.lower() not in text.lower()
    for name in ("model", "similar"):
        assert "Hidden until you decide" in panel.case.place[name].value
    assert panel.case.map_button.layout.display == "none"
    press(panel, "m")
    assert panel.case.picture.children == (panel.case.viewer,), "no map by the keyboard either"
    assert listed(panel) == sorted(order)[:ROWS], "neither the order nor the filters say who is at risk"
    assert set(options(c.filters["show"])) == {"", *BLIND_MARKS}
    assert [name for name, choice in c.filters.items() if not choice.disabled] == ["show"]
    assert {name: choice.value for name, choice in c.filters.items()} == {
        "show": "", "call": "", "truth": "", "grouping": "", "group": "", "sort": BY_CASE,
    }  # fmt: skip
    panel.decide(URGENT)
    assert "Model scores from 0 to 1" in said(panel.case.place["model"])
    assert "diagnosis" in said(panel.case.place["about"])
    assert panel.case.place["similar"].value.count("<li>") == 6
    assert panel.case.map_button.layout.display == ""
    assert panel.desk.own(unread).blind
    panel.step(1)
    assert "Hidden until you decide" in panel.case.place["model"].value, "the next one is blind again"
    c.blind.value = False
    assert panel.looking.wanted == Wanted(show=DIFFERS, call="melanoma", truth="benign_naevus")
    assert set(options(c.filters["show"])) == {"", *panel.worklist.marks, *MARKS}


def test_in_blind_mode_readers_marks_still_filter(panel):
    panel.controls.blind.value = True
    for _ in range(3):
        panel.decide(ROUTINE)
        panel.step(1)
    panel.controls.filters["show"].value = READ
    assert len(listed(panel)) == 3
    assert "truth:" not in panel.controls.listed.value, "a list of cases that were read gives nothing away either"


def test_a_reading_counts_as_blind_only_where_the_model_was_not_seen_before(panel):
    seen, other = panel.looking.case, in_order(panel)[1]
    panel.controls.blind.value = True
    panel.decide(URGENT)
    assert not panel.desk.own(seen).blind, "the page had shown the model's call of it"
    panel.look(Looking(case=other, blind=True))
    panel.decide(URGENT)
    assert panel.desk.own(other).blind


def test_a_map_on_show_is_taken_away_when_blind_mode_comes_on(panel, machine):
    case = panel.looking.case
    picture(machine, case)
    panel.step(1)
    panel.step(-1)
    press(panel, "m")
    assert panel.case.picture.children != (panel.case.viewer,)
    panel.controls.blind.value = True
    assert panel.case.picture.children == (panel.case.viewer,)
    assert panel.case.viewer.map == b""


# the address


def test_the_address_brings_back_list_and_case(panel, opened):
    c = panel.controls
    c.filters["truth"].value = "benign_naevus"
    c.filters["sort"].value = BY_CASE
    c.later.click() if not c.later.disabled else None
    panel.step(1)
    address = c.address.state
    assert address.startswith(f"run={panel.desk.run_id[:16]}&")
    assert "Lovelace" not in address
    other = opened()
    other.controls.address.opened_with = address
    assert other.looking == panel.looking
    assert listed(other) == listed(panel)
    assert other.controls.filters["truth"].value == "benign_naevus"
    assert other.controls.address.state == address
    assert other.desk.person is None, "the address signs nobody in"


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("run={run}&case=ISIC_9999999", "the case is one of these scores (found: ISIC_9999999)"),
        ("run=0123456789abcdef&case={case}", "an address is of the scores that the page is open on"),
        ("case={case}", "as this page wrote them"),
        ("run={run}&page=-1", "as this page wrote them"),
        ("run={run}&page=one", "as this page wrote them"),
        ("run={run}&sort=price", "as this page wrote them"),
        ("run={run}&price=1", "as this page wrote them"),
        ("run={run}&show=nothing", "what to show is one of"),
        ("run={run}&show=nothing&blind=1", "what to show is one of"),
        ("run={run}&truth=cold+sore&blind=1", "a truth is one of"),
        ("run={run}&grouping=shoe+size", "a way to part the cases is one of"),
        ("run={run}&grouping=sex&group=43", "a group is one of"),
        ("run={run}&case=%3Cscript%3Ealert(1)%3C/script%3E", "<script>alert(1)</script>"),
        ("&".join(f"a{i}=1" for i in range(40)), "as this page wrote them"),
        ("%00%ff", "as this page wrote them"),
    ],
)
def test_an_address_that_cannot_be_opened_is_told_and_changes_nothing(panel, address, told):
    panel.controls.filters["truth"].value = "benign_naevus"
    before, shown = panel.looking, listed(panel)
    panel.controls.address.opened_with = address.format(run=panel.desk.run_id[:16], case=before.case)
    assert "role='alert'" in panel.notice.value
    assert told in said(panel.notice)
    assert "<script>" not in panel.notice.value
    assert "did not foresee" not in panel.notice.value
    assert panel.looking == before
    assert listed(panel) == shown
    panel.controls.filters["truth"].value = ""
    assert panel.notice.value == ""
    assert len(panel.positions) == 45


def test_an_address_that_was_refused_stays_told_when_the_page_comes_up(panel):
    panel.controls.address.opened_with = "run=0123456789abcdef&case=x"
    panel.in_force.arrival.times += 1
    assert "of the scores that the page is open on" in said(panel.notice)


def test_a_page_number_past_the_end_is_the_last_page(panel):
    panel.controls.address.opened_with = f"run={panel.desk.run_id[:16]}&page=99999999999999999999"
    assert panel.looking.page == 2
    assert panel.notice.value == ""


# hostile text, odd runs, what goes wrong


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_in_a_note_is_stored_and_shown_as_text(panel, kind):
    text = HOSTILE[kind]
    panel.controls.note.value = text
    panel.decide(URGENT)
    assert stored(panel) == [(URGENT, 1, "not said", text)]
    assert html.escape(text) in panel.case.place["readings"].value
    assert "<img src=x" not in whole(panel)
    assert "<script" not in whole(panel)
    panel.step(1)
    panel.step(-1)
    assert panel.controls.note.value == text
    panel.agreement.make_file.click()
    kept = base64.b64decode(re.search("base64,([^']+)", panel.agreement.file.value)[1]).decode()
    (row,) = csv.DictReader(io.StringIO(kept))
    assert not row["note"].startswith(("=", "+", "-", "@"))
    with Register.open() as other:
        assert other.verify().sound


def test_a_note_beyond_the_limit_is_refused_and_kept_on_the_page(panel):
    panel.controls.note.value = "x" * 100_001
    panel.decide(URGENT)
    assert "a note has at most 100,000 characters" in said(panel.notice)
    assert "Not stored" in said(panel.controls.saved)
    assert stored(panel) == []
    assert len(panel.controls.note.value) == 100_001


def test_hostile_text_in_what_is_recorded_of_a_case_is_shown_as_text(run, workspace, opened):
    cases = run.cases.copy()
    for kind, text in HOSTILE.items():
        for column in ("source", "device", "attribution", "diagnosis", "truth_source", "sex"):
            cases[column] = [text, "plain"] * 22 + [text]
        cases["case_id"] = [f"it's case {i}" for i in range(len(cases))]
        hostile = ScoreRun(run.scores.assign(case_id=cases["case_id"]), cases, meta=run.meta)
        panel = opened("ada", hostile)
        panel.controls.filters["grouping"].value = "source"
        assert panel.notice.value == panel.case.notice.value == "", kind
        assert "<img src=x" not in whole(panel)
        assert "<script" not in whole(panel)
        panel.look(Looking(Wanted(grouping="source", sort=BY_CASE), case="it's case 0"))
        assert html.escape(" ".join(text.split())) in panel.case.place["about"].value
        assert "data-case='it&#x27;s case" in panel.controls.listed.value
        press(panel, "n")
        assert panel.looking.case == listed(panel)[1]


def test_a_hostile_name_of_a_person_is_shown_as_text(workspace, opened, staffed):
    with Register.open() as register:
        register.add_person(HOSTILE["markup"], "reviewer", PASSPHRASE)
    panel = opened("ada")
    hostile = next(p for p in panel.desk.people() if "<img" in p.name)
    panel.desk.person = hostile
    panel._arrive()
    panel.sign_in._show()
    panel.decide(URGENT)
    panel.agreement.count.click()
    assert html.escape(HOSTILE["markup"]) in panel.sign_in.words.value
    assert html.escape(HOSTILE["markup"]) in panel.case.place["readings"].value
    assert "<img src=x" not in whole(panel)


def test_a_run_without_any_truth_is_listed_with_its_truth_unknown(run, workspace, opened):
    panel = opened("ada", ScoreRun(run.scores, run.cases.assign(truth="", diagnosis=""), meta=run.meta))
    assert "truth: unknown" in said(panel.controls.listed)
    assert "Found to be: unknown." in said(panel.case.place["model"])
    panel.controls.filters["show"].value = DIFFERS
    assert listed(panel) == []
    panel.controls.filters["show"].value = ""
    panel.decide(URGENT)
    assert len(stored(panel)) == 1


def test_without_pictures_everything_else_is_shown_and_they_are_offered(panel):
    case = panel.case
    assert "Its picture is not on this machine; all else is shown." in said(whole(panel))
    assert [child is case.fetching.view for child in case.fetch.children] == [True]
    assert case.fetching.look_button.description == "Look for real pictures"
    assert case.map_button.layout.display == "none"
    assert "Model scores from 0 to 1" in said(case.place["model"])
    press(panel, "m")
    assert panel.notice.value == case.notice.value == ""
    assert "dk-no-picture" in panel.controls.listed.value


def test_the_open_case_is_fetched_first_then_those_of_the_list_and_it_is_shown(panel, machine):
    panel.step(2)
    order, case = in_order(panel), panel.looking.case
    picture(machine, order[0])
    panel.controls.note.value = "entered before"
    with standing_in(dict.fromkeys(order, "CC-0")) as archive:
        part = panel.case.fetching
        part._archive = archive
        part.look_button.click()
        part.wait()
        assert f"{ROWS - 1} pictures" in said(part.notice), "those of the list's page that are not here"
        part.fetch_button.click()
        part.wait()
        assert case in {Path(url).stem for url in Archive.fetched[:DOWNLOADS_AT_ONCE]}
        assert {Path(url).stem for url in Archive.fetched} == set(order[1:ROWS])
    assert panel.looking.case == case
    assert panel.case.picture.children == (panel.case.viewer,)
    assert case in panel.case.viewer.description
    assert panel.case.map_button.layout.display == ""
    assert panel.controls.listed.value.count("data:image/jpeg;base64,") == ROWS
    assert panel.controls.note.value == "entered before"
    assert panel.case.fetch.children == ()


def test_an_offer_of_pictures_is_withdrawn_where_it_lacks_the_open_case(panel, machine):
    order, part = in_order(panel), panel.case.fetching
    with standing_in(dict.fromkeys(order, "CC-0")) as archive:
        part._archive = archive
        part.look()
        part.wait()
        assert part.fetch_button.layout.display == ""
        panel.step(1)
        assert part.fetch_button.layout.display == "", "the next of the list is among them"
        panel.look(Looking(case=order[-1]))
        assert part.fetch_button.layout.display == "none"
        assert part.notice.value == ""


def test_a_picture_on_this_machine_is_shown_with_a_map_when_asked_for(panel, machine):
    case = panel.looking.case
    picture(machine, case)
    panel.step(1)
    panel.step(-1)
    viewer = panel.case.viewer
    assert panel.case.picture.children == (viewer,)
    assert viewer.picture.startswith(b"\xff\xd8")
    assert case in viewer.description
    assert panel.case.fetch.children == ()
    assert "data:image/jpeg;base64," in panel.controls.listed.value
    panel.controls.note.value = "before the map"
    panel.case.map_button.click()
    assert panel.case.notice.value == ""
    assert panel.case._maps.viewer.map_shape == (8, 8)
    assert panel.case.picture.children == (panel.case._maps.view,)
    panel.decide(URGENT)
    assert panel.case.picture.children == (panel.case._maps.view,), "deciding takes the map not away"
    assert panel.case.map_button.layout.display == "none"
    press(panel, "n")
    press(panel, "p")
    assert panel.case.picture.children == (viewer,)
    assert panel.case.map_button.layout.display == ""


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\xff\xd8\xff\xe0 cut off"])
def test_a_damaged_picture_is_told_and_all_else_is_shown(panel, machine, content):
    order = in_order(panel)
    picture(machine, order[0])
    picture(machine, order[1], content)
    panel.step(1)
    (told,) = panel.case.picture.children
    assert "Take care" in told.value
    assert order[1] in said(told)
    assert panel.case.map_button.layout.display == "none"
    assert "Model scores from 0 to 1" in said(panel.case.place["model"])
    panel.decide(URGENT)
    assert len(stored(panel)) == 1


def test_scores_of_somebody_else_have_no_map_and_say_why_nothing_similar_is_shown(run, machine, workspace, opened):
    table = run.joined()[["case_id", "melanoma", "basal_cell_carcinoma", "truth"]]
    table = table.assign(case_id=[f"theirs {i}" for i in range(45)])
    table.to_csv(machine / "theirs.csv", index=False)
    theirs = read_run(machine / "theirs.csv")
    picture(machine, "theirs 0")
    panel = opened("ada", theirs)
    panel.look(Looking(case="theirs 0"))
    assert panel.notice.value == panel.case.notice.value == ""
    assert panel.case.picture.children == (panel.case.viewer,)
    assert panel.case.map_button.layout.display == "none"
    assert "features of the model that scored the reference cohort" in said(panel.case.place["similar"])
    assert "not trained: no score" in said(panel.case.place["model"])
    panel.look(Looking(case="theirs 1"))
    assert "the folder that DERM_KIT_DATA names" in said(whole(panel))
    assert panel.case.fetch.children == (), "the ISIC Archive does not have their pictures"
    panel.decide(URGENT)
    assert len(stored(panel)) == 1


def test_a_policy_of_another_model_is_refused_before_the_page_opens(run, policy):
    with pytest.raises(DermKitError, match="of the model it was made for"):
        ReviewPanel(Opening(run, policy.changed(model_hash="0" * 64)), Desk(run))


def test_a_register_that_may_only_be_read_is_told_at_once_and_nothing_is_pretended(panel):
    panel.controls.note.value = "I think so"
    on_connect(panel.desk._register, "PRAGMA query_only = ON")
    panel.decide(URGENT)
    assert "the register may only be read" in said(panel.notice)
    assert "Not stored: the message above the worklist says why." in said(panel.controls.saved)
    assert stored(panel) == []
    assert panel.controls.note.value == "I think so"
    assert not panel.controls.dispositions[URGENT].description.endswith("(stored)")
    panel.step(1)
    assert panel.looking.case == in_order(panel)[1], "it can still be read"


def test_a_sign_in_on_a_register_that_may_only_be_read_is_told(workspace, opened):
    panel = opened()
    on_connect(panel.desk._register, "PRAGMA query_only = ON")
    panel.sign_in.person.value = options(panel.sign_in.person)[1]
    panel.sign_in.passphrase.value = PASSPHRASE
    panel.sign_in.enter.click()
    assert "the register may only be read" in said(panel.sign_in.notice)
    assert panel.desk.person is None


@pytest.mark.parametrize("content", [b"no database at all, but bytes of some length" * 40, b""])
def test_a_register_that_cannot_be_opened_is_told_and_cases_can_be_looked_at(workspace, opened, content):
    for name in ("register.sqlite-wal", "register.sqlite-shm", "audit.key"):
        (workspace / name).unlink(missing_ok=True)
    (workspace / "register.sqlite").write_bytes(content)
    (workspace / "audit.key").write_text("not a key")
    (workspace / "audit.key").chmod(0o600)
    panel = opened()
    assert "role='alert'" in panel.sign_in.notice.value
    assert "The register cannot be used now, so nothing can be stored" in said(panel.sign_in.words)
    assert "There is no register" not in said(panel.sign_in.words)
    assert panel.sign_in.passphrase.layout.display == "none"
    panel.step(1)
    assert "Model scores from 0 to 1" in said(panel.case.place["model"])


def test_a_register_that_fails_while_stepping_leaves_the_open_case_whole(panel, monkeypatch):
    """Never the next case's id under the picture and the reviews of this one."""
    case, shown = panel.looking.case, whole(panel)
    panel.controls.filters["truth"].value = "melanoma"
    panel.controls.filters["truth"].value = ""
    with monkeypatch.context() as broken:
        broken.setattr(panel.desk, "own", lambda _: 1 / 0)
        panel.step(1)
        assert "did not foresee" in said(panel.notice)
        assert panel.looking.case == panel.controls.picker.chosen == case
        assert whole(panel).replace(panel.notice.value, "") == shown
        panel.controls.filters["truth"].value = "melanoma"
        assert panel.controls.filters["truth"].value == "", "the filters show the last good state"
    panel.step(1)
    assert panel.looking.case != case
    assert panel.notice.value == ""


@pytest.mark.parametrize("broken", ["derm_kit.panels.review_case.decode", "derm_kit.panels.review_words.readings_html"])
def test_a_part_that_fails_shows_nothing_of_the_case_before(panel, machine, monkeypatch, caplog, broken):
    order = in_order(panel)
    for case in order[:2]:
        picture(machine, case)
    panel.step(1)
    panel.step(-1)
    with monkeypatch.context() as breaking:
        breaking.setattr(broken, lambda *_, **__: 1 / 0)
        panel.step(1)
    assert "did not foresee" in said(panel.case.notice)
    assert "ZeroDivisionError" in caplog.text
    assert "ZeroDivisionError" not in whole(panel)
    assert order[1] in said(panel.case.head)
    if broken.endswith("decode"):
        assert panel.case.picture.children == ()
    assert {place.value for place in panel.case.place.values()} == {""}
    panel.step(1)
    assert "Model scores from 0 to 1" in said(panel.case.place["model"])
    assert panel.case.notice.value == ""


def test_a_store_that_fails_unforeseen_is_told_beside_the_buttons(panel, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(panel.desk, "save", lambda *_, **__: 1 / 0)
        panel.decide(URGENT)
    assert "did not foresee" in said(panel.notice)
    assert "Not stored" in said(panel.controls.saved)
    panel.decide(URGENT)
    assert panel.notice.value == ""
    assert len(stored(panel)) == 1


def test_a_run_of_no_case_opens_an_empty_page(workspace, opened, run):
    nothing = ScoreRun(run.scores[:0], run.cases[:0], meta=run.meta)
    panel = opened("ada", nothing)
    assert panel.notice.value == ""
    assert "No case fits these filters." in panel.controls.listed.value
    assert panel.controls.one_case.layout.display == "none"
    for key in ("n", "p", "m", "z", "1"):
        press(panel, key)
    panel.controls.note.value = "of nothing"
    assert "did not foresee" not in whole(panel)
    panel.agreement.count.click()
    assert "no case" in said(panel.agreement.table)
