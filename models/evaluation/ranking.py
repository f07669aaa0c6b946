"""One class against the rest, ordered once: any threshold, curve, area or resample from it afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.errors import BadInput
from models.evaluation.curves import PrCurve, RocCurve, ScoreHistogram, thinned
from models.evaluation.delong import areas
from models.evaluation.intervals import Z95, newcombe_auc, wilson
from models.evaluation.metrics import Metric, undefined
from models.evaluation.resampling import Resampled, dense_codes, group_codes, resampled_counts

# Thresholds of the resampled histograms: as many from the positives' quantiles as from the negatives'.
EDGES = 512


@dataclass(frozen=True, eq=False)
class Counts:
    """Cases by outcome and verdict: ints, or arrays of one shape for many thresholds or resamples."""

    tp: np.ndarray | int
    fp: np.ndarray | int
    tn: np.ndarray | int
    fn: np.ndarray | int

    def matrices(self, positive: int = 1) -> np.ndarray:
        """Confusion matrices [..., 2, 2], rows true, columns called, `positive` the positive's place."""
        cells = np.stack([self.tn, self.fp, self.fn, self.tp], axis=-1)
        matrices = cells.reshape(*cells.shape[:-1], 2, 2)
        return matrices if positive == 1 else matrices[..., ::-1, ::-1]


@dataclass(frozen=True, eq=False)
class Bands:
    """Resampled counts of positives (`tp`) and negatives (`fp`) scored at or above each edge, int [b, k].

    `edges` [k] fall; positives, negatives int [b]: the resample's cases. Between edges the counts are shared
    out as the real cases lie, so that resamples have no step that the cases have not. `counted`:
    the cases by cell, first the negatives that reach each edge and no higher one, then the positives.
    """

    edges: np.ndarray
    tp: np.ndarray
    fp: np.ndarray
    positives: np.ndarray
    negatives: np.ndarray
    ranking: "Ranking"
    counted: Resampled

    def at(self, threshold: float) -> Counts:
        """Counts of each resample at a threshold, float [b]."""
        counts = self.at_each(np.array([threshold]))
        return Counts(*(part[:, 0] for part in (counts.tp, counts.fp, counts.tn, counts.fn)))

    def at_each(self, thresholds: np.ndarray) -> Counts:
        """Counts of each resample at each threshold, float [b, t]."""
        exact = self.ranking.at(np.asarray(thresholds, dtype=np.float64))
        tp = self._between(thresholds, self.tp, exact.tp, self.ranking.at(self.edges).tp)
        fp = self._between(thresholds, self.fp, exact.fp, self.ranking.at(self.edges).fp)
        return Counts(tp, fp, self.negatives[:, None] - fp, self.positives[:, None] - tp)

    def roc(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The pointwise 95 % band of the sensitivity at these false positive rates: low, high."""
        rate = self.fp / self.negatives[:, None]
        return self._band(at, rate, self.tp / self.positives[:, None], 0.0)

    def precision_recall(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The pointwise 95 % band of the precision at these recalls: low, high."""
        called = self.tp + self.fp
        precision = np.divide(self.tp, called, out=np.ones(called.shape), where=called > 0)
        return self._band(at, self.tp / self.positives[:, None], precision, None)

    def average_precision(self) -> np.ndarray:
        """The average precision of each resample, with the edges as its only thresholds: float [b]."""
        return _average_precision(self.tp, self.fp, self.positives[:, None])

    @staticmethod
    def _band(
        at: np.ndarray, x: np.ndarray, y: np.ndarray, start: float | None
    ) -> tuple[np.ndarray, np.ndarray]:
        curves = np.empty((len(x), len(at)))
        for row, (own_x, own_y) in enumerate(zip(x, y, strict=True)):
            if start is not None:
                own_x, own_y = np.append(0.0, own_x), np.append(start, own_y)
            curves[row] = np.interp(at, own_x, own_y)
        low, high = np.quantile(curves, [0.025, 0.975], axis=0)
        return low, high

    def _between(
        self, thresholds: np.ndarray, resampled: np.ndarray, exact: np.ndarray, at_edges: np.ndarray
    ) -> np.ndarray:
        """Resampled counts at thresholds: those of the next higher edge and their share of the step down to
        the next lower one."""
        step = np.searchsorted(-self.edges, -np.asarray(thresholds), side="right")
        padded = np.concatenate([np.zeros((len(resampled), 1)), resampled], axis=1)
        known = np.concatenate([[0], at_edges])
        after = np.minimum(step + 1, len(self.edges))
        width = known[after] - known[step]
        share = np.divide(exact - known[step], width, out=np.zeros(len(width)), where=width > 0)
        return padded[:, step] + share * (padded[:, after] - padded[:, step])


class Ranking:
    """Cases ordered by their score for one class.

    outcomes bool [n]: whether each case is of the class; scores float [n], higher for the class; groups str
    [n] (or integers): what belongs together, such as a patient's images. `label` names the class in
    sentences. Raises BadInput for scores that are no numbers.
    """

    def __init__(
        self,
        outcomes: np.ndarray,
        scores: np.ndarray,
        groups: Sequence[str] | None = None,
        label: str = "positive",
    ) -> None:
        self.outcomes = np.asarray(outcomes).reshape(-1).astype(bool)
        self.scores = np.asarray(scores, dtype=np.float64).reshape(-1)
        if len(self.outcomes) != len(self.scores):
            raise BadInput(
                f"There are {len(self.outcomes)} outcomes for {len(self.scores)} scores: give each case both."
            )
        if not np.isfinite(self.scores).all():
            raise BadInput("Some scores are not finite numbers: predict these cases again.")
        self.groups = dense_codes(group_codes(groups, len(self.scores)))
        self.label = label
        self._up = np.sort(self.scores[self.outcomes])
        self._down = np.sort(self.scores[~self.outcomes])
        self._bands: dict[tuple[int, int], Bands] = {}

    @property
    def n(self) -> int:
        return len(self.scores)

    @property
    def positives(self) -> int:
        return len(self._up)

    @property
    def negatives(self) -> int:
        return len(self._down)

    @property
    def group_counts(self) -> tuple[int, int]:
        """Groups that hold a positive, and groups that hold a negative."""
        held = (np.bincount(self.groups[kind]) for kind in (self.outcomes, ~self.outcomes))
        up, down = (int(np.count_nonzero(counts)) for counts in held)
        return up, down

    def at(self, threshold: float | np.ndarray) -> Counts:
        """Counts where a case is called positive at a score of at least `threshold` (one, or an array)."""
        tp = self.positives - np.searchsorted(self._up, threshold, side="left")
        fp = self.negatives - np.searchsorted(self._down, threshold, side="left")
        if np.ndim(threshold) == 0:
            tp, fp = int(tp), int(fp)
        return Counts(tp, fp, self.negatives - fp, self.positives - tp)

    @cached_property
    def steps(self) -> tuple[np.ndarray, Counts]:
        """Every distinct score, falling, and the counts there."""
        thresholds = np.unique(self.scores)[::-1]
        return thresholds, self.at(thresholds)

    def roc(self, points: int = 400) -> RocCurve:
        """Thinned for drawing; BadInput unless both outcomes are there."""
        self._needs_both()
        thresholds, counts = self.steps
        x = np.append(0.0, counts.fp / self.negatives)
        y = np.append(0.0, counts.tp / self.positives)
        thresholds = np.append(np.inf, thresholds)
        corners = _corners(x, y)
        kept = corners[thinned(x[corners], y[corners], points)]
        return RocCurve(x[kept], y[kept], thresholds[kept])

    def precision_recall(self, points: int = 400) -> PrCurve:
        """Thinned for drawing; BadInput unless both outcomes are there."""
        self._needs_both()
        thresholds, counts = self.steps
        recall, precision = counts.tp / self.positives, counts.tp / (counts.tp + counts.fp)
        # Below full recall, more false alarms only: the last point says it all, as in scikit-learn.
        end = int(np.argmax(counts.tp == self.positives)) + 1
        kept = thinned(recall[:end], precision[:end], points)
        return PrCurve(recall[kept], precision[kept], thresholds[kept])

    def histogram(self, bins: int = 40) -> ScoreHistogram:
        """Scores of probabilities (0..1) in bins of equal width, the last one closed."""
        edges = np.linspace(0, 1, bins + 1)
        return ScoreHistogram(edges, np.histogram(self._up, edges)[0], np.histogram(self._down, edges)[0])

    def auc(self) -> Metric:
        """The area under the ROC curve; interval by DeLong's variance (Obuchowski's for groups) on the logit
        scale, or Newcombe's where that variance shows nothing (an area of 0 or 1, a single case)."""
        if why := self._why():
            return undefined(why, self.n)
        found = areas([self.outcomes], [self.scores], self.groups)
        value, variance = float(found.values[0]), float(found.covariance[0, 0])
        low, high = auc_interval(value, variance, *self.group_counts)
        return {"value": value, "low": low, "high": high, "n": self.n}

    def average_precision(self, samples: int = 1000, seed: int = 0) -> Metric:
        """Mean precision over the recalls, by steps (scikit-learn's `average_precision_score`).

        Interval on the logit scale (Boyd, Eng and Page 2013, ECML PKDD), its variance the mean of two: that
        of resamples, which is too small (their percentiles hold the truth in 82 to 91 % of samples of 25 + 66
        cases), and Boyd's binomial one of as many draws as groups with a positive, which is too large
        (98 to 99.7 %). Simulated, theirs hold it in 96 to 99 %.
        """
        if why := self._why():
            return undefined(why, self.n)
        _, counts = self.steps
        value = float(_average_precision(counts.tp[None], counts.fp[None], self.positives)[0])
        spread, groups = value * (1 - value), self.group_counts[0]
        if spread < 1e-12:
            low, high = wilson(value, groups)
        else:
            resampled = self.bands(samples, seed).average_precision().var() / spread**2
            half = Z95 * np.sqrt((resampled + 1 / (groups * spread)) / 2)
            centre = np.log(value / (1 - value))
            low, high = (float(1 / (1 + np.exp(-end))) for end in (centre - half, centre + half))
        return {"value": value, "low": low, "high": high, "n": self.n}

    def bands(self, samples: int = 1000, seed: int = 0) -> Bands:
        """Resampled counts (`resampling.resampled_counts`), kept for the next call; BadInput unless both
        outcomes are there."""
        self._needs_both()
        if (samples, seed) not in self._bands:
            self._bands[samples, seed] = self._resampled(samples, seed)
        return self._bands[samples, seed]

    def _resampled(self, samples: int, seed: int) -> Bands:
        edges, cells = self.binned()
        k = len(edges)
        strata = self.outcomes.astype(np.int64)
        counted = resampled_counts(cells, 2 * k, strata, self.groups, samples, seed)
        counts = counted.counts
        fp, tp = (np.cumsum(half, axis=1, dtype=np.int32) for half in (counts[:, :k], counts[:, k:]))
        return Bands(edges, tp, fp, tp[:, -1], fp[:, -1], self, counted)

    def binned(self) -> tuple[np.ndarray, np.ndarray]:
        """Edges [k], falling, and each case's cell int [n]: the first edge that its score reaches, from the
        highest down, and k more for a positive."""
        edges = self._edges()
        k = len(edges)
        # Every score reaches the last edge.
        return edges, k - np.searchsorted(edges[::-1], self.scores, side="right") + k * self.outcomes

    def _edges(self) -> np.ndarray:
        """Falling thresholds, the last one the lowest score: every score, or EDGES of them at quantiles."""
        scores = self.steps[0]
        if len(scores) <= EDGES:
            return scores
        shares = np.linspace(0, 1, EDGES // 2)
        picked = [kind[np.floor(shares * (len(kind) - 1)).astype(int)] for kind in (self._up, self._down)]
        # The tenths, between which reliability is counted: a cell lies on one side of each.
        tenths = np.linspace(0, 1, 11)
        inside = tenths[(tenths > scores[-1]) & (tenths < scores[0])]
        return np.unique(np.concatenate([*picked, inside, scores[-1:]]))[::-1]

    def _why(self) -> str:
        if not self.n:
            return "There are no cases."
        if not self.positives:
            return f"No case is {self.label}."
        if not self.negatives:
            return f"All cases are {self.label}."
        if max(self._up[-1], self._down[-1]) == min(self._up[0], self._down[0]):
            return "All cases have the same score, so they have no order."
        return ""

    def _needs_both(self) -> None:
        if not self.positives or not self.negatives:
            raise BadInput(f"{self._why()[:-1]}: choose a part or filter that has both kinds.")


def auc_interval(
    value: float, variance: float, positives: int, negatives: int, z: float = Z95
) -> tuple[float, float]:
    """95 % interval of an area on the logit scale, or that of another z; positives and negatives are numbers
    of groups."""
    spread = value * (1 - value)
    if not np.isfinite(variance) or variance < 1e-15 or spread < 1e-12:
        return newcombe_auc(value, positives, negatives, z)
    centre, half = np.log(value / (1 - value)), z * np.sqrt(variance) / spread
    low, high = 1 / (1 + np.exp(-(centre - half))), 1 / (1 + np.exp(-(centre + half)))
    return float(low), float(high)


def _average_precision(tp: np.ndarray, fp: np.ndarray, positives: np.ndarray | int) -> np.ndarray:
    """Of counts [b, k] at falling thresholds."""
    called = tp + fp
    precision = np.divide(tp, called, out=np.zeros(called.shape), where=called > 0)
    return (np.diff(tp, axis=1, prepend=0) * precision).sum(axis=1) / np.ravel(positives)


def _corners(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Indices of the points at which a rising curve turns, ends included."""
    if len(x) < 3:
        return np.arange(len(x))
    dx, dy = np.diff(x), np.diff(y)
    turns = np.abs(dx[:-1] * dy[1:] - dx[1:] * dy[:-1]) > 1e-15
    return np.concatenate([[0], np.flatnonzero(turns) + 1, [len(x) - 1]])
