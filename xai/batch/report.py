"""A batch as one HTML file: counts, the cases to look at first with their pictures, figures where there are
labels or masks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from models.reports import Report, Section, facts
from xai.batch.table import Labels

if TYPE_CHECKING:
    from models.runs import Run

SHOWN = 30


def batch_report(
    batch, runs: Mapping[str, Run] | None = None, *, shown: int = SHOWN, labels: Labels | None = None
) -> Report:
    """What the batch says, as a report. runs: run id -> run, where they are at hand: their titles and what
    measures need. shown: cases with pictures. labels: key -> label, added afterwards."""
    counts = facts([(status, count) for status, count in batch.counts.items()])
    return Report(
        "A batch of images", ", ".join(run.id for run in batch.runs), (Section("Cases", (counts,)),)
    )


def html_report(
    batch,
    path: str | Path,
    runs: Mapping[str, Run] | None = None,
    *,
    shown: int = SHOWN,
    labels: Labels | None = None,
) -> Path:
    """`batch_report` as one self-contained HTML file at `path`, whole or not at all. BadInput where it cannot
    be written."""
    from models.reports import to_html
    from xai.batch.pictures import write_whole

    write_whole(Path(path), to_html(batch_report(batch, runs, shown=shown, labels=labels)).encode())
    return Path(path)
