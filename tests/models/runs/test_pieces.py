"""A run trained on pieces says so of a whole image, and of no piece."""

from types import SimpleNamespace

import pytest

from models.runs.pieces import cut_note


def _run(**prepare):
    return SimpleNamespace(id="small", card=SimpleNamespace(prepare=prepare))


def test_a_run_of_tiles_doubts_a_whole_film_and_no_tile():
    run = _run(cut="tiles", size=256, stride=128, margin=0.2)
    assert cut_note(run, 256, 256) is None
    assert cut_note(run, 384, 200) is None
    assert "tiles of 256 x 256 pixels" in cut_note(run, 3062, 2394)
    assert cut_note(run, 256, 385)


def test_a_run_of_crops_says_so_whatever_the_size():
    assert "crops around marked lesions" in cut_note(_run(cut="roi", margin=0.2), 100, 100)


@pytest.mark.parametrize("prepare", [{}, {"cut": "none", "size": 256}])
def test_a_run_of_whole_images_says_nothing(prepare):
    assert cut_note(_run(**prepare), 5000, 5000) is None
