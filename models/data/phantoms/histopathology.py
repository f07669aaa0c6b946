"""Synthetic haematoxylin-eosin patches of breast tissue, about 10x, 224 x 224 RGB.

Two maps of stain concentration, mixed by Beer and Lambert's law (Ruifrok, Johnston, Anal Quant Cytol Histol
23:291, 2001) with stain vectors that vary about one haematoxylin and one eosin from patch to patch.

Label rule (Nottingham nuclear grade, Elston and Ellis, Histopathology 19:403, 1991, in caricature):
  idc      one region of crowded, large, unequal, irregular nuclei in nests without lumen (the mask)
  non_idc  none of it
Fibrous stroma, fat, regular ducts, vessels and clusters of lymphocytes occur in both, drawn alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.data.phantoms.case import Phantom, Streams, lesion_box
from models.data.phantoms.texture import TAU, filled, outline, ridges, smooth_noise, white_noise

SIDE = 224
SMALLEST_REGION = 40
"""Least shorter side of the tumour region's box, in pixels; 32 are promised."""

_SHAPE = (SIDE, SIDE)
_HAEMATOXYLIN = np.array([0.563, 0.720, 0.406])
_EOSIN = np.array([0.12, 0.80, 0.44])
_FULL = 128.0  # canvas value of concentration 1


@dataclass
class _Slide:
    """Canvases painted one over another, [224, 224]: float32 concentrations, uint8 nuclei and gaps."""

    haematoxylin: np.ndarray
    eosin: np.ndarray
    nuclei: np.ndarray
    gaps: np.ndarray


def draw(streams: Streams, label: str, annotations: bool) -> Phantom:
    """One histopathology phantom, uint8 [224, 224, 3]. There is nothing to annotate on a patch."""
    rng = streams.anatomy
    slide, heading = _stroma(rng)
    _fat(rng, slide)
    for _ in range(int(rng.integers(0, 4))):
        _duct(rng, slide)
    if rng.random() < 0.3:
        _vessel(rng, slide)
    _fibroblasts(rng, slide, heading)
    for _ in range(int(rng.integers(0, 4))):
        _lymphocytes(rng, slide)
    mask, attributes = None, {}
    grain = smooth_noise(streams.noise, _SHAPE, 0.9, 0.9)
    haematoxylin, eosin = _concentrations(slide, grain)
    if label == "idc":
        tumour, cover, mask, attributes = _tumour(streams.lesion)
        h, e = _concentrations(tumour, grain)
        haematoxylin += cover * (h - haematoxylin)
        eosin += cover * (e - eosin)
        attributes |= lesion_box(mask)
    return Phantom(_stain(rng, streams.noise, haematoxylin, eosin), mask, label, attributes)


def _stroma(rng: np.random.Generator) -> tuple[_Slide, np.ndarray]:
    """Wavy eosinophilic fibres with clefts, and the fibres' direction, radians [224, 224]."""
    import cv2

    angle = rng.uniform(0.0, np.pi)
    x, y = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32))
    wave = rng.uniform(6.0, 16.0) * smooth_noise(rng, _SHAPE, 26.0, 26.0)
    wave += 1.2 * smooth_noise(rng, _SHAPE, 6.0, 6.0)
    c, s = math.cos(angle), math.sin(angle)
    along = c * x + s * y
    across = c * y - s * x + wave
    wide = (340, 340)
    flat = np.stack(
        [
            smooth_noise(rng, wide, 1.0, 9.0) + 0.5 * smooth_noise(rng, wide, 3.0, 20.0),
            ridges(smooth_noise(rng, wide, 5.0, 22.0), 0.09) * (smooth_noise(rng, wide, 16.0, 20.0) > 0.2),
        ],
        axis=-1,
    )
    middle = float(along.mean()), float(across.mean())
    bent = cv2.remap(
        flat,
        along - middle[0] + 170.0,
        across - middle[1] + 170.0,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    density = rng.uniform(0.42, 0.78)
    eosin = density * (1.0 + 0.16 * bent[..., 0] + 0.12 * smooth_noise(rng, _SHAPE, 20.0, 20.0))
    haematoxylin = 0.06 + 0.03 * smooth_noise(rng, _SHAPE, 10.0, 10.0)
    gaps = (255.0 * np.clip(bent[..., 1] * rng.uniform(0.2, 1.3), 0.0, 0.95)).astype(np.uint8)
    slope_y, slope_x = np.gradient(wave)
    turn = slope_x * c + slope_y * s
    slide = _Slide(haematoxylin, np.clip(eosin, 0.1, 1.4), np.zeros(_SHAPE, np.uint8), gaps)
    return slide, angle - np.arctan(turn)


def _fat(rng: np.random.Generator, slide: _Slide) -> None:
    """Adipocytes, empty round cells between thin membranes, where a cloud is high; in half the patches."""
    limit = rng.uniform(-0.5, 1.3) if rng.random() < 0.5 else 9.0
    cloud = smooth_noise(rng, _SHAPE, 34.0, 34.0)
    pitch = rng.uniform(17.0, 27.0)
    centres = _scatter(rng, pitch, 0.2)
    column, row = np.clip(centres, 0, SIDE - 1).astype(int).T
    shrink = np.clip(rng.normal(0.93, 0.025, len(centres)), 0.82, 0.97)
    cells = _territories(centres)
    for k in np.flatnonzero(cloud[row, column] > limit):
        _paint(slide.gaps, (cells[k] - centres[k]) * shrink[k] + centres[k], 248)


def _territories(centres: np.ndarray) -> list[np.ndarray]:
    """The Voronoi cell of every point, corners cut twice (Chaikin), as curves [n, 2]."""
    import cv2

    plane = cv2.Subdiv2D((-200, -200, SIDE + 400, SIDE + 400))
    plane.insert([(float(x), float(y)) for x, y in centres])
    cells = []
    for cell in plane.getVoronoiFacetList([])[0]:
        for _ in range(2):
            ahead = np.roll(cell, -1, axis=0)
            cell = np.stack([0.75 * cell + 0.25 * ahead, 0.25 * cell + 0.75 * ahead], axis=1).reshape(-1, 2)
        cells.append(np.clip(cell, -200.0, SIDE + 200.0))
    return cells


def _scatter(rng: np.random.Generator, pitch: float, jitter: float) -> np.ndarray:
    """Points [n, 2] (x, y) of a shaken hexagonal grid that covers the patch and a little more."""
    rows = int(SIDE / (pitch * 0.87)) + 3
    columns = int(SIDE / pitch) + 3
    row, column = np.mgrid[-1 : rows - 1, -1 : columns - 1].reshape(2, -1)
    points = np.stack([(column + 0.5 * (row % 2)) * pitch, row * pitch * 0.87], axis=1)
    return points + rng.normal(0.0, jitter * pitch, points.shape)


def _paint(canvas: np.ndarray, curve: np.ndarray, value: float) -> None:
    import cv2

    cv2.fillPoly(canvas, [np.round(curve * 16.0).astype(np.int32)], float(value), cv2.LINE_AA, 4)


def _nuclei(
    rng: np.random.Generator, centres: np.ndarray, axes: np.ndarray, angles: np.ndarray, irregularity: float
) -> np.ndarray:
    """Outlines [n, 16, 2] of nuclei with half axes [n, 2] along and across their angles [n]."""
    t = np.linspace(0.0, TAU, 16, endpoint=False)[None]
    n = len(centres)
    radius = np.ones((n, 16))
    for order in (2, 3, 4):
        phase = rng.uniform(0.0, TAU, (n, 1))
        radius += irregularity * rng.standard_normal((n, 1)) / order * np.cos(order * t + phase)
    u, v = radius * np.cos(t) * axes[:, :1], radius * np.sin(t) * axes[:, 1:]
    c, s = np.cos(angles)[:, None], np.sin(angles)[:, None]
    return np.stack([c * u - s * v, s * u + c * v], axis=-1) + centres[:, None]


def _duct(rng: np.random.Generator, slide: _Slide) -> None:
    """An open lumen in a double row of small, equal nuclei, in a pale cuff."""
    centre = rng.uniform(0.0, SIDE, 2)
    size, ratio = rng.uniform(10.0, 22.0), rng.uniform(0.6, 1.0)
    turn = rng.uniform(0.0, TAU)
    c, s = np.cos(turn), np.sin(turn)
    frame = np.array([[c, s], [-s, c]])
    shape = outline(rng, 1.0, ratio, np.array([0.05, 0.06, 0.03]), 90) @ frame
    cuff = filled(shape * (size + 9.0) + centre, _SHAPE).astype(bool)
    slide.eosin[cuff] = 0.75 * slide.eosin[cuff] + 0.08
    wall = filled(shape * (size + 2.5) + centre, _SHAPE).astype(bool)
    slide.eosin[wall], slide.haematoxylin[wall], slide.gaps[wall] = 0.42, 0.3, 0
    slide.nuclei[wall] = 0
    _paint(slide.gaps, shape * (size - 8.5) + centre, 240)
    for radius, spacing in ((size - 5.0, 6.2), (size + 0.5, 6.8)):
        count = max(6, int(TAU * radius * (1 + ratio) / 2 / spacing))
        place = ((np.arange(count) + rng.uniform(-0.18, 0.18, count)) * (90 / count)).astype(int) % 90
        points = shape[place] * radius + centre + rng.normal(0.0, 0.5, (count, 2))
        ring = np.arctan2(*(shape[(place + 1) % 90] - shape[place - 1]).T[::-1])
        axes = rng.normal([2.6, 2.0], 0.15, (count, 2))
        _stamp(rng, slide, _nuclei(rng, points, axes, ring, 0.06), (105, 135))


def _stamp(rng: np.random.Generator, slide: _Slide, shapes: np.ndarray, values: tuple[int, int]) -> None:
    for shape, value in zip(shapes, rng.integers(*values, len(shapes)), strict=True):
        _paint(slide.nuclei, shape, value)


def _vessel(rng: np.random.Generator, slide: _Slide) -> None:
    """A muscular ring around packed red cells."""
    centre, size = rng.uniform(0.0, SIDE, 2), rng.uniform(9.0, 20.0)
    shape = outline(rng, 1.0, rng.uniform(0.6, 1.0), np.array([0.06, 0.05]), 60)
    wall = filled(shape * (size + 5.0) + centre, _SHAPE).astype(bool)
    slide.eosin[wall], slide.gaps[wall], slide.nuclei[wall] = 0.95, 0, 0
    blood = filled(shape * size + centre, _SHAPE).astype(bool)
    cells = smooth_noise(rng, _SHAPE, 1.5, 1.5)
    slide.eosin[blood] = 1.35 + 0.2 * cells[blood]
    slide.gaps[blood & (cells > 1.1)] = 190
    slide.haematoxylin[wall] = 0.02


def _fibroblasts(rng: np.random.Generator, slide: _Slide, heading: np.ndarray) -> None:
    """Thin dark nuclei along the fibres."""
    count = int(rng.integers(40, 130))
    centres = rng.uniform(0.0, SIDE - 1.0, (count, 2))
    column, row = centres.astype(int).T
    angles = heading[row, column] + rng.normal(0.0, 0.2, count)
    axes = np.stack([rng.uniform(2.2, 4.6, count), rng.uniform(0.7, 1.5, count)], axis=1)
    shapes = _nuclei(rng, centres, axes, angles, 0.1)
    _stamp(rng, slide, shapes[slide.gaps[row, column] < 120], (95, 165))


def _lymphocytes(rng: np.random.Generator, slide: _Slide) -> None:
    """A cluster of small round dark nuclei, at times a dense one: dark and crowded is not yet tumour."""
    count = int(rng.triangular(12.0, 40.0, 260.0))
    spread = rng.uniform(0.8, 1.6) * np.sqrt(count) * rng.uniform(1.0, 2.2, 2)
    centres = rng.uniform(0.0, SIDE, 2) + rng.normal(0.0, 1.0, (count, 2)) * spread
    axes = rng.normal(1.9, 0.2, (count, 1)) * np.array([[1.0, 0.94]])
    column, row = np.clip(centres, 0, SIDE - 1).astype(int).T
    shapes = _nuclei(rng, centres, axes, np.zeros(count), 0.05)
    _stamp(rng, slide, shapes[slide.gaps[row, column] < 120], (150, 195))


def _tumour(
    rng: np.random.Generator,
) -> tuple[_Slide, np.ndarray, np.ndarray, dict[str, str | int | float]]:
    """Tumour, how much of it shows ([224, 224], 0..1), its mask (bool) and how it was drawn."""
    half = rng.uniform(SMALLEST_REGION / 2.0 * 1.15, 62.0, 2)
    centre = rng.uniform(half + 2.0, SIDE - half - 2.0)
    border = outline(rng, half[0], half[1], np.array([0.08, 0.1, 0.09, 0.07, 0.06, 0.05, 0.05]))
    mask = filled(border + centre, _SHAPE).astype(bool)
    band = ridges(smooth_noise(rng, _SHAPE, 11.0, 11.0), 0.12)  # of stroma left between the nests
    eosin = 0.5 + 0.05 * smooth_noise(rng, _SHAPE, 2.0, 2.0)
    slide = _Slide(
        np.full(_SHAPE, 0.27, np.float32), eosin, np.zeros(_SHAPE, np.uint8), np.zeros(_SHAPE, np.uint8)
    )
    pitch, pleomorphism = rng.uniform(7.0, 9.2), rng.uniform(0.22, 0.36)
    centres = _scatter(rng, pitch, 0.2)
    column, row = np.clip(centres, 0, SIDE - 1).astype(int).T
    centres = centres[mask[row, column] & (band[row, column] < 0.5)]
    count = len(centres)
    size = np.clip(pitch * 0.47 * np.exp(rng.normal(0.0, pleomorphism, count)), 2.4, 7.0)
    longer = rng.uniform(1.0, 1.5, count)
    axes = np.stack([size * np.sqrt(longer), size / np.sqrt(longer)], axis=1)
    angles = rng.uniform(0.0, np.pi, count)
    _stamp(rng, slide, _nuclei(rng, centres, axes, angles, 0.28), (110, 200))
    pale = rng.random(count) < 0.45  # vesicular nuclei: a dark rim, pale inside, a nucleolus
    _stamp(rng, slide, _nuclei(rng, centres[pale], axes[pale] * 0.68, angles[pale], 0.15), (70, 100))
    dots = centres[pale] + rng.normal(0.0, 0.6, (int(pale.sum()), 2))
    _stamp(rng, slide, _nuclei(rng, dots, np.full((len(dots), 2), 0.9), angles[pale], 0.0), (180, 220))
    cover = np.maximum(_soft(mask) * (1.0 - band), _soft(slide.nuclei > 40, 0.7))
    attributes = {"margin": "irregular", "nuclei": count, "pleomorphism": round(pleomorphism, 3)}
    return slide, cover, mask | (slide.nuclei > 40), attributes


def _soft(mask: np.ndarray, sigma: float = 1.6) -> np.ndarray:
    import cv2

    return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma)


def _concentrations(slide: _Slide, grain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Haematoxylin and eosin, float32 [224, 224], concentration 1 = one reference stain."""
    tissue = 1.0 - slide.gaps.astype(np.float32) / np.float32(255.0)
    covered = np.clip(slide.nuclei.astype(np.float32) * np.float32(1.0 / 100.0), 0.0, 1.0)
    chromatin = slide.nuclei.astype(np.float32) * np.float32(1.0 / _FULL) * (1.0 + 0.13 * grain)
    haematoxylin = np.maximum(slide.haematoxylin * tissue, chromatin)
    eosin = slide.eosin * tissue * (1.0 - 0.65 * covered) * (1.0 + 0.12 * grain)
    return haematoxylin, eosin


def _stain(
    rng: np.random.Generator, noise: np.random.Generator, haematoxylin: np.ndarray, eosin: np.ndarray
) -> np.ndarray:
    """The patch in light of 244: uint8 RGB [224, 224, 3]."""
    import cv2

    stains = [_HAEMATOXYLIN + rng.normal(0.0, 0.025, 3), _EOSIN + rng.normal(0.0, 0.025, 3)]
    amount = rng.uniform(0.8, 1.25, 2)
    concentrations = [np.clip(haematoxylin, 0.0, None) * amount[0], np.clip(eosin, 0.0, None) * amount[1]]
    optical = sum(
        concentration[..., None] * stain for concentration, stain in zip(concentrations, stains, strict=True)
    )
    light = 244.0 * np.exp(-optical.astype(np.float32))
    light = cv2.GaussianBlur(light, (0, 0), 0.55)
    light += 1.5 * white_noise(noise, (SIDE, SIDE * 3)).reshape(SIDE, SIDE, 3)
    return np.clip(np.round(light), 0, 255).astype(np.uint8)
