"""What derm-kit does with an input of each kind: read as far as a user's command would, and say what was understood."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

import derm_kit
from derm_kit.cases.dicom import dicom_fields
from derm_kit.cases.headers import file_format, read_file
from derm_kit.cases.images import central_square, decode
from derm_kit.cases.quality import assess
from derm_kit.errors import DermKitError
from derm_kit.model.card import default_model, load_card
from derm_kit.model.run import read_run
from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.plan import plan_of
from derm_kit.pathway.scenario import Scenario
from derm_kit.readers.given import UnreadableError, read_agreed, read_answer, read_code, read_joining, read_json
from derm_kit.readers.opening import LARGEST_BODY_BYTES
from derm_kit.records.alarms import Alarm
from derm_kit.records.document_template import Template, write_from
from derm_kit.records.hazard_content import problems
from derm_kit.records.hazard_files import read as read_hazards
from derm_kit.records.proposals import read_proposal
from derm_kit.records.run_of_tests import TestRun
from derm_kit.records.scenarios import Scenarios
from derm_kit.records.signing import SignedPolicy, read_public_key
from derm_kit.surveillance.deliveries import read_feed
from derm_kit.surveillance.delivery_files import sha256_of
from derm_kit.triage.case_mix import CaseMix
from derm_kit.triage.policy import TriagePolicy, decide
from derm_kit.triage.worklist import Wanted, Worklist
from tests.fuzz.template_given import GIVEN

POLICY = TriagePolicy.from_card(load_card(default_model()))


def _only(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def _text(*tables: pd.DataFrame) -> str:
    return " ".join(table.head(2_000).to_csv() for table in tables)


def picture(folder: Path) -> str:
    """A picture: decoded, judged and cut as for scoring; its DICOM fields."""
    data = read_file(_only(folder), "case")
    if file_format(data, "case") == "DICOM":
        dicom_fields(data, salt=secrets.token_bytes(16), case="case")
    found = decode(data, case="case")
    central_square(found.rgb, 256)
    return f"{found.format} {assess(found.rgb)}"


def cohort(folder: Path) -> str:
    """A folder with tables and pictures: read, and every picture that it names opened."""
    found = derm_kit.read(folder)
    for image in found.cases["image"]:
        if image:
            with contextlib.suppress(DermKitError):
                decode(found.root / image, case=image)
    return _text(found.cases, found.rejects) + " ".join(found.describe())


def run(folder: Path) -> str:
    """A run folder, parquet or CSV of scores: read, decided on, listed."""
    entries = list(folder.iterdir())
    found = read_run(entries[0] if len(entries) == 1 else folder)
    decisions = decide(found, POLICY)
    return _text(found.scores, found.cases, decisions.table) + str(Worklist.of(found, POLICY).positions(Wanted(), {}))


def feed(folder: Path) -> str:
    """A feed: read whole, and its hashes."""
    found = read_feed(folder, POLICY)
    told = " ".join(remark.sentence + str(remark.examples) for remark in found.remarks)
    return _text(found.cases, found.outcomes, found.set_aside) + told + str(sha256_of(folder))


def policy(folder: Path) -> str:
    """A policy: read, and used."""
    found = TriagePolicy.read(_only(folder))
    return found.model_dump_json() + str(found.thresholds)


def card(folder: Path) -> str:
    """A model folder's card, with its files."""
    found = load_card(folder)
    return found.model_dump_json() + str(TriagePolicy.from_card(found))


def pathway(folder: Path) -> str:
    """A pathway: read, and planned as for a simulation."""
    found = Pathway.read(_only(folder))
    return found.model_dump_json() + str([plan_of(found, arm) for arm in found.arms])[:1_000]


def hazards(folder: Path) -> str:
    """A hazard log: every row, and what is wrong with it."""
    return " ".join(f"{given} {problems(given.raw)}" for given in read_hazards(_only(folder)))


def scenarios(folder: Path) -> str:
    """Kept scenarios: read, their settings too."""
    found = Scenarios(folder).read()
    said = []
    for one in found.scenarios:
        try:
            said.append(str(Scenario.from_text(one.setting)))
            Pathway.model_validate(one.pathway)
        except (DermKitError, ValueError):  # as the page that opens it does
            pass
    return f"{found} {said}"


def case_mix(folder: Path) -> str:
    """The case mix of a clinic."""
    return str(CaseMix.read(_only(folder)))


def signed_policy(folder: Path) -> str:
    """A signed policy and a public key."""
    path = _only(folder)
    if path.suffix == ".pem":
        return str(read_public_key(path))
    found = SignedPolicy.read(path)
    return f"{found.fits} {found.triage_policy} {found.text}"


def proposal(folder: Path) -> str:
    """A change proposal."""
    return str(read_proposal(_only(folder)))


def alarm(folder: Path) -> str:
    """An alarm for an incident."""
    found = Alarm.read(_only(folder))
    return found.text + found.in_words() + found.key


def template(folder: Path) -> str:
    """A report's template, filled."""
    document = write_from(Template.read(_only(folder)), GIVEN)
    html = document.to_html()
    if "<script" in html or "onerror=" in html.replace("&lt;img src=x onerror=", ""):
        raise AssertionError("markup of a template's own stands in the report")
    return html


def tests_run(folder: Path) -> str:
    """A JUnit file."""
    found = TestRun.read(_only(folder))
    return f"{found.counts} {found.said_of('x')} {found.source}"


def phone(folder: Path) -> str:
    """What a reader's phone sends."""
    try:
        given = read_json(_only(folder).read_bytes()[:LARGEST_BODY_BYTES])
        for read in (read_code, read_joining, read_agreed, read_answer):
            with contextlib.suppress(UnreadableError):
                read(given)
    except UnreadableError:
        raise DermKitError("a body is what the page sends", next_step="Nothing: it is refused.") from None
    return ""


def planted(folder: Path) -> str:
    """Code that misbehaves, to test the watch itself."""
    scope: dict[str, Any] = {"folder": folder, "shown": ""}
    exec((folder / "code.py").read_text(), scope)  # noqa: S102
    return str(scope["shown"])


READERS: dict[str, Callable[[Path], str]] = {
    one.__name__: one
    for one in (
        picture,
        cohort,
        run,
        feed,
        policy,
        card,
        pathway,
        hazards,
        scenarios,
        case_mix,
        signed_policy,
        proposal,
        alarm,
        template,
        tests_run,
        phone,
    )
}
READERS["dicom"] = picture
READERS["planted"] = planted


def warm_up() -> None:
    """Load what is loaded on first use, so that no input pays for it."""
    import tempfile
    from random import Random

    from tests.fuzz.inputs import MAKERS

    for kind in MAKERS:
        for seed in range(4):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name) / "input"
                folder.mkdir()
                MAKERS[kind](Random(seed), folder, 0)
                with contextlib.suppress(DermKitError):
                    READERS[kind](folder)
