"""The command line and the pages as processes of their own: time, peak memory, and what they load.

Nothing large is imported here: on Linux a child's peak memory counts from that of the process that made it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.rows import Row

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT = 2.0
MEMORY_LIMIT = 450
RUNS = 5
TENSORFLOW = {"tensorflow", "keras", "tf_keras_vis"}
ENGINES = {"openvino", "onnxruntime", *TENSORFLOW}

FIRST_PAINT = """
import sys, time
from streamlit.testing.v1 import AppTest
began = time.perf_counter()
page = AppTest.from_file({script!r}, default_timeout=60).run()
seconds = time.perf_counter() - began
if page.exception:
    sys.exit(f"{{page.exception[0].value}}")
print(seconds, *sorted({watched!r} & set(sys.modules)))
"""


@dataclass(frozen=True)
class Process:
    """A finished process: wall-clock seconds from start to exit, peak resident memory in MiB, what it
    printed."""

    seconds: float
    peak_mib: float
    stdout: str = ""

    @property
    def first_answer(self) -> float:
        """Seconds from the process's start to its first explained prediction, as the process itself tells."""
        told = json.loads(self.stdout)[0]["seconds"]
        return sum(told[part] for part in ("start", "decode", "engine", "heatmap"))


def command_line(run: Path, image: Path, out: Path) -> list[Row]:
    """`python -m xai explain`: process start to the first explained prediction, and to exit with files
    written."""
    command = ["-m", "xai", "explain", str(run), str(image), "--out", str(out), "--json"]
    _measured(command)  # the disk's cache is not what is measured
    runs = [_measured(command) for _ in range(RUNS)]
    seconds = statistics.median(run.first_answer for run in runs)
    whole = statistics.median(run.seconds for run in runs)
    peak = max(run.peak_mib for run in runs)
    loaded = sorted(TENSORFLOW & _loaded(command))
    return [
        Row(
            f"xai explain, process start to first explained prediction (median of {RUNS})",
            f"{seconds:.2f} s (exit at {whole:.2f} s)",
            f"< {START_LIMIT:g} s",
            seconds < START_LIMIT,
        ),
        Row(
            f"  peak resident memory (of {RUNS})",
            f"{peak:.0f} MiB",
            f"< {MEMORY_LIMIT} MiB",
            peak < MEMORY_LIMIT,
        ),
        Row("  TensorFlow, Keras, tf-keras-vis loaded", ", ".join(loaded) or "none", "none", not loaded),
    ]


def first_paint(script: str, never: set[str]) -> Row:
    """A page run once as Streamlit runs it, in a fresh process, which may load none of `never`."""
    code = FIRST_PAINT.format(script=str(ROOT / script), watched=ENGINES)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        return Row(f"{script}, first paint", done.stderr.strip()[-80:], "no error", False)
    seconds, *loaded = done.stdout.strip().splitlines()[-1].split()
    unwanted = sorted(never & set(loaded))
    return Row(
        f"{script}, first paint; loaded of {', '.join(sorted(never))}",
        f"{float(seconds):.2f} s; {', '.join(unwanted) or 'none'}",
        "none",
        not unwanted,
    )


def in_a_process(module: str) -> list[Row]:
    """The rows that a module of this folder prints as JSON, measured with nothing else in its process."""
    done = subprocess.run([sys.executable, "-m", module], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        return [Row(module, done.stderr.strip()[-80:], "no error", False)]
    return [Row(**row) for row in json.loads(done.stdout.strip().splitlines()[-1])]


def _measured(arguments: list[str]) -> Process:
    with tempfile.TemporaryFile("w+") as printed:
        began = time.perf_counter()
        child = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=printed)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - began
        printed.seek(0)
        stdout = printed.read()
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"python {' '.join(arguments)} ended with status {child.returncode}.")
    # Kilobytes on Linux, bytes on macOS (getrusage(2)).
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Process(seconds, usage.ru_maxrss / unit, stdout)


def _loaded(arguments: list[str]) -> set[str]:
    """Top-level names of every module a command imports, as the interpreter itself lists them."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    listed = (
        line.rpartition("|")[2].strip()
        for line in done.stderr.splitlines()
        if line.startswith("import time:")
    )
    return {name.partition(".")[0] for name in listed}
