"""What runs on Ray's machines: one process that lists, and workers that score and write shards.

Between them travel *chunks*: some hundred items that become one shard. An image is read, decoded, scored and
explained by one worker; a decoded image is ten times its file, and would cost the network more than it helps.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Container, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.batch.item import FAILED, Item, Row
from models.errors import BadInput

if TYPE_CHECKING:
    import pyarrow

    from models.batch.plan import Inputs
    from models.batch.ray_cluster import Pool
    from models.batch.scoring import Scorer

CHUNK_BYTES = 32 << 20
COLUMN = "pickled"
ATTEMPTS = ".attempts"
DEADLY = 2
"""So many workers lost while they did one image and nothing else are no accident."""


@dataclass(frozen=True)
class Chunk:
    """Items of one shard, each pickled. fraction: of the input that was read so far, where known. problem:
    why the listing ends here."""

    items: tuple[bytes, ...]
    fraction: float | None = None
    problem: str = ""


@dataclass(frozen=True)
class Done:
    """What became of a chunk: keys and statuses of its rows, which are on disk. shard: name of their file.
    alike: what all of them failed of. refused: why the work cannot go on. lost: workers that were lost while
    they did this chunk."""

    keys: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    shard: str = ""
    engine: str = ""
    fraction: float | None = None
    alike: str = ""
    refused: str = ""
    lost: int = 0


def chunks(listing: Inputs, done: Container[str], size: int) -> Iterator[Chunk]:
    """Items in their order, `size` at a time; fewer where they bring their bytes along (members of a TAR.GZ).

    The same chunks each time, so that Ray may list again where the machine that listed is lost.
    """
    items: list[bytes] = []
    held, problem = 0, ""
    try:
        for item in listing.items(done):
            items.append(pickle.dumps(item))
            held += len(items[-1])
            if len(items) == size or held >= CHUNK_BYTES:
                yield Chunk(tuple(items), _fraction(listing))
                items, held = [], 0
    except BadInput as refusal:
        problem = str(refusal)
    if items or problem:
        yield Chunk(tuple(items), _fraction(listing), problem)


def table_of(content: Chunk | Done) -> pyarrow.Table:
    """One row that holds it: what Ray Data passes on."""
    import pyarrow

    return pyarrow.table({COLUMN: pyarrow.array([pickle.dumps(content)], pyarrow.large_binary())})


def contents(table: pyarrow.Table) -> Iterator[Any]:
    """What `table_of` put into each row of a block of our own dataset."""
    for cell in table.column(COLUMN):
        yield pickle.loads(cell.as_py())


class ChunkScorer:
    """A worker: an engine that stays warm, a chunk at a time. Ray makes one a process.

    pool: what the worker was given. token: name of a file in the shards' folder, there for as long as the
    batch goes on; a machine that does not see it when it begins does not see the folder.
    """

    def __init__(self, scorer: Scorer, pool: Pool, token: str) -> None:
        self._scorer, self._folder, self._token = scorer, scorer.folder, token
        self._workers = max(2, pool.cpus)  # one decodes while another waits for the disk
        self._refusal = self._engine = ""
        self._place = keep_to(pool.cpus) if pool.cpus else None
        try:
            self._check(token, pool.gpus > 0)
            self._engine = next(iter(scorer.engines.values())).name
        except BadInput as refusal:  # raised here it would be tried again for ever
            self._refusal = str(refusal)

    def __call__(self, table: pyarrow.Table) -> Iterator[pyarrow.Table]:
        for chunk in contents(table):
            yield table_of(self._done(chunk))

    def _check(self, token: str, gpu: bool) -> None:
        from models.engines import gpu_visible
        from models.runs import load_run

        if not goes_on(self._folder, token):
            raise BadInput(
                f"A worker does not see {self._folder}: give --out a folder that all machines share."
            )
        for run in self._scorer.runs:
            if load_run(run.folder).digest != run.digest:
                raise BadInput(f"A worker has another {run.id}: bring the same runs to all machines.")
        if gpu and not gpu_visible():
            raise BadInput(
                "TensorFlow cannot use the GPU of a worker: install tensorflow[and-cuda] there, or give "
                "--engine onnx."
            )

    def _done(self, chunk: Chunk) -> Done:
        if self._refusal or not chunk.items:
            return Done(refused=self._refusal or chunk.problem)
        from models.batch.shards import write_shard
        from models.batch.storage import storing

        items = [pickle.loads(item) for item in chunk.items]
        attempts = Attempts(self._folder, items[0].index)
        try:
            with storing(self._folder):
                lost = attempts.begin()
                rows = self._one_by_one(items, attempts) if lost else self._all(items)
                if rows is None:
                    return Done()
                shard = write_shard(self._folder, rows)
                attempts.end()
        except BadInput as refusal:
            return Done(refused=str(refusal), engine=self._engine)
        return Done(
            keys=tuple(row.key for row in rows),
            statuses=tuple(row.status for row in rows),
            shard=shard.name,
            engine=self._engine,
            fraction=chunk.fraction,
            alike=_alike(rows),
            refused=chunk.problem,
            lost=lost,
        )

    def _all(self, items: Sequence[Item]) -> list[Row] | None:
        """As on one machine: decoding, the network and the steps at once. None where the batch was ended."""
        from models.batch.feeding import Feeder
        from models.batch.pipeline import Pipeline

        pipeline = Pipeline(self._scorer, Feeder(_Given(items), ()), self._workers)
        rows: list[Row] = []
        with closing(pipeline.rows()) as found:
            for some in found:
                rows += some
                if not goes_on(self._folder, self._token):
                    return None
        return rows

    def _one_by_one(self, items: Sequence[Item], attempts: Attempts) -> list[Row] | None:
        """After a worker was lost with this chunk: so that it is known which image it is, if it is one."""
        from models.batch.scoring import row_of_item
        from models.batch.unnamed import unopened

        rows = []
        for item in items:
            if not goes_on(self._folder, self._token):
                return None
            if attempts.deaths(item.index) >= DEADLY:
                why = "The worker was lost each time it did this image."
                rows.append(row_of_item(unopened(item), FAILED, why))
                continue
            attempts.trying(item.index)
            rows += self._scorer.score([item])
        return rows


def goes_on(folder: Path, token: str) -> bool:
    """Whether the batch is still wanted: whoever began it takes the file away when it ends."""
    from models.batch.shards import shard_folder

    return (shard_folder(folder) / token).exists()


def keep_to(cpus: int) -> int | None:
    """Keep this process to so many processors that no other worker on the machine has; a handle to keep.

    An engine takes all the processors it sees, and several at once would only wait for one another. None, and
    nothing done, where this process is to have all, where none are left, or where the system knows no such
    thing.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    import fcntl

    here = sorted(os.sched_getaffinity(0))
    for slot in range(len(here) // cpus if cpus < len(here) else 0):
        path = Path(tempfile.gettempdir()) / f"lesionlens-{os.getuid()}-{cpus}-{slot}.lock"
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError:  # it is somebody else's: faster with a place of our own, but it goes without
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            continue
        for thread in os.listdir("/proc/self/task"):
            with suppress(OSError):  # it ended meanwhile
                os.sched_setaffinity(int(thread), here[slot * cpus : (slot + 1) * cpus])
        return file
    return None


class Attempts:
    """How often a chunk was begun and at which image it ended, in a file, since a lost worker tells nothing.

    A line an event: "begin", then the index of each image that was done alone.
    """

    def __init__(self, folder: Path, first: int) -> None:
        from models.batch.shards import shard_folder

        self._path = shard_folder(folder) / ATTEMPTS / str(first)
        self._deaths: dict[str, int] = {}

    def begin(self) -> int:
        """Note that it is begun; how often it was before."""
        lines = self._path.read_text().split() if self._path.exists() else []
        for line, following in pairwise([*lines, "begin"]):
            if following == "begin" and line != "begin":
                self._deaths[line] = self._deaths.get(line, 0) + 1
        self._path.parent.mkdir(exist_ok=True)
        self._add("begin")
        return lines.count("begin")

    def trying(self, index: int) -> None:
        self._add(str(index))

    def deaths(self, index: int) -> int:
        """Workers that were lost while they did this image alone."""
        return self._deaths.get(str(index), 0)

    def end(self) -> None:
        self._path.unlink(missing_ok=True)

    def _add(self, line: str) -> None:
        with self._path.open("a") as file:
            file.write(f"{line}\n")


class _Given:
    """Items at hand, as a listing."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items

    def items(self, skip: Container[str] = ()) -> Iterator[Item]:
        yield from self._items


def _fraction(listing: Inputs) -> float | None:
    return listing.fraction() if listing.total is None and hasattr(listing, "fraction") else None


def _alike(rows: Sequence[Row]) -> str:
    """What all rows failed of, where all failed of the same, else ""."""
    return rows[0].why if {(row.status, row.why) for row in rows} == {(FAILED, rows[0].why)} else ""
