"""The only place of st.cache_*: what is kept between reruns, by what key, and for how long.

Decoded images and what a run said about them belong to one person's session and go with it; runs and engines
hold nothing of a patient and are shared by everyone. Keys are digests of content, never the objects.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st

from models.engines import Engine, open_engine
from models.reports import Report
from models.runs import Listing, Run, list_runs, run_roots
from models.study import Study, mask_for, read_mask, read_study
from pages.ui.pictures import Picture, Style, original_picture, overlay_picture, thumbnail
from pages.ui.samples import FOLDER, Sample, read_samples
from xai.explain import CaseExplanation, Reading, explain_reading, read_with
from xai.heatmap import Heatmap


@dataclass(frozen=True, eq=False)
class Mask:
    """A lesion mask as uploaded or shipped: bool [H, W] of its own size, and the sha256 of its file."""

    pixels: np.ndarray
    digest: str


@dataclass(frozen=True)
class File:
    """Bytes of an image file with the name to show; `digest` stands for both in a cache's key."""

    content: bytes
    name: str
    modality: str | None = None
    synthetic: bool = False

    @property
    def digest(self) -> str:
        return hashlib.sha256(
            self.content + repr((self.name, self.modality, self.synthetic)).encode()
        ).hexdigest()


def _digest(thing: File | Study | Run | Mask) -> str:
    return thing.digest


def _question(reading: Reading) -> tuple[str, ...]:
    return reading.study.digest, reading.study.name, reading.run.digest, reading.explained.engine


def _map_of(heatmap: Heatmap) -> tuple:
    return (
        heatmap.map.name,
        heatmap.map.label,
        heatmap.map.method,
        heatmap.scale,
        heatmap.map.values.tobytes(),
    )


_KEYS = {File: _digest, Study: _digest, Run: _digest, Mask: _digest, Reading: _question, Heatmap: _map_of}


def runs() -> Listing:
    """The runs at hand; read and verified again when a file of a run folder has changed."""
    return _runs(_stamp())


@st.cache_resource(max_entries=1, show_spinner=False)
def _runs(stamp: tuple) -> Listing:
    return list_runs()


def _stamp() -> tuple:
    """Name, size and time of every file under the run folders: cheap to take at every rerun."""
    files = (
        file
        for root in run_roots()
        if root.is_dir()
        for folder in (*root.iterdir(), root.parent / "trunks")
        if folder.is_dir()
        for file in folder.iterdir()
    )
    return tuple(
        sorted((str(file), status.st_size, status.st_mtime_ns) for file in files if (status := file.stat()))
    )


@st.cache_resource(max_entries=8, show_spinner="Writing the model card", hash_funcs=_KEYS)
def model_card(run: Run) -> Report:
    """The run's model card, of its folder alone; nothing of a visitor is in it."""
    from models.reports.model_card import model_card as card_of

    return card_of(run)


@st.cache_resource(max_entries=1, show_spinner=False)
def _samples(folder: Path, modified: int) -> tuple[Sample, ...]:
    return read_samples(folder)


def samples() -> tuple[Sample, ...]:
    """The sample studies that ship with the program."""
    manifest = FOLDER / "manifest.csv"
    return _samples(FOLDER, manifest.stat().st_mtime_ns if manifest.is_file() else 0)


@st.cache_resource(max_entries=12, show_spinner=False)
def sample_files(sample: Sample) -> tuple[File, File | None]:
    """A sample's image and, where it has one, its mask."""
    image = File(sample.file.read_bytes(), sample.file.name, sample.modality, sample.synthetic)
    return image, File(sample.mask_file.read_bytes(), sample.mask_file.name) if sample.mask_file else None


@st.cache_resource(max_entries=24, show_spinner=False)
def sample_thumbnail(sample: Sample) -> Picture:
    """A small picture of a sample."""
    return thumbnail(read_study(sample.file, modality=sample.modality, synthetic=sample.synthetic))


@st.cache_resource(max_entries=6, show_spinner="Opening the run", hash_funcs=_KEYS)
def engine(run: Run, kind: str | None = None) -> Engine:
    """The run's engine, opened once for everyone."""
    return open_engine(run, kind)


@st.cache_resource(max_entries=4, scope="session", show_spinner=False, hash_funcs=_KEYS)
def study(file: File) -> Study:
    """The decoded image. BadInput for whatever is not a whole image."""
    return read_study(file.content, file.name, modality=file.modality, synthetic=file.synthetic)


@st.cache_resource(max_entries=4, scope="session", show_spinner=False, hash_funcs=_KEYS)
def mask(file: File) -> Mask:
    """The decoded mask. BadInput for whatever is not a whole image, or marks nothing."""
    return Mask(read_mask(file.content, file.name), file.digest)


@st.cache_resource(max_entries=16, scope="session", show_spinner="Reading the image", hash_funcs=_KEYS)
def reading(study: Study, run: Run, kind: str | None = None) -> Reading:
    """What the run says: one pass of the network for this image, run and engine, whatever is drawn after."""
    return read_with(study, run, engine(run, kind))


@st.cache_resource(max_entries=16, scope="session", show_spinner=False, hash_funcs=_KEYS)
def explanation(reading: Reading, label: str, mask: Mask | None) -> CaseExplanation:
    """One class of a reading, with its measures where there is a mask of the image's size (else BadInput)."""
    pixels = None if mask is None else mask_for(reading.study, mask.pixels)
    return explain_reading(reading, label, mask=pixels)


@st.cache_resource(max_entries=4, scope="session", show_spinner=False, hash_funcs=_KEYS)
def original(study: Study) -> Picture:
    """The image as shown."""
    return original_picture(study)


@st.cache_resource(max_entries=32, scope="session", show_spinner=False, hash_funcs=_KEYS)
def overlay(study: Study, heatmap: Heatmap, style: Style) -> Picture:
    """A heatmap on its image as shown."""
    return overlay_picture(study, heatmap, style)
