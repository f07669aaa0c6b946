"""Learning rate and stopping as pure functions of the epochs so far, so that a resumed training decides the
same."""

from __future__ import annotations

import math
from collections.abc import Sequence

from models.recipes.recipe import Stage


def learning_rate(stage: Stage, losses: Sequence[float]) -> float:
    """The rate of a stage's next epoch, from the validation losses of its epochs so far."""
    if stage.schedule == "cosine":
        done = min(len(losses) / (stage.span or stage.epochs), 1.0)
        return stage.rate * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)
    return stage.rate * 0.5 ** _stalls(losses, stage.stall)


def finished(stage: Stage, losses: Sequence[float]) -> bool:
    """True when the stage's epochs are done or `patience` epochs brought no lower validation loss."""
    if len(losses) >= stage.epochs:
        return True
    return (
        bool(stage.patience) and len(losses) - 1 - best_epoch(losses) >= stage.patience if losses else False
    )


def best_epoch(losses: Sequence[float]) -> int:
    """Index of the lowest validation loss; the first of equals."""
    return min(range(len(losses)), key=lambda i: losses[i])


def _stalls(losses: Sequence[float], patience: int) -> int:
    """How often `patience` epochs in a row brought no lower loss; the count begins anew after each."""
    best, waited, stalls = math.inf, 0, 0
    for loss in losses:
        if loss < best:
            best, waited = loss, 0
            continue
        waited += 1
        if waited == patience:
            stalls, waited = stalls + 1, 0
    return stalls
