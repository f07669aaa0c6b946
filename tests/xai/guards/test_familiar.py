"""Images that are none of a run's kind are told by the shipped runs; images of its kind are let pass."""

import cv2
import numpy as np
import pytest

from models.data.phantoms import phantom
from models.engines import open_engine
from models.engines.familiarity import FEATURES_FILE, read_familiarity
from models.runs import find_run, list_runs
from tests.xai.fakes import BlockEngine, fake_run, study_of
from xai.explain import read_with
from xai.guards import judge_image

ULTRASOUND = ("busi-squeezenet-guided", "phantom-ultrasound")
RUNS = (*ULTRASOUND, "phantom-mammography", "idc-compact")


def chest() -> np.ndarray:
    """Something like a chest X-ray: dark lungs, ribs, a heart."""
    pixels = np.full((500, 420), 30, np.uint8)
    cv2.ellipse(pixels, (210, 250), (200, 240), 0, 0, 360, 150, -1)
    for x in (120, 300):
        cv2.ellipse(pixels, (x, 240), (70, 170), 0, 0, 360, 40, -1)
    for y in range(80, 420, 35):
        cv2.ellipse(pixels, (210, y), (190, 30), 0, 0, 360, 170, 3)
    cv2.ellipse(pixels, (240, 330), (60, 80), 0, 0, 360, 190, -1)
    return cv2.GaussianBlur(pixels, (0, 0), 3)


@pytest.fixture(scope="module")
def strange() -> dict[str, np.ndarray]:
    from sklearn.datasets import load_sample_images

    temple, flower = load_sample_images().images
    return {
        "photograph": temple,
        "grey photograph": cv2.cvtColor(flower, cv2.COLOR_RGB2GRAY),
        "noise": np.random.default_rng(0).integers(0, 256, (300, 400)).astype(np.uint8),
        "chest X-ray": chest(),
        "white": np.full((300, 300), 255, np.uint8),
        "ultrasound": phantom("ultrasound", 55, 1).image,
        "mammography": phantom("mammography", 55, 1).image,
        "histopathology": phantom("histopathology", 55, 1).image,
    }


@pytest.fixture(scope="module", params=RUNS)
def opened(request):
    run = find_run(request.param)
    return run, open_engine(run, "onnxruntime")


def test_a_strange_image_is_told_and_not_diagnosed(opened, strange):
    run, engine = opened
    for name, pixels in strange.items():
        if name == run.modality:
            continue
        found = judge_image(read_with(study_of(pixels), run, engine))
        assert found.level in ("bad", "doubt") and found.percentile > 97.5, (run.id, name, found)
        if found.level == "bad":
            assert "the probability means nothing here" in found.sentence
            assert f"the run's {len(read_familiarity(run))} held-out images" in found.sentence


@pytest.mark.parametrize("modality", ["ultrasound", "mammography"])
def test_a_runs_own_kind_drawn_anew_is_let_pass(modality):
    run = find_run(f"phantom-{modality}")
    engine = open_engine(run, "onnxruntime")
    levels = [
        judge_image(read_with(study_of(phantom(modality, 901, index).image), run, engine)).level
        for index in range(12)
    ]
    assert levels.count("good") >= 11, levels


def test_every_shipped_run_with_weights_knows_its_training_images():
    for run in list_runs():
        known = read_familiarity(run)
        assert (known is not None) == run.has_weights, run.id
        if known is not None:
            assert run.path(FEATURES_FILE).stat().st_size <= 300_000
            flagged = np.mean([known.percentile(distance) > 97.5 for distance in known.held_out])
            assert flagged <= 0.05 and len(known) >= 100, run.id


def test_a_run_without_statistics_says_so():
    run = fake_run(path=lambda name: None)
    found = judge_image(read_with(study_of(np.zeros((32, 32), np.uint8)), run, BlockEngine()))
    assert (found.level, found.percentile) == ("unknown", None)
    assert "keeps no statistics" in found.sentence


def test_edges_of_the_levels():
    """100 held-out images at 1..100: further than 97 of them is good, than 98 doubt, than all bad."""
    from models.engines import familiarity

    class Known:
        at = 0.0

        def __len__(self):
            return 100

        def distance(self, explained, facts):
            return np.array([self.at])

        def percentile(self, distance):
            return float((np.arange(1, 101) < distance).sum())

    known, run = Known(), fake_run()
    reading = read_with(study_of(np.zeros((32, 32), np.uint8)), run, BlockEngine())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(familiarity, "read_familiarity", lambda run: known)
        for at, level in ((97.5, "good"), (98.5, "doubt"), (99.5, "doubt"), (101, "bad"), (np.nan, "bad")):
            known.at = at
            assert judge_image(reading).level == level, at
