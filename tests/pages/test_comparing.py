"""The sentences and figures of a comparison, without a page."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from models.runs.leaderboard import Entry
from models.runs.schema import Interval
from models.study import read_study
from pages.ui.comparing import board, figures, words
from pages.ui.comparing.cases import drawn_cases
from pages.ui.comparing.figures import Called, Dot
from pages.ui.comparing.pair import p_value
from pages.ui.palette import DARK, LIGHT
from pages.ui.pictures import CARD_SIDE, Style, card_picture
from tests.pages.pictures import dark_disc, png
from tests.pages.test_figures import heatmap
from xai.measures.agreement import Agreement
from xai.overlay import LESION_COLOUR

NEAR, FAR, BLANK = Agreement(0.9, 0.6), Agreement(-0.2, 0.01), Agreement(None, None, "blank")


def reading(run_id: str, label: str, *classes: str) -> SimpleNamespace:
    """Of a run whose positive class is the last one."""
    classes = classes or ("other", "malignant")
    return SimpleNamespace(run=SimpleNamespace(id=run_id, classes=classes, positive=classes[-1]), label=label)


def test_verdicts_in_words() -> None:
    some = [reading("a", "malignant"), reading("b", "other"), reading("c", "malignant")]
    assert words.verdicts(some) == "2 of 3 runs say malignant"
    assert words.dissent(some) == "**other**: b"
    # Of the pairs ab, ac and bc only ac agrees.
    assert words.pair_agreement(some) == "1 of 3 pairs of runs give the same verdict."
    assert words.verdicts(some[:1]) == "1 run says malignant"
    assert words.verdicts([some[0], some[2]]) == "Both runs say malignant"
    assert words.dissent([some[0], some[2]]) == ""


def test_runs_of_different_classes_agree_on_the_finding_or_not() -> None:
    three = reading("three", "benign", "benign", "normal", "malignant")
    assert words.verdicts([three, reading("two", "other")]) == "Both runs say not malignant"
    assert words.findings([three, reading("two", "other")]) == ""
    masses = [reading("m", "mass", "normal", "mass"), reading("a", "malignant"), reading("b", "other")]
    assert words.verdicts(masses) == "2 of 3 runs say their finding"
    assert words.findings(masses) == "The runs look for different findings (mass, malignant)."


def test_the_one_that_looks_elsewhere_is_named_once() -> None:
    readings = [reading(name, "malignant") for name in "abc"] + [reading("d", "other")]
    table = [
        [NEAR, NEAR, FAR, FAR],
        [NEAR, NEAR, FAR, FAR],
        [FAR, FAR, NEAR, FAR],
        [FAR, FAR, FAR, NEAR],
    ]
    # c is apart from a and from b; d says another label, so its place is its own affair.
    assert words.apart(readings, ["malignant"] * 4, table) == [
        "**c** says malignant for another place than a (overlap 1%), b (overlap 1%)."
    ]
    assert words.apart(readings, ["other"] * 4, table) == []


def test_blank_maps_are_apart_from_nobody() -> None:
    readings = [reading("a", "malignant"), reading("b", "malignant")]
    assert words.apart(readings, ["malignant"] * 2, [[NEAR, BLANK], [BLANK, BLANK]]) == []


def test_names_of_runs_are_text_and_never_markdown() -> None:
    readings = [reading("a*b*", "malignant"), reading("c", "other"), reading("d_e_", "other")]
    assert words.dissent(readings) == "**malignant**: a\\*b\\*"


def test_p_values_are_never_zero() -> None:
    assert [p_value(p) for p in (1e-9, 0.0312, 0.5, 1.0)] == [
        "p < 0.001",
        "p = 0.031",
        "p = 0.50",
        "p = 1.00",
    ]


def test_probabilities_are_coloured_by_the_verdict() -> None:
    rows = [Called("a", 0.7, 0.4, True), Called("b", 0.7, 0.9, False), Called("three", 0.7, None, True)]
    ticks, dots = figures.probability_figure(rows, "p", LIGHT).data
    assert list(dots.marker.color) == [LIGHT.above, LIGHT.below, LIGHT.above]
    # Of three classes the most probable is called: there is no threshold to mark.
    assert (list(ticks.x), list(ticks.y)) == ([0.4, 0.9], [0, 1])


def test_what_cannot_be_told_of_two_maps_is_a_dash() -> None:
    values = [[1.0, None, -0.5], [None, 1.0, None], [-0.5, None, 1.0]]
    figure = figures.agreement_figure(values, ["a", "b", "c"], DARK, signed=True)
    texts = {(label.y, label.x): label.text for label in figure.layout.annotations}
    assert texts[0, 1] == "-" and texts[0, 2] == "-0.50"
    assert (0, 0) not in texts
    assert list(figure.layout.yaxis.ticktext) == ["1  a", "2  b", "3  c"]


def test_dots_without_a_name_share_the_row_above() -> None:
    dots = [Dot("head", None), Dot("a", 0.8, 0.7, 0.9), Dot("both", 0.6, kind="published"),
            Dot("", 0.5, kind="published")]  # fmt: skip
    run, published = figures.dot_figure(dots, "AUC", (0, 1), 0.5, LIGHT).data
    assert (list(run.y), list(published.y), list(published.x)) == ([1], [2, 2], [0.6, 0.5])
    assert run.error_x.array[0] == pytest.approx(0.1)


def test_few_cases_are_all_drawn_and_of_many_those_that_differ() -> None:
    shared = range(10_000)
    differ = np.array([7, 9_000, 3])
    kept = drawn_cases(shared, differ, 100)
    assert len(kept) == 100 == len(set(kept.tolist()))
    assert kept[:3].tolist() == [7, 9_000, 3]
    assert len(drawn_cases(range(50), differ[:1], 100)) == 50
    assert drawn_cases(shared, np.arange(500), 100).tolist() == list(range(100))


def test_a_run_of_a_recipe_with_published_figures_is_named_beside_them() -> None:
    from models.runs.leaderboard import landmarks

    printed = [line for line in landmarks() if line.recipe == "three-class-resnet101"]
    card = SimpleNamespace(synthetic=False, data=SimpleNamespace(name="d", n_test=9))
    run = SimpleNamespace(id="ours", card=card, classes=("a", "b"), modality="ultrasound")
    auc = Interval(value=0.9, low=0.8, high=0.95, n=9)
    entry = Entry(run, "test", {"auc": auc}, "d", printed[0].published)
    assert board.published_rows(printed, [entry])[0]["Our run"] == "ours"
    # A column that says nothing is not there.
    assert "Our run" not in board.published_rows(printed, [])[0]
    assert board.published_rows(printed, [])[0]["Accuracy"] == 0.97


def test_a_card_shows_the_map_and_the_lesion_small() -> None:
    image, mask = dark_disc()
    study = read_study(png(np.kron(image, np.ones((10, 10), np.uint8))), "disc.png")
    large = np.kron(mask, np.ones((10, 10), np.uint8)) > 0
    on_it = heatmap(native=(study.height, study.width))
    plain = card_picture(study, on_it, Style())
    assert max(plain.shown) == CARD_SIDE < max(study.height, study.width)
    outlined = card_picture(study, on_it, Style(), large)
    assert not _has_lesion_colour(plain.png) and _has_lesion_colour(outlined.png)
    assert card_picture(study, on_it, Style(drawing="contours")).png != plain.png


def _has_lesion_colour(content: bytes) -> bool:
    pixels = read_study(content, "card.png").samples
    return bool((pixels == np.array(LESION_COLOUR, np.uint8)).all(axis=2).any())
