"""JSON from outside is read in one way only."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from derm_kit import plain_json


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"a": 1, "a": 2}', "a stands there twice"),
        (b'[{"b": {"a": 1, "a": 1}}]', "a stands there twice"),
        (b"[NaN]", "NaN is no number"),
        (b"[-Infinity]", "-Infinity is no number"),
        (b"[1e999]", "too large for a number"),
        (b"[" + b"9" * 5_000 + b"]", "4300"),
        (b"[" * 200_000, "nested too deep"),
        (b'{"a":' * 200_000, "nested too deep"),
        (b'["\\ud800"]', "half a character"),
        (b'["\xed\xa0\x80"]', "can't decode"),
        (b'["\xff"]', "can't decode"),
        (b"", "Expecting value"),
        (b" " * (plain_json.MOST_BYTES + 1), "more than 16 MiB"),
    ],
    ids=range(13),
)
def test_what_can_be_understood_in_several_ways_is_refused(text: bytes, why: str):
    with pytest.raises(ValueError, match=why):
        plain_json.parse(text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_plain_values_are_read_in_every_encoding_of_json(encoding: str):
    value = {"a": [1, 2.5, None, True, "é🩺"]}
    assert plain_json.parse(json.dumps(value, ensure_ascii=False).encode(encoding)) == value


def test_many_fields_take_no_more_than_their_number():
    text = json.dumps({str(i): i for i in range(200_000)})
    began = time.process_time()
    assert len(plain_json.parse(text)) == 200_000
    assert time.process_time() - began < 3, "comparing each field with each took minutes"


def test_what_is_no_file_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(ValueError, match="pipe, device or folder"):
            plain_json.read(path)
