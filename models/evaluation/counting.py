"""Every metric as a function of case weights, so that one code gives the value and each bootstrap
resample."""

from collections.abc import Callable

import numpy as np

from models.evaluation.calibration import bin_index

ECE_BINS = 10


class Counted:
    """The metrics of cases that count several times or not at all.

    labels and called int [n], p float [n, C]; `positive` is the index that the metrics of two classes speak
    of. Calling it with weights float [b, n] gives {metric: float [b]}, NaN where undefined.
    """

    def __init__(self, labels: np.ndarray, p: np.ndarray, called: np.ndarray, positive: int) -> None:
        self._n_classes = p.shape[1]
        self._positive = positive if self._n_classes == 2 else None
        ranked = range(self._n_classes) if self._positive is None else [positive]
        self._cells = np.eye(self._n_classes**2)[labels * self._n_classes + called]
        self._areas = [_area(p[:, k], labels == k) for k in ranked]
        squares = (p - np.eye(self._n_classes)[labels]) ** 2
        if self._positive is None:
            sure, right = p[np.arange(len(p)), called], labels == called
            self._squares = squares.sum(axis=1)
        else:
            sure, right = p[:, positive], labels == positive
            self._squares = squares[:, positive]
        self._gaps = np.eye(ECE_BINS)[bin_index(sure, ECE_BINS)] * (sure - right)[:, None]

    def __call__(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        total = weights.sum(axis=1)
        matrices = (weights @ self._cells).reshape(-1, self._n_classes, self._n_classes)
        metrics = matrix_metrics(matrices, self._positive)
        metrics["auc"] = _mean_of_defined(np.stack([area(weights) for area in self._areas], axis=1))
        metrics["brier"] = weights @ self._squares / total
        metrics["ece"] = np.abs(weights @ self._gaps).sum(axis=1) / total
        return metrics


def matrix_metrics(matrices: np.ndarray, positive: int | None) -> dict[str, np.ndarray]:
    """What follows from confusion matrices [b, C, C] (rows true, columns called): {metric: [b]}, NaN if
    undefined.

    `positive` None averages over classes. kappa: Cohen 1960. mcc: Gorodkin 2004, for two classes Matthews
    1975.
    """
    total = matrices.sum(axis=(1, 2))
    true, called = matrices.sum(axis=2), matrices.sum(axis=1)
    hit = np.diagonal(matrices, axis1=1, axis2=2)
    rest = total[:, None] - true - called + hit
    right, chance = hit.sum(axis=1), (true * called).sum(axis=1)
    spread = (total**2 - (true**2).sum(axis=1)) * (total**2 - (called**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = {
            "sensitivity": hit / true,
            "specificity": rest / (total[:, None] - true),
            "ppv": hit / called,
            "npv": rest / (total[:, None] - called),
        }
        f1 = 2 * hit / (true + called)
        metrics = {
            "accuracy": right / total,
            "kappa": (right * total - chance) / (total**2 - chance),
            "mcc": (right * total - chance) / np.sqrt(spread),
        }
    recall = _mean_where(shares["sensitivity"], true > 0)
    metrics["balanced_accuracy"] = np.where((true > 0).sum(axis=1) > 1, recall, np.nan)
    if positive is None:
        metrics |= {name: _mean_where(values, true > 0) for name, values in shares.items()}
        metrics["f1"] = _mean_of_defined(f1)
    else:
        metrics |= {name: values[:, positive] for name, values in shares.items()}
        metrics["f1"] = f1[:, positive]
    return {name: np.where(np.isfinite(values), values, np.nan) for name, values in metrics.items()}


def _area(scores: np.ndarray, positives: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Weights [b, n] -> area under the ROC curve [b]: how often a positive scores above a negative, ties
    half."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf) > 0)
    positives = positives[order]

    def area(weights: np.ndarray) -> np.ndarray:
        ordered = weights[:, order]
        up = np.add.reduceat(ordered * positives, starts, axis=1)
        down = np.add.reduceat(ordered * ~positives, starts, axis=1)
        below = np.cumsum(down, axis=1) - down / 2
        pairs = up.sum(axis=1) * down.sum(axis=1)
        won = (up * below).sum(axis=1)
        return np.divide(won, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)

    return area


def _mean_of_defined(values: np.ndarray) -> np.ndarray:
    """Row means of [b, C] over what is no NaN; NaN for a row of NaNs."""
    return _mean_where(values, np.isfinite(values))


def _mean_where(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Row means of [b, C] over the chosen; NaN where one of these is, or where none is chosen."""
    count = chosen.sum(axis=1)
    total = np.where(chosen, values, 0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
