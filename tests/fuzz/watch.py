"""Asks the process that reads, and keeps what it finds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from tests.fuzz.files import put_secrets
from tests.fuzz.inputs import MAKERS


@dataclass(frozen=True)
class Result:
    """What became of one input: `outcome` is read, refused or died; `found` is what may not be, as a rule nothing."""

    kind: str
    outcome: str
    rule: str = ""
    found: tuple[str, ...] = ()
    cpu_s: float = 0.0
    peak_bytes: int = 0
    made: str = field(default="", compare=False)


class Watch:
    """A process that reads inputs, for as long as it is open."""

    def __enter__(self) -> Self:
        self.base = Path(tempfile.mkdtemp(prefix="derm-kit-fuzz-"))
        put_secrets(self.base)
        self.folder = self.base / "input"
        self._before = self._outside()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env=os.environ | {"OMP_NUM_THREADS": "1", "HOME": str(self.base)},
        )
        self._line()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()
        shutil.rmtree(self.base, ignore_errors=True)

    def read(self, kind: str, rng: Random) -> Result:
        """Make an input of a kind and have it read."""
        if self.folder.exists():
            shutil.rmtree(self.folder)
        self.folder.mkdir()
        made = MAKERS[kind](rng, self.folder)
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"kind": kind, "folder": str(self.folder)}) + "\n")
        self._process.stdin.flush()
        said = self._line()
        found = [*said.get("found", []), *([said["died"]] if "died" in said else [])]
        if self._outside() != self._before:
            found.append("escape: something outside the folder was changed")
            self._before = self._outside()
        return Result(
            kind,
            said.get("outcome", "died"),
            said.get("rule", ""),
            tuple(found),
            said.get("cpu_s", 0.0),
            said.get("peak_bytes", 0),
            made,
        )

    def keep(self, into: Path) -> Path:
        """Keep a copy of the input that was read last."""
        shutil.rmtree(into, ignore_errors=True)
        into.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.folder, into, symlinks=True)
        return into

    def _outside(self) -> list[tuple[str, int, int]]:
        paths = sorted(path for path in self.base.rglob("*") if "input" not in path.relative_to(self.base).parts)
        return [(str(path), path.lstat().st_size, path.lstat().st_mtime_ns) for path in paths]

    def _line(self) -> dict:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())
