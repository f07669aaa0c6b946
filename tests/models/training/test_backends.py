"""Two training steps, hints included, on every Keras backend that is installed."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.tf

STEP = """
import json
import numpy as np
import keras
from models.networks.graph import NetworkSpec, build_network
from models.training.trainee import Distilled, Trainee

rng = np.random.default_rng(0)
def fixed(model):
    for variable in model.weights:
        if variable.name in ("kernel", "bias"):
            variable.assign(rng.normal(0, 0.05, variable.shape).astype("float32"))
student = build_network(NetworkSpec(("compact",), (), 2, 1, 32, 32, 1))
teacher = build_network(NetworkSpec(("compact",), (), 2, 1, 64, 64, 1))
fixed(student.model), fixed(teacher.model)
layer = "compact_stage4_relu"
published = {"logits": student.model.output["logits"], layer: student.model.get_layer(layer).output}
taught = {"logits": teacher.model.output["logits"], "deep": teacher.model.get_layer(layer).output}
model = Distilled(
    keras.Model(student.model.input, published), {layer: "deep"}, keras.Model(teacher.model.input, taught), 1,
    32
)
model.compile(optimizer=keras.optimizers.AdamW(1e-3), jit_compile=False)
model.build((None, 64, 64, 1))
for projection in model.projections.values():
    projection.kernel.assign(rng.normal(0, 0.05, projection.kernel.shape).astype("float32"))
x = rng.random((4, 64, 64, 1)).astype("float32")
y, w = {"label": np.array([0, 1, 1, 0])}, np.array([1.0, 2.0, 1.0, 0.5], "float32")
before = keras.ops.convert_to_numpy(student.head.dense_layers()[0].kernel).copy()
frozen = keras.ops.convert_to_numpy(teacher.head.dense_layers()[0].kernel).copy()
losses = [float(model.train_on_batch(x, y, w, return_dict=True)["loss"]) for _ in range(2)]
after = keras.ops.convert_to_numpy(student.head.dense_layers()[0].kernel)
still = keras.ops.convert_to_numpy(teacher.head.dense_layers()[0].kernel)
print(json.dumps({"losses": losses, "moved": bool(abs(after - before).max() > 1e-5),
                  "teacher_moved": bool(abs(still - frozen).max() > 0)}))
"""
INSTALLED = [name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name)]


def step(backend):
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", STEP], env=environment, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("backend", INSTALLED)
def test_a_step_learns_and_leaves_the_teacher_alone(backend):
    result = step(backend)
    assert result["moved"] and not result["teacher_moved"]
    assert result["losses"][1] < result["losses"][0]
