"""The distance worked out by other means, the facts of pictures made for it, and files that are not ours."""

import io
from types import SimpleNamespace

import numpy as np
import pytest

from models.engines.familiarity import (
    FACTS,
    FEATURES_FILE,
    MAX_FILE_BYTES,
    Familiarity,
    fit_familiarity,
    picture_facts,
    read_familiarity,
)
from models.errors import BadInput
from models.inputs import InputSpec
from tests.xai.fakes import study_of

D = 3


def rows_of(n: int, seed: int, facts: int = len(FACTS)) -> np.ndarray:
    """Correlated features beside facts of unit spread."""
    rng = np.random.default_rng(seed)
    mixing = np.array([[2.0, 1.0, 0.0], [0.0, 0.5, 0.2], [0.0, 0.0, 0.3]])
    return np.hstack([rng.normal(size=(n, D)) @ mixing + (5.0, 1.0, 2.0), rng.normal(size=(n, facts))])


@pytest.fixture(scope="module")
def fitted() -> Familiarity:
    return fit_familiarity(rows_of(400, 0), rows_of(80, 1))


def test_with_all_directions_the_distance_is_mahalanobis(fitted):
    """Two directions of three and one variance for "all others": the whole covariance, by its inverse."""
    training, new = rows_of(400, 0), rows_of(5, 2)
    parts = fitted.parts_of(new)
    for columns, found in ((np.s_[:, :D], parts[:, 0]), (np.s_[:, D:], parts[:, 1])):
        away = new[columns] - training[columns].mean(axis=0)
        inverse = np.linalg.inv(np.cov(training[columns].T, bias=True))
        assert found == pytest.approx(np.einsum("ni,ij,nj->n", away, inverse, away), rel=0.02)


def test_a_held_out_median_is_one_of_each_part_and_percentiles_count_nearer_cases(fitted):
    parts = fitted.parts_of(rows_of(80, 1)) / fitted.typical
    assert np.median(parts, axis=0) == pytest.approx([1, 1])
    assert fitted.percentile(0.0) == 0
    assert fitted.percentile(fitted.held_out[0]) == 0  # none is nearer than the nearest
    assert fitted.percentile(fitted.held_out[20]) == pytest.approx(25)
    assert fitted.percentile(1e9) == 100


def test_a_feature_far_out_and_a_fact_far_out_both_count(fitted):
    usual = rows_of(400, 0).mean(axis=0, keepdims=True)
    assert fitted.percentile(fitted.distance_of(usual)[0]) < 5
    for column in (0, D + 4):
        strange = usual.copy()
        strange[0, column] += 60
        assert fitted.percentile(fitted.distance_of(strange)[0]) == 100


def test_a_channel_that_never_moved_does_not_divide_by_nothing():
    training = rows_of(50, 3)
    training[:, 1] = 0
    found = fit_familiarity(training, rows_of(10, 4))
    assert np.isfinite(found.held_out).all()


def test_too_few_cases_are_refused():
    with pytest.raises(ValueError, match="too few"):
        fit_familiarity(rows_of(2, 0), rows_of(5, 1))
    with pytest.raises(ValueError, match="too few"):
        fit_familiarity(rows_of(9, 0), rows_of(5, 1)[:0])


def run_with(tmp_path, content: bytes | None, channels: int = D) -> SimpleNamespace:
    path = tmp_path / FEATURES_FILE
    if content is not None:
        path.write_bytes(content)
    return SimpleNamespace(
        id="tiny",
        branches=(SimpleNamespace(channels=channels),),
        path=lambda name: path if content is not None and name == FEATURES_FILE else None,
    )


def test_what_is_read_gives_the_very_same_distances(fitted, tmp_path):
    content = fitted.to_bytes()
    assert content == fit_familiarity(rows_of(400, 0), rows_of(80, 1)).to_bytes()
    read = read_familiarity(run_with(tmp_path, content))
    assert (read.distance_of(rows_of(9, 5)) == fitted.distance_of(rows_of(9, 5))).all()
    assert len(read) == 80


def test_a_run_without_the_file_keeps_nothing(tmp_path):
    assert read_familiarity(run_with(tmp_path, None)) is None


def _with(fitted: Familiarity, **changed: np.ndarray) -> bytes:
    return Familiarity(**(vars(fitted) | changed)).to_bytes()


def _pickled() -> bytes:
    sink = io.BytesIO()
    np.savez(sink, mean=np.array([object()], dtype=object))
    return sink.getvalue()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda fitted: b"not a zip file",
        lambda fitted: fitted.to_bytes()[:-200],
        lambda fitted: b"\0" * (MAX_FILE_BYTES + 1),
        lambda fitted: _pickled(),
        lambda fitted: _with(fitted, mean=fitted.mean[:-1]),
        lambda fitted: _with(fitted, spread=np.zeros(D)),
        lambda fitted: _with(fitted, held_out=np.zeros(0)),
        lambda fitted: _with(fitted, typical=np.array([1.0, np.nan])),
    ],
    ids=["no zip", "cut off", "too large", "pickle", "other network", "no spread", "no cases", "not numbers"],
)
def test_a_file_that_is_not_ours_is_refused_in_a_sentence(fitted, tmp_path, spoil):
    with pytest.raises(BadInput, match=r"features\.npz of the run tiny is not what this program writes"):
        read_familiarity(run_with(tmp_path, spoil(fitted)))


def facts_of(pixels: np.ndarray, side: int = 64) -> dict[str, float]:
    spec, study = InputSpec(side, side, 1, "pad"), study_of(pixels.astype(np.uint8))
    return dict(zip(FACTS, map(float, picture_facts(study, spec.tensor(study))), strict=True))


def test_facts_of_half_black_half_white():
    pixels = np.zeros((64, 64))
    pixels[32:] = 255
    facts = facts_of(pixels)
    assert (facts["5 %"], facts["95 %"]) == (0, 1)
    assert (facts["black"], facts["white"]) == (0.5, 0.5)
    assert facts["top"] == pytest.approx(-0.5) and facts["bottom"] == pytest.approx(0.5)
    assert facts["symmetry"] == pytest.approx(1, abs=1e-4)  # left is as right
    assert facts["fine streaks"] > 2  # it changes downwards only
    turned = facts_of(pixels.T)
    assert turned["fine streaks"] == pytest.approx(-facts["fine streaks"])
    assert turned["symmetry"] == pytest.approx(-1, abs=1e-4)


def test_facts_see_shape_and_colour_that_the_network_does_not():
    assert facts_of(np.full((32, 64), 90))["shape"] == pytest.approx(np.log(2))
    assert facts_of(np.full((32, 64), 90))["black"] == 0  # padding is not the picture
    red = np.zeros((64, 64, 3))
    red[:, :16] = (200, 30, 30)
    assert facts_of(red)["colour"] == pytest.approx(0.25)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 2)])
def test_facts_of_slivers_are_numbers(size):
    assert np.isfinite(list(facts_of(np.full(size, 255)).values())).all()
