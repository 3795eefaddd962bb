"""A local stand-in of the ISIC Archive's interface, page by page as the archive gives it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np

KNOWN = {f"ISIC_{i:07}": ("CC-0" if i % 3 else "CC-BY-NC") for i in range(50)}


def picture(isic_id: str) -> bytes:
    rgb = np.full((300, 300, 3), int(isic_id[-2:]) + 100, np.uint8)
    return cv2.imencode(".jpg", rgb)[1].tobytes()


class Archive(BaseHTTPRequestHandler):
    """images/search, the licence files and the pictures themselves; it knows `known`, id to licence."""

    known: dict[str, str] = KNOWN
    fetched: list[str] = []  # noqa: RUF012 - counted over all requests

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        base = f"http://{self.headers['Host']}"
        if url.path == "/api/v2/images/search/":
            query = parse_qs(url.query).get("query", [""])[0]
            named = re.findall(r"isic_id:(\S+)", query)
            ids = [i for i in named if i in Archive.known] if named else list(Archive.known)
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
            "copyright_license": Archive.known[isic_id],
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


@contextmanager
def standing_in(known: dict[str, str] = KNOWN) -> Iterator[str]:
    """The address of a running stand-in."""
    Archive.known = known
    with ThreadingHTTPServer(("127.0.0.1", 0), Archive) as server:
        Archive.fetched.clear()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api/v2/"
        server.shutdown()
