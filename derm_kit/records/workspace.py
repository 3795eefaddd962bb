"""The workspace: where the register, the key of its audit log and the anchor lie on this machine."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

from derm_kit.errors import RecordError

URL_VARIABLE = "DERM_KIT_DATABASE_URL"
"""Names a PostgreSQL database for the register; left out, it lies in SQLite in the workspace."""
_KEY_BYTES = 32
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class Workspace:
    """One folder, one register. Only its owner may enter."""

    folder: Path

    @classmethod
    def named(cls, folder: Path | str | None = None) -> Workspace:
        """The folder given, else the one that DERM_KIT_WORKSPACE names, else the user's data folder."""
        named = folder or os.environ.get("DERM_KIT_WORKSPACE")
        return cls(Path(named) if named else user_data_path("derm-kit", appauthor=False))

    @property
    def database(self) -> Path:
        """The SQLite file, where no other database is named."""
        return self.folder / "register.sqlite"

    def has_database(self) -> bool:
        """Whether the SQLite file is there. Where nobody may look: yes, so that opening it says what is wrong."""
        try:
            self.database.stat()
        except OSError as error:
            return isinstance(error, PermissionError)
        return True

    @property
    def key_file(self) -> Path:
        """The secret that seals the audit log; never in the database, never in a backup."""
        return self.folder / "audit.key"

    @property
    def anchor_file(self) -> Path:
        """Count and head of the audit log as of the last acknowledged write."""
        return self.folder / "audit.anchor.json"

    def make(self) -> None:
        """Make the folder, for its owner alone. Raises RecordError where that cannot be done."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot(self.folder, "the workspace cannot be made", error) from error

    def key(self) -> bytes | None:
        """The key (32 bytes), or None where there is no file. Raises RecordError where others may read it."""
        try:
            if os.name == "posix" and self.key_file.stat().st_mode & _OTHERS:
                raise RecordError(
                    "only its owner may read the key of the audit log",
                    case=str(self.key_file),
                    value=oct(stat.S_IMODE(self.key_file.stat().st_mode)),
                    next_step=f"Find out who could read it, then: chmod 600 {self.key_file}",
                )
            key = bytes.fromhex(self.key_file.read_text("ascii"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _cannot(self.key_file, "the key of the audit log cannot be read", error) from error
        except ValueError:
            key = b""
        if len(key) != _KEY_BYTES:
            raise RecordError(
                "the key of the audit log is 64 hexadecimal digits",
                case=str(self.key_file),
                next_step="Put the copy of the key back that was kept apart from the database.",
            )
        return key

    def make_key(self) -> bytes:
        """The key; drawn at random (mode 0600) where there is none. Two processes at once agree on one."""
        own = self.key_file.with_name(f"{self.key_file.name}.{secrets.token_hex(4)}")
        try:
            own.touch(mode=0o600, exist_ok=False)
            with own.open("w", encoding="ascii") as file:
                file.write(secrets.token_hex(_KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):  # another process was first: its key is the key
                os.link(own, self.key_file)
            own.unlink()
            sync_folder(self.folder)
        except OSError as error:
            raise _cannot(self.key_file, "the key of the audit log cannot be written", error) from error
        key = self.key()
        assert key is not None  # noqa: S101 - it was written three lines above
        return key


def sync_folder(folder: Path) -> None:
    """Make a rename or a new file in `folder` outlast a power cut; systems other than POSIX have no such call."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _cannot(path: Path, what: str, error: OSError) -> RecordError:
    return RecordError(
        f"{what} ({error.strerror})",
        case=str(path),
        next_step="Free space or mend the folder's rights, or name another folder in DERM_KIT_WORKSPACE.",
    )
