"""A batch on Ray: the table of the plain path, whatever becomes of a worker; and what is refused."""

import os
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from models.batch import FAILED, OK, BatchFault, BatchJob, BatchPlan, Cancelled, Item, Scorer
from models.batch.on_ray import RayJob, chunk_size, work_on_ray
from models.batch.ray_cluster import Cluster, Pool
from models.batch.ray_worker import Attempts, ChunkScorer, Done, chunks, contents, table_of
from models.batch.shards import list_shards, read_shards
from models.batch.unnamed import unopened
from models.errors import BadInput
from tests.models.batch.listed import FromDisk, Listed

ROOT = Path(__file__).resolve().parents[3]
ENGINE = "onnxruntime"
LEAST = 32  # items of a small batch's chunk
TOKEN = ".seen"


@dataclass(frozen=True)
class Watched:
    """Loads a file and tells which process did; waits for `gate` where there is one."""

    path: Path
    log: Path
    gate: Path | None = None

    def __call__(self) -> Path:
        with self.log.open("a") as file:
            file.write(f"{os.getpid()}\n")
        until = time.monotonic() + 30
        while self.gate and not self.gate.exists() and time.monotonic() < until:
            time.sleep(0.05)
        return self.path


@dataclass(frozen=True)
class Deadly:
    """No process survives it."""

    def __call__(self) -> Path:
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Shade:
    """A step that finds a number and writes a file."""

    name = "shade"
    columns = ("shade", "file")

    @property
    def signature(self):
        return {"version": 1}

    def __call__(self, case):
        name = f"{case.item.index}.txt"
        (case.folder / name).write_text(str(case.study.height))
        return {"shade": float(case.study.samples.mean()), "file": name}


@pytest.fixture(scope="session")
def local_ray():
    pytest.importorskip("ray")
    cluster = Cluster("local")
    cluster.start()
    yield
    cluster.close()


@pytest.fixture(scope="session")
def listing(pictures, tmp_path_factory):
    """Sixty pictures, the last twenty twice, and four that are none."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "words.png").write_text("no picture")
    (folder / "half.jpg").write_bytes(pictures[1].read_bytes()[:300])
    found = [
        Item(f"{number}/{path.name}", number, path.name, FromDisk(path), label="malignant")
        for number, path in enumerate([*pictures, *pictures[20:]])
    ]
    bad = [
        Item("words.png", 60, "words.png", FromDisk(folder / "words.png")),
        Item("half.jpg", 61, "half.jpg", FromDisk(folder / "half.jpg")),
        Item("gone.png", 62, "gone.png", FromDisk(folder / "gone.png")),
        Item("link.png", 63, "link.png", None, why="This is a link: give the file itself."),
    ]
    return Listed([*found, *bad])


@pytest.fixture(scope="session")
def plain(tiny, listing, tmp_path_factory):
    """The same batch without Ray."""
    folder = tmp_path_factory.mktemp("plain") / "out"
    return BatchJob([tiny], listing, folder, engine=ENGINE, steps=[Shade()]).work()


def plan_of(run, listing, folder, **options):
    return BatchPlan([run], listing, folder, engine=ENGINE, **options)


def assert_same_table(batch, expected):
    found, wanted = list(batch.rows()), list(expected.rows())
    assert [(row.index, row.key, row.status, row.why) for row in found] == [
        (row.index, row.key, row.status, row.why) for row in wanted
    ]
    for row, other in zip(found, wanted, strict=True):
        assert row.facts == other.facts and set(row.scores) == set(other.scores)
        for run_id, score in row.scores.items():
            np.testing.assert_allclose(score.probabilities, other.scores[run_id].probabilities, atol=1e-6)
    threshold = batch.runs[0].threshold
    calls = [one.predictions("tiny").probabilities[:, 1] >= threshold for one in (batch, expected)]
    np.testing.assert_array_equal(*calls)


# On a Ray of this machine


def test_the_table_is_that_of_the_plain_path(local_ray, tiny, listing, plain, tmp_path):
    seen = []
    plan = plan_of(tiny, listing, tmp_path / "out", steps=[Shade()])
    batch = work_on_ray(plan, "local", watch=seen.append)
    assert_same_table(batch, plain)
    assert batch.complete and batch.counts == plain.counts and batch.counts[OK] == 60
    assert batch.engine == plain.engine
    assert [p.done for p in seen if p.state == "working"] == [0, 32, 64]
    assert len(list_shards(batch.folder)) == 2
    for ours, theirs in zip(batch.rows(), plain.rows(), strict=True):
        assert {n: s.extra for n, s in ours.scores.items()} == {n: s.extra for n, s in theirs.scores.items()}
        assert (batch.folder / f"{ours.index}.txt").exists() == (ours.status == OK)
    name = "predictions.csv"
    assert (batch.folder / name).read_bytes() == (plain.folder / name).read_bytes()


def test_a_worker_that_is_killed_loses_nothing(local_ray, tiny, listing, plain, tmp_path):
    log, gate = tmp_path / "log", tmp_path / "gate"
    items = [
        replace(item, load=Watched(item.load.path, log, gate if item.index == 45 else None))
        if item.load
        else item
        for item in listing.all
    ]
    killed, told = [], []

    def kill(progress):
        if progress.done >= LEAST and not killed:  # the second chunk is held up at the gate
            killed.append(int(log.read_text().split()[-1]))
            os.kill(killed[0], signal.SIGKILL)
            gate.touch()

    plan = plan_of(tiny, Listed(items), tmp_path / "out")
    batch = work_on_ray(plan, "local", watch=kill, notice=told.append)
    assert killed and {int(pid) for pid in log.read_text().split()} > set(killed)
    assert told == ["A worker was lost 1 times; what it had begun was done again."]
    assert_same_table(batch, plain)
    assert [row.index for row in read_shards(batch.folder)] == list(range(64))


@pytest.mark.slow  # three workers are started again; what they decide is tested without Ray below
def test_an_image_that_kills_every_worker_fails_alone(local_ray, tiny, listing, tmp_path):
    items = [replace(item, load=Deadly()) if item.index == 7 else item for item in listing.all[:12]]
    batch = work_on_ray(plan_of(tiny, Listed(items), tmp_path / "out"), "local")
    rows = list(batch.rows())
    assert [row.status for row in rows] == [FAILED if index == 7 else OK for index in range(12)]
    assert rows[7].why == "The worker was lost each time it did this image."
    assert rows[7].key == items[7].key


def test_an_image_that_nobody_may_open_has_another_key_where_it_may_tell_of_a_person():
    item = Item("DOE^JANE/1.dcm", 0, "1.dcm", Deadly())
    assert "DOE" not in unopened(item).key and unopened(item).key.endswith(".dcm")
    assert unopened(replace(item, key="a/1.PNG")).key == "a/1.PNG"


def test_what_was_done_before_a_stop_is_not_done_again(local_ray, tiny, listing, plain, tmp_path):
    log = tmp_path / "log"
    watched = [
        replace(item, load=Watched(item.load.path, log)) if item.load else item for item in listing.all
    ]
    plan = plan_of(tiny, Listed(watched), tmp_path / "out")
    job = RayJob.at("local", plan, lambda progress: progress.done and job.cancel())
    with pytest.raises(Cancelled, match=r"^Cancelled: 32 cases are done and kept\.$"):
        job.work()
    assert (tmp_path / "out" / "predictions.csv").exists()
    left = 63 - len(log.read_text().split())  # all but the link are loaded once in the end
    before = len(list(read_shards(plan.folder)))
    assert before in (32, 64)  # the chunk that was under way may have come to its end
    batch = work_on_ray(replace(plan, resume=True), "local")
    assert_same_table(batch, plain)
    assert len(log.read_text().split()) == 63 or left < 31


# What goes to the workers and comes back, without Ray


def test_chunks_hold_all_items_in_order_and_are_the_same_again(listing):
    first, again = (list(chunks(listing, {"3/03.jpg"}, 25)) for _ in range(2))
    assert first == again
    assert [len(chunk.items) for chunk in first] == [25, 25, 13]


def test_items_that_bring_their_bytes_along_fill_a_chunk_sooner(monkeypatch):
    monkeypatch.setattr("models.batch.ray_worker.CHUNK_BYTES", 1000)
    items = [Item(str(n), n, str(n), bytes(600)) for n in range(5)]
    assert [len(chunk.items) for chunk in chunks(Listed(items), (), 256)] == [2, 2, 1]


def test_a_listing_that_ends_early_says_why_behind_what_came_before():
    class Torn(Listed):
        def items(self, skip=()):
            yield from self.all
            raise BadInput("The archive is cut off.")

    found = list(chunks(Torn([Item("a", 0, "a", None, why="No.")]), (), 256))
    assert [(len(chunk.items), chunk.problem) for chunk in found] == [(1, "The archive is cut off.")]


@pytest.mark.parametrize(
    ("left", "workers", "size"),
    [(None, 4, 256), (60, 1, 32), (60, 8, 32), (800, 2, 100), (10**7, 100, 256)],
)
def test_small_batches_have_chunks_for_all_workers(left, workers, size):
    assert chunk_size(left, workers) == size


def score_here(scorer, chunk, token=TOKEN, gpu=0):
    """One chunk by a worker in this process."""
    (scorer.folder / "shards").mkdir(parents=True, exist_ok=True)
    (scorer.folder / "shards" / TOKEN).touch()
    (table,) = ChunkScorer(scorer, Pool(1, 0, gpu), token)(table_of(chunk))
    (done,) = contents(table)
    return done


def test_a_worker_writes_its_chunk_before_it_says_so(tiny, listing, tmp_path):
    (chunk,) = chunks(Listed(listing.all[:3]), (), 256)
    done = score_here(Scorer([tiny], (), ENGINE, tmp_path), chunk)
    assert done.keys == tuple(item.key for item in listing.all[:3])
    assert done.statuses == (OK, OK, OK) and not done.refused
    assert [path.name for path in list_shards(tmp_path)] == [done.shard]
    assert [row.key for row in read_shards(tmp_path)] == list(done.keys)


def test_workers_that_cannot_work_say_why(tiny, listing, tmp_path, monkeypatch):
    (chunk,) = chunks(Listed(listing.all[:1]), (), 256)
    scorer = Scorer([tiny], (), ENGINE, tmp_path)
    assert "does not see" in score_here(scorer, chunk, token=".other").refused
    monkeypatch.setattr("models.engines.gpu_visible", lambda: False)
    assert "cannot use the GPU of a worker" in score_here(scorer, chunk, gpu=1).refused
    changed = Scorer([replace(tiny, digest="0" * 64)], (), ENGINE, tmp_path)
    assert "another tiny" in score_here(changed, chunk).refused
    assert not list_shards(tmp_path)


def test_a_worker_gives_up_a_batch_that_was_ended(tiny, listing, tmp_path):
    (chunk,) = chunks(Listed(listing.all[:3]), (), 256)
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / TOKEN).touch()
    worker = ChunkScorer(Scorer([tiny], (), ENGINE, tmp_path), Pool(1, 0, 0), TOKEN)
    (tmp_path / "shards" / TOKEN).unlink()
    (table,) = worker(table_of(chunk))
    assert list(contents(table)) == [Done()]
    assert not list_shards(tmp_path)


def test_a_worker_without_room_says_so_and_leaves_no_half_shard(tiny, listing, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("models.runs.writer.sync", full)
    (chunk,) = chunks(Listed(listing.all[:1]), (), 256)
    done = score_here(Scorer([tiny], (), ENGINE, tmp_path), chunk)
    assert done.refused.startswith("There is no room left for ")
    assert not list((tmp_path / "shards").glob("*part*"))


def test_only_an_image_that_was_alone_each_time_is_blamed(tmp_path):
    (tmp_path / "shards").mkdir()
    assert Attempts(tmp_path, 0).begin() == 0  # lost in the midst of many images
    second = Attempts(tmp_path, 0)
    assert second.begin() == 1 and second.deaths(1) == 0
    second.trying(0)
    second.trying(1)  # lost
    third = Attempts(tmp_path, 0)
    assert third.begin() == 2 and third.deaths(0) == 0 and third.deaths(1) == 1
    third.trying(0)
    third.trying(1)  # lost
    fourth = Attempts(tmp_path, 0)
    assert fourth.begin() == 3 and fourth.deaths(1) == 2
    fourth.end()
    assert Attempts(tmp_path, 0).begin() == 0


def test_an_image_that_was_alone_with_two_lost_workers_is_not_touched_again(tiny, listing, tmp_path):
    log = tmp_path / "log"
    deadly = replace(listing.all[1], load=Watched(listing.all[1].load.path, log))
    (chunk,) = chunks(Listed([listing.all[0], deadly, listing.all[2]]), (), 256)
    attempts = tmp_path / "shards" / ".attempts"
    attempts.mkdir(parents=True)
    (attempts / "0").write_text("begin\nbegin\n0\n1\nbegin\n0\n1\n")
    done = score_here(Scorer([tiny], (), ENGINE, tmp_path), chunk)
    assert done.statuses == (OK, FAILED, OK) and done.lost == 3
    assert not log.exists() and not (attempts / "0").exists()


def test_a_batch_in_which_all_fail_alike_is_no_batch(tiny, listing, tmp_path):
    job = RayJob.at("local", plan_of(tiny, listing, tmp_path))
    folder = type("Folder", (), {"done": set(), "path": tmp_path})()
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "part.parquet").touch()
    few = Done(keys=("a",) * 19, alike="It broke.", shard="part.parquet")
    job._not_all_alike(few, folder)
    with pytest.raises(BatchFault, match=r"the first 20 cases all failed \(It broke\.\)"):
        job._not_all_alike(replace(few, keys=("a",) * 20), folder)
    assert not (tmp_path / "shards" / "part.parquet").exists()


def test_a_batch_on_ray_cannot_pause(tiny, listing, tmp_path):
    with pytest.raises(BadInput, match="cannot pause"):
        RayJob.at("local", plan_of(tiny, listing, tmp_path)).pause()


# The cluster
