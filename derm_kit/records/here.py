"""The register of this machine, where somebody has made one. To look for it brings no database toolkit along."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from derm_kit.records.workspace import URL_VARIABLE, Workspace

if TYPE_CHECKING:
    from derm_kit.records.register import Register


def is_register_here() -> bool:
    """Whether the workspace has a register, or a database is named for it. Nothing is opened or made."""
    return bool(os.environ.get(URL_VARIABLE)) or Workspace.named().has_database()


def register_here() -> Register | None:
    """The register of this machine, None where nobody has made one. Raises RecordError as Register.open() does."""
    if not is_register_here():
        return None
    from derm_kit.records.register import Register

    return Register.open()
