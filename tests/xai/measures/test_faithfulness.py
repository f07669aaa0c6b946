"""Faithfulness on scores that can be worked out by hand: a weighted sum of pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xai.measures.faithfulness import (
    average_drop,
    blur_test,
    deletion,
    increase_in_confidence,
    insertion,
    kept,
    random_curve,
    sensitivity_n,
)
from xai.measures.perturb import blurred, predict_all, replaced_by

# Four pixels of 1, 2, 3, 4 tenths; the score is their sum.
IMAGE = np.array([[0.1, 0.2], [0.3, 0.4]], np.float32)[None, ..., None]
ORDER = np.array([[1.0, 4.0], [3.0, 2.0]])


def total(images):
    return images.sum(axis=(1, 2, 3))


def weighted(weights):
    return lambda images: (images[..., 0] * weights).sum(axis=(1, 2))


def test_deletion_by_hand():
    """Taken away in the order 0.2, 0.3, 0.4, 0.1: 1.0, 0.8, 0.5, 0.1, 0.0."""
    found = deletion(IMAGE, ORDER, total, "black", steps=4)
    np.testing.assert_allclose(found.values, [1.0, 0.8, 0.5, 0.1, 0.0], atol=1e-7)
    np.testing.assert_array_equal(found.shares, [0, 0.25, 0.5, 0.75, 1])
    assert found.area == pytest.approx((0.5 + 0.8 + 0.5 + 0.1) / 4)
    # Two steps of two pixels.
    assert deletion(IMAGE, ORDER, total, "black", steps=2).values == pytest.approx([1.0, 0.5, 0.0], abs=1e-7)


def test_insertion_by_hand():
    found = insertion(IMAGE, ORDER, total, "black", steps=4)
    np.testing.assert_allclose(found.values, [0.0, 0.2, 0.5, 0.9, 1.0], atol=1e-7)
    assert found.area == pytest.approx((0.2 + 0.5 + 0.9 + 0.5) / 4)


def test_the_mean_is_the_contents_and_padding_is_left_alone():
    inside = np.array([[True, True], [True, False]])
    # The mean of the content is 0.2, so all replaced the sum is 0.6 and the padding's 0.4.
    found = deletion(IMAGE, ORDER, total, "mean", steps=3, inside=inside)
    # In the order 0.2, 0.3, 0.1.
    np.testing.assert_allclose(found.values, [1.0, 1.0, 0.9, 1.0], atol=1e-6)
    begun = insertion(IMAGE, ORDER, total, "mean", steps=3, inside=inside)
    np.testing.assert_allclose(begun.values, [1.0, 1.0, 1.1, 1.0], atol=1e-6)


def test_the_blur_keeps_a_flat_image_and_takes_nothing_from_the_padding():
    inside = np.zeros((40, 40), bool)
    inside[:, 10:30] = True
    image = np.where(inside[..., None], 0.7, 0.0).astype(np.float32)
    np.testing.assert_allclose(blurred(image, inside), image, atol=1e-6)
    point = image.copy()
    point[20, 20] = 1.0
    smooth = blurred(point, inside)
    assert 0.7 < smooth[20, 20, 0] < 0.72 and smooth[:, :10].max() == 0
    with pytest.raises(ValueError, match="choose one of mean, blur, black"):
        replaced_by(image, inside, "white")


def test_pixels_that_tie_go_in_no_order_of_rows():
    """A flat map's curve is that of a random order: straight, not bent by where the image is bright."""
    image = np.zeros((1, 40, 40, 1), np.float32)
    image[0, :20] = 1.0
    found = deletion(image, np.ones((40, 40)), total, "black", steps=10)
    np.testing.assert_allclose(found.values / 800, 1 - found.shares, atol=0.06)


def test_a_map_that_knows_is_faithful_beyond_chance():
    rng = np.random.default_rng(0)
    weights = np.zeros((32, 32))
    weights[8:16, 20:28] = 1.0
    image = rng.uniform(0.5, 1.0, (1, 32, 32, 1)).astype(np.float32)
    score = weighted(weights)
    known, guess = deletion(image, weights, score, "black"), random_curve(image, score, baseline="black")
    assert known.area < 0.15 * known.values[0] < 0.3 * known.values[0] < guess.area
    back = insertion(image, weights, score, "black")
    assert back.area > 0.85 * known.values[0]
    assert back.area > random_curve(image, score, "insertion", baseline="black").area
    # Of the same order, what is deleted and what is left are the two parts of a sum.
    np.testing.assert_allclose(back.values + known.values, known.values[0], rtol=1e-5)
    with pytest.raises(ValueError, match="deletion"):
        random_curve(image, score, "removal")


def test_average_drop_and_increase_by_hand():
    # The map's highest value counts as 1: kept are 0.2 x 1, 0.3 x 0.75, 0.4 x 0.5, 0.1 x 0.25 of 1.0.
    found = kept(IMAGE, ORDER, total)
    assert found.full == pytest.approx(1.0) and found.kept == pytest.approx(0.65)
    assert average_drop(IMAGE, ORDER, total) == pytest.approx(0.35)
    assert not increase_in_confidence(IMAGE, ORDER, total)
    # Without the pixel that speaks against, the score rises; a drop is never negative.
    against = weighted(np.array([[1.0, 1.0], [1.0, -1.0]]))
    rising = np.array([[1.0, 1.0], [1.0, -5.0]])
    assert average_drop(IMAGE, rising, against) == 0 and increase_in_confidence(IMAGE, rising, against)
    assert average_drop(IMAGE, -ORDER, total) == 1


def test_sensitivity_n_of_the_exact_attribution_is_one():
    """For a sum, weight x value is the drop of any set of pixels taken to black."""
    rng = np.random.default_rng(3)
    image = rng.random((1, 28, 28, 1)).astype(np.float32)
    weights = rng.normal(size=(28, 28))
    exact = weights * image[0, ..., 0]
    found = sensitivity_n(image, exact, weighted(weights), draws=20, baseline="black")
    assert found == pytest.approx(1.0, abs=1e-4)
    assert sensitivity_n(image, -exact, weighted(weights), draws=20, baseline="black") == pytest.approx(
        -found
    )
    other = sensitivity_n(image, rng.normal(size=(28, 28)), weighted(weights), draws=20, baseline="black")
    assert abs(other) < 0.5
    assert sensitivity_n(image, np.zeros((28, 28)), total, draws=5) is None


def test_the_blur_test_tells_the_reason_from_the_rest():
    rng = np.random.default_rng(5)
    image = rng.random((1, 48, 48, 1)).astype(np.float32)
    weights = np.zeros((48, 48))
    weights[10:20, 25:35] = np.where(image[0, 10:20, 25:35, 0] > 0.5, 1.0, -1.0)  # texture, gone when blurred
    heat = np.zeros((48, 48))
    heat[10:20, 25:35] = 1.0
    good = blur_test(image, heat, weighted(weights), draws=12)
    assert good.n == 12 == len(good.random_drops) and good.drop > 10
    assert good.share_beaten == 1 and (good.random_drops < 0.6 * good.drop).all()
    bad = blur_test(image, np.roll(heat, (20, -20), (0, 1)), weighted(weights), draws=12)
    assert bad.drop == pytest.approx(0, abs=1e-4) and bad.share_beaten <= 0.5
    again = blur_test(image, heat, weighted(weights), draws=12)
    np.testing.assert_array_equal(again.random_drops, good.random_drops)


def test_a_score_that_looks_at_nothing_is_beaten_by_half():
    image = np.random.default_rng(0).random((1, 20, 20, 1)).astype(np.float32)
    found = blur_test(image, image[0, ..., 0], lambda images: np.ones(len(images)))
    assert found.drop == 0 and found.share_beaten == 0.5


def test_at_most_32_images_are_predicted_together():
    sizes = []

    def predict(images):
        assert images.dtype == np.float32 and images.ndim == 4
        sizes.append(len(images))
        return total(images)

    assert len(deletion(IMAGE, ORDER, predict, steps=4).values) == 5
    sensitivity_n(IMAGE, ORDER, predict, shares=(0.5,), draws=69, cells=2)
    assert sizes == [5, 32, 32, 6]
    with pytest.raises(ValueError, match="one number each"):
        predict_all([IMAGE[0]], lambda images: images)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="its map"):
        deletion(IMAGE, np.zeros((3, 2)), total)
    with pytest.raises(ValueError, match="its map"):
        deletion(np.concatenate([IMAGE, IMAGE]), ORDER, total)
    with pytest.raises(ValueError, match="True pixel"):
        blur_test(IMAGE, ORDER, total, inside=np.zeros((2, 2), bool))
    with pytest.raises(ValueError, match="at least one step"):
        insertion(IMAGE, ORDER, total, steps=0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["mean", "blur", "black"]), st.integers(1, 12))
def test_curves_begin_and_end_where_they_must(seed, baseline, steps):
    rng = np.random.default_rng(seed)
    image = rng.random((1, 9, 11, 3)).astype(np.float32)
    heat = rng.normal(size=(9, 11))
    weights = rng.normal(size=(9, 11, 1))

    def score(images):
        return 1 / (1 + np.exp(-(images * weights).sum(axis=(1, 2, 3))))

    away, back = (measure(image, heat, score, baseline, steps) for measure in (deletion, insertion))
    assert away.values[0] == pytest.approx(back.values[-1]) == pytest.approx(score(image)[0])
    assert away.values[-1] == pytest.approx(back.values[0])
    for curve in (away, back):
        assert len(curve.values) == steps + 1 and 0 <= curve.area <= 1
        assert (np.diff(curve.shares) >= 0).all() and curve.shares[[0, -1]].tolist() == [0, 1]
    # Only the order of the map counts.
    assert deletion(image, 3 * heat + 7, score, baseline, steps).area == pytest.approx(away.area)
