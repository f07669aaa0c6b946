"""Figures of an evaluation show what they are given, and Plotly knows every property of them."""

import numpy as np
import plotly.graph_objects as go
import pytest

from models.evaluation.curves import RocCurve
from models.evaluation.evidence import gather
from pages.ui.evaluation import figures, matrix
from pages.ui.evaluation.curves import CHANCE, pr_figure, roc_figure, roc_line
from pages.ui.evaluation.figures import Axes, Band, Estimate, Line, Mark
from pages.ui.evaluation.view import NOT_STATED, Filter, View, kept, values_of
from pages.ui.palette import DARK, LIGHT
from tests.pages.scored_run import made_up

X = np.array([0.0, 0.5, 1.0])


def known_to_plotly(figure: go.Figure) -> go.Figure:
    """The figures are built without Plotly's own check, for speed: here it is made up for."""
    go.Figure(figure.to_dict())
    return figure


def test_a_line_has_its_band_mark_and_threshold() -> None:
    line = Line("run <b>", X, X**2, LIGHT.below, Band(X, X / 2, X), np.array([1.0, 0.5, 0.0]))
    figure = known_to_plotly(
        figures.line_figure([line], Axes("x", "y"), LIGHT, mark=Mark(0.5, 0.25, "here"), at=0.3)
    )
    band, curve, mark = figure.data
    assert list(band.x) == [0, 0.5, 1, 1, 0.5, 0]
    assert list(band.y) == [0, 0.5, 1, 0.5, 0.25, 0]
    assert list(curve.y) == [0, 0.25, 1]
    assert list(curve.customdata) == [1, 0.5, 0]
    assert (*mark.x, *mark.y) == (0.5, 0.25)
    assert figure.layout.shapes[-1].x0 == 0.3
    assert curve.name == "run &lt;b&gt;"
    assert not figure.layout.showlegend


def test_members_lie_faint_behind_and_are_no_entry_of_the_legend() -> None:
    lines = [Line("pooled", X, X, LIGHT.above), Line("fold1", X, X, LIGHT.below, faint=True)]
    figure = known_to_plotly(figures.line_figure(lines, Axes("x", "y"), LIGHT))
    assert [trace.name for trace in figure.data] == ["fold1", "pooled"]
    assert not figure.layout.showlegend


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_the_matrix_has_a_mark_to_click_on_every_cell(colours) -> None:
    counts = [[8, 2, 0], [1, 3, 0], [0, 0, 0]]
    with np.errstate(invalid="ignore"):
        shares = np.array(counts) / np.array(counts).sum(axis=1, keepdims=True)
    figure = known_to_plotly(
        matrix.confusion_figure(counts, shares, ["a", "b & c", "d"], colours, as_counts=False)
    )
    cells = next(trace for trace in figure.data if trace.name == matrix.CELLS)
    assert [tuple(pair) for pair in cells.customdata][1] == ("a", "b & c")
    assert (cells.x[1], cells.y[1]) == (1, 0)
    texts = [label.text for label in figure.layout.annotations]
    assert texts[0].startswith("<b>80.0%</b>") and "8" in texts[0]
    assert texts[8].startswith("<b>-</b>")
    assert list(figure.layout.yaxis.range) == [2.5, -0.5]
    assert figure.layout.xaxis.ticktext[1] == "b &amp; c"


def test_the_histogram_is_back_to_back_in_shares_of_each_class() -> None:
    figure = known_to_plotly(
        figures.histogram_figure(X, np.array([1, 3]), np.array([5, 5]), ("yes", "no"), 0.4, LIGHT)
    )
    assert list(figure.data[0].y) == [0.25, 0.75]
    assert list(figure.data[1].y) == [-0.5, -0.5]
    assert list(figure.data[1].customdata) == [5, 5]
    assert all("-" not in text for text in figure.layout.yaxis.ticktext)


def test_names_of_classes_are_text_in_a_legend_and_cut() -> None:
    names = ("<b>benign</b>", "malignant" * 12)
    figure = figures.histogram_figure(X, np.array([1, 3]), np.array([5, 5]), names, 0.4, LIGHT)
    assert figure.data[0].name == "&lt;b&gt;benign&lt;/b&gt;"
    assert figure.data[0].hovertemplate.startswith("&lt;b&gt;benign&lt;/b&gt;, ")
    assert len(figure.data[1].name) == 32 and figure.data[1].name.endswith("\N{HORIZONTAL ELLIPSIS}")


def test_a_forest_says_why_a_row_is_empty() -> None:
    rows = [Estimate("a", 0.8, 0.62, 0.9, flagged=True), Estimate("b", None, why="Only 2 cases.")]
    figure = known_to_plotly(figures.forest_figure(rows, 0.85, "AUC", LIGHT))
    dots = figure.data[0]
    assert list(dots.error_x.arrayminus) == pytest.approx([0.18])
    assert list(dots.marker.symbol) == ["diamond"]
    assert figure.layout.annotations[0].text == "Only 2 cases."
    assert list(figure.layout.yaxis.range) == [1.5, -0.5]
    # The axis begins at the tenth below the lowest end.
    assert figure.layout.xaxis.range[0] == pytest.approx(0.59)


def test_reliability_has_the_intervals_it_is_given() -> None:
    observed, ends = np.array([0.2, 0.6]), np.array([[0.1, 0.4], [0.5, 0.9]])
    figure = known_to_plotly(
        figures.reliability_figure(
            np.array([0.25, 0.5]), observed, np.array([4, 16]), ends, Axes("p", "share", reference=CHANCE),
            LIGHT,
        )
    )  # fmt: skip
    assert list(figure.data[0].error_y.array) == pytest.approx([0.2, 0.3])
    assert list(figure.data[0].marker.size) == [11, 16]


def test_the_marks_lie_where_the_threshold_puts_them() -> None:
    evidence = gather(made_up())
    view = View(None, "test", "image", "malignant")
    called, sick = evidence.predictions.probabilities[:, 1] >= 0.5, evidence.predictions.labels == 1
    mark = known_to_plotly(roc_figure(view, evidence, 0.5, LIGHT)).data[-1]
    assert (mark.x[0], mark.y[0]) == pytest.approx((called[~sick].mean(), called[sick].mean()))
    mark = known_to_plotly(pr_figure(view, evidence, 0.5, LIGHT)).data[-1]
    assert (mark.x[0], mark.y[0]) == pytest.approx((called[sick].mean(), sick[called].mean()))


def test_the_first_point_of_a_roc_curve_calls_nobody() -> None:
    line = roc_line(RocCurve(X, X, np.array([np.inf, 0.5, 0.1])), "run", LIGHT.below)
    assert line.thresholds.tolist() == [1, 0.5, 0.1]
    assert roc_line(RocCurve(X, X, np.full(3, np.nan)), "mean", LIGHT.below).thresholds is None


def test_filters_of_words_numbers_and_what_is_not_stated() -> None:
    density = np.array(["dense", "fatty", "", "dense"])
    size = np.array([str(0.01 * i) for i in range(1, 9)] + [""])
    assert values_of(density) == ("dense", "fatty", NOT_STATED)
    assert values_of(size) == (0.01, 0.08)
    assert values_of(np.array(["same"] * 4)) is None
    assert values_of(np.array([f"x{i}" for i in range(40)])) is None
    columns = {"density": density, "size": np.array(["0.1", "", "0.3", "0.2"])}
    assert kept(columns, (), 4) is None
    assert kept(columns, (Filter("density", (NOT_STATED, "fatty")),), 4).tolist() == [
        False,
        True,
        True,
        False,
    ]
    both = (Filter("density", ("dense",)), Filter("size", span=(0.15, 0.3)))
    assert kept(columns, both, 4).tolist() == [False, False, False, True]
