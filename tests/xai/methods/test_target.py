"""What a map explains, in numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.engines.margins import margins
from models.errors import BadInput
from xai.methods import Target

THREE = ("benign", "malignant", "normal")


def test_a_class_alone_is_its_margin():
    np.testing.assert_array_equal(Target("malignant").weights(THREE), [0, 1, 0])
    np.testing.assert_allclose(Target("malignant").of([[1, 2, 3], [4, 5, 6]], THREE), [2, 5])


def test_one_class_against_another_by_hand():
    # Logits 1, 4, 1: margins 4 - (1 + 1) / 2 = 3 and 1 - (4 + 1) / 2 = -1.5; 2/3 of 4.5 is 3 = 4 - 1.
    np.testing.assert_allclose(Target("malignant", "benign").weights(THREE), [-2 / 3, 2 / 3, 0])
    assert Target("malignant", "benign").of([[-1.5, 3, -1.5]], THREE)[0] == pytest.approx(3)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 6), st.data())
def test_a_contrast_is_the_difference_of_two_logits(classes, data):
    names = [f"class {index}" for index in range(classes)]
    logits = data.draw(arrays(np.float64, (3, classes), elements=st.floats(-20, 20)))
    first, second = data.draw(st.permutations(range(classes)))[:2]
    found = Target(names[first], names[second]).of(margins(logits, classes), names)
    np.testing.assert_allclose(found, logits[:, first] - logits[:, second], atol=1e-9)


def test_of_one_logit_a_contrast_is_the_margin():
    both = margins(np.array([[1.5]]), 2)
    assert Target("malignant", "other").of(both, ("other", "malignant"))[0] == pytest.approx(1.5)
    assert Target("other", "malignant").of(both, ("other", "malignant"))[0] == pytest.approx(-1.5)


def test_titles_are_for_people():
    assert Target("malignant").title == "malignant"
    assert Target("malignant", "benign").title == "malignant, not benign"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (Target("mass"), r"no class 'mass'.*benign, malignant, normal"),
        (Target("benign", "mass"), r"no class 'mass'.*benign, malignant, normal"),
        (Target("benign", "benign"), "cannot be held against itself"),
    ],
)
def test_unknown_and_repeated_classes_are_refused(target, words):
    with pytest.raises(BadInput, match=words):
        target.weights(THREE)
