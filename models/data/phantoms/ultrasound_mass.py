"""The mass of a synthetic ultrasound image: shape, echoes, rim, and what it casts along the beams."""

from __future__ import annotations

import numpy as np

from models.data.phantoms.texture import TAU, filled, fit_to_box, outline

SHORTER_SIDE_AT_224 = 34.0
"""Least shorter side of a lesion's box once the image is padded and resized to 224; 32 are promised."""


def with_mass(
    rng: np.random.Generator, tissue: np.ndarray, texture: np.ndarray, sector: float, malignant: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, str | int | float]]:
    """A mass laid into tissue (decibels, float32 [h, w], beam space).

    texture: standard normal [h, w], the echo texture inside the mass. sector: width of the image's top as a
    share of its bottom's, which scan conversion will make it.
    Returns the tissue with the mass, the decibels gained or lost behind it, its mask (bool), all [h, w], and
    how it was drawn.
    """
    import cv2

    shape = tissue.shape
    mask = mass_mask(rng, shape, sector, malignant)
    inside = mask.astype(np.float32)
    soft = cv2.GaussianBlur(inside, (0, 0), 2.4 if malignant else 1.5)
    distance = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 3)
    ring = (distance > 0) & (distance < 14)
    around = float(np.median(tissue[ring]))
    contrast, grain = rng.uniform(8.0, 13.0), rng.uniform(0.8, 2.6)
    inner = max(around - contrast, -29.0) + grain * texture
    tissue = tissue * (1.0 - soft) + soft * inner + (1.0 - soft) * _rim(rng, mask, distance, malignant)
    behind = _posterior(rng, inside, malignant)
    attributes: dict[str, str | int | float] = {
        "margin": "angular" if malignant else "smooth",
        "orientation": "taller_than_wide" if malignant else "wider_than_tall",
        "posterior": "shadow" if malignant else "enhancement",
    }
    return tissue, behind, mask.astype(bool), attributes


def _rim(rng: np.random.Generator, mask: np.ndarray, distance: np.ndarray, malignant: bool) -> np.ndarray:
    """Decibels around the mass: a thin capsule bright where the beam meets it squarely, or a broad halo."""
    strength, width = rng.uniform(5.0, 9.0), rng.uniform(1.5, 2.6)
    if malignant:
        return strength * np.exp(-np.square(distance / (3.2 * width)))
    rows = np.flatnonzero(mask.any(axis=1))
    height = (np.arange(len(mask), dtype=np.float32) - float(rows.mean())) / (len(rows) / 2.0)
    square_on = np.clip(0.25 + 0.9 * np.square(height), 0.0, 1.2)[:, None]
    return strength * np.exp(-np.square(distance / (1.2 * width))) * square_on


def mass_mask(rng: np.random.Generator, shape: tuple[int, int], sector: float, malignant: bool) -> np.ndarray:
    """A mass's shape at a place drawn evenly, uint8 [h, w] of 0 and 1, in beam space."""
    h, w = shape
    smallest = SHORTER_SIDE_AT_224 / 2.0 * max(shape) / 224.0
    aspect = rng.uniform(1.25, 1.75)
    radius = smallest * np.sqrt(1.75) * rng.uniform(1.0, 1.3)
    reach = radius * np.sqrt(1.75)  # of the longest allowed mass: the place must not tell the shape
    y = rng.uniform(0.06 * h + reach, max(0.88 * h - reach, 0.06 * h + reach + 1.0))
    squeeze = sector + (1.0 - sector) * y / h  # scan conversion will narrow it by this factor
    x = rng.uniform(reach / squeeze + 4.0, w - reach / squeeze - 4.0)
    long, short = radius * np.sqrt(aspect), radius / np.sqrt(aspect)
    half_width, half_height = (short, long) if malignant else (long, short)
    if malignant:
        curve = _angular(rng, half_width, half_height)
    else:
        curve = outline(rng, half_width, half_height, np.array([0.02, 0.03, 0.015]))
    curve[:, 0] /= squeeze
    return filled(curve + np.array([x, y]), shape)


def _angular(rng: np.random.Generator, half_width: float, half_height: float) -> np.ndarray:
    """An uneven body with short spikes of many widths and fine jags."""
    fine = np.linspace(0.0, TAU, 240, endpoint=False)
    radius = np.ones(240)
    for order in (2, 3, 4, 5):
        radius += 0.07 * rng.standard_normal() * np.cos(order * fine + rng.uniform(0.0, TAU))
    for angle in (np.arange(14) + rng.uniform(-0.4, 0.4, 14)) * (TAU / 14):
        away = np.abs((fine - angle + np.pi) % TAU - np.pi)
        radius += min(rng.exponential(0.13), 0.45) * np.clip(1.0 - away / rng.uniform(0.12, 0.35), 0.0, 1.0)
    radius += np.interp(fine, np.linspace(0.0, TAU, 48), rng.normal(0.0, 0.02, 48), period=TAU)
    return fit_to_box(np.stack([np.cos(fine), np.sin(fine)], 1) * radius[:, None], half_width, half_height)


def _posterior(rng: np.random.Generator, inside: np.ndarray, malignant: bool) -> np.ndarray:
    """Decibels gained or lost behind the mass, in proportion to the beam's way through it."""
    import cv2

    way = np.cumsum(inside, axis=0)
    way *= np.float32(1.0 / way[-1].max())
    amount = rng.uniform(9.0, 17.0) * (-1.0 if malignant else 0.75)
    effect = cv2.GaussianBlur(np.square(way), (0, 0), sigmaX=5.0, sigmaY=3.0)
    if not malignant:
        bottom = np.flatnonzero(inside.any(axis=1))[-1]
        rows = np.arange(len(inside), dtype=np.float32)
        effect *= np.exp(-np.clip(rows - bottom, 0, None) / np.float32(0.35 * len(inside)))[:, None]
    return amount * effect
