"""Many writers at once, and writers killed in the midst of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from derm_kit.records.conflicts import ConflictError
from derm_kit.records.register import Register
from tests.records.places import RUN, Place, review

ROUNDS = 200 if os.environ.get("DERM_KIT_SOAK") else 40


def writers(what: str, place: Place, *numbers: int) -> dict[str, Any]:
    words = [what, str(place.folder), *map(str, numbers), *([place.url] if place.url else [])]
    done = subprocess.run(
        [sys.executable, "-m", "tests.records.writers", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_writers_at_once_lose_nothing_and_none_is_turned_away(place: Place):
    count, each = (50, 3) if place.url else (8, 12)
    found = writers("write", place, count, each)
    assert found["failed"] == 0
    assert found["lost"] == found["findings"] == []
    assert found["acknowledged"] == found["stored"] == count * each * 4 // 3


def test_a_register_opened_by_many_at_once_is_made_once(place: Place):
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda _: place.make(), range(6)))
    with place.open() as register:
        assert [entry.action for entry in register.entries()] == ["register made"]
        assert register.verify().sound


def test_threads_that_share_a_register_lose_nothing(register: Register, reader: str):
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda i: register.save_review(review(reader, f"case {i}")), range(30)))
    assert {verdict.case for verdict in register.worklist(RUN)} == {f"case {i}" for i in range(30)}
    assert register.verify().sound


def test_of_two_who_save_at_the_same_moment_one_is_told(register: Register, reader: str):
    def save(i: int) -> str:
        try:
            register.save_review(review(reader, note=f"by {i}"))
        except ConflictError as told:
            return told.stored.note
        return "saved"

    with ThreadPoolExecutor(6) as threads:
        outcomes = list(threads.map(save, range(6)))
    [stored] = register.reviews(RUN, "case 1")
    assert sorted(outcomes) == sorted(["saved", *[stored.note] * 5])


def test_writers_killed_at_any_moment_lose_nothing_that_was_acknowledged(place: Place):
    found = writers("kill", place, ROUNDS, 20_251)
    assert found["lost"] == []
    assert found["halves"] == []
    assert found["findings"] == []
    assert found["acknowledged"] > ROUNDS


@pytest.mark.parametrize("rounds", [ROUNDS // 2])
def test_a_register_whose_making_was_killed_is_made_the_next_time(sqlite_place: Place, rounds: int):
    found = writers("make", sqlite_place, rounds, 7)
    assert found["findings"] == []
    assert found["made_before_the_kill"] < rounds
