"""What a sensitivity and a specificity mean for women who are invited: at a prevalence, and per 1,000."""

from dataclasses import dataclass

import numpy as np

from models.errors import BadInput
from models.evaluation.intervals import Z95
from models.evaluation.metrics import Metric, undefined

PER = 1000


@dataclass(frozen=True)
class Screening:
    """ppv and npv at `prevalence` (a share); the rest are women per 1,000: called positive (`recalls`),
    cancers missed, cancers found, and recalled without cancer."""

    prevalence: float
    ppv: Metric
    npv: Metric
    recalls: Metric
    misses: Metric
    found: Metric
    false_alarms: Metric


def at_prevalence(sensitivity: Metric, specificity: Metric, prevalence: float) -> Screening:
    """Bayes' rule with the two metrics' intervals carried along; the prevalence itself is taken as exact.

    PPV and NPV: Mercaldo, Lau and Zhou 2007 (Statistics in Medicine 26:2170), delta method on the logit
    scale, with their adjusted estimates where a share is 0 or 1. Recalls: the two intervals joined by Zou and
    Donner 2008 (Statistics in Medicine 27:1693). Found, missed and false alarms: the intervals' own ends.
    BadInput for a prevalence that does not lie between 0 and 1.
    """
    if not 0 < prevalence < 1:
        raise BadInput(
            f"A prevalence of {prevalence:g} cannot be: give a share between 0 and 1, such as 0.006."
        )
    why = sensitivity.get("why") if sensitivity["value"] is None else specificity.get("why")
    if sensitivity["value"] is None or specificity["value"] is None:
        nothing = undefined(str(why), 0)
        return Screening(prevalence, *[nothing] * 6)
    n = int(sensitivity["n"]) + int(specificity["n"])
    share = prevalence
    return Screening(
        prevalence,
        ppv=_predictive(sensitivity, specificity, share, n),
        npv=_predictive(specificity, sensitivity, 1 - share, n),
        recalls=_recalls(sensitivity, specificity, share, n),
        misses=_scaled(sensitivity, -PER * share, PER * share),
        found=_scaled(sensitivity, PER * share, 0.0),
        false_alarms=_scaled(specificity, -PER * (1 - share), PER * (1 - share)),
    )


def effective_cases(metric: Metric) -> float:
    """How many independent cases a share's Wilson interval speaks for: its two ends are the roots of
    (1 + a) x^2 - (2 p + a) x + p^2 with a = z^2 / n, so that their product is p^2 / (1 + a)."""
    p, low, high = (float(metric[key]) for key in ("value", "low", "high"))
    if p < 0.5:  # the side on which no end is 0
        p, low, high = 1 - p, 1 - high, 1 - low
    a = p * p / (low * high) - 1 if low > 0 else np.inf
    return float(np.clip(Z95**2 / a if a > 0 else np.inf, 1.0, max(1.0, float(metric["n"]))))


def _predictive(own: Metric, other: Metric, share: float, n: int) -> Metric:
    """PPV from sensitivity, specificity and prevalence; NPV from the same the other way round."""
    p, q = float(own["value"]), float(other["value"])
    called = p * share + (1 - q) * (1 - share)
    if called <= 0:
        return undefined("No case is called so at this threshold.", n)
    value = p * share / called
    n_own, n_other = effective_cases(own), effective_cases(other)
    if p in (0.0, 1.0) or q in (0.0, 1.0):
        p, n_own = _adjusted(p, n_own)
        q, n_other = _adjusted(q, n_other)
    centre = np.log(p * share) - np.log((1 - q) * (1 - share))
    half = Z95 * np.sqrt((1 - p) / (p * n_own) + q / ((1 - q) * n_other))
    low, high = 1 / (1 + np.exp(half - centre)), 1 / (1 + np.exp(-half - centre))
    return {"value": value, "low": float(min(low, value)), "high": float(max(high, value)), "n": n}


def _adjusted(p: float, n: float) -> tuple[float, float]:
    """Agresti and Coull's estimate: two successes and two failures more, about."""
    return (p * n + Z95**2 / 2) / (n + Z95**2), n + Z95**2


def _recalls(sensitivity: Metric, specificity: Metric, share: float, n: int) -> Metric:
    found, alarms = (
        _scaled(sensitivity, PER * share, 0),
        _scaled(specificity, PER * (share - 1), PER * (1 - share)),
    )
    value = found["value"] + alarms["value"]
    down = np.hypot(found["value"] - found["low"], alarms["value"] - alarms["low"])
    up = np.hypot(found["high"] - found["value"], alarms["high"] - alarms["value"])
    return {"value": value, "low": float(max(0, value - down)), "high": float(min(PER, value + up)), "n": n}


def _scaled(metric: Metric, factor: float, offset: float) -> Metric:
    value, *ends = (offset + factor * float(metric[key]) for key in ("value", "low", "high"))
    return {"value": value, "low": min(ends), "high": max(ends), "n": int(metric["n"])}
