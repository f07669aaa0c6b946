"""All that can be said of one view of a run (part, unit, filter), each thing computed when it is asked for.

Nothing but `at` hangs on the threshold, and `at` looks up what was counted before: a slider moves freely.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from models.errors import BadInput
from models.evaluation.calibration import Reliability, bin_index, reliability
from models.evaluation.counting import ECE_BINS
from models.evaluation.curves import RocCurve, ScoreHistogram
from models.evaluation.intervals import percentile_interval
from models.evaluation.macro import macro_auc, macro_band, macro_roc
from models.evaluation.metrics import METRICS, Metric, positive_index, predicted_classes, undefined
from models.evaluation.operating_points import OperatingPoint, best_f1, sensitivity_at_least, youden
from models.evaluation.predictions import Predictions, read_predictions
from models.evaluation.ranking import Bands, Ranking
from models.evaluation.resampling import (
    Resampled,
    dense_codes,
    group_codes,
    quantile_cells,
    resampled_counts,
)
from models.evaluation.units import rows_of_units
from models.evaluation.verdicts import Verdicts, verdicts_of

if TYPE_CHECKING:
    from models.runs import Run
    from models.runs.cases import CaseTable

SAMPLES = 1000
PREDICTIONS_FILE = "predictions.csv"
ALL = "all"


class Evidence:
    """Labelled cases with their probabilities, and what follows from them.

    predictions: the view's cases, every one labelled; rows int [n]: their rows in the run's predictions.csv,
    0 for the first case (for a breast or patient, of the image that speaks for it). threshold: the run's
    default, on the positive class. `choosing`: the validation cases that thresholds may be chosen on, or
    None. A class is named by its label; None means the positive class where there are two.
    """

    def __init__(
        self,
        predictions: Predictions,
        *,
        positive: str | None = None,
        own_points: tuple[OperatingPoint, ...] = (),
        part: str = ALL,
        unit: str = "image",
        rows: np.ndarray | None = None,
        choosing: Predictions | None = None,
        samples: int = SAMPLES,
        seed: int = 0,
    ) -> None:
        if not len(predictions):
            raise BadInput("There is no labelled case here: choose another part or fewer filters.")
        if (predictions.labels < 0).any():
            raise BadInput("Some cases have no label: leave them out before the evaluation.")
        self.predictions = predictions
        self.classes = predictions.classes
        self.positive = self.classes[positive_index(self.classes, positive)]
        self.own_points = own_points
        self.threshold = own_points[0].threshold if own_points else 0.5
        self.part, self.unit = part, unit
        self.rows = np.arange(len(predictions)) if rows is None else rows
        self.choosing = choosing
        self.samples, self.seed = samples, seed
        self._rankings: dict[str, Ranking] = {}
        self._aucs: dict[str, Metric] = {}

    def __len__(self) -> int:
        return len(self.predictions)

    @property
    def binary(self) -> bool:
        return len(self.classes) == 2

    @cached_property
    def groups(self) -> np.ndarray:
        """What belongs together (patient, duplicate group), int [n]."""
        return dense_codes(group_codes(self.predictions.groups, len(self)))

    @cached_property
    def n_groups(self) -> int:
        return int(self.groups.max()) + 1

    def ranking(self, label: str | None = None) -> Ranking:
        """The cases ordered by the probability of one class."""
        label = self._label(label)
        if label not in self._rankings:
            k = self.classes.index(label)
            predictions = self.predictions
            self._rankings[label] = Ranking(
                predictions.labels == k, predictions.probabilities[:, k], self.groups, label
            )
        return self._rankings[label]

    def bands(self, label: str | None = None) -> Bands:
        """1,000 resamples of that ranking; BadInput where all cases are of one kind."""
        return self.ranking(label).bands(self.samples, self.seed)

    def auc(self, label: str | None = None) -> Metric:
        """Of one class, or with more than two and no label the mean over the classes that have cases."""
        if not self._ranked():
            return undefined(f"All cases are {self.classes[self.predictions.labels[0]]}.", len(self))
        if label is not None or self.binary:
            label = self._label(label)
            if label not in self._aucs:
                self._aucs[label] = self.ranking(label).auc()
            return self._aucs[label]
        return self._macro_auc

    def average_precision(self, label: str | None = None) -> Metric:
        return self.ranking(label).average_precision(self.samples, self.seed)

    def macro_roc(self, points: int = 400) -> RocCurve:
        """The mean of the classes' ROC curves at each false positive rate; its thresholds are NaN.

        BadInput where all cases are of one class.
        """
        return macro_roc([self.ranking(label) for label in self._ranked()], points)

    def macro_band(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The 95 % band of that curve at these false positive rates: low, high."""
        rankings = [self.ranking(label) for label in self._ranked()]
        return macro_band(rankings, self.predictions.labels, at, self.seed)

    def histogram(self, label: str | None = None, bins: int = 40) -> ScoreHistogram:
        return self.ranking(label).histogram(bins)

    def reliability(self, label: str | None = None, bins: int = ECE_BINS) -> Reliability:
        """How often what was given a probability is of the class, in bins of equal width."""
        ranking = self.ranking(label)
        return reliability(ranking.scores, ranking.outcomes, bins)

    @cached_property
    def ece(self) -> Metric:
        """As `metrics.evaluate`: of the positive class's probability or, with more classes, of the called
        one's. Few cases make it too high, and its resamples too: read it as a bound from above."""
        sure, right = self.sure
        value = reliability(sure, right, ECE_BINS).ece
        bins = bin_index(sure, ECE_BINS)
        counted = self._counted if self._counted is not None else self._spread(2 * bins + right)
        sums = counted.sums(sure - right)
        # The tenth that each cell lies in, -1 where it has no case.
        bin_of = np.full(sums.shape[1], -1)
        bin_of[counted.cells] = bins
        gaps = np.stack([sums[:, bin_of == k].sum(axis=1) for k in range(ECE_BINS)], axis=1)
        return self._metric(value, np.abs(gaps).sum(axis=1) / counted.totals)

    @cached_property
    def brier(self) -> Metric:
        """Mean squared error of the positive class's probability or, with more classes, summed over them."""
        own = self.squared_errors
        counted = self._counted if self._counted is not None else self._spread(quantile_cells(own))
        return self._metric(float(own.mean()), counted.sums(own).sum(axis=1) / counted.totals)

    def at(self, threshold: float | None = None, label: str | None = None) -> Verdicts:
        """Verdicts at a threshold on the probability of one class.

        Two classes: the threshold is the run's default unless given, the label the positive class. More:
        without a label the most probable class is called, whatever the threshold; with one, that class is
        called against the rest from its threshold on, and the verdicts have these two classes.
        """
        if not self.binary and label is None:
            return self._most_probable
        label = self._label(label)
        threshold = self.threshold if threshold is None else float(threshold)
        if not np.isfinite(threshold):
            raise BadInput("A threshold has to be a number: give one between 0 and 1.")
        ranking, k = self.ranking(label), self.classes.index(label)
        hit = ranking.scores >= threshold
        classes, at = (self.classes, k) if self.binary else ((f"other than {label}", label), 1)
        truth, called = (np.where(kind, at, 1 - at) for kind in (ranking.outcomes, hit))
        if ranking.positives and ranking.negatives:
            resampled = self.bands(label).at(threshold).matrices(at)
        else:
            resampled = self._matrices(truth, called, 2)
        return verdicts_of(
            truth, called, resampled, classes=classes, groups=self.groups, threshold=threshold, label=label
        )

    def metrics(self, threshold: float | None = None) -> dict[str, Metric]:
        """Every metric of METRICS, in that order: of verdicts at the threshold (the run's default unless
        given; with more than two classes of the most probable one), and those that need none."""
        found = {"auc": self.auc(), **self.at(threshold).metrics, "brier": self.brier, "ece": self.ece}
        return {name: found[name] for name in METRICS}

    def points(self, label: str | None = None) -> dict[str, OperatingPoint]:
        """Operating points by name: "run" (the run's default), "youden", "best_f1", "sensitivity_95", and the
        run's others.

        The three are chosen on the run's validation cases where it has them, else on the cases shown, which
        flatters the figures: `on` says which. They are left out where one class has no case.
        """
        label = self._label(label)
        own = {point.name: point for point in self.own_points} if label == self.positive else {}
        found = {"run": self.own_points[0]} if own else {}
        for cases, on in ((self.choosing, "validation"), (self.predictions, self.part)):
            if cases is None:
                continue
            k = self.classes.index(label)
            y, p = cases.labels == k, cases.probabilities[:, k]
            if y.any() and not y.all():
                found |= {
                    "youden": youden(y, p, on),
                    "best_f1": best_f1(y, p, on),
                    "sensitivity_95": sensitivity_at_least(y, p, 0.95, on),
                }
                break
        return found | {name: point for name, point in own.items() if name not in found}

    @cached_property
    def _most_probable(self) -> Verdicts:
        truth = self.predictions.labels
        called = predicted_classes(self.predictions.probabilities)
        resampled = self._matrices(truth, called, len(self.classes))
        return verdicts_of(truth, called, resampled, classes=self.classes, groups=self.groups)

    @cached_property
    def _macro_auc(self) -> Metric:
        return macro_auc([self.ranking(label) for label in self._ranked()])

    @cached_property
    def squared_errors(self) -> np.ndarray:
        """Whose mean the Brier score is, float [n]."""
        p, labels = self.predictions.probabilities, self.predictions.labels
        squares = (p - np.eye(len(self.classes))[labels]) ** 2
        return squares[:, self.classes.index(self.positive)] if self.binary else squares.sum(axis=1)

    @cached_property
    def sure(self) -> tuple[np.ndarray, np.ndarray]:
        """The probabilities that `ece` is about, and whether each came true."""
        p, labels = self.predictions.probabilities, self.predictions.labels
        if self.binary:
            k = self.classes.index(self.positive)
            return p[:, k], labels == k
        called = predicted_classes(p)
        return p[np.arange(len(p)), called], labels == called

    def _ranked(self) -> list[str]:
        """The classes that have cases, where there are two of them at least."""
        present = np.unique(self.predictions.labels)
        return [self.classes[k] for k in present] if len(present) > 1 else []

    @property
    def _counted(self) -> Resampled | None:
        """The counts behind the bands of two classes, which serve these metrics too."""
        ranking = self.ranking()
        both = self.binary and ranking.positives and ranking.negatives
        return self.bands().counted if both else None

    def _matrices(self, truth: np.ndarray, called: np.ndarray, c: int) -> np.ndarray:
        """Resampled confusion matrices [b, C, C]."""
        labels, cells = self.predictions.labels, truth * c + called
        counts = resampled_counts(cells, c * c, labels, self.groups, self.samples, self.seed).counts
        return counts.reshape(-1, c, c)

    def _spread(self, cells: np.ndarray) -> Resampled:
        return resampled_counts(
            cells, int(cells.max()) + 1, self.predictions.labels, self.groups, self.samples, self.seed
        )

    def _metric(self, value: float, resampled: np.ndarray) -> Metric:
        if self.n_groups < 2:
            what = "There is one case" if len(self) == 1 else "All cases belong to one group"
            return undefined(f"{what}, which says nothing of others.", len(self))
        low, high = percentile_interval(resampled, value)
        return {"value": value, "low": low, "high": high, "n": len(self)}

    def _label(self, label: str | None) -> str:
        if label is None:
            return self.positive
        return self.classes[positive_index(self.classes, label)]


def gather(
    source: Run | Predictions,
    part: str = "test",
    unit: str = "image",
    keep: np.ndarray | None = None,
    *,
    predictions: Predictions | None = None,
    cases: CaseTable | None = None,
    positive: str | None = None,
) -> Evidence:
    """The evidence of a run's stored predictions, or of predictions alone.

    part: "train", "validation", "test" or "all"; predictions without any split are taken whole. unit: of
    `units.UNITS`. keep: bool [n] over the rows of the run's predictions.csv, a filter applied before images
    are joined to breasts or patients; thresholds are chosen on validation cases unfiltered. predictions,
    cases: the run's, where they were read before. positive: the class that counts, for predictions alone.
    BadInput where there are no predictions, or no labelled case in the part.
    """
    own_points: tuple[OperatingPoint, ...] = ()
    if isinstance(source, Predictions):
        predictions = source
    else:
        predictions = read_run_predictions(source) if predictions is None else predictions
        positive = source.positive if positive is None else positive
        own_points = tuple(OperatingPoint(**point.model_dump()) for point in source.card.operating_points)
        cases = _cases(source, unit) if cases is None else cases
    chosen = _rows_of_part(predictions, part)
    if keep is not None:
        if len(keep) != len(predictions):
            raise BadInput(
                f"The filter has {len(keep)} values for {len(predictions)} predictions: give each one."
            )
        chosen &= np.asarray(keep, dtype=bool)
        if not chosen.any():
            raise BadInput("No labelled case passes these filters: choose fewer or other ones.")
    shown, rows = _joined(predictions, np.flatnonzero(chosen), unit, cases, positive)
    choosing = None
    if part != "validation" and (validation := parts_with_labels(predictions).get("validation")):
        at = np.flatnonzero((predictions.splits == "validation") & (predictions.labels >= 0))
        choosing = _joined(predictions, at, unit, cases, positive)[0] if validation else None
    return Evidence(
        shown,
        positive=positive,
        own_points=own_points,
        part=part,
        unit=unit,
        rows=rows,
        choosing=choosing,
    )


def read_run_predictions(run: Run) -> Predictions:
    """The run's predictions.csv; BadInput, a sentence for the page, where it has none."""
    path = run.path(PREDICTIONS_FILE)
    if path is None:
        raise BadInput(f"The run {run.id} has no stored predictions: choose a run that has them.")
    return read_predictions(path, run.classes)


def parts_with_labels(predictions: Predictions) -> dict[str, int]:
    """Part of the split -> its labelled cases; "all" for predictions without any split."""
    names, counts = np.unique(predictions.splits[predictions.labels >= 0], return_counts=True)
    found = dict(zip(names.tolist(), counts.tolist(), strict=True))
    if set(found) <= {""}:
        return {ALL: found.get("", 0)} if found else {}
    order = {"test": 0, "validation": 1, "train": 2}
    return {name: found[name] for name in sorted(found, key=lambda name: order.get(name, 3)) if name}


def _rows_of_part(predictions: Predictions, part: str) -> np.ndarray:
    """The labelled cases of the part, bool [n]."""
    labelled = predictions.labels >= 0
    if part == ALL or not (predictions.splits != "").any():
        chosen = labelled
    else:
        chosen = labelled & (predictions.splits == part)
    if not chosen.any():
        known = ", ".join(parts_with_labels(predictions)) or "none"
        where = "" if part == ALL else f" in the part {part!r}"
        raise BadInput(f"There is no labelled case{where}: choose a part that has some ({known}).")
    return chosen


def _joined(
    predictions: Predictions, rows: np.ndarray, unit: str, cases: CaseTable | None, positive: str | None
) -> tuple[Predictions, np.ndarray]:
    taken = predictions.take(rows)
    if unit == "image":
        return taken, rows
    own, labels = rows_of_units(taken, unit, cases, positive)
    return taken.take(own).relabelled(labels), rows[own]


def _cases(run: Run, unit: str) -> CaseTable | None:
    """The run's case table, which only sides of breasts are needed of."""
    if unit != "breast":
        return None
    from models.runs.cases import read_cases

    return read_cases(run)
