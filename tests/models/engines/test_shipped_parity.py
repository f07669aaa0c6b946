"""Trained weights give the same logits and maps on every engine, to a relative 1e-4."""

from __future__ import annotations

import numpy as np
import pytest

from models.data.phantoms import phantom
from models.engines import Explained, open_engine
from models.runs import load_run
from models.runs.folder import ASSETS

SHIPPED = [path for path in sorted((ASSETS / "runs").glob("*")) if (path / "head.onnx").is_file()]
# Building a network in TensorFlow takes seconds: these hold every trunk there is on real data, the rest are
# slow.
QUICK = ("busi-hybrid", "busi-squeezenet")
BUILT_IN_TENSORFLOW = [
    pytest.param(path, id=path.name, marks=() if path.name in QUICK else pytest.mark.slow) for path in SHIPPED
]
TOLERANCE = 1e-4


def images_for(run) -> np.ndarray:
    """Two phantoms of the run's modality, float32 [2, h, w, C]."""
    modality = "ultrasound" if run.modality == "mixed" else run.modality
    images = [phantom(modality, 1, index).image.astype(np.float32) / 255 for index in range(2)]
    return np.concatenate([run.inputs.array(image).tensor for image in images])


def assert_same(one: Explained, other: Explained) -> None:
    def relative(mine: np.ndarray, theirs: np.ndarray) -> float:
        return float(np.abs(mine - theirs).max() / np.abs(theirs).max())

    assert relative(one.logits, other.logits) < TOLERANCE
    assert relative(one.margins, other.margins) < TOLERANCE
    for mine, theirs in zip(one.branches, other.branches, strict=True):
        maps = [np.einsum("nhwk,nck->nchw", part.activations, part.weights) for part in (mine, theirs)]
        for case in range(len(one)):
            assert relative(maps[0][case], maps[1][case]) < TOLERANCE


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda path: path.name)
def test_the_two_cpu_runtimes_agree_on_a_shipped_run(folder):
    run = load_run(folder)
    images = images_for(run)
    assert_same(open_engine(run, "openvino").explain(images), open_engine(run, "onnxruntime").explain(images))


@pytest.mark.tf
@pytest.mark.parametrize("folder", BUILT_IN_TENSORFLOW)
def test_tensorflow_agrees_on_a_shipped_run(folder):
    run = load_run(folder)
    images = images_for(run)
    assert_same(open_engine(run, "tensorflow").explain(images), open_engine(run, "onnx").explain(images))
