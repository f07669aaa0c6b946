"""The heatmap of one tile of a slide, and of the field around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.errors import BadInput
from models.slides.tiles import tile_study
from xai.explain import CaseExplanation, explain_study
from xai.methods import DEFAULT_METHOD

if TYPE_CHECKING:
    import numpy as np

    from models.engines import Engine
    from models.runs import Run
    from models.slides.tiles import Survey
    from models.study import Slide


def explain_tile(
    slide: Slide,
    survey: Survey,
    run: Run,
    engine: Engine,
    row: int,
    column: int,
    method: str = DEFAULT_METHOD,
    *,
    synthetic: bool = False,
) -> CaseExplanation:
    """Why a tile got its probability: it is read again and explained as any image is.

    Its map is of the tile alone; the network saw nothing around it. BadInput for a tile that is not of the
    grid, or where the slide is damaged there.
    """
    try:
        tile = survey.tile(row, column)
    except IndexError as error:
        rows, columns = survey.grid.shape
        raise BadInput(
            f"There is no tile in row {row}, column {column}: the slide has {rows:,} rows and {columns:,} "
            "columns of tiles, counted from 0."
        ) from error
    study = tile_study(slide, survey.spec, tile, synthetic)
    return explain_study(study, run, engine, method=method)


def surroundings(slide: Slide, survey: Survey, row: int, column: int, side: int = 480) -> np.ndarray:
    """uint8 RGB [side, side, 3]: the tile in the middle of three times its own field, for the eye alone."""
    tile = survey.tile(row, column)
    scale = 3 * tile.side / side * slide.mpp
    return slide.region(tile.x - tile.side, tile.y - tile.side, side, side, mpp=scale)
