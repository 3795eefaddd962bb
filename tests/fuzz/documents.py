"""Policies, cards, pathways, logs, scenarios, templates and other documents, sound and then changed."""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from derm_kit.model.card import CARD_FILE, SELF_HASH, _hash_of, default_model, load_card
from derm_kit.pathway.definition import Pathway, preset, presets
from derm_kit.records import hazard_import, signing
from derm_kit.triage.policy import TriagePolicy
from tests.fuzz.files import link, written
from tests.fuzz.mutations import json_changed, table_changed, text_changed

CHANGES = -1
"""As `changes`: as many as chance wills; 0 gives the sound file."""


@cache
def _policy() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(TriagePolicy.from_card(load_card(default_model())).model_dump_json())
    return found


def policy(rng: Random, folder: Path, changes: int = CHANGES) -> str:
    """A triage policy."""
    return _json(rng, folder, _policy(), changes)


def _json(rng: Random, folder: Path, value: Any, changes: int, name: str = "file.json") -> str:
    return written(folder, name, json_changed(rng, value) if changes else json.dumps(value).encode())


def card(rng: Random, folder: Path, changes: int = CHANGES) -> str:
    """A model folder with small files, its card sealed as a forger would."""
    found = json.loads((default_model() / CARD_FILE).read_bytes())
    for name in found["files_sha256"]:
        (folder / name).write_bytes(b"weights")
        found["files_sha256"][name] = "9f8e6f5dbdbcc4d3ea8f4f5c5f5e9e37aa7a5b1b1e7a2fd0cb2a5b6c0d3e0a11"
    import hashlib

    found["files_sha256"] = {name: hashlib.sha256(b"weights").hexdigest() for name in found["files_sha256"]}
    content = (
        json_changed(rng, {k: v for k, v in found.items() if k != SELF_HASH}) if changes else json.dumps(found).encode()
    )
    try:
        said = json.loads(content)
        if isinstance(said, dict):
            said.pop(SELF_HASH, None)
            content = json.dumps(said | {SELF_HASH: _hash_of(said)}).encode(errors="surrogatepass")
    except (ValueError, RecursionError):
        pass
    return written(folder, CARD_FILE, content)


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@cache
def _pathways() -> tuple[dict[str, Any], ...]:
    return tuple(Pathway.read(name).model_dump(mode="json", exclude_unset=True) for name in presets())


def pathway(rng: Random, folder: Path, changes: int = CHANGES) -> str:
    """A pathway in YAML."""
    text = preset(rng.choice(presets())).read_text("utf-8")
    way = rng.randrange(10)
    if not changes:
        return written(folder, "pathway.yaml", text.encode())
    if way == 0:
        piece = rng.choice(
            (
                "[",
                "{a: ",
                "? ",
                "- ",
                "[a,",
                "{a: b,",
                "!!x ",
                "&a ",
                "'",
                '"\\x41',
                "a: |\n  ",
                "# ",
                "%TAG ! x\n",
                "---\n",
            )
        )
        return written(
            folder,
            "pathway.yaml",
            (rng.choice(("", "name: ", text)) + piece * rng.choice((30, 3_000, 60_000))).encode(),
        )
    if way == 1:
        return written(folder, "pathway.yaml", (rng.choice(("", text)) + BOMB).encode())
    if way == 2:
        return written(folder, "pathway.yaml", json_changed(rng, rng.choice(_pathways())))
    return written(folder, "pathway.yaml", text_changed(rng, text))


@cache
def _hazards() -> tuple[list[list[str]], dict[str, Any]]:
    from importlib.resources import files

    from derm_kit.records.hazard_cells import CONTENT_COLUMNS, cells_of
    from derm_kit.records.hazard_content import content_of

    log = json.loads(files("derm_kit.records").joinpath("seed_hazards.json").read_text("utf-8"))
    rows = [["hazard", "version", *CONTENT_COLUMNS]]
    for given in hazard_import.seed_hazards()[:4]:
        cells = cells_of(content_of(given.raw, "seed"))
        rows.append([given.hazard, "", *(cells[name] for name in CONTENT_COLUMNS)])
    return rows, log


def hazards(rng: Random, folder: Path, changes: int = CHANGES) -> str:
    """A hazard log as CSV or JSON."""
    rows, log = _hazards()
    if rng.random() < 0.5:
        return _json(rng, folder, log, changes, "log.json")
    quoted = [[cell.replace('"', '""') for cell in row] for row in rows]
    plain = "\n".join(",".join(f'"{cell}"' for cell in row) for row in quoted)
    return written(folder, "log.csv", table_changed(rng, quoted) if changes else plain.encode())


def scenarios(rng: Random, folder: Path, changes: int = CHANGES) -> str:
    """A folder of kept scenarios."""
    pathways = _pathways()
    one = {
        "schema_version": 1,
        "name": "more clinics",
        "kept_at": "2026-05-01T00:00:00+00:00",
        "pathway_name": "skin-usc",
        "ships": True,
        "setting": "per_week=120",
        "policy": "default 1",
        "pathway": rng.choice(pathways),
        "figures": [{"label": "wait", "arm": "today", "unit": "days", "value": 12.5, "low": 11, "high": None}],
    }
    for i in range(2):
        _json(rng, folder, one, changes, f"{i}.json")
    if changes and rng.random() < 0.4:
        link(rng, folder)
    return "scenarios"


def case_mix(rng: Random, folder: Path, changes: int = CHANGES) -> str:
    """The case mix of a clinic."""
    return _json(
        rng,
        folder,
        {"name": "ours", "source": "2025", "shares": {"melanoma": 0.015, "basal_cell_carcinoma": 0.1}},
        changes,
    )


@cache
def _signed() -> tuple[dict[str, Any], str]:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    found = signing.signed(key, version=3, effective_from="2026-05-01T00:00:00+00:00", change="C-1", policy=_policy())
    return json.loads(found.text), signing.public_pem(key.public_key())


def signed_policy(rng: Random, folder: Path, changes: int = CHANGES) -> str:
    """A signed policy, or a public key."""
    said, pem = _signed()
    if rng.random() < 0.2:
        return written(folder, "key.pem", text_changed(rng, pem) if changes else pem.encode())
    if changes and rng.random() < 0.2:
        said = said | {"signature": base64.b64encode(rng.randbytes(rng.choice((0, 63, 64, 65)))).decode()}
    return _json(rng, folder, said, changes)


@cache
def _proposal() -> dict[str, Any]:
    from tests.records.proposals import default, moved

    found: dict[str, Any] = json.loads(moved(default(), 0.11).model_dump_json())
    return found


def proposal(rng: Random, folder: Path, changes: int = CHANGES) -> str:
    """A change proposal."""
    return _json(rng, folder, _proposal(), changes)


def alarm(rng: Random, folder: Path, changes: int = CHANGES) -> str:
    """An alarm, for an incident."""
    said = {
        "signal": "CUSUM",
        "scope": "site A",
        "raised_at": "2026-11-28T09:30:00+00:00",
        "said": "Fewer are caught.",
        "facts": {"value": 4.2, "limit": 3.9, "counts": [1, 2, {"n": 3}]},
    }
    return _json(rng, folder, said, changes)


TEMPLATE = (
    "# A title\n\n! A mark\n\n## First {{ words }}\nCaught: {{ caught }}.\n\n{% for row in rows %}\n"
    "- {{ loop.index }} {{ row.name }}\n"
    "{% endfor %}\n\n{% if none %}yes{% else %}no{% endif %} {{ rows | length }}\n\n[table: table]\n\n"
    "## Second\nMore.\n"
)
ATTACKS = (
    "{{ ''.__class__.__mro__ }}",
    "{{ rows.__init__.__globals__ }}",
    "{% for a in rows %}{% for b in rows %}{% for c in rows %}x{% endfor %}{% endfor %}{% endfor %}",
    "{{ range(10**9) }}",
    "{{ 'x' * 10**9 }}",
    "{{ 10 ** 10 ** 10 }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{{ lipsum.__globals__ }}",
    "{% set x = 1 %}",
    "{{ caught.sources.append(1) }}",
    "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
    "{{ self }}",
    "{{ loop }}",
    "{{ rows[99999] }}",
    "{{ rows | map('upper') | list }}",
    "{% raw %}{{ x }}{% endraw %}",
    "{# x #}",
    "[table: nothing]",
    "[chart: ../../x]",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "{{ rows | join(rows) }}",
    "{% if " + "not " * 3_000 + "none %}x{% endif %}",
    "{{ " + "(" * 3_000 + "1" + ")" * 3_000 + " }}",
    "{{ words." + "a." * 300 + "b }}",
    "{% for a in rows recursive %}{{ loop(rows) }}{% endfor %}",
    "{{ '%s' % rows }}",
    "{{ words.format(rows) }}",
    "\ue000",
    "{{ 9" + "9" * 5_000 + " }}",
)


def template(rng: Random, folder: Path, changes: int = CHANGES) -> str:
    """A template of a report."""
    text = TEMPLATE
    if changes:
        for _ in range(rng.randrange(3)):
            lines = text.split("\n")
            lines.insert(rng.randrange(len(lines)), rng.choice(ATTACKS))
            text = "\n".join(lines)
    return written(folder, "own.j2", text_changed(rng, text) if changes else text.encode())


JUNIT = (
    '<?xml version="1.0" encoding="utf-8"?><testsuites>'
    '<testsuite name="pytest" tests="3" timestamp="2026-05-01T00:00:00">\n'
    '<testcase classname="tests.test_a" name="test_one[x]" time="0.1"/>\n'
    '<testcase classname="tests.test_a" name="test_two"><failure message="no">trace</failure></testcase>\n'
    '<testcase classname="tests.test_b" name="test_three"><skipped/></testcase>\n</testsuite></testsuites>\n'
)
XML = (
    '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
    '<!ENTITY x SYSTEM "file:///etc/passwd">',
    "&b;",
    "<![CDATA[x]]>",
    "<testcase>" * 5_000,
    "<a " + " ".join(f'a{i}="1"' for i in range(3_000)) + "/>",
    '<?xml version="1.0" encoding="utf-7"?>',
)


def tests_run(rng: Random, folder: Path, changes: int = CHANGES) -> str:
    """A JUnit file."""
    text = JUNIT
    if changes and rng.random() < 0.5:
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(XML) + text[at:]
    return written(folder, "tests.xml", text_changed(rng, text) if changes else text.encode())


def phone(rng: Random, folder: Path, changes: int = CHANGES) -> str:
    """The body of a reader's request."""
    said = {
        "code": "abc 123",
        "alias": "Bee",
        "request": "0" * 32,
        "consent": True,
        "agreed": False,
        "number": 3,
        "phase": "alone",
        "diagnosis": "melanoma",
        "disposition": "urgent suspected cancer",
        "confidence": 70,
        "seconds": 12.5,
    }
    return _json(rng, folder, said, changes)
