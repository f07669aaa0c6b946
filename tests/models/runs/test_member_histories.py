"""The mean of several trainings, worked out by hand."""

import numpy as np

from models.runs.history import History
from models.runs.member_histories import mean_history


def history(losses, stages=None, **columns):
    n = len(losses)
    figures = {"loss": np.array(losses, float)} | {k: np.array(v, float) for k, v in columns.items()}
    return History(np.arange(1, n + 1), tuple(stages or ["fit"] * n), figures)


def test_the_mean_goes_as_far_as_half_of_them_did():
    mean = mean_history([history([4, 2]), history([2, 2, 3, 9]), history([3, 5, 1])])
    assert mean.epochs.tolist() == [1, 2, 3]
    np.testing.assert_allclose(mean.columns["loss"], [3, 3, 2])
    assert mean.stages == ("fit", "fit", "fit")


def test_where_they_are_in_different_stages_there_is_no_mean():
    mean = mean_history([history([1, 1, 1], ["a", "a", "b"]), history([3, 3, 3], ["a", "b", "b"])])
    np.testing.assert_allclose(mean.columns["loss"], [2, np.nan, 2])


def test_blanks_and_missing_columns_take_no_part():
    mean = mean_history([history([1, np.nan], val_loss=[1, 2]), history([3, 5])])
    np.testing.assert_allclose(mean.columns["loss"], [2, 5])
    np.testing.assert_allclose(mean.columns["val_loss"], [1, 2])


def test_one_training_is_its_own_mean():
    mean = mean_history([history([1, 2])])
    np.testing.assert_allclose(mean.columns["loss"], [1, 2])
