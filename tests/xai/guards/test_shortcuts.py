"""Marks planted where the map is hot and where it is not, and predictions without them."""

import cv2
import numpy as np
import pytest

from models.data.phantoms import phantom
from tests.xai.fakes import BlockEngine, fake_run, heatmap_of, study_of
from xai.explain import read_with
from xai.guards import find_shortcuts, without_marks
from xai.guards.shortcuts import painted_over


def marked(side: int = 256) -> np.ndarray:
    """Speckle with a bright, flat square in its upper left cell of 8 x 8."""
    pixels = np.random.default_rng(0).integers(60, 120, (side, side)).astype(np.uint8)
    pixels[8:26, 8:26] = 245
    return pixels


def hot(row: int, column: int) -> np.ndarray:
    values = np.zeros((8, 8))
    values[row, column] = 1.0
    return values


def kinds(shortcuts) -> list[str]:
    return [caution.kind for caution in shortcuts.cautions]


def test_heat_on_a_mark_is_told_and_heat_beside_it_is_not():
    study = study_of(marked())
    on = find_shortcuts(study, heatmap_of(hot(0, 0), native=(256, 256)))
    assert [region.kind for region in on.regions] == ["patch"]
    assert on.marks[8:26, 8:26].all() and on.marks.mean() < 0.02
    assert on.heat_on_marks > 0.5 and on.heat_outside == 0
    assert kinds(on) == ["marks"] and "patch" in on.cautions[0].sentence
    beside = find_shortcuts(study, heatmap_of(hot(5, 5), native=(256, 256)))
    assert beside.heat_on_marks == 0 and kinds(beside) == []


def test_heat_spread_evenly_is_on_a_mark_by_chance():
    even = find_shortcuts(study_of(marked()), heatmap_of(np.ones((8, 8)) + hot(3, 3), native=(256, 256)))
    assert 0 < even.heat_on_marks < 0.1 and kinds(even) == []


def test_heat_off_the_tissue():
    pixels = marked()
    pixels[:, 128:] = 0
    off = find_shortcuts(study_of(pixels), heatmap_of(hot(4, 6), native=(256, 256)))
    assert off.outside[:, 132:].all() and not off.outside[:, :124].any()
    assert off.heat_outside == pytest.approx(1, abs=0.02)
    assert kinds(off) == ["outside"]


def test_a_blank_map_lies_nowhere():
    blank = find_shortcuts(study_of(marked()), heatmap_of(np.zeros((8, 8)), native=(256, 256)))
    assert blank.regions and (blank.heat_on_marks, blank.heat_outside) == (0, 0) and not blank.cautions


def test_without_its_mark_an_image_is_predicted_as_if_there_had_been_none():
    """Grey 100 with a white square: what the blocks say of the clean image is known."""
    clean = np.full((256, 256), 100, np.uint8)
    pixels = clean.copy()
    pixels[8:40, 8:40] = 255
    run, engine = fake_run(), BlockEngine({"fine": (3.0, 0.0)})
    engine.predict = engine.explain
    reading = read_with(study_of(pixels), run, engine)
    known = read_with(study_of(clean), run, engine).probabilities["malignant"]
    found = find_shortcuts(reading.study, heatmap_of(hot(0, 0), native=(256, 256)))
    again = without_marks(reading, engine, found)
    assert again.probabilities["malignant"] == pytest.approx(known, abs=1e-4)
    assert again.change == pytest.approx(known - reading.probabilities["malignant"], abs=1e-4)
    assert again.change < -0.005
    assert again.study_masked.digest != reading.study.digest
    assert (reading.study.samples[8:40, 8:40] == 255).all(), "the study itself is left as it was"


@pytest.mark.parametrize(("dtype", "channels", "depth"), [(np.uint8, 3, 255), (np.uint16, 1, 4095)])
def test_painting_over_touches_only_the_marks(dtype, channels, depth):
    from dataclasses import replace

    values = np.random.default_rng(1).integers(depth // 4, depth // 3, (90, 120, channels)).astype(dtype)
    values[40:50, 60:80] = depth
    marks = np.zeros((90, 120), bool)
    marks[40:50, 60:80] = True
    study = replace(study_of(np.zeros((90, 120), np.uint8)), samples=values, depth_max=depth)
    painted = painted_over(study, marks, np.zeros_like(marks))
    assert painted.samples.dtype == dtype and painted.depth_max == depth
    assert painted.samples[marks].max() <= depth // 3
    far = ~(cv2.dilate(marks.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)
    assert (painted.samples[far] == values[far]).all()


def test_outside_becomes_one_shade():
    pixels = marked()
    pixels[:, 128:] = np.random.default_rng(2).integers(0, 4, (256, 128))
    outside = np.zeros((256, 256), bool)
    outside[:, 128:] = True
    painted = painted_over(study_of(pixels), np.zeros_like(outside), outside)
    assert np.ptp(painted.samples[:, 128:]) == 0
    assert (painted.samples[:, :128, 0] == pixels[:, :128]).all()


def test_a_phantom_without_marks_gives_no_cause():
    drawn = phantom("ultrasound", 31, 2)
    rows, columns = drawn.image.shape
    found = find_shortcuts(
        study_of(drawn.image, modality="ultrasound"), heatmap_of(hot(4, 4), native=(rows, columns))
    )
    assert not found.regions and not found.cautions
