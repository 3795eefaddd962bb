"""Shared fixtures: the shipped reference scores, their default policy, readers, and real images from a named folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from derm_kit.model.card import default_model, load_card
from derm_kit.model.reference import REFERENCE_FILE
from derm_kit.model.run import ScoreRun, read_run
from derm_kit.triage.policy import TriagePolicy
from tests.readers import staff

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
"""How long an example takes says nothing on a machine that others use too."""


@pytest.fixture(scope="session")
def reference() -> ScoreRun:
    """The reference cohort that ships: real scores on real lesions."""
    return read_run(default_model() / REFERENCE_FILE)


@pytest.fixture(scope="session")
def policy() -> TriagePolicy:
    """The default policy of the model that ships."""
    return TriagePolicy.from_card(load_card(default_model()))


@pytest.fixture(scope="session")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A workspace whose register knows READERS, to copy and never to write to, and their ids by short name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DERM_KIT_DATABASE_URL", raising=False)
        folder = tmp_path_factory.mktemp("readers") / "workspace"
        return folder, staff(folder)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The real images named by DERM_KIT_DATA; without it the test skips, or fails where they are required."""
    named = os.environ.get("DERM_KIT_DATA")
    if named:
        return Path(named)
    missing = "DERM_KIT_DATA names no folder of real dermoscopic images"
    if os.environ.get("DERM_KIT_REQUIRE_DATA"):
        pytest.fail(missing)
    pytest.skip(missing)
