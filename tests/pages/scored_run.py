"""Runs of made-up predictions for the pages that need no network: no weights, scores that anyone can follow.

A case of a class scores a little higher for it than the others; half of the cases are pairs of one patient.
The first `validation` share of the cases is validation, the rest test.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.evaluation import Predictions
from models.evaluation.predictions import columns, rows
from models.runs import write_run

TISSUES = ("fatty", "glandular", "dense")


def write_scored_run(
    root: Path,
    run_id: str = "scored",
    *,
    classes: Sequence[str] = ("other", "malignant"),
    cases: int = 60,
    seed: int = 0,
    validation: float = 0.3,
    threshold: float = 0.4,
    only: str | None = None,
    labelled: bool = True,
    table: bool = True,
    files: dict[str, bytes | str] | None = None,
    **card: object,
) -> Path:
    """Write root/<run_id>; the positive class is the second one.

    only: the one class that test cases have. labelled: False leaves every label empty. table: with a
    cases.csv of columns label, laterality, density and lesion_size. files: further files. `card` overrides
    fields of run.json.
    """
    predictions = made_up(classes, cases, seed, validation, only, labelled)
    content = {"predictions.csv": _csv([columns(classes, predictions.logits), *rows(predictions)])}
    if table:
        content["cases.csv"] = _case_table(predictions)
    fields = {
        "id": run_id,
        "title": f"{cases} made-up scores",
        "modality": "ultrasound",
        "classes": list(classes),
        "positive": classes[1],
        "network": "none",
        "logits": 1 if len(classes) == 2 else len(classes),
        "operating_points": [{"name": "youden", "threshold": threshold, "rule": "as the test wants it"}],
        "data": {"name": "made up", "licence": "CC0", "n_test": cases},
        "synthetic": True,
    }
    write_run(root / run_id, fields | card, content | (files or {}))
    return root / run_id


def made_up(
    classes: Sequence[str] = ("other", "malignant"),
    cases: int = 60,
    seed: int = 0,
    validation: float = 0.3,
    only: str | None = None,
    labelled: bool = True,
) -> Predictions:
    """The predictions that `write_scored_run` writes."""
    rng = np.random.default_rng(seed)
    count = np.arange(cases)
    parts = np.where(count < validation * cases, "validation", "test")
    labels = rng.permutation(count % len(classes))
    if only is not None:
        labels[parts == "test"] = list(classes).index(only)
    logits = rng.normal(2.0 * np.eye(len(classes))[labels], 1.2)
    powers = np.exp(logits)
    patients = [f"p{i // 2}" if i % 4 < 2 else f"q{i}" for i in count]
    return Predictions(
        classes=tuple(classes),
        case_ids=[f"case {i}" for i in count],
        patient_ids=patients,
        groups=[f"patient:{name}" for name in patients],
        splits=parts,
        labels=labels if labelled else np.full(cases, -1),
        probabilities=powers / powers.sum(axis=1, keepdims=True),
    )


def _case_table(predictions: Predictions) -> str:
    lines = [["case_id", "label", "laterality", "density", "lesion_size"]]
    for i, case_id in enumerate(predictions.case_ids):
        label = predictions.classes[predictions.labels[i]] if predictions.labels[i] >= 0 else ""
        size = f"{0.01 * (1 + i % 9):.2f}" if label == predictions.classes[1] else ""
        lines.append([str(case_id), label, "LR"[i % 2], TISSUES[i % 3], size])
    return _csv(lines)


def _csv(lines) -> str:
    return "".join(",".join(line) + "\n" for line in lines)
