"""A connection to Ray: to the machines of an address, or to a Ray of our own on this machine."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import BadInput

LOCAL, AUTO = "local", "auto"
CPUS = 2
"""Processors a worker, where nobody says: one that decodes and one for the network. More workers use a large
machine better than more threads: the decoders of compressed DICOM keep Python's lock, so that a process
decodes one such file at a time."""
PATIENCE = 10.0
HEALTH_PATIENCE = 60.0
_STORE_BYTES = 512 << 20
_TEMPORARY = "lesionlens-ray-"
# A socket below the folder has some 60 letters of its own, and Linux allows 107.
_LONGEST_FOLDER = 40
_ADDRESS = re.compile(r"^(?P<host>[\w.\-]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})$")


@dataclass(frozen=True)
class Pool:
    """The workers that fit on a cluster. size: how many at most. cpus, gpus: what each of them takes."""

    size: int
    cpus: int
    gpus: int


class Cluster:
    """Ray at an address ("local", "auto" or HOST:PORT), from `start` to `close`; both may be called again.

    Where this process is connected to Ray already, that connection is used, and left open.
    """

    def __init__(self, address: str) -> None:
        check_address(address)
        self.address, self.local = address, address == LOCAL
        self.owned = False
        self._folder: Path | None = None

    def start(self) -> None:
        """BadInput where Ray is not installed, nothing answers there, or the versions differ."""
        ray = import_ray()
        if self.address not in (LOCAL, AUTO):
            _answers(self.address)
        if ray.is_initialized():
            self._is_this(ray)
            return
        with _handlers_kept():
            if self.local:
                self._start_here(ray)
            else:
                self._connect(ray)
        self.owned = True
        logging.getLogger("ray.data").setLevel(logging.ERROR)

    def close(self) -> None:
        """Leave the cluster; a Ray of our own ends, and its files go."""
        if self.owned:
            import_ray().shutdown()
            self.owned = False
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def pool(self, gpu: bool, cpus: int | None = None) -> Pool:
        """The workers to be had, with so many processors each where they have no GPU. BadInput where the
        cluster has no processor (or no GPU) for any."""
        nodes = [node["Resources"] for node in import_ray().nodes() if node["Alive"]]
        return pool_of(nodes, gpu, cpus or CPUS)

    def has_gpus(self) -> bool:
        return import_ray().cluster_resources().get("GPU", 0) >= 1

    def _start_here(self, ray: Any) -> None:
        _sweep()
        self._folder = _temporary_folder()
        try:
            ray.init(
                address=LOCAL,
                num_cpus=os.cpu_count() or 1,
                include_dashboard=False,
                object_store_memory=_STORE_BYTES,
                _temp_dir=str(self._folder),
                _system_config={"worker_niceness": 0},  # else every other program on the machine goes first
                **_QUIET,
            )
        except Exception as problem:
            self.close()
            raise BadInput(
                f"Ray could not be started on this machine ({type(problem).__name__}): try again, or leave "
                "out --ray."
            ) from problem

    def _is_this(self, ray: Any) -> None:
        """BadInput where this process is connected to another Ray than the one asked for."""
        connected = ray.get_runtime_context().gcs_address
        if self.address not in (LOCAL, AUTO, connected):
            raise BadInput(f"This program is at work on the Ray at {connected} already: give that address.")

    def _connect(self, ray: Any) -> None:
        try:
            ray.init(address=self.address, **_QUIET)
        except (ConnectionError, ValueError) as problem:
            raise BadInput(_NOBODY.format(address=self.address)) from problem
        except RuntimeError as problem:
            if "ersion mismatch" not in str(problem):
                raise BadInput(_NOBODY.format(address=self.address)) from problem
            raise BadInput(
                f"The Ray at {self.address} has another version of Ray or Python than this program (Ray "
                f"{ray.__version__}, Python {sys.version.split()[0]}): install the same ones on all machines."
            ) from problem


_QUIET: Mapping[str, Any] = {"logging_level": "error", "log_to_driver": False}
_NOBODY = (
    "No Ray answers at {address}: start one there (ray start --head), give its HOST:PORT, or use --ray local."
)


def check_address(address: str) -> None:
    """BadInput for what is no address."""
    if address in (LOCAL, AUTO):
        return
    if address.startswith("ray://"):
        raise BadInput(
            "Addresses with ray:// are for Ray's client, which cannot stream data: run this on a machine of "
            "the cluster, with --ray auto."
        )
    found = _ADDRESS.match(address)
    if not found or not 0 < int(found["port"]) < 1 << 16:
        raise BadInput(f"{address!r} is no address of a Ray cluster: give HOST:PORT, auto or local.")


def import_ray() -> Any:
    """The module; BadInput where it is not installed. It never tells anybody that it is used."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # A call that comes after the end must not start another Ray by itself.
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"
    # Lost workers are told by us; what Ray says of them is in its log files.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
    except ImportError:
        raise BadInput(
            "Ray is not installed: pip install -r requirements-ray.txt, or leave out --ray."
        ) from None
    return ray


def pool_of(nodes: Sequence[Mapping[str, float]], gpu: bool, wanted: int = CPUS) -> Pool:
    """A worker a GPU with its share of the processors, or else one for every `wanted` processors.

    nodes: the resources ("CPU", "GPU") of each machine; the smallest says what a worker takes at most.
    """
    if gpu:
        with_gpu = [(int(node["GPU"]), node.get("CPU", 0)) for node in nodes if node.get("GPU", 0) >= 1]
        if not with_gpu:
            raise BadInput(
                "The cluster has no GPU for the engine tensorflow: give --engine onnx, or add a machine."
            )
        cpus = min(int(cpu // gpus) for gpus, cpu in with_gpu)
        return Pool(sum(gpus for gpus, _ in with_gpu), cpus, 1)
    found = [int(node["CPU"]) for node in nodes if node.get("CPU", 0) >= 1]
    if not found:
        raise BadInput("The cluster has no processor to work with: start a machine with ray start.")
    cpus = min(wanted, *found)
    return Pool(sum(here // cpus for here in found), cpus, 0)


def _answers(address: str) -> None:
    """BadInput unless a Ray does: connecting to what is none would wait for ever, deaf to signals."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()
        subprocess.run(
            [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address],
            timeout=HEALTH_PATIENCE,
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.SubprocessError) as problem:
        raise BadInput(_NOBODY.format(address=address)) from problem


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself; whoever called us keeps it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _temporary_folder() -> Path:
    """Of this process, below the system's folder for such things where its name is short enough."""
    base = tempfile.gettempdir()
    parent = base if len(base) <= _LONGEST_FOLDER else "/tmp"
    return Path(tempfile.mkdtemp(prefix=f"{_TEMPORARY}{os.getpid()}-", dir=parent))


def _sweep() -> None:
    """Remove what a program that was killed left; Ray's processes end with their program by themselves."""
    for base in {tempfile.gettempdir(), "/tmp"}:
        for folder in Path(base).glob(f"{_TEMPORARY}*"):
            owner = folder.name.removeprefix(_TEMPORARY).partition("-")[0]
            if owner.isdecimal() and not Path(f"/proc/{owner}").exists() and Path("/proc/self").exists():
                shutil.rmtree(folder, ignore_errors=True)
