"""A run's head as an ONNX file: features to logits and the margins' closed-form gradient."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from models.networks.classical_head import BayesHead, ClassicalHead, LogisticHead, SvmHead
from models.networks.flatten_head import FlattenHead
from models.networks.head import DenseHead, PooledHead
from models.networks.onnx_graph import Graph

Branches = tuple[tuple[str, int], ...]


def export_head(head: PooledHead | FlattenHead | ClassicalHead, branches: Branches) -> bytes:
    """Features to logits and closed-form gradient as the bytes of an ONNX file.

    branches: (name, channels K_b) in order. Inputs `pooled_<branch>` [N, K_b], of a flattening head
    `activations_<branch>` [N, gh, gw, K]; outputs `logits` [N, L], `channel_weights_<branch>` [N, classes,
    K_b] and of a flattening head `gradient_<branch>` [N, classes, gh, gw, K].
    """
    if isinstance(head, FlattenHead):
        return _export_flatten(head, branches[0][0])
    graph = Graph()
    pooled = [f"pooled_{name}" for name, _ in branches]
    x = graph.add("Concat", pooled, "pooled", axis=1) if len(pooled) > 1 else pooled[0]
    if isinstance(head, ClassicalHead):
        gradient, properties = _classical(graph, head, x), {"kind": head.kind}
    else:
        kernels, masks = _dense(graph, head, x)
        gradient = _pooled_gradient(graph, head, kernels, masks, x)
        properties = {"units": ",".join(map(str, head.units))}
    _per_branch(graph, gradient, branches, head.cells)
    weights = [_port(f"channel_weights_{name}", head.classes, k) for name, k in branches]
    return graph.bytes(
        [_port(name, k) for name, (_, k) in zip(pooled, branches, strict=True)],
        [_port("logits", head.outputs), *weights],
        properties | {"classes": str(head.classes)},
    )


def _port(name: str, *shape: int):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])


def _dense(graph: Graph, head: DenseHead, x: str) -> tuple[list[str], list[str]]:
    """The dense layers from `x` to "logits"; names of their kernels and of the ReLUs' masks [N, 1, width]."""
    zero = graph.constant("zero", np.zeros((), np.float32))
    per_class = graph.constant("class_axis", np.array([1], np.int64))
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
            masks.append(graph.add("Unsqueeze", [mask, per_class], f"{layer.name}:mask_per_class"))
    return kernels, masks


def _pooled_gradient(graph: Graph, head: PooledHead, kernels: list[str], masks: list[str], x: str) -> str:
    """The margins' gradient with respect to the pooled features, back through the dense layers."""
    margins = graph.constant("margins", head.margins)
    transposed = [graph.add("Transpose", [k], f"{k}:transposed", perm=[1, 0]) for k in kernels]
    gradient = graph.add("MatMul", [margins, transposed[-1]], "gradient:logits")
    for index in reversed(range(len(masks))):
        gradient = graph.add("Mul", [gradient, masks[index]], f"gradient:masked{index}")
        gradient = graph.add("MatMul", [gradient, transposed[index]], f"gradient:{index}")
    width = head.dense_layers()[0].kernel.shape[0]
    return gradient if masks else _repeated(graph, gradient, (head.classes, width), x)


def _repeated(graph: Graph, gradient: str, shape: tuple[int, int], x: str) -> str:
    """One gradient [C, K] that is the same for every case, over the batch of `x`."""
    batch = graph.add("Shape", [x], "batch_shape", start=0, end=1)
    tail = graph.constant("gradient_shape", np.array(shape, np.int64))
    full = graph.add("Concat", [batch, tail], "gradient_full_shape", axis=0)
    return graph.add("Expand", [gradient, full], "gradient")


def _per_branch(graph: Graph, gradient: str, branches: Branches, cells: tuple[int, ...]) -> None:
    """Every branch's part of the gradient [N, C, sum of K], over its number of cells."""
    parts = [f"gradient_{name}" for name, _ in branches]
    if len(parts) > 1:
        sizes = graph.constant("branch_widths", np.array([k for _, k in branches], np.int64))
        graph.nodes.append(helper.make_node("Split", [gradient, sizes], parts, name="split", axis=2))
    else:
        parts = [gradient]
    for part, (name, _), count in zip(parts, branches, cells, strict=True):
        share = graph.constant(f"cells_{name}", np.asarray(count, np.float32))
        graph.add("Div", [part, share], f"channel_weights_{name}")


def _export_flatten(head: FlattenHead, name: str) -> bytes:
    graph = Graph()
    (gh, gw), k, (rows, columns) = head.grid, head.channels, head.cells
    port = f"activations_{name}"
    even = maps = graph.add("Transpose", [port], "maps", perm=[0, 3, 1, 2])
    if (gh, gw) != (2 * rows, 2 * columns):
        bounds = {"from": [0, 0], "to": [2 * rows, 2 * columns], "axes": [2, 3]}
        ends = [graph.constant(f"even_{key}", np.array(value, np.int64)) for key, value in bounds.items()]
        even = graph.add("Slice", [maps, *ends], "even")
    window = {"kernel_shape": [2, 2], "strides": [2, 2]}
    pooled = graph.add("MaxPool", [even], "maxima", **window)
    last = graph.add("Transpose", [pooled], "maxima_last", perm=[0, 2, 3, 1])
    x = graph.add("Reshape", [last, _shape(graph, "flat_shape", -1, rows * columns * k)], "flat")
    kernels, masks = _dense(graph, head, x)
    gradient = _flat_gradient(graph, head, kernels, masks, x)
    highest = graph.add("Equal", [even, _doubled(graph, pooled, "maxima_doubled")], "highest")
    highest = graph.add("Cast", [highest], "highest_mask", to=TensorProto.FLOAT)
    four = graph.constant("window_cells", np.asarray(4, np.float32))
    mean = graph.add("AveragePool", [highest], "highest_mean", **window)
    ties = _doubled(graph, graph.add("Mul", [mean, four], "ties"), "ties_doubled")
    share = graph.add("Unsqueeze", [graph.add("Div", [highest, ties], "share"), "class_axis"], "shares")
    gradient = graph.add(
        "Reshape", [gradient, _shape(graph, "cell_shape", -1, rows, columns, k)], "gradient:cells"
    )
    gradient = graph.add("Transpose", [gradient], "gradient:maxima", perm=[0, 3, 1, 2])
    gradient = _doubled(graph, gradient, "gradient:doubled")
    whole = _shape(graph, "whole_shape", -1, len(head.rows), k, 2 * rows, 2 * columns)
    gradient = graph.add("Reshape", [gradient, whole], "gradient:whole")
    gradient = graph.add("Mul", [gradient, share], "gradient:even")
    if even != maps:
        spare = graph.constant("spare", np.array([0] * 8 + [gh - 2 * rows, gw - 2 * columns], np.int64))
        gradient = graph.add("Pad", [gradient, spare], "gradient:padded")
    gradient = graph.add("Transpose", [gradient], "gradient:last", perm=[0, 1, 3, 4, 2])
    # A single logit's gradient is the positive class's, and with the other sign the other's.
    signs = head.margins if head.outputs == 1 else np.ones((head.classes, 1))
    signs = graph.constant("signs", signs.reshape(1, -1, 1, 1, 1).astype(np.float32))
    gradient = graph.add("Mul", [gradient, signs], f"gradient_{name}")
    graph.add("ReduceMean", [gradient], f"channel_weights_{name}", axes=[2, 3], keepdims=0)
    outputs = {"logits": (head.outputs,), f"channel_weights_{name}": (head.classes, k)}
    outputs[f"gradient_{name}"] = (head.classes, gh, gw, k)
    return graph.bytes(
        [_port(port, gh, gw, k)],
        [_port(output, *shape) for output, shape in outputs.items()],
        {"kind": "flatten", "units": ",".join(map(str, head.units)), "classes": str(head.classes)},
    )


def _flat_gradient(graph: Graph, head: FlattenHead, kernels: list[str], masks: list[str], x: str) -> str:
    """As `_pooled_gradient`, of FlattenHead.rows. The kernels are large, so their transposition is a flag of
    the product: a runtime would keep a second copy of a transposed constant."""
    rows, dense = graph.constant("rows", head.rows), head.dense_layers()
    gradient = graph.add("Gemm", [rows, kernels[-1]], "gradient:logits", transB=1)
    for index in reversed(range(len(masks))):
        masked = graph.add("Mul", [gradient, masks[index]], f"gradient:masked{index}")
        flat = _shape(graph, f"masked_shape{index}", -1, dense[index].units)
        masked = graph.add("Reshape", [masked, flat], f"gradient:flat{index}")
        product = graph.add("Gemm", [masked, kernels[index]], f"gradient:product{index}", transB=1)
        whole = _shape(graph, f"product_shape{index}", -1, len(head.rows), dense[index].kernel.shape[0])
        gradient = graph.add("Reshape", [product, whole], f"gradient:{index}")
    shape = (len(head.rows), dense[0].kernel.shape[0])
    return gradient if masks else _repeated(graph, gradient, shape, x)


def _shape(graph: Graph, name: str, *shape: int) -> str:
    return graph.constant(name, np.array(shape, np.int64))


def _doubled(graph: Graph, maps: str, output: str) -> str:
    """Maps [N, K, h, w] with every cell as a block of 2x2."""
    scales = graph.once("doubling", np.array([1, 1, 2, 2], np.float32))
    return graph.add(
        "Resize",
        [maps, "", scales],
        output,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def _classical(graph: Graph, head: ClassicalHead, x: str) -> str:
    """`x` to "logits"; the margins' gradient [N, C, sum of K] with respect to `x`.

    Numbers are stored in single precision: a distance in a thousand dimensions sums up what half precision
    rounds away, and the files are small.
    """
    numbers = {v.name: graph.constant(f"{head.name}/{v.name}", np.asarray(v)) for v in head.weights}
    z = graph.add("Sub", [x, numbers["mean"]], "centred")
    z = graph.add("Div", [z, numbers["deviation"]], "standardised")
    graph.constant("class_axis", np.array([1], np.int64))
    graph.constant("last_axis", np.array([2], np.int64))
    slopes = _SLOPES[type(head)](graph, head, z, numbers)
    margins = graph.constant("margins", head.margins)
    gradient = graph.add("MatMul", [margins, slopes], "gradient:standardised")
    return graph.add("Div", [gradient, numbers["deviation"]], "gradient:pooled")


def _logistic(graph: Graph, head: LogisticHead, z: str, numbers: dict[str, str]) -> str:
    product = graph.add("MatMul", [z, numbers["coefficients"]], "product")
    graph.add("Add", [product, numbers["bias"]], "logits")
    slopes = graph.add("Transpose", [numbers["coefficients"]], "slopes", perm=[1, 0])
    return _repeated(graph, slopes, (head.outputs, head.coefficients.shape[0]), z)


def _svm(graph: Graph, head: SvmHead, z: str, numbers: dict[str, str]) -> str:
    vectors = np.asarray(head.vectors, np.float64)
    lengths = graph.constant("vector_squares", np.sum(vectors**2, axis=1).astype(np.float32))
    own = graph.add("ReduceSum", [graph.add("Mul", [z, z], "squares"), "class_axis"], "square", keepdims=1)
    product = graph.add("Gemm", [z, numbers["vectors"]], "products", alpha=-2.0, transB=1)
    distances = graph.add("Add", [graph.add("Add", [own, lengths], "lengths"), product], "differences")
    distances = graph.add("Relu", [distances], "distances")
    width = graph.constant("negative_gamma", np.asarray(-head.gamma, np.float32))
    kernel = graph.add("Exp", [graph.add("Mul", [distances, width], "exponents")], "kernel")
    evidence = graph.add("MatMul", [kernel, numbers["coefficients"]], "evidence")
    graph.add("Add", [evidence, numbers["bias"]], "logits")
    by_logit = graph.add("Transpose", [numbers["coefficients"]], "coefficients_by_logit", perm=[1, 0])
    pull = graph.add("Mul", [graph.add("Unsqueeze", [kernel, "class_axis"], "kernel_row"), by_logit], "pull")
    force = graph.add("ReduceSum", [pull, "last_axis"], "force", keepdims=1)
    here = graph.add("Mul", [force, graph.add("Unsqueeze", [z, "class_axis"], "place")], "here")
    towards = graph.add("Sub", [graph.add("MatMul", [pull, numbers["vectors"]], "there"), here], "towards")
    twice = graph.constant("twice_gamma", np.asarray(2 * head.gamma, np.float32))
    return graph.add("Mul", [towards, twice], "slopes")


def _bayes(graph: Graph, head: BayesHead, z: str, numbers: dict[str, str]) -> str:
    row = graph.add("Unsqueeze", [z, "class_axis"], "place")
    away = graph.add("Sub", [row, numbers["centres"]], "away")
    scaled = graph.add("Mul", [away, numbers["precisions"]], "scaled")
    contrast = graph.constant("contrast", head.contrast)
    terms = graph.add("MatMul", [contrast, graph.add("Mul", [away, scaled], "terms")], "contrasted")
    # A product with a column, not a sum over an axis: OpenVINO 2026.4 fuses such a sum with the addition of
    # the bias and then adds it along the wrong axis.
    half = graph.constant("half", np.full((head.centres.shape[1], 1), -0.5, np.float32))
    total = graph.add("MatMul", [terms, half], "totals")
    total = graph.add("Reshape", [total, _shape(graph, "logits_shape", -1, head.outputs)], "distance")
    graph.add("Add", [total, numbers["bias"]], "logits")
    return graph.add("Neg", [graph.add("MatMul", [contrast, scaled], "steepness")], "slopes")


_SLOPES = {LogisticHead: _logistic, SvmHead: _svm, BayesHead: _bayes}
