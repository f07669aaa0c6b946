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
    stamp = _stamp(manifest)
    path = None if cache is None else Path(cache) / f"fingerprints-{manifest.digest[:16]}.npz"
    kept = _kept(path, stamp, marks)
    if kept is not None:
        return kept
    records, thumbnails = zip(*_read_all(manifest.cases, marks, quiet), strict=True)
    made = Fingerprints(records, np.stack(thumbnails))
    if path is not None:
        _keep(path, stamp, made)
    return made


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


def _stamp(manifest: Manifest) -> str:
    """Changes with the manifest's rows and with size or time of any file."""
    facts = [_VERSION, manifest.digest]
    for case in manifest.cases:
        for path in filter(None, (case.file, case.mask_file)):
            try:
                status = os.stat(path)
                facts.append((str(path), status.st_size, status.st_mtime_ns))
            except (OSError, ValueError):
                facts.append((str(path), None))
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _keep(path: Path, stamp: str, made: Fingerprints) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    text = json.dumps([asdict(record) for record in made.records])
    with temporary.open("wb") as sink:
        np.savez(sink, stamp=stamp, records=text, thumbnails=made.thumbnails.astype(np.float32))
    temporary.replace(path)


def _kept(path: Path | None, stamp: str, marks: bool) -> Fingerprints | None:
    if path is None or not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            if str(stored["stamp"]) != stamp:
                return None
            records = [_record(fields) for fields in json.loads(str(stored["records"]))]
            thumbnails = stored["thumbnails"]
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None
    if marks and any(record.readable and record.marks is None for record in records):
        return None
    return Fingerprints(tuple(records), thumbnails)


def _record(fields: dict) -> Fingerprint:
    marks = fields["marks"]
    return Fingerprint(**fields | {"marks": None if marks is None else tuple((k, s) for k, s in marks)})
