"""Synthetic images with known lesions and a known label rule.

The truth behind tests and explanations: a phantom's label is decided by its lesion alone, and the lesion's
mask is known to the pixel. Each modality's module states its rule. Made from random numbers only, so they may
be shipped; marked synthetic wherever they are shown. A series may plant a shortcut (see `writing.Drawing`).
"""

from __future__ import annotations

from models.data.phantoms.case import (
    LABELS,
    MODALITIES,
    Phantom,
    label_of,
    marker_stream,
    positive_of,
    streams,
)
from models.data.phantoms.writing import write_phantoms
from models.errors import BadInput

__all__ = ["LABELS", "MODALITIES", "Phantom", "phantom", "positive_of", "write_phantoms"]


def phantom(
    modality: str,
    seed: int,
    index: int,
    *,
    label: str | None = None,
    annotations: bool = False,
    marker: bool = False,
) -> Phantom:
    """Phantom number `index` (0, 1, ...) of the series `seed` (0, 1, ...).

    Labels come balanced: each run of len(LABELS[modality]) phantoms holds every label once. Naming a label
    draws that label's twin: the same anatomy and noise, another lesion or none. annotations burns in
    text and, at a mass, calipers (ultrasound) or a view marker (mammography): a shortcut to test audits with.
    marker burns a letter in a square into a corner, whatever the label (see `models.data.phantoms.marker`):
    the shortcut that `write_phantoms` can plant. All else stays as it is, pixel for pixel.
    Deterministic: the same arguments and library versions give the same bytes.
    Raises BadInput for an unknown modality or label and for a negative seed or index.
    """
    if modality not in LABELS:
        raise BadInput(f"Unknown modality {modality!r}: choose one of {', '.join(MODALITIES)}.")
    if seed < 0 or index < 0:
        raise BadInput("Seed and index of a phantom are whole numbers from 0 up.")
    label = label_of(modality, seed, index) if label is None else label
    if label not in LABELS[modality]:
        raise BadInput(f"Unknown {modality} label {label!r}: choose one of {', '.join(LABELS[modality])}.")
    drawn = _artist(modality)(streams(modality, seed, index), label, annotations)
    if not marker:
        return drawn
    from models.data.phantoms.marker import with_marker

    return with_marker(drawn, marker_stream(modality, seed, index))


def _artist(modality: str):
    if modality == "ultrasound":
        from models.data.phantoms.ultrasound import draw
    elif modality == "mammography":
        from models.data.phantoms.mammography import draw
    else:
        from models.data.phantoms.histopathology import draw
    return draw
