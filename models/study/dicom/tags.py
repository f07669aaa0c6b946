"""The only elements of a DICOM file that are read, and why. All others are dropped at the door.

Tags as in PS3.6; what they mean is in PS3.3, whose section is named where it matters.
"""

from __future__ import annotations

from collections.abc import Mapping

#: What is told of an image: tag -> why it is read.
DESCRIBING: Mapping[int, str] = {
    0x00080016: "SOP Class UID: the kind of object (a DICOMDIR is no image), the modality where missing",
    0x00080060: "Modality: which runs the image is for",
    0x00080068: "Presentation Intent Type: raw detector values look unlike what a run was trained on",
    0x00080070: "Manufacturer: images of one maker differ from another's",
    0x00081090: "Manufacturer's Model Name: as above",
    0x00181114: "Estimated Radiographic Magnification Factor: from the detector's spacing to the breast's",
    0x00181164: "Imager Pixel Spacing: millimetres at the detector",
    0x00185101: "View Position: CC, MLO, ...",
    0x00186011: "Sequence of Ultrasound Regions: centimetres a pixel (C.8.5.5)",
    0x00200020: "Patient Orientation: which way the image lies, to be held against the laterality",
    0x00200060: "Laterality: left or right",
    0x00200062: "Image Laterality: left, right or both",
    0x00280030: "Pixel Spacing: areas in square millimetres",
    0x00280301: "Burned In Annotation: whether the pixels are said to hold text",
    0x00281050: "Window Center: how the image is shown (C.11.2)",
    0x00281051: "Window Width: as above",
    0x00281052: "Rescale Intercept: from stored to modality values (C.11.1)",
    0x00281053: "Rescale Slope: as above",
    0x00281055: "Window Center & Width Explanation: the names of the presets",
    0x00281056: "VOI LUT Function: LINEAR, LINEAR_EXACT or SIGMOID",
    0x00283000: "Modality LUT Sequence: as rescale slope and intercept",
    0x00283010: "VOI LUT Sequence: as a window",
    0x00540220: "View Code Sequence: the view where View Position is missing",
    0x52009229: "Shared Functional Groups Sequence: where multi-frame images keep the above",
    0x52009230: "Per-Frame Functional Groups Sequence: as above, frame by frame",
}

#: Texts that somebody types: without them an image is what it was.
FREE_TEXTS = frozenset({0x00080070, 0x00081090, 0x00185101, 0x00281055})

#: What the pixels cannot be decoded without (PS3.3 C.7.6.3, C.7.6.6).
PIXELS: Mapping[int, str] = {
    0x00280002: "Samples per Pixel",
    0x00280004: "Photometric Interpretation",
    0x00280006: "Planar Configuration",
    0x00280008: "Number of Frames",
    0x00280010: "Rows",
    0x00280011: "Columns",
    0x00280100: "Bits Allocated",
    0x00280101: "Bits Stored",
    0x00280102: "High Bit",
    0x00280103: "Pixel Representation",
    0x00280120: "Pixel Padding Value: what lies outside the image",
    0x00280121: "Pixel Padding Range Limit",
    0x00281101: "Red Palette Color Lookup Table Descriptor",
    0x00281102: "Green Palette Color Lookup Table Descriptor",
    0x00281103: "Blue Palette Color Lookup Table Descriptor",
    0x00281201: "Red Palette Color Lookup Table Data",
    0x00281202: "Green Palette Color Lookup Table Data",
    0x00281203: "Blue Palette Color Lookup Table Data",
}

PIXEL_DATA = 0x7FE00010
#: Pixels as floating-point numbers (parametric maps), which are no images to a network.
FLOAT_PIXELS = (0x7FE00008, 0x7FE00009)
TRANSFER_SYNTAX = 0x00020010

_LUT = frozenset({0x00283002, 0x00283003, 0x00283004, 0x00283006})
_CODE = frozenset({0x00080100, 0x00080102})
_REGION = frozenset(
    {
        0x00186012,
        0x00186018,
        0x0018601A,
        0x0018601C,
        0x0018601E,
        0x00186024,
        0x00186026,
        0x0018602C,
        0x0018602E,
    }
)
_WINDOW = frozenset({0x00281050, 0x00281051, 0x00281055, 0x00281056, 0x00283010})
#: Functional groups -> what is read inside each (PS3.3 C.7.6.16.2).
_GROUPS: Mapping[int, frozenset[int]] = {
    0x00209071: frozenset({0x00209072}),  # Frame Anatomy: Frame Laterality
    0x00289110: frozenset({0x00280030, 0x00181164}),  # Pixel Measures: spacing
    0x00289132: _WINDOW,  # Frame VOI LUT
    0x00289145: frozenset({0x00281052, 0x00281053}),  # Pixel Value Transformation: rescale
}

#: Inside a sequence of this tag, these are read and nothing else.
INSIDE: Mapping[int, frozenset[int]] = {
    0x00186011: _REGION,
    0x00283000: _LUT,
    0x00283010: _LUT,
    0x00540220: _CODE,
    0x52009229: frozenset(_GROUPS),
    0x52009230: frozenset(_GROUPS),
    **_GROUPS,
}

ALLOWED = frozenset(DESCRIBING) | frozenset(PIXELS)
