"""What a manifest's files are, one record a case: read once, kept beside a training, compared in no time."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from models.data.manifest import Case, Manifest
from models.data.marks import find_marks
from models.data.similarity import THUMBNAIL, difference_hashes, thumbnail
from models.errors import BadInput
from models.study import mask_for, read_mask, read_study

_VERSION = 1
_WORKERS = 2


@dataclass(frozen=True)
class Fingerprint:
    """One case's files.

    why: the sentence that refuses the image, "" where it can be read; the fields after it are empty then.
    file_digest, content: SHA-256 of the file's bytes, and of its size and samples once decoded. height and
    width in pixels. hash, mirrored: difference hashes of the picture and of its mirror image. constant: one
    grey all over. mask_why: the sentence that refuses the mask. marks: (kind, score) of suspected burned-in
    marks, or None where nobody looked.
    """

    why: str = ""
    file_digest: str = ""
    content: str = ""
    height: int = 0
    width: int = 0
    hash: int = 0
    mirrored: int = 0
    constant: bool = False
    mask_why: str = ""
    marks: tuple[tuple[str, float], ...] | None = None

    @property
    def readable(self) -> bool:
        return not self.why


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """records of the manifest's cases in their order; thumbnails float32 [n, 48, 48], zero where
    unreadable."""

    records: tuple[Fingerprint, ...]
    thumbnails: np.ndarray


def fingerprints(
    manifest: Manifest, *, marks: bool = False, cache: Path | None = None, quiet: bool = True
) -> Fingerprints:
    """Read every image and mask of a manifest, or what an earlier call kept of them.

    marks: look for burned-in marks as well. cache: a folder in which they are kept by the manifest's digest
    and each file's size and time; a damaged file in it is made again.
    """
    path = None if cache is None else Path(cache) / f"fingerprints-{manifest.digest[:16]}.npz"
    kept = _kept(path)
    keys = [_key(case) for case in manifest.cases]
    wanted = [
        (key, case)
        for key, case in zip(keys, manifest.cases, strict=True)
        if key not in kept or (marks and kept[key][0].readable and kept[key][0].marks is None)
    ]
    if wanted:
        read = _read_all([case for _, case in wanted], marks, quiet)
        kept |= {key: made for (key, _), made in zip(wanted, read, strict=True)}
        if path is not None:
            _keep(path, kept)
    chosen = [kept[key] for key in keys]
    pictures = [np.zeros((0, THUMBNAIL, THUMBNAIL), np.float32), *(picture[None] for _, picture in chosen)]
    return Fingerprints(tuple(record for record, _ in chosen), np.concatenate(pictures))


def _read_all(cases: Sequence[Case], marks: bool, quiet: bool) -> list[tuple[Fingerprint, np.ndarray]]:
    from tqdm import tqdm

    # Decoding, hashing and OpenCV let go of the interpreter.
    with ThreadPoolExecutor(_WORKERS) as pool:
        done = pool.map(lambda case: _read(case, marks), cases)
        bar = tqdm(done, "auditing", len(cases), unit="image", file=sys.stderr, disable=quiet or None)
        return list(bar)


def _read(case: Case, marks: bool) -> tuple[Fingerprint, np.ndarray]:
    try:
        study = read_study(case.file)
    except BadInput as refusal:
        return Fingerprint(why=str(refusal)), np.zeros((THUMBNAIL, THUMBNAIL), np.float32)
    grey = study.grey()
    plain, mirrored = difference_hashes(grey)
    shape = f"{study.samples.shape} {study.depth_max} ".encode()
    found = find_marks(study.samples, study.depth_max) if marks else None
    record = Fingerprint(
        file_digest=study.digest,
        content=hashlib.sha256(shape + np.ascontiguousarray(study.samples).tobytes()).hexdigest(),
        height=study.height,
        width=study.width,
        hash=plain,
        mirrored=mirrored,
        constant=bool((study.samples == study.samples[:1, :1]).all()),
        mask_why=_mask_fault(case, study),
        marks=None if found is None else tuple((mark.kind, float(mark.score)) for mark in found),
    )
    return record, thumbnail(grey)


def _mask_fault(case: Case, study) -> str:
    if case.mask_file is None:
        return ""
    try:
        mask_for(study, read_mask(case.mask_file))
    except BadInput as refusal:
        return str(refusal)
    return ""


def _key(case: Case) -> str:
    """Changes with the place, size or time of the case's image or mask."""
    facts: list[object] = [_VERSION]
    for path in filter(None, (case.file, case.mask_file)):
        try:
            status = os.stat(path)
            facts.append((str(path), status.st_size, status.st_mtime_ns))
        except (OSError, ValueError):
            facts.append((str(path), None))
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _keep(path: Path, kept: dict[str, tuple[Fingerprint, np.ndarray]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    text = json.dumps({key: asdict(record) for key, (record, _) in kept.items()})
    with temporary.open("wb") as sink:
        np.savez(sink, records=text, thumbnails=np.stack([picture for _, picture in kept.values()]))
    temporary.replace(path)


def _kept(path: Path | None) -> dict[str, tuple[Fingerprint, np.ndarray]]:
    """Key -> what an earlier call found; nothing where the file is absent or damaged."""
    if path is None or not path.is_file():
        return {}
    try:
        with np.load(path, allow_pickle=False) as stored:
            records, thumbnails = json.loads(str(stored["records"])), stored["thumbnails"]
        pairs = zip(records.items(), thumbnails, strict=True)
        return {key: (_record(fields), picture) for (key, fields), picture in pairs}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile):
        return {}


def _record(fields: dict) -> Fingerprint:
    marks = fields["marks"]
    return Fingerprint(**fields | {"marks": None if marks is None else tuple((k, s) for k, s in marks)})
