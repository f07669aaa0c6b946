"""`python -m xai slide`: the command around models.slides and xai.slides."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import BadInput

if TYPE_CHECKING:
    from models.runs import Run
    from models.slides.scoring import SlideJob, Watch
    from models.slides.tiles import TileSpec

SLIDE = """\
Score a whole-slide image tile by tile: tissue is found, cut into tiles of the size and scale RUN was
trained on, and each tile is given a probability. DIR gets the map over the slide (map.png), a row a
tile (tiles.csv), every figure (summary.json) and the heatmaps of the hottest tiles. Each tile is on
disk before it is counted: after Ctrl-C or a crash, --resume does the rest.

The result is a map of single tiles. No run here was validated for a verdict on a whole slide."""
MPP = "micrometres per pixel at full size, where the file does not say (0.25 of a usual scan at 40x)"
TILE = "side of a tile in pixels, where the run does not say what it was trained on"
TILE_MPP = "micrometres of each of a tile's pixels, likewise"
LIMIT = "only N tiles, spread evenly over the tissue, for a quick look"
INTERRUPTED = 130


def add_parser(commands) -> None:
    slide = commands.add_parser(
        "slide",
        help="a whole slide, tile by tile",
        description=SLIDE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    slide.add_argument("run", metavar="RUN", help="id of a run of histopathology, or its folder")
    slide.add_argument(
        "slide", metavar="SLIDE", type=Path, help="SVS, NDPI, MRXS, SCN, ... or pyramidal TIFF"
    )
    slide.add_argument("--out", metavar="DIR", required=True, type=Path, help="folder for the results")
    slide.add_argument("--mpp", metavar="X", type=float, help=MPP)
    slide.add_argument("--tile", metavar="PX", type=int, help=TILE)
    slide.add_argument("--tile-mpp", metavar="X", type=float, help=TILE_MPP)
    slide.add_argument(
        "--overlap", metavar="F", type=float, default=0.0, help="of tiles, 0 to 0.9 (default: 0)"
    )
    slide.add_argument(
        "--least-tissue", metavar="F", type=float, default=0.25, help="of a tile's area (default: 0.25)"
    )
    slide.add_argument("--limit", metavar="N", type=int, help=LIMIT)
    slide.add_argument(
        "--heatmaps", metavar="N", type=int, default=12, help="of the N hottest tiles (default: 12)"
    )
    slide.add_argument("--resume", action="store_true", help="go on with what DIR holds")
    slide.add_argument("--engine", metavar="K", help="onnx, openvino, onnxruntime or tensorflow")
    slide.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    slide.set_defaults(execute=score_slide)


def score_slide(options: argparse.Namespace) -> int:
    """`slide`: score, keep and print. 130 where it was interrupted; what was done is kept and said."""
    from models.engines import open_engine
    from models.runs import find_run
    from models.slides.scoring import SlideJob
    from models.slides.tiles import tiles_for
    from models.study import open_slide
    from xai.export import to_json
    from xai.slides.export import write_slide

    run = find_run(options.run)
    spec = tiles_for(run, _spec(options, run))
    with open_slide(options.slide, mpp=options.mpp) as slide:
        engine = open_engine(run, options.engine)
        job = SlideJob(run, engine, slide, spec, options.out, limit=options.limit, resume=options.resume)
        whole = _scored(job)
        if job.scores is None or not job.scores.scored:
            print("Cancelled before a tile was scored.", file=sys.stderr)
            return INTERRUPTED
        content, files = write_slide(job.scores, slide, engine, options.out, options.heatmaps if whole else 0)
        content |= {"files": [str(path.resolve()) for path in files], "tiles_per_second": job.rate}
    if options.json:
        sys.stdout.write(to_json(content))
    else:
        print(summary(content))
    if not whole:
        print(f"Cancelled after {job.done:,} of {job.total:,} tiles: --resume goes on.", file=sys.stderr)
    return 0 if whole else INTERRUPTED


def _spec(options: argparse.Namespace, run: Run) -> TileSpec | None:
    """The tiles asked for; None for those the run was trained on, where nothing else is asked."""
    from models.slides.tiles import TileSpec, trained_tiles

    known = trained_tiles(run)
    size = options.tile if options.tile is not None else known and known.size
    mpp = options.tile_mpp if options.tile_mpp is not None else known and known.mpp
    if options.heatmaps < 0:
        raise BadInput(f"--heatmaps {options.heatmaps} is no number of heatmaps: give 0 or more.")
    if size is None or mpp is None:
        return None
    return TileSpec(size, mpp, options.overlap, options.least_tissue)


def _scored(job: SlideJob) -> bool:
    """Whether every tile was scored; Ctrl-C stops, what was done until then is kept."""
    with _progress() as watch:
        job.watch = watch
        try:
            job.score()
        except KeyboardInterrupt:
            return False
    return True


@contextmanager
def _progress() -> Iterator[Watch]:
    from tqdm import tqdm

    with tqdm(unit="tile", disable=None, file=sys.stderr) as bar:

        def watch(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield watch


def summary(content: dict[str, Any]) -> str:
    """What a person at a terminal wants to read."""
    slide, tiles = content["slide"], content["tiles"]
    share, top = content["share_called"], content["top_1_percent"]
    lines = [
        f"{content['run']}: {content['scored']:,} tiles of {tiles['size']} x {tiles['size']} pixels of "
        f"{tiles['mpp']:g} µm on a slide of {slide['width']:,} x {slide['height']:,} pixels, "
        f"{content['tissue_mm2']:.1f} mm² of tissue",
        f"  called {content['positive']} (probability {content['threshold']:.3f} or more): "
        f"{share['value']:.1%} of the tiles",
        f"  mean probability {content['mean']['value']:.3f}, of the hottest 1 % ({top['n']:,}) "
        f"{top['value']:.3f}",
        f"  {content['unvalidated']}",
    ]
    lines += [f"  note: {notice}" for notice in content["notices"]]
    return "\n".join([*lines, *(f"  {file}" for file in content["files"])])
