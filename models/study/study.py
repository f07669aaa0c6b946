"""One image of one patient, as read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from models.study.dicom import DicomFacts

MODALITIES = ("ultrasound", "mammography", "histopathology")

# ITU-R BT.601 luma, the weights of a scanner's grey picture that was saved as colour.
_REC_601 = (0.299, 0.587, 0.114)


@dataclass(frozen=True, eq=False)
class Study:
    """An image as read from its file, at full depth.

    samples: uint8 or uint16 [H, W, C], C 1 (grey) or 3 (RGB), read-only. depth_max: the sample that means 1.0
    (255, 1023, 4095, 16383 or 65535). name: for display, already sanitised. digest: sha256 of the file's
    bytes, in hexadecimal, or of that with the frame or window that was asked for; compare studies by it.
    modality: one of MODALITIES or None where unknown. spacing_mm: (row, column) pixel spacing in millimetres,
    or None. view: such as "CC", "MLO", "XCCL". laterality: "L", "R" or "B". notices: whole sentences about
    what was changed or chosen while reading, to be shown with the image. frames: how many the file has;
    frame: which one this is, from 0. dicom: what a DICOM says besides, None of other files.
    """

    samples: np.ndarray
    depth_max: int
    name: str
    digest: str
    modality: str | None = None
    spacing_mm: tuple[float, float] | None = None
    view: str | None = None
    laterality: str | None = None
    synthetic: bool = False
    notices: tuple[str, ...] = ()
    frames: int = 1
    frame: int = 0
    dicom: DicomFacts | None = None

    def area_mm2(self, pixels: float) -> float | None:
        """The area of so many pixels in square millimetres; None where the spacing is not known."""
        if self.spacing_mm is None:
            return None
        return float(pixels) * self.spacing_mm[0] * self.spacing_mm[1]

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self.samples.shape[0]

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return self.samples.shape[1]

    @property
    def channels(self) -> int:
        """1 for grey, 3 for RGB."""
        return self.samples.shape[2]

    @property
    def is_grey(self) -> bool:
        return self.channels == 1

    def plane(self, channel: int) -> np.ndarray:
        """float32 [H, W] in 0..1: one channel at full depth."""
        return np.divide(self.samples[..., channel], np.float32(self.depth_max), dtype=np.float32)

    def unit(self) -> np.ndarray:
        """float32 [H, W, C] in 0..1, at full depth."""
        return np.divide(self.samples, np.float32(self.depth_max), dtype=np.float32)

    def grey(self) -> np.ndarray:
        """float32 [H, W] in 0..1: the grey plane, or the luminance (Rec. 601) of a colour image."""
        if self.is_grey:
            return self.plane(0)
        return sum(np.float32(weight) * self.plane(c) for c, weight in enumerate(_REC_601))

    def display(self) -> np.ndarray:
        """uint8 [H, W, C]: depth_max shown as 255, rounded; nothing else is done to the image."""
        if self.samples.dtype == np.uint8 and self.depth_max == 255:
            return self.samples
        steps = np.arange(self.depth_max + 1) * (255.0 / self.depth_max)
        return np.rint(steps).astype(np.uint8)[np.minimum(self.samples, self.depth_max)]
