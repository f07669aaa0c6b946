"""Killed at any moment and gone on with, a batch comes to the table of an undisturbed one."""

import contextlib
import io
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.__main__ import main
from models.batch import OK, UNREADABLE, read_batch
from models.batch.journal import JOURNAL_FILE
from models.runs import find_run
from tests.pages.tiny_run import SIDE

ROOT = Path(__file__).resolve().parents[3]
PIECES = 150


def command(run: Path, images: Path, out: Path, *more: str) -> list[str]:
    words = ["batch", str(run), str(images), "--out", str(out), "--json", *more]
    return [sys.executable, "-m", "models", *words]


def start(*arguments) -> subprocess.Popen:
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command(*arguments), cwd=ROOT, stdout=quiet, stderr=quiet)


def finish(*arguments) -> None:
    """The rest of it, in this process."""
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(command(*arguments)[3:]) == 0


def lines(out: Path) -> bytes:
    """What of the journal is whole."""
    path = out / JOURNAL_FILE
    content = path.read_bytes() if path.exists() else b""
    return content[: content.rfind(b"\n") + 1]


def killed_between(out: Path, low: int, high: int, chance: random.Random, *arguments) -> bytes:
    """Start or go on, and kill (SIGKILL) when the journal has some more lines, wherever the work then is.
    What was whole in the journal then; all of what was there before is still there."""
    before = lines(out)
    child = start(*arguments)
    wanted = before.count(b"\n") + chance.randint(low, high)
    try:
        while child.poll() is None and lines(out).count(b"\n") < wanted:
            time.sleep(0.002)
        time.sleep(chance.random() * 0.02)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    kept = lines(out)
    assert kept.startswith(before)
    return kept


def same_table(out: Path, undisturbed: Path, run_id: str) -> None:
    batch, other = read_batch(out), read_batch(undisturbed)
    assert batch.complete and batch.counts == other.counts
    rows, wanted = list(batch.rows()), list(other.rows())
    assert [(row.index, row.key, row.status, row.why, row.facts) for row in rows] == [
        (row.index, row.key, row.status, row.why, row.facts) for row in wanted
    ]
    keys = [line.split(b'"key":')[1].split(b",")[0] for line in lines(out).splitlines()]
    assert len(keys) == len(set(keys))  # nothing was done twice
    np.testing.assert_allclose(
        batch.predictions(run_id).probabilities, other.predictions(run_id).probabilities, atol=1e-5
    )
    tables = [(folder / "predictions.csv").read_text().splitlines() for folder in (out, undisturbed)]
    assert [row.split(",")[0] for row in tables[0]] == [row.split(",")[0] for row in tables[1]]


@pytest.fixture
def images(tmp_path) -> Path:
    """Grey noise, and a few files that are no images."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(8)
    for number in range(PIECES):
        path = folder / f"{number:03d}.png"
        if number % 50 == 7:
            path.write_bytes(b"torn")
            continue
        Image.fromarray(rng.integers(0, 90, (3 * SIDE, 3 * SIDE)).astype(np.uint8)).save(path)
    return folder


def test_three_kills_and_the_table_of_an_undisturbed_run(tiny, images, tmp_path):
    out, whole, chance = tmp_path / "out", tmp_path / "whole", random.Random(os.getpid())
    engine = ("--engine", "onnxruntime")
    finish(tiny.folder, images, whole, *engine)
    for _ in range(3):
        kept = killed_between(out, 1, 40, chance, tiny.folder, images, out, "--resume", *engine)
        assert kept.count(b"\n") == len(read_batch(out))
    finish(tiny.folder, images, out, "--resume", *engine)
    same_table(out, whole, "tiny")
    assert read_batch(out).counts[UNREADABLE] == 3


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_five_thousand_phantoms_survive_ten_kills(tmp_path):
    """Some 250 phantoms, shifted and turned to 5,000 different images."""
    from models.data.phantoms import write_phantoms
    from models.study import read_study

    run, folder = find_run("busi-squeezenet"), tmp_path / "images"
    folder.mkdir()
    write_phantoms("ultrasound", 250, 11, tmp_path / "drawn")
    drawn = [np.squeeze(read_study(path).display()) for path in sorted((tmp_path / "drawn/images").iterdir())]
    for number in range(5000):
        picture = np.roll(drawn[number % len(drawn)], 7 * (number // len(drawn)), axis=1)
        Image.fromarray(picture).save(folder / f"{number:04d}.png", compress_level=1)
    out, whole, chance = tmp_path / "out", tmp_path / "whole", random.Random(os.getpid())
    finish(run.folder, folder, whole)
    for turn in range(10):
        low, high = (0, 0) if turn == 3 else (1, 900)  # once before anything was done
        killed_between(out, low, high, chance, run.folder, folder, out, "--resume")
    finish(run.folder, folder, out, "--resume")
    same_table(out, whole, run.id)
    assert read_batch(out).counts[OK] == 5000


def test_a_file_that_may_grow_no_further_is_a_sentence(tiny, images, tmp_path):
    """As on a full disk, but for real: no file of the process may be larger than 12,000 bytes."""
    out = tmp_path / "out"
    limited = "ulimit -f 12; exec " + " ".join(
        f"'{word}'" for word in command(tiny.folder, images, out, "--engine", "onnxruntime")
    )
    done = subprocess.run(["bash", "-c", limited], cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 2 and "no room left" in done.stderr and not done.stdout
    assert (out / JOURNAL_FILE).read_bytes().endswith(b"\n") and 8 <= len(read_batch(out)) < PIECES
    finish(tiny.folder, images, out, "--resume", "--engine", "onnxruntime")
    assert len(read_batch(out)) == PIECES
