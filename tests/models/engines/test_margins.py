"""Margins and probabilities against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.engines import margins, probabilities
from models.runs.schema import Calibration


def test_one_logit_speaks_for_the_second_class():
    np.testing.assert_array_equal(margins(np.array([[2.0], [-1.0]]), 2), [[-2, 2], [1, -1]])


def test_a_margin_is_a_logit_less_the_mean_of_the_others():
    # 1 - (4 + 7) / 2, 4 - (1 + 7) / 2, 7 - (1 + 4) / 2
    np.testing.assert_allclose(margins(np.array([[1.0, 4.0, 7.0]]), 3), [[-4.5, 0.0, 4.5]])


def test_probabilities_by_hand():
    # sigmoid(ln 3) = 3/4; softmax(0, ln 2, ln 5) = 1/8, 2/8, 5/8
    np.testing.assert_allclose(probabilities(np.array([[np.log(3)]])), [[0.25, 0.75]])
    np.testing.assert_allclose(probabilities(np.log([[1.0, 2.0, 5.0]])), [[0.125, 0.25, 0.625]])
    platt = Calibration(method="platt", slope=2.0, intercept=-1.0)
    np.testing.assert_allclose(probabilities(np.array([[(np.log(3) + 1) / 2]]), platt), [[0.25, 0.75]])
    warm = Calibration(method="temperature", slope=0.5)
    np.testing.assert_allclose(probabilities(2 * np.log([[1.0, 2.0, 5.0]]), warm), [[0.125, 0.25, 0.625]])


def test_extreme_logits_give_probabilities_without_overflow():
    with np.errstate(all="raise", under="ignore"):
        far = probabilities(np.array([[1e4], [-1e4]], np.float32))
        many = probabilities(np.array([[1e4, 0, -1e4]], np.float32))
    np.testing.assert_array_equal(far, [[0, 1], [1, 0]])
    np.testing.assert_array_equal(many, [[1, 0, 0]])


@pytest.mark.parametrize(("shape", "classes"), [((2, 2), 3), ((2, 1), 3), ((3,), 3), ((2, 3), 2)])
def test_logits_that_do_not_fit_are_a_fault_of_the_caller(shape, classes):
    with pytest.raises(ValueError, match="do not fit"):
        margins(np.zeros(shape), classes)
