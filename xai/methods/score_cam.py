"""Score-CAM: feature maps weighted by the target's score of the image seen through each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xai.methods.perturbation import Predict, enlarged, in_batches, settled
from xai.methods.request import Watch

if TYPE_CHECKING:
    from models.engines import Explained
    from xai.methods.target import Target


def score_cam(
    explained: Explained,
    tensor: np.ndarray,
    predict: Predict,
    target: Target,
    classes: Sequence[str],
    masks: int | None = None,
    watch: Watch | None = None,
) -> list[tuple[str, np.ndarray]]:
    """(branch name, float32 [gh, gw] >= 0 behind a ReLU) for every branch, in the run's order.

    Wang et al., "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks", CVPR
    Workshops 2020, algorithm 1: every channel, enlarged to the input and brought to 0..1, is laid over the
    image as a mask; the target's value (logit units) of the masked image less that of a black one goes
    through a softmax over the channels and weighs the channel. Where no masked image differs from the black
    one the network does not look, no channel says more than another, and the map is 0.

    Of a hybrid the softmax runs over the channels of all branches. Each branch's activations are measured in
    its own highest one, since trunks differ in scale by orders of magnitude, and divided by its number of
    cells, so that branches add up place by place when their sums are kept (xai.cam.joint_map). Both change
    the map of a single branch by a factor only. The unit is arbitrary.

    explained: N = 1, of `tensor` float32 [1, h, w, C]. masks: the channels with the largest deviation over
    space, this many of all branches together (Faster Score-CAM, as in tf-keras-vis); None for all. A channel
    that is the same everywhere masks nothing and is left out, as in the authors' code.
    """
    scaled = [_scaled(branch.activations) for branch in explained.branches]
    chosen = _most_active(scaled, masks)
    scores = np.empty(len(chosen))
    size = tensor.shape[1:3]
    for part in in_batches(len(chosen), watch):
        channels = [scaled[branch][..., channel] for branch, channel in chosen[part]]
        seen = np.concatenate([_mask(channel, size) for channel in channels])
        scores[part] = target.of(predict(tensor * seen[..., None]), classes)
    black = float(target.of(predict(np.zeros_like(tensor)), classes)[0])
    increases = settled(scores - black, black)
    return _weighted([branch.name for branch in explained.branches], scaled, chosen, increases)


def count_masks(explained: Explained, masks: int | None = None) -> int:
    """How many passes `score_cam` takes: the channels that differ over space, at most `masks`."""
    return len(_most_active([_scaled(branch.activations) for branch in explained.branches], masks))


def _scaled(activations: np.ndarray) -> np.ndarray:
    """[gh, gw, K]: a branch's activations of one case as shares of its highest."""
    if activations.shape[0] != 1:
        raise ValueError("Maps are made a case at a time: pass explained.case(i).")
    highest = np.abs(activations[0]).max()
    return activations[0] / highest if highest > 0 else activations[0]


def _most_active(scaled: Sequence[np.ndarray], masks: int | None) -> list[tuple[int, int]]:
    """(branch, channel) of the channels that are no constant, by falling deviation over space."""
    found = [
        (float(deviation), branch, channel)
        for branch, maps in enumerate(scaled)
        for channel, deviation in enumerate(maps.std(axis=(0, 1), dtype=np.float64))
        if np.ptp(maps[..., channel]) > 0
    ]
    # Equal ones in the network's order, so that every engine chooses the same.
    found.sort(key=lambda item: (-item[0], *item[1:]))
    return [(branch, channel) for _, branch, channel in found[:masks]]


def _mask(channel: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """float32 [1, h, w] in 0..1: a channel [gh, gw] enlarged, lowest at 0 and highest at 1 (eq. 6)."""
    mask = enlarged(channel[..., None], size)
    low, high = mask.min(), mask.max()
    return (mask - low) / (high - low) if high > low else np.zeros_like(mask)


def _weighted(
    names: Sequence[str], scaled: Sequence[np.ndarray], chosen: list[tuple[int, int]], increases: np.ndarray
) -> list[tuple[str, np.ndarray]]:
    """Each branch's channels times the softmax of their increases, added up and divided by the cells."""
    weights = [np.zeros(maps.shape[2]) for maps in scaled]
    if increases.any():
        powers = np.exp(increases - increases.max())
        for (branch, channel), weight in zip(chosen, powers / powers.sum(), strict=True):
            weights[branch][channel] = weight
    return [
        (name, (maps.astype(np.float64) @ weight / (maps.shape[0] * maps.shape[1])).astype(np.float32))
        for name, maps, weight in zip(names, scaled, weights, strict=True)
    ]
