"""Signed policy files: made with the workspace's Ed25519 key, verified anywhere with the public key alone.

No database, workspace or network is needed to verify. Nothing is ever sent to a device.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from pydantic import ValidationError

from derm_kit.errors import PolicyError, RecordError
from derm_kit.model.card import ModelCard
from derm_kit.records.exact_json import canonical, read_object, sha256
from derm_kit.records.workspace import Workspace, sync_folder
from derm_kit.triage.policy import TriagePolicy

FORMAT = "derm-kit signed policy 1"
_FIELDS = {"format", "version", "effective_from", "change", "policy", "sha256", "public_key", "signature"}
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class SignedPolicy:
    """A released policy and its signature (RFC 8032) over all else that the file says, as canonical JSON.

    `policy` is the JSON object as it was released and `sha256` that of its canonical text; `change` is the id of the
    change that was approved for it, None for the policy from before the first release. `public_key` (32 bytes) and
    `signature` (64) stand in the file in base64; `effective_from` is ISO 8601 with its offset from UTC.
    """

    version: int
    effective_from: str
    change: str | None
    policy: dict[str, Any]
    sha256: str
    public_key: str
    signature: str = ""

    @classmethod
    def read(cls, path: Path) -> Self:
        """A signed file, not yet verified. Raises PolicyError for anything else."""
        found = read_object(path, "a signed policy")
        match found:
            case {
                "format": str(form),
                "version": int(),
                "effective_from": str(),
                "change": str() | None,
                "policy": dict(),
                "sha256": str(),
                "public_key": str(),
                "signature": str(),
            } if form == FORMAT and found.keys() == _FIELDS:
                return cls(**{name: value for name, value in found.items() if name != "format"})
        raise PolicyError(
            "this is no signed policy",
            case=str(path),
            value=found.get("format"),
            next_step="Name a file that 'derm-kit policy export' or 'derm-kit change release' wrote.",
        )

    @property
    def signed_bytes(self) -> bytes:
        """What the signature is of."""
        values = {name: value for name, value in vars(self).items() if name != "signature"}
        return canonical({"format": FORMAT, **values}).encode()

    @property
    def text(self) -> str:
        """The file's text."""
        return json.dumps({"format": FORMAT, **vars(self)}, ensure_ascii=False, indent=2) + "\n"

    @property
    def triage_policy(self) -> TriagePolicy:
        """The policy itself. Raises PolicyError where this derm-kit does not know one of its fields."""
        try:
            return TriagePolicy.model_validate(self.policy)
        except ValidationError as error:
            raise PolicyError(
                "this derm-kit cannot read the released policy",
                case=f"release {self.version}",
                value=".".join(map(str, error.errors()[0]["loc"])),
                next_step="Install the derm-kit that released it, or a newer one.",
            ) from None

    @property
    def fits(self) -> bool:
        """Whether the signature is that of the key that the file names, over what the file says."""
        try:
            key = Ed25519PublicKey.from_public_bytes(base64.b64decode(self.public_key, validate=True))
            key.verify(base64.b64decode(self.signature, validate=True), self.signed_bytes)
        except (InvalidSignature, ValueError):
            return False
        return True


def signed(
    key: Ed25519PrivateKey, *, version: int, effective_from: str, change: str | None, policy: dict[str, Any]
) -> SignedPolicy:
    """A policy signed with `key`."""
    bare = SignedPolicy(version, effective_from, change, policy, sha256(canonical(policy)), encoded(key.public_key()))
    signature = base64.b64encode(key.sign(bare.signed_bytes)).decode()
    return SignedPolicy(**{**vars(bare), "signature": signature})


def findings(found: SignedPolicy, expected: Ed25519PublicKey, card: ModelCard | None, at: datetime) -> Iterator[str]:
    """All that is wrong with a signed policy at the moment `at`; nothing where it may be used.

    `expected` is the key that a release must be signed with, `card` the model whose scores the policy is to be read on.
    """
    if found.sha256 != sha256(canonical(found.policy)):
        yield "the policy was changed after it was signed"
    elif not found.fits:
        yield "the file was changed after it was signed, or its signature was made up"
    if found.public_key != encoded(expected):
        yield f"it is not signed by the key expected ({fingerprint(encoded(expected))})"
    yield from _model_findings(found.policy, card)
    try:
        begins = datetime.fromisoformat(found.effective_from)
        if begins > at:
            yield f"it is not yet effective: it takes effect at {found.effective_from}"
    except (ValueError, TypeError):
        yield "its effective date is no moment with an offset from UTC"


def _model_findings(policy: dict[str, Any], card: ModelCard | None) -> Iterator[str]:
    if card is None:
        return
    for field, ours in (("model_hash", card.model_hash), ("scoring_sha256", card.scoring_sha256)):
        named = policy.get(field, "")
        if named and ours and named != ours:
            yield f"it is for another model ({field} {str(named)[:12]}; {card.name} {card.version} has {ours[:12]})"
            return


def fingerprint(public_key: str) -> str:
    """SHA-256 of a public key, short enough to read out over the telephone."""
    try:
        raw = base64.b64decode(public_key, validate=True)
    except binascii.Error:
        return "no key"
    digits = hashlib.sha256(raw).hexdigest()[:32]
    return " ".join(digits[i : i + 4] for i in range(0, len(digits), 4))


def encoded(key: Ed25519PublicKey) -> str:
    """A public key as signed files write it."""
    return base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def public_pem(key: Ed25519PublicKey) -> str:
    """A public key as a file that other programs read too."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def read_public_key(path: Path) -> Ed25519PublicKey:
    """The public key in a PEM file. Raises PolicyError."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise PolicyError(
            f"the public key cannot be read ({error.strerror})", case=str(path), next_step="Name its file."
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise PolicyError(
            "this is no public key of a signer",
            case=str(path),
            next_step="Name the file that 'derm-kit policy public-key' wrote where policies are released.",
        )
    return key


def key_file(workspace: Workspace) -> Path:
    """The secret that signs releases; never in the database, never in a backup."""
    return workspace.folder / "release.key"


def read_key(workspace: Workspace) -> Ed25519PrivateKey | None:
    """The workspace's signing key, or None where there is no file. Raises RecordError where others may read it."""
    path = key_file(workspace)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if os.name == "posix" and mode & _OTHERS:
            raise RecordError(
                "only its owner may read the key that signs releases",
                case=str(path),
                value=oct(mode),
                next_step="Whoever could read it can sign. Find out who; then chmod 600, or take a new key: "
                "derm-kit policy new-key.",
            )
        key = load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _cannot(path, "read", error) from error
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise RecordError(
            "the key that signs releases is an Ed25519 key in PEM",
            case=str(path),
            next_step="Put its copy back, or take a new key: derm-kit policy new-key.",
        )
    return key


def make_key(workspace: Workspace) -> Ed25519PrivateKey:
    """A new signing key in a file of its own (mode 0600). Raises RecordError, also where there is one."""
    path, key = key_file(workspace), Ed25519PrivateKey.generate()
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            try:
                file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
                file.flush()
                os.fsync(file.fileno())
            except OSError:  # half a key would stand in the way of the next try
                path.unlink()
                raise
        sync_folder(path.parent)
    except OSError as error:
        raise _cannot(path, "written", error) from error
    return key


def _cannot(path: Path, what: str, error: OSError) -> RecordError:
    return RecordError(
        f"the key that signs releases cannot be {what} ({error.strerror})",
        case=str(path),
        next_step="Free space or mend the folder's rights, or name another folder in DERM_KIT_WORKSPACE.",
    )
