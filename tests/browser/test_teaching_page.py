"""Page 05 in a real browser: a facilitator at a projector, and three readers at the page of their own."""

from __future__ import annotations

import csv
import io
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.records import teaching, teaching_results
from derm_kit.records.register import Register
from derm_kit.records.teaching import TeachingSession
from derm_kit.records.teaching_steps import State
from derm_kit.triage.definition import Disposition
from derm_kit.triage.teaching_list import TeachingCase
from tests.readers import PASSPHRASE, READERS
from tests.serving import free_port

ADDRESS = "/voila/render/05_teaching_session.ipynb"
WAIT = 90_000
CASES, WRONG = 5, 2
TITLE = "Lesions at lunch <b>today</b>"
FOLLOWS, STAYS, STRAYS = ALIASES = ("Ann follows", "Bob stays", "=Cyn <i>strays</i>")


@pytest.fixture
def register(readers: Path) -> Iterator[Register]:
    """What the pages wrote, read on another connection."""
    with Register.open(readers) as opened:
        yield opened


def opened(page: Page) -> Page:
    page.goto(ADDRESS, timeout=WAIT)
    return sign_in(page)


def sign_in(page: Page) -> Page:
    who = page.get_by_label("I am")
    expect(who).to_be_visible(timeout=WAIT)
    who.select_option(label=", ".join(READERS["ada"]))
    page.get_by_label("Passphrase").fill(PASSPHRASE)
    page.get_by_label("Passphrase").press("Enter")
    expect(page.get_by_text(f"Signed in: {READERS['ada'][0]}")).to_be_visible(timeout=WAIT)
    return page


def make(page: Page, title: str, register: Register) -> TeachingSession:
    """A dry run made in the form of the page."""
    page.get_by_label("Title").fill(title)
    page.get_by_label("How many cases").fill(str(CASES))
    page.get_by_label("Of these, the model is wrong on").fill(str(WRONG))
    page.get_by_role("button", name="Make the session").click()
    expect(page.get_by_role("heading", name=title)).to_be_visible(timeout=WAIT)
    return next(one for one in teaching.sessions(register) if one.title == title)


@contextmanager
def served(code: str, workspace: Path) -> Iterator[str]:
    """The readers' page as its own command serves it, on loopback."""
    port = free_port()
    named = {name: value for name, value in os.environ.items() if name != "DERM_KIT_DATABASE_URL"}
    server = subprocess.Popen(
        [Path(sys.executable).with_name("derm-kit"), "serve", "--session", code, "--port", str(port)],
        stdout=subprocess.PIPE,
        text=True,
        env=named | {"DERM_KIT_WORKSPACE": str(workspace)},
    )
    try:
        assert server.stdout is not None
        said = server.stdout.readline()
        found = re.search(r"http://\S+", said)
        assert found, said
        yield found[0]
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)
        server.stdout.close()


class Phone:
    """A reader with a browser of their own; `errors` is what its console said, `hosts` what it spoke to."""

    def __init__(self, context: BrowserContext, address: str, alias: str) -> None:
        self.alias, self.errors, self.hosts = alias, [], set()
        self.page = context.new_page()
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))
        self.page.on("request", lambda r: self.hosts.add(r.url.split("/")[2]))
        self.page.goto(address, timeout=WAIT)
        self.page.locator("#alias").fill(alias)
        self.page.locator("#agreed").check()
        self.page.get_by_role("button", name="Join").click()
        expect(self.page.locator("#waiting")).to_be_visible(timeout=WAIT)

    def read(self, cases: tuple[TeachingCase, ...], say: Callable[[TeachingCase], LesionType], most: int = 99) -> None:
        """Answer what is open, at most so many cases."""
        expect(self.page.locator("#case")).to_be_visible(timeout=WAIT)
        for _ in range(most):
            if not self.page.locator("#case").is_visible():
                return
            source = self.page.locator("#picture img").get_attribute("src") or ""
            case = cases[int(source.rsplit("/", 1)[1].split("?")[0]) - 1]
            self.page.locator(f"#diagnosis button[value='{say(case).value}']").click()
            self.page.locator(f"#disposition button[value='{Disposition.URGENT_SUSPECTED_CANCER.value}']").click()
            self.page.locator("#send").click()
            self.page.wait_for_function(
                "was => document.querySelector('#case').hidden || "
                "!document.querySelector('#picture img').src.endsWith(was)",
                arg=source,
                timeout=WAIT,
            )


def neither(case: TeachingCase) -> LesionType:
    """What is neither the truth nor the model's view."""
    return next(t for t in LESION_TYPES if t not in (case.truth, case.model_diagnosis))


def before(alias: str, case: TeachingCase) -> LesionType:
    return neither(case) if alias == STRAYS else case.truth


def after(alias: str, case: TeachingCase) -> LesionType:
    if alias == FOLLOWS:
        return case.model_diagnosis
    if alias == STAYS:
        return case.truth
    return neither(case) if case.model_wrong else case.model_diagnosis


def serious(page: Page) -> list[str]:
    """What axe-core finds of serious or critical impact, in either scheme."""
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found += [
            f"{scheme}: {v['id']}: {v['nodes'][0]['html'][:200]}"
            for v in Axe().run(page).response["violations"]
            if v["impact"] in ("serious", "critical")
        ]
    return found


def test_a_whole_session_from_its_making_to_the_debrief(
    page: Page, browser: Browser, readers: Path, register: Register
):
    opened(page)
    session = make(page, TITLE, register)
    cases = session.cases.cases
    assert (len(cases), sum(case.model_wrong for case in cases)) == (CASES, WRONG)
    expect(page.locator(".dk-room-code")).to_have_text(session.code)
    expect(page.get_by_text(f"derm-kit serve --session {session.code}")).to_be_visible()
    with ExitStack() as closing:
        joining = closing.enter_context(served(session.code, readers))
        page.get_by_label("Address of the readers’ page").fill(joining)
        page.get_by_role("button", name="Show this address in the room").click()
        expect(page.locator(".dk-room-where")).to_contain_text(joining.split("/?")[0])
        assert decoded(page.locator(".dk-room-qr svg").screenshot()) == joining
        expect(page).to_have_url(re.compile(rf"#session={session.id}&readers=http"))

        phones = []
        for alias in ALIASES:
            context = browser.new_context(viewport={"width": 390, "height": 800})
            closing.callback(context.close)
            phones.append(Phone(context, joining, alias))
        seen = page.locator(".dk-room-readers li")
        expect(seen).to_have_text([f"{alias}0 of {2 * CASES}" for alias in ALIASES], timeout=WAIT)

        page.get_by_role("button", name="Open the first reading").click()
        expect(page.get_by_text("The first reading is open")).to_be_visible()
        phones[0].read(cases, lambda case: before(FOLLOWS, case), most=2)
        expect(seen.first).to_have_text(f"{FOLLOWS}2 of {2 * CASES}", timeout=WAIT)

        page.reload(timeout=WAIT)  # the facilitator's page was lost midway
        sign_in(page)
        expect(page.locator(".dk-room-code")).to_have_text(session.code, timeout=WAIT)
        expect(page.locator(".dk-room-where")).to_contain_text(joining.split("/?")[0])
        expect(seen.first).to_have_text(f"{FOLLOWS}2 of {2 * CASES}", timeout=WAIT)

        for phone in phones:
            phone.read(cases, lambda case, alias=phone.alias: before(alias, case))
        expect(page.get_by_text("3 readers have joined; 3 through")).to_be_visible(timeout=WAIT)
        page.get_by_role("button", name="Open the second reading").click()
        for phone in phones:
            phone.read(cases, lambda case, alias=phone.alias: after(alias, case))
        expect(seen.last).to_have_text(f"{STRAYS}{2 * CASES} of {2 * CASES}", timeout=WAIT)

        expect(page.get_by_role("heading", name="Before and after")).to_be_hidden()
        page.get_by_role("button", name="Reveal the truth").click()
        assert teaching.find(register, session.id).state is State.AFTER, "it is asked for a second time"
        page.get_by_role("button", name="Yes, reveal it").click()
        expect(page.get_by_role("heading", name="Before and after")).to_be_visible(timeout=WAIT)
        assert_figures(page)
        assert_a_case(page, cases)
        for phone in phones:
            expect(phone.page.locator("#debrief")).to_be_visible(timeout=WAIT)
            expect(phone.page.locator("#debrief section")).to_have_count(CASES)
        assert serious(page) == []

        page.get_by_role("button", name="Show each reader by name").click()
        expect(page.get_by_text("Nobody is named")).to_be_visible()
        for name in ALIASES:
            expect(page.get_by_text(name)).to_have_count(1)  # in the progress above, and in no result
        answers = kept_answers(page)
        assert len(answers) == 3 * 2 * CASES
        assert_as_given(answers, register, session)

        page.get_by_role("button", name="End the session").click()
        page.get_by_role("button", name="Yes, end it").click()
        expect(page.get_by_text("The session has ended.")).to_be_visible()
        page.get_by_role("button", name="Erase the names of the readers").click()
        page.get_by_role("button", name="Yes, erase them").click()
        expect(page.get_by_text("3 names are erased.")).to_be_visible()
        expect(page.get_by_text(STAYS)).to_have_count(0)
        assert [phone.errors for phone in phones] == [[], [], []]
        assert {host for phone in phones for host in phone.hosts} == {joining.split("/")[2]}
    assert register.verify().sound


def decoded(png: bytes) -> str:
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    return cv2.QRCodeDetector().detectAndDecode(picture)[0]


def assert_figures(page: Page) -> None:
    """Counted by hand from what each reader does: one follows the model, one stays, one is wrong until it is right."""
    right = CASES - WRONG
    said = page.locator(".dk-said li")
    expect(said.nth(0)).to_contain_text(f"When the model was wrong, {WRONG} of {3 * WRONG} diagnoses")
    expect(said.nth(1)).to_contain_text(f"When the model was right, {right} of {right} diagnoses")
    expect(said.nth(2)).to_contain_text(f"AI-induced errors: {WRONG} of {2 * CASES} diagnoses")
    expect(said.nth(2)).to_contain_text(f"Of these, {WRONG} took the model’s view")
    expect(said.nth(3)).to_contain_text(f"Corrections: {right} of {CASES} diagnoses")
    row = page.get_by_role("row", name=re.compile("Accuracy"))
    expect(row).to_contain_text(f"{2 * CASES} of {3 * CASES}: 67%")
    expect(row).to_contain_text(f"{right + CASES + right} of {3 * CASES}: 73%")


def assert_a_case(page: Page, cases: tuple[TeachingCase, ...]) -> None:
    """The first case that the model is wrong on: one reader went along with it."""
    number, case = next((n, case) for n, case in enumerate(cases, 1) if case.model_wrong)
    page.get_by_label("Case", exact=True).select_option(index=number - 1)
    shown = page.locator(".dk-debrief")
    expect(shown.locator(".dk-verdict")).to_have_text(case.truth.label)
    expect(shown).to_contain_text("The model was wrong")
    for alt in (f"Dermoscopic picture of case {number}", "Heat map of the model over the picture"):
        expect(shown.get_by_alt_text(alt)).to_have_js_property("complete", True)
    votes = shown.locator(".dk-votes").first
    expect(votes.locator("tr", has_text="(truth)").locator("td")).to_have_text(["2", "1"])
    expect(votes.locator("tr", has_text="(model)").locator("td")).to_have_text(["0", "1"])


def kept_answers(page: Page) -> list[dict[str, str]]:
    page.get_by_role("button", name="Make files").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Keep all tables").click()
    with zipfile.ZipFile(download.value.path()) as packed:
        assert {"answers.csv", "cases.csv", "details.csv", "readers.csv"} <= set(packed.namelist())
        every = "".join(packed.read(name).decode() for name in packed.namelist())
        assert not any(alias in every for alias in ALIASES)
        return list(csv.DictReader(io.StringIO(packed.read("answers.csv").decode())))


def assert_as_given(answers: list[dict[str, str]], register: Register, session: TeachingSession) -> None:
    """Each row of the file is what that reader pressed."""
    alias = {one.reader: one.alias for one in teaching_results.progress(register, session.id)}
    cases = {case.case_id: case for case in session.cases.cases}
    say = {"before": before, "after": after}
    for row in answers:
        assert row["diagnosis"] == say[row["phase"]](alias[row["reader"]], cases[row["case_id"]]).value
        assert row["disposition"] == Disposition.URGENT_SUSPECTED_CANCER.value


def test_a_refusal_keeps_what_was_typed_and_a_session_is_found_again_in_the_list(page: Page, register: Register):
    opened(page)
    page.get_by_label("Title").fill("The second one")
    page.get_by_label("How many cases").fill("many")
    page.get_by_role("button", name="Make the session").click()
    expect(page.get_by_role("alert")).to_contain_text("the number of cases is a whole number", timeout=WAIT)
    expect(page.get_by_label("Title")).to_have_value("The second one")
    session = make(page, "The second one", register)
    page.get_by_role("button", name="Back to all my sessions").click()
    mine = page.get_by_label("My sessions")
    mine.select_option(label=mine.locator("option", has_text=session.code).text_content())
    page.get_by_role("button", name="Go on with it").click()
    expect(page.locator(".dk-room-code")).to_have_text(session.code, timeout=WAIT)


def test_nothing_is_cut_off_on_a_narrow_screen(page: Page, register: Register):
    page.set_viewport_size({"width": 390, "height": 800})
    opened(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    make(page, "Narrow " + "x" * 60, register)
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
