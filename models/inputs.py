"""From a study to a network's input, and from a heatmap back onto the study.

`InputSpec` says what a network expects; `Placement` remembers where the study lies inside that input, so that
a map of any grid returns onto the native image by one bilinear warp. Training and inference share this
module: an image that is resized in two ways is an image the network was not trained on.

Coordinates are continuous, with half-pixel centres: pixel i covers [i, i + 1), its centre is i + 0.5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from models.errors import BadInput
from models.steps import STEPS, apply_steps

if TYPE_CHECKING:
    from models.study import Study

Fit = Literal["pad", "stretch"]
Interpolation = Literal["area", "linear", "nearest"]

# ITU-R BT.601 luma, the weights of a scanner's grey picture that was saved as colour.
REC_601 = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Placement:
    """Where a native image lies inside a network's input.

    native: (H, W) of the study in pixels. input: (h, w) of the network's input in pixels.
    box: (top, left, height, width) of the content rectangle in input pixels; the native image fills it
    exactly, whatever is outside is padding.
    """

    native: tuple[int, int]
    input: tuple[int, int]
    box: tuple[float, float, float, float]

    @classmethod
    def fitting(cls, native: tuple[int, int], input: tuple[int, int], fit: Fit = "pad") -> Placement:
        """Place an image of size `native` into `input`: "pad" keeps the aspect ratio, "stretch" fills it.

        The content rectangle lies on whole pixels, since that is what resizing produces, and is centred: of
        an odd number of padding pixels the spare one goes to the bottom or right. No side falls below one.
        """
        native, input = (int(native[0]), int(native[1])), (int(input[0]), int(input[1]))
        if min(*native, *input) < 1:
            raise ValueError(f"An image of {native} pixels cannot be placed into an input of {input} pixels.")
        height, width = input
        if fit == "pad":
            scale = min(input[0] / native[0], input[1] / native[1])
            height = min(height, max(1, round(native[0] * scale)))
            width = min(width, max(1, round(native[1] * scale)))
        top, left = (input[0] - height) // 2, (input[1] - width) // 2
        return cls(native, input, (float(top), float(left), float(height), float(width)))

    def to_native(self, grid: np.ndarray) -> np.ndarray:
        """A map on any grid [gh, gw], stretched over the whole input -> float32 [H, W] on the native image.

        One bilinear warp with half-pixel centres; beyond the outermost cell centres the edge value repeats.
        Values keep their sign and unit (a value per grid cell stays a value per grid cell).
        """
        grid = np.asarray(grid, dtype=np.float32)
        if grid.ndim != 2 or grid.size == 0:
            raise ValueError(f"A map must be a grid [gh, gw], not an array of shape {grid.shape}.")
        if grid.shape == self.native and self._is_identity():
            return grid.copy()
        top, left, height, width = self.box
        across = _linear_weights(self.native[1], grid.shape[1], left, width, self.input[1])
        down = _linear_weights(self.native[0], grid.shape[0], top, height, self.input[0])
        return _blend_rows(np.ascontiguousarray(_blend_rows(grid.T, across).T), down)

    def to_input(self, native: np.ndarray, interpolation: Interpolation = "area") -> np.ndarray:
        """An array on the native image, [H, W] or [H, W, C] -> the same in the input, [h, w(, C)], padding 0.

        "area" averages where the image shrinks and interpolates linearly where it grows (of a mask: the share
        of each pixel that is lesion, 0..1); "linear" interpolates in both; "nearest" keeps the dtype and the
        set of values. The first two give float32.
        """
        native = np.asarray(native)
        if native.ndim not in (2, 3) or native.shape[:2] != self.native:
            raise ValueError(f"An array of shape {native.shape} does not lie on an image of {self.native}.")
        if native.ndim == 2:
            return self._insert(native, interpolation)
        planes = [self._insert(native[..., c], interpolation) for c in range(native.shape[2])]
        return np.stack(planes, axis=-1)

    def content(self) -> np.ndarray:
        """bool [h, w]: True on pixels whose centre lies in the content rectangle, False on padding."""
        top, left, height, width = self.box
        rows = np.arange(self.input[0]) + 0.5
        columns = np.arange(self.input[1]) + 0.5
        inside_rows = (rows >= top) & (rows < top + height)
        inside_columns = (columns >= left) & (columns < left + width)
        return inside_rows[:, None] & inside_columns[None, :]

    def content_share(self, gh: int, gw: int) -> np.ndarray:
        """float32 [gh, gw] in 0..1: the fraction of each grid cell's area that is image and not padding."""
        top, left, height, width = self.box
        rows = _covered(gh, self.input[0], top, height)
        columns = _covered(gw, self.input[1], left, width)
        return np.outer(rows, columns).astype(np.float32)

    def _is_identity(self) -> bool:
        return self.native == self.input and self.box == (0.0, 0.0, *map(float, self.input))

    def _insert(self, plane: np.ndarray, interpolation: Interpolation) -> np.ndarray:
        top, left, height, width = (round(side) for side in self.box)
        content = _resized(plane, height, width, interpolation)
        canvas = np.zeros(self.input, dtype=content.dtype)
        canvas[top : top + height, left : left + width] = content
        return canvas


@dataclass(frozen=True)
class Prepared:
    """What an engine takes, and the way back: tensor float32 [1, h, w, C] in 0..1 (padding 0), placement."""

    tensor: np.ndarray
    placement: Placement


@dataclass(frozen=True)
class InputSpec:
    """The input a network was trained on: size in pixels, channels (1 grey, 3 RGB), fit and picture steps.

    fit "pad" keeps the aspect ratio (taller than wide means something in ultrasound); "stretch" does not.
    steps: names of `models.steps.STEPS`, done to the native pixels in this order before the resizing.
    """

    height: int = 224
    width: int = 224
    channels: int = 1
    fit: Fit = "pad"
    steps: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # JSON and TOML give lists; a specification is compared and hashed.
        object.__setattr__(self, "steps", tuple(self.steps))
        if not (_is_whole(self.height) and _is_whole(self.width)) or min(self.height, self.width) < 1:
            size = f"{self.height!r} x {self.width!r}"
            raise BadInput(f"An input of {size} pixels is not usable: give whole numbers of at least 1.")
        if not _is_whole(self.channels) or self.channels not in (1, 3):
            raise BadInput(f"An input has 1 (grey) or 3 (RGB) channels, not {self.channels!r}: correct it.")
        if self.fit not in ("pad", "stretch"):
            raise BadInput(f'An input is fitted by "pad" or "stretch", not {self.fit!r}: correct it.')
        if unknown := next((name for name in self.steps if name not in STEPS), None):
            raise BadInput(f"There is no picture step {unknown!r}: use {', '.join(STEPS)}.")

    def tensor(self, study: Study) -> Prepared:
        """The study as this network's input; the same numbers as `array(study.unit())`."""
        if self.steps:
            return self.array(study.unit())
        return self._prepare((study.height, study.width), study.channels, study.plane)

    def array(self, unit: np.ndarray) -> Prepared:
        """An image float32 [H, W, C] (or [H, W]) in 0..1, C 1 or 3, as this network's input."""
        unit = np.asarray(unit, dtype=np.float32)
        if unit.ndim == 2:
            unit = unit[..., None]
        if unit.ndim != 3 or unit.shape[2] not in (1, 3):
            raise ValueError(f"An image must be [H, W, 1] or [H, W, 3], not {unit.shape}.")
        unit = apply_steps(unit, self.steps)
        return self._prepare(unit.shape[:2], unit.shape[2], lambda channel: unit[..., channel])

    def placement(self, height: int, width: int) -> Placement:
        """Where a native image of this size lies in this input."""
        return Placement.fitting((height, width), (self.height, self.width), self.fit)

    def to_dict(self) -> dict[str, int | str | tuple[str, ...]]:
        """{"height", "width", "channels", "fit", "steps"}, the form `run.json` keeps."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, object]) -> InputSpec:
        """The reverse of `to_dict`; a missing field takes its default, an unknown one is refused."""
        unknown = sorted(set(fields) - set(cls.__dataclass_fields__))
        if unknown:
            raise BadInput(f"Unknown input field {unknown[0]!r}: use height, width, channels, fit and steps.")
        return cls(**fields)  # type: ignore[arg-type]

    def _prepare(
        self, native: tuple[int, int], channels: int, plane: Callable[[int], np.ndarray]
    ) -> Prepared:
        """Resize one plane at a time: a large study is never held whole in floating point.

        Resizing is linear, so taking the luminance afterwards gives the same grey as taking it before, on far
        fewer pixels.
        """
        placement = self.placement(*native)
        planes = [placement.to_input(plane(channel)) for channel in range(channels)]
        if self.channels == 1 and channels == 3:
            planes = [sum(np.float32(weight) * p for weight, p in zip(REC_601, planes, strict=True))]
        elif self.channels == 3 and channels == 1:
            planes = planes * 3
        tensor = np.stack(planes, axis=-1)[None]
        # Averages may pass 1 by a rounding error; the range is promised.
        return Prepared(np.clip(tensor, 0.0, 1.0, out=tensor), placement)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _linear_weights(
    length: int, cells: int, start: float, extent: float, side: int
) -> tuple[np.ndarray, ...]:
    """For each of `length` native pixels: the cells before and after its centre, the weight of the later."""
    centre = start + (np.arange(length) + 0.5) * (extent / length)
    position = np.clip(centre * (cells / side) - 0.5, 0.0, cells - 1)
    before = np.floor(position).astype(np.intp)
    after = np.minimum(before + 1, cells - 1)
    return before, after, (position - before).astype(np.float32)


def _blend_rows(cells: np.ndarray, weights: tuple[np.ndarray, ...]) -> np.ndarray:
    """Linear interpolation along the first axis, [cells, n] -> float32 [length, n]; constants stay exact."""
    before, after, share = weights
    earlier = cells[before]
    blended = cells[after]
    blended -= earlier
    blended *= share[:, None]
    blended += earlier
    return blended


def _covered(cells: int, side: int, start: float, extent: float) -> np.ndarray:
    """Share of each of `cells` equal parts of [0, side) that [start, start + extent) covers."""
    edges = np.arange(cells + 1) * (side / cells)
    overlap = np.minimum(edges[1:], start + extent) - np.maximum(edges[:-1], start)
    return np.clip(overlap * (cells / side), 0.0, 1.0)


def _resized(plane: np.ndarray, height: int, width: int, interpolation: Interpolation) -> np.ndarray:
    """One plane [H, W] resized to [height, width] with half-pixel centres."""
    rows, columns = plane.shape
    if interpolation == "nearest":
        down = ((np.arange(height) + 0.5) * (rows / height)).astype(np.intp)
        across = ((np.arange(width) + 0.5) * (columns / width)).astype(np.intp)
        return plane[np.ix_(np.minimum(down, rows - 1), np.minimum(across, columns - 1))]
    if interpolation not in ("area", "linear"):
        raise ValueError(f'Interpolation is "area", "linear" or "nearest", not {interpolation!r}.')
    plane = np.ascontiguousarray(plane, dtype=np.float32)
    if (rows, columns) == (height, width):
        return plane
    # Kept out of the module: the command line's start does not pay for it until an image is resized.
    import cv2

    if interpolation == "linear":
        return cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)
    # INTER_AREA averages only where both sides shrink, so shrink first, then enlarge what is left.
    shrunk = min(rows, height), min(columns, width)
    if shrunk != plane.shape:
        plane = cv2.resize(plane, shrunk[::-1], interpolation=cv2.INTER_AREA)
    if plane.shape != (height, width):
        plane = cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)
    return plane
