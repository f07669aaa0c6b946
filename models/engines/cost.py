"""What a run costs: parameters, weight size, layers, time an image and memory, measured from its files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import BadInput

if TYPE_CHECKING:
    from models.runs import Run

REPEATS = 9
LIMIT_S = 300


def cost_of(run: Run) -> dict[str, str | int | float]:
    """The cost table of a run with weights.

    parameters: stored numbers, statistics included. layers: layers with weights. weight_megabytes: ONNX files
    (half precision). inference_ms: median of single explained predictions, after one to warm up;
    memory_megabytes: peak resident memory of a fresh process that does them; engine: which did. Training time
    and device are among `training` of the card. Raises BadInput where there are no weights.
    """
    if not run.branches:
        raise BadInput(f"The run {run.id} has no weights, so its cost cannot be measured.")
    files = _files(run)
    numbers, layers = _counted(files)
    size = sum(path.stat().st_size for path in files) / 1e6
    table = {"parameters": numbers, "layers": layers, "weight_megabytes": round(size, 2)}
    return table | _in_a_fresh_process(run.folder)


def _files(run: Run) -> list[Path]:
    return [*{run.trunk_files[branch.trunk] for branch in run.branches}, run.head_file]


def _counted(files: list[Path]) -> tuple[int, int]:
    """(numbers, layers) of the weights that carry a layer's name, "<layer>/<variable>"."""
    import onnx

    numbers, layers = 0, set()
    for path in files:
        for tensor in onnx.load(path).graph.initializer:
            layer, named, _ = tensor.name.rpartition("/")
            if named:
                size = 1
                for axis in tensor.dims:
                    size *= axis
                numbers += size
                layers.add(layer)
    return numbers, len(layers)


def _in_a_fresh_process(folder: Path) -> dict[str, str | int | float]:
    command = [sys.executable, "-m", "models.engines.cost", str(folder.resolve())]
    root = Path(__file__).resolve().parents[2]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, cwd=root, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as fault:
        reason = str(getattr(fault, "stderr", "") or fault).strip().splitlines()[-1:]
        raise BadInput(f"The cost of {folder.name} could not be measured ({' '.join(reason)}).") from fault
    return json.loads(done.stdout)


def _measure(folder: Path) -> dict[str, str | int | float]:
    """Single explained predictions of a grey picture in this process."""
    import resource
    import statistics
    import time

    import numpy as np

    from models.engines import open_engine
    from models.runs import load_run

    run = load_run(folder)
    engine = open_engine(run, "onnx")
    size = run.card.input
    image = np.full((1, size.height, size.width, size.channels), 0.5, np.float32)
    engine.explain(image)
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        engine.explain(image)
        times.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "inference_ms": round(1000 * statistics.median(times), 1),
        "memory_megabytes": round(peak),
        "engine": engine.name,
    }


if __name__ == "__main__":
    print(json.dumps(_measure(Path(sys.argv[1]))))
