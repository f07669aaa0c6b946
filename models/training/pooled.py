"""Folds or seeds of one recipe as one run without weights: pooled test predictions, and each member's own."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.data.manifest import Manifest
from models.evaluation import Predictions, confusion, predicted_classes, write_predictions
from models.runs import Run, write_run
from models.runs.cases import CASES_FILE, COLUMNS, CaseTable, case_table, read_cases
from models.runs.history import HISTORY_FILE
from models.runs.schema import member_file, member_history_file

ONE = {"folds": "fold", "seeds": "seed"}


def write_pooled(
    out: Path,
    runs: Sequence[Run],
    tests: Sequence[Predictions],
    pooled: Predictions,
    metrics: Mapping[str, Any],
    kind: str,
    manifest: Manifest,
) -> Run:
    """Write `out`/<recipe>-<kind> ("folds" or "seeds") and return it.

    tests: each run's test predictions. pooled: their union (folds) or mean (seeds), with its metrics at the
    mean of the runs' thresholds. The card keeps what the runs have in common; its data has no training part.
    """
    card = _card(runs, pooled, metrics, kind)
    files: dict[str, bytes | str | Path] = {}
    if recipe := runs[0].path("recipe.toml"):
        files["recipe.toml"] = recipe
    with tempfile.TemporaryDirectory() as folder:
        files["predictions.csv"] = _written(pooled, Path(folder) / "predictions.csv")
        for run, test in zip(runs, tests, strict=True):
            name = run.folder.name
            files[member_file(name)] = _written(test, Path(folder) / f"{name}.csv")
            if history := run.path(HISTORY_FILE):
                files[member_history_file(name)] = history
        files[CASES_FILE] = _cases(runs, tests, kind, manifest).to_csv()
        return write_run(out / card["id"], card, files)


def _card(runs: Sequence[Run], pooled: Predictions, metrics: Mapping[str, Any], kind: str) -> dict[str, Any]:
    first = runs[0].card
    points = _mean_points(runs, kind)
    called = predicted_classes(
        pooled.probabilities, points[0]["threshold"], first.classes.index(first.positive)
    )
    members = [
        {
            "name": run.folder.name,
            "kind": ONE[kind],
            "threshold": run.operating_point.threshold,
            "n": run.card.data.n_test or 0,
            "metrics": {k: m.model_dump(mode="json") for k, m in run.card.metrics["test"].items()},
        }
        for run in runs
    ]
    said = (
        f"Cross-validated: every case tested once, by one of {len(runs)} trainings that never saw it."
        if kind == "folds"
        else f"The mean probability of {len(runs)} trainings that differ in their seed alone."
    )
    data = first.data.model_dump(mode="json") | {"n_train": None, "n_validation": None, "n_test": len(pooled)}
    data |= {"note": " ".join(filter(None, [first.data.note, said]))}
    data |= {"split_id": None} if kind == "folds" else {}
    seconds = [run.card.training.get("seconds") for run in runs]
    total = round(sum(seconds), 1) if all(isinstance(each, int | float) for each in seconds) else None
    return first.model_dump(mode="json") | {
        "id": f"{first.id}-{kind}"[:80],
        "title": f"{first.title}, {len(runs)} {kind}"[:120],
        "branches": [],
        "map_scale": {},
        # The pooled probabilities are calibrated already, each by its own run.
        "calibration": {"method": "none"},
        "operating_points": points,
        "metrics": {"test": dict(metrics)},
        "confusion": confusion(pooled.labels, called, first.classes),
        "data": data,
        "training": first.training | {"seconds": total, "members": f"{len(runs)} {kind}"},
        "created": max(run.card.created for run in runs),
        "members": members,
        "files": {},
    }


def _mean_points(runs: Sequence[Run], kind: str) -> list[dict[str, Any]]:
    """The operating points that every run has, each at the mean threshold; the default first."""
    found = []
    for place, point in enumerate(runs[0].card.operating_points):
        same = [each for run in runs for each in run.card.operating_points if each.name == point.name]
        if len(same) == len(runs) or place == 0:
            values = (
                [run.operating_point.threshold for run in runs] if place == 0 else [p.threshold for p in same]
            )
            rule = f"mean of the {len(runs)} {kind}: {point.rule}"
            found.append(point.model_dump(mode="json") | {"threshold": float(np.mean(values)), "rule": rule})
    return found


def _cases(runs: Sequence[Run], tests: Sequence[Predictions], kind: str, manifest: Manifest) -> CaseTable:
    """What is known of the pooled cases, and for folds which of them tested each."""
    tables = [
        (read_cases(run) or case_table(manifest, test.case_ids.tolist())).of(test)
        for run, test in zip(runs, tests, strict=True)
    ]
    if kind == "seeds":
        return CaseTable(
            tuple(tests[0].case_ids.tolist()), {k: tuple(v.tolist()) for k, v in tables[0].items()}
        )
    ids = [name for test in tests for name in test.case_ids.tolist()]
    blank = [[""] * len(test) for test in tests]
    columns = {
        name: tuple(
            v for table, none in zip(tables, blank, strict=True) for v in map(str, table.get(name, none))
        )
        for name in COLUMNS
        if any(name in table for table in tables)
    }
    folds = [run.folder.name for run, test in zip(runs, tests, strict=True) for _ in range(len(test))]
    return CaseTable(tuple(ids), columns).with_column("fold", folds)


def _written(predictions: Predictions, path: Path) -> Path:
    write_predictions(predictions, path)
    return path
