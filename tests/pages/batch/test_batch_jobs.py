"""Batches at work on a server: one after the other, paused, stopped, and gone on with after a restart."""

import json
import threading
from types import SimpleNamespace

import pytest

from models.batch.job import BatchJob
from models.batch.results import read_batch
from models.errors import BadInput
from pages.ui.batch import jobs
from pages.ui.batch.jobs import CANCELLED, DONE, INTERRUPTED, PAUSED, REFUSED, BatchJobs, PageBatch
from pages.ui.batch.orders import Order, Phantoms
from pages.ui.batch.receiving import Given
from tests.pages.batch.given import BRIGHT, DARK, Upload, many, ordered, tiny, zipped

LONG = 60
MORE = 120
"""Images: more than are ever under way at once (models.batch.pipeline)."""


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    monkeypatch.setenv("LESIONLENS_WORK", str(tmp_path / "work"))
    return tmp_path / "work"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def server():
    made = BatchJobs()
    yield made
    made.close()


def begun(run, n, **options):
    """A batch of n images, not yet started, without heatmaps."""
    place, order = ordered(Given([Upload("x.zip", zipped(many(n)))]), run, **{"heatmaps": False} | options)
    return PageBatch(place, order)


class Gate:
    """Holds the first batch that has `after` cases on disk until it is opened."""

    def __init__(self, monkeypatch, after):
        self.reached, self.open = threading.Event(), threading.Event()
        keep = BatchJob._keep

        def held(job, rows, folder):
            keep(job, rows, folder)
            if job.progress.done >= after and not self.open.is_set():
                self.reached.set()
                self.open.wait(LONG)

        monkeypatch.setattr(BatchJob, "_keep", held)


def test_a_batch_comes_to_its_table_and_leaves_no_upload(run, server) -> None:
    images = Given([Upload("dark.png", DARK), Upload("bright.png", BRIGHT), Upload("torn.png", DARK[:90])])
    place, order = ordered(images, run)
    batch = server.start(PageBatch(place, order), [run])
    assert batch.wait(LONG) and batch.state == DONE, batch.sentence
    found = read_batch(place.folder)
    assert (
        found.complete
        and batch.progress.done == 3
        and (batch.progress.ok, batch.progress.unreadable) == (2, 1)
    )
    said = {row.key: row.scores["tiny"].probabilities[1] for row in found.rows() if row.status == "ok"}
    assert said["dark.png"] > 0.5 > said["bright.png"]
    assert {row.key for row in found.rows() if row.scores and row.scores["tiny"].extra.get("heatmap")} == set(
        said
    )
    assert batch.title == "3 images of 3 files, tiny"
    assert not (batch.home / "incoming").exists() and server.find(place.id) is batch
    server.delete(place.id)
    assert not batch.home.exists() and server.find(place.id) is None


def test_stopped_and_gone_on_with_after_a_restart_nothing_is_done_twice(run, server, monkeypatch) -> None:
    gate = Gate(monkeypatch, after=16)
    batch = server.start(begun(run, MORE), [run])
    assert gate.reached.wait(LONG) and batch.busy
    batch.cancel()
    assert batch.stopping
    gate.open.set()
    assert batch.wait(LONG) and batch.state == CANCELLED
    done = batch.progress.done
    lines = (batch.place.folder / "journal.jsonl").read_text().splitlines()
    assert 16 <= done < MORE and sum('"key"' in line for line in lines) == done
    # A server that died: another process knows nothing but the folder, and no word of an end is in it.
    (batch.home / jobs.STATE).unlink()
    again = BatchJobs()
    found = again.find(batch.place.id)
    assert found is not batch and found.state == INTERRUPTED and jobs.can_go_on(found)
    assert (found.progress.done, found.progress.total) == (done, MORE)
    again.start(found, [run])
    assert found.wait(LONG) and found.state == DONE, found.sentence
    whole = (batch.place.folder / "journal.jsonl").read_text().splitlines()
    assert whole[: len(lines)] == lines
    assert sorted(row.key for row in read_batch(batch.place.folder).rows()) == sorted(many(MORE))
    # The next restart knows that it is done.
    assert BatchJobs().find(batch.place.id).state == DONE


def test_a_paused_batch_lets_the_next_one_go_first(run, server, monkeypatch) -> None:
    gate = Gate(monkeypatch, after=8)
    first = server.start(begun(run, MORE), [run])
    assert gate.reached.wait(LONG)
    first.pause()
    assert first.state == PAUSED and first.busy
    gate.open.set()
    second = server.start(begun(run, 4), [run])
    assert second.wait(LONG) and second.state == DONE, second.sentence
    assert first.state == PAUSED and first.progress.done < MORE
    first.go_on()
    assert first.wait(LONG) and first.state == DONE and first.progress.done == MORE


def test_a_second_batch_waits_and_can_be_stopped_while_it_waits(run, server, monkeypatch) -> None:
    gate = Gate(monkeypatch, after=8)
    first = server.start(begun(run, 30), [run])
    assert gate.reached.wait(LONG)
    second = server.start(begun(run, 4), [run])
    assert not second.wait(1.5) and second.state == jobs.WAITING and server.turn.before(second) == 1
    assert server.busy() == {first.place.id, second.place.id}
    second.cancel()
    assert second.wait(LONG) and second.state == CANCELLED
    gate.open.set()
    assert first.wait(LONG) and first.state == DONE


def test_a_run_that_changed_and_a_faulty_order_are_refused(run, server) -> None:
    batch = begun(run, 2)
    server.start(batch, [])
    assert batch.wait(LONG) and batch.state == REFUSED and "is not at hand any more" in batch.sentence
    assert json.loads((batch.home / jobs.STATE).read_text())["state"] == REFUSED
    assert BatchJobs().find(batch.place.id).sentence == batch.sentence
    (batch.home / "job.json").write_text("{}")
    assert BatchJobs().find(batch.place.id) is None
    with pytest.raises(BadInput, match="no batch"):
        jobs.place_of("../x")


def test_the_first_run_of_each_modality_makes_the_small_pictures(monkeypatch) -> None:
    # Another refuses its images, which would have none.
    monkeypatch.setattr("xai.batch.batch_steps", lambda run, **asked: asked["thumbnails"])
    kinds = ("ultrasound", "ultrasound", "mammography")
    runs = [SimpleNamespace(id=str(number), modality=kind) for number, kind in enumerate(kinds)]
    order = Order(Phantoms("ultrasound", 6, 1), ())
    assert jobs.steps_of(runs, order) == {"0": True, "1": False, "2": True}
