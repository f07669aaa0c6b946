"""A run's head on its own: from feature maps to margins, where the features and not the image are changed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from models.engines.explained import FLATTEN, head_kind
from models.engines.margins import margins
from models.engines.onnx import CompiledModel, compile_model

if TYPE_CHECKING:
    from models.runs import Run

# It opens soonest, and a head is too small for the other runtime to make up for it.
RUNTIME = "onnxruntime"
HEADS_OPEN = 4


class Head:
    """head.onnx by ONNX Runtime, single precision. Safe to call from many threads.

    compiled: a head to use in the place of the run's own file (models.engines.randomised).
    """

    def __init__(self, run: Run, compiled: CompiledModel | None = None) -> None:
        self._classes, self._flat = len(run.classes), head_kind(run) == FLATTEN
        kind = "activations" if self._flat else "pooled"
        self._ports = [f"{kind}_{branch.name}" for branch in run.branches]
        self._call = (compiled or compile_model(run.head_file, RUNTIME)).call

    def features(self, activations: Sequence[np.ndarray]) -> list[np.ndarray]:
        """What the head takes, a branch: activations [N, gh, gw, K] as they are where it flattens, else their
        means over space [N, K]; float32, in the run's order of branches."""
        if self._flat:
            return list(activations)
        return [maps.mean(axis=(1, 2), dtype=np.float32) for maps in activations]

    def margins(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """float32 [N, classes], logit units, of `features` as that method gives them, N of each branch."""
        arrays = {
            port: np.ascontiguousarray(values, np.float32)
            for port, values in zip(self._ports, features, strict=True)
        }
        return margins(self._call(arrays)["logits"], self._classes)

    def __call__(self, activations: Sequence[np.ndarray]) -> np.ndarray:
        """Margins [N, classes] from activations [N, gh, gw, K], one array a branch."""
        return self.margins(self.features(activations))


@lru_cache(maxsize=HEADS_OPEN)
def open_head(run: Run) -> Head:
    """The run's head, compiled once for as long as few others are asked for. BadInput for a run without
    weights."""
    return Head(run)
