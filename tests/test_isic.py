"""fetch-isic: isic-cli's real code against a local stand-in of the archive's interface."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from derm_kit import read
from derm_kit.cases import isic
from derm_kit.cli import app
from derm_kit.errors import CohortError
from tests.isic_archive import KNOWN, Archive, standing_in


@pytest.fixture
def archive() -> Iterator[str]:
    with standing_in() as address:
        yield address


def test_ids_are_found_and_those_unknown_are_named(archive):
    wanted = [*list(KNOWN)[:45], "ISIC_9999999"]
    found = isic.find_by_id(wanted, archive)
    assert [r["isic_id"] for r in found.records] == wanted[:-1]
    assert found.unknown == ("ISIC_9999999",)
    assert found.sentence.startswith("45 pictures, 0 MB, licences: CC-0 (30), CC-BY-NC (15). 1 ids are not")


def test_a_search_stops_at_its_limit(archive):
    assert len(isic.find_by_search("sex:female", 13, archive).records) == 13


def test_a_download_lies_as_isic_cli_lays_it_out_and_is_read_as_a_cohort(archive, tmp_path):
    found = isic.find_by_id(list(KNOWN)[:7], archive)
    seen: list[int] = []
    out = isic.download(found, tmp_path / "isic", advance=seen.append, archive=archive)
    assert sum(seen) == 7
    assert sorted(p.name for p in (out / "licenses").iterdir()) == ["CC-0.txt", "CC-BY-NC.txt"]
    assert (out / "attribution.txt").read_text() == "Hospital <b>A</b>"
    cohort = read(out)
    assert list(cohort.cases["case_id"]) == list(KNOWN)[:7]
    assert set(cohort.cases["licence"]) == {"CC-0", "CC-BY-NC"}
    assert set(cohort.cases["age_years"]) == {50.0}


def test_what_is_already_there_is_not_fetched_again(archive, tmp_path):
    found = isic.find_by_id(list(KNOWN)[:5], archive)
    isic.download(found, tmp_path, archive=archive)
    (tmp_path / f"{next(iter(KNOWN))}.jpg").write_bytes(b"cut off")
    Archive.fetched.clear()
    isic.download(found, tmp_path, archive=archive)
    assert Archive.fetched == [f"/files/{next(iter(KNOWN))}.jpg"]


def test_the_command_says_size_and_licences_and_asks_before_it_fetches(archive, tmp_path, monkeypatch):
    real = isic._isic_cli
    monkeypatch.setattr(isic, "_isic_cli", lambda _: real(archive))
    command = ["fetch-isic", "--search", "sex:female", "--n", "3", "--out", str(tmp_path / "isic")]
    refused = CliRunner().invoke(app, command, input="n\n")
    assert "3 pictures, 0 MB, licences: CC-0 (2), CC-BY-NC (1)" in refused.output
    assert not (tmp_path / "isic").exists()
    fetched = CliRunner().invoke(app, [*command, "--yes"])
    assert fetched.exit_code == 0, fetched.output
    assert len(list((tmp_path / "isic").glob("*.jpg"))) == 3


def test_without_isic_cli_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "isic_cli.session", None)
    with pytest.raises(CohortError, match=r"pip install 'derm-kit\[isic\]'"):
        isic.find_by_id(["ISIC_0000000"])


def test_nothing_is_reported_to_the_makers_of_isic_cli():
    script = (
        "from derm_kit.cases import isic; isic._isic_cli(isic.ARCHIVE); import sentry_sdk;"
        "raise SystemExit(sentry_sdk.get_client().is_active())"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
