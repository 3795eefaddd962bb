"""Feeds read from deliveries as services send them: nothing is lost, and what is odd is told with its rule."""

from __future__ import annotations

import dataclasses
import datetime
import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from derm_kit.errors import DermKitError
from derm_kit.lesions import LESION_TYPES
from derm_kit.model.run import ScoreRun, write_joined
from derm_kit.surveillance.deliveries import read_feed, write_feed
from derm_kit.surveillance.delivery_files import sha256_of
from derm_kit.surveillance.feed import NONE, NOT_ASSESSED, Feed, FeedError, Way
from derm_kit.surveillance.known_outcomes import (
    CANNOT_BE_SEEN,
    can_see_missed,
    known_outcomes,
    standing,
    verification_note,
    verified_by_call,
)
from derm_kit.surveillance.moments import read_moments
from derm_kit.surveillance.scenarios import TRUST, Scenario, planted_feed
from derm_kit.triage.policy import TriagePolicy, decide

NOW = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
OUTCOMES = "case_id,truth,known_at,way,told_at\n"


class Folder:
    """A feed's folder, with deliveries written as text."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for kind in ("cases", "outcomes"):
            (path / kind).mkdir(parents=True)

    def cases(self, name: str, *rows: str, header: str = "", encoding: str = "utf-8") -> Folder:
        """Rows "id,imaged_at,site,suspected,disposition,melanoma"."""
        head = header or "case_id,imaged_at,site,suspected,disposition,melanoma"
        (self.path / "cases" / name).write_text("\n".join((head, *rows)) + "\n", encoding=encoding)
        return self

    def outcomes(self, name: str, *rows: str, header: str = OUTCOMES) -> Folder:
        (self.path / "outcomes" / name).write_text(header + "\n".join(rows) + "\n", encoding="utf-8")
        return self

    def read(self, policy: TriagePolicy | None = None, **options: object) -> Feed:
        return read_feed(self.path, policy, **({"now": NOW} | options))  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "feed")


def case(name: str, at: str = "2026-03-05T10:00:00Z", site: str = "Leeds", suspected: str = "none") -> str:
    where = {"none": "discharge", "melanoma": "urgent", "not assessed": "clinician review"}[suspected]
    return f"{name},{at},{site},{suspected},{where},0.2"


def told(feed: Feed, words: str) -> tuple[int, tuple[str, ...]]:
    """Count and examples of the one remark that says these words."""
    found = [remark for remark in feed.remarks if words in remark.sentence]
    assert len(found) == 1, [remark.sentence for remark in feed.remarks]
    return found[0].count, found[0].examples


def test_the_reference_run_becomes_a_feed_that_says_what_its_policy_decides(
    tmp_path: Path, reference: ScoreRun, policy: TriagePolicy
):
    n = len(reference)
    moments = pd.date_range("2025-01-01", periods=n, freq="3h", tz="UTC")[::-1]
    dated = ScoreRun(
        reference.scores, reference.cases.assign(imaged_at=moments, site=np.where(np.arange(n) % 2, "A", "B")),
        meta=reference.meta,
    )  # fmt: skip
    folder = Folder(tmp_path / "feed")
    write_joined(dated, folder.path / "cases" / "all.parquet")
    feed = folder.read(policy)
    decided = decide(reference, policy)
    by_id = feed.cases.set_index("case_id").loc[reference.scores["case_id"]]
    suspected = decided.table["suspected"].replace("", NONE).mask(decided.in_review, NOT_ASSESSED)
    assert by_id["suspected"].astype(str).tolist() == suspected.tolist()
    assert by_id["disposition"].astype(str).tolist() == decided.table["disposition"].tolist()
    assert (feed.cases["product"] == reference.model_hash).all()
    assert feed.cases["imaged_at"].is_monotonic_increasing
    assert by_id["site"].astype(str).value_counts().to_dict() == {"A": n // 2, "B": n - n // 2}
    for kind in LESION_TYPES:
        np.testing.assert_array_equal(by_id[kind.value], reference.scores[kind.value])
    assert told(feed, "the policy")[0] == n
    assert told(feed, "has truth for")[0] == int((reference.cases["truth"] != "").sum())
    assert not any(pd.api.types.is_object_dtype(feed.cases[name]) for name in feed.cases)


def test_a_site_of_the_service_is_never_a_site_of_the_body(folder: Folder, reference: ScoreRun, policy: TriagePolicy):
    some = reference.joined().drop(columns=["truth", "anatomical_site", "exclusion"]).head(20)
    table = some.assign(site="Nail and Genital Clinic", imaged_at="2026-02-01T09:00:00Z")
    table.to_csv(folder.path / "cases" / "all.csv", index=False)
    feed = folder.read(policy)
    assert (feed.cases["site"] == "Nail and Genital Clinic").all()
    kept = reference.cases["quality_fail"].head(20) | (reference.cases["age_years"].head(20) < 18)
    assert (feed.cases["suspected"] == NOT_ASSESSED).sum() == kept.sum()


def test_what_is_written_is_read_back_the_same(tmp_path: Path, folder: Folder):
    folder.cases("a.csv", case("a1", suspected="melanoma"), case("a2"), case("a3", site=""))
    folder.outcomes(
        "o.csv", "a1,melanoma,2026-04-01,biopsy,2026-04-09", "a2,angiofibroma,2026-04-01,clinical,2026-04-02"
    )
    feed = folder.read()
    features = pd.DataFrame({"case_id": ["a1", "a2"]} | {f"component_{i:02d}": np.float16([0.5, i]) for i in range(64)})
    feed = Feed(feed.cases, feed.outcomes, feed.remarks, features)
    write_feed(feed, tmp_path / "again")
    again = read_feed(tmp_path / "again", now=NOW)
    pd.testing.assert_frame_equal(again.cases, feed.cases)
    same = ["case_id", "truth", "known_at", "told_at", "way"]
    pd.testing.assert_frame_equal(again.outcomes[same], feed.outcomes[same])
    pd.testing.assert_frame_equal(again.features, features.astype({"case_id": "str"}))
    assert set(feed.remarks) <= set(again.remarks)
    with pytest.raises(FeedError, match="none is lost"):
        write_feed(feed, tmp_path / "again")


def test_a_simulated_feed_that_lies_in_the_future_is_read_whole_and_still_says_that_it_is_simulated(tmp_path: Path):

    small = dataclasses.replace(TRUST, cases_a_year=400, years=1)
    feed, _ = planted_feed(Scenario.IN_CONTROL, small, features=False)
    later = pd.Timedelta(days=3650)
    feed = Feed(
        feed.cases.assign(imaged_at=feed.cases["imaged_at"] + later, decided_at=feed.cases["decided_at"] + later),
        feed.outcomes.assign(known_at=feed.outcomes["known_at"] + later, told_at=feed.outcomes["told_at"] + later),
        feed.remarks,
    )
    write_feed(feed, tmp_path / "simulated")
    again = read_feed(tmp_path / "simulated")
    assert len(again.cases) == len(feed.cases)
    assert len(again.outcomes) == len(feed.outcomes)
    assert "Simulated" in again.remarks[0].sentence


def test_outcomes_of_unknown_cases_are_kept_apart_and_listed(folder: Folder):
    folder.cases("a.csv", case("a1"))
    folder.outcomes("o.csv", "a1,melanoma,2026-04-01,biopsy,2026-04-02", "zz,melanoma,2026-04-01,biopsy,2026-04-02")
    feed = folder.read()
    assert feed.outcomes["case_id"].tolist() == ["a1"]
    assert told(feed, "belongs to a case of the feed") == (1, ("zz",))
    row = feed.set_aside.iloc[0]
    assert (row["case_id"], row["delivery"], row["row"]) == ("zz", "outcomes/o.csv", 3)
    assert "truth=melanoma" in row["content"]


def test_an_outcome_before_the_image_is_set_aside_but_not_one_of_the_same_day(folder: Folder):
    folder.cases("a.csv", case("a1"), case("a2"), case("a3"))
    folder.outcomes(
        "o.csv",
        "a1,melanoma,2026-03-04,biopsy,2026-04-02",
        "a2,melanoma,2026-03-05,biopsy,2026-04-02",
        "a3,melanoma,2026-03-05T09:59:00Z,biopsy,2026-04-02",
    )
    feed = folder.read()
    assert feed.outcomes["case_id"].tolist() == ["a2"]
    assert told(feed, "after the image was taken") == (2, ("a1", "a3"))


def test_a_changed_outcome_is_history_and_the_last_told_stands(folder: Folder):
    folder.cases("a.csv", case("a1"), case("a2"))
    folder.outcomes(
        "o.csv",
        "a1,melanoma,2026-04-01,biopsy,2026-04-20",
        "a1,benign_naevus,2026-04-01,biopsy,2026-04-02",
        "a1,seborrhoeic_keratosis,2026-03-06,clinical,2026-05-30",
        "a2,benign_naevus,2026-04-01,biopsy,2026-04-02",
    )
    feed = folder.read()
    assert len(feed.outcomes) == 4
    assert told(feed, "outcome changed") == (1, ("a1",))
    stands = standing(feed)
    assert stands[["row", "truth", "way"]].astype(str).to_numpy().tolist() == [
        ["0", "melanoma", "biopsy"], ["0", "seborrhoeic_keratosis", "clinical"], ["1", "benign_naevus", "biopsy"],
    ]  # fmt: skip
    known = known_outcomes(feed).table
    assert known["truth"].astype(str).tolist() == ["melanoma", "benign_naevus"]
    before = known_outcomes(feed, until=pd.Timestamp("2026-04-10", tz="UTC")).table
    assert before["truth"].astype(str).tolist() == ["benign_naevus", "benign_naevus"]


def test_deliveries_again_are_counted_once_by_bytes_and_by_rows(folder: Folder):
    folder.cases("a.csv", case("a1"), case("a2"))
    shutil.copy(folder.path / "cases" / "a.csv", folder.path / "cases" / "b.csv")
    folder.cases("c.csv", case("a2"), case("a3"))
    folder.outcomes("o.csv", *["a1,melanoma,2026-04-01,biopsy,2026-04-02"] * 2)
    folder.outcomes("p.csv", "a1,Melanoma,2026-04-01T00:00:00+01:00,Biopsy,2026-04-02")
    feed = folder.read()
    assert feed.cases["case_id"].tolist() == ["a1", "a2", "a3"]
    assert told(feed, "byte for byte a.csv") == (1, ("b.csv",))
    assert told(feed, "Cases delivered again with the same content") == (1, ("a2",))
    assert told(feed, "Outcomes delivered again")[0] == 2
    assert len(feed.outcomes) == 1
    assert feed.set_aside.empty


def test_a_case_delivered_with_other_content_keeps_the_first_and_lists_the_second(folder: Folder):
    folder.cases("a.csv", case("a1"))
    folder.cases("b.csv", case("b1"), case("a1", site="York"))
    feed = folder.read()
    assert feed.cases.set_index("case_id").loc["a1", "site"] == "Leeds"
    assert told(feed, "a case is delivered once") == (1, ("a1",))
    row = feed.set_aside.iloc[0]
    assert (row["delivery"], row["row"]) == ("cases/b.csv", 3)
    assert "site=York" in row["content"]


def test_the_hour_that_comes_twice_and_the_one_that_never_comes_are_told(folder: Folder):
    folder.cases(
        "a.csv",
        case("twice", "2025-10-26T01:30:00"),
        case("never", "2026-03-29 01:30"),
        case("summer", "2026-06-01T12:00:00"),
        case("said", "2025-10-26T01:30:00+00:00"),
    )
    feed = folder.read()
    at = feed.cases.set_index("case_id")["imaged_at"]
    assert at["twice"] == pd.Timestamp("2025-10-26T00:30Z")
    assert at["never"] == pd.Timestamp("2026-03-29T01:00Z")
    assert at["summer"] == pd.Timestamp("2026-06-01T11:00Z")
    assert at["said"] == pd.Timestamp("2025-10-26T01:30Z")
    assert told(feed, "shows twice") == (1, ("twice",))
    assert told(feed, "leaves out") == (1, ("never",))
    elsewhere = folder.read(timezone="Asia/Tokyo").cases.set_index("case_id")["imaged_at"]
    assert elsewhere["summer"] == pd.Timestamp("2026-06-01T03:00Z")
    with pytest.raises(FeedError, match="IANA"):
        folder.read(timezone="Yorkshire")


@pytest.mark.parametrize("text", ["05/03/2026", "46086", "2026-13-01", "2026-02-30", "yesterday", "2026-03-05T25:00"])
def test_a_time_that_is_none_is_not_guessed(text: str):
    moments = read_moments(pd.Series([text]), "Europe/London")
    assert moments.unread.tolist() == [True]
    assert moments.utc.isna().all()


def test_cases_without_a_time_or_with_an_unsafe_id_are_set_aside_with_their_rule(folder: Folder):
    folder.cases("a.csv", case("a1"), case("a2", "05/03/2026"), case("=HYPERLINK(1)"), case(""), case("a5", ""))
    feed = folder.read()
    assert feed.cases["case_id"].tolist() == ["a1"]
    assert told(feed, "when it was imaged")[1] == ("a2", "a5")
    assert told(feed, "spreadsheet formula")[1] == ("=HYPERLINK(1)",)
    assert told(feed, "a case needs an id")[1] == ("cases/a.csv, row 5",)
    assert len(feed.set_aside) == 4
    assert "05/03/2026" in feed.set_aside.set_index("case_id").loc["a2", "content"]


def test_one_bad_cell_costs_its_row_and_no_other(folder: Folder):
    head = "case_id,imaged_at,site,suspected,disposition,melanoma,quality_fail,truth"
    folder.cases(
        "a.csv",
        f"{case('a1')},no,melanoma",
        "a2,2026-03-05T10:00:00Z,Leeds,none,discharge,87.5,no,",
        "a3,2026-03-05T10:00:00Z,Leeds,none,discharge,-0.1,no,",
        "a4,2026-03-05T10:00:00Z,Leeds,none,discharge,high,no,",
        f"{case('a5')},perhaps,",
        "a6,2026-03-05T10:00:00Z,Leeds,a witch,discharge,0.2,no,",
        "a7,2026-03-05T10:00:00Z,Leeds,none,the moon,9,no,",
        f"{case('a8')},no,jabberwocky",
        "a9,2026-03-05T10:00:00Z,Leeds,none,discharge,,no,",
        f"{case('future', '2027-03-05T10:00:00Z')},no,",
        f"{case('a1', site='York')},no,",
        header=head,
    )
    feed = folder.read()
    assert feed.cases["case_id"].tolist() == ["a1", "a8", "a9"]
    assert told(feed, "melanoma score lies between 0 and 1") == (4, ("a2", "a3", "a4", "a7"))
    assert told(feed, "(found: '87.5', '-0.1', 'high')")
    assert told(feed, "quality_fail is yes or no") == (1, ("a5",))
    assert told(feed, "(found: 'a witch')") == (1, ("a6",))
    assert told(feed, "has truth for 2 cases")
    aside = feed.set_aside.set_index("case_id")
    assert aside["row"].to_dict() == {
            "a2": 3, "a3": 4, "a4": 5, "a7": 8, "a5": 6, "a6": 7, "future": 11, "a1": 12,
    }  # fmt: skip
    assert "the moon" in aside.loc["a7", "content"]
    assert "87.5" in aside.loc["a2", "content"]


def test_what_lies_in_the_future_is_set_aside_until_then(folder: Folder):
    folder.cases("a.csv", case("a1"), case("a2", "2026-12-24T09:00:00Z"))
    folder.outcomes("o.csv", "a1,melanoma,2027-01-01,biopsy,2027-01-02")
    feed = folder.read()
    assert feed.cases["case_id"].tolist() == ["a1"]
    assert told(feed, "not imaged in the future") == (1, ("a2",))
    assert told(feed, "not known or told in the future") == (1, ("a1",))
    later = folder.read(now=datetime.datetime(2028, 1, 1, tzinfo=datetime.UTC))
    assert (len(later.cases), len(later.outcomes)) == (2, 1)


def test_products_empty_months_one_site_and_blanks_are_told(folder: Folder):
    head = "case_id,imaged_at,site,suspected,disposition,melanoma,product"
    folder.cases(
        "a.csv", f"{case('a1')},derm 1", f"{case('a2', '2026-06-05T10:00:00Z')},derm 2",
        f"{case('a3', '2026-06-06T10:00:00Z', site='')},derm 2", header=head,
    )  # fmt: skip
    feed = folder.read()
    assert told(feed, "products lie in one feed") == (2, ("derm 2", "derm 1"))
    assert told(feed, "Months without any case") == (2, ("2026-04", "2026-05"))
    assert told(feed, "one site") == (1, ("Leeds",))
    assert told(feed, "do not say their site") == (1, ("a3",))


def test_an_unknown_way_or_truth_is_refused_with_the_rule_and_the_other_rows_count(folder: Folder):
    folder.cases("a.csv", case("a1"), case("a2"), case("a3"), case("a4"))
    folder.outcomes(
        "o.csv",
        "a1,melanoma,2026-04-01,autopsy,2026-04-02",
        "a2,jabberwocky,2026-04-01,biopsy,2026-04-02",
        "a3,,2026-04-01,biopsy,2026-04-02",
        "a4,No cancer,2026-04-01,registry,2026-04-02",
    )
    feed = folder.read()
    assert feed.outcomes["case_id"].tolist() == ["a4"]
    assert str(feed.outcomes["truth"].iloc[0]).count("|") == 6
    assert told(feed, "is one of: biopsy, clinical, audit_sample, registry, full_second_read")[1] == ("a1",)
    assert "'autopsy'" in next(r.sentence for r in feed.remarks if "is one of: biopsy" in r.sentence)
    assert told(feed, "the truth of an outcome")[1] == ("a2", "a3")


def test_a_broken_delivery_is_told_first_and_hides_no_other(folder: Folder):
    folder.cases("b.csv", case("a1"))
    (folder.path / "cases" / "a.parquet").write_bytes(b"PAR1 nothing here")
    folder.cases("c.csv", "a9,2026-03-05T10:00:00Z,Leeds,none,discharge,17")
    folder.cases("d.csv", "a8,2026-03-05T10:00:00Z,Leeds,none,the moon,0.2")
    folder.cases("e.csv", "a7,Leeds", header="case_id,site")
    folder.outcomes("o.csv", "a1,melanoma", header="case_id,truth\n")
    (folder.path / "outcomes" / "notes.txt").write_text("call me")
    feed = folder.read()
    assert feed.cases["case_id"].tolist() == ["a1"]
    first = [remark.sentence for remark in feed.remarks[:5]]
    assert [s.split(". ")[0] for s in first] == [
        f"NOT READ, and in no figure: {name}"
        for name in ("cases/a.parquet", "cases/c.csv", "cases/d.csv", "cases/e.csv", "outcomes/o.csv")
    ]
    assert "1 set aside, the last by the rule that the melanoma score lies between 0 and 1" in first[1]
    assert "disposition as recorded in service is one of" in first[2]
    assert told(feed, "Write disposition in these words, or leave it empty for a policy to fill (found: 'the moon')")
    assert "imaged_at" in first[3]
    assert "no known_at, way" in first[4]
    assert told(feed, "are no delivery") == (1, ("notes.txt",))


def test_a_feed_without_a_readable_case_is_refused_with_the_first_reason(folder: Folder, tmp_path: Path):
    with pytest.raises(FeedError, match="FEED/cases"):
        folder.read()
    with pytest.raises(FeedError, match="deliveries of cases"):
        read_feed(tmp_path / "nowhere")
    folder.cases("a.csv", "a1,2026-03-05T10:00:00Z,Leeds,,,0.2")
    with pytest.raises(FeedError, match="or a policy says it for it"):
        folder.read()


def test_a_policy_of_another_model_decides_nothing(folder: Folder, reference: ScoreRun, policy: TriagePolicy):
    dated = ScoreRun(reference.scores, reference.cases.assign(imaged_at="2026-03-01T00:00:00Z"), meta=reference.meta)
    write_joined(dated, folder.path / "cases" / "all.parquet")
    with pytest.raises(DermKitError, match="of the model it was made for"):
        folder.read(policy.model_copy(update={"model_hash": "0" * 64}))


def test_recorded_decisions_are_read_in_the_words_of_services_and_never_overwritten(
    folder: Folder, reference: ScoreRun, policy: TriagePolicy
):
    table = reference.scores.head(6).assign(imaged_at="2026-03-01T00:00:00Z")
    table["suspected"] = ["Melanoma", "SCC", "not flagged", "seborrheic keratosis", "clinician review", ""]
    table["disposition"] = ["2WW", "Urgent", "Discharged", "routine", "clinician review", ""]
    table.to_csv(folder.path / "cases" / "all.csv", index=False)
    feed = folder.read(policy)
    by_id = feed.cases.set_index("case_id").loc[table["case_id"]]
    assert by_id["suspected"].astype(str).tolist()[:5] == [
        "melanoma", "squamous_cell_carcinoma", NONE, "seborrhoeic_keratosis", NOT_ASSESSED,
    ]  # fmt: skip
    assert by_id["disposition"].astype(str).tolist()[:5] == [
        "urgent suspected cancer", "urgent suspected cancer", "discharge advice with safety-netting",
        "routine dermatology", "clinician review",
    ]  # fmt: skip
    decided = decide(ScoreRun(reference.scores.head(6), reference.cases[["case_id"]].head(6)), policy).table.iloc[5]
    assert by_id["suspected"].iloc[5] == (decided["suspected"] or NONE)
    assert told(feed, "the policy")[0] == 1


def test_other_encodings_and_separators_are_read_and_said(folder: Folder):
    head = "case_id;imaged_at;site;suspected;disposition;melanoma"
    row = case("a1", site="Hôpital Zürich").replace(",", ";")
    folder.cases("a.csv", row, header=head, encoding="cp1252")
    folder.cases("b.csv", case("b1", site="Łódź").replace(",", ";"), header=head, encoding="utf-16")
    feed = folder.read()
    assert feed.cases["site"].astype(str).tolist() == ["Hôpital Zürich", "Łódź"]
    assert told(feed, "Windows-1252")[0] == 1
    assert told(feed, "UTF-16")[0] == 1


def test_a_row_of_the_wrong_length_is_set_aside_by_its_line(folder: Folder):
    folder.cases("a.csv", case("a1"), "a2,2026-03-05", case("a3"), case("", site="York"))
    feed = folder.read()
    assert feed.cases["case_id"].tolist() == ["a1", "a3"]
    aside = feed.set_aside[["case_id", "row", "what"]].to_numpy().tolist()
    assert aside == [["a2", 3, "row"], ["", 5, "case"]]
    assert told(feed, "Set aside, in no figure: 1 row. ")[0] == 1


def test_rows_refused_by_one_rule_are_told_once_each_with_its_line(folder: Folder):
    folder.cases("a.csv", case("a1"), *[f"b{i},2026-03-05" for i in range(2_000)], 'c1,"open', case("a2"))
    feed = folder.read()
    assert feed.cases["case_id"].tolist() == ["a1", "a2"]
    assert told(feed, "Set aside, in no figure: 2,000 rows. ")[0] == 2_000
    assert told(feed, "Set aside, in no figure: 1 row. ") == (1, ("c1",))
    assert feed.set_aside["row"].tolist() == [*range(3, 2_003), 2_003]


@pytest.mark.parametrize("value", [1e300, -1e300, 2.0**63, np.inf])
def test_a_number_too_great_for_an_integer_is_text_as_any_other(tmp_path: Path, folder: Folder, value: float):
    feed = folder.cases("a.csv", case("a1"), case("a2")).read()
    write_feed(feed, tmp_path / "again")
    path = tmp_path / "again" / "cases" / "cases.parquet"
    for kind in ("float64", "float16"):
        with np.errstate(over="ignore"):
            sex = np.array([value, 3.0]).astype(kind)
        pd.read_parquet(path).assign(sex=sex).to_parquet(path)
        with warnings.catch_warnings(action="error"):
            assert read_feed(tmp_path / "again", now=NOW).cases["case_id"].tolist() == ["a1", "a2"]


def test_a_cell_that_is_a_list_is_set_aside_with_its_row(tmp_path: Path, folder: Folder):
    feed = folder.cases("a.csv", case("a1"), case("a2")).read()
    write_feed(feed, tmp_path / "again")
    path = tmp_path / "again" / "cases" / "cases.parquet"
    table = pd.read_parquet(path).astype({"melanoma": "float64"})
    table.loc[1, "melanoma"] = 7
    table.assign(seen=[[], [1, 2]]).to_parquet(path)
    again = read_feed(tmp_path / "again", now=NOW)
    assert again.cases["case_id"].tolist() == ["a1"]
    assert told(again, "melanoma score lies between 0 and 1") == (1, ("a2",))
    assert "seen=[1 2]" in again.set_aside["content"][0]


def test_braces_in_names_are_text(folder: Folder):
    folder.cases("{n:,}{x}.csv", case("a1", "2025-10-26T01:30:00"))
    assert told(folder.read(), "shows twice")[0] == 1


def verified(folder: Folder, *rows: str, **options: object) -> tuple[Feed, pd.DataFrame, tuple[str, ...]]:
    folder.outcomes("o.csv", *rows)
    feed = folder.read()
    known = known_outcomes(feed, **options)  # type: ignore[arg-type]
    table = verified_by_call(feed, known)
    return feed, table, verification_note(table, known)


def test_biopsies_of_flagged_cases_alone_show_no_missed_cancer(folder: Folder):
    folder.cases("a.csv", case("f1", suspected="melanoma"), case("f2", suspected="melanoma"), case("n1"), case("n2"))
    _, table, note = verified(folder, "f1,melanoma,2026-04-01,biopsy,2026-04-02")
    assert not can_see_missed(table)
    assert CANNOT_BE_SEEN in " ".join(note)
    assert table.set_index("call").loc["flagged", ["cases", "biopsied", "whatever"]].tolist() == [2, 1, 0]
    assert table.set_index("call").loc["flagged", "biopsied_share"] == 0.5


def test_a_biopsy_of_an_audited_case_gives_its_truth_and_the_audit_its_place(folder: Folder):
    folder.cases("a.csv", case("f1", suspected="melanoma"), case("n1"))
    feed, table, _ = verified(
        folder,
        "n1,benign_naevus,2026-04-01,audit_sample,2026-04-02",
        "n1,melanoma,2026-05-01,biopsy,2026-05-02",
        audit_lag_days=0,
    )
    known = known_outcomes(feed, audit_lag_days=0).table.iloc[0]
    assert (str(known["truth"]), str(known["way"])) == ("melanoma", Way.BIOPSY)
    assert known["biopsied"] and known["whatever"]
    assert can_see_missed(table)


def test_a_registry_counts_only_cases_imaged_before_its_last_word_less_the_lag(folder: Folder):
    folder.cases(
        "a.csv", case("old", "2026-01-01T00:00:00Z"), case("edge", "2026-04-02T00:00:00Z"),
        case("new", "2026-04-02T00:00:01Z", suspected="melanoma"),
    )  # fmt: skip
    rows = [f"{name},melanoma,2026-06-01,registry,2026-07-11T00:00:00Z" for name in ("old", "edge", "new")]
    feed, table, note = verified(folder, *rows, lag_days=100)
    known = known_outcomes(feed, lag_days=100)
    assert known.table["whatever"].tolist() == [True, True, False]
    assert known.waiting == {Way.REGISTRY: 1}
    assert known.complete_until == {Way.REGISTRY: pd.Timestamp("2026-04-02", tz="UTC")}
    assert "wait: 1" in " ".join(note)
    assert table.set_index("call").loc["not flagged", "whatever"] == 2
    with pytest.raises(FeedError, match="0 days or more"):
        known_outcomes(feed, lag_days=-1)


def run_folder(path: Path, reference: ScoreRun, n: int) -> pd.DataFrame:
    """A run folder as 'derm-kit score' leaves it, of the first n reference cases, with times; gives its features."""
    path.mkdir()
    ids = reference.scores["case_id"].head(n)
    features = pd.DataFrame({"case_id": ids} | {f"component_{i:02d}": np.full(n, i, np.float16) for i in range(64)})
    reference.scores.head(n).to_parquet(path / "scores.parquet")
    dated = reference.cases.head(n).assign(
        imaged_at=pd.date_range("2026-02-01", periods=n, freq="h"), site="Nail clinic", anatomical_site=""
    )
    dated.to_parquet(path / "cases.parquet")
    features.to_parquet(path / "features.parquet")
    (path / "run.json").write_text(json.dumps(reference.meta))
    return features


def test_a_run_folder_brings_its_features_its_product_and_its_sites(
    folder: Folder, reference: ScoreRun, policy: TriagePolicy
):
    features = run_folder(folder.path / "cases" / "february", reference, 30)
    feed = folder.read(policy)
    assert len(feed.cases) == 30
    pd.testing.assert_frame_equal(feed.features, features)
    assert (feed.cases["product"] == reference.model_hash).all()
    assert (feed.cases["site"] == "Nail clinic").all()
    expected = decide(ScoreRun(reference.scores, reference.cases.assign(anatomical_site="")), policy).table.head(30)
    assert feed.cases["disposition"].astype(str).tolist() == expected["disposition"].tolist()
    (folder.path / "cases" / "february" / "scores.parquet").unlink()
    folder.cases("a.csv", case("a1"))
    assert folder.read(policy).remarks[0].sentence.startswith("NOT READ, and in no figure: cases/february. ")


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [("melanoma", 17.0, "lies between 0 and 1"), ("suspected", "the moon", "as recorded in service is one of")],
)
def test_a_parquet_in_the_layout_of_a_feed_is_held_to_the_same_rules(
    tmp_path: Path, folder: Folder, column: str, value: object, said: str
):
    feed = folder.cases("a.csv", case("a1"), case("a2")).read()
    write_feed(feed, tmp_path / "again")
    path = tmp_path / "again" / "cases" / "cases.parquet"
    table = pd.read_parquet(path).astype({"suspected": "str"})
    table.loc[1, column] = value
    table.astype({"melanoma": "float32"}).to_parquet(path)
    again = read_feed(tmp_path / "again", now=NOW)
    assert again.cases["case_id"].tolist() == ["a1"]
    assert told(again, said) == (1, ("a2",))


def test_sites_with_signs_that_do_not_print_are_tidied_whichever_way_they_come(tmp_path: Path, folder: Folder):
    feed = folder.cases("a.csv", case("a1", site="Leeds \x07")).read()
    assert feed.cases["site"].tolist() == ["Leeds"]
    dirty = feed.cases.assign(site=pd.Categorical(["Leeds \x07"]))
    write_feed(Feed(dirty, feed.outcomes), tmp_path / "again")
    assert read_feed(tmp_path / "again", now=NOW).cases["site"].tolist() == ["Leeds"]


@pytest.mark.parametrize("text", ["[]", "{", '{"remarks": 3, "as_of": null}', '{"remarks": [], "as_of": "soon"}'])
def test_a_broken_word_about_a_feed_is_told_and_the_feed_read(folder: Folder, text: str):
    folder.cases("a.csv", case("a1"))
    (folder.path / "feed.json").write_text(text)
    feed = folder.read()
    assert feed.remarks[0].sentence.startswith("NOT READ, and in no figure: feed.json")
    assert len(feed.cases) == 1


def test_outcomes_in_the_layout_of_a_feed_are_held_to_the_same_rules(tmp_path: Path, folder: Folder):
    folder.cases("a.csv", case("a1"), case("a2"), case("a3"))
    folder.outcomes("o.csv", *(f"a{i},melanoma,2026-04-01,biopsy,2026-04-09" for i in (1, 2, 3)))
    write_feed(folder.read(), tmp_path / "again")
    path = tmp_path / "again" / "outcomes" / "o.parquet"
    table = pd.read_parquet(path).astype({"way": "str", "truth": "str"})
    table.loc[0, "way"] = "autopsy"
    table.loc[1, "truth"] = "Naevus"
    table.loc[2, "known_at"] = pd.NaT
    table.to_parquet(path)
    feed = read_feed(tmp_path / "again", now=NOW)
    assert feed.outcomes[["case_id", "truth"]].astype(str).to_numpy().tolist() == [["a2", "benign_naevus"]]
    assert told(feed, "is one of: biopsy")[1] == ("a1",)
    assert told(feed, "when it became known")[1] == ("a3",)
    assert feed.set_aside["row"].tolist() == [1, 3]


@pytest.mark.parametrize("kind", ["cases", "outcomes"])
@pytest.mark.parametrize("where", ["a file", "a run folder", "a file in a run folder", "the folder of deliveries"])
def test_a_link_out_of_the_feed_is_refused_and_nothing_behind_it_is_quoted(
    folder: Folder, tmp_path: Path, reference: ScoreRun, kind: str, where: str
):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "passwd.csv").write_text("root:x:0:0:hunter2\nuser:x:1:1\n", encoding="utf-8")
    (secret / "run.json").write_text('{"hunter2": 1}', encoding="utf-8")
    folder.cases("a.csv", case("a1"))
    link = {"a file": "link.csv", "a run folder": "run", "a file in a run folder": "run/run.json"}.get(where, "")
    place = folder.path / kind / link
    if where == "the folder of deliveries":
        shutil.rmtree(place)
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(
        {"a file": secret / "passwd.csv", "a file in a run folder": secret / "run.json"}.get(where, secret)
    )
    try:
        feed = folder.read()
        told = [remark.sentence for remark in feed.remarks]
        assert feed.cases["case_id"].tolist() == ["a1"]
    except FeedError as error:
        assert where == "the folder of deliveries"
        told = [str(error)]
    if not (kind == "outcomes" and where == "a file in a run folder"):  # there a folder is no delivery at all
        assert "a link that leads out of it" in told[0]
    assert not any("hunter2" in sentence or "root:" in sentence for sentence in told)


def test_links_inside_the_feed_are_followed_and_those_out_of_it_are_in_no_hash(folder: Folder, tmp_path: Path):
    folder.cases("a.csv", case("a1"))
    (folder.path / "store").mkdir()
    (folder.path / "cases" / "a.csv").rename(folder.path / "store" / "a.csv")
    (folder.path / "cases" / "a.csv").symlink_to("../store/a.csv")
    (tmp_path / "out.json").write_text("{}", encoding="utf-8")
    (folder.path / "feed.json").symlink_to(tmp_path / "out.json")
    feed = folder.read()
    assert feed.cases["case_id"].tolist() == ["a1"]
    assert "feed.json" in feed.remarks[0].sentence
    assert "a link that leads out of it" in feed.remarks[0].sentence
    assert list(sha256_of(folder.path)) == ["cases/a.csv"]


def test_a_column_of_times_beyond_the_calendar_sets_its_rows_aside_and_hides_no_other(folder: Folder):
    folder.cases("a.csv", case("a1"))
    odd = pd.DataFrame({"case_id": ["b1"], "imaged_at": ["2026-03-05T10:00:00Z"], "melanoma": [0.2]})
    odd["suspected"] = pd.Series(np.array([-(2**63) + 1], "datetime64[ms]"))
    odd.to_parquet(folder.path / "cases" / "b.parquet")
    odd.iloc[:0].to_parquet(folder.path / "cases" / "c.parquet")
    feed = folder.read()
    assert feed.cases["case_id"].tolist() == ["a1"]
    assert told(feed, "delivery of cases has at least one row")[0] == 1


def test_times_in_years_beyond_the_calendar_and_columns_said_twice_are_told(folder: Folder):
    folder.cases("a.csv", case("a1"))
    odd = pd.DataFrame(
        {"case_id": ["b1", "b2"], "suspected": "none", "disposition": "discharge advice", "melanoma": 0.2}
    )
    odd["imaged_at"] = pd.Series(np.array([2**62, 0], "datetime64[ms]"))
    odd.to_parquet(folder.path / "cases" / "b.parquet")
    twice = pa.Table.from_pandas(odd.assign(case_id=["c1", "c2"]))
    pq.write_table(twice.append_column("imaged_at", twice["imaged_at"]), folder.path / "cases" / "c.parquet")
    feed = folder.read()
    assert sorted(feed.cases["case_id"]) == ["a1", "b2"]
    assert told(feed, "a column stands in a table once") == (1, ("cases/c.parquet",))
    assert feed.set_aside["case_id"].tolist() == ["b1"]
