"""The stored audits of many runs side by side, as README.md shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from xai.audit.figures import figures
from xai.audit.store import read_audit
from xai.audit.table import GRAD_CAM, MeasureTable, case_groups, read_table

if TYPE_CHECKING:
    from models.evaluation.metrics import Metric
    from models.runs import Run

SHOWN = {
    "pointing": "pointing game",
    "iou": "IoU",
    "energy": "energy in the lesion",
    "average_precision": "average precision",
}
_COLUMNS = ("run", "n", *SHOWN.values(), "centre blob", "noise", "best of that grid", "random weights")
NONE = "\u2013"


def markdown_table(runs: Iterable[Run]) -> str:
    """A line a run that keeps an audit: its positive class's joint Grad-CAM with 95 % intervals, beside it
    pointing game and IoU of the centre blob, of noise and of the best a map of that grid could do, and the
    correlation of its maps with those of random weights."""
    lines = [_line(_COLUMNS), _line(["---"] * len(_COLUMNS))]
    for run in runs:
        table = read_table(run)
        if table is not None:
            lines.append(_line(_cells(run, table, read_audit(run))))
    return "\n".join(lines) + "\n"


def _cells(run: Run, table: MeasureTable, stored: dict[str, Any] | None) -> list[str]:
    positive, groups = table.take(table.labels == run.positive), case_groups(run)
    own = figures(positive, groups, GRAD_CAM)
    beside = []
    for name in ("centre", "random", "ceiling"):
        found = figures(positive, groups, map=name)
        beside.append(f"{_value(found['pointing'])} / {_value(found['iou'])}")
    cells = [f"`{run.id}`", str(own["pointing"]["n"]), *(_figure(own.get(name)) for name in SHOWN)]
    return [*cells, *beside, _randomisation((stored or {}).get("randomisation") or {})]


def _randomisation(found: dict[str, Any]) -> str:
    if found.get("correlation") is None:
        return NONE
    return f"{found['correlation']:.2f}, {'passed' if found['passed'] else 'failed'}"


def _figure(found: Metric | None) -> str:
    if not found or found["value"] is None:
        return NONE
    return f"{found['value']:.2f} ({found['low']:.2f}{NONE}{found['high']:.2f})"


def _value(found: Metric) -> str:
    return NONE if found["value"] is None else f"{found['value']:.2f}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
