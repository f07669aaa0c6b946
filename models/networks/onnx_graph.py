"""An ONNX graph under construction: nodes, named initialisers, kernels in half precision."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.errors import BadInput

OPSET = 17


class Graph:
    """Nodes and initialisers under construction; image tensors are [N, K, h, w] inside."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []

    def add(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, array: np.ndarray) -> str:
        self.initialisers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def kernel(self, name: str, array: np.ndarray) -> str:
        """Stored in half precision, cast to single where it is used."""
        half = array.astype(np.float16)
        if not np.isfinite(half).all():
            raise BadInput(
                f"The weights of {name} exceed half precision; train with a lower rate or weight decay."
            )
        return self.add("Cast", [self.constant(name, half)], f"{name}:single", to=TensorProto.FLOAT)

    def bytes(self, inputs: list, outputs: list, properties: dict[str, str]) -> bytes:
        graph = helper.make_graph(self.nodes, "lesionlens", inputs, outputs, self.initialisers)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="lesionlens"
        )
        model.ir_version = 9
        helper.set_model_props(model, dict(sorted(properties.items())))
        onnx.checker.check_model(model)
        return model.SerializeToString(deterministic=True)

    def once(self, name: str, array: np.ndarray) -> str:
        """A constant that several nodes share."""
        if all(tensor.name != name for tensor in self.initialisers):
            self.constant(name, array)
        return name
