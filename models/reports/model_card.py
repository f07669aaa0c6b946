"""A run's model card: what it is for, what it was made of, how well it does, its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.reports.document import Report, Section, facts

if TYPE_CHECKING:
    from models.runs import Run


def model_card(run: Run) -> Report:
    """The card of one run, from its folder alone."""
    return Report(f"Model card: {run.title}", run.id, (Section("Model", (facts([("Run", run.id)]),)),))
