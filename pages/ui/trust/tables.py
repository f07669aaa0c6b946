"""The table of an audit as a file that no spreadsheet runs."""

from __future__ import annotations

import numpy as np

from models.reports.tables import to_csv_bytes
from xai.audit.table import MeasureTable


def whole_table(table: MeasureTable) -> bytes:
    """`xai.csv` with text that a spreadsheet could run as a formula made harmless."""
    measures = list(table.measures)
    columns = [
        "case_id", "label", "probability", "lesion_share", "lesions", "method", "map", *measures, "cautions",
    ]  # fmt: skip
    kept = [
        table.case_ids, table.labels, table.probabilities, table.lesion_shares, table.lesions, table.methods,
        table.maps, *(table.measures[name] for name in measures), table.cautions,
    ]  # fmt: skip
    return to_csv_bytes(columns, ([_cell(value) for value in row] for row in zip(*kept, strict=True)))


def _cell(value: object) -> object:
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return str(value)
