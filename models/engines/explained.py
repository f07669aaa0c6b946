"""What one engine call gives: enough for the prediction and for every map of every class and branch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from models.engines.margins import margins, probabilities

if TYPE_CHECKING:
    from models.runs import Run

POOLED = "pooled"
FLATTEN = "flatten"


@dataclass(frozen=True, eq=False)
class Branch:
    """One trunk's part of an explained prediction."""

    name: str
    layer: str
    """The target layer, whose output feeds the head."""
    activations: np.ndarray
    """float32 [N, gh, gw, K], output of the target layer."""
    weights: np.ndarray
    """float32 [N, classes, K]: gradient of a class's margin with respect to the activations, averaged over
    space. Behind a mean pooling it is the same in every cell: the gradient with respect to the pooled mean,
    divided by gh * gw."""
    gradient: np.ndarray | None = None
    """float32 [N, classes, gh, gw, K]: the gradient itself, where the head flattens and it differs over
    space; else None."""

    def case(self, index: int) -> Branch:
        """The same for one image, N = 1."""
        rows = slice(index, index + 1)
        gradient = None if self.gradient is None else self.gradient[rows]
        return replace(
            self, activations=self.activations[rows], weights=self.weights[rows], gradient=gradient
        )


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
    head: str = POOLED
    """The head's kind as in run.json: "pooled", "flatten", "logistic", "svm" or "bayes"."""

    def __len__(self) -> int:
        return len(self.logits)

    def case(self, index: int) -> Explained:
        """The same for one image, N = 1. IndexError outside 0..N-1."""
        if not 0 <= index < len(self):
            raise IndexError(f"case {index} of {len(self)}")
        rows = slice(index, index + 1)
        return replace(
            self,
            logits=self.logits[rows],
            probabilities=self.probabilities[rows],
            margins=self.margins[rows],
            branches=tuple(branch.case(index) for branch in self.branches),
        )

    def branch(self, name: str) -> Branch:
        """By branch or target-layer name. KeyError names the known ones."""
        for branch in self.branches:
            if name in (branch.name, branch.layer):
                return branch
        raise KeyError(f"no branch or layer {name!r}; there are {[branch.name for branch in self.branches]}")


def head_kind(run: Run) -> str:
    """The kind of a run's head, as in run.json."""
    return run.card.head.kind if run.card.head else POOLED


def explained_by(
    run: Run, outputs: Mapping[str, np.ndarray], activations: Sequence[np.ndarray], engine: str
) -> Explained:
    """The explained prediction from what a network gave.

    outputs: "logits", "channel_weights_<branch>" and of a flattening head "gradient_<branch>", arrays as in
    Explained and Branch. activations: one array a branch, in the run's order.
    """
    branches = tuple(
        Branch(
            branch.name,
            branch.target_layer,
            maps,
            outputs[f"channel_weights_{branch.name}"],
            outputs.get(f"gradient_{branch.name}"),
        )
        for branch, maps in zip(run.branches, activations, strict=True)
    )
    logits = outputs["logits"]
    return Explained(
        run_id=run.id,
        classes=run.classes,
        logits=logits,
        probabilities=probabilities(logits, run.card.calibration),
        margins=margins(logits, len(run.classes)),
        branches=branches,
        engine=engine,
        head=head_kind(run),
    )
