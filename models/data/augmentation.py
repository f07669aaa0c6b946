"""Random changes that leave the label true: one affine warp of image and mask, then stain, brightness,
contrast, noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Optical density of haematoxylin, eosin and DAB in red, green and blue, rows of unit length (Ruifrok and
# Johnston 2001, Anal. Quant. Cytol. Histol. 23:291).
_STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
_STAINS /= np.linalg.norm(_STAINS, axis=1, keepdims=True)
_UNMIX = np.linalg.inv(_STAINS)
_DARKEST = 1.0 / 255.0


@dataclass(frozen=True)
class Augmentation:
    """How far a training image may be changed; zero switches a change off.

    flip: mirrored left to right in half of the cases. flip_vertical, quarter_turns: likewise, for tissue
    without an up and down. rotation: degrees either way. zoom, shift: fractions of the size. brightness:
    added, in 0..1. contrast: relative change about the mean. noise: standard deviation of Gaussian noise, in
    0..1. stain: relative change of each stain's concentration in a colour image, and shift of it by as much
    (Tellez et al. 2018, IEEE Trans. Med. Imaging 37:2126).
    """

    flip: bool = False
    flip_vertical: bool = False
    quarter_turns: bool = False
    rotation: float = 0.0
    zoom: float = 0.0
    shift: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    noise: float = 0.0
    stain: float = 0.0

    def __call__(
        self, image: np.ndarray, mask: np.ndarray | None, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """image float32 [h, w, C] in 0..1, mask float32 [h, w] or None -> the same, changed together."""
        matrix = self._affine(image.shape[0], image.shape[1], rng)
        image = _warped(image, matrix)
        mask = _warped(mask, matrix) if mask is not None else None
        return self._recoloured(image, rng), mask

    def _affine(self, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
        angle = np.deg2rad(rng.uniform(-self.rotation, self.rotation))
        if self.quarter_turns:
            angle += rng.integers(4) * np.pi / 2
        scale = np.exp(rng.uniform(-self.zoom, self.zoom))
        flip_x = -1.0 if self.flip and rng.random() < 0.5 else 1.0
        flip_y = -1.0 if self.flip_vertical and rng.random() < 0.5 else 1.0
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        linear = scale * turn @ np.diag([flip_x, flip_y])
        centre = np.array([(width - 1) / 2, (height - 1) / 2])
        moved = rng.uniform(-self.shift, self.shift, 2) * (width, height)
        return np.column_stack([linear, centre - linear @ centre + moved])

    def _recoloured(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if self.stain and image.shape[2] == 3:
            image = _restained(image, rng.uniform(-self.stain, self.stain, (2, 3)))
        mean = image.mean()
        image = (image - mean) * (1.0 + rng.uniform(-self.contrast, self.contrast)) + mean
        image = image + rng.uniform(-self.brightness, self.brightness)
        if self.noise:
            image = image + rng.normal(0.0, self.noise * rng.random(), image.shape)
        return np.clip(image, 0.0, 1.0).astype(np.float32)


def _restained(image: np.ndarray, change: np.ndarray) -> np.ndarray:
    """image [h, w, 3] in 0..1 with its stains' concentrations c made (1 + change[0]) c + change[1]."""
    density = -np.log(np.maximum(image, _DARKEST))
    stained = density @ _UNMIX * (1.0 + change[0]) + change[1]
    return np.clip(np.exp(-stained @ _STAINS), 0.0, 1.0).astype(np.float32)


def _warped(array: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    import cv2

    height, width = array.shape[:2]
    return cv2.warpAffine(array, matrix, (width, height), flags=cv2.INTER_LINEAR).reshape(array.shape)
