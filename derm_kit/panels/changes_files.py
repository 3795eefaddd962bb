"""The releases of the register as the page shows them: which is in force, each with its signed file, and the key."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from derm_kit.errors import printable
from derm_kit.panels.changes_words import NOTHING_SENT, SHORT_ID, moment, name_html
from derm_kit.panels.parts import notice_html
from derm_kit.records.release import Release
from derm_kit.records.signing import fingerprint, public_pem

SHOWN = 50
"""Older releases are left to the command line."""
NONE_YET = "Nothing was released yet: the default policy of the model is in force."


def releases_html(releases: Sequence[Release], in_force: Release | None, names: Mapping[str, str], key: str) -> str:
    """Releases, newest first, with their signed files; `key` is the public key that verifies the newest, in base64."""
    if not releases:
        return f"<p>{NONE_YET}</p><p>{NOTHING_SENT}</p>"
    items = "".join(_release_html(release, in_force, names) for release in list(reversed(releases))[:SHOWN])
    more = len(releases) - SHOWN
    older = f"<p>{more} older: derm-kit policy releases lists them all.</p>" if more > 0 else ""
    lead = "" if in_force else "<p>No release is in force yet: the default policy of the model is.</p>"
    return f"{lead}<ul class='dk-table-list'>{items}</ul>{older}{_key_html(key)}<p><strong>{NOTHING_SENT}</strong></p>"


def standing(release: Release, in_force: Release | None) -> str:
    """Whether a release is in force, waits for its date, or has been followed by another."""
    if in_force and release.version == in_force.version:
        return "in force"
    return "no longer in force" if release.effective(datetime.now(UTC)) else "waits for its date"


def _release_html(release: Release, in_force: Release | None, names: Mapping[str, str]) -> str:
    signed = release.signed
    change = f"change {signed.change[:SHORT_ID]}" if signed.change else "the policy from before the first release"
    file = (
        _link(
            f"derm-kit-release-{release.version}.json",
            "application/json",
            signed.text,
            f"Keep release {release.version}, signed (JSON)",
        )
        if signed.fits
        else "its signature does not fit what the register holds: ask the administrator to run derm-kit audit verify"
    )
    return (
        f"<li><strong>Release {release.version}, {standing(release, in_force)}</strong>: "
        f"{escape(printable(signed.policy.get('name', '')))}, effective from {moment(signed.effective_from)}, released "
        f"by {name_html(release.released_by, names)}, {moment(release.released_at)}, {escape(change)}. {file}</li>"
    )


def _key_html(key: str) -> str:
    try:
        pem = public_pem(Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True)))
    except ValueError:
        return notice_html("warning", "The register does not say with which key releases are signed.")
    link = _link("derm-kit-public-key.pem", "application/x-pem-file", pem, "Keep the public key (PEM)")
    return (
        f"<p>{link}: who verifies needs it, and gets it from you, not with the file. Compare its fingerprint by "
        f"telephone: <code>{escape(fingerprint(key))}</code>. To verify: derm-kit policy verify FILE --public-key "
        "KEY.</p>"
    )


def _link(name: str, kind: str, text: str, words: str) -> str:
    coded = base64.b64encode(text.encode()).decode()
    return f"<a download='{name}' href='data:{kind};base64,{coded}'>{words}</a>"
