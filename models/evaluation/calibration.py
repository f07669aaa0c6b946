"""Logits to probabilities that mean what they say, fitted on validation cases.

Every calibration keeps the order of the scores: AUC and the choice of cases do not change, probabilities do.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from models.errors import BadInput
from models.evaluation.intervals import wilson

# The least slope, per standard deviation of the logits: a fit that wants less, or a negative one, has found
# that the scores say nothing; the order is kept and every probability lands near the share of positives.
LEAST_SLOPE = 0.01


@dataclass(frozen=True)
class Calibration:
    """p = sigmoid(slope * logit + intercept) for one logit ("platt"); softmax(slope * logits) for several
    ("temperature", slope = 1 / temperature); "none" is slope 1, intercept 0."""

    method: str = "none"
    slope: float = 1.0
    intercept: float = 0.0

    def apply(self, logits: np.ndarray, positive: int = 1) -> np.ndarray:
        """Probabilities float64 [n, C] of logits [n, L]; C is 2 for L = 1, with `positive` the class it
        speaks for."""
        logits = np.asarray(logits, dtype=np.float64)
        logits = logits.reshape(len(logits), -1)
        if logits.shape[1] == 1:
            p = sigmoid(self.slope * logits[:, 0] + self.intercept)
            other = sigmoid(-(self.slope * logits[:, 0] + self.intercept))
            return np.stack([other, p] if positive == 1 else [p, other], axis=1)
        scaled = self.slope * logits
        powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def to_dict(self) -> dict[str, str | float]:
        """As run.json holds it: {"method", "slope", "intercept"}."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, str | float]) -> "Calibration":
        return cls(str(document["method"]), float(document["slope"]), float(document.get("intercept", 0.0)))


def fit_calibration(logits: np.ndarray, labels: np.ndarray) -> Calibration:
    """Platt scaling for one logit ([n] or [n, 1], labels 1 for the positive class), temperature for several
    [n, C]."""
    logits = np.asarray(logits)
    one = logits.ndim == 1 or logits.shape[1] == 1
    return fit_platt(logits, labels) if one else fit_temperature(logits, labels)


def fit_platt(logits: np.ndarray, labels: np.ndarray) -> Calibration:
    """Platt scaling: logits [n] or [n, 1], labels [n] with 1 for the positive class and 0 for the other.

    Platt 1999 with his smoothed targets, so that perfectly separated cases do not give endless certainty, by
    the damped Newton steps of Lin, Lin and Weng 2007 (Machine Learning 68:267). The slope is kept positive
    (see LEAST_SLOPE). Raises BadInput unless both classes are there.
    """
    z, y = _checked(logits, labels)
    z = z[:, 0]
    positives, negatives = int((y == 1).sum()), int((y == 0).sum())
    if not positives or not negatives or positives + negatives != len(y):
        raise BadInput("Calibration needs validation cases of both classes: make the validation part larger.")
    targets = np.where(y == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    spread = z.std()
    if spread < 1e-12:  # constant scores: only the share of positives can be learnt
        return Calibration("platt", 1.0, float(_logit(targets.mean()) - z.mean()))
    # In standard units the two unknowns are of one size, which Newton's steps and the least slope need.
    u = (z - z.mean()) / spread
    slope, offset = _newton(np.stack([u, np.ones_like(u)], axis=1), targets)
    if slope < LEAST_SLOPE:
        slope = LEAST_SLOPE
        offset = _newton(np.ones((len(u), 1)), targets, fixed=slope * u)[0]
    return Calibration("platt", float(slope / spread), float(offset - slope * z.mean() / spread))


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> Calibration:
    """Temperature scaling (Guo et al. 2017, ICML): logits [n, C], labels [n] as class indices.

    The cross-entropy is convex in the slope, so its derivative is bisected. Targets are smoothed as in
    Platt's method, a class's share being (n_c + 1) / (n_c + C). Raises BadInput when there are under two
    classes' cases.
    """
    z, y = _checked(logits, labels)
    n_classes = z.shape[1]
    if len(np.unique(y)) < 2 or y.min() < 0 or y.max() >= n_classes:
        raise BadInput(
            "Calibration needs validation cases of at least two classes: make the validation part larger."
        )
    z = z - z.mean(axis=1, keepdims=True)
    spread = z.std()
    if spread < 1e-12:
        return Calibration("temperature", 1.0, 0.0)
    own = np.bincount(y, minlength=n_classes)[y][:, None]
    targets = np.where(np.arange(n_classes) == y[:, None], own + 1, 1) / (own + n_classes)

    def excess(slope: float) -> float:
        return float(((Calibration("temperature", slope).apply(z) - targets) * z).sum())

    low, high = LEAST_SLOPE / spread, 1e4 / spread
    if excess(low) >= 0:
        return Calibration("temperature", float(low), 0.0)
    for _ in range(200):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if excess(middle) < 0 else (low, middle)
        if high / low < 1 + 1e-12:
            break
    return Calibration("temperature", float(low), 0.0)


@dataclass(frozen=True)
class Reliability:
    """Bins of equal width over 0..1: edges [b + 1]; counts, mean probability and observed share [b] (NaN if
    empty)."""

    edges: np.ndarray
    counts: np.ndarray
    predicted: np.ndarray
    observed: np.ndarray

    @property
    def ece(self) -> float:
        """Expected calibration error: |predicted - observed|, weighted by the bins' cases. NaN without
        cases."""
        if not self.counts.sum():
            return float("nan")
        gaps = np.nan_to_num(np.abs(self.predicted - self.observed))
        return float((gaps * self.counts).sum() / self.counts.sum())

    def intervals(self) -> tuple[np.ndarray, np.ndarray]:
        """Wilson's 95 % interval of each bin's observed share, of independent cases: low [b], high [b]."""
        ends = [
            wilson(share, n) if n else (np.nan, np.nan)
            for share, n in zip(self.observed, self.counts, strict=True)
        ]
        low, high = np.array(ends).T
        return low, high


def reliability(probabilities: np.ndarray, outcomes: np.ndarray, bins: int = 10) -> Reliability:
    """How often what was given probability p [n] happened (outcomes [n], 0 or 1), in bins of equal width."""
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(outcomes, dtype=np.float64)
    bin_of = bin_index(p, bins)
    counts = np.bincount(bin_of, minlength=bins)
    with np.errstate(invalid="ignore"):
        predicted = np.bincount(bin_of, weights=p, minlength=bins) / counts
        observed = np.bincount(bin_of, weights=y, minlength=bins) / counts
    return Reliability(np.linspace(0, 1, bins + 1), counts, predicted, observed)


def bin_index(probabilities: np.ndarray, bins: int) -> np.ndarray:
    """The bin of each probability: [0, 1/b), [1/b, 2/b), ..., the last one closed."""
    return np.minimum((np.asarray(probabilities) * bins).astype(np.int64), bins - 1)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) without overflow."""
    x = np.asarray(x, dtype=np.float64)
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


def _logit(p: float) -> float:
    return float(np.log(p) - np.log1p(-p))


def _checked(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y = np.asarray(labels, dtype=np.int64).reshape(-1)
    z = np.asarray(logits, dtype=np.float64).reshape(len(y), -1) if len(y) else np.zeros((0, 2))
    if not np.isfinite(z).all():
        raise BadInput(
            "Some logits are not finite numbers: the training has diverged, lower its learning rate."
        )
    if not len(y):
        raise BadInput("Calibration needs validation cases and got none: make the validation part larger.")
    return z, y


def _newton(design: np.ndarray, targets: np.ndarray, fixed: np.ndarray | float = 0.0) -> np.ndarray:
    """Logistic regression of soft targets [n] on design [n, k] (+ a fixed offset), by damped Newton steps:
    [k]."""

    def loss(weights: np.ndarray) -> float:
        x = design @ weights + fixed
        return float((np.logaddexp(0, x) - targets * x).sum())

    weights = np.zeros(design.shape[1])
    current = loss(weights)
    for _ in range(100):
        p = sigmoid(design @ weights + fixed)
        gradient = design.T @ (p - targets)
        if np.abs(gradient).max() < 1e-10 * len(targets):
            break
        hessian = design.T @ (design * (p * (1 - p))[:, None]) + 1e-12 * np.eye(len(weights))
        step = np.linalg.solve(hessian, gradient)
        scale = 1.0
        while loss(weights - scale * step) > current - 1e-4 * scale * gradient @ step and scale > 1e-10:
            scale /= 2
        weights = weights - scale * step
        current = loss(weights)
    return weights
