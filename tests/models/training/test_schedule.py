"""Rate and stopping are functions of the losses so far, worked out by hand."""

import pytest

from models.recipes.recipe import Stage
from models.training.schedule import best_epoch, finished, learning_rate


def stage(**changes):
    return Stage(**{"name": "s", "epochs": 20, "rate": 0.8, **changes})


@pytest.mark.parametrize(
    ("losses", "rate"),
    [
        ([], 0.8),
        ([1.0, 1.1, 1.2], 0.8),  # two stalls
        ([1.0, 1.1, 1.2, 1.0], 0.4),  # equal is a stall too: the third
        ([1.0, 1.1, 1.2, 1.3, 0.9, 1.0, 1.0, 1.0], 0.2),
        ([1.0, 1.1, 1.2, 0.9, 1.0, 1.0], 0.8),  # a lower loss begins the count anew
    ],
)
def test_the_rate_halves_after_three_epochs_without_a_lower_loss(losses, rate):
    assert learning_rate(stage(), losses) == pytest.approx(rate)


def test_cosine_goes_from_the_rate_to_a_hundredth():
    cosine = stage(schedule="cosine", epochs=10)
    assert learning_rate(cosine, []) == pytest.approx(0.8)
    assert learning_rate(cosine, [1.0] * 5) == pytest.approx(0.8 * 0.505)
    assert learning_rate(cosine, [1.0] * 10) == pytest.approx(0.008)


def test_a_span_lays_the_cosine_over_more_epochs_than_the_stage_has():
    assert learning_rate(stage(schedule="cosine", epochs=5, span=10), [1.0] * 5) == pytest.approx(0.8 * 0.505)


def test_patience_counts_from_the_best_epoch():
    patient = stage(patience=3)
    assert not finished(patient, [])
    assert not finished(patient, [1.0, 1.1, 1.2])
    assert finished(patient, [1.0, 1.1, 1.2, 1.3])
    assert not finished(patient, [1.0, 1.1, 1.2, 0.9])
    assert finished(stage(epochs=2), [1.0, 0.5])
    assert best_epoch([0.5, 0.4, 0.4]) == 1
