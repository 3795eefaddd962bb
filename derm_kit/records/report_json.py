"""A document as JSON: the same title, marks, sections and tables with typed cells, every figure with its sources."""

from __future__ import annotations

import json
from collections.abc import Iterator

from derm_kit.records.provenance import Figure, Measured
from derm_kit.records.report import WRITERS, Block, Chart, Document, Mark, Paragraph, Points, Table, Value, Writers
from derm_kit.records.report_picture import plain

FORMAT = "derm-kit document 1"


def to_json(document: Document) -> bytes:
    """The document's bytes, the same for the same document."""
    content = {
        "format": FORMAT,
        "title": plain(document.title),
        "marks": [plain(text) for text in document.marks],
        "sections": [
            {"title": plain(title), "blocks": [_block(block) for block in section.blocks]}
            for title, section in document.numbered
        ],
        "figures": [_figure(figure) for figure in figures(document)],
        "sources": [
            {
                "key": one.key,
                "what": plain(one.what),
                "identity": {plain(name): plain(said) for name, said in one.identity},
            }
            for one in document.sources
        ],
        "foot": plain(document.foot),
    }
    return (json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()


REPORT_WRITERS: Writers = {**WRITERS, ".json": to_json}
"""How a report that names its sources is written."""


def figures(document: Document) -> Iterator[Figure]:
    """Every figure: those of sentences, then each number of a table, named by table, row and head."""
    yield from document.figures
    tables = [block for section in document.sections for block in section.blocks if isinstance(block, Table)]
    for table in tables:
        for row, shown in zip(table.values, table.rows, strict=True) if table.values else ():
            for head, value in zip(table.heads[1:], row[1:], strict=True):
                if isinstance(value, int | float):
                    value = Measured(value, head)
                if isinstance(value, Measured):
                    yield Figure(f"{table.caption} / {shown[0]} / {head}", value, table.sources)


def _figure(figure: Figure) -> dict[str, object]:
    return {"name": plain(figure.name), **_measured(figure.measured), "sources": list(figure.sources)}


def _block(block: Block) -> dict[str, object]:
    match block:
        case Paragraph(text):
            return {"paragraph": plain(text)}
        case Mark(text):
            return {"mark": plain(text)}
        case Points(texts):
            return {"points": [plain(text) for text in texts]}
        case Chart():
            return {"chart": plain(block.caption), "alternative": plain(block.alternative), **_about(block)}
        case Table():
            rows = block.values or block.rows
            cells = [[_cell(value) for value in row] for row in rows]
            return {"table": plain(block.caption), "heads": [*map(plain, block.heads)], "rows": cells, **_about(block)}


def _about(block: Table | Chart) -> dict[str, object]:
    return {"mark": plain(block.mark), "sources": list(block.sources)}


def _measured(value: Measured) -> dict[str, object]:
    return {name: plain(said) if isinstance(said, str) else said for name, said in value.as_json().items()}


def _cell(value: Value) -> object:
    match value:
        case str():
            return plain(value)
        case Measured():
            return _measured(value)
        case _:
            return value
