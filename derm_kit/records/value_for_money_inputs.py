"""Every value of a pathway in words, with its source; and what differs from the pathway that ships."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from derm_kit.pathway.definition import Pathway, presets
from derm_kit.pathway.quantities import SOURCE_REQUIRED, Duration, Part, Quantity
from derm_kit.records.cheers_ai import Titles
from derm_kit.records.report import Block, Paragraph, Section, Table

TABLES_OF_SHARES = ("/ reads", "/ share")
MOST_CHANGES = 200


@dataclass(frozen=True)
class Setting:
    """A value by its place in the pathway's file: in words, where it is from, and whether somebody is named for it."""

    place: str
    value: str
    source: str
    sourced: bool


def rests_on(pathway: Pathway) -> Section:
    """Values without a source, values with one, and what the file leaves at its default."""
    found = list(settings(pathway))
    without = [one for one in found if not one.sourced]
    named = [one for one in found if one.sourced]
    heads = ("place in the pathway's file", "value", "source")
    blocks: list[Block] = [
        Paragraph(
            f"{len(without)} values have no source: they are settings, to be confirmed locally before anything is read "
            f"from a result. {len(named)} name one. A table of shares counts as one value; both views are held in this "
            "list. Capacities, opening times and routes are choices and stand in the sections on arms and setting."
        ),
        Table("Values without a source", heads, tuple(_row(one) for one in without), SOURCE_REQUIRED),
        Table("Values with a source", heads, tuple(_row(one) for one in named)),
    ]
    plain = dict.fromkeys(_defaults(pathway))
    if plain:
        blocks.append(Paragraph(f"What the file leaves out counts as: {'; '.join(plain)}."))
    return Section(Titles.RESTS, tuple(blocks))


def settings(pathway: Pathway) -> Iterator[Setting]:
    """Every value that may have a source and that the pathway's file gives, in its order."""
    for place, value in _values(pathway, ""):
        sources = dict.fromkeys(_sources(value))
        without = [text for text in sources if text.lower().startswith(SOURCE_REQUIRED)]
        yield Setting(place, in_words(value), "; ".join(sources), not without)


def changes_from_preset(pathway: Pathway) -> list[tuple[str, str, str]] | None:
    """Places at which the pathway differs from the one of its name that ships, with both values; None without one."""
    if pathway.name not in presets():
        return None
    shipped, here = (dict(_leaves(one, "")) for one in (Pathway.read(pathway.name), pathway))
    places = dict.fromkeys([*shipped, *here])
    return [(at, shipped.get(at, "–"), here.get(at, "–")) for at in places if shipped.get(at) != here.get(at)]


def in_words(value: object) -> str:
    """A value with its spread; tables of values name by name."""
    match value:
        case Quantity():
            return f"{value.value:,.12g}{_spread(value)}"
        case Duration():
            given = {name: getattr(value, name) for name in ("mean", "sd", "low", "mode", "high")}
            said = [f"{name} {time:.12g}" for name, time in given.items() if time is not None]
            return f"{value.distribution} time: {', '.join(said)}"
        case dict():
            return "; ".join(f"{key}: {_inner(item)}" for key, item in value.items())
        case tuple():
            return ", ".join(in_words(item) for item in value)
        case Part():
            own = {name.replace("_", " "): getattr(value, name) for name in type(value).model_fields}
            return in_words({key: item for key, item in own.items() if key != "source" and _plain_field(item)})
        case float():
            return f"{value:.12g}"
    return str(value)


def _row(one: Setting) -> tuple[str, str, str]:
    return one.place, one.value, one.source


def _spread(quantity: Quantity) -> str:
    if quantity.distribution == "fixed":
        return ""
    if quantity.standard_error is not None:
        return f" ({quantity.distribution}, standard error {quantity.standard_error:.12g})"
    return f" ({quantity.distribution}, {quantity.low:.12g} to {quantity.high:.12g})"


def _inner(item: object) -> str:
    if isinstance(item, dict):
        return ", ".join(f"{key} {in_words(one)}" for key, one in item.items())
    return in_words(item)


def _plain_field(item: object) -> bool:
    return item is not None and item != () and item != {} and not isinstance(item, Quantity)


def _values(part: object, at: str) -> Iterator[tuple[str, object]]:
    """Quantities, times, tables of shares and parts with a source of their own, by place; defaults left out."""
    if isinstance(part, Quantity | Duration) or _is_table(part, at):
        yield at, part
    elif isinstance(part, dict):
        for key, item in part.items():
            yield from _values(item, f"{at} / {key}" if at else str(key))
    elif isinstance(part, Part):
        if "source" in type(part).model_fields and getattr(part, "life_table", True) != ():
            yield at, part
        for name, field in type(part).model_fields.items():
            if getattr(part, name) != field.default:
                yield from _values(getattr(part, name), f"{at} / {name}" if at else name)


def _is_table(part: object, at: str) -> bool:
    if isinstance(part, tuple):
        return bool(part) and all(isinstance(item, Quantity) for item in part)
    return isinstance(part, dict) and at.endswith(TABLES_OF_SHARES)


def _sources(value: object) -> Iterator[str]:
    if isinstance(value, dict | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _sources(item)
    elif isinstance(value, Part):
        yield str(getattr(value, "source", ""))


def _defaults(part: object) -> Iterator[str]:
    """What defaults that stand say of themselves."""
    for item in part.values() if isinstance(part, dict) else ():
        yield from _defaults(item)
    if isinstance(part, Part):
        for name, field in type(part).model_fields.items():
            value = getattr(part, name)
            if isinstance(value, Quantity) and value == field.default:
                yield value.source
            elif not isinstance(value, Quantity):
                yield from _defaults(value)


def _leaves(part: object, at: str) -> Iterator[tuple[str, str]]:
    """Values, and their sources, by place, each in words."""
    if isinstance(part, Quantity | Duration):
        yield at, in_words(part)
        yield f"{at} / source", part.source
    elif isinstance(part, dict | Part):
        items = part if isinstance(part, dict) else {name: getattr(part, name) for name in type(part).model_fields}
        for key, item in items.items():
            yield from _leaves(item, f"{at} / {key}" if at else str(key))
    else:
        yield at, in_words(part)
