"""Diagnoses, as the field writes them, to lesion types.

Sources: the hierarchy and the flat old names of the ISIC Archive (package isic-metadata); the codes of HAM10000
(Tschandl 2018, doi:10.1038/sdata.2018.161), of the ISIC challenges 2016 to 2019 and of MILK10k
(challenge.isic-archive.com/landing/milk10k). Keratoacanthoma counts as squamous cell carcinoma and lichen-planus-like
keratosis as the benign keratosis group, as in NHS practice. HAM10000 and MILK10k count haemorrhage among the vascular
lesions, so that the hierarchy's haemorrhages are vascular lesions here too.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Hashable
from functools import cache, lru_cache
from typing import Final

from isic_metadata.diagnosis_hierarchical import DiagnosisEnum

from derm_kit.errors import DiagnosisError
from derm_kit.lesions import LESION_TYPES, LesionType

_MEL, _SCC, _BCC, _IEC, _AK, _ATYPICAL, _VASC, _SK, _DF, _SL, _NAEVUS = LESION_TYPES
_OUTSIDE: Final = None
"""Stands, among the lesion types that a name leaves open, for everything that none of the eleven expresses."""

_SUBTREES: Final[dict[tuple[LesionType, ...], tuple[str, ...]]] = {
    (_MEL,): ("Malignant melanocytic proliferations (Melanoma)",),
    (_SCC,): (
        "Keratoacanthoma",
        "Squamous cell carcinoma, Invasive",
        "Squamous cell carcinoma, NOS",
        "Verrucous carcinoma",
    ),
    (_SCC, _BCC): ("Baso-squamous carcinoma",),
    (_BCC,): ("Basal cell carcinoma",),
    (_IEC,): ("Bowenoid papulosis", "Squamous cell carcinoma in situ"),
    (_AK,): ("Solar or actinic cheilitis", "Solar or actinic keratosis"),
    (_ATYPICAL,): ("Nevus, Atypical, Dysplastic, or Clark",),
    (_VASC,): ("Benign soft tissue proliferations - Vascular", "Hemorrhagic lesions"),
    (_SK,): ("Melanoacanthoma", "Seborrheic keratosis"),
    (_SK, _SL): ("Lichen planus like keratosis", "Pigmented benign keratosis"),
    (_DF,): ("Dermatofibroma",),
    (_SL,): ("Solar lentigo",),
    (_NAEVUS,): ("Nevus", "Proliferative nodule in congenital melanocytic nevi without atypia"),
}
"""Subtrees of ISIC's hierarchy by their last part; the nearest one above a diagnosis decides."""

_UNSPECIFIED: Final = "Nevus"
"""The one group that does not leave open what its members do: with no further word it is a benign naevus."""

OUT_OF_SCOPE: Final[dict[str, tuple[str, ...]]] = {
    "metastasis of another cancer": ("Skin metastasis of internal solid cancer - non-hematological",),
    "Merkel cell carcinoma": ("Merkel cell proliferation",),
    "lymphoma": ("Lymphocytic proliferations - B-Cell", "Lymphocytic proliferations - T-Cell/NK"),
    "malignant adnexal tumour": (
        "Malignant adnexal epithelial proliferations - Apocrine or Eccrine",
        "Malignant adnexal epithelial proliferations - Sebaceous",
        "Matrical or pilomatrical carcinoma",
        "Proliferating trichilemmal carcinoma",
    ),
    "sarcoma or other malignant soft tissue tumour": (
        "Malignant soft tissue proliferations - Adipocytic",
        "Malignant soft tissue proliferations - Cartilagenous and ossifying",
        "Malignant soft tissue proliferations - Fibro-histiocytic",
        "Malignant soft tissue proliferations - Muscle tissue or myofibroblastic",
        "Malignant soft tissue proliferations - Myoepithelial",
        "Malignant soft tissue proliferations - Neural",
        "Malignant soft tissue proliferations - Unknown or other histiogenesis",
        "Malignant soft tissue proliferations - Vascular",
    ),
    "more than one lesion": (
        "Collision - At least one malignant proliferation",
        "Collision - Only benign proliferations",
    ),
    "melanocytic of uncertain malignant potential": (
        "Indeterminate melanocytic proliferations",
        "Lentiginous melanocytic proliferation",
        "Pigmented epithelioid melanocytoma",
    ),
    "flat pigmentation other than solar lentigo": (
        "Dermal melanocytosis",
        "Flat melanotic pigmentations - not melanocytic nevus",
        "Lentigo simplex",
    ),
    "benign epidermal, other": (
        "Acantholytic acanthoma",
        "Clear cell acanthoma",
        "Epidermal nevus",
        "Epidermolytic acanthoma",
        "Large cell acanthoma",
        "Porokeratosis",
    ),
    "benign adnexal tumour or cyst": (
        "Benign adnexal epithelial proliferations - Apocrine or Eccrine",
        "Benign adnexal epithelial proliferations - Follicular",
        "Benign adnexal epithelial proliferations - Sebaceous",
        "Cysts",
    ),
    "benign soft tissue, other": (
        "Angiofibroma",
        "Benign soft tissue proliferations - Adipocytic",
        "Benign soft tissue proliferations - Cartilagenous and ossifying",
        "Benign soft tissue proliferations - Muscle tissue or myofibroblastic",
        "Benign soft tissue proliferations - Myoepithelial",
        "Benign soft tissue proliferations - Neural",
        "Cutaneous Myxoma",
        "Fibroepithelial polyp",
        "Fibroma",
        "Giant cell tumor of the tendon sheath",
        "Juvenile xanthogranuloma",
        "Non-Langerhans histiocytosis",
        "Reticulohistiocytosis",
        "Rosai-Dorfman disease",
        "Scar",
    ),
    "in the vascular group, but no growth or malformation of vessels": (
        "Acroangiodermatitis of Mali",
        "Glomangiomyoma",
        "Glomus tumor",
        "Nevus anemicus",
    ),
    "inflammation, infection, foreign material": ("Exogenous", "Inflammatory or infectious diseases"),
    "mast cell or Langerhans cell disease": ("Langerhans cell proliferations", "Mast cell proliferations"),
    "benign, not named": ("Benign - Other",),
}
"""Subtrees of ISIC's hierarchy, by their last part, that none of the eleven lesion types expresses; by reason."""

_SAME: Final[dict[str, tuple[str, ...]]] = {
    "Malignant melanocytic proliferations (Melanoma)": ("melanoma", "mel", "malignant melanoma"),
    "Melanoma in situ, Lentigo maligna type": ("lentigo maligna",),
    "Basal cell carcinoma": ("bcc",),
    "Squamous cell carcinoma in situ": ("scc in situ",),
    "Squamous cell carcinoma in situ, Bowens disease": ("Bowen's disease", "Bowen disease", "Bowen"),
    "Solar or actinic keratosis": ("actinic keratosis", "solar keratosis", "ak"),
    "Hemangioma": ("angioma",),
    "Hemangioma, Cherry": ("cherry angioma",),
    "Seborrheic keratosis": ("sk",),
    "Lichen planus like keratosis": ("lichenoid keratosis",),
    "Dermatofibroma": ("df",),
    "Nevus": ("nv", "melanocytic nevus", "melanocytic nevi"),
    "Atypical intraepithelial melanocytic proliferation": ("AIMP",),
    "Indeterminate melanocytic proliferations": ("atypical melanocytic proliferation",),
    "Cafe au lait macule or patch": ("cafe-au-lait macule",),
    "Mucosal melanotic macule": ("mucosal melanosis",),
    "Fibroepithelial polyp": ("acrochordon", "skin tag"),
    "Angiofibroma": ("angiofibroma or fibrous papule",),
}
"""Other names of a part of ISIC's hierarchy."""

_NAMES: Final[dict[tuple[LesionType | None, ...], tuple[str, ...]]] = {
    (_SCC,): (_SCC, "scc", "SCCKA", "squamous cell carcinoma / keratoacanthoma"),
    (_IEC,): (_IEC, "intraepithelial carcinoma", "Intraepithelial carcinoma / Bowen's disease"),
    (_IEC, _AK): (
        "akiec",
        "Actinic keratosis / intraepidermal carcinoma",
        "Actinic keratosis / intraepithelial carcinoma",
        "Actinic keratoses and intraepithelial carcinoma / Bowen's disease",
        "Actinic keratosis / Bowen's disease",
        "Actinic keratosis / Bowen's disease (intraepithelial carcinoma)",
    ),
    (_VASC,): (_VASC, "vasc", "vascular", "vascular lesions", "Vascular lesions and hemorrhage"),
    (_SK, _SL): (
        "bkl",
        "benign keratosis",
        "benign keratosis-like lesions",
        "Benign keratinocytic lesion",
        "Benign keratosis (solar lentigo / seborrheic keratosis / lichen planus-like keratosis)",
    ),
    (_SK, _NAEVUS): ("nevus or seborrheic keratosis",),
    (_NAEVUS,): (_NAEVUS,),
    (_OUTSIDE,): (
        "INF",
        "Inflammatory and infectious conditions",
        "BEN_OTH",
        "Other benign proliferations, including collision tumors",
        "MAL_OTH",
        "Other malignant proliferations, including collision tumors",
        "UNK",
        "adnexal tumor",
        "other",
    ),
    (*LESION_TYPES, _OUTSIDE): ("unknown",),
}
"""Names that are no single part of the hierarchy, by what they leave open."""

_LONGEST: Final = 200
"""Characters; no name of any vocabulary is as long, so that a longer text is not looked up."""

_Open = frozenset[LesionType | None]


def lesion_types(diagnosis: str, *more: str) -> frozenset[LesionType]:
    """The lesion types that a diagnosis leaves open.

    `diagnosis` is a name or code of any vocabulary above, a whole path of ISIC's hierarchy ("Benign:...:Nevus") or
    its last part; `more` are further parts or names of the same case (diagnosis_1 to diagnosis_5, in any order).
    Blank parts are passed over; case, blanks, hyphens, word order and British or American spelling do not matter.

    One type: the diagnosis names it. Several: it leaves these open. None: it is blank, or known but out of scope
    (`OUT_OF_SCOPE`), or wider than the eleven types can express. A group of the hierarchy leaves open what its members
    do, and so is none where a member is out of scope ("Benign"); but "Nevus" with no further word is a benign naevus,
    as the archives use it. Of several parts a wider one gives way to its own member, and the rest narrow each other.

    Raises DiagnosisError where a part is in no vocabulary, or where parts contradict each other.
    """
    possible = _resolve((diagnosis, *more))
    return frozenset() if _OUTSIDE in possible else frozenset(kind for kind in possible if kind is not None)


def is_outside(diagnosis: str) -> bool:
    """Whether a diagnosis is known to be none of the eleven lesion types, as "INF" or "Angiofibroma" are.

    Raises DiagnosisError as `lesion_types` does.
    """
    return _resolve((diagnosis,)) == {_OUTSIDE}


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
    rules: dict[str, _Open] = {name: frozenset(kinds) for kinds, names in _SUBTREES.items() for name in names}
    rules |= {name: frozenset([_OUTSIDE]) for names in OUT_OF_SCOPE.values() for name in names}
    paths = [member.value for member in DiagnosisEnum]
    groups = {path.rpartition(":")[0] for path in paths}
    ruled = {path: [rules[name] for name in path.split(":") if name in rules] for path in paths if path not in groups}
    entries: dict[str, tuple[str, _Open]] = {}
    for path in paths:
        below = [found for leaf, found in ruled.items() if leaf == path or leaf.startswith(f"{path}:")]
        if any(below):
            name = path.rpartition(":")[2]
            members = frozenset(kind for found in below for kind in (found[-1] if found else [_OUTSIDE]))
            entries[name] = (path, rules[name] if name == _UNSPECIFIED else members)
    entries |= {alias: entries[name] for name, aliases in _SAME.items() for alias in aliases if name in entries}
    return entries | {name: ("", frozenset(kinds)) for kinds, names in _NAMES.items() for name in names}


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
