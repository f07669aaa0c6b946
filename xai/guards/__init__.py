"""What speaks against reading a heatmap at face value: the map itself, the image, what was burned into it."""

from xai.guards.familiar import Familiar, judge_image
from xai.guards.maps import (
    BORDER_SHARE,
    PADDING_SHARE,
    Caution,
    border_share,
    hugs_border,
    judge,
    padding_share,
)
from xai.guards.shortcuts import Rerun, Shortcuts, find_shortcuts, without_marks

__all__ = [
    "BORDER_SHARE",
    "PADDING_SHARE",
    "Caution",
    "Familiar",
    "Rerun",
    "Shortcuts",
    "border_share",
    "find_shortcuts",
    "hugs_border",
    "judge",
    "judge_image",
    "padding_share",
    "without_marks",
]
