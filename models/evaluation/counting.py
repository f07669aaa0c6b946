"""What follows from confusion matrices, of many resamples at once."""

import numpy as np

ECE_BINS = 10


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


def _mean_of_defined(values: np.ndarray) -> np.ndarray:
    """Row means of [b, C] over what is no NaN; NaN for a row of NaNs."""
    return _mean_where(values, np.isfinite(values))


def _mean_where(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Row means of [b, C] over the chosen; NaN where one of these is, or where none is chosen."""
    count = chosen.sum(axis=1)
    total = np.where(chosen, values, 0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
