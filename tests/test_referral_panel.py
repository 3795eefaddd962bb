"""Page 04 without a kernel: its inputs are moved, its widgets are read."""

from __future__ import annotations

import base64
import csv
import html
import io
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import ipywidgets as w
import pandas as pd
import pytest

from derm_kit import ScoreRun, TriagePolicy
from derm_kit.lesions import LesionType
from derm_kit.panels.inputs import NumberSlider
from derm_kit.panels.referral import ReferralPanel, referral_page
from derm_kit.panels.referral_charts import in_fours
from derm_kit.panels.referral_setting import MOST_PEOPLE, MOST_YEARS, Opened, require
from derm_kit.pathway.definition import Pathway, preset, presets
from derm_kit.pathway.measures import table
from derm_kit.pathway.scenario import Scenario
from derm_kit.pathway.simulation import simulate
from derm_kit.pathway.yaml_file import MOST_BYTES
from tests.pathways import clinic, desk, pathway, sorting

MEL = LesionType.MELANOMA
PANELS: list[ReferralPanel] = []
"""Those of the test under way."""
YEARS = 10
WEEKS = {"days": 91, "warm_up_days": 28, "follow_up_days": 90}


@pytest.fixture(scope="module")
def short() -> Pathway:
    """The skin pathway over a quarter, so that a test simulates it in a moment."""
    skin = Pathway.read("skin-usc")
    return skin.changed(calendar=skin.calendar.model_dump(exclude_unset=True) | WEEKS)


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DERM_KIT_DATABASE_URL", raising=False)
    monkeypatch.setenv("DERM_KIT_WORKSPACE", str(tmp_path / "workspace"))
    return tmp_path / "workspace"


@pytest.fixture(autouse=True)
def _nothing_is_left_under_way() -> Iterator[None]:
    """Threads that a test began are over before the next begins."""
    before = set(threading.enumerate())
    yield
    for panel in PANELS:
        panel._newest.stop()
        panel.enough._seeking.stop()
    PANELS.clear()
    until = time.monotonic() + 60
    while set(threading.enumerate()) - before and time.monotonic() < until:
        time.sleep(0.01)


@pytest.fixture
def panel(short: Pathway, reference: ScoreRun, policy: TriagePolicy) -> ReferralPanel:
    return opened(short, reference, policy)


@pytest.fixture(scope="module")
def living(short: Pathway, reference: ScoreRun, policy: TriagePolicy, tmp_path_factory) -> Iterator[ReferralPanel]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DERM_KIT_DATABASE_URL", raising=False)
        patch.setenv("DERM_KIT_WORKSPACE", str(tmp_path_factory.mktemp("living")))
        panel = opened(short, reference, policy, years=1)
        yield panel
        panel.controls.per_week.value = 50
        assert panel.notice.value == ""
        panel.wait()
        assert panel.found.whole
        assert panel.found.scenario == panel.scenario


@pytest.fixture
def small(reference: ScoreRun, policy: TriagePolicy) -> ReferralPanel:
    return opened(two_arms(), reference, policy)


def opened(of: Pathway, run: ScoreRun, policy: TriagePolicy, years: int = YEARS) -> ReferralPanel:
    panel = ReferralPanel(of, run, policy)
    PANELS.append(panel)
    panel._set(Scenario(replications=years))
    panel.wait()
    assert panel.found is not None
    assert panel.found.whole, panel.notice.value
    return panel


def two_arms(**fields: Any) -> Pathway:
    """People enter at a desk, those of the second arm at a clinic; a tenth have something."""
    shares = {"ill": {"treat": 0.9, "home": 0.1}, "well": {"treat": 0.05, "home": 0.95}}
    plain: dict[str, Any] = {
        "stages": {
            "desk": desk(2, 30, then="clinic"),
            "clinic": clinic(16, then="doctor", cost_gbp=100, staff={"doctor": 20}),
            "doctor": sorting(shares, {"treat": "theatre", "home": "sent home"}),
            "theatre": clinic({"tue": 20}, then="treated"),
        },
        "conditions": {"ill": {"share": 0.1, "target": True}, "well": {"share": 0.9}},
        "exits": {"treated": {"treated": True}, "sent home": {"advice": True}},
        "clocks": {"two weeks": {"limit": 14, "stops": ["clinic"], "target": 0.9}},
        "arms": {"by desk": {"entry": "desk", "today": True}, "at once": {"entry": "clinic"}},
    }
    return pathway(**(plain | fields))


def plain(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", markup))


def shown(panel: ReferralPanel, name: str) -> str:
    """A place of the page as it reads."""
    return plain(panel.controls.shown[name].value)


def widgets(root: w.Widget) -> Iterator[w.Widget]:
    yield root
    for child in getattr(root, "children", ()):
        yield from widgets(child)


def markup(panel: ReferralPanel) -> str:
    """Everything on the page that a browser reads as HTML."""
    every = list(widgets(panel.view))
    own = [one.value for one in every if isinstance(one, w.HTML)]
    assert len(own) > 20
    return "\n".join([*own, *(one.worth for one in every if one.has_trait("worth"))])


def figure(panel: ReferralPanel, arm: str, measure: str, of: str) -> float:
    assert panel.found is not None
    rows = panel.found.figures
    own = rows[(rows["arm"] == arm) & (rows["measure"] == measure) & (rows["of"] == of)]
    return float(own["value"].iloc[0])


def simulated(panel: ReferralPanel) -> pd.DataFrame:
    """What the command line would say of what is set on the page."""
    scenario, opened_with = panel.scenario, panel.opened
    found = simulate(
        scenario.pathway(opened_with.pathway), opened_with.run, scenario.policy(opened_with.policy),
        seed=scenario.seed, replications=scenario.replications, arms=scenario.arms or None,
    )  # fmt: skip
    return table(found)


def arrive(panel: ReferralPanel, address: str) -> None:
    panel.controls.address.opened_with = address
    panel.wait()


def upload(panel: ReferralPanel, content: str | bytes, size: int | None = None) -> None:
    """As the browser sends it: content and size first, in one message with the count."""
    zone, sent = panel.controls.upload, content.encode() if isinstance(content, str) else content
    with zone.hold_trait_notifications():
        zone.content, zone.size, zone.given = sent, size or len(sent), zone.given + 1
    panel.wait()


def keep(panel: ReferralPanel, name: str) -> None:
    panel.controls.name.value = name
    panel.controls.keep.click()


# what is set, and what follows


def test_the_page_opens_on_the_pathway_as_it_is_with_the_policy_in_force(panel, policy):
    assert panel.found.outcomes.policy.thresholds == policy.thresholds
    assert panel.controls.pathway.value == "skin-usc"
    assert panel.controls.per_week.value == 100
    assert panel.controls.working.layout.visibility == "hidden"
    assert "AI: about" in shown(panel, "headline")
    assert panel.notice.value == ""
    assert all(place.value for name, place in panel.controls.shown.items() if name not in ("kept", "files"))


def test_the_page_of_the_notebook_is_built_from_what_ships():
    assert referral_page().children


def test_every_figure_is_the_simulation_s(panel):
    pd.testing.assert_frame_equal(panel.found.figures, simulated(panel))


def test_fewer_slots_lengthen_waits_and_the_growing_queue_is_told_first(panel):
    before = figure(panel, "face to face", "mean", "clinic")
    panel.controls.slots["clinic"].value = 60
    panel.wait()
    assert figure(panel, "face to face", "mean", "clinic") > before + 7
    assert re.search(
        r"face to face: clinic has \d+ slots a week for 1\d\d that are needed, so its queue grows from \d+ people on "
        r"01 April 2026 to \d+ on 30 June 2026",
        shown(panel, "headline"),
    )
    assert "queue grows" in shown(panel, "load")
    panel.controls.slots["clinic"].value = 240
    panel.wait()
    assert figure(panel, "face to face", "mean", "clinic") < before
    assert "face to face: clinic has" not in shown(panel, "headline")


def test_a_lower_melanoma_threshold_lets_fewer_leave_with_advice_and_moves_no_other(panel, policy):
    before = figure(panel, "AI", "way out", "left with advice")
    panel.controls.thresholds[MEL].value = 0.0005
    panel.wait()
    assert figure(panel, "AI", "way out", "left with advice") < before - 20
    now = panel.found.outcomes.policy.thresholds
    assert {t: now[t] for t in now if t is not MEL} == {t: policy.thresholds[t] for t in now if t is not MEL}
    assert now[MEL] == 0.0005
    assert "0.07239 in the policy as it is" in panel.controls.thresholds[MEL].worth


def test_with_no_uptake_every_arm_is_as_today_s(panel):
    panel.controls.uptake.value = 0
    panel.wait()
    rows = panel.found.figures
    today = rows[rows["arm"] == "face to face"].set_index(["measure", "of"])["value"]
    for arm in ("teledermatology", "AI", "AI + second read"):
        own = rows[rows["arm"] == arm].set_index(["measure", "of"])["value"]
        shared = today.index.intersection(own.index)
        assert len(shared) > 30
        pd.testing.assert_series_equal(own[shared], today[shared])


def test_an_uptake_that_the_pathway_has_is_what_the_page_shows(reference, policy):
    half = two_arms(arms={"by desk": {"entry": "desk", "today": True}, "at once": {"entry": "clinic", "uptake": 0.5}})
    panel = opened(half, reference, policy)
    assert panel.controls.uptake.value == 50
    panel.controls.per_week.value = 40
    assert panel.scenario.uptake is None
    panel.controls.uptake.value = 100
    assert panel.scenario.uptake == 1
    panel.controls.back.click()
    assert panel.controls.uptake.value == 50


def test_an_arm_with_slots_of_its_own_is_named_beside_the_slider(reference, policy):
    own = {"by desk": {"entry": "desk", "today": True}, "at once": {"entry": "clinic", "slots": {"clinic": 30}}}
    panel = opened(two_arms(arms=own), reference, policy)
    assert panel.controls.slots["clinic"].says == "80 in the pathway as it is; at once 150"


def test_a_second_read_near_the_threshold_is_read_from_the_page(panel):
    panel.controls.margin.value = 50
    panel.wait()
    assert panel.found.outcomes.policy.second_read_margin == 0.5
    panel.controls.margin.value = 0
    assert panel.scenario.second_read_margin is None


def test_arms_can_be_left_out_but_today_s_not(panel):
    assert panel.controls.arms["face to face"].disabled
    panel.controls.arms["teledermatology"].value = False
    panel.wait()
    assert list(panel.found.outcomes.arms) == ["face to face", "AI", "AI + second read"]
    assert "teledermatology:" not in shown(panel, "headline")


def test_the_newest_of_twenty_moves_wins(panel):
    for n in range(81, 101):
        panel.controls.per_week.value = n - 0.5
    panel.wait()
    assert panel.found.scenario.per_week == 99.5
    assert panel.found.whole
    pd.testing.assert_frame_equal(panel.found.figures, simulated(panel))
    assert panel.controls.working.layout.visibility == "hidden"


def test_stop_ends_it_and_simulate_goes_on(panel):
    before = panel.found
    panel._set(replace(panel.scenario, replications=MOST_YEARS, per_week=300))
    assert panel.controls.cancel.description == "Stop"
    panel.controls.cancel.click()
    panel.wait()
    assert "Stopped." in plain(panel.notice.value)
    assert panel.found is before or not panel.found.whole
    assert panel.controls.cancel.description == "Simulate"
    assert panel.controls.working.layout.visibility == "visible"
    panel._set(replace(panel.scenario, replications=YEARS, per_week=None))
    panel.controls.cancel.click()
    panel.wait()
    panel.controls.cancel.click()
    panel.wait()
    assert panel.found.whole
    assert panel.found.scenario == panel.scenario
    assert panel.controls.working.layout.visibility == "hidden"


def test_nobody_referred_is_told_in_words(panel):
    panel.controls.per_week.value = 0
    panel.wait()
    assert panel.notice.value == ""
    assert "AI: nobody is referred." in shown(panel, "headline")
    assert "Nobody is referred." in shown(panel, "routes")
    assert "nan" not in plain(markup(panel)).lower()


def test_another_policy_in_force_keeps_what_was_set_and_is_simulated(panel, policy):
    panel.controls.slots["clinic"].value = 150
    panel.wait()
    other = policy.changed(thresholds=dict(policy.thresholds) | {MEL: 0.001})
    panel.in_force.policy = other
    panel.in_force.then(other)
    keep(panel, "too early")
    assert "Nothing is kept yet" in plain(panel.controls.kept_told.value)
    panel.wait()
    assert panel.found.outcomes.policy.thresholds[MEL] == 0.001
    assert panel.scenario.slots == {"clinic": 150}
    assert "0.001 in the policy as it is" in panel.controls.thresholds[MEL].worth
    assert panel.controls.thresholds[MEL].value == 0.001


# what does not fit


def test_shares_past_the_whole_are_told_and_put_back(panel):
    groups, before = panel.controls.groups, panel.scenario
    groups["melanoma or SCC"].value = 15
    panel.wait()
    held = panel.scenario
    groups["BCC or Bowen"].value = 100
    panel.wait()
    assert "leave something for the others (found: 115.0% in all)" in plain(panel.notice.value)
    assert panel.scenario == held != before
    assert held.groups == {"melanoma or SCC": 0.15, "BCC or Bowen": 0.2}, "what the sliders show, both of them"
    assert groups["BCC or Bowen"].value == 20
    groups["BCC or Bowen"].value = 30
    panel.wait()
    assert panel.notice.value == ""
    assert panel.found.scenario.groups == {"melanoma or SCC": 0.15, "BCC or Bowen": 0.3}


@pytest.mark.parametrize(("sent", "taken"), [(float("nan"), 5), (-3, 0), (150, 100), (float("inf"), 100), (70, 70)])
def test_a_number_stays_in_its_bounds_whatever_a_browser_sends(sent: float, taken: float):
    slider = NumberSlider(max=10, most=100, value=5)
    slider.value = sent
    assert slider.value == taken
    assert slider.max == max(10, taken)


def test_more_than_the_slider_reaches_can_be_typed_and_is_what_is_simulated(panel):
    panel.controls.per_week.value = 900
    panel.wait()
    assert panel.found.scenario.per_week == panel.controls.per_week.value == panel.controls.per_week.max == 900


def test_more_people_than_a_page_simulates_are_refused_before_anything_begins(panel):
    held = panel.found
    panel.controls.per_week.value = 1e6
    assert f"at most {MOST_PEOPLE:,} people" in plain(panel.notice.value)
    assert panel.controls.per_week.value == 100
    assert panel.found is held


EVERYTHING = Scenario(
    per_week=130.0, groups={"melanoma or SCC": 0.1, "BCC or Bowen": 0.2}, slots={"clinic": 90, "biopsy": 60},
    uptake=0.25, thresholds={MEL: 0.25}, second_read_margin=0.1, arms=("face to face", "AI"), replications=7, seed=3,
)  # fmt: skip


def test_an_address_brings_everything_back(panel, reference, policy):
    panel._set(EVERYTHING)
    address = panel.controls.address.state
    panel.wait()
    other = opened(Pathway.read("stroke-imaging"), reference, policy)
    arrive(other, address)
    assert other.notice.value == ""
    assert other.scenario == EVERYTHING
    assert other.controls.address.state == address
    c = other.controls
    assert (c.pathway.value, c.per_week.value, c.uptake.value, c.margin.value) == ("skin-usc", 130, 25, 10)
    assert (c.slots["clinic"].value, c.groups["melanoma or SCC"].value, c.thresholds[MEL].value) == (90, 10, 0.25)
    assert (c.replications.value, c.seed.value) == (7, 3)
    assert [name for name, box in c.arms.items() if box.value] == ["face to face", "AI"]
    assert c.read(other.opened) == EVERYTHING


def test_the_address_names_every_preset_and_nothing_where_nothing_was_set(panel, reference, policy):
    for name in presets():
        panel.controls.pathway.value = name
        state = panel.controls.address.state
        assert f"pathway={name}" in state
        other = opened(two_arms(), reference, policy)
        other.controls.address.opened_with = state
        assert other.opened.pathway.name == name
    fresh = ReferralPanel(Pathway.read("skin-usc"), reference, policy)
    PANELS.append(fresh)
    assert fresh.controls.address.state == ""


@pytest.mark.parametrize(
    "address",
    [
        "<img src=x onerror=alert(1)>", "pathway=<img src=x>", "pathway=../../etc/passwd", "pathway=",
        "x" * 200_000, "&".join(f"slots.{i}=1" for i in range(5_000)), "per_week=" + "9" * 5_000,
        "per_week=nan", "per_week=inf", "per_week=-1", "per_week=1e7", "per_week=1e308", "per_week=", "per_week=ten",
        "group.melanoma%20or%20SCC=nan", "group.melanoma%20or%20SCC=-0.1", "group.melanoma%20or%20SCC=1.5",
        "group.<img src=x>=0.1", "uptake=nan", "uptake=-0.1", "uptake=1.1", "slots.clinic=-1", "slots.clinic=1.5",
        "slots.clinic=1000000000", "slots.histology=4", "slots.<img>=4", "threshold.melanoma=nan",
        "threshold.melanoma=0", "threshold.melanoma=-1", "threshold.melanoma=7", "threshold.benign_naevus=0.5",
        "threshold.atypical_naevus=0.5", "threshold.wart=0.5", "second_read_margin=nan", "second_read_margin=1",
        "arms=", "arms=nobody", "arms=AI|<img src=x>", "replications=0", "replications=-1",
        f"replications={MOST_YEARS + 1}", "replications=1e3", "seed=-1", "seed=99999999999999999999", "seed=x",
        "per_week=1%00", "%F0%9F%A6%A0=1", "per_week=%u0031", "a=b=c&&&=;", "\u202eper_week=1",
    ],
)  # fmt: skip
def test_a_hostile_address_is_told_in_words_and_the_page_lives_on(living, address: str):
    """One page for all of them, one after another, which simulates when all is over."""
    panel = living
    held, state = panel.scenario, panel.controls.address.state
    arrive(panel, address)
    said = plain(panel.notice.value)
    assert "This did not work" in said
    assert "did not foresee" not in said
    assert len(said) < 900
    assert "<img" not in panel.notice.value
    assert panel.scenario == held
    assert panel.controls.address.state == state


def test_what_asks_too_much_is_refused_with_the_number(reference, policy):
    skin = Pathway.read("skin-usc")
    with pytest.raises(Exception, match=r"at most 500,000,000 people.*found: 3,8[0-9]{2},[0-9]{3},[0-9]{3}"):
        require(Opened(skin, reference, policy), Scenario(per_week=10_000, replications=1_000))


# pathways of one's own


def test_a_pathway_of_one_s_own_is_simulated_and_the_way_back_is_open(panel):
    mine = (
        preset("skin-usc")
        .read_text("utf-8")
        .replace("name: skin-usc", "name: my trust")
        .replace("days: 365", "days: 60")
    )
    upload(panel, mine)
    assert "Your pathway my trust is simulated" in plain(panel.notice.value)
    assert "in memory only" in plain(panel.notice.value)
    assert panel.found.outcomes.pathway.name == "my trust"
    assert panel.scenario.replications == YEARS
    assert panel.controls.pathway.value == "your file"
    assert panel.controls.address.state == ""
    panel.controls.per_week.value = 90
    panel.wait()
    assert panel.controls.address.state == ""
    panel.controls.pathway.value = "skin-usc"
    panel.wait()
    assert panel.opened.pathway == Pathway.read("skin-usc")
    assert "your file" not in panel.controls.pathway.options
    assert panel.scenario.per_week is None


def test_a_file_with_a_preset_s_name_is_still_somebody_s_file(panel):
    text = preset("skin-usc").read_text("utf-8").replace("days: 365", "days: 60")
    upload(panel, text)
    assert panel.controls.pathway.value == "your file"
    assert panel.found.outcomes.pathway.calendar.days == 60
    panel.controls.pathway.value = "skin-usc"
    panel.wait()
    assert panel.found.outcomes.pathway.calendar.days == 365


GOOD = preset("lung-chest-x-ray").read_text("utf-8")
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join(f'*{a}' for _ in range(9))}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "the file is empty"),
        ("name: [x\nsummary: y\n", "your file, line 1"),
        ("name: x\n\tsummary: y\n", "your file, line 2"),
        ("name: !!python/object/apply:os.system ['id']\n", "your file, line 1: tags"),
        (BOMB, "your file, line 1: anchors and aliases"),
        (GOOD.replace("per_week:", "per_weak:", 1), "per_weak: there is no such field here"),
        (GOOD.replace("slots: 8", "slots: -8", 1), "found: -8"),
        (GOOD.replace("slots: 8", "slots: .inf", 1), "your file, line "),
        (b"\xff\xfe\x00\x01\x02", "your file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "your file"),
        ("name: x\n" + "#" * MOST_BYTES, f"at most {MOST_BYTES:,} bytes"),
        ("- a\n- b\n", "your file, line 1"),
        ("name: <img src=x onerror=alert(1)>\n", "your file"),
        ("[" * 3_000, "your file, line 1"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_pathway_is_told_with_its_line(small, content: str | bytes, words: str):
    held = small.found
    upload(small, content)
    said = plain(small.notice.value)
    assert "This did not work" in said
    assert words in said
    assert "did not foresee" not in said
    assert tempfile.gettempdir() not in said
    assert "<img" not in small.notice.value
    assert "still the one before it" in said
    assert small.found is held
    assert small.opened.pathway.name == "test"


def test_a_file_too_large_to_send_is_told(small):
    upload(small, b"", size=40_000_000)
    assert f"at most {MOST_BYTES:,} bytes (found: 40,000,000 bytes)" in plain(small.notice.value)


def test_a_national_pathway_is_refused_until_fewer_years_are_chosen(small):
    text = GOOD.replace("days: 365", "days: 30")
    national = re.sub(r"per_week:\n?\s*\{?value: \d+", lambda m: re.sub(r"\d+$", "400000", m[0]), text, count=1)
    if national == text:
        national = re.sub(r"per_week: \{value: [0-9.]+", "per_week: {value: 400000", text, count=1)
    assert national != text
    small._set(Scenario(replications=MOST_YEARS))
    upload(small, national)
    assert f"at most {MOST_PEOPLE:,} people" in plain(small.notice.value)
    assert "fewer simulated years" in plain(small.notice.value)
    assert small.opened.pathway.name == "test"


def test_figures_of_one_pathway_never_stand_beside_another_s_settings(panel):
    panel.controls.replications.value = 1_000
    panel.controls.pathway.value = "stroke-imaging"
    assert "face to face" not in markup(panel)
    assert panel.found is None or panel.found.opened is panel.opened
    keep(panel, "of which?")
    assert "Nothing is kept yet" in plain(panel.controls.kept_told.value)
    panel.controls.pathway.value = "skin-usc"
    assert "AI support" not in markup(panel)
    panel.controls.replications.value = 50
    panel.wait()
    assert panel.found.outcomes.pathway.name == "skin-usc"
    assert "AI: about" in shown(panel, "headline")


# kept scenarios


def test_what_is_kept_is_opened_again_as_it_was(panel):
    panel._set(EVERYTHING)
    panel.wait()
    figures = panel.found.figures
    keep(panel, "two more clinics")
    assert "two more clinics is kept" in plain(panel.controls.kept_told.value)
    assert panel.controls.name.value == ""
    panel.controls.back.click()
    panel.controls.pathway.value = "stroke-imaging"
    panel.controls.kept.value = ("two more clinics",)
    panel.controls.open_kept.click()
    panel.wait()
    assert "set as two more clinics was" in plain(panel.controls.kept_told.value)
    assert panel.scenario == EVERYTHING
    pd.testing.assert_frame_equal(panel.found.figures, figures)


def test_a_kept_pathway_of_one_s_own_comes_back_with_its_thresholds(panel):
    upload(panel, preset("skin-usc").read_text("utf-8").replace("days: 365", "days: 60").replace("skin-usc", "mine", 1))
    panel.controls.thresholds[MEL].value = 0.3
    panel.controls.slots["clinic"].value = 77
    panel.wait()
    held, of = panel.scenario, panel.opened.pathway
    keep(panel, "mine")
    panel.controls.pathway.value = "stroke-imaging"
    panel.controls.kept.value = ("mine",)
    panel.controls.open_kept.click()
    panel.wait()
    assert panel.scenario == held
    assert panel.opened.pathway == of
    assert panel.opened.brought
    assert panel.controls.pathway.value == "your file"


def test_another_policy_than_the_kept_one_s_is_said(panel, policy):
    keep(panel, "before")
    panel.in_force.policy = policy.changed(version="99")
    panel.in_force.then(panel.in_force.policy)
    panel.controls.kept.value = ("before",)
    panel.controls.open_kept.click()
    panel.wait()
    assert f"kept under the policy {policy.name} {policy.version}" in plain(panel.controls.kept_told.value)


def test_four_stand_beside_each_other_and_a_fifth_is_told(small):
    for n in range(5):
        small.controls.per_week.value = 40 + n
        small.wait()
        keep(small, f"case {n}")
    small.controls.kept.value = ("case 0", "case 3")
    beside = shown(small, "kept")
    assert all(words in beside for words in ("case 0", "case 3", "by desk", "at once", "Changed: 43 referrals a week"))
    assert "case 1" not in beside
    small.controls.kept.value = tuple(f"case {n}" for n in range(5))
    assert "5 are chosen; the first 4" in plain(small.controls.kept_told.value)
    assert "case 3" in shown(small, "kept")
    assert "case 4" not in shown(small, "kept")
    kept_csv = next(iter(csvs(small.controls.shown["kept"].value)))
    assert len(kept_csv) == 1 + 4 * len(set(map(tuple, ((r[1], r[2]) for r in kept_csv[1:]))))


def test_two_pages_cannot_keep_under_one_name(short, reference, policy, small):
    other = opened(two_arms(), reference, policy)
    keep(small, "the same")
    keep(other, "the same")
    assert "kept once under its name" in plain(other.controls.kept_told.value)
    assert other.controls.name.value == "the same", "what somebody typed stays"
    keep(other, "another")
    assert other.controls.kept.options == ("the same", "another")


@pytest.mark.parametrize("name", ["", "   ", "x" * 2_000, "a\x00b", "safe\u202etxt.exe", "a\u200bb", "\x1b[31mred"])
def test_an_unusable_name_is_told_and_nothing_is_written(small, workspace, name: str):
    keep(small, name)
    assert "1 to 80 characters, all of which can be seen" in plain(small.controls.kept_told.value)
    assert small.controls.name.value == name
    assert not list(workspace.glob("scenarios/*"))


@pytest.mark.parametrize(
    "name", ["<img src=x onerror=alert(1)>", "Größe 🩺 حالة", "=HYPERLINK(1)", "../../up", "a'\"&b"]
)
def test_any_name_that_can_be_read_is_kept_and_shown_as_it_is(small, workspace, name: str):
    keep(small, name)
    assert small.controls.kept.options == (name,)
    small.controls.kept.value = (name,)
    assert name in shown(small, "kept")
    assert safe(markup(small))
    assert [path.parent for path in workspace.rglob("*.json")] == [workspace / "scenarios"]
    assert all(not starts_a_formula(cell) for rows in csvs(markup(small)) for row in rows for cell in row)


def test_a_folder_that_cannot_be_written_is_told_and_the_name_stays(small, workspace):
    workspace.mkdir()
    (workspace / "scenarios").write_text("a file stands where the folder would")
    keep(small, "important")
    said = plain(small.controls.kept_told.value)
    assert "the scenario cannot be kept" in said
    assert "still on the page" in said
    assert small.controls.name.value == "important"


def test_nothing_is_kept_while_figures_are_not_whole(small):
    small._set(replace(small.scenario, replications=MOST_YEARS, per_week=5_000))
    keep(small, "early")
    assert "Nothing is kept yet" in plain(small.controls.kept_told.value)
    small._set(Scenario(replications=YEARS))
    small.wait()
    keep(small, "early")
    assert "early is kept" in plain(small.controls.kept_told.value)


def test_files_that_are_no_scenarios_are_named_and_the_page_opens(reference, policy, workspace):
    (workspace / "scenarios").mkdir(parents=True)
    for name, content in (("half.json", '{"schema_version": 1, "na'), ("<img src=x>.json", "[]")):
        (workspace / "scenarios" / name).write_text(content)
    panel = opened(two_arms(), reference, policy)
    assert "half.json" in plain(panel.controls.kept_told.value)
    assert safe(panel.controls.kept_told.value)
    keep(panel, "sound")
    assert panel.controls.kept.options == ("sound",)


def test_a_kept_file_that_somebody_changed_is_told_and_the_page_stays(small, workspace):
    for name, old, new in (
        ("setting", '"setting": "replications=10"', '"setting": "<img src=x>"'),
        ("pathway", '"summary":', '"nothing":'),
        ("ships", '"pathway_name": "test"', '"pathway_name": "/etc/passwd"'),
    ):
        keep(small, name)
        path = next(p for p in (workspace / "scenarios").glob(f"{name}-*.json"))
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")
    small.kept._list()
    before = small.scenario
    for name, words in (("setting", "as this page wrote it"), ("pathway", "this version cannot read")):
        small.controls.kept.value = (name,)
        small.controls.open_kept.click()
        assert words in plain(small.controls.kept_told.value)
        assert safe(small.controls.kept_told.value)
        assert small.scenario == before
    small.controls.kept.value = ("ships",)
    small.controls.open_kept.click()
    small.wait()
    assert small.opened.brought


# hostile names


class _Reader(HTMLParser):
    """Tags and attributes as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("img", "script", "iframe", "object", "embed", "base", "link", "meta", "form"):
            self.wrong.append(tag)
        for name, value in attrs:
            if name.startswith("on") or (value or "").lower().strip().startswith("javascript:"):
                self.wrong.append(f"{tag} {name}={value}")


def safe(text: str) -> bool:
    reader = _Reader()
    reader.feed(text)
    for link in re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", text):
        reader.feed(base64.b64decode(link).decode())
    assert reader.wrong == []
    return True


def csvs(text: str) -> Iterator[list[list[str]]]:
    for link in re.findall(r"data:text/csv;base64,([A-Za-z0-9+/=]+)", text):
        yield list(csv.reader(io.StringIO(base64.b64decode(link).decode())))


def starts_a_formula(cell: str) -> bool:
    if re.fullmatch(r"-?[0-9.]+(e[+-]?[0-9]+)?|-?inf", cell):
        return False
    return cell.startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize(
    "bad",
    ["<img src=x onerror=alert(1)>", "x' onmouseover='alert(1)", 'x" onfocus="alert(1)', "=cmd|' C'!A0", "&lt;b>"],
)
def test_names_in_a_pathway_are_never_read_as_markup_or_formulas(reference, policy, bad: str):
    def named(what: str) -> str:
        return f"{bad} {what}"

    shares = {
        named("ill"): {named("treat"): 0.9, named("home"): 0.1},
        named("well"): {named("treat"): 0.05, named("home"): 0.95},
    }
    text = bad + "</style></script><script>alert(1)</script>"
    hostile = two_arms(
        name=named("p"), summary=text, priorities=[named("soon"), named("late")],
        conditions={
            named("ill"): {"share": {"value": 0.1, "source": text}, "target": True, "group": named("group")},
            named("well"): {"share": {"value": 0.9, "source": f"source required {text}"}},
        },
        stages={
            named("desk"): desk(2, 30, then=named("clinic"), title=text),
            named("clinic"): clinic(
                6, then=named("doctor"), title=text, cost_gbp={"value": 1, "source": text}, staff={named("nurse"): 5}
            ),
            named("doctor"): sorting(
                shares,
                {named("treat"): {"to": named("theatre"), "priority": named("soon")}, named("home"): named("out")},
            ),
            named("theatre"): clinic({"tue": 20}, then=named("treated")),
        },
        exits={named("treated"): {"treated": True, "title": text}, named("out"): {"advice": True}},
        clocks={named("clock"): {"limit": 14, "stops": [named("clinic")], "target": 0.9}},
        arms={
            named("desk arm"): {"entry": named("desk"), "today": True, "title": text},
            named("other arm"): {"entry": named("clinic"), "slots": {named("clinic"): 9}, "title": text},
        },
    )  # fmt: skip
    panel = opened(hostile, reference, policy)
    assert "queue grows" in shown(panel, "headline")
    for choice in (panel.controls.waits_of, panel.controls.queue_of, panel.controls.routes_of):
        choice.value = choice.options[-1]
    panel.controls.make_files.click()
    panel.enough.seek()
    panel.enough.wait()
    keep(panel, named("kept"))
    panel.controls.kept.value = (named("kept"),)
    panel.controls.slots[named("clinic")].value = 20_000
    whole = markup(panel)
    assert safe(whole)
    assert html.escape(bad) in whole
    tables = list(csvs(whole))
    assert len(tables) >= 8
    assert all(not starts_a_formula(cell) for rows in tables for row in rows for cell in row)
    arrive(panel, f"arms={quote(named('nobody'))}")
    assert safe(panel.notice.value)


def test_every_table_can_be_kept_and_holds_every_arm(panel):
    panel.controls.make_files.click()
    places = panel.controls.shown["files"].value
    assert len(re.findall("Keep as CSV", places)) == 5
    for rows in csvs(places):
        assert {"face to face", "teledermatology", "AI", "AI + second read"} <= {c for row in rows for c in row}
    panel.controls.per_week.value = 90
    panel.wait()
    assert panel.controls.shown["files"].value == "", "files of figures that are gone are gone"


# how many slots


def test_the_slots_that_hold_a_clock_are_found_and_fewer_do_not(small):
    small.controls.slots["clinic"].value = 10
    small.wait()
    small.enough.stage.value = "clinic"
    small.enough.seek()
    small.enough.wait()
    said = plain(small.enough.shown.value)
    found = re.search(r"by desk: (\d+) slots a week at clinic hold two weeks: [0-9.]+% within the limit", said)
    assert found, said
    slots = int(found[1])
    assert 35 < slots <= 80
    for n, holds in ((slots, True), (slots - 1, False)):
        small._set(Scenario(replications=20, slots={"clinic": n}))
        small.wait()
        assert (figure(small, "by desk", "within the limit", "two weeks") >= 0.9) is holds


def test_a_clock_that_no_clinic_can_hold_is_said(reference, policy):
    slow = two_arms()
    late = {name: stage.model_dump(exclude_unset=True) for name, stage in slow.stages.items()}
    late["clinic"] = clinic(16, then="doctor", lead_days=20)
    panel = opened(two_arms(stages=late), reference, policy)
    panel.enough.stage.value = "clinic"
    panel.enough.seek()
    panel.enough.wait()
    said = plain(panel.enough.shown.value)
    assert "Take care" in said
    assert "No number of slots at clinic holds two weeks" in said


def test_slots_of_an_arm_that_is_switched_off_are_sought_all_the_same(small):
    small.controls.arms["at once"].value = False
    small.wait()
    small.enough.arm.value = "at once"
    assert small.enough.stage.options[0] == "clinic", "people enter there"
    small.enough.seek()
    small.enough.wait()
    assert "at once:" in plain(small.enough.shown.value)
    assert list(small.found.outcomes.arms) == ["by desk"]


def test_only_stages_that_the_arm_s_people_come_to_are_offered(panel):
    assert "photography" not in panel.enough.stage.options
    panel.enough.arm.value = "AI"
    assert panel.enough.stage.options[0] == "photography"


def test_without_a_clock_or_slots_it_is_said_why_nothing_is_sought(reference, policy):
    panel = opened(pathway({"desk": desk(2, 30)}), reference, policy)
    assert panel.controls.clinics_box.children == ()
    panel.enough.seek()
    assert "slots are sought at a stage that has them" in plain(panel.enough.notice.value)


def test_a_search_can_be_stopped(panel):
    panel.enough.seek()
    panel.enough.stop.click()
    panel.enough.wait()
    assert "Stopped" in plain(panel.enough.shown.value)
    assert not panel.enough.find.disabled


def test_an_address_is_readable_by_people(panel):
    panel._set(Scenario(groups={"melanoma or SCC": 0.1}))
    assert unquote(panel.controls.address.state.replace("+", " ")) == "pathway=skin-usc&group.melanoma or SCC=0.1"


def test_no_two_lines_of_a_chart_are_drawn_alike_however_many_arms_there_are():
    assert list(in_fours("Waits", [])) == [("Waits", {})]
    assert [title for title, _ in in_fours("Waits", ["a", "b", "c", "d"])] == ["Waits"]
    arms = [f"arm {n}" for n in range(9)]
    charts = list(in_fours("Waits", arms))
    assert [title for title, _ in charts] == ["Waits (1 of 3)", "Waits (2 of 3)", "Waits (3 of 3)"]
    assert [arm for _, kinds in charts for arm in kinds] == arms
    assert all(len(set(kinds.values())) == len(kinds) for _, kinds in charts)
