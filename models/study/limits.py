"""How much of a stranger's file the program is willing to take on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Upper bounds, each checked before the work it bounds is begun.

    max_bytes: size of the file; max_dicom_bytes: of a DICOM, which may hold many frames of which one is
    decoded, and of what a deflated one inflates to. max_pixels: width times height as the header states
    them, before decoding. max_side: the longer side in pixels. max_frames: frames of an animation or of a
    DICOM, or pages of a TIFF. max_parts: chunks, segments, scans or table entries inside the file; a
    legitimate image has few, and a decoder that keeps a record of each can be made to fill the memory from a
    small file.
    max_scans: passes of a progressive JPEG, each of which costs as much time as the whole image.
    Pillow's own ceiling (about 179 million pixels) stays in force above max_pixels.
    """

    max_bytes: int = 64 * 1024 * 1024
    max_dicom_bytes: int = 512 * 1024 * 1024
    max_pixels: int = 50_000_000
    max_side: int = 65_535
    max_frames: int = 2_000
    max_parts: int = 65_536
    max_scans: int = 256
