"""Signed policy files: verified with the public key alone, and each kind of wrong one by its name."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from derm_kit.errors import PolicyError
from derm_kit.model.card import ModelCard, default_model, load_card
from derm_kit.records.exact_json import canonical, sha256
from derm_kit.records.signing import SignedPolicy, encoded, findings, public_pem, read_public_key, signed
from tests.records.proposals import default

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
BEGINS = "2026-01-05T00:00:00.000000+00:00"
AFTER = datetime(2026, 1, 5, tzinfo=UTC)


def made(key: Ed25519PrivateKey = KEY, **fields: Any) -> SignedPolicy:
    values = {"version": 3, "effective_from": BEGINS, "change": "c" * 32, "policy": default().model_dump(mode="json")}
    return signed(key, **(values | fields))


def wrong(found: SignedPolicy, at: datetime = AFTER, card: ModelCard | None = None) -> list[str]:
    return list(findings(found, KEY.public_key(), card or load_card(default_model()), at))


def written(found: SignedPolicy, path: Path) -> SignedPolicy:
    path.write_text(found.text, encoding="utf-8")
    return SignedPolicy.read(path)


def test_a_signed_policy_comes_back_whole_and_nothing_is_wrong_with_it(tmp_path: Path):
    for change in ("c" * 32, None):
        found = written(made(change=change), tmp_path / f"{change}.json")
        assert found == made(change=change)
        assert (wrong(found), found.triage_policy) == ([], default())


def test_layout_and_order_of_the_file_do_not_matter(tmp_path: Path):
    found = json.loads(made().text)
    (tmp_path / "signed.json").write_text(json.dumps(dict(sorted(found.items(), reverse=True))))
    assert wrong(SignedPolicy.read(tmp_path / "signed.json")) == []


def threshold(policy: dict[str, Any]) -> dict[str, Any]:
    return policy | {"thresholds": policy["thresholds"] | {"melanoma": 0.9}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f | {"policy": threshold(f["policy"])}, "the policy was changed after it was signed"),
        (
            lambda f: f | {"policy": threshold(f["policy"]), "sha256": sha256(canonical(threshold(f["policy"])))},
            "the file was changed after it was signed",
        ),
        (lambda f: f | {"version": 4}, "the file was changed after it was signed"),
        (lambda f: f | {"effective_from": "2025-01-05T00:00:00+00:00"}, "the file was changed after it was signed"),
        (lambda f: f | {"change": None}, "the file was changed after it was signed"),
        (lambda f: f | {"signature": base64.b64encode(bytes(64)).decode()}, "or its signature was made up"),
        (lambda f: f | {"signature": "not base64!"}, "or its signature was made up"),
        (lambda f: f | {"public_key": encoded(OTHER.public_key())}, "it is not signed by the key expected"),
        (lambda f: f | {"public_key": ""}, "it is not signed by the key expected"),
    ],
)
def test_any_change_is_named(tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], said: str):
    path = tmp_path / "signed.json"
    path.write_text(json.dumps(change(json.loads(made().text))))
    assert said in "; ".join(wrong(SignedPolicy.read(path)))


def test_a_file_that_somebody_else_signed_afresh_is_named_by_its_key_alone():
    (found,) = wrong(made(OTHER, policy=threshold(default().model_dump(mode="json"))))
    assert found.startswith("it is not signed by the key expected")


def test_a_date_to_come_and_another_model_are_named():
    assert wrong(made(), datetime(2026, 1, 4, 23, 59, 59, tzinfo=UTC)) == [
        f"it is not yet effective: it takes effect at {BEGINS}"
    ]
    card = load_card(default_model())
    for other in (replace_card(card, model_hash="0" * 64), replace_card(card, scoring_sha256="0" * 64)):
        (found,) = wrong(made(), card=other)
        assert found.startswith("it is for another model")
    nameless = default().changed(model_hash="", scoring_sha256="").model_dump(mode="json")
    assert wrong(made(policy=nameless)) == []
    assert "no moment" in wrong(made(effective_from="2026-01-05"))[0]


def replace_card(card: ModelCard, **fields: str) -> Any:
    """A card that says otherwise of what a policy names."""

    class Other:
        name, version = card.name, card.version
        model_hash = fields.get("model_hash", card.model_hash)
        scoring_sha256 = fields.get("scoring_sha256", card.scoring_sha256)

    return Other()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read"),
        ("[]", "it is no JSON object"),
        ("{}", "this is no signed policy"),
        ('{"version": 1, "version": 2}', "version stands there twice"),
        ('{"version": NaN}', "NaN is no number"),
        ('{"format": "\\ud800"}', "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        (json.dumps(json.loads(made().text) | {"note": "x"}), "this is no signed policy"),
        (json.dumps(json.loads(made().text) | {"format": "derm-kit signed policy 2"}), "this is no signed policy"),
        (json.dumps(json.loads(made().text) | {"policy": "x"}), "this is no signed policy"),
    ],
)
def test_what_is_no_signed_policy_is_told(tmp_path: Path, text: str, said: str):
    path = tmp_path / "signed.json"
    path.write_text(text)
    with pytest.raises(PolicyError, match=said):
        SignedPolicy.read(path)


def test_a_pipe_a_folder_and_nothing_are_told_at_once(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "none.json"):
        with pytest.raises(PolicyError, match="a signed policy cannot be read"):
            SignedPolicy.read(path)
        if path != tmp_path / "pipe":
            with pytest.raises(PolicyError, match="public key cannot be read"):
                read_public_key(path)


def test_a_policy_of_a_newer_derm_kit_is_told():
    newer = made(policy=default().model_dump(mode="json") | {"a_new_rule": 1})
    assert wrong(newer) == []
    with pytest.raises(PolicyError, match=r"cannot read the released policy \(found: a_new_rule\)"):
        _ = newer.triage_policy


def test_it_is_verified_without_database_workspace_or_network(tmp_path: Path):
    (tmp_path / "signed.json").write_text(made().text)
    (tmp_path / "key.pem").write_text(public_pem(KEY.public_key()))
    (tmp_path / "other.pem").write_text(public_pem(OTHER.public_key()))
    alone = """
import contextlib, io, json, socket, sys
for name in ("sqlalchemy", "alembic", "psycopg", "argon2"):
    sys.modules[name] = None
def refuse(*a, **k):
    raise OSError("no network")
socket.socket.connect = refuse
from derm_kit.cli import main
found = []
for words in json.load(sys.stdin):
    sys.argv = ["derm-kit", "policy", "verify", "signed.json", *words]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as told:
        try:
            main()
        except SystemExit as end:
            found.append((end.code, out.getvalue() + told.getvalue()))
json.dump(found, sys.stdout)
"""
    commands = (
        ("--public-key", "key.pem", "--out", "plain.json"),
        ("--public-key", "other.pem", "--out", "other.json"),
        (),
        ("--public-key", "signed.json"),
    )
    done = subprocess.run(
        [sys.executable, "-c", alone], input=json.dumps(commands), cwd=tmp_path, capture_output=True, text=True,
        check=False, env=os.environ | {"DERM_KIT_WORKSPACE": str(tmp_path / "none"), "COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    statuses, (verified, other, unsure, no_key) = zip(*json.loads(done.stdout), strict=True)
    assert statuses == (0, 2, 2, 2)
    assert "Verified" in verified
    assert json.loads((tmp_path / "plain.json").read_text()) == default().model_dump(mode="json")
    assert "not to be used: it is not signed by the key expected" in other
    assert not (tmp_path / "other.json").exists()
    assert "got from them and not with the file" in unsure
    assert "this is no public key" in no_key
    assert not (tmp_path / "none").exists()
