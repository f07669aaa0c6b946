"""What is asked of a method, and how a slow one is watched and stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from models.errors import BadInput
from xai.methods.registry import DEFAULT_METHOD, METHODS, check_method
from xai.methods.target import Target

Watch = Callable[[int, int], None]
"""Called with (done, total) passes between batches; raises Cancelled to stop."""


class Cancelled(Exception):
    """Someone stopped the work that was being watched."""


@dataclass(frozen=True)
class Request:
    """One map's question.

    target: what is explained. method: a key of METHODS. layer: a published layer of a branch (see
    `xai.methods.layers`), None for the last layer of every branch. masks: how many passes a perturbation may
    take (Score-CAM: its most active channels, RISE: its masks), None for the method's own number. seed: of
    RISE's masks and SmoothGrad's noise. BadInput for an unknown method, a layer where the method has none,
    or a number of masks that is none.
    """

    target: Target
    method: str = DEFAULT_METHOD
    layer: str | None = None
    masks: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "method", check_method(self.method))
        if self.masks is not None and self.masks < 1:
            raise BadInput(f"{self.masks} masks are none: give 1 or more.")
        if self.seed < 0:
            raise BadInput(f"The seed {self.seed} is negative: give 0 or more.")
        found = METHODS[self.method]
        if self.layer is not None and found.layers == "none":
            raise BadInput(f"{found.title} looks at the whole network and has no layer: leave the layer out.")
