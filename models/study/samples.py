"""A decoded Pillow image of any mode -> samples of 8 or 16 bits, grey or RGB.

Pillow's modes: https://pillow.readthedocs.io/en/stable/handbook/concepts.html#modes
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from models.errors import BadInput
from models.study.raster import Raster

_DEPTHS = (255, 1023, 4095, 16383, 65535)


@dataclass(frozen=True)
class Samples:
    """values: uint8 or uint16 [H, W, C], C 1 or 3. depth_max: the value that means 1.0. notices: sentences.

    depth_max is one of 255, 1023, 4095, 16383, 65535.
    """

    values: np.ndarray
    depth_max: int
    notices: tuple[str, ...] = ()


def samples_of(raster: Raster, name: str) -> Samples:
    """The samples of a decoded image, transparency laid on black; BadInput where there is no grey or RGB."""
    image = raster.image
    if image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.uint16)
        if raster.white_is_zero:
            values = 65535 - values
        return _deep(_key_to_black(values, image))
    if image.mode in ("I", "F"):
        return _numbers(np.asarray(image), name)
    values = np.asarray(_on_black(image, name))
    notices = ()
    if ";16" in raster.rawmode:
        notices = ("The file has 16 bits a channel, of which the upper 8 are used.",)
    if values.ndim == 2:
        return Samples(values[..., None], 255, notices)
    if np.array_equal(values[..., 0], values[..., 1]) and np.array_equal(values[..., 0], values[..., 2]):
        # Greyscale screens are often saved as colour; the network is to see the same image either way.
        values = np.ascontiguousarray(values[..., :1])
    return Samples(values, 255, notices)


def _on_black(image: Image.Image, name: str) -> Image.Image:
    """Mode L or RGB, with transparent parts black: a hole in an image is no tissue."""
    if image.has_transparency_data:
        if image.mode not in ("LA", "RGBA"):
            image = image.convert("RGBA")
        alpha = image.getchannel("A")
        if alpha.getextrema()[1] == 0:
            raise BadInput(f'"{name}" is transparent everywhere: export it without transparency.')
        plain = image.convert("L" if image.mode == "LA" else "RGB")
        if alpha.getextrema()[0] == 255:
            return plain
        black = Image.new(plain.mode, plain.size)
        black.paste(plain, mask=alpha)
        return black
    if image.mode in ("L", "RGB"):
        return image
    try:
        return image.convert("L" if image.mode == "1" else "RGB")
    except ValueError as error:
        raise BadInput(
            f'"{name}" stores colour as {image.mode}, which is not read: export it as RGB.'
        ) from error


def _key_to_black(values: np.ndarray, image: Image.Image) -> np.ndarray:
    """A 16-bit PNG may name one grey value as transparent (tRNS)."""
    key = image.info.get("transparency")
    return np.where(values == key, 0, values).astype(np.uint16) if isinstance(key, int) else values


def _deep(values: np.ndarray, notices: tuple[str, ...] = ()) -> Samples:
    """uint16 [H, W] -> the depth it really uses: scanners store 10, 12 or 14 bits in 16."""
    brightest = int(values.max())
    depth_max = next(depth for depth in _DEPTHS if depth >= brightest)
    notice = f"More than 8 bits a sample: the brightest is {brightest:,}, so {depth_max:,} is taken as white."
    dtype = np.uint8 if depth_max == 255 else np.uint16
    return Samples(values.astype(dtype)[..., None], depth_max, (notice, *notices))


def _numbers(values: np.ndarray, name: str) -> Samples:
    """Mode I (int32) or F (float32) [H, W]: as they are where they are 16-bit samples, else rescaled."""
    if not np.isfinite(values).all():
        raise BadInput(f'"{name}" holds pixels that are not numbers: export it as an 8- or 16-bit image.')
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 65535 and (values.dtype.kind == "i" or np.array_equal(values, np.rint(values))):
        return _deep(values.astype(np.uint16))
    if not (low >= 0 and high <= 1):
        notice = (
            f"Values from {low:g} to {high:g} were rescaled to 16 bits, the lowest black, the highest white."
        )
        values = (values.astype(np.float64) - low) / ((high - low) or 1.0)
    else:
        notice = "Values between 0 and 1 were stored with 16 bits."
    return Samples(np.rint(values * 65535.0).astype(np.uint16)[..., None], 65535, (notice,))
