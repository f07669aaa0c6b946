"""Where a case's lesions are: its mask, circles and boxes of an annotations.csv, or the manifest's box."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.data.manifest import Case, Manifest
from models.errors import BadInput
from models.study import Study, mask_for, read_mask

ANNOTATIONS = "annotations.csv"
_BOX = ("box_x0", "box_y0", "box_x1", "box_y1")
# Severities of an annotation line that mark no lesion.
_NONE = ("", "n", "norm", "normal")


@dataclass(frozen=True)
class Annotation:
    """One lesion of an annotations.csv, in pixels of the image with the origin at the top left.

    circle: (x, y, radius) or None. box: (x0, y0, x1, y1), the last pixels included, or None. severity: as
    written ("M", "benign"), "" where the file has no such column. Neither circle nor box: the lesion's place
    is not known.
    """

    circle: tuple[float, float, float] | None
    box: tuple[float, float, float, float] | None
    severity: str

    def speaks_for(self, label: str) -> bool:
        """True unless the severity is another than the case's label: a film may hold a benign lesion too."""
        return not self.severity or label.casefold().startswith(self.severity.casefold()[0])

    def drawn(self, height: int, width: int) -> np.ndarray:
        """bool [height, width]: the circle, else the box; all False where there is neither."""
        rows, columns = np.ogrid[:height, :width]
        if self.circle:
            x, y, radius = self.circle
            return (columns - x) ** 2 + (rows - y) ** 2 <= max(radius, 0.5) ** 2
        if self.box:
            x0, y0, x1, y1 = self.box
            return (columns >= x0) & (columns <= x1) & (rows >= y0) & (rows <= y1)
        return np.zeros((height, width), bool)


@dataclass(frozen=True, eq=False)
class Lesion:
    """A lesion with its place: mask bool [H, W], never empty. own: it is what the case's label speaks of."""

    mask: np.ndarray
    own: bool


def read_annotations(manifest: Manifest) -> dict[str, tuple[Annotation, ...]]:
    """File of the manifest -> its lesions, from the annotations.csv beside it; empty where there is none.

    Columns: file, and center_x, center_y, radius or box_x0, box_y0, box_x1, box_y1; optionally severity.
    Raises BadInput, naming the row, for a file without these columns and for what is no number.
    """
    path = manifest.path.parent / ANNOTATIONS
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as source:
            rows = list(csv.DictReader(source))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path} cannot be read ({error}): save it as a CSV in UTF-8.") from None
    if rows and "file" not in rows[0]:
        raise BadInput(f"{path} has no column 'file': name the image of each lesion in it.")
    found: dict[str, list[Annotation]] = defaultdict(list)
    for number, row in enumerate(rows, 2):
        if (row.get("severity") or "").strip().casefold() in _NONE and "severity" in row:
            continue
        found[row["file"].strip()].append(
            Annotation(
                circle=_numbers(row, ("center_x", "center_y", "radius"), f"Row {number} of {path.name}"),
                box=_numbers(row, _BOX, f"Row {number} of {path.name}"),
                severity=(row.get("severity") or "").strip(),
            )
        )
    return {file: tuple(lesions) for file, lesions in found.items()}


def lesions_of(
    case: Case, study: Study, annotations: Mapping[str, tuple[Annotation, ...]]
) -> tuple[list[Lesion], bool]:
    """The case's lesions, and whether there are others whose place is not known.

    The mask comes first, then the annotations, then the manifest's own box. Raises BadInput naming the file
    for a mask that cannot be read or has another size.
    """
    if case.mask_file is not None:
        try:
            return [Lesion(mask_for(study, read_mask(case.mask_file)), True)], False
        except BadInput as refusal:
            raise BadInput(f"{case.file.name} (row {case.row} of the manifest): {refusal}") from refusal
    listed = annotations.get(case.columns.get("file", ""), ())
    if not listed:
        box = _numbers(case.columns, _BOX, f"Row {case.row} of the manifest")
        listed = (Annotation(None, box, ""),) if box else ()
    masks = [(note.drawn(study.height, study.width), note.speaks_for(case.label)) for note in listed]
    return [Lesion(mask, own) for mask, own in masks if mask.any()], any(not m.any() for m, _ in masks)


def box_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of a mask that is not empty, the last ones excluded."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _numbers(row: Mapping[str, str], names: tuple[str, ...], where: str) -> tuple[float, ...] | None:
    """The numbers under these columns, or None where one is absent or empty."""
    cells = [(row.get(name) or "").strip() for name in names]
    if not all(cells):
        return None
    try:
        numbers = tuple(float(cell) for cell in cells)
    except ValueError:
        numbers = (math.nan,)
    if not all(math.isfinite(number) for number in numbers):
        raise BadInput(f"{where} has {' '.join(cells)!r} under {', '.join(names)}: give numbers.")
    return numbers
