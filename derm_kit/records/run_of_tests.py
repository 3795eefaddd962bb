"""A run of the tests, read from the JUnit XML file that pytest writes: what passed, and what did not."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from derm_kit.errors import RecordError
from derm_kit.records.provenance import Source

MOST_BYTES = 64 * 1024 * 1024
MAKE_IT = "Write one: python -m pytest --junitxml FILE"
_TROUBLES = {"failure": "failed", "error": "error", "skipped": "skipped"}


@dataclass(frozen=True)
class TestRun:
    """Tests by `tests/FILE.py::NAME`, each with what became of it (the worst of its parts); `at` as the file says."""

    __test__ = False  # not a test itself, whatever its name says

    results: Mapping[str, str]
    at: str
    sha256: str

    @classmethod
    def read(cls, path: Path) -> TestRun:
        """A run from its file. Raises RecordError where it is none, names entities, or holds no test."""
        try:
            if not path.is_file():
                raise _unreadable(path, "it is no regular file")
            content = path.read_bytes()[: MOST_BYTES + 1]
            if len(content) > MOST_BYTES or b"<!" in content.replace(b"<![CDATA[", b""):
                raise _unreadable(path, "it is too long, or defines entities, which a JUnit file does not")
            text = content.decode("utf-8-sig")  # read as text, so that no other encoding hides a document type
            root = ElementTree.fromstring(text)  # noqa: S314 - without a document type there is nothing to expand
        except OSError as error:
            raise _unreadable(path, str(error.strerror)) from None
        except UnicodeDecodeError:
            raise _unreadable(path, "it is not in UTF-8, as pytest writes it") from None
        except ElementTree.ParseError as error:
            raise _unreadable(path, f"it is no XML: {error}") from None
        results: dict[str, str] = {}
        for case in root.iter("testcase"):
            name, became = _name(case), _became(case)
            results[name] = max(results.get(name, ""), became, key=_ORDER.index)
        if not results:
            raise _unreadable(path, "it holds no test")
        suite = next(root.iter("testsuite"), root)
        return cls(results, suite.get("timestamp", "")[:19], hashlib.sha256(content).hexdigest())

    @property
    def counts(self) -> Counter[str]:
        """How many tests of each result."""
        return Counter(self.results.values())

    def said_of(self, reference: str) -> str:
        """What became of a test that a hazard names; its parameters are left out."""
        return self.results.get(reference.partition("[")[0], "not in the run of tests")

    @property
    def source(self) -> Source:
        """The run as a source of figures."""
        return Source("tests", f"a run of {len(self.results):,} tests, {self.at or 'its time not said'}",
                      (("JUnit file, SHA-256", self.sha256),))  # fmt: skip


_ORDER = ["", "passed", "skipped", "failed", "error"]


def _name(case: ElementTree.Element) -> str:
    """As pytest names tests: the class name holds the module's path with dots."""
    module = case.get("classname", "").replace(".", "/")
    return f"{module}.py::{case.get('name', '').partition('[')[0]}"


def _became(case: ElementTree.Element) -> str:
    return next((said for tag, said in _TROUBLES.items() if case.find(tag) is not None), "passed")


def _unreadable(path: Path, why: str) -> RecordError:
    return RecordError(f"the run of tests cannot be read ({why})", case=str(path), next_step=MAKE_IT)
