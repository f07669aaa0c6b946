"""From predictions to what may be said of them: metrics with intervals, calibration, operating points.

NumPy alone; nothing here imports TensorFlow, pandas or scikit-learn.
"""

from models.evaluation.calibration import Calibration, fit_calibration, fit_platt, fit_temperature
from models.evaluation.metrics import METRICS, confusion, evaluate, predicted_classes
from models.evaluation.operating_points import OperatingPoint, sensitivity_at_least, youden
from models.evaluation.predictions import Predictions, read_predictions, write_predictions

__all__ = [
    "METRICS",
    "Calibration",
    "OperatingPoint",
    "Predictions",
    "confusion",
    "evaluate",
    "fit_calibration",
    "fit_platt",
    "fit_temperature",
    "predicted_classes",
    "read_predictions",
    "sensitivity_at_least",
    "write_predictions",
    "youden",
]
