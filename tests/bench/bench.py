"""`make bench`: speed and memory as ratios and limits, measured in one go on this machine. Writes nothing.

    python -m tests.bench.bench [--run ID_OR_FOLDER] [--without-tensorflow]

Exit status 1 when a limit is missed. Ratios hold on a busy machine too, since both sides are timed in turn;
seconds and megabytes want a quiet one.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.processes import ENGINES, TENSORFLOW, command_line, first_paint, in_a_process
from tests.bench.rows import Row, table

if TYPE_CHECKING:
    from models.runs import Run

PREFERRED = "busi-hybrid"
GUIDED = "busi-hybrid-guided"
SEVERAL_CLASSES = "busi-three-class"
MAIN_PAGE = "pages/1_Inspect.py"


def main() -> int:
    parser = argparse.ArgumentParser(description="Speed and memory of LesionLens against their limits.")
    parser.add_argument(
        "--run", help=f"id or folder of a run (default: {PREFERRED}, else the one of most branches)"
    )
    parser.add_argument("--without-tensorflow", action="store_true", help="leave out what needs TensorFlow")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    run = _chosen(options.run)
    with tempfile.TemporaryDirectory() as folder:
        image = _phantom(run, Path(folder))
        print(f"{_machine()}; run {run.id}", file=sys.stderr)
        if _busy():
            print("Other programs are at work here: seconds will be too long.", file=sys.stderr)
        # Processes first: their memory is told apart from this one's only while this one is small.
        rows = command_line(run.folder, image, Path(folder) / "out")
        rows += [first_paint("Home.py", ENGINES), first_paint(MAIN_PAGE, TENSORFLOW)]
        rows += in_a_process("tests.bench.evidence")
        rows += in_a_process("tests.bench.batch")
        rows += in_a_process("tests.bench.batch_heatmaps")
        rows += in_a_process("tests.bench.ray")
        rows += in_a_process("tests.bench.slides")
        rows += _trust(options.run, image, Path(folder) / "audit")
        rows += _passes(run, image, options.without_tensorflow)
    print(table(rows))
    return 0 if all(row.passed is not False for row in rows) else 1


def _chosen(name: str | None) -> Run:
    from models.errors import BadInput
    from models.runs import find_run, list_runs

    try:
        if name is not None:
            return find_run(name)
        runs = [run for run in list_runs() if run.has_weights]
    except BadInput as refusal:
        raise SystemExit(str(refusal)) from None
    if not runs:
        raise SystemExit("There is no run with weights: train or import one first.")
    return max(runs, key=lambda run: (run.id == PREFERRED, len(run.branches)))


def _phantom(run: Run, folder: Path) -> Path:
    """A synthetic image of the run's modality, as a file."""
    from models.data.phantoms import write_phantoms

    modality = "ultrasound" if run.modality == "mixed" else run.modality
    write_phantoms(modality, 1, 0, folder / "phantom")
    return next((folder / "phantom" / "images").iterdir())


def _trust(asked: str | None, image: Path, folder: Path) -> list[Row]:
    """Of the guided hybrid, whose maps are trusted most, unless a run was asked for."""
    from tests.bench.trust import audit_row, trust_card_row

    run = _chosen(asked or GUIDED)
    return [trust_card_row(run, image), audit_row(run, folder)]


def _passes(run: Run, image: Path, without_tensorflow: bool) -> list[Row]:
    from models.study import read_study
    from tests.bench.passes import (
        against_tf_keras_vis,
        onnx_overhead,
        score_cam_against_tf_keras_vis,
        tensorflow_overhead,
    )

    tensor = run.inputs.tensor(read_study(image)).tensor
    rows = [onnx_overhead(run, tensor, runtime) for runtime in ("openvino", "onnxruntime")]
    if not without_tensorflow:
        rows += [tensorflow_overhead(run, tensor), against_tf_keras_vis(run, tensor)]
        three = _chosen(SEVERAL_CLASSES)
        rows.append(score_cam_against_tf_keras_vis(three, three.inputs.tensor(read_study(image)).tensor))
    return rows


def _busy() -> bool:
    return hasattr(os, "getloadavg") and os.getloadavg()[0] > 0.5 * (os.cpu_count() or 1)


def _machine() -> str:
    system = f"{platform.system()} {platform.machine()}"
    return f"{system}, {os.cpu_count()} cores, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
