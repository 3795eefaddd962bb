"""A release: refused where it would not be what it says, else wheel, source, lock, materials and checksums."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.environments import beside_python, checkout, project
from tests.test_binder import locked

VERSION = str(project()["version"])


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose only commit is the working tree."""
    folder = checkout(tmp_path_factory.mktemp("release") / "tree")
    (folder / ".gitignore").write_text("dist/\n")
    changelog = folder / "CHANGELOG.md"
    changelog.write_text(changelog.read_text().replace(f"## {VERSION} ", f"## {VERSION} (unreleased) was ", 1))
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


def git(tree: Path, *words: str) -> None:
    who = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org")
    subprocess.run(["git", *who, *words], cwd=tree, check=True)


def commit(tree: Path) -> None:
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--message", "A state of the tree")


def release(tree: Path) -> subprocess.CompletedProcess[str]:
    variables = os.environ | {"PATH": beside_python()}
    return subprocess.run([".ci/release"], cwd=tree, env=variables, capture_output=True, text=True, check=False)


def test_it_is_made_of_what_is_committed_and_told_in_the_changelog(tree: Path):
    (tree / "stray.txt").write_text("")
    done = release(tree)
    assert done.returncode == 2
    assert "a release is made of what is committed" in done.stderr
    (tree / "stray.txt").unlink()
    done = release(tree)
    assert done.returncode == 2
    assert f"Give it a heading: ## {VERSION} (" in done.stderr
    assert not (tree / "dist").exists()

    changelog = tree / "CHANGELOG.md"
    changelog.write_text(
        changelog.read_text().replace(f"## {VERSION} (unreleased) was", f"## {VERSION} (2026-11-29)\n")
    )
    commit(tree)
    done = release(tree)
    assert done.returncode == 0, done.stderr
    out = tree / "dist" / VERSION
    made = {path.name: path for path in out.iterdir()}
    wheel, source = f"derm_kit-{VERSION}-py3-none-any.whl", f"derm_kit-{VERSION}.tar.gz"
    lock, materials = f"derm-kit-{VERSION}.lock", f"derm-kit-{VERSION}.cdx.json"
    assert set(made) == {wheel, source, lock, materials, "SHA256SUMS"}
    sums = dict(reversed(line.split("  ")) for line in made["SHA256SUMS"].read_text().splitlines())
    assert sums == {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in made.items() if name != "SHA256SUMS"
    }
    assert made[lock].read_bytes() == (tree / "requirements.lock").read_bytes()
    told = json.loads(made[materials].read_text())
    assert told["bomFormat"] == "CycloneDX"
    assert told["metadata"]["component"]["name"] == "derm-kit"
    assert told["metadata"]["component"]["version"] == VERSION
    assert {component["name"].lower() for component in told["components"]} == set(locked(tree / "requirements.lock"))

    done = release(tree)
    assert done.returncode == 2
    assert "never made over another" in done.stderr
