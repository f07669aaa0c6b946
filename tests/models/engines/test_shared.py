"""One study through runs that share trunks: the same numbers, each trunk computed once."""

import numpy as np
import pytest

from models.engines import onnx as onnx_engine
from models.engines import open_engine, release_trunks
from models.engines.shared import SharedPass, neighbours, open_for_one
from models.errors import BadInput
from models.runs import write_run
from models.study import Study
from tests.models.runs.tiny_run import tiny_files, write_tiny_run

PIXELS = np.random.default_rng(3).integers(0, 255, (9, 7, 1), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _no_trunks_left():
    release_trunks()
    yield
    release_trunks()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A hybrid, the two single runs of its trunks, and one of three classes over the same hybrid trunks."""
    root = tmp_path_factory.mktemp("runs")
    return [
        write_tiny_run(root / "hybrid"),
        write_tiny_run(root / "single-a", ("a",)),
        write_tiny_run(root / "single-b", ("b",)),
        write_tiny_run(root / "three", three=True),
    ]


@pytest.fixture
def study():
    return Study(PIXELS, 255, "scan.png", "0" * 64)


@pytest.fixture
def passes(monkeypatch):
    """The digests of the trunks that were computed, in order."""
    found = []
    shared_trunk = onnx_engine._shared_trunk

    def counted(runtime, digest, path):
        trunk = shared_trunk(runtime, digest, path)

        def call(arrays):
            found.append(digest)
            return trunk.call(arrays)

        return onnx_engine.CompiledModel(call, trunk.shapes, trunk.runtime)

    monkeypatch.setattr(onnx_engine, "_shared_trunk", counted)
    return found


def test_each_trunk_is_computed_once_for_all_runs(runs, study, passes):
    shared = SharedPass(study)
    for run in runs:
        shared.explain(run)
    assert sorted(passes) == sorted({branch.trunk for run in runs for branch in run.branches})
    assert len(passes) == 2


def test_the_numbers_are_those_of_the_single_engines(runs, study):
    shared = SharedPass(study)
    for run in runs:
        together = shared.explain(run)
        alone = open_engine(run, "onnxruntime").explain(run.inputs.tensor(study).tensor)
        assert together.run_id == run.id
        np.testing.assert_allclose(together.logits, alone.logits, rtol=1e-4)
        np.testing.assert_allclose(together.probabilities, alone.probabilities, rtol=1e-4)
        for ours, theirs in zip(together.branches, alone.branches, strict=True):
            np.testing.assert_allclose(ours.activations, theirs.activations, rtol=1e-4)
            np.testing.assert_allclose(ours.weights, theirs.weights, rtol=1e-4)


def test_another_input_is_another_pass(runs, study, passes, tmp_path):
    """The same trunk behind a stretched input sees other pixels."""
    card, files = tiny_files(("a",))
    stretched = write_run(
        tmp_path / "wide", card | {"id": "wide", "input": card["input"] | {"fit": "stretch"}}, files
    )
    shared = SharedPass(study)
    shared.explain(runs[1])
    shared.explain(stretched)
    assert len(passes) == shared.passes == 2
    shared.explain(stretched)
    assert len(passes) == shared.passes == 2
    assert shared.prepared(runs[0]) is shared.prepared(runs[1])
    assert shared.prepared(stretched) is not shared.prepared(runs[1])


def test_runs_that_share_a_trunk_follow_each_other(runs):
    order = [run.id for run in neighbours(runs)]
    assert abs(order.index("hybrid") - order.index("three")) == 1
    assert sorted(order) == sorted(run.id for run in runs)


def test_one_image_is_asked_of_the_runtime_that_opens_soonest(runs, monkeypatch):
    monkeypatch.delenv("LESIONLENS_ENGINE", raising=False)
    monkeypatch.setattr("models.engines.gpu_visible", lambda: False)
    assert open_for_one(runs[0]).name.startswith("onnxruntime")
    monkeypatch.setenv("LESIONLENS_ENGINE", "openvino")
    assert open_for_one(runs[0]).name.startswith("openvino")


def test_a_run_without_weights_is_refused(study, tmp_path):
    card, _ = tiny_files()
    bare = write_run(tmp_path / "bare", card | {"id": "bare", "branches": [], "head": None}, {})
    with pytest.raises(BadInput, match="without weights"):
        SharedPass(study).explain(bare)
