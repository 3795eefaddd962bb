"""The page of a reader on a phone: lost networks, busy servers, reloads; by keyboard, in the dark, read aloud."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from derm_kit.records import teaching, teaching_results
from derm_kit.records.register import Register
from derm_kit.records.teaching_steps import Action, Mode
from derm_kit.triage.teaching_list import phantom_list
from tests.phones import Lesson, Phone, Reply, in_thread, room_of
from tests.readers import copied

WIDTH = 360
ALIAS = "דנה <b>Bee</b>"
WAIT = 15_000


@pytest.fixture
def lesson(staffed: tuple[Path, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lesson]:
    monkeypatch.delenv("DERM_KIT_DATABASE_URL", raising=False)
    with Register.open(copied(staffed[0], tmp_path / "workspace")) as register:
        by, cases = staffed[1]["ada"], phantom_list(3, 1, 1)
        session = teaching.make(
            register, by, "Skin lesions", cases, Mode.BLIND_FIRST, 3, consent="Kept here.", seconds_a_case=5
        )
        room = room_of(register, session)
        room.pictures.draw_maps().join()
        with in_thread(room) as base:
            yield Lesson(base, room, by)


@pytest.fixture
def phone(browser: Browser, lesson: Lesson) -> Iterator[Page]:
    """A phone 360 px wide in the dark. Refused and lost requests are told by the browser; nothing else may be."""
    context = browser.new_context(
        viewport={"width": WIDTH, "height": 740}, is_mobile=True, has_touch=True, color_scheme="dark",
        base_url=lesson.base,
    )  # fmt: skip
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda m: errors.append(m.text) if "Failed to load resource" not in m.text else None)
    page.on("pageerror", lambda e: errors.append(str(e)))
    yield page
    context.close()
    assert errors == []


def join(page: Page, lesson: Lesson) -> None:
    page.goto(f"/?code={lesson.code}")
    page.locator("#alias").fill(ALIAS)
    page.locator("#agreed").check()
    page.locator("#enter").click()


def choose(page: Page) -> None:
    page.get_by_role("button", name="Melanoma").click()
    page.get_by_role("button", name="Urgent suspected cancer").click()


def reading(page: Page, lesson: Lesson) -> None:
    join(page, lesson)
    expect(page.locator("#waiting")).to_be_visible()
    lesson.step(Action.OPEN_FIRST)
    expect(page.locator("#case")).to_be_visible(timeout=WAIT)


def readers(lesson: Lesson) -> int:
    return len(teaching_results.progress(lesson.room.register, lesson.room.session.id))


def passed_on(route: Route) -> Reply:
    """The server does what was asked; what it replies never reaches the browser, and its cookie neither."""
    asked, where = route.request, urlsplit(route.request.url)
    phone = Phone(f"{where.scheme}://{where.netloc}", cookie=asked.all_headers().get("cookie", ""))
    return phone.ask(asked.method, where.path, asked.post_data_buffer, Content_Type="application/json")


def lost_reply(route: Route) -> None:
    """The server does it; the phone never hears so."""
    assert passed_on(route).status == 200
    route.abort()


def once(what: Callable[[Route], None]) -> Callable[[Route], None]:
    """The first request goes so, all others as they do."""
    first = [True]

    def handle(route: Route) -> None:
        if first.pop() if first else False:
            what(route)
        else:
            route.continue_()

    return handle


def test_a_join_whose_reply_is_lost_is_one_reader(phone: Page, lesson: Lesson):
    phone.route("**/api/join", once(lost_reply))
    join(phone, lesson)
    expect(phone.locator("#waiting")).to_be_visible(timeout=WAIT)
    expect(phone.locator("#progress")).to_have_text(f"{ALIAS}: 0 of 6 answers")
    assert readers(lesson) == 1
    assert phone.evaluate("sessionStorage.length") == 0


def test_a_join_whose_reply_is_lost_is_one_reader_also_after_a_reload(phone: Page, lesson: Lesson):
    phone.route("**/api/join", lost_reply)
    join(phone, lesson)
    expect(phone.get_by_role("status")).to_contain_text("The network is not there. Nothing is lost")
    phone.unroute("**/api/join")
    join(phone, lesson)
    expect(phone.locator("#waiting")).to_be_visible(timeout=WAIT)
    assert readers(lesson) == 1


def test_an_answer_whose_reply_is_lost_is_stored_once(phone: Page, lesson: Lesson):
    reading(phone, lesson)
    phone.route("**/api/answer", once(lost_reply))
    choose(phone)
    phone.locator("#send").click()
    expect(phone.get_by_role("status")).to_contain_text("The network is not there.")
    expect(phone.locator("#progress")).to_contain_text("1 of 6 answers", timeout=WAIT)
    expect(phone.get_by_role("status")).to_be_empty()
    assert lesson.answers() == 1


def test_a_busy_server_is_told_in_its_words_and_tried_again(phone: Page, lesson: Lesson):
    reading(phone, lesson)
    said = "The server has much to do at the moment. Nothing is lost: it is tried again by itself."
    phone.route("**/api/answer", once(lambda route: route.fulfill(status=503, json={"error": said})))
    choose(phone)
    phone.locator("#send").click()
    expect(phone.get_by_role("status")).to_have_text(said)
    expect(phone.locator("#progress")).to_contain_text("1 of 6 answers", timeout=WAIT)
    assert lesson.answers() == 1


def test_a_page_loaded_again_in_the_middle_of_a_send_goes_on_without_fuss(phone: Page, lesson: Lesson):
    """The answer arrived, the page does not know: its second answer is refused and the next case comes."""
    reading(phone, lesson)
    source = phone.locator("#picture img").get_attribute("src")
    choose(phone)
    said = phone.request.get("/api/state").json()
    phone.route("**/api/state", lambda route: route.fulfill(json=said))
    _answer_elsewhere(phone.context, lesson)
    phone.locator("#send").click()
    expect(phone.get_by_role("status")).to_contain_text("answered already, and the first answer stands")
    phone.unroute("**/api/state")
    expect(phone.locator("#progress")).to_contain_text("1 of 6 answers", timeout=WAIT)
    assert phone.locator("#picture img").get_attribute("src") != source
    assert lesson.answers() == 1
    phone.reload()
    expect(phone.locator("#case")).to_be_visible(timeout=WAIT)
    expect(phone.locator("#progress")).to_contain_text("1 of 6 answers")


def _answer_elsewhere(context: BrowserContext, lesson: Lesson) -> None:
    cookie = next(one for one in context.cookies() if one["name"].startswith("reader-"))
    other = Phone(lesson.base, cookie=f"{cookie['name']}={cookie['value']}")
    assert other.answer(other.state()["case"]).status == 200


def test_an_answer_after_the_close_is_told_and_the_page_waits(phone: Page, lesson: Lesson):
    reading(phone, lesson)
    choose(phone)
    lesson.step(Action.CLOSE)
    phone.locator("#send").click()
    expect(phone.locator("#waiting")).to_be_visible(timeout=WAIT)
    assert lesson.answers() == 0


def test_a_picture_that_does_not_come_is_asked_for_again_and_nobody_answers_without_it(phone: Page, lesson: Lesson):
    gone = [True]
    phone.route("**/api/picture/*", lambda route: route.abort() if gone else route.continue_())
    reading(phone, lesson)
    choose(phone)
    expect(phone.get_by_role("status")).to_contain_text("The picture did not load; it is asked for again.")
    expect(phone.locator("#send")).to_be_disabled()
    gone.clear()
    expect(phone.locator("#send")).to_be_enabled(timeout=WAIT)
    expect(phone.get_by_role("status")).to_be_empty()


def test_the_network_may_go_while_the_page_waits(phone: Page, lesson: Lesson):
    join(phone, lesson)
    expect(phone.locator("#waiting")).to_be_visible()
    phone.context.set_offline(True)
    expect(phone.get_by_role("status")).to_contain_text("The network is not there.", timeout=WAIT)
    lesson.step(Action.OPEN_FIRST)
    phone.context.set_offline(False)
    expect(phone.locator("#case")).to_be_visible(timeout=WAIT)
    expect(phone.get_by_role("status")).to_be_empty()


def test_a_debrief_that_does_not_come_at_once_comes_later(phone: Page, lesson: Lesson):
    join(phone, lesson)
    expect(phone.locator("#waiting")).to_be_visible()
    phone.route("**/api/debrief", once(lambda route: route.abort()))
    lesson.step(Action.REVEAL)
    expect(phone.get_by_role("heading", name="How it went")).to_be_visible(timeout=WAIT)


def test_a_browser_that_keeps_no_cookies_is_told(phone: Page, lesson: Lesson):
    phone.route("**/api/join", lambda route: route.fulfill(body=passed_on(route).body, content_type="application/json"))
    join(phone, lesson)
    expect(phone.get_by_role("status")).to_contain_text("This browser keeps no cookies for this page", timeout=WAIT)
    phone.unroute("**/api/join")
    phone.locator("#enter").click()
    expect(phone.locator("#waiting")).to_be_visible(timeout=WAIT)
    assert readers(lesson) == 1


def test_at_the_end_of_its_time_a_case_says_so_and_takes_the_answer(phone: Page, lesson: Lesson):
    reading(phone, lesson)
    clock = phone.locator("#clock")
    expect(clock).to_have_text(re.compile(r"^0:0\d left for this case$"))
    expect(clock).to_have_attribute("aria-live", "off")
    expect(clock).to_have_text("The time for this case is up. Answer when you are ready.", timeout=WAIT)
    expect(clock).to_have_attribute("aria-live", "polite")
    choose(phone)
    phone.locator("#send").click()
    expect(phone.locator("#progress")).to_contain_text("1 of 6 answers")
    expect(clock).to_contain_text("left for this case")


def test_a_whole_session_by_keyboard_alone_with_nothing_that_a_screen_reader_misses(phone: Page, lesson: Lesson):
    keys = phone.keyboard

    def sound(where: str) -> None:
        assert Axe().run(phone).response["violations"] == [], where
        assert phone.evaluate("document.documentElement.scrollWidth") == WIDTH, where

    def tab_to(name: str) -> None:
        for _ in range(30):
            keys.press("Tab")
            if phone.evaluate("document.activeElement.id || document.activeElement.textContent") == name:
                return
        raise AssertionError(name)

    phone.goto("/")
    expect(phone.locator("#code")).to_be_visible(timeout=WAIT)
    tab_to("code")
    sound("the code")
    keys.type(lesson.code.lower())
    keys.press("Enter")
    expect(phone.locator("#alias")).to_be_focused()
    keys.type(ALIAS)
    tab_to("agreed")
    keys.press("Space")
    sound("joining")
    keys.press("Enter")
    expect(phone.locator("#waiting")).to_be_visible()
    sound("waiting")
    for action in (Action.OPEN_FIRST, Action.OPEN_SECOND):
        lesson.step(action)
        for n in range(3):
            done = n + 1 + (3 if action is Action.OPEN_SECOND else 0)
            expect(phone.locator("#progress")).to_contain_text(f"{done - 1} of 6 answers")
            expect(phone.locator("#case")).to_be_visible(timeout=WAIT)
            expect(phone.locator("#title")).to_be_focused()
            tab_to("Basal cell carcinoma")
            keys.press("Space")
            expect(phone.get_by_role("button", name="Basal cell carcinoma")).to_have_attribute("aria-pressed", "true")
            tab_to("Routine dermatology")
            keys.press("Enter")
            tab_to("confidence")
            keys.press("ArrowRight")
            expect(phone.locator("#send")).to_be_enabled()
            sound(f"{action}, case {n}")
            tab_to("send")
            keys.press("Enter")
            expect(phone.locator("#progress")).to_contain_text(f"{done} of 6 answers")
    lesson.step(Action.REVEAL)
    expect(phone.get_by_role("heading", name="How it went")).to_be_visible(timeout=WAIT)
    sound("the debrief")
    given = teaching_results.export(lesson.room.register, lesson.room.session.id).answers
    assert set(given["diagnosis"]) == {"basal_cell_carcinoma"}
    assert set(given["disposition"]) == {"routine dermatology"}
    assert sorted(given["confidence"]) == [55] * 3 + [60] * 3


def test_the_enlarged_picture_opens_grows_and_closes_by_keyboard(phone: Page, lesson: Lesson):
    reading(phone, lesson)
    expect(phone.get_by_alt_text("Dermoscopic picture of the case")).to_be_visible()
    phone.get_by_role("button", name="Enlarge the picture of the case").press("Enter")
    large = phone.get_by_role("dialog").get_by_role("img")
    expect(large).to_be_visible()
    width = large.bounding_box()
    phone.get_by_role("button", name="Larger").press("Enter")
    grown = large.bounding_box()
    assert width
    assert grown
    assert grown["width"] == pytest.approx(2.2 * width["width"], rel=0.01)
    assert Axe().run(phone).response["violations"] == []
    phone.keyboard.press("Escape")
    expect(phone.get_by_role("dialog")).to_be_hidden()
