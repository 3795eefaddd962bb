"""The value-for-money report: what it says, what it marks, and what it admits is missing."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from derm_kit.errors import PathwayError
from derm_kit.model.run import ScoreRun
from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.economic_inputs import NHS, SOCIETAL, unsourced
from derm_kit.pathway.economics import model_of
from derm_kit.pathway.outcomes import Outcomes
from derm_kit.pathway.quantities import Quantity
from derm_kit.pathway.scenario import Scenario
from derm_kit.pathway.sensitivity import psa
from derm_kit.pathway.simulation import simulate
from derm_kit.records.cheers_ai import ITEMS, Titles
from derm_kit.records.report import Chart, Document, Mark, Paragraph, Points, Section, Table
from derm_kit.records.report_picture import WARM, Box, Dots, Line, Words
from derm_kit.records.value_for_money import value_for_money
from derm_kit.records.value_for_money_inputs import changes_from_preset, in_words, settings
from derm_kit.triage.policy import TriagePolicy
from tests import two_arms
from tests.test_cli_tuning import Command, derm_kit
from tests.test_report import HARMLESS, Read, word_tables

__all__ = ["derm_kit"]

DRAWS = 40
NEVER_KNOWN = {"4", "18", "19", "21", "25", "27", "28", "AI 10"}
"""Items that derm-kit cannot answer, whatever was simulated."""
OF_MONEY = (Titles.MONEY, Titles.DOUBT, Titles.PRICE, Titles.BUDGET, Titles.VIEWS)


@pytest.fixture(scope="module")
def skin(reference: ScoreRun, policy: TriagePolicy) -> Outcomes:
    return simulate(Pathway.read("skin-usc"), reference, policy, seed=3, replications=5)


@pytest.fixture(scope="module")
def report(skin: Outcomes) -> Document:
    return value_for_money(skin, draws=DRAWS)


def part(of: Document, title: str) -> Section:
    return next(section for section in of.sections if section.title == title)


def tables(of: Document, title: str) -> list[Table]:
    return [block for block in part(of, title).blocks if isinstance(block, Table)]


def charts(of: Document, title: str) -> list[Chart]:
    return [block for block in part(of, title).blocks if isinstance(block, Chart)]


def drawn_words(of: Chart) -> list[str]:
    return [shape.text for shape in of.picture.shapes if isinstance(shape, Words)]


def table(of: Document, title: str, caption: str) -> Table:
    return next(one for one in tables(of, title) if one.caption.startswith(caption))


def column(of: Table, head: str) -> list[str]:
    return [row[of.heads.index(head)] for row in of.rows]


def words(section: Section) -> str:
    said: list[str] = []
    for block in section.blocks:
        match block:
            case Paragraph(text) | Mark(text):
                said.append(text)
            case Points(texts):
                said += texts
    return "\n".join(said)


def test_sections_stand_in_their_order_and_each_says_something(report: Document):
    assert [section.title for section in report.sections] == list(Titles)
    assert all(section.blocks for section in report.sections)


def test_it_is_no_medical_device_and_illustrative_at_the_top(report: Document, skin: Outcomes):
    device, stamp = report.marks
    assert "Not a medical device" in device
    n = len(model_of(skin).unsourced)
    assert stamp.startswith(f"Illustrative: {n} of the values behind these figures have no source")
    assert report.title.startswith("Economic evaluation by simulation of artificial intelligence")


def test_every_table_of_money_bears_the_mark_where_a_value_has_no_source(report: Document):
    for title in OF_MONEY:
        assert tables(report, title)
        assert all("source required" in one.mark for one in tables(report, title)), title
    for said in (words(part(report, Titles.MONEY)), words(part(report, Titles.SHORT))):
        assert "effective" not in said
    assert "verdict" not in table(report, Titles.MONEY, "Net monetary benefit").heads


def test_with_a_source_behind_every_value_a_verdict_is_given_and_no_mark():
    made = value_for_money(two_arms.outcomes(two_arms.pathway(with_sources=True)), draws=DRAWS)
    assert len(made.marks) == 1
    assert all(not one.mark for title in OF_MONEY for one in tables(made, title))
    said = words(part(made, Titles.MONEY))
    assert "For 1,000 people referred, test first would cost 49,036 GBP less than today" in said
    assert "At 20,000 GBP per QALY (lower) it is cost-effective against today" in said
    assert "At 30,000 GBP per QALY (upper) it is not cost-effective" in said
    worth = table(made, Titles.MONEY, "Net monetary benefit")
    best = [row[worth.heads.index("arm")] for row in worth.rows if row[-1] == "highest net benefit"]
    assert best == ["test first", "today", "today"]
    beside = table(made, Titles.MONEY, "Each arm against today's")
    assert column(beside, "more cost, GBP")[0].startswith("−49.04 (")


def test_charts_stand_beside_their_tables_and_bear_the_mark_in_caption_and_picture(report: Document, skin: Outcomes):
    seen, waited = charts(report, Titles.PEOPLE)
    plane, curve, *bars = charts(report, Titles.DOUBT)
    assert len(bars) == len(skin.arms) - 1
    for one in (seen, waited, plane, curve, *bars):
        assert "source required" in one.mark
        assert any("source required" in said for said in drawn_words(one)), one.caption
        assert "\n" not in one.alternative
        assert len(one.alternative) > 100
    for one in (plane, curve, *bars):
        assert one.mark.startswith("illustrative")
    for one in (seen, waited, curve):
        assert all(arm in drawn_words(one) for arm in skin.arms), one.caption
    others = [arm for arm in skin.arms if arm != "face to face"]
    assert all(arm in drawn_words(plane) for arm in others)
    assert [one.caption.split(":")[0] for one in bars] == others


def test_charts_say_the_figures_of_the_tables(report: Document, skin: Outcomes):
    seen = charts(report, Titles.PEOPLE)[0]
    key = table(report, Titles.PEOPLE, "Key figures")
    shares = [row for row in key.rows if row[0].startswith("Within the limit")]
    assert len(shares) == len(skin.pathway.clocks)
    for row in shares:
        for cell in row[1:]:
            value, limits = cell.removesuffix(")").split(" (")
            low, high = limits.split(" to ")
            assert f"{value} ({low} to {high})" in drawn_words(seen)
            assert value in seen.alternative
    plane, curve, *bars = charts(report, Titles.DOUBT)
    for row in table(report, Titles.DOUBT, "Acceptability").rows:
        for arm, cell in zip(skin.arms, row[1:], strict=True):
            assert f"{arm} {cell.split(' (')[0]}" in curve.alternative
    for one, arm in zip(bars, [arm for arm in skin.arms if arm != "face to face"], strict=True):
        listed = table(report, Titles.DOUBT, f"{arm}: the values")
        for low, high in (cell.split(" to ") for cell in column(listed, "low to high")):
            assert {low, high} <= set(drawn_words(one))
        assert sum(isinstance(shape, Box) for shape in one.picture.shapes) == 2 * len(listed.rows)
        first = listed.rows[0]
        assert f"{first[0]}, from {first[4]} at" in one.alternative
    clouds = [shape for shape in plane.picture.shapes if isinstance(shape, Dots)]
    assert [len(cloud.points) for cloud in clouds] == [DRAWS] * 3


def test_a_cloud_s_cross_is_its_mean_and_nothing_is_drawn_outside_the_picture(report: Document):
    for title in (Titles.PEOPLE, Titles.DOUBT):
        for one in charts(report, title):
            for shape in one.picture.shapes:
                match shape:
                    case Line(points) | Dots(points):
                        assert all(0 <= x <= one.picture.width and 0 <= y <= one.picture.height for x, y in points)
                    case Words(x, y) | Box(x, y):
                        assert 0 <= x <= one.picture.width
                        assert 0 <= y <= one.picture.height
    plane = charts(report, Titles.DOUBT)[0].picture.shapes
    clouds = [shape for shape in plane if isinstance(shape, Dots)]
    crosses = [shape for shape in plane if isinstance(shape, Line) and shape.pen.width == 3][::2]
    for cloud, cross in zip(clouds, crosses, strict=True):
        for k in (0, 1):
            mean = sum(point[k] for point in cloud.points) / len(cloud.points)
            assert sum(end[k] for end in cross.points) / 2 == pytest.approx(mean, abs=1e-6)


def test_a_threshold_is_drawn_on_the_plane_only_where_a_verdict_may_be_given(report: Document):
    made = value_for_money(two_arms.outcomes(two_arms.pathway(with_sources=True)), draws=DRAWS)

    def lines(of: Document) -> list[Line]:
        shapes = charts(of, Titles.DOUBT)[0].picture.shapes
        return [one for one in shapes if isinstance(one, Line) and one.pen.colour == WARM and one.pen.dashes]

    assert len(lines(made)) == 1
    assert "dashed: 20,000 GBP per QALY" in drawn_words(charts(made, Titles.DOUBT)[0])
    assert lines(report) == []
    assert all(not one.mark for one in charts(made, Titles.DOUBT))
    assert not any("source required" in said for one in charts(made, Titles.DOUBT) for said in drawn_words(one))


def test_every_value_without_a_source_is_listed_by_name_with_its_value(report: Document, skin: Outcomes):
    pathway = skin.pathway
    listed = table(report, Titles.RESTS, "Values without a source")
    places = column(listed, listed.heads[0])
    assert len(set(places)) == len(places)
    assert set(unsourced(pathway, SOCIETAL)) <= set(places)
    beyond = set(places) - set(unsourced(pathway, SOCIETAL))
    assert all(place.startswith(("clocks", "economics / budget")) for place in beyond)
    values = dict(zip(places, column(listed, "value"), strict=True))
    assert values["economics / utility"] == "0.8 (beta, standard error 0.02)"
    assert values["stages / clinic / cost_gbp"] == "170 (gamma, standard error 25)"
    assert values["conditions / melanoma / progression_per_30_days"] == "0.02 (uniform, 0 to 0.04)"
    assert values["stages / histology / delay_days"] == "triangular time: low 4, mode 8, high 18"
    assert "melanoma: discharge 0.03, routine clinic 0.02" in values["stages / teledermatology / reads"]
    named = table(report, Titles.RESTS, "Values with a source")
    assert "NICE consultation 2705: AI, per referral" in column(named, "source")
    assert not any("source required" in source for source in column(named, "source"))


def test_values_keep_all_their_digits():
    assert in_words(Quantity(value=0.123456789)) == "0.123456789"
    assert in_words(Quantity(value=12_345_678)) == "12,345,678"
    assert in_words(Quantity(value=30.0)) == "30"


def test_figures_are_those_of_the_tables_they_come_from(report: Document, skin: Outcomes):
    from derm_kit.pathway.measures import table as measured

    figures = measured(skin)
    own = figures[(figures["measure"] == "within the limit") & (figures["of"] == "28-day FDS")]
    key = table(report, Titles.PEOPLE, "Key figures")
    shown = next(row for row in key.rows if row[0].startswith("Within the limit: 28-day FDS"))
    for arm, cell in zip(own["arm"], shown[1:], strict=True):
        assert cell.startswith(f"{own.loc[own['arm'] == arm, 'value'].iloc[0]:.1%} (")
    change = table(report, Titles.PEOPLE, "Change against face to face")
    assert change.heads == ("figure", *(arm for arm in skin.arms if arm != "face to face"))
    missed = table(report, Titles.PEOPLE, "Cancers that leave untreated")
    assert len(missed.rows) == len(skin.arms) * len(skin.pathway.target_groups)


def test_the_thresholds_the_policy_and_the_cases_are_named(report: Document, policy: TriagePolicy, reference: ScoreRun):
    said = words(part(report, Titles.MODEL))
    for text in (policy.name, policy.version, policy.model_hash, f"{len(reference):,} scored lesions"):
        assert text in said
    thresholds = table(report, Titles.MODEL, "Thresholds")
    assert column(thresholds, "threshold") == [f"{value:.6g}" for value in policy.thresholds.values()]
    assert all(text.startswith("no guarantee") for text in column(thresholds, "guarantee"))
    sent = [one for one in tables(report, Titles.MODEL) if one.caption.startswith("Where the policy sends")]
    assert len(sent) == 2
    for one in sent:
        assert all(abs(sum(float(cell) for cell in row[2:]) - 100) < 0.31 for row in one.rows)
    assert "known to be of brown or black skin" in words(part(report, Titles.LIMITS))
    assert "no source has a patient id" in words(part(report, Titles.LIMITS))


def test_a_changed_threshold_has_no_sensitivity_of_the_card(skin: Outcomes, reference: ScoreRun, policy: TriagePolicy):
    lower = policy.changed(thresholds={kind: value / 2 for kind, value in policy.thresholds.items()})
    found = simulate(skin.pathway, reference, lower, replications=2, arms=["face to face", "AI"])
    made = value_for_money(found, draws=DRAWS)
    thresholds = table(made, Titles.MODEL, "Thresholds")
    assert set(column(thresholds, "guarantee")) == {"none known for this threshold"}
    assert "not simulated: teledermatology, AI + second read" in words(part(made, Titles.ARMS))
    assert "--arm 'face to face' --arm 'AI'" in words(part(made, Titles.REPEAT))


def test_who_decides_is_said_of_every_arm(report: Document):
    arms = tables(report, Titles.ARMS)[0]
    who = dict(zip(column(arms, "arm"), column(arms, "who decides"), strict=True))
    assert who["AI"].startswith("the model alone for people who reach no threshold")
    assert who["AI + second read"].startswith("clinicians")
    assert who["face to face (today)"] == who["teledermatology"] == "as its stages say; no policy is read"


def test_the_widest_bars_the_prices_and_five_years_are_there(report: Document, skin: Outcomes):
    bars = [one for one in tables(report, Titles.DOUBT) if "move its gain" in one.caption]
    assert len(bars) == 3
    assert all(len(one.rows) == 10 for one in bars)
    assert all(len(one.rows) == 5 for one in tables(report, Titles.BUDGET))
    prices = tables(report, Titles.PRICE)[0]
    assert column(prices, "price now") == ["30.00"] * 9
    both = tables(report, Titles.VIEWS)[0]
    assert column(both, "view") == [NHS] * 3 + [SOCIETAL] * 3
    worth = table(report, Titles.DOUBT, "Acceptability")
    for row in worth.rows:
        assert abs(sum(float(cell.split("%")[0]) for cell in row[1:]) - 100) < 0.31


def test_a_queue_that_grows_stands_in_a_frame(skin: Outcomes, reference: ScoreRun, policy: TriagePolicy):
    short = Scenario(slots={"clinic": 40}).pathway(skin.pathway)
    found = simulate(short, reference, policy, replications=2, arms=["face to face", "AI"])
    made = value_for_money(found, draws=DRAWS)
    marks = [block.text for block in part(made, Titles.CLINICS).blocks if isinstance(block, Mark)]
    assert any("face to face: clinic has" in text and "its queue grows" in text for text in marks)


def test_the_same_seed_gives_the_same_files_and_another_seed_others(skin: Outcomes, report: Document):
    again = simulate(skin.pathway, skin.run, skin.policy, seed=3, replications=5)
    assert value_for_money(again, draws=DRAWS).to_html() == report.to_html()
    assert value_for_money(again, draws=DRAWS).to_docx() == report.to_docx()
    other = simulate(skin.pathway, skin.run, skin.policy, seed=4, replications=5)
    assert value_for_money(other, draws=DRAWS).to_html() != report.to_html()


def test_html_and_word_have_the_same_tables(report: Document):
    read = Read(report.to_html())
    assert read.tags <= HARMLESS
    assert read.tables == word_tables(report)
    assert len(read.tables) > 25


def test_names_and_sources_from_a_file_stay_text(skin: Outcomes):
    script = "<script>alert(1)</script>\x0b\x1b[31m"
    hostile = skin.pathway.changed(
        name="<b>bold</b>".replace("/", ""),
        summary=script,
        referrals=skin.pathway.referrals.model_dump(exclude_unset=True) | {"source": f"source required {script}"},
    )
    policy = skin.policy.changed(name=script, version="<i>")
    made = value_for_money(
        simulate(hostile, skin.run, policy, replications=2, arms=["face to face", "AI"]), draws=DRAWS
    )
    read = Read(made.to_html())
    assert read.tags <= HARMLESS
    assert any("<script>alert(1)</script>" in text for text in read.text)
    assert read.tables == word_tables(made)
    assert f"No pathway of the name '{hostile.name}' ships" in words(part(made, Titles.REPEAT))


def test_draws_that_were_made_are_taken_and_others_refused(skin: Outcomes):
    drawn = psa(model_of(skin, SOCIETAL), 60, seed=9)
    made = value_for_money(skin, view=SOCIETAL, found=drawn)
    assert "drawn from its distribution 60 times (seed 9)" in words(part(made, Titles.DOUBT))
    with pytest.raises(PathwayError, match=r"draws belong to the simulation and the view.*societal"):
        value_for_money(skin, found=drawn)
    with pytest.raises(PathwayError, match="draws belong"):
        value_for_money(two_arms.outcomes(two_arms.pathway()), found=psa(model_of(skin), 10))


def test_what_was_changed_from_the_preset_is_listed(skin: Outcomes):
    assert changes_from_preset(skin.pathway) == []
    changed = Scenario(per_week=120.0, slots={"clinic": 130}).pathway(skin.pathway)
    places = {place: (before, now) for place, before, now in changes_from_preset(changed)}
    assert places["referrals / per_week"] == ("100", "120")
    assert places["referrals / per_week / source"][1] == "source required: set for this scenario"
    assert places["stages / clinic / slots / mon"] == ("24", "26")
    assert changes_from_preset(two_arms.pathway()) is None


def test_settings_say_where_each_value_is_from():
    found = {one.place: one for one in settings(two_arms.pathway(with_sources=True))}
    assert found["economics / mortality"].value == "from age years: 98; life table: 0.2, 0.2"
    assert all(one.sourced for one in found.values())


def test_the_checklist_has_every_item_once_with_its_section_or_what_to_add(report: Document):
    listed = tables(report, Titles.CHECKLIST)[0]
    numbers = [f"{n}" for n in range(1, 29)] + [f"AI {n}" for n in range(1, 11)]
    assert column(listed, "item") == numbers == [item.number for item in ITEMS]
    numbered = {title for title, _ in report.numbered} | {"Title"}
    for number, _, state, where, needed in listed.rows:
        assert state in ("✓ answered", "✓ in part", "missing")
        assert (state == "missing") == (number in NEVER_KNOWN)
        assert (where == "") == (state == "missing")
        assert where == "" or where in numbered
        assert needed.startswith("Add: ") == (state != "✓ answered")
    said = words(part(report, Titles.CHECKLIST))
    assert "BMJ 2022;376:e067975" in said
    assert "Value in Health 2024;27:1196-1205" in said
    assert f"{len(NEVER_KNOWN)} are missing" in said


def missing(of: Document) -> set[str]:
    listed = tables(of, Titles.CHECKLIST)[0]
    return {row[0] for row in listed.rows if row[2] == "missing"}


def test_without_a_policy_the_checklist_claims_nothing_of_an_ai():
    made = value_for_money(two_arms.outcomes(two_arms.pathway()), draws=DRAWS)
    assert missing(made) == NEVER_KNOWN | {"AI 1", "AI 2", "AI 3", "AI 4", "AI 5", "AI 7", "AI 8", "AI 9"}
    assert "artificial intelligence" not in made.title
    assert "No stage of this pathway reads a policy" in words(part(made, Titles.MODEL))


def test_scores_of_an_unknown_model_claim_nothing_of_how_it_was_made(skin: Outcomes, policy: TriagePolicy):
    unnamed = ScoreRun(skin.run.scores, skin.run.cases)
    found = simulate(skin.pathway, unnamed, policy, replications=2, arms=["face to face", "AI"])
    made = value_for_money(found, draws=DRAWS)
    assert missing(made) == NEVER_KNOWN | {"AI 3", "AI 4", "AI 5", "AI 7"}
    said = words(part(made, Titles.MODEL))
    assert "Whether it learns in use is not known here" in said
    assert "whether policy and scores belong together was not checked" in said
    assert set(column(table(made, Titles.MODEL, "Thresholds"), "guarantee")) == {"none known for this threshold"}


def test_what_cannot_be_reported_is_refused(skin: Outcomes):
    with pytest.raises(PathwayError, match="needs the pathway's section 'economics'"):
        value_for_money(two_arms.outcomes(two_arms.pathway().changed(economics=None)))
    with pytest.raises(PathwayError, match="there is no such view"):
        value_for_money(skin, view="private")


def test_the_command_writes_both_files_that_its_own_files_give_again(derm_kit: Command, tmp_path: Path):
    few = ("--replications", "2", "--seed", "8", "--arm", "face to face", "--arm", "AI")
    one, two, out = tmp_path / "one.html", tmp_path / "two.docx", tmp_path / "out"
    said = derm_kit("simulate", "skin-usc", *few, "--report", one, "--report", two, "--out", out)
    assert said.code == 0, said.err
    assert "Value-for-money report" in said.out
    assert two.read_bytes().startswith(b"PK")
    html = one.read_text("utf-8")
    for name in ("pathway.json", "policy.json"):
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() in html
    again = tmp_path / "again.html"
    given = ("--policy", out / "policy.json", "--report", again)
    assert derm_kit("simulate", out / "pathway.json", *few, *given).code == 0
    assert again.read_text("utf-8") == html


def test_the_command_refuses_a_report_before_it_simulates(derm_kit: Command, tmp_path: Path):
    (tmp_path / "kept.html").write_text("mine")
    for words_, expected in (
        (("skin-usc", "--report", tmp_path / "kept.html"), "this one exists"),
        (("skin-usc", "--report", tmp_path / "report.pdf"), "a report is written as .html or .docx"),
        (("skin-usc", "--arm", "AI", "--report", tmp_path / "a.html"), "Add --arm 'face to face'"),
        (("lung-chest-x-ray", "--report", tmp_path / "a.html"), "needs the pathway's section 'economics'"),
    ):
        said = derm_kit("simulate", *words_, "--replications", "100000")
        assert said.code == 2
        assert expected in said.err.replace("\n", " ")
    assert (tmp_path / "kept.html").read_text() == "mine"
    assert not (tmp_path / "a.html").exists()
