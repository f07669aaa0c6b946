"""Runs with an audit that anyone can follow: six malignant cases, four others, made-up measures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.pages.scored_run import made_up, write_scored_run
from xai.audit.table import table_of

MEASURES = ("pointing", "iou", "dice", "energy", "average_precision")
IOU = (0.9, 0.8, 0.7, 0.2, 0.1, 0.0)
HITS = (1, 1, 1, 1, 0, 0)
SHARES = (0.02, 0.05, 0.05, 0.2, 0.2, 0.01)
SURE = (0.6, 0.7, 0.8, 0.9, 0.95, 0.1)
RANDOMISATION = {
    "correlation": 0.81, "passed": False, "n": 6, "method": "grad-cam",
    "stages": [{"name": "head", "correlation": 0.9, "similarity": 0.8, "blank": 0},
               {"name": "all layers", "correlation": 0.81, "similarity": 0.5, "blank": 0}],
}  # fmt: skip
FINDING = "With random weights the maps hardly change: they do not show what the run learned."


def audited_cases(label: str) -> list[str]:
    """Names of made-up test cases of a class, as the scored run has them."""
    test = made_up().part("test")
    wanted = test.labels == test.classes.index(label)
    return test.case_ids[wanted].tolist()


def write_audited_run(
    root: Path,
    run_id: str = "audited",
    *,
    iou: Mapping[str, Sequence[float]] | None = None,
    document: bool = True,
    old: bool = False,
    **card: Any,
) -> Path:
    """Write root/<run_id>, a scored run with `xai.csv` and, with `document`, `xai.json`.

    iou: method -> IoU of the six malignant cases, IOU of Grad-CAM by default; every other measure follows it
    but the pointing game, which is HITS. old: `xai.csv` as it was before methods were compared.
    """
    rows = []
    for method, values in (iou or {"grad-cam": IOU}).items():
        for i, case in enumerate(audited_cases("malignant")[:6]):
            facts = _facts(case, "malignant", i)
            rows.append(facts | {"method": method, "map": "joint"} | _measures(values[i], HITS[i]))
            rows.append(facts | {"method": "", "map": "centre"} | _measures(0.1, 0))
    for i, case in enumerate(audited_cases("other")[:4]):
        rows.append(_facts(case, "other", i) | {"method": "grad-cam", "map": "joint"} | _measures(0.3, 1))
    text = table_of(rows, MEASURES).to_csv()
    if old:
        text = _old_form(rows)
    files = {"xai.csv": text}
    if document and not old:
        files["xai.json"] = json.dumps(_document(run_id))
    return write_scored_run(root, run_id, files=files, **card)


def _facts(case: str, label: str, i: int) -> dict[str, Any]:
    return {
        "case_id": case, "label": label, "probability": SURE[i], "lesion_share": SHARES[i], "lesions": 1,
        "cautions": "blank" if label == "malignant" and i == 5 else "",
    }  # fmt: skip


def _measures(iou: float, hit: int) -> dict[str, float]:
    return dict.fromkeys(MEASURES, iou) | {"pointing": hit}


def _old_form(rows: Sequence[Mapping[str, Any]]) -> str:
    head = ["case_id", "label", "probability", "lesion_share", *MEASURES, "cautions"]
    joint = [row for row in rows if row["map"] == "joint"]
    lines = [
        ",".join(str(bool(row[name]) if name == "pointing" else row[name]) for name in head) for row in joint
    ]
    return "\n".join([",".join(head), *lines]) + "\n"


def _document(run_id: str) -> dict[str, Any]:
    return {
        "run": run_id,
        "methods": {"grad-cam": {}},
        "randomisation": RANDOMISATION,
        "guards": {"n": 6, "cautions": {"blank": 1, "marks": 3}, "familiar": {"good": 5, "bad": 1}},
        "agreement": [
            {"kind": "methods", "between": ["grad-cam", "layercam"], "rank": _metric(0.5),
             "overlap": _metric(0.25)}
        ],
        "froc": {
            "grad-cam": {"images": 6, "lesions": 6, "fp_per_image": [0.0, 0.5], "sensitivity": [0.5, 0.8],
                         "sensitivity_at": {"0.5": _metric(0.8)}}
        },
        "findings": [{"kind": "randomisation", "sentence": FINDING}],
    }  # fmt: skip


def _metric(value: float) -> dict[str, float | int]:
    return {"value": value, "low": float(np.clip(value - 0.1, 0, 1)), "high": value + 0.1, "n": 6}
