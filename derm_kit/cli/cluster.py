"""The options of commands whose work a Dask cluster may share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from derm_kit.cli.console import errors

if TYPE_CHECKING:
    from derm_kit.model.cluster import ClusterAddress

Scheduler = Annotated[
    str,
    typer.Option(
        "--scheduler", "--dask", envvar="DERM_KIT_SCHEDULER", help="Address of a Dask scheduler that shares the work."
    ),
]
TlsCa = Annotated[Path | None, typer.Option(envvar="DERM_KIT_TLS_CA", help="Authority of its certificates (PEM).")]
TlsCert = Annotated[Path | None, typer.Option(envvar="DERM_KIT_TLS_CERT", help="Own certificate for it (PEM).")]
TlsKey = Annotated[Path | None, typer.Option(envvar="DERM_KIT_TLS_KEY", help="Key of that certificate (PEM).")]
ClosedNetwork = Annotated[
    bool,
    typer.Option(
        "--closed-network", envvar="DERM_KIT_CLOSED_NETWORK", help="Let plain tcp:// reach other machines (no TLS)."
    ),
]


def address_of(
    scheduler: str, ca: Path | None, certificate: Path | None, key: Path | None, closed_network: bool
) -> ClusterAddress | None:
    """The cluster that the options name, None where none does."""
    from derm_kit.model.cluster import ClusterAddress

    return ClusterAddress(scheduler, ca, certificate, key, closed_network) if scheduler else None


@contextmanager
def client_of(at: ClusterAddress) -> Iterator[Any]:
    """A client of the cluster `at`, which says which one it is."""
    from derm_kit.model.cluster import connected

    with connected(at) as client:
        tell(f"Working on the cluster {at.scheduler}.")
        yield client


@contextmanager
def scoring_for_pages(at: ClusterAddress | None) -> Iterator[None]:
    """Let all pages share one model: on the cluster `at`, or on a worker that is started here."""
    from derm_kit.model.shared import named
    from derm_kit.model.shared_worker import scoring_worker

    if at is not None:
        with client_of(at), named(at):
            yield
        return
    with scoring_worker() as own, named(own):
        yield


def tell(words: str) -> None:
    """Say something of the cluster beside the results."""
    errors.print(words, markup=False)
