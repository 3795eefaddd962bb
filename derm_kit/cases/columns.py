"""Column names that are recognised: the ISIC Archive's, HAM10000's, the ISIC challenges', MILK10k's and our own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "case_id": ("case_id", "image_id", "isic_id", "image_name", "img_id", "image", "name", "id"),
    "image": (
        "image",
        "image_path",
        "image_file",
        "file",
        "file_name",
        "filename",
        "file_path",
        "filepath",
        "path",
        "img_id",
    ),
    "mask": ("mask", "mask_path", "segmentation"),
    "lesion_id": ("group_id", "lesion_id", "lesion"),
    "patient_id": ("patient_id", "patient", "subject_id", "participant_id"),
    "truth": ("truth", "lesion_types", "lesion_type"),
    "diagnosis": ("diagnosis", "dx", "diagnostic", "label", "diagnosis_full"),
    "truth_source": ("truth_source", "diagnosis_source", "diagnosis_confirm_type", "dx_type"),
    "age_years": ("age_years", "age_approx", "age"),
    "sex": ("sex", "gender"),
    "anatomical_site": (
        "anatomical_site",
        "anatom_site_general",
        "anatom_site_general_challenge",
        "anatom_site",
        "localization",
        "localisation",
        "body_site",
        "site",
        "region",
        "anatom_site_1",
    ),
    "skin_type": ("skin_type", "fitzpatrick_skin_type", "fitzpatrick", "fitspatrick"),
    "skin_tone_class": ("skin_tone_class", "skin_tone"),
    "device": ("device", "camera", "dermoscopic_type"),
    "source": ("source", "dataset", "study"),
    "split": ("split", "partition"),
    "licence": ("licence", "license", "copyright_license"),
    "attribution": ("attribution",),
    "exclusion": ("exclusion",),
}
"""Cohort column -> names it is read from, first choice first.

PAD-UFES-20 writes `fitspatrick`, and a file name as `img_id`; MILK10k's supplement writes `diagnosis_full`.
"""

DETAILS: Final[tuple[str, ...]] = (
    "anatom_site_special",
    "anatomical_site_detail",
    "anatom_site_2",
    "anatom_site_3",
    "anatom_site_4",
    "anatom_site_5",
    "image_type",
    "image_manipulation",
)
"""Columns that are no column of a cohort but say whether a case is excluded."""

LEVELS: Final[tuple[str, ...]] = ("diagnosis_1", "diagnosis_2", "diagnosis_3", "diagnosis_4", "diagnosis_5")
"""The ISIC Archive's hierarchy of diagnoses, widest first."""

CODES: Final[tuple[str, ...]] = (
    *("mel", "nv", "bcc", "ak", "akiec", "bkl", "df", "vasc", "scc", "unk"),
    *("sccka", "ben_oth", "inf", "mal_oth"),
)
"""Columns of one-hot ground truth: ISIC 2018 (7 codes), ISIC 2019 (with AK, SCC and UNK), MILK10k (11)."""

_FEWEST_CODES = 3
_OWN_OUTPUTS: Final[dict[str, frozenset[str]]] = {
    "list of rejects": frozenset({"case_id", "file", "rule", "next_step"}),
    "list of decisions": frozenset({"case_id", "suspected", "disposition", "rule", "reason"}),
}


@dataclass(frozen=True)
class Understood:
    """Which column of a table means what, by position.

    `fields`: cohort column -> positions, first choice first; `levels` and `details`: name -> position; `codes`: one-hot
    code as in the header -> position; `unrecognised`: names; `repeated`: recognised names that stand there twice.
    """

    header: tuple[str, ...]
    fields: dict[str, tuple[int, ...]]
    levels: dict[str, int]
    details: dict[str, int]
    codes: dict[str, int]
    unrecognised: tuple[str, ...]
    repeated: tuple[str, ...]

    @property
    def positions(self) -> list[int]:
        """The positions of all columns that are used, in the order of the table."""
        used = {i for chosen in self.fields.values() for i in chosen}
        return sorted(used | set(self.levels.values()) | set(self.details.values()) | set(self.codes.values()))

    def sentences(self, table: str) -> list[str]:
        """What was recognised and what was not, in plain words."""
        parts = [f"{field} from {', '.join(self.header[i] for i in at)}" for field, at in self.fields.items()]
        if self.levels:
            parts.append(f"hierarchy of diagnoses from {', '.join(self.header[i] for i in self.levels.values())}")
        if self.codes:
            parts.append(f"diagnosis from the one-hot columns {', '.join(self.codes)}")
        if self.details:
            parts.append(f"exclusions from {', '.join(self.header[i] for i in self.details.values())}")
        sentences = [f"Columns of {table} recognised: {'; '.join(parts)}."]
        if self.unrecognised:
            sentences.append(f"Columns of {table} not recognised, left out: {_few(self.unrecognised, 30)}.")
        return sentences


def understand(header: Sequence[str]) -> Understood:
    """Recognise the columns of `header`, whatever their case and punctuation."""
    keys = [_key(name) for name in header]
    first: dict[str, int] = {}
    for i, key in enumerate(keys):
        first.setdefault(key, i)
    fields: dict[str, tuple[int, ...]] = {}
    for field, names in NAMES.items():
        at = tuple(first[name] for name in names if name in first)
        if at:
            fields[field] = at[:1] if field == "case_id" else at
    if "image" in fields and "case_id" in fields and set(fields["image"]) == set(fields["case_id"]):
        del fields["image"]
    levels = {name: first[name] for name in LEVELS if name in first}
    details = {name: first[name] for name in DETAILS if name in first}
    codes = {header[first[code]]: first[code] for code in CODES if code in first}
    if len(codes) < _FEWEST_CODES or "diagnosis" in fields or "truth" in fields or levels:
        codes = {}
    understood = Understood(tuple(header), fields, levels, details, codes, (), ())
    used = set(understood.positions)
    twice = {keys[i] for i in used if keys.count(keys[i]) > 1}
    left = tuple(header[i] or f"(column {i + 1})" for i in range(len(header)) if i not in used and keys[i] not in twice)
    return Understood(tuple(header), fields, levels, details, codes, left, tuple(sorted(twice)))


def own_output(header: Sequence[str]) -> str:
    """What output of derm-kit's own a table with this header is ("list of rejects" or "of decisions"), "" for none."""
    keys = {_key(name) for name in header}
    return next((what for what, names in _OWN_OUTPUTS.items() if names <= keys), "")


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.strip().casefold()).strip("_")


def _few(names: Sequence[str], most: int) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
