"""Virtual environments of their own, made from files that the project publishes, and what is run in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
OF_THIS_ONE = ("PYTHON", "DERM_KIT_", "JUPYTER", "VIRTUAL_ENV", "COV_CORE", "COVERAGE")
"""Variables by these beginnings belong to the environment that the tests run in."""


def project() -> dict[str, object]:
    """The table [project] of pyproject.toml."""
    found: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found


def checkout(folder: Path) -> Path:
    """A copy of the working tree without what git ignores."""
    hidden = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "dist", "build", "derm-kit-run*")
    shutil.copytree(ROOT, folder, ignore=hidden)
    shutil.copytree(ROOT / ".ci", folder / ".ci")
    return folder


class Environment:
    """An environment that holds what `requirements` names, each package held to its hash, and nothing else."""

    def __init__(self, folder: Path, requirements: Path) -> None:
        venv.create(folder, with_pip=True)
        self.folder, self.home = folder, folder.with_name(f"{folder.name}-home")
        self.home.mkdir()
        self.install("--no-deps", "--require-hashes", "-r", str(requirements))

    def install(self, *what: str) -> None:
        """Install into it. uv fetches side by side what pip fetches one by one."""
        done = subprocess.run(
            ["uv", "pip", "install", "--quiet", "--python", str(self.folder / "bin" / "python"), *what],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PATH": beside_python()},
        )
        assert done.returncode == 0, done.stderr[-2000:]

    @property
    def variables(self) -> dict[str, str]:
        """The variables of a person who has just activated it, at home in a folder of their own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OF_THIS_ONE)}
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return kept | {"PATH": path, "HOME": str(self.home), "VIRTUAL_ENV": str(self.folder)}

    def run(self, *command: str, cwd: Path, status: int = 0) -> str:
        """What a command says, on both streams. Raises AssertionError where it does not end with `status`."""
        done = subprocess.run(
            command, cwd=cwd, env=self.variables | {"COLUMNS": "200"}, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == status, done.stdout[-2000:]
        return done.stdout


def beside_python() -> str:
    """PATH with the tools of this environment first."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
