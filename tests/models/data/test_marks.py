"""Marks drawn onto synthetic images are suspected, the images without are not."""

import cv2
import numpy as np
import pytest

from models.data.crosses import find_crosses
from models.data.marks import _to_line_ends, find_marks, mark_regions
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


@pytest.mark.parametrize(
    ("draw", "kind", "within"),
    [
        (with_text, "text", np.s_[20:50, 50:230]),
        (with_calipers, "caliper", np.s_[140:185, 110:312]),
        (with_ruler, "ruler", np.s_[10:, 0:20]),
    ],
)
def test_a_mark_is_where_it_was_drawn(plain, draw, kind, within):
    found = 0
    for image in plain:
        marked = image.copy()
        draw(marked)
        (region,) = [r for r in mark_regions(marked[..., None], 255) if r.kind == kind] or [None]
        if region is None:
            continue
        assert region.mask.shape == image.shape
        elsewhere = region.mask.copy()
        elsewhere[within] = False
        assert not elsewhere.any()
        covered = region.mask[marked != image].mean()
        found += covered > 0.7
    assert found >= 4


def test_regions_and_marks_say_the_same(plain):
    marked = plain[1].copy()
    with_text(marked)
    with_calipers(marked)
    regions = mark_regions(marked[..., None], 255)
    assert [(r.kind, r.score) for r in regions] == [
        (m.kind, m.score) for m in find_marks(marked[..., None], 255)
    ]
    large = cv2.resize(marked, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST)
    assert all(r.mask.shape == large.shape for r in mark_regions(large[..., None], 255))


def caliper(shape, shade, ground, side=13):
    """Drawn soft, as a saved and resized screen has it."""
    pixels = np.full((200, 200), ground, np.uint8)
    pixels += np.random.default_rng(3).integers(0, 9, pixels.shape).astype(np.uint8)
    for place in ((60, 70), (140, 120)):
        style = cv2.MARKER_CROSS if shape == "plus" else cv2.MARKER_TILTED_CROSS
        cv2.drawMarker(pixels, place, shade, style, side, 1)
    return cv2.GaussianBlur(pixels, (0, 0), 0.8).astype(np.float32) / 255


@pytest.mark.parametrize("shape", ["plus", "x"])
@pytest.mark.parametrize(("shade", "ground"), [(255, 30), (150, 20), (250, 120)])
def test_calipers_of_any_brightness_are_found_at_their_centres(shape, shade, ground):
    found = find_crosses(caliper(shape, shade, ground))
    assert sorted((cross.x, cross.y) for cross in found) == pytest.approx(
        np.array([(60, 70), (140, 120)]), abs=1
    )
    assert {cross.shape for cross in found} == {shape}


def test_lines_and_corners_are_no_crosses():
    pixels = np.full((200, 200), 0.2, np.float32)
    pixels[90:92, :] = pixels[:, 50:52] = 0.9  # a grid over the whole picture
    pixels[150, 120:180] = 0.9
    assert find_crosses(pixels) == []


@pytest.mark.parametrize("modality", ["ultrasound", "mammography"])
def test_a_corner_marker_is_found_and_a_phantom_without_it_is_clean(modality):
    for index in range(4):
        drawn = phantom(modality, 7, index, marker=True)
        at = drawn.attributes
        box = np.s_[at["marker_y0"] : at["marker_y1"], at["marker_x0"] : at["marker_x1"]]
        marks = np.any([r.mask for r in mark_regions(drawn.image[..., None], 255)], axis=0)
        assert marks[box].mean() > 0.9
        assert marks.sum() < 2.5 * marks[box].size
        assert kinds(phantom(modality, 7, index).image) == set()


def test_a_flat_patch_is_found_and_a_soft_one_is_not(plain):
    for shade in (30, 250):
        marked = plain[0].copy()
        marked[100:130, 200:250] = shade
        assert kinds(marked) == {"patch"}
    soft = plain[0].astype(np.float32)
    soft[100:130, 200:250] = 250
    assert kinds(cv2.GaussianBlur(soft, (0, 0), 8).astype(np.uint8)) == set()


def test_a_line_of_text_grows_to_the_strokes_beside_it_and_no_further():
    # left, top, width, height of a stroke; the others do not matter here.
    beside, far = [12, 0, 4, 10, 0, 0, 0, 0, 0], [90, 0, 5, 10, 0, 0, 0, 0, 0]
    assert _to_line_ends((0, 0, 10, 10), np.array([beside, far], float)) == (0, 0, 16, 10)
    # Strokes of its height, and none of them beside it: an image of a real data set has such a line.
    assert _to_line_ends((0, 0, 10, 10), np.array([far], float)) == (0, 0, 10, 10)
