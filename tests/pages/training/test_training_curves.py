"""What is drawn of a history, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import BadInput
from models.runs import find_run
from models.runs.history import History
from pages.ui.palette import LIGHT
from pages.ui.training.curves import MOST_POINTS, Trained, best_row, lines, measures, sentences_of, trained
from pages.ui.training.figures import curves_figure
from tests.pages.scored_run import write_scored_run
from tests.pages.training.histories import STAGED, staged


def one(history: History, run=None, members=()) -> Trained:
    return Trained(run, history, members, best_row(history))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = write_scored_run(tmp_path_factory.mktemp("runs"), "drawn", files={"history.csv": STAGED})
    return find_run(folder)


def named(figure, **wanted):
    return [trace for trace in figure.data if all(trace[key] == value for key, value in wanted.items())]


def test_no_line_joins_two_stages_and_each_is_smoothed_for_itself():
    first, second = lines(staged(), "loss", 0.5)
    assert first.x.tolist() == [1, 2] and second.x.tolist() == [3, 4, 5]
    # EMA with its bias taken out: (0.5*4*0.5 + 0.5*2) / 0.75 for the second point of the first stage.
    np.testing.assert_allclose(first.y, [4, (0.25 * 4 + 0.5 * 2) / 0.75])
    assert second.y[0] == 1.0


def test_long_histories_are_thinned_and_keep_their_ends():
    n = 50_000
    history = History(np.arange(1, n + 1), ("",) * n, {"loss": np.linspace(1, 0, n)})
    (line,) = lines(history, "loss")
    assert len(line.x) <= MOST_POINTS
    assert (line.x[0], line.x[-1], line.y[-1]) == (1, n, 0)


def test_the_best_epoch_is_one_of_the_last_stage():
    assert staged().columns["val_loss"].argmin() == 1
    assert best_row(staged()) == 3
    assert best_row(History(np.array([1]), ("",), {"loss": np.array([1.0])})) is None


def test_the_usual_measures_come_first_and_none_twice():
    history = History(np.array([1]), ("",), {k: np.ones(1) for k in ("f1", "val_f1", "accuracy", "loss")})
    assert measures([one(history)]) == ("loss", "accuracy", "f1")


def test_a_run_fitted_in_one_go_says_so(tmp_path):
    run = find_run(write_scored_run(tmp_path, "at-once"))
    with pytest.raises(BadInput, match="at-once has no history"):
        trained(run)


def test_the_weights_a_run_holds_are_named_where_its_recipe_tells(tmp_path):
    recipe = '[[stages]]\nname = "one"\nkeep = "best"\n[[stages]]\nname = "two"\nkeep = "last"\n'
    for keep, epoch in (("last", 5), ("best", 4)):
        files = {"history.csv": STAGED, "recipe.toml": recipe.replace('"last"', f'"{keep}"')}
        told = sentences_of(trained(find_run(write_scored_run(tmp_path, f"keeps-{keep}", files=files))))
        assert (
            told[-1] == f'The run holds the weights of epoch {epoch}, as its recipe says (keep = "{keep}").'
        )


def test_one_run_shows_its_stages_its_best_epoch_and_both_parts(run):
    figure = curves_figure([trained(run)], ("loss", "learning_rate"), LIGHT)
    (training,) = named(figure, name="training")
    validation = named(figure, name="validation")[0]
    assert (training.line.dash, training.line.color) == ("4px,3px", LIGHT.below)
    assert (validation.line.dash, validation.line.color) == ("solid", LIGHT.above)
    np.testing.assert_allclose(training.y, [4, 2, np.nan, 1, 0.8, 0.6])
    bands = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert [(band.x0, band.x1) for band in bands] == [(0.5, 2.5)] * 2
    assert {"one", "two"} <= {note.text for note in figure.layout.annotations}
    (mark,) = named(figure, mode="markers")
    assert (mark.x[0], mark.y[0]) == (4, 0.7)
    assert [shape.x0 for shape in figure.layout.shapes if shape.type == "line"] == [4, 4]


def test_several_runs_have_a_colour_each_and_no_bands(tmp_path, run):
    again = find_run(write_scored_run(tmp_path, "again", files={"history.csv": STAGED}))
    figure = curves_figure([trained(run), trained(again)], ("loss", "auc"), LIGHT)
    shown = named(figure, showlegend=True)
    assert [(trace.name, trace.line.color) for trace in shown] == [
        ("drawn", LIGHT.series[0]),
        ("again", LIGHT.series[1]),
    ]
    assert {trace.line.dash for trace in shown} == {"solid"}
    assert not figure.layout.shapes


def test_smoothing_leaves_the_logged_figures_behind_it_and_the_rate_alone(run):
    figure = curves_figure([trained(run)], ("loss", "learning_rate"), LIGHT, smoothing=0.5)
    faint = [trace for trace in figure.data if trace.opacity == 0.3]
    assert len(faint) == 2
    assert {trace.yaxis for trace in faint} == {"y"}
    (rate,) = [trace for trace in figure.data if trace.yaxis == "y2"]
    np.testing.assert_allclose(rate.y, [0.01, 0.001, np.nan, 0.001, 0.001, 0.0001])
    assert not rate.showlegend


def test_a_run_without_validation_is_in_the_legend_too(tmp_path, run):
    files = {"history.csv": "epoch,loss\n0,2\n1,1\n"}
    bare = find_run(write_scored_run(tmp_path, "bare", files=files))
    figure = curves_figure([trained(run), trained(bare)], ("loss", "auc"), LIGHT)
    assert sorted(trace.name for trace in named(figure, showlegend=True)) == ["bare", "drawn"]


def test_folds_are_faint_behind_their_mean(run):
    members = (("fold1", staged()), ("fold2", staged()))
    figure = curves_figure([Trained(run, staged(), members)], ("loss",), LIGHT)
    faint = [trace for trace in figure.data if trace.opacity == 0.3]
    assert len(faint) == 4
    assert not named(figure, mode="markers")


def test_a_logarithmic_axis_has_its_own_ticks(run):
    figure = curves_figure([trained(run)], ("learning_rate",), LIGHT, logarithmic=("learning_rate",))
    assert figure.layout.yaxis.type == "log"
    assert {0.0001, 0.0002, 0.0005, 0.001, 0.01} <= set(np.round(figure.layout.yaxis.tickvals, 6))
    assert "0.0001" in figure.layout.yaxis.ticktext


def test_names_of_a_file_are_shown_as_text(tmp_path):
    files = {"history.csv": "epoch,stage,loss\n0,<b>a</b>,1\n1,<b>a</b>,1\n2,c,1\n3,c,1\n"}
    run = find_run(write_scored_run(tmp_path, "marked", files=files))
    notes = [note.text for note in curves_figure([trained(run)], ("loss",), LIGHT).layout.annotations]
    assert "&lt;b&gt;a&lt;/b&gt;" in notes
