"""What a run said of a batch, as a run folder without weights, which everything can judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.errors import BadInput

if TYPE_CHECKING:
    from models.batch.results import Batch, BatchRun
    from models.evaluation import Predictions
    from models.runs import Run
    from models.runs.cases import CaseTable

#: Facts of a batch's images that cases.csv knows.
FACTS = ("modality", "laterality", "view")
#: Columns of the measures of `xai batch` -> column of cases.csv.
LESION = {"lesion_share": "lesion_size", "lesions": "n_lesions"}


@dataclass(frozen=True)
class Said:
    """What was said of an image after the batch was scored, by somebody and not by a run."""

    label: str
    patient_id: str = ""


def run_of_batch(
    batch: Batch,
    run_id: str,
    folder: Path,
    *,
    id: str,
    title: str = "",
    labels: Mapping[str, Said] | None = None,
    files: Mapping[str, bytes | str] | None = None,
) -> Run:
    """Write `folder`/`id` and return it: a run of one run's answers to a batch, all in the part "test".

    The threshold is the one the batch used, so that no verdict changes. labels: key -> what was said since,
    over the batch's own. files: further files of the run folder, such as an audit's. BadInput where the run
    was not in the batch, scored nothing, or no scored image has a label that means a class.
    """
    from models.runs.importing import write_imported
    from models.runs.writer import rewrite_run

    asked = batch.run(run_id)
    said = dict(labels or {})
    predictions = _predictions(batch, asked, said)
    if not len(predictions):
        raise BadInput(f"The run {run_id} scored no image of this batch: there is nothing to evaluate.")
    if not (predictions.labels >= 0).any():
        raise BadInput(
            f"No image that {run_id} scored has a label: give a CSV with the columns file and label."
        )
    threshold = asked.threshold if len(asked.classes) == 2 else None
    run = write_imported(
        folder,
        id=id,
        title=title or f"{asked.id} on a batch",
        modality=asked.modality,
        predictions=predictions,
        classes=asked.classes,
        positive=asked.positive,
        data=batch.inputs or "a batch",
        threshold=threshold,
        network=asked.id,
        note=f"Scored by {asked.id} ({asked.digest[:12]}) as a batch of {len(batch):,} files.",
        cases=_cases(batch, asked, said),
        synthetic=asked.synthetic,
    )
    return rewrite_run(run, {}, files) if files else run


def _predictions(batch: Batch, asked: BatchRun, said: Mapping[str, Said]) -> Predictions:
    found = batch.predictions(asked.id)
    keys = found.case_ids.tolist()
    labels, patients, groups = found.labels.copy(), found.patient_ids.tolist(), found.groups.tolist()
    for at, key in enumerate(keys):
        own = said.get(key)
        if own is None:
            continue
        if own.label:
            labels[at] = asked.label_index(own.label)
        if own.patient_id:
            patients[at] = groups[at] = own.patient_id
    return replace(
        found, labels=labels, patient_ids=np.array(patients, dtype=str), groups=np.array(groups, dtype=str),
        splits=np.full(len(keys), "test"),
    )  # fmt: skip


def _cases(batch: Batch, asked: BatchRun, said: Mapping[str, Said]) -> CaseTable | None:
    """What is known of the images: label as written, what DICOM says of them, the lesion's size."""
    from models.runs.cases import CaseTable, telling

    ids: list[str] = []
    columns: dict[str, list[str]] = {name: [] for name in ("label", *FACTS, *LESION.values())}
    for row in batch.rows():
        score = row.scores.get(asked.id)
        if score is None:
            continue
        ids.append(row.key)
        own = said.get(row.key)
        columns["label"].append((own.label if own else "") or row.label)
        for name in FACTS:
            columns[name].append(str(row.facts.get(name) or ""))
        for measured, name in LESION.items():
            value = score.extra.get(measured)
            columns[name].append("" if value is None else f"{float(value):.5g}")
    kept = {name: tuple(values) for name, values in columns.items() if telling(name, tuple(values))}
    return CaseTable(tuple(ids), kept) if kept else None
