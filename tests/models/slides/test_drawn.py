"""The drawn slide: the same number is the same slide, and its tumour is where it says."""

import numpy as np
import pytest

from models.engines import open_engine
from models.errors import BadInput
from models.runs import find_run
from models.slides.drawn import _Outline, draw_slide
from models.slides.scoring import SlideJob
from models.study import open_slide


def test_the_same_number_draws_the_same_slide(tmp_path):
    first, again = (draw_slide(tmp_path / name, 1, 4, 4) for name in ("a.tif", "b.tif"))
    assert first.path.read_bytes() == again.path.read_bytes()
    assert _Outline.of(1) != _Outline.of(2)


@pytest.mark.parametrize("wrong", [(-1, 6, 6), (1_000_000, 6, 6), (1, 3, 6), (1, 6, 25)])
def test_a_slide_that_cannot_be_drawn_is_refused(wrong, tmp_path):
    with pytest.raises(BadInput):
        draw_slide(tmp_path / "a.tif", *wrong)


def test_a_run_trained_on_phantoms_finds_the_tumour(tmp_path):
    drawn = draw_slide(tmp_path / "a.tif", 5, 6, 6)
    assert drawn.tumour.sum() == 6 and not (drawn.tumour & ~drawn.tissue).any()
    run = find_run("phantom-histopathology")
    with open_slide(drawn.path) as slide:
        assert slide.mpp == 1.0
        job = SlideJob(run, open_engine(run, images=8), slide, None, tmp_path / "out", synthetic=True)
        scores = job.score()
    rows, columns = np.nonzero(np.isfinite(scores.map))
    middle = scores.survey.grid.side * (np.stack([rows, columns], axis=1) + 0.5)
    patch = ((middle - drawn.margin) / drawn.pitch).astype(int).clip(0, 5)
    inside = drawn.tumour[patch[:, 0], patch[:, 1]]
    values = scores.map[rows, columns]
    # A tile is not a patch, it cuts through several: still the ranking must tell tumour from the rest.
    above = (values[inside][:, None] > values[~inside][None]).mean()
    assert inside.sum() >= 3 and above > 0.8, f"AUC {above:.2f} of {inside.sum()} tiles"
