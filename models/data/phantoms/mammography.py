"""Synthetic film-like mammograms, CC and MLO.

Drawn as attenuation: compressed thickness, fat with fine strands, a fibroglandular disc of power-law texture
(power spectrum 1/f^3; Burgess, Jacobson, Judy, Med Phys 28:419, 2001) whose fronds point at the nipple, the
pectoral muscle in MLO, then a film curve. The breast is drawn on the left edge and mirrored for the other
side.

Label rule (BI-RADS Atlas 5th ed., mammography descriptors):
  malignant  irregular mass, spiculated margin
  benign     round or oval mass, circumscribed margin, thin dark rim
  normal     no mass
Size, density and place of the mass follow the same distribution in both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.data.phantoms.case import Phantom, Streams, lesion_box
from models.data.phantoms.texture import (
    TAU,
    filled,
    outline,
    power_law,
    ridges,
    smooth_curve,
    smooth_noise,
    white_noise,
)

SHORTER_SIDE_AT_224 = 34.0
"""Least shorter side of a mass's box once the image is padded and resized to 224; 32 are promised."""


@dataclass(frozen=True)
class _Anatomy:
    attenuation: np.ndarray  # [h, w], about 0.2 (fat) to 1 (dense gland)
    thickness: np.ndarray  # [h, w] 0 in air .. 1 where fully compressed
    depth: np.ndarray  # [h, w] pixels to the air
    grain: np.ndarray  # [h, w] film grain, standard normal
    exposure: tuple[float, float]  # gain and gamma of the film curve
    laterality: str
    view: str


def draw(streams: Streams, label: str, annotations: bool) -> Phantom:
    """One mammography phantom, uint8 [660..740, 460..540]."""
    anatomy = _anatomy(streams.anatomy, streams.noise)
    attenuation, mask = anatomy.attenuation, None
    attributes: dict[str, str | int | float] = {}
    if label != "normal":
        attenuation, mask, attributes = _with_mass(streams.lesion, anatomy, label == "malignant")
    image = _film(anatomy, attenuation)
    if anatomy.laterality == "R":
        image = np.ascontiguousarray(image[:, ::-1])
        mask = None if mask is None else np.ascontiguousarray(mask[:, ::-1])
    if annotations:
        _annotate(image, f"{anatomy.laterality} {anatomy.view}", anatomy.laterality == "R")
    attributes |= {"view": anatomy.view, "laterality": anatomy.laterality}
    if mask is not None:
        attributes |= lesion_box(mask)
    return Phantom(image, mask, label, attributes)


def _anatomy(rng: np.random.Generator, noise: np.random.Generator) -> _Anatomy:
    """The tissue is drawn at half the resolution: film is soft, and it costs a quarter."""
    import cv2

    shape = (int(rng.integers(660, 741)), int(rng.integers(460, 541)))
    view, laterality = str(rng.choice(["CC", "MLO"])), str(rng.choice(["L", "R"]))
    depth, nipple = _breast(rng, shape, view)
    half, half_nipple = (-(-shape[0] // 2), -(-shape[1] // 2)), (nipple[0] / 2.0, nipple[1] / 2.0)
    attenuation = _tissue(rng, half, half_nipple)
    if view == "MLO":
        attenuation = _with_pectoral(rng, attenuation)
    attenuation = cv2.resize(attenuation, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    attenuation = attenuation[: shape[0], : shape[1]] + 0.006 * smooth_noise(noise, shape, 1.4, 1.4)
    return _Anatomy(
        attenuation=attenuation,
        thickness=_thickness(rng, depth),
        depth=depth,
        grain=white_noise(noise, shape),
        exposure=(float(rng.uniform(0.8, 1.0)), float(rng.uniform(0.85, 1.15))),
        laterality=laterality,
        view=view,
    )


def _breast(
    rng: np.random.Generator, shape: tuple[int, int], view: str
) -> tuple[np.ndarray, tuple[float, float]]:
    """Distance to the air [h, w] and the nipple's (x, y), all in pixels."""
    import cv2

    h, w = shape
    reach = rng.uniform(0.62, 0.9) * w
    middle = h * (rng.uniform(0.46, 0.54) if view == "CC" else rng.uniform(0.54, 0.62))
    up, down = middle * rng.uniform(0.86, 0.98), (h - middle) * rng.uniform(0.84, 0.97)
    angle = np.linspace(-np.pi / 2, np.pi / 2, 120)
    side = np.where(angle < 0, up, down)
    power = rng.uniform(0.78, 0.95)
    x = reach * np.cos(angle) ** power
    y = middle + side * np.sin(angle)
    if view == "MLO":  # the axillary tail keeps the breast wide towards the armpit
        above = np.clip(-np.sin(angle), 0.0, 1.0)
        x += above**2.2 * w * rng.uniform(0.12, 0.3)
        y -= above**3 * (middle - up + 20.0)
    x *= 1.0 + 0.012 * smooth_curve(rng, 120, 14.0)
    curve = np.concatenate([np.stack([x, y], axis=1), [[-60.0, y[-1]], [-60.0, y[0]]]])
    inside = filled(curve, shape)
    nipple = (float(x[60]), float(y[60]))
    if rng.random() < 0.7:
        radius = rng.uniform(6.0, 11.0)
        cv2.ellipse(
            inside, (round(nipple[0]), round(nipple[1])), (int(radius * 0.9), int(radius)), 0, 0, 360, 1, -1
        )
    return _depth(inside), nipple


def _thickness(rng: np.random.Generator, depth: np.ndarray) -> np.ndarray:
    """Compressed thickness [h, w], from 0 in air to 1, and a little more along the skin."""
    roll = rng.uniform(60.0, 140.0)  # pixels over which the compressed breast rounds off
    at = np.arange(0.0, 161.0, 1.0 / 16.0)
    rounded = 1.0 - np.clip(1.0 - at / roll, 0.0, 1.0) ** 2.5
    table = rounded + 0.12 * np.exp(-(((at - 3.0) / 2.2) ** 2)) * (at > 0)
    return table.astype(np.float32)[(np.minimum(depth, 160.0) * 16.0).astype(np.int32)]


def _depth(inside: np.ndarray) -> np.ndarray:
    """Distance to the air, [h, w] pixels. The image's own edge (the chest wall) is not air."""
    import cv2

    wide = cv2.copyMakeBorder(inside, 90, 90, 90, 0, cv2.BORDER_REPLICATE)
    return cv2.distanceTransform(wide, cv2.DIST_L2, 3)[90:-90, 90:]


def _tissue(rng: np.random.Generator, shape: tuple[int, int], nipple: tuple[float, float]) -> np.ndarray:
    """Attenuation [h, w] of fat with its strands and of the fibroglandular disc."""
    import cv2

    h, w = shape
    distance, arc = _towards_nipple(rng, shape, nipple)
    flat = _fronds(rng, (int(1.7 * w), int(np.hypot(h, w)) + 2))
    polar = cv2.remap(
        flat, distance, arc + flat.shape[0] / 2.0, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    strands, fronds = polar[..., 0], polar[..., 1]
    density = rng.uniform(0.0, 1.0)
    x = (np.arange(w, dtype=np.float32)[None] - nipple[0] * rng.uniform(0.5, 0.64)) / (nipple[0] * 0.46)
    y = np.arange(h, dtype=np.float32)[:, None] - nipple[1] + rng.uniform(0.0, 0.07) * h
    y = y / (h * rng.uniform(0.17, 0.29))
    cloud = power_law(rng, shape, 3.0)
    place = 1.0 - 0.8 * (np.square(x) + np.square(y))
    amount = 1.4 * np.maximum(place, -1.6) + 0.75 * fronds + 0.65 * cloud + 2.0 * (density - 0.5)
    gland = 1.0 / (1.0 + np.exp(-np.clip(2.4 * amount, -20.0, 20.0)))
    lobules = 1.0 + 0.13 * fronds + 0.13 * power_law(rng, shape, 2.6)
    fat = 0.36 + 0.02 * cloud + (1.0 - 0.5 * gland) * rng.uniform(0.08, 0.18) * strands
    return fat + gland * (0.2 + 0.22 * density) * lobules


def _towards_nipple(
    rng: np.random.Generator, shape: tuple[int, int], nipple: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Bent polar coordinates about a point before the nipple: (distance, arc), each [h, w] in pixels."""
    h, w = shape
    x = np.arange(w, dtype=np.float32)[None] - (nipple[0] + 0.25 * w)
    y = np.arange(h, dtype=np.float32)[:, None] - nipple[1]
    x = x + 10.0 * smooth_noise(rng, shape, 24.0, 24.0) + 1.5 * smooth_noise(rng, shape, 6.0, 6.0)
    y = y + 10.0 * smooth_noise(rng, shape, 24.0, 24.0) + 1.5 * smooth_noise(rng, shape, 6.0, 6.0)
    return np.sqrt(np.square(x) + np.square(y)), np.arctan2(y, -x) * np.float32(0.5 * w)


def _fronds(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Strands (0..1) and lobes (standard normal) drawn straight along x, [h, w, 2]."""
    strands = np.zeros(shape, np.float32)
    for sigma, width in ((1.8, 0.2), (3.0, 0.14), (4.5, 0.1), (8.0, 0.05)):
        lines = ridges(smooth_noise(rng, shape, sigma, 5.0 * sigma), width)
        strands += lines * np.clip(0.15 + 0.55 * smooth_noise(rng, shape, 8.0, 14.0), 0.0, 1.1)
    lobes = smooth_noise(rng, shape, 16.0, 40.0) + 0.7 * smooth_noise(rng, shape, 7.0, 19.0)
    lobes += 0.5 * smooth_noise(rng, shape, 3.5, 9.0) + 0.35 * smooth_noise(rng, shape, 1.7, 4.5)
    return np.stack([strands, lobes * np.float32(0.73)], axis=-1)


def _with_pectoral(rng: np.random.Generator, attenuation: np.ndarray) -> np.ndarray:
    h, w = attenuation.shape
    top, bottom = rng.uniform(0.24, 0.46) * w, rng.uniform(0.42, 0.68) * h
    rows = np.arange(h, dtype=np.float32)
    share = np.clip(1.0 - rows / bottom, 0.0, 1.0)
    bulge = rng.uniform(0.0, 0.3) * share * (1.0 - share)
    border = top * (share + bulge) + 2.0 * smooth_curve(rng, h, 25.0)
    x = np.arange(w, dtype=np.float32)[None]
    edge = np.clip((x - border[:, None]) / rng.uniform(1.0, 3.0), -30.0, 30.0)
    muscle = (share > 0)[:, None] / (1.0 + np.exp(edge))
    level = rng.uniform(0.62, 0.78) + 0.02 * smooth_noise(rng, (h, w), 10.0, 4.0)
    return (attenuation + muscle * np.clip(level - 0.55 * attenuation - 0.12, 0.0, 1.0)).astype(np.float32)


def _with_mass(
    rng: np.random.Generator, anatomy: _Anatomy, malignant: bool
) -> tuple[np.ndarray, np.ndarray, dict[str, str | int | float]]:
    """Attenuation [h, w] with a mass in it, its mask bool [h, w] and how it was drawn."""
    import cv2

    shape = anatomy.attenuation.shape
    smallest = SHORTER_SIDE_AT_224 / 2.0 * max(shape) / 224.0
    radius, aspect = smallest * 1.16 * rng.uniform(1.0, 1.35), rng.uniform(1.0, 1.3)
    half_width, half_height = radius * np.sqrt(aspect), radius / np.sqrt(aspect)
    centre = _place(rng, anatomy, radius * 1.15)
    window, corner = _window(centre, 2.6 * radius + 20.0, shape)
    attenuation, mask = anatomy.attenuation.copy(), np.zeros(shape, bool)
    place, near = centre - corner, mask[window].shape
    harmonics = np.array([0.08, 0.1, 0.08, 0.06, 0.06, 0.05]) if malignant else np.array([0.02, 0.03, 0.02])
    curve = outline(rng, half_width, half_height, harmonics)
    core = filled(_turned(curve, rng.uniform(0.0, TAU)) + place, near)
    density, texture = rng.uniform(0.2, 0.3), smooth_noise(rng, near, 9.0, 9.0)
    soft = cv2.GaussianBlur(core.astype(np.float32), (0, 0), 6.0 if malignant else 2.8)
    more = soft * (1.0 + 0.12 * texture)
    if malignant:
        spicules, reach = _spicules(rng, place, radius, near)
        more += 0.75 * np.clip(spicules - soft, 0.0, 1.0)
        core |= reach
    else:
        outside = cv2.distanceTransform(1 - core, cv2.DIST_L2, 3)
        more -= 0.16 * np.exp(-np.square((outside - 5.0) / 4.0)) * (outside > 0)
    attenuation[window] += density * more
    mask[window] = core > 0
    attributes: dict[str, str | int | float] = {
        "margin": "spiculated" if malignant else "circumscribed",
        "shape": "irregular" if malignant else "oval",
    }
    return attenuation, mask, attributes


def _window(
    centre: np.ndarray, reach: float, shape: tuple[int, int]
) -> tuple[tuple[slice, slice], np.ndarray]:
    """The part of the image within `reach` of a point (x, y), and its upper left corner (x, y)."""
    x, y = (np.maximum(centre - reach, 0.0)).astype(int)
    right, bottom = np.minimum(centre + reach, [shape[1], shape[0]]).astype(int)
    return (slice(y, bottom), slice(x, right)), np.array([x, y])


def _turned(curve: np.ndarray, angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return curve @ np.array([[c, s], [-s, c]])


def _place(rng: np.random.Generator, anatomy: _Anatomy, reach: float) -> np.ndarray:
    """A point (x, y) drawn evenly from those where a disc of radius `reach` lies inside breast and image."""
    h, w = anatomy.thickness.shape
    edge = round(reach) + 3
    room = np.zeros((h, w), bool)
    depth = anatomy.depth
    inner = slice(edge, h - edge), slice(edge, w - edge)
    room[inner] = depth[inner] > reach + 8.0
    places = np.flatnonzero(room)
    if not len(places):
        places = np.array([int(np.argmax(depth[:, edge : w - edge]))])
        row, column = divmod(int(places[0]), w - 2 * edge)
        return np.array([column + edge, float(np.clip(row, edge, h - edge))])
    row, column = divmod(int(places[int(rng.integers(len(places)))]), w)
    return np.array([float(column), float(row)])


def _spicules(
    rng: np.random.Generator, centre: np.ndarray, radius: float, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Tapered, slightly bent rays: brightness [h, w] 0..1, and uint8 the pixels of their inner half."""
    import cv2

    bright, near = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    count = int(rng.integers(22, 38))
    angles = (np.arange(count) + rng.uniform(-0.45, 0.45, count)) * (TAU / count)
    lengths = radius * np.clip(1.15 + rng.exponential(0.3, count), 1.2, 2.4)
    bends, widths = rng.normal(0.0, 0.2, count), rng.uniform(2.0, 6.0, count)
    for angle, length, bend, thick in zip(angles, lengths, bends, widths, strict=True):
        ray = _ray(angle, length, bend, thick) + centre
        cv2.fillPoly(bright, [np.round(ray * 16.0).astype(np.int32)], 255, cv2.LINE_AA, 4)
        ray = _ray(angle, min(length, 1.45 * radius), bend, thick) + centre
        cv2.fillPoly(near, [np.round(ray * 16.0).astype(np.int32)], 1, cv2.LINE_8, 4)
    glow = cv2.GaussianBlur(bright.astype(np.float32) / np.float32(255.0), (0, 0), 1.6)
    return glow, near


def _ray(angle: float, length: float, bend: float, thick: float) -> np.ndarray:
    along = np.linspace(0.0, 1.0, 9)
    heading = angle + bend * along**2
    line = np.stack([np.cos(heading), np.sin(heading)], axis=1) * (along * length)[:, None]
    half = np.stack([-np.sin(heading), np.cos(heading)], axis=1) * (thick * (1.0 - 0.85 * along) / 2)[:, None]
    return np.concatenate([line + half, (line - half)[::-1]])


def _film(anatomy: _Anatomy, attenuation: np.ndarray) -> np.ndarray:
    gain, gamma = anatomy.exposure
    level = np.arange(0.0, 4.0, 1.0 / 2048.0) ** gamma
    curve = (255.0 * level / (1.0 + level**4) ** 0.25).astype(np.float32)  # the film's shoulder
    step = np.clip(attenuation * anatomy.thickness * (gain * 2048.0), 0.0, len(curve) - 1.0)
    grey = curve[step.astype(np.uint16)] + 1.2 * anatomy.grain * (anatomy.depth > 0)
    return np.clip(np.round(grey), 0, 255).astype(np.uint8)


def _annotate(image: np.ndarray, text: str, breast_on_right: bool) -> None:
    """The lead marker of the view beside the breast. Changes the image."""
    import cv2

    x = 24 if breast_on_right else image.shape[1] - 110
    cv2.putText(image, text, (x, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 235, 2, cv2.LINE_AA)
