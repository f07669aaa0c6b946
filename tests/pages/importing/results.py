"""Results small enough to read: six cases, as other programs write them."""

from __future__ import annotations

from pathlib import Path

from models.runs import Run, write_run

PREDICTIONS = (
    "case_id,patient_id,group,split,label,p_other,p_malignant\n"
    "a,a,a,test,malignant,0.1,0.9\n"
    "b,b,b,test,malignant,0.4,0.6\n"
    "c,c,c,test,malignant,0.7,0.3\n"
    "d,d,d,test,other,0.8,0.2\n"
    "e,e,e,test,other,0.9,0.1\n"
    "f,f,f,test,other,0.3,0.7\n"
)
CARD = {
    "title": "Somebody's network",
    "modality": "ultrasound",
    "classes": ["other", "malignant"],
    "positive": "malignant",
    "network": "unknown",
    "logits": 1,
    "operating_points": [{"name": "half", "threshold": 0.5}],
    "data": {"name": "their data", "n_test": 6},
}


def write_results(folder: Path, **card: object) -> Run:
    """A run without weights at `folder`, whose name is its id unless `card` gives one."""
    return write_run(folder, {"id": folder.name} | CARD | card, {"predictions.csv": PREDICTIONS})
