"""Which layers of a run maps can be made at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.errors import BadInput
from xai.methods.registry import METHODS, check_method

if TYPE_CHECKING:
    from models.runs import Run


def published_layers(run: Run) -> dict[str, str]:
    """Layer -> name of the branch it belongs to, each branch's from first to last.

    Names are those of the flat graph, `<backbone>_<layer>`. The last one of a branch feeds the head; maps at
    earlier ones need backpropagation (TensorFlow). Keras is not loaded to tell.
    """
    from models.networks.backbones import BACKBONES

    found = {}
    for branch in run.branches:
        backbone = BACKBONES.get(branch.backbone)
        names = [f"{branch.backbone}_{layer}" for layer in backbone.published] if backbone else []
        found |= dict.fromkeys((*names, branch.target_layer), branch.name)
    return found


def is_last(run: Run, layer: str | None) -> bool:
    """Whether a layer feeds the head, so that its gradient is among what the engine's one pass gives."""
    return layer is None or layer in {branch.target_layer for branch in run.branches}


def check_layer(run: Run, method: str, layer: str | None) -> None:
    """BadInput unless the run has that layer and the method can look at it; None is every branch's last."""
    if layer is None:
        return
    known = published_layers(run)
    if layer not in known:
        raise BadInput(f"The run {run.id} has no layer {layer!r}: choose one of {', '.join(known)}.")
    found = METHODS[check_method(method)]
    if found.layers == "last" and not is_last(run, layer):
        last = ", ".join(branch.target_layer for branch in run.branches)
        raise BadInput(f"{found.title} looks at the last layer alone: leave the layer out, or give {last}.")
