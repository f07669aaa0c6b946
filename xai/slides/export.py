"""A scored slide as files: the map as PNG, every figure as JSON, the tiles as CSV, the hottest tiles'
heatmaps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import BadInput
from models.slides.scores import TILES_FILE, write_tiles
from xai.export import document, overlay_png, png_bytes, to_json
from xai.slides.picture import captioned, map_picture
from xai.slides.tile import explain_tile

if TYPE_CHECKING:
    from models.engines import Engine
    from models.slides.scores import SlideScores
    from models.study import Slide

MAP_FILE, SUMMARY_FILE = "map.png", "summary.json"


def map_png(scores: SlideScores) -> bytes:
    """The probability map on the thumbnail with its scale and its scale bar, as PNG without metadata."""
    return png_bytes(captioned(map_picture(scores), scores))


def write_slide(
    scores: SlideScores, slide: Slide, engine: Engine, folder: Path, heatmaps: int = 0
) -> tuple[dict[str, Any], tuple[Path, ...]]:
    """Write map.png, tiles.csv, summary.json and the Grad-CAM of the hottest tiles into `folder`.

    heatmaps: of so many tiles, as tile-r<row>c<column>.png. Returns the content of summary.json and the
    files. A blank map is not drawn: its picture is the tile alone. What the guards say of a map stands by it.
    BadInput where the folder cannot be written.
    """
    from models.batch.storage import whole_file

    content = scores.summary()
    pictures = {MAP_FILE: map_png(scores)}
    content["heatmaps"] = []
    for tile, probability in scores.hottest(heatmaps):
        try:
            result = explain_tile(
                slide, scores.survey, scores.run, engine, tile.row, tile.column, synthetic=scores.synthetic
            )
        except BadInput:  # readable when it was scored, and not any more
            continue
        name = f"tile-{tile.key}.png"
        pictures[name] = overlay_png(result)
        entry = document(result, tile.key, [name])
        kept = ("class", "method", "margin", "joint", "warnings")
        content["heatmaps"].append(
            {"row": tile.row, "column": tile.column, "probability": probability, "file": name}
            | {key: entry[key] for key in kept}
        )
    write_tiles(scores, folder)
    for name, picture in pictures.items():
        with whole_file(folder / name) as sink:
            sink.write(picture)
    with whole_file(folder / SUMMARY_FILE) as sink:
        sink.write(to_json(content).encode())
    return content, tuple(folder / name for name in (SUMMARY_FILE, TILES_FILE, *pictures))
