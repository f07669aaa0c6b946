"""What the methods that look again share: batches, enlarging, differences that are none."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from models.inputs import Placement
from xai.methods.perturbation import enlarged, in_batches, settled


def test_batches_cover_everything_once():
    told = []
    parts = list(in_batches(5, lambda done, total: told.append((done, total)), 2))
    assert [(part.start, part.stop) for part in parts] == [(0, 2), (2, 4), (4, 5)]
    assert told == [(0, 5), (2, 5), (4, 5), (5, 5)]


def test_maps_are_enlarged_as_they_are_drawn():
    maps = np.random.default_rng(0).random((3, 5, 4), dtype=np.float32)
    found = enlarged(maps, (30, 41))
    placement = Placement.fitting((30, 41), (30, 41))
    for channel in range(4):
        np.testing.assert_allclose(found[channel], placement.to_native(maps[..., channel]), atol=1e-5)
    np.testing.assert_array_equal(enlarged(maps, (3, 5)), np.moveaxis(maps, 2, 0))


def test_noise_of_single_precision_is_no_difference():
    np.testing.assert_array_equal(settled(np.array([1e-7, -1e-7, 1e-3]), 0.5), [0, 0, 1e-3])
    np.testing.assert_array_equal(settled(np.array([1e-5, 1e-3]), -50.0), [0, 1e-3])


def test_tensorflow_is_not_loaded_to_know_the_gradient_methods():
    """The number of passes is told from their constants, on the command line."""
    script = "import sys, xai.methods.gradient; print(*sorted({'keras', 'tensorflow'} & set(sys.modules)))"
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0 and not done.stdout.split(), done.stderr
