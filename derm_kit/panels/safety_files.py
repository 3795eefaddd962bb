"""A report as files to keep, and what it says first."""

from __future__ import annotations

import base64
from html import escape

from derm_kit.panels.tuning_words import counted
from derm_kit.records.report import Document, Table
from derm_kit.records.report_json import REPORT_WRITERS

KINDS = {
    ".html": ("text/html", "a page that prints (HTML)"),
    ".docx": ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "a Word file (DOCX)"),
    ".json": ("application/json", "JSON for programs"),
}


def document_html(document: Document, name: str) -> str:
    """Links that keep a document in every form, and how many things are missing on its first page."""
    links = " ".join(_link(f"{name}{suffix}", suffix, write(document)) for suffix, write in REPORT_WRITERS.items())
    lacking = [block for block in document.sections[0].blocks if isinstance(block, Table)]
    n = len(lacking[0].rows) if lacking else 0
    said = counted(n, "thing is missing and stands", "things are missing and stand")
    first = f"<strong>{said}</strong> on its first page." if n else "Nothing that derm-kit looks for is missing."
    return f"<p>{first}</p><p class='dk-keep'>{links}</p>"


def _link(name: str, suffix: str, content: bytes) -> str:
    kind, words = KINDS[suffix]
    coded = base64.b64encode(content).decode()
    return f"<a download='{escape(name, quote=True)}' href='data:{kind};base64,{coded}'>Keep {words}</a>"
