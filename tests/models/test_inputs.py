"""A study enters a network's input and a map comes back: the geometry of both ways, worked out by hand."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import BadInput
from models.inputs import InputSpec, Placement
from models.steps import STEPS, apply_steps
from models.study import Study

SIDES = st.integers(1, 90)
SIZES = st.tuples(SIDES, SIDES)
FITS = st.sampled_from(["pad", "stretch"])


def test_wide_image_is_padded_above_and_below():
    placement = InputSpec(224, 224).placement(500, 700)
    assert placement.box == (32.0, 0.0, 160.0, 224.0)
    assert not placement.content()[:32].any() and not placement.content()[192:].any()
    assert placement.content()[32:192].all()


def test_odd_padding_puts_the_spare_pixel_last():
    placement = Placement.fitting((10, 5), (10, 10))
    assert placement.box == (0.0, 2.0, 10.0, 5.0)
    assert placement.content()[0].tolist() == [False] * 2 + [True] * 5 + [False] * 3


def test_stretch_fills_the_input():
    placement = InputSpec(20, 30, fit="stretch").placement(7, 100)
    assert placement.box == (0.0, 0.0, 20.0, 30.0)
    assert placement.content().all()


def test_content_share_counts_area():
    # 500 x 700 in 224 x 224 covers rows 32 to 192: cells of 56 rows hold 24, 56, 56 and 24 of them.
    share = InputSpec().placement(500, 700).content_share(4, 3)
    np.testing.assert_allclose(share, np.repeat([[24 / 56], [1], [1], [24 / 56]], 3, axis=1), rtol=1e-6)
    assert share.dtype == np.float32


@given(SIZES, SIZES, FITS, st.integers(1, 9), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_content_share_and_content_agree(native, size, fit, gh, gw):
    placement = Placement.fitting(native, size, fit)
    share, content = placement.content_share(gh, gw), placement.content()
    assert content.any()
    assert share.min() >= 0 and share.max() <= 1
    np.testing.assert_allclose(share.mean(), content.mean(), rtol=1e-5)
    np.testing.assert_allclose(placement.content_share(*size), content, atol=1e-6)


@given(SIZES, SIZES)
@settings(max_examples=100, deadline=None)
def test_padding_is_centred_and_the_aspect_ratio_kept(native, size):
    top, left, height, width = Placement.fitting(native, size).box
    bottom, right = size[0] - top - height, size[1] - left - width
    assert bottom - top in (0, 1) and right - left in (0, 1)
    assert min(bottom + top, right + left) == 0
    scale = min(size[0] / native[0], size[1] / native[1])
    assert abs(height - max(1, native[0] * scale)) <= 0.5 + 1e-9
    assert abs(width - max(1, native[1] * scale)) <= 0.5 + 1e-9


@given(SIZES, st.integers(0, 2**32 - 1), FITS)
@settings(max_examples=40, deadline=None)
def test_round_trip_is_exact_when_the_input_is_the_native_size(size, seed, fit):
    spec = InputSpec(*size, channels=3, fit=fit)
    image = np.random.default_rng(seed).random((*size, 3), dtype=np.float32)
    prepared = spec.array(image)
    np.testing.assert_array_equal(prepared.tensor[0], image)
    np.testing.assert_array_equal(prepared.placement.to_native(image[..., 0]), image[..., 0])


@given(SIZES, SIZES, FITS)
@settings(max_examples=60, deadline=None)
def test_a_linear_ramp_comes_back_as_a_ramp(native, size, fit):
    """The centre of native pixel p lies at box + (p + 0.5) * scale: a map of positions says where."""
    placement = Placement.fitting(native, size, fit)
    top, left, height, width = placement.box
    rows = np.repeat((np.arange(size[0]) + 0.5)[:, None], size[1], axis=1)
    back = placement.to_native(rows)
    # Beyond the outermost centres the edge value repeats.
    wanted = np.clip(top + (np.arange(native[0]) + 0.5) * height / native[0], 0.5, size[0] - 0.5)
    np.testing.assert_allclose(back, np.repeat(wanted[:, None], native[1], axis=1), rtol=1e-5)
    columns = np.repeat((np.arange(size[1]) + 0.5)[None], size[0], axis=0)
    wanted = np.clip(left + (np.arange(native[1]) + 0.5) * width / native[1], 0.5, size[1] - 0.5)
    np.testing.assert_allclose(placement.to_native(columns)[0], wanted, rtol=1e-5)


@given(SIZES, st.tuples(st.integers(8, 64), st.integers(8, 64)), FITS, st.data())
@settings(max_examples=80, deadline=None)
def test_a_single_cell_lands_on_its_native_rectangle(native, size, fit, data):
    """Where a one-hot map exceeds one half, the pixel's centre lies in that cell, and the other way round."""
    placement = Placement.fitting(native, size, fit)
    gh, gw = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 8))
    row, column = data.draw(st.integers(0, gh - 1)), data.draw(st.integers(0, gw - 1))
    hot = np.zeros((gh, gw))
    hot[row, column] = 1
    top, left, height, width = placement.box
    y = (top + (np.arange(native[0]) + 0.5) * height / native[0]) * gh / size[0]
    x = (left + (np.arange(native[1]) + 0.5) * width / native[1]) * gw / size[1]
    near = np.outer(_hat(y, row, gh), _hat(x, column, gw))
    np.testing.assert_allclose(placement.to_native(hot), near, atol=1e-5)
    above = placement.to_native(hot) > 0.5 + 1e-4
    inside = np.outer((y >= row) & (y <= row + 1), (x >= column) & (x <= column + 1))
    assert not (above & ~inside).any()


def _hat(position, cell, cells):
    """Linear hat around the cell's centre, flat beyond the first and the last centre."""
    return np.clip(1 - np.abs(np.clip(position, 0.5, cells - 0.5) - cell - 0.5), 0, 1)


@given(
    st.tuples(st.integers(20, 90), st.integers(20, 90)),
    st.tuples(st.integers(20, 90), st.integers(20, 90)),
    FITS,
    st.data(),
)
@settings(max_examples=60, deadline=None)
def test_a_mask_sent_in_and_a_map_sent_back_meet(native, size, fit, data):
    """The centre of mass of a lesion stays where it is, in continuous coordinates, in both directions."""
    placement = Placement.fitting(native, size, fit)
    y0, x0 = data.draw(st.integers(0, native[0] - 8)), data.draw(st.integers(0, native[1] - 8))
    mask = np.zeros(native, bool)
    mask[y0 : y0 + 8, x0 : x0 + 8] = True
    sent = placement.to_input(mask)
    assert sent.dtype == np.float32 and sent.min() >= 0 and sent.max() <= 1 + 1e-6
    assert sent[~placement.content()].sum() == 0
    top, left, height, width = placement.box
    scale_y, scale_x = height / native[0], width / native[1]
    centre = top + (y0 + 4) * scale_y, left + (x0 + 4) * scale_x
    # Enlarging repeats the border, which pulls a lesion that touches it by less than half an enlarged pixel.
    np.testing.assert_allclose(_centre(sent), centre, atol=0.5 * max(scale_y, scale_x, 1))
    np.testing.assert_allclose(
        _centre(placement.to_native(sent)), (y0 + 4, x0 + 4), atol=1.0 * max(1 / scale_y, 1 / scale_x, 1)
    )


def _centre(weights):
    y, x = np.arange(weights.shape[0]) + 0.5, np.arange(weights.shape[1]) + 0.5
    return (weights.sum(1) @ y) / weights.sum(), (weights.sum(0) @ x) / weights.sum()


@given(SIZES, SIZES, FITS, st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_shrinking_keeps_the_mean_and_every_tensor_its_range(native, size, fit, seed):
    image = np.random.default_rng(seed).random((*native, 1), dtype=np.float32)
    prepared = InputSpec(*size, fit=fit).array(image)
    tensor = prepared.tensor
    assert tensor.shape == (1, *size, 1) and tensor.dtype == np.float32
    assert tensor.min() >= 0 and tensor.max() <= 1
    content = prepared.placement.content()
    assert (tensor[0, ~content] == 0).all()
    height, width = prepared.placement.box[2:]
    if height <= native[0] and width <= native[1]:
        np.testing.assert_allclose(tensor[0, content].mean(), image.mean(), rtol=1e-4)


def test_area_average_by_hand():
    image = np.array([[0.0, 1.0, 0.5, 0.5], [1.0, 0.0, 0.5, 1.0]], np.float32)[..., None]
    tensor = InputSpec(2, 2).array(image).tensor
    np.testing.assert_allclose(tensor[0, :, :, 0], [[0.5, 0.625], [0, 0]])


def test_elongated_images_keep_one_pixel():
    for native in ((1, 5000), (5000, 1)):
        placement = InputSpec(32, 32).placement(*native)
        assert sorted(placement.box[2:]) == [1.0, 32.0]
        assert placement.to_native(np.arange(49.0).reshape(7, 7)).shape == native
        assert InputSpec(32, 32).array(np.ones((*native, 1))).tensor.sum() == pytest.approx(32, rel=1e-4)


def test_one_pixel_image_fills_the_input():
    tensor = InputSpec(5, 5).array(np.full((1, 1, 1), 0.25)).tensor
    assert (tensor == 0.25).all()


def test_colour_to_grey_is_luminance_and_grey_to_colour_is_replicated():
    red = np.zeros((4, 4, 3), np.float32)
    red[..., 0] = 1
    np.testing.assert_allclose(InputSpec(2, 2).array(red).tensor, 0.299, rtol=1e-6)
    grey = np.full((4, 4, 1), 0.3, np.float32)
    np.testing.assert_allclose(InputSpec(4, 4, channels=3).array(grey).tensor, np.full((1, 4, 4, 3), 0.3))


def test_nearest_keeps_labels():
    labels = np.array([[1, 2], [3, 4]], np.uint8)
    placed = InputSpec(4, 6).placement(2, 2).to_input(labels, "nearest")
    assert placed.dtype == np.uint8
    assert placed.tolist() == [[0, 1, 1, 2, 2, 0]] * 2 + [[0, 3, 3, 4, 4, 0]] * 2


def test_constant_map_stays_constant():
    back = InputSpec().placement(123, 77).to_native(np.full((7, 7), -0.3, np.float32))
    assert (back == np.float32(-0.3)).all()


def test_spec_round_trips_and_refuses_what_no_network_takes():
    spec = InputSpec(160, 224, 3, "stretch")
    assert InputSpec.from_dict(spec.to_dict()) == spec
    assert InputSpec.from_dict({}) == InputSpec(224, 224, 1, "pad")
    for wrong in (
        {"height": 0},
        {"width": 2.5},
        {"width": True},
        {"channels": 2},
        {"fit": "crop"},
        {"size": 224},
        {"steps": ["sharpen"]},
    ):
        with pytest.raises(BadInput):
            InputSpec.from_dict(wrong)


def test_steps_are_done_before_the_resizing_for_a_study_as_for_an_array():
    # One bright pixel is gone after a median of nine, and would be a quarter after halving the size.
    speck = np.zeros((8, 8, 1), np.uint8)
    speck[3, 3] = 255
    plain, stepped = InputSpec(4, 4), InputSpec(4, 4, steps=["median"])
    assert plain.tensor(study_of(speck)).tensor.max() == pytest.approx(0.25)
    assert stepped.tensor(study_of(speck)).tensor.max() == 0
    noise = np.random.default_rng(1).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    spec = InputSpec(16, 16, 3, steps=("median", "clahe"))
    study = study_of(noise)
    np.testing.assert_array_equal(spec.tensor(study).tensor, spec.array(study.unit()).tensor)
    assert InputSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert spec.tensor(study).placement == InputSpec(16, 16, 3).tensor(study).placement


def study_of(samples):
    return Study(samples=samples, depth_max=255, name="made", digest="0" * 64)


def test_the_median_takes_a_speck_and_leaves_an_edge():
    image = np.zeros((6, 6, 3), np.float32)
    image[:, 3:] = 1
    image[1, 1] = 1
    edge = image.copy()
    edge[1, 1] = 0
    np.testing.assert_array_equal(apply_steps(image, ["median"]), edge)


def test_clahe_spreads_a_narrow_range_and_keeps_hues():
    rng = np.random.default_rng(2)
    narrow = (0.45 + 0.1 * rng.random((64, 64, 1))).astype(np.float32)
    spread = apply_steps(narrow, ["clahe"])
    assert spread.shape == narrow.shape and spread.std() > 1.5 * narrow.std()
    grey = apply_steps(np.repeat(narrow, 3, axis=2), ["clahe"])
    np.testing.assert_allclose(grey, np.repeat(spread, 3, axis=2), atol=1.5 / 255)


def stained(haematoxylin, eosin, absorb):
    """float32 [40, 40, 3]: amounts [40, 40] of two stains of these absorbances [2, 3] on glass."""
    density = haematoxylin[..., None] * absorb[0] + eosin[..., None] * absorb[1]
    return np.clip(240 / 255 * np.exp(-density), 0, 1).astype(np.float32)


def test_macenko_gives_one_tissue_in_two_stainings_the_same_colours():
    rng = np.random.default_rng(3)
    amounts = rng.uniform(0.1, 1.6, (2, 40, 40))
    # Some pixels hold one stain alone, as nuclei and stroma do.
    amounts[1, :10], amounts[0, 30:] = 0.0, 0.0
    reference = np.array([[0.5626, 0.7201, 0.4062], [0.2159, 0.8012, 0.5581]])
    other = np.array([[0.65, 0.65, 0.40], [0.15, 0.85, 0.45]])
    first, second = stained(*amounts, reference), stained(*amounts * 0.7, other)
    normalised = apply_steps(first, ["macenko"]), apply_steps(second, ["macenko"])
    assert np.abs(normalised[0] - normalised[1]).mean() < 0.25 * np.abs(first - second).mean()


def test_macenko_leaves_what_it_cannot_judge():
    glass = np.full((50, 50, 3), 0.93, np.float32)
    grey = np.random.default_rng(1).random((20, 20, 1), dtype=np.float32)
    one_colour = np.broadcast_to(np.float32([0.6, 0.3, 0.6]), (40, 40, 3)).copy()
    speck = glass.copy()
    speck[0, 0] = 0.2
    for image in (glass, grey, one_colour, speck, speck[:1, :1]):
        np.testing.assert_array_equal(apply_steps(image, ["macenko"]), image)


@pytest.mark.parametrize("name", sorted(STEPS))
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 3), (1, 5, 3), (50, 70, 3), (7, 9, 1)])
def test_a_step_keeps_shape_range_and_its_argument(name, shape):
    image = np.random.default_rng(4).random(shape, dtype=np.float32)
    before = image.copy()
    done = apply_steps(image, [name])
    assert done.shape == shape and done.dtype == np.float32
    assert done.min() >= 0 and done.max() <= 1
    np.testing.assert_array_equal(image, before)


def test_arrays_of_another_shape_are_refused():
    placement = InputSpec(8, 8).placement(4, 4)
    with pytest.raises(ValueError):
        placement.to_input(np.zeros((4, 5)))
    with pytest.raises(ValueError):
        placement.to_native(np.zeros((2, 2, 1)))
    with pytest.raises(ValueError):
        placement.to_input(np.zeros((4, 4)), "cubic")
    with pytest.raises(ValueError):
        InputSpec().array(np.zeros((4, 4, 2)))
