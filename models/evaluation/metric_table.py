"""Predictions to the table of all metrics with 95 % intervals: what pages, reports and commands show."""

from collections.abc import Sequence

import numpy as np

from models.errors import BadInput
from models.evaluation.evidence import SAMPLES, Evidence
from models.evaluation.metrics import METRICS, Metric, undefined
from models.evaluation.operating_points import OperatingPoint
from models.evaluation.predictions import Predictions, check_probabilities


def evaluate(
    labels: np.ndarray,
    probabilities: np.ndarray,
    *,
    classes: Sequence[str],
    positive: str | None = None,
    threshold: float = 0.5,
    groups: Sequence[str] | None = None,
    resamples: int = SAMPLES,
    seed: int = 0,
) -> dict[str, Metric]:
    """{metric: {"value", "low", "high", "n"}} for every name in METRICS (defined in `metrics`).

    labels int [n] as indices into `classes`; probabilities [n, C], rows adding to 1. With two classes a case
    is called `positive` (by default the second class) where its probability is at least `threshold`; with
    more, the most probable class is called. `groups` [n] names each case's patient or duplicate group. `n` is
    the number of cases that the value is over: positives for sensitivity, called positives for ppv, and so
    on. A metric that cannot be had is {"value": None, "low": None, "high": None, "n": n, "why": sentence}.
    Raises BadInput for probabilities or labels that are none.
    """
    p = check_probabilities(probabilities, len(classes))
    labels = _checked_labels(labels, p)
    if not len(p):
        return {name: undefined("There are no cases.", 0) for name in METRICS}
    blank = np.full(len(p), "")
    named = blank if groups is None else np.asarray(groups, dtype=str)
    cases = Predictions(tuple(classes), np.arange(len(p)).astype(str), blank, named, blank, labels, p)
    point = OperatingPoint("given", float(threshold), "the threshold asked for")
    return Evidence(cases, positive=positive, own_points=(point,), samples=resamples, seed=seed).metrics()


def _checked_labels(labels: np.ndarray, p: np.ndarray) -> np.ndarray:
    labels = np.asarray(labels, dtype=np.int64).reshape(-1)
    if len(labels) != len(p):
        raise BadInput(
            f"There are {len(labels)} labels for {len(p)} predictions: give each case one of both."
        )
    if len(labels) and not (labels.min() >= 0 and labels.max() < p.shape[1]):
        raise BadInput("Some cases have no label among the classes: leave them out before the evaluation.")
    return labels
