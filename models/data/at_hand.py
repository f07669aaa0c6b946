"""Images of a run's cases where this computer has them: by manifests under $LESIONLENS_DATA, or phantoms.

A run folder holds no image. Whoever has the data sees its cases as pictures; whoever has not sees numbers.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.data.manifest import Case, Manifest, read_manifest
from models.data.merging import merge, modality_of
from models.data.phantoms.writing import Drawing, drawing_of
from models.errors import BadInput
from models.runs.digests import file_digest

if TYPE_CHECKING:
    from models.runs import Run

DATA_VARIABLE = "LESIONLENS_DATA"
DEFAULT_ROOT = Path(__file__).resolve().parents[2] / "data"
_MOST_FOLDERS = 500
_MOST_MERGED = 3
_MOST_PACKS = 20


@dataclass(frozen=True, eq=False)
class CaseImage:
    """One case as files: content and mask are bytes that `models.study` reads; mask is None without one.

    drawn_anew: a phantom made now from its seed and number, not a file of the manifest.
    """

    content: bytes
    name: str
    modality: str | None
    synthetic: bool
    mask: bytes | None = None
    drawn_anew: bool = False


def data_roots() -> tuple[Path, ...]:
    """The folders of $LESIONLENS_DATA (separated as PATH is), else `data` of the repository."""
    given = os.environ.get(DATA_VARIABLE)
    return tuple(Path(part) for part in given.split(os.pathsep) if part) if given else (DEFAULT_ROOT,)


def manifest_at_hand(digest: str | None) -> Manifest | None:
    """The manifest of that digest (also of several merged) in a data root or one folder below; else None.

    Cheap when repeated: a manifest is read again only when its time or size changed.
    """
    if not digest:
        return None
    known = dict(_known_manifests())
    if digest in known:
        return _read(digest, known[digest])
    for count in range(2, min(_MOST_MERGED, len(known)) + 1):
        for digests in combinations(sorted(known)[:_MOST_PACKS], count):
            if hashlib.sha256("\n".join(digests).encode()).hexdigest() == digest:
                return _merged(digests, tuple(known[each] for each in digests))
    return None


def manifests_at_hand() -> tuple[Manifest, ...]:
    """Every manifest in a data root or one folder below that can be used, by the name of its folder."""
    found = [_read(digest, path) for digest, path in _known_manifests()]
    return tuple(sorted(filter(None, found), key=lambda manifest: manifest.name))


def case_image(run: Run, row: int) -> CaseImage | None:
    """The image of the case at `row`, as the run saw it: a whole image, the tile or crop cut again, or a
    phantom drawn again. None where there is neither file nor phantom.

    BadInput for a row that does not exist, and for a file that is there and cannot be read.
    """
    case_id = _case_id(run, row)
    case = _listed(run, case_id)
    if case is not None and case.file.is_file():
        mask = case.mask_file if case.mask_file is not None and case.mask_file.is_file() else None
        return CaseImage(
            _bytes(case.file), case.file.name, _modality(run, case), run.card.synthetic, mask and _bytes(mask)
        )
    whole = _listed(run, case_id.rpartition("@")[0])
    if whole is not None and whole.file.is_file():
        return _piece(run, whole, case_id)
    return _phantom(run, case_id)


def images_at_hand(run: Run) -> bool:
    """Whether any image of the run's cases can be shown. Cheap: only the first case's file is looked for."""
    if manifest_at_hand(run.card.data.manifest_digest) is None and not run.card.synthetic:
        return False
    case_ids = _case_ids(run)
    if not case_ids:
        return False
    first = _listed(run, case_ids[0]) or _listed(run, case_ids[0].rpartition("@")[0])
    return (first is not None and first.file.is_file()) or _phantom_of(run, case_ids[0]) is not None


def _known_manifests() -> Iterator[tuple[str, Path]]:
    for root in data_roots():
        try:
            below = sorted(entry.path for entry in os.scandir(root) if entry.is_dir())[:_MOST_FOLDERS]
        except OSError:
            continue
        for folder in (root, *map(Path, below)):
            path = folder / "manifest.csv"
            try:
                yield file_digest(path), path
            except OSError:
                continue


@lru_cache(maxsize=8)
def _read(digest: str, path: Path) -> Manifest | None:
    """Keyed on the content. A manifest that cannot be used is none at hand."""
    try:
        manifest = read_manifest(path)
    except BadInput:
        return None
    return manifest if manifest.digest == digest else None


@lru_cache(maxsize=4)
def _merged(digests: tuple[str, ...], paths: tuple[Path, ...]) -> Manifest | None:
    manifests = [_read(digest, path) for digest, path in zip(digests, paths, strict=True)]
    return None if None in manifests else merge(manifests)


@lru_cache(maxsize=8)
def _by_id(digest: str, path: Path) -> dict[str, Case]:
    manifest = manifest_at_hand(digest)
    return {case.case_id: case for case in manifest.listed} if manifest else {}


def _listed(run: Run, case_id: str) -> Case | None:
    manifest = manifest_at_hand(run.card.data.manifest_digest)
    return _by_id(manifest.digest, manifest.path).get(case_id) if manifest and case_id else None


@lru_cache(maxsize=4)
def _case_ids(run: Run) -> tuple[str, ...]:
    from models.evaluation import read_predictions

    path = run.path("predictions.csv")
    return tuple(read_predictions(path, run.classes).case_ids.tolist()) if path else ()


def _case_id(run: Run, row: int) -> str:
    case_ids = _case_ids(run)
    if not 0 <= row < len(case_ids):
        raise BadInput(f"The run {run.id} has no case {row}: its {len(case_ids)} cases are counted from 0.")
    return case_ids[row]


def _modality(run: Run, case: Case) -> str | None:
    manifest = manifest_at_hand(run.card.data.manifest_digest)
    own = modality_of(case, manifest) if manifest else case.modality
    return own or (run.modality if run.modality != "mixed" else None)


def _bytes(path: Path) -> bytes:
    from models.study.limits import Limits
    from models.study.source import read_bytes

    return read_bytes(path, path.name, Limits())


def _piece(run: Run, case: Case, case_id: str) -> CaseImage | None:
    """The tile or crop of that id, cut from its image by the very code that cut it for the training."""
    from models.data.lesions import lesions_of, read_annotations
    from models.data.prepare import roi, tiles
    from models.recipes.recipe import Prepare
    from models.study import read_study

    try:
        choice = Prepare(**run.card.prepare)
    except ValueError:
        return None  # cut by a program that cuts otherwise
    manifest = manifest_at_hand(run.card.data.manifest_digest)
    study = read_study(case.file)
    lesions, elsewhere = lesions_of(case, study, read_annotations(manifest))
    if choice.cut == "tiles":
        pieces = tiles(case, study, lesions, elsewhere, choice.size, choice.stride)
    else:
        pieces = roi(case, study, lesions, choice.margin) if choice.cut == "roi" else []
    piece = next((each for each in pieces if f"{case.case_id}@{each.x},{each.y}" == case_id), None)
    if piece is None:
        return None
    window = np.s_[piece.y : piece.y + piece.height, piece.x : piece.x + piece.width]
    drawn = piece.mask is not None and piece.mask.any()
    mask = _png(piece.mask.astype(np.uint8) * 255) if drawn else None
    name = f"{case.file.stem}@{piece.x},{piece.y}.png"
    return CaseImage(_png(study.display()[window]), name, _modality(run, case), run.card.synthetic, mask)


def _phantom_of(run: Run, case_id: str) -> Drawing | None:
    """Which phantom of ours the case is, marked ones included."""
    return drawing_of(case_id.rpartition("/")[2]) if run.card.synthetic else None


def _phantom(run: Run, case_id: str) -> CaseImage | None:
    """The phantom of that id, unless the run's cases.csv says that its label was another."""
    from models.runs.cases import read_cases

    drawing = _phantom_of(run, case_id)
    if drawing is None:
        return None
    drawn = drawing.draw()
    table = read_cases(run)
    labels = dict(zip(table.case_ids, table.columns.get("label", ()), strict=False)) if table else {}
    if labels.get(case_id, drawn.label) != drawn.label:
        return None
    mask = None if drawn.mask is None else _png(drawn.mask.astype(np.uint8) * 255)
    return CaseImage(_png(drawn.image), f"{drawing.stem}.png", drawing.modality, True, mask, True)


def _png(values: np.ndarray) -> bytes:
    """uint8 [H, W], [H, W, 1] or RGB [H, W, 3] as PNG."""
    import cv2

    if values.ndim == 3 and values.shape[2] == 3:
        values = values[..., ::-1]
    return cv2.imencode(".png", np.ascontiguousarray(values))[1].tobytes()
