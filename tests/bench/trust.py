"""The trust card of one image, and an audit of masked cases: seconds on the engine that the pages open."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

from models.engines import Engine, open_engine
from models.runs import Run
from tests.bench.rows import Row, seconds_of

CARD_LIMIT = 3.0
CARDS = 3
AUDIT_LIMIT = 120.0
AUDIT_CASES, MEASURED_CASES = 500, 32


def trust_card_row(run: Run, image: Path) -> Row:
    """Every check of the card beside one heatmap; the shortest of some, for other programs only add time.

    CPU seconds are of all cores together: on a busy machine they say what the wall clock hides.
    """
    from models.study import read_study
    from xai.explain import explain_reading, read_with
    from xai.trust import trust_card

    engine = open_engine(run, "onnx")
    result = explain_reading(read_with(read_study(image), run, engine))
    trust_card(result, engine)  # imports are not what is measured
    passes = _Counted(engine)
    trust_card(result, passes)
    walls, began = [], time.process_time()
    for _ in range(CARDS):
        walls.append(seconds_of(lambda: trust_card(result, engine)))
    processor = (time.process_time() - began) / CARDS
    return Row(
        f"trust card, {engine.name}, {run.id}",
        f"{min(walls):.2f} s ({processor:.2f} s of CPU, {passes.images} passes)",
        f"< {CARD_LIMIT:g} s",
        min(walls) < CARD_LIMIT,
    )


def audit_row(run: Run, folder: Path) -> Row:
    """Grad-CAM's audit of masked phantoms of the run's modality, without faithfulness. A part is measured and
    scaled to the 500 cases of the limit; random weights, on a few cases whatever the number, are added."""
    from models.data.manifest import read_manifest
    from models.data.phantoms import write_phantoms
    from xai.audit import AuditJob

    modality = "ultrasound" if run.modality == "mixed" else run.modality
    write_phantoms(modality, 2 * MEASURED_CASES, 5, folder)
    cases = [case for case in read_manifest(folder / "manifest.csv").cases if case.mask_file is not None]
    cases = cases[:MEASURED_CASES]
    engine = open_engine(run, "onnx")

    AuditJob(run, engine, cases[:2], [run.positive] * 2, randomisation=False).measure()  # imports
    marks: list[tuple[float, float]] = []

    def watch(done: int, total: int) -> None:
        if done in (0, total):
            marks.append((time.perf_counter(), time.process_time()))

    job = AuditJob(run, engine, cases, [run.positive] * len(cases), watch=watch)
    job.measure()
    if len(job.audit.cases) != len(cases):
        raise SystemExit(f"The audit left cases out: {job.audit.skipped}.")
    marks.append((time.perf_counter(), time.process_time()))
    (part, part_processor), (once, once_processor) = (
        (end[0] - start[0], end[1] - start[1]) for start, end in pairwise(marks)
    )
    times = AUDIT_CASES / len(cases)
    whole, processor = part * times + once, part_processor * times + once_processor
    return Row(
        f"audit of {AUDIT_CASES} masked cases, Grad-CAM, {run.id}",
        f"{whole:.0f} s ({processor:.0f} s of CPU; scaled from {len(cases)} in {part:.1f} s, and "
        f"{once:.0f} s of random weights)",
        f"< {AUDIT_LIMIT:g} s",
        whole < AUDIT_LIMIT,
    )


class _Counted:
    """An engine that counts the images it is shown."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self.images = engine, 0

    def __getattr__(self, name: str):
        return getattr(self._engine, name)

    def predict(self, tensor):
        self.images += len(tensor)
        return self._engine.predict(tensor)

    def explain(self, tensor):
        self.images += len(tensor)
        return self._engine.explain(tensor)
