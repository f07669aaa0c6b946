"""The trust card: each light on a case whose answer is known, and what the lights come to."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from models.data.marks import MarkRegion
from models.engines import Scores, open_engine
from models.runs import load_run
from tests.pages.tiny_run import write_tiny_run
from tests.xai.fakes import SIDE, BlockEngine, fake_run, grid_map, study_of
from xai.explain import CaseExplanation, explain_reading, read_with
from xai.guards.shortcuts import Shortcuts
from xai.heatmap import Heatmap
from xai.trust import Light, TrustCard, entry, trust_card
from xai.trust import image as image_lights
from xai.trust.light import card_of
from xai.trust.passes import blur_light, on_input, stability_light
from xai.trust.record import NO_RECORD, agreement_light, mask_light, record_light, sanity_light

PATCH = np.s_[4:14, 4:14]


def light(level: str, name: str = "a check", decisive: bool = True) -> Light:
    return Light(name, level, "1", f"{name} says {level}.", "why", decisive)


def lit(rows: slice, columns: slice, cells: int = 16) -> np.ndarray:
    """A map of cells x cells that is hot there alone, in cells."""
    values = np.zeros((cells, cells), np.float32)
    values[rows, columns] = 1.0
    return values


class ManyEngine(BlockEngine):
    """Blocks of as many images as are asked for: the fake's weights are of one."""

    def explain(self, tensor: np.ndarray):
        found = super().explain(tensor)
        branches = (
            replace(branch, weights=np.repeat(branch.weights, len(tensor), axis=0))
            for branch in found.branches
        )
        return replace(found, branches=tuple(branches))


class PatchEngine(BlockEngine):
    """The logit is ten times the contrast in one patch: blurring it lowers the score, blurring others does
    not."""

    def predict(self, tensor: np.ndarray) -> Scores:
        contrast = np.abs(tensor[:, *PATCH, 0] - 0.5).mean(axis=(1, 2))
        logits = (10 * contrast)[:, None].astype(np.float32)
        return Scores(logits, np.concatenate([1 - logits, logits], axis=1).astype(np.float64))


@pytest.fixture
def chequered() -> CaseExplanation:
    """A board of black and white pixels, explained by blocks."""
    board = (np.indices((SIDE, SIDE)).sum(axis=0) % 2 * 255).astype(np.uint8)
    return explained(board, BlockEngine())


def explained(pixels: np.ndarray, engine: BlockEngine, **changes: object) -> CaseExplanation:
    reading = read_with(study_of(pixels), fake_run(), engine)
    return replace(explain_reading(reading), **changes)


def with_map(result: CaseExplanation, values: np.ndarray) -> CaseExplanation:
    joint = Heatmap(grid_map(values), result.reading.placement, 1.0)
    return replace(result, heatmaps=(joint,), joint=joint)


# What the lights come to


def test_one_decisive_failure_is_enough():
    card = card_of((light("good"), light("bad", "blur"), light("good")), "joint", "grad-cam")
    assert card.failed and card.level == "bad"
    assert card.sentence == "Do not read this map as the reason. blur says bad."


def test_what_does_not_decide_raises_a_doubt_at_most():
    card = card_of((light("good"), light("bad", "record", decisive=False)), "joint", "grad-cam")
    assert card.level == "doubt" and not card.failed and "record says bad" in card.sentence


def test_nothing_measured_is_not_a_pass():
    card = card_of((light("unknown"), light("good", decisive=False)), "joint", "grad-cam")
    assert card.level == "unknown" and "unchecked" in card.sentence


def test_a_pass_counts_and_promises_nothing():
    card = card_of((light("good"), light("unknown"), light("good")), "joint", "grad-cam")
    assert card.level == "good" and "passes 2 of 2 checks" in card.sentence and "no proof" in card.sentence
    assert card.count() == "2 pass, 1 unknown"


def test_the_card_is_plain_data_for_a_document():
    card = TrustCard((light("doubt"),), "doubt", "Look twice.", "joint", "grad-cam", 1.23456)
    data = json.loads(json.dumps(entry(card)))
    assert data["level"] == "doubt" and data["seconds"] == 1.235
    assert data["lights"][0] == {
        "name": "a check", "level": "doubt", "figure": "1", "sentence": "a check says doubt.",
        "why": "why", "decisive": True,
    }  # fmt: skip


# The blur test


def test_blurring_what_the_score_depends_on_passes(chequered: CaseExplanation):
    found = with_map(chequered, lit(np.s_[2:7], np.s_[2:7]))
    said = blur_light(found, found.joint, PatchEngine())
    assert said.level == "good" and said.figure == "beats 16 of 16 areas"


def test_blurring_elsewhere_lowers_the_score_less_than_chance(chequered: CaseExplanation):
    found = with_map(chequered, lit(np.s_[10:15], np.s_[10:15]))
    said = blur_light(found, found.joint, PatchEngine())
    assert said.level == "bad"
    assert "lowers the score less than blurring a random area of the same size" in said.sentence
    assert said.sentence.endswith("do not read this map as the reason.")


def test_a_blank_map_has_no_hot_area(chequered: CaseExplanation):
    found = with_map(chequered, np.zeros((4, 4), np.float32))
    assert blur_light(found, found.joint, PatchEngine()).level == "unknown"


def test_a_map_is_stretched_over_the_whole_input(chequered: CaseExplanation):
    values = np.arange(4, dtype=np.float32).reshape(2, 2)
    heatmap = with_map(chequered, values).joint
    assert on_input(heatmap).shape == (SIDE, SIDE)
    assert on_input(heatmap)[0, 0] == 0 and on_input(heatmap)[-1, -1] == 3


# Stability


def lesion() -> np.ndarray:
    pixels = np.full((SIDE, SIDE), 200, np.uint8)
    pixels[8:20, 12:24] = 10
    return pixels


def test_a_network_that_follows_the_tissue_is_stable():
    engine = ManyEngine()
    assert stability_light(explained(lesion(), engine), "joint", engine).level == "good"


class MovingEngine(ManyEngine):
    """The hot cell is another one for every image of a batch."""

    def explain(self, tensor: np.ndarray):
        found = super().explain(tensor)
        branches = []
        for branch in found.branches:
            activations = np.zeros_like(branch.activations)
            for index in range(len(activations)):
                activations[index].reshape(-1, 2)[(5 * index) % 16, 1] = 1.0
            branches.append(replace(branch, activations=activations))
        return replace(found, branches=tuple(branches))


def test_a_map_that_jumps_is_told():
    engine = MovingEngine({"coarse": (-1.0, 6.0)})
    said = stability_light(explained(lesion(), engine), "joint", engine)
    assert said.level == "bad" and "another place" in said.sentence


def test_slow_maps_are_not_made_again(chequered: CaseExplanation):
    result = replace(chequered, method="rise")
    assert stability_light(result, "joint", BlockEngine()).level == "unknown"


# Marks and background


def lit_mark(
    monkeypatch: pytest.MonkeyPatch, on_marks: float, fall: float, flips: bool = False, outside: float = 0.0
) -> None:
    """Marks (none where on_marks is None) and background with these shares of the heat; painting over any of
    it takes `fall` from the probability of malignant."""
    region = MarkRegion("label", 1.0, np.zeros((SIDE, SIDE), bool))
    regions = () if on_marks is None else (region,)
    found = Shortcuts(regions, np.zeros((SIDE, SIDE), bool), on_marks or 0.0, outside, ())

    def rerun(reading, engine, shortcuts):
        before = reading.probabilities["malignant"]
        return SimpleNamespace(probabilities={"malignant": before - fall}, label_changed=flips)

    monkeypatch.setattr("xai.guards.shortcuts.find_shortcuts", lambda *_: found)
    monkeypatch.setattr("xai.guards.shortcuts.without_marks", rerun)


@pytest.mark.parametrize(
    ("heat", "fall", "flips", "level"),
    [
        (0.60, 0.50, True, "bad"),
        (0.60, 0.50, False, "bad"),
        (0.15, 0.30, True, "bad"),
        (0.15, 0.30, False, "doubt"),
        (0.60, 0.01, True, "doubt"),
        (0.60, -0.30, False, "doubt"),  # without the mark it is surer: no reason for what it said
        (0.02, 0.30, True, "doubt"),
        (0.02, 0.01, False, "good"),
    ],
)
def test_heat_on_marks_counts_where_the_model_relies_on_them(
    heat: float, fall: float, flips: bool, level: str, chequered: CaseExplanation, monkeypatch
):
    lit_mark(monkeypatch, heat, fall, flips)
    said = image_lights.shortcut_light(chequered, chequered.joint, BlockEngine())
    assert said.level == level
    assert said.figure == f"{heat:.0%} of heat" and f"{-fall:+.2f}" in said.sentence


def test_heat_off_the_tissue_fails_only_where_the_background_is_certain(
    chequered: CaseExplanation, monkeypatch
):
    lit_mark(monkeypatch, None, 0.5, outside=0.6)
    study = chequered.reading.study
    for modality, level in (("ultrasound", "doubt"), ("mammography", "bad"), (None, "doubt")):
        reading = replace(chequered.reading, study=replace(study, modality=modality))
        said = image_lights.shortcut_light(
            replace(chequered, reading=reading), chequered.joint, BlockEngine()
        )
        assert said.level == level and "outside of the tissue" in said.sentence


# Agreement, the run's audit, and the lesion's mask


def test_branches_that_point_apart_raise_a_doubt(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("xai.trust.record.COMPARED", ("grad-cam", "layercam"))
    result = explained(lesion(), BlockEngine())
    first, second = (
        Heatmap(replace(grid_map(values), name=name), result.reading.placement, 1.0)
        for name, values in (
            ("coarse", lit(np.s_[0:4], np.s_[0:4])),
            ("fine", lit(np.s_[12:16], np.s_[12:16])),
        )
    )
    said = agreement_light(replace(result, heatmaps=(first, second)), "joint", BlockEngine())
    assert said.level == "doubt" and not said.decisive
    assert "coarse and fine" in said.sentence and "different places" in said.sentence


def test_a_branch_with_next_to_no_evidence_is_not_compared(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("xai.trust.record.COMPARED", ("grad-cam", "layercam"))
    result = explained(lesion(), BlockEngine())
    first, second = (
        Heatmap(replace(grid_map(values), name=name), result.reading.placement, 1.0)
        for name, values in (
            ("coarse", lit(np.s_[0:4], np.s_[0:4])),
            ("fine", 0.01 * lit(np.s_[12:16], np.s_[12:16])),
        )
    )
    said = agreement_light(replace(result, heatmaps=(first, second)), "joint", BlockEngine())
    assert "different places" not in said.sentence and "agree only" not in said.sentence


AUDIT = {
    "methods": {"grad-cam": {"pointing": {"value": 0.9, "low": 0.8, "high": 0.96, "n": 40}}},
    "baselines": {"centre": {"pointing": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 40}}},
    "randomisation": {"correlation": {"value": 0.12, "low": None, "high": None, "n": 8}, "passed": True},
}


def test_the_runs_record_is_held_against_a_blob_in_the_middle(chequered: CaseExplanation):
    said = record_light(chequered, AUDIT)
    assert said.level == "good" and "0.90 (0.80 to 0.96)" in said.sentence and "hits 0.50" in said.sentence
    low = {**AUDIT, "baselines": {"centre": {"pointing": {"value": 0.85}}}}
    assert record_light(chequered, low).level == "doubt"
    high = {**AUDIT, "baselines": {"centre": {"pointing": {"value": 0.95}}}}
    assert "no better" in record_light(chequered, high).sentence


def test_maps_that_survive_randomised_weights_fail(chequered: CaseExplanation):
    assert sanity_light(chequered, AUDIT).figure == "correlation 0.12"
    failed = {"randomisation": {"correlation": 0.97, "passed": False}}
    said = sanity_light(chequered, failed)
    assert said.level == "bad" and said.decisive


def test_another_maps_record_says_nothing_of_this_one(chequered: CaseExplanation):
    """Guided backpropagation is the map that survives random weights where Grad-CAM does not."""
    for other in (replace(chequered, method="guided-backprop"), replace(chequered, layer="early")):
        said = sanity_light(other, AUDIT)
        assert said.level == "unknown" and "Grad-CAM alone" in said.sentence
        assert record_light(other, AUDIT).level == "unknown"
    layercam = {"randomisation": AUDIT["randomisation"] | {"method": "layercam"}}
    assert sanity_light(chequered, layercam).level == "unknown"
    assert sanity_light(replace(chequered, method="layercam"), layercam).level == "good"
    left_out = {"randomisation": {"correlation": None, "passed": None, "why": "it was left out"}}
    assert "it was left out" in sanity_light(chequered, left_out).sentence


def test_what_was_never_stored_is_unknown(chequered: CaseExplanation):
    for record in (None, {}, {"randomisation": None, "methods": {}}):
        assert sanity_light(chequered, record).level == "unknown"
        assert record_light(chequered, record).sentence == NO_RECORD


def test_the_lesions_own_mask(chequered: CaseExplanation):
    mask = np.zeros((SIDE, SIDE), bool)
    mask[4:14, 4:14] = True
    assert mask_light(chequered, chequered.joint) is None
    on, off = (
        replace(with_map(chequered, lit(place, place)), mask=mask) for place in (np.s_[2:7], np.s_[12:15])
    )
    assert mask_light(on, on.joint).level == "good"
    missed = mask_light(off, off.joint)
    assert missed.level == "bad" and "0% of the heat" in missed.sentence
    other = replace(off, label="other")
    assert mask_light(other, other.joint).level == "unknown"


# The whole card


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory):
    run = load_run(write_tiny_run(tmp_path_factory.mktemp("runs")))
    return run, open_engine(run, "onnxruntime")


def disc() -> np.ndarray:
    rows, columns = np.mgrid[:64, :64]
    pixels = np.full((64, 64), 220, np.uint8)
    pixels[(rows - 24) ** 2 + (columns - 40) ** 2 < 120] = 15
    return pixels


def test_a_whole_card_of_a_run(tiny):
    run, engine = tiny
    result = explain_reading(read_with(study_of(disc(), modality="ultrasound"), run, engine))
    told: list[tuple[int, int]] = []
    card = trust_card(result, engine, watch=lambda done, total: told.append((done, total)))
    levels = {one.name: one.level for one in card.lights}
    assert levels["Map itself"] == levels["Blur test"] == "good"
    assert levels["Familiar image"] == levels["Random weights"] == "unknown"
    assert all(one.sentence.endswith(".") and one.why for one in card.lights)
    assert told[0] == (0, 9) and told[-1] == (8, 9) and card.seconds > 0
    branch = trust_card(result, engine, name="fine")
    assert branch.of == "fine"


def test_the_checks_can_be_stopped(tiny):
    run, engine = tiny
    result = explain_reading(read_with(study_of(disc()), run, engine))

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trust_card(result, engine, watch=stop)


def test_a_blank_map_fails_at_once(tiny):
    run, engine = tiny
    bright = np.full((64, 64), 250, np.uint8)
    card = trust_card(explain_reading(read_with(study_of(bright), run, engine)), engine)
    assert card.failed and card.lights[0].figure == "blank"
