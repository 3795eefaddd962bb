"""The evidence map on the safety page: what is asked, where the workbench helps to answer, where it cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape

import ipywidgets as w

from derm_kit.panels.parts import Panel, guarded, section
from derm_kit.panels.safety_missing import PLAIN
from derm_kit.panels.safety_setting import Clauses, Looking
from derm_kit.records.evidence_map import SOURCES, Ask, Clause, evidence_map

SHOWN = {
    Clauses.ALL: "every clause",
    Clauses.CANNOT: "what the workbench cannot do for you",
    Clauses.NOWHERE: "clauses to which nothing here answers",
}
PAGES = "notebooks/"


class MapPart(Panel):
    """`look` is asked for what somebody wants to see."""

    def __init__(self, look: Callable[[dict[str, Clauses]], None]) -> None:
        super().__init__()
        self._showing = False
        self.which = w.Dropdown(description="Show", options=[(words, one.value) for one, words in SHOWN.items()])
        self.which.observe(lambda change: None if self._showing else look({"clauses": Clauses(change["new"])}), "value")
        self.listed = w.HTML()
        words = w.HTML(
            f"<p>{PLAIN}</p><p>What is asked is in our own words: the text of a clause is in its standard. Check every "
            "number there.</p>"
        )
        self.view = section("Evidence map", words, self.which, self.notice, self.listed)

    @guarded
    def show(self, looking: Looking) -> None:
        """The clauses that are wanted."""
        self._showing = True
        try:
            self.which.value = looking.clauses.value
        finally:
            self._showing = False
        self.listed.value = map_html(looking.clauses)


def map_html(which: Clauses) -> str:
    """A table for each list that has such clauses."""
    clauses = [one for one in evidence_map() if which is not Clauses.NOWHERE or not one.places]
    parts = [_list_html(ask, [one for one in clauses if one.ask is ask], which) for ask in Ask]
    return f"<p>{len(clauses)} of {len(evidence_map())} clauses and topics.</p>{''.join(parts)}"


def _list_html(ask: Ask, clauses: list[Clause], which: Clauses) -> str:
    if not clauses:
        return ""
    where = which is not Clauses.CANNOT
    heads = ("clause", "asks", *(("where to look",) if where else ()), "what it cannot do for you")
    head = "".join(f"<th scope='col'>{name}</th>" for name in heads)
    rows = "".join(_row_html(one, where=where) for one in clauses)
    return (
        f"<h3>{escape(ask.value)}</h3><p class='dk-hint'>{escape(SOURCES[ask])}</p><div class='dk-table-wrapped'>"
        f"<table class='dk-table dk-stacked'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row_html(one: Clause, *, where: bool) -> str:
    places = f"<td data-head='where to look'>{_places_html(one.places)}</td>" if where else ""
    return (
        f"<tr><th scope='row'>{escape(one.number)}</th><td data-head='asks'>{escape(one.topic)}</td>{places}"
        f"<td data-head='what it cannot do for you'>{escape(one.cannot)}</td></tr>"
    )


def _places_html(places: Iterable[str]) -> str:
    items = "".join(f"<li>{_place_html(place)}</li>" for place in places)
    return f"<ul class='dk-table-list'>{items}</ul>" if items else "<strong>nowhere</strong>"


def _place_html(place: str) -> str:
    if place.startswith(PAGES):
        page = escape(place.removeprefix(PAGES), quote=True)
        return f"<a href='{page}'>{escape(place.removeprefix(PAGES).removesuffix('.ipynb').replace('_', ' '))}</a>"
    return f"<code>{escape(place)}</code>"
