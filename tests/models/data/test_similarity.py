"""Hashes and thumbnails against Pillow's own, and pairs worked out by hand."""

import numpy as np
import pytest
from PIL import Image

from models.data.similarity import CAUTIOUS, RULES, Rule, difference_hashes, pairs, shrunk, thumbnail
from tests.models.data.packs import texture


def records(images, rule=RULES["ultrasound"]):
    grey = [image.astype(np.float32) / 255 for image in images]
    hashes = [difference_hashes(plane) for plane in grey]
    return pairs(
        np.array([plain for plain, _ in hashes], np.uint64),
        np.array([mirrored for _, mirrored in hashes], np.uint64),
        np.stack([thumbnail(plane) for plane in grey]),
        [str(image.tobytes()) + str(image.shape) for image in images],
        [rule] * len(images),
    )


@pytest.mark.parametrize("size", [(40, 56), (200, 130), (48, 48), (9, 8), (7, 300)])
def test_shrinking_is_pillow_s_bilinear(size):
    plane = np.random.default_rng(1).random(size, dtype=np.float32)
    theirs = np.asarray(Image.fromarray(plane).resize((48, 48), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(thumbnail(plane), theirs, atol=2e-6)


def test_the_hash_of_a_ramp_by_hand():
    ramp = np.tile(np.linspace(0, 1, 90, dtype=np.float32), (80, 1))
    assert difference_hashes(ramp) == (2**64 - 1, 0)
    assert difference_hashes(ramp[:, ::-1]) == (0, 2**64 - 1)
    # One dark row of cells at the top that falls to the right: its eight bits are the highest.
    mixed = np.concatenate([ramp[:10, ::-1], ramp[10:]])
    assert difference_hashes(mixed)[0] >> 56 in (0, 1)


def test_copies_brightness_noise_and_mirrors_are_found_and_others_are_not():
    first = texture(1, 120, 160)
    noisy = np.clip(first + np.random.default_rng(2).normal(0, 4, first.shape), 0, 255).astype(np.uint8)
    lighter = np.clip(first * 0.9 + 20, 0, 255).astype(np.uint8)
    images = [first, first.copy(), noisy, lighter, first[:, ::-1].copy(), texture(2), texture(3)]
    found = {(pair.a, pair.b): pair.kind for pair in records(images)}
    assert found.pop((0, 1)) == "exact"
    assert found == {
        (0, 2): "near",
        (0, 3): "near",
        (0, 4): "mirrored",
        (1, 2): "near",
        (1, 3): "near",
        (1, 4): "mirrored",
        (2, 3): "near",
        (2, 4): "mirrored",
        (3, 4): "mirrored",
    }


def test_flat_pictures_are_near_to_nothing_but_their_own_copies():
    rng = np.random.default_rng(5)
    flat = [np.clip(230 + rng.normal(0, 2, (50, 50)), 0, 255).astype(np.uint8) for _ in range(4)]
    blank = np.full((50, 50), 200, np.uint8)
    assert [pair.kind for pair in records([*flat, blank, blank])] == ["exact"]


def test_the_stricter_rule_of_two_decides():
    first = texture(1, 120, 160)
    noisy = np.clip(first + np.random.default_rng(2).normal(0, 30, first.shape), 0, 255).astype(np.uint8)
    (pair,) = records([first, noisy])
    assert records([first, noisy], Rule(64, min(1.0, pair.correlation + 1e-3))) == []
    assert CAUTIOUS.correlation > RULES["ultrasound"].correlation


def test_nothing_is_near_to_nothing():
    empty = np.zeros(0, np.uint64)
    assert pairs(empty, empty, np.zeros((0, 48, 48), np.float32), [], []) == []
    assert shrunk(np.ones((1, 1), np.float32), 3, 2).tolist() == [[1.0, 1.0]] * 3
