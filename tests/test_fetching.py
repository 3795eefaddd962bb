"""Real pictures from page 00: nothing is fetched before size and licences are said and a second yes is given."""

from __future__ import annotations

import asyncio
import csv
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from derm_kit.cases import pictures
from derm_kit.lesions import LESION_TYPES
from derm_kit.model.reference import reference_cases
from derm_kit.panels import fetching
from derm_kit.panels.fetching import PICTURES, FetchPart
from tests.isic_archive import Archive, standing_in


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty machine: no DERM_KIT_DATA, nothing fetched yet."""
    monkeypatch.delenv("DERM_KIT_DATA", raising=False)
    for module in (pictures, fetching):
        monkeypatch.setattr(module, "fetched_folder", lambda: tmp_path / "isic")
    return tmp_path / "isic"


def known() -> dict[str, str]:
    return {case.case_id: "CC-0" for case in reference_cases(PICTURES)}


def test_the_first_reference_cases_hold_every_trained_type_and_the_order_never_changes():
    first = reference_cases(20)
    assert first == reference_cases(30)[:20]
    counted = Counter(case.truth for case in first)
    assert len(counted) >= len(LESION_TYPES) - 1
    assert max(counted.values()) - min(counted.values()) <= 1
    assert len({case.case_id for case in first}) == 20


def test_pictures_come_only_after_a_second_yes(folder: Path):
    with standing_in(known()) as archive:
        part = FetchPart(archive)
        assert "No picture of a real case" in part.words.value
        assert part.fetch_button.layout.display == "none"
        part.look()
        part.wait()
        assert f"{PICTURES} pictures" in part.notice.value
        assert "CC-0" in part.notice.value
        assert not folder.exists()
        part.fetch()
        part.wait()
    assert f"Fetched {PICTURES} pictures" in part.notice.value
    assert f"{PICTURES} pictures of real reference cases are at hand" in part.words.value
    assert all(case.picture for case in reference_cases(PICTURES))
    assert (folder / "attribution.txt").is_file()


def test_a_stopped_fetch_keeps_what_came_and_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch):
    with standing_in(known()) as archive:
        part = FetchPart(archive)
        part.look()
        part.wait()
        monkeypatch.setattr(part, "_stopped", True)
        part._bring()
        assert "Stopped" in part.notice.value
        some = len(Archive.fetched)
        assert 0 < some < PICTURES
        part.fetch()
        part.wait()
        assert len(Archive.fetched) - some < PICTURES
    assert all(case.picture for case in reference_cases(PICTURES))


def test_what_was_fetched_earlier_keeps_its_attribution(folder: Path):
    ids = list(known())
    came: list[int] = []

    async def fetched(archive: str, wanted: list[str]) -> FetchPart:
        part = FetchPart(archive, wanted=lambda: wanted, then=lambda: came.append(len(list(folder.glob("*.jpg")))))
        for step in (part.look, part.fetch):
            step()
            await asyncio.to_thread(part.wait)
        await asyncio.sleep(0)
        return part

    with standing_in(known()) as archive, ThreadPoolExecutor(1) as kernel:
        for wanted in (ids[:3], ids[2:5]):
            part = kernel.submit(asyncio.run, fetched(archive, wanted)).result()
    assert "Fetched 2 pictures" in part.notice.value, "one of the three was here"
    assert came == [3, 5]
    with (folder / "metadata.csv").open(newline="") as file:
        assert {row["isic_id"] for row in csv.DictReader(file)} == set(ids[:5])
    part.look()
    assert "All of them are on this machine" in part.notice.value
    assert part.fetch_button.layout.display == "none"


def test_an_archive_out_of_reach_is_told_with_the_next_step(folder: Path):
    part = FetchPart("http://127.0.0.1:9/api/v2/")
    part.look()
    part.wait()
    assert "This did not work" in part.notice.value
    assert "Check the connection" in part.notice.value
    assert part.fetch_button.layout.display == "none"
