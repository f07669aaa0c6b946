"""The map of a slide as a picture, by hand; and as files, through the command."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from models.slides.tiles import Grid
from tests.models.slides.small_slides import slide
from tests.pages.tiny_run import write_tiny_run
from xai.__main__ import main
from xai.slides.picture import cells, length_text, map_picture, nice_length


def survey(grid: Grid, shape: tuple[int, int], width: int, height: int) -> SimpleNamespace:
    return SimpleNamespace(
        grid=grid, width=width, height=height, thumbnail=np.full((*shape, 3), 200, np.uint8),
        tissue=np.zeros(shape, bool), width_mm=width / 1000,
    )  # fmt: skip


def test_a_tile_is_a_flat_square_of_the_thumbnail():
    # Tiles of 20 on 50 x 40 pixels, seen at a tenth: columns 0-1, 2-3 and 4 of the thumbnail.
    found = cells(survey(Grid(2, 3, 20.0, 20.0), (4, 5), 50, 40), np.array([[1, 2, 3], [4, 5, 6]]))
    assert found.tolist() == [[1, 1, 2, 2, 3], [1, 1, 2, 2, 3], [4, 4, 5, 5, 6], [4, 4, 5, 5, 6]]


def test_an_overlapping_tile_stands_for_the_middle_of_its_field():
    # Tiles of 20 every 10 on 40 pixels: 0-20, 10-30, 20-40; the middles 5-15, 15-25, 25-35, the ends beyond.
    found = cells(survey(Grid(1, 3, 20.0, 10.0), (1, 8), 40, 5), np.array([[1, 2, 3]]))
    assert found.tolist() == [[1, 1, 1, 2, 2, 3, 3, 3]]


def test_where_there_is_no_probability_the_slide_is_as_it_was():
    looked = survey(Grid(1, 2, 20.0, 20.0), (2, 4), 40, 20)
    scores = SimpleNamespace(
        survey=looked, map=np.array([[np.nan, 1.0]], np.float32), called=lambda: np.zeros((1, 2), bool)
    )
    found = map_picture(scores, opacity=0.5, colours="viridis")
    assert (found[:, :2] == 200).all()
    # Half of viridis' yellow (253, 231, 37) and half of the grey, by OpenCV's table of it.
    assert np.abs(found[0, 3].astype(int) - (226, 215, 118)).max() <= 3


@pytest.mark.parametrize(
    ("most", "length", "text"),
    [(0.9, 0.5, "500 µm"), (2.5, 2.0, "2 mm"), (1.0, 1.0, "1 mm"), (60, 50, "50 mm")],
)
def test_a_scale_bar_has_a_round_length(most, length, text):
    assert nice_length(most) == pytest.approx(length) and length_text(nice_length(most)) == text


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    return write_tiny_run(
        root, "tiny-he", modality="histopathology", classes=["non_idc", "idc"], positive="idc"
    )


def test_the_command_scores_a_slide_and_writes_it(runs, tmp_path, capsys):
    file, out = slide(tmp_path / "DOE_JANE.tif"), tmp_path / "out"
    command = ["slide", str(runs), str(file), "--out", str(out), "--tile", "100", "--tile-mpp", "0.5"]
    assert main([*command, "--heatmaps", "2", "--json"]) == 0
    printed = capsys.readouterr().out
    found = json.loads(printed)
    assert found["scored"] == 32 and found["complete"] and found["tiles_per_second"] > 0
    # The tiny network looks for dark tissue: the purple half is hotter than the pink one.
    assert all(each["column"] >= 6 for each in found["hottest"])
    assert len(found["heatmaps"]) == 2 and found["heatmaps"][0]["joint"]["grid"] == [4, 4]
    names = {path.name for path in out.iterdir()} - {".lock"}
    hot = {entry["file"] for entry in found["heatmaps"]}
    assert names == {"journal.jsonl", "slide.json", "tiles.csv", "summary.json", "map.png"} | hot
    everything = printed + "".join(path.read_text("latin-1") for path in out.iterdir())
    assert "DOE" not in everything.replace(str(out), "").replace(str(tmp_path), "")
    assert main(command) == 2 and "--resume" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0 and "No verdict on the whole slide" in capsys.readouterr().out


def test_what_the_command_refuses_is_one_sentence(runs, tmp_path, capsys):
    text, blank = tmp_path / "a.svs", tmp_path / "blank.tif"
    text.write_text("no slide")
    slide(blank, np.full((600, 600, 3), 245, np.uint8))
    unscaled = slide(tmp_path / "unscaled.tif", mpp=None)
    out = ["--out", str(tmp_path / "out"), "--tile", "100", "--tile-mpp", "0.5"]
    for arguments, told in (
        ([str(text)], "not a whole-slide image"),
        ([str(tmp_path / "none.svs")], "no file"),
        ([str(blank)], "No tissue"),
        ([str(unscaled)], "--mpp"),
        ([str(unscaled), "--mpp", "900"], "no slide's scale"),
        ([str(unscaled), "--mpp", "0.5", "--overlap", "2"], "overlap"),
        ([str(unscaled), "--mpp", "0.5", "--heatmaps", "-1"], "--heatmaps"),
    ):
        assert main(["slide", str(runs), *arguments, *out]) == 2
        printed = capsys.readouterr()
        assert told in printed.err and not printed.out and "Traceback" not in printed.err
