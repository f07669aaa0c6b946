"""Cases of a manifest as arrays in memory, resized exactly as inference resizes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from models.data.manifest import Case
from models.errors import BadInput
from models.inputs import InputSpec
from models.study import mask_for, read_mask, read_study


@dataclass(frozen=True)
class Arrays:
    """images uint8 [n, h, w, C]; masks uint8 [n, h, w] (0 or 255, share of lesion); masked bool [n]: has a
    mask."""

    images: np.ndarray
    masks: np.ndarray
    masked: np.ndarray


def load_arrays(
    cases: Sequence[Case], spec: InputSpec, progress: Callable[[Sequence[Case]], Sequence[Case]] | None = None
) -> Arrays:
    """Read every case and its mask; BadInput names the first file that cannot be read.

    Eight bits are enough for augmented training; evaluation reads the files again at full depth.
    """
    images = np.zeros((len(cases), spec.height, spec.width, spec.channels), np.uint8)
    masks = np.zeros((len(cases), spec.height, spec.width), np.uint8)
    masked = np.zeros(len(cases), bool)
    for i, case in enumerate(progress(cases) if progress else cases):
        try:
            study = read_study(case.file)
            prepared = spec.tensor(study)
            images[i] = np.round(prepared.tensor[0] * 255).astype(np.uint8)
            if case.mask_file is not None:
                mask = mask_for(study, read_mask(case.mask_file)).astype(np.float32)
                masks[i] = np.round(prepared.placement.to_input(mask) * 255).astype(np.uint8)
                masked[i] = True
        except BadInput as refusal:
            raise BadInput(f"{case.file.name} (row {case.row} of the manifest): {refusal}") from refusal
    return Arrays(images, masks, masked)
