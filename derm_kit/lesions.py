"""The eleven lesion types in order of risk, and how a case's truth is written as text.

The order is that of NICE consultation 2705: six flagged types, then five benign ones. A case's truth is a set of
lesion types: one where the diagnosis names one, several where the source leaves it open, none where it is unknown or
out of scope. `derm_kit.diagnoses` maps diagnoses to such sets.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple

from derm_kit.errors import DiagnosisError


class LesionType(StrEnum):
    """One of the eleven lesion types; members run from the most to the least serious."""

    MELANOMA = "melanoma"
    SQUAMOUS_CELL_CARCINOMA = "squamous_cell_carcinoma"
    BASAL_CELL_CARCINOMA = "basal_cell_carcinoma"
    INTRAEPIDERMAL_CARCINOMA = "intraepidermal_carcinoma"
    ACTINIC_KERATOSIS = "actinic_keratosis"
    ATYPICAL_NAEVUS = "atypical_naevus"
    VASCULAR_LESION = "vascular_lesion"
    SEBORRHOEIC_KERATOSIS = "seborrhoeic_keratosis"
    DERMATOFIBROMA = "dermatofibroma"
    SOLAR_LENTIGO = "solar_lentigo"
    BENIGN_NAEVUS = "benign_naevus"

    @property
    def label(self) -> str:
        """The name in words: "Squamous cell carcinoma"."""
        return self.value.replace("_", " ").capitalize()

    @property
    def short(self) -> str:
        """The short name for tables and charts: "SCC"."""
        return _WORDS[self].short

    @property
    def flagged(self) -> bool:
        """Whether a suspicion of this type holds a case back from discharge (the first six types)."""
        return self in FLAGGED

    @property
    def cancer(self) -> bool:
        """Whether the type is a cancer, in-situ disease included (the first four types)."""
        return self in LESION_TYPES[:4]

    @property
    def plain(self) -> str:
        """What the type is, in one sentence for a general practitioner."""
        return _WORDS[self].plain


class _Words(NamedTuple):
    short: str
    plain: str


_WORDS: Final = {
    LesionType.MELANOMA: _Words(
        "Melanoma", "A skin cancer of pigment cells that can spread to other parts of the body; needs urgent referral."
    ),
    LesionType.SQUAMOUS_CELL_CARCINOMA: _Words(
        "SCC", "A skin cancer of the surface cells that sometimes spreads; needs urgent referral."
    ),
    LesionType.BASAL_CELL_CARCINOMA: _Words(
        "BCC",
        "The most common skin cancer: it grows slowly and very rarely spreads, but can damage the tissue around it; "
        "needs referral, usually routine.",
    ),
    LesionType.INTRAEPIDERMAL_CARCINOMA: _Words(
        "Bowen",
        "A very early skin cancer confined to the top layer of the skin (Bowen's disease); it is treatable and can, "
        "if left, become a squamous cell carcinoma.",
    ),
    LesionType.ACTINIC_KERATOSIS: _Words(
        "AK", "A rough patch of sun-damaged skin; most stay harmless, a few can become a squamous cell carcinoma."
    ),
    LesionType.ATYPICAL_NAEVUS: _Words(
        "Atypical naevus",
        "A mole with unusual features; usually harmless, but it can look like a melanoma, so a specialist should look "
        "at it.",
    ),
    LesionType.VASCULAR_LESION: _Words(
        "Vascular", "A benign growth or cluster of small blood vessels, such as a cherry angioma."
    ),
    LesionType.SEBORRHOEIC_KERATOSIS: _Words(
        "SK", "A harmless, often warty-looking growth of the surface skin that becomes common with age."
    ),
    LesionType.DERMATOFIBROMA: _Words("DF", "A harmless firm bump of fibrous tissue in the skin, often on the legs."),
    LesionType.SOLAR_LENTIGO: _Words("Solar lentigo", "A harmless flat brown patch on sun-exposed skin (an age spot)."),
    LesionType.BENIGN_NAEVUS: _Words("Naevus", "A common mole: a harmless cluster of pigment cells."),
}

LESION_TYPES: Final[tuple[LesionType, ...]] = tuple(LesionType)
"""The eleven lesion types, most serious first."""

FLAGGED: Final[tuple[LesionType, ...]] = LESION_TYPES[:6]
"""The flagged types, most serious first."""


def format_truth(types: Iterable[LesionType]) -> str:
    """`types` as stored in tables: values joined by "|" in order of risk, "" for none."""
    chosen = frozenset(types)
    return "|".join(kind.value for kind in LESION_TYPES if kind in chosen)


def parse_truth(text: str) -> frozenset[LesionType]:
    """The set of lesion types that `format_truth` wrote; order and blanks around a value do not matter.

    Raises DiagnosisError where a part is not the value of a lesion type.
    """
    if not text.strip():
        return frozenset()
    types = set()
    for part in text.split("|"):
        try:
            types.add(LesionType(part.strip()))
        except ValueError:
            raise DiagnosisError(
                "a truth is lesion types joined by '|'",
                value=part.strip(),
                next_step=f"Use the values {', '.join(LESION_TYPES)}, or leave the field empty.",
            ) from None
    return frozenset(types)
