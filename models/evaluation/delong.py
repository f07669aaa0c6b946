"""Areas under ROC curves with their variances and covariances, and two areas on the same cases compared.

DeLong, DeLong and Clarke-Pearson 1988 (Biometrics 44:837) for independent cases; Obuchowski 1997 (Biometrics
53:567) where cases come in groups, such as a patient's images. Without groups the second is the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np

from models.errors import BadInput
from models.evaluation.intervals import Z95
from models.evaluation.resampling import dense_codes, group_codes


@dataclass(frozen=True)
class Delong:
    """Two areas on the same cases: `difference` = first - second, its 95 % interval, two-sided p.

    `p` is None, with `why`, where the difference has no variance that could be seen.
    """

    first: float | None
    second: float | None
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    why: str = ""


@dataclass(frozen=True, eq=False)
class Areas:
    """Areas under k ROC curves [k] and their covariance [k, k]; NaN where a class has too few cases."""

    values: np.ndarray
    covariance: np.ndarray

    def contrast(self, weights: Sequence[float]) -> tuple[float, float]:
        """The weighted sum of the areas and its variance (NaN where that cannot be had)."""
        w = np.asarray(weights, dtype=np.float64)
        variance = float(w @ self.covariance @ w)
        return float(w @ self.values), variance if np.isnan(variance) else max(0.0, variance)


def compare_aucs(
    outcomes: np.ndarray, first: np.ndarray, second: np.ndarray, groups: Sequence[str] | None = None
) -> Delong:
    """Two scores [n] of the same cases; outcomes bool [n]; groups [n] name what belongs together.

    Raises BadInput unless every score is a number and both outcomes are there.
    """
    return difference_of(areas([outcomes, outcomes], [first, second], groups), [1, 0], [0, 1])


def difference_of(found: Areas, first: Sequence[float], second: Sequence[float]) -> Delong:
    """The difference of two weighted sums of areas, such as two macro means."""
    a, b = found.contrast(first)[0], found.contrast(second)[0]
    difference, variance = found.contrast(np.subtract(first, second))
    difference = a - b
    if not np.isfinite(variance):
        why = "The difference has no interval: a class has a single case or group."
        return Delong(a, b, difference, None, None, None, why)
    if variance < 1e-18:
        if abs(difference) < 1e-12:
            return Delong(a, b, 0.0, 0.0, 0.0, 1.0, "Both order the cases alike.")
        why = "The difference does not vary between cases, so it has no test."
        return Delong(a, b, difference, None, None, None, why)
    error = sqrt(variance)
    low, high = max(-1.0, difference - Z95 * error), min(1.0, difference + Z95 * error)
    return Delong(a, b, difference, low, high, two_sided(difference / error))


def delong_variance(outcomes: np.ndarray, scores: np.ndarray, groups: Sequence[str] | None = None) -> float:
    """The variance of one area; NaN where one class has a single case or group."""
    return float(areas([outcomes], [scores], groups).covariance[0, 0])


def areas(
    outcomes: Sequence[np.ndarray], scores: Sequence[np.ndarray], groups: Sequence[str] | None = None
) -> Areas:
    """k outcomes (bool [n]) with k scores (float [n]) of the same n cases. Raises BadInput as
    `compare_aucs`."""
    n = len(scores[0])
    group_of = dense_codes(group_codes(groups, n))
    count = int(group_of.max(initial=-1)) + 1
    values, ups, downs, factors = [], [], [], []
    for outcome, score in zip(outcomes, scores, strict=True):
        positive, score = checked(outcome, score)
        area, won_by_positive, won_by_negative = placements(positive, score)
        values.append(area)
        up = np.bincount(group_of[positive], (won_by_positive - area) / positive.sum(), count)
        down = np.bincount(group_of[~positive], (won_by_negative - area) / (~positive).sum(), count)
        ups.append(up)
        downs.append(down)
        factors.append([_correction(group_of[positive]), _correction(group_of[~positive])])
    up, down, factor = np.array(ups), np.array(downs), np.sqrt(np.array(factors))
    both = count / (count - 1) if count > 1 else np.nan
    cross = up @ down.T
    with np.errstate(invalid="ignore"):
        covariance = np.outer(factor[:, 0], factor[:, 0]) * (up @ up.T)
        covariance += np.outer(factor[:, 1], factor[:, 1]) * (down @ down.T)
        covariance += both * (cross + cross.T)
    return Areas(np.array(values), covariance)


def placements(positive: np.ndarray, scores: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """The area, the share of negatives that each positive beats, and the share of positives that beat each
    negative, ties half; in the cases' order."""
    order = np.argsort(scores, kind="stable")
    ordered, up = scores[order], positive[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-np.inf))
    ups, sizes = np.add.reduceat(up.astype(np.int64), starts), np.diff(starts, append=len(order))
    downs = sizes - ups
    # A block of equal scores: half of its own, and all below or above it.
    beaten = np.repeat((np.cumsum(downs) - downs / 2) / downs.sum(), sizes)
    beating = np.repeat(1 - (np.cumsum(ups) - ups / 2) / ups.sum(), sizes)
    share = np.empty(len(scores))
    share[order] = np.where(up, beaten, beating)
    won = share[positive]
    return float(won.mean()), won, share[~positive]


def checked(outcomes: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes as bool [n], scores as float64 [n]; BadInput when they cannot be ranked."""
    positive = np.asarray(outcomes).reshape(-1).astype(bool)
    scores = np.asarray(scores, dtype=np.float64).reshape(-1)
    if len(positive) != len(scores):
        raise BadInput(
            f"There are {len(positive)} outcomes for {len(scores)} scores: give each case one of both."
        )
    if not np.isfinite(scores).all():
        raise BadInput("Some scores are not finite numbers: predict these cases again.")
    if positive.all() or not positive.any():
        raise BadInput("An ROC curve needs cases of both classes: choose a part or filter that has both.")
    return positive, scores


def two_sided(z: float) -> float:
    """The two-sided p of a standard normal z."""
    return float(erfc(abs(z) / sqrt(2)))


def _correction(groups: np.ndarray) -> float:
    """m / (m - 1) for m groups; NaN for one, from which no variance can be had."""
    count = np.count_nonzero(np.bincount(groups))
    return count / (count - 1) if count > 1 else np.nan
