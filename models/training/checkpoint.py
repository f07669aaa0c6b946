"""What a training leaves on disk after every epoch, so that a kill loses at most the epoch in flight."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np

from models.errors import BadInput

HISTORY_COLUMNS = (
    "epoch",
    "stage",
    "accuracy",
    "auc",
    "learning_rate",
    "loss",
    "seconds",
    "val_accuracy",
    "val_auc",
    "val_loss",
)


def save_variables(path: Path, variables: list, **extra: np.ndarray) -> None:
    """Write Keras variables, in their order, and extra arrays to one .npz, atomically."""
    arrays = {f"v{i:05d}": np.asarray(v) for i, v in enumerate(variables)}
    temporary = path.with_suffix(".partial.npz")
    with open(temporary, "wb") as file:
        np.savez(file, **arrays, **extra)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def load_variables(path: Path, variables: list) -> dict[str, np.ndarray]:
    """Assign what `save_variables` wrote; returns the extra arrays. BadInput where the shapes do not fit."""
    with np.load(path) as archive:
        arrays = dict(archive)
    stored = [arrays.pop(f"v{i:05d}", None) for i in range(len(variables))]
    if any(a is None or a.shape != tuple(v.shape) for a, v in zip(stored, variables, strict=True)) or any(
        key.startswith("v0") for key in arrays
    ):
        raise BadInput(
            f"The checkpoint {path.name} belongs to another recipe; move {path.parent} away or choose "
            f"another --out."
        )
    for array, variable in zip(stored, variables, strict=True):
        variable.assign(array)
    return arrays


def append_history(path: Path, row: dict[str, float | int | str]) -> None:
    """Add one epoch to history.csv (CSVLogger's form), on disk before it returns."""
    new = not path.exists()
    with open(path, "a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, HISTORY_COLUMNS)
        if new:
            writer.writeheader()
        writer.writerow(row)
        file.flush()
        os.fsync(file.fileno())


def read_history(path: Path) -> list[dict[str, str]]:
    """The epochs on disk, oldest first; none where there is no file."""
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def truncate_history(path: Path, epochs: int) -> None:
    """Keep the first `epochs` rows: an epoch is done once its checkpoint is on disk."""
    rows = read_history(path)
    if len(rows) <= epochs:
        return
    path.unlink()
    for row in rows[:epochs]:
        append_history(path, row)
