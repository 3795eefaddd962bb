"""Links between hazards: they run one way, from a hazard to those that it can lead to, and never in a circle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from derm_kit.records.hazard_rules import UNSTORED, Broken

Links = Mapping[str, Iterable[str]]


def broken_link(links: Links, hazard: str) -> Broken | None:
    """What is wrong with the links of `hazard` among all `links`: one leads nowhere, or back to itself."""
    unknown = sorted(set(links[hazard]) - set(links))
    if unknown:
        return Broken(
            "leads_to",
            ", ".join(unknown),
            "a hazard leads to hazards that stand in the log",
            f"{UNSTORED} Add the other hazard first: derm-kit hazards list shows which there are.",
        )
    way = circle(links, hazard)
    if way:
        return Broken(
            "leads_to",
            " → ".join(way),
            "hazards lead to one another one way, never in a circle",
            f"{UNSTORED} Take out the link that is an effect, not a cause, of the other.",
        )
    return None


def circle(links: Links, start: str) -> tuple[str, ...]:
    """The way along `links` from `start` back to it, () where there is none. Linear in the links."""
    came_from: dict[str, str] = {}
    waiting = [start]
    while waiting:
        here = waiting.pop()
        for there in links.get(here, ()):
            if there == start:
                return (*_way(came_from, start, here), start)
            if there not in came_from:
                came_from[there] = here
                waiting.append(there)
    return ()


def _way(came_from: Mapping[str, str], start: str, end: str) -> tuple[str, ...]:
    way = [end]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return tuple(reversed(way))
