"""A DICOM file walked element by element (PS3.5 section 7), keeping those of the allow-list and no others.

This comes before pydicom, which reads whatever there is: it inflates without a bound, recurses into every
sequence, makes an object of each of a hundred million empty items, and quotes values in its warnings. What
leaves this module is small and holds nothing that is not listed in `tags`.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

from models.study.dicom.tags import ALLOWED, FLOAT_PIXELS, INSIDE, PIXEL_DATA, TRANSFER_SYNTAX

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"

_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
# Value representations with a length of four bytes (PS3.5 table 7.1-1).
_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_SHORT = {
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL",
    b"SS", b"ST", b"TM", b"UI", b"UL", b"US",
}  # fmt: skip
#: Representations that may hold something of a person, in words or numbers; UN is what is not known.
_WORDS = {
    b"AE", b"AS", b"DA", b"DT", b"LO", b"LT", b"PN", b"SH", b"ST", b"TM", b"UC", b"UI", b"UN", b"UR", b"UT",
}  # fmt: skip
_CHARACTER_SET = 0x00080005
_DEEPEST = 32
_MOST_ELEMENTS = 250_000
# No element of the list is longer but the pixels: a lookup table has at most 65,536 entries of 16 bits.
_LONGEST_VALUE = 256 * 1024
_LONGEST_WORDS = 1024
_INFLATE_STEP = 1024 * 1024
_HIGHEST_RATIO, _RATIO_FLOOR = 1_000, 64 * 1024 * 1024


class Unreadable(Exception):
    """Why a file cannot be read: the words that stand behind its name in a sentence, and what to do."""

    def __init__(self, why: str, remedy: str = "export it again"):
        super().__init__(f"{why}: {remedy}.")
        #: What was walked before the damage, where a walk ended so.
        self.found: Elements | None = None


@dataclass(frozen=True)
class Dropped:
    """The text of an element that is not kept. It exists to be looked for in the file's name, then goes."""

    tag: int
    vr: str
    value: bytes


@dataclass
class Elements:
    """What a file holds. kept: tag -> its bytes as stored, header and value. explicit, little: how. pixels:
    the value of the pixel data, None where there is none; encapsulated: whether it is in fragments."""

    transfer_syntax: str
    explicit: bool
    little: bool
    kept: dict[int, bytes] = field(default_factory=dict)
    dropped: list[Dropped] = field(default_factory=list)
    character_set: bytes = b""
    pixels: memoryview | None = None
    pixels_vr: bytes = b"OW"
    encapsulated: bool = False
    float_pixels: bool = False


def is_dicom(head: bytes) -> bool:
    """Whether a file is DICOM, by its first 132 bytes or more: the mark behind the preamble, or, without a
    preamble, a first element that only a DICOM has."""
    return head[128:132] == b"DICM" or _plausible(head)


def _plausible(head: bytes) -> bool:
    """Without preamble: a first element of group 2 or 8 that is the group's length or an early known one."""
    if len(head) < 16:
        return False
    for order in "<>":
        group, element = struct.unpack_from(order + "HH", head)
        if group not in (0x0002, 0x0008) or element > 0x0070:
            continue
        vr, length = head[4:6], struct.unpack_from(order + "H", head, 6)[0]
        if vr in _SHORT and length <= 128:
            return True
        if group == 8 and order == "<" and struct.unpack_from("<I", head, 4)[0] in range(0, 129, 2):
            # Implicit: the next element must follow in order.
            after = 8 + struct.unpack_from("<I", head, 4)[0]
            return len(head) < after + 4 or struct.unpack_from("<HH", head, after) > (group, element)
    return False


def walk(data: bytes | memoryview, most_bytes: int) -> Elements:
    """The allow-listed elements and the place of the pixels; Unreadable where the file is damaged, too deeply
    nested, made of too many elements, or inflates to more than most_bytes."""
    view = memoryview(data)
    at = 132 if view[128:132] == b"DICM" else 0
    syntax, at = _meta(view, at)
    if syntax == DEFLATED:
        view, at = memoryview(_inflate(view[at:], most_bytes)), 0
    explicit, little = _encoding(view, at, syntax)
    walker = _Walker(view, Elements(syntax, explicit, little))
    try:
        walker.dataset(at, len(view), 0, explicit, ALLOWED)
    except Unreadable as why:
        why.found = walker.found
        raise
    return walker.found


def _meta(view: memoryview, at: int) -> tuple[str, int]:
    """The transfer syntax that group 2 names, "" where it names none, and where the data set begins."""
    syntax = ""
    while at + 8 <= len(view) and struct.unpack_from("<H", view, at)[0] == 2:
        group, element = struct.unpack_from("<HH", view, at)
        vr = bytes(view[at + 4 : at + 6])
        try:
            length, start = (
                (struct.unpack_from("<I", view, at + 8)[0], at + 12)
                if vr in _LONG
                else (struct.unpack_from("<H", view, at + 6)[0], at + 8)
            )
        except struct.error:
            raise Unreadable("is cut short in its header") from None
        if group << 16 | element == TRANSFER_SYNTAX:
            syntax = bytes(view[start : start + min(length, 64)]).decode("ascii", "replace").strip("\0 ")
        at = start + length
    return syntax, at


def _inflate(squeezed: memoryview, most: int) -> bytearray:
    """Raw deflate (PS3.5 annex A.5), never more than `most` bytes, nor so much from so little as no image
    makes for so long."""
    inflate, out, rest = zlib.decompressobj(-zlib.MAX_WBITS), bytearray(), squeezed
    try:
        while len(rest) and not inflate.eof:
            out += inflate.decompress(rest, _INFLATE_STEP)
            rest = inflate.unconsumed_tail
            if len(out) > most:
                raise Unreadable(f"inflates to more than {most / 2**20:,.0f} MiB")
            if len(out) > _RATIO_FLOOR and len(out) > _HIGHEST_RATIO * (len(squeezed) - len(rest)):
                raise Unreadable(f"inflates to more than {_HIGHEST_RATIO:,} times its size")
        out += inflate.flush() if inflate.eof else b""
    except zlib.error:
        raise Unreadable("is damaged in its deflated part") from None
    return out


def _encoding(view: memoryview, at: int, syntax: str) -> tuple[bool, bool]:
    """(explicit, little) of the data set: as its first element shows, since headers lie about it."""
    first = bytes(view[at : at + 8])
    little = syntax != BIG_ENDIAN
    if not syntax and len(first) >= 2 and first[0] == 0 and first[1] != 0:
        little = False
    return first[4:6] in _SHORT or first[4:6] in _LONG, little


class _Walker:
    """One pass over a data set, its sequences inside each other but never deeper than _DEEPEST."""

    def __init__(self, view: memoryview, found: Elements):
        self.view, self.found, self.seen = view, found, 0
        order = "<" if found.little else ">"
        self.tag, self.short, self.long = (struct.Struct(order + form) for form in ("HH", "H", "I"))

    def dataset(
        self, at: int, end: int, depth: int, explicit: bool, allowed: frozenset[int], kept: dict | None = None
    ) -> int:
        """Walk the elements from `at` to `end` or to the end of the item; the place behind."""
        kept = self.found.kept if depth == 0 else kept
        while at + 8 <= end:
            tag, vr, length, value = self.header(at, explicit)
            if tag == _ITEM_END:
                return value
            if depth == 0 and tag == PIXEL_DATA:
                self.pixels(vr, length, value)
                return end
            self.found.float_pixels |= tag in FLOAT_PIXELS
            if length == _UNDEFINED or vr == b"SQ":
                # Of unknown representation and undefined length: implicit inside (PS3.5 section 6.2.2).
                inside = explicit and vr != b"UN"
                known = tag in allowed and tag in INSIDE and inside == explicit
                body, at = self.sequence(
                    value, end, length, depth + 1, inside, INSIDE[tag] if known else None
                )
                if known:
                    kept[tag] = self.sequence_bytes(tag, explicit, body)
                continue
            after = value + length
            if after > end:
                raise Unreadable("is cut short in its header, or damaged")
            if tag in allowed and tag not in INSIDE:
                if length <= _LONGEST_VALUE:
                    kept[tag] = bytes(self.view[at:after])
            elif length:
                self.drop(tag, vr, value, after)
            at = after
        return end

    def header(self, at: int, explicit: bool) -> tuple[int, bytes, int, int]:
        """(tag, value representation, length, where the value begins) of the element at `at`."""
        self.seen += 1
        if self.seen > _MOST_ELEMENTS:
            raise Unreadable(f"is made of more than {_MOST_ELEMENTS:,} elements")
        try:
            group, element = self.tag.unpack_from(self.view, at)
            tag = group << 16 | element
            if group == 0xFFFE:
                return tag, b"", self.long.unpack_from(self.view, at + 4)[0], at + 8
            if not explicit:
                vr = _dictionary(tag)
                return tag, vr, self.long.unpack_from(self.view, at + 4)[0], at + 8
            vr = bytes(self.view[at + 4 : at + 6])
            if vr in _LONG:
                return tag, vr, self.long.unpack_from(self.view, at + 8)[0], at + 12
            return tag, vr, self.short.unpack_from(self.view, at + 6)[0], at + 8
        except struct.error:
            raise Unreadable("is cut short in its header, or damaged") from None

    def sequence(
        self, at: int, end: int, length: int, depth: int, explicit: bool, allowed: frozenset[int] | None
    ) -> tuple[bytes, int]:
        """The kept items of a sequence, in order, and the place behind it."""
        if depth > _DEEPEST:
            raise Unreadable(f"nests sequences more than {_DEEPEST} deep")
        undefined = length == _UNDEFINED
        if not undefined:
            if at + length > end:
                raise Unreadable("is cut short in its header, or damaged")
            end = at + length
        items = bytearray()
        while at + 8 <= end:
            tag, _, size, value = self.header(at, explicit)
            if tag == _SEQUENCE_END:
                return bytes(items), value
            if tag != _ITEM:
                raise Unreadable("holds a sequence that is damaged")
            kept: dict[int, bytes] = {}
            stop = end if size == _UNDEFINED else value + size
            if stop > end:
                raise Unreadable("is cut short in its header, or damaged")
            at = self.dataset(value, stop, depth, explicit, allowed or frozenset(), kept)
            if allowed is not None:
                inside = b"".join(kept[key] for key in sorted(kept))
                items += self.item(_ITEM, len(inside)) + inside
        if undefined:
            raise Unreadable("is cut short in its header, or damaged")
        return bytes(items), end

    def item(self, tag: int, length: int) -> bytes:
        return self.tag.pack(tag >> 16, tag & 0xFFFF) + self.long.pack(length)

    def sequence_bytes(self, tag: int, explicit: bool, items: bytes) -> bytes:
        head = self.tag.pack(tag >> 16, tag & 0xFFFF)
        return head + (b"SQ\0\0" if explicit else b"") + self.long.pack(len(items)) + items

    def drop(self, tag: int, vr: bytes, value: int, after: int) -> None:
        if tag == _CHARACTER_SET:
            self.found.character_set = bytes(self.view[value : min(after, value + 256)])
        if vr in _WORDS:
            text = bytes(self.view[value : min(after, value + _LONGEST_WORDS)])
            self.found.dropped.append(Dropped(tag, vr.decode("ascii"), text))

    def pixels(self, vr: bytes, length: int, value: int) -> None:
        self.found.encapsulated = length == _UNDEFINED
        self.found.pixels_vr = vr if vr in (b"OB", b"OW") else b"OW"
        # Native pixels that are cut short are told by their size, once that is known.
        self.found.pixels = (
            self.view[value:] if self.found.encapsulated else self.view[value : value + length]
        )


def _dictionary(tag: int) -> bytes:
    """The value representation of a tag by the standard's dictionary; of a private one UN."""
    if tag in INSIDE:
        return b"SQ"
    from pydicom.datadict import DicomDictionary

    entry = DicomDictionary.get(tag)
    return entry[0][:2].encode("ascii") if entry else b"UN"
