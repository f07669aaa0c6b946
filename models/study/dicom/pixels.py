"""One frame of a DICOM file, decoded: stored values, nothing done to them but the colour space.

pydicom decodes, with pylibjpeg's plugins; it is given one frame at a time, whose sizes have been checked.
"""

from __future__ import annotations

import logging
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from models.study.dicom import codestream
from models.study.dicom.codestream import TITLES, Frame, checked_codestream
from models.study.dicom.elements import BIG_ENDIAN, EXPLICIT, IMPLICIT, Elements, Unreadable
from models.study.limits import Limits

GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR")
_NATIVE = {IMPLICIT, EXPLICIT, BIG_ENDIAN, "1.2.840.10008.1.2.1.99", ""}
_LIBRARIES = ("pydicom", "pylibjpeg", "libjpeg", "openjpeg")
_TALKATIVE = rf"({'|'.join(_LIBRARIES)}|models\.study\.dicom)(\.|\Z)"
_DAMAGED = "holds pixels that are damaged, cut short or not as the file describes them"


@dataclass(frozen=True)
class Layout:
    """The Image Pixel Module (PS3.3 C.7.6.3), checked."""

    rows: int
    columns: int
    samples: int
    photometric: str
    allocated: int
    stored: int
    high_bit: int
    signed: bool
    planar: int
    frames: int

    @property
    def frame_bits(self) -> int:
        """Of one native frame; YBR_FULL_422 keeps half of the colour (C.7.6.3.1.2)."""
        samples = 2 if self.photometric == "YBR_FULL_422" else self.samples
        return self.rows * self.columns * samples * self.allocated


def quiet(work: Callable[[], Any], default: Any = None) -> Any:
    """What `work` returns, or `default` where a library fails, with no word of it.

    pydicom's warnings, log lines and exceptions quote the file. Failures of all kinds come out of damaged
    files; none may be chained to a sentence, since a traceback would print both.
    """
    warnings.filterwarnings("ignore", category=UserWarning, module=_TALKATIVE)
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        return work()
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception:
        return default


def title(syntax: str) -> str:
    """The transfer syntax for people."""
    return TITLES.get(syntax, "not compressed")


def check_layout(layout: Layout, elements: Elements, limits: Limits) -> None:
    """Unreadable for what is not read, before a byte of pixels is touched."""
    syntax = elements.transfer_syntax
    if elements.pixels is None:
        raise Unreadable(
            "holds its pixels as floating-point numbers, which are not read"
            if elements.float_pixels
            else "is a DICOM file without pixels",
            "choose one that holds an image",
        )
    if syntax not in TITLES and (syntax not in _NATIVE or elements.encapsulated):
        raise Unreadable(
            "is compressed in a way that is not read (video, or a rare transfer syntax)",
            "export it without compression, or as JPEG 2000",
        )
    if (syntax in TITLES) != elements.encapsulated:
        raise Unreadable("holds its pixels in another way than its transfer syntax says")
    if min(layout.rows, layout.columns, layout.frames) < 1:
        raise Unreadable("does not say how many pixels it has")
    if layout.rows * layout.columns > limits.max_pixels or max(layout.rows, layout.columns) > limits.max_side:
        raise Unreadable(
            f"is {layout.columns:,} x {layout.rows:,} pixels and the limit is "
            f"{limits.max_pixels / 1e6:g} million pixels and {limits.max_side:,} a side",
            "export a smaller image",
        )
    if layout.frames > limits.max_frames:
        raise Unreadable(f"holds more than {limits.max_frames:,} frames")
    _check_samples(layout)
    if too_few_pixels(layout, elements):
        raise Unreadable("holds fewer pixels than it says: it is cut short, or its header is wrong")


def too_few_pixels(layout: Layout, elements: Elements) -> bool:
    """Whether native pixels do not suffice for all the frames there are said to be."""
    stored = len(elements.pixels) if elements.pixels is not None else 0
    return not elements.encapsulated and layout.frame_bits * layout.frames > 8 * stored


def _check_samples(layout: Layout) -> None:
    colour = layout.photometric in _COLOURS and layout.photometric != "PALETTE COLOR"
    if layout.photometric not in GREY and layout.photometric not in _COLOURS:
        raise Unreadable("stores its pixels in a photometric interpretation that is not read")
    if layout.samples != (3 if colour else 1):
        raise Unreadable("states a number of samples that its photometric interpretation has not")
    if layout.allocated not in (8, 16) or not 1 <= layout.stored <= layout.allocated:
        raise Unreadable("stores its pixels with other than 8 to 16 bits, which is not read")
    if layout.photometric.startswith("YBR") and layout.allocated != 8:
        raise Unreadable("stores YBR colour with more than 8 bits, which is not read")


def frame_bytes(elements: Elements, layout: Layout, frame: int) -> bytes:
    """The stored bytes of one frame (from 0): a slice, or its fragments put together (PS3.5 annex A.4)."""
    if not elements.encapsulated:
        bits = layout.frame_bits
        start, end = frame * bits // 8, -(-(frame + 1) * bits // 8)
        return bytes(elements.pixels[start:end])
    starts, pieces, offsets = _fragments(elements)
    if len(pieces) < layout.frames:
        raise Unreadable("holds fewer frames than it says: it is cut short, or its header is wrong")
    if len(pieces) == layout.frames:
        return bytes(pieces[frame])
    if layout.frames == 1:
        return b"".join(pieces)
    if len(offsets) != layout.frames or any(offset not in starts for offset in offsets):
        raise Unreadable("does not say where its frames begin")
    first = starts.index(offsets[frame])
    last = starts.index(offsets[frame + 1]) if frame + 1 < layout.frames else len(pieces)
    return b"".join(pieces[first:last])


def _fragments(elements: Elements) -> tuple[list[int], list[memoryview], tuple[int, ...]]:
    """(places, fragments, basic offset table); places and offsets count from behind the table."""
    view, at, items = elements.pixels, 0, []
    places: list[int] = []
    form = "<HHI" if elements.little else ">HHI"
    while at + 8 <= len(view):
        group, element, length = struct.unpack_from(form, view, at)
        if (group, element) == (0xFFFE, 0xE0DD):
            break
        if (group, element) != (0xFFFE, 0xE000) or at + 8 + length > len(view):
            raise Unreadable("holds compressed pixels that are damaged or cut short")
        places.append(at)
        items.append(view[at + 8 : at + 8 + length])
        at += 8 + length
    if not items:
        raise Unreadable("is a DICOM file without pixels", "choose one that holds an image")
    table = items[0]
    offsets = struct.unpack(f"<{len(table) // 4}I", table[: len(table) // 4 * 4])
    behind = 8 + len(table)
    return [place - behind for place in places[1:]], items[1:], offsets


def decode_frame(elements: Elements, layout: Layout, palette: Any, frame: int) -> np.ndarray:
    """Stored values [H, W] of grey, or RGB [H, W, 3] of 8 or 16 bits. palette: a pydicom data set with the
    colour tables, used where the photometric interpretation asks for it."""
    data = frame_bytes(elements, layout, frame)
    syntax = elements.transfer_syntax
    if elements.encapsulated:
        frame_size = Frame(layout.columns, layout.rows, layout.samples, layout.allocated)
        data = checked_codestream(data, syntax, frame_size)
    shift = 0 if elements.encapsulated else layout.high_bit - layout.stored + 1
    if shift:
        # pydicom takes the low bits whatever the high bit is: it is given all of them.
        whole = replace(layout, stored=layout.allocated, signed=False)
        decoded = quiet(lambda: _shifted_down(_decoded(data, elements, whole), shift, layout))
    else:
        decoded = quiet(lambda: _decoded(data, elements, layout))
    if decoded is None or decoded.shape[:2] != (layout.rows, layout.columns):
        raise Unreadable(_DAMAGED)
    if layout.photometric == "PALETTE COLOR":
        from pydicom.pixels import apply_color_lut

        decoded = quiet(lambda: apply_color_lut(decoded, palette))
        if decoded is None or decoded.ndim != 3:
            raise Unreadable("names a colour table that it does not hold whole")
        decoded = decoded[..., :3]
    return decoded


def _shifted_down(words: np.ndarray, shift: int, layout: Layout) -> np.ndarray:
    """Samples that stand higher in their words than at the lowest bit, as old scanners kept them (PS3.5
    8.1.1): int or uint of the words' size."""
    samples = (words >> shift) & (2**layout.stored - 1)
    if not layout.signed:
        return samples
    sign = 1 << (layout.stored - 1)
    return ((samples ^ sign).astype(np.int32) - sign).astype(f"i{words.dtype.itemsize}")


def _decoded(data: bytes, elements: Elements, layout: Layout) -> np.ndarray:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    syntax = elements.transfer_syntax
    if not elements.encapsulated:
        syntax = EXPLICIT if elements.little else BIG_ENDIAN
        data += b"\0" * (len(data) % 2)
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = UID(syntax)
    one.Rows, one.Columns, one.SamplesPerPixel = layout.rows, layout.columns, layout.samples
    one.BitsAllocated, one.BitsStored, one.HighBit = layout.allocated, layout.stored, layout.stored - 1
    one.PixelRepresentation = int(layout.signed)
    one.PhotometricInterpretation = layout.photometric
    one.NumberOfFrames = 1
    if layout.samples > 1:
        one.PlanarConfiguration = layout.planar
    one.PixelData = encapsulate([data]) if elements.encapsulated else data
    one["PixelData"].VR = "OW" if layout.allocated == 16 and not elements.encapsulated else "OB"
    plugin = "" if not elements.encapsulated else "pydicom" if syntax == codestream.RLE else "pylibjpeg"
    return get_decoder(UID(syntax)).as_array(one, decoding_plugin=plugin)[0]
