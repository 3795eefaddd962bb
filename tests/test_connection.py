"""The line between page and kernel, on the kernel's side: messages that come twice, kernels that die waiting."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path

import psutil

from derm_kit.panels.connection import REMEMBERED, Connection, Once
from derm_kit.panels.parts import page
from tests.serving import kernels, served

WAIT_S = 60


def test_a_message_that_comes_again_is_taken_once():
    taken: list[str] = []
    once = Once(lambda stream, ident, message: taken.append(message["content"]))
    for name in ("a", "b", "a", "c", "b"):
        once(None, None, {"header": {"msg_id": name}, "content": name})
    assert taken == ["a", "b", "c"]
    for n in range(REMEMBERED):
        once(None, None, {"header": {"msg_id": str(n)}, "content": ""})
    assert len(once._taken) == REMEMBERED, "it does not grow for ever"


def test_every_page_watches_its_line():
    assert sum(isinstance(child, Connection) for child in page("A page", "It is one.").children) == 1


def test_a_waiting_kernel_that_died_is_followed_by_another(tmp_path: Path):
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": "print('al' + 'ive')", "outputs": [],
            "execution_count": None}  # fmt: skip
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    book = {"nbformat": 4, "nbformat_minor": 5, "metadata": kernel, "cells": [cell]}
    (tmp_path / "00_start_here.ipynb").write_text(json.dumps(book))
    with served(tmp_path, "warm") as (address, server):
        first = waiting(server, set())
        for process in first:
            process.kill()
        assert waiting(server, first)
        with urllib.request.urlopen(f"{address}00_start_here.ipynb", timeout=WAIT_S) as answer:
            assert "alive" in answer.read().decode()


def waiting(server: psutil.Process, before: set[psutil.Process]) -> set[psutil.Process]:
    """The kernels of a server, once there is one that was not there before."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        found = set(kernels(server)) - before
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError("no kernel came")
