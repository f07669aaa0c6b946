"""What a figure of a curve draws: arrays of one length, a point each, thinned to what a browser can hold."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class RocCurve:
    """False positive rate and sensitivity, both rising from 0 to 1; `thresholds` fall, the first is
    infinite (nobody is called positive). A macro curve has no thresholds: NaN."""

    false_positive_rate: np.ndarray
    sensitivity: np.ndarray
    thresholds: np.ndarray


@dataclass(frozen=True, eq=False)
class PrCurve:
    """Recall, rising, and precision; `thresholds` fall. No point is made up at a recall of 0."""

    recall: np.ndarray
    precision: np.ndarray
    thresholds: np.ndarray


@dataclass(frozen=True, eq=False)
class ScoreHistogram:
    """Cases in bins of equal width over 0..1: edges [b + 1]; positive and negative int [b]."""

    edges: np.ndarray
    positive: np.ndarray
    negative: np.ndarray


def thinned(x: np.ndarray, y: np.ndarray, points: int) -> np.ndarray:
    """Indices of at most `points` points of the curve (x, y) [n], rising: first and last are kept, the rest
    lie evenly along its length (|dx| + |dy|), each moved to the nearest real point. Corners of a short curve
    all stay."""
    if len(x) <= points:
        return np.arange(len(x))
    along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    wanted = np.linspace(0, along[-1], points)
    after = np.clip(np.searchsorted(along, wanted), 1, len(along) - 1)
    nearer = after - (wanted - along[after - 1] < along[after] - wanted)
    return np.unique(np.concatenate([[0], nearer, [len(x) - 1]]))
