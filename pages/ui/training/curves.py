"""What the learning curves show of a run: its history, or those of its folds or seeds and their mean."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from models.errors import BadInput
from models.recipes.differences import choices
from models.reports.drawing_training import stretches
from models.reports.training import recipe_text
from models.runs import Run
from models.runs.history import History, read_history, remarks, smoothed
from models.runs.member_histories import mean_history, member_histories

#: In the order of their panels; whatever else a history holds can be asked for.
USUAL = ("loss", "auc", "accuracy", "learning_rate")
MOST_POINTS = 600
_NOT_MEASURES = ("epoch", "stage")


@dataclass(frozen=True, eq=False)
class Trained:
    """A run's curves. members: (name, history) of each fold or seed; then `history` is their mean.

    best: the row of the lowest validation loss in the last stage, None where none was logged.
    """

    run: Run
    history: History
    members: tuple[tuple[str, History], ...] = ()
    best: int | None = None


@dataclass(frozen=True, eq=False)
class Line:
    """One stretch to draw: x (epochs) and y, both float64 [n]."""

    x: np.ndarray
    y: np.ndarray


def trained(run: Run) -> Trained:
    """The curves of a run. BadInput where it has none, or they cannot be read."""
    members = member_histories(run)
    if members:
        return Trained(run, mean_history([history for _, history in members]), members)
    history = read_history(run)
    return Trained(run, history, (), best_row(history))


def best_row(history: History) -> int | None:
    """The row of the last stage with the lowest validation loss; None where there is none."""
    try:
        return history.best("val_loss", history.last_stage())
    except BadInput:
        return None


def measures(runs: Iterable[Trained]) -> tuple[str, ...]:
    """What can be drawn, without "val_": the usual four first, then the others as they come."""
    named = [name.removeprefix("val_") for one in runs for name in one.history.columns]
    found = [name for name in dict.fromkeys(named) if name not in _NOT_MEASURES]
    return (*(name for name in USUAL if name in found), *(name for name in found if name not in USUAL))


def lines(history: History, column: str, smoothing: float = 0.0) -> list[Line]:
    """A column as lines to draw, one a stage: losses of two stages are different sums, no line joins them.

    Each is smoothed for itself and thinned to a few hundred points; the last one is always kept.
    """
    values = history.columns.get(column)
    if values is None or np.isnan(values).all():
        return []
    most = max(2, MOST_POINTS // len(stretches(history)))
    found = []
    for rows in stretches(history):
        x, y = history.epochs[rows].astype(float), smoothed(values[rows], smoothing)
        kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), most)).round().astype(int))
        found.append(Line(x[kept], y[kept]))
    return found


def counted_in(history: History) -> str:
    """What the rows count: "epoch", or "step" where a logger wrote every so many steps."""
    return "epoch" if len(history) < 2 or (np.diff(history.epochs) == 1).all() else "step"


def sentences_of(one: Trained) -> tuple[str, ...]:
    """What a reader of these curves should not miss, and which epoch's weights the run holds."""
    if one.members:
        return _of_members(one)
    kept = _kept(one)
    return (*remarks(one.history), *([kept] if kept else []))


def stage_sentence(history: History) -> str:
    """Which epochs each stage took; empty where there is one stage or none is named."""
    found = [
        f"{history.stages[rows.start] or 'unnamed'} {_epochs(history.epochs[rows])}"
        for rows in stretches(history)
    ]
    return f"Stages: {', '.join(found)}." if len(found) > 1 else ""


def _epochs(epochs: np.ndarray) -> str:
    first, last = int(epochs[0]), int(epochs[-1])
    return f"(epoch {first})" if first == last else f"(epochs {first} to {last})"


def _of_members(one: Trained) -> tuple[str, ...]:
    kind = one.run.members[0].kind
    known = [(name, history, best_row(history)) for name, history in one.members]
    best = [str(int(history.epochs[row])) for _, history, row in known if row is not None]
    said = [f"The strong line is the mean of {len(known)} {kind}s, as far as half of them were trained."]
    if best:
        said.append(f"Validation loss was lowest at epoch {', '.join(best)} of the {kind}s in turn.")
    broken = [name for name, history, _ in known if not np.isfinite(_last(history, "loss"))]
    if broken:
        said.append(f"The loss of {', '.join(broken)} ends in no number: that training broke down.")
    return tuple(said)


def _kept(one: Trained) -> str:
    """Which weights the last stage handed on, as the recipe says; empty where that cannot be told."""
    stage = one.history.stages[-1]
    if not stage or one.best is None:
        return ""
    try:
        keep = choices(recipe_text(one.run)).get(f"stages.{stage}.keep")
    except BadInput:
        return ""
    if keep is None:
        return ""
    epoch = int(one.history.epochs[one.best if keep.value == "best" else -1])
    return f'The run holds the weights of epoch {epoch}, as its recipe says (keep = "{keep.value}").'


def _last(history: History, column: str) -> float:
    values = history.columns.get(column)
    return 0.0 if values is None else float(values[-1])
