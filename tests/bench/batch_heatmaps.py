"""Batches with a heatmap of every image: files to PNGs against the engine alone, and one overlay's cost.

python -m tests.bench.batch_heatmaps [speed|overlay]...      the rows as JSON
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from tests.bench.batch import (
    IMAGES,
    ROUNDS,
    SIDE,
    SPEED_RUN,
    best_batch,
    engine_alone,
    prepared,
    work,
    write_images,
)
from tests.bench.rows import Row, milliseconds

SPEED_LIMIT = 0.60
PICTURES = 40


def speed_row() -> Row:
    """Images a second from JPEG and PNG files to the table with heatmaps, cautions, familiarity and
    thumbnails, against the engine's best batch on tensors."""
    from models.engines import open_engine
    from models.runs import find_run
    from xai.batch import batch_steps

    run = find_run(SPEED_RUN)
    steps = batch_steps(run)
    with tempfile.TemporaryDirectory() as folder:
        files = write_images(Path(folder) / "images", IMAGES)
        engine = open_engine(run)
        best = best_batch(engine)
        tensors = prepared(run, files)
        engine_times, batch_times = [], []
        work([run], files, Path(folder) / "warm", steps)
        for turn in range(ROUNDS):
            engine_times.append(engine_alone(engine, tensors, best))
            batch_times.append(work([run], files, Path(folder) / str(turn), steps))
        drawn = len(list((Path(folder) / "0" / "heatmaps").rglob("*.png")))
    if drawn != len(files):
        raise SystemExit(f"The batch drew {drawn} heatmaps of {len(files)} images.")
    alone, whole = IMAGES / min(engine_times), IMAGES / min(batch_times)
    return Row(
        f"batch with heatmap PNGs, {SIDE}-px files / {engine.name} at its best batch ({best}), {run.id}",
        f"{whole:.1f} / {alone:.1f} images a second = {whole / alone:.3f}",
        f">= {SPEED_LIMIT:g}",
        whole / alone >= SPEED_LIMIT,
    )


def overlay_row() -> Row:
    """Processor time of drawing one overlay and of encoding it, the median of some pictures."""
    from models.engines import open_engine
    from models.runs import find_run
    from models.study import read_study
    from xai.batch.pictures import png
    from xai.drawing import draw_as
    from xai.explain import explain_study

    run = find_run(SPEED_RUN)
    engine = open_engine(run)
    drawing, encoding, sizes = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for file in write_images(Path(folder) / "images", PICTURES):
            study = read_study(file)
            joint = explain_study(study, run, engine).joint
            began = time.thread_time()
            picture = draw_as(study.display(), joint)
            drawn = time.thread_time()
            sizes.append(len(png(picture)))
            encoding.append(time.thread_time() - drawn)
            drawing.append(drawn - began)
    parts = [statistics.median(times) for times in (drawing, encoding)]
    return Row(
        f"overlay of {SIDE} x {SIDE} pixels, drawn + encoded as PNG, processor time",
        f"{milliseconds(parts[0])} + {milliseconds(parts[1])}, {statistics.median(sizes) / 1000:.0f} kB",
    )


if __name__ == "__main__":
    rows = {"speed": speed_row, "overlay": overlay_row}
    asked = sys.argv[1:] or list(rows)
    print(json.dumps([asdict(rows[name]()) for name in asked]))
