"""From logits to margins and calibrated probabilities, in numpy."""

from __future__ import annotations

import numpy as np

from models.evaluation import Calibration
from models.runs.schema import Calibration as CalibrationCard


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


def probabilities(logits: np.ndarray, calibration: CalibrationCard | None = None) -> np.ndarray:
    """logits [N, L] -> [N, classes] float64, rows sum to 1; two classes where L is 1 (for the second).

    As models.evaluation.Calibration, which fits what run.json holds; without one, a plain sigmoid or softmax.
    """
    logits = np.asarray(logits)
    logits = _checked(logits, max(2, logits.shape[-1]))
    fitted = Calibration(**calibration.model_dump()) if calibration else Calibration()
    return fitted.apply(logits)


def _checked(logits: np.ndarray, n_classes: int) -> np.ndarray:
    logits = np.asarray(logits)
    fits = logits.ndim == 2 and (logits.shape[1] == n_classes or (logits.shape[1] == 1 and n_classes == 2))
    if not fits or n_classes < 2:
        raise ValueError(f"logits {logits.shape} do not fit {n_classes} classes: expected [N, {n_classes}]")
    return logits
