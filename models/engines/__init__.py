"""A run and an image tensor -> an explained prediction, by the engine that fits the machine."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np

from models.engines.explained import Branch, Explained, Scores
from models.engines.margins import margins, probabilities
from models.engines.onnx import ActivationMemo, OnnxEngine, available_runtime, release_trunks
from models.errors import BadInput
from models.runs import Run

KINDS = ("onnx", "openvino", "onnxruntime", "tensorflow")
ENGINE_VARIABLE = "LESIONLENS_ENGINE"

__all__ = [
    "KINDS",
    "ActivationMemo",
    "Branch",
    "Engine",
    "Explained",
    "Scores",
    "default_kind",
    "gpu_visible",
    "margins",
    "open_engine",
    "probabilities",
    "release_trunks",
]


class Engine(Protocol):
    """What every engine offers. `name` says program, version, device and precision."""

    run: Run
    name: str

    def explain(self, tensor: np.ndarray, memo: ActivationMemo | None = None) -> Explained: ...

    def predict(self, tensor: np.ndarray, memo: ActivationMemo | None = None) -> Scores: ...


def open_engine(run: Run, kind: str | None = None, images: int | None = None) -> Engine:
    """The engine of that kind for a run with weights.

    kind None: what $LESIONLENS_ENGINE says, else `default_kind()`. "onnx" is OpenVINO where installed, else
    ONNX Runtime (the other way round for a few `images`, where their number is known). BadInput for an
    unknown kind, a run without weights, or weights that do not fit the run.
    """
    kind = kind or os.environ.get(ENGINE_VARIABLE) or default_kind()
    if kind not in KINDS:
        raise BadInput(f"There is no engine {kind!r}: choose one of {', '.join(KINDS)}.")
    if not run.has_weights:
        raise BadInput(f"The run {run.id} came without weights: choose a run that has them.")
    if kind == "tensorflow":
        from models.engines.tensorflow import TensorFlowEngine

        return TensorFlowEngine(run)
    return OnnxEngine(run, available_runtime(kind, images))


def default_kind() -> str:
    """ "tensorflow" where there is a GPU it can use, else "onnx"; told without importing TensorFlow."""
    return "tensorflow" if gpu_visible() else "onnx"


def gpu_visible() -> bool:
    """Whether TensorFlow can use an NVIDIA GPU in this process: the device and TensorFlow's CUDA libraries,
    which pip brings only with tensorflow[and-cuda]."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all").strip() in ("", "-1"):
        return False
    device = Path("/dev/nvidia0").exists() or any(Path("/proc/driver/nvidia/gpus").glob("*"))
    return device and find_spec("nvidia") is not None and find_spec("nvidia.cudnn") is not None
