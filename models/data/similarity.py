"""Which pictures are the same: perceptual hash and thumbnail of each, and the pairs that both agree on.

Two pictures are near duplicates when their difference hashes (dHash, 64 bits on 9x8 cells: is the right
neighbour brighter; N. Krawetz, "Kind of Like That", 2013) lie within `distance` bits and their thumbnails of
48x48 pixels correlate by at least `correlation`. The hash finds candidates, the correlation decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

THUMBNAIL = 48
FLATTEST = 0.03
"""Standard deviation of a thumbnail in 0..1 under which it shows nothing to compare (fat, glass, a blank)."""
_ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class Rule:
    """Greatest hash distance in bits and least thumbnail correlation of near duplicates."""

    distance: int
    correlation: float


# Chosen by eye on pairs of these kinds of image. Mammograms of any two women have the same outline, and
# patches of tissue the same colour: both take a stricter rule than the frames of an ultrasound sweep.
RULES = {
    "ultrasound": Rule(6, 0.97),
    "mammography": Rule(4, 0.985),
    "histopathology": Rule(3, 0.98),
}
CAUTIOUS = Rule(4, 0.985)


@dataclass(frozen=True)
class Pair:
    """Two pictures by index, a < b. kind: "exact", "near" or "mirrored" (near after a left-right flip)."""

    a: int
    b: int
    kind: str
    distance: int
    correlation: float


def thumbnail(grey: np.ndarray) -> np.ndarray:
    """grey float32 [H, W] in 0..1 -> float32 [48, 48], by antialiased linear interpolation."""
    return shrunk(grey, THUMBNAIL, THUMBNAIL)


def difference_hashes(grey: np.ndarray) -> tuple[int, int]:
    """The 64 bits of a picture float32 [H, W], row by row, first bit highest; those of its mirror image."""
    cells = shrunk(grey, 8, 9)
    return _bits(cells), _bits(cells[:, ::-1])


def shrunk(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    """float32 [H, W] -> [height, width] by a triangle filter two output pixels wide (Pillow's BILINEAR)."""
    return _along_rows(_along_rows(plane, height).T, width).T


def pairs(
    hashes: np.ndarray,
    mirrored: np.ndarray,
    thumbnails: np.ndarray,
    contents: list[str],
    rules: list[Rule],
) -> list[Pair]:
    """Every pair of pictures that is one picture, by a, then b.

    hashes, mirrored: uint64 [n], of the pictures and of their mirror images. thumbnails: float32 [n, 48, 48].
    contents: digest of each picture's pixels; equal ones are "exact". rules: of each picture; the stricter of
    two decides. Flat thumbnails are near to nothing.
    """
    n = len(hashes)
    if not n:
        return []
    _, digest = np.unique(np.array(contents), return_inverse=True)
    flat_views = thumbnails.reshape(n, -1).astype(np.float32)
    spread = flat_views.std(axis=1)
    standard = (flat_views - flat_views.mean(axis=1, keepdims=True)) / np.maximum(spread, 1e-6)[:, None]
    turned = standard.reshape(n, THUMBNAIL, THUMBNAIL)[:, :, ::-1].reshape(n, -1)
    distances = np.array([rule.distance for rule in rules], np.uint8)
    least = np.array([rule.correlation for rule in rules], np.float32)
    busy = spread >= FLATTEST
    found: dict[tuple[int, int], Pair] = {}

    def add(kind: str, a: np.ndarray, b: np.ndarray, bits: np.ndarray, correlation: np.ndarray) -> None:
        for i, j, d, c in zip(a, b, bits, correlation, strict=True):
            found.setdefault((int(i), int(j)), Pair(int(i), int(j), kind, int(d), round(float(c), 4)))

    for start in range(0, n, _ROWS_AT_ONCE):
        rows = np.arange(start, min(start + _ROWS_AT_ONCE, n))
        later = rows[:, None] < np.arange(n)[None, :]
        i, b = np.nonzero((digest[rows][:, None] == digest[None, :]) & later)
        add("exact", rows[i], b, np.zeros(len(b)), np.ones(len(b)))
        for kind, others, views in (("near", hashes, standard), ("mirrored", mirrored, turned)):
            bits = np.bitwise_count(hashes[rows][:, None] ^ others[None, :])
            within = bits <= np.minimum(distances[rows][:, None], distances[None, :])
            i, b = np.nonzero(within & later & busy[rows][:, None] & busy[None, :])
            a = rows[i]
            correlation = np.einsum("ij,ij->i", standard[a], views[b]) / standard.shape[1]
            keep = correlation >= np.maximum(least[a], least[b])
            add(kind, a[keep], b[keep], bits[i, b][keep], correlation[keep])
    return [found[key] for key in sorted(found)]


def _bits(cells: np.ndarray) -> int:
    return int.from_bytes(np.packbits((cells[:, 1:] > cells[:, :-1]).ravel()).tobytes(), "big")


def _along_rows(plane: np.ndarray, cells: int) -> np.ndarray:
    taps, weights = _triangle(cells, plane.shape[0])
    # Not a matrix product: its threads would wait for cores that a training holds.
    return np.einsum("ct,ctw->cw", weights, plane[taps])


@lru_cache(maxsize=64)
def _triangle(cells: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """For each output cell the inputs it sees, int [cells, taps], and their weights, which add to one."""
    scale = length / cells
    reach = max(scale, 1.0)
    centres = (np.arange(cells) + 0.5) * scale
    first = np.floor(centres - reach).astype(int)
    taps = first[:, None] + np.arange(int(np.ceil(2 * reach)) + 2)[None, :]
    weights = np.clip(1.0 - np.abs(taps + 0.5 - centres[:, None]) / reach, 0.0, None)
    weights[(taps < 0) | (taps >= length)] = 0.0
    weights /= weights.sum(axis=1, keepdims=True)
    return np.clip(taps, 0, length - 1), weights.astype(np.float32)
