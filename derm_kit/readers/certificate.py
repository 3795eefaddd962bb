"""A self-made certificate for the readers' page where no other is named: one for each address, in the workspace."""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from derm_kit.errors import DermKitError

DAYS = 30
LEAST_DAYS = 2
"""One that would end sooner is made anew."""
_NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


@dataclass(frozen=True)
class Certificate:
    """Files of a certificate and its key, PEM."""

    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or newer with it. Raises DermKitError where the files are no certificate and its key."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise DermKitError(
                f"the readers' page needs a certificate and its key as PEM ({error.strerror or error})",
                case=f"{self.certificate}, {self.key}",
                next_step="Name them with --certificate and --key, or leave both out for a self-made one.",
            ) from None
        return context

    def fingerprint(self) -> str:
        """SHA-256 of the certificate, as browsers show it."""
        read = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        return read.fingerprint(hashes.SHA256()).hex(":").upper()


def self_made(folder: Path, host: str) -> Certificate:
    """The self-made certificate for a host name or address in `folder`, made where it is missing or about to end.

    Raises DermKitError where the host is neither one address nor a name, and where nothing can be written.
    """
    alternative = _alternative(host)
    name = host.replace(":", "-").replace("%", "-").lower()
    found = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    if not _lasts(found):
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _make(found, alternative)
        except OSError as error:
            raise DermKitError(
                f"the self-made certificate cannot be written ({error.strerror})", case=str(folder),
                next_step="Free space or mend the folder's rights, or name another with --certificate and --key.",
            ) from None  # fmt: skip
    return found


def _lasts(found: Certificate) -> bool:
    """Whether the files are a certificate with its own key, which a crash between the two would not leave."""
    try:
        read = x509.load_pem_x509_certificate(found.certificate.read_bytes())
        found.context()
    except (OSError, ValueError, DermKitError):
        return False
    return read.not_valid_after_utc > datetime.now(UTC) + timedelta(days=LEAST_DAYS)


def _make(found: Certificate, alternative: x509.GeneralName) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "derm-kit teaching session")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for path, data in ((found.key, private), (found.certificate, made.public_bytes(Encoding.PEM))):
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)


def _alternative(host: str) -> x509.GeneralName:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if _NAME.fullmatch(host):
            return x509.DNSName(host)
        address = None
    if address is None or address.is_unspecified:
        raise DermKitError(
            "a self-made certificate is for the one address or name that phones open", case=host,
            next_step="Name it, such as --host 192.168.1.20; or name a certificate with --certificate and --key.",
        )  # fmt: skip
    return x509.IPAddress(address)
