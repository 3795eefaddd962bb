"""DICOM visible-light pictures: the pixels of frame 1, and a short whitelist of fields. Everything else stays behind.

Decoded: RGB, YBR, MONOCHROME and PALETTE COLOR of 8 or 16 bits allocated, unsigned; uncompressed, RLE, 8 bit JPEG
(baseline, lossless) and JPEG 2000. Values of B > 8 stored bits keep their high byte (v >> (B - 8)), those of B < 8 are
stretched to 0-255; no window is applied, because a photograph's stored range is its range. Terms: DICOM PS3.3 C.7.6.3.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, Jpeg2KImagePlugin
from pydicom import Dataset, dcmread
from pydicom.encaps import get_frame
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    RLELossless,
)

from derm_kit.cases.ages import may_be_under, years
from derm_kit.cases.headers import (
    DAMAGE,
    check_size,
    cut_off,
    damaged,
    file_format,
    hush,
    read_file,
    refuse,
)
from derm_kit.cases.jpegs import jpeg_header, whole_jpeg
from derm_kit.cases.values import ADULT, UNDER_18, is_unknown, of_site
from derm_kit.errors import CaseError

_PLAIN_OR_RLE = frozenset({ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless})
_JPEG = frozenset({JPEGBaseline8Bit, JPEGExtended12Bit})
_JPEG_LOSSLESS = frozenset({JPEGLossless, JPEGLosslessSV1})
_JPEG_2000 = frozenset({JPEG2000, JPEG2000Lossless})
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_VISIBLE_LIGHT = frozenset({"", "DMS", "XC", "GM", "SM", "ES", "OP", "OT"})
_COLOURS = {
    "MONOCHROME1": 1, "MONOCHROME2": 1, "PALETTE COLOR": 1, "RGB": 3, "YBR_FULL": 3, "YBR_FULL_422": 3, "YBR_ICT": 3,
    "YBR_RCT": 3,
}  # fmt: skip
_SEXES = {"M": "male", "F": "female", "O": "other"}
_SHORTEST_SALT = 16
_LONGEST_TEXT = 64
_FIELDS = [
    "PatientAge", "PatientBirthDate", "StudyDate", "AcquisitionDate", "ContentDate", "PatientSex", "PatientID",
    "IssuerOfPatientID", "PatientName", "OtherPatientNames", "AnatomicRegionSequence", "BodyPartExamined",
    "Manufacturer", "ManufacturerModelName",
]  # fmt: skip
_DAMAGE = (*DAMAGE, BytesLengthException, InvalidDicomError, Image.DecompressionBombError)


def dicom_pixels(data: bytes, case: str) -> tuple[npt.NDArray[np.uint8], bytes, int]:
    """Frame 1 of a DICOM file's bytes: uint8 (H, W) or (H, W, 3), its ICC profile (b"" for none), number of frames.

    Refused: objects that are not visible light, and pictures that say a text is burned into their pixels
    (BurnedInAnnotation), since that text is as a rule the patient's name. Raises CaseError.
    """
    hush()
    try:
        dataset = _read(data, case, stop_before_pixels=False)
        frames = int(dataset.get("NumberOfFrames") or 1)
        _check_object(dataset, case)
        values = _first_frame(dataset, frames, case)
        return _to_8_bit(values, dataset), bytes(dataset.get("ICCProfile") or b""), frames
    except CaseError:
        raise
    except _DAMAGE as error:
        if "bytes of pixel data" in str(error) or isinstance(error, EOFError):
            raise cut_off(case, len(data)) from None
        raise damaged(case, "DICOM") from None  # pydicom's own text may quote the patient's fields


def dicom_fields(source: Path | bytes, *, salt: bytes, case: str) -> dict[str, str | float]:
    """The only fields of a DICOM file that go on, under their cohort column names.

    age_years (float, NaN when unknown), sex, anatomical_site, device and patient_id (text, "" when unknown). No name,
    number or date goes on; birth date and study date serve for the age alone where PatientAge is missing. `exclusion`
    is why a clinician must see the case (see `values.exclusions`): under 18, genital, subungual, or an age that is
    given and cannot be read, never its words. A site that names the patient still counts there.

    patient_id is BLAKE2b (RFC 7693) of issuer and PatientID keyed with `salt`, because a plain hash of a ten-digit
    hospital number is undone by trying them all. Draw one `salt` (16 bytes or more, `secrets.token_bytes`) for a cohort
    so that a patient's pictures keep together, and do not store it. Raises CaseError for a file that cannot be read,
    ValueError for a short salt, MemoryError where the machine runs short.
    """
    if len(salt) < _SHORTEST_SALT:
        raise ValueError(f"a salt has at least {_SHORTEST_SALT} bytes, this one {len(salt)}")
    hush()
    data = source if isinstance(source, bytes) else read_file(source, case)
    if (kind := file_format(data, case)) != "DICOM":
        raise refuse("fields come from DICOM files alone", "Give other fields in a CSV file", case, kind)
    try:
        dataset = _read(data, case, stop_before_pixels=True)
        names = _words(f"{dataset.get('PatientName', '')} {dataset.get('OtherPatientNames', '')}")
        region = dataset.get("AnatomicRegionSequence")
        body_part = _text(dataset, "BodyPartExamined").lower()
        site = _text(region[0], "CodeMeaning") if region else body_part
        maker, model = _text(dataset, "Manufacturer"), _text(dataset, "ManufacturerModelName")
        device = model if model.lower().startswith(maker.lower()) else f"{maker} {model}".strip()
        age = _age_years(dataset)
        return {
            "age_years": age,
            "sex": _SEXES.get(_text(dataset, "PatientSex").upper(), ""),
            "anatomical_site": "" if names & _words(site) else site,
            "device": "" if names & _words(device) else device,
            "patient_id": _pseudonym(dataset, salt),
            "exclusion": "; ".join([*_age_reasons(dataset, age), *dict.fromkeys(of_site(site) + of_site(body_part))]),
        }
    except _DAMAGE:
        raise damaged(case, "DICOM") from None


def _read(data: bytes, case: str, *, stop_before_pixels: bool) -> Dataset:
    if _DEFLATED in data:  # pydicom inflates such a file whole and without a limit
        raise _unsupported(case, "a deflated transfer syntax")
    return dcmread(
        io.BytesIO(data), stop_before_pixels=stop_before_pixels, specific_tags=_FIELDS if stop_before_pixels else None
    )


def _check_object(dataset: Dataset, case: str) -> None:
    """The object is a visible-light picture of a kind that can be decoded, and names nobody in its pixels."""
    modality = _text(dataset, "Modality")
    if modality not in _VISIBLE_LIGHT:
        raise refuse(
            "a DICOM picture must be taken in visible light", "Leave this file out", case, f"modality {modality}"
        )
    if _text(dataset, "BurnedInAnnotation").upper() == "YES":
        raise refuse(
            "a picture must hold no burned-in text, which may name the patient", "Export it without annotation", case
        )
    if "PixelData" not in dataset:
        raise refuse("a DICOM file must hold a picture", "Leave this file out", case, "none")
    check_size(int(dataset.Columns), int(dataset.Rows), case)
    colour, samples = _text(dataset, "PhotometricInterpretation"), int(dataset.SamplesPerPixel)
    if _COLOURS.get(colour) != samples:
        raise _unsupported(case, f"{colour} with {samples} samples a pixel")
    allocated, stored = int(dataset.BitsAllocated), int(dataset.BitsStored)
    if allocated not in (8, 16) or not 1 <= stored <= allocated or int(dataset.PixelRepresentation) != 0:
        raise _unsupported(case, f"{stored} of {allocated} bits, sign {dataset.PixelRepresentation}")


def _first_frame(dataset: Dataset, frames: int, case: str) -> npt.NDArray[np.integer]:
    """Frame 1, YBR turned into RGB; a compressed one is first checked to be whole and of the size announced."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax not in _PLAIN_OR_RLE | _JPEG | _JPEG_LOSSLESS | _JPEG_2000:
        raise _unsupported(case, f"transfer syntax {UID(_text(dataset.file_meta, 'TransferSyntaxUID')).name}")
    samples, colour = int(dataset.SamplesPerPixel), _text(dataset, "PhotometricInterpretation")
    if syntax in _JPEG_LOSSLESS and colour.startswith("YBR"):
        raise _unsupported(case, f"{colour} in {syntax.name}")
    if syntax not in _PLAIN_OR_RLE:
        if int(dataset.BitsAllocated) != 8 and (samples > 1 or syntax not in _JPEG_2000):
            raise _unsupported(case, f"{dataset.BitsAllocated} bit values in {syntax.name}")
        frame = get_frame(dataset.PixelData, 0, number_of_frames=frames)
        if syntax in _JPEG_2000:
            size = Jpeg2KImagePlugin.Jpeg2KImageFile(io.BytesIO(frame)).size
        else:
            header = jpeg_header(frame, case)
            size = header.width_px, header.height_px
        if size != (int(dataset.Columns), int(dataset.Rows)):
            found = f"{dataset.Columns} x {dataset.Rows} px announced, {size[0]:,} x {size[1]:,} px inside"
            raise damaged(case, "DICOM", found)
        if syntax not in _JPEG_2000:
            # Strict, where pydicom's decoder fills a cut-off picture with grey; and pydicom has none for lossless JPEG.
            strict = whole_jpeg(frame, case, colorspace="RGB" if samples == 3 else "GRAY")
            if syntax in _JPEG_LOSSLESS:
                return strict if samples == 3 else strict[..., 0]
    return np.asarray(pixel_array(dataset, index=0))


def _to_8_bit(values: npt.NDArray[np.integer], dataset: Dataset) -> npt.NDArray[np.uint8]:
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        colour = apply_color_lut(values, dataset)[..., :3]
        return np.asarray(colour >> 8 if colour.dtype.itemsize == 2 else colour, dtype=np.uint8)
    stored = int(dataset.BitsStored)
    top = 2**stored - 1
    values = np.minimum(values, top)
    grey = values >> (stored - 8) if stored >= 8 else values.astype(np.uint16) * 255 // top
    eight = grey.astype(np.uint8)
    return 255 - eight if dataset.PhotometricInterpretation == "MONOCHROME1" else eight


def _age_years(dataset: Dataset) -> float:
    if not math.isnan(given := years(_text(dataset, "PatientAge"))):
        return given
    born = _date(dataset, "PatientBirthDate")
    for tag in ("AcquisitionDate", "ContentDate", "StudyDate"):
        if born and (taken := _date(dataset, tag)) and taken >= born:
            return float(taken.year - born.year - ((taken.month, taken.day) < (born.month, born.day)))
    return float("nan")


def _age_reasons(dataset: Dataset, age_years: float) -> list[str]:
    """Why a clinician must see the case, from its age: a field that is damaged or too long counts as not understood."""
    given = _text(dataset, "PatientAge")
    if age_years < ADULT:
        return [UNDER_18]
    if young := may_be_under(ADULT, given):
        return [young]
    stated = not is_unknown(given) or (not given and str(dataset.get("PatientAge") or "").strip())
    return ["age not understood"] if stated and math.isnan(age_years) else []


def _date(dataset: Dataset, tag: str) -> date | None:
    try:
        return date.fromisoformat(_text(dataset, tag))
    except ValueError:
        return None


def _pseudonym(dataset: Dataset, salt: bytes) -> str:
    number = _text(dataset, "PatientID")
    if not number:
        return ""
    key = hashlib.blake2b(salt).digest()
    told = f"{_text(dataset, 'IssuerOfPatientID')}\0{number}".encode()
    return hashlib.blake2b(told, key=key, digest_size=12).hexdigest()


def _text(dataset: Dataset, tag: str) -> str:
    """A field as one line, "" when missing; the first where there are several.

    Also "" when it is longer than DICOM's short texts (64) or holds control characters: in a damaged file such a field
    has swallowed its neighbours, and the patient's name with them.
    """
    value = dataset.get(tag)
    if isinstance(value, MultiValue):
        value = value[0] if value else None
    line = str("" if value is None else value).strip()
    return " ".join(line.split()) if line.isprintable() and len(line) <= _LONGEST_TEXT else ""


def _words(text: str) -> set[str]:
    return {word.casefold() for word in re.findall(r"\w{2,}", text.replace("_", " "))}


def _unsupported(case: str, found: str) -> CaseError:
    return refuse(
        "a DICOM picture must be 8 or 16 bit RGB, YBR, grey or palette; uncompressed, RLE, 8 bit JPEG or JPEG 2000",
        "Export it as DICOM with uncompressed pixels, or as PNG",
        case,
        found,
    )
