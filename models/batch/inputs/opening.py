"""What an input is: a folder, an archive (by its content), a manifest, or else an image."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

from models.batch.inputs import names
from models.batch.inputs.entry import ArchiveLimits, Source
from models.batch.inputs.folders import FilesSource, FolderSource
from models.batch.inputs.listed import ManifestSource
from models.batch.inputs.tar_gz import TarGzSource
from models.batch.inputs.tar_headers import BLOCK, is_header
from models.batch.inputs.tars import TarSource
from models.batch.inputs.unpacking import archive_inside, is_dicom
from models.batch.inputs.zips import ZipSource
from models.errors import BadInput

_HEAD = 520


def open_sources(paths: Sequence[Path], limits: ArchiveLimits) -> list[Source]:
    """A source for each folder, archive and manifest, and one for all other files, prepared; in the order
    given. BadInput where one of them is not there or cannot be used."""
    sources: list[Source] = []
    files: list[Path] = []
    for path in paths:
        source = _source(path, limits)
        if source is None and not files:
            source = FilesSource(files)  # filled below
            sources.append(source)
        elif source is not None:
            sources.append(source)
            continue
        files.append(path)
    # Names of inputs stand before the keys of what is in them, so each has one of its own.
    named = [source for source in sources if source.prefix]
    for source, title in zip(named, names.unique_names(each.title for each in named), strict=True):
        source.prefix = f"{title}/"
    for source in sources:
        source.prepare()
    return sources


def _source(path: Path, limits: ArchiveLimits) -> Source | None:
    """What reads an input; None for a file that is taken for an image."""
    shown = names.shown(str(path))
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            return FolderSource(path)
        if not stat.S_ISREG(status.st_mode):
            return None  # a pipe may never end: the study room refuses it
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError:
        raise BadInput(f'There is no file or folder "{shown}" at the path given: check the path.') from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no path"
        raise BadInput(f'"{shown}" cannot be read ({why}): check the path and its permissions.') from None
    return _of_content(path, head, limits)


def _of_content(path: Path, head: bytes, limits: ArchiveLimits) -> Source | None:
    if is_dicom(head):
        return None
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")) or path.suffix.casefold() == ".zip":
        return ZipSource(path, limits)
    if head.startswith(b"\x1f\x8b"):
        return TarGzSource(path, limits)
    if is_header(head[:BLOCK]):
        return TarSource(path, limits)
    if archive_inside(head):
        shown = names.shown(path.name)
        raise BadInput(f'"{shown}" is an archive of a kind that is not read: give a ZIP, TAR or TAR.GZ.')
    if path.suffix.casefold() == ".tar":
        return TarSource(path, limits)
    if path.suffix.casefold() == ".csv":
        return ManifestSource(path)
    return None
