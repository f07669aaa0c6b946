"""The measures of a batch with masks in the form of an audit, on which the Trust page stands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from xai.audit.cases import AuditedCase, Questions
from xai.audit.document import document
from xai.audit.job import Audit
from xai.audit.randomised import undefined
from xai.audit.store import DOCUMENT_FILE
from xai.audit.table import TABLE_FILE
from xai.audit.thresholds import untuned
from xai.batch.pictures import find_file
from xai.batch.steps import MEASURES_FILE
from xai.batch.table import Labels
from xai.methods import DEFAULT_METHOD

if TYPE_CHECKING:
    from models.runs import Run

NOT_TUNED = "a batch has no validation cases to tune a threshold on"
NOT_RANDOMISED = "weight randomisation is part of an audit of the run, not of a batch"
_LONGEST = 4 << 20


def audit_of(batch, run: Run, labels: Labels | None = None) -> Audit | None:
    """What MeasureStep found of one run's maps in a batch, as an audit; None where nothing was measured.

    run: the run as the batch asked it, with its weights' card. A case counts under its own class: one without
    a label, or that was measured under another class than its label's, is skipped and says so. labels: key ->
    label, added afterwards.
    """
    asked_run = batch.run(run.id)
    cases, skipped, asked = [], [], 0
    for row in batch.rows():
        score = row.scores.get(run.id)
        path = find_file(batch.folder, score.extra.get(MEASURES_FILE)) if score else None
        if path is None:
            continue
        asked += 1
        label = (labels or {}).get(row.key, row.label)
        place = asked_run.label_index(label)
        meant = run.classes[place] if place >= 0 else ""
        found = _read(path)
        if found is None:
            skipped.append({"file": row.key, "why": "Its measures cannot be read."})
        elif not meant:
            skipped.append({"file": row.key, "why": "It has no label, so its mask tells no class's map."})
        elif found.label != meant:
            why = f"The map of {found.label} was measured, and it is labelled {meant}: measure it again."
            skipped.append({"file": row.key, "why": why})
        else:
            cases.append(found)
    if not asked:
        return None
    method = next((case.rows[0].method for case in cases if case.rows), DEFAULT_METHOD)
    questions = Questions((method,))
    return Audit(
        run, questions, tuple(cases), tuple(skipped), asked, untuned(questions, NOT_TUNED),
        undefined(NOT_RANDOMISED, method),
    )  # fmt: skip


def audit_files(
    batch, run: Run, run_id: str | None = None, *, labels: Labels | None = None
) -> dict[str, str]:
    """{"xai.csv", "xai.json"} of a batch's measures, for `write_run`; {} where nothing was measured.

    run_id: the run that is to keep them, as the document names it.
    """
    from xai.export import to_json

    audit = audit_of(batch, run, labels)
    if audit is None or not audit.cases:
        return {}
    fields: dict[str, Any] = {k: v for k, v in document(audit).items() if k != "run_digest"}
    fields |= {"run": run_id or run.id}
    return {TABLE_FILE: audit.table().to_csv(), DOCUMENT_FILE: to_json(fields)}


def _read(path) -> AuditedCase | None:
    """A case's measures; None for a file that none of our steps wrote."""
    try:
        if path.stat().st_size > _LONGEST:
            return None
        return AuditedCase.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
