"""What the steps of a batch find, against the explanation of a single image and by hand."""

import pickle
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from models.engines.familiarity import FACTS, fit_familiarity
from models.errors import BadInput
from tests.xai.batch.cases import noise, scored
from tests.xai.fakes import BlockEngine, fake_run, study_of
from xai.audit.cases import Questions, measure_reading
from xai.batch import FamiliarityStep, HeatmapStep, MeasureStep, ThumbnailStep, batch_steps, case_explanation
from xai.batch import case as case_module
from xai.batch.case import LONGEST_SIDE
from xai.batch.steps import MEASURE_COLUMNS, REFUSING, WHY_REFUSED
from xai.explain import explain_study, read_with
from xai.export import overlay_png
from xai.guards import judge_image
from xai.overlay import to_rgb

STEP = HeatmapStep("tiny", ("coarse", "fine"))


def picture(case, found) -> np.ndarray:
    """uint8 RGB of the PNG that a step wrote."""
    return cv2.imread(str(case.folder / found["heatmap"]))[..., ::-1]


@pytest.fixture
def mask() -> np.ndarray:
    mask = np.zeros((40, 48), bool)
    mask[10:20, 8:30] = True
    return mask


def test_the_overlay_is_that_of_the_single_image_without_another_pass(tmp_path, mask):
    case = scored(tmp_path, mask=mask)
    calls = case.engine.calls
    found = STEP(case)
    assert case.engine.calls == calls and set(found) == set(STEP.columns)
    result = explain_study(case.study, case.engine.run, case.engine, mask=mask)
    alone = cv2.imdecode(np.frombuffer(overlay_png(result), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    np.testing.assert_array_equal(picture(case, found), alone)
    assert found["map_maximum"] == result.joint.maximum and found["blank"] is False
    again = case_explanation(case, measured=True)
    assert again.measures == result.measures and again.margin == result.margin


def test_contributions_and_the_rest_are_the_logit(tmp_path):
    case = scored(tmp_path)
    found = STEP(case)
    parts = found["contribution_coarse"] + found["contribution_fine"]
    assert parts + found["rest"] == pytest.approx(float(case.explained.logits[0, 0]), abs=1e-5)
    other = replace(STEP, method="eigen-cam")(case)
    assert other["rest"] is None and other["contribution_fine"] is None


def test_the_same_case_gives_the_same_bytes(tmp_path):
    pixels = noise()
    first, second = (scored(tmp_path / name, pixels) for name in "ab")
    contents = [(case.folder / STEP(case)["heatmap"]).read_bytes() for case in (first, second)]
    assert contents[0] == contents[1]


def test_a_large_image_is_drawn_smaller_with_its_mask_and_colours(tmp_path):
    pixels = np.full((600, 1500, 3), (180, 60, 60), np.uint8)
    mask = np.zeros((600, 1500), bool)
    mask[100:500, 200:1300] = True
    case = scored(tmp_path, pixels, mask=mask)
    drawn = picture(case, STEP(case))
    assert drawn.shape == (round(600 * LONGEST_SIDE / 1500), LONGEST_SIDE, 3)
    assert (drawn == (0, 255, 170)).all(axis=2).any()


def test_sixteen_bits_are_shown_as_eight(tmp_path):
    study = replace(study_of(noise()), samples=(noise().astype(np.uint16) * 257)[..., None], depth_max=65535)
    case = scored(tmp_path, study=study)
    assert picture(case, STEP(case)).dtype == np.uint8


def test_heat_in_the_padding_is_not_drawn(tmp_path):
    # Dark is what this one looks for, and padding is black.
    case = scored(tmp_path, np.full((20, 48), 120, np.uint8), engine=BlockEngine())
    found = STEP(case)
    assert "padding" in found["cautions"].split()
    np.testing.assert_array_equal(picture(case, found)[:20], to_rgb(case.study.display()))


def test_a_blank_map_is_not_drawn_and_says_so(tmp_path):
    # Nothing but negative weights: no place speaks for the class.
    case = scored(tmp_path, engine=BlockEngine({"coarse": (-1.0, 0.0), "fine": (-1.0, 0.0)}))
    found = STEP(case)
    assert found["blank"] is True and found["cautions"] == "blank"
    drawn = picture(case, found)
    np.testing.assert_array_equal(drawn[:40], to_rgb(case.study.display()))
    assert drawn.shape[0] > 40 and set(WHY_REFUSED) == set(REFUSING)


def unlike(case) -> object:
    """Statistics of training images that lie far from any image here."""
    rows = np.random.default_rng(0).normal(50, 1e-3, (12, 4 + len(FACTS))).astype(np.float32)
    return fit_familiarity(rows, rows[:6])


def test_the_map_of_a_strange_image_is_not_drawn(tmp_path, monkeypatch):
    case = scored(tmp_path)
    monkeypatch.setattr(case_module, "known_images", unlike)
    found = STEP(case)
    assert found["cautions"].split()[-1] == "unfamiliar" and found["blank"] is False
    np.testing.assert_array_equal(picture(case, found)[:40], to_rgb(case.study.display()))


def test_familiarity_is_that_of_the_single_image(tmp_path, monkeypatch):
    case, known = scored(tmp_path), unlike(None)
    monkeypatch.setattr(case_module, "known_images", lambda run: known)
    monkeypatch.setattr("models.engines.familiarity.read_familiarity", lambda run: known)
    found = FamiliarityStep()(case)
    alone = judge_image(read_with(case.study, case.engine.run, case.engine))
    assert found == {
        "familiar": "bad", "familiar_percentile": alone.percentile, "familiar_distance": alone.distance,
    }  # fmt: skip


def test_a_run_without_statistics_knows_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(case_module, "known_images", lambda run: None)
    assert FamiliarityStep()(scored(tmp_path)) == {
        "familiar": "unknown", "familiar_percentile": None, "familiar_distance": None,
    }  # fmt: skip


def test_statistics_are_read_once_a_process(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr("models.engines.familiarity.read_familiarity", lambda run: read.append(run.id))
    run = SimpleNamespace(id="once", digest="read once")
    assert case_module.known_images(run) is None and case_module.known_images(run) is None
    assert read == ["once"]


@pytest.mark.parametrize(
    ("label", "measured"),
    [("malignant", "malignant"), ("benign", "other"), ("", "malignant"), ("unheard of", "malignant")],
)
def test_measures_are_the_audits(tmp_path, mask, label, measured):
    case = scored(tmp_path, mask=mask, label=label)
    case.engine.run.card.label_map = {}
    found = MeasureStep("tiny", label_map=(("benign", "other"),))(case)
    reading = read_with(case.study, case.engine.run, case.engine)
    audited = measure_reading(
        reading, measured, mask, Questions(), case.engine, case_id="scans/one.png", group=""
    )
    assert found["measured_class"] == measured
    assert {name: found[name] for name in MEASURE_COLUMNS} == {
        name: audited.rows[0].measures[name] for name in MEASURE_COLUMNS
    }
    assert found["lesion_share"] == pytest.approx(220 / 1920) and found["lesions"] == 1


def test_without_a_lesion_nothing_is_measured(tmp_path):
    step = MeasureStep("tiny")
    for mask in (None, np.zeros((40, 48), bool)):
        found = step(scored(tmp_path, mask=mask))
        assert set(found) == set(step.columns) and set(found.values()) == {None}
    assert not any(tmp_path.iterdir())


def test_a_thumbnail_is_made_once_for_all_runs(tmp_path):
    pixels = noise(300, 200)
    found = ThumbnailStep()(scored(tmp_path, pixels))
    path = tmp_path / found["thumbnail"]
    assert cv2.imread(str(path)).shape == (128, 85, 3)
    path.write_bytes(b"made by another run")
    assert ThumbnailStep()(scored(tmp_path, pixels)) == found
    assert path.read_bytes() == b"made by another run"


def test_steps_travel_to_other_processes_and_say_what_they_depend_on():
    steps = batch_steps(fake_run(), label_map={"benign": "other"})
    assert [step.name for step in pickle.loads(pickle.dumps(steps))] == [
        "heatmap", "measures", "familiarity", "thumbnail",
    ]  # fmt: skip
    other = batch_steps(fake_run(), method="layercam", marks=True)
    assert all(a.signature != b.signature for a, b in zip(steps[:2], other[:2], strict=True))
    assert batch_steps(fake_run(), heatmaps=False, measures=False, familiarity=False, thumbnails=False) == ()


@pytest.mark.parametrize(("method", "said"), [("score-cam", "many times"), ("guess", "no method")])
def test_a_method_of_many_passes_is_refused(method, said):
    with pytest.raises(BadInput, match=said):
        batch_steps(fake_run(), method=method)


def test_marks_that_hold_the_heat_refuse_the_map(tmp_path, monkeypatch):
    found = SimpleNamespace(cautions=(SimpleNamespace(kind="marks", sentence=""),))
    monkeypatch.setattr("xai.guards.find_shortcuts", lambda *asked: found)
    case = scored(tmp_path)
    assert "marks" not in STEP(case)["cautions"]
    refused = replace(STEP, marks=True)(case)
    assert refused["cautions"].split()[-1] == "marks"
    np.testing.assert_array_equal(picture(case, refused)[:40], to_rgb(case.study.display()))
