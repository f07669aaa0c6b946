"""Explained predictions from ONNX files by OpenVINO or ONNX Runtime: on a CPU, without TensorFlow."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from models.engines.explained import FLATTEN, Explained, Scores, explained_by, head_kind
from models.engines.margins import probabilities
from models.errors import BadInput
from models.runs import Run

RUNTIMES = ("openvino", "onnxruntime")
CACHED_TRUNKS = 6
# The hybrid on two cores: OpenVINO opens some 1.2 s later (`seconds.start` of `xai explain --engine`) and
# then saves
# some 0.1 s an image (make bench).
FEW_IMAGES = 12


@dataclass(frozen=True)
class CompiledModel:
    """One ONNX file, ready to run: named float32 arrays in and out. Safe to call from many threads."""

    call: Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]
    shapes: Mapping[str, tuple[int | None, ...]]
    """Name of each input and output -> shape, None where it is free."""
    runtime: str
    """For example "openvino 2026.4.1 cpu f32"."""


class ActivationMemo:
    """Trunk activations of the latest tensors, to hand to several engines that look at the same images.

    Runs that share a trunk then compute it once. Make one for a comparison and drop it afterwards.
    Thread-safe.
    """

    def __init__(self, max_entries: int = 16) -> None:
        self._entries: OrderedDict[tuple[str, bytes], np.ndarray] = OrderedDict()
        self._max_entries = max_entries
        self._lock = threading.Lock()
        self.computed = 0
        """How many times activations had to be computed."""

    def get(self, trunk: str, tensor: np.ndarray, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """The activations of `tensor` by the trunk of that digest, computed if they are not here."""
        key = (trunk, sha256(repr(tensor.shape).encode() + tensor.tobytes()).digest())
        with self._lock:
            if key in self._entries:
                return self._entries[key]
        activations = compute()
        with self._lock:
            self.computed += 1
            self._entries[key] = activations
            while len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)
        return activations


class OnnxEngine:
    """A run's trunks and head. A trunk is compiled once a process, for all runs that use it.

    trunks and head: compiled models to use in the place of the run's own (models.engines.randomised).
    """

    def __init__(
        self,
        run: Run,
        runtime: str,
        trunks: list[CompiledModel] | None = None,
        head: CompiledModel | None = None,
    ) -> None:
        self.run = run
        self._trunks = trunks or [
            _shared_trunk(runtime, branch.trunk, run.trunk_files[branch.trunk]) for branch in run.branches
        ]
        self._head = head or compile_model(run.head_file, runtime)
        self.name = self._head.runtime
        _check_shapes(run, self._trunks, self._head)

    @property
    def head(self) -> CompiledModel:
        """The head alone, from features to logits and channel weights."""
        return self._head

    def explain(self, tensor: np.ndarray, memo: ActivationMemo | None = None) -> Explained:
        """tensor float32 [N, h, w, C] in 0..1, of the run's input size -> the explained prediction.

        One pass through each trunk. ValueError for another shape or dtype; BadInput when the numbers that
        come out are not finite.
        """
        activations, out = self._pass(tensor, memo)
        return explained_by(self.run, out, activations, self.name)

    def predict(self, tensor: np.ndarray, memo: ActivationMemo | None = None) -> Scores:
        """Logits and calibrated probabilities only; tensor and errors as for `explain`."""
        logits = self._pass(tensor, memo)[1]["logits"]
        return Scores(logits, probabilities(logits, self.run.card.calibration))

    def _pass(
        self, tensor: np.ndarray, memo: ActivationMemo | None
    ) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
        tensor = check_tensor(self.run, tensor)
        activations = []
        for branch, trunk in zip(self.run.branches, self._trunks, strict=True):

            def compute(trunk: CompiledModel = trunk) -> np.ndarray:
                return trunk.call({"image": tensor})["activations"]

            activations.append(memo.get(branch.trunk, tensor, compute) if memo else compute())
        named = {branch.name: maps for branch, maps in zip(self.run.branches, activations, strict=True)}
        if head_kind(self.run) == FLATTEN:
            features = {f"activations_{name}": maps for name, maps in named.items()}
        else:
            features = {
                f"pooled_{name}": maps.mean(axis=(1, 2), dtype=np.float32) for name, maps in named.items()
            }
        out = self._head.call(features)
        finite_logits(self.run, out["logits"])
        return activations, out


def check_tensor(run: Run, tensor: np.ndarray) -> np.ndarray:
    """The tensor, contiguous, if it is float32 [N >= 1, h, w, C] of the run's input size; else ValueError."""
    size = run.card.input
    expected = (size.height, size.width, size.channels)
    if tensor.dtype != np.float32 or tensor.ndim != 4 or tensor.shape[1:] != expected or not len(tensor):
        raise ValueError(
            f"expected float32 [N, {', '.join(map(str, expected))}], got {tensor.dtype} {list(tensor.shape)}"
        )
    return np.ascontiguousarray(tensor)


def finite_logits(run: Run, logits: np.ndarray) -> None:
    """BadInput when a logit is not a finite number."""
    if not np.isfinite(logits).all():
        raise BadInput(
            f"The run {run.id} gave a number that is not finite for this image: its weights are damaged, "
            "choose another run."
        )


def available_runtime(kind: str = "onnx", images: int | None = None) -> str:
    """For "onnx" OpenVINO where installed, else ONNX Runtime; else the one named. BadInput if absent.

    images: how many images are to be computed, where that is known. Under `FEW_IMAGES` "onnx" means ONNX
    Runtime first: OpenVINO takes longer to compile a network than it saves on them.
    """
    preferred = RUNTIMES[::-1] if images is not None and images < FEW_IMAGES else RUNTIMES
    wanted = preferred if kind == "onnx" else (kind,)
    for runtime in wanted:
        if find_spec(runtime) is not None:
            return runtime
    raise BadInput(f"The engine {kind} needs the package {' or '.join(wanted)}: install requirements.txt.")


def compile_model(path: Path, runtime: str) -> CompiledModel:
    """Load one ONNX file for the CPU, in single precision. BadInput when the runtime refuses the file."""
    build = {"openvino": _compile_openvino, "onnxruntime": compile_onnxruntime}[runtime]
    try:
        return build(path)
    except Exception as error:
        # Both runtimes raise their own and several built-in types; for the person it is one thing.
        lines = str(error).strip().splitlines()
        reason = lines[0][:160] if lines else type(error).__name__
        raise BadInput(
            f"{path.name} cannot be opened by {runtime} ({reason}): fetch the run again."
        ) from error


def release_trunks() -> None:
    """Forget every compiled trunk; engines that are still held keep theirs."""
    _cache.clear()


class _TrunkCache:
    """Compiled trunks by (runtime, digest), the least recently opened forgotten first."""

    def __init__(self, max_entries: int) -> None:
        self._entries: OrderedDict[tuple[str, str], CompiledModel] = OrderedDict()
        self._max_entries = max_entries
        self._lock = threading.Lock()

    def get(self, runtime: str, digest: str, path: Path) -> CompiledModel:
        # Held while compiling: two pages that open the same trunk must not hold it twice.
        with self._lock:
            key = (runtime, digest)
            if key not in self._entries:
                self._entries[key] = compile_model(path, runtime)
                _return_freed_memory()
            self._entries.move_to_end(key)
            while len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)
            return self._entries[key]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()


def _return_freed_memory() -> None:
    """Give what compiling used and freed back to the system (glibc only): tens of megabytes."""
    import ctypes

    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError, TypeError):
        return


_cache = _TrunkCache(CACHED_TRUNKS)


def _shared_trunk(runtime: str, digest: str, path: Path) -> CompiledModel:
    return _cache.get(runtime, digest, path)


def _compile_openvino(path: Path) -> CompiledModel:
    import openvino as ov

    core = _openvino_core()
    # Some CPUs compute in half precision unless told otherwise, which moves probabilities by 1e-3.
    model = core.read_model(path)
    compiled = core.compile_model(
        model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    )
    # A compiled port also answers to the names of what was fused into it, so names are taken before.
    inputs, outputs = [[port.any_name for port in ports] for ports in (model.inputs, model.outputs)]
    shapes = {
        port.any_name: tuple(None if axis.is_dynamic else axis.get_length() for axis in port.partial_shape)
        for port in (*model.inputs, *model.outputs)
    }

    def call(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        request = compiled.create_infer_request()
        request.infer({i: arrays[name] for i, name in enumerate(inputs)}, share_inputs=True)
        return {name: np.array(request.get_output_tensor(i).data) for i, name in enumerate(outputs)}

    version = ov.get_version().split("-")[0]
    return CompiledModel(call, shapes, f"openvino {version} cpu f32")


@lru_cache(maxsize=1)
def _openvino_core() -> Any:
    """One core a process: each holds its own plug-ins and threads."""
    import openvino as ov

    return ov.Core()


def compile_onnxruntime(source: Path | bytes) -> CompiledModel:
    """One ONNX file, or its bytes, by ONNX Runtime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    given = source if isinstance(source, bytes) else str(source)
    session = onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
    ports = (*session.get_inputs(), *session.get_outputs())
    shapes = {
        port.name: tuple(axis if isinstance(axis, int) else None for axis in port.shape) for port in ports
    }
    names = [port.name for port in session.get_outputs()]

    def call(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, dict(arrays)), strict=True))

    return CompiledModel(call, shapes, f"onnxruntime {onnxruntime.__version__} cpu f32")


def _check_shapes(run: Run, trunks: list[CompiledModel], head: CompiledModel) -> None:
    """Refuse files that are not what the card says before an image goes through them."""
    classes, flat = len(run.classes), head_kind(run) == FLATTEN
    wanted = [(head, "logits", (run.card.logits,))]
    for branch, trunk in zip(run.branches, trunks, strict=True):
        size, maps = run.card.input, (*branch.grid, branch.channels)
        wanted += [
            (trunk, "image", (size.height, size.width, size.channels)),
            (trunk, "activations", maps),
            (head, f"channel_weights_{branch.name}", (classes, branch.channels)),
        ]
        if flat:
            wanted.append((head, f"activations_{branch.name}", maps))
            wanted.append((head, f"gradient_{branch.name}", (classes, *maps)))
        else:
            wanted.append((head, f"pooled_{branch.name}", (branch.channels,)))
    for model, name, shape in wanted:
        found = model.shapes.get(name)
        fits = (
            found is not None
            and len(found) == len(shape) + 1
            and all(here is None or here == want for here, want in zip(found[1:], shape, strict=True))
        )
        if not fits:
            raise BadInput(
                f"The weights of the run {run.id} do not fit its run.json ({name} should be "
                f"[N, {', '.join(map(str, shape))}]): fetch the run again."
            )
