"""A confusion matrix and what follows from it, by class and averaged."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.evaluation.counting import matrix_metrics
from models.evaluation.intervals import percentile_interval
from models.evaluation.metrics import Metric, confusion, undefined, verdict_metrics
from models.evaluation.resampling import smoothed

SHARES = ("ppv", "sensitivity", "specificity", "f1")


@dataclass(frozen=True)
class ReportRow:
    """One class against the rest (or a mean over the classes): `n` cases are of it."""

    name: str
    precision: Metric
    recall: Metric
    specificity: Metric
    f1: Metric
    n: int


@dataclass(frozen=True, eq=False)
class Verdicts:
    """counts int [C, C]: rows true, columns called, in the order of `classes`; truth and called int [n].

    metrics: every name of `metrics.VERDICT_METRICS`. report: a row a class, then "macro" and "weighted".
    threshold and label: from which probability of which class on a case is called so; None where the most
    probable class is called.
    """

    classes: tuple[str, ...]
    counts: np.ndarray
    metrics: dict[str, Metric]
    report: tuple[ReportRow, ...]
    threshold: float | None
    label: str | None
    truth: np.ndarray
    called: np.ndarray


def verdicts_of(
    truth: np.ndarray,
    called: np.ndarray,
    resampled: np.ndarray,
    *,
    classes: Sequence[str],
    groups: np.ndarray,
    threshold: float | None = None,
    label: str | None = None,
) -> Verdicts:
    """truth, called int [n]; resampled [b, C, C] confusion matrices of resamples; groups int [n].

    Intervals of what is no share of cases are percentiles of the resamples, smoothed by one case a class.
    """
    classes = tuple(classes)
    at = classes.index(label) if label in classes else 1
    present = np.isin(np.arange(len(classes)), truth)
    resampled = smoothed(resampled, present[:, None], 1 / len(classes))
    metrics = verdict_metrics(truth, called, resampled, classes=classes, positive=at, groups=groups)
    counts = np.array(confusion(truth, called, classes)["counts"], dtype=np.int64)
    if len(classes) == 2:
        rows = _both_rows(at, metrics, truth, called, resampled, classes, groups)
    else:
        rows = [_row(k, truth, called, resampled, classes, groups) for k in range(len(classes))]
    report = (*rows, *_means(counts, resampled, classes))
    return Verdicts(classes, counts, metrics, report, threshold, label, truth, called)


def against_rest(matrices: np.ndarray, k: int) -> np.ndarray:
    """Matrices [b, C, C] -> [b, 2, 2] with class k second."""
    total, hit = matrices.sum(axis=(1, 2)), matrices[:, k, k]
    missed, alarms = matrices[:, k].sum(axis=1) - hit, matrices[:, :, k].sum(axis=1) - hit
    cells = np.stack([total - hit - missed - alarms, alarms, missed, hit], axis=1)
    return cells.reshape(-1, 2, 2)


def _row(
    k: int,
    truth: np.ndarray,
    called: np.ndarray,
    resampled: np.ndarray,
    classes: tuple[str, ...],
    groups: np.ndarray,
) -> ReportRow:
    name = classes[k]
    found = verdict_metrics(
        (truth == k).astype(np.int64),
        (called == k).astype(np.int64),
        against_rest(resampled, k),
        classes=(f"other than {name}", name),
        groups=groups,
        names=SHARES,
    )
    return ReportRow(name, *(found[metric] for metric in SHARES), n=int((truth == k).sum()))


def _both_rows(
    at: int,
    metrics: dict[str, Metric],
    truth: np.ndarray,
    called: np.ndarray,
    resampled: np.ndarray,
    classes: tuple[str, ...],
    groups: np.ndarray,
) -> list[ReportRow]:
    """Of two classes, each is the other's rest: nearly all is in the metrics of one."""
    f1 = verdict_metrics(
        truth, called, resampled, classes=classes, positive=1 - at, groups=groups, names=("f1",)
    )["f1"]
    n = np.bincount(truth, minlength=2)
    own = ReportRow(classes[at], *(metrics[name] for name in SHARES), n=int(n[at]))
    crossed = (metrics["npv"], metrics["specificity"], metrics["sensitivity"], f1)
    other = ReportRow(classes[1 - at], *crossed, n=int(n[1 - at]))
    return [other, own] if at == 1 else [own, other]


def _means(counts: np.ndarray, resampled: np.ndarray, classes: tuple[str, ...]) -> list[ReportRow]:
    """The mean over the classes that have cases, and the mean weighted by their cases."""
    n = int(counts.sum())
    values, spread = _averages(counts[None].astype(np.float64)), _averages(resampled.astype(np.float64))
    rows = []
    for kind in ("macro", "weighted"):
        metrics = []
        for metric in SHARES:
            value = float(values[kind][metric][0])
            metrics.append(_mean(value, spread[kind][metric], n, counts, classes))
        rows.append(ReportRow(kind, *metrics, n=n))
    return rows


def _mean(
    value: float, resampled: np.ndarray, n: int, counts: np.ndarray, classes: tuple[str, ...]
) -> Metric:
    if np.isnan(value):
        never = [name for k, name in enumerate(classes) if counts[k].any() and not counts[:, k].any()]
        if not n:
            return undefined("There are no cases.", 0)
        return undefined(f"No case is called {never[0]}." if never else "All cases are of one class.", n)
    low, high = percentile_interval(resampled, value)
    return {"value": value, "low": low, "high": high, "n": n}


def _averages(matrices: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    true = matrices.sum(axis=2)
    each = [matrix_metrics(against_rest(matrices, k), 1) for k in range(matrices.shape[1])]
    found: dict[str, dict[str, np.ndarray]] = {"macro": {}, "weighted": {}}
    for metric in SHARES:
        values = np.stack([own[metric] for own in each], axis=1)
        weights = {"macro": (true > 0).astype(np.float64), "weighted": true}
        for kind, own in weights.items():
            with np.errstate(invalid="ignore"):
                # A class without cases counts for nothing, even where its value is undefined.
                total = np.where(own > 0, own * values, 0).sum(axis=1)
                found[kind][metric] = total / own.sum(axis=1)
    return found
