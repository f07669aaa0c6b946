"""Does the score depend on what the heatmap shows? Parts of the image are taken away and the network is
asked again.

Every function takes tensor: float32 [1, h, w, C], the network's input; saliency: [h, w] in the same geometry,
higher is more important; predict: a batch of inputs to one number each, the target's probability or margin;
inside: bool [h, w], True on the image and False on padding (`Placement.content()`), None for all. Padding is
never touched and never counted. All images that differ by one step go through `predict` together, at most 32
a call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xai.measures.perturb import (
    BASELINES,
    Baseline,
    Predict,
    blurred,
    checked,
    descending,
    predict_all,
    replaced_by,
)
from xai.measures.regions import elsewhere

STEPS = 20

__all__ = [
    "BASELINES",
    "Baseline",
    "BlurTest",
    "Curve",
    "Kept",
    "Predict",
    "average_drop",
    "blur_test",
    "deletion",
    "increase_in_confidence",
    "insertion",
    "kept",
    "random_curve",
    "sensitivity_n",
]


@dataclass(frozen=True, eq=False)
class Curve:
    """The score while pixels go or come. shares: float64 [k + 1], 0..1 of the content. values: float64
    [k + 1], in predict's unit. area: under the curve by the trapezoid rule, in predict's unit."""

    shares: np.ndarray
    values: np.ndarray
    area: float


@dataclass(frozen=True)
class Kept:
    """The score of the image (full) and of the image kept only where the map is (kept), in predict's
    unit."""

    full: float
    kept: float

    @property
    def drop(self) -> float:
        """max(0, full - kept) / full, 0..1 for probabilities: one term of the average drop. 0 where the full
        score is not above 0."""
        return max(0.0, self.full - self.kept) / self.full if self.full > 0 else 0.0

    @property
    def increase(self) -> bool:
        """Whether the score rose: one term of the increase in confidence."""
        return self.kept > self.full


@dataclass(frozen=True, eq=False)
class BlurTest:
    """What blurring the hot area did against blurring areas of the same shape and size elsewhere.

    drop: score before less score after, predict's unit. random_drops: float64 [n], the same for each area
    elsewhere. share_beaten: 0..1, the share of them whose drop is smaller than the hot area's (ties count
    half): about 0.5 says that the hot area matters no more than any other. n: areas elsewhere.
    """

    drop: float
    random_drops: np.ndarray
    share_beaten: float
    n: int


def deletion(
    tensor: np.ndarray,
    saliency: np.ndarray,
    predict: Predict,
    baseline: Baseline = "mean",
    steps: int = STEPS,
    inside: np.ndarray | None = None,
) -> Curve:
    """The score while the most salient pixels are replaced first, step by step until none is left.

    Petsiuk, Das & Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018.
    A small area means that the map names what the score needs. steps + 1 passes.
    """
    image, values, inside = checked(tensor, saliency, inside)
    return _curve(image, replaced_by(image, inside, baseline), values, predict, steps, inside)


def insertion(
    tensor: np.ndarray,
    saliency: np.ndarray,
    predict: Predict,
    baseline: Baseline = "blur",
    steps: int = STEPS,
    inside: np.ndarray | None = None,
) -> Curve:
    """The score while the most salient pixels are put back first into the baseline image.

    Petsiuk et al., BMVC 2018, who start from a blurred image so that no sharp edges are made. A large area
    means that the map names what suffices for the score. steps + 1 passes.
    """
    image, values, inside = checked(tensor, saliency, inside)
    empty = np.where(inside[..., None], replaced_by(image, inside, baseline), image)
    return _curve(empty, image, values, predict, steps, inside)


def random_curve(
    tensor: np.ndarray,
    predict: Predict,
    kind: str = "deletion",
    grid: tuple[int, int] = (7, 7),
    draws: int = 4,
    seed: int = 0,
    baseline: Baseline = "mean",
    steps: int = STEPS,
    inside: np.ndarray | None = None,
) -> Curve:
    """The mean curve of maps that know nothing: what a deletion or insertion area must be held against.

    kind: "deletion" or "insertion". The maps are uniform noise on `grid`, stretched over the input as a
    heatmap of that resolution is, so their areas are as coherent as its own. draws x (steps + 1) passes.
    """
    if kind not in ("deletion", "insertion"):
        raise ValueError(f'A curve is "deletion" or "insertion", not {kind!r}.')
    measure = deletion if kind == "deletion" else insertion
    rng = np.random.default_rng(seed)
    curves = [
        measure(tensor, _noise(rng, grid, tensor.shape[1:3]), predict, baseline, steps, inside)
        for _ in range(draws)
    ]
    values = np.mean([curve.values for curve in curves], axis=0)
    return Curve(curves[0].shares, values, _area(curves[0].shares, values))


def kept(
    tensor: np.ndarray, saliency: np.ndarray, predict: Predict, inside: np.ndarray | None = None
) -> Kept:
    """The score of the image multiplied by its map (rectified, its highest value as 1): two passes.

    Chattopadhay et al., "Grad-CAM++", WACV 2018, section 4.1. A map without a positive value keeps nothing.
    """
    image, values, inside = checked(tensor, saliency, inside)
    weight = np.where(inside, np.clip(values, 0.0, None), 0.0)
    highest = weight.max()
    weight = weight / highest if highest > 0 else weight
    masked = np.where(inside[..., None], image * weight[..., None].astype(np.float32), image)
    full, left = predict_all([image, masked], predict)
    return Kept(float(full), float(left))


def average_drop(
    tensor: np.ndarray, saliency: np.ndarray, predict: Predict, inside: np.ndarray | None = None
) -> float:
    """One case's term of the average drop, 0..1, lower is better: see `Kept.drop`. predict gives
    probabilities."""
    return kept(tensor, saliency, predict, inside).drop


def increase_in_confidence(
    tensor: np.ndarray, saliency: np.ndarray, predict: Predict, inside: np.ndarray | None = None
) -> bool:
    """One case's term of the increase in confidence, higher is better: see `Kept.increase`."""
    return kept(tensor, saliency, predict, inside).increase


def sensitivity_n(
    tensor: np.ndarray,
    saliency: np.ndarray,
    predict: Predict,
    shares: Sequence[float] = (0.1, 0.3, 0.5),
    draws: int = 30,
    cells: int = 14,
    seed: int = 0,
    baseline: Baseline = "mean",
    inside: np.ndarray | None = None,
) -> float | None:
    """Do the map's values add up to what the score loses? The mean correlation over `shares`, -1..1.

    Sensitivity-n of Ancona et al., "Towards better understanding of gradient-based attribution methods", ICLR
    2018: for random sets of n features, Pearson's correlation of the sum of their attributions with the drop
    of the score when they are replaced together; n is each of `shares` of the features. Features are the
    cells of a `cells` x `cells` grid here, since single pixels tell a network nothing; a cell's attribution
    is the sum of the signed map over its content. None where the map or the score never changes.
    1 + len(shares) x draws passes.
    """
    image, values, inside = checked(tensor, saliency, inside)
    empty = replaced_by(image, inside, baseline)
    cell = _cells(image.shape[:2], cells)
    present = np.unique(cell[inside])
    weight = np.bincount(cell[inside], values[inside], minlength=cells * cells)
    rng = np.random.default_rng(seed)
    taken = np.zeros((len(shares) * draws, cells * cells), bool)
    for row, share in enumerate(np.repeat(shares, draws)):
        size = min(len(present), max(1, round(share * len(present))))
        taken[row, rng.choice(present, size, replace=False)] = True
    images = (np.where((inside & gone[cell])[..., None], empty, image) for gone in taken)
    scores = predict_all((image, *images), predict)
    drops, sums = (scores[0] - scores[1:]).reshape(len(shares), draws), (taken @ weight)
    found = [_pearson(a, b) for a, b in zip(sums.reshape(len(shares), draws), drops, strict=True)]
    return None if None in found else float(np.mean(found))


def blur_test(
    tensor: np.ndarray,
    saliency: np.ndarray,
    predict: Predict,
    share: float = 0.1,
    draws: int = 8,
    seed: int = 0,
    inside: np.ndarray | None = None,
) -> BlurTest:
    """Does blurring the hottest `share` of the image cost more than blurring as much of it elsewhere?

    Hot is what is above 0 within that share; a map of no positive value is taken by its order alone.
    The areas elsewhere are the hot area itself, turned, mirrored and moved within the content
    (`xai.measures.regions.elsewhere`): same shape, same size, so only the place differs. It is one step of a
    deletion curve with a control, after the region perturbations of Samek et al., "Evaluating the
    Visualization of What a Deep Neural Network Has Learned", IEEE TNNLS 2017, and the blur of Fong & Vedaldi,
    ICCV 2017. 2 + draws passes, the same areas for the same seed.
    """
    image, values, inside = checked(tensor, saliency, inside)
    hot = _hot(values, inside, share)
    smooth = blurred(image, inside)
    areas = [hot, *elsewhere(hot, inside, draws, seed)]
    images = (np.where(area[..., None], smooth, image) for area in areas)
    scores = predict_all((image, *images), predict)
    drop, others = scores[0] - scores[1], scores[0] - scores[2:]
    beaten = float(np.mean((others < drop) + 0.5 * (others == drop))) if len(others) else 0.5
    return BlurTest(float(drop), others, beaten, len(others))


def _hot(saliency: np.ndarray, inside: np.ndarray, share: float) -> np.ndarray:
    """bool [h, w]: the most salient `share` of the content, as far as the map is above 0 (of a map that is
    nowhere, all of that share)."""
    order = descending(saliency, inside)[: max(1, round(share * np.count_nonzero(inside)))]
    positive = order[saliency.ravel()[order] > 0]
    hot = np.zeros(inside.shape, bool)
    hot.ravel()[positive if len(positive) else order] = True
    return hot


def _curve(
    start: np.ndarray,
    end: np.ndarray,
    saliency: np.ndarray,
    predict: Predict,
    steps: int,
    inside: np.ndarray,
) -> Curve:
    """From `start` to `end`, the most salient pixels first, in `steps` parts as equal as whole pixels
    allow."""
    if steps < 1:
        raise ValueError("A curve has at least one step.")
    order = descending(saliency, inside)
    rank = np.full(saliency.size, len(order), np.intp)
    rank[order] = np.arange(len(order))
    rank = rank.reshape(saliency.shape)
    changed = [step * len(order) // steps for step in range(steps + 1)]
    values = predict_all((np.where((rank < k)[..., None], end, start) for k in changed), predict)
    shares = np.array(changed) / len(order)
    return Curve(shares, values, _area(shares, values))


def _area(shares: np.ndarray, values: np.ndarray) -> float:
    return float(np.trapezoid(values, shares))


def _noise(rng: np.random.Generator, grid: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    from models.inputs import Placement

    return Placement.fitting(size, size).to_native(rng.random(grid, dtype=np.float32))


def _cells(size: tuple[int, int], cells: int) -> np.ndarray:
    """intp [h, w]: each pixel's cell, 0..cells^2 - 1, by rows."""
    down, across = ((np.arange(side) * cells) // side for side in size)
    return down[:, None] * cells + across[None, :]


def _pearson(first: np.ndarray, second: np.ndarray) -> float | None:
    first, second = first - first.mean(), second - second.mean()
    length = np.sqrt((first @ first) * (second @ second))
    return float(np.clip(first @ second / length, -1.0, 1.0)) if length > 1e-12 else None
