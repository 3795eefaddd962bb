"""Every rule of the records that a hazard breaks, before anybody signs: what it says alone, and beside the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from derm_kit.records.hazard_content import content_of, problems
from derm_kit.records.hazard_evidence import missing_evidence
from derm_kit.records.hazard_links import broken_link
from derm_kit.records.hazard_names import known_names, somebody_named
from derm_kit.records.hazard_rules import Broken
from derm_kit.records.hazards import links_of, newest, next_id
from derm_kit.records.register import Register


def broken_here(register: Register, hazard: str, raw: Mapping[str, Any]) -> list[Broken]:
    """The broken rules of `raw` as the next version of `hazard`, "" for a new one."""
    alone = problems(raw)
    if alone:
        return alone
    content = content_of(raw, hazard)
    with register.reading() as session:
        known = hazard or next_id(session)
        links = links_of(newest(session)) | {known: content.leads_to}
        found = (
            somebody_named(known_names(session), content),
            broken_link(links, known),
            missing_evidence(session, content),
        )
    return [one for one in found if one]
