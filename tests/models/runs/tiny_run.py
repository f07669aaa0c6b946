"""A run small enough to work out by hand: 1x1 convolutions, a ReLU head with closed-form gradient."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.runs import Run, write_run

SIZE = 4


def trunk_model(kernel: np.ndarray, bias: np.ndarray, cell: int) -> bytes:
    """image [N, 4, 4, 1] -> relu(kernel . image + bias), averaged in cells: [N, 4/cell, 4/cell, K]."""
    channels = kernel.shape[-1]
    halves = [
        numpy_helper.from_array(kernel.reshape(channels, -1, 1, 1).astype(np.float16), "conv/kernel"),
        numpy_helper.from_array(bias.astype(np.float16), "conv/bias"),
    ]
    nodes = [
        helper.make_node("Cast", ["conv/kernel"], ["kernel"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["conv/bias"], ["bias"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["image"], ["first"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["first", "kernel", "bias"], ["convolved"]),
        helper.make_node("Relu", ["convolved"], ["lit"]),
        helper.make_node("AveragePool", ["lit"], ["cells"], kernel_shape=[cell, cell], strides=[cell, cell]),
        helper.make_node("Transpose", ["cells"], ["activations"], perm=[0, 2, 3, 1]),
    ]
    grid = SIZE // cell
    return _model(nodes, {"image": [SIZE, SIZE, 1]}, {"activations": [grid, grid, channels]}, halves)


def head_model(layers: list[tuple[np.ndarray, np.ndarray]], cells: dict[str, tuple[int, int]]) -> bytes:
    """Two dense layers with a ReLU between. `cells`: branch -> (channels, grid cells), in order.

    Channel weights are written out: d margin / d pooled = W1 . (W1 x + b1 > 0) . D, over the number of
    cells, where row c of D is the gradient of margin c with respect to the hidden layer.
    """
    (w1, b1), (w2, b2) = layers
    logits = w2.shape[1]
    own = np.eye(logits)
    of_logits = np.array([[-1.0], [1.0]]) if logits == 1 else own - (1 - own) / (logits - 1)
    margin = of_logits @ w2.T
    classes = len(margin)
    arrays = {
        "w1": w1,
        "b1": b1,
        "w2": w2,
        "b2": b2,
        "zero": np.zeros(1),
        "margin": margin[None],
        "w1t": w1.T[None],
    }
    initialisers = [
        numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in arrays.items()
    ]
    initialisers.append(numpy_helper.from_array(np.array([1]), "axis"))
    initialisers.append(
        numpy_helper.from_array(np.array([channels for channels, _ in cells.values()]), "parts")
    )
    nodes = [
        helper.make_node("Concat", [f"pooled_{name}" for name in cells], ["x"], axis=1),
        helper.make_node("Gemm", ["x", "w1", "b1"], ["z"]),
        helper.make_node("Relu", ["z"], ["hidden"]),
        # Two nodes that a runtime fuses into one: the output must keep its name.
        helper.make_node("MatMul", ["hidden", "w2"], ["a_product"]),
        helper.make_node("Add", ["a_product", "b2"], ["logits"]),
        helper.make_node("Greater", ["z", "zero"], ["on"]),
        helper.make_node("Cast", ["on"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "axis"], ["mask3"]),
        helper.make_node("Mul", ["mask3", "margin"], ["back"]),
        helper.make_node("MatMul", ["back", "w1t"], ["gradient"]),
        helper.make_node("Split", ["gradient", "parts"], [f"part_{name}" for name in cells], axis=2),
    ]
    for name, (_, count) in cells.items():
        initialisers.append(numpy_helper.from_array(np.array([1 / count], np.float32), f"share_{name}"))
        nodes.append(helper.make_node("Mul", [f"part_{name}", f"share_{name}"], [f"channel_weights_{name}"]))
    outputs = {"logits": [logits]} | {
        f"channel_weights_{name}": [classes, k] for name, (k, _) in cells.items()
    }
    return _model(nodes, {f"pooled_{name}": [k] for name, (k, _) in cells.items()}, outputs, initialisers)


def _model(nodes, inputs, outputs, initialisers) -> bytes:
    ports = [
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])
            for name, shape in ends.items()
        ]
        for ends in (inputs, outputs)
    ]
    graph = helper.make_graph(nodes, "tiny", *ports, initialisers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


A_KERNEL, A_BIAS = np.array([[1.0, -2.0]]), np.array([0.0, 1.0])
B_KERNEL, B_BIAS = np.array([[0.5, 1.0, -1.0]]), np.array([0.25, -0.5, 0.5])
"""Exact in half precision, so that a hand calculation needs no rounding."""
W1 = np.array([[1.0, -1, 0, 2], [0, 1, 1, -1], [2, 0, -1, 1], [-1, 1, 1, 0], [1, 1, 0, -2]])
B1 = np.array([0.1, -0.2, 0.3, 0.0])
W2, B2 = np.array([[1.0], [-2.0], [0.5], [1.5]]), np.array([-0.25])
W2_THREE, B2_THREE = (
    np.array([[1.0, 0, -1], [-2, 1, 0], [0.5, -0.5, 2], [1.5, 1, 1]]),
    np.array([-0.25, 0.5, 0.1]),
)

HISTORY = (
    "epoch,stage,accuracy,auc,loss,val_accuracy,val_auc,val_loss,learning_rate,seconds\n"
    "0,head,.5,.5,.7,.5,.5,.7,.001,1\n"
)
PREDICTIONS = (
    "case_id,patient_id,group,split,label,logit,p_other,p_malignant\n"
    "a,p1,g1,test,malignant,1.5,0.18,0.82\nb,p2,g2,test,other,-1.5,0.82,0.18\n"
)


def tiny_files(branches: tuple[str, ...] = ("a", "b"), three: bool = False) -> tuple[dict, dict[str, bytes]]:
    """(card fields, files) of a tiny run; runs of one or of two branches share their trunks."""
    sizes = {"a": (2, 4), "b": (3, 16)}
    trunks = {"a": trunk_model(A_KERNEL, A_BIAS, 2), "b": trunk_model(B_KERNEL, B_BIAS, 1)}
    rows = np.concatenate([np.arange(5)[:2] if name == "a" else np.arange(5)[2:] for name in branches])
    head = head_model(
        [(W1[rows], B1), (W2_THREE, B2_THREE) if three else (W2, B2)],
        {name: sizes[name] for name in branches},
    )
    digests = {name: hashlib.sha256(trunks[name]).hexdigest() for name in branches}
    files = {
        "head.onnx": head,
        "recipe.toml": 'id = "tiny"\n',
        "history.csv": HISTORY,
        "predictions.csv": PREDICTIONS,
    }
    files |= {f"trunks/{digests[name]}.onnx": trunks[name] for name in branches}
    classes = ["normal", "benign", "malignant"] if three else ["other", "malignant"]
    grid = {"a": [2, 2], "b": [4, 4]}
    card = {
        "schema_version": 1,
        "id": "tiny",
        "title": "Tiny",
        "modality": "ultrasound",
        "classes": classes,
        "positive": "malignant",
        "network": "hybrid" if len(branches) > 1 else "single",
        "label_map": {name: name for name in classes}
        if three
        else {"benign": "other", "normal": "other", "malignant": "malignant"},
        "branches": [
            {
                "name": name,
                "backbone": "tiny",
                "trunk": digests[name],
                "target_layer": f"{name}_relu",
                "grid": grid[name],
                "channels": sizes[name][0],
            }
            for name in branches
        ],
        "head": {"units": [4]},
        "logits": len(classes) if three else 1,
        "input": {"height": SIZE, "width": SIZE, "channels": 1, "fit": "pad"},
        "calibration": {"method": "temperature", "slope": 0.5}
        if three
        else {"method": "platt", "slope": 2.0, "intercept": -0.5},
        "operating_points": [{"name": "youden", "threshold": 0.4, "rule": "max J", "on": "validation"}],
        "metrics": {"test": {"auc": {"value": 1.0, "low": 0.9, "high": 1.0, "n": 2}}},
        "map_scale": {"joint": 1.0},
        "data": {"name": "nothing", "licence": "CC0"},
        "synthetic": True,
    }
    return card, files


def write_tiny_run(folder: Path, branches: tuple[str, ...] = ("a", "b"), three: bool = False) -> Run:
    """A whole tiny run in `folder`, its id the folder's name."""
    card, files = tiny_files(branches, three)
    return write_run(folder, card | {"id": folder.name}, files)
