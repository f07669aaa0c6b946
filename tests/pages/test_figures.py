"""What the figures are given is what they show; the geometry worked out by hand."""

import numpy as np
import plotly.graph_objects as go
import pytest

from models.inputs import InputSpec
from models.runs.schema import OperatingPoint
from models.study import read_study
from pages.ui import figures
from pages.ui.palette import DARK, LIGHT
from pages.ui.pickers import COLOUR_LABELS
from pages.ui.pictures import LONGEST_SIDE, Picture, Style, contour_lines, original_picture, overlay_picture
from tests.pages.pictures import dark_disc, png
from xai.cam import GridMap
from xai.heatmap import Heatmap
from xai.overlay import COLOUR_MAPS

VALUES = np.array([[0.0, 0.4], [-0.2, 0.1]], np.float32)


def heatmap(values: np.ndarray = VALUES, native: tuple[int, int] = (64, 96), scale: float = 0.4) -> Heatmap:
    grid = GridMap(values, "joint", "relu", "grad-cam", "malignant", float(values.sum()))
    return Heatmap(grid, InputSpec(64, 64, 1).placement(*native), scale)


@pytest.fixture
def picture() -> Picture:
    return original_picture(read_study(png(dark_disc()[0]), "disc.png"))


def viewer(picture: Picture, **changes: object) -> go.Figure:
    captions = ("Image", "Evidence")
    return figures.viewer_figure(picture, picture, heatmap(), "inferno", LIGHT, captions=captions, **changes)


def scatters(figure: go.Figure) -> list[go.Scatter]:
    return [trace for trace in figure.data if trace.type == "scatter"]


def test_both_panels_show_the_whole_image_on_matched_axes_with_square_pixels(picture: Picture) -> None:
    layout = viewer(picture).layout
    assert layout.xaxis.range == layout.xaxis2.range == (0, 96)
    assert layout.yaxis.range == layout.yaxis2.range == (64, 0)
    assert {layout.xaxis.matches, layout.xaxis2.matches} == {"x"}
    assert {layout.yaxis.matches, layout.yaxis2.matches} == {"y"}
    assert layout.yaxis.scaleanchor == "x"


def test_the_viewer_opens_where_the_person_was(picture: Picture) -> None:
    layout = viewer(picture, view=figures.View((10, 30), (40, 20))).layout
    assert layout.xaxis.range == (10, 30)
    assert layout.yaxis2.range == (40, 20)


def test_the_pointer_reads_true_cells(picture: Picture) -> None:
    cells = next(trace for trace in viewer(picture).data if trace.type == "heatmap")
    assert np.array_equal(cells.z, VALUES)
    # 96 x 64 fills an input of 64 x 64 as 64 x 43 with ten rows of padding above: the middle of the input is
    # row (32 - 10) of 43, which is row 22 / 43 * 64 of the image; the outer edges end with the image.
    assert list(cells.x) == [0, 48, 96]
    assert list(cells.y) == pytest.approx([0, 22 / 43 * 64, 64])


def test_the_colour_bar_is_the_runs_scale_not_the_maps(picture: Picture) -> None:
    bar = next(trace.marker for trace in scatters(viewer(picture)) if trace.marker.showscale)
    assert (bar.cmin, bar.cmax) == (0, 0.4)


def test_outlines_are_closed_and_in_both_panels(picture: Picture) -> None:
    square = np.array([[1, 1], [5, 1], [5, 4]], np.float32)
    lines = [trace for trace in scatters(viewer(picture, outlines=[square])) if trace.line.width == 1.6]
    assert [line.xaxis for line in lines] == ["x", "x2"]
    assert list(lines[0].x[:4]) == [1, 5, 5, 1]
    assert list(lines[0].y[:4]) == [1, 1, 4, 1]


def test_the_gauge_marks_probability_and_operating_point() -> None:
    point = OperatingPoint(name="youden", threshold=0.3)
    for probability, colour in ((0.7, DARK.above), (0.3, DARK.above), (0.2, DARK.below)):
        figure = figures.gauge_figure(probability, point, "malignant", DARK)
        filled = figure.layout.shapes[1]
        assert (filled.x0, filled.x1, filled.fillcolor) == (0, probability, colour)
        assert figure.layout.shapes[2].x0 == 0.3


def test_contributions_are_signed_and_the_line_is_the_margin() -> None:
    figure = figures.contribution_figure([("a", 1.5), ("rest", -0.5)], 1.0, "malignant", LIGHT)
    assert list(figure.data[0].x) == [1.5, -0.5]
    assert list(figure.data[0].marker.color) == [LIGHT.above, LIGHT.below]
    assert 1.0 in [shape.x0 for shape in figure.layout.shapes]


def test_a_large_image_is_reduced_for_the_screen_only() -> None:
    study = read_study(png(np.zeros((100, 3 * LONGEST_SIDE), np.uint8)), "wide.png")
    shown = original_picture(study)
    assert shown.reduced
    assert shown.shown == (33, LONGEST_SIDE)
    assert (shown.height, shown.width) == (100, 3 * LONGEST_SIDE)


def test_contours_alone_leave_the_image_as_it_is(picture: Picture) -> None:
    study = read_study(png(dark_disc()[0]), "disc.png")
    assert overlay_picture(study, heatmap(), Style(drawing="contours")).png == picture.png
    assert overlay_picture(study, heatmap(), Style()).png != picture.png
    assert contour_lines(heatmap())


def test_a_blank_map_is_not_drawn(picture: Picture) -> None:
    study = read_study(png(dark_disc()[0]), "disc.png")
    blank = heatmap(-np.abs(VALUES))
    assert blank.blank
    assert overlay_picture(study, blank, Style()).png == picture.png
    assert contour_lines(blank) == ()


def test_jet_is_labelled_as_misleading() -> None:
    assert COLOUR_LABELS["jet"] == "Jet (misleading: not perceptually uniform)"
    assert set(COLOUR_LABELS) == set(COLOUR_MAPS)


def test_several_classes_have_a_bar_each_and_no_operating_point() -> None:
    figure = figures.class_figure({"benign": 0.2, "malignant": 0.7, "normal": 0.1}, "malignant", LIGHT)
    bars = figure.data[0]
    assert list(bars.x) == [0.2, 0.7, 0.1]
    assert list(bars.marker.color) == [LIGHT.muted, LIGHT.above, LIGHT.muted]
    assert not figure.layout.shapes
