"""Where people go, as bands between stages: plain SVG, with its numbers as a table."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from html import escape

import pandas as pd

from derm_kit.panels.tables import download_html, table_html

WIDTH, NODE, GAP, TOP, LETTERS = 1_100, 12, 14, 24, 30
SCALE_HEIGHT = 420
STYLE = "text{font:13px sans-serif;fill:#212b32}.dk-flow{fill:#2a6f97;opacity:.35}.dk-node{fill:#2a6f97}"


@dataclass
class _Node:
    name: str
    column: int
    into: float = 0.0
    out: float = 0.0
    y: float = 0.0

    @property
    def people(self) -> float:
        return max(self.into, self.out)


def sankey_html(flows: pd.DataFrame, title: str, per: float, unit: str) -> str:
    """Bands whose width is the number of people, from `measures.routes` (source, outcome, to, people, target).

    Numbers are given `per` this many of all who enter, named by `unit`. A way back to an earlier stage is left out of
    the picture and stands in its table.
    """
    total = float(flows.loc[flows["source"] == "referral", "people"].sum()) or 1.0
    table = flows.assign(people=flows["people"] / total * per, target=flows["target"] / total * per)
    drawn = table.groupby(["source", "to"], sort=False)["people"].sum().reset_index()
    column = _columns(drawn)
    ahead = drawn[[column[a] < column[b] for a, b in zip(drawn["source"], drawn["to"], strict=True)]]
    svg = _svg(ahead, column, title, per)
    kept = svg.replace("<svg ", "<svg xmlns='http://www.w3.org/2000/svg' ", 1).replace(
        "><", f"><style>{STYLE}</style><", 1
    )
    link = base64.b64encode(kept.encode()).decode()
    file = title.lower().replace(" ", "-").replace(":", "")
    back = len(drawn) - len(ahead)
    more = f" Ways back to an earlier stage, which only the table shows: {back}." if back else ""
    if not len(table):
        more += " Nobody is referred."
    elif float(drawn.loc[~drawn["to"].isin(drawn["source"]), "people"].sum()) > per + 0.5:
        more += " People who are referred again after they left are counted each time they leave."
    heads = {"source": "from", "target": "of them with a target condition"}
    return (
        f"<figure class='dk-chart dk-sankey'><div class='dk-scroll' tabindex='0' role='region' "
        f"aria-label='{escape(title)}'>{svg}</div>"
        f"<figcaption><strong>{escape(title)}.</strong> Numbers are {escape(unit)}.{more}</figcaption>"
        f"<p class='dk-keep'><a download='{escape(file)}.svg' href='data:image/svg+xml;base64,{link}'>Keep as SVG</a> "
        f"{download_html(table, file)}</p><details><summary>Numbers: {escape(title)}</summary>"
        f"{table_html(table, title, heads)}</details></figure>"
    )


def _columns(flows: pd.DataFrame) -> dict[str, int]:
    """Column of each place: one after the last that leads to it, ways back left out; ways out stand in the last."""
    onward: dict[str, list[str]] = {}
    for source, to in zip(flows["source"], flows["to"], strict=True):
        onward.setdefault(source, []).append(to)
    order = _in_order(["referral", *onward], onward)
    column = dict.fromkeys(order, 0)
    for place in order:
        for to in onward.get(place, []):
            if order.index(to) > order.index(place):
                column[to] = max(column[to], column[place] + 1)
    last = max(column.values())
    return {name: at if name in onward else last for name, at in column.items()}


def _in_order(starts: list[str], onward: dict[str, list[str]]) -> list[str]:
    """Places so that ways lead to later ones, but for those that close a loop (depth first; Tarjan, 1972)."""
    done: list[str] = []
    seen: set[str] = set()

    def visit(place: str) -> None:
        seen.add(place)
        for to in onward.get(place, []):
            if to not in seen:
                visit(to)
        done.append(place)

    for start in starts:
        if start not in seen:
            visit(start)
    return done[::-1]


def _svg(flows: pd.DataFrame, column: dict[str, int], title: str, per: float) -> str:
    nodes = {name: _Node(name, at) for name, at in column.items()}
    for source, to, people in flows.itertuples(index=False):
        nodes[source].out += people
        nodes[to].into += people
    columns = max(column.values(), default=0) + 1
    scale = SCALE_HEIGHT / per
    height = TOP
    for at in range(columns):
        y = float(TOP)
        for node in (n for n in nodes.values() if n.column == at):
            node.y = y
            y += max(node.people * scale, 2) + GAP + LETTERS
        height = max(height, int(y))
    step = (WIDTH - 150) / max(columns - 1, 1)
    parts, leaving, entering = [], dict.fromkeys(nodes, 0.0), dict.fromkeys(nodes, 0.0)
    for source, to, people in flows.itertuples(index=False):
        a, b, wide = nodes[source], nodes[to], people * scale
        x, across = a.column * step + NODE, b.column * step
        top, other = a.y + leaving[source], b.y + entering[to]
        leaving[source] += wide
        entering[to] += wide
        middle = (x + across) / 2
        low, below = top + wide, other + wide
        parts.append(
            f"<path class='dk-flow' d='M{x:.1f},{top:.1f} C{middle:.1f},{top:.1f} {middle:.1f},{other:.1f} "
            f"{across:.1f},{other:.1f} V{below:.1f} C{middle:.1f},{below:.1f} {middle:.1f},{low:.1f} {x:.1f},{low:.1f} "
            f"Z'><title>{escape(source)} to {escape(to)}: {people:,.1f}</title></path>"
        )
    for node in nodes.values():
        tall = max(node.people * scale, 2)
        x = node.column * step
        parts.append(f"<rect class='dk-node' x='{x:.1f}' y='{node.y:.1f}' width='{NODE}' height='{tall:.1f}'/>")
        parts.append(
            f"<text x='{x:.1f}' y='{node.y + tall + 15:.1f}'>{escape(node.name)}</text>"
            f"<text x='{x:.1f}' y='{node.y + tall + 29:.1f}'>{node.people:,.0f}</text>"
        )
    return f"<svg viewBox='0 0 {WIDTH} {height}' role='img' aria-label='{escape(title)}'>{''.join(parts)}</svg>"
