"""A synthetic slide: phantom patches of breast tissue laid side by side on glass, with a known tumour.

For trying the slide view without a patient, and for tests. Every patch is a histopathology phantom
(models.data.phantoms), 224 pixels of one micrometre; a patch within the tumour's outline is drawn with its
label's lesion, the others without. Neighbours overlap and are faded into one another.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.data.phantoms.texture import TAU
from models.errors import BadInput
from models.slides.pyramid import write_pyramid

MPP = 1.0
"""Micrometres a pixel: the phantoms are drawn as a 10x scan."""
_PITCH, _SIDE, _MARGIN = 200, 224, 240
_GLASS = (243, 243, 245)
SMALLEST, LARGEST = 4, 24


@dataclass(frozen=True, eq=False)
class DrawnSlide:
    """What was drawn. tumour: bool [rows, columns] of the patches; tissue: the same; pitch: pixels from one
    patch to the next, the first one at `margin`."""

    path: Path
    width: int
    height: int
    tissue: np.ndarray
    tumour: np.ndarray
    pitch: int = _PITCH
    margin: int = _MARGIN


def draw_slide(path: Path, seed: int, columns: int = 12, rows: int = 9) -> DrawnSlide:
    """Draw slide number `seed` (0, 1, ...) of columns x rows patches to `path`, a pyramidal TIFF.

    A few seconds for the usual size. BadInput for a size or number out of range.
    """
    if not (SMALLEST <= columns <= LARGEST and SMALLEST <= rows <= LARGEST) or not 0 <= seed < 1_000_000:
        raise BadInput(
            f"A slide of {columns} x {rows} patches, number {seed}, is not drawn: give {SMALLEST} to "
            f"{LARGEST} patches a side and a number from 0 to 999,999."
        )
    outline = _Outline.of(seed)
    tissue, tumour = outline.layout(columns, rows)
    width = columns * _PITCH + 2 * _MARGIN
    height = rows * _PITCH + 2 * _MARGIN
    canvas = _Canvas(seed, width, height, tissue, tumour, outline)
    write_pyramid(path, width, height, canvas.rows, MPP)
    return DrawnSlide(path, width, height, tissue, tumour)


@dataclass(frozen=True)
class _Outline:
    """The tissue's silhouette and the tumour's disc, in coordinates from -1 to 1 across the patches."""

    phases: tuple[float, float]
    centre: tuple[float, float]
    reach: float

    @classmethod
    def of(cls, seed: int) -> _Outline:
        rng = np.random.default_rng([seed, 20_240])
        first, second, x, y = rng.uniform((0, 0, -0.4, -0.4), (TAU, TAU, 0.4, 0.4))
        return cls((first, second), (x, y), rng.uniform(0.28, 0.42))

    def depth(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """How far inside the tissue's edge a place is, negative outside."""
        angle = np.arctan2(v, u)
        waves = 0.10 * np.cos(3 * angle + self.phases[0]) + 0.07 * np.cos(5 * angle + self.phases[1])
        return 0.84 + waves + 0.012 * np.cos(23 * angle) - np.hypot(u, v)

    def layout(self, columns: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Which patches hold tissue and which of them tumour, bool [rows, columns]."""
        y, x = np.mgrid[:rows, :columns]
        u, v = (x + 0.5) / columns * 2 - 1, (y + 0.5) / rows * 2 - 1
        depth = self.depth(u, v)
        aside = np.hypot(u - self.centre[0], (v - self.centre[1]) * rows / columns)
        # Half a patch's diagonal beyond the edge a patch may still show; a tumour lies well within.
        return depth > -1.5 / min(columns, rows), (aside < self.reach) & (depth > 0)


class _Canvas:
    """The slide band by band: only the patches that touch a band are drawn, each once."""

    def __init__(
        self, seed: int, width: int, height: int, tissue: np.ndarray, tumour: np.ndarray, outline: _Outline
    ) -> None:
        self._seed, self._width, self._height, self._outline = seed, width, height, outline
        self._tissue, self._tumour = tissue, tumour
        self._kept: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._cover = _fade()

    def rows(self, top: int, height: int) -> np.ndarray:
        """uint8 RGB [height, width, 3] from `top` on."""
        summed = np.zeros((height, self._width, 3), np.float32)
        weight = np.zeros((height, self._width, 1), np.float32)
        for row in range(len(self._tissue)):
            begin = _MARGIN + row * _PITCH - (_SIDE - _PITCH) // 2
            first, last = max(begin, top), min(begin + _SIDE, top + height)
            if first >= last:
                self._kept.pop(row, None) if begin + _SIDE <= top else None
                continue
            picture, cover = self._band(row)
            summed[first - top : last - top] += picture[first - begin : last - begin]
            weight[first - top : last - top] += cover[first - begin : last - begin]
        # The tissue's edge is the silhouette's, a few pixels soft; between patches the weights add up to one.
        share = np.minimum(weight, 1.0) * self._inside(top, height)
        mean = summed / np.maximum(weight, 1e-6)
        return np.rint(mean * share + np.array(_GLASS, np.float32) * (1.0 - share)).astype(np.uint8)

    def _inside(self, top: int, height: int) -> np.ndarray:
        """float32 [height, width, 1]: 1 within the silhouette, 0 on glass."""
        rows, columns = self._tissue.shape
        u = (np.arange(self._width, dtype=np.float32) - _MARGIN) / (columns * _PITCH) * 2 - 1
        v = (np.arange(top, top + height, dtype=np.float32) - _MARGIN) / (rows * _PITCH) * 2 - 1
        depth = self._outline.depth(u[None], v[:, None])
        return np.clip(depth * min(columns, rows) * _PITCH / 2 / 6 + 0.5, 0, 1)[..., None]

    def _band(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """One row of patches: colours times weight, and the weights."""
        if row in self._kept:
            return self._kept[row]
        from models.data.phantoms import phantom

        columns = self._tissue.shape[1]
        picture = np.zeros((_SIDE, self._width, 3), np.float32)
        cover = np.zeros((_SIDE, self._width, 1), np.float32)
        for column in np.flatnonzero(self._tissue[row]):
            label = "idc" if self._tumour[row, column] else "non_idc"
            drawn = phantom("histopathology", self._seed, int(row * columns + column), label=label)
            left = _MARGIN + column * _PITCH - (_SIDE - _PITCH) // 2
            picture[:, left : left + _SIDE] += drawn.image * self._cover
            cover[:, left : left + _SIDE] += self._cover
        self._kept[row] = picture, cover
        return picture, cover


def _fade() -> np.ndarray:
    """float32 [224, 224, 1]: 1 inside, falling to 0 over the overlap at every edge."""
    overlap = _SIDE - _PITCH
    ramp = np.clip((np.arange(_SIDE) + 0.5) / overlap, 0, 1)
    line = np.minimum(ramp, ramp[::-1]).astype(np.float32)
    return np.outer(line, line)[..., None]
