"""For whom a run is good, and for whom clearly less so."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from models.evaluation.delong import areas
from models.evaluation.intervals import newcombe_auc
from models.evaluation.metrics import Metric, positive_index, predicted_classes, undefined, verdict_metrics
from models.evaluation.predictions import Predictions
from models.evaluation.ranking import Ranking, auc_interval
from models.evaluation.resampling import group_codes
from models.evaluation.screening import effective_cases

METRICS = ("auc", "sensitivity", "specificity", "ppv")
SHARES = METRICS[1:]
WORDS = {"auc": "AUC", "sensitivity": "Sensitivity", "specificity": "Specificity", "ppv": "PPV"}
LEAST_CASES = 5
NOT_STATED = "not stated"
# A column of numbers with more distinct values than this is cut into thirds.
MOST_VALUES = 6
ERROR = 0.05


@dataclass(frozen=True, eq=False)
class Subgroup:
    """The cases of one value of a column: n, positives; metrics of METRICS with 95 % intervals.

    below: one sentence where a metric lies clearly below that of all other cases, else None.
    """

    column: str
    value: str
    n: int
    positives: int
    metrics: Mapping[str, Metric]
    below: str | None


def subgroups(
    predictions: Predictions,
    values: Sequence[str],
    column: str,
    *,
    positive: str | None = None,
    threshold: float = 0.5,
) -> tuple[Subgroup, ...]:
    """One subgroup a value (str [n], "" is not stated), the positive class against the rest at `threshold`.

    With more than two classes a case is called positive at the threshold, too. Numbers of more than
    MOST_VALUES values become thirds. A group under LEAST_CASES cases has no metrics, but says so. `below`:
    the difference from all the other cases is tested at 0.05 shared over all groups and metrics of the column
    (Bonferroni): shares by Newcombe's interval 10 (1998, Statistics in Medicine 17:873), areas by joining the
    wider of DeLong's and Newcombe's interval of each in that way, all with what groups of cases are worth.
    """
    names = _named(np.asarray(values, dtype=str))
    k = positive_index(predictions.classes, positive)
    scored = predictions.labels >= 0
    names, shown = names[scored], predictions.take(scored)
    order = _order(names)
    tests = max(1, len(METRICS) * sum(int((names == name).sum()) >= LEAST_CASES for name in order))
    z = NormalDist().inv_cdf(1 - ERROR / 2 / tests)
    codes = group_codes(shown.groups, len(shown))
    view = _View(shown.labels == k, shown.probabilities[:, k], codes, threshold, predictions.classes[k])
    return tuple(_subgroup(view, names == name, column, name, z) for name in order)


@dataclass(frozen=True, eq=False)
class _View:
    """outcomes bool [n], scores float [n], groups int [n]."""

    outcomes: np.ndarray
    scores: np.ndarray
    groups: np.ndarray
    threshold: float
    label: str

    def metrics(self, chosen: np.ndarray) -> dict[str, Metric]:
        truth = self.outcomes[chosen].astype(np.int64)
        p = self.scores[chosen]
        groups = np.unique(self.groups[chosen], return_inverse=True)[1].reshape(-1)
        called = predicted_classes(np.stack([1 - p, p], axis=1), self.threshold)
        none = np.zeros((0, 2, 2))
        classes = (f"other than {self.label}", self.label)
        shares = verdict_metrics(truth, called, none, classes=classes, groups=groups, names=SHARES)
        return {"auc": Ranking(truth, p, groups, self.label).auc()} | shares

    def area_interval(self, chosen: np.ndarray, z: float) -> tuple[float, float]:
        """The wider of two: DeLong's variance of few cases is far too small by chance, 0 for an area of 1."""
        ranking = Ranking(self.outcomes[chosen], self.scores[chosen], self.groups[chosen])
        found = areas([ranking.outcomes], [ranking.scores], ranking.groups)
        value, sizes = float(found.values[0]), ranking.group_counts
        seen = auc_interval(value, float(found.covariance[0, 0]), *sizes, z)
        least = newcombe_auc(value, *sizes, z)
        return min(seen[0], least[0]), max(seen[1], least[1])


def _subgroup(view: _View, chosen: np.ndarray, column: str, name: str, z: float) -> Subgroup:
    n, positives = int(chosen.sum()), int(view.outcomes[chosen].sum())
    if n < LEAST_CASES:
        why = f"Only {n} case{'s' if n != 1 else ''}: too few to say anything."
        return Subgroup(column, name, n, positives, {key: undefined(why, n) for key in METRICS}, None)
    own = view.metrics(chosen)
    below = None
    if not chosen.all():
        rest = view.metrics(~chosen)
        below = _below(own, rest, _is_below(view, chosen, z), name)
    return Subgroup(column, name, n, positives, own, below)


def _is_below(view: _View, chosen: np.ndarray, z: float) -> Callable[[str, Metric, Metric], bool]:
    def is_below(metric: str, own: Metric, rest: Metric) -> bool:
        if metric == "auc":
            own_high, rest_low = view.area_interval(chosen, z)[1], view.area_interval(~chosen, z)[0]
        else:
            own_high, rest_low = _wilson(own, z)[1], _wilson(rest, z)[0]
        half = np.hypot(own_high - own["value"], rest["value"] - rest_low)
        return bool(rest["value"] - own["value"] > half)

    return is_below


def _below(
    own: Mapping[str, Metric],
    rest: Mapping[str, Metric],
    is_below: Callable[[str, Metric, Metric], bool],
    name: str,
) -> str | None:
    found = []
    for metric in METRICS:
        mine, theirs = own[metric], rest[metric]
        if mine["value"] is None or theirs["value"] is None or mine["value"] >= theirs["value"]:
            continue
        if metric == "ppv" and own["sensitivity"]["value"] is None:
            continue  # without a positive case it is 0 whatever the run does
        if is_below(metric, mine, theirs):
            found.append(f"{WORDS[metric]} {mine['value']:.2f} against {theirs['value']:.2f}")
    return f"{name}: clearly below all other cases ({'; '.join(found)})." if found else None


def _wilson(metric: Metric, z: float) -> tuple[float, float]:
    """Wilson's interval at another level than 95 %."""
    share, n = float(metric["value"]), effective_cases(metric)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return float(centre - half), float(centre + half)


def _named(values: np.ndarray) -> np.ndarray:
    """The groups' names: the values, or thirds of them where they are many numbers."""
    stripped = np.char.strip(values)
    blank = stripped == ""
    try:
        numbers = stripped[~blank].astype(np.float64)
    except ValueError:
        numbers = np.zeros(0)
    if len(numbers) and np.isfinite(numbers).all() and len(np.unique(numbers)) > MOST_VALUES:
        low, high = np.quantile(numbers, [1 / 3, 2 / 3])
        names = (f"up to {low:.3g}", f"{low:.3g} to {high:.3g}", f"above {high:.3g}")
        stripped = stripped.astype(object)
        stripped[~blank] = np.array(names, dtype=object)[np.searchsorted([low, high], numbers)]
    return np.where(blank, NOT_STATED, stripped.astype(str))


def _order(names: np.ndarray) -> list[str]:
    """Numbers by size, thirds from small to large, words by the alphabet, what is not stated last."""
    thirds = ("up to ", "above ")

    def key(name: str) -> tuple:
        if name == NOT_STATED:
            return (3, 0.0, name)
        if name.startswith(thirds):
            return (0 if name.startswith("up") else 2, 0.0, name)
        try:
            return (1, float(name), name)
        except ValueError:
            return (1, float("inf"), name.casefold())

    return sorted(np.unique(names).tolist(), key=key)
