"""Stages of epochs with a checkpoint after each; the same decisions whether or not it was interrupted."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from models.errors import BadInput
from models.recipes.recipe import Stage
from models.training.checkpoint import (
    append_history,
    load_variables,
    read_history,
    save_variables,
    truncate_history,
)
from models.training.schedule import best_epoch, finished, learning_rate
from models.training.trainee import Trainee


@dataclass(frozen=True)
class StagePlan:
    """One stage ready to run.

    model: the network (or its twin at another side) whose variables are the stage's result. trainee: built
    and compiled over it. training, validation: its batches.
    """

    stage: Stage
    model: keras.Model
    trainee: Trainee
    training: keras.utils.PyDataset
    validation: keras.utils.PyDataset


class _Progress(keras.callbacks.Callback):
    """A bar over all epochs of a stage, with the time left."""

    def __init__(self, plan: StagePlan, done: int, quiet: bool):
        super().__init__()
        steps = len(plan.training)
        self.bar = tqdm(
            total=plan.stage.epochs * steps,
            initial=done * steps,
            desc=plan.stage.name,
            unit="batch",
            file=sys.stderr,
            disable=quiet,
            mininterval=1.0,
        )

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.bar.update(1)

    def describe(self, row: dict) -> None:
        self.bar.set_postfix_str(f"val_loss {row['val_loss']:.3f} val_auc {row['val_auc']:.3f}")


def run_stages(
    network: keras.Model, plans: list[Callable[[], StagePlan]], folder: Path, quiet: bool = False
) -> list[dict[str, str]]:
    """Train `network` through every stage, resuming from what `folder` holds; returns the history's rows.

    plans: one maker a stage, called when its turn comes (a stage's model may be large). After a stage the
    network holds its best weights or its last, as the stage's `keep` says.
    Raises BadInput when the loss is no longer a number; all finished epochs stay on disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number, make in enumerate(plans):
        end = folder / f"stage{number}.npz"
        if end.exists():
            load_variables(end, network.variables)
            continue
        plan = make()
        _run_stage(plan, folder, number, quiet)
        save_variables(end, plan.model.variables)
        load_variables(end, network.variables)
        (folder / "last.npz").unlink(missing_ok=True)
        (folder / "best.npz").unlink(missing_ok=True)
    return read_history(folder / "history.csv")


def _run_stage(plan: StagePlan, folder: Path, number: int, quiet: bool) -> None:
    trainee, stage = plan.trainee, plan.stage
    losses, before = _resume(plan, folder, number)
    progress = _Progress(plan, len(losses), quiet)
    while not finished(stage, losses):
        row = _run_epoch(plan, progress, before + len(losses), losses)
        append_history(folder / "history.csv", row)
        losses.append(float(row["val_loss"]))
        if best_epoch(losses) == len(losses) - 1:
            save_variables(folder / "best.npz", plan.model.variables)
        # Last, since this is what makes the epoch count as done.
        state = [*trainee.variables, *trainee.optimizer.variables]
        save_variables(
            folder / "last.npz",
            state,
            losses=np.asarray(losses),
            stage=np.asarray(number),
            before=np.asarray(before),
        )
        progress.describe(row)
    progress.bar.close()
    if stage.keep == "best":
        load_variables(folder / "best.npz", plan.model.variables)


def _resume(plan: StagePlan, folder: Path, number: int) -> tuple[list[float], int]:
    """Losses of this stage's finished epochs and the number of epochs before the stage."""
    history, last = folder / "history.csv", folder / "last.npz"
    if last.exists():
        state = [*plan.trainee.variables, *plan.trainee.optimizer.variables]
        extra = load_variables(last, state)
        if int(extra["stage"]) == number:
            losses, before = extra["losses"].tolist(), int(extra["before"])
            truncate_history(history, before + len(losses))
            return losses, before
    rows = [row for row in read_history(history) if row["stage"] != plan.stage.name]
    truncate_history(history, len(rows))
    return [], len(rows)


def _run_epoch(plan: StagePlan, progress: _Progress, epoch: int, losses: list[float]) -> dict:
    started = time.perf_counter()
    rate = learning_rate(plan.stage, losses)
    plan.trainee.optimizer.learning_rate.assign(rate)
    plan.training.begin_epoch(epoch)
    fitted = plan.trainee.fit(
        plan.training,
        validation_data=plan.validation,
        epochs=epoch + 1,
        initial_epoch=epoch,
        verbose=0,
        callbacks=[progress, keras.callbacks.TerminateOnNaN()],
        shuffle=False,
    )
    logs = {key: values[-1] for key, values in fitted.history.items()}
    if not np.isfinite(logs.get("loss", np.nan)) or not np.isfinite(logs.get("val_loss", np.nan)):
        raise BadInput(
            f"The loss is no longer a number in epoch {epoch + 1}; lower the stage's rate and start again: "
            "the finished epochs are kept."
        )
    row = {
        key: f"{logs[key]:.6f}" for key in ("accuracy", "auc", "loss", "val_accuracy", "val_auc", "val_loss")
    }
    seconds = f"{time.perf_counter() - started:.1f}"
    numbers = {key: float(value) for key, value in row.items()}
    return {
        "epoch": epoch,
        "stage": plan.stage.name,
        "learning_rate": f"{rate:.3g}",
        "seconds": seconds,
        **numbers,
    }
