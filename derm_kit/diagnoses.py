"""Diagnoses, as the field writes them, to lesion types: every name of `vocabulary`, however it is spelt."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Hashable
from functools import cache, lru_cache
from typing import Final

from isic_metadata.diagnosis_hierarchical import DiagnosisEnum

from derm_kit.errors import DiagnosisError
from derm_kit.lesions import LesionType
from derm_kit.vocabulary import ALIASES, NAMES, OUT_OF_SCOPE, OUTSIDE, SUBTREES, UNSPECIFIED

_LONGEST: Final = 200
"""Characters; no name of any vocabulary is as long, so that a longer text is not looked up."""

_Open = frozenset[LesionType | None]


def lesion_types(diagnosis: str, *more: str) -> frozenset[LesionType]:
    """The lesion types that a diagnosis leaves open.

    `diagnosis` is a name or code of the `vocabulary`, a whole path of ISIC's hierarchy ("Benign:...:Nevus") or
    its last part; `more` are further parts or names of the same case (diagnosis_1 to diagnosis_5, in any order).
    Blank parts are passed over; case, blanks, hyphens, word order and British or American spelling do not matter.

    One type: the diagnosis names it. Several: it leaves these open. None: it is blank, or known but out of scope
    (`vocabulary.OUT_OF_SCOPE`), or wider than the eleven types can express. A group of the hierarchy leaves open what
    its members do, and so is none where a member is out of scope ("Benign"); but "Nevus" with no further word is a
    benign naevus, as the archives use it. Of several parts a wider one gives way to its own member, and the rest narrow
    each other.

    Raises DiagnosisError where a part is in no vocabulary, or where parts contradict each other.
    """
    possible = _resolve((diagnosis, *more))
    return frozenset() if OUTSIDE in possible else frozenset(kind for kind in possible if kind is not None)


def is_outside(diagnosis: str) -> bool:
    """Whether a diagnosis is known to be none of the eleven lesion types, as "INF" or "Angiofibroma" are.

    Raises DiagnosisError as `lesion_types` does.
    """
    return _resolve((diagnosis,)) == {OUTSIDE}


@lru_cache(maxsize=4096)
def _resolve(texts: tuple[str, ...]) -> _Open:
    parts = [part for text in texts for part in text.split(":") if part.strip()]
    known = {_look_up(part) for part in parts}
    paths = [path for path, _ in known if path]
    narrowest = [possible for path, possible in known if not any(path and p.startswith(f"{path}:") for p in paths)]
    if not narrowest:
        return frozenset()
    possible = frozenset.intersection(*narrowest)
    if not possible:
        raise DiagnosisError(
            "the parts of a diagnosis agree with each other",
            value=" + ".join(parts),
            next_step="Correct the case's diagnosis, or keep only the part that holds.",
        )
    return possible


def _look_up(part: str) -> tuple[str, _Open]:
    """The path in ISIC's hierarchy ("" for none) and what is left open."""
    index = _index()
    keys = _keys(part) if len(part) <= _LONGEST else ()
    for key in keys:
        if key in index:
            return index[key]
    near = difflib.get_close_matches(_squeeze(part[:_LONGEST]), _spellings(), n=3, cutoff=0.6)
    hint = f" Near: {', '.join(repr(_spellings()[key]) for key in near)}." if near else ""
    raise DiagnosisError(
        "a diagnosis is a name of the ISIC Archive, a code of HAM10000, ISIC 2016-2019 or MILK10k, or a lesion type",
        value=part.strip(),
        next_step=f"Write it in one of these vocabularies, or leave it empty if the truth is unknown.{hint}",
    )


@cache
def _index() -> dict[Hashable, tuple[str, _Open]]:
    """Every known name by its keys."""
    return {key: entry for name, entry in _entries().items() for key in _keys(name)}


@cache
def _spellings() -> dict[str, str]:
    return {_squeeze(name): str(name) for name in _entries()}


@cache
def _entries() -> dict[str, tuple[str, _Open]]:
    """Every known name with its path in ISIC's hierarchy ("" for none) and what it leaves open.

    A member of the hierarchy that no rule covers (of a newer isic-metadata) stays unknown until it is mapped.
    """
    rules: dict[str, _Open] = {name: frozenset(kinds) for kinds, names in SUBTREES.items() for name in names}
    rules |= {name: frozenset([OUTSIDE]) for names in OUT_OF_SCOPE.values() for name in names}
    paths = [member.value for member in DiagnosisEnum]
    groups = {path.rpartition(":")[0] for path in paths}
    ruled = {path: [rules[name] for name in path.split(":") if name in rules] for path in paths if path not in groups}
    entries: dict[str, tuple[str, _Open]] = {}
    for path in paths:
        below = [found for leaf, found in ruled.items() if leaf == path or leaf.startswith(f"{path}:")]
        if any(below):
            name = path.rpartition(":")[2]
            members = frozenset(kind for found in below for kind in (found[-1] if found else [OUTSIDE]))
            entries[name] = (path, rules[name] if name == UNSPECIFIED else members)
    entries |= {alias: entries[name] for name, aliases in ALIASES.items() for alias in aliases if name in entries}
    return entries | {name: ("", frozenset(kinds)) for kinds, names in NAMES.items() for name in names}


def _keys(text: str) -> tuple[Hashable, Hashable]:
    """What two spellings of one name share: the letters in a row, or the words in any order."""
    return _squeeze(text), tuple(sorted(_plain(text).split()))


def _squeeze(text: str) -> str:
    return _plain(text).replace(" ", "")


def _plain(text: str) -> str:
    """Lower-case words in American spelling, without accents, apostrophes and what stands between words.

    Other signs stay: "melanoma?" is a doubt, not a melanoma.
    """
    letters = unicodedata.normalize("NFKD", text).casefold()
    letters = "".join(c for c in letters if not unicodedata.combining(c) and c not in "'’`")
    for british, american in (("ae", "e"), ("æ", "e"), ("oe", "e"), ("œ", "e"), ("our", "or")):
        letters = letters.replace(british, american)
    return " ".join(re.split(r"[\s,./()_–—-]+", letters)).strip()
