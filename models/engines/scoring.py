"""Cases of a manifest through an engine: from files to predictions, for training and for `evaluate`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from models.errors import BadInput

if TYPE_CHECKING:
    from models.data.manifest import Case
    from models.engines import Engine
    from models.evaluation import Predictions

BATCH = 16


def score(
    engine: Engine, cases: list[Case], labels: list[int], splits: dict[str, str], quiet: bool = True
) -> tuple[Predictions, list[dict[str, str]]]:
    """Predictions of every case whose file can be read, and `{"file", "why"}` of the others.

    labels: class index of each case. splits: case id -> part, for the predictions' column. A batch of images
    is in memory at a time.
    """
    from models.evaluation import Predictions
    from models.study import read_study

    kept, tensors, logits, probabilities, skipped = [], [], [], [], []

    def flush() -> None:
        if tensors:
            scores = engine.predict(np.concatenate(tensors))
            logits.append(scores.logits)
            probabilities.append(scores.probabilities)
            tensors.clear()

    for index, case in enumerate(_with_progress(cases, quiet)):
        try:
            tensors.append(engine.run.inputs.tensor(read_study(case.file)).tensor)
        except BadInput as refusal:
            skipped.append({"file": case.columns["file"], "why": str(refusal)})
            continue
        kept.append(index)
        if len(tensors) == BATCH:
            flush()
    flush()
    chosen, classes = [cases[index] for index in kept], engine.run.classes
    predictions = Predictions(
        classes=classes,
        case_ids=np.array([case.case_id for case in chosen], dtype=str),
        patient_ids=np.array([case.patient_id for case in chosen], dtype=str),
        groups=np.array([case.group for case in chosen], dtype=str),
        splits=np.array([splits[case.case_id] for case in chosen], dtype=str),
        labels=np.array([labels[index] for index in kept], dtype=np.int64),
        probabilities=np.concatenate([np.zeros((0, len(classes))), *probabilities]),
        logits=np.concatenate([np.zeros((0, engine.run.card.logits)), *logits]),
    )
    return predictions, skipped


def _with_progress(cases: list[Case], quiet: bool) -> Iterator[Case]:
    from tqdm import tqdm

    return tqdm(cases, unit="image", disable=quiet or None, file=sys.stderr)
