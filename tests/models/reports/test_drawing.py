"""Printed figures: the numbers are in them, names may hold anything, the same drawing is the same file."""

import re
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

import numpy as np
import pytest

from models.evaluation.calibration import reliability
from models.evaluation.curves import ScoreHistogram
from models.evaluation.decision import decision_curve
from models.evaluation.ranking import Ranking
from models.reports.canvas import short
from models.reports.colours import BELOW, PAGE
from models.reports.drawing import (
    Band,
    Dot,
    draw_confusion,
    draw_decision,
    draw_histogram,
    draw_leaderboard,
    draw_precision_recall,
    draw_reliability,
    draw_roc,
)
from models.reports.drawing_training import draw_history, stretches
from models.reports.svg import inline
from models.runs.history import parse_history

OUTCOMES = np.array([0, 0, 1, 0, 1, 1], dtype=bool)
SCORES = np.array([0.1, 0.2, 0.3, 0.4, 0.8, 0.9])
RANKING = Ranking(OUTCOMES, SCORES)
AT = np.linspace(0, 1, 5)
HISTORY = (
    b"epoch,stage,loss,val_loss,learning_rate\n0,distil,2,3,0.001\n1,distil,1,2,0.0005\n"
    b"2,settle,0.9,0.8,0.0001\n3,settle,0.8,0.9,0.00001\n"
)


def texts(svg: str) -> list[str]:
    return ["".join(e.itertext()) for e in ElementTree.fromstring(svg).iter() if e.tag.endswith("text")]


def test_a_confusion_matrix_shows_counts_and_shares_of_each_row():
    found = texts(draw_confusion(["other", "malignant"], [[8, 2], [1, 1999]]))
    assert {"8", "80 %", "2", "20 %", "1", "0 %", "1,999", "100 %"} <= set(found)
    assert found.count("other") == found.count("malignant") == 2


def test_a_class_without_cases_has_no_shares():
    assert texts(draw_confusion(["a", "b"], [[0, 0], [1, 1]])).count("0 %") == 2


def test_names_of_any_letters_are_drawn_as_they_are():
    names = ["$\\frac{1}{0}$", "<script>alert(1)</script>"]
    svg = draw_confusion(names, [[1, 0], [0, 1]])
    assert "<script" not in svg
    assert texts(svg).count(short(names[0], 14)) == 2
    assert "alert(1)" not in re.sub(r"&lt;.*?&gt;", "", inline(svg, "f-", "x"))


def test_a_long_name_keeps_both_ends():
    assert short("a" * 20 + "b" * 20, 11) == "aaaaa\u2026bbbbb"
    assert short("two\nlines", 30) == "two lines"


def test_the_same_figure_is_the_same_file_in_any_thread():
    drawings = [
        lambda: draw_roc({"malignant": RANKING.roc()}, {"malignant": Band(AT, AT / 2, AT)}, [(1 / 3, 1.0)]),
        lambda: draw_histogram(ScoreHistogram(AT, np.arange(4), np.arange(4)), "a$", "b", 0.5),
    ]
    first = [draw() for draw in drawings]
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda draw: draw(), drawings * 2))
    assert again == first * 2
    assert "<dc:date>" not in first[0]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: draw_precision_recall({"a": RANKING.precision_recall()}, share=0.5, points=[(1.0, 0.75)]),
        lambda: draw_reliability(reliability(SCORES, OUTCOMES), np.zeros(10), np.ones(10)),
        lambda: draw_decision(decision_curve(RANKING), 0.3),
        lambda: draw_history(parse_history(HISTORY, "history.csv"), 2),
    ],
    ids=["precision-recall", "reliability", "decision", "history"],
)
def test_a_figure_can_stand_in_a_page(draw):
    text = inline(draw(), "f-", "a figure")
    assert text.count("<path") > 5 and "<script" not in text and "nan" not in text.lower()


def test_lines_differ_by_more_than_colour():
    svg = draw_roc({name: RANKING.roc() for name in "abcd"})
    dashes = set(re.findall(r"stroke-dasharray: ([\d., ]+)", svg))
    assert len(dashes) >= 4


def test_dots_lie_where_their_figures_are():
    svg = draw_leaderboard([Dot("first", 0.9, 0.8, 1.0), Dot("second", 0.6), Dot("third", 0.7, other=True)])
    mark = r'<use xlink:href="#\w+" x="([\d.]+)" y="([\d.]+)" style="fill: {}'
    (x1, y1), (x2, y2) = [(float(x), float(y)) for x, y in re.findall(mark.format(BELOW), svg)]
    [(x3, y3)] = [(float(x), float(y)) for x, y in re.findall(mark.format(PAGE), svg)]
    assert (x1 - x2) / (x3 - x2) == pytest.approx(3, rel=0.01)
    assert y1 < y2 < y3  # SVG counts from the top


def test_stages_are_stretches_of_rows():
    assert list(stretches(parse_history(HISTORY, "history.csv"))) == [slice(0, 2), slice(2, 4)]
