"""Scored cases of the block engine, and batches made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from models.batch import OK, Item, Row, Score, ScoredCase
from tests.xai.fakes import BlockEngine, study_of

RNG = np.random.default_rng(7)


def scored(
    folder: Path,
    pixels: np.ndarray | None = None,
    *,
    mask: np.ndarray | None = None,
    engine: BlockEngine | None = None,
    key: str = "scans/one.png",
    label: str = "",
    study=None,
) -> ScoredCase:
    """A case as the batch hands it to its steps."""
    # Bright tissue is what it looks for, so padding is no evidence.
    engine = engine or BlockEngine({"coarse": (6.0, -1.0), "fine": (3.0, -0.5)})
    engine.run.path = lambda name: None  # it keeps no statistics
    engine.run.modality = "ultrasound"
    study = study or study_of(pixels if pixels is not None else noise())
    prepared = engine.run.inputs.tensor(study)
    item = Item(key, 3, key.rpartition("/")[2], None, label=label)
    return ScoredCase(item, study, prepared, engine, engine.explain(prepared.tensor), mask, folder)


def noise(height: int = 40, width: int = 48) -> np.ndarray:
    return RNG.integers(0, 256, (height, width), dtype=np.uint8)


def asked(run_id: str = "tiny", threshold: float = 0.4, classes: Sequence[str] = ("other", "malignant")):
    """A run as a batch's header tells of it."""
    return SimpleNamespace(
        id=run_id, digest="d" * 64, title=f"Run {run_id}", modality="ultrasound", classes=tuple(classes),
        positive="malignant", threshold=threshold, columns=(), synthetic=True,
        label_index=lambda label: classes.index(label) if label in classes else -1,
    )  # fmt: skip


def row(index: int, key: str = "", label: str = "", why: str = "", **scores) -> Row:
    """A row; scores: run id -> probability of malignant, or (probabilities, extra), None where refused."""
    found = {}
    for run_id, said in scores.items():
        if said is not None:
            p, extra = said if isinstance(said, tuple) and isinstance(said[1], dict) else (said, {})
            p = p if isinstance(p, tuple) else (1 - p, p)
            found[run_id] = Score(p, (0.0,), extra)
    refusals = {run_id: f"{run_id} does not take it." for run_id, said in scores.items() if said is None}
    status = OK if found else "unreadable"
    return Row(index, key or f"case {index}", status, why, label, scores=found, refusals=refusals)


def batch_of(rows: Sequence[Row], runs=None, folder: Path = Path("nowhere"), **facts) -> SimpleNamespace:
    """What exports and reports ask of `models.batch.results.Batch`."""
    counts = {status: sum(one.status == status for one in rows) for status in {one.status for one in rows}}
    fields = {"complete": True, "total": len(rows), "inputs": "scans", "started": "", "engine": "blocks"}
    batch = SimpleNamespace(
        runs=tuple(runs or (asked(),)), rows=lambda: iter(rows), folder=folder, counts=counts,
        **(fields | facts),
    )  # fmt: skip
    return _Sized(batch, len(rows))


class _Sized:
    def __init__(self, batch: SimpleNamespace, n: int) -> None:
        self.__dict__.update(vars(batch), n=n)

    def __len__(self) -> int:
        return self.n

    def run(self, run_id: str):
        return next(run for run in self.runs if run.id == run_id)

    def predictions(self, run_id: str):
        from models.evaluation import Predictions

        run = self.run(run_id)
        rows = [one for one in self.rows() if run_id in one.scores]
        names = np.array([one.key for one in rows], dtype=str)
        return Predictions(
            run.classes, names, names, names, np.full(len(rows), ""),
            np.array([run.label_index(one.label) for one in rows], dtype=np.int64),
            np.array([one.scores[run_id].probabilities for one in rows]).reshape(-1, len(run.classes)),
        )  # fmt: skip
