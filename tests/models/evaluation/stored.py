"""Predictions and runs without weights, for tests of what follows from stored scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.evaluation import Predictions, write_predictions
from models.runs import Run, write_run

BINARY = ("other", "malignant")


def predictions_of(
    labels,
    scores,
    *,
    classes=BINARY,
    ids=None,
    patients=None,
    splits="test",
) -> Predictions:
    """scores: of the second class [n], or probabilities [n, C]; labels: names or indices, "" for none."""
    scores = np.asarray(scores, dtype=float)
    p = np.stack([1 - scores, scores], axis=1) if scores.ndim == 1 else scores
    ids = [f"case {i}" for i in range(len(p))] if ids is None else ids
    patients = ids if patients is None else patients
    indices = [
        label if not isinstance(label, str) else ([*classes].index(label) if label else -1)
        for label in labels
    ]
    splits = [splits] * len(p) if isinstance(splits, str) else splits
    return Predictions(
        classes, np.array(ids), np.array(patients), np.array(patients), np.array(splits), indices, p
    )


def stored_run(
    folder: Path,
    predictions: Predictions | None,
    *,
    threshold: float = 0.5,
    positive: str = "malignant",
    classes: tuple[str, ...] = BINARY,
    manifest: str | None = None,
) -> Run:
    """A run folder named as its id, without weights."""
    card = {
        "id": folder.name,
        "title": folder.name,
        "modality": "ultrasound",
        "classes": list(classes),
        "positive": positive,
        "network": "none",
        "logits": 1 if len(classes) == 2 else len(classes),
        "operating_points": [{"name": "chosen", "threshold": threshold, "rule": "by hand"}],
        "data": {"name": "made up", "manifest_digest": manifest},
    }
    files = {}
    if predictions is not None:
        path = folder.parent / f"{folder.name}.csv"
        write_predictions(predictions, path)
        files["predictions.csv"] = path
    return write_run(folder, card, files)
