"""Integrated Gradients: gradients along the straight way from an empty image to this one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xai.methods.gradient.tape import BATCH, gradients_of, values_of
from xai.methods.perturbation import Baseline, filler, in_batches
from xai.methods.request import Watch

if TYPE_CHECKING:
    from models.engines.tensorflow import TensorFlowEngine
    from xai.methods.target import Target

# Midpoints of n steps are among those of 3n, so a finer integral costs only what is new.
IG_STEPS = (18, 54, 162, 486)
TOLERANCE = 1e-2
# A difference of less than this has no hundredth worth asking for.
LEAST_DIFFERENCE = 0.1


@dataclass(frozen=True, eq=False)
class PathIntegral:
    """values: float32 [h, w], signed, logit per pixel, channels summed. steps: how many gradients were
    averaged. difference: target(image) - target(baseline), logit units. gap: what the sum of the values
    misses of it."""

    values: np.ndarray
    steps: int
    difference: float
    gap: float

    @property
    def complete(self) -> bool:
        """Whether the values add up to the difference within a hundredth of it."""
        return abs(self.gap) <= TOLERANCE * max(abs(self.difference), LEAST_DIFFERENCE)


def integrated_gradients(
    engine: TensorFlowEngine,
    tensor: np.ndarray,
    target: Target,
    classes: Sequence[str],
    steps: int | None = None,
    baseline: Baseline = "black",
    watch: Watch | None = None,
) -> np.ndarray:
    """float32 [h, w], signed, logit per pixel: the values of `path_integral`."""
    return path_integral(engine, tensor, target, classes, steps, baseline, watch).values


def path_integral(
    engine: TensorFlowEngine,
    tensor: np.ndarray,
    target: Target,
    classes: Sequence[str],
    steps: int | None = None,
    baseline: Baseline = "black",
    watch: Watch | None = None,
) -> PathIntegral:
    """Sundararajan et al., "Axiomatic Attribution for Deep Networks", ICML 2017, eq. 1 and 3: (x - x') times
    the mean gradient on the way from the baseline x' to the image x, so that the map adds up to target(x) -
    target(x') (completeness). What a coarser integral computed counts as done when `watch` is told.

    tensor: float32 [1, h, w, C]. steps: None takes the first of `IG_STEPS` whose map is complete within a
    hundredth, or the last. baseline: "black" as in the paper, where black pixels can then have no part;
    "mean" or "blur", see xai.methods.perturbation.filler.
    """
    start = filler(tensor, baseline)[None]
    way = tensor - start
    ends = values_of(engine, np.concatenate([tensor, start]), target, classes)
    difference = float(ends[0] - ends[1])
    total, known = np.zeros(tensor.shape[1:]), 0
    for count in (steps,) if steps is not None else IG_STEPS:
        places = (np.arange(count) + 0.5) / count
        # Every third midpoint, beginning with the second, is one of the coarser integral.
        new = np.delete(places, np.s_[1::3]) if known else places
        for part in in_batches(len(new), _going_on(watch, known), BATCH):
            images = start + way * new[part, None, None, None].astype(np.float32)
            total += gradients_of(engine, images, target, classes).sum(axis=0, dtype=np.float64)
        known = count
        values = (way[0] * total / count).sum(axis=2)
        found = PathIntegral(values.astype(np.float32), count, difference, difference - float(values.sum()))
        if found.complete:
            break
    return found


def _going_on(watch: Watch | None, known: int) -> Watch | None:
    """`watch` told of `known` passes more, done before."""
    return None if watch is None else lambda done, total: watch(known + done, known + total)
