"""Five hundred hostile inputs in every run of the tests; `make soak` reads twenty thousand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.inputs import MAKERS, WEIGHTS
from tests.fuzz.limits import MEMORY_BYTES, TOKEN
from tests.fuzz.watch import Result, Watch

INPUTS = 500
FIRST = 1_000_000
"""Far from the inputs of `make soak`, so that both together read more."""
KINDS = [kind for kind, weight in WEIGHTS.items() for _ in range(weight)]


@pytest.fixture(scope="module")
def watch() -> Iterator[Watch]:
    with Watch() as opened:
        yield opened


def require_sound(result: Result, watch: Watch, seed: str, tmp_path: Path) -> None:
    if result.found:
        kept = watch.keep(tmp_path / "found")
        pytest.fail(f"seed {seed!r}, kept in {kept}: " + "\n".join(result.found))


@pytest.mark.parametrize("part", range(4))
def test_every_input_is_read_or_refused_with_a_rule(watch: Watch, tmp_path: Path, part: int):
    results = []
    for i in range(INPUTS // 4 * part, INPUTS // 4 * (part + 1)):
        seed = f"{KINDS[i % len(KINDS)]} {FIRST + i}"
        results.append(watch.read(KINDS[i % len(KINDS)], Random(seed)))
        require_sound(results[-1], watch, seed, tmp_path)
    outcomes = {result.outcome for result in results}
    assert outcomes == {"read", "refused"}, "inputs reach behind the first check, and some are refused"


@settings(
    max_examples=60, derandomize=True, database=None, phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(
    st.sampled_from(("policy", "case_mix", "alarm", "phone", "template", "tests_run")),
    st.randoms(use_true_random=False),
)
def test_what_is_found_is_shrunk_to_its_smallest(watch: Watch, tmp_path: Path, kind: str, rng: Random):
    require_sound(watch.read(kind, rng), watch, "hypothesis", tmp_path)


@pytest.mark.parametrize("kind", MAKERS)
def test_the_unchanged_file_of_a_kind_is_read(watch: Watch, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch):
    plain = MAKERS[kind]
    monkeypatch.setitem(MAKERS, kind, lambda rng, folder: plain(rng, folder, 0))
    result = watch.read(kind, Random(0))
    assert (result.outcome, result.found) == ("read", ()), result


WATCHED = {
    "crash": ("crash", "raise KeyError('x')"),
    "hang": ("hang", "while True: pass"),
    "memory": ("memory", f"held = bytearray({MEMORY_BYTES + 10**8})"),
    "too much memory": ("memory", "held = bytearray(10**11)"),
    "segmentation fault": ("crash: SIGSEGV", "import ctypes; ctypes.string_at(0)"),
    "exit": ("crash", "import os; os._exit(3)"),
    "reads outside": ("escape: opens", "open(folder.parent / 'secret.csv').close()"),
    "lists outside": ("escape: opens", "list((folder / '..').iterdir())"),
    "follows a link": ("escape: opens", "import os; os.symlink('../secret.csv', folder / 'l'); open(folder / 'l')"),
    "says what stands outside": ("escape: it says", f"shown = {TOKEN!r}"),
    "writes": ("escape: writes", "open(folder / 'new', 'w').close()"),
    "writes outside": ("escape: something outside", "import os; os.utime(folder.parent / 'secret.csv', (1, 1))"),
    "starts a process": ("escape: subprocess", "import subprocess; subprocess.run(['true'])"),
    "connects": ("escape: socket", "import socket; socket.socket().connect_ex(('127.0.0.1', 9))"),
    "prints": ("noise", "print('Doe^Jane', flush=True)"),
    "writes a log line": ("noise", "import logging; logging.getLogger('x').warning('Doe^Jane')"),
}  # fmt: skip


@pytest.mark.parametrize("what", WATCHED)
def test_the_watch_sees_each_thing_that_it_watches_for(watch: Watch, what: str, monkeypatch: pytest.MonkeyPatch):
    expected, code = WATCHED[what]

    def make(rng: Random, folder: Path) -> str:
        (folder / "code.py").write_text(code)
        return what

    monkeypatch.setitem(MAKERS, "planted", make)
    found = watch.read("planted", Random(0)).found
    assert any(one.startswith(expected) for one in found), found
    assert watch.read("phone", Random(1)).found == (), "the next input is read as if nothing had been"


def test_no_test_leaves_a_reader_behind():
    with Watch() as opened:
        child = opened._process.pid
        opened.read("phone", Random(0))
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
