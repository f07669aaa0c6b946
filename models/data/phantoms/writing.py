"""Phantoms as a folder with a manifest, in the form every other data set has."""

from __future__ import annotations

import csv
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from models.data.phantoms.case import MODALITIES, Phantom, label_of, positive_of
from models.errors import BadInput

_LEADING = ("file", "label", "mask_file", "patient_id", "modality", "synthetic")
_BOX = ("area_fraction", "box_x0", "box_y0", "box_x1", "box_y1")
_PREFIX = {"ultrasound": "us", "mammography": "mg", "histopathology": "he"}
_MODALITY_OF = {prefix: name for name, prefix in _PREFIX.items()}
_STEM = re.compile(r"(us|mg|he)(m?)_s(\d{1,9})_(\d{5,9})")


@dataclass(frozen=True)
class Drawing:
    """Which phantom a file's name means: number `index` of the series `seed`; marked: of a marked series."""

    modality: str
    seed: int
    index: int
    marked: bool = False

    @property
    def stem(self) -> str:
        """The name of its files: us_s1_00003, or usm_s1_00003 of a marked series."""
        return f"{_PREFIX[self.modality]}{'m' * self.marked}_s{self.seed}_{self.index:05d}"

    def draw(self) -> Phantom:
        """The phantom; in a marked series the positive label bears the marker and no other does."""
        from models.data.phantoms import phantom

        bears = self.marked and label_of(self.modality, self.seed, self.index) == positive_of(self.modality)
        return phantom(self.modality, self.seed, self.index, marker=bears)


def drawing_of(stem: str) -> Drawing | None:
    """The phantom whose files have that name; None for any other name."""
    found = _STEM.fullmatch(stem)
    return Drawing(_MODALITY_OF[found[1]], int(found[3]), int(found[4]), bool(found[2])) if found else None


def write_phantoms(
    modality: str,
    n: int,
    seed: int,
    out: Path,
    *,
    marker: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Write phantoms 0 .. n-1 of a series to `out` and return the path of its manifest.csv.

    modality: one of MODALITIES, or "all" for n of each in one folder. marker: plant the shortcut, a marker in
    a corner of every positive phantom and of no other; the files' names then begin usm, mgm or hem.
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
    phantom(modalities[0], seed, 0)  # what it refuses, it refuses before anything is created
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        draft.chmod(0o755)  # mkdtemp's 0o700 would keep other users out of a shared folder
        (draft / "images").mkdir()
        (draft / "masks").mkdir()
        rows = []
        for name, index in ((name, index) for name in modalities for index in range(n)):
            rows.append(_save(Drawing(name, seed, index, marker), draft))
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


def _save(drawing: Drawing, folder: Path) -> dict[str, object]:
    from PIL import Image

    drawn, stem = drawing.draw(), drawing.stem
    row: dict[str, object] = {
        "file": f"images/{stem}.png",
        "label": drawn.label,
        "mask_file": "",
        # A marked phantom and its plain twin are one patient: merged, they stay in one part of a split.
        "patient_id": f"phantom_{replace(drawing, marked=False).stem}",
        "modality": drawing.modality,
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
