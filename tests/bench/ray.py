"""A batch on a Ray of this machine with one worker, against the same batch without Ray.

    python -m tests.bench.ray      the rows as JSON

Both are counted from the first chunk on disk to the last: opening engines, and on Ray starting processes,
comes before and is told apart. A process of its own (`processes.in_a_process`).
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.batch import SPEED_RUN, write_images
from tests.bench.rows import Row

if TYPE_CHECKING:
    from models.batch import Batch, BatchPlan, Progress
    from models.runs import Run

LIMIT = 0.85
IMAGES, ROUNDS = 400, 2
FIRST = IMAGES // 4  # a chunk: a quarter of a small batch (models.batch.on_ray.chunk_size)


def ray_row(images: int = IMAGES, rounds: int = ROUNDS) -> Row:
    """Images a second of both, in turn, the best of each."""
    from models.batch import BatchJob
    from models.batch.on_ray import work_on_ray
    from models.batch.ray_cluster import Cluster
    from models.runs import find_run

    run, cluster = find_run(SPEED_RUN), Cluster("local")
    plain, on_ray, waits = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        files = write_images(Path(folder) / "images", images)
        began = time.perf_counter()
        cluster.start()
        start = time.perf_counter() - began
        try:
            for turn in range(rounds):
                plan = plan_of(run, files, Path(folder) / f"plain-{turn}")
                plain.append(rate(lambda watch, plan=plan: BatchJob.of(plan, watch).work())[0])
                plan = plan_of(run, files, Path(folder) / f"ray-{turn}")
                found = rate(lambda watch, plan=plan: work_on_ray(plan, "local", watch))
                on_ray.append(found[0])
                waits.append(found[1])
        finally:
            cluster.close()
    ratio = max(on_ray) / max(plain)
    return Row(
        f"batch on a local Ray with one worker / without Ray, {run.id} (apart: Ray's start {start:.1f} s, "
        f"worker and first chunk {min(waits):.1f} s)",
        f"{max(on_ray):.1f} / {max(plain):.1f} images a second = {ratio:.3f}",
        f">= {LIMIT:g}",
        ratio >= LIMIT,
    )


def plan_of(run: Run, files: Sequence[Path], folder: Path) -> BatchPlan:
    from models.batch import BatchPlan
    from tests.models.batch.listed import listed

    return BatchPlan([run], listed(files), folder)


def rate(work: Callable[[Callable[[Progress], None]], Batch]) -> tuple[float, float]:
    """Images a second behind the first `FIRST`, and the seconds until those were on disk."""
    marks: list[tuple[int, float]] = []
    began = time.perf_counter()
    batch = work(lambda progress: marks.append((progress.done, time.perf_counter())))
    if batch.counts["ok"] != len(batch):
        raise SystemExit(f"The batch left files out: {batch.counts}.")
    done, first = next(mark for mark in marks if mark[0] >= FIRST)
    last = next(at for count, at in marks if count == len(batch))
    return (len(batch) - done) / (last - first), first - began


if __name__ == "__main__":
    row = ray_row()
    print(json.dumps([asdict(row)]))
