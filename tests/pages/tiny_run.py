"""A run small enough to read: two branches of one strided convolution each, which look for dark tissue.

Branch "coarse" has cells of 32 pixels, "fine" of 16. Its channels are relu(shade - mean of the cell), for two
shades. One linear layer on the pooled channels gives the logit of "malignant", so a dark lesion raises it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.runs import write_run

SIDE = 64
SHADES = (0.35, 0.15)
CELLS = {"coarse": 32, "fine": 16}
WEIGHTS = {"coarse": np.array([18.0, 12.0], np.float32), "fine": np.array([28.0, -6.0], np.float32)}
BIAS = -1.0


def write_tiny_run(root: Path, run_id: str = "tiny", **card: object) -> Path:
    """Write the run as root/<run_id> with its trunks in root/trunks; `card` overrides fields of run.json."""
    (root / "trunks").mkdir(parents=True, exist_ok=True)
    branches = []
    for name, cell in CELLS.items():
        content = _trunk(cell).SerializeToString()
        digest = hashlib.sha256(content).hexdigest()
        (root / "trunks" / f"{digest}.onnx").write_bytes(content)
        branches.append(
            {
                "name": name,
                "backbone": "convolution",
                "trunk": digest,
                "target_layer": f"{name}_relu",
                "grid": [SIDE // cell, SIDE // cell],
                "channels": len(SHADES),
            }
        )
    interval = {"value": 0.9, "low": 0.85, "high": 0.94, "n": 40}
    fields = {
        "id": run_id,
        "title": "Tiny ultrasound run",
        "modality": "ultrasound",
        "classes": ["other", "malignant"],
        "positive": "malignant",
        "network": "tiny",
        "branches": branches,
        "logits": 1,
        "input": {"height": SIDE, "width": SIDE, "channels": 1, "fit": "pad"},
        "calibration": {"method": "platt", "slope": 1.0, "intercept": 0.0},
        "operating_points": [
            {"name": "youden", "threshold": 0.4, "rule": "highest sensitivity + specificity - 1"}
        ],
        "metrics": {"test": {"auc": interval, "pointing": interval}},
        "map_scale": {"joint": 0.6, "coarse": 0.4, "fine": 0.1},
        "data": {"name": "phantoms", "licence": "CC0", "n_test": 40},
        "synthetic": True,
    }
    fields |= card
    write_run(root / run_id, fields, {"head.onnx": _head(branches).SerializeToString()})
    return root / run_id


def _trunk(cell: int) -> onnx.ModelProto:
    kernel = np.full((len(SHADES), 1, cell, cell), -1.0 / cell**2, np.float32)
    nodes = [
        helper.make_node("Transpose", ["image"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["nchw", "kernel", "shades"], ["sums"], strides=[cell, cell]),
        helper.make_node("Relu", ["sums"], ["relu"]),
        helper.make_node("Transpose", ["relu"], ["activations"], perm=[0, 2, 3, 1]),
    ]
    grid = SIDE // cell
    constants = {"kernel": kernel, "shades": np.array(SHADES, np.float32)}
    return _model(nodes, {"image": (SIDE, SIDE, 1)}, {"activations": (grid, grid, len(SHADES))}, constants)


def _head(branches: list[dict]) -> onnx.ModelProto:
    nodes, inputs, outputs, constants, sums = (
        [],
        {},
        {"logits": (1,)},
        {"bias": np.array([BIAS], np.float32)},
        [],
    )
    for branch in branches:
        name, (gh, gw) = branch["name"], branch["grid"]
        weights = WEIGHTS[name]
        both = np.stack([-weights, weights])[None] / (gh * gw)
        constants |= {
            f"w_{name}": weights[:, None],
            f"both_{name}": both,
            f"zero_{name}": np.zeros((2, 1), np.float32),
        }
        inputs[f"pooled_{name}"] = (len(SHADES),)
        outputs[f"channel_weights_{name}"] = (2, len(SHADES))
        nodes += [
            helper.make_node("MatMul", [f"pooled_{name}", f"w_{name}"], [f"part_{name}"]),
            # Zero times the pooled values carries the batch size into a constant.
            helper.make_node("Unsqueeze", [f"pooled_{name}", "axis"], [f"row_{name}"]),
            helper.make_node("MatMul", [f"zero_{name}", f"row_{name}"], [f"nothing_{name}"]),
            helper.make_node("Add", [f"nothing_{name}", f"both_{name}"], [f"channel_weights_{name}"]),
        ]
        sums.append(f"part_{name}")
    constants["axis"] = np.array([1], np.int64)
    nodes.append(helper.make_node("Sum", [*sums, "bias"], ["logits"]))
    return _model(nodes, inputs, outputs, constants)


def _model(nodes: list, inputs: dict, outputs: dict, constants: dict[str, np.ndarray]) -> onnx.ModelProto:
    def infos(shapes: dict) -> list:
        return [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])
            for name, shape in shapes.items()
        ]

    values = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", infos(inputs), infos(outputs), initializer=values)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
