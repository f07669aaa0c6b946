"""Texts, EXIF and positions cut out of PNG and JPEG files; not a pixel is encoded again.

Of EXIF the orientation alone is kept, since the image would otherwise lie on its side.
"""

from __future__ import annotations

import io
import struct
import zlib

from models.study.structure import image_format

_PNG_WORDS = {b"tEXt", b"zTXt", b"iTXt", b"tIME", b"eXIf", b"iCCP"}
_PNG_HEAD = 8
# APP1 (EXIF, XMP), APP3 to APP13 (makers' and Photoshop's), COM; JFIF, ICC and Adobe's APP14 stay.
_JPEG_WORDS = {0xE1, *range(0xE3, 0xEE), 0xEF, 0xFE}


def stripped(content: bytes) -> bytes:
    """The file without what it tells besides its pixels; as it is where damaged or of another format."""
    form = image_format(content)
    if form == "PNG":
        return _png(content)
    return _jpeg(content) if form == "JPEG" else content


def _png(content: bytes) -> bytes:
    out, at = bytearray(content[:_PNG_HEAD]), _PNG_HEAD
    turn = _exif(_orientation(content))
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        kind, after = content[at + 4 : at + 8], at + 12 + length
        if after > len(content):
            return content
        if kind == b"IDAT" and turn:
            out += struct.pack(">I", len(turn)) + b"eXIf" + turn
            out += struct.pack(">I", zlib.crc32(b"eXIf" + turn))
            turn = b""
        if kind not in _PNG_WORDS:
            out += content[at:after]
        at = after
        if kind == b"IEND":
            break
    return bytes(out)


def _jpeg(content: bytes) -> bytes:
    out, at = bytearray(content[:2]), 2
    turn = _exif(_orientation(content))
    if turn:
        out += b"\xff\xe1" + struct.pack(">H", len(turn) + 8) + b"Exif\0\0" + turn
    while at + 4 <= len(content) and content[at] == 0xFF and content[at + 1] != 0xDA:
        marker = content[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        after = at + 2 + max(2, struct.unpack_from(">H", content, at + 2)[0])
        if marker not in _JPEG_WORDS:
            out += content[at:after]
        at = after
    end = content.rfind(b"\xff\xd9", at)
    if at >= len(content) or content[at : at + 1] != b"\xff" or end < 0:
        return content
    return bytes(out) + content[at : end + 2]


def _orientation(content: bytes) -> int:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=["PNG", "JPEG"]) as image:
            value = image.getexif().get(0x0112, 1)
    except Exception:
        return 1
    return value if value in range(2, 9) else 1


def _exif(orientation: int) -> bytes:
    """A TIFF structure with the orientation alone, empty for an upright image."""
    if orientation == 1:
        return b""
    return b"II*\0" + struct.pack("<IHHHII I".replace(" ", ""), 8, 1, 0x0112, 3, 1, orientation, 0)
