"""A run small enough to read, and pictures for it: what the tests of a batch share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.runs import Run, load_run
from tests.pages.tiny_run import SIDE, write_tiny_run


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Run:
    """Two branches of one convolution each, on 64 x 64 grey."""
    return load_run(write_tiny_run(tmp_path_factory.mktemp("runs")))


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> list[Path]:
    """Forty grey pictures, every other one a JPEG, each darker than the one before: its logit rises."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(4)
    paths = []
    for number in range(40):
        noise = rng.integers(-8, 8, (SIDE, SIDE))
        picture = np.clip(85 - 1.8 * number + noise, 0, 255).astype(np.uint8)
        paths.append(folder / f"{number:02d}{'.jpg' if number % 2 else '.png'}")
        Image.fromarray(picture).save(paths[-1])
    return paths
