"""What the program runs on, read from the system and without importing a deep-learning library."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from models.engines import ENGINE_VARIABLE, default_kind, gpu_visible
from models.engines.onnx import available_runtime


@dataclass(frozen=True)
class Machine:
    """Processor, engine and memory. Bytes; None where the system does not say."""

    processor: str
    cores: int
    gpu: str | None
    engine: str
    process: int | None
    used: int | None
    total: int | None


def machine() -> Machine:
    """A snapshot of this moment. `total` and `used` are those of the container where one sets a limit."""
    process = _kib("/proc/self/status", "VmRSS")
    total, free = _kib("/proc/meminfo", "MemTotal"), _kib("/proc/meminfo", "MemAvailable")
    used = total - free if total is not None and free is not None else None
    limit = _integer("/sys/fs/cgroup/memory.max")
    if limit is not None and (total is None or limit < total):
        total, used = limit, _integer("/sys/fs/cgroup/memory.current")
    return Machine(_processor(), _cores(), _gpu(), _engine(), process, used, total)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _engine() -> str:
    """Name and version of the engine that runs are opened with; nothing is loaded."""
    wanted = os.environ.get(ENGINE_VARIABLE) or default_kind()
    name = wanted if wanted == "tensorflow" else available_runtime()
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return name


def _gpu() -> str | None:
    """The first NVIDIA GPU the driver reports, where one may be used. Asking TensorFlow would import it."""
    if not gpu_visible():
        return None
    for folder in sorted(Path("/proc/driver/nvidia/gpus").glob("*")):
        for line in _lines(folder / "information"):
            if line.startswith("Model:"):
                return line.partition(":")[2].strip()
    return "GPU"


def _kib(path: str, field: str) -> int | None:
    for line in _lines(path):
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return None


def _integer(path: str) -> int | None:
    text = next(iter(_lines(path)), "").strip()
    return int(text) if text.isdigit() else None


def _lines(path: str | Path) -> list[str]:
    try:
        return Path(path).read_text(errors="replace").splitlines()
    except OSError:
        return []
