"""The process that reads: it forks a reader that is warm, watches it over one input after another, and forks anew.

Started by `watch.Watch`; speaks one JSON object a line. A reader dies of its own processor time (SIGPROF), its address
space is limited, its memory's peak is measured for each input, and an audit hook notes what it opens beyond its folder.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from derm_kit.errors import DermKitError
from tests.fuzz.limits import CPU_S, MEMORY_BYTES, TOKEN, WALL_S
from tests.peak import forget_peak, held_bytes

ROOM = 3 * MEMORY_BYTES
"""Address space beyond what a warm reader has: what asks for more is given MemoryError, and is found as such."""
ONE_READER = 300
"""Inputs that one reader takes before a new one is forked, so that one input's leavings are not another's."""
_READ = (
    sys.prefix,
    sys.base_prefix,
    "/proc",
    "/sys",
    "/usr",
    "/etc/localtime",
    "/etc/mime.types",
    "/dev/null",
    "/dev/urandom",
)
_FORBIDDEN = (
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.chmod",
    "os.chown",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.kill",
    "subprocess.Popen",
    "shutil.rmtree",
    "socket.connect",
    "socket.bind",
    "socket.getaddrinfo",
    "pickle.find_class",
    "urllib.Request",
    "webbrowser.open",
    "ctypes.dlopen",
    "sqlite3.connect",
)


class Guard:
    """Notes what is opened, listed, written or started beyond the folder of the input."""

    def __init__(self) -> None:
        self.folder = ""
        self.seen: list[str] = []
        own = Path(__file__).resolve().parents[2]
        self._imports = {os.path.realpath(path) for path in sys.path}  # Python lists these to find a module
        self._allowed = (*_READ, *(str(own / name) for name in ("derm_kit", "models", "notebooks")))

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.folder:
            return
        if event == "open":
            self._opened(args[0], args[2])
        elif event in ("os.listdir", "os.scandir"):
            self._opened(args[0], os.O_RDONLY)
        elif event in _FORBIDDEN:
            self.seen.append(f"{event} {str(args)[:100]}")

    def _opened(self, path: Any, flags: Any) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return
        try:
            real = os.path.realpath(os.fsdecode(path))
        except ValueError:
            return  # a NUL in a name opens nothing
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        if writes and real != "/dev/null":
            self.seen.append(f"writes {path!r}")
        elif not (real == self.folder or real in self._imports or real.startswith((self.folder + "/", *self._allowed))):
            self.seen.append(f"opens {path!r}")


GUARD = Guard()


def main() -> None:
    """Warm up, then read what is asked for until the asker goes."""
    from tests.fuzz.readers import warm_up

    warm_up()
    sys.addaudithook(GUARD)
    _say({})
    reader: _Reader | None = None
    for line in sys.stdin:
        if reader is None:
            reader = _Reader()
        said = reader.ask(line)
        _say(said)
        if "died" in said or reader.asked >= ONE_READER:
            reader.end()
            reader = None
    if reader:
        reader.end()


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


class _Reader:
    """A forked reader, as the process that forked it sees it."""

    def __init__(self) -> None:
        self.asked = 0
        to_reader, self._asks = os.pipe()
        self._answers, from_reader = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            os.close(self._asks)
            os.close(self._answers)
            _read_all(to_reader, from_reader)
        os.close(to_reader)
        os.close(from_reader)

    def ask(self, line: str) -> dict[str, Any]:
        self.asked += 1
        os.write(self._asks, line.encode())
        until, said = time.monotonic() + WALL_S, b""
        while not said.endswith(b"\n"):
            ready, _, _ = select.select([self._answers], [], [], max(until - time.monotonic(), 0))
            if not ready:
                os.kill(self._pid, signal.SIGKILL)
                return {"died": f"hang: no answer within {WALL_S} s"}
            part = os.read(self._answers, 65_536)
            if not part:
                return {"died": self._death()}
            said += part
        found: dict[str, Any] = json.loads(said)
        return found

    def _death(self) -> str:
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        if not os.WIFSIGNALED(status):
            return f"crash: it ended with {os.waitstatus_to_exitcode(status)}"
        name = signal.Signals(os.WTERMSIG(status)).name
        return f"hang: more than {CPU_S} s of processor time" if name == "SIGPROF" else f"crash: {name}"

    def end(self) -> None:
        os.close(self._asks)
        os.close(self._answers)
        if self._pid:
            os.waitpid(self._pid, 0)


def _read_all(asks: int, answers: int) -> None:
    """The life of a reader: never returns."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    said = os.memfd_create("said")  # whatever a library writes to the terminal is found
    os.dup2(said, 1)
    os.dup2(said, 2)
    used = held_bytes("VmSize")
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, used + ROOM))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with os.fdopen(asks) as lines:
        for line in lines:
            asked = json.loads(line)
            answer = _read_one(asked["kind"], Path(asked["folder"]))
            if loud := os.lseek(said, 0, os.SEEK_END):
                answer["found"].append(f"noise: {os.pread(said, 300, 0)!r} of {loud} bytes on the terminal")
                os.ftruncate(said, 0)
                os.lseek(said, 0, os.SEEK_SET)
            os.write(answers, json.dumps(answer).encode() + b"\n")
    os._exit(0)


def _read_one(kind: str, folder: Path) -> dict[str, Any]:
    from tests.fuzz.readers import READERS

    forget_peak()
    before, started = held_bytes("VmRSS"), time.process_time()
    signal.setitimer(signal.ITIMER_PROF, CPU_S)
    GUARD.folder, GUARD.seen = os.path.realpath(folder), []
    answer: dict[str, Any] = {"outcome": "read", "rule": "", "found": []}
    try:
        shown = READERS[kind](folder)
    except DermKitError as error:
        shown = f"{error} {error.finding}"
        answer |= {"outcome": "refused", "rule": error.rule}
        if not error.rule.strip() or not error.next_step.strip() or len(str(error)) > 20_000:
            answer["found"].append(f"words: a refusal without rule or next step, or too long ({len(str(error))})")
    except MemoryError:
        GUARD.folder, shown, answer["outcome"] = "", "", "died"
        answer["found"].append(f"memory: more than {ROOM:,} bytes\n{_trace()}")
    except BaseException as error:  # noqa: BLE001 - whatever else comes is what is looked for
        GUARD.folder, shown, answer["outcome"] = "", "", "died"
        answer["found"].append(f"crash: {type(error).__name__}\n{_trace()}")
    finally:
        GUARD.folder = ""
        signal.setitimer(signal.ITIMER_PROF, 0)
    peak = held_bytes("VmHWM") - before
    answer |= {"cpu_s": time.process_time() - started, "peak_bytes": max(peak, 0)}
    if peak > MEMORY_BYTES:
        answer["found"].append(f"memory: {peak:,} bytes above its start")
    if TOKEN in shown:
        answer["found"].append("escape: it says what stands outside its folder")
    answer["found"] += [f"escape: {what}" for what in GUARD.seen[:5]]
    return answer


def _trace() -> str:
    return "".join(traceback.format_exc()[-2_500:])


if __name__ == "__main__":
    main()
