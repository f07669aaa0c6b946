"""Whole-slide images: a file of gigapixels, of which one region is decoded at a time; the one place of
OpenSlide.

Neither the label nor the macro picture of a slide is ever opened (both may show a name), and of its
properties only an allow-list is read: micrometres per pixel, the objective, the sizes of its tiles.
"""

from __future__ import annotations

import hashlib
import math
import stat
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import BadInput
from models.study.limits import Limits
from models.study.slide_limits import Level, SlideLimits
from models.study.source import display_name

if TYPE_CHECKING:
    from openslide import OpenSlide

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_OTHER_HEADS = (b"SQLite format 3\0", b"ZISRAWFILE")
_BY_NAME = (".mrxs", ".vms", ".vmu")
_SLIDE_DICOM = b"1.2.840.10008.5.1.4.1.1.77.1.6"  # VL Whole Slide Microscopy Image Storage, PS3.4 B.5
_HEAD, _TAIL = 1024 * 1024, 1024 * 1024
_CACHE_BYTES = 64 * 1024 * 1024
#: The only properties that are looked at, besides the tiles' sizes; everything else (barcodes, dates, users,
#: the scanner's free text) stays unread.
READ_PROPERTIES = ("openslide.mpp-x", "openslide.mpp-y", "openslide.objective-power")
#: Micrometres per pixel that a slide may have: 400x to a picture of the whole glass. A TIFF that says 72 dots
#: an inch has a printer's default, not a scale.
_FINEST, _COARSEST = 0.02, 40.0
_MOST_UNEQUAL = 1.1
_LEAST_BLOCK, _MOST_HOLES = 48, 400

VENDORS = {
    "aperio": "Aperio",
    "dicom": "DICOM",
    "generic-tiff": "Tiled TIFF",
    "hamamatsu": "Hamamatsu",
    "leica": "Leica",
    "mirax": "MIRAX",
    "philips-tiff": "Philips",
    "sakura": "Sakura",
    "trestle": "Trestle",
    "ventana": "Ventana",
    "zeiss": "Zeiss",
}


def slide_format(path: str | Path) -> str | None:
    """OpenSlide's name of the format ("aperio", "hamamatsu", "generic-tiff", ...) or None for no slide.

    Told by content (MIRAX and Hamamatsu VMS also by ending: their head is a plain JPEG or text). A plain
    tiled TIFF counts where it is a pyramid or larger than what is read as one image. No slide is opened for
    a file that cannot be one.
    """
    path = Path(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode) or not _may_be_slide(path):
            return None
        from openslide import OpenSlide, OpenSlideError

        vendor = OpenSlide.detect_format(str(path))
        if vendor != "generic-tiff":
            return vendor
        with OpenSlide(str(path)) as handle:
            width, height = handle.dimensions
            limits = Limits()
            large = width * height > limits.max_pixels or max(width, height) > limits.max_side
            return vendor if handle.level_count > 1 or large else None
    except (OSError, ValueError):
        return None
    except OpenSlideError:
        return None


def _may_be_slide(path: Path) -> bool:
    if path.suffix.lower() in _BY_NAME:
        return True
    with path.open("rb") as file:
        head = file.read(4096)
    if head[128:132] == b"DICM":
        return _SLIDE_DICOM in head
    return head.startswith(_TIFF) or head.startswith(_OTHER_HEADS)


def open_slide(path: str | Path, limits: SlideLimits | None = None, *, mpp: float | None = None) -> Slide:
    """Open a whole-slide image. mpp: micrometres per pixel at full size, where the file does not say or says
    wrong. BadInput, one sentence, for whatever is not a readable slide within the limits."""
    path, limits = Path(path), limits or SlideLimits()
    name = display_name(path)
    _check_file(path, name)
    vendor = slide_format(path)
    if vendor is None:
        raise BadInput(
            f'"{name}" is not a whole-slide image, whatever its name says, or is cut short: choose a slide '
            "that OpenSlide reads (SVS, NDPI, MRXS, SCN, BIF, DICOM) or a tiled pyramidal TIFF."
        )
    if mpp is not None and not (math.isfinite(mpp) and _FINEST <= mpp <= _COARSEST):
        raise BadInput(
            f"{mpp:g} micrometres per pixel is no slide's scale: give the one of the full size, "
            f"{_FINEST:g} to {_COARSEST:g} (0.25 of a usual scan at 40x)."
        )
    handle = _opened(path, name)
    try:
        _check_size(handle, name, limits)
        return Slide(path, name, vendor, handle, limits, mpp)
    except BaseException:
        handle.close()
        raise


class Slide:
    """A whole-slide image, open. Safe to read from many threads; close it, or use it in a `with`.

    width, height: pixels at full size. mpp: micrometres per pixel at full size, or None where unknown.
    mpp_given: whether a person said so and not the file. objective: the scan's magnification, or None.
    levels: the pyramid, full size first. vendor: OpenSlide's name of the format. digest: sha256 of the file's
    size and its first and last MiB, in hexadecimal: the whole of a file of gigabytes is not read to tell two
    slides apart, so two that differ in their middle alone are one by it. name: for display. holes: damaged
    parts met while a thumbnail was read.
    """

    def __init__(
        self, path: Path, name: str, vendor: str, handle: OpenSlide, limits: SlideLimits, mpp: float | None
    ) -> None:
        self.name, self.vendor, self.limits = name, vendor, limits
        self._path, self._lock = path, threading.Lock()
        self._handle: OpenSlide | None = handle
        self.width, self.height = handle.dimensions
        self.levels = tuple(
            Level(*size, float(downsample))
            for size, downsample in zip(handle.level_dimensions, handle.level_downsamples, strict=True)
        )
        own, self.objective = _scale(handle.properties)
        self.mpp, self.mpp_given = (own, False) if mpp is None else (float(mpp), True)
        self.digest = _digest(path)
        self.holes = 0

    def __enter__(self) -> Slide:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def title(self) -> str:
        """Format, size and scale, for people; nothing of the file's name."""
        scale = f", {self.mpp:.3g} µm per pixel" if self.mpp else ""
        return (
            f"{VENDORS.get(self.vendor, self.vendor)} slide, {self.width:,} x {self.height:,} pixels{scale}"
        )

    def close(self) -> None:
        """Give the file back; nothing can be read afterwards."""
        # Only let go: closing it under a thread that reads would take its memory away. It closes itself.
        with self._lock:
            self._handle = None

    def region(
        self,
        x: float,
        y: float,
        width: int,
        height: int,
        *,
        mpp: float | None = None,
        level: int | None = None,
    ) -> np.ndarray:
        """uint8 RGB [height, width, 3] of the part whose top left corner is (x, y) in full-size pixels.

        width, height: pixels of what is returned, at `mpp` micrometres each (averaged down from the next
        finer level) or as stored at `level` (0 where neither is given). What lies outside the slide, or was
        not scanned, is white. BadInput where the slide has no scale for `mpp`, or the file is damaged there.
        """
        if mpp is None:
            return self._scaled(x, y, width, height, self.levels[level or 0].downsample)
        if self.mpp is None:
            raise BadInput(NO_SCALE)
        return self._scaled(x, y, width, height, mpp / self.mpp)

    def thumbnail(self, side: int) -> np.ndarray:
        """uint8 RGB [h, w, 3] of the whole slide, its longer side `side` pixels, averaged down block by
        block: memory does not grow with the slide. Damaged parts are white, and `holes` counts them.

        BadInput where it is too large and has no pyramid, or too much of it is damaged.
        """
        factor = max(self.width, self.height) / side
        size = max(1, round(self.width / factor)), max(1, round(self.height / factor))
        source = self.levels[self._level_for(factor)]
        if source.width * source.height > self.limits.max_thumbnail_source:
            raise BadInput(
                f'"{self.name}" has no smaller copies of itself inside and is too large to be looked at '
                "without: save it as a pyramidal TIFF."
            )
        canvas = np.empty((size[1], size[0], 3), np.uint8)
        # Blocks of some four megapixels at the level they are read from.
        step = max(1, int(2048 * source.downsample / factor))
        for top in range(0, size[1], step):
            for left in range(0, size[0], step):
                rows, columns = min(step, size[1] - top), min(step, size[0] - left)
                # Rounded sizes differ by a little between the axes: each has its own factor.
                fx, fy = self.width / size[0], self.height / size[1]
                part = canvas[top : top + rows, left : left + columns]
                self._fill(part, left, top, fx, fy)
        return canvas

    def _fill(self, part: np.ndarray, left: int, top: int, fx: float, fy: float) -> None:
        """Read a block of a thumbnail into its place; where it is damaged, in quarters, down to a few pixels,
        which are left white."""
        rows, columns = part.shape[:2]
        try:
            part[:] = self._scaled(left * fx, top * fy, columns, rows, fx, fy)
        except BadInput:
            if max(rows, columns) <= _LEAST_BLOCK:
                part[:] = 255
                self.holes += 1
                if self.holes > _MOST_HOLES:
                    raise
                return
            middle, centre = -(-rows // 2), -(-columns // 2)
            for down in (slice(0, middle), slice(middle, rows)):
                for across in (slice(0, centre), slice(centre, columns)):
                    if part[down, across].size:
                        self._fill(part[down, across], left + across.start, top + down.start, fx, fy)

    def _level_for(self, downsample: float) -> int:
        """The coarsest level that is fine enough, with a little tolerance for rounded downsamples."""
        fits = [i for i, level in enumerate(self.levels) if level.downsample <= downsample * 1.01]
        return max(fits, key=lambda i: self.levels[i].downsample) if fits else 0

    def _scaled(
        self, x: float, y: float, width: int, height: int, across: float, down: float | None = None
    ) -> np.ndarray:
        down = across if down is None else down
        at = self._level_for(min(across, down))
        inner = self.levels[at].downsample
        read = max(1, round(width * across / inner)), max(1, round(height * down / inner))
        if read[0] * read[1] > self.limits.max_region or width * height > self.limits.max_region:
            raise BadInput(
                f'A region of "{self.name}" of {read[0]:,} x {read[1]:,} pixels is too large to be read at '
                "once: choose smaller tiles, or a slide that holds smaller copies of itself (a pyramid)."
            )
        pixels = self._read(round(x), round(y), at, read)
        if read == (width, height):
            return pixels
        import cv2

        shrinks = read[0] >= width and read[1] >= height
        return cv2.resize(
            pixels, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        )

    def _read(self, x: int, y: int, level: int, size: tuple[int, int]) -> np.ndarray:
        from openslide import OpenSlideError

        handle = self._handle
        if handle is None:
            raise BadInput(f'"{self.name}" was closed while it was read: open it again.')
        try:
            image = handle.read_region((x, y), level, size)
        except OpenSlideError:
            # After one damaged tile OpenSlide's handle refuses every other one, in every thread: this part is
            # asked for again with a handle of its own before it is called damaged.
            self._replace(handle)
            try:
                image = _opened(self._path, self.name).read_region((x, y), level, size)
            except OpenSlideError as error:
                raise BadInput(
                    f'"{self.name}" is damaged or cut short at x {x:,}, y {y:,}: copy it again from its '
                    "source."
                ) from error
        return _on_white(np.asarray(image))

    def _replace(self, broken: OpenSlide) -> None:
        """Open the file anew; the broken handle goes when the last thread that reads with it is through."""
        with self._lock:
            if self._handle is broken:
                self._handle = _opened(self._path, self.name)


NO_SCALE = (
    "The slide's file does not say how many micrometres a pixel is: give it (--mpp; 0.25 of a usual scan at "
    "40x, 0.5 at 20x)."
)


def _check_file(path: Path, name: str) -> None:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise BadInput(f'There is no file "{name}" at the path given: check the path.') from error
    if not stat.S_ISREG(status.st_mode):
        raise BadInput(f'"{name}" is not a regular file: give a slide.')
    if status.st_size == 0:
        raise BadInput(f'"{name}" is empty: choose a slide.')
    if not _readable(path):
        raise BadInput(f'"{name}" may not be read by this user: change its permissions.')


def _readable(path: Path) -> bool:
    try:
        with path.open("rb"):
            return True
    except OSError:
        return False


def _opened(path: Path, name: str) -> OpenSlide:
    from openslide import OpenSlide, OpenSlideCache, OpenSlideError

    try:
        handle = OpenSlide(str(path))
    except (OSError, OpenSlideError, ValueError) as error:
        raise BadInput(
            f'"{name}" is damaged, cut short or lacks files that belong to it: copy it again from its source '
            "(a MIRAX or VMS slide is a folder of files beside its first one)."
        ) from error
    handle.set_cache(OpenSlideCache(_CACHE_BYTES))
    return handle


def _check_size(handle: OpenSlide, name: str, limits: SlideLimits) -> None:
    width, height = handle.dimensions
    if max(width, height) > limits.max_side or min(width, height) < 1:
        raise BadInput(
            f'"{name}" is {width:,} x {height:,} pixels and the limit is {limits.max_side:,} a side: '
            "export a smaller part of it."
        )
    if handle.level_count > limits.max_levels:
        raise BadInput(f'"{name}" has {handle.level_count:,} levels, which no slide has: export it again.')
    for level in range(handle.level_count):
        for side in ("width", "height"):
            tile = _number(handle.properties.get(f"openslide.level[{level}].tile-{side}"))
            if tile is not None and tile > limits.max_tile:
                raise BadInput(
                    f'"{name}" is stored in tiles of more than {limits.max_tile:,} pixels, each of which '
                    "would be decoded whole: save it again with tiles of 256 or 512 pixels."
                )


def _scale(properties: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Micrometres per pixel and the objective, each None where it is missing or cannot be true."""
    mpp_x, mpp_y, objective = (_number(properties.get(name)) for name in READ_PROPERTIES)
    mpp = None
    if mpp_x and mpp_y and max(mpp_x, mpp_y) <= _MOST_UNEQUAL * min(mpp_x, mpp_y):
        mpp = math.sqrt(mpp_x * mpp_y)
    mpp = mpp if mpp is not None and _FINEST <= mpp <= _COARSEST else None
    return mpp, objective if objective is not None and 0 < objective <= 400 else None


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        size = file.seek(0, 2)
        digest.update(str(size).encode())
        file.seek(0)
        digest.update(file.read(_HEAD))
        file.seek(max(0, size - _TAIL))
        digest.update(file.read(_TAIL))
    return digest.hexdigest()


def _on_white(rgba: np.ndarray) -> np.ndarray:
    """uint8 RGBA [h, w, 4] -> RGB, laid on white as glass is."""
    alpha = rgba[..., 3]
    if alpha.min(initial=255) == 255:
        return np.ascontiguousarray(rgba[..., :3])
    share = alpha[..., None].astype(np.float32) / 255.0
    return np.rint(rgba[..., :3] * share + 255.0 * (1.0 - share)).astype(np.uint8)
