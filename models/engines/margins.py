"""From logits to margins and calibrated probabilities, in numpy."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class CalibrationLike(Protocol):
    """models.runs.schema.Calibration, or anything with its three fields."""

    method: str
    slope: float
    intercept: float


def margins(logits: np.ndarray, n_classes: int) -> np.ndarray:
    """What a class's heatmap explains. logits [N, L] -> [N, n_classes], same dtype, logit units.

    One logit (of the second of two classes): (-logit, logit). Several: each logit less the mean of the
    others.
    """
    logits = _checked(logits, n_classes)
    if logits.shape[1] == 1:
        return np.concatenate([-logits, logits], axis=1)
    others = (logits.sum(axis=1, keepdims=True) - logits) / (n_classes - 1)
    return logits - others


def probabilities(logits: np.ndarray, calibration: CalibrationLike | None = None) -> np.ndarray:
    """logits [N, L] -> [N, classes] float64, rows sum to 1; two classes where L is 1.

    One logit: sigmoid(slope * logit + intercept), Platt's form (Platt 1999), for the second class. Several:
    softmax(slope * logits), temperature scaling (Guo et al. 2017) with slope = 1 / T. No calibration: slope
    1, intercept 0.
    """
    logits = np.asarray(logits)
    logits = _checked(logits, max(2, logits.shape[-1])).astype(np.float64)
    slope, intercept = 1.0, 0.0
    if calibration is not None and calibration.method != "none":
        slope, intercept = calibration.slope, calibration.intercept
    if logits.shape[1] == 1:
        # Both from the same exponential, so that neither is lost to 1 - p when p is close to 1.
        scaled = slope * logits[:, 0] + intercept
        small = np.exp(-np.abs(scaled))
        larger, smaller = 1.0 / (1.0 + small), small / (1.0 + small)
        positive = np.where(scaled >= 0, larger, smaller)
        return np.stack([np.where(scaled >= 0, smaller, larger), positive], axis=1)
    scaled = slope * logits
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _checked(logits: np.ndarray, n_classes: int) -> np.ndarray:
    logits = np.asarray(logits)
    fits = logits.ndim == 2 and (logits.shape[1] == n_classes or (logits.shape[1] == 1 and n_classes == 2))
    if not fits or n_classes < 2:
        raise ValueError(f"logits {logits.shape} do not fit {n_classes} classes: expected [N, {n_classes}]")
    return logits
