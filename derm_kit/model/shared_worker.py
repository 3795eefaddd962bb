"""The scoring worker of `derm-kit serve`: a Dask cluster of one process on this machine, behind TLS of its own.

Any other person on the machine could reach a plain port, so scheduler, worker and pages prove to each other that they
hold a key, made for this one time, in a folder that nobody else may read. A worker that dies is started again.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from derm_kit.model.card import default_model, load_card
from derm_kit.model.cluster import ClusterAddress
from derm_kit.model.cluster_work import Wanted, ready

MOST_THREADS = 4
NO_PAGES: dict[str, list[str]] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
"""Dask would tell anybody on this machine over plain HTTP what is worked on."""


@contextmanager
def scoring_worker() -> Iterator[ClusterAddress]:
    """Start the worker, which loads the model while pages open already, and stop it in the end."""
    import dask
    from distributed import Client, LocalCluster, Security, fire_and_forget

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="derm-kit-worker-") as folder:
        security = Security.temporary()  # type: ignore[no-untyped-call]
        files = _key_files(Path(folder), security)
        threads = min(MOST_THREADS, os.cpu_count() or 1)
        with (
            dask.config.set(NO_PAGES),
            LocalCluster(  # type: ignore[no-untyped-call]
                n_workers=1, threads_per_worker=threads, processes=True, host="127.0.0.1", protocol="tls://",
                security=security, dashboard_address="127.0.0.1:0", worker_dashboard_address="127.0.0.1:0",
                local_directory=folder,
                memory_limit=0,  # else a picture's results could be laid on disk
            ) as cluster,
        ):  # fmt: skip
            with Client(cluster) as client:  # type: ignore[no-untyped-call]
                fire_and_forget(client.submit(ready, Wanted.of(load_card(default_model()), None, "auto")))  # type: ignore[no-untyped-call]
            yield ClusterAddress(cluster.scheduler_address, *files, beside_pages=True)


def _key_files(folder: Path, security: Any) -> tuple[Path, Path, Path]:  # noqa: ANN401 - distributed carries no types
    """Authority, certificate and key as files that only this person may read."""
    texts = security.tls_ca_file, security.tls_client_cert, security.tls_client_key
    files = folder / "ca.pem", folder / "cert.pem", folder / "key.pem"
    for file, text in zip(files, texts, strict=True):
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(str(text))
    return files
