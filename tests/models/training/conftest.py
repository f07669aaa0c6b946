"""A few phantoms, a recipe small enough for them, and a run trained with it."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest

from models.data.phantoms import write_phantoms
from tests.models.training.test_recipe import MINIMAL

SMALL = ("input.height=64", "input.width=64", "stages.0.epochs=3", "stages.0.batch=8")
LABELS = 'label_map = { benign = "other", normal = "other" }\nsynthetic = true\n'


@pytest.fixture
def unmeasured_cost(monkeypatch):
    """What a run costs is measured in a process of its own; once, in `trained`, is enough."""
    monkeypatch.setattr("models.training.finish.cost_of", lambda run: {"parameters": 1})


@pytest.fixture(scope="session")
def manifest(tmp_path_factory):
    return write_phantoms("ultrasound", 42, 3, tmp_path_factory.mktemp("phantoms") / "us")


@pytest.fixture(scope="session")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(MINIMAL.replace('citation = "none"\n', 'citation = "none"\n' + LABELS))
    return path


@pytest.fixture(scope="session")
def trained(manifest, recipe, tmp_path_factory):
    from models.training.train import train

    folder = tmp_path_factory.mktemp("trained")
    return train(recipe, manifest, folder / "tiny", folder / "work", SMALL, quiet=True)
