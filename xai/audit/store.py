"""An audit kept with its run: `xai.csv`, the document `xai.json` and three figures on the card."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from models.errors import BadInput
from xai.audit.table import TABLE_FILE

if TYPE_CHECKING:
    from models.runs import Run
    from xai.audit.job import Audit

DOCUMENT_FILE = "xai.json"
ON_THE_CARD = ("pointing", "iou", "energy")


def read_audit(run: Run) -> dict[str, Any] | None:
    """The audit's document stored with a run, as `xai.audit.document` made it; None where none was. BadInput
    for a file that is no such document."""
    path = run.path(DOCUMENT_FILE)
    if path is None:
        return None
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or not isinstance(fields.get("methods"), dict):
        raise BadInput(f"{DOCUMENT_FILE} of the run {run.id} is not an audit's document: store it again.")
    return fields


def store(result: Audit, run: Run | None = None) -> Run:
    """The run written anew, whole, with the table, the document and, on its card, the first method's pointing
    game, IoU and energy as test metrics.

    run: where to keep it, the audited run by default; the pooled run of a cross-validation, which has no
    weights of its own. BadInput for an audit that was stopped before its end.
    """
    from models.runs import rewrite_run
    from xai.audit.document import document
    from xai.export import to_json

    if not result.complete or result.randomisation is None:
        raise BadInput("Only a whole audit is stored with a run: go on with this one first.")
    target = run or result.run
    # The digest of a card that is about to change would be the digest of nothing.
    fields = {name: value for name, value in document(result).items() if name != "run_digest"}
    fields |= {"run": target.id}
    metrics = target.card.model_dump(mode="json")["metrics"]
    figures = fields["methods"][result.questions.methods[0]]
    metrics.setdefault("test", {}).update({name: figures[name] for name in ON_THE_CARD})
    files = {TABLE_FILE: result.table().to_csv(), DOCUMENT_FILE: to_json(fields)}
    return rewrite_run(target, {"metrics": metrics}, files)
