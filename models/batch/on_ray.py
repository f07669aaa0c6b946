"""The same batch on many machines: listed lazily, scored by workers that keep a warm engine, kept as shards.

    listing (one process) -> chunks of some hundred items -> workers -> DIR/shards/part-*.parquet

Ray Data carries the chunks: it lists no further ahead than workers and memory allow, starts a worker again
that is lost and gives its chunk to another. A worker writes a chunk's shard whole before it says so, so a
chunk is on disk or not done; what is lost with a worker is done again. One image that takes worker after
worker with it fails alone (`models.batch.ray_worker.Attempts`). Rows come from `Scorer` here and there, and
the tables from the same function, so verdicts are those of one machine.
"""

from __future__ import annotations

import math
import os
import queue
import secrets
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stdout
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from models.batch import progress as states
from models.batch.folder import BatchFolder
from models.batch.job import SAME_FAULT, BatchFault, BatchJob, Cancelled
from models.batch.plan import BatchPlan
from models.batch.ray_cluster import Cluster, Pool, import_ray
from models.batch.ray_worker import ATTEMPTS, ChunkScorer, Done, chunks, contents, goes_on, table_of
from models.batch.scoring import Scorer
from models.batch.shards import shard_folder
from models.batch.unnamed import DoneKeys
from models.errors import BadInput

if TYPE_CHECKING:
    from pathlib import Path

    from models.batch.progress import Progress
    from models.batch.results import Batch

MOST, LEAST = 256, 32
"""Items a chunk: enough that what is between two chunks costs nothing, few enough that a lost one is soon
done again."""
CHUNKS_A_WORKER = 4
IN_FLIGHT = 2
"""Chunks given to a worker: the one it does, and the next, so that it never waits."""
_STORE_BYTES = 512 << 20
_TICK, _LONGEST_END = 0.2, 120.0
_END = object()


def work_on_ray(
    plan: BatchPlan,
    address: str,
    watch: Callable[[Progress], None] | None = None,
    notice: Callable[[str], None] | None = None,
) -> Batch:
    """The batch of a plan on the Ray at `address` (HOST:PORT, "auto", "local"); raises as `BatchJob.work`."""
    return RayJob.at(address, plan, watch, notice).work()


class RayJob(BatchJob):
    """A batch on Ray. Like `BatchJob`, but that it cannot pause; cancelled it ends soon, and the chunks that
    are under way are lost.

    While it works, what this process prints goes to stderr, for Ray writes its messages to stdout.
    """

    @classmethod
    def at(cls, address: str, plan: BatchPlan, watch=None, notice=None) -> RayJob:
        """The job of a plan on the cluster at that address. BadInput for what is no address."""
        job = cls.of(plan, watch, notice)
        job._cluster, job._lost = Cluster(address), 0
        return job

    def pause(self) -> None:
        raise BadInput("A batch on Ray cannot pause: cancel it, and go on with --resume.")

    def _work(self) -> Batch:
        with redirect_stdout(sys.stderr), closing(self._cluster):
            if not self._cluster.local:  # what it can compute with is known to it alone
                self._cluster.start()
            self.plan = replace(self.plan, engine=self._engine())
            with BatchFolder(self.plan) as folder:
                self._same_input(folder)
                began = time.monotonic()
                try:
                    self._do_on_ray(folder)
                except (Cancelled, BadInput):
                    self._cluster.close()  # no worker writes any more when the tables are made
                    self._finish(folder, began, False)
                    raise
                self._cluster.close()
                return self._finish(folder, began, True)

    def _engine(self) -> str | None:
        """TensorFlow where the cluster has GPUs and nobody said anything else: the runtime of all workers."""
        from models.engines import ENGINE_VARIABLE

        chosen = self.plan.engine or os.environ.get(ENGINE_VARIABLE)
        if chosen or self._cluster.local:
            return chosen
        return "tensorflow" if self._cluster.has_gpus() else "onnx"

    def _do_on_ray(self, folder: BatchFolder) -> None:
        self._cluster.start()
        kind = self.plan.signature()["engine"]
        gpu = kind == "tensorflow" and self._cluster.has_gpus()
        pool = self._cluster.pool(gpu, self.plan.workers)
        shards = shard_folder(folder.path)
        token = f".seen-{secrets.token_hex(8)}"
        self._tidy(folder)
        (shards / token).touch()
        self._meter.begin(folder.counts, self.plan.listing.total)
        self._meter.state(states.WORKING)
        self._tell()
        scorer = Scorer(self.plan.runs, self.plan.steps, kind, folder.path.resolve())
        try:
            stream = _Stream(self._dataset(scorer, pool, token, folder.done))
            try:
                self._collect(stream, folder)
            finally:
                (shards / token).unlink(missing_ok=True)  # without which nobody begins or ends anything
                stream.wait()
        finally:
            shutil.rmtree(shards / ATTEMPTS, ignore_errors=True)
        if self._lost:
            self._say(f"A worker was lost {self._lost} times; what it had begun was done again.")

    def _tidy(self, folder: BatchFolder) -> None:
        """Remove what a killed program or its workers left half written."""
        from models.batch.storage import storing

        shards = shard_folder(folder.path)
        with storing(folder.path):
            shards.mkdir(exist_ok=True)
            shutil.rmtree(shards / ATTEMPTS, ignore_errors=True)
            for left in (*shards.glob(".part-*.part"), *shards.glob(".seen-*")):
                left.unlink(missing_ok=True)

    def _dataset(self, scorer: Scorer, pool: Pool, token: str, done: DoneKeys) -> Any:
        """The dataset whose rows are what became of each chunk; nothing is begun before it is asked for."""
        import_ray()
        from ray.data import ActorPoolStrategy, DataContext

        left = None if self.plan.listing.total is None else max(1, self.plan.listing.total - len(done))
        size = chunk_size(left, pool.size)
        most = pool.size if left is None else min(pool.size, math.ceil(left / size))
        context = DataContext.get_current().copy()
        context.enable_progress_bars = context.print_on_execution_start = False
        # A chunk is a block of its own: Ray would gather them to 128 MB, and a worker have all of a batch.
        context.target_max_block_size = 1
        context.execution_options.resource_limits = context.execution_options.resource_limits.copy(
            object_store_memory=_STORE_BYTES
        )
        with DataContext.current(context):
            listed = _listed(self.plan, done.copy(), size, scorer.folder, token)
            return listed.map_batches(
                ChunkScorer,
                fn_constructor_args=(scorer, pool, token),
                batch_size=None,
                batch_format="pyarrow",
                compute=ActorPoolStrategy(
                    min_size=1, max_size=most, initial_size=most, max_tasks_in_flight_per_actor=IN_FLIGHT
                ),
                num_cpus=pool.cpus,
                num_gpus=pool.gpus,
            )

    def _collect(self, stream: _Stream, folder: BatchFolder) -> None:
        """Count what is on disk, chunk by chunk. BadInput where a worker cannot go on, or the listing."""
        refused = ""
        while (done := stream.next(self._control)) is not None:
            folder.header["engine_name"] = done.engine or folder.header.get("engine_name")
            self._not_all_alike(done, folder)
            folder.done.update(done.keys)
            folder.counts.update(done.statuses)
            self._lost += done.lost
            self._meter.count(done.statuses, done.fraction)
            self._tell()
            refused = refused or done.refused
            if refused and not done.keys:
                break
        if self._control.stopped:
            raise Cancelled(f"Cancelled: {self._meter.progress().done:,} cases are done and kept.")
        if refused:
            raise BadInput(refused)

    def _not_all_alike(self, done: Done, folder: BatchFolder) -> None:
        """As on one machine: a batch that begins with nothing but one and the same fault is stopped."""
        if not folder.done and done.alike and len(done.keys) >= SAME_FAULT:
            (shard_folder(folder.path) / done.shard).unlink(missing_ok=True)
            raise BatchFault(f"the first {len(done.keys)} cases all failed ({done.alike})")

    def _finish(self, folder: BatchFolder, began: float, complete: bool) -> Batch:
        name = folder.header.get("engine_name") or self.plan.signature()["engine"]
        return self._close(folder, began, complete, {"": SimpleNamespace(name=name)})


def chunk_size(left: int | None, workers: int) -> int:
    """Items a chunk, so that all workers have some of a small batch. left: items to do, None for unknown."""
    if left is None:
        return MOST
    return max(LEAST, min(MOST, math.ceil(left / (CHUNKS_A_WORKER * workers))))


def _listed(plan: BatchPlan, done: DoneKeys, size: int, folder: Path, token: str) -> Any:
    """The dataset of chunks, made one after the other by one process on this machine, which has the input."""
    import ray
    from ray.data import read_datasource
    from ray.data.block import BlockMetadata
    from ray.data.datasource import Datasource, ReadTask

    held = ray.put((plan.listing, done))

    def read() -> Iterator[Any]:
        listing, skip = ray.get(held)
        for chunk in chunks(listing, skip, size):
            if not goes_on(folder, token):
                return
            yield table_of(chunk)

    class Chunks(Datasource):
        def estimate_inmemory_data_size(self) -> int | None:
            return None

        def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[ReadTask]:
            return [ReadTask(read, BlockMetadata(None, None, None))]

    here = ray.get_runtime_context().get_node_id()
    return read_datasource(
        Chunks(),
        override_num_blocks=1,
        num_cpus=0,
        label_selector={"ray.io/node-id": here},
    )


class _Stream:
    """What became of each chunk, in the order they are done, taken in by a thread: waiting can be ended."""

    def __init__(self, dataset: Any) -> None:
        self._found: queue.Queue[Any] = queue.Queue()
        self._thread = threading.Thread(target=self._take, args=(dataset,), name="batch ray", daemon=True)
        self._thread.start()

    def next(self, control: Any) -> Done | None:
        """The next, or None at the end or once the control is stopped. BadInput where Ray gives up."""
        while not control.stopped:
            try:
                found = self._found.get(timeout=_TICK)
            except queue.Empty:
                continue
            if isinstance(found, BaseException):
                raise _told(found) from found
            return None if found is _END else found
        return None

    def wait(self) -> None:
        """Until nothing is under way: leaving Ray in the midst of it would end this process."""
        self._thread.join(_LONGEST_END)

    def _take(self, dataset: Any) -> None:
        end: Any = _END
        try:
            for block in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                for done in contents(block):
                    self._found.put(done)
        except BaseException as problem:
            end = problem
        self._found.put(end)


def _told(problem: BaseException) -> BaseException:
    """What Ray raised, as a sentence where a person can do something about it."""
    import ray

    if isinstance(problem, ray.exceptions.RayError) and "ModuleNotFoundError" in str(problem):
        return BadInput("The workers do not have LesionLens: install the same version on all machines.")
    return problem
