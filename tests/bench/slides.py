"""A slide of 40,000 x 40,000 pixels through the command line: bounded memory, and tiles a second."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from tests.bench.processes import _measured
from tests.bench.rows import Row

SIDE = 40_000
MPP = 0.25
RUN = "idc-squeezenet"
SMALL = 10_000
GROWTH_LIMIT = 100
_GLASS = 243


def large_slide(path: Path, side: int = SIDE) -> Path:
    """A slide at 40x: a block of phantom tissue again and again within a disc of glass."""
    from models.data.phantoms import phantom
    from models.slides.pyramid import TILE, write_pyramid

    patches = [
        [phantom("histopathology", 5, 4 * row + column).image for column in range(4)] for row in range(4)
    ]
    block = np.concatenate([np.concatenate(row, axis=1) for row in patches])
    # A 10x drawing at 40x: each pixel four times as wide, a few columns of it per band of tiles.
    block = np.repeat(np.repeat(block, 4, axis=0), 4, axis=1)
    repeats = -(-side // block.shape[1])

    def rows(top: int, height: int) -> np.ndarray:
        lines = np.arange(top, top + height) % len(block)
        band = np.tile(block[lines], (1, repeats, 1))[:, :side]
        reach = int(0.4 * np.sqrt(max(0.0, side**2 - (2.5 * (top + TILE / 2 - side / 2)) ** 2)))
        band[:, : side // 2 - reach] = _GLASS
        band[:, side // 2 + reach :] = _GLASS
        return band

    return write_pyramid(path, side, side, rows, MPP)


def rows(run: str = RUN) -> list[Row]:
    """The command on the large slide and on one a sixteenth of it, each in a process of its own."""
    before, _, _ = _scored(SMALL, run)
    peak, content, size = _scored(SIDE, run)
    name = f"xai slide, {SIDE:,} x {SIDE:,} pixels ({size:.0f} MiB), {run}"
    speed = f"{content['tiles_per_second']:.0f} tiles a second ({content['scored']:,} tiles)"
    return [
        Row(name, speed),
        Row(
            f"  peak resident memory, over that of {SMALL:,} x {SMALL:,}",
            f"{peak:.0f} MiB, {peak - before:+.0f} MiB",
            f"< {GROWTH_LIMIT} MiB more",
            peak - before < GROWTH_LIMIT,
        ),
    ]


def _scored(side: int, run: str) -> tuple[float, dict, float]:
    """Peak MiB of the command, what it printed, and the slide's own MiB."""
    with tempfile.TemporaryDirectory() as folder:
        slide = Path(folder) / "slide.tif"
        # Drawn in a process of its own: a child's peak memory counts from that of the process that made it.
        draw = "import sys; from pathlib import Path; from tests.bench.slides import large_slide as draw"
        _measured(["-c", f"{draw}; draw(Path({str(slide)!r}), {side})"])
        size = slide.stat().st_size / 2**20
        command = ["-m", "xai", "slide", run, str(slide), "--json", "--heatmaps", "0"]
        done = _measured([*command, "--out", str(Path(folder) / "out")])
    return done.peak_mib, json.loads(done.stdout), size


if __name__ == "__main__":
    print(json.dumps([vars(row) for row in rows()]))
