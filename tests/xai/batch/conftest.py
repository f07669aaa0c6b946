"""One small batch made by the command itself: two runs, six images with masks and labels, one broken file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from models.batch import Batch, read_batch
from models.runs import Run
from tests.models.runs.tiny_run import write_tiny_run
from tests.xai.audit_cases import write_cases
from xai.__main__ import main


@dataclass(frozen=True)
class Done:
    """batch: as read again. runs: by id. manifest: the input. document: what --json printed. report: the
    HTML file's text."""

    batch: Batch
    runs: dict[str, Run]
    manifest: Path
    document: dict
    report: str


@pytest.fixture(scope="session")
def done(tmp_path_factory) -> Done:
    folder = tmp_path_factory.mktemp("batch")
    runs = [write_tiny_run(folder / "two"), write_tiny_run(folder / "one", ("b",))]
    manifest = write_cases(folder)
    (folder / "broken.png").write_bytes(b"no image")
    manifest.write_text(manifest.read_text() + "broken.png,malignant,,test\n")
    out, report = folder / "out", folder / "r.html"
    options = ["--out", str(out), "--with", str(runs[1].folder), "--report", str(report), "--json"]
    options += ["--engine", "onnxruntime"]
    with pytest.MonkeyPatch.context() as patch:
        printed = []
        patch.setattr("models.commands.batch.print_json", printed.append)
        status = main(["batch", str(runs[0].folder), str(manifest), *options])
    assert status == 0
    document = json.loads(json.dumps(printed[0]))
    text = report.read_text(encoding="utf-8")
    return Done(read_batch(out), {run.id: run for run in runs}, manifest, document, text)
