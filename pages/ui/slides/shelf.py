"""Where the slides of the page lie: a folder each below $LESIONLENS_WORK, under names of our own.

slides/<id>/slide.svs     the file as it came, or drawn here; its own name is kept nowhere
slides/<id>/place.json    whether it was drawn, and by which number
slides/<id>/runs/<key>/   what one run said of it (models.slides.scoring)
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from models.errors import BadInput
from models.runs import Run
from models.slides.tiles import TileSpec
from models.study import slide_format
from pages.ui.batch.places import work_root

FOLDER, RECORD, RUNS = "slides", "place.json", "runs"
#: Of one upload, which the server holds in memory until it is written here.
MOST_UPLOAD_MB = 500
HOURS = 72
#: Of all slides together.
MOST_BYTES = 8 * 2**30
_ENDINGS = (".svs", ".tif", ".tiff", ".ndpi", ".scn", ".bif", ".svslide", ".dcm", ".czi")
_ID = re.compile(r"s[A-Za-z0-9_-]{16,40}", re.ASCII)


@dataclass(frozen=True)
class SlidePlace:
    """One slide on disk. id: as in the address (?slide=<id>). seed: the number it was drawn by, else None."""

    id: str
    folder: Path
    file: Path
    seed: int | None = None

    @property
    def synthetic(self) -> bool:
        return self.seed is not None

    def results(self, run: Run, spec: TileSpec, mpp: float | None, limit: int | None) -> Path:
        """Where one run's tiles of this slide are kept."""
        tiles = f"{spec.size}px-{spec.mpp:g}um-{spec.overlap:g}-{spec.least_tissue:g}"
        asked = f"{'' if mpp is None else f'-{mpp:g}'}{'' if limit is None else f'-first{limit}'}"
        return self.folder / RUNS / f"{run.digest[:16]}-{tiles}{asked}"


def keep_upload(upload: BinaryIO, name: str) -> SlidePlace:
    """Write an uploaded slide to a folder of its own. BadInput for no slide, or no room."""
    ending = Path(name).suffix.lower()
    if ending in (".mrxs", ".vms", ".vmu"):
        raise BadInput(
            "A MIRAX or VMS slide is a folder of files: score it with python -m xai slide, or convert it "
            "to a pyramidal TIFF."
        )
    size = upload.seek(0, os.SEEK_END)
    upload.seek(0)
    folder = _new_folder(size)
    file = folder / f"slide{ending if ending in _ENDINGS else '.tif'}"
    try:
        with file.open("wb") as sink:
            shutil.copyfileobj(upload, sink, 1 << 20)
        if slide_format(file) is None:
            raise BadInput(
                "This file is not a whole-slide image, whatever its name says, or is cut short: choose a "
                "slide that OpenSlide reads (SVS, NDPI, SCN, BIF, DICOM) or a tiled pyramidal TIFF."
            )
        return _recorded(folder, file, None)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise BadInput(
                "There is no room left for the slide on the server: delete another one."
            ) from error
        raise


def draw(seed: int) -> SlidePlace:
    """A synthetic slide drawn on the spot."""
    from models.slides.drawn import draw_slide

    folder = _new_folder(0)
    file = folder / "slide.tif"
    try:
        draw_slide(file, seed)
        return _recorded(folder, file, seed)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise BadInput(
                "There is no room left for the slide on the server: delete another one."
            ) from error
        raise


def find(slide_id: str) -> SlidePlace | None:
    """The slide of that id where there is one; None for any other text."""
    if not _ID.fullmatch(slide_id):
        return None
    folder = _root() / slide_id
    try:
        record = json.loads((folder / RECORD).read_bytes())
        seed = record["seed"]
        file = folder / Path(str(record["file"])).name
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return SlidePlace(slide_id, folder, file, seed) if file.is_file() else None


def delete(place: SlidePlace) -> None:
    """The slide and all that was found on it."""
    shutil.rmtree(place.folder, ignore_errors=True)


def sweep(now: float | None = None) -> int:
    """Delete slides older than HOURS; how many there were."""
    limit = (time.time() if now is None else now) - HOURS * 3600
    old = [folder for folder in _folders() if folder.stat().st_mtime < limit]
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)
    return len(old)


def _root() -> Path:
    return work_root() / FOLDER


def _folders() -> list[Path]:
    root = _root()
    return [path for path in root.iterdir() if _ID.fullmatch(path.name)] if root.is_dir() else []


def _new_folder(size: int) -> Path:
    sweep()
    held = sum(file.stat().st_size for folder in _folders() for file in folder.iterdir() if file.is_file())
    if held + size > MOST_BYTES:
        raise BadInput(
            f"The slides on this server take {held / 2**30:.1f} GiB of {MOST_BYTES / 2**30:.0f} already: "
            "delete one first."
        )
    folder = _root() / f"s{secrets.token_urlsafe(16)}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise BadInput(
            "The server has no folder it may write slides to: name one with LESIONLENS_WORK."
        ) from error
    return folder


def _recorded(folder: Path, file: Path, seed: int | None) -> SlidePlace:
    (folder / RECORD).write_text(json.dumps({"file": file.name, "seed": seed}), encoding="utf-8")
    return SlidePlace(folder.name, folder, file, seed)
