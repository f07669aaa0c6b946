"""Which tiles a slide is cut into: how large, at what scale, and which of them hold tissue."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.errors import BadInput
from models.slides.tissue import find_tissue
from models.study import Slide, Study
from models.study.slide import NO_SCALE

if TYPE_CHECKING:
    from models.runs import Run

MOST_TILES = 4_000_000
_LEAST_THUMBNAIL, _MOST_THUMBNAIL, _PIXELS_A_TILE = 1024, 4096, 8
_MUCH_COARSER = 1.5


@dataclass(frozen=True)
class TileSpec:
    """What a tile is. size: its side in pixels as the run was trained on it, before the resizing to the
    network's input. mpp: micrometres of each of these pixels. overlap: share of a tile's side that the next
    one covers again, 0 to 0.9. least_tissue: share of its area that must be tissue for it to be scored."""

    size: int
    mpp: float
    overlap: float = 0.0
    least_tissue: float = 0.25

    def __post_init__(self) -> None:
        if not 16 <= self.size <= 4096 or not (math.isfinite(self.mpp) and 0.02 <= self.mpp <= 100):
            raise BadInput(
                f"A tile of {self.size} pixels of {self.mpp:g} micrometres is not usable: give 16 to 4,096 "
                "pixels and 0.02 to 100 micrometres."
            )
        if not 0 <= self.overlap <= 0.9 or not 0 <= self.least_tissue <= 1:
            raise BadInput(
                f"An overlap of {self.overlap:g} and a least tissue of {self.least_tissue:g} are not usable: "
                "give 0 to 0.9 and 0 to 1."
            )

    @property
    def field_um(self) -> float:
        """Side of a tile in micrometres."""
        return self.size * self.mpp

    def to_dict(self) -> dict[str, float]:
        return asdict(self)


# The IDC patches are 50 x 50 pixels, but not of a 40x scan (0.25 micrometres), as copies of the data set
# say: their authors took 40x scans down sixteen times, to 4 micrometres (Cruz-Roa et al., SPIE 9041, 2014).
# The places in the patches' own names agree: they reach 3,901 x 2,901 pixels, which is 15.6 x 11.6 mm of
# specimen at 4 micrometres and would be less than one square millimetre at 0.25.
_IDC = TileSpec(50, 4.0)
_PHANTOM = TileSpec(224, 1.0)
_IDC_SOURCE = "9041 (2014) 904103"


def trained_tiles(run: Run) -> TileSpec | None:
    """The tile that a run's training images were, by what its card says of its data; None where that is not
    known."""
    if run.card.synthetic:
        return _PHANTOM
    return _IDC if _IDC_SOURCE in run.card.data.citation else None


def tiles_for(run: Run, spec: TileSpec | None = None) -> TileSpec:
    """The tiles to score a slide with. BadInput for a run that is not of histology, or whose tile is neither
    known nor given."""
    if run.modality != "histopathology":
        raise BadInput(
            f"The run {run.id} was trained on {run.modality}: choose a run of histopathology for a slide."
        )
    found = spec or trained_tiles(run)
    if found is None:
        raise BadInput(
            f"The run {run.id} does not say how large its training patches were: give their side in pixels "
            "and their micrometres per pixel (--tile, --tile-mpp)."
        )
    return found


@dataclass(frozen=True)
class Tile:
    """One tile. row, column: of the grid, from 0. x, y: its top left corner; side: all full-size pixels.
    tissue: share of its area that is tissue."""

    row: int
    column: int
    x: float
    y: float
    side: float
    tissue: float

    @property
    def key(self) -> str:
        return f"r{self.row}c{self.column}"


@dataclass(frozen=True)
class Grid:
    """rows, columns; side of a tile and step from one to the next, in full-size pixels (any fraction)."""

    rows: int
    columns: int
    side: float
    step: float

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.columns


@dataclass(frozen=True, eq=False)
class Survey:
    """A slide looked over. width, height: full-size pixels of mpp micrometres. thumbnail: uint8 RGB [h, w,
    3]; tissue: bool [h, w]; share: float32 [rows, columns] of each tile's area that is tissue. notices: whole
    sentences, to be shown with the results."""

    spec: TileSpec
    grid: Grid
    width: int
    height: int
    mpp: float
    thumbnail: np.ndarray
    tissue: np.ndarray
    share: np.ndarray
    tissue_mm2: float
    notices: tuple[str, ...] = ()

    @property
    def width_mm(self) -> float:
        """The whole slide from left to right, in millimetres."""
        return self.width * self.mpp / 1000

    @property
    def height_mm(self) -> float:
        """From top to bottom."""
        return self.height * self.mpp / 1000

    @property
    def chosen(self) -> np.ndarray:
        """bool [rows, columns]: tiles with tissue enough."""
        return (self.share >= self.spec.least_tissue) & (self.share > 0)

    def tile(self, row: int, column: int) -> Tile:
        """One tile of the grid; IndexError outside."""
        if not (0 <= row < self.grid.rows and 0 <= column < self.grid.columns):
            raise IndexError(f"tile {row}, {column} of {self.grid.shape}")
        step = self.grid.step
        return Tile(row, column, column * step, row * step, self.grid.side, float(self.share[row, column]))

    def tiles(self) -> Iterator[Tile]:
        """Tiles with tissue, from coarse to fine: every fourth of every fourth row first, then every second,
        then the rest. A map of the whole slide is there early, and neighbours come close to one another, so
        that what OpenSlide has decoded is used."""
        for rows, columns in _coarse_to_fine(self.chosen):
            yield from (self.tile(int(r), int(c)) for r, c in zip(rows, columns, strict=True))


def survey(slide: Slide, spec: TileSpec) -> Survey:
    """Look a slide over: its thumbnail, its tissue and its tiles.

    BadInput where the slide has no scale, would be cut into too many tiles, or holds no tissue.
    """
    if slide.mpp is None:
        raise BadInput(NO_SCALE)
    grid = grid_of(slide, spec)
    side = _PIXELS_A_TILE * math.ceil(max(slide.width, slide.height) / grid.step)
    side = min(max(side, _LEAST_THUMBNAIL), _MOST_THUMBNAIL, max(slide.width, slide.height))
    thumbnail = slide.thumbnail(side)
    tissue = find_tissue(thumbnail)
    share = tissue_share(tissue, grid, slide.width, slide.height)
    area = float(tissue.mean()) * slide.width * slide.height * (slide.mpp / 1000) ** 2
    found = Survey(
        spec,
        grid,
        slide.width,
        slide.height,
        slide.mpp,
        thumbnail,
        tissue,
        share,
        area,
        _notices(slide, spec),
    )
    if not found.chosen.any():
        raise BadInput(
            "No tissue was found on this slide: check that it is a brightfield scan in haematoxylin and "
            "eosin, or lower the least share of tissue."
        )
    return found


def grid_of(slide: Slide, spec: TileSpec) -> Grid:
    """The grid that covers the whole slide; the last row and column may reach beyond it, onto white."""
    side = spec.size * spec.mpp / slide.mpp
    step = side * (1 - spec.overlap)
    columns, rows = (
        1 + max(0, math.ceil((length - side) / step - 1e-9)) for length in (slide.width, slide.height)
    )
    if rows * columns > MOST_TILES:
        raise BadInput(
            f"The slide would be cut into {rows * columns:,} tiles and the limit is {MOST_TILES:,}: choose "
            "larger tiles, or check the micrometres per pixel."
        )
    return Grid(rows, columns, side, step)


def tissue_share(tissue: np.ndarray, grid: Grid, width: int, height: int) -> np.ndarray:
    """float32 [rows, columns]: tissue's share of each tile, of a mask bool [h, w] of the whole slide of
    width x height pixels. Parts of a tile beyond the slide count as glass."""
    h, w = tissue.shape
    summed = np.zeros((h + 1, w + 1), np.float64)
    summed[1:, 1:] = np.cumsum(np.cumsum(tissue, axis=0, dtype=np.float64), axis=1)
    y = [np.clip((np.arange(grid.rows) * grid.step + side) * h / height, 0, h) for side in (0, grid.side)]
    x = [np.clip((np.arange(grid.columns) * grid.step + side) * w / width, 0, w) for side in (0, grid.side)]
    area = (
        _at(summed, y[1], x[1]) - _at(summed, y[0], x[1]) - _at(summed, y[1], x[0]) + _at(summed, y[0], x[0])
    )
    whole = (grid.side * h / height) * (grid.side * w / width)
    return np.clip(area / whole, 0, 1).astype(np.float32)


def _at(summed: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The summed table between its corners, bilinearly: exact for edges that cut through pixels."""
    top, left = np.minimum(y.astype(int), len(summed) - 2), np.minimum(x.astype(int), summed.shape[1] - 2)
    v, u = (y - top)[:, None], (x - left)[None]
    corner = summed[np.ix_(top, left)], summed[np.ix_(top, left + 1)]
    below = summed[np.ix_(top + 1, left)], summed[np.ix_(top + 1, left + 1)]
    return (corner[0] * (1 - u) + corner[1] * u) * (1 - v) + (below[0] * (1 - u) + below[1] * u) * v


def tile_study(slide: Slide, spec: TileSpec, tile: Tile, synthetic: bool = False) -> Study:
    """A tile as an image like any other: uint8 RGB [size, size, 3], spacing in millimetres, digest of its
    pixels. BadInput where the slide is damaged there."""
    pixels = slide.region(tile.x, tile.y, spec.size, spec.size, mpp=spec.mpp)
    pixels.flags.writeable = False
    spacing = spec.mpp / 1000
    return Study(
        samples=pixels,
        depth_max=255,
        name=f"tile row {tile.row}, column {tile.column}",
        digest=hashlib.sha256(pixels.tobytes()).hexdigest(),
        modality="histopathology",
        spacing_mm=(spacing, spacing),
        synthetic=synthetic,
    )


def _notices(slide: Slide, spec: TileSpec) -> tuple[str, ...]:
    told = []
    if slide.mpp > _MUCH_COARSER * spec.mpp:
        told.append(
            f"The slide's pixels ({slide.mpp:.3g} µm) are coarser than those the run was trained on "
            f"({spec.mpp:.3g} µm): tiles were enlarged and lack detail the run knows."
        )
    if slide.holes:
        told.append("Parts of the slide are damaged: they were taken for glass, tissue there is missing.")
    if slide.mpp_given:
        told.append(f"The scale of {slide.mpp:.3g} µm per pixel was given by hand, not read from the file.")
    return tuple(told)


def _coarse_to_fine(chosen: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    rows, columns = np.nonzero(chosen)
    level = np.full(len(rows), 2)
    for stride, rank in ((2, 1), (4, 0)):
        level[(rows % stride == 1) & (columns % stride == 1)] = rank
    for rank in range(3):
        yield rows[level == rank], columns[level == rank]
