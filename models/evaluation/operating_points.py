"""Where a probability becomes a verdict: a threshold chosen on validation, used as `p >= threshold`.

Thresholds lie halfway between adjacent scores, so that the last digit of another engine changes no verdict.
"""

from dataclasses import asdict, dataclass

import numpy as np

from models.errors import BadInput


@dataclass(frozen=True)
class OperatingPoint:
    """`threshold` on the calibrated probability of the positive class; `rule` says in words how it was
    chosen,
    `on` which cases it was chosen on."""

    name: str
    threshold: float
    rule: str
    on: str = "validation"

    def verdict(self, probabilities: np.ndarray) -> np.ndarray:
        """Whether each probability of the positive class is called positive: bool, same shape."""
        return np.asarray(probabilities) >= self.threshold

    def to_dict(self) -> dict[str, str | float]:
        """As run.json holds it: {"name", "threshold", "rule", "on"}."""
        return asdict(self)


def youden(labels: np.ndarray, probabilities: np.ndarray, on: str = "validation") -> OperatingPoint:
    """The threshold of the highest sensitivity + specificity - 1 (Youden 1950, Cancer 3:32).

    labels [n] 1 for the positive class, 0 for the other; probabilities [n] of the positive class. Of equally
    good thresholds the lowest, for it misses fewest; scores that separate nothing give 0 (all called
    positive).
    Raises BadInput unless both classes are there.
    """
    thresholds, sensitivity, specificity = _curve(labels, probabilities)
    # Rounded: equal indices must not differ by their last bit.
    best = int(np.argmax(np.round(sensitivity + specificity, 12)))
    return OperatingPoint("youden", float(thresholds[best]), "highest sensitivity + specificity - 1", on)


def sensitivity_at_least(
    labels: np.ndarray, probabilities: np.ndarray, least: float = 0.95, on: str = "validation"
) -> OperatingPoint:
    """The highest threshold whose sensitivity is at least `least` (0 < least <= 1): the most specific such
    point.

    Arguments and errors as `youden`.
    """
    if not 0 < least <= 1:
        raise BadInput(
            f"A sensitivity of {least} cannot be asked for: give a share above 0 and up to 1, such as 0.95."
        )
    thresholds, sensitivity, _ = _curve(labels, probabilities)
    chosen = int(np.flatnonzero(sensitivity >= least - 1e-12)[-1])
    name = f"sensitivity_{100 * least:g}"
    return OperatingPoint(name, float(thresholds[chosen]), f"most specific with sensitivity >= {least:g}", on)


def best_f1(labels: np.ndarray, probabilities: np.ndarray, on: str = "validation") -> OperatingPoint:
    """The threshold of the highest F1 = 2 TP / (2 TP + FP + FN); of equally good ones the lowest.

    Arguments and errors as `youden`. F1 hangs on the share of positives among the cases: it moves with it.
    """
    thresholds, sensitivity, specificity = _curve(labels, probabilities)
    positives, negatives = _sizes(labels)
    tp, fp = sensitivity * positives, (1 - specificity) * negatives
    f1 = 2 * tp / (tp + fp + positives)
    best = int(np.argmax(np.round(f1, 12)))
    return OperatingPoint("best_f1", float(thresholds[best]), "highest F1", on)


def least_cost(
    labels: np.ndarray,
    probabilities: np.ndarray,
    miss: float,
    recall: float,
    prevalence: float | None = None,
    on: str = "validation",
) -> OperatingPoint:
    """The threshold of the lowest expected cost a case, where a missed positive costs `miss` and a needless
    recall costs `recall` (any one unit), at `prevalence` (0..1; that of the cases unless given).

    Of equally cheap thresholds the lowest, for it misses fewest. It may call everybody positive, or nobody:
    then the threshold lies above every score. Metz 1978 (Seminars in Nuclear Medicine 8:283). Errors as
    `youden`, and for costs that are negative or both zero.
    """
    if not (np.isfinite(miss) and np.isfinite(recall) and min(miss, recall) >= 0 and max(miss, recall) > 0):
        raise BadInput("Costs are numbers from 0 up and not both 0: give what a miss and a recall cost.")
    if prevalence is not None and not 0 < prevalence < 1:
        raise BadInput(
            f"A prevalence of {prevalence} cannot be: give a share between 0 and 1, such as 0.006."
        )
    thresholds, sensitivity, specificity = _curve(labels, probabilities)
    positives, negatives = _sizes(labels)
    share = positives / (positives + negatives) if prevalence is None else prevalence
    nobody = np.nextafter(np.asarray(probabilities, dtype=np.float64).max(), 2.0)
    thresholds = np.append(thresholds, min(1.0, nobody))
    sensitivity, specificity = np.append(sensitivity, 0.0), np.append(specificity, 1.0)
    if nobody > 1:  # a score of 1 cannot be left below a threshold
        thresholds, sensitivity, specificity = thresholds[:-1], sensitivity[:-1], specificity[:-1]
    cost = miss * share * (1 - sensitivity) + recall * (1 - share) * (1 - specificity)
    best = int(np.argmin(np.round(cost / max(miss, recall), 12)))
    where = "" if prevalence is None else f" at a prevalence of {prevalence:g}"
    rule = f"lowest cost with {miss:g} a miss and {recall:g} a needless recall{where}"
    return OperatingPoint("least_cost", float(thresholds[best]), rule, on)


def _sizes(labels: np.ndarray) -> tuple[int, int]:
    y = np.asarray(labels).reshape(-1).astype(bool)
    return int(y.sum()), int((~y).sum())


def _curve(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All thresholds that differ in effect, rising from 0 (all positive), with their sensitivity and
    specificity."""
    y, p = (
        np.asarray(labels).reshape(-1).astype(bool),
        np.asarray(probabilities, dtype=np.float64).reshape(-1),
    )
    if len(y) != len(p) or not np.isfinite(p).all():
        raise BadInput(
            "An operating point needs one finite probability a case: predict the validation cases again."
        )
    if y.all() or not y.any():
        raise BadInput(
            "An operating point needs validation cases of both classes: make the validation part larger."
        )
    scores = np.unique(p)
    between = scores[:-1] + np.diff(scores) / 2
    # Halfway between neighbouring floats rounds to one of them: it must stay above the lower.
    between = np.where(between > scores[:-1], between, scores[1:])
    thresholds = np.concatenate([[0.0], between])
    sensitivity = 1 - np.searchsorted(np.sort(p[y]), thresholds, side="left") / y.sum()
    specificity = np.searchsorted(np.sort(p[~y]), thresholds, side="left") / (~y).sum()
    return thresholds, sensitivity, specificity
