"""Phantoms as a folder with a manifest, in the form every other data set has."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from models.data.phantoms.case import MODALITIES, Phantom
from models.errors import BadInput

_LEADING = ("file", "label", "mask_file", "patient_id", "modality", "synthetic")
_BOX = ("area_fraction", "box_x0", "box_y0", "box_x1", "box_y1")
_PREFIX = {"ultrasound": "us", "mammography": "mg", "histopathology": "he"}


def write_phantoms(
    modality: str, n: int, seed: int, out: Path, *, progress: Callable[[int], None] | None = None
) -> Path:
    """Write phantoms 0 .. n-1 of a series to `out` and return the path of its manifest.csv.

    modality: one of MODALITIES, or "all" for n of each in one folder.
    images/*.png (8-bit, no metadata), masks/*.png (1-bit, only where there is a lesion), manifest.csv. The
    folder appears whole or not at all. progress is called with the number written so far.
    Raises BadInput if `out` holds something already, or for an unknown modality, seed or count.
    """
    from models.data.phantoms import phantom

    out = Path(out)
    if n < 1:
        raise BadInput(f"The number of phantoms must be at least 1, not {n}.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(f"{out} already holds something: name a new or an empty folder.")
    modalities = MODALITIES if modality == "all" else (modality,)
    first = phantom(modalities[0], seed, 0)  # what it refuses, it refuses before anything is created
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        draft.chmod(0o755)  # mkdtemp's 0o700 would keep other users out of a shared folder
        (draft / "images").mkdir()
        (draft / "masks").mkdir()
        rows = []
        for name, index in ((name, index) for name in modalities for index in range(n)):
            drawn = phantom(name, seed, index) if rows else first
            rows.append(_save(drawn, draft, name, seed, index))
            if progress is not None:
                progress(len(rows))
        write_manifest(draft / "manifest.csv", rows)
        if out.exists():
            out.rmdir()
        os.replace(draft, out)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return out / "manifest.csv"


def _save(drawn: Phantom, folder: Path, modality: str, seed: int, index: int) -> dict[str, object]:
    from PIL import Image

    stem = f"{_PREFIX[modality]}_s{seed}_{index:05d}"
    row: dict[str, object] = {
        "file": f"images/{stem}.png",
        "label": drawn.label,
        "mask_file": "",
        "patient_id": f"phantom_{stem}",
        "modality": modality,
        "synthetic": 1,
    }
    Image.fromarray(drawn.image).save(folder / "images" / f"{stem}.png")
    if drawn.mask is not None:
        row["mask_file"] = f"masks/{stem}_mask.png"
        Image.fromarray(drawn.mask).save(folder / "masks" / f"{stem}_mask.png")
    return row | drawn.attributes


def write_manifest(path: Path, rows: list[dict[str, object]]) -> None:
    """Write manifest rows (file, label, ... and the phantoms' attributes) as CSV with one heading for all."""
    attributes = sorted({key for row in rows for key in row} - {*_LEADING, *_BOX})
    with path.open("w", newline="", encoding="utf-8") as sink:
        table = csv.DictWriter(sink, [*_LEADING, *attributes, *_BOX], restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
