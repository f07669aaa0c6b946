"""One question, one set of maps, whichever family the method belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from models.errors import BadInput
from xai.cam import JOINT, Explanation, GridMap, joint_map
from xai.methods.layers import check_layer, is_last, published_layers
from xai.methods.registry import METHODS, RISE_MASKS, why_not
from xai.methods.request import Request, Watch
from xai.methods.stored import ABLATION, explain_case, layer_values

if TYPE_CHECKING:
    from models.engines import Engine
    from models.engines.tensorflow import TensorFlowEngine
    from models.runs import Run
    from xai.explain import Reading

INPUT = "input"
"""The layer of a map of the whole network."""


def check_request(run: Run, request: Request) -> None:
    """BadInput where the run has no such class or layer, or cannot give such a map; before any network
    runs."""
    request.target.weights(run.classes)
    if reason := why_not(request.method, run):
        raise BadInput(reason)
    check_layer(run, request.method, request.layer)


def make_maps(
    reading: Reading, request: Request, *, engine: Engine | None = None, watch: Watch | None = None
) -> Explanation:
    """The maps that `request` asks for, of a reading's one case.

    engine: one opened for the reading's run; methods that look at the network again need it, and those that
    differentiate to the input open the TensorFlow engine where it is another. watch: called between batches
    of passes, see `Watch`. BadInput where the run cannot give the method (`why_not`), or for an unknown
    class or layer; Cancelled where `watch` stops it.
    """
    check_request(reading.run, request)
    family = METHODS[request.method].family
    if family == "stored" and is_last(reading.run, request.layer):
        return _stored(reading, request)
    if engine is None:
        raise ValueError(f"{request.method} looks at the network again: give the run's engine.")
    if family == "perturbation":
        return _perturbed(reading, request, engine, watch)
    differentiable = _tensorflow(reading.run, engine)
    if family == "stored":
        return _earlier(reading, request, differentiable)
    if family == "library":
        return _by_library(reading, request, differentiable, watch)
    return _differentiated(reading, request, differentiable, watch)


def _stored(reading: Reading, request: Request) -> Explanation:
    head = None
    if request.method == ABLATION:
        from models.engines.head import open_head

        head = open_head(reading.run)
    return explain_case(reading.explained, request.target, request.method, request.layer, head)


def _earlier(reading: Reading, request: Request, engine: TensorFlowEngine) -> Explanation:
    from xai.methods.gradient import layer_tensors

    activations, gradient = layer_tensors(engine, _tensor(reading), request.layer, request.target)
    return _of_layer(reading, request, layer_values(request.method, activations, gradient))


def _perturbed(reading: Reading, request: Request, engine: Engine, watch: Watch | None) -> Explanation:
    from xai.methods.perturbation import predictor

    tensor, predict = _tensor(reading), predictor(engine)
    target, classes = request.target, reading.explained.classes
    if request.method == "rise":
        from xai.methods.rise import rise

        masks = request.masks or RISE_MASKS
        return _whole(
            reading, request, rise(tensor, predict, target, classes, masks, seed=request.seed, watch=watch)
        )
    if request.method == "occlusion":
        from xai.methods.occlusion import occlusion

        inside = reading.placement.content_share(*tensor.shape[1:3]) > 0.5
        return _whole(
            reading, request, occlusion(tensor, predict, target, classes, watch=watch, inside=inside)
        )
    from xai.methods.score_cam import score_cam

    found = score_cam(reading.explained, tensor, predict, target, classes, request.masks, watch)
    layers = {branch.name: branch.layer for branch in reading.explained.branches}
    maps = [_map(request, values, name, layers[name]) for name, values in found]
    if request.layer is not None:
        maps = [found for found in maps if found.layer == request.layer]
    return _explanation(reading, request, maps)


def _differentiated(
    reading: Reading, request: Request, engine: TensorFlowEngine, watch: Watch | None
) -> Explanation:
    from xai.methods import gradient

    asked = (engine, _tensor(reading), request.target, reading.explained.classes)
    if request.method == "saliency":
        values = gradient.saliency(*asked)
    elif request.method == "smoothgrad":
        values = gradient.smoothgrad(*asked, seed=request.seed, watch=watch)
    elif request.method == "integrated-gradients":
        values = gradient.integrated_gradients(*asked, watch=watch)
    elif request.method == "guided-backprop":
        values = gradient.guided_backprop(*asked)
    else:
        cam = explain_case(reading.explained, request.target).joint
        values = gradient.guided_grad_cam(*asked, cam.values)
    return _whole(reading, request, values)


def _by_library(
    reading: Reading, request: Request, engine: TensorFlowEngine, watch: Watch | None
) -> Explanation:
    from xai.methods.gradient import library_map

    asked = (engine, request.method, _tensor(reading), request.target, reading.explained.classes)
    if METHODS[request.method].layers == "none":
        return _whole(reading, request, library_map(*asked))
    if request.layer is not None:
        return _of_layer(reading, request, library_map(*asked, request.layer, request.masks))
    maps = []
    for branch in reading.explained.branches:
        if watch is not None:
            watch(len(maps), len(reading.explained.branches))
        values = library_map(*asked, branch.layer, request.masks)
        maps.append(_map(request, values, branch.name, branch.layer))
    return _explanation(reading, request, maps)


def _whole(reading: Reading, request: Request, values: np.ndarray) -> Explanation:
    """A map of the whole network, which has no branches."""
    return _explanation(reading, request, [_map(request, values, JOINT, INPUT)])


def _of_layer(reading: Reading, request: Request, values: np.ndarray) -> Explanation:
    name = published_layers(reading.run)[request.layer]
    return _explanation(reading, request, [_map(request, values, name, request.layer)])


def _map(request: Request, values: np.ndarray, name: str, layer: str) -> GridMap:
    target, unit = request.target, METHODS[request.method].unit
    return GridMap(
        values.astype(np.float32), name, layer, request.method, target.label, None, target.against, unit
    )


def _explanation(reading: Reading, request: Request, maps: Sequence[GridMap]) -> Explanation:
    explained, target = reading.explained, request.target
    margin = float(target.of(explained.margins, explained.classes)[0])
    return Explanation(target.label, tuple(maps), joint_map(maps), None, margin, target.against)


def _tensor(reading: Reading) -> np.ndarray:
    """float32 [1, h, w, C]: what the network saw."""
    return reading.run.inputs.tensor(reading.study).tensor


def _tensorflow(run: Run, engine: Engine) -> TensorFlowEngine:
    """The engine itself where it can be differentiated through, else the run's TensorFlow engine."""
    from models.engines.tensorflow import TensorFlowEngine

    return engine if isinstance(engine, TensorFlowEngine) else _open_tensorflow(run)


@lru_cache(maxsize=1)  # seconds to open and half a gigabyte to keep: one at a time
def _open_tensorflow(run: Run) -> TensorFlowEngine:
    from models.engines import open_engine

    return open_engine(run, "tensorflow")
