"""Maps of a network whose weights are made random: the arithmetic on given maps, and a shipped run."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import models.engines
from models.data.phantoms import phantom
from models.engines.randomised import STAGES, Cascade
from models.runs import find_run
from xai.measures.randomisation import randomise, structural_similarity

TENSORS = np.zeros((4, 8, 8, 1), np.float32)


@pytest.fixture
def staged(monkeypatch):
    """Engines that are no more than the name of their stage."""
    monkeypatch.setattr(models.engines, "open_engine", lambda run, kind: "trained")
    monkeypatch.setattr(Cascade, "engine", lambda self, stage: stage)
    return SimpleNamespace(id="tiny", has_weights=True)


def smooth(seed):
    return np.random.default_rng(seed).normal(size=(7, 7)).astype(np.float32)


def test_a_map_that_no_weight_changes_fails(staged):
    """An edge detector shows the image whatever the network learned (Adebayo's own example)."""

    def edges(engine, tensors):
        return [smooth(i) for i in range(len(tensors))]

    found = randomise(staged, TENSORS, "malignant", maps_of=edges)
    assert [stage.name for stage in found.stages] == list(STAGES)
    assert found.correlation == pytest.approx(1.0) and found.passed is False and found.n == 4
    assert all(stage.similarity == pytest.approx(1.0) for stage in found.stages)


def test_a_map_turned_upside_down_shows_the_same_structure(staged):
    def turned(engine, tensors):
        return [smooth(i) * (1 if engine == "trained" else -1) for i in range(len(tensors))]

    found = randomise(staged, TENSORS, "malignant", maps_of=turned)
    assert found.correlation == pytest.approx(1.0) and not found.passed


def test_a_map_that_goes_with_its_weights_passes(staged):
    def learned(engine, tensors):
        share = {"trained": 0.0, "head": 0.3, "last quarter": 0.6}.get(engine, 1.0)
        other = 100 + len(engine)
        return [(1 - share) * smooth(i) + share * smooth(other + i) for i in range(len(tensors))]

    calls = []
    found = randomise(
        staged, TENSORS, "malignant", maps_of=learned, watch=lambda done, total: calls.append((done, total))
    )
    correlations = [stage.correlation for stage in found.stages]
    assert correlations[0] > 0.8 > correlations[1] > 0.45 > correlations[2]
    assert found.passed and found.correlation == correlations[-1]
    assert len(found.stages[0].ranks) == 4
    assert np.mean(found.stages[0].ranks) == pytest.approx(correlations[0])
    assert calls == [(done, 5) for done in range(6)]


def test_blank_maps_count_as_gone_or_are_left_out(staged):
    def fading(engine, tensors):
        maps = [smooth(i) for i in range(len(TENSORS))]
        maps[0] = np.zeros((7, 7), np.float32)  # blank from the start: out
        if engine == "all layers":
            return [maps[1], np.zeros((7, 7), np.float32), maps[3]]
        return maps if engine == "trained" else maps[1:]

    found = randomise(staged, TENSORS, "malignant", maps_of=fading)
    assert found.n == 3 and found.stages[0].correlation == pytest.approx(1.0)
    assert found.stages[-1].blank == 1 and found.correlation == pytest.approx(2 / 3)
    few = randomise(staged, TENSORS[:2], "malignant", maps_of=lambda e, t: [smooth(i) for i in range(len(t))])
    assert few.correlation is None and few.passed is None and "3 are needed" in few.why


def test_padding_is_not_compared(staged):
    """Both maps are lit alike in the padding, and of each other's order inside."""
    padding, inside = np.ones((8, 8), bool), np.zeros((8, 8), bool)
    padding[:, 2:6], inside[:, 3:5] = False, True  # a cell apart, for interpolation carries a cell's value on

    def maps_of(engine, tensors):
        seed = 0 if engine == "trained" else 50
        grids = [np.random.default_rng(seed + i).random((8, 8)) for i in range(4)]
        return [np.where(padding, 50 * np.indices((8, 8))[0], grid).astype(np.float32) for grid in grids]

    whole = randomise(staged, TENSORS, "malignant", maps_of=maps_of)
    content = randomise(staged, TENSORS, "malignant", maps_of=maps_of, insides=[inside] * 4)
    assert content.correlation < 0.5 < 0.7 < whole.correlation


def test_a_shipped_runs_maps_are_made_of_its_weights():
    run = find_run("phantom-ultrasound")
    drawn = [phantom("ultrasound", 20_000, index, label="malignant").image for index in range(3)]
    prepared = [run.inputs.array(image.astype(np.float32) / 255) for image in drawn]
    found = randomise(
        run,
        np.concatenate([one.tensor for one in prepared]),
        "malignant",
        insides=[one.placement.content() for one in prepared],
    )
    assert found.passed and found.correlation < 0.5 and found.n == 3
    assert found.stages[-1].similarity < 0.5


def test_ablation_cam_asks_the_head_that_lost_its_weights(monkeypatch):
    """With the trained head and unchanged trunks its map would be the same."""
    run = find_run("busi-squeezenet")
    monkeypatch.setattr("models.engines.randomised.STAGES", ("head",))
    tensors = np.random.default_rng(1).random((3, 224, 224, run.card.input.channels), dtype=np.float32)
    found = randomise(run, tensors, "malignant", "ablation-cam")
    assert 0 < found.correlation < 0.95


def test_structural_similarity_by_hand():
    """A constant window of a and b has (2ab + c) / (a^2 + b^2 + c): arrays without variance but for one
    corner, which sets the scale and is outside every window's reach."""
    first, second = np.full((40, 40), 0.5), np.full((40, 40), 0.25)
    for array in (first, second):
        array[0, 0], array[0, 39] = 0.0, 1.0
    near = structural_similarity(first[:, :], second)
    flat = (2 * 0.5 * 0.25 + 1e-4) / (0.25 + 0.0625 + 1e-4)
    # Windows whose first row is the marked one see it with a weight of next to nothing.
    assert near == pytest.approx(flat, abs=5e-3)


@pytest.mark.tf
def test_structural_similarity_is_tensorflows():
    import tensorflow as tf

    rng = np.random.default_rng(0)
    for _ in range(3):
        first, second = rng.random((2, 32, 32))
        for array in (first, second):
            array -= array.min()
            array /= array.max()
        expected = tf.image.ssim(tf.constant(first[..., None]), tf.constant(second[..., None]), 1.0)
        assert structural_similarity(first, second) == pytest.approx(float(expected), abs=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 50), st.floats(-5, 5))
def test_similarity_knows_neither_scale_nor_order_of_its_two(seed, scale, offset):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(2, 16, 20))
    found = structural_similarity(first, second)
    assert -1 <= found <= 1 and found == pytest.approx(structural_similarity(second, first))
    assert structural_similarity(first, first * scale + offset) == pytest.approx(1.0)
