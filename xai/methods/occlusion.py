"""Occlusion: what the target loses when a window of the image is covered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xai.methods.perturbation import Baseline, Predict, filler, in_batches, settled
from xai.methods.request import Watch

if TYPE_CHECKING:
    from xai.methods.target import Target

# A window of a seventh of the image every fourteenth: of 224 pixels 32 every 16, as large as a cell of
# DenseNet's last feature map, and 196 passes.
WINDOW_SHARE = 7
STRIDE_SHARE = 14


def occlusion(
    tensor: np.ndarray,
    predict: Predict,
    target: Target,
    classes: Sequence[str],
    window: int | None = None,
    stride: int | None = None,
    baseline: Baseline = "mean",
    watch: Watch | None = None,
    inside: np.ndarray | None = None,
) -> np.ndarray:
    """float32 [rows, columns], signed, logit units: the target of the image less the target with a window
    covered, at the window's place.

    Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 4.2 (a grey
    square).

    tensor: float32 [1, h, w, C]. window, stride: pixels; None for a seventh and a fourteenth of the shorter
    side. The grid has one cell a window and covers the input evenly: h / stride rows, rounded, windows
    centred on the cells and cut at the border. baseline: what covers, see `perturbation.filler`. inside: bool
    [h, w], False on padding, which stays as it is; None: all is image. A window that covers padding alone is
    not computed: its drop is 0. ValueError for a window or stride below 1.
    """
    windows = place_windows(tensor.shape[1:3], window, stride)
    image, cover = tensor[0], filler(tensor, baseline, inside)
    covered = [
        (rows, columns)
        for rows in windows[0]
        for columns in windows[1]
        if inside is None or inside[rows, columns].any()
    ]
    whole = float(target.of(predict(tensor), classes)[0])
    drops = {}
    for part in in_batches(len(covered), watch):
        places = covered[part]
        images = np.repeat(tensor, len(places), axis=0)
        for changed, (rows, columns) in zip(images, places, strict=True):
            patch = cover[rows, columns]
            if inside is not None:
                patch = np.where(inside[rows, columns, None], patch, image[rows, columns])
            changed[rows, columns] = patch
        values = settled(whole - target.of(predict(images), classes), whole)
        drops |= {_key(*place): value for place, value in zip(places, values, strict=True)}
    grid = [[drops.get(_key(rows, columns), 0.0) for columns in windows[1]] for rows in windows[0]]
    return np.array(grid, np.float32)


def place_windows(
    size: tuple[int, int], window: int | None = None, stride: int | None = None
) -> tuple[list[slice], list[slice]]:
    """Where the windows lie: rows of each line of the grid, columns of each column. A pixel is in a window
    that covers at least half of it, so that the places of a mirrored image are the mirrored places."""
    window = max(1, min(size) // WINDOW_SHARE) if window is None else window
    stride = max(1, min(size) // STRIDE_SHARE) if stride is None else stride
    if window < 1 or stride < 1:
        raise ValueError(f"a window of {window} pixels every {stride} pixels covers nothing")
    return tuple(_along(side, window, stride) for side in size)


def _along(side: int, window: int, stride: int) -> list[slice]:
    count = max(1, round(side / stride))
    slices = []
    for index in range(count):
        centre = (index + 0.5) * side / count
        start, stop = np.ceil(centre - window / 2 - 0.5), np.floor(centre + window / 2 + 0.5)
        slices.append(slice(max(0, int(start)), min(side, int(stop))))
    return slices


def _key(rows: slice, columns: slice) -> tuple[int, int, int, int]:
    """Slices are no keys of a dictionary before Python 3.12."""
    return rows.start, rows.stop, columns.start, columns.stop
