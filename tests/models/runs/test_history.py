"""Histories are read as Keras writes them, and say what a reader should not miss."""

import numpy as np
import pytest

from models.errors import BadInput
from models.runs.history import History, parse_history, read_history, remarks, smoothed
from tests.models.runs.tiny_run import write_tiny_run


def of(text: str) -> History:
    return parse_history(text.encode(), "log.csv")


def curve(val_loss: list, loss: list | None = None, **columns) -> History:
    rows = range(len(val_loss))
    figures = {"loss": loss or [1.0 / (i + 1) for i in rows], "val_loss": val_loss} | columns
    text = "\n".join(",".join(str(values[i]) for values in figures.values()) for i in rows)
    return of(f"epoch,{','.join(figures)}\n" + "\n".join(f"{i},{t}" for i, t in enumerate(text.splitlines())))


def test_a_run_s_history(tmp_path):
    history = read_history(write_tiny_run(tmp_path / "tiny"))
    assert history.epochs.tolist() == [1] and history.stages == ("head",)
    assert history.columns["learning_rate"].tolist() == [0.001]
    assert remarks(history) == ("Only one epoch was trained: there is no curve to read.",)


def test_keras_names_blanks_and_semicolons():
    history = of("epoch;lr;acc;auc_1;val_auc_1;loss\n0;0.1;0.5;0.6;0.7;NA\n1;0.1;;0.6;0.7;nan\n")
    assert list(history.columns) == ["learning_rate", "accuracy", "auc", "val_auc", "loss"]
    assert np.isnan(history.columns["loss"]).all() and np.isnan(history.columns["accuracy"][1])
    assert history.epochs.tolist() == [1, 2]
    assert history.best("val_auc") == 0


def test_steps_stay_steps_and_restarts_are_counted_on():
    assert of("epoch,loss\n0,1\n100,1\n200,1\n").epochs.tolist() == [0, 100, 200]
    again = of("epoch,loss,val_loss\n0,1,1\n1,1,1\n0,1,1\n1,1,.5\n")
    assert again.epochs.tolist() == [1, 2, 3, 4] and again.restarts == (2,)
    assert "starts again at row 3" in remarks(again)[0]


def test_overfitting_is_named_where_validation_loss_turns():
    history = curve([0.9, 0.8, 0.7, 0.5, *[0.6 + 0.01 * i for i in range(11)]])
    assert history.best() == 3
    assert remarks(history) == (
        "Validation loss lowest at epoch 4, 11 epochs trained after it while the training loss went on "
        "falling: overfitting.",
    )


def test_noise_is_not_called_overfitting():
    said = "Validation loss lowest at epoch 2, 3 epochs trained after it."
    assert remarks(curve([0.9, 0.5, 0.51, 0.51, 0.51])) == (said,)
    assert remarks(curve([0.9, 0.5, 0.9, 0.9, 0.9], loss=[1, 0.5, 0.6, 0.7, 0.8])) == (said,)
    assert "the last: it may not have settled" in remarks(curve([3, 2, 1]))[0]


def test_only_the_last_stage_is_judged():
    history = of(
        "epoch,stage,loss,val_loss\n0,distil,9,.1\n1,distil,8,.1\n2,tune,1,.9\n3,tune,.9,.8\n4,tune,.8,.85\n"
    )
    assert history.last_stage() == slice(2, 5)
    assert remarks(history) == (
        "In the stage tune, validation loss lowest at epoch 4, 1 epoch trained after it.",
    )


def test_what_is_missing_is_said():
    assert remarks(of("epoch,loss\n0,1\n1,.5\n")) == (
        "No validation figures were logged: overfitting cannot be seen.",
    )
    broken = remarks(curve([1.0, 0.9, "nan"], loss=[1, "inf", "nan"]))
    assert broken[0] == "Training loss is no number from epoch 2 on: the training broke down."
    with pytest.raises(BadInput, match="no figures of val_auc"):
        curve([1, 2]).best("val_auc")


def test_smoothing_as_tensorboard():
    # weight 0.5, debiased: 1; (0.25 + 1) / 0.75; the NaN stays; (0.625 + 2) / 0.875
    out = smoothed(np.array([1.0, 2.0, np.nan, 4.0]), 0.5)
    assert out[:2] == pytest.approx([1, 1.25 / 0.75]) and np.isnan(out[2])
    assert out[3] == pytest.approx(2.625 / 0.875)
    assert smoothed(np.array([1.0, 5.0]), 0).tolist() == [1, 5]
    with pytest.raises(BadInput, match="smoothing of 1"):
        smoothed(np.array([1.0]), 1)


def test_written_as_it_was_read():
    text = "epoch,stage,loss,val_loss\n0,a,0.5,\n1,b,0.25,0.125\n"
    assert of(text).to_csv() == text
    assert of("epoch,loss\n0,1.0\n100,2.0\n").to_csv() == "epoch,loss\n0,1.0\n100,2.0\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no epochs"),
        ("epoch,loss\n", "holds no epochs"),
        ("epoch,loss\n0,1\n1\n", "Row 3 .* 1 cells under 2"),
        ("epoch,loss\n0,1\n1,low\n", "Row 3 .*'low' under loss"),
        ("epoch,note\n0,a\n", "no column of numbers"),
        ("epoch,loss,loss\n0,1,2\n", "two columns named 'loss'"),
    ],
)
def test_what_is_no_history_is_refused(text, words):
    with pytest.raises(BadInput, match=words):
        of(text)


def test_a_run_without_one_says_so(tmp_path):
    from models.runs import write_run
    from tests.models.runs.tiny_run import tiny_files

    card, files = tiny_files()
    del files["history.csv"]
    with pytest.raises(BadInput, match="has no history"):
        read_history(write_run(tmp_path / "tiny", card, files))
    (tmp_path / "picture.csv").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(BadInput, match="not a CSV"):
        read_history(tmp_path / "picture.csv")
