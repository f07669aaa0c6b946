"""Metrics and counts of an evaluation in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from models.evaluation.evidence import Evidence
from models.evaluation.metrics import Metric
from models.reports import wording
from pages.ui.evaluation.view import View
from pages.ui.plain_text import plain, short

#: As reports call them, two of them short: a column of the page is narrow.
NAMES = wording.NAMES | {"mcc": "MCC", "ece": "ECE"}
POINTS = {
    "run": "The run's own",
    "youden": "Youden",
    "best_f1": "Best F1",
    "sensitivity_95": "Sensitivity \N{GREATER-THAN OR EQUAL TO} 0.95",
    "least_cost": "Least cost",
}
UNITS = {"image": "images", "breast": "breasts", "patient": "patients"}
NONE = "\N{EN DASH}"


def name(label: str) -> str:
    """A class's name as Markdown, short enough for a line."""
    return plain(short(label))


def metric(found: Metric, digits: int = 2) -> str:
    """ "0.92 (0.87 to 0.97)"; a dash where it is undefined."""
    if found["value"] is None:
        return NONE
    value, low, high = (f"{found[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def share(value: float) -> str:
    """A share without an interval; a dash for NaN."""
    return NONE if value != value else f"{value:.2f}"


def why(metrics: Mapping[str, Metric]) -> list[str]:
    """Why metrics are undefined: one sentence for all that share a reason."""
    reasons: dict[str, list[str]] = {}
    for name, found in metrics.items():
        if found["value"] is None:
            reasons.setdefault(str(found.get("why", "")), []).append(NAMES.get(name, name))
    return [f"{', '.join(names)}: {plain(reason)}" for reason, names in reasons.items()]


def cases_line(view: View, evidence: Evidence) -> str:
    """How many cases of which kind the page is about."""
    labels = evidence.predictions.labels
    counts = {name(label): int((labels == k).sum()) for k, label in enumerate(evidence.classes)}
    each = ", ".join(f"{count:,} {called}" for called, count in counts.items())
    part = "" if view.part == "all" else f"{view.part} "
    groups = (
        ""
        if evidence.n_groups == len(evidence)
        else f", in {evidence.n_groups:,} groups that belong together"
    )
    unit = view.unit if len(evidence) == 1 else UNITS[view.unit]
    return f"{len(evidence):,} {part}{unit}: {each}{groups}"


def women(view: View) -> str:
    """Whom a prevalence is about."""
    return "images" if view.run.modality == "histopathology" else "women"


def listed(names: Sequence[str]) -> str:
    """ "a, b and c"."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
