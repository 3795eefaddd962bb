"""A cluster over TLS: who holds the certificate is let in, who does not is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from derm_kit.model.cluster import ClusterAddress, ClusterError, connected
from derm_kit.model.cluster_scoring import ClusterScorer
from tests.dask_cluster import DaskCluster, dask_cluster


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate that is its own authority, and its key, as PEM files."""
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dask-internal")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The cluster's certificate and key."""
    return make_certificate(tmp_path_factory.mktemp("tls") / "own")


@pytest.fixture(scope="module")
def cluster(files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """A scheduler and a worker that speak TLS and nothing else."""
    certificate, key = map(str, files)
    options = ["--tls-ca-file", certificate, "--tls-cert", certificate, "--tls-key", key]
    with dask_cluster(tmp_path_factory.mktemp("secure"), 1, options, protocol="tls") as started:
        yield started


@pytest.fixture
def ours(cluster: DaskCluster, files: tuple[Path, Path]) -> ClusterAddress:
    """The address and files that belong together."""
    certificate, key = files
    return ClusterAddress(cluster.address, certificate, certificate, key)


def test_the_holder_of_the_certificate_is_let_in(ours: ClusterAddress):
    assert ours.scheduler.startswith("tls://")
    with connected(ours) as client:
        assert ClusterScorer.of(client, device="cpu").device == "cpu"


def test_the_files_may_stand_in_dask_s_own_configuration(ours: ClusterAddress):
    import dask

    named = {"ca-file": ours.ca, "client.cert": ours.certificate, "client.key": ours.key}
    said = {f"distributed.comm.tls.{name}": str(file) for name, file in named.items()}
    with dask.config.set(said), connected(ClusterAddress(ours.scheduler)) as client:
        assert client.submit(int, "7").result(timeout=60) == 7


def test_strangers_are_told(ours: ClusterAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("derm_kit.model.cluster.ANSWER_S", 2)
    certificate, key = make_certificate(tmp_path / "other")
    strangers = [
        replace(ours, certificate=certificate, key=key),
        replace(ours, ca=certificate),
        ClusterAddress(ours.scheduler),
        ClusterAddress(ours.scheduler.replace("tls://", "tcp://")),
        replace(ours, key=tmp_path / "nowhere.pem"),
    ]
    for stranger in strangers:
        with pytest.raises(ClusterError, match="does not answer"), connected(stranger):
            pass
