"""Page 05 without a kernel: its widgets are set and read. The register is real, and readers answer in it."""

from __future__ import annotations

import base64
import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from derm_kit import ScoreRun, TriagePolicy
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.panels.teaching import TeachingPanel, teaching_page
from derm_kit.panels.teaching_address import ReadersAddress
from derm_kit.panels.teaching_desk import LEADING, TeachingDesk
from derm_kit.panels.teaching_make import AT_HAND, EVERY
from derm_kit.panels.teaching_words import CONSENT
from derm_kit.records import teaching, teaching_answers, teaching_joining, teaching_reading
from derm_kit.records.people import Role
from derm_kit.records.register import Register
from derm_kit.records.teaching import TeachingSession
from derm_kit.records.teaching_answers import Given
from derm_kit.records.teaching_steps import STEPS, Action, Mode, Phase, State
from derm_kit.triage.definition import Disposition
from derm_kit.triage.teaching_list import TeachingCase
from tests.isic_archive import Archive, standing_in
from tests.readers import PASSPHRASE, copied

HOSTILE = "<script>alert(1)</script>"
CASES, WRONG = 5, 2
Say = Callable[[TeachingCase, Phase], LesionType]


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of this test's own, without pictures of real cases."""
    for variable in ("DERM_KIT_DATABASE_URL", "DERM_KIT_RUN", "DERM_KIT_POLICY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("DERM_KIT_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv("DERM_KIT_DATA", str(tmp_path / "pictures"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "pictures").mkdir()
    return tmp_path


@pytest.fixture
def register(staffed: tuple[Path, dict[str, str]], machine: Path) -> Iterator[Register]:
    with Register.open(copied(staffed[0], machine / "workspace")) as opened:
        yield opened


Open = Callable[..., TeachingPanel]


@pytest.fixture
def opened(register: Register, reference: ScoreRun, policy: TriagePolicy, staffed: tuple[Path, dict[str, str]]) -> Open:
    """Pages on one register; `who` leads without the slow passphrase."""

    def page(who: str = "ada") -> TeachingPanel:
        panel = TeachingPanel(reference, policy, None, TeachingDesk(register))
        if who:
            panel.desk.person = register.person(staffed[1].get(who, who))
            panel._arrive()
        return panel

    return page


@pytest.fixture
def panel(opened: Open) -> TeachingPanel:
    return opened()


def made(panel: TeachingPanel, mode: Mode = Mode.BLIND_FIRST, title: str = "Tuesday lunch") -> TeachingSession:
    form = panel.make
    form.title.value, form.mode.value = title, mode
    form.n.value, form.wrong.value, form.seed.value = str(CASES), str(WRONG), "7"
    form.make()
    assert form.notice.value == ""
    session = panel.room.session
    assert session is not None
    return session


class Reader:
    """One who joined, and answers all that is open."""

    def __init__(self, register: Register, session: TeachingSession, alias: str) -> None:
        self._register, self._session = register, session
        self.token = teaching_joining.join(register, session.code, alias, consent_version=session.consent_version).token

    def read(self, say: Say) -> None:
        shown = teaching_reading.show(self._register, self.token)
        while shown:
            case = self._session.cases.cases[shown.number - 1]
            given = Given(
                shown.number, shown.phase, say(case, shown.phase), Disposition.URGENT_SUSPECTED_CANCER, 80,
                f"{shown.number} {shown.phase}",
            )  # fmt: skip
            shown = teaching_answers.answer(self._register, self.token, given).then


def neither(case: TeachingCase) -> LesionType:
    return next(t for t in LESION_TYPES if t not in (case.truth, case.model_diagnosis))


def follows(case: TeachingCase, phase: Phase) -> LesionType:
    return case.truth if phase is Phase.BEFORE else case.model_diagnosis


def stays(case: TeachingCase, _: Phase) -> LesionType:
    return case.truth


def strays(case: TeachingCase, phase: Phase) -> LesionType:
    """Wrong at first; with the model where it is right, and wrong in its own way where it is not."""
    return neither(case) if phase is Phase.BEFORE or case.model_wrong else case.truth


PLANS = {"Ann": follows, "Bob": stays, "=Cyn": strays}


def played(panel: TeachingPanel, register: Register, session: TeachingSession) -> list[Reader]:
    """Three readers answer all that the mode asks, and the truth is revealed."""
    readers = {alias: Reader(register, session, alias) for alias in PLANS}
    for action in (Action.OPEN_FIRST, Action.OPEN_SECOND):
        if session.mode in STEPS[action].modes:
            panel.room.take(action)
            for alias, reader in readers.items():
                reader.read(PLANS[alias])
    panel.room.take(Action.REVEAL)
    panel.room.confirm()
    return list(readers.values())


def on_offer(panel: TeachingPanel) -> set[Action]:
    return {action for action in LEADING if panel.room.steps[action].layout.display != "none"}


def seen(widget: object) -> Iterator[str]:
    """Every text of HTML that a page shows."""
    for child in getattr(widget, "children", ()):
        yield from seen(child)
    if type(widget).__name__ == "HTML":
        yield widget.value


def text(html: str) -> str:
    return re.sub("<[^>]+>", "", html)


def test_the_page_of_the_notebook_is_built_from_what_ships_and_asks_for_a_register():
    page = "".join(seen(teaching_page()))
    assert "There is no register on this machine yet, so nothing can be stored. An administrator" in page
    assert "they try out the room" in page


def test_nobody_makes_or_leads_a_session_before_signing_in(opened: Open, register: Register):
    panel = opened("")
    panel.make.title.value = "Mine"
    panel.make.make()
    assert "led by somebody who is signed in" in panel.make.notice.value
    panel.open("0" * 32)
    assert "led by somebody who is signed in" in panel.notice.value
    assert not panel.pulse.on
    assert teaching.sessions(register) == []


def test_signing_in_with_the_passphrase_lists_what_there_is(opened: Open, staffed: tuple[Path, dict[str, str]]):
    made(opened())
    panel = opened("")
    panel.sign_in.person.value, panel.sign_in.passphrase.value = staffed[1]["ada"], PASSPHRASE
    panel.sign_in.sign_in()
    ((words, _),) = panel.mine.options
    assert "Tuesday lunch" in words
    panel.go_on.click()
    assert panel.room.session is not None
    assert panel.pulse.on


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("title", " ", "a title of 1 to 120 characters"),
        ("title", "x" * 121, "a title of 1 to 120 characters"),
        ("n", "five", "the number of cases is a whole number"),
        ("n", "", "the number of cases is a whole number"),
        ("n", "0", "a list has 1 to 200 cases"),
        ("n", "60", "there are 37 cases that the model is right on; none is made up"),
        ("wrong", "6", "the model is wrong on 0 to 5 of 5 cases"),
        ("wrong", "2.5", "the number of errors is a whole number"),
        ("seed", "-1", "a seed is a whole number from 0"),
        ("seconds", "4", "the time for a case is 5 to 3,600 seconds"),
        ("seconds", "soon", "the seconds for a case is a whole number"),
        ("consent", "x" * 10_001, "a consent text has at most 10,000 characters"),
    ],
)
def test_a_refusal_names_the_rule_and_what_was_typed_stays(
    panel: TeachingPanel, register: Register, field: str, value: str, rule: str
):
    form = panel.make
    form.title.value, form.n.value, form.wrong.value, form.seed.value = "Mine", str(CASES), str(WRONG), "7"
    getattr(form, field).value = value
    before = {name: getattr(form, name).value for name in ("title", "n", "wrong", "seed", "seconds", "consent")}
    form.make()
    assert rule in form.notice.value
    assert {name: getattr(form, name).value for name in before} == before
    assert teaching.sessions(register) == []


def test_what_was_entered_is_what_is_stored(panel: TeachingPanel, register: Register):
    panel.make.seconds.value = "90"
    session = made(panel, Mode.CROSSOVER)
    assert teaching.find(register, session.id) == session
    assert (session.mode, session.seed, session.seconds_a_case, session.consent) == (Mode.CROSSOVER, 7, 90, CONSENT)
    assert session.cases.phantoms
    assert len(session.cases.cases) == CASES
    assert sum(case.model_wrong for case in session.cases.cases) == WRONG
    assert panel.make.seed.value != "7", "the next session has another list"


def test_a_list_of_real_cases_offers_the_button_that_fetches_what_is_missing(
    panel: TeachingPanel, register: Register, machine: Path
):
    form = panel.make
    form.title.value, form.which.value, form.seed.value = "Real ones", EVERY, "11"
    form.make()
    assert "pictures of its list are not on this machine" in form.notice.value
    missing = form._missing
    assert len(missing) == int(form.n.value)
    with standing_in(dict.fromkeys(missing, "CC-0")) as archive:
        form.fetch._archive = archive
        form.fetch.look()
        form.fetch.wait()
        assert Archive.fetched == []
        form.fetch.fetch()
        form.fetch.wait()
    assert "Every picture of the list is here" in form.notice.value
    assert form.title.value == "Real ones"
    form.make()
    session = panel.room.session
    assert session is not None
    assert {case.case_id for case in session.cases.cases} == set(missing), "the same seed draws the same list"
    assert sum(case.model_wrong for case in session.cases.cases) == int(form.wrong.value)
    assert not session.cases.phantoms
    assert "real lesions" in panel.room.head.value


def test_without_a_picture_at_hand_a_list_of_those_at_hand_is_refused(panel: TeachingPanel, register: Register):
    panel.make.title.value, panel.make.which.value = "Real ones", AT_HAND
    panel.make.make()
    assert "there are 0 cases that the model is wrong on; none is made up" in panel.make.notice.value
    assert "Only cases whose pictures are on this machine were counted" in panel.make.notice.value
    assert teaching.sessions(register) == []


@pytest.mark.parametrize("mode", Mode)
def test_only_steps_of_the_one_table_are_offered(panel: TeachingPanel, register: Register, mode: Mode):
    session = made(panel, mode)
    walk = [a for a in LEADING if mode in STEPS[a].modes]
    for action in [None, *walk]:
        if action is not None:
            panel.room.take(action)
            panel.room.confirm()
        state = teaching.find(register, session.id).state
        assert on_offer(panel) == {a for a in walk if state in STEPS[a].before}
        assert panel.room.notice.value == ""
    assert teaching.find(register, session.id).state is State.ENDED


@pytest.mark.parametrize("action", [Action.REVEAL, Action.END])
def test_what_cannot_be_undone_is_asked_for_twice(panel: TeachingPanel, register: Register, action: Action):
    session = made(panel)
    room = panel.room
    room.take(action)
    assert teaching.find(register, session.id).state is State.LOBBY
    assert all(button.disabled for button in room.steps.values()), "a double press is no second yes"
    room.no.click()
    room.confirm()
    assert teaching.find(register, session.id).state is State.LOBBY
    room.take(action)
    room.yes.click()
    assert teaching.find(register, session.id).state is STEPS[action].after


def test_a_question_that_another_page_has_answered_is_asked_no_more(opened: Open, register: Register):
    one, other = opened(), opened()
    session = made(one)
    other.open(session.id)
    one.room.take(Action.REVEAL)
    other.room.take(Action.END)
    other.room.confirm()
    one.pulse.beat()
    assert "ended before its results" in one.room.stands.value
    assert on_offer(one) == set()
    one.room.confirm()
    assert teaching.find(register, session.id).revealed_at is None


def test_a_step_that_somebody_else_took_meanwhile_is_told_in_words(opened: Open, register: Register):
    one, other = opened(), opened()
    session = made(one)
    other.open(session.id)
    one.room.take(Action.OPEN_FIRST)
    other.room.take(Action.OPEN_FIRST)
    assert "somebody took another step meanwhile" in other.room.notice.value
    assert "The first reading is open" in other.room.stands.value


def test_the_pulse_brings_who_joined_and_how_far_they_are(panel: TeachingPanel, register: Register):
    session = made(panel)
    assert "Nobody has joined yet" in panel.room.progress.value
    ann, bob = Reader(register, session, "Ann"), Reader(register, session, "Bob")
    panel.pulse.beat()
    assert text(panel.room.progress.value).startswith("2 readers have joined.Ann0 of 10Bob0 of 10")
    panel.room.take(Action.OPEN_FIRST)
    ann.read(stays)
    panel.pulse.beat()
    assert "2 readers have joined; 1 through with what is open.Ann5 of 10Bob0 of 10" in text(panel.room.progress.value)
    panel.room.take(Action.OPEN_SECOND)
    ann.read(stays)
    bob.read(stays)
    panel.pulse.beat()
    assert "Ann10 of 10" in text(panel.room.progress.value)
    asked = panel.pulse.answered
    panel.close()
    assert not panel.pulse.on
    panel.pulse.beat()
    assert panel.pulse.answered == asked + 1, "one that was under way is answered, so that the next is asked for"


def test_a_register_that_does_not_answer_is_asked_again(panel: TeachingPanel, register: Register, machine: Path):
    session = made(panel)
    register.close()
    hidden = machine / "elsewhere"
    (machine / "workspace").rename(hidden)
    panel.pulse.beat()
    assert "it is asked again" in panel.trouble.value
    assert session.code in text(panel.room.join.value)
    hidden.rename(machine / "workspace")
    panel.pulse.beat()
    assert panel.trouble.value == ""


def test_a_page_that_was_lost_goes_on_with_its_session(opened: Open, register: Register):
    first = opened()
    session = made(first)
    first.room.where.value = "192.168.1.20:9443"
    first.room.take_address()
    first.room.take(Action.OPEN_FIRST)
    again = opened("")
    again.address.opened_with = first.address.state
    assert "Sign in to go on" in again.notice.value
    assert session.title not in "".join(seen(again.view))
    again.desk.person = first.desk.person
    again._arrive()
    assert again.room.session is not None
    assert again.room.session.id == session.id
    assert "The first reading is open" in again.room.stands.value
    assert "https://192.168.1.20:9443" in again.room.join.value
    assert again.address.state == first.address.state


def test_sessions_of_others_are_neither_listed_nor_opened_but_by_an_administrator(opened: Open, register: Register):
    session = made(opened("ada"), title="Of Ada")
    ben = opened("ben")
    assert ben.mine.options == ()
    ben.open(session.id)
    assert "opened by whoever made it" in ben.notice.value
    assert ben.room.session is None
    boss = opened(register.add_person("Boss", Role.ADMINISTRATOR, PASSPHRASE).id)
    boss.open(session.id)
    assert on_offer(boss) == {Action.END}, "the table leaves an administrator the end alone"


def test_an_unknown_session_in_the_address_is_told(panel: TeachingPanel):
    panel.address.opened_with = "session=nothing&readers=javascript:alert(1)"
    assert "no such teaching session" in panel.notice.value
    assert panel.room.readers_at is None


@pytest.mark.parametrize(
    ("typed", "text", "command"),
    [
        ("https://192.168.1.20:8443", "https://192.168.1.20:8443", " --host 192.168.1.20"),
        ("https://192.168.1.20:8443/?code=ABC234", "https://192.168.1.20:8443", " --host 192.168.1.20"),
        (" 192.168.1.20:9000 ", "https://192.168.1.20:9000", " --host 192.168.1.20 --port 9000"),
        ("http://127.0.0.1:8443/?code=abc234", "http://127.0.0.1:8443", ""),
        ("https://[fd00::5]:8443", "https://[fd00::5]:8443", " --host fd00::5"),
    ],
)
def test_the_readers_address_as_it_is_printed_or_typed(typed: str, text: str, command: str):
    address = ReadersAddress.from_text(typed, "ABC234")
    assert address.text == text
    assert address.joining("ABC234") == f"{text}/?code=ABC234"
    assert address.command("ABC234") == f"derm-kit serve --session ABC234{command}"


@pytest.mark.parametrize(
    "typed",
    ["", "  ", "ftp://host", "https://", "https://user:pw@host", "https://a b", "https://h:99999",
     "javascript:alert(1)", "https://h/?code=XYZ999", "https://" + "h" * 300, "https://<b>"],
)  # fmt: skip
def test_an_address_that_is_none_or_of_another_session_is_refused_and_stays(panel: TeachingPanel, typed: str):
    made(panel)
    panel.room.where.value = typed
    panel.room.take_address()
    assert "address" in panel.room.notice.value
    assert panel.room.readers_at is None
    assert panel.room.where.value == typed


def test_results_come_with_the_reveal_and_are_those_counted_by_hand(panel: TeachingPanel, register: Register):
    session = made(panel)
    right = CASES - WRONG
    assert panel.results.view.layout.display == "none"
    played(panel, register, session)
    assert panel.results.notice.value == ""
    assert panel.results.view.layout.display == ""
    said = text(panel.results.shown["headlines"].value)
    assert f"When the model was wrong, {WRONG} of {3 * WRONG} diagnoses" in said
    assert f"When the model was right, {right} of {right} diagnoses" in said
    assert (
        f"AI-induced errors: {WRONG} of {2 * CASES} diagnoses that had been right became wrong. Of these, {WRONG} took"
        in said
    )
    assert f"Corrections: {right} of {CASES} diagnoses that had been wrong became right. Of these, {right} took" in said
    rates = text(panel.results.shown["rates"].value)
    assert f"of eleven{2 * CASES} of {3 * CASES}: 67%" in rates
    assert f"{2 * right + CASES} of {3 * CASES}: 73%" in rates
    sure = text(panel.results.shown["confidence"].value)
    assert (
        "Without the model: 80% sure on average, and right in 67% of 15 answers: overconfident by 13.3 points" in sure
    )
    every = "".join(place.value for place in panel.results.shown.values())
    assert "nan" not in re.sub(r"base64,[^']+", "", every).lower().replace("management", "")


def test_each_case_shows_its_truth_and_how_many_said_what(panel: TeachingPanel, register: Register):
    session = made(panel)
    played(panel, register, session)
    part = panel.results.cases
    for number, case in enumerate(session.cases.cases, 1):
        part.which.value = number
        shown = part.shown.value
        assert f"<p class='dk-verdict'>{case.truth.label}</p>" in shown
        assert ("The model was wrong" in shown) == case.model_wrong
        assert "<img alt='Dermoscopic picture" in shown
        assert "<img alt='Heat map of the model" in shown
        assert f"the score of {case.model_diagnosis.label.lower()}. It shows what moved the score" in shown
        no_error = not case.model_wrong and not case.truth.flagged
        assert ("The model made no error here: it asked for a second read" in shown) == no_error
        rows = dict(re.findall(r"<th scope='row'>([^<]+).*?</th>((?:<td>.*?</td>)+)</tr>", shown.split("</table>")[0]))
        votes = {name.strip(): [int(n) for n in re.findall(r"<b>(\d+)</b>", cells)] for name, cells in rows.items()}
        counted = {name: [0, 0] for name in (case.truth.label, case.model_diagnosis.label)}
        for plan in PLANS.values():
            for at, phase in enumerate(Phase):
                counted.setdefault(plan(case, phase).label, [0, 0])[at] += 1
        assert votes == counted
    part.step(1)
    assert part.which.value == CASES, "the last stays the last"
    part.step(-1)
    assert part.which.value == CASES - 1


def test_a_dry_run_goes_by_the_policy_in_force(
    register: Register, reference: ScoreRun, policy: TriagePolicy, staffed: tuple[Path, dict[str, str]]
):
    named = policy.changed(name="of this surgery")
    panel = TeachingPanel(reference, policy, named, TeachingDesk(register))
    panel.desk.person = register.person(staffed[1]["ada"])
    panel._arrive()
    assert made(panel).cases.policy.startswith("of this surgery, version")


@pytest.mark.parametrize(
    ("mode", "words"),
    [(Mode.AI_AT_ONCE, "nothing here shows what anybody thought before"), (Mode.CROSSOVER, "not a change of mind")],
)
def test_a_mode_claims_no_more_than_it_can_show(panel: TeachingPanel, register: Register, mode: Mode, words: str):
    played(panel, register, made(panel, mode))
    assert panel.results.notice.value == ""
    assert words in panel.results.shown["headlines"].value
    if mode is Mode.AI_AT_ONCE:
        said = text(panel.results.shown["rates"].value)
        assert "of eleven–" in said
        assert "without the model</th>" not in panel.results.cases.shown.value


def test_a_session_that_nobody_answered_has_its_cases_and_no_figures(panel: TeachingPanel, register: Register):
    made(panel)
    panel.room.take(Action.REVEAL)
    panel.room.confirm()
    assert "Nobody answered a case" in panel.results.shown["headlines"].value
    assert "<p class='dk-verdict'>" in panel.results.cases.shown.value
    panel.results.write()
    assert panel.results.notice.value == ""


def test_nobody_is_named_unless_everybody_agreed(panel: TeachingPanel, register: Register):
    readers = played(panel, register, made(panel))
    for reader in readers[:2]:
        teaching_reading.agree_to_names(register, reader.token, agreed=True)
    panel.names.name_readers()
    assert "Nobody is named" in panel.names.shown.value
    results = "".join(seen(panel.results.view)) + panel.names.shown.value
    assert not any(alias in results for alias in PLANS)
    teaching_reading.agree_to_names(register, readers[2].token, agreed=True)
    panel.names.name_readers()
    named = text(panel.names.shown.value)
    assert all(alias in named for alias in PLANS)
    assert f"Bobwithout the model{CASES} of {CASES}" in named


def archive_of(panel: TeachingPanel) -> dict[str, str]:
    panel.results.write()
    coded = re.search(r"application/zip;base64,([^']+)", panel.results.files.value)
    assert coded
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(coded[1]))) as packed:
        return {name: packed.read(name).decode() for name in packed.namelist()}


def test_files_hold_every_answer_as_given_and_no_name(panel: TeachingPanel, register: Register):
    session = made(panel, title="=1+1")
    played(panel, register, session)
    files = archive_of(panel)
    tables = {name: list(csv.DictReader(io.StringIO(files[f"{name}.csv"]))) for name in ("answers", "cases", "readers")}
    assert len(tables["answers"]) == 2 * 3 * CASES
    assert [row["case_id"] for row in tables["cases"]] == [case.case_id for case in session.cases.cases]
    cases = {case.case_id: case for case in session.cases.cases}
    by_reader = {row["reader"]: [] for row in tables["readers"]}
    for row in tables["answers"]:
        by_reader[row["reader"]].append((row["case_id"], row["phase"], row["diagnosis"]))
    planned = [
        sorted((name, phase.value, plan(case, phase).value) for name, case in cases.items() for phase in Phase)
        for plan in PLANS.values()
    ]
    assert [sorted(rows) for rows in by_reader.values()] == planned
    assert files["consent.txt"] == session.consent
    assert "dry run" in files["README.txt"]
    assert not any(alias in content for alias in PLANS for content in files.values())
    page = re.search(r"text/html;base64,([^']+)", panel.results.files.value)
    assert page
    whole = base64.b64decode(page[1]).decode()
    assert "When the model was wrong" in whole
    assert "Not a medical device" in whole
    assert not any(alias in whole for alias in PLANS)


def test_hostile_words_are_shown_as_words(panel: TeachingPanel, register: Register):
    session = made(panel, title=HOSTILE)
    reader = Reader(register, session, "<img src=x>")
    panel.room.take(Action.OPEN_FIRST)
    reader.read(stays)
    panel.pulse.beat()
    panel.room.take(Action.REVEAL)
    panel.room.confirm()
    teaching_reading.agree_to_names(register, reader.token, agreed=True)
    panel.names.name_readers()
    panel.results.write()
    page = "".join(seen(panel.view))
    kept = re.search(r"text/html;base64,([^']+)", panel.results.files.value)
    assert kept
    for shown in (page, base64.b64decode(kept[1]).decode()):
        assert "<script" not in shown
        assert "<img src=x" not in shown
    assert "&lt;script&gt;" in page
    assert "&lt;img src=x&gt;" in panel.names.shown.value


def test_nothing_of_a_session_is_left_on_the_page_for_the_next_who_sits_down(panel: TeachingPanel, register: Register):
    session = made(panel, title="Of Ada")
    played(panel, register, session)
    panel.sign_in.sign_out()
    page = "".join(seen(panel.view))
    assert not any(word in page for word in ("Of Ada", session.code, *PLANS))
    assert not any(case.case_id in page for case in session.cases.cases)


def test_names_are_erased_after_the_end_and_not_before(panel: TeachingPanel, register: Register):
    played(panel, register, made(panel))
    names = panel.names
    assert names.erase.layout.display == "none"
    panel.room.take(Action.END)
    panel.room.confirm()
    assert names.erase.layout.display == ""
    names.erase.click()
    assert names.sure.layout.display == ""
    panel.pulse.beat()
    assert "Ann" in panel.room.progress.value
    names.sure.click()
    panel.pulse.beat()
    assert "3 names are erased" in names.notice.value
    assert "Ann" not in "".join(seen(panel.view))
    assert "3 readers have joined" in panel.room.progress.value
    assert register.verify().sound


def test_a_session_that_was_broken_off_shows_no_truth_and_can_still_lose_its_names(
    panel: TeachingPanel, register: Register
):
    session = made(panel)
    Reader(register, session, "Ann")
    panel.room.take(Action.END)
    assert "without its results" in panel.room.question.value
    panel.room.confirm()
    assert panel.results.view.layout.display == "none"
    page = "".join(seen(panel.view))
    assert not any(case.case_id in page for case in session.cases.cases)
    panel.names.erase.click()
    panel.names.sure.click()
    assert "1 name is erased" in panel.names.notice.value


def test_before_the_reveal_nothing_on_the_page_gives_a_case_away(panel: TeachingPanel, register: Register):
    session = made(panel)
    reader = Reader(register, session, "Ann")
    for action in (Action.OPEN_FIRST, Action.OPEN_SECOND):
        panel.room.take(action)
        reader.read(stays)
        panel.pulse.beat()
        page = "".join(seen(panel.room.view)) + "".join(seen(panel.results.view))
        assert not any(case.case_id in page or case.truth.label in page for case in session.cases.cases)
