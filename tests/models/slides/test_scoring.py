"""A slide scored by a network whose answer is known: how purple a tile is."""

from __future__ import annotations

import csv
import json
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from models.batch.storage import locked
from models.engines import Scores
from models.errors import BadInput
from models.inputs import InputSpec
from models.slides.scoring import Cancelled, SlideJob
from models.slides.tiles import TileSpec
from models.study import open_slide
from tests.models.slides.small_slides import picture, slide

SPEC = TileSpec(100, 0.5)  # 100 pixels of the slide: rows 3 to 6 and columns 2 to 9 are tissue
# Green of PINK is 120, of PURPLE 50.
OF_PINK, OF_PURPLE = 1 - 120 / 255, 1 - 50 / 255


def run_of(**changes: object) -> SimpleNamespace:
    data = SimpleNamespace(name="drawn squares", citation="")
    fields = {
        "id": "purple", "digest": "d" * 64, "classes": ("non_idc", "idc"), "positive": "idc",
        "modality": "histopathology", "inputs": InputSpec(10, 10, 3),
        "operating_point": SimpleNamespace(name="youden", threshold=0.6),
        "card": SimpleNamespace(synthetic=True, data=data),
    }  # fmt: skip
    return SimpleNamespace(**(fields | changes))


class Purple:
    """Probability of idc = 1 less the mean green. Stops a job after so many images."""

    name = "green 1.0"

    def __init__(self, after: int | None = None) -> None:
        self.seen, self.after, self.job = 0, after, None

    def predict(self, tensor: np.ndarray) -> Scores:
        self.seen += len(tensor)
        if self.after is not None and self.seen >= self.after:
            self.job.cancel()
        p = 1 - tensor[..., 1].mean(axis=(1, 2), dtype=np.float64)
        return Scores(np.log(p / (1 - p))[:, None].astype(np.float32), np.stack([1 - p, p], axis=1))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return slide(tmp_path_factory.mktemp("slides") / "a.tif")


@pytest.fixture
def opened(file):
    with open_slide(file) as found:
        yield found


def job_on(found, folder, engine=None, run=None, spec=SPEC, **options) -> SlideJob:
    engine = engine or Purple()
    job = SlideJob(run or run_of(), engine, found, spec, folder, **options)
    engine.job = job
    return job


def test_every_tile_has_its_own_probability(opened, tmp_path):
    told = []
    scores = job_on(
        opened, tmp_path, watch=lambda done, total: told.append((done, total)), synthetic=True
    ).score()
    found = np.isfinite(scores.map)
    assert found.sum() == 32 and found[3:7, 2:10].all() and scores.complete
    assert scores.map[3:7, 2:6] == pytest.approx(OF_PINK, abs=0.01)
    assert scores.map[3:7, 6:10] == pytest.approx(OF_PURPLE, abs=0.01)
    assert scores.called().sum() == 16 and told[0] == (0, 32) and told[-1] == (32, 32)


def test_the_summary_by_hand(opened, tmp_path):
    scores = job_on(opened, tmp_path, synthetic=True).score()
    found = scores.summary()
    assert found["share_called"]["value"] == 0.5 and found["share_called"]["n"] == 32
    assert found["mean"]["value"] == pytest.approx((OF_PINK + OF_PURPLE) / 2, abs=0.01)
    assert found["top_1_percent"]["n"] == 1  # one percent of 32 tiles is one
    assert found["top_1_percent"]["value"] == pytest.approx(OF_PURPLE, abs=0.02)
    assert found["share_called"]["low"] is None and "interval" in found["share_called"]["why_no_interval"]
    assert found["tissue_mm2"] == pytest.approx(0.08, rel=0.02)
    assert found["validated"] is False and "Research use only" in found["unvalidated"]
    assert [h["row"] for h in found["hottest"]] and found["notices"] == []
    json.dumps(found, allow_nan=False)


def test_the_table_has_a_row_a_tile_in_reading_order(opened, tmp_path):
    job_on(opened, tmp_path).score()
    with open(tmp_path / "tiles.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [(int(r["row"]), int(r["column"])) for r in rows] == [
        (r, c) for r in range(3, 7) for c in range(2, 10)
    ]
    first = rows[0]
    assert (float(first["x"]), float(first["y"]), float(first["side"])) == (200, 300, 100)
    assert first["status"] == "ok" and first["called_positive"] == "false"
    assert float(first["p_idc"]) + float(first["p_non_idc"]) == pytest.approx(1, abs=1e-6)


def test_a_cancelled_slide_goes_on_and_does_nothing_twice(opened, tmp_path):
    whole = job_on(opened, tmp_path / "whole").score()
    engine = Purple(after=16)
    job = job_on(opened, tmp_path / "cut", engine)
    with pytest.raises(Cancelled, match="16 of 32"):
        job.score()
    assert job.scores.scored == 16 and not job.scores.complete
    assert "16 of 32" in job.scores.summary()["notices"][-1]
    assert len((tmp_path / "cut" / "tiles.csv").read_text().splitlines()) == 17
    # As after a kill: another process, and a line that was half written.
    with open(tmp_path / "cut" / "journal.jsonl", "ab") as journal:
        journal.write(b'{"index": 31, "key": "r')
    later = Purple()
    scores = job_on(opened, tmp_path / "cut", later, resume=True).score()
    assert later.seen == 16 and scores.complete
    assert np.array_equal(scores.map, whole.map, equal_nan=True)


def test_a_folder_belongs_to_one_slide_run_and_tiles(opened, tmp_path):
    job_on(opened, tmp_path).score()
    with pytest.raises(BadInput, match="--resume"):
        job_on(opened, tmp_path).score()
    for other in ({"run": run_of(digest="e" * 64)}, {"spec": TileSpec(50, 0.5)}):
        with pytest.raises(BadInput, match="another"):
            job_on(opened, tmp_path, resume=True, **other).score()


def test_two_at_once_in_a_folder_are_refused(opened, tmp_path):
    with locked(tmp_path), pytest.raises(BadInput, match="at work"):
        job_on(opened, tmp_path).score()


def test_a_damaged_tile_is_a_row_and_not_the_end(tmp_path):
    # Twice the size, so that the thumbnail is not made of the damaged level.
    large = slide(tmp_path / "a.tif", np.repeat(np.repeat(picture(), 2, axis=0), 2, axis=1), mpp=0.25)
    content = bytearray(large.read_bytes())
    with tifffile.TiffFile(large) as other:
        page = other.pages[0]  # fourth row (768 to 1023), eighth of ten columns (1792 to 2047)
        at, count = page.dataoffsets[37], page.databytecounts[37]
    content[at : at + count] = bytes(count)
    large.write_bytes(content)
    with open_slide(large) as found:
        scores = job_on(found, tmp_path / "out", spec=TileSpec(200, 0.25)).score()
    # Tiles of 200: rows 3 to 5 and columns 8 and 9 reach into it; column 10 holds no tissue.
    assert sorted(scores.unreadable) == [(row, column) for row in (3, 4, 5) for column in (8, 9)]
    assert scores.scored == 26 and scores.complete
    assert all("damaged" in why for why in scores.unreadable.values())
    assert "unreadable" in (tmp_path / "out" / "tiles.csv").read_text()


def test_a_quick_look_is_spread_over_the_tissue(opened, tmp_path):
    scores = job_on(opened, tmp_path, limit=4).score()
    rows, _ = np.nonzero(np.isfinite(scores.map))
    assert len(rows) == 4 and set(rows) == {3, 4, 5, 6}
    assert "Only 4 of the 32" in " ".join(scores.notices)
    with pytest.raises(BadInput, match="--limit 0"):
        job_on(opened, tmp_path, limit=0)


def test_what_cannot_be_scored_is_a_sentence(opened, tmp_path):
    with pytest.raises(BadInput, match="ultrasound"):
        job_on(opened, tmp_path, run=run_of(modality="ultrasound"))
    unknown = SimpleNamespace(synthetic=False, data=SimpleNamespace(name="x", citation="y"))
    with pytest.raises(BadInput, match="--tile-mpp"):
        job_on(opened, tmp_path, run=run_of(card=unknown), spec=None)
    taken = tmp_path / "file"
    taken.write_text("")
    with pytest.raises(BadInput, match="is a file"):
        job_on(opened, taken).score()


def test_scores_can_be_looked_at_while_they_are_made(opened, tmp_path):
    seen = []
    job = job_on(opened, tmp_path, watch=lambda done, total: seen.append(job.scores.scored))
    assert job.scores is None
    worker = threading.Thread(target=job.score)
    worker.start()
    worker.join(60)
    assert seen[0] == 0 and seen[-1] == 32 and seen == sorted(seen)


def test_a_drawn_slide_before_a_run_of_real_tissue_is_told(opened, tmp_path):
    real = SimpleNamespace(synthetic=False, data=SimpleNamespace(name="x", citation="y"))
    scores = job_on(opened, tmp_path, run=run_of(card=real), synthetic=True).score()
    assert "mean nothing" in " ".join(scores.notices)


def test_the_picture_is_as_it_was(opened):
    # The fixture's truth: what the other tests count on.
    assert (picture()[300, 200] == (210, 120, 170)).all() and opened.mpp == 0.5
