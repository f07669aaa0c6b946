"""What a DICOM file says of its image: how it is shown, how large a pixel is, which breast and view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.study.dicom.header import Header
from models.study.dicom.pixels import Layout
from models.study.dicom.windows import FUNCTIONS, Window

PIXEL_SPACING = "PixelSpacing"
IMAGER = "ImagerPixelSpacing / magnification"
ULTRASOUND_REGION = "ultrasound region"

_MODALITIES = {"MG": "mammography", "US": "ultrasound", "IVUS": "ultrasound", "SM": "histopathology"}
# Storage SOP classes (PS3.4 table B.5-1), for files without a Modality.
_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.1.2": "MG",
    "1.2.840.10008.5.1.4.1.1.1.2.1": "MG",
    "1.2.840.10008.5.1.4.1.1.13.1.3": "MG",
    "1.2.840.10008.5.1.4.1.1.6.1": "US",
    "1.2.840.10008.5.1.4.1.1.6.2": "US",
    "1.2.840.10008.5.1.4.1.1.3.1": "US",
    "1.2.840.10008.5.1.4.1.1.77.1.6": "SM",
}
# SNOMED RT and SNOMED CT codes of mammographic views (PS3.16 CID 4014).
_VIEWS = {
    "R-10242": "CC", "399162004": "CC", "R-10226": "MLO", "399368009": "MLO", "R-10224": "ML",
    "399260004": "ML", "R-10228": "LM", "399352003": "LM", "R-1024A": "XCCL", "399265009": "XCCL",
    "R-1024B": "XCCM", "399101009": "XCCM", "R-10230": "LMO", "399099002": "LMO", "R-40AAA": "SIO",
    "399188001": "SIO",
}  # fmt: skip
#: Images that no run is made for, and that nobody would take for others.
FOREIGN_CODES = frozenset({"CT", "MR", "PT", "NM", "XA", "RF", "DX", "IO", "PX", "ES", "OP", "OPT"})
#: Codes that are words of the field, whoever has them as a name too; and views.
KNOWN_CODES = frozenset({*_MODALITIES, *FOREIGN_CODES, "CR", "OT", "SC"})
KNOWN_VIEWS = frozenset({*_VIEWS.values(), "XCC", "FB", "ISO", "CV", "AT", "RL", "RM", "TAN", "SPECIMEN"})
_CENTIMETRES, _TISSUE = 3, 1
_LEAST_MM, _MOST_MM = 1e-4, 10.0
_MOST_PRESETS = 16


@dataclass(frozen=True, eq=False)
class DicomFacts:
    """Of one frame of a DICOM file; nothing here says who the person is.

    modality: code such as "MG", None where missing. photometric: as stored. transfer_syntax: for people.
    bits_stored: 1 to 16. windows: the file's presets that are valid. window: the one used, None where a table
    or the full range was. voi_luts: names of the file's VOI tables; shown_by: what was used, for people.
    value_range: (lowest, highest) modality value in the frame, padding left out. burned_in: "YES", "NO" or
    None. orientation: of rows and columns, such as "P\\L". spacing_from: what spacing_mm was taken from.
    for_processing: detector values that were not made to be looked at.
    """

    modality: str | None
    photometric: str
    transfer_syntax: str
    bits_stored: int
    windows: tuple[Window, ...] = ()
    window: Window | None = None
    shown_by: str = ""
    voi_luts: tuple[str, ...] = ()
    value_range: tuple[float, float] = (0.0, 0.0)
    burned_in: str | None = None
    spacing_from: str | None = None
    orientation: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    for_processing: bool = False


def modality_code(header: Header) -> tuple[str | None, bool]:
    """(Modality, whether it was told by the SOP class alone)."""
    stated = header.code("Modality")
    if stated:
        return stated, False
    guess = _CLASSES.get((header.words("SOPClassUID") or [""])[0])
    return guess, guess is not None


def modality_of(code: str | None) -> str | None:
    """The program's name of a modality code, None for one that no run is made for."""
    return _MODALITIES.get(code or "")


def laterality_of(header: Header) -> str | None:
    """ "L", "R" or "B"; the image's own goes before the series'."""
    for keyword in ("FrameLaterality", "ImageLaterality", "Laterality"):
        if (found := header.code(keyword)) in ("L", "R", "B"):
            return found
    return None


def view_of(header: Header) -> str | None:
    """The view's abbreviation, from View Position or else the coded view."""
    stated = header.code("ViewPosition")
    if stated:
        return stated
    for item in header.items("ViewCodeSequence", 1):
        return _VIEWS.get(str(item.get("CodeValue", "")).strip())
    return None


def windows_of(header: Header) -> tuple[Window, ...]:
    """The valid presets, in the file's order; WindowCenter and WindowWidth pair up one by one."""
    from models.errors import BadInput

    function = header.code("VOILUTFunction")
    function = function if function in FUNCTIONS else "LINEAR"
    names = header.words("WindowCenterWidthExplanation")
    found: list[Window] = []
    pairs = zip(header.numbers("WindowCenter"), header.numbers("WindowWidth"), strict=False)
    for number, (centre, width) in enumerate(pairs):
        try:
            window = Window(centre, width, function, names[number] if number < len(names) else "")
        except BadInput:
            continue
        if window not in found:
            found.append(window)
    return tuple(found[:_MOST_PRESETS])


def spacing_of(header: Header, shape: tuple[int, int]) -> tuple[tuple[float, float] | None, str | None]:
    """((row, column) spacing in mm, where it is from).

    Projection images: Pixel Spacing where it is calibrated; where there is the detector's spacing alone, or
    Pixel Spacing repeats it, that is divided by the estimated magnification (PS3.3 10.7.1.1, C.8.11.7).
    Ultrasound: of the one region that covers tissue and most of the image (C.8.5.5).
    """
    spacing, imager = _pair(header.numbers("PixelSpacing")), _pair(header.numbers("ImagerPixelSpacing"))
    factor = header.number("EstimatedRadiographicMagnificationFactor", 1.0)
    factor = factor if factor and factor > 0 else 1.0
    same = spacing is not None and imager is not None and np.allclose(spacing, imager, rtol=1e-3)
    if imager is not None and (spacing is None or same):
        corrected = _pair([side / factor for side in imager])
        return corrected, None if corrected is None else IMAGER
    if spacing is not None:
        return spacing, PIXEL_SPACING
    region = _region(header, shape)
    return (region, ULTRASOUND_REGION) if region else (None, None)


def _pair(numbers: list[float]) -> tuple[float, float] | None:
    pair = tuple(numbers[:2])
    return pair if len(pair) == 2 and all(_LEAST_MM < side < _MOST_MM for side in pair) else None


def _region(header: Header, shape: tuple[int, int]) -> tuple[float, float] | None:
    """Spacing of the largest two-dimensional tissue region in centimetres, if it covers a fifth of the image
    and no other region of that kind has another spacing."""
    found = []
    for item in header.items("SequenceOfUltrasoundRegions", 32):
        numbers = [
            _one(item, name)
            for name in ("PhysicalUnitsXDirection", "PhysicalUnitsYDirection", "RegionSpatialFormat")
        ]
        if numbers != [_CENTIMETRES, _CENTIMETRES, _TISSUE]:
            continue
        box = [_one(item, f"RegionLocation{name}") for name in ("MinX0", "MaxX1", "MinY0", "MaxY1")]
        pair = _pair([10 * abs(_one(item, f"PhysicalDelta{axis}") or 0.0) for axis in "YX"])
        if None not in box and pair:
            area = max(0.0, box[1] - box[0] + 1) * max(0.0, box[3] - box[2] + 1)
            found.append((area, pair))
    if not found:
        return None
    area, pair = max(found)
    alike = all(np.allclose(other, pair, rtol=0.01) for _, other in found)
    return pair if alike and area >= 0.2 * shape[0] * shape[1] else None


def _one(item: object, keyword: str) -> float | None:
    from models.study.dicom.header import _numbers
    from models.study.dicom.pixels import quiet

    return next(iter(quiet(lambda: list(_numbers(item.get(keyword))), [])), None)


def orientation_of(header: Header) -> str | None:
    """Patient Orientation as "row\\column", of the letters of PS3.3 C.7.6.1.1.1; else None."""
    parts = [part.strip().upper() for part in header.words("PatientOrientation")]
    valid = len(parts) == 2 and all(part and len(part) <= 4 and set(part) <= set("APRLHF") for part in parts)
    return "\\".join(parts) if valid else None


def contradiction(laterality: str | None, orientation: str | None) -> bool:
    """Whether a breast said to be left lies as a right one does, or the other way round.

    Stored upright, the rows of a left breast run towards the nipple, anteriorly (A), and of a right one
    posteriorly (P); a cranio-caudal view's columns run to the right (R) of a left breast, and to the left of
    a right one. Both must speak for the other side, or the one there is: an image that is merely turned over
    differs in one of them.
    """
    if laterality not in ("L", "R") or orientation is None:
        return False
    row, column = orientation.split("\\")
    left = laterality == "L"
    if row[0] not in "AP":
        return False
    rows_say_other = row[0] == ("P" if left else "A")
    side = column[0] if column[0] in "LR" else None
    return rows_say_other and (side is None or side == ("L" if left else "R"))


def doubtful_spacing(header: Header, origin: str | None) -> bool:
    """Whether a projection's Pixel Spacing is larger than its detector's: rays diverge, so it cannot be."""
    spacing, imager = _pair(header.numbers("PixelSpacing")), _pair(header.numbers("ImagerPixelSpacing"))
    return origin == PIXEL_SPACING and bool(spacing and imager) and spacing[0] > 1.1 * imager[0]


def notices(
    header: Header, layout: Layout, frame: int, study_facts: DicomFacts, laterality: str | None
) -> tuple[str, ...]:
    """Whole sentences on what was chosen, or must be known, of this file."""
    found, code = [], study_facts.modality
    if layout.frames > 1:
        found.append(f"File of {layout.frames:,} frames: frame {frame + 1:,} is used.")
    if code is None:
        found.append("The file does not say its modality: choose a run of the right one yourself.")
    elif modality_code(header)[1]:
        known = modality_of(code)
        taken = f"{code} ({known})" if known else code
        found.append(f"The file does not say its modality: taken as {taken}, from the class it is stored as.")
    elif modality_of(code) is None:
        found.append("No run is made for this file's modality: what one says of it means nothing.")
    if study_facts.burned_in == "YES":
        found.append("The file says that text is burned into its pixels; it is not removed.")
    if study_facts.for_processing:
        found.append(
            "These are raw detector values (for processing), not an image for reading: runs are trained on "
            "images for presentation."
        )
    if doubtful_spacing(header, study_facts.spacing_from):
        found.append(
            "The file's pixel spacing is larger than its detector's, which cannot be: areas in square "
            "millimetres may be wrong."
        )
    if contradiction(laterality, study_facts.orientation):
        side, other = ("left", "right") if laterality == "L" else ("right", "left")
        found.append(
            f"The file says {side} breast, and its orientation is how a {other} breast lies: it may be "
            "mirrored, so check the marker in the image."
        )
    return tuple(found)
