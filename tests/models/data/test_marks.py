"""Marks drawn onto synthetic images are suspected, the images without are not."""

import cv2
import numpy as np
import pytest

from models.data.marks import find_marks
from models.data.phantoms import phantom


@pytest.fixture(scope="module")
def plain():
    """Six ultrasound phantoms without marks of their own."""
    return [phantom("ultrasound", 77, index).image for index in range(6)]


def kinds(image):
    samples = image if image.ndim == 3 else image[..., None]
    return {mark.kind for mark in find_marks(samples, 255)}


def with_text(image):
    cv2.putText(image, "RT BREAST", (60, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 1, cv2.LINE_AA)


def with_calipers(image):
    for place in ((120, 150), (300, 170)):
        cv2.drawMarker(image, place, 255, cv2.MARKER_CROSS, 13, 1)


def with_ruler(image):
    for y in range(20, image.shape[0] - 20, 22):
        cv2.line(image, (6, y), (11, y), 255, 1)


@pytest.mark.parametrize(
    ("draw", "kind", "least"),
    [(with_text, "text", 4), (with_calipers, "caliper", 5), (with_ruler, "ruler", 5)],
)
def test_drawn_marks_are_suspected(plain, draw, kind, least):
    hits = 0
    for image in plain:
        marked = image.copy()
        draw(marked)
        hits += kind in kinds(marked)
    assert hits >= least


def test_phantoms_without_marks_are_not_suspected(plain):
    assert [kinds(image) for image in plain] == [set()] * len(plain)


def test_a_coloured_overlay_on_grey_is_suspected_and_stained_tissue_is_not(plain):
    overlaid = np.repeat(plain[0][..., None], 3, axis=2)
    cv2.circle(overlaid, (200, 150), 25, (255, 220, 0), 2)
    assert "colour" in kinds(overlaid)
    tissue = phantom("histopathology", 1, 0).image
    assert kinds(tissue) == set()


def test_a_film_label_on_dark_ground_is_suspected():
    film = np.zeros((600, 500), np.uint8)
    cv2.ellipse(film, (0, 300), (260, 250), 0, 0, 360, 130, -1)
    assert kinds(film) == set()
    cv2.rectangle(film, (400, 30), (450, 70), 240, -1)
    assert kinds(film) == {"label"}


def test_deep_and_small_pictures():
    deep = np.zeros((300, 300, 1), np.uint16)
    cv2.drawMarker(deep[..., 0], (150, 150), 4095, cv2.MARKER_CROSS, 13, 1)
    assert [mark.kind for mark in find_marks(deep, 4095)] == ["caliper"]
    assert find_marks(np.full((50, 50, 3), 255, np.uint8), 255) == ()
