"""Figures for print, each an SVG document: what the numbers of models.evaluation look like.

Every function takes numbers that are there already and draws them. Lines differ by dashes as well as by
colour, areas by outline: a page may be printed without colour. Names may hold any letters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.reports.canvas import HALF, WIDE, drawn, legend, share_axes, short
from models.reports.colours import ABOVE, BELOW, INK, MUTED, ON_FILL, PAGE, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Sheet

    from models.evaluation.calibration import Reliability
    from models.evaluation.curves import PrCurve, RocCurve, ScoreHistogram
    from models.evaluation.decision import DecisionCurve

DASHES = (
    "solid",
    (0, (5, 1.5)),
    (0, (1.5, 1.2)),
    (0, (6, 1.5, 1.5, 1.5)),
    (0, (8, 2)),
    (0, (3, 1, 1, 1, 1, 1)),
)


@dataclass(frozen=True, eq=False)
class Band:
    """The 95 % band of a curve: low and high [k] at the places `at` [k], rising."""

    at: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Dot:
    """A figure with its interval on the leaderboard; `other` for results on other data than the rest."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    other: bool = False


def draw_confusion(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Confusion matrix [C][C], a row a true class: counts, and shares of the row as shade and in percent."""
    table = np.asarray(counts, dtype=np.float64)
    totals = table.sum(axis=1, keepdims=True)
    shares = np.divide(table, totals, out=np.zeros_like(table), where=totals > 0)
    size = len(classes)

    def draw(sheet: Sheet) -> None:
        axes = sheet.subplots()
        for row, column in np.ndindex(table.shape):
            _cell(axes, row, column, int(table[row, column]), float(shares[row, column]), size)
        longest = 14 if size < 4 else 10
        names = [short(name, longest) for name in classes]
        axes.set(xlim=(0, size), ylim=(size, 0), xlabel="Called", ylabel="True")
        axes.set_xticks(np.arange(size) + 0.5, names, rotation=0 if size < 4 else 30)
        axes.set_yticks(np.arange(size) + 0.5, names, rotation=90 if size < 4 else 0, va="center")
        axes.xaxis.set_label_position("top")
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_box_aspect(1)

    return drawn(draw, HALF if size < 6 else (5.0, 4.7))


def _cell(axes: Axes, row: int, column: int, count: int, share: float, size: int) -> None:
    from matplotlib.patches import Rectangle

    colour = BELOW if row == column else ABOVE
    alpha = 0.06 + 0.69 * share
    shade = dict(facecolor=colour, alpha=alpha, edgecolor="none")
    axes.add_patch(Rectangle((column + 0.02, row + 0.02), 0.96, 0.96, **shade))
    # Never so dark a fill that dark letters fade on a light page, nor light ones on it on a dark page.
    ink, scale = (ON_FILL if alpha > 0.6 else INK), max(0.55, 1 - 0.07 * (size - 2))
    middle = (column + 0.5, row + 0.5)
    axes.annotate(
        f"{count:,}", middle, xytext=(0, 5 * scale), textcoords="offset points", ha="center", va="center",
        fontsize=13 * scale, weight="bold", color=ink,
    )  # fmt: skip
    axes.annotate(
        f"{100 * share:.0f} %", middle, xytext=(0, -8 * scale), textcoords="offset points", ha="center",
        va="center", fontsize=8 * scale, color=ink,
    )  # fmt: skip


def draw_roc(
    curves: Mapping[str, RocCurve],
    bands: Mapping[str, Band] | None = None,
    points: Sequence[tuple[float, float]] = (),
    faint: Sequence[RocCurve] = (),
) -> str:
    """ROC curves by name, with the bands there are; points (false positive rate, sensitivity) are marked.
    `faint`: thin lines behind, such as the folds of a pooled run."""

    def draw(sheet: Sheet) -> None:
        axes = sheet.subplots()
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.7, dashes=(2, 2))
        for curve in faint:
            axes.plot(curve.false_positive_rate, curve.sensitivity, color=MUTED, linewidth=0.6, alpha=0.7)
        _curves(axes, {n: (c.false_positive_rate, c.sensitivity) for n, c in curves.items()}, bands or {})
        _mark(axes, points)
        share_axes(axes, "1 - specificity", "Sensitivity")
        if len(curves) > 1:
            legend(axes, "lower right")

    return drawn(draw)


def draw_precision_recall(
    curves: Mapping[str, PrCurve],
    bands: Mapping[str, Band] | None = None,
    points: Sequence[tuple[float, float]] = (),
    share: float | None = None,
) -> str:
    """Precision over recall by name; points (recall, precision) are marked. `share` of positive cases: what
    calling every case positive would reach, a dotted line."""

    def draw(sheet: Sheet) -> None:
        axes = sheet.subplots()
        if share is not None:
            axes.axhline(share, color=MUTED, linewidth=0.7, dashes=(2, 2))
        _curves(axes, {name: (curve.recall, curve.precision) for name, curve in curves.items()}, bands or {})
        _mark(axes, points)
        share_axes(axes, "Recall (sensitivity)", "Precision (PPV)")
        if len(curves) > 1:
            legend(axes, "lower left")

    return drawn(draw)


def _curves(
    axes: Axes, curves: Mapping[str, tuple[np.ndarray, np.ndarray]], bands: Mapping[str, Band]
) -> None:
    for at, (name, (x, y)) in enumerate(curves.items()):
        colour = SERIES[at % len(SERIES)]
        if name in bands:
            band = bands[name]
            axes.fill_between(band.at, band.low, band.high, color=colour, alpha=0.16, linewidth=0)
        axes.plot(x, y, color=colour, linestyle=DASHES[at % len(DASHES)], label=short(name))


def _mark(axes: Axes, points: Sequence[tuple[float, float]]) -> None:
    for x, y in points:
        axes.plot([x], [y], "o", markersize=6, markerfacecolor=PAGE, markeredgecolor=INK, markeredgewidth=1.4)


def draw_reliability(found: Reliability, low: np.ndarray, high: np.ndarray) -> str:
    """Observed share over predicted probability with intervals low and high [b] (NaN in empty bins), and
    below it how many cases each bin has."""
    filled = found.counts > 0

    def draw(sheet: Sheet) -> None:
        axes, strip = sheet.subplots(2, 1, sharex=True, height_ratios=(5, 1))
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.7, dashes=(2, 2))
        x, y = found.predicted[filled], found.observed[filled]
        reach = np.abs(np.stack([y - low[filled], high[filled] - y]))
        axes.errorbar(x, y, yerr=reach, fmt="o", color=BELOW, markersize=4, elinewidth=1)
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.02, 1.02), ylabel="Observed share")
        axes.grid(True)
        width = np.diff(found.edges)
        strip.bar(found.edges[:-1] + width / 2, found.counts, width=0.9 * width, color=BELOW, alpha=0.6)
        strip.set(xlabel="Predicted probability", ylabel="Cases")
        strip.locator_params(axis="y", nbins=2)

    return drawn(draw)


def draw_histogram(
    histogram: ScoreHistogram, positive: str, negative: str, threshold: float | None = None
) -> str:
    """Scores of the positive cases (filled) and of the others (outlined), each as shares of their own."""
    edges = histogram.edges

    def draw(sheet: Sheet) -> None:
        axes = sheet.subplots()
        up = 100 * histogram.positive / max(1, histogram.positive.sum())
        down = 100 * histogram.negative / max(1, histogram.negative.sum())
        axes.stairs(up, edges, fill=True, color=ABOVE, alpha=0.55, label=short(positive))
        axes.stairs(down, edges, color=BELOW, linewidth=1.3, label=short(negative))
        if threshold is not None:
            axes.axvline(threshold, color=INK, linewidth=1, dashes=(4, 2), label=f"threshold {threshold:.3f}")
        axes.set(xlim=(-0.01, 1.01), xlabel=f"Probability of {short(positive)}")
        axes.set_ylabel("% of the class's cases")
        axes.set_ylim(bottom=0)
        legend(axes, "upper center")

    return drawn(draw)


def draw_decision(curve: DecisionCurve, threshold: float | None = None) -> str:
    """Net benefit of the model, of calling everyone positive and of calling nobody, over the threshold."""

    def draw(sheet: Sheet) -> None:
        axes = sheet.subplots()
        x = curve.thresholds
        if curve.low is not None and curve.high is not None:
            axes.fill_between(x, curve.low, curve.high, color=ABOVE, alpha=0.16, linewidth=0)
        axes.plot(x, curve.model, color=ABOVE, label="by the model")
        axes.plot(x, curve.everyone, color=BELOW, linestyle=DASHES[1], label="everyone positive")
        axes.axhline(0, color=MUTED, linestyle=DASHES[2], label="nobody positive")
        if threshold is not None:
            axes.axvline(threshold, color=INK, linewidth=0.8, dashes=(4, 2))
        top = float(np.nanmax([np.nanmax(curve.model), np.nanmax(curve.everyone), 0.02]))
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.25 * top, 1.12 * top))
        axes.set(xlabel="Threshold probability", ylabel="Net benefit")
        axes.grid(True)
        legend(axes, "upper right")

    return drawn(draw)


def draw_leaderboard(dots: Sequence[Dot], label: str = "AUC", reference: float | None = 0.5) -> str:
    """A line a run: its figure and 95 % interval, best at the top as given; open circles are other data."""
    height = 0.75 + 0.21 * max(1, len(dots))

    def draw(sheet: Sheet) -> None:
        axes = sheet.subplots()
        for row, dot in enumerate(dots):
            colour = MUTED if dot.other else BELOW
            if dot.low is not None and dot.high is not None:
                axes.plot([dot.low, dot.high], [row, row], color=colour, linewidth=1.3)
            face = PAGE if dot.other else colour
            axes.plot([dot.value], [row], "o", markersize=5, markerfacecolor=face, markeredgecolor=colour)
        if reference is not None:
            axes.axvline(reference, color=MUTED, linewidth=0.7, dashes=(2, 2))
        axes.set_yticks(range(len(dots)), [short(dot.name, 40) for dot in dots])
        axes.tick_params(axis="y", length=0)
        axes.set(ylim=(max(0, len(dots) - 1) + 0.6, -0.6), xlabel=label)
        axes.spines["left"].set_visible(False)
        axes.grid(True, axis="x")

    return drawn(draw, (WIDE[0], height))


def draw_agreement(
    first: np.ndarray, second: np.ndarray, outcomes: np.ndarray, names: tuple[str, str],
    thresholds: tuple[float, float], positive: str,
) -> str:  # fmt: skip
    """Probabilities of two runs on the same cases [n], positives (bool [n]) filled; the lines are their
    thresholds, so that cases of different verdicts lie upper left and lower right."""

    def draw(sheet: Sheet) -> None:
        axes = sheet.subplots()
        axes.axvline(thresholds[0], color=INK, linewidth=0.8, dashes=(4, 2))
        axes.axhline(thresholds[1], color=INK, linewidth=0.8, dashes=(4, 2))
        dots = dict(linestyle="none", markersize=3.4, markeredgewidth=0.7, alpha=0.8)
        rest = ~outcomes
        axes.plot(
            first[rest], second[rest], marker="o", markerfacecolor="none", markeredgecolor=BELOW,
            label="not " + short(positive, 18), **dots,
        )  # fmt: skip
        axes.plot(
            first[outcomes], second[outcomes], marker="s", markerfacecolor=ABOVE, markeredgecolor=ABOVE,
            label=short(positive), **dots,
        )  # fmt: skip
        share_axes(axes, short(names[0], 34), short(names[1], 34))
        legend(axes, "upper left")

    return drawn(draw)
