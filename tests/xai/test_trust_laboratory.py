"""The laboratory's planted truth: the card of the run that reads the marker fails, the other's passes."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from models.data.phantoms import phantom
from models.engines import open_engine
from models.runs import find_run
from models.study import Study
from xai.explain import explain_reading, read_with
from xai.trust import TrustCard, trust_card
from xai.trust.image import SHORTCUTS

# Malignant phantoms of a seed that no run was trained on.
SEED, PHANTOMS = 9102, 2


@pytest.fixture(scope="module")
def marked() -> list[Study]:
    """Malignant phantoms with the planted marker in a corner."""
    found = []
    for index in range(40):
        drawn = phantom("ultrasound", SEED, index, marker=True)
        if drawn.label == "malignant" and len(found) < PHANTOMS:
            pixels = np.atleast_3d(drawn.image)
            digest = hashlib.sha256(pixels.tobytes()).hexdigest()
            found.append(Study(pixels, 255, "phantom.png", digest, modality="ultrasound", synthetic=True))
    return found


def cards(run_id: str, studies: list[Study]) -> list[TrustCard]:
    run = find_run(run_id)
    engine = open_engine(run, "onnxruntime")
    return [trust_card(explain_reading(read_with(study, run, engine)), engine) for study in studies]


def test_the_run_that_reads_the_marker_is_caught(marked: list[Study]):
    for card in cards("lab-shortcut", marked):
        light = next(light for light in card.lights if light.name == SHORTCUTS)
        assert card.failed and light.level == "bad"
        assert "the model relies on what is no tissue" in light.sentence


def test_the_run_that_reads_the_lesion_passes(marked: list[Study]):
    for card in cards("lab-lesion", marked):
        assert not card.failed
        assert next(light for light in card.lights if light.name == SHORTCUTS).level == "good"
