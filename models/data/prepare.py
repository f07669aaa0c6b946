"""From a manifest of whole images to one of crops or tiles, kept on disk under a name that tells its content.

Patients, duplicate groups and splits go over to the pieces, so nothing that belonged together is parted. The
pieces are PNG files of 8 bits, grey or RGB.
"""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.data.lesions import ANNOTATIONS, Annotation, Lesion, box_of, lesions_of, read_annotations
from models.data.manifest import Case, Manifest, read_manifest
from models.data.merging import merge, modality_of, unmerged
from models.errors import BadInput
from models.study import Study, read_study

if TYPE_CHECKING:
    from models.recipes.recipe import Prepare

NORMAL = "normal"
LEAST_TISSUE = 0.5
"""Share of a tile that must be brighter than the film's background."""
_BACKGROUND = 0.06
_LEAST_OVERLAP = 0.5
_VERSION = 1
_OURS = (
    "file",
    "label",
    "mask_file",
    "case_id",
    "patient_id",
    "modality",
    "source_case",
    "x",
    "y",
    "width",
    "height",
)
# Facts about the whole image that are wrong of a piece; the patient goes under one name.
_WHOLE = ("patient_or_case_id", "sha256", "box_x0", "box_y0", "box_x1", "box_y1", "mask_area_fraction")


@dataclass(frozen=True)
class Piece:
    """A rectangle of an image in pixels, its label, and the lesion in it (bool [height, width]) or None."""

    x: int
    y: int
    width: int
    height: int
    label: str
    mask: np.ndarray | None


def as_trained(
    choice: Mapping[str, object], manifest: Manifest, folder: Path, quiet: bool = True
) -> tuple[Manifest, list[dict[str, str]]]:
    """The manifest cut as a run's training cut its own (`prepare` of run.json), and the files that could not
    be: {file, why}."""
    if choice.get("cut", "none") == "none":
        return manifest, []
    from models.data.cleaning import clean
    from models.recipes.recipe import Prepare

    manifest, left_out = clean(manifest, quiet=quiet)
    cut = prepare(manifest, Prepare(**choice), folder, quiet)
    return cut, [{"file": entry.file, "why": entry.why} for entry in left_out if entry.what == "image"]


def prepare(manifest: Manifest, choice: Prepare, folder: Path, quiet: bool = True) -> Manifest:
    """The manifest cut as `choice` says, written under `folder` unless an earlier call has done so.

    "none": the manifest itself. "roi": one crop a case around its lesions' common box with `margin` of its
    sides on each; cases without a mask, annotation or box are left out. "tiles": squares of `size` pixels,
    `stride` apart, see `tiles`. Case ids are "<case>@x,y"; the split is that of the whole images.
    A merged manifest is cut pack by pack. Look for leakage before: overlapping tiles are no copies. Raises
    BadInput where nothing is left, and naming a file that cannot be read or whose mask has another size.
    """
    if choice.cut == "none":
        return manifest
    if manifest.packs:
        return merge([prepare(pack, choice, folder, quiet) for pack in unmerged(manifest)])

    def pieces(case: Case, study: Study, annotations: Mapping) -> list[Piece]:
        lesions, elsewhere = lesions_of(case, study, annotations)
        if choice.cut == "roi":
            return roi(case, study, lesions, choice.margin)
        return tiles(case, study, lesions, elsewhere, choice.size, choice.stride)

    settings = f"{choice.cut} {choice.margin if choice.cut == 'roi' else (choice.size, choice.stride)}"
    return _cut(manifest, choice.cut, settings, pieces, Path(folder), quiet)


def masks_from_annotations(manifest: Manifest, folder: Path, quiet: bool = True) -> Manifest:
    """The same images with masks drawn from the annotations' circles and boxes; those with a mask keep it.

    The images are not copied. Only lesions that the case's label speaks of are drawn.
    """
    if manifest.packs:
        return merge([masks_from_annotations(pack, folder, quiet) for pack in unmerged(manifest)])
    annotations = read_annotations(manifest)
    place = Path(folder) / f"{manifest.name}-masks-{_key(manifest, 'masks')}"
    cases = []
    for case in _with_progress(manifest.cases, quiet):
        path = place / f"{_safe(case.case_id)}.png"
        if case.mask_file is None and annotations.get(case.columns.get("file", "")):
            if not path.exists():
                mask = _union(lesions_of(case, _read(case), annotations)[0])
                if mask is None:
                    cases.append(case)
                    continue
                _write_png(path, mask.astype(np.uint8) * 255)
            case = replace(case, mask_file=path)
        cases.append(case)
    return replace(manifest, cases=tuple(cases))


def roi(case: Case, study: Study, lesions: list[Lesion], margin: float) -> list[Piece]:
    """The crop around all lesions that the label speaks of, clipped to the image; none without a lesion."""
    mask = _union(lesions)
    if mask is None:
        return []
    left, top, right, bottom = box_of(mask)
    across, down = round(margin * (right - left)), round(margin * (bottom - top))
    x0, y0 = max(0, left - across), max(0, top - down)
    x1, y1 = min(study.width, right + across), min(study.height, bottom + down)
    # A manifest's box is where to look, not an outline of the lesion.
    drawn = mask[y0:y1, x0:x1] if case.mask_file is not None or not _boxed(case) else None
    return [Piece(x0, y0, x1 - x0, y1 - y0, case.label, drawn)]


def tiles(
    case: Case, study: Study, lesions: list[Lesion], elsewhere: bool, size: int, stride: int
) -> list[Piece]:
    """Squares of `size` pixels, `stride` apart and flush with the right and bottom edges, and their labels.

    A tile takes the image's label where it contains a lesion that the label speaks of: the lesion's centre of
    mass, half of its area, or lesion on half of the tile. A tile that touches a lesion less, or only another
    lesion, is left out: its truth is not known. A tile that touches none is "normal". An image whose
    lesions have no known place (`elsewhere`, or none listed although its label is not "normal") gives no
    normal tiles. Tiles with under half of tissue (grey above 0.06) are left out.
    """
    normal_image = case.label.casefold() in (NORMAL, "norm")
    grey = study.grey() > _BACKGROUND
    found = []
    centres = [_centre(lesion.mask) for lesion in lesions]
    areas = [int(lesion.mask.sum()) for lesion in lesions]
    for y in _steps(study.height, size, stride):
        for x in _steps(study.width, size, stride):
            window = np.s_[y : y + size, x : x + size]
            if grey[window].mean() < LEAST_TISSUE:
                continue
            height, width = grey[window].shape
            inside = [int(lesion.mask[window].sum()) for lesion in lesions]
            own = [
                i
                for i, lesion in enumerate(lesions)
                if lesion.own
                and inside[i]
                and (
                    (y <= centres[i][0] < y + height and x <= centres[i][1] < x + width)
                    or inside[i] >= _LEAST_OVERLAP * areas[i]
                    or inside[i] >= _LEAST_OVERLAP * height * width
                )
            ]
            if own:
                mask = np.any([lesion.mask[window] for lesion in lesions if lesion.own], axis=0)
                found.append(Piece(x, y, width, height, case.label, mask))
            elif not any(inside) and not elsewhere and (normal_image or lesions):
                found.append(Piece(x, y, width, height, NORMAL, None))
    return found


def _cut(
    manifest: Manifest,
    cut: str,
    settings: str,
    pieces: Callable[[Case, Study, Mapping[str, tuple[Annotation, ...]]], list[Piece]],
    folder: Path,
    quiet: bool,
) -> Manifest:
    """Write the pieces of every case into a folder of their own, whole or not at all, and read it back."""
    place = folder / f"{manifest.name}-{cut}-{_key(manifest, settings)}"
    if not (place / "manifest.csv").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=folder))
        try:
            draft.chmod(0o755)
            rows = list(_written(manifest, pieces, draft, quiet))
            if not rows:
                raise BadInput(
                    f"Nothing of {manifest.name} is left once it is cut ({cut}): it needs masks, boxes or an "
                    f"{ANNOTATIONS} beside the manifest."
                )
            _write_rows(draft / "manifest.csv", rows)
            try:
                os.replace(draft, place)
            except OSError:
                # Another process was quicker; what it wrote is the same.
                if not (place / "manifest.csv").is_file():
                    raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return replace(read_manifest(place), source=manifest)


def _written(manifest: Manifest, pieces: Callable, draft: Path, quiet: bool) -> Iterator[dict[str, object]]:
    annotations = read_annotations(manifest)
    (draft / "images").mkdir()
    (draft / "masks").mkdir()
    for case in _with_progress(manifest.cases, quiet):
        study = _read(case)
        display = study.display()
        for piece in pieces(case, study, annotations):
            stem = f"{_safe(case.case_id)}@{piece.x},{piece.y}"
            window = np.s_[piece.y : piece.y + piece.height, piece.x : piece.x + piece.width]
            _write_png(draft / "images" / f"{stem}.png", display[window])
            drawn = piece.mask is not None and piece.mask.any()
            if drawn:
                _write_png(draft / "masks" / f"{stem}.png", piece.mask.astype(np.uint8) * 255)
            kept = {k: v for k, v in case.columns.items() if k not in _WHOLE}
            yield kept | {
                "file": f"images/{stem}.png",
                "label": piece.label,
                "mask_file": f"masks/{stem}.png" if drawn else "",
                "case_id": f"{case.case_id}@{piece.x},{piece.y}",
                "patient_id": case.patient_id,
                "modality": modality_of(case, manifest) or "",
                # Always said: of one film's tiles some are normal and some not, without contradicting it.
                "dup_label_conflict": int(case.contradictory),
                "source_case": case.case_id,
                "x": piece.x,
                "y": piece.y,
                "width": piece.width,
                "height": piece.height,
            }


def _write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    others = sorted({key for row in rows for key in row} - set(_OURS))
    with path.open("w", newline="", encoding="utf-8") as sink:
        table = csv.DictWriter(sink, [*_OURS, *others], restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def _read(case: Case) -> Study:
    try:
        return read_study(case.file)
    except BadInput as refusal:
        raise BadInput(f"{case.file.name} (row {case.row} of the manifest): {refusal}") from refusal


def _write_png(path: Path, values: np.ndarray) -> None:
    """uint8 [H, W], [H, W, 1] or [H, W, 3] as PNG."""
    import cv2

    if values.ndim == 3 and values.shape[2] == 3:
        values = values[..., ::-1]
    _, data = cv2.imencode(".png", np.ascontiguousarray(values), [cv2.IMWRITE_PNG_COMPRESSION, 3])
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data.tobytes())
    temporary.replace(path)


def _key(manifest: Manifest, settings: str) -> str:
    """Changes with the settings, the manifest's rows, its annotations and the size or time of any file."""
    facts: list[object] = [_VERSION, settings, manifest.digest, [case.case_id for case in manifest.cases]]
    files = [path for case in manifest.cases for path in (case.file, case.mask_file) if path]
    for path in (*files, manifest.path.parent / ANNOTATIONS):
        try:
            status = os.stat(path)
            facts.append((path.name, status.st_size, status.st_mtime_ns))
        except (OSError, ValueError):
            facts.append((path.name, None))
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:12]


def _union(lesions: list[Lesion]) -> np.ndarray | None:
    """The lesions that the label speaks of, as one mask; of all where the label speaks of none."""
    chosen = [lesion.mask for lesion in lesions if lesion.own] or [lesion.mask for lesion in lesions]
    return np.any(chosen, axis=0) if chosen else None


def _boxed(case: Case) -> bool:
    return bool(case.columns.get("box_x0"))


def _centre(mask: np.ndarray) -> tuple[float, float]:
    rows, columns = np.nonzero(mask)
    return float(rows.mean()), float(columns.mean())


def _steps(length: int, size: int, stride: int) -> list[int]:
    """Beginnings of tiles along one side; the last is flush with the end."""
    last = max(0, length - size)
    return sorted({*range(0, last + 1, stride), last})


def _safe(name: str) -> str:
    """A case id as a file name: letters, digits and " ()._-" stay; a changed one gets its digest too."""
    kept = "".join(c if c.isalnum() or c in " ()._-" else "_" for c in name)[:80]
    return kept if kept == name else f"{kept}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _with_progress(cases: tuple[Case, ...], quiet: bool) -> Iterator[Case]:
    from tqdm import tqdm

    return iter(tqdm(cases, "cutting", unit="image", file=sys.stderr, disable=quiet or None))
