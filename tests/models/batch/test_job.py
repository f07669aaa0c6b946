"""A batch from items to its table: what it says, what it keeps, what it refuses."""

import errno
import os
import threading
import time

import numpy as np
import pytest

from models.batch import (
    FAILED,
    OK,
    REFUSED,
    UNREADABLE,
    BatchFault,
    BatchJob,
    Cancelled,
    Item,
    Scorer,
    pipeline,
    read_batch,
)
from models.batch.journal import JOURNAL_FILE
from models.batch.storage import locked
from models.engines import open_engine
from models.errors import BadInput
from models.runs import load_run
from models.study import read_study
from tests.models.batch.listed import FromDisk, Listed, listed
from tests.pages.tiny_run import write_tiny_run


def job(run, listing, folder, **options):
    return BatchJob([run], listing, folder, engine="onnxruntime", **options)


def keys_on_disk(folder):
    return [row.key for row in read_batch(folder).rows()]


@pytest.fixture(scope="module")
def done(tiny, pictures, tmp_path_factory):
    """An undisturbed batch."""
    folder = tmp_path_factory.mktemp("batch") / "out"
    return job(tiny, listed(pictures), folder).work()


def test_each_row_says_what_the_engine_says_of_the_image_alone(tiny, pictures, done):
    engine = open_engine(tiny, "onnxruntime")
    alone = [engine.predict(tiny.inputs.tensor(read_study(path)).tensor) for path in pictures]
    rows = list(done.rows())
    assert [row.key for row in rows] == [path.name for path in pictures]
    assert done.complete and done.state == "complete" and done.counts[OK] == len(pictures)
    np.testing.assert_allclose(
        [row.scores["tiny"].probabilities for row in rows],
        [scores.probabilities[0] for scores in alone],
        atol=1e-6,
    )
    assert np.all(np.diff(done.predictions("tiny").probabilities[::2, 1]) > 0)  # darker and darker
    assert {row.facts["width"] for row in rows} == {64}


def test_one_bad_file_is_one_row_with_its_reason(tiny, pictures, tmp_path):
    def fail():
        raise RuntimeError("a secret of the file")

    items = [
        Item("a", 0, "a.png", FromDisk(pictures[0])),
        Item("b", 1, "b.png", lambda: b"no picture"),
        Item("c", 2, "c.png", None, why="It is a link: give the file itself."),
        Item("d", 3, "d.png", fail),
        Item("e", 4, "e.png", FromDisk(pictures[1]), modality="mammography"),
        Item("f", 5, "f.png", FromDisk(pictures[2]), modality="ultrasound"),
    ]
    batch = job(tiny, Listed(items), tmp_path / "out").work()
    rows = list(batch.rows())
    assert [row.status for row in rows] == [OK, UNREADABLE, UNREADABLE, FAILED, REFUSED, OK]
    assert rows[2].why == "It is a link: give the file itself."
    assert "RuntimeError" in rows[3].why and "secret" not in rows[3].why
    assert "mammography" in rows[4].why and "ultrasound" in rows[4].why
    assert len(batch.predictions("tiny")) == 2
    table = (tmp_path / "out" / "predictions.csv").read_text()
    assert table.count("\n") == 7


def test_going_on_reads_only_what_is_left(tiny, pictures, done, tmp_path):
    read = []

    def counted(path):
        return lambda: read.append(path.name) or path

    def listing():
        return Listed([Item(p.name, i, p.name, counted(p)) for i, p in enumerate(pictures)])

    def stop(progress):
        if progress.done >= 8:
            first.cancel()

    first = job(tiny, listing(), tmp_path, watch=stop)
    with pytest.raises(Cancelled, match="kept"):
        first.work()
    kept = keys_on_disk(tmp_path)
    assert 8 <= len(kept) < len(pictures) and kept == [path.name for path in pictures[: len(kept)]]
    assert read_batch(tmp_path).state == "interrupted" and (tmp_path / "predictions.csv").exists()
    before = (tmp_path / JOURNAL_FILE).read_bytes()
    read.clear()
    batch = job(tiny, listing(), tmp_path, resume=True).work()
    assert sorted(read) == sorted(path.name for path in pictures[len(kept) :])
    assert (tmp_path / JOURNAL_FILE).read_bytes().startswith(before)
    assert keys_on_disk(tmp_path) == [path.name for path in pictures]
    np.testing.assert_allclose(
        batch.predictions("tiny").probabilities, done.predictions("tiny").probabilities, atol=1e-6
    )


def test_what_a_kill_left_half_written_is_done_again(tiny, pictures, done, tmp_path):
    job(tiny, listed(pictures), tmp_path).work()
    lines = (tmp_path / JOURNAL_FILE).read_bytes().splitlines(keepends=True)
    damaged = [*lines[:10], b'{"index": 10, "key\n', *lines[11:20], lines[20][:-7]]
    (tmp_path / JOURNAL_FILE).write_bytes(b"".join(damaged))
    (tmp_path / ".predictions.csv.part").write_text("half")
    batch = job(tiny, listed(pictures), tmp_path, resume=True).work()
    assert keys_on_disk(tmp_path) == [path.name for path in pictures]
    assert batch.complete and not (tmp_path / ".predictions.csv.part").exists()
    assert np.allclose(
        batch.predictions("tiny").probabilities, done.predictions("tiny").probabilities, atol=1e-6
    )


def test_an_input_that_grew_keeps_its_order(tiny, pictures, tmp_path):
    job(tiny, listed(pictures[1::2]), tmp_path).work()
    batch = job(tiny, listed(pictures), tmp_path, resume=True).work()
    assert len(batch) == len(pictures) and batch.total == len(pictures)
    indices = [row.index for row in batch.rows()]
    assert indices == sorted(indices)


def test_a_kill_before_the_first_case_leaves_a_folder_to_go_on_in(tiny, pictures, tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    for number, name in enumerate(("folder.write_json", "folder.Journal", "job.Feeder", "job.write_tables")):
        out = tmp_path / str(number)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(f"models.batch.{name}", killed)
            job(tiny, listed(pictures[:3]), out).work()
        assert len(job(tiny, listed(pictures[:3]), out, resume=True).work()) == 3


def test_a_folder_is_of_one_batch_and_of_one_process(tiny, pictures, tmp_path):
    folder = tmp_path / "out"
    few = listed(pictures[:3])
    job(tiny, few, folder).work()
    other = load_run(write_tiny_run(tmp_path / "runs", "other", title="Another"))
    for wrong, words in [
        (job(tiny, few, folder), "holds a batch already"),
        (job(other, few, folder, resume=True), "other runs"),
        (job(tiny, few, folder, resume=True, steps=[Marked()]), "other steps"),
        (job(tiny, few, folder, resume=True, label_map={"odd": "other"}), "other label maps"),
        (BatchJob([tiny], few, folder, resume=True, engine="openvino"), "another engine"),
        (job(tiny, listed(pictures[5:7]), folder, resume=True), "other images"),
    ]:
        with pytest.raises(BadInput, match=words):
            wrong.work()
    with locked(folder), pytest.raises(BadInput, match="Another batch is at work"):
        job(tiny, few, folder, resume=True).work()
    assert len(job(tiny, few, folder, resume=True).work()) == 3


def test_a_folder_of_something_else_is_left_alone(tiny, pictures, tmp_path):
    table = tmp_path / "predictions.csv"
    table.write_text("mine")
    with pytest.raises(BadInput, match="something else"):
        job(tiny, listed(pictures[:2]), tmp_path).work()
    assert table.read_text() == "mine"
    for folder in (table, table / "below"):
        with pytest.raises(BadInput):
            job(tiny, listed(pictures[:2]), folder).work()


def test_a_full_disk_is_a_sentence_and_nothing_is_lost(tiny, pictures, tmp_path, monkeypatch):
    room = [5000]
    write = os.write

    def full(file, content):
        if room[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = write(file, bytes(content)[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr("models.batch.journal.os.write", full)
    with pytest.raises(BadInput, match="no room left"):
        job(tiny, listed(pictures), tmp_path).work()
    monkeypatch.undo()
    content = (tmp_path / JOURNAL_FILE).read_bytes()
    assert content.endswith(b"\n") and len(content) <= 5000
    kept = keys_on_disk(tmp_path)
    assert 0 < len(kept) < len(pictures)
    job(tiny, listed(pictures), tmp_path, resume=True).work()
    assert keys_on_disk(tmp_path) == [path.name for path in pictures]


def test_pause_go_on_and_cancel(tiny, pictures, tmp_path):
    paused = threading.Event()

    def watch(progress):
        if progress.state == "working" and progress.done == 8:
            working.pause()
        if progress.state == "paused":
            paused.set()

    working = job(tiny, listed(pictures), tmp_path, watch=watch)
    thread = threading.Thread(target=working.work)
    thread.start()
    assert paused.wait(20)
    done = working.progress.done
    assert read_batch(tmp_path).state == "running" and len(read_batch(tmp_path)) == done < len(pictures)
    time.sleep(0.1)
    assert working.progress.done == done and working.progress.state == "paused"
    working.go_on()
    thread.join(20)
    assert working.progress.done == len(pictures) and working.progress.state == "complete"


def test_a_page_can_follow_a_batch_at_work(tiny, pictures, tmp_path):
    seen, offsets = [], [0]

    def watch(progress):
        if progress.done:
            rows, offset = read_batch(tmp_path).since(offsets[-1])
            seen.extend(row.key for row in rows)
            offsets.append(offset)
            assert len(seen) == progress.done  # on disk before it is counted

    job(tiny, listed(pictures), tmp_path, watch=watch).work()
    assert seen == [path.name for path in pictures]


def test_the_same_fault_from_the_first_case_on_stops_it(tiny, pictures, tmp_path):
    def broken():
        raise KeyError("ours")

    items = [Item(str(i), i, str(i), broken) for i in range(30)]
    with pytest.raises(BatchFault, match="KeyError"):
        job(tiny, Listed(items), tmp_path / "all").work()
    assert not keys_on_disk(tmp_path / "all")  # so that they are done when the fault is mended
    good = Item("good", 19, "good", FromDisk(pictures[0]))
    batch = job(tiny, Listed([*items[:19], good, *items[20:]]), tmp_path / "most").work()
    assert batch.counts == {OK: 1, FAILED: 29, UNREADABLE: 0, REFUSED: 0}


def test_an_input_that_breaks_keeps_what_came_before(tiny, pictures, tmp_path):
    class Broken(Listed):
        def items(self, skip=()):
            yield from super().items(skip)
            raise BadInput("The archive ends in the middle: get it again.")

    with pytest.raises(BadInput, match="ends in the middle"):
        job(tiny, Broken(listed(pictures[:11]).all), tmp_path).work()
    batch = read_batch(tmp_path)
    assert len(batch) == 11 and not batch.complete


class Marked:
    """A step that can fail."""

    name, columns = "marked", ("margin", "word")

    def __init__(self, fault=None):
        self.fault = fault

    @property
    def signature(self):
        return {"version": 1}

    def __call__(self, case):
        if self.fault and case.item.index == 2:
            raise self.fault
        return {"margin": float(case.explained.margins[0, 1]), "word": f"=case {case.item.index}"}


def test_steps_see_each_case_alone(tiny, pictures, tmp_path):
    batch = job(
        tiny, listed(pictures[:12]), tmp_path, steps=[Marked(BadInput("No map: it is blank."))]
    ).work()
    scores = batch.scores("tiny")
    margins = scores["margin"]
    np.testing.assert_allclose(np.delete(margins, 2), np.delete(scores["logits"][:, 0], 2), atol=1e-6)
    assert np.isnan(margins[2]) and scores["notice"][2] == "No map: it is blank."
    assert scores["word"][3] == "=case 3" and batch.counts[OK] == 12
    assert ",'=case 3," in (tmp_path / "predictions.csv").read_text()


def test_a_fault_of_a_step_is_that_case_alone_but_a_full_disk_is_all(tiny, pictures, tmp_path):
    batch = job(tiny, listed(pictures[:5]), tmp_path / "a", steps=[Marked(TypeError("ours"))]).work()
    assert [row.status for row in batch.rows()] == [OK, OK, FAILED, OK, OK]
    full = Marked(OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(BadInput, match="no room left"):
        job(tiny, listed(pictures[:5]), tmp_path / "b", steps=[full]).work()
    assert keys_on_disk(tmp_path / "b") == [path.name for path in pictures[:2]]


def test_runs_that_share_trunks_compute_them_once(tiny, pictures, tmp_path, monkeypatch):
    other = load_run(write_tiny_run(tmp_path / "runs", "other", title="Another"))
    memos, make = [], Scorer._memo
    monkeypatch.setattr(Scorer, "_memo", lambda self: memos.append(make(self)) or memos[-1])
    batch = BatchJob([tiny, other], listed(pictures[:8]), tmp_path / "out", engine="onnxruntime").work()
    assert [memo.computed for memo in memos] == [2]  # two trunks for both runs together
    np.testing.assert_array_equal(
        batch.predictions("tiny").probabilities, batch.predictions("other").probabilities
    )
    assert (tmp_path / "out" / "predictions-other.csv").exists()
    with pytest.raises(BadInput, match="given twice"):
        BatchJob([tiny, tiny], listed(pictures), tmp_path / "twice")


def test_little_is_in_memory_however_long_the_batch(tiny, pictures, tmp_path, monkeypatch):
    class Endless(Listed):
        given = 0

        def items(self, skip=()):
            for index in range(600):
                Endless.given = index + 1
                yield Item(str(index), index, "picture", FromDisk(pictures[index % 40]))

    ahead, held = [], []

    def watch(progress):
        ahead.append(Endless.given - progress.done)

    hold = pipeline.Pipeline._hold

    def noted(self, more, begun=0):
        hold(self, more, begun)
        held.append(self._held)

    monkeypatch.setattr(pipeline.Pipeline, "_hold", noted)
    monkeypatch.setattr(pipeline, "HELD_BYTES", 60_000)  # under four pictures of 64 x 64 in single precision
    listing = Endless([])
    listing.total = None
    batch = job(tiny, listing, tmp_path, watch=watch).work()
    assert len(batch) == 600 and [row.index for row in batch.rows()] == list(range(600))
    assert max(ahead) < 80 and held[-1] == 0
    assert max(held) <= 60_000 + 3 * 16384  # what the readers had begun before it was full
