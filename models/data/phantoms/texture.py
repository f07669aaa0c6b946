"""Random textures and outlines that the three modalities share. Arrays are float32 unless said otherwise."""

from __future__ import annotations

import numpy as np

TAU = 2.0 * np.pi


def white_noise(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Uncorrelated noise [h, w], mean 0, standard deviation 1, uniform in 256 steps.

    Every user blurs it, which makes it Gaussian; drawing bytes costs a seventh of drawing Gaussians.
    """
    byte = rng.integers(0, 256, shape, dtype=np.uint8)
    return (byte.astype(np.float32) - np.float32(127.5)) * np.float32(np.sqrt(12.0 / (256.0**2 - 1.0)))


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int], sigma_y: float, sigma_x: float
) -> np.ndarray:
    """Gaussian noise [h, w] correlated over sigma_y by sigma_x pixels, standard deviation about 1.

    Drawn on a grid as coarse as the correlation allows and enlarged: a wide blur at the cost of a narrow one.
    """
    import cv2

    step_y, step_x = max(1, int(sigma_y / 1.5)), max(1, int(sigma_x / 1.5))
    rows, columns = -(-shape[0] // step_y) + 4, -(-shape[1] // step_x) + 4
    grid = white_noise(rng, (rows, columns))
    sy, sx = sigma_y / step_y, sigma_x / step_x
    grid = cv2.GaussianBlur(grid, (0, 0), sigmaX=sx, sigmaY=sy, borderType=cv2.BORDER_REFLECT)
    grid *= np.float32(2.0 * np.sqrt(np.pi * sx * sy))  # the blur's own loss of variance
    if step_y > 1 or step_x > 1:
        grid = cv2.resize(grid, (columns * step_x, rows * step_y), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(grid[2 * step_y : 2 * step_y + shape[0], 2 * step_x : 2 * step_x + shape[1]])


def smooth_curve(rng: np.random.Generator, length: int, sigma: float) -> np.ndarray:
    """Gaussian noise [length] correlated over sigma samples, standard deviation about 1."""
    return smooth_noise(rng, (1, length), 1.0, sigma)[0]


def ridges(field: np.ndarray, width: float) -> np.ndarray:
    """Thin bright lines, 0..1, where a noise field crosses zero: septa, fibres, vessels."""
    return np.exp(-np.square(field * np.float32(1.0 / width)))


def outline(
    rng: np.random.Generator, half_width: float, half_height: float, harmonics: np.ndarray, points: int = 180
) -> np.ndarray:
    """A closed curve [points, 2] (x, y) about the origin whose bounding box is 2 half_width by 2 half_height.

    harmonics: relative amplitudes of the radial waves 2, 3, 4, ... laid over an ellipse.
    """
    angle = np.linspace(0.0, TAU, points, endpoint=False)
    radius = np.ones(points)
    phase = rng.uniform(0.0, TAU, len(harmonics))
    sign = rng.standard_normal(len(harmonics))
    for order, (amplitude, shift, factor) in enumerate(zip(harmonics, phase, sign, strict=True), start=2):
        radius += amplitude * factor * np.cos(order * angle + shift)
    curve = np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.clip(radius, 0.35, 2.0)[:, None]
    return fit_to_box(curve, half_width, half_height)


def fit_to_box(curve: np.ndarray, half_width: float, half_height: float) -> np.ndarray:
    """The curve [n, 2] moved and scaled so that its bounding box is centred and of the given half sides."""
    low, high = curve.min(axis=0), curve.max(axis=0)
    return (curve - (low + high) / 2.0) * (2.0 * np.array([half_width, half_height]) / (high - low))


def filled(curve: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """uint8 [h, w] of 0 and 1: the inside of a closed curve [n, 2] (x, y) in pixels."""
    import cv2

    canvas = np.zeros(shape, np.uint8)
    cv2.fillPoly(canvas, [np.round(curve * 16.0).astype(np.int32)], 1, lineType=cv2.LINE_8, shift=4)
    return canvas


def power_law(rng: np.random.Generator, shape: tuple[int, int], beta: float) -> np.ndarray:
    """Noise [h, w] with power spectrum 1 / f^beta, f in cycles a pixel; standard deviation about 1.

    A sum of octaves: an octave of a 1 / f^beta plane holds variance in proportion to f^(2 - beta).
    """
    import cv2

    octaves = max(1, int(np.log2(min(shape) / 7.5)))
    total, power = None, 0.0
    for octave in reversed(range(octaves)):
        size = -(-shape[0] // 2**octave), -(-shape[1] // 2**octave)
        weight = 2.0 ** (octave * (beta / 2.0 - 1.0))
        grain = weight * smooth_noise(rng, size, 1.4, 1.4)
        total = (
            grain if total is None else grain + cv2.resize(total, size[::-1], interpolation=cv2.INTER_CUBIC)
        )
        power += weight**2
    return total * np.float32(power**-0.5)
