"""From predictions to what may be said of them: metrics with intervals, curves, calibration, operating
points, subgroups, and one run against another.

NumPy alone; nothing here imports TensorFlow, pandas or scikit-learn. A name's file is loaded when it is asked
for.
"""

from importlib import import_module

_HOMES = {
    "calibration": ("Calibration", "Reliability", "fit_calibration", "fit_platt", "fit_temperature"),
    "curves": ("PrCurve", "RocCurve", "ScoreHistogram"),
    "decision": ("DecisionCurve", "decision_curve"),
    "delong": ("Delong", "compare_aucs", "delong_variance"),
    "evidence": ("Evidence", "gather", "parts_with_labels", "read_run_predictions"),
    "metric_table": ("evaluate",),
    "metrics": ("METRICS", "Metric", "confusion", "predicted_classes"),
    "operating_points": ("OperatingPoint", "best_f1", "least_cost", "sensitivity_at_least", "youden"),
    "paired": ("McNemar", "Shared", "compare_runs", "mcnemar", "shared_cases"),
    "predictions": ("Predictions", "read_predictions", "write_predictions"),
    "ranking": ("Bands", "Counts", "Ranking"),
    "screening": ("Screening", "at_prevalence"),
    "subgroups": ("Subgroup",),
    "units": ("UNITS", "per_unit", "units_of"),
    "verdicts": ("ReportRow", "Verdicts"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
