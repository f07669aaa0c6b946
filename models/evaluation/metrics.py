"""The metrics' names and definitions, and those that follow from verdicts, each with its 95 % interval.

With two classes the metrics speak of the positive class. With more, auc, sensitivity, specificity, ppv and
npv are one-against-rest means over the classes that have cases, f1 the mean over the classes that have cases
or are called, and brier is the sum over classes (0..2). `ece` has ten bins of equal width: over the positive
class's probability or, with more classes, over that of the called one (Guo et al. 2017, ICML).

Intervals: Wilson's score interval for what is a share of cases (accuracy; with two classes also sensitivity,
specificity, ppv and npv), with the effective number of independent cases where there are groups; DeLong's for
auc (`ranking`); for the rest the 2.5th and 97.5th percentile of a stratified bootstrap that draws whole
groups, with a little added to verdicts for what no case showed (`resampling.smoothed`). Where no case is
wrong, resampling would promise certainty: there the low end comes from score intervals too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.errors import BadInput
from models.evaluation.counting import matrix_metrics
from models.evaluation.intervals import effective_n, group_index, percentile_interval, wilson

# The order in which they are shown.
METRICS = (
    "auc",
    "accuracy",
    "balanced_accuracy",
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "f1",
    "kappa",
    "mcc",
    "brier",
    "ece",
)
# Those that follow from the confusion matrix alone.
VERDICT_METRICS = METRICS[1:10]
Metric = dict[str, float | int | str | None]


def verdict_metrics(
    labels: np.ndarray,
    called: np.ndarray,
    resampled: np.ndarray,
    *,
    classes: Sequence[str],
    positive: int = 1,
    groups: np.ndarray | None = None,
    names: Sequence[str] = VERDICT_METRICS,
) -> dict[str, Metric]:
    """{metric: {"value", "low", "high", "n"}} of verdicts, for these names of VERDICT_METRICS.

    labels, called int [n]; resampled [b, C, C] confusion matrices of resamples (rows true); groups int [n].
    Values, intervals and undefined metrics as in `evaluate`.
    """
    cases = _Cases(
        np.asarray(labels), np.asarray(called), group_index(groups, len(labels)), tuple(classes), positive
    )
    if not len(cases.labels):
        return {name: _undefined(name, cases) for name in names}
    at = positive if cases.binary else None
    counts = np.array(confusion(labels, called, classes)["counts"], dtype=np.float64)
    values, spread = matrix_metrics(counts[None], at), matrix_metrics(np.asarray(resampled, dtype=float), at)
    return {name: _metric(name, float(values[name][0]), cases, spread[name]) for name in names}


def predicted_classes(probabilities: np.ndarray, threshold: float = 0.5, positive: int = 1) -> np.ndarray:
    """The called class of each row of probabilities [n, C], int64 [n].

    Two classes: `positive` where its probability >= threshold, else the other. More: the most probable.
    """
    probabilities = np.asarray(probabilities)
    if probabilities.shape[1] != 2:
        return probabilities.argmax(axis=1)
    return np.where(probabilities[:, positive] >= threshold, positive, 1 - positive).astype(np.int64)


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str]) -> dict[str, list]:
    """{"classes": [...], "counts": [[...]]}: a row a true class, a column a called one, in the classes'
    order."""
    cells = np.asarray(labels, dtype=np.int64) * len(classes) + np.asarray(predicted, dtype=np.int64)
    counts = np.bincount(cells, minlength=len(classes) ** 2).reshape(len(classes), len(classes))
    return {"classes": list(classes), "counts": counts.tolist()}


def positive_index(classes: Sequence[str], positive: str | None = None) -> int:
    """Where the positive class stands; the second one unless named. Raises BadInput for a name that is no
    class."""
    if positive is None:
        return 1
    if positive not in classes:
        raise BadInput(f"{positive!r} is no class of this run: choose one of {', '.join(classes)}.")
    return list(classes).index(positive)


@dataclass(frozen=True, eq=False)
class _Cases:
    """labels, called and groups: int [n]; the positive class's index."""

    labels: np.ndarray
    called: np.ndarray
    groups: np.ndarray
    classes: tuple[str, ...]
    positive: int

    @property
    def binary(self) -> bool:
        return len(self.classes) == 2

    def over(self, name: str) -> np.ndarray:
        """The cases that a metric is over, bool [n]."""
        subsets = {
            "sensitivity": self.labels == self.positive,
            "specificity": self.labels != self.positive,
            "ppv": self.called == self.positive,
            "npv": self.called != self.positive,
        }
        return subsets[name] if self.binary and name in subsets else np.ones(len(self.labels), dtype=bool)

    def is_share(self, name: str) -> bool:
        """Whether a metric is the share of the cases it is over that are called rightly."""
        return name == "accuracy" or (self.binary and name in ("sensitivity", "specificity", "ppv", "npv"))

    def groups_with(self, chosen: np.ndarray) -> int:
        return len(np.unique(self.groups[chosen]))


def _metric(name: str, value: float, cases: _Cases, resampled: np.ndarray) -> Metric:
    if np.isnan(value):
        return _undefined(name, cases)
    low, high = _interval(name, value, cases, resampled)
    return {"value": value, "low": low, "high": high, "n": int(cases.over(name).sum())}


def undefined(why: str, n: int) -> Metric:
    """A metric that cannot be had, with the sentence that says why."""
    return {"value": None, "low": None, "high": None, "n": n, "why": why}


def _undefined(name: str, cases: _Cases) -> Metric:
    return undefined(_why(name, cases), int(cases.over(name).sum()))


def _why(name: str, cases: _Cases) -> str:
    if not len(cases.labels):
        return "There are no cases."
    positive, present = cases.classes[cases.positive], np.unique(cases.labels)
    if cases.binary:
        other = cases.classes[1 - cases.positive]
        whys = {
            "sensitivity": f"No case is {positive}.",
            "specificity": f"No case is {other}.",
            "ppv": f"No case is called {positive}.",
            "npv": f"No case is called {other}.",
            "f1": f"No case is {positive} or called so.",
        }
        if name in whys:
            return whys[name]
    if len(present) == 1:
        return f"All cases are {cases.classes[present[0]]}."
    if name == "ppv":
        never = next(cases.classes[k] for k in present if k not in cases.called)
        return f"No case is called {never}."
    return f"All cases are called {cases.classes[cases.called[0]]}."


def _interval(name: str, value: float, cases: _Cases, resampled: np.ndarray) -> tuple[float, float]:
    if cases.is_share(name):
        chosen = cases.over(name)
        return wilson(value, effective_n((cases.called == cases.labels)[chosen], cases.groups[chosen]))
    low, high = percentile_interval(resampled, value)
    return (min(low, _perfect_low(name, cases)), high) if value >= 1 else (low, high)


def _perfect_low(name: str, cases: _Cases) -> float:
    """The low end for a value of 1, by what the number of groups allows."""
    is_class = [cases.labels == k for k in range(len(cases.classes))]
    matrix = np.zeros((1, len(is_class), len(is_class)))
    for k, own in enumerate(is_class):
        if own.any():
            # Each class's cases right at their share's low end, the wrong ones spread evenly.
            n, share = own.sum(), wilson(1.0, cases.groups_with(own))[0]
            matrix[0, k] = n * (1 - share) / (len(is_class) - 1)
            matrix[0, k, k] = n * share
    return float(matrix_metrics(matrix, cases.positive if cases.binary else None)[name][0])
