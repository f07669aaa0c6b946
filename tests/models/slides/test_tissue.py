"""Tissue found on pictures whose tissue is known."""

import numpy as np
import pytest

from models.slides.tissue import find_tissue
from tests.models.slides.small_slides import GLASS, PINK


def disc(side: int = 400, radius: int = 120, colour: tuple[int, int, int] = PINK):
    y, x = np.mgrid[:side, :side]
    inside = np.hypot(x - side / 2, y - side / 2) < radius
    noise = np.random.default_rng(0).integers(-4, 5, (side, side, 3))
    image = np.where(inside[..., None], colour, GLASS) + noise
    return np.clip(image, 0, 255).astype(np.uint8), inside


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    return (first & second).sum() / (first | second).sum()


def test_a_stained_disc_is_tissue():
    image, inside = disc()
    assert overlap(find_tissue(image), inside) > 0.97


def test_an_empty_glass_has_none():
    rng = np.random.default_rng(1)
    glass = np.clip(np.array(GLASS) + rng.integers(-4, 5, (300, 300, 3)), 0, 255).astype(np.uint8)
    assert not find_tissue(glass).any()
    assert not find_tissue(np.full((50, 80, 3), 255, np.uint8)).any()


def test_ink_of_a_pen_is_none():
    image, inside = disc()
    for ink in ((20, 120, 40), (10, 60, 160), (15, 15, 15)):
        marked = image.copy()
        marked[20:60, 20:200] = ink
        found = find_tissue(marked)
        assert not found[25:55, 25:195].any() and overlap(found, inside) > 0.95


def test_a_small_hole_belongs_to_the_tissue_and_a_large_one_does_not():
    image, _ = disc()
    image[195:205, 195:205] = GLASS
    assert find_tissue(image)[200, 200]
    image[160:240, 160:240] = GLASS
    assert not find_tissue(image)[200, 200]


def test_a_speck_is_no_tissue():
    image, _ = disc()
    image[10:13, 10:13] = PINK
    assert not find_tissue(image)[:30, :30].any()


def test_another_array_is_a_mistake_of_ours():
    with pytest.raises(ValueError, match="thumbnail"):
        find_tissue(np.zeros((4, 4), np.uint8))
