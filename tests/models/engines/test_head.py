"""A run's head on its own gives the engine's margins from the engine's feature maps."""

import numpy as np

from models.engines import open_engine
from models.engines.head import open_head
from models.runs import find_run, load_run
from tests.models.runs.tiny_run import write_tiny_run


def same_margins(run, shape):
    tensor = np.random.default_rng(0).random(shape, dtype=np.float32)
    explained = open_engine(run, "onnxruntime").explain(tensor)
    head, activations = open_head(run), [branch.activations for branch in explained.branches]
    np.testing.assert_allclose(head(activations), explained.margins, rtol=1e-5, atol=1e-6)
    return head, activations


def test_of_a_hybrid_behind_mean_pooling(tmp_path):
    run = write_tiny_run(tmp_path / "tiny")
    head, activations = same_margins(run, (3, 4, 4, 1))
    features = head.features(activations)
    assert [values.shape for values in features] == [(3, maps.shape[-1]) for maps in activations]
    # A channel set to zero is a channel the head does not hear of.
    silent = [maps.copy() for maps in activations]
    silent[1][..., 0] = 0
    features[1][:, 0] = 0
    np.testing.assert_array_equal(head(silent), head.margins(features))


def test_of_a_head_that_flattens():
    head, activations = same_margins(find_run("idc-customcnn"), (2, 64, 64, 3))
    assert head.features(activations)[0].shape == (2, 8, 8, 128)


def test_it_is_opened_once(tmp_path):
    run = write_tiny_run(tmp_path / "tiny")
    assert open_head(run) is open_head(load_run(run.folder))
