"""The ONNX engine on a run that is worked out by hand."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import models.engines as engines
from models.engines import ActivationMemo, open_engine, release_trunks
from models.engines import onnx as onnx_engine
from models.errors import BadInput
from models.runs import write_run
from tests.models.runs.tiny_run import (
    A_BIAS,
    A_KERNEL,
    B1,
    B2,
    B2_THREE,
    B_BIAS,
    B_KERNEL,
    W1,
    W2,
    W2_THREE,
    tiny_files,
    write_tiny_run,
)

RUNTIMES = ("openvino", "onnxruntime")


@pytest.fixture(autouse=True)
def _no_trunks_left():
    release_trunks()
    yield
    release_trunks()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_tiny_run(tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(0, 1, (3, 4, 4, 1)).astype(np.float32)


def by_hand(image):
    """Activations of both branches, cell by cell, from the numbers in tiny_run."""
    a = np.zeros((2, 2, 2))
    for i in range(4):
        for j in range(4):
            a[i // 2, j // 2] += np.maximum(image[i, j, 0] * A_KERNEL[0] + A_BIAS, 0) / 4
    b = np.maximum(image * B_KERNEL[0] + B_BIAS, 0)
    return a, b


def logits_of(a, b, w2=W2, b2=B2):
    pooled = np.concatenate([a.mean((0, 1)), b.mean((0, 1))])
    return np.maximum(pooled @ W1 + B1, 0) @ w2 + b2


def numeric_gradient(function, array, step=1e-5):
    gradient = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        up, down = array.copy(), array.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (function(up) - function(down)) / (2 * step)
    return gradient


@pytest.mark.parametrize("kind", RUNTIMES)
def test_logit_probability_and_activations_are_the_ones_worked_out_by_hand(run, images, kind):
    explained = open_engine(run, kind).explain(images)
    for n, image in enumerate(images.astype(np.float64)):
        a, b = by_hand(image)
        logit = logits_of(a, b)[0]
        np.testing.assert_allclose(explained.branches[0].activations[n], a, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(explained.branches[1].activations[n], b, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(explained.logits[n], [logit], rtol=1e-5)
        np.testing.assert_allclose(explained.margins[n], [-logit, logit], rtol=1e-5)
        positive = 1 / (1 + np.exp(-(2.0 * logit - 0.5)))
        np.testing.assert_allclose(explained.probabilities[n], [1 - positive, positive], rtol=1e-5)
    assert explained.classes == ("other", "malignant")
    assert explained.engine.startswith(kind) and explained.engine.endswith("cpu f32")
    assert [(branch.name, branch.layer) for branch in explained.branches] == [
        ("a", "a_relu"),
        ("b", "b_relu"),
    ]


@pytest.mark.parametrize("kind", RUNTIMES)
def test_channel_weights_are_the_margin_gradient_of_one_cell(run, images, kind):
    explained = open_engine(run, kind).explain(images)
    for n, image in enumerate(images.astype(np.float64)):
        a, b = by_hand(image)
        slope_a = numeric_gradient(lambda x: logits_of(x, b)[0], a)  # noqa: B023
        slope_b = numeric_gradient(lambda x: logits_of(a, x)[0], b)  # noqa: B023
        for branch, slope in zip(explained.branches, (slope_a, slope_b), strict=True):
            np.testing.assert_allclose(branch.weights[n, 1], slope[0, 0], rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(branch.weights[n, 1], slope[-1, -1], rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(branch.weights[n, 0], -slope[0, 0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", RUNTIMES)
def test_three_classes_have_margins_against_the_mean_of_the_others(tmp_path, images, kind):
    explained = open_engine(write_tiny_run(tmp_path / "three", three=True), kind).explain(images[:1])
    a, b = by_hand(images[0].astype(np.float64))

    def margin(a, b, label):
        logits = logits_of(a, b, W2_THREE, B2_THREE)
        return logits[label] - np.delete(logits, label).mean()

    for label in range(3):
        assert explained.margins[0, label] == pytest.approx(margin(a, b, label), rel=1e-4)
        slope = numeric_gradient(lambda x: margin(x, b, label), a)  # noqa: B023
        np.testing.assert_allclose(explained.branches[0].weights[0, label], slope[0, 0], rtol=1e-4, atol=1e-6)
    powers = np.exp(0.5 * logits_of(a, b, W2_THREE, B2_THREE))
    np.testing.assert_allclose(explained.probabilities[0], powers / powers.sum(), rtol=1e-5)


@pytest.mark.parametrize("kind", RUNTIMES)
def test_ports_keep_their_names_whatever_is_fused(run, kind):
    head = onnx_engine.compile_model(run.head_file, kind)
    outputs = {"logits": (None, 1), "channel_weights_a": (None, 2, 2), "channel_weights_b": (None, 2, 3)}
    assert head.shapes == {"pooled_a": (None, 2), "pooled_b": (None, 3)} | outputs
    arrays = {"pooled_a": np.zeros((1, 2), np.float32), "pooled_b": np.zeros((1, 3), np.float32)}
    assert set(head.call(arrays)) == set(outputs)


def test_the_two_runtimes_agree(run, images):
    first, second = (open_engine(run, kind).explain(images) for kind in RUNTIMES)
    np.testing.assert_allclose(first.logits, second.logits, rtol=1e-4)
    for one, other in zip(first.branches, second.branches, strict=True):
        np.testing.assert_allclose(one.activations, other.activations, rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(one.weights, other.weights, rtol=1e-4, atol=1e-7)


def test_any_batch_size_gives_the_same_numbers(run, images):
    engine = open_engine(run)
    whole = engine.explain(images)
    for n in range(3):
        alone = engine.explain(images[n : n + 1])
        np.testing.assert_allclose(alone.logits, whole.case(n).logits, rtol=1e-6)
        np.testing.assert_allclose(alone.branches[1].weights, whole.case(n).branches[1].weights, rtol=1e-6)
    np.testing.assert_array_equal(engine.predict(images).logits, whole.logits)
    with pytest.raises(IndexError):
        whole.case(3)


@pytest.mark.parametrize("kind", RUNTIMES)
def test_one_engine_serves_many_threads(run, kind):
    engine = open_engine(run, kind)
    tensors = [np.full((1, 4, 4, 1), value, np.float32) for value in np.linspace(0, 1, 4)]
    expected = [engine.explain(tensor) for tensor in tensors]
    wrong = []

    def work(n):
        for _ in range(15):
            got = engine.explain(tensors[n])
            same = np.array_equal(got.logits, expected[n].logits)
            if not same or not np.array_equal(
                got.branches[0].activations, expected[n].branches[0].activations
            ):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_runs_that_share_a_trunk_compile_it_once(tmp_path, monkeypatch):
    opened = []
    real = onnx_engine.compile_model
    monkeypatch.setattr(
        onnx_engine, "compile_model", lambda path, kind: opened.append(path.name) or real(path, kind)
    )
    hybrid, single = write_tiny_run(tmp_path / "hybrid"), write_tiny_run(tmp_path / "single", ("a",))
    engines = [open_engine(hybrid), open_engine(single)]
    assert sum(not name.startswith("head") for name in opened) == 2
    tensor = np.full((1, 4, 4, 1), 0.5, np.float32)
    memo = ActivationMemo()
    first, second = (engine.explain(tensor, memo) for engine in engines)
    assert first.branches[0].activations is second.branches[0].activations
    other = engines[1].explain(tensor + np.float32(0.1), memo)
    assert not np.array_equal(other.branches[0].activations, first.branches[0].activations)


def test_the_cache_of_trunks_is_bounded():
    cache = onnx_engine._TrunkCache(2)
    for digest in "abca":
        cache._entries[("openvino", digest)] = object()
    cache.get("openvino", "c", None)
    assert len(cache._entries) == 2


def test_tensors_of_another_size_or_type_are_a_fault_of_the_caller(run):
    engine = open_engine(run)
    for wrong in (
        np.zeros((1, 4, 5, 1), np.float32),
        np.zeros((1, 4, 4, 1)),
        np.zeros((4, 4, 1), np.float32),
        np.zeros((0, 4, 4, 1), np.float32),
    ):
        with pytest.raises(ValueError, match=r"float32 \[N, 4, 4, 1\]"):
            engine.explain(wrong)


def test_weights_that_are_not_what_the_card_says_are_refused(tmp_path):
    card, files = tiny_files()
    card["branches"][1]["grid"] = [2, 8]
    with pytest.raises(BadInput, match=r"do not fit its run.json .activations should be .N, 2, 8, 3.."):
        open_engine(write_run(tmp_path / "tiny", card, files))


@pytest.mark.parametrize("kind", RUNTIMES)
def test_a_head_that_is_no_onnx_file_is_refused_in_one_sentence(tmp_path, kind):
    card, files = tiny_files()
    run = write_run(tmp_path / "tiny", card, files | {"head.onnx": b"not a network"})
    with pytest.raises(BadInput, match="cannot be opened") as refusal:
        open_engine(run, kind)
    assert "\n" not in str(refusal.value)


def test_unknown_kinds_and_runs_without_weights_are_refused(run, tmp_path):
    with pytest.raises(BadInput, match="choose one of onnx, openvino, onnxruntime, tensorflow"):
        open_engine(run, "torch")
    card, _ = tiny_files()
    bare = write_run(tmp_path / "bare", card | {"branches": []}, {})
    with pytest.raises(BadInput, match="without weights"):
        open_engine(bare)


def test_the_environment_chooses_when_nobody_else_does(run, monkeypatch):
    monkeypatch.setenv("LESIONLENS_ENGINE", "onnxruntime")
    assert open_engine(run).name.startswith("onnxruntime")
    assert open_engine(run, "openvino").name.startswith("openvino")


def test_a_few_images_are_given_to_the_runtime_that_opens_sooner(run, monkeypatch):
    monkeypatch.delenv("LESIONLENS_ENGINE", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert open_engine(run, images=1).name.startswith("onnxruntime")
    assert open_engine(run, images=500).name.startswith("openvino")
    assert open_engine(run, "openvino", images=1).name.startswith("openvino")


def test_a_gpu_brings_tensorflow_and_none_the_light_engine(run, monkeypatch):
    monkeypatch.delenv("LESIONLENS_ENGINE", raising=False)
    monkeypatch.setattr(engines, "gpu_visible", lambda: True)
    assert engines.default_kind() == "tensorflow"
    monkeypatch.undo()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert engines.default_kind() == "onnx"
    assert open_engine(run, engines.default_kind()).name.startswith("openvino")


def test_explaining_imports_nothing_heavy(run):
    heavy = [
        "tensorflow",
        "keras",
        "torch",
        "pandas",
        "scipy",
        "sklearn",
        "cv2",
        "onnx",
        "streamlit",
        "plotly",
    ]
    program = (
        "import sys, numpy as np\n"
        "from models.runs import load_run\n"
        "from models.engines import open_engine\n"
        f"open_engine(load_run({str(run.folder)!r})).explain(np.zeros((1, 4, 4, 1), np.float32))\n"
        f"print([name for name in {heavy} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
    )
    assert done.stdout.strip() == "[]"
