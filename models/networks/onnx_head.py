"""A run's head as an ONNX file: pooled features to logits and the margins' closed-form gradient."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from models.networks.head import PooledHead
from models.networks.onnx_graph import Graph


def export_head(head: PooledHead, branches: tuple[tuple[str, int], ...]) -> bytes:
    """Dense layers and closed-form gradient as the bytes of an ONNX file.

    branches: (name, channels K_b) in order. Inputs `pooled_<branch>` [N, K_b]; outputs `logits` [N, L] and
    `channel_weights_<branch>` [N, classes, K_b].
    """
    graph = Graph()
    zero = graph.constant("zero", np.zeros((), np.float32))
    per_class = graph.constant("class_axis", np.array([1], np.int64))
    pooled = [f"pooled_{name}" for name, _ in branches]
    x = graph.add("Concat", pooled, "pooled", axis=1) if len(pooled) > 1 else pooled[0]
    dense = head.dense_layers()
    kernels, masks = [], []
    for index, layer in enumerate(dense):
        kernels.append(graph.kernel(f"{layer.name}/kernel", np.asarray(layer.kernel)))
        bias = graph.constant(f"{layer.name}/bias", np.asarray(layer.bias, np.float32))
        last = index == len(dense) - 1
        product = graph.add("MatMul", [x, kernels[-1]], f"{layer.name}:product")
        x = graph.add("Add", [product, bias], "logits" if last else f"{layer.name}:sum")
        if not last:
            x = graph.add("Relu", [x], f"{layer.name}:relu")
            positive = graph.add("Greater", [x, zero], f"{layer.name}:positive")
            mask = graph.add("Cast", [positive], f"{layer.name}:mask", to=TensorProto.FLOAT)
            masks.append(
                graph.add(
                    "Unsqueeze",
                    [mask, per_class],
                    f"{layer.name}:mask_per_class",
                )
            )
    _export_gradient(graph, head, kernels, masks, branches)
    batch, classes = "N", head.classes
    return graph.bytes(
        [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, [batch, k])
            for n, (_, k) in zip(pooled, branches, strict=True)
        ],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, head.outputs]),
            *(
                helper.make_tensor_value_info(
                    f"channel_weights_{name}", TensorProto.FLOAT, [batch, classes, k]
                )
                for name, k in branches
            ),
        ],
        {"units": ",".join(map(str, head.units)), "classes": str(classes)},
    )


def _export_gradient(
    graph: Graph,
    head: PooledHead,
    kernels: list[str],
    masks: list[str],
    branches: tuple[tuple[str, int], ...],
) -> None:
    """The margins' gradient with respect to the pooled features, back through the dense layers."""
    margins = graph.constant("margins", head.margins)
    transposed = [graph.add("Transpose", [k], f"{k}:transposed", perm=[1, 0]) for k in kernels]
    gradient = graph.add("MatMul", [margins, transposed[-1]], "gradient:logits")
    for index in reversed(range(len(masks))):
        gradient = graph.add("Mul", [gradient, masks[index]], f"gradient:masked{index}")
        gradient = graph.add("MatMul", [gradient, transposed[index]], f"gradient:{index}")
    if not masks:  # a linear head has one gradient for every case: repeat it over the batch
        shape = graph.add("Shape", [f"pooled_{branches[0][0]}"], "batch_shape", start=0, end=1)
        tail = graph.constant(
            "gradient_shape", np.array([head.classes, sum(k for _, k in branches)], np.int64)
        )
        full = graph.add("Concat", [shape, tail], "gradient_full_shape", axis=0)
        gradient = graph.add("Expand", [gradient, full], "gradient")
    parts = [f"gradient_{name}" for name, _ in branches]
    if len(parts) > 1:
        sizes = graph.constant("branch_widths", np.array([k for _, k in branches], np.int64))
        graph.nodes.append(helper.make_node("Split", [gradient, sizes], parts, name="split", axis=2))
    else:
        parts = [gradient]
    for part, (name, _), cells in zip(parts, branches, head.cells, strict=True):
        count = graph.constant(f"cells_{name}", np.asarray(cells, np.float32))
        graph.add("Div", [part, count], f"channel_weights_{name}")
