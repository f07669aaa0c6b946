"""Heads over trunks that stand still: guided on stored maps, classical on stored features."""

import csv

import numpy as np
import pytest

from models.engines import open_engine
from models.errors import BadInput
from tests.models.training.conftest import SMALL

pytest.importorskip("keras")
pytestmark = pytest.mark.tf

IMAGE = np.full((1, 64, 64, 1), 0.4, np.float32)


@pytest.fixture(autouse=True)
def _heavy(monkeypatch):
    """What a run costs is measured in a process of its own; once is enough (test_train does)."""
    monkeypatch.setattr("models.training.finish.cost_of", lambda run: {"parameters": 1})


def train(*arguments, **options):
    from models.training.train import train

    return train(*arguments, **options)


@pytest.mark.slow
def test_a_guided_head_leaves_the_trunk_alone_and_its_file_gives_the_trained_logits(
    manifest, recipe, trained, tmp_path
):
    changes = (
        f"start.compact='run:{trained.folder}'",
        "id='guided'",
        "network.units=[4]",
        "copies=1",
        "stages.0.guide=1.0",
        *SMALL,
    )
    run = train(recipe, manifest, tmp_path / "guided", tmp_path / "work", changes, quiet=True)
    assert run.branches[0].trunk == trained.branches[0].trunk
    assert run.card.training["epochs"] == 3
    # The standardisation is folded into the exported head, so its weights are those of features as they come.
    explained = open_engine(run, "onnx").explain(IMAGE)
    branch = explained.branches[0]
    assert np.isfinite(branch.weights).all()
    assert branch.weights.shape == (1, 2, 128)
    np.testing.assert_allclose(branch.weights[0, 0], -branch.weights[0, 1], rtol=1e-5, atol=1e-9)


def test_guidance_without_masks_is_refused(manifest, recipe, trained, tmp_path):
    with open(manifest, newline="") as file:
        rows = list(csv.DictReader(file))
    path = tmp_path / "manifest.csv"
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, ["file", "label"])
        writer.writeheader()
        for row in rows:
            writer.writerow({"file": str(manifest.parent / row["file"]), "label": row["label"]})
    with pytest.raises(BadInput, match="guided by masks"):
        train(recipe, path, tmp_path / "g", tmp_path / "w", ("stages.0.guide=1.0", *SMALL), quiet=True)


@pytest.mark.parametrize("kind", ["logistic", "svm", "bayes"])
def test_a_classical_run_is_fitted_on_features_and_explains_itself(manifest, recipe, tmp_path, kind):
    changes = (f"network.head='{kind}'", "stages=[]", "copies=1", "id='classic'", *SMALL[:2])
    run = train(recipe, manifest, tmp_path / "classic", tmp_path / "work" / kind, changes, quiet=True)
    assert run.card.head.kind == kind
    assert run.card.metrics["test"]["auc"].n == 6
    assert run.path("history.csv") is None
    explained = open_engine(run, "onnx").explain(IMAGE)
    assert np.abs(explained.branches[0].weights).max() > 0
    assert (tmp_path / "work" / "features").is_dir()


def test_features_are_computed_once_for_every_classifier(manifest, recipe, tmp_path, monkeypatch):
    from models.training import heads

    counted = []
    real = heads.pooled_features
    monkeypatch.setattr(heads, "pooled_features", lambda *a: counted.append(a) or real(*a))
    for kind in ("logistic", "bayes"):
        changes = (f"network.head='{kind}'", "stages=[]", "copies=0", *SMALL[:2])
        train(recipe, manifest, tmp_path / kind, tmp_path / "work" / kind, changes, quiet=True)
    assert len(counted) == 1


def test_a_fused_head_begins_as_the_mean_of_its_runs(manifest, recipe, trained, tmp_path):
    """One run alone, at a rate too small to move anything: the fused run gives that run's own logits."""
    changes = (
        f"start.compact='run:{trained.folder}'",
        "network.begin='runs'",
        "id='fused'",
        "copies=0",
        *SMALL[:2],
        "stages.0.epochs=1",
        "stages.0.rate=1e-12",
    )
    run = train(recipe, manifest, tmp_path / "fused", tmp_path / "work", changes, quiet=True)
    ours, theirs = (open_engine(r, "onnx").explain(IMAGE) for r in (run, trained))
    np.testing.assert_allclose(ours.logits, theirs.logits, rtol=5e-3, atol=5e-3)  # kernels are kept in half
    np.testing.assert_allclose(ours.branches[0].weights, theirs.branches[0].weights, rtol=2e-2, atol=1e-6)
