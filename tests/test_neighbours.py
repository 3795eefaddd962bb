"""Similar reference cases: by a peer's search, by the measured share of the same truth, and what stays out."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestNeighbors

from derm_kit.errors import DermKitError, ModelError, RunError
from derm_kit.model import neighbours as module
from derm_kit.model.card import default_model
from derm_kit.model.neighbours import REFERENCE_FEATURES_FILE, Neighbours
from derm_kit.model.reference import REFERENCE_FILE
from derm_kit.model.run import ScoreRun


@pytest.fixture(scope="module")
def neighbours() -> Neighbours:
    return Neighbours.of_reference()


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    return pd.read_parquet(default_model() / REFERENCE_FEATURES_FILE)


def components(features: pd.DataFrame) -> np.ndarray:
    return features.drop(columns="case_id").to_numpy(np.float64)


def run_with(reference: ScoreRun, features: pd.DataFrame, n: int = 5) -> ScoreRun:
    """The first cases of the reference cohort as a run folder would give them, with features."""
    return ScoreRun(
        reference.scores.head(n), reference.cases.head(n), features.head(n), {"model_hash": reference.model_hash}
    )


def same_truth(nearest: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Share of neighbours (N, k) with the truth of a case whose truth is one type; over cases, and over types."""
    one = np.array([text != "" and "|" not in text for text in truth])
    share = pd.Series((truth[nearest] == truth[:, None]).mean(axis=1)[one])
    return float(share.mean()), float(share.groupby(truth[one]).mean().mean())


def test_the_nearest_are_those_of_an_exhaustive_search_by_a_peer(neighbours: Neighbours, features: pd.DataFrame):
    x, ids = components(features), features["case_id"].to_numpy()
    places = np.arange(0, len(x), 97)
    peer = NearestNeighbors(n_neighbors=7, metric="cosine", algorithm="brute").fit(x)
    distances, found = peer.kneighbors(x[places])
    for place, distance, others in zip(places, distances, found, strict=True):
        ours = neighbours.nearest(x[place], leave_out=ids[place])
        assert ours["case_id"].tolist() == ids[others[1:]].tolist()
        np.testing.assert_allclose(ours["distance"], distance[1:], atol=2e-6)


def test_the_share_with_the_same_truth_is_the_documented_one_and_higher_than_by_euclidean_distance(
    neighbours: Neighbours, features: pd.DataFrame
):
    x, truth = components(features), neighbours.run.cases["truth"].to_numpy(object)
    measured = {}
    for metric in ("cosine", "euclidean"):
        nearest = NearestNeighbors(n_neighbors=7, metric=metric, algorithm="brute").fit(x).kneighbors(x)[1]
        others = np.array([row[row != i][:6] for i, row in enumerate(nearest)])
        measured[metric] = same_truth(others, truth)
    assert measured["cosine"] == pytest.approx((0.723, 0.484), abs=6e-4)
    assert measured["euclidean"] == pytest.approx((0.718, 0.453), abs=6e-4)
    assert all(share in str(Neighbours.__doc__) for share in ("72.3 %", "71.8 %", "48.4 %", "45.3 %"))


def test_a_neighbour_comes_with_its_truth_and_its_picture_where_the_cohort_has_it(
    neighbours: Neighbours, features: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    plain = neighbours.nearest(components(features)[3], k=2)
    assert plain.columns.tolist() == ["case_id", "truth", "diagnosis", "licence", "attribution", "distance", "picture"]
    there, missing = plain["case_id"]
    (tmp_path / f"{there}.jpg").touch()
    monkeypatch.setenv("DERM_KIT_DATA", str(tmp_path))
    monkeypatch.setattr("derm_kit.cases.pictures.fetched_folder", lambda: tmp_path / "nothing fetched")
    found = neighbours.nearest(components(features)[3], k=2)
    assert found["picture"].tolist() == [tmp_path / f"{there}.jpg", None]
    cases = neighbours.run.cases.set_index("case_id")
    assert found["truth"].tolist() == cases.loc[[there, missing], "truth"].tolist()
    assert found["diagnosis"].tolist() == cases.loc[[there, missing], "diagnosis"].tolist()


def test_without_leaving_it_out_a_case_is_nearest_to_itself(neighbours: Neighbours, features: pd.DataFrame):
    found = neighbours.nearest(components(features)[10])
    assert found.loc[0, "case_id"] == features["case_id"][10]
    assert found["distance"].is_monotonic_increasing
    assert found.loc[0, "distance"] == pytest.approx(0, abs=1e-6)


def test_other_pictures_of_the_same_lesion_stay_out(neighbours: Neighbours, features: pd.DataFrame):
    x, ids = components(features)[20], features["case_id"]
    before = neighbours.nearest(x, leave_out=ids[20])["case_id"]
    lesion = neighbours.run.cases["lesion_id"].mask(ids.isin([ids[20], before[0], before[2]]), "one lesion")
    of_lesions = replace(neighbours, run=replace(neighbours.run, cases=neighbours.run.cases.assign(lesion_id=lesion)))
    wanted = before[[1, 3, 4, 5]].tolist()
    assert of_lesions.nearest(x, leave_out=ids[20])["case_id"].tolist()[:4] == wanted
    assert of_lesions.nearest(x, lesion="one lesion")["case_id"].tolist()[:4] == wanted


def test_cases_without_a_lesion_id_are_not_taken_for_one_lesion(neighbours: Neighbours, features: pd.DataFrame):
    unknown = replace(neighbours, run=replace(neighbours.run, cases=neighbours.run.cases.assign(lesion_id="")))
    assert len(unknown.nearest(components(features)[0], leave_out=features["case_id"][0])) == 6


@pytest.mark.parametrize(("k", "found"), [(0, 0), (1, 1), (10**6, 2418)])
def test_there_are_as_many_as_asked_for_or_all(neighbours: Neighbours, features: pd.DataFrame, k: int, found: int):
    assert len(neighbours.nearest(components(features)[0], k, leave_out=features["case_id"][0])) == found


def test_a_case_of_a_run_is_compared_by_its_features_and_the_reference_by_its_own(
    neighbours: Neighbours, features: pd.DataFrame, reference: ScoreRun
):
    run, case = run_with(reference, features), features["case_id"][4]
    by_features = neighbours.nearest(components(features)[4], leave_out=case)
    pd.testing.assert_frame_equal(neighbours.nearest_to(run, case), by_features)
    of_reference = neighbours.nearest_to(reference, case)
    assert of_reference["case_id"].tolist() == by_features["case_id"].tolist()


@pytest.mark.data
def test_a_picture_scored_anew_lies_where_the_reference_features_say(neighbours: Neighbours, data_folder: Path):
    from derm_kit.cases.images import decode
    from derm_kit.model.classifier import Classifier

    cases = [case for case in neighbours.run.cases["case_id"] if (data_folder / "images" / f"{case}.jpg").exists()][:3]
    classifier = Classifier(device="cpu")
    for case in cases:
        rgb = decode(data_folder / "images" / f"{case}.jpg", case=case).rgb
        found = neighbours.nearest(classifier.infer(classifier.square(rgb)[None]).features[0], k=1)
        assert found.loc[0, "case_id"] == case
        assert found.loc[0, "distance"] < 1e-3


def test_another_picture_of_a_reference_lesion_is_not_compared_with_it(
    neighbours: Neighbours, features: pd.DataFrame, reference: ScoreRun
):
    renamed = {"case_id": [f"ours {i}" for i in range(5)]}
    run = run_with(reference, features)
    ours = ScoreRun(
        run.scores.assign(**renamed), run.cases.assign(**renamed), features.head(5).assign(**renamed), run.meta
    )
    assert reference.cases.loc[4, "case_id"] not in neighbours.nearest_to(ours, "ours 4")["case_id"].tolist()
    ours = replace(ours, cases=ours.cases.assign(lesion_id=""))
    assert neighbours.nearest_to(ours, "ours 4").loc[0, "case_id"] == reference.cases.loc[4, "case_id"]
    ours = replace(ours, cases=ours.cases.drop(columns="lesion_id"))
    assert neighbours.nearest_to(ours, "ours 4").loc[0, "case_id"] == reference.cases.loc[4, "case_id"]


def test_a_run_without_features_says_what_to_do(neighbours: Neighbours, features: pd.DataFrame, reference: ScoreRun):
    run = replace(run_with(reference, features), features=None)
    with pytest.raises(RunError, match=r"ISIC_0000007: .*no features.*Open the run's folder.*features\.parquet"):
        neighbours.nearest_to(run, "ISIC_0000007")


def test_features_of_another_model_are_never_compared(
    neighbours: Neighbours, features: pd.DataFrame, reference: ScoreRun
):
    run = run_with(reference, features)
    for meta in ({"model_hash": "another", "model": "theirs 2"}, {}):
        with pytest.raises(RunError, match=r"ISIC_0000007: .*model that scored the reference cohort"):
            neighbours.nearest_to(replace(run, meta=meta), "ISIC_0000007")


def test_a_case_that_the_run_or_its_features_do_not_hold_is_refused(
    neighbours: Neighbours, features: pd.DataFrame, reference: ScoreRun
):
    with pytest.raises(RunError, match=r"nobody: the run has no such case"):
        neighbours.nearest_to(reference, "nobody")
    run = replace(run_with(reference, features), features=features.iloc[1:5])
    with pytest.raises(RunError, match=r"ISIC_0000007: .*no features of the case"):
        neighbours.nearest_to(run, "ISIC_0000007")


@pytest.mark.parametrize(
    "broken", [np.zeros(64), np.full(64, np.nan), np.full(64, np.inf), np.ones(63), np.ones((2, 64))]
)
def test_features_that_are_none_are_refused(neighbours: Neighbours, broken: np.ndarray):
    with pytest.raises(DermKitError, match=r"case 1: features are 64 finite numbers.*run of the same model"):
        neighbours.nearest(broken, leave_out="case 1")


@pytest.mark.parametrize("fault", ["order", "zeros", "missing", "no parquet"])
def test_reference_features_that_do_not_fit_the_scores_are_refused(tmp_path: Path, features: pd.DataFrame, fault: str):
    (tmp_path / REFERENCE_FILE).symlink_to(default_model() / REFERENCE_FILE)
    if fault == "order":
        features.iloc[::-1].reset_index(drop=True).to_parquet(tmp_path / REFERENCE_FEATURES_FILE)
    elif fault == "zeros":
        features.assign(**dict.fromkeys(features.columns[1:], 0.0)).to_parquet(tmp_path / REFERENCE_FEATURES_FILE)
    elif fault == "no parquet":
        (tmp_path / REFERENCE_FEATURES_FILE).write_text("not a table")
    with pytest.raises(ModelError, match=r"reference_features\.parquet: .*belong to its reference scores"):
        module._of_model(tmp_path)


def test_the_reference_is_read_once_and_a_query_takes_less_than_5_ms(neighbours: Neighbours, features: pd.DataFrame):
    assert Neighbours.of_reference() is neighbours
    took = []
    for query, case in zip(components(features)[:50], features["case_id"], strict=False):
        began = time.thread_time()
        neighbours.nearest(query, leave_out=case)
        took.append(time.thread_time() - began)
    assert np.median(took) < 5e-3


def test_neighbours_are_found_without_torch():
    code = (
        "import sys; from derm_kit.model.neighbours import Neighbours; Neighbours.of_reference()\n"
        "print('torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"
