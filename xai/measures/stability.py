"""Does the heatmap stay when the image changes in a way that no reader would mind?

Yeh et al., "On the (In)fidelity and Sensitivity of Explanations", NeurIPS 2019, ask how far a small change
moves an explanation; Arun et al., Radiology: Artificial Intelligence 2021, call it repeatability. Maps are
compared by their order and their top tenth (`xai.measures.agreement`), after the change's geometry is undone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from xai.measures.agreement import agreement_of_values

NOISE = 0.02
"""Standard deviation of the noise, as a share of the range 0..1 of an input: 5 of 255 grey levels."""
SHIFT = 4
"""Pixels of the input that the image moves right and down: an eighth of a 7 x 7 grid's cell at 224 pixels."""
JPEG_QUALITY = 75
"""What programs save a picture with unless told otherwise."""
KINDS = ("noise", "shift", "jpeg", "flip")

Explain = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""float32 [N, h, w, C] -> (maps [N, gh, gw], signed; values [N], the target's score)."""


@dataclass(frozen=True)
class Stability:
    """One change of the image.

    kind: one of KINDS. rank: Spearman's correlation of the two maps, -1..1. overlap: intersection over union
    of their top tenths, 0..1. Both None, with `why`, where one map has no place. change: score of the changed
    image less that of the image, in the unit of `explain`'s values.
    """

    kind: str
    rank: float | None
    overlap: float | None
    change: float
    why: str = ""


def stability(
    tensor: np.ndarray,
    explain: Explain,
    kinds: Sequence[str] = KINDS,
    seed: int = 0,
    inside: np.ndarray | None = None,
) -> tuple[Stability, ...]:
    """The map of an image float32 [1, h, w, C] in 0..1 against its maps after each of `kinds`.

    "noise": Gaussian, standard deviation 0.02 of the range. "shift": 4 pixels right and 4 down, the edge
    repeated. "jpeg": saved as JPEG of quality 75. "flip": mirrored left to right; a network need not answer
    alike, but where it sees the lesion should not depend on the side. inside: bool [h, w], True on the image
    and False on padding, which stays black and is not compared. One call of `explain` with 1 + len(kinds)
    images. ValueError for an unknown kind.
    """
    if unknown := next((kind for kind in kinds if kind not in KINDS), None):
        raise ValueError(f"There is no change {unknown!r}: choose of {', '.join(KINDS)}.")
    if tensor.ndim != 4 or tensor.shape[0] != 1:
        raise ValueError(f"One image [1, h, w, C] is needed, not {tensor.shape}.")
    inside = np.ones(tensor.shape[1:3], bool) if inside is None else inside
    rng = np.random.default_rng(seed)
    batch = [tensor[0], *(_changed(kind, tensor[0], inside, rng) for kind in kinds)]
    maps, values = explain(np.stack(batch).astype(np.float32, copy=False))
    plain = _on_input(maps[0], inside.shape)
    found = []
    for kind, grid, value in zip(kinds, maps[1:], values[1:], strict=True):
        back, seen = _undone(kind, _on_input(grid, inside.shape), inside)
        same = agreement_of_values(plain[seen], back[seen])
        found.append(Stability(kind, same.rank, same.overlap, float(value - values[0]), same.why))
    return tuple(found)


def _changed(kind: str, image: np.ndarray, inside: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if kind == "flip":
        return image[:, ::-1]
    if kind == "noise":
        changed = np.clip(image + rng.normal(0.0, NOISE, image.shape), 0.0, 1.0)
    elif kind == "jpeg":
        from models.study.recompression import jpeg_round_trip

        eight = np.rint(image * 255.0).astype(np.uint8)
        changed = jpeg_round_trip(eight, JPEG_QUALITY) / np.float32(255.0)
    else:
        # Moved within the padding, which holds no content to be moved in.
        changed = _shifted(np.where(inside[..., None], image, 0.0), SHIFT)
        changed = np.where(_shifted(inside, SHIFT)[..., None], changed, image)
    return np.where(inside[..., None], changed, image).astype(np.float32)


def _shifted(plane: np.ndarray, by: int) -> np.ndarray:
    """The array `by` rows and columns further down and right, its first row and column repeated."""
    rows, columns = (np.maximum(np.arange(side) - by, 0) for side in plane.shape[:2])
    return plane[np.ix_(rows, columns)]


def _undone(kind: str, values: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The map led back onto the unchanged image, and where both show the same content."""
    if kind == "flip":
        return values[:, ::-1], inside & inside[:, ::-1]
    if kind == "shift":
        back = np.zeros_like(values)
        back[:-SHIFT, :-SHIFT] = values[SHIFT:, SHIFT:]
        seen = np.zeros_like(inside)
        seen[:-SHIFT, :-SHIFT] = inside[SHIFT:, SHIFT:] & inside[:-SHIFT, :-SHIFT]
        return back, seen
    return values, inside


def _on_input(grid: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """float32 [h, w]: a map stretched over the whole input."""
    from models.inputs import Placement

    return Placement.fitting(size, size).to_native(grid)
