"""From a study to maps, cautions and measures, through an engine that counts its calls."""

import numpy as np
import pytest

from models.errors import BadInput
from tests.xai.fakes import BlockEngine, fake_run, study_of
from xai.explain import explain_reading, explain_study, read_with, verdict


def picture(native=(64, 64), seed=0):
    """Bright noise with a dark lesion up and left of the middle, and the lesion's mask."""
    pixels = np.random.default_rng(seed).integers(150, 220, native, dtype=np.uint8)
    mask = np.zeros(native, bool)
    mask[native[0] // 4 : native[0] // 2, native[1] // 4 : native[1] // 2] = True
    pixels[mask] = 10
    return pixels, mask


def test_contributions_and_rest_make_the_margin():
    result = explain_study(study_of(picture()[0]), fake_run(), BlockEngine())
    contributions = sum(heatmap.map.contribution for heatmap in result.heatmaps)
    assert contributions + result.rest == pytest.approx(result.margin, abs=1e-12)
    # The fake's logit is linear, so the rest is its bias, whatever the image.
    assert result.rest == pytest.approx(-0.25, abs=1e-6)
    assert result.joint.map.values.sum() == pytest.approx(contributions, abs=1e-5)
    assert result.margin == pytest.approx(float(result.reading.explained.logits[0, 0]))


def test_one_pass_serves_every_class():
    engine = BlockEngine()
    reading = read_with(study_of(picture()[0]), fake_run(), engine)
    positive, other = (explain_reading(reading, label) for label in ("malignant", "other"))
    assert engine.calls == 1
    np.testing.assert_array_equal(positive.joint.map.values, -other.joint.map.values)
    assert other.margin == -positive.margin


def test_the_positive_class_is_explained_whatever_the_verdict():
    bright = study_of(np.full((32, 32), 250, np.uint8))
    result = explain_study(bright, fake_run(), BlockEngine())
    assert result.reading.label == "other"
    assert result.label == "malignant"


def test_the_map_finds_the_dark_lesion():
    pixels, mask = picture()
    engine = BlockEngine({"coarse": (0.0, 6.0), "fine": (0.0, 3.0)})
    result = explain_study(study_of(pixels), fake_run(), engine, mask=mask)
    assert result.measures.pointing
    assert result.measures.iou > 0.5 and result.measures.energy > 0.5
    assert result.cautions == () and result.joint.grid == (8, 8)
    assert [heatmap.grid for heatmap in result.heatmaps] == [(4, 4), (8, 8)]
    assert [heatmap.scale for heatmap in (result.joint, *result.heatmaps)] == [0.2, 0.1, 0.05]


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("native", [(64, 64), (48, 96), (96, 30)])
def test_flipping_the_image_flips_the_map(axis, native):
    pixels, mask = picture(native)
    run, engine = fake_run(), BlockEngine()
    plain = explain_study(study_of(pixels), run, engine, mask=mask)
    flipped = explain_study(study_of(np.flip(pixels, axis)), run, engine, mask=np.flip(mask, axis))
    there_and_back = np.flip(flipped.joint.native(), axis)
    np.testing.assert_allclose(there_and_back, plain.joint.native(), atol=1e-6)
    assert flipped.margin == pytest.approx(plain.margin, abs=1e-6)
    assert flipped.measures.iou == pytest.approx(plain.measures.iou)
    assert flipped.measures.energy == pytest.approx(plain.measures.energy, abs=1e-6)


@pytest.mark.parametrize("weights", [(0.0, 0.0), (-2.0, 0.0)], ids=["no weight", "all against"])
def test_a_network_without_positive_evidence_gives_a_declared_blank_map(weights):
    engine = BlockEngine({"coarse": weights, "fine": weights})
    result = explain_study(study_of(picture()[0]), fake_run(), engine)
    assert result.joint.blank and all(heatmap.blank for heatmap in result.heatmaps)
    assert [caution.kind for caution in result.cautions] == ["blank"]


def test_an_even_image_gives_a_declared_blank_map():
    engine = BlockEngine({"coarse": (0.0, 6.0)})
    result = explain_study(study_of(np.full((32, 32), 20, np.uint8)), fake_run(), engine)
    assert result.joint.blank and "same value everywhere" in result.cautions[0].sentence


def test_a_single_branch_is_its_own_joint_map_with_its_own_scale():
    engine = BlockEngine({"fine": (0.0, 3.0)})
    result = explain_study(study_of(picture()[0]), fake_run(map_scale={"fine": 0.05}), engine)
    np.testing.assert_array_equal(result.joint.map.values, result.heatmaps[0].map.values)
    assert result.joint.scale == 0.05 and result.cautions == ()


def test_a_run_without_a_colour_range_says_so():
    result = explain_study(study_of(picture()[0]), fake_run(map_scale={}), BlockEngine())
    assert result.joint.scale == pytest.approx(10 / 64)
    assert [caution.kind for caution in result.cautions] == ["unscaled"]


def test_a_wrong_class_or_method_is_refused_before_the_network_runs():
    engine, study = BlockEngine(), study_of(picture()[0])
    with pytest.raises(BadInput, match=r"'benign'.*other, malignant"):
        explain_study(study, fake_run(), engine, label="benign")
    with pytest.raises(BadInput, match="'lime'"):
        explain_study(study, fake_run(), engine, method="lime")
    assert engine.calls == 0


def test_the_verdict_is_at_or_above_the_threshold():
    run = fake_run()
    assert verdict(run, np.array([0.6, 0.4])) == "malignant"
    assert verdict(run, np.array([0.601, 0.399])) == "other"
    three = fake_run(classes=("normal", "benign", "malignant"))
    assert verdict(three, np.array([0.2, 0.45, 0.35])) == "benign"


def test_a_map_of_another_unit_is_shown_on_its_own_scale_and_says_so():
    reading = read_with(study_of(picture()[0]), fake_run(), BlockEngine({"coarse": (0.0, 6.0)}))
    result = explain_reading(reading, method="layercam")
    assert result.joint.relative and result.joint.scale == pytest.approx(result.joint.maximum)
    assert result.cautions[-1].kind == "relative"
    assert "LayerCAM of coarse_relu" in result.cautions[-1].sentence
    assert result.rest is None and "do not add up" in result.why_no_contributions
    plain = explain_reading(reading)
    assert not plain.joint.relative and plain.why_no_contributions is None


def test_one_branchs_layer_is_shown_alone_on_its_own_scale():
    reading = read_with(study_of(picture()[0]), fake_run(), BlockEngine())
    result = explain_reading(reading, layer="coarse_relu")
    assert [h.map.name for h in result.heatmaps] == ["coarse"] and result.joint.grid == (4, 4)
    assert result.joint.scale == 0.1 and not result.joint.relative
    assert result.layer == "coarse_relu" and result.rest is None
    assert "one layer" in result.why_no_contributions


def test_a_contrast_is_named_everywhere():
    reading = read_with(study_of(picture()[0]), fake_run(), BlockEngine())
    result = explain_reading(reading, "malignant", against="other")
    assert (result.label, result.against, result.title) == ("malignant", "other", "malignant, not other")
    assert result.joint.map.title == result.heatmaps[0].map.title == "malignant, not other"
    # Of one logit that is the margin itself.
    np.testing.assert_allclose(result.joint.map.values, explain_reading(reading).joint.map.values, atol=1e-7)
    assert result.margin == pytest.approx(explain_reading(reading).margin)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("method", ["score-cam", "occlusion"])
def test_flipping_the_image_flips_a_perturbations_map(method, axis):
    pixels, _ = picture((48, 96))
    run, engine = fake_run(), BlockEngine()
    plain, flipped = (
        explain_study(study_of(image), run, engine, method=method)
        for image in (pixels, np.flip(pixels, axis))
    )
    there_and_back = np.flip(flipped.joint.native(), axis)
    np.testing.assert_allclose(there_and_back, plain.joint.native(), atol=1e-3 * plain.joint.scale)
