"""Page 03 without a kernel: its state is set, its widgets are read."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest

import derm_kit.triage
from derm_kit import ScoreRun, TriagePolicy
from derm_kit.errors import DermKitError
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.panels.thresholds import ThresholdsPanel, thresholds_page
from derm_kit.panels.tuning_setting import PRESETS, Setting
from derm_kit.panels.tuning_source import LARGEST_MB, Source
from derm_kit.panels.tuning_words import standing, worth

MEL, SCC, BCC, AK = (
    LesionType.MELANOMA,
    LesionType.SQUAMOUS_CELL_CARCINOMA,
    LesionType.BASAL_CELL_CARCINOMA,
    LesionType.ACTINIC_KERATOSIS,
)
WHY = "Fewer melanomas are to be missed; more benign lesions will be referred."


@pytest.fixture
def panel(reference: ScoreRun, policy: TriagePolicy) -> ThresholdsPanel:
    return ThresholdsPanel(Source.of(reference, policy), policy)


def shown(panel: ThresholdsPanel, name: str) -> str:
    """A place of the page as it reads."""
    return html.unescape(re.sub(r"<[^>]+>", " ", panel.controls.shown[name].value))


def whole(panel: ThresholdsPanel) -> str:
    return "".join(
        [*(place.value for place in panel.controls.shown.values()), panel.source.about.value,
         panel.source.notice.value, panel.notice.value, panel.proposal.result.value]
    )  # fmt: skip


def upload(panel: ThresholdsPanel, content: str | bytes, size: int | None = None) -> None:
    """As the browser sends it: content and size first, in one message with the count."""
    zone, sent = panel.source.upload, content.encode() if isinstance(content, str) else content
    with zone.hold_trait_notifications():
        zone.content, zone.size, zone.given = sent, size or len(sent), zone.given + 1


def scores(n: int = 120, *, seed: int = 3, types: tuple[LesionType, ...] = LESION_TYPES) -> pd.DataFrame:
    """Somebody else's scores: n cases of the eleven types in turn, the right type's score raised."""
    drawn = np.random.default_rng(seed).dirichlet(np.full(11, 0.5), n)
    drawn[np.arange(n), np.arange(n) % 11] += 0.5
    table = pd.DataFrame(drawn / drawn.sum(1, keepdims=True), columns=[t.value for t in LESION_TYPES])
    table = table[[t.value for t in types]]
    table.insert(0, "case_id", [f"case-{i}" for i in range(n)])
    table["truth"] = [LESION_TYPES[i % 11].value for i in range(n)]
    return table


def test_the_page_opens_on_the_reference_cases_and_the_policy_in_force(panel, policy):
    assert panel.policy.thresholds == policy.thresholds
    assert "2,419 cases" in panel.source.about.value
    assert "derm11 default" in panel.source.about.value
    assert "No case is called otherwise" in shown(panel, "changes")
    assert panel.controls.undo.disabled
    assert panel.controls.redo.disabled
    assert panel.controls.back.disabled
    assert panel.proposal.button.disabled
    assert panel.controls.address.state == ""
    assert panel.controls.sliders[LesionType.ATYPICAL_NAEVUS].layout.display == "none"
    assert thresholds_page().children


def test_a_slider_changes_what_is_said_of_it(panel):
    before = shown(panel, "summary"), panel.controls.sliders[MEL].worth
    panel.controls.sliders[MEL].value = 0.9
    after = shown(panel, "summary"), panel.controls.sliders[MEL].worth
    assert all(a != b for a, b in zip(before, after, strict=True))
    n, caught, _, _ = worth(panel.worked.rates, MEL)
    assert f"<span class='dk-number'>{caught} of {n}</span>" in after[1]
    assert panel.controls.sliders[MEL].says.startswith(f"{caught} of {n} caught")
    assert "no longer flagged" in shown(panel, "changes")


@pytest.mark.parametrize("threshold", [1e-6, 0.05, 1.0])
def test_caught_missed_and_review_add_up(panel, threshold):
    panel.controls.sliders[MEL].value = threshold
    for t in panel.setting.thresholds:
        n, *parts = worth(panel.worked.rates, t)
        assert sum(parts) == n > 0


def test_the_safest_thresholds_are_guaranteed_or_refused_in_words(panel):
    panel.find()
    said = shown(panel, "guarantees")
    assert "With 95% confidence for all of them together" in said
    assert re.search(r"Melanoma, at 0\.[0-9]+: at least 95%\. Here [0-9]+ of 209", said)
    assert "Actinic keratosis: refused. A promise of 90% needs at least 44 assessed cases of this type" in said
    assert "Its threshold stays at 0.5, without a guarantee" in said
    assert "Guaranteed: at least 95% of assessed cases." in panel.controls.sliders[MEL].worth
    assert "Not guaranteed: refused" in panel.controls.sliders[AK].worth
    assert panel.setting.thresholds[MEL] == panel.controls.sliders[MEL].value


def test_a_slider_moved_by_hand_ends_its_guarantee_and_a_raised_one_those_below(panel):
    panel.find()
    panel.controls.sliders[MEL].value = panel.setting.thresholds[MEL] * 1.5
    assert "moved by hand" in panel.controls.sliders[MEL].worth
    assert "a more serious threshold was raised (Melanoma)" in panel.controls.sliders[BCC].worth
    panel.step(True)
    assert "Guaranteed: at least 95%" in panel.controls.sliders[MEL].worth
    panel.controls.sliders[MEL].value = panel.setting.thresholds[MEL] / 2
    assert "Guaranteed: at least 90%" in panel.controls.sliders[BCC].worth


def test_targets_within_groups_are_harder_to_hold(panel):
    panel.controls.within.value = "sex"
    panel.find()
    held = {g.lesion_type: g for g in panel.setting.guarantees}
    assert held[MEL].threshold is None or "in every group" in standing(held[MEL], None)
    refused = [g for g in held.values() if g.threshold is None]
    assert refused
    assert all(g.group_of_the_limit for g in held.values())
    assert "in the group “" in shown(panel, "guarantees")


def test_without_a_target_nothing_is_searched_and_the_page_says_so(panel):
    for box in panel.controls.targets.values():
        box.value = 0
    before = panel.setting
    panel.find()
    assert "a guarantee needs a target sensitivity" in panel.notice.value
    assert panel.setting == before


def test_undo_and_redo_go_one_change_at_a_time(panel, policy):
    start = panel.setting
    panel.controls.sliders[MEL].value = 0.4
    panel.controls.cancers.value = 2
    panel.controls.targets[MEL].value = 97
    assert panel.setting.targets[MEL] == pytest.approx(0.97)
    panel.step(True)
    assert panel.controls.targets[MEL].value == 95
    panel.step(True)
    assert panel.controls.cancers.value == 0
    panel.step(True)
    assert panel.setting == start
    assert panel.controls.sliders[MEL].value == policy.thresholds[MEL]
    assert panel.controls.undo.disabled
    for _ in range(3):
        panel.step(False)
    assert panel.controls.redo.disabled
    assert panel.setting.targets[MEL] == pytest.approx(0.97)
    panel.step(True)
    panel.controls.sliders[SCC].value = 0.4
    assert panel.controls.redo.disabled, "a new change ends what could be redone"
    panel.controls.back.click()
    assert panel.setting.thresholds == policy.thresholds


def test_a_slider_held_down_is_one_change_and_a_later_move_another(panel, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("derm_kit.panels.thresholds.monotonic", lambda: clock[0])
    start = panel.setting
    for value in (0.1, 0.2, 0.3):
        panel.controls.sliders[MEL].value = value
        clock[0] += 0.1
    held = panel.setting
    clock[0] += 5
    panel.controls.sliders[MEL].value = 0.4
    panel.controls.sliders[SCC].value = 0.4
    panel.step(True)
    panel.step(True)
    assert panel.setting == held
    panel.step(True)
    assert panel.setting == start


def test_moves_under_way_when_all_was_undone_are_dropped(panel):
    """As a browser sends them: with the round that it knew when the key was pressed."""
    slider, start = panel.controls.sliders[MEL], panel.setting

    def move(value: float, known: int) -> None:
        with slider.hold_trait_notifications():
            slider.value, slider.known = value, [known, 1]

    known = slider.round
    move(0.3, known)
    move(0.31, known)
    panel.step(True)
    move(0.32, known)
    move(0.33, known)
    assert panel.setting == start
    assert slider.value == start.thresholds[MEL]
    assert not panel.controls.redo.disabled
    move(0.4, slider.round)
    assert panel.setting.thresholds[MEL] == 0.4
    move(0.41, slider.round)
    panel.find()
    found = panel.setting
    move(0.42, slider.round - 1)
    assert panel.setting is found


def test_learn_then_test_gives_thresholds_that_are_no_higher(panel):
    panel.find()
    ours = dict(panel.setting.thresholds)
    panel.controls.method.value = "learn then test"
    panel.find()
    held = [g for g in panel.setting.guarantees if g.threshold is not None]
    assert {g.method for g in held} == {"learn then test"}
    assert held[0].threshold <= ours[MEL]
    assert "method=learn+then+test" in panel.controls.address.state


def test_a_clinics_mix_by_type_is_read_with_the_share_of_all_cancers(panel):
    c = panel.controls
    c.cancers.value = 6
    of_all = shown(panel, "mix")
    c.shares[MEL].value = 1.5
    assert panel.setting.shares == {MEL: 0.015}
    assert "6.0% of lesions are cancers there" in shown(panel, "mix")
    assert shown(panel, "mix") != of_all
    c.shares[LesionType.DERMATOFIBROMA].value = 2
    assert "dermatofibroma" in shown(panel, "mix") or "has at least 30 cases" in shown(panel, "mix")
    c.shares[LesionType.DERMATOFIBROMA].value = 0
    c.shares[BCC].value = 30
    assert "31.50% named, 6.00% in all" in shown(panel, "mix")
    assert c.shares[BCC].value == 30, "what was entered stays"
    opened = panel.opened
    assert Setting.from_text(panel.setting.text(), opened.start, opened.groupings) == panel.setting
    c.cancers.value = 0
    assert "of lesions are cancers there" in shown(panel, "mix")


def test_harm_is_shown_once_its_unit_and_source_are_said(panel):
    c = panel.controls
    c.harms["melanoma"].value, c.harms["benign_flagged"].value = 100, 1
    assert "No published set of such weights is known" in shown(panel, "harm")
    c.harm_source.value = "points, <b>agreed</b> by the team"
    said = shown(panel, "harm")
    assert "Weights: points, <b>agreed</b> by the team" in said
    assert "<b>agreed" not in panel.controls.shown["harm"].value
    assert "every case gives the same figure" in said, "nothing has changed yet"
    c.sliders[MEL].value = 0.9
    assert re.search(r"difference\s+\+[0-9.,]+ \(\+", shown(panel, "harm")), shown(panel, "harm")
    before = shown(panel, "harm")
    c.cancers.value = 2
    assert "in the mix of my clinic" in shown(panel, "harm") != before


def test_a_scored_type_without_a_threshold_has_a_slider_that_gives_it_one(panel, policy):
    naevus = LesionType.ATYPICAL_NAEVUS
    upload(panel, scores().to_csv(index=False))
    slider = panel.controls.sliders[naevus]
    assert slider.layout.display == ""
    assert slider.never
    assert "No threshold: no case is called this" in slider.worth
    assert naevus not in panel.setting.thresholds
    panel.controls.curve_of.value = naevus
    assert panel.notice.value == ""
    slider.value = 0.2
    assert not slider.never
    assert panel.policy.thresholds[naevus] == 0.2
    assert re.search(r"Caught .* of them as their own type", slider.worth)
    panel.proposal.rationale.value = WHY
    panel.proposal.propose()
    made = json.loads(base64.b64decode(re.search(r"base64,([^']+)", panel.proposal.result.value)[1]))
    assert naevus not in made["old_policy"]["thresholds"]
    assert made["new_policy"]["thresholds"][naevus] == 0.2
    panel.step(True)
    assert slider.never
    assert slider.value == 1


def test_the_address_brings_the_setting_back_exactly(panel, reference, policy):
    panel.controls.preset.value = "prevalence"
    panel.controls.harms["review"].value = 0.5
    panel.controls.harm_source.value = "points & more; = agreed"
    panel.controls.method.value = "learn then test"
    panel.find()
    panel.controls.within.value = "source"
    panel.controls.picker.chosen = panel.worked.changes.moved["case_id"].iloc[0]
    text = panel.controls.address.state
    other = ThresholdsPanel(Source.of(reference, policy), policy)
    other.controls.address.opened_with = text
    assert other.setting == panel.setting
    assert other.setting.thresholds == panel.setting.thresholds
    assert other.setting.case == panel.setting.case
    assert other.controls.address.state == text
    assert other.notice.value == ""
    assert "Guaranteed" not in other.controls.sliders[MEL].worth, "an address is no evidence of a guarantee"


@pytest.mark.parametrize(
    "text",
    [
        "nonsense", "%", "melanoma=0.1", "melanoma=2", "{}", "<script>alert(1)</script>", "a=" + "x" * 9_999,
        "&".join(f"k{i}=1" for i in range(99)),
    ],
)  # fmt: skip
def test_a_nonsense_address_is_told_and_changes_nothing(panel, text):
    before = panel.setting
    panel.controls.address.opened_with = text
    assert "role='alert'" in panel.notice.value
    assert "<script" not in panel.notice.value
    assert panel.setting is before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("melanoma", "nan"), ("melanoma", "0"), ("melanoma", "1.5"), ("hold.melanoma", "1"), ("confidence", "1"),
        ("confidence", "nan"), ("within", "shoe size"), ("cancers", "-1"), ("extra", "1"), ("cancers", "inf"),
        ("method", "magic"), ("share.melanoma", "2"), ("harm.melanoma", "-1"), ("harm.melanoma", "nan"),
    ],
)  # fmt: skip
def test_an_address_with_one_wrong_value_is_refused(panel, name, value):
    panel.controls.sliders[MEL].value = 0.4
    before, parts = panel.setting, dict(p.split("=") for p in panel.controls.address.state.split("&"))
    panel.controls.address.opened_with = "&".join(f"{k}={v}" for k, v in {**parts, name: value}.items())
    assert "role='alert'" in panel.notice.value
    assert panel.setting is before
    assert panel.controls.sliders[MEL].value == 0.4


def test_presets_set_what_they_say(panel, policy):
    c = panel.controls
    c.preset.value = "maker"
    assert [c.targets[t].value for t in (MEL, SCC, BCC, AK)] == [95, 95, 90, 0]
    assert "publishes" in panel.notice.value
    c.preset.value = "hold 90"
    assert {c.targets[t].value for t in panel.setting.targets} == {90}
    panel.find()
    c.preset.value = "prevalence"
    assert c.cancers.value == 1.5
    assert "98.90% at a prevalence of 2.7% is one of 99.39% at 1.5%" in shown(panel, "mix")
    assert "Assumes label shift" in shown(panel, "mix")
    assert re.search(r"\(NPV\)\s+[0-9.]+%\s+99", shown(panel, "mix")), "an NPV travels with prevalence"
    c.cancers.value = 3
    assert "98.90%" not in shown(panel, "mix")
    c.preset.value = "in force"
    assert panel.setting == panel.opened.start
    assert panel.setting.thresholds == {t: policy.thresholds[t] for t in panel.setting.thresholds}
    assert {"in force", "maker", "hold 90", "prevalence"} == set(PRESETS)


def test_too_few_cases_of_a_share_are_told_where_the_share_is_shown(panel):
    upload(panel, scores(40).to_csv(index=False))
    panel.controls.cancers.value = 5
    assert "a lesion type that is weighted has at least 30 cases here" in shown(panel, "mix")
    assert panel.controls.cancers.value == 5


def test_subgroups_keep_small_groups_and_mark_them(panel):
    panel.controls.grouping.value = "age"
    assert "too few to say" in shown(panel, "groups")
    assert "under 18 years" in shown(panel, "groups")
    panel.controls.grouping.value = "source"
    assert "ham10000" in shown(panel, "groups")


def test_specificity_by_source_of_truth_stands_for_begg_greenes_on_the_reference_cases(panel):
    said = shown(panel, "truth")
    assert "histopathology" in said
    assert "is not applied: every case is verified" in said


def test_begg_greenes_is_applied_where_cases_lack_a_truth(panel):
    table = scores(300)
    table.loc[::4, "truth"] = ""
    upload(panel, table.to_csv(index=False))
    said = shown(panel, "truth")
    assert "Corrected for 75 cases with scores and no truth" in said
    assert "Assumes that who was verified depended on the call alone" in said


def test_every_rate_and_the_files_are_there_when_asked_for(panel):
    assert shown(panel, "rates") == ""
    panel.controls.every_rate.value = True
    assert "likelihood ratio of no flag" in shown(panel, "rates")
    panel.controls.make_files.click()
    links = re.findall(r"base64,([^']+)", panel.controls.shown["files"].value)
    assert len(links) == 4
    assert base64.b64decode(links[0]).decode().startswith("grouping,group,measure")
    panel.controls.sliders[MEL].value = 0.4
    assert panel.controls.shown["files"].value == "", "files of other thresholds are not offered"


def test_a_case_that_changes_sides_opens_and_closes(panel):
    panel.controls.sliders[MEL].value = 0.9
    first = panel.worked.changes.moved["case_id"].iloc[0]
    assert f"data-case='{first}'" in panel.controls.shown["moved"].value
    panel.controls.picker.chosen = first
    assert first in shown(panel, "one_case")
    assert "Model scores from 0 to 1" in shown(panel, "one_case")
    assert f"case={first}" in panel.controls.address.state
    panel.controls.back.click()
    assert panel.controls.shown["one_case"].value == ""


def test_a_case_with_its_picture_shows_it(panel, data_folder):
    panel.controls.sliders[MEL].value = 0.9
    panel.controls.picker.chosen = panel.worked.changes.moved["case_id"].iloc[0]
    assert "<img alt='The lesion' src='data:image/jpeg;base64," in panel.controls.shown["one_case"].value


def test_a_proposal_needs_a_change_and_a_reason_and_follows_its_schema(panel):
    panel.proposal.propose()
    assert "every threshold is as it was" in panel.proposal.notice.value
    panel.find()
    panel.proposal.propose()
    assert "says why" in panel.proposal.notice.value
    panel.proposal.rationale.value = WHY
    panel.controls.sliders[MEL].value = panel.setting.thresholds[MEL] / 2
    panel.proposal.propose()
    assert panel.proposal.notice.value == ""
    made = json.loads(base64.b64decode(re.search(r"base64,([^']+)", panel.proposal.result.value)[1]))
    schema = Path(derm_kit.triage.__file__).with_name("change_proposal.schema.json")
    jsonschema.validate(made, json.loads(schema.read_text("utf-8")))
    assert made["rationale"] == WHY
    assert "melanoma" not in {g["lesion_type"] for g in made["guarantees"]}, "its guarantee ended with the move"
    assert made["new_policy"]["thresholds"]["melanoma"] == panel.setting.thresholds[MEL]
    panel.controls.sliders[MEL].value = 0.3
    assert panel.proposal.result.value == "", "a proposal of other thresholds is not offered"


def test_somebody_elses_scores_are_judged_by_the_types_they_hold(panel, policy):
    kept = tuple(t for t in LESION_TYPES if t is not BCC)
    table = scores(types=kept)
    table.loc[:4, "truth"] = ""
    upload(panel, table.to_csv(index=False))
    said = panel.source.notice.value
    assert "120 cases, 115 with a known truth" in said
    assert "No score for basal cell carcinoma" in said
    assert "no threshold for atypical naevus" in said
    assert "in memory only" in said
    assert BCC not in panel.setting.thresholds
    assert panel.controls.sliders[BCC].layout.display == "none"
    assert panel.policy.model_hash == panel.policy.scoring_sha256 == ""
    assert panel.policy.thresholds[MEL] == policy.thresholds[MEL]
    panel.controls.sliders[MEL].value = 0.9
    assert panel.controls.address.state == "", "the address holds nothing of an uploaded file"
    assert panel.source.back.layout.display == ""
    panel.source.back.click()
    assert "2,419 cases" in panel.source.about.value
    assert panel.controls.sliders[BCC].layout.display == ""
    assert panel.controls.undo.disabled


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "your file"),
        (b"case_id,melanoma,truth\n", "at least one row below its header"),
        (b"case_id,melanoma,truth\na,1.5,melanoma\n", "1.5"),
        (b"case_id,melanoma,truth\na,-0.1,melanoma\n", "-0.1"),
        (b"case_id,melanoma,truth\na,.5,melanoma\na,.4,melanoma\n", "In your file, give row 2 below the header"),
        (b"case_id,melanoma,truth\na,.5,cold sore of the moon\n", "cold sore"),
        (b"case_id,melanoma\na,.5\n", "no case has a truth"),
        (b"case_id,truth\na,melanoma\n", "at least one column named as a lesion type"),
        (b"melanoma,truth\n.5,melanoma\n", "a column of case ids"),
        (b"case_id,dermatofibroma,truth\na,.5,melanoma\n", "flagged types"),
        (b"case_id,melanoma,truth\na,.5\n", "your file"),
        (b"\x00\xff\xfe\x01" * 99, "your file"),
        (b"PK\x03\x04 a spreadsheet", "your file"),
    ],
)
def test_a_bad_table_is_told_plainly_and_the_last_good_state_stays(panel, content, words):
    panel.controls.sliders[MEL].value = 0.4
    before, about = panel.setting, panel.source.about.value
    upload(panel, content)
    assert "role='alert'" in panel.source.notice.value
    assert words in html.unescape(panel.source.notice.value)
    assert tempfile.gettempdir() not in panel.source.notice.value
    assert "scores.csv" not in panel.source.notice.value
    assert "did not foresee" not in panel.source.notice.value
    assert panel.setting is before
    assert panel.source.about.value == about
    assert "The scores on the page are still those before it." in panel.source.notice.value
    assert panel.controls.sliders[MEL].value == 0.4


def test_a_joined_parquet_is_taken_like_a_csv(panel):
    table, file = scores(), io.BytesIO()
    table.to_parquet(file)
    upload(panel, file.getvalue())
    assert "Your file: 120 cases" in panel.source.about.value, panel.source.notice.value
    by_parquet = panel.worked.rates.frame()
    upload(panel, table.to_csv(index=False))
    pd.testing.assert_frame_equal(by_parquet, panel.worked.rates.frame())
    upload(panel, file.getvalue()[:200])
    assert "role='alert'" in panel.source.notice.value
    assert "scores.parquet" not in panel.source.notice.value
    assert tempfile.gettempdir() not in panel.source.notice.value


def test_a_table_above_the_limit_is_sent_to_the_command_line(panel):
    upload(panel, b"", size=(LARGEST_MB + 1) * 1_000_000)
    assert f"at most {LARGEST_MB} MB" in panel.source.notice.value
    assert "derm-kit tune" in html.unescape(panel.source.notice.value)


def test_an_upload_leaves_no_file_behind(panel, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    upload(panel, scores().to_csv(index=False))
    assert "Your file" in panel.source.about.value
    upload(panel, b"case_id,truth\na,melanoma\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("truth", ["melanoma", "benign_naevus"])
def test_cases_of_one_type_only_are_shown_with_what_cannot_be_said(panel, truth):
    table = scores().assign(truth=truth)
    upload(panel, table.to_csv(index=False))
    assert "Your file" in panel.source.about.value, panel.source.notice.value
    panel.controls.sliders[MEL].value = 0.4
    panel.controls.cancers.value = 2
    panel.controls.every_rate.value = True
    panel.controls.curve_of.value = SCC
    assert panel.notice.value == ""
    assert "No case of this type here" in panel.controls.sliders[SCC].worth
    panel.find()
    assert "there are none" in shown(panel, "guarantees")


def test_scores_that_are_all_the_same_are_shown(panel):
    table = scores()
    table[[t.value for t in LESION_TYPES]] = 0.0909
    upload(panel, table.to_csv(index=False))
    panel.find()
    assert panel.notice.value == ""


def test_names_from_outside_are_shown_as_text(panel):
    hostile = "<img src=x onerror=alert(1)>"
    table = scores(60)
    table["source"] = ["<b>clinic</b>" if i % 2 else hostile for i in range(60)]
    table["truth_source"] = hostile
    table.loc[0, "case_id"] = "it's"
    upload(panel, table.to_csv(index=False))
    assert "Your file" in panel.source.about.value, panel.source.notice.value
    panel.controls.grouping.value = "source"
    panel.controls.within.value = "source"
    panel.controls.sliders[MEL].value = 1e-6
    panel.controls.picker.chosen = "it's"
    panel.find()
    panel.controls.make_files.click()
    assert "&lt;img src=x onerror=alert(1)&gt;" in panel.controls.shown["groups"].value
    assert "<img src=x" not in whole(panel)
    assert "<b>clinic" not in whole(panel)
    assert "data-case='it's'" not in whole(panel)


def test_a_hostile_case_id_is_refused_or_shown_as_text(panel):
    table = scores(60)
    table.loc[0, "case_id"] = "<img src=x onerror=alert(1)>"
    upload(panel, table.to_csv(index=False))
    panel.controls.sliders[MEL].value = 1e-6
    assert "&lt;img src=x onerror=alert(1)&gt;" in whole(panel)
    assert "<img src=x" not in whole(panel)


def test_an_unforeseen_failure_is_told_in_plain_words_and_changes_nothing(panel, monkeypatch, caplog):
    before = panel.setting
    monkeypatch.setattr("derm_kit.panels.tuning_figures.compare", lambda *_: 1 / 0)
    panel.controls.sliders[MEL].value = 0.4
    assert "did not foresee" in panel.notice.value
    assert "ZeroDivisionError" not in panel.notice.value
    assert "ZeroDivisionError" in caplog.text
    assert panel.setting is before
    assert panel.controls.sliders[MEL].value == before.thresholds[MEL], "the slider shows the last good state"
    monkeypatch.undo()
    panel.controls.sliders[MEL].value = 0.4
    assert panel.notice.value == ""
    assert panel.setting.thresholds[MEL] == 0.4


def test_thresholds_that_no_policy_allows_change_nothing(panel):
    before = panel.setting
    panel.set(replace(before, thresholds=before.thresholds | {MEL: 2.0}))
    assert "role='alert'" in panel.notice.value
    assert panel.setting is before


def test_a_policy_for_another_model_is_not_read_on_the_scores(reference, policy):
    other = policy.changed(model_hash="0" * 64)
    with pytest.raises(DermKitError, match="of the model it was made for"):
        ThresholdsPanel(Source.of(reference, other), other)


def test_an_address_for_other_types_is_refused():
    start = Setting({MEL: 0.1}, {MEL: 0.95})
    other = Setting({MEL: 0.1, SCC: 0.2}, {MEL: 0.95, SCC: 0.95})
    assert Setting.from_text(start.text(), start, ()) == start
    with pytest.raises(DermKitError):
        Setting.from_text(start.text(), other, ())
    with pytest.raises(DermKitError):
        Setting.from_text(other.text(), start, ())
