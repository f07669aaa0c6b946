"""A study with the outline of its lesion and nothing else."""

from __future__ import annotations

import numpy as np

from models.study import Study
from pages.ui.pictures import Picture
from xai.export import png_bytes
from xai.overlay import draw_outline, mask_outline, to_rgb


def outlined_picture(study: Study, mask: np.ndarray) -> Picture:
    """The study at its own size with the outline of `mask` bool [H, W]; for studies as small as phantoms."""
    rgb = draw_outline(to_rgb(study.display()), mask_outline(mask))
    return Picture(png_bytes(rgb), study.height, study.width, rgb.shape[:2])
