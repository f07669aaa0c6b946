"""A DICOM file as it may be kept: the allow-listed elements and the pixels, nothing else."""

from __future__ import annotations

import hashlib
import struct
import uuid

from models.study.dicom.elements import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, Elements
from models.study.dicom.facts import KNOWN_VIEWS
from models.study.dicom.header import Header, layout
from models.study.dicom.names import safe_name, scrubbed_name, tells_of
from models.study.dicom.reading import admitted, told_before
from models.study.dicom.tags import FREE_TEXTS
from models.study.limits import Limits

_IMPLEMENTATION = "2.25.195637120713401872612459817563218750177"
_REMOVED = "The elements that an image is read with were kept, all others dropped"


def stripped_dicom(content: bytes, name: str, limits: Limits) -> tuple[bytes, str]:
    """A DICOM file with the elements of `tags.ALLOWED` alone, its pixel data byte for byte, and a name that
    holds no value of a dropped element. Text inside the pixels stays, and so do comments inside a JPEG frame.
    BadInput where the file cannot be walked."""
    elements = admitted(content, name, limits)
    pixels = _pixels(elements)
    kept = {tag: whole for tag, whole in elements.kept.items() if not _betrays(tag, whole, elements)}
    kept |= _own(elements)
    body = b"".join(kept[tag] for tag in sorted(kept))
    identity = hashlib.sha256(pixels).digest()[:16]
    return b"".join((_meta(elements, identity), body, pixels)), safe_name(name, elements)


def name_at_the_door(content: bytes, name: str, limits: Limits) -> str:
    """The name alone; of a damaged file by what stands before the damage."""
    elements = told_before(content, limits)
    return safe_name(name, elements) if elements else name


def _betrays(tag: int, whole: bytes, elements: Elements) -> bool:
    """Whether a free text of the list says what another element was dropped for: a name typed into it."""
    if tag not in FREE_TEXTS:
        return False
    text = whole[8:].decode("utf-8", "replace")
    return text.strip("\0 ") not in KNOWN_VIEWS and tells_of(text, elements)


def _own(elements: Elements) -> dict[int, bytes]:
    """Patient Identity Removed and how (PS3.3 C.7.1.1)."""
    return {
        0x00120062: _element(elements, 0x00120062, b"CS", b"YES "),
        0x00120063: _element(elements, 0x00120063, b"LO", _REMOVED[:64].ljust(64).encode()),
    }


def _pixels(elements: Elements) -> bytes:
    """The pixel data's element. Of native pixels no byte more than the frames need, since anything may stand
    behind them."""
    if elements.pixels is None:
        return b""
    order = "<" if elements.little else ">"
    head = struct.pack(order + "HH", 0x7FE0, 0x0010)
    if elements.encapsulated:
        value, length = _whole_fragments(elements.pixels, order), 0xFFFFFFFF
    else:
        plan = layout(Header(elements))
        needed = -(-plan.frame_bits * max(1, plan.frames) // 8)
        value = bytes(elements.pixels[: needed + needed % 2])
        value += b"\0" * (len(value) % 2)
        length = len(value)
    if elements.explicit:
        head += elements.pixels_vr + b"\0\0"
    return head + struct.pack(order + "I", length) + value


def _whole_fragments(view: memoryview, order: str) -> bytes:
    """The fragments up to the sequence's end, or up to where the file is cut short."""
    at = 0
    while at + 8 <= len(view):
        group, element, length = struct.unpack_from(order + "HHI", view, at)
        if (group, element) != (0xFFFE, 0xE000) or length == 0xFFFFFFFF:
            break
        at += 8 + length
    return bytes(view[:at]) + struct.pack(order + "HHI", 0xFFFE, 0xE0DD, 0)


def _meta(elements: Elements, identity: bytes) -> bytes:
    """Preamble and File Meta Information (PS3.10 section 7.1), the instance named by its pixels."""
    syntax = elements.transfer_syntax
    if syntax in ("", DEFLATED, EXPLICIT, IMPLICIT, BIG_ENDIAN):
        # Inflated, or named wrongly: what the elements show.
        syntax = (EXPLICIT if elements.explicit else IMPLICIT) if elements.little else BIG_ENDIAN
    sop = _text(elements.kept.get(0x00080016), elements.explicit) or "1.2.840.10008.5.1.4.1.1.7"
    instance = f"2.25.{uuid.UUID(bytes=identity, version=4).int}"
    body = struct.pack("<HH2sHI2s", 2, 1, b"OB", 0, 2, b"\0\1")
    for element, uid in ((0x0002, sop), (0x0003, instance), (0x0010, syntax), (0x0012, _IMPLEMENTATION)):
        value = uid.encode("ascii", "replace") + b"\0" * (len(uid) % 2)
        body += struct.pack("<HH2sH", 2, element, b"UI", len(value)) + value
    return bytes(128) + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(body)) + body


def _text(element: bytes | None, explicit: bool) -> str:
    return "" if element is None else element[8:].decode("ascii", "replace").strip("\0 ")[:64]


def _element(elements: Elements, tag: int, vr: bytes, value: bytes) -> bytes:
    order = "<" if elements.little else ">"
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if elements.explicit:
        return head + vr + struct.pack(order + "H", len(value)) + value
    return head + struct.pack(order + "I", len(value)) + value


__all__ = ["name_at_the_door", "scrubbed_name", "stripped_dicom"]
