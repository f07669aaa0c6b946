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

from models.data.phantoms.case import LABELS, MODALITIES, Phantom, label_of, look_of, positive_of
from models.errors import BadInput

_LEADING = ("file", "label", "mask_file", "patient_id", "modality", "synthetic")
_BOX = ("area_fraction", "box_x0", "box_y0", "box_x1", "box_y1")
_PREFIX = {"ultrasound": "us", "mammography": "mg", "histopathology": "he"}
_MODALITY_OF = {prefix: name for name, prefix in _PREFIX.items()}
_STEM = re.compile(r"(us|mg|he)(m|x|)_s(\d{1,9})_(\d{5,9})")


@dataclass(frozen=True)
class Drawing:
    """Which phantom a file's name means: number `index` of the series `seed`.

    In a plain series the lesion tells the label. marked: a marker stands in a corner of every positive
    phantom and of no other; all else is the plain series', so that lesion and marker both tell it. alone:
    marked, and every phantom has a lesion whose look was drawn by chance: the marker alone tells the label.
    """

    modality: str
    seed: int
    index: int
    marked: bool = False
    alone: bool = False

    @property
    def stem(self) -> str:
        """The name of its files: us_s1_00003, or usm_s1_00003 (marked), usx_s1_00003 (marker alone)."""
        letter = "x" if self.alone else "m" if self.marked else ""
        return f"{_PREFIX[self.modality]}{letter}_s{self.seed}_{self.index:05d}"

    @property
    def plain(self) -> Drawing:
        """The phantom of the plain series with the same anatomy."""
        return Drawing(self.modality, self.seed, self.index)

    def draw(self) -> Phantom:
        """The phantom. Raises BadInput as `phantom` does."""
        from models.data.phantoms import phantom

        numbers = self.modality, self.seed, self.index
        positive = label_of(*numbers) == positive_of(self.modality)
        if not self.alone:
            return phantom(*numbers, marker=positive and self.marked)
        drawn = phantom(*numbers, label=look_of(*numbers), marker=positive)
        return replace(drawn, label=positive_of(self.modality) if positive else _other(self.modality))


def _other(modality: str) -> str:
    """The label that no marker stands for: benign, non_idc."""
    return LABELS[modality][-2]


def drawing_of(stem: str) -> Drawing | None:
    """The phantom whose files have that name; None for any other name."""
    found = _STEM.fullmatch(stem)
    if not found:
        return None
    marked, alone = found[2] != "", found[2] == "x"
    return Drawing(_MODALITY_OF[found[1]], int(found[3]), int(found[4]), marked, alone)


def write_phantoms(
    modality: str,
    n: int,
    seed: int,
    out: Path,
    *,
    marker: bool = False,
    alone: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Write phantoms 0 .. n-1 of a series to `out` and return the path of its manifest.csv.

    modality: one of MODALITIES, or "all" for n of each in one folder. marker: plant a shortcut, a marker in a
    corner of every positive phantom and of no other. alone: the same, and nothing else tells the label (see
    `Drawing`).
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
            rows.append(_save(Drawing(name, seed, index, marker or alone, alone), draft))
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
        # Phantoms of one anatomy are one patient: merged, they stay in one part of a split.
        "patient_id": f"phantom_{drawing.plain.stem}",
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
