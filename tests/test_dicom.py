"""DICOM pictures against pydicom and its own sample files, and the whitelist against names and numbers."""

from __future__ import annotations

import hashlib
import io
import logging
import math
from pathlib import Path

import numpy as np
import pydicom
import pytest
import skimage.data
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, JPEG2000Lossless, JPEGLosslessSV1, RLELossless

from derm_kit.cases.dicom import dicom_fields
from derm_kit.cases.images import decode
from derm_kit.errors import CaseError
from tests.hostile import dicom, encoded, picture

SALT = b"sixteen bytes or more"


def sample(name: str, **changes: str) -> bytes:
    """A sample file of pydicom's, declared visible light."""
    dataset = pydicom.dcmread(get_testdata_file(name, download=False))
    dataset.Modality = "XC"
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    file = io.BytesIO()
    dataset.save_as(file)
    return file.getvalue()


def region(meaning: str) -> list[Dataset]:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "14975008", "SCT", meaning
    return [item]


@pytest.mark.parametrize(
    "name",
    [
        "SC_rgb_small_odd.dcm", "SC_rgb_small_odd_big_endian.dcm", "SC_rgb_small_odd_jpeg.dcm", "SC_rgb_rle.dcm",
        "SC_rgb_rle_2frame.dcm", "SC_ybr_full_422_uncompressed.dcm", "SC_rgb_dcmtk_+eb+cr.dcm", "SC_rgb_gdcm_KY.dcm",
        "SC_rgb_dcmtk_+eb+cy+np.dcm", "SC_rgb_dcmtk_+eb+cy+s4.dcm", "SC_jpeg_no_color_transform.dcm",
        "examples_ybr_color.dcm", "examples_rgb_color.dcm", "examples_jpeg2k.dcm",
    ],
)  # fmt: skip
def test_samples_equal_pydicom(name: str) -> None:
    data = sample(name)
    peer = pydicom.dcmread(io.BytesIO(data))
    frames = int(peer.get("NumberOfFrames", 1))
    found = decode(data, case=name)
    np.testing.assert_array_equal(found.rgb, pydicom.pixels.pixel_array(peer, index=0))
    assert (found.width_px, found.height_px) == (peer.Columns, peer.Rows)
    assert found.format == (f"DICOM, frame 1 of {frames}" if frames > 1 else "DICOM")


def test_lossless_jpeg_equals_the_same_picture_run_length_coded() -> None:
    lossless = get_testdata_file("SC_rgb_jpeg_gdcm.dcm", read=True, download=False)
    assert lossless.file_meta.TransferSyntaxUID == JPEGLosslessSV1
    np.testing.assert_array_equal(
        decode(sample("SC_rgb_jpeg_gdcm.dcm"), case="1").rgb, decode(sample("SC_rgb_rle.dcm"), case="1").rgb
    )


def test_palette_colours_equal_pydicom() -> None:
    data = sample("examples_palette.dcm")
    peer = pydicom.dcmread(io.BytesIO(data))
    want = pydicom.pixels.processing.apply_color_lut(peer.pixel_array, peer)
    want = want >> 8 if want.dtype == np.uint16 else want
    np.testing.assert_array_equal(decode(data, case="1").rgb, want)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless, JPEG2000Lossless])
def test_other_transfer_syntaxes_come_back_exactly(syntax: str) -> None:
    rgb = skimage.data.astronaut()[:120, :150]
    if syntax in (RLELossless, JPEG2000Lossless):
        dataset = pydicom.dcmread(io.BytesIO(dicom(rgb)))
        if syntax == RLELossless:
            dataset.compress(RLELossless)
        else:
            stream = encoded("JPEG2000", rgb, irreversible=False)
            dataset = pydicom.dcmread(
                io.BytesIO(dicom(rgb, jpeg=stream, syntax=syntax, PhotometricInterpretation="YBR_RCT"))
            )
        file = io.BytesIO()
        dataset.save_as(file)
        data = file.getvalue()
    else:
        data = dicom(rgb, syntax=syntax)
    np.testing.assert_array_equal(decode(data, case="1").rgb, rgb)


def test_a_jpeg_frame_equals_the_jpeg_itself() -> None:
    jpeg = encoded("JPEG", picture(), quality=90)
    data = dicom(jpeg=jpeg, PhotometricInterpretation="YBR_FULL_422")
    assert np.abs(decode(data, case="1").rgb.astype(int) - decode(jpeg, case="1").rgb).max() <= 2


@pytest.mark.parametrize("stored", [8, 10, 12, 16])
def test_more_than_eight_bits_keep_the_high_byte_of_the_stored_range(stored: int) -> None:
    values = np.linspace(0, 2**stored - 1, 40 * 30).astype(np.uint16).reshape(30, 40)
    data = dicom(values, BitsStored=stored, HighBit=stored - 1)
    want = values >> (stored - 8)
    np.testing.assert_array_equal(decode(data, case="1").rgb, want[..., None].repeat(3, 2))
    negative = dicom(values, BitsStored=stored, HighBit=stored - 1, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(decode(negative, case="1").rgb[..., 0], 255 - want)


def test_fewer_than_eight_bits_are_stretched() -> None:
    values = np.arange(16, dtype=np.uint8).reshape(4, 4)
    np.testing.assert_array_equal(decode(dicom(values, BitsStored=4, HighBit=3), case="1").rgb[..., 0], values * 17)


def test_sixteen_bit_colour_equals_its_eight_bit_original() -> None:
    data = dicom(picture().astype(np.uint16) * 257)
    np.testing.assert_array_equal(decode(data, case="1").rgb, picture())


def test_fields_are_the_whitelist_and_nothing_else() -> None:
    data = dicom(
        PatientName="DOE^JANE", PatientID="943 476 5919", PatientBirthDate="19610203", PatientAge="063Y",
        PatientSex="F", PatientAddress="1 High Street", AcquisitionDate="20250203", StudyDate="20250203",
        InstitutionName="St Elsewhere",
        AnatomicRegionSequence=region("Forearm"), Manufacturer="Acme", ManufacturerModelName="Dermascope 3",
        DeviceSerialNumber="SN-4711", ReferringPhysicianName="WHO^DOCTOR",
    )  # fmt: skip
    found = dicom_fields(data, salt=SALT, case="1")
    key = hashlib.blake2b(SALT).digest()
    assert found == {
        "age_years": 63.0,
        "sex": "female",
        "anatomical_site": "Forearm",
        "device": "Acme Dermascope 3",
        "patient_id": hashlib.blake2b(b"\0943 476 5919", key=key, digest_size=12).hexdigest(),
        "exclusion": "",
    }
    told = repr(found)
    for secret in ("DOE", "JANE", "943", "5919", "1961", "2025", "High", "Elsewhere", "4711", "DOCTOR"):
        assert secret not in told


def test_a_pseudonym_keeps_a_patient_together_within_one_salt_alone() -> None:
    def named(number: str, salt: bytes, **more: str) -> object:
        return dicom_fields(dicom(PatientID=number, **more), salt=salt, case="1")["patient_id"]

    assert named("7", SALT) == named("7", SALT)
    others = {named("7", SALT), named("8", SALT), named("7", SALT + b"!"), named("7", SALT, IssuerOfPatientID="X")}
    assert len(others) == 4
    assert dicom_fields(dicom(), salt=SALT, case="1")["patient_id"] == ""
    with pytest.raises(ValueError, match="at least 16 bytes"):
        named("7", b"short")


@pytest.mark.parametrize(
    "fields, years",
    [
        ({"PatientAge": "045Y"}, 45.0),
        ({"PatientAge": "018M"}, 1.5),
        ({"PatientAge": "026W"}, 0.5),
        ({"PatientBirthDate": "20000601", "StudyDate": "20180531"}, 17.0),
        ({"PatientBirthDate": "20000601", "StudyDate": "20180601"}, 18.0),
        ({"PatientBirthDate": "20200601", "StudyDate": "20180601"}, math.nan),
        ({"PatientBirthDate": "20000601"}, math.nan),
        ({}, math.nan),
    ],
)
def test_age_in_years(fields: dict[str, str], years: float) -> None:
    found = dicom_fields(dicom(**fields), salt=SALT, case="1")["age_years"]
    assert found == pytest.approx(years, abs=0.01, nan_ok=True)


@pytest.mark.parametrize(
    "fields, exclusion",
    [
        ({"PatientAge": "017Y"}, "under 18"),
        ({"PatientAge": "018M"}, "under 18"),
        ({"PatientAge": "<18"}, "under 18"),
        ({"PatientAge": "17-18"}, "under 18"),
        ({"PatientAge": "18Y+"}, ""),
        ({"PatientAge": "child"}, "age not understood"),
        ({"PatientAge": "1Y" * 40}, "age not understood"),
        ({"PatientAge": "UNKNOWN"}, ""),
        ({"PatientAge": "child", "PatientBirthDate": "19610203", "StudyDate": "20250203"}, ""),
        ({"BodyPartExamined": "PENIS", "AnatomicRegionSequence": region("Skin")}, "genital"),
        ({"PatientName": "DOE^JANE", "AnatomicRegionSequence": region("vulva of Jane")}, "genital"),
        ({"PatientAge": "005Y", "BodyPartExamined": "TOENAIL"}, "under 18; subungual"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*PatientAge|Invalid value for VR AS|The value length:UserWarning")
def test_what_headers_say_against_an_assessment(fields: dict[str, object], exclusion: str) -> None:
    assert dicom_fields(dicom(**fields), salt=SALT, case="1")["exclusion"] == exclusion


def test_a_machine_short_of_memory_is_no_fault_of_the_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("derm_kit.cases.dicom.dcmread", full)
    with pytest.raises(MemoryError):
        dicom_fields(dicom(), salt=SALT, case="1")


def test_a_name_typed_into_another_field_stays_behind() -> None:
    data = dicom(
        PatientName="DOE^JANE", AnatomicRegionSequence=region("left arm of Jane"), ManufacturerModelName="doe_cam"
    )
    found = dicom_fields(data, salt=SALT, case="1")
    assert (found["anatomical_site"], found["device"]) == ("", "")


def test_site_falls_back_to_the_body_part() -> None:
    assert dicom_fields(dicom(BodyPartExamined="FOREARM"), salt=SALT, case="1")["anatomical_site"] == "forearm"


def test_fields_of_a_picture_without_any_and_of_another_format(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(dicom())
    found = dicom_fields(path, salt=SALT, case="a")
    assert {k: v for k, v in found.items() if k != "age_years"} == {
        "sex": "", "anatomical_site": "", "device": "", "patient_id": "", "exclusion": "",
    }  # fmt: skip
    with pytest.raises(CaseError, match="DICOM files alone"):
        dicom_fields(encoded("PNG"), salt=SALT, case="a")


def test_messages_and_logs_quote_no_patient(caplog: pytest.LogCaptureFixture) -> None:
    whole = dicom(PatientName="DOE^JANE", PatientBirthDate="19610203", PatientID="4711")
    with caplog.at_level(logging.DEBUG):
        for place in range(132, len(whole) - picture().size, 3):
            broken = whole[:place] + b"\xff\x41" + whole[place + 2 :]
            for read in (lambda data: decode(data, case="1"), lambda data: dicom_fields(data, salt=SALT, case="1")):
                try:
                    told = repr(read(broken))
                except CaseError as refusal:
                    told = str(refusal)
                assert not [secret for secret in ("DOE", "JANE", "196102", "4711") if secret in told.upper()]
    assert "JANE" not in caplog.text


def test_icc_profile_of_a_dicom_picture_is_converted() -> None:
    from tests.test_images import swapped_profile

    found = decode(dicom(ICCProfile=swapped_profile()), case="1").rgb.astype(int)
    assert np.abs(found - picture()[..., [1, 0, 2]]).max() <= 2


def test_pixels_of_a_real_photograph_in_jpeg_2000_are_whole() -> None:
    rgb = np.asarray(Image.fromarray(skimage.data.chelsea()).resize((64, 48)))
    stream = encoded("JPEG2000", rgb, irreversible=False)
    for share in (0.3, 0.7, 0.95):
        cut = dicom(
            rgb, jpeg=stream[: int(share * len(stream))], syntax=JPEG2000Lossless, PhotometricInterpretation="YBR_RCT"
        )
        with pytest.raises(CaseError):
            decode(cut, case="1")
