"""What one engine call gives: enough for the prediction and for every map of every class and branch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Branch:
    """One trunk's part of an explained prediction."""

    name: str
    layer: str
    """The target layer, whose output feeds the pooling."""
    activations: np.ndarray
    """float32 [N, gh, gw, K], output of the target layer."""
    weights: np.ndarray
    """float32 [N, classes, K]: gradient of a class's margin with respect to one cell of the activations (the
    same in every cell: gradient with respect to the pooled mean, divided by gh * gw)."""


@dataclass(frozen=True, eq=False)
class Scores:
    """A prediction without its explanation."""

    logits: np.ndarray
    """float32 [N, L]."""
    probabilities: np.ndarray
    """float64 [N, classes], calibrated, rows sum to 1."""


@dataclass(frozen=True, eq=False)
class Explained:
    """A prediction of N images with what explains it."""

    run_id: str
    classes: tuple[str, ...]
    logits: np.ndarray
    """float32 [N, L]; L is 1 (the positive class, second of two) or the number of classes."""
    probabilities: np.ndarray
    """float64 [N, classes], calibrated."""
    margins: np.ndarray
    """float32 [N, classes], logit units: what the channel weights are the gradient of."""
    branches: tuple[Branch, ...]
    engine: str
    """For example "openvino 2026.4.1 cpu f32"."""

    def __len__(self) -> int:
        return len(self.logits)

    def case(self, index: int) -> Explained:
        """The same for one image, N = 1. IndexError outside 0..N-1."""
        if not 0 <= index < len(self):
            raise IndexError(f"case {index} of {len(self)}")
        rows = slice(index, index + 1)
        branches = tuple(
            replace(branch, activations=branch.activations[rows], weights=branch.weights[rows])
            for branch in self.branches
        )
        return replace(
            self,
            logits=self.logits[rows],
            probabilities=self.probabilities[rows],
            margins=self.margins[rows],
            branches=branches,
        )

    def branch(self, name: str) -> Branch:
        """By branch or target-layer name. KeyError names the known ones."""
        for branch in self.branches:
            if name in (branch.name, branch.layer):
                return branch
        raise KeyError(f"no branch or layer {name!r}; there are {[branch.name for branch in self.branches]}")
