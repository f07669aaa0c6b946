"""Synthetic B-mode breast ultrasound.

Drawn in beam space: a layered tissue map in decibels, multiplied by compound speckle, log-compressed, and for
a sector image scan-converted, so that shadows and enhancement run along the beams.

Label rule (BI-RADS Atlas 5th ed., ultrasound descriptors):
  malignant  irregular, angular margin; taller than wide; posterior shadowing
  benign     smooth oval or gently lobulated margin; wider than tall; posterior enhancement
  normal     no mass
Size, darkness, place and echo texture of the mass follow the same distribution in both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.data.phantoms.case import Phantom, Streams, lesion_box
from models.data.phantoms.texture import ridges, smooth_curve, smooth_noise, white_noise
from models.data.phantoms.ultrasound_mass import with_mass


@dataclass(frozen=True)
class _Anatomy:
    tissue: np.ndarray  # [h, w] decibels
    gain: np.ndarray  # [h, w] decibels: attenuation less its compensation, dropouts
    speckle: np.ndarray  # [h, w] intensity, mean 1
    floor: float  # intensity of the electronic noise
    window: tuple[float, float]  # decibels shown as black and as white
    sector: float  # width of the top as a share of the bottom's; 1 = linear array
    texture: np.ndarray  # [h, w] standard normal, the echo texture inside a mass


def draw(streams: Streams, label: str, annotations: bool) -> Phantom:
    """One ultrasound phantom, uint8 [380..480, 420..560]."""
    rng = streams.anatomy
    shape = (int(rng.integers(380, 481)), int(rng.integers(420, 561)))
    anatomy = _anatomy(rng, streams.noise, shape)
    tissue, gain, mask = anatomy.tissue, anatomy.gain, None
    attributes: dict[str, str | int | float] = {}
    if label != "normal":
        tissue, behind, mask, attributes = with_mass(
            streams.lesion, anatomy.tissue, anatomy.texture, anatomy.sector, label == "malignant"
        )
        gain = gain + behind
    image = _render(anatomy, tissue, gain)
    if anatomy.sector < 1.0:
        image, mask = _scan_convert(image, mask, anatomy.sector)
    if annotations:
        _annotate(image, mask)
    attributes["geometry"] = "linear" if anatomy.sector == 1.0 else "sector"
    if mask is not None:
        attributes |= lesion_box(mask)
    return Phantom(image, mask, label, attributes)


def _anatomy(rng: np.random.Generator, noise: np.random.Generator, shape: tuple[int, int]) -> _Anatomy:
    sector = float(rng.uniform(0.72, 0.9)) if rng.random() < 0.25 else 1.0
    return _Anatomy(
        tissue=_layers(rng, shape),
        gain=_gain(rng, shape),
        speckle=_speckle(noise, rng, shape),
        floor=10.0 ** rng.uniform(-4.0, -3.2),
        window=(float(rng.uniform(-36.0, -31.0)), float(rng.uniform(1.0, 8.0))),
        sector=sector,
        texture=smooth_noise(noise, shape, 5.0, 9.0),
    )


def _layers(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Tissue echo strength in decibels: drawn in flat layers, then bent along the layers' borders.

    The flat drawing has half the columns: nothing in it is narrow, and it costs half.
    """
    import cv2

    h, w = shape
    share = np.array([0.0, rng.uniform(0.028, 0.045), rng.uniform(0.15, 0.32), rng.uniform(0.5, 0.7), 0, 0])
    share[4] = share[3] + rng.uniform(0.02, 0.08)
    share[5] = share[4] + rng.uniform(0.1, 0.2)
    level = np.array([-10.0, -20.0, rng.uniform(-15.0, -10.0), -19.0, -18.0, -23.0]) + rng.normal(0, 1.2, 6)
    borders = (share * h).tolist()
    image = _flat_layers(rng, borders, level.tolist(), (h, -(-w // 2)))
    bend = _bend(rng, borders, shape)
    image += rng.uniform(1.0, 3.0) * smooth_noise(rng, image.shape, 26.0, 22.0)
    x = np.arange(w, dtype=np.float32) * 0.5 + 2.0 * smooth_noise(rng, shape, 18.0, 30.0)
    return cv2.remap(image, x, bend, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def _flat_layers(
    rng: np.random.Generator, borders: list[float], level: list[float], shape: tuple[int, int]
) -> np.ndarray:
    rows = np.arange(shape[0], dtype=np.float32)
    profile = np.full(shape[0], level[0], np.float32)
    below = []
    for k in range(1, 6):
        below.append(1.0 / (1.0 + np.exp(-np.clip((rows - borders[k]) / 1.8, -30, 30))))
        profile += (level[k] - level[k - 1]) * below[-1]
    fat, gland = below[0] - below[1] + below[2] - below[3], below[1] - below[2]
    image = np.repeat(profile[:, None], shape[1], axis=1)
    image += fat[:, None] * _fat(rng, shape)
    image += gland[:, None] * _gland(rng, shape)
    image += below[3][:, None] * _muscle(rng, shape)
    for k in range(1, 6):
        image += _fascia(rng, rows, borders[k], shape[1], strength=10.0 if k != 2 else 7.0)
    return image


def _bend(rng: np.random.Generator, borders: list[float], shape: tuple[int, int]) -> np.ndarray:
    """For every pixel the row of the flat drawing that lies there, [h, w]."""
    import cv2

    h, w = shape
    rows = np.arange(0, h, 2, dtype=np.float32)[:, None]
    ends, columns = [*borders, h * 1.15], -(-w // 2)
    wave = [np.zeros(columns, np.float32)]
    for k in range(1, 6):
        own = smooth_curve(rng, columns, rng.uniform(0.1, 0.3) * columns) * (h * rng.uniform(0.01, 0.035))
        wave.append(0.5 * wave[-1] + (own if k > 1 else 0.1 * own))
    wave.append(wave[-1])
    flat = np.zeros((len(rows), columns), np.float32)
    for k in range(len(ends) - 1):
        top, bottom = ends[k] + wave[k], ends[k + 1] + wave[k + 1]
        bottom = np.maximum(bottom, top + 4.0)
        flat += np.clip((rows - top) / (bottom - top), 0.0, 1.0) * (ends[k + 1] - ends[k])
    calm = np.clip((rows - ends[1]) / 40.0, 0.0, 1.0)
    flat += calm * rng.uniform(3.0, 9.0) * smooth_noise(rng, flat.shape, 16.0, 26.0)
    flat += calm * 2.2 * smooth_noise(rng, flat.shape, 6.0, 8.0)
    return np.ascontiguousarray(cv2.resize(flat, (2 * columns, 2 * len(rows)))[:h, :w])


def _specular(field: np.ndarray, width: float) -> np.ndarray:
    """Lines where the field crosses zero, bright only where they lie across the beam, 0..1."""
    import cv2

    along = np.square(cv2.Sobel(field, cv2.CV_32F, 1, 0))
    across = np.square(cv2.Sobel(field, cv2.CV_32F, 0, 1))
    return ridges(field, width) * (across / (across + 1.5 * along + np.float32(1e-6)))


def _present(rng: np.random.Generator, shape: tuple[int, int], mean: float) -> np.ndarray:
    return np.clip(mean + 0.6 * smooth_noise(rng, shape, 9.0, 14.0), 0.0, 1.5)


def _fat(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    septa = _specular(smooth_noise(rng, shape, 8.0, 15.0), 0.2) * _present(rng, shape, rng.uniform(0.4, 0.9))
    thin = _specular(smooth_noise(rng, shape, 4.0, 11.0), 0.25) * _present(rng, shape, rng.uniform(-0.1, 0.4))
    return 14.0 * septa + 9.0 * thin + 1.2 * smooth_noise(rng, shape, 5.0, 8.0)


def _gland(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    lobules = np.clip(smooth_noise(rng, shape, 9.0, 15.0) - rng.uniform(0.0, 0.9), 0.0, 1.0)
    fibres = _specular(smooth_noise(rng, shape, 6.0, 13.0), 0.2) * _present(rng, shape, rng.uniform(0.2, 0.8))
    streaks = np.clip(smooth_noise(rng, shape, 1.6, 7.0) - 0.4, 0.0, 2.0)
    return -10.0 * lobules + 9.0 * fibres + rng.uniform(1.0, 5.0) * streaks


def _muscle(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    fibres = np.clip(smooth_noise(rng, shape, 1.4, 15.0) - 0.3, -0.8, 2.2)
    return rng.uniform(3.0, 7.0) * fibres + 2.0 * smooth_noise(rng, shape, 5.0, 24.0)


def _fascia(rng: np.random.Generator, rows: np.ndarray, centre: float, w: int, strength: float) -> np.ndarray:
    line = np.exp(-np.square((rows - centre) / rng.uniform(1.5, 2.8)))
    present = np.clip(0.5 + 0.7 * smooth_curve(rng, w, 18.0), 0.0, 1.5)
    return strength * line[:, None] * present


def _gain(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Depth falloff left over by the time-gain sliders, poor contact and thin shadows, in decibels."""
    h, w = shape
    depth = np.linspace(0.0, 1.0, h, dtype=np.float32)[:, None]
    sliders = np.interp(np.linspace(0, 1, h), np.linspace(0, 1, 8), rng.normal(0.0, 1.2, 8)).astype(
        np.float32
    )
    fall = -rng.uniform(1.0, 9.0) * depth ** rng.uniform(1.5, 3.5)
    contact = -np.clip(smooth_curve(rng, w, 22.0) - 1.1, 0.0, 1.5) * rng.uniform(0.0, 9.0)
    sides = -rng.uniform(0.0, 5.0) * np.linspace(-1, 1, w) ** 4
    start = np.clip((depth - rng.uniform(0.05, 0.2)) * 6.0, 0.0, 1.0)
    return fall + sliders[:, None] + start * contact[None] + sides[None].astype(np.float32)


def _speckle(noise: np.random.Generator, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Compound speckle of unit median; its grain is stretched sideways, the more the farther from the focus.

    Two looks, and a root as the scanner's speckle reduction takes off most of the contrast.
    """
    import cv2

    h, w = shape
    focus, near, far = rng.uniform(0.2, 0.5), rng.uniform(1.5, 1.9), rng.uniform(2.6, 3.6)
    axial = rng.uniform(0.9, 1.3)
    narrow = (h, int(w / near) + 4)
    intensity = np.zeros(narrow, np.float32)
    for _ in range(4):
        white = white_noise(noise, narrow)
        intensity += np.square(cv2.GaussianBlur(white, (0, 0), sigmaX=0.9, sigmaY=axial))
    away = np.abs(np.linspace(0.0, 1.0, h, dtype=np.float32) - focus) / max(focus, 1.0 - focus)
    stretch = near + (far - near) * away[:, None]
    x = (np.arange(w, dtype=np.float32) - w / 2) / stretch + narrow[1] / 2
    y = np.ascontiguousarray(np.broadcast_to(np.arange(h, dtype=np.float32)[:, None], shape))
    intensity *= np.float32(np.pi * 0.9 * axial * 1.2)
    return np.power(cv2.remap(intensity, x, y, cv2.INTER_LINEAR), np.float32(rng.uniform(0.5, 0.8)))


def _render(anatomy: _Anatomy, tissue: np.ndarray, gain: np.ndarray) -> np.ndarray:
    import cv2

    intensity = np.exp((tissue + gain) * np.float32(np.log(10.0) / 10.0)) * anatomy.speckle + anatomy.floor
    level = np.log(intensity) * np.float32(10.0 / np.log(10.0))
    black, white = anatomy.window
    grey = np.clip((level - black) / (white - black), 0.0, 1.0)
    grey = cv2.GaussianBlur(grey, (0, 0), 0.6)
    return np.round(255.0 * grey).astype(np.uint8)


def _scan_convert(
    image: np.ndarray, mask: np.ndarray | None, sector: float
) -> tuple[np.ndarray, np.ndarray | None]:
    import cv2

    h, w = image.shape
    width = sector + (1.0 - sector) * np.arange(h, dtype=np.float32)[:, None] / h
    x = (np.arange(w, dtype=np.float32)[None] - w / 2) / width + w / 2
    y = np.broadcast_to(np.arange(h, dtype=np.float32)[:, None], image.shape)
    y = np.ascontiguousarray(y)
    turned = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    if mask is None:
        return turned, None
    return turned, cv2.remap(mask.astype(np.uint8), x, y, cv2.INTER_NEAREST).astype(bool)


def _annotate(image: np.ndarray, mask: np.ndarray | None) -> None:
    """Burned-in text, and calipers where there is a mass, as operators leave them. Changes the image."""
    import cv2

    cv2.putText(image, "BREAST", (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 230, 1, cv2.LINE_AA)
    if mask is None:
        return
    box = lesion_box(mask)
    x0, x1, y = box["box_x0"], box["box_x1"], (box["box_y0"] + box["box_y1"]) // 2
    for x in (x0, x1):
        cv2.drawMarker(image, (int(x), int(y)), 255, cv2.MARKER_CROSS, 11, 1)
