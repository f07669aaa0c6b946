"""The figures of an evaluation: what models.evaluation found, as drawings with captions and words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.evaluation.decision import decision_curve
from models.evaluation.intervals import wilson
from models.reports.document import Figure
from models.reports.drawing import (
    Band,
    draw_confusion,
    draw_decision,
    draw_histogram,
    draw_precision_recall,
    draw_reliability,
    draw_roc,
)
from models.reports.wording import confusion_words, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.evaluation.curves import RocCurve
    from models.evaluation.evidence import Evidence
    from models.evaluation.ranking import Ranking
    from models.evaluation.verdicts import Verdicts

BAND_POINTS = np.linspace(0, 1, 101)
BINS = 20
MOST_CLASSES = 6
BAND = "The band is the pointwise 95 % interval of 1,000 resamples."
POINT = "The ring is the operating point."


def confusion_figure(verdicts: Verdicts) -> list[Figure]:
    """Counts and shares of each true class."""
    counts = verdicts.counts.tolist()
    svg = draw_confusion(verdicts.classes, counts)
    alt = confusion_words(verdicts.classes, counts)
    return [Figure("Confusion matrix: cases, and their share of the true class.", alt, svg, width=0.5)]


def roc_figure(
    evidence: Evidence,
    label: str | None = None,
    threshold: float | None = None,
    faint: Sequence[RocCurve] = (),
) -> list[Figure]:
    """ROC of one class with its band and operating point, or of every class and their mean; nothing where
    the cases are of one class. `faint`: curves behind it, such as those of the folds."""
    if label is None and not evidence.binary:
        return _roc_of_classes(evidence)
    ranking = evidence.ranking(label)
    if not _both(ranking):
        return []
    threshold = evidence.threshold if threshold is None else threshold
    counts = ranking.at(threshold)
    point = (counts.fp / ranking.negatives, counts.tp / ranking.positives)
    band = Band(BAND_POINTS, *evidence.bands(label).roc(BAND_POINTS))
    svg = draw_roc({ranking.label: ranking.roc()}, {ranking.label: band}, [point], faint)
    area = told(ranking.auc())
    behind = " Thin lines: the members of the run." if faint else ""
    caption = f"ROC curve of {ranking.label}, AUC {area}. {BAND} {POINT}{behind}"
    alt = f"ROC of {ranking.label}: AUC {area}, sensitivity {point[1]:.3f}, specificity {1 - point[0]:.3f}"
    return [Figure(caption, alt, svg, width=0.5)]


def _roc_of_classes(evidence: Evidence) -> list[Figure]:
    ranked = [name for name in evidence.classes if _both(evidence.ranking(name))]
    if not ranked:
        return []
    areas = {name: told(evidence.auc(name)) for name in ranked}
    shown = sorted(ranked, key=lambda name: name != evidence.positive)[: MOST_CLASSES - 1]
    curves = {name: evidence.ranking(name).roc() for name in shown} | {"mean": evidence.macro_roc()}
    words = "; ".join(f"{name} {area}" for name, area in areas.items())
    caption = f"ROC curves, each class against the rest. AUC: {words}; mean {told(evidence.auc())}."
    return [Figure(caption, caption, draw_roc(curves), width=0.5)]


def precision_recall_figure(
    evidence: Evidence, label: str | None = None, threshold: float | None = None
) -> list[Figure]:
    """Precision over recall of one class (the positive one unless named)."""
    ranking = evidence.ranking(label or evidence.positive)
    if not _both(ranking):
        return []
    band = Band(BAND_POINTS, *evidence.bands(ranking.label).precision_recall(BAND_POINTS))
    points = []
    if evidence.binary or label is not None:
        counts = ranking.at(evidence.threshold if threshold is None else threshold)
        if counts.tp + counts.fp:
            points = [(counts.tp / ranking.positives, counts.tp / (counts.tp + counts.fp))]
    share = ranking.positives / ranking.n
    curves = {ranking.label: ranking.precision_recall()}
    svg = draw_precision_recall(curves, {ranking.label: band}, points, share)
    found = told(ranking.average_precision())
    caption = (
        f"Precision over recall of {ranking.label}, average precision {found}. {BAND} "
        f"{POINT + ' ' if points else ''}Dotted: the share of {ranking.label} among the cases, {share:.3f}."
    )
    alt = f"Precision-recall curve of {ranking.label}: average precision {found}"
    return [Figure(caption, alt, svg, width=0.5)]


def reliability_figure(evidence: Evidence, label: str | None = None) -> list[Figure]:
    """How often what was given a probability was so, with Wilson's intervals."""
    label = label or evidence.positive
    found = evidence.reliability(label)
    ends = [
        wilson(o, n) if n else (np.nan, np.nan) for o, n in zip(found.observed, found.counts, strict=True)
    ]
    low, high = np.array(ends).T
    svg = draw_reliability(found, low, high)
    errors = f"Expected calibration error {told(evidence.ece)}, Brier score {told(evidence.brier)}."
    caption = (
        f"Reliability of the probability of {label}, in ten bins with Wilson's 95 % intervals; below, the "
        f"cases of each bin. {errors}"
    )
    return [Figure(caption, f"Reliability diagram of {label}. {errors}", svg, width=0.5)]


def histogram_figure(
    evidence: Evidence, label: str | None = None, threshold: float | None = None
) -> list[Figure]:
    """Scores of the class and of the others."""
    label = label or evidence.positive
    others = [name for name in evidence.classes if name != label]
    rest = others[0] if len(others) == 1 else f"other than {label}"
    svg = draw_histogram(evidence.histogram(label, BINS), label, rest, threshold)
    line = " Dashed: the threshold." if threshold is not None else ""
    caption = f"Probability of {label} given to its own cases (filled) and to the others (outlined).{line}"
    return [Figure(caption, caption, svg, width=0.5)]


def decision_figure(
    evidence: Evidence, label: str | None = None, threshold: float | None = None
) -> list[Figure]:
    """Net benefit of acting on the model, for the mixture of these cases: calibrated for them, a probability
    says nothing of another prevalence."""
    ranking = evidence.ranking(label or evidence.positive)
    if not _both(ranking):
        return []
    curve = decision_curve(ranking, bands=evidence.bands(ranking.label))
    svg = draw_decision(curve, threshold)
    caption = (
        f"Decision curve: found cases of {ranking.label} per case, less the false alarms at the weight that "
        f"the threshold gives them, for these cases ({100 * curve.prevalence:.3g} % {ranking.label}). {BAND}"
    )
    alt = f"Decision curve of {ranking.label} against calling everyone and nobody positive"
    return [Figure(caption, alt, svg, width=0.5)]


def _both(ranking: Ranking) -> bool:
    return bool(ranking.positives and ranking.negatives)
