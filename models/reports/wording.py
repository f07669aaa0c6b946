"""Figures in words, the same in every report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.reports.document import Table
from models.runs.schema import Interval

NAMES = {
    "auc": "AUC",
    "average_precision": "Average precision",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "PPV (precision)",
    "npv": "NPV",
    "f1": "F1",
    "kappa": "Cohen's kappa",
    "mcc": "Matthews correlation",
    "brier": "Brier score",
    "ece": "Expected calibration error",
    "pointing": "Pointing game",
    "iou": "IoU of map and lesion",
    "dice": "Dice of map and lesion",
    "energy": "Energy inside the lesion",
}
INTERVALS = (
    "95 % intervals: DeLong's for AUC (with groups, Obuchowski's), Wilson's for shares of cases with the "
    "effective number of cases where they come in groups, and for the rest resamples that draw whole groups, "
    "which are patients or near-duplicates. n is the number of cases a figure is over."
)
DIGITS = 16
"""Of a digest: enough to tell two apart, and short enough to read out."""
METRIC_COLUMNS = ("Metric", "Value (95 % interval)", "n")

Figure = Interval | Mapping[str, Any] | None


def name_of(metric: str) -> str:
    """A metric's name for people."""
    return NAMES.get(metric, metric.replace("_", " "))


def parts_of(figure: Figure) -> tuple[float | None, float | None, float | None, int | None, str]:
    """value, low, high, n and the reason why there is no value, of either form a figure comes in."""
    if figure is None:
        return None, None, None, None, "not measured"
    known = figure.model_dump() if isinstance(figure, Interval) else figure
    return (
        known.get("value"), known.get("low"), known.get("high"), known.get("n"), str(known.get("why") or ""),
    )  # fmt: skip


def told(figure: Figure, digits: int = 3) -> str:
    """ "0.935 (0.876 to 0.979)", or "-" where there is no value."""
    value, low, high, _, _ = parts_of(figure)
    if value is None:
        return "-"
    interval = "" if low is None or high is None else f" ({low:.{digits}f} to {high:.{digits}f})"
    return f"{value:.{digits}f}{interval}"


def metric_table(
    metrics: Mapping[str, Figure], caption: str = "", names: Sequence[str] | None = None, width: float = 1.0
) -> Table:
    """The metrics with their intervals, a row each; for a value that cannot be had, the reason."""
    rows = []
    for name in metrics if names is None else names:
        if name in metrics:
            value, _, _, n, why = parts_of(metrics[name])
            rows.append((name_of(name), told(metrics[name]) if value is not None else why or "-", n))
    return Table(METRIC_COLUMNS, tuple(rows), caption, width=width)


def percent(share: float, digits: int = 1) -> str:
    """0.0062 -> "0.62 %": enough digits for a small share."""
    return f"{100 * share:.{max(digits, 2 if share < 0.01 else digits)}f} %"


def count(n: int, one: str, many: str | None = None) -> str:
    """ "1 case", "1,204 cases"."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def listed(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""


def confusion_table(classes: Sequence[str], counts: Sequence[Sequence[int]], caption: str = "") -> Table:
    """Counts, a row a true class and a column a called one."""
    rows = tuple((name, *map(int, row)) for name, row in zip(classes, counts, strict=True))
    return Table(("True \\ called", *classes), rows, caption)


def confusion_words(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """A confusion matrix for who cannot see it."""
    rows = []
    for name, row in zip(classes, counts, strict=True):
        called = ", ".join(f"{int(n):,} called {label}" for label, n in zip(classes, row, strict=True))
        rows.append(f"of {int(sum(row)):,} {name} {called}")
    return "Confusion matrix: " + "; ".join(rows)
