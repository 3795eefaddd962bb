"""Commands as a person runs them: in this process, or in one of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner, Result

from derm_kit.cli import app
from derm_kit.errors import DermKitError
from tests.records.places import PASSPHRASE, Place

COMMAND = Path(sys.executable).with_name("derm-kit")
TWICE = f"{PASSPHRASE}\n{PASSPHRASE}"


@dataclass(frozen=True)
class Terminal:
    """Commands in one workspace; passphrases are typed, errors are what the person reads."""

    place: Place

    @property
    def folder(self) -> Path:
        """Where the person's own files lie: beside the workspace."""
        return self.place.folder.parent

    @property
    def env(self) -> dict[str, str]:
        url = {"DERM_KIT_DATABASE_URL": self.place.url} if self.place.url else {}
        return {"DERM_KIT_WORKSPACE": str(self.place.folder), "COLUMNS": "200"} | url

    def __call__(self, words: str, *more: str | Path, typed: str = PASSPHRASE) -> str:
        """What a command prints that goes well."""
        done = self.run(words, *more, typed=typed)
        assert done.exit_code == 0, done.output
        return done.stdout

    def refused(self, words: str, *more: str | Path, typed: str = PASSPHRASE) -> str:
        """What a command says that derm-kit refuses."""
        done = self.run(words, *more, typed=typed)
        assert isinstance(done.exception, DermKitError), done.output
        return str(done.exception)

    def run(self, words: str, *more: str | Path, typed: str = PASSPHRASE) -> Result:
        return CliRunner().invoke(app, [*words.split(), *map(str, more)], input=typed + "\n", env=self.env)

    def process(self, words: str, *more: str | Path, typed: str = PASSPHRASE) -> subprocess.CompletedProcess[str]:
        """The command in a process of its own, without a terminal to ask on: what is typed comes in by stdin."""
        return subprocess.run(
            [COMMAND, *words.split(), *map(str, more)],
            input=typed + "\n",
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | self.env,
            start_new_session=True,
        )
