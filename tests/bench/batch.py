"""Batches: files to a table against the engine alone, runs that share a trunk, memory over 20,000 images.

    python -m tests.bench.batch [speed|shared|memory]...      the rows as JSON

A process of its own (`processes.in_a_process`): what other measurements leave behind would be counted here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from itertools import count, cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tests.bench.processes import ROOT
from tests.bench.rows import Row, timed_in_pairs

if TYPE_CHECKING:
    from models.runs import Run

SPEED_RUN, LIGHT_RUN = "busi-hybrid-guided", "busi-squeezenet"
SHARING = ("busi-frozen-logistic", "busi-frozen-bayes")
SPEED_LIMIT, SHARED_LIMIT, MEMORY_LIMIT = 0.85, 1.15, 200
SIDE, IMAGES, ROUNDS = 512, 192, 4
SIZES = (1, 4, 8, 16, 32)
MANY, LEVEL_AFTER, DIFFERENT = 20_000, 500, 300


def speed_row() -> Row:
    """Images a second from JPEG and PNG files to the table, and of the engine's best batch on tensors."""
    from models.engines import open_engine
    from models.runs import find_run

    run = find_run(SPEED_RUN)
    with tempfile.TemporaryDirectory() as folder:
        files = write_images(Path(folder) / "images", IMAGES)
        engine = open_engine(run)
        best = best_batch(engine)
        tensors = prepared(run, files)
        folders = (Path(folder) / str(turn) for turn in count())
        pair = timed_in_pairs(
            lambda: engine_alone(engine, tensors, best),
            lambda: work([run], files, next(folders)),
            ROUNDS,
            warm=1,
        )
    alone, whole = IMAGES / pair.first, IMAGES / pair.second
    return Row(
        f"batch, {SIDE}-px JPEG and PNG files to table / {engine.name} at its best batch ({best}), {run.id}",
        f"{whole:.1f} / {alone:.1f} images a second = {whole / alone:.3f}",
        f">= {SPEED_LIMIT:g}",
        whole / alone >= SPEED_LIMIT,
    )


def shared_row() -> Row:
    """Two runs that share their trunk against one of them, files to table."""
    from models.runs import find_run

    runs = [find_run(name) for name in SHARING]
    with tempfile.TemporaryDirectory() as folder:
        files = write_images(Path(folder) / "images", IMAGES)
        folders = (Path(folder) / str(turn) for turn in count())
        pair = timed_in_pairs(
            lambda: work(runs, files, next(folders)),
            lambda: work(runs[:1], files, next(folders)),
            ROUNDS,
            warm=1,
        )
    return Row(
        f"batch, two runs that share a trunk / one of them, {' and '.join(SHARING)}",
        f"{pair.first:.2f} / {pair.second:.2f} s = {pair.ratio:.3f}",
        f"<= {SHARED_LIMIT:g}",
        pair.ratio <= SHARED_LIMIT,
    )


def memory_row(images: int = MANY) -> Row:
    """Resident memory of the command line over many images, above its level after the first 500."""
    with tempfile.TemporaryDirectory() as folder:
        files = write_images(Path(folder) / "originals", DIFFERENT)
        many = Path(folder) / "many"
        many.mkdir()
        for number, file in enumerate(islice(cycle(files), images)):
            os.link(file, many / f"{number:06d}{file.suffix}")
        out = Path(folder) / "out"
        command = ["-m", "models", "batch", LIGHT_RUN, str(many), "--out", str(out), "--json"]
        began = time.perf_counter()
        child = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        levels = list(_levels(child, out / "journal.jsonl"))
        document = json.loads(child.stdout.read())
        seconds = time.perf_counter() - began
    if child.wait() or document["n"] != images or document["counts"]["ok"] != images:
        return Row(f"batch of {images:,} images", f"status {child.returncode}", "every image", False)
    level = next(mib for done, mib in levels if done >= LEVEL_AFTER)
    peak = max(mib for done, mib in levels if done >= LEVEL_AFTER)
    return Row(
        f"batch of {images:,} images, {LIGHT_RUN}: resident memory above that after {LEVEL_AFTER}",
        f"{peak - level:+.0f} MiB ({level:.0f} to {peak:.0f}; {images / seconds:.0f} images a second)",
        f"< {MEMORY_LIMIT} MiB",
        peak - level < MEMORY_LIMIT,
    )


def _levels(child: subprocess.Popen, journal: Path):
    """(cases on disk, resident MiB) while the child lives; a line of the journal a case."""
    done, at = 0, 0
    while child.poll() is None:
        if journal.exists():
            with journal.open("rb") as file:
                file.seek(at)
                new = file.read()
            done, at = done + new.count(b"\n"), at + len(new)
        try:
            status = Path(f"/proc/{child.pid}/status").read_text()
        except OSError:
            return
        resident = next((line for line in status.splitlines() if line.startswith("VmRSS")), None)
        if resident:
            yield done, int(resident.split()[1]) / 1024
        time.sleep(0.1)


def write_images(folder: Path, number_of: int) -> list[Path]:
    """Phantoms of SIDE x SIDE pixels, every other one a JPEG."""
    from PIL import Image

    from models.data.phantoms import write_phantoms
    from models.study import read_study

    write_phantoms("ultrasound", min(number_of, 40), 3, folder / "drawn")
    drawn = sorted((folder / "drawn" / "images").iterdir())
    pictures = [np.squeeze(read_study(path).display()) for path in drawn]
    files = []
    for number, picture in enumerate(islice(cycle(pictures), number_of)):
        # Shifted, so that no two files are the same.
        image = Image.fromarray(np.roll(picture, number // len(pictures), axis=1)).resize((SIDE, SIDE))
        files.append(folder / f"{number:05d}{'.jpg' if number % 2 else '.png'}")
        image.save(files[-1], **({"quality": 92} if number % 2 else {}))
    return files


def work(runs: Sequence[Run], files: Sequence[Path], out: Path, steps=()) -> float:
    """Seconds from a list of files to the table; every file must be scored."""
    from models.batch import BatchJob
    from tests.models.batch.listed import listed

    began = time.perf_counter()
    batch = BatchJob(runs, listed(files), out, steps=steps).work()
    seconds = time.perf_counter() - began
    if batch.counts["ok"] != len(files):
        raise SystemExit(f"The batch left files out: {batch.counts}.")
    return seconds


def prepared(run: Run, files: Sequence[Path]) -> np.ndarray:
    """The files as the run's input, float32 [N, h, w, C]."""
    from models.study import read_study

    return np.concatenate([run.inputs.tensor(read_study(file)).tensor for file in files])


def best_batch(engine) -> int:
    """The number of images a call at which the engine computes most of them a second."""
    shape = engine.run.card.input
    noise = np.random.default_rng(0).random(
        (max(SIZES), shape.height, shape.width, shape.channels), np.float32
    )
    times = {}
    for size in SIZES:
        engine.predict(noise[:size])
        times[size] = min(engine_alone(engine, noise, size) for _ in range(3))
    return min(times, key=times.get)


def engine_alone(engine, tensors: np.ndarray, batch: int) -> float:
    """Seconds for all tensors, some at a time."""
    began = time.perf_counter()
    for start in range(0, len(tensors), batch):
        engine.predict(tensors[start : start + batch])
    return time.perf_counter() - began


if __name__ == "__main__":
    rows = {"speed": speed_row, "shared": shared_row, "memory": memory_row}
    asked = sys.argv[1:] or list(rows)
    print(json.dumps([asdict(rows[name]()) for name in asked]))
