"""What an explanation costs on top of a prediction, and against tf-keras-vis, on the same image."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.engines import Explained, open_engine
from models.engines.onnx import compile_model
from models.runs import Run
from tests.bench.rows import Pair, Row, milliseconds, timed_in_pairs
from xai.cam import Explanation
from xai.methods.stored import explain_case

if TYPE_CHECKING:
    import keras

    from models.networks.graph import Network

OVERHEAD_LIMIT = 1.05
SPEED_UP_LIMIT = 20.0
SCORE_CAM_LIMIT = 3.0
SCORE_CAM_MASKS = 64
PAIRS = 60
PAIRS_OF_SECONDS = 5
TOLERANCE = 1e-3


def onnx_overhead(run: Run, tensor: np.ndarray, runtime: str) -> Row:
    """Prediction with every map, against image to logits and nothing else, on one ONNX runtime."""
    engine = open_engine(run, runtime)
    with tempfile.TemporaryDirectory() as folder:
        bare = _bare_onnx(run, runtime, Path(folder))
        _check_same(bare(tensor), engine.explain(tensor).logits, engine.name)
        pair = timed_in_pairs(lambda: _explained(engine.explain(tensor), run), lambda: bare(tensor), PAIRS)
    return _overhead_row(engine.name, pair)


def tensorflow_overhead(run: Run, tensor: np.ndarray) -> Row:
    """The same on the TensorFlow engine, against one compiled function of the network cut at its logits."""
    import tensorflow as tf

    engine = open_engine(run, "tensorflow")
    network = _logits_only(engine.network)
    signature = tf.TensorSpec((None, *tensor.shape[1:]), tf.float32)
    compiled = tf.function(lambda image: network(image, training=False), input_signature=[signature])

    def bare() -> np.ndarray:
        return compiled(tensor).numpy()

    _check_same(bare(), engine.explain(tensor).logits, engine.name)
    return _overhead_row(
        engine.name, timed_in_pairs(lambda: _explained(engine.explain(tensor), run), bare, PAIRS)
    )


def against_tf_keras_vis(run: Run, tensor: np.ndarray) -> Row:
    """Prediction and a map a branch by the default engine, against tf-keras-vis called once a branch.

    tf-keras-vis gets the flat network without nesting, ending in logits, and need not enlarge its maps.
    """
    from tf_keras_vis.gradcam import Gradcam

    from models.networks.rebuild import rebuild

    engine = open_engine(run, "onnx")
    library = Gradcam(_logits_only(rebuild(run)), clone=False)
    positive = run.classes.index(run.positive)
    column = 0 if run.card.logits == 1 else positive

    def theirs() -> list[np.ndarray]:
        return [
            library(
                lambda logits: logits[:, column],
                tensor,
                penultimate_layer=branch.target_layer,
                seek_penultimate_conv_layer=False,
                expand_cam=False,
                normalize_cam=False,
            )
            for branch in run.branches
        ]

    def ours() -> Explanation:
        return _explained(engine.explain(tensor), run)

    if run.card.logits == 1:
        _check_same_maps(theirs(), ours())
    pair = timed_in_pairs(theirs, ours, PAIRS_OF_SECONDS, warm=1)
    return Row(
        f"tf-keras-vis, {len(run.branches)} maps / {engine.name}",
        f"{milliseconds(pair.first)} / {milliseconds(pair.second)} = {pair.ratio:.0f}x",
        f">= {SPEED_UP_LIMIT:g}x",
        pair.ratio >= SPEED_UP_LIMIT,
    )


def score_cam_against_tf_keras_vis(run: Run, tensor: np.ndarray) -> Row:
    """Score-CAM through the default engine against tf-keras-vis's, both with the same channels as masks.

    run: of several classes, since theirs gives every mask the same weight where there is one logit. Theirs is
    made once and called as its manual says; neither enlarges its map. The prediction before ours is counted,
    as it is in theirs.
    """
    from tf_keras_vis.scorecam import Scorecam

    from models.networks.rebuild import rebuild
    from xai.methods import Target
    from xai.methods.perturbation import predictor
    from xai.methods.score_cam import count_masks, score_cam

    engine, target = open_engine(run, "onnx"), Target(run.positive)
    if count_masks(engine.explain(tensor), SCORE_CAM_MASKS) < SCORE_CAM_MASKS:
        raise SystemExit(f"{run.id} has fewer than {SCORE_CAM_MASKS} channels that differ over this image.")
    library, column = Scorecam(_logits_only(rebuild(run)), clone=False), run.classes.index(run.positive)

    def theirs() -> np.ndarray:
        with contextlib.redirect_stdout(sys.stderr):  # its progress bars
            return library(
                lambda shares: shares[:, column],
                tensor,
                penultimate_layer=run.branches[0].target_layer,
                seek_penultimate_conv_layer=False,
                max_N=SCORE_CAM_MASKS,
                expand_cam=False,
                normalize_cam=False,
            )

    def ours() -> list[tuple[str, np.ndarray]]:
        explained = engine.explain(tensor)
        return score_cam(explained, tensor, predictor(engine), target, run.classes, SCORE_CAM_MASKS)

    pair = timed_in_pairs(theirs, ours, PAIRS_OF_SECONDS, warm=1)
    return Row(
        f"tf-keras-vis / {engine.name}, Score-CAM, {SCORE_CAM_MASKS} masks, {run.id}",
        f"{milliseconds(pair.first)} / {milliseconds(pair.second)} = {pair.ratio:.1f}x",
        f">= {SCORE_CAM_LIMIT:g}x",
        pair.ratio >= SCORE_CAM_LIMIT,
    )


def _explained(explained: Explained, run: Run) -> Explanation:
    return explain_case(explained, run.positive)


def _overhead_row(engine: str, pair: Pair) -> Row:
    return Row(
        f"explained / bare forward pass, {engine}",
        f"{milliseconds(pair.first)} / {milliseconds(pair.second)} = {pair.ratio:.3f}",
        f"<= {OVERHEAD_LIMIT:g}",
        pair.ratio <= OVERHEAD_LIMIT,
    )


def _bare_onnx(run: Run, runtime: str, folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Image to logits by the run's own files, with the maps and channel weights cut out of the graphs."""
    import onnx
    from onnx import TensorProto, helper

    trunks = {}
    for branch in run.branches:
        model = onnx.load(run.trunk_files[branch.trunk])
        model.graph.node.append(
            helper.make_node("ReduceMean", ["activations"], ["pooled"], axes=[1, 2], keepdims=0)
        )
        del model.graph.output[:]
        model.graph.output.append(
            helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["N", branch.channels])
        )
        onnx.save(model, folder / f"{branch.name}.onnx")
        trunks[branch.name] = compile_model(folder / f"{branch.name}.onnx", runtime)
    names = [f"pooled_{branch.name}" for branch in run.branches]
    onnx.utils.extract_model(run.head_file, folder / "head.onnx", names, ["logits"])
    head = compile_model(folder / "head.onnx", runtime)

    def bare(tensor: np.ndarray) -> np.ndarray:
        pooled = {f"pooled_{name}": trunk.call({"image": tensor})["pooled"] for name, trunk in trunks.items()}
        return head.call(pooled)["logits"]

    return bare


def _logits_only(network: Network) -> keras.Model:
    """The flat network cut at its logits."""
    import keras

    model = network.model
    return keras.Model(model.input, model.output["logits"])


def _check_same(bare: np.ndarray, explained: np.ndarray, engine: str) -> None:
    if not np.allclose(bare, explained, rtol=TOLERANCE, atol=TOLERANCE):
        raise SystemExit(f"{engine}: the bare pass gives {bare}, the explained one {explained}.")


def _check_same_maps(theirs: list[np.ndarray], ours: Explanation) -> None:
    """Their maps are rectified; a benchmark of two programs that disagree would say nothing."""
    for their_map, our_map in zip(theirs, ours.maps, strict=True):
        rectified = np.maximum(our_map.values, 0.0)
        if not np.allclose(
            their_map[0], rectified, rtol=TOLERANCE, atol=TOLERANCE * max(rectified.max(), 1e-6)
        ):
            raise SystemExit(f"tf-keras-vis and the engine disagree about the map of {our_map.name}.")
