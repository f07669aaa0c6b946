"""DICOM files for tests, made by pydicom: synthetic pixels, invented people."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

MAMMOGRAM = "1.2.840.10008.5.1.4.1.1.1.2"
ULTRASOUND = "1.2.840.10008.5.1.4.1.1.6.1"
ULTRASOUND_FRAMES = "1.2.840.10008.5.1.4.1.1.3.1"
PERSON = {
    "PatientName": "Quandt^Ottilie^Maria",
    "PatientID": "HB-99471-X",
    "PatientBirthDate": "19510723",
    "PatientAge": "071Y",
    "PatientSex": "F",
    "AccessionNumber": "ACC5512093",
    "StudyDate": "20230914",
    "StudyTime": "101533.250",
    "StudyDescription": "Kurative Mammographie bds",
    "InstitutionName": "Klinikum Zwergenstein",
    "ReferringPhysicianName": "Dr^Habakuk^Tannhuber",
    "OperatorsName": "Zenzi",
    "StationName": "MAMMO-KELLER-2",
    "StudyInstanceUID": "1.2.276.0.7230010.3.1.2.8323329.20411",
    "SeriesInstanceUID": "1.2.276.0.7230010.3.1.3.8323329.20412",
    "SOPInstanceUID": "1.2.276.0.7230010.3.1.4.8323329.20413",
    "PatientComments": "Tochter arbeitet im Rathaus",
    "DeviceSerialNumber": "SN-778812-B",
}


def grey(height: int = 12, width: int = 10, top: int = 4095, dtype: str = "uint16") -> np.ndarray:
    """A ramp over all values from 0 to top."""
    return np.linspace(0, top, height * width).round().astype(dtype).reshape(height, width)


def dataset(pixels: np.ndarray, *, bits: int | None = None, **tags: Any) -> Dataset:
    """A data set around pixels [H, W], [F, H, W] or [(F,) H, W, 3]. Tags by keyword; None leaves one out."""
    colour = pixels.ndim >= 3 and pixels.shape[-1] == 3
    frames = pixels.shape[0] if pixels.ndim == (4 if colour else 3) else 1
    rows, columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    allocated = 8 * pixels.dtype.itemsize
    stated: dict[str, Any] = {
        "SOPClassUID": MAMMOGRAM,
        "Modality": "MG",
        "SamplesPerPixel": 3 if colour else 1,
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
        "PlanarConfiguration": 0 if colour else None,
        "NumberOfFrames": frames if frames > 1 else None,
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": allocated,
        "BitsStored": bits or allocated,
        "HighBit": (bits or allocated) - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        **tags,
    }
    made = Dataset()
    for keyword, value in stated.items():
        if value is not None:
            setattr(made, keyword, value)
    made.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    made["PixelData"].VR = "OW" if allocated == 16 else "OB"
    return made


def saved(made: Dataset, syntax: str = ExplicitVRLittleEndian, preamble: bool = True) -> bytes:
    """The file's bytes in that transfer syntax; the pixels must be in its byte order."""
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    made.file_meta.MediaStorageSOPClassUID = made.get("SOPClassUID", MAMMOGRAM)
    made.file_meta.MediaStorageSOPInstanceUID = made.get("SOPInstanceUID", "2.25.1")
    held = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.save_as(
            held,
            implicit_vr=syntax == ImplicitVRLittleEndian,
            little_endian=syntax != ExplicitVRBigEndian,
            enforce_file_format=True,
        )
    content = held.getvalue()
    return content if preamble else content[132:]


def dicom(pixels: np.ndarray, syntax: str = ExplicitVRLittleEndian, **tags: Any) -> bytes:
    """A whole file around pixels."""
    if syntax == ExplicitVRBigEndian:
        pixels = pixels.byteswap()
    return saved(dataset(pixels, **tags), syntax)


def compressed(made: Dataset, syntax: str) -> bytes:
    """The file with its pixels compressed by pydicom."""
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.set_original_encoding(False, True)
    made.SOPInstanceUID = made.get("SOPInstanceUID", "2.25.1")
    made.compress(syntax, generate_instance_uid=False)
    return saved(made, syntax)


def element(tag: int, vr: str, value: bytes) -> bytes:
    """One explicit little-endian element, as the caller will have it: valid or not."""
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    if vr in ("OB", "OW", "SQ", "UN", "UT"):
        return head + b"\0\0" + struct.pack("<I", len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def deflated(squeezed: bytes) -> bytes:
    """A file of the deflated syntax whose data set is these compressed bytes."""
    syntax = element(0x00020010, "UI", DeflatedExplicitVRLittleEndian.encode())
    length = element(0x00020000, "UL", struct.pack("<I", len(syntax)))
    return bytes(128) + b"DICM" + length + syntax + squeezed


def squeezed(plain: bytes, times: int = 1) -> bytes:
    """Raw deflate of `plain`, repeated."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"".join(squeeze.compress(plain) for _ in range(times)) + squeeze.flush()
