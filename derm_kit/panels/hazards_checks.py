"""Every rule of the records that a hazard breaks, before anybody signs: what it says alone, and beside the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from derm_kit.records.hazard_content import fields_of, problems
from derm_kit.records.hazard_rules import Broken
from derm_kit.records.hazards import beside_the_log
from derm_kit.records.register import Register


def broken_here(register: Register, hazard: str, raw: Mapping[str, Any]) -> list[Broken]:
    """The broken rules of `raw` as the next version of `hazard`, "" for a new one."""
    alone, fields = problems(raw), fields_of(raw)
    if fields is None:
        return alone
    with register.reading() as session:
        return [*alone, *beside_the_log(session, hazard, fields)]
