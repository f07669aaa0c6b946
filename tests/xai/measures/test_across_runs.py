"""Two runs' maps of the same images."""

import numpy as np
import pytest

from models.errors import BadInput
from tests.xai.fakes import BlockEngine, fake_run, study_of
from xai.measures.across_runs import compare_maps, summarised
from xai.measures.agreement import Agreement


def studies(count=6):
    rng = np.random.default_rng(0)
    return [study_of(rng.integers(0, 256, (32, 32)).astype(np.uint8)) for _ in range(count)]


def test_a_run_agrees_with_itself_and_not_with_its_opposite():
    same, opposite = BlockEngine(), BlockEngine({"coarse": (1.0, -6.0), "fine": (-0.5, -3.0)})
    found = compare_maps(fake_run(), fake_run(), studies(), engines=(same, BlockEngine()))
    assert found.rank["value"] == pytest.approx(1.0) and found.rank["n"] == 6 == len(found.pairs)
    assert found.overlap["low"] == found.overlap["value"] == 1.0
    other = compare_maps(fake_run(), fake_run(), studies(), engines=(same, opposite), watch=None)
    assert other.rank["high"] < -0.9


def test_progress_is_told_and_a_strange_class_refused():
    done, both = [], (BlockEngine(), BlockEngine())
    compare_maps(fake_run(), fake_run(), studies(2), engines=both, watch=done.append)
    assert done == [1, 2]
    with pytest.raises(BadInput, match="has no class 'benign'"):
        compare_maps(fake_run(), fake_run(), studies(1), "benign", engines=both)
    with pytest.raises(BadInput, match="no image to compare"):
        compare_maps(fake_run(), fake_run(), [], engines=both)


def test_images_without_a_place_are_left_out_of_the_mean():
    blank = Agreement(None, None, "blank")
    pairs = [Agreement(0.5, 0.2), Agreement(0.7, 0.4), blank, Agreement(0.6, None, "no top area")]
    found = summarised(pairs)
    assert found.rank["value"] == pytest.approx(0.6) and found.rank["n"] == 3
    assert found.overlap["value"] == pytest.approx(0.3) and found.overlap["n"] == 2
    assert 0.5 <= found.rank["low"] < 0.6 < found.rank["high"] <= 0.7
    nothing = summarised([blank])
    assert nothing.rank["value"] is None and nothing.rank["n"] == 0 and nothing.rank["why"]


def test_a_patients_images_are_drawn_together():
    ranks = np.repeat([0.1, 0.9, 0.2, 0.8], 10)
    pairs = [Agreement(float(rank), 0.5) for rank in ranks]
    groups = [f"patient {i}" for i in np.repeat(np.arange(4), 10)]
    alone, together = summarised(pairs).rank, summarised(pairs, groups).rank
    assert together["high"] - together["low"] > 2 * (alone["high"] - alone["low"])


def test_one_image_tells_nothing_of_the_spread():
    found = summarised([Agreement(0.4, 0.2)])
    assert (found.rank["low"], found.rank["high"]) == (-1, 1) and found.rank["value"] == 0.4
    assert (found.overlap["low"], found.overlap["high"]) == (0, 1)
