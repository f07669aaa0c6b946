"""More than two classes at once: the mean over the classes of area and curve, each class against the rest."""

from collections.abc import Sequence

import numpy as np

from models.errors import BadInput
from models.evaluation.curves import RocCurve
from models.evaluation.delong import areas
from models.evaluation.intervals import newcombe_auc, resampled_weights
from models.evaluation.metrics import Metric, undefined
from models.evaluation.ranking import Ranking, auc_interval

# Resamples of the band: fewer of many cases, whose band is narrow.
SAMPLES, OF_MANY, MANY = 1000, 200, 20_000


def macro_auc(rankings: Sequence[Ranking]) -> Metric:
    """The mean of the areas of rankings of the same cases; interval from DeLong's covariances."""
    n = rankings[0].n
    if why := next((str(found["why"]) for r in rankings if (found := r.auc())["value"] is None), ""):
        return undefined(why, n)
    found = areas([r.outcomes for r in rankings], [r.scores for r in rankings], rankings[0].groups)
    value, variance = found.contrast(np.full(len(rankings), 1 / len(rankings)))
    sizes = [ranking.group_counts for ranking in rankings]
    if np.isfinite(variance) and variance > 1e-15:
        low, high = auc_interval(value, variance, *sizes[0])
    else:
        low, high = np.mean([newcombe_auc(value, *pair) for pair in sizes], axis=0).tolist()
    return {"value": value, "low": low, "high": high, "n": n}


def macro_roc(rankings: Sequence[Ranking], points: int = 400) -> RocCurve:
    """The mean sensitivity of the rankings' curves at each false positive rate; its thresholds are NaN."""
    curves = [ranking.roc(points) for ranking in _of_two(rankings)]
    at = np.unique(np.concatenate([curve.false_positive_rate for curve in curves]))
    # Both ends of the step that any curve may have at a rate.
    ends = [
        np.mean([_height(at, curve.false_positive_rate, curve.sensitivity, side) for curve in curves], axis=0)
        for side in ("left", "right")
    ]
    x, y = np.repeat(at, 2), np.stack(ends, axis=1).ravel()
    turns = np.append(True, (np.diff(x) > 0) | (np.diff(y) > 0))
    return RocCurve(x[turns], y[turns], np.full(int(turns.sum()), np.nan))


def macro_band(
    rankings: Sequence[Ranking], labels: np.ndarray, at: np.ndarray, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The pointwise 95 % band of the mean curve at these false positive rates: low, high.

    labels int [n], the strata. A resample draws the same cases for every class.
    """
    rankings = _of_two(rankings)
    samples = SAMPLES if rankings[0].n <= MANY else OF_MANY
    binned = [ranking.binned() for ranking in rankings]
    curves = []
    for block in resampled_weights(labels, rankings[0].groups, samples, seed):
        for weights in block:
            heights = []
            for edges, cells in binned:
                k = len(edges)
                counts = np.bincount(cells, weights, 2 * k)
                x, y = (np.append(0.0, np.cumsum(half)) for half in (counts[:k], counts[k:]))
                heights.append(_height(at, x / x[-1], y / y[-1], "right"))
            curves.append(np.mean(heights, axis=0))
    low, high = np.quantile(curves, [0.025, 0.975], axis=0)
    return low, high


def _of_two(rankings: Sequence[Ranking]) -> Sequence[Ranking]:
    if not rankings:
        raise BadInput("An ROC curve needs cases of two classes: choose a part or filter that has them.")
    return rankings


def _height(at: np.ndarray, x: np.ndarray, y: np.ndarray, side: str) -> np.ndarray:
    """A rising curve at these x; where it steps up, the lower end ("left") or the upper ("right")."""
    place = np.searchsorted(x, at, side)
    nearest = np.clip(place if side == "left" else place - 1, 0, len(x) - 1)
    after = np.clip(place, 1, len(x) - 1)
    width = x[after] - x[after - 1]
    share = np.divide(at - x[after - 1], width, out=np.zeros(len(at)), where=width > 0)
    between = y[after - 1] + share * (y[after] - y[after - 1])
    return np.where(x[nearest] == at, y[nearest], between)
