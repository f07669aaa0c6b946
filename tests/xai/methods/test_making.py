"""One interface over the families: what comes back, what is refused, how it is stopped."""

import numpy as np
import pytest

from models.errors import BadInput
from models.runs import find_run, load_run
from tests.models.runs.tiny_run import write_tiny_run
from tests.xai.fakes import BlockEngine, fake_run, study_of
from xai.explain import explain_reading, explain_study, read_with
from xai.methods import (
    METHODS,
    Cancelled,
    Request,
    Target,
    check_method,
    make_maps,
    method_title,
    passes,
    same_as,
    why_not,
)

MALIGNANT = Target("malignant")
PERTURBATIONS = ("score-cam", "rise", "occlusion")


def picture(side=32):
    """Bright noise with a dark lesion up and left of the middle."""
    pixels = np.random.default_rng(0).integers(150, 220, (side, side), dtype=np.uint8)
    pixels[side // 4 : side // 2, side // 4 : side // 2] = 10
    return study_of(pixels)


def reading_of(weights=None, study=None):
    engine = BlockEngine(weights)
    return read_with(study or picture(), fake_run(), engine), engine


def request(method, **fields):
    return Request(MALIGNANT, method, **fields)


def test_methods_are_named_with_paper_unit_and_sentence():
    assert list(METHODS)[:3] == ["grad-cam", "grad-cam++", "hirescam"] and len(METHODS) == 20
    for key, method in METHODS.items():
        assert method.key == key and method.title and method.paper and method.unit
        assert method.about.endswith(".") and any(letter.isdigit() for letter in method.paper)
    assert check_method(" Grad-CAM++ ") == "grad-cam++"


@pytest.mark.parametrize("method", PERTURBATIONS)
def test_perturbations_find_what_the_network_looks_at(method):
    reading, engine = reading_of({"coarse": (0.0, 6.0), "fine": (0.0, 3.0)})
    before = engine.calls
    found = make_maps(reading, request(method, masks=200), engine=engine)
    assert engine.calls > before
    joint = found.joint
    row, column = np.unravel_index(joint.values.argmax(), joint.grid)
    assert all(0.25 <= (at + 0.5) / side < 0.5 for at, side in zip((row, column), joint.grid, strict=True))
    assert found.rest is joint.contribution is None and found.margin > 0
    if method == "score-cam":
        assert [(m.name, m.layer, m.grid) for m in found.maps] == [
            ("coarse", "coarse_relu", (4, 4)), ("fine", "fine_relu", (8, 8))
        ]  # fmt: skip
    else:
        assert [(m.name, m.layer) for m in found.maps] == [("joint", "input")]


@pytest.mark.parametrize("method", ["rise", "occlusion"])
def test_the_other_class_of_one_logit_has_the_negative_map(method):
    reading, engine = reading_of()
    one, other = (
        make_maps(reading, Request(Target(label), method, masks=20), engine=engine).joint.values
        for label in ("malignant", "other")
    )
    np.testing.assert_allclose(one, -other, atol=1e-6)


@pytest.mark.parametrize("method", PERTURBATIONS)
def test_a_constant_network_gives_a_declared_blank_map(method):
    reading, engine = reading_of({"coarse": (0.0, 0.0), "fine": (0.0, 0.0)})
    result = explain_reading(reading, None, method, masks=20, engine=engine)
    assert result.joint.blank and [caution.kind for caution in result.cautions] == ["blank"]


@pytest.mark.parametrize("method", PERTURBATIONS)
def test_a_slow_method_can_be_watched_and_stopped(method):
    reading, engine = reading_of()
    seen = []

    def watch(done, total):
        seen.append((done, total))
        if done:
            raise Cancelled

    with pytest.raises(Cancelled):
        make_maps(reading, request(method, masks=200), engine=engine, watch=watch)
    # Score-CAM of this network has four channels: one batch, told at its end.
    assert [done for done, _ in seen] == [0, 4 if method == "score-cam" else 16]
    assert len({total for _, total in seen}) == 1


def test_the_seed_decides_the_masks():
    reading, engine = reading_of()
    first, again, other = (
        make_maps(reading, request("rise", masks=8, seed=seed), engine=engine).joint.values
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0


def test_a_method_that_looks_again_needs_an_engine():
    with pytest.raises(ValueError, match="give the run's engine"):
        make_maps(reading_of()[0], request("rise"))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"method": "lime"}, "no method 'lime'"),
        ({"method": "rise", "layer": "fine_relu"}, "whole network and has no layer"),
        ({"method": "rise", "masks": 0}, "0 masks are none"),
        ({"method": "rise", "seed": -1}, "seed -1 is negative"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(fields, words):
    with pytest.raises(BadInput, match=words):
        Request(MALIGNANT, **fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"layer": "conv1"}, "no layer 'conv1'"),
        ({"label": "mass"}, "no class 'mass'"),
        ({"against": "malignant"}, "held against itself"),
        ({"method": "tf-keras-vis/score-cam"}, "every weight would be 1"),
        ({"method": "ablation-cam", "layer": "conv1"}, "no layer 'conv1'"),
    ],
)
def test_what_the_run_cannot_give_is_refused_before_the_network_runs(fields, words):
    engine = BlockEngine()
    with pytest.raises(BadInput, match=words):
        explain_study(picture(), fake_run(), engine, **fields)
    assert engine.calls == 0


def test_a_run_without_weights_says_so(tmp_path):
    run = fake_run(has_weights=False)
    assert all("came without weights" in why_not(method, run) for method in METHODS)


def test_guided_methods_want_relus():
    from types import SimpleNamespace

    swish = fake_run(branches=(SimpleNamespace(name="left", backbone="efficientnetb0"),))
    assert "ReLU, which left does without" in why_not("guided-backprop", swish)
    assert why_not("saliency", swish) is None and why_not("guided-backprop", fake_run()) is None


def test_methods_that_are_one_map_say_so():
    run = find_run("busi-hybrid")
    second = {"tf-keras-vis/grad-cam", "tf-keras-vis/layercam", "tf-keras-vis/saliency"}
    assert {m for m in METHODS if same_as(m, run)} == {"hirescam", "xgrad-cam"} | second
    assert {m for m in METHODS if same_as(m, find_run("idc-customcnn"))} == second
    # At an earlier layer the gradient differs from cell to cell.
    assert same_as("hirescam", run, "densenet121_pool4_relu") is None
    assert method_title("hirescam", "pooled") == "HiResCAM (on pooled features the same map as Grad-CAM)"


def test_what_a_map_costs():
    run = find_run("busi-squeezenet")
    costs = {method: passes(method, run) for method in METHODS}
    assert all(costs[m] == 0 for m, found in METHODS.items() if found.family == "stored")
    # 224 pixels: 14 x 14 windows and the whole image.
    assert (costs["score-cam"], costs["rise"], costs["occlusion"]) == (512, 500, 197)
    assert (costs["saliency"], costs["smoothgrad"]) == (1, 25)
    assert passes("score-cam", run, 40) == passes("rise", run, 40) == 40


def test_ablation_cam_takes_the_runs_own_head(tmp_path):
    """Each channel's weight is what the margin loses when the head is asked without it; of two branches each
    is measured in its highest activation and its number of cells."""
    from models.engines import open_engine
    from models.engines.head import open_head

    run = write_tiny_run(tmp_path / "tiny")
    pixels = np.random.default_rng(1).integers(0, 256, (8, 8), dtype=np.uint8)
    engine = open_engine(run, "onnxruntime")
    reading = read_with(study_of(pixels), load_run(run.folder), engine)
    found = make_maps(reading, request("ablation-cam"))
    index = run.classes.index("malignant")
    for position, branch in enumerate(reading.explained.branches):
        losses = []
        for channel in range(branch.activations.shape[-1]):
            maps = [b.activations.copy() for b in reading.explained.branches]
            maps[position][..., channel] = 0
            losses.append(reading.explained.margins[0, index] - open_head(run)(maps)[0, index])
        activations = branch.activations[0]
        shares = activations / activations.max() / activations[..., 0].size
        np.testing.assert_allclose(found.maps[position].values, shares @ np.array(losses), atol=1e-5)


# Each family's cheapest; the others go the same way in the slow test.
WIRED = ("layercam", "occlusion", "saliency", "guided-grad-cam", "tf-keras-vis/layercam")
EARLY = "customcnn_block3_conv1"


@pytest.mark.tf
@pytest.mark.parametrize(
    "methods", [pytest.param(WIRED, id="each family"), pytest.param(tuple(METHODS), marks=pytest.mark.slow)]
)
def test_methods_of_a_real_run(methods):
    """The smallest shipped run: it flattens, so earlier and last layers have gradients of their own."""
    from models.engines import open_engine

    run = find_run("idc-customcnn")
    engine = open_engine(run, "tensorflow")
    study = study_of(np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    reading = read_with(study, run, engine)
    for method in methods:
        if why_not(method, run):
            assert method == "tf-keras-vis/score-cam"
            continue
        result = explain_reading(reading, "idc", method, masks=8, engine=engine)
        assert np.isfinite(result.joint.map.values).all()
        assert result.joint.relative == (method not in ("grad-cam", "hirescam", "xgrad-cam"))
        assert (result.rest is None) == result.joint.relative
        if METHODS[method].layers != "any":
            continue
        early = explain_reading(reading, "idc", method, layer=EARLY, engine=engine)
        assert early.joint.grid == (16, 16) and early.heatmaps[0].map.name == "customcnn"
        assert early.joint.relative and early.rest is None and early.margin == result.margin


@pytest.mark.tf
def test_another_engine_is_exchanged_for_one_that_can_be_differentiated():
    """An ONNX engine is, for an earlier layer; the last layer needs no exchange."""
    from models.engines import open_engine

    run = find_run("idc-customcnn")
    study = study_of(np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    light = open_engine(run, "onnxruntime")
    reading = read_with(study, run, light)
    early, last = (
        explain_reading(reading, "idc", "hirescam", layer=layer, engine=light)
        for layer in (EARLY, "customcnn_block4_conv1")
    )
    assert early.joint.grid == (16, 16) and last.joint.grid == (8, 8)
    np.testing.assert_allclose(
        last.joint.map.values, explain_reading(reading, "idc", "hirescam").joint.map.values
    )
