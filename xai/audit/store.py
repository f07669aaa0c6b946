"""An audit kept with its run: `xai.csv`, the document `xai.json` and three figures on the card."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from models.errors import BadInput

if TYPE_CHECKING:
    from models.runs import Run

DOCUMENT_FILE = "xai.json"


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
