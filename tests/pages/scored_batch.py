"""A batch on disk that needs no network: two runs, a dozen rows whose verdicts anyone can follow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from models.batch import Row, Score
from models.batch.journal import line_of
from models.batch.plan import SCHEMA_VERSION

COLUMNS = ("heatmap", "cautions", "familiar", "familiar_distance", "thumbnail", "lesion_share")
#: Probability of malignant by "tiny" (threshold 0.4) and by "other-run" (threshold 0.5), label, laterality.
SCORES = (
    (0.9, 0.8, "malignant", "L"), (0.7, 0.2, "malignant", "R"), (0.41, 0.45, "benign", "L"),
    (0.39, 0.6, "malignant", "R"), (0.1, 0.1, "benign", "L"), (0.05, None, "", ""),
)  # fmt: skip
WHY = "This PNG ends in the middle: send it again."


def rows(labelled: bool = True) -> list[Row]:
    """The rows: SCORES, then one unreadable and one refused."""
    found = []
    for index, (first, second, label, side) in enumerate(SCORES):
        extra = {
            "cautions": "blank" if index == 4 else "", "familiar": "bad" if index == 1 else "good",
            "familiar_distance": 9.0 if index == 1 else 1.0 + index / 10,
        }  # fmt: skip
        said = {"tiny": Score((1 - first, first), (0.0,), extra)}
        if second is not None:
            said["other-run"] = Score((1 - second, second), (0.0,), {"familiar": "good"})
        found.append(
            Row(
                index, f"ward/image {index}.png", "ok", "", label if labelled else "", f"p{index // 2}", "",
                said, {} if second is not None else {"other-run": "It is not for this run."},
                {"modality": "ultrasound", "laterality": side},
            )
        )  # fmt: skip
    found.append(Row(6, "=cmd()|broken.png", "unreadable", WHY))
    found.append(Row(7, "breast.png", "refused", "The image is mammography: choose a run for it."))
    return found


def write_batch(folder: Path, rows: Sequence[Row], runs: Sequence[str] = ("tiny", "other-run")) -> Path:
    """Write the batch's folder, complete."""
    folder.mkdir(parents=True, exist_ok=True)
    told = [
        {
            "id": run_id, "digest": run_id * 3, "title": f"The run {run_id}", "modality": "ultrasound",
            "classes": ["other", "malignant"], "positive": "malignant",
            "threshold": 0.4 if run_id == "tiny" else 0.5, "logits": 1, "label_map": {"benign": "other"},
            "synthetic": True,
        }
        for run_id in runs
    ]  # fmt: skip
    step = {"name": "made up", "columns": list(COLUMNS), "signature": {}}
    head = {
        "schema_version": SCHEMA_VERSION, "runs": told, "steps": {run_id: [step] for run_id in runs},
        "engine": "onnxruntime", "label_map": {}, "inputs": "ward.zip", "has_labels": True, "has_masks": True,
        "total": len(rows), "started": "2026-01-01T00:00:00+00:00", "complete": True,
    }  # fmt: skip
    (folder / "batch.json").write_text(json.dumps(head))
    (folder / "journal.jsonl").write_bytes(b"".join(map(line_of, rows)))
    return folder
