"""A dashboard small enough for tests: one tiny run, four samples drawn here, nothing else."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from tests.pages.pictures import bright, dark_disc, png
from tests.pages.tiny_run import write_tiny_run

ROOT = Path(__file__).resolve().parents[2]
INSPECT = "pages/1_Inspect.py"
SAMPLES = {
    # id -> (modality, label, image, mask)
    "dark": ("ultrasound", "malignant", *dark_disc()),
    "darker": ("ultrasound", "malignant", *dark_disc(shade=5)),
    "bright": ("ultrasound", "normal", bright(), None),
    "breast": ("mammography", "benign", *dark_disc(shade=20)),
}


@pytest.fixture(scope="session", autouse=True)
def components_scanned_once() -> Iterator[None]:
    """Every AppTest reads the metadata of all installed packages, most of a second, to find components."""
    found = cache(manifest_scanner.scan_component_manifests)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", found)
        yield


@pytest.fixture(scope="session")
def runs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    write_tiny_run(folder)
    write_tiny_run(folder, "tiny-breast", modality="mammography", title="Tiny mammography run")
    return folder


@pytest.fixture(scope="session")
def samples_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    with open(folder / "manifest.csv", "w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["file", "label", "mask_file", "modality", "synthetic"])
        for name, (modality, label, image, mask) in SAMPLES.items():
            _write(folder / f"{name}.png", image)
            if mask is not None:
                _write(folder / f"{name}_mask.png", mask)
            table.writerow([f"{name}.png", label, "" if mask is None else f"{name}_mask.png", modality, "1"])
    return folder


@pytest.fixture
def small_world(monkeypatch: pytest.MonkeyPatch, runs_folder: Path, samples_folder: Path) -> None:
    """Only the tiny runs and the drawn samples are at hand, and nothing is cached."""
    monkeypatch.setattr("models.runs.folder.run_roots", lambda: (runs_folder,))
    monkeypatch.setattr("pages.ui.caches.run_roots", lambda: (runs_folder,))
    monkeypatch.setattr("pages.ui.caches.FOLDER", samples_folder)
    st.cache_resource.clear()


@pytest.fixture
def home(small_world: None) -> AppTest:
    """The dashboard, opened at Home."""
    return AppTest.from_file(str(ROOT / "Home.py"), default_timeout=60).run()


@pytest.fixture
def inspect(home: AppTest) -> AppTest:
    """The dashboard, gone on to Inspect with nothing chosen."""
    return home.switch_page(INSPECT).run()


def _write(path: Path, pixels: np.ndarray) -> None:
    path.write_bytes(png(pixels))
