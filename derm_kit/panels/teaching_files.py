"""Files of a teaching session, for whoever led it: answers and cases as tables, results as a page."""

from __future__ import annotations

import base64
import io
import zipfile
from html import escape
from importlib import resources

import pandas as pd

from derm_kit.cases.cohort import safe_csv
from derm_kit.panels.parts import BANNER, FOOTER
from derm_kit.panels.teaching_words import list_words
from derm_kit.records.teaching import TeachingSession
from derm_kit.records.teaching_results import TeachingExport
from derm_kit.triage.reader_study import ReaderStudy

RESULTS = (
    "attendance", "rates", "differences", "modes", "corrections", "reliance", "calibration", "bins", "times",
    "agreement",
)  # fmt: skip
README = """Teaching session "{title}", made {made_at} (UTC), mode {mode}, seed {seed}.

answers.csv  one row an answer: reader (a random id), case_id, phase (before or after the model's view), diagnosis,
             disposition, confidence (0 to 100), seconds by the server's clock
cases.csv    one row a case: truth, where the policy sends it, and what the model made of it by {policy}
details.csv  the same rows as answers.csv: times (UTC), seconds by the reader's browser, place in the audit log
readers.csv  one row a reader: when they joined, the SHA-256 of the consent text that they agreed to
consent.txt  that text
results-*    the tables of the analysis; a row without a reader is of the whole group

{phantoms}For research and teaching. Not a medical device.
"""


def archive_html(session: TeachingSession, tables: TeachingExport, found: ReaderStudy | None) -> str:
    """A link that keeps every table of a session as CSV in one ZIP, readers by random ids."""
    return _link(session, "zip", "application/zip", archive(session, tables, found), "Keep all tables (ZIP of CSV)")


def archive(session: TeachingSession, tables: TeachingExport, found: ReaderStudy | None) -> bytes:
    """The ZIP; `found` is None where nobody answered."""
    files = {name: getattr(tables, name) for name in ("answers", "cases", "details", "readers")}
    files |= {f"results-{name}": getattr(found, name) for name in RESULTS} if found else {}
    phantoms = "The cases were phantoms: drawn test objects. This was a dry run.\n\n" if session.cases.phantoms else ""
    about = README.format(
        title=session.title, made_at=session.made_at, mode=session.mode.value, seed=session.seed,
        policy=session.cases.policy, phantoms=phantoms,
    )  # fmt: skip
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("README.txt", about)
        packed.writestr("consent.txt", session.consent)
        for name, table in files.items():
            packed.writestr(f"{name}.csv", _csv(table))
    return held.getvalue()


def page_html(session: TeachingSession, readers: int, parts: list[tuple[str, str]]) -> str:
    """A link that keeps the results of the group as one page; `parts` are its titles and HTML."""
    style = "".join(
        resources.files("derm_kit.panels").joinpath(name).read_text("utf-8") for name in ("page.css", "teaching.css")
    )
    phantoms = "<p><strong>A dry run: the cases were drawn test objects.</strong></p>" if session.cases.phantoms else ""
    body = "".join(f"<section class='dk-section'><h2>{escape(title)}</h2>{html}</section>" for title, html in parts)
    whole = (
        f"<!doctype html><html lang='en-GB'><head><meta charset='utf-8'><title>{escape(session.title)}</title><style>"
        f"{style}</style></head><body><main class='dk-page'><div class='dk-banner'>{BANNER}</div>"
        f"<h1>{escape(session.title)}</h1><p>{escape(list_words(session))} {readers} readers, "
        f"{escape(session.made_at[:10])}.</p>{phantoms}{body}<footer class='dk-footer'>{FOOTER}</footer></main>"
        "</body></html>"
    )
    return _link(session, "html", "text/html", whole.encode(), "Keep the results as a page (HTML)")


def _csv(table: pd.DataFrame) -> str:
    held = io.StringIO()
    safe_csv(held, table)
    return held.getvalue()


def _link(session: TeachingSession, suffix: str, kind: str, content: bytes, words: str) -> str:
    name = f"teaching-session-{session.code}-{session.made_at[:10]}.{suffix}"
    return f"<a download='{name}' href='data:{kind};base64,{base64.b64encode(content).decode()}'>{words}</a>"
