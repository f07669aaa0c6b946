"""A run with its weights made random from the top downwards: the network of a sanity check of its heatmaps.

Cascading randomisation of Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018: first the head,
then the uppermost layers of every trunk as well, at last all of them. A map that stays the same was never a
map of what the network learned.

The values of each weight tensor are shuffled, so that its mean, spread and distribution stay what training
made them, and only their places, which are what was learned, are lost. That keeps activations in their usual
range, where weights drawn anew would let networks of many layers fade out. TensorFlow is not needed: the
weights are those of the ONNX files.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from models.engines.onnx import CompiledModel, OnnxEngine, compile_onnxruntime
from models.errors import BadInput

if TYPE_CHECKING:
    from models.runs import Run

STAGES = ("head", "last quarter", "last half", "last three quarters", "all layers")
"""What is random at each stage, with everything named before it: parts of each trunk's layers."""
_PARTS = (0.0, 0.25, 0.5, 0.75, 1.0)
# What a head learned of the classes. The standardisation of its features and a support vector machine's
# vectors are facts about the training images, and the file holds numbers that were derived from them.
_OF_THE_HEAD = ("kernel", "bias", "coefficients", "centres", "precisions")


class Cascade:
    """The engines of one run's stages, ONNX Runtime. The same seed gives the same weights, and a tensor that
    is random at one stage has the same values at every later one."""

    def __init__(self, run: Run, seed: int = 0) -> None:
        if not run.has_weights:
            raise BadInput(f"The run {run.id} came without weights: choose a run that has them.")
        self.run, self.seed = run, seed

    def engine(self, stage: str) -> OnnxEngine:
        """The engine whose weights are random up to `stage`, one of STAGES. ValueError for another."""
        if stage not in STAGES:
            raise ValueError(f"There is no stage {stage!r}: choose one of {', '.join(STAGES)}.")
        part = _PARTS[STAGES.index(stage)]
        trunks = [self._trunk(index, part) for index in range(len(self.run.branches))]
        return OnnxEngine(self.run, "onnxruntime", trunks, self._head)

    def engines(self) -> Iterator[tuple[str, OnnxEngine]]:
        """(stage, engine) from the head to all layers; one at a time, so that no two are held."""
        for stage in STAGES:
            yield stage, self.engine(stage)

    @cached_property
    def _head(self) -> CompiledModel:
        import onnx

        model = onnx.load(self.run.head_file)
        names = [t.name for t in model.graph.initializer if t.name.rpartition("/")[2] in _OF_THE_HEAD]
        self._shuffle(model, set(names), "head")
        return compile_onnxruntime(model.SerializeToString())

    @cached_property
    def _models(self) -> list[Any]:
        import onnx

        return [onnx.load(self.run.trunk_files[branch.trunk]) for branch in self.run.branches]

    def _trunk(self, index: int, part: float) -> CompiledModel:
        """A branch's trunk with the uppermost `part` of its layers random."""
        import onnx

        model = onnx.ModelProto()
        model.CopyFrom(self._models[index])
        layers = layers_of(model)
        # The last ones in the order of computing.
        top = layers[len(layers) - round(part * len(layers)) :]
        wanted = {t.name for t in model.graph.initializer if t.name.rpartition("/")[0] in top}
        self._shuffle(model, wanted, self.run.branches[index].name)
        return compile_onnxruntime(model.SerializeToString())

    def _shuffle(self, model: Any, names: set[str], where: str) -> None:
        from onnx import numpy_helper

        for tensor in model.graph.initializer:
            if tensor.name in names:
                rng = np.random.default_rng([self.seed, crc32(f"{where}/{tensor.name}".encode())])
                values = numpy_helper.to_array(tensor)
                shuffled = rng.permutation(values.ravel()).reshape(values.shape)
                tensor.CopyFrom(numpy_helper.from_array(shuffled, tensor.name))


def randomised_engine(run: Run, stage: str, seed: int = 0) -> OnnxEngine:
    """The engine of `run` with its weights random up to `stage` (one of STAGES). BadInput where the run has
    no weights."""
    return Cascade(run, seed).engine(stage)


def layers_of(model: Any) -> list[str]:
    """Names of an ONNX trunk's layers with weights ("<layer>/<variable>"), in the order they compute."""
    owners = {t.name: t.name.rpartition("/")[0] for t in model.graph.initializer}
    used = (owners.get(name, "") for node in model.graph.node for name in node.input)
    return [layer for layer in dict.fromkeys(used) if layer]
