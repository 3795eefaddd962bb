"""Page 06 without a kernel: its inputs are moved, its widgets are read."""

from __future__ import annotations

import base64
import io
import json
import re
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from derm_kit.model.card import default_model, load_card
from derm_kit.panels.monitoring import MonitoringPanel
from derm_kit.panels.monitoring_controls import ALL
from derm_kit.panels.monitoring_incidents import alarms_of
from derm_kit.panels.monitoring_setting import FEED_VARIABLE, OWN, RIDDLE, Watching, planted_by
from derm_kit.records import hazards, incidents
from derm_kit.records.incidents import Kind
from derm_kit.records.register import Register
from derm_kit.surveillance.deliveries import write_feed
from derm_kit.surveillance.feed import Feed, FeedError, Remark
from derm_kit.surveillance.scenario_service import Service
from derm_kit.surveillance.scenarios import Scenario, planted_feed
from derm_kit.triage.policy import TriagePolicy
from tests.records.hazards import a_hazard
from tests.records.places import PASSPHRASE
from tests.records.proposals import REASON, Staff, staff

HOSTILE = "<img src=x onerror=alert(1)>"
SMALL = Service("two clinics", (HOSTILE, "Clinic B"), 3_000, years=2)


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DERM_KIT_DATABASE_URL", "DERM_KIT_POLICY", FEED_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DERM_KIT_WORKSPACE", str(tmp_path / "workspace"))
    return tmp_path / "workspace"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A feed of this machine: two clinics of which one has a hostile name, and a new camera in one of them."""
    folder = tmp_path / "secret-place" / "feed"
    feed, _ = planted_feed(Scenario.NEW_CAMERA, SMALL, seed=5)
    remark = Remark("Outcomes of cases that are not in this feed: 2.", 2, (HOSTILE, "SIM999"))
    write_feed(replace(feed, remarks=(*feed.remarks, remark)), folder)
    monkeypatch.setenv(FEED_VARIABLE, str(folder))
    return folder


@pytest.fixture(scope="module")
def policy() -> TriagePolicy:
    return TriagePolicy.from_card(load_card(default_model()))


@pytest.fixture
def panels(policy: TriagePolicy) -> Iterator[list[MonitoringPanel]]:
    """Whatever a test opened has ended before the next begins."""
    opened: list[MonitoringPanel] = []
    yield opened
    for panel in opened:
        panel.wait()


def opened(panels: list[MonitoringPanel], policy: TriagePolicy, address: str = "") -> MonitoringPanel:
    """The page, once every watch has run."""
    panel = MonitoringPanel(policy)
    panels.append(panel)
    if address:
        panel.controls.address.opened_with = address
    panel.wait()
    return panel


def said(panel: MonitoringPanel, name: str) -> str:
    """What a place of the page says, without mark-up."""
    return " ".join(unescape(re.sub("<[^>]+>", " ", panel.controls.shown[name].value)).split())


def test_it_opens_on_a_made_up_trust_and_finds_what_was_planted_before_it_says_what_that_was(
    panels: list[MonitoringPanel], policy: TriagePolicy
):
    panel = opened(panels, policy)
    assert "Nothing here is about a real service." in said(panel, "opened")
    assert "100,000 cases, 2021-01 to 2025-12" in said(panel, "opened")
    found = said(panel, "said")
    assert re.search(r"alarm Melanoma sensitivity , derm11 0\.3\.0\. A fall of melanoma sensitivity from 95 %", found)
    assert found.index("alarm Melanoma") < found.index("Quiet") < found.index("quiet SCC sensitivity")
    assert panel.heard is not None
    assert panel.heard.findings.signals is not None
    melanoma = next(one for one in panel.heard.findings.signals.signals if one.name == "Melanoma sensitivity, CUSUM")
    assert melanoma.first_alarm is not None
    planted = panel.heard.counted.opened.planted
    assert planted is not None
    assert planted.starts_at is not None
    assert abs(melanoma.first_alarm.began_at - planted.starts_at) < pd.Timedelta(days=60)
    assert said(panel, "planted") == ""
    panel.reveal()
    assert "its sensitivity falls from 95% to 88%" in said(panel, "planted")
    assert "Should stay silent: input drift" in said(panel, "planted")
    panel.reveal()
    assert said(panel, "planted") == ""


def test_a_table_of_signals_says_status_start_n_and_run_lengths_in_cases_and_months(
    panels: list[MonitoringPanel], policy: TriagePolicy
):
    panel = opened(panels, policy)
    assert panel.heard is not None
    assert panel.heard.findings.signals is not None
    melanoma = next(one for one in panel.heard.findings.signals.signals if one.name == "Melanoma sensitivity, CUSUM")
    promise = melanoma.promise
    assert promise is not None
    rows = re.findall("<tr>.*?</tr>", panel.controls.shown["signals"].value)
    row = next(unescape(re.sub("<[^>]+>", " ", row)) for row in rows if "verified melanoma" in row)
    assert f"{melanoma.n:,} verified melanoma cases" in row
    for figure in (promise.false_alarm.mean, promise.false_alarm.median, promise.false_alarm.p90):
        assert f"{figure:,.0f}" in row
    assert f"{promise.delay.mean:,.0f} / {promise.delay.median:,.0f} / {promise.delay.p90:,.0f} cases" in row
    assert f"{promise.delay_months.mean:.3g}" in row
    assert row.count("January 2024") == 1, "the estimated start"


def test_the_guide_prints_the_run_lengths_that_the_page_shows(panels: list[MonitoringPanel], policy: TriagePolicy):
    guide = (Path(__file__).parents[1] / "docs" / "monitoring.md").read_text("utf-8")
    panel = opened(panels, policy, "watch=in_control")
    rows = [unescape(re.sub("<[^>]+>", "|", row)) for row in
            re.findall("<tr>.*?</tr>|<tr class.*?</tr>", panel.controls.shown["signals"].value)]  # fmt: skip
    printed = [line.split(" | ") for line in guide.splitlines() if line.count(" / ") == 6]
    assert len(printed) == 4
    for name, _, false_alarm, change, cases, months in printed:
        at = next(i for i, row in enumerate(rows) if f"|{name.removeprefix('| ').capitalize()}|".lower() in row.lower())
        assert change in rows[at]
        for figure in (f"{false_alarm} months", f"{cases} cases", f"{months.removesuffix(' |')} months"):
            assert figure in rows[at + 1], (name, figure)


def test_an_in_control_trust_is_quiet(panels: list[MonitoringPanel], policy: TriagePolicy):
    panel = opened(panels, policy, "watch=in_control")
    assert "No alarm, as far as these cases can tell." in said(panel, "said")
    assert "alarm " not in said(panel, "said").replace("No alarm", "").partition("Quiet")[2]
    assert panel.heard is not None
    assert list(alarms_of(panel.heard)) == []
    panel.reveal()
    assert "Nothing changes in any year." in said(panel, "planted")


def test_as_if_only_biopsies_were_known_missed_cancers_cannot_be_seen_and_a_sample_is_sized(
    panels: list[MonitoringPanel], policy: TriagePolicy
):
    panel = opened(panels, policy)
    panel.controls.outcomes.value = "biopsy"
    panel.wait()
    found = said(panel, "said")
    assert "cannot be seen here Melanoma sensitivity, SCC sensitivity, BCC sensitivity" in found
    assert "An audit sample that would show missed melanoma" in found
    assert re.search(r"Draw \d+ of 1,668 cases a month at random", found)
    assert "missed cancers cannot be seen here" in said(panel, "accuracy_table")
    assert "only biopsies were known" in said(panel, "opened")
    assert panel.controls.address.state == "outcomes=biopsy"


def test_every_choice_stands_in_the_address_and_comes_back_from_it(panels: list[MonitoringPanel], policy: TriagePolicy):
    panel = opened(panels, policy, "watch=new_camera")
    c = panel.controls
    c.named["site"].value = "Site 3"
    c.first.value = "2022-03"
    c.last.value = "2024-11"
    c.every.value = "week"
    c.lag.value = 200
    c.run.value = 120
    panel.wait()
    assert panel.notice.value == ""
    state = c.address.state
    wanted = Watching(
        watch="new_camera", site="Site 3", first="2022-03", last="2024-11", every="week", lag_days=200, run_months=120
    )
    assert Watching.from_text(state) == wanted == panel.watching
    assert panel.counted is not None
    weeks = panel.counted.rates.volume["period"]
    assert str(weeks.iloc[0]) == "2022-02-28"
    assert str(weeks.iloc[-1]) == "2024-11-25"
    cases = panel.counted.opened.feed.cases
    here = (cases["site"] == "Site 3") & cases["imaged_at"].between("2022-03-01", "2024-12-01", inclusive="left")
    assert int(panel.counted.rates.volume["cases"].sum()) == int(here.sum())
    assert panel.heard is not None
    assert len(panel.heard.part.cases) == int(here.sum())
    again = opened(panels, policy, state)
    assert again.controls.named["site"].value == "Site 3"
    assert again.controls.shown["volume"].value == c.shown["volume"].value


def test_somebody_in_a_hurry_ends_with_the_last_choice(panels: list[MonitoringPanel], policy: TriagePolicy):
    panel = opened(panels, policy, "watch=in_control")
    for n in range(24):
        panel.controls.named["site"].value = f"Site {n % 4 + 1}"
        time.sleep(0.03)
    panel.controls.every.value = "week"
    panel.wait()
    assert panel.watching == Watching(watch="in_control", site="Site 4", every="week")
    assert panel.counted is not None
    assert panel.counted.watching == panel.watching
    assert panel.heard is not None
    assert panel.heard.counted is panel.counted
    assert panel.controls.named["site"].value == "Site 4"


def test_another_feed_begins_with_all_of_it(panels: list[MonitoringPanel], policy: TriagePolicy):
    panel = opened(panels, policy, "site=Site+2&lag_days=100")
    panel.controls.watch.value = "late_labels"
    panel.wait()
    assert panel.watching == Watching(watch="late_labels", lag_days=100)
    assert panel.controls.named["site"].value == ALL
    assert re.search(r"alarm Outcomes in time: biopsy told in time , Site 3 since January 2024", said(panel, "said"))


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        ("watch=/etc", "what is watched is one of the list"),
        ("feed=/etc/passwd", "an address names what this page has"),
        ("first=2024-05&last=2023-01", "the last month does not lie before the first"),
        ("first=May", "a month is written as 2026-03"),
        ("lag_days=-1", "a registry lags 0 to 3,650 days behind"),
        ("lag_days=nan", "lag_days is a number"),
        ("run_months=1", "12 to 1,200 months lie between two false alarms"),
        ("every=year", "cases are counted by month or week"),
        ("riddle=123456", "a riddle has a number"),
    ],
)
def test_an_address_that_says_something_else_is_refused_with_the_rule(address: str, rule: str):
    with pytest.raises(FeedError, match=re.escape(rule)):
        Watching.from_text(address)


def test_a_wrong_address_is_told_and_what_was_shown_stays(panels: list[MonitoringPanel], policy: TriagePolicy):
    panel = opened(panels, policy)
    before = panel.controls.shown["said"].value
    panel.controls.address.opened_with = f"watch={HOSTILE}"
    panel.wait()
    assert "what is watched is one of the list" in panel.notice.value
    assert "<img" not in panel.notice.value
    assert panel.controls.shown["said"].value == before
    assert panel.controls.address.state == ""


def test_a_choice_that_leaves_no_case_is_told_and_the_next_one_shows_figures_again(
    panels: list[MonitoringPanel], policy: TriagePolicy
):
    panel = opened(panels, policy, "watch=new_camera&site=Site+1")
    panel.controls.named["device"].value = "camera 2"
    panel.wait()
    assert "the choice leaves at least one case" in panel.notice.value
    assert panel.controls.shown["volume"].value == "", "no figure of another choice stands there"
    panel.controls.named["device"].value = ALL
    panel.wait()
    assert panel.notice.value == ""
    assert "alarm" in said(panel, "said") or "quiet" in said(panel, "said")


def test_a_last_month_before_the_first_is_refused_and_the_inputs_show_what_is_set(
    panels: list[MonitoringPanel], policy: TriagePolicy
):
    panel = opened(panels, policy, "watch=in_control&first=2023-01")
    panel.controls.last.value = "2022-05"
    assert "the last month does not lie before the first" in panel.notice.value
    assert panel.controls.last.value == ""
    assert panel.watching == Watching(watch="in_control", first="2023-01")


def test_a_riddle_keeps_its_answer_until_it_is_asked_for(panels: list[MonitoringPanel], policy: TriagePolicy):
    drawn = {planted_by(Watching(watch=RIDDLE, riddle=n)) for n in range(60)}
    assert {scenario[0] for scenario in drawn if scenario} == set(Scenario)
    panel = opened(panels, policy, "watch=riddle&riddle=7")
    planted = panel.counted.opened.planted if panel.counted else None
    assert planted is not None
    for place in panel.controls.shown.values():
        assert planted.sentence not in unescape(place.value)
    assert panel.controls.address.state == "watch=riddle&riddle=7"
    panel.reveal()
    assert planted.sentence in said(panel, "planted")
    panel.controls.another.click()
    panel.wait()
    assert panel.watching.watch == RIDDLE
    assert said(panel, "planted") == ""


def test_the_feed_of_this_machine_is_opened_first_and_hostile_names_are_text(
    panels: list[MonitoringPanel], policy: TriagePolicy, own: Path
):
    panel = opened(panels, policy)
    assert panel.watching.watch == OWN
    assert panel.controls.watch.value == OWN
    assert "6,000 cases" in said(panel, "opened")
    for choice, value in ((panel.controls.funnel, 0), (panel.controls.grouping, "site")):
        choice.value = value
    everything = "".join(place.value for place in panel.controls.shown.values()) + panel.notice.value
    assert "<img" not in everything
    assert "&lt;img src=x" in panel.controls.shown["remarks"].value
    assert "&lt;img src=x" in panel.controls.shown["groups"].value
    assert str(own) not in everything
    panel.controls.named["site"].value = HOSTILE
    panel.wait()
    assert panel.watching.site == HOSTILE
    assert Watching.from_text(panel.controls.address.state).site == HOSTILE
    assert panel.controls.reveal.layout.display == "none"


def test_a_feed_that_cannot_be_read_is_told_without_its_folder_and_the_made_up_ones_are_there(
    panels: list[MonitoringPanel], policy: TriagePolicy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(FEED_VARIABLE, str(tmp_path / "nowhere"))
    panel = opened(panels, policy)
    assert "a feed is a folder with deliveries of cases" in panel.notice.value
    assert str(tmp_path) not in panel.notice.value
    panel.controls.watch.value = "in_control"
    panel.wait()
    assert "No alarm" in said(panel, "said")


def test_without_a_feed_of_this_machine_nobody_opens_one_by_address(
    panels: list[MonitoringPanel], policy: TriagePolicy
):
    panel = opened(panels, policy, "watch=feed")
    assert "this machine has no feed" in panel.notice.value
    assert FEED_VARIABLE in panel.notice.value


def test_deliveries_that_came_since_are_read_when_asked(panels: list[MonitoringPanel], policy: TriagePolicy, own: Path):
    panel = opened(panels, policy)
    assert panel.counted is not None
    before = len(panel.counted.opened.feed.outcomes)
    late = pd.DataFrame(
        {"case_id": ["SIM00000001"], "truth": ["melanoma"], "known_at": ["2022-06-01T09:00:00+00:00"],
         "told_at": ["2022-06-02T09:00:00+00:00"], "way": ["full_second_read"]}
    )  # fmt: skip
    late.to_csv(own / "outcomes" / "late.csv", index=False)
    panel.controls.again.click()
    panel.wait()
    assert panel.counted is not None
    assert len(panel.counted.opened.feed.outcomes) == before + 1


def test_every_chart_draws_the_numbers_of_its_table_and_nothing_undefined(
    panels: list[MonitoringPanel], policy: TriagePolicy
):
    panel = opened(panels, policy, "watch=new_camera")
    c = panel.controls
    for choice in (c.signal, c.look, c.funnel, c.kind, c.measure, c.grouping, c.share):
        for _, value in choice._options_full:
            choice.value = value
            assert panel.notice.value == ""
    for name, place in c.shown.items():
        assert not re.search(r"(?:points|d|cx|cy|x|y)='[^']*(?:nan|inf)", place.value), name
    assert panel.counted is not None
    link = re.search(r"download='volume.csv' href='data:text/csv;base64,([^']+)'", c.shown["volume"].value)
    assert link
    kept = pd.read_csv(io.BytesIO(base64.b64decode(link[1])))
    np.testing.assert_array_equal(kept["cases"], panel.counted.rates.volume["cases"])
    assert kept["cases"].sum() == 100_000


def test_all_tables_and_the_report_are_kept(panels: list[MonitoringPanel], policy: TriagePolicy):
    panel = opened(panels, policy)
    c = panel.controls
    c.make_files.click()
    panel.wait()
    c.make_report.click()
    panel.wait()
    link = re.search("base64,([^']+)'", c.shown["files"].value)
    assert link
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(link[1]))) as packed:
        names = set(packed.namelist())
        signals = pd.read_csv(packed.open("signals.csv"))
        about = packed.read("README.txt").decode()
    assert {"remarks.csv", "set_aside.csv", "volume.csv", "accuracy.csv", "funnels.csv", "turnaround.csv",
            "looks_input_drift.csv", "looks_quality_and_mix.csv", "looks_outcomes_in_time.csv"} <= names  # fmt: skip
    assert set(signals.loc[signals["status"] == "alarm", "signal"]) >= {"Melanoma sensitivity, CUSUM"}
    assert "SIMULATED" in about
    links = dict(re.findall(r"download='monitoring-[\d-]+(\.\w+)' href='data:[^;]+;base64,([^']+)'",
                            c.shown["report"].value))  # fmt: skip
    assert set(links) == {".html", ".docx", ".json"}
    page = base64.b64decode(links[".html"]).decode()
    assert "Melanoma sensitivity, CUSUM" in page
    assert "Simulated feed" in page
    assert zipfile.is_zipfile(io.BytesIO(base64.b64decode(links[".docx"])))
    assert json.loads(base64.b64decode(links[".json"]))["format"].startswith("derm-kit document")


def test_without_a_register_alarms_can_be_looked_at_and_none_is_made(
    panels: list[MonitoringPanel], policy: TriagePolicy, workspace: Path
):
    panel = opened(panels, policy, "watch=late_labels")
    assert "There is no register on this machine yet" in panel.incidents.words.value
    assert panel.incidents.opening.layout.display == "none"
    assert not workspace.exists()


def test_without_a_hazard_it_says_how_the_log_begins(
    panels: list[MonitoringPanel], policy: TriagePolicy, workspace: Path
):
    with Register.open(workspace) as register:
        staff(register)
    panel = opened(panels, policy, "watch=late_labels")
    assert "derm-kit hazards seed" in panel.incidents.words.value
    assert panel.incidents.opening.layout.display == "none"


@pytest.fixture
def people(workspace: Path) -> Staff:
    with Register.open(workspace) as register:
        found = staff(register)
        a_hazard(register, found)
    return found


def sign(panel: MonitoringPanel, who: str, passphrase: str = PASSPHRASE) -> None:
    panel.incidents.signature.person.value = who
    panel.incidents.signature.passphrase.value = passphrase


def test_an_alarm_opens_an_incident_that_is_noted_reviewed_and_closed(
    panels: list[MonitoringPanel], policy: TriagePolicy, workspace: Path, people: Staff
):
    panel = opened(panels, policy, "watch=late_labels")
    part = panel.incidents
    sign(panel, people.author, "not the passphrase")
    part.open_button.click()
    assert "the passphrase is wrong" in part.notice.value
    assert part.signature.passphrase.value == ""
    sign(panel, people.author)
    part.open_button.click()
    assert "Incident I-001 is open, linked to hazard H-001." in part.notice.value
    assert "SIMULATED, to learn on" in part.detail.value
    sign(panel, people.officer)
    part.said.value = "All is well again."
    part.take("Close it")
    assert "closed only once the linked hazard was reviewed" in part.notice.value
    assert part.said.value == "All is well again.", "what was entered is kept"
    for step, words in (
        ("Add a note", "Site 3 rang: their courier."),
        ("Say that the hazard was reviewed", "As it is."),
    ):
        part.said.value = words
        sign(panel, people.officer)
        part.take(step)
        assert "Incident I-001: open" in part.notice.value
    part.said.value = REASON
    sign(panel, people.officer)
    part.take("Close it")
    assert "Open incidents: 0, closed: 1" in part.listed.value
    assert part.stepping.layout.display == "none"
    with Register.open(workspace) as register:
        made = incidents.find(register, "I-001")
        assert hazards.find(register, "H-001").version == 1
    assert [(step.kind, step.person) for step in made.steps] == [
        (Kind.OPENED, people.author), (Kind.NOTED, people.officer), (Kind.HAZARD_REVIEWED, people.officer),
        (Kind.CLOSED, people.officer),
    ]  # fmt: skip
    assert made.alarm.facts["simulated"] == "Made-up trust: biopsy results come late"
    assert made.alarm.signal == "outcomes in time: biopsy told in time"


def test_the_same_alarm_opens_no_second_incident(
    panels: list[MonitoringPanel], policy: TriagePolicy, workspace: Path, people: Staff
):
    for _ in range(2):
        panel = opened(panels, policy, "watch=late_labels")
        sign(panel, people.officer)
        panel.incidents.open_button.click()
    assert "that one stands" in panel.incidents.notice.value
    assert "(I-001)" in panel.incidents.alarm.label
    with Register.open(workspace) as register:
        assert len(incidents.incidents(register)) == 1


def test_alarms_of_ones_own_feed_are_called_simulated_only_where_it_is(
    panels: list[MonitoringPanel], policy: TriagePolicy, own: Path, people: Staff
):
    panel = opened(panels, policy)
    assert panel.heard is not None
    raised = list(alarms_of(panel.heard))
    assert raised
    assert all("SIMULATED" in alarm.said for alarm in raised), "the feed says of itself that it is made up"
    about = own / "feed.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"remarks": []}))
    panel.controls.again.click()
    panel.wait()
    assert "Nothing here is about a real service." not in said(panel, "opened")
    real = list(alarms_of(panel.heard))
    assert len(real) == len(raised)
    assert not any("simulated" in alarm.facts or "SIMULATED" in alarm.said for alarm in real)


def test_a_feed_without_features_or_outcomes_says_what_is_not_seen(
    panels: list[MonitoringPanel], policy: TriagePolicy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    feed, _ = planted_feed(Scenario.IN_CONTROL, replace(SMALL, years=1, sites=("One practice",)), seed=2)
    bare = Feed(feed.cases, feed.outcomes.iloc[:0], (), None)
    write_feed(bare, tmp_path / "bare")
    monkeypatch.setenv(FEED_VARIABLE, str(tmp_path / "bare"))
    panel = opened(panels, policy)
    assert panel.notice.value == ""
    assert "Input drift on the network" in said(panel, "said")
    assert "cannot be seen here" in said(panel, "said")
    assert "one site only: there is nothing to compare it with" in said(panel, "funnels")
