"""The evidence pages on large runs: what a rerun of the page costs the server, driven without a browser.

A process of its own (`processes.in_a_process`): what other measurements leave behind would be counted here.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from models.evaluation import Predictions, write_predictions
from models.runs import write_run
from models.runs.folder import RUNS_VARIABLE
from tests.bench.processes import ROOT
from tests.bench.rows import Row

CASES, RUNS, MOVES = 100_000, 200, 9
FIRST_LIMIT, MOVE_LIMIT, BANDS_LIMIT, LEADERBOARD_LIMIT = 1.0, 0.150, 2.0, 1.0
EVALUATE, COMPARE = "pages/4_Evaluate.py", "pages/2_Compare.py"
SMALL, LARGE = "bench-small", "bench-large"


def evidence_rows() -> list[Row]:
    """Evaluate at 100,000 cases: first render, slider moves, bootstrap bands; 200 runs on Compare."""
    with tempfile.TemporaryDirectory() as folder, _only_runs_of(Path(folder)):
        large = write_scored_run(Path(folder), LARGE, CASES)
        write_scored_run(Path(folder), SMALL, 300)
        rows = [_bands(large), *_evaluate()]
        for number in range(RUNS):
            write_scored_run(Path(folder), f"bench-{number:03}", 60, seed=number)
        return [*rows, _leaderboard()]


def write_scored_run(root: Path, run_id: str, cases: int, seed: int = 0) -> Path:
    """A run without weights whose two classes overlap; five cases in eight belong to a patient of two."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(cases) < 0.3).astype(int)
    logits = rng.normal(2.2 * labels - 1.4, 1.3)
    p = 1 / (1 + np.exp(-logits))
    patients = np.where(rng.random(cases) < 0.6, np.arange(cases) // 2, cases + np.arange(cases)).astype(str)
    parts = np.where(np.arange(cases) < cases // 10, "validation", "test")
    ids = np.char.add("case ", np.arange(cases).astype(str))
    predictions = Predictions(
        ("other", "malignant"), ids, patients, patients, parts, labels, np.stack([1 - p, p], axis=1)
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "predictions.csv"
        write_predictions(predictions, file)
        interval = {"value": 0.8, "low": 0.7, "high": 0.9, "n": cases}
        card = {
            "id": run_id,
            "title": f"{cases:,} made-up scores",
            "modality": "ultrasound",
            "classes": ["other", "malignant"],
            "positive": "malignant",
            "network": "none",
            "logits": 1,
            "operating_points": [{"name": "half", "threshold": 0.5, "rule": "one half"}],
            "metrics": {"test": {"auc": interval, "sensitivity": interval, "specificity": interval}},
            "data": {"name": f"made up {seed}", "n_test": cases},
            "synthetic": True,
        }
        write_run(root / run_id, card, {"predictions.csv": file})
    return root / run_id


def _bands(folder: Path) -> Row:
    from models.evaluation.evidence import gather
    from models.runs import load_run

    evidence = gather(load_run(folder))
    began = time.perf_counter()
    evidence.bands("malignant")
    seconds = time.perf_counter() - began
    return _row(f"bootstrap bands, 1,000 samples of {CASES:,} cases", seconds, BANDS_LIMIT)


def _evaluate() -> Iterator[Row]:
    page = _opened(EVALUATE)
    page.query_params["run"] = SMALL
    _checked(page.run())  # imports and fonts are not what is measured
    page.query_params["run"] = LARGE
    began = time.perf_counter()
    _checked(page.run())
    yield _row(f"Evaluate, first render of {CASES:,} cases", time.perf_counter() - began, FIRST_LIMIT)
    moves = []
    for step in range(MOVES):
        slider = next(element for element in page.slider if element.key == "threshold")
        slider.set_value(0.2 + 0.05 * step)
        began = time.perf_counter()
        _checked(page.run())
        moves.append(time.perf_counter() - began)
    yield _row(f"  after a slider move (median of {MOVES})", statistics.median(moves), MOVE_LIMIT)


def _leaderboard() -> Row:
    page = _opened(COMPARE)
    page.query_params["view"] = "Leaderboard"
    began = time.perf_counter()
    _checked(page.run())
    return _row(f"Compare, leaderboard of {RUNS} runs", time.perf_counter() - began, LEADERBOARD_LIMIT)


def _opened(script: str):
    from streamlit.testing.v1 import AppTest

    return _checked(AppTest.from_file(str(ROOT / "Home.py"), default_timeout=120).run()).switch_page(script)


def _checked(page):
    if page.exception or page.error:
        raise SystemExit(f"The page refused: {[element.value for element in (*page.exception, *page.error)]}")
    return page


def _row(name: str, seconds: float, limit: float) -> Row:
    return Row(name, f"{1000 * seconds:.0f} ms", f"< {1000 * limit:.0f} ms", seconds < limit)


@contextmanager
def _only_runs_of(folder: Path) -> Iterator[None]:
    before = os.environ.get(RUNS_VARIABLE)
    os.environ[RUNS_VARIABLE] = str(folder)
    try:
        yield
    finally:
        os.environ.pop(RUNS_VARIABLE) if before is None else os.environ.update({RUNS_VARIABLE: before})


if __name__ == "__main__":
    print(json.dumps([asdict(row) for row in evidence_rows()]))
