"""Decision curves: is acting on the model better than recalling everybody or nobody?

Vickers and Elkin 2006 (Medical Decision Making 26:565). A woman who would be recalled from a risk of t on
weighs a missed cancer (1 - t) / t times a needless recall; net benefit = found - alarms * t / (1 - t), in
found cancers a woman.
"""

from dataclasses import dataclass

import numpy as np

from models.errors import BadInput
from models.evaluation.ranking import Bands, Counts, Ranking


@dataclass(frozen=True, eq=False)
class DecisionCurve:
    """Net benefit (found positives a case, less the weighted false alarms) by threshold, all [t].

    `model` of recalling at or above the threshold, with its 95 % band `low` to `high` (NaN without
    resamples); `everyone` of recalling all; recalling nobody is 0. `prevalence` is what they hold for.
    """

    thresholds: np.ndarray
    model: np.ndarray
    everyone: np.ndarray
    low: np.ndarray
    high: np.ndarray
    prevalence: float


def decision_curve(
    ranking: Ranking,
    thresholds: np.ndarray | None = None,
    prevalence: float | None = None,
    bands: Bands | None = None,
) -> DecisionCurve:
    """The net benefit of a ranking whose scores are calibrated probabilities.

    thresholds [t] between 0 and 1 (0.01, 0.02, ..., 0.99 unless given); prevalence 0..1, that of the cases
    unless given. The band holds the prevalence fixed. BadInput for other thresholds or prevalences, or one
    outcome only.
    """
    at = np.linspace(0.01, 0.99, 99) if thresholds is None else np.asarray(thresholds, dtype=np.float64)
    if not ((at > 0) & (at < 1)).all():
        raise BadInput("A decision curve has thresholds between 0 and 1 only: leave out the others.")
    if prevalence is not None and not 0 < prevalence < 1:
        raise BadInput(f"A prevalence of {prevalence:g} cannot be: give a share between 0 and 1.")
    if not ranking.positives or not ranking.negatives:
        raise BadInput("A decision curve needs cases of both classes: choose a part or filter that has both.")
    share = ranking.positives / ranking.n if prevalence is None else prevalence
    weight = at / (1 - at)
    low = high = np.full(len(at), np.nan)
    if bands is not None:
        resampled = _net_benefit(bands.at_each(at), share, weight)
        low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
    model = _net_benefit(ranking.at(at), share, weight)
    return DecisionCurve(at, model, share - (1 - share) * weight, low, high, share)


def _net_benefit(counts: Counts, share: float, weight: np.ndarray) -> np.ndarray:
    found = counts.tp / (counts.tp + counts.fn)
    alarms = counts.fp / (counts.fp + counts.tn)
    return share * found - (1 - share) * weight * alarms
