"""The one place where an image file is opened: bytes to the first frame, as a Pillow image.

OpenCV is never given a stranger's bytes: it allocates what a header promises. Pillow is held to a list of
formats, and a file's structure and size are checked before it decodes a pixel.
"""

from __future__ import annotations

import ctypes
import functools
import io
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path

import PIL
from PIL import Image

from models.errors import BadInput
from models.study.limits import Limits
from models.study.structure import Structure, image_format, overfull_png, structure

READABLE = "DICOM, PNG, JPEG, BMP, TIFF or GIF"

# Remarks such as "Corrupt EXIF data" would reach stderr, where one sentence is promised; sizes are checked
# below, more strictly than by Pillow's bomb warning.
warnings.filterwarnings("ignore", module=r"PIL\.")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
logging.getLogger("PIL").addHandler(logging.NullHandler())

_ORIENTATION_TAG = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PHOTOMETRIC_TAG, _TILE_WIDTH_TAG, _TILE_LENGTH_TAG = 262, 322, 323
_LARGEST_TILE = 4 * 1024 * 1024
_KNOWN_BUT_UNREAD = (
    (0, b"%PDF", "a PDF document"),
    (8, b"WEBP", "a WebP image"),
    (4, b"ftyp", "a HEIC, AVIF or video file"),
    (0, b"\x00\x00\x00\x0cjP", "a JPEG 2000 image"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
)


@dataclass(frozen=True)
class Raster:
    """First frame of a file, upright.

    image: decoded Pillow image. form: PNG, JPEG, BMP, TIFF or GIF. rawmode: the decoder's name for the stored
    samples, such as "RGB;16B". white_is_zero: True where the file says that 0 is white and Pillow left it so.
    """

    image: Image.Image
    form: str
    rawmode: str
    white_is_zero: bool
    notices: tuple[str, ...]


def open_raster(data: bytes, name: str, limits: Limits) -> Raster:
    """Decode the first frame of an image file; BadInput for all that is not a whole, readable image."""
    form = _readable_format(data, name)
    announced = structure(data, form, limits.max_parts, limits.max_frames)
    _check_structure(announced, name, limits)
    if form == "TIFF":
        _silence_libtiff()
    try:
        image = Image.open(io.BytesIO(data), formats=[form])
        _check_size(image, name, limits)
        if form == "PNG" and overfull_png(data):
            raise BadInput(
                f'"{name}" holds far more data than its {image.width} x {image.height} pixels need: '
                "save it again as a plain PNG."
            )
        rawmode, white_is_zero = _rawmode(image), _white_is_zero(image)
        orientation = _orientation(image)
        image.load()
        _check_size(image, name, limits)
        if form != "TIFF" and orientation in _TURNS:  # of a TIFF, Pillow does it while loading
            image = image.transpose(_TURNS[orientation])
    except BadInput:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadInput(_too_large(name, limits)) from error
    except Exception as error:
        # Pillow's decoders fail on damage in many ways (OSError, SyntaxError, ValueError, struct.error, ...);
        # whichever it is, this file cannot be shown.
        raise BadInput(
            f'"{name}" cannot be read as a {form} image: it is damaged, cut short or of an unusual kind; '
            "export it again."
        ) from error
    notices = _frame_notices(image, form, announced)
    if orientation in _TURNS:
        notices += (f"The image was turned upright as its file says (EXIF orientation {orientation}).",)
    return Raster(image, form, rawmode, white_is_zero, notices)


@functools.cache
def _silence_libtiff() -> None:
    """Keep libtiff from printing its own complaints on stderr; Pillow raises what matters anyway.

    The library is the one inside Pillow's wheel (Linux, macOS). Where it is not found, it stays as it is.
    """
    package = Path(PIL.__file__).parent
    for path in (*package.parent.glob("pillow.libs/libtiff-*"), *package.glob(".dylibs/libtiff.*")):
        try:
            library = ctypes.CDLL(str(path))
            for handler in (library.TIFFSetErrorHandler, library.TIFFSetWarningHandler):
                handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
                handler(None)
        except (OSError, AttributeError):
            continue


def _readable_format(data: bytes, name: str) -> str:
    if data[128:132] == b"DICM":
        raise BadInput(f'"{name}" is a DICOM file, and an image is wanted here: export it as PNG or TIFF.')
    form = image_format(data)
    if form is not None:
        return form
    kind = next((kind for at, mark, kind in _KNOWN_BUT_UNREAD if data.startswith(mark, at)), None)
    found = f"is {kind}" if kind else "is not an image, whatever its name says"
    raise BadInput(f'"{name}" {found}: choose a {READABLE} file.')


def _check_structure(announced: Structure, name: str, limits: Limits) -> None:
    if announced.frames > limits.max_frames:
        raise BadInput(
            f'"{name}" holds more than {limits.max_frames:,} frames: export the one that is to be read.'
        )
    if announced.parts > limits.max_parts or announced.scans > limits.max_scans:
        raise BadInput(f'"{name}" is made of too many parts to be read safely: save it again as a plain PNG.')


def _check_size(image: Image.Image, name: str, limits: Limits) -> None:
    width, height = image.size
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        raise BadInput(_too_large(name, limits, f"is {width:,} x {height:,} pixels"))
    tags = getattr(image, "tag_v2", {})
    tile = [tags.get(_TILE_WIDTH_TAG, 0), tags.get(_TILE_LENGTH_TAG, 0)]
    whole = all(isinstance(side, int) for side in tile)
    if not whole or tile[0] * tile[1] > max(_LARGEST_TILE, width * height):
        # A small TIFF may declare one tile of gigabytes, and the decoder would allocate it.
        raise BadInput(
            f'"{name}" declares tiles that are larger than its image: save it again as a plain PNG.'
        )


def _too_large(name: str, limits: Limits, found: str = "has too many pixels") -> str:
    most = f"{limits.max_pixels / 1e6:g} million pixels and {limits.max_side:,} a side"
    return f'"{name}" {found} and the limit is {most}: export a smaller image.'


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1..8; 1 where there is none or it cannot be read, since the pixels are still good."""
    try:
        tags = getattr(image, "tag_v2", None)
        value = image.getexif().get(_ORIENTATION_TAG, 1) if tags is None else tags.get(_ORIENTATION_TAG, 1)
        return value if value in _TURNS else 1
    except Exception:
        return 1


def _rawmode(image: Image.Image) -> str:
    arguments = image.tile[0].args if getattr(image, "tile", None) else ""
    first = arguments[0] if isinstance(arguments, tuple | list) and arguments else arguments
    return first if isinstance(first, str) else ""


def _white_is_zero(image: Image.Image) -> bool:
    """Pillow inverts WhiteIsZero TIFFs of up to 8 bits itself, and leaves those of 16 bits as they are."""
    return image.mode.startswith("I;16") and getattr(image, "tag_v2", {}).get(_PHOTOMETRIC_TAG) == 0


def _frame_notices(image: Image.Image, form: str, announced: Structure) -> tuple[str, ...]:
    if form == "TIFF" and announced.frames > 1:
        return (f"Multi-page file: the first of {announced.frames:,} pages is used.",)
    if form in ("PNG", "GIF") and announced.frames > 1:
        return (f"Animated file: the first of {announced.frames:,} frames is used.",)
    pictures = getattr(image, "n_frames", 1) if form == "JPEG" else 1
    if pictures > 1:
        return (f"File of several pictures: the first of {pictures:,} pictures is used.",)
    return ()
