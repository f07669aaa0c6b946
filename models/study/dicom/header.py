"""The kept elements as numbers and words. Whatever is invalid in a tag is as if it were not there."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from models.study.dicom.elements import Elements
from models.study.dicom.pixels import Layout, quiet
from models.study.dicom.windows import LookupTable
from models.study.source import display_name

_CODE = re.compile(r"[A-Z0-9_ ]{1,20}\Z")
_MOST_PRESETS = 32


class Header:
    """The allow-listed elements, by the standard's keywords, as one frame sees them.

    What multi-frame files keep in functional groups (PS3.3 C.7.6.16) goes before what is at the top: that of
    the frame, then that which all frames share.
    """

    def __init__(self, elements: Elements, frame: int = 0):
        self.elements = elements
        top = quiet(lambda: _dataset(elements))
        self._top = top if top is not None else quiet(lambda: _dataset(elements, alone=True))
        shared, own = self.items("SharedFunctionalGroupsSequence", 1), self._groups()
        self._places = [*_macros(own[frame : frame + 1]), *_macros(shared), self._top]

    def value(self, keyword: str) -> Any:
        """The first place's value, or None; a value that cannot be read is None."""
        for place in self._places:
            found = quiet(lambda place=place: place.get(keyword))
            if found is not None and found != "":
                return found
        return None

    def numbers(self, keyword: str) -> list[float]:
        """Finite numbers; those that are none are left out."""
        return list(_numbers(self.value(keyword)))

    def number(self, keyword: str, default: float | None = None) -> float | None:
        return next(iter(self.numbers(keyword)), default)

    def whole(self, keyword: str, default: int = 0) -> int:
        """A whole number not below 0."""
        number = self.number(keyword)
        return default if number is None or number != int(number) or number < 0 else int(number)

    def words(self, keyword: str) -> list[str]:
        """Texts for people: no control characters, at most 64 characters each."""
        found = self.value(keyword)
        parts = [found] if isinstance(found, str) else list(found or []) if _many(found) else []
        return [display_name(str(part).replace("/", " "))[:64] if str(part).strip() else "" for part in parts]

    def code(self, keyword: str) -> str | None:
        """A code string such as "MLO", in capitals; None for what is none."""
        text = (self.words(keyword) or [""])[0].strip().upper()
        return text if _CODE.match(text) else None

    def items(self, keyword: str, most: int) -> list[Any]:
        """The first items of a sequence."""
        found = quiet(lambda: list(self._top.get(keyword) or [])[:most])
        return found or []

    def tables(self, keyword: str) -> list[LookupTable]:
        """The lookup tables of a Modality or VOI LUT Sequence that are whole."""
        items = quiet(lambda: list(self.value(keyword) or [])[:_MOST_PRESETS]) or []
        tables = [quiet(lambda item=item: _table(item, self.elements.little)) for item in items]
        return [table for table in tables if table is not None]

    @property
    def palette(self) -> Any:
        """The data set, for pydicom's colour tables."""
        return self._top

    def _groups(self) -> list[Any]:
        found = quiet(lambda: list(self._top.get("PerFrameFunctionalGroupsSequence") or []))
        return found or []


def layout(header: Header) -> Layout:
    """The Image Pixel Module as it stands; `pixels.check_layout` judges it."""
    allocated = header.whole("BitsAllocated")
    stored = header.whole("BitsStored", allocated)
    high = header.whole("HighBit", stored - 1)
    return Layout(
        rows=header.whole("Rows"),
        columns=header.whole("Columns"),
        samples=header.whole("SamplesPerPixel", 1),
        photometric=(header.words("PhotometricInterpretation") or ["MONOCHROME2"])[0].strip().upper(),
        allocated=allocated,
        stored=stored,
        high_bit=high if stored - 1 <= high < allocated else stored - 1,
        signed=header.whole("PixelRepresentation") == 1,
        planar=1 if header.whole("PlanarConfiguration") == 1 else 0,
        frames=header.whole("NumberOfFrames", 1) if header.value("NumberOfFrames") is not None else 1,
    )


def _dataset(elements: Elements, alone: bool = False) -> Any:
    """A pydicom data set of the kept elements; alone: of those that it can read one by one."""
    import io

    from pydicom.config import IGNORE, settings
    from pydicom.dataset import Dataset
    from pydicom.filebase import DicomBytesIO
    from pydicom.filereader import read_dataset

    settings.reading_validation_mode = IGNORE
    if not alone:
        together = b"".join(elements.kept[tag] for tag in sorted(elements.kept))
        found = read_dataset(DicomBytesIO(together), not elements.explicit, elements.little)
        found.set_original_encoding(not elements.explicit, elements.little)
        return found
    found = Dataset()
    for tag in sorted(elements.kept):
        one = quiet(
            lambda tag=tag: read_dataset(
                io.BytesIO(elements.kept[tag]), not elements.explicit, elements.little
            )
        )
        if one is not None:
            found.update(one)
    return found


def _macros(groups: list[Any]) -> Iterator[Any]:
    """The functional group macros of a frame: each is a sequence of one item."""
    for group in groups:
        for element in quiet(lambda group=group: list(group), []):
            item = quiet(lambda element=element: element.value[0])
            if item is not None:
                yield item


def _many(value: Any) -> bool:
    return hasattr(value, "__iter__") and not isinstance(value, str | bytes)


def _numbers(value: Any) -> Iterator[float]:
    for one in value if _many(value) else [] if value is None else [value]:
        try:
            number = float(one)
        except (TypeError, ValueError, OverflowError):
            continue
        if math.isfinite(number):
            yield number


def _table(item: Any, little: bool) -> LookupTable | None:
    """One item of a LUT sequence (PS3.3 C.11.1.1, C.11.2.1.1)."""
    count, first, bits = (int(value) for value in item.LUTDescriptor)
    count = count or 65536
    if first > 32767 and item["LUTDescriptor"].VR == "SS":
        first -= 65536
    data = item.LUTData
    if isinstance(data, bytes):
        data = struct.unpack(f"{'<' if little else '>'}{len(data) // 2}H", data[: len(data) // 2 * 2])
    entries = np.asarray(data, dtype=np.int64)[:count]
    if not (len(entries) == count and 1 <= bits <= 16 and entries.min() >= 0 and entries.max() <= 65535):
        return None
    name = str(item.get("LUTExplanation") or "")
    return LookupTable(
        first, entries.astype(np.uint16), bits, display_name(name)[:64] if name.strip() else ""
    )
