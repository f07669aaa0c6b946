"""Tissue told from film, from the black around a sector and from bare glass."""

import cv2
import numpy as np
import pytest

from models.data.foreground import foreground
from models.data.phantoms import phantom
from tests.xai.fakes import study_of


def overlap(found: np.ndarray, truth: np.ndarray) -> float:
    return float((found & truth).sum() / (found | truth).sum())


def film(noise: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A breast at the right edge, a label top left that a bright thread along the film's edge ties to it."""
    breast = cv2.ellipse(np.zeros((600, 500), np.uint8), (500, 300), (300, 240), 0, 0, 360, 1, -1) > 0
    pixels = np.random.default_rng(0).integers(0, noise + 1, (600, 500)).astype(np.uint8)
    pixels[breast] = 130
    cv2.rectangle(pixels, (30, 20), (90, 70), 230, -1)
    cv2.line(pixels, (60, 1), (499, 1), 200, 1)
    cv2.line(pixels, (499, 0), (499, 100), 200, 1)
    return pixels, breast


@pytest.mark.parametrize(("noise", "modality"), [(0, None), (0, "mammography"), (10, "mammography")])
def test_the_breast_is_the_foreground_and_a_label_is_not(noise, modality):
    pixels, breast = film(noise)
    assert overlap(foreground(study_of(pixels, modality=modality)), breast) > 0.95
    assert overlap(foreground(study_of(pixels), modality=modality), breast) > 0.95


def test_the_black_around_a_sector_is_outside_and_a_cyst_or_a_shadow_is_not():
    sector = np.zeros((400, 600), bool)
    sector[20:380, 100:500] = True
    pixels = np.where(sector, phantom("ultrasound", 5, 0).image[:400, :600].mean(), 0).astype(np.uint8)
    speckle = np.random.default_rng(1).integers(-30, 31, pixels.shape)
    pixels = np.where(sector, np.clip(pixels.astype(int) + speckle, 0, 255), 0).astype(np.uint8)
    cv2.circle(pixels, (300, 150), 40, 0, -1)
    shadow = np.s_[250:380, 220:320]
    pixels[shadow] = np.random.default_rng(2).integers(0, 25, pixels[shadow].shape)
    assert overlap(foreground(study_of(pixels, modality="ultrasound")), sector) > 0.97


def test_bare_glass_is_outside_and_a_fat_cell_is_not():
    tissue = np.random.default_rng(0).integers(-20, 21, (240, 240, 1)) + np.array([200, 130, 170])
    tissue = np.ascontiguousarray(tissue.astype(np.uint8))
    tissue[:, : tissue.shape[1] // 3] = 245
    cv2.circle(tissue, (tissue.shape[1] * 2 // 3, 100), 20, (245, 245, 245), -1)
    inside = np.ones(tissue.shape[:2], bool)
    inside[:, : tissue.shape[1] // 3] = False
    assert overlap(foreground(study_of(tissue)), inside) > 0.97


@pytest.mark.parametrize("shade", [0, 90, 255])
def test_without_anything_to_tell_apart_all_is_foreground(shade):
    assert foreground(study_of(np.full((40, 60), shade, np.uint8))).all()
    assert foreground(study_of(np.full((40, 60, 3), shade, np.uint8), modality="histopathology")).all()


def test_it_lies_on_the_native_pixels_of_any_size():
    pixels, breast = film()
    large = cv2.resize(pixels, None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST)
    found = foreground(study_of(large))
    assert found.shape == large.shape
    assert overlap(found[1::3, 1::3], breast) > 0.95
    assert foreground(study_of(np.array([[7]], np.uint8))).tolist() == [[True]]
