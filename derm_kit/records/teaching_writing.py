"""Writes that wait together go to disk together: one transaction, one commit and one move of the anchor for all.

Many readers answer at the same moments, and what a write costs is mostly its commit. Each write is told of its result
once everything is on disk, never sooner. One that is refused is undone alone; where the database itself fails, nothing
is stored, and each is told so.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from derm_kit.records.audit import HEAD
from derm_kit.records.register import Register

T = TypeVar("T")


@dataclass(eq=False)
class _Write:
    register: Register
    work: Callable[[Session], Any]
    told: Future[Any] = field(default_factory=Future)

    def attempt(self, session: Session) -> Callable[[], None]:
        """Do the work, undone alone where it is refused; what tells of it afterwards."""
        before = session.info.get(HEAD)
        try:
            with session.begin_nested():
                result = self.work(session)
        except DBAPIError:
            raise
        except Exception as refusal:  # noqa: BLE001 - raised where the write was asked for
            session.info[HEAD] = before
            return partial(self.told.set_exception, refusal)
        return partial(self.told.set_result, result)


_WAITING: list[_Write] = []
_TURN = Lock()


class _NothingWrittenError(Exception):
    """There is nothing to commit."""


def write(register: Register, work: Callable[[Session], T]) -> T:
    """What `work` returns, once all that it wrote is on disk, or what it raises; it may also find nothing to write.

    `work` gets a session that holds the writers' lock, may run in another thread, and sees what stands before it in the
    same transaction. Raises RecordError where the register cannot be written.
    """
    mine = _Write(register, work)
    _WAITING.append(mine)
    with _TURN:
        if not mine.told.done():
            _write_together(register, [one for one in _WAITING if one.register is register])
    result: T = mine.told.result()
    return result


def _write_together(register: Register, batch: list[_Write]) -> None:
    for one in batch:
        _WAITING.remove(one)
    try:
        with register.writing() as session:
            tell = [one.attempt(session) for one in batch]
            _require_written(session)
    except _NothingWrittenError:
        pass
    except BaseException as error:  # noqa: BLE001 - raised where each write was asked for
        tell = [partial(one.told.set_exception, error) for one in batch]
    for result in tell:
        result()


def _require_written(session: Session) -> None:
    if session.info.get(HEAD) is None:
        raise _NothingWrittenError
