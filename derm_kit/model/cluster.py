"""A Dask cluster that shares the work: its address, its TLS files, and plain words where it fails.

Whoever reaches a Dask scheduler runs code on its workers, and a client takes pickled answers from it: the scheduler
must be trusted. So plain tcp is taken for this machine alone unless somebody says that the network is closed to others.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from derm_kit.errors import DermKitError

T = TypeVar("T")
ANSWER_S = 10
"""How long a scheduler may take to answer."""


class ClusterError(DermKitError):
    """A cluster cannot be reached, or was lost."""


@dataclass(frozen=True)
class ClusterAddress:
    """Where the scheduler listens, tcp://HOST:PORT or tls://HOST:PORT, and how to prove who asks.

    `ca`, `certificate` and `key` are PEM files; any that is left out is taken from Dask's own configuration.
    `closed_network` lets plain tcp go to another machine. `beside_pages` is the one worker of `derm-kit serve`.
    """

    scheduler: str
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    closed_network: bool = False
    beside_pages: bool = False


@contextmanager
def connected(at: ClusterAddress) -> Iterator[Any]:
    """A client of the cluster (`distributed.Client`), closed in the end; raises as `connect` and `losses_told` do."""
    client = connect(at)
    try:
        with losses_told(at):
            yield client
    finally:
        client.close()


def connect(at: ClusterAddress) -> Any:  # noqa: ANN401 - distributed carries no types
    """A client of the cluster, which the caller closes.

    Raises ClusterError where the address is refused or does not answer.
    """
    secure = _require_safe(at)
    from distributed import Client, Security  # slow to import, and most work is done here

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what it would print, these errors say
    security = None
    try:
        if secure:
            files = {"tls_ca_file": at.ca, "tls_client_cert": at.certificate, "tls_client_key": at.key}
            security = Security(require_encryption=True, **{k: str(v) for k, v in files.items() if v})  # type: ignore[no-untyped-call]
        return Client(at.scheduler, security=security, timeout=ANSWER_S)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError) as error:
        raise _no_answer(at, error) from None


@contextmanager
def losses_told(at: ClusterAddress) -> Iterator[None]:
    """Raise ClusterError where the scheduler or, again and again, the workers are lost while they are used."""
    from distributed import KilledWorker

    try:
        yield
    except CancelledError:
        raise ClusterError(
            "the scheduler must stay there until the work is done, and was lost",
            case=at.scheduler,
            next_step="What was finished is kept. Start the scheduler and its workers again, then do the same again.",
        ) from None
    except KilledWorker as error:
        raise ClusterError(
            "one piece of the work ended one worker after another",
            case=at.scheduler,
            value=error,
            next_step="See the workers' logs: most often a worker has too little memory. Then do the same again; what "
            "was finished is kept.",
        ) from None


def awaited(client: Any, future: Future[T], no_worker: Callable[[], None], look_s: float) -> T:  # noqa: ANN401
    """The result of a job. Every `look_s` workers are looked for; where there are none, `no_worker` is called once."""
    told = False
    while not wait([future], timeout=look_s).done:
        if not (told or n_threads(client)):
            no_worker()
            told = True
    return future.result()


def n_threads(client: Any) -> int:  # noqa: ANN401
    """Threads of the workers that are connected now; 1 where the scheduler is gone, which whoever waits is told."""
    try:
        return sum(client.nthreads().values())
    except (OSError, RuntimeError):
        return 1


def _require_safe(at: ClusterAddress) -> bool:
    """Whether TLS is asked for. Raises ClusterError for another kind of address, and for plain tcp to elsewhere."""
    try:
        parts = urlsplit(at.scheduler)
        host, known = parts.hostname, parts.scheme in ("tcp", "tls") and parts.port is not None
    except ValueError:
        host, known = None, False
    if not (host and known):
        raise ClusterError(
            "a scheduler's address is tls://HOST:PORT, or tcp://HOST:PORT on this machine",
            value=at.scheduler,
            next_step="Name the address that 'dask scheduler' prints.",
        )
    secure = parts.scheme == "tls"
    if not secure and (at.ca or at.certificate or at.key):
        raise ClusterError(
            "TLS files go with an address that begins with tls://",
            value=at.scheduler,
            next_step="Name the address with tls://, or leave the files out.",
        )
    if not (secure or at.closed_network or is_this_machine(at.scheduler)):
        raise ClusterError(
            "plain tcp is taken for this machine alone: whoever reaches a scheduler reads its work and runs code",
            value=at.scheduler,
            next_step="Use tls:// with certificates (docs/scale-out.md), or give --closed-network where nobody else "
            "is on that network.",
        )
    return secure


def is_this_machine(scheduler: str) -> bool:
    """Whether a scheduler's address cannot be reached from another machine."""
    host = urlsplit(scheduler).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _no_answer(at: ClusterAddress, error: Exception) -> ClusterError:
    return ClusterError(
        f"the Dask scheduler does not answer ({type(error).__name__})",
        case=at.scheduler,
        next_step="Start 'dask scheduler' and its workers, and name the address that it prints; with tls:// check "
        "that the certificate and its key are those of this cluster.",
    )
