"""One question, one set of maps, whichever family the method belongs to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from models.errors import BadInput
from xai.cam import Explanation
from xai.methods.registry import why_not
from xai.methods.request import Request, Watch
from xai.methods.stored import explain_case

if TYPE_CHECKING:
    from models.engines import Engine
    from xai.explain import Reading

Predict = Callable[[np.ndarray], np.ndarray]
"""float32 [N, h, w, C] -> margins [N, classes]."""


def make_maps(
    reading: Reading, request: Request, *, engine: Engine | None = None, watch: Watch | None = None
) -> Explanation:
    """The maps that `request` asks for, of a reading's one case.

    engine: one opened for the reading's run; methods that look at the network again need it, and those that
    differentiate to the input open the TensorFlow engine where it is another. watch: called between batches
    of passes, see `Watch`. BadInput where the run cannot give the method (`why_not`), or for an unknown
    class or layer; Cancelled where `watch` stops it.
    """
    if reason := why_not(request.method, reading.run):
        raise BadInput(reason)
    request.target.weights(reading.explained.classes)
    return explain_case(reading.explained, request.target, request.method, request.layer)
