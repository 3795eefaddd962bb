"""People who read cases in tests: a workspace whose register knows them, made once and copied, as hashing is slow."""

from __future__ import annotations

import shutil
from pathlib import Path

from derm_kit.records.people import Role
from derm_kit.records.register import Register

PASSPHRASE = "correct horse battery staple"  # noqa: S105 - of a test
READERS = {
    "ada": ("Ada Lovelace", Role.DERMATOLOGIST),
    "ben": ("Ben Nevis", Role.DERMATOLOGIST),
    "cleo": ("Cleo Patra", Role.SAFETY_OFFICER),
}


def staff(folder: Path) -> dict[str, str]:
    """Make a register in `folder` with the people of READERS; their ids by short name."""
    with Register.open(folder) as register:
        return {
            short: register.add_person(name, role, PASSPHRASE, registration="GMC 1").id
            for short, (name, role) in READERS.items()
        }


def copied(staffed: Path, folder: Path) -> Path:
    """A workspace of one test's own, the files with the rights they had."""
    shutil.copytree(staffed, folder)
    return folder
