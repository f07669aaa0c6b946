"""DICOM files in compressed transfer syntaxes, and how a second reader sees them. Not run by the tests.

In an environment of its own, from the repository's root:

    python3 -m venv ENV && ENV/bin/pip install python-gdcm==3.2.6 SimpleITK==2.5.7 pydicom==3.0.2
    ENV/bin/python tests/golden/make_dicom.py [FOLDER OF REAL DICOM FILES]

writes tests/golden/dicom/*.dcm, small synthetic images that GDCM compressed, and tests/golden/dicom.json: for
each of them, and for each of the real files (which are not part of the repository), the sha256 of the stored
values as ITK reads them (GDCM's decoders, none of which the program uses), and of the shown image, by the
formulas of PS3.3 C.11.2.1 written out here once more, the means of its quarters and some percentiles, both
of every fourth row and column.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import gdcm
import numpy as np
import pydicom
import SimpleITK
from pydicom.dataset import Dataset, FileMetaDataset

HERE = Path(__file__).parent
SYNTAXES = {
    "jpeg_baseline_8bit": (gdcm.TransferSyntax.JPEGBaselineProcess1, 8),
    "jpeg_lossless_14bit": (gdcm.TransferSyntax.JPEGLosslessProcess14_1, 14),
    "jpeg_ls_8bit": (gdcm.TransferSyntax.JPEGLSLossless, 8),
    "jpeg_ls_12bit": (gdcm.TransferSyntax.JPEGLSLossless, 12),
    "jpeg_ls_near_16bit": (gdcm.TransferSyntax.JPEGLSNearLossless, 16),
    "jpeg_2000_16bit": (gdcm.TransferSyntax.JPEG2000Lossless, 16),
    "rle_16bit": (gdcm.TransferSyntax.RLELossless, 16),
}
COLOUR = {
    "rle_rgb": gdcm.TransferSyntax.RLELossless,
    "jpeg_lossless_rgb": gdcm.TransferSyntax.JPEGLosslessProcess14_1,
    "jpeg_2000_rgb": gdcm.TransferSyntax.JPEG2000Lossless,
    "jpeg_ls_rgb": gdcm.TransferSyntax.JPEGLSLossless,
}
HEIGHT, WIDTH = 48, 40


def picture(bits: int) -> np.ndarray:
    """A smooth hill with a little noise, up to 2^bits - 1."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    hill = np.exp(-((y - 20) ** 2 + (x - 25) ** 2) / 300.0)
    noise = np.random.default_rng(bits).normal(0, 0.004, hill.shape)
    return (
        np.clip((hill + noise) * (2**bits - 1), 0, 2**bits - 1).round().astype("<u1" if bits == 8 else "<u2")
    )


def plain(pixels: np.ndarray, bits: int) -> Dataset:
    made, colour = Dataset(), pixels.ndim == 3
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = "2.25.77"
    made.Modality, made.Rows, made.Columns = "OT", HEIGHT, WIDTH
    made.SamplesPerPixel, made.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        made.PlanarConfiguration = 0
    made.BitsAllocated, made.BitsStored, made.HighBit = (8 if bits == 8 else 16), bits, bits - 1
    made.PixelRepresentation = 0
    made.PixelData = pixels.tobytes()
    made["PixelData"].VR = "OB" if bits == 8 else "OW"
    return made


def compress(source: Path, target: Path, syntax: int) -> None:
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(source))
    if not reader.Read():
        raise SystemExit(f"not read: {source}")
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    change.SetInput(reader.GetImage())
    if not change.Change():
        raise SystemExit(f"not compressed: {target.name}")
    writer.SetFileName(str(target))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    if not writer.Write():
        raise SystemExit(f"not written: {target.name}")


def stored(path: Path) -> np.ndarray:
    """Stored values [H, W] or [H, W, 3] by ITK, which turns MONOCHROME1 over while reading: turned back."""
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    values = SimpleITK.GetArrayFromImage(reader.Execute())
    values = values[0] if values.shape[0] == 1 else values
    header = pydicom.dcmread(path, stop_before_pixels=True)
    if header.PhotometricInterpretation == "MONOCHROME1":
        values = 2**header.BitsStored - 1 - values
    return values.astype("<i4")


def shown(path: Path, values: np.ndarray) -> np.ndarray:
    """float64 0..1 by PS3.3 C.11.2.1.2 and C.11.2.1.3.1, first preset; padding black."""
    header = pydicom.dcmread(path, stop_before_pixels=True)
    centre, width = (
        float(value[0] if isinstance(value, list | pydicom.multival.MultiValue) else value)
        for value in (header.WindowCenter, header.WindowWidth)
    )
    if header.get("VOILUTFunction") == "SIGMOID":
        out = 1 / (1 + np.exp(-4 * (values - centre) / width))
    else:
        out = np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)
    if header.PhotometricInterpretation == "MONOCHROME1":
        out = 1 - out
    if "PixelPaddingValue" in header:
        first = header.PixelPaddingValue
        out[(values >= first) & (values <= header.get("PixelPaddingRangeLimit", first))] = 0
    return out


def entry(path: Path) -> dict[str, object]:
    values = stored(path)
    found: dict[str, object] = {
        "shape": list(values.shape),
        "stored_sha256": hashlib.sha256(values.tobytes()).hexdigest(),
    }
    if "WindowCenter" in pydicom.dcmread(path, stop_before_pixels=True):
        display = shown(path, values)[::4, ::4]
        half, middle = (side // 2 for side in display.shape)
        # Means of the quarters, which a mirrored image would exchange: no pixel of a person is kept.
        quarters = [
            display[:half, :middle],
            display[:half, middle:],
            display[half:, :middle],
            display[half:, middle:],
        ]
        found["shown_quarters"] = [round(float(quarter.mean()), 6) for quarter in quarters]
        found["shown_percentiles"] = np.round(np.percentile(display, [5, 25, 50, 75, 95, 99]), 6).tolist()
    return found


def main() -> None:
    folder = HERE / "dicom"
    folder.mkdir(exist_ok=True)
    held = folder / "plain.tmp"
    for name, (syntax, bits) in SYNTAXES.items():
        plain(picture(bits), bits).save_as(held, enforce_file_format=True)
        compress(held, folder / f"{name}.dcm", syntax)
    for name, syntax in COLOUR.items():
        pixels = np.stack([picture(8), picture(8)[::-1], picture(8)[:, ::-1]], axis=-1)
        plain(pixels, 8).save_as(held, enforce_file_format=True)
        compress(held, folder / f"{name}.dcm", syntax)
    held.unlink()
    real = sorted(Path(sys.argv[1]).glob("*.dcm")) if len(sys.argv) > 1 else []
    entries = {path.name: entry(path) for path in [*sorted(folder.glob("*.dcm")), *real]}
    (HERE / "dicom.json").write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
