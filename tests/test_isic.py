"""fetch-isic: isic-cli's real code against a local stand-in of the archive's interface."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from derm_kit import read
from derm_kit.cases import isic
from derm_kit.cli import app
from derm_kit.errors import CohortError

KNOWN = {f"ISIC_{i:07}": ("CC-0" if i % 3 else "CC-BY-NC") for i in range(50)}


def picture(isic_id: str) -> bytes:
    rgb = np.full((300, 300, 3), int(isic_id[-2:]) + 100, np.uint8)
    return cv2.imencode(".jpg", rgb)[1].tobytes()


class Archive(BaseHTTPRequestHandler):
    """images/search, the licence files and the pictures themselves, page by page as the archive gives them."""

    fetched: list[str] = []  # noqa: RUF012 - counted over all requests

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        base = f"http://{self.headers['Host']}"
        if url.path == "/api/v2/images/search/":
            query = parse_qs(url.query).get("query", [""])[0]
            named = re.findall(r"isic_id:(\S+)", query)
            ids = [i for i in named if i in KNOWN] if named else list(KNOWN)
            start = int(parse_qs(url.query).get("cursor", ["0"])[0])
            after = f"{base}/api/v2/images/search/?query={query}&cursor={start + 10}"
            body = {
                "count": len(ids),
                "next": after if start + 10 < len(ids) else None,
                "results": [self.record(i, base) for i in ids[start : start + 10]],
            }
            self.answer(json.dumps(body).encode(), "application/json")
        elif url.path.startswith("/api/v2/zip-download/license-file/"):
            self.answer(f"The text of {url.path.split('/')[-2]}".encode(), "text/plain")
        elif url.path.startswith("/files/"):
            Archive.fetched.append(url.path)
            self.answer(picture(Path(url.path).stem), "image/jpeg")
        else:
            self.send_error(404)

    def record(self, isic_id: str, base: str) -> dict[str, object]:
        return {
            "isic_id": isic_id,
            "attribution": "Hospital <b>A</b>",
            "copyright_license": KNOWN[isic_id],
            "files": {"full": {"url": f"{base}/files/{isic_id}.jpg", "size": len(picture(isic_id))}},
            "metadata": {"acquisition": {"image_type": "dermoscopic"}, "clinical": {"sex": "female", "age_approx": 50}},
        }

    def answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def archive() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Archive) as server:
        Archive.fetched.clear()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api/v2/"
        server.shutdown()


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
