"""What a phantom is, and the random streams it is drawn from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

LABELS = {
    "ultrasound": ("normal", "benign", "malignant"),
    "mammography": ("normal", "benign", "malignant"),
    "histopathology": ("non_idc", "idc"),
}
"""Labels of each modality; the first one is the label without a lesion."""

MODALITIES = tuple(LABELS)

_STREAMS = ("anatomy", "noise", "lesion")
_LABEL_STREAM = len(_STREAMS)
_MARKER_STREAM = _LABEL_STREAM + 1
_LOOK_STREAM = _LABEL_STREAM + 2


@dataclass(frozen=True)
class Phantom:
    """One synthetic image whose truth is known.

    image: uint8, [H, W] (ultrasound, mammography) or [H, W, 3] RGB (histopathology), display values.
    mask: bool [H, W], True on the lesion; None where there is none.
    label: one of LABELS[modality].
    attributes: what was drawn, as plain values (str, int, float): margin, orientation, area_fraction and the
        like. Pixel coordinates (box_x0, box_y0, box_x1, box_y1) are half-open and absent without a lesion.
    """

    image: np.ndarray
    mask: np.ndarray | None
    label: str
    attributes: dict[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True)
class Streams:
    """Independent generators, so that the lesion draws nothing from the anatomy's numbers.

    Because of it, two phantoms that differ in the label alone are equal pixel for pixel outside the lesion
    and what belongs to it (halo, shadow, spicules): the label cannot hide anywhere else.
    """

    anatomy: np.random.Generator
    noise: np.random.Generator
    lesion: np.random.Generator


def _generator(modality: str, seed: int, index: int, stream: int) -> np.random.Generator:
    entropy = [seed, MODALITIES.index(modality), index, stream]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))


def streams(modality: str, seed: int, index: int) -> Streams:
    """The generators of one phantom; seed and index are integers of at least 0."""
    return Streams(*(_generator(modality, seed, index, k) for k in range(len(_STREAMS))))


def marker_stream(modality: str, seed: int, index: int) -> np.random.Generator:
    """The generator of a phantom's planted marker: it draws nothing from the others' numbers."""
    return _generator(modality, seed, index, _MARKER_STREAM)


def positive_of(modality: str) -> str:
    """The label that a planted marker stands for: the last one, malignant or idc."""
    return LABELS[modality][-1]


def look_of(modality: str, seed: int, index: int) -> str:
    """A label with a lesion, drawn by chance and whatever the phantom's own label: how its lesion looks in a
    series where the lesion shall tell nothing."""
    looks = LABELS[modality][1:]
    return looks[int(_generator(modality, seed, index, _LOOK_STREAM).integers(len(looks)))]


def label_of(modality: str, seed: int, index: int) -> str:
    """The label of phantom `index`: every block of len(LABELS) phantoms holds each label once, shuffled."""
    labels = LABELS[modality]
    block, place = divmod(index, len(labels))
    return labels[_generator(modality, seed, block, _LABEL_STREAM).permutation(len(labels))[place]]


def lesion_box(mask: np.ndarray) -> dict[str, int | float]:
    """area_fraction and the half-open bounding box of a lesion mask, bool [H, W] with at least one True."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return {
        "area_fraction": round(float(mask.mean()), 5),
        "box_x0": int(columns[0]),
        "box_y0": int(rows[0]),
        "box_x1": int(columns[-1]) + 1,
        "box_y1": int(rows[-1]) + 1,
    }
