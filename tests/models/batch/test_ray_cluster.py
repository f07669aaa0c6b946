"""Which Ray a batch goes to, what is refused there, and the workers that its machines have."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models.__main__ import main
from models.batch.ray_cluster import Cluster, Pool, check_address, pool_of
from models.errors import BadInput

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("address", ["nonsense", "host:", ":6379", "host:0", "host:99999", "http://h:1", ""])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(BadInput, match="is no address of a Ray cluster: give HOST:PORT, auto or local"):
        check_address(address)


@pytest.mark.parametrize("address", ["local", "auto", "10.0.0.7:6379", "head.ray.svc:6379", "[fe80::1]:6379"])
def test_addresses(address):
    check_address(address)


def test_the_client_protocol_is_refused():
    with pytest.raises(BadInput, match="run this on a machine of the cluster, with --ray auto"):
        check_address("ray://head:10001")


def test_nobody_at_an_address_is_a_sentence_and_soon(tmp_path, pictures, capsys):
    import socket

    with socket.socket() as taken:  # bound and deaf
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        began = time.monotonic()
        where = ["--out", str(tmp_path / "o"), "--ray", address]
        assert main(["batch", "busi-squeezenet", str(pictures[0]), *where]) == 2
    assert time.monotonic() - began < 20
    assert f"No Ray answers at {address}: start one there" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BadInput, match=r"pip install -r requirements-ray\.txt"):
        Cluster("local").start()


def test_other_versions_are_named(monkeypatch):
    class Other:
        __version__ = "2.60.0"

        def is_initialized(self):
            return False

        def init(self, **_):
            raise RuntimeError("Version mismatch: The cluster was started with: Ray: 2.9.0")

    monkeypatch.setattr("models.batch.ray_cluster.import_ray", Other)
    with pytest.raises(BadInput, match=r"another version of Ray or Python .*\(Ray 2\.60\.0, Python 3\."):
        Cluster("auto").start()


@pytest.mark.parametrize(
    ("nodes", "gpu", "pool"),
    [
        ([{"CPU": 2.0}], False, Pool(1, 2, 0)),
        ([{"CPU": 16.0}, {"CPU": 15.0}, {"memory": 1.0}], False, Pool(15, 2, 0)),
        ([{"CPU": 1.0}, {"CPU": 16.0}], False, Pool(17, 1, 0)),
        ([{"CPU": 16.0, "GPU": 2.0}, {"CPU": 64.0}], True, Pool(2, 8, 1)),
        ([{"CPU": 8.0, "GPU": 1.0}, {"CPU": 32.0, "GPU": 4.0}], True, Pool(5, 8, 1)),
    ],
)
def test_a_worker_a_machine_or_a_gpu(nodes, gpu, pool):
    assert pool_of(nodes, gpu) == pool


def test_as_many_processors_a_worker_as_were_asked_for():
    assert pool_of([{"CPU": 16.0}, {"CPU": 8.0}], False, 1) == Pool(24, 1, 0)
    assert pool_of([{"CPU": 16.0}, {"CPU": 8.0}], False, 64) == Pool(3, 8, 0)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no processes")
def test_workers_of_a_machine_keep_to_processors_of_their_own(tmp_path):
    script = (
        "import os, sys, tempfile; tempfile.tempdir = sys.argv[1]\n"
        "from models.batch.ray_worker import keep_to\n"
        "held = keep_to(1); print(*sorted(os.sched_getaffinity(0)), flush=True); sys.stdin.read()"
    )
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(2)
    ]
    kept = [worker.stdout.readline().split() for worker in workers]
    for worker in workers:
        worker.communicate()
    here = sorted(os.sched_getaffinity(0))
    if len(here) > 1:
        assert sorted(kept) == [[str(here[0])], [str(here[1])]]
    else:
        assert kept == [[str(here[0])]] * 2


@pytest.mark.parametrize(("gpu", "words"), [(True, "has no GPU"), (False, "has no processor")])
def test_a_cluster_with_nothing_to_work_with(gpu, words):
    with pytest.raises(BadInput, match=words):
        pool_of([{"memory": 1.0}], gpu)
