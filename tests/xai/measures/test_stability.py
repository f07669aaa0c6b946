"""Maps after small changes of the image, on explanations whose answer is known."""

import numpy as np
import pytest

from models.study.recompression import jpeg_round_trip
from xai.measures.stability import JPEG_QUALITY, KINDS, NOISE, SHIFT, stability

SIDE = 64


def image(seed=0, channels=1):
    """A bright spot, off the middle, on a smooth ground."""
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    spot = np.exp(-((rows - 0.4) ** 2 + (columns - 0.65) ** 2) / 0.01)
    plane = 0.2 + 0.2 * rows + 0.5 * spot
    return np.repeat(plane[None, ..., None], channels, axis=3).astype(np.float32)


def pixels(batch):
    """The finest explanation: the image itself; its mean as the score."""
    return batch.mean(axis=3), batch.mean(axis=(1, 2, 3))


def blocks(batch):
    """A map of 8 x 8 cells, as of a network's last layer."""
    return batch.mean(axis=3).reshape(-1, 8, SIDE // 8, 8, SIDE // 8).mean(axis=(2, 4)), batch.max(
        axis=(1, 2, 3)
    )


@pytest.mark.parametrize("explain", [pixels, blocks])
def test_a_map_that_follows_the_image_is_stable(explain):
    found = stability(image(), explain)
    assert tuple(one.kind for one in found) == KINDS
    for one in found:
        assert one.rank > 0.9 and one.overlap > 0.5, one
        assert abs(one.change) < 0.1 and not one.why


def test_the_geometry_is_undone_exactly():
    """The map of the flipped image, flipped back, is the map; likewise the shifted one's, away from the
    edge."""
    flip, shift = stability(image(), pixels, kinds=("flip", "shift"))
    assert (
        flip.rank == pytest.approx(1.0) and flip.overlap == 1.0 and flip.change == pytest.approx(0, abs=1e-6)
    )
    assert shift.rank == pytest.approx(1.0) and shift.overlap == 1.0


def test_a_map_that_does_not_follow_is_told():
    """A map bound to the frame, not to the image: the same through noise and JPEG, elsewhere after a flip."""
    corner = np.outer(np.arange(8)[::-1], np.arange(8)[::-1]).astype(np.float32)
    found = {
        one.kind: one
        for one in stability(image(), lambda batch: (np.stack([corner] * len(batch)), np.arange(len(batch))))
    }
    assert found["noise"].rank == pytest.approx(1.0) and found["jpeg"].overlap == 1.0
    assert found["flip"].overlap < 0.1 and found["flip"].rank < 0.5
    # The second of the batch is the first change.
    assert [found[kind].change for kind in KINDS] == [1, 2, 3, 4]


def test_noise_alone_moves_a_map_of_noise():
    def sharp(batch):
        """The finest texture: each pixel less its neighbour's, which noise of 0.02 overwrites."""
        return np.abs(np.diff(batch[..., 0], axis=1, append=0))[:, :-1], batch.mean(axis=(1, 2, 3))

    flat = np.full((1, SIDE, SIDE, 1), 0.5, np.float32)
    flat += np.random.default_rng(9).normal(0, 0.002, flat.shape).astype(np.float32)
    (found,) = stability(flat, sharp, kinds=("noise",))
    assert found.rank < 0.5 and found.overlap < 0.3


def test_one_call_with_the_changes_that_are_stated():
    seen = []

    def explain(batch):
        seen.append(batch)
        return pixels(batch)

    inside = np.zeros((SIDE, SIDE), bool)
    inside[:, 8:-8] = True
    plain = np.where(inside[None, ..., None], image(channels=3), 0).astype(np.float32)
    stability(plain, explain, seed=3, inside=inside)
    assert len(seen) == 1 and seen[0].shape == (5, SIDE, SIDE, 3) and seen[0].dtype == np.float32
    assert (seen[0] >= 0).all() and (seen[0] <= 1).all()
    original, noise, shift, jpeg, flip = seen[0]
    np.testing.assert_array_equal(original, plain[0])
    assert (noise - original)[inside].std() == pytest.approx(NOISE, rel=0.05)
    np.testing.assert_array_equal(shift[SHIFT:, 8 + SHIFT : -8], original[:-SHIFT, 8 : -8 - SHIFT])
    eight = np.rint(original * 255).astype(np.uint8)
    np.testing.assert_allclose(jpeg[inside], jpeg_round_trip(eight, JPEG_QUALITY)[inside] / 255, atol=1e-6)
    np.testing.assert_array_equal(flip, original[:, ::-1])
    # Padding stays black, whatever is done to the image.
    assert all((changed[~inside] == 0).all() for changed in (noise, shift, jpeg, flip))


def test_a_map_without_a_place_is_named():
    (found,) = stability(
        image(), lambda b: (np.ones((len(b), 7, 7), np.float32), np.zeros(len(b))), ("flip",)
    )
    assert found.rank is None and found.overlap is None and "same value everywhere" in found.why


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="choose of noise, shift, jpeg, flip"):
        stability(image(), pixels, kinds=("turn",))
    with pytest.raises(ValueError, match="One image"):
        stability(np.concatenate([image(), image()]), pixels)
