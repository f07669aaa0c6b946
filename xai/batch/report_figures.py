"""What a report says of a batch whose truth is known: figures against labels, and maps against masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.reports import Table, Text
from models.reports.wording import INTERVALS, metric_table, name_of, told
from xai.batch.audited import audit_of
from xai.batch.table import Labels

if TYPE_CHECKING:
    from models.batch import Batch
    from models.batch.results import BatchRun
    from models.evaluation import Predictions
    from models.reports.document import Part
    from models.runs import Run

MEASURES = ("pointing", "iou", "dice", "energy", "average_precision")
BASELINE_WORDS = {
    "centre": "A blob in the centre",
    "random": "Noise",
    "ceiling": "The best a map of this grid could do",
}


def evaluation_parts(batch: Batch, run: BatchRun, labels: Labels) -> tuple[Part, ...]:
    """Metrics, confusion matrix and curves of the labelled cases; () where there is none."""
    predictions = labelled_predictions(batch, run, labels)
    if not len(predictions):
        return ()
    from models.evaluation import evaluate
    from models.evaluation.evidence import Evidence
    from models.reports.evaluation_figures import confusion_figure, reliability_figure, roc_figure

    evidence = Evidence(predictions, positive=run.positive)
    threshold = run.threshold if evidence.binary else None
    verdicts = evidence.at(threshold)
    metrics = evaluate(
        predictions.labels,
        predictions.probabilities,
        classes=run.classes,
        positive=run.positive,
        threshold=run.threshold,
        groups=predictions.groups,
    )
    counts = verdicts.counts.tolist()
    names = ", ".join(f"{sum(row):,} {name}" for name, row in zip(run.classes, counts, strict=True))
    return (
        Text(f"{len(predictions):,} labelled images: {names}. The threshold is the run's own."),
        *confusion_figure(verdicts),
        metric_table(metrics, width=0.5),
        *roc_figure(evidence, None, threshold),
        *reliability_figure(evidence, run.positive if evidence.binary else None),
        Text(INTERVALS, "small"),
    )


def labelled_predictions(batch: Batch, run: BatchRun, labels: Labels) -> Predictions:
    """What the run said of every case whose label means one of its classes."""
    predictions = batch.predictions(run.id)
    if labels:
        meant = {label: run.label_index(label) for label in set(labels.values())}
        own = zip(predictions.case_ids.tolist(), predictions.labels.tolist(), strict=True)
        changed = [meant[labels[key]] if key in labels else label for key, label in own]
        predictions = predictions.relabelled(np.array(changed, dtype=np.int64))
    return predictions.labelled()


def measure_parts(batch: Batch, run: Run, labels: Labels) -> tuple[Part, ...]:
    """The maps against the masks, beside what knows no image; () where nothing was measured."""
    audit = audit_of(batch, run, labels=labels)
    if audit is None:
        return ()
    from xai.audit import document

    fields = document(audit)
    skipped = len(fields["skipped"])
    parts: list[Part] = []
    if skipped:
        text = f"{skipped:,} of {audit.asked:,} measured maps are left out here: their images have no label."
        parts.append(Text(text, "small"))
    if not fields["n"]:
        return (*parts, Text(f"No labelled image of {run.positive} has a mask: nothing to state."))
    maps = {"The run's map": next(iter(fields["methods"].values()))}
    maps |= {BASELINE_WORDS[name]: figures for name, figures in fields["baselines"].items()}
    rows = [(name, *(told(figures[measure], 2) for measure in MEASURES)) for name, figures in maps.items()]
    caption = f"Of {fields['n']:,} {fields['population']}, with 95 % intervals over patients."
    parts.insert(0, Table(("", *(name_of(measure) for measure in MEASURES)), tuple(rows), caption))
    parts += [Text(entry["sentence"], "warning") for entry in fields["findings"]]
    return tuple(parts)
