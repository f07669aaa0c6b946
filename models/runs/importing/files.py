"""The files of a log folder, or of a zip file of one, as bytes in memory: bounded, and never links."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

from models.errors import BadInput
from models.runs.history import read_limited
from models.runs.unpacking import DAMAGED, MAX_FILE_BYTES, harmful_kind, refuse_endless_list

MAX_FILES = 5_000
MAX_TOTAL_BYTES = 512 << 20
MAX_ZIP_BYTES = 128 << 20
"""A zip file may be a stranger's, and half a megabyte of it can hold half a gigabyte of zeros."""


def files_of(source: bytes | Path, name: str, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Relative name with "/" -> bytes, of the files whose name is `wanted`.

    source: a folder, or a zip's bytes. BadInput for what is damaged, too many or too large.
    """
    found = _of_zip(source, name, wanted) if isinstance(source, bytes) else _of_folder(source, name, wanted)
    return dict(sorted(found.items()))


def _of_folder(folder: Path, name: str, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    paths, seen = [], 0
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if not os.path.islink(os.path.join(place, each)))
        seen += len(names)
        if seen > MAX_FILES:
            raise BadInput(f"{name} holds more than {MAX_FILES} files: give the folder of one run.")
        paths += [Path(place, each) for each in names]
    chosen = {path.relative_to(folder).as_posix(): path for path in paths if not path.is_symlink()}
    chosen = {relative: path for relative, path in chosen.items() if wanted(relative) and path.is_file()}
    _check_total(sum(path.stat().st_size for path in chosen.values()), name, MAX_TOTAL_BYTES)
    return {relative: read_limited(path, MAX_FILE_BYTES, "log file") for relative, path in chosen.items()}


def _of_zip(content: bytes, name: str, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    refuse_endless_list(content, name)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > MAX_FILES:
                raise BadInput(f"{name} holds more than {MAX_FILES} files: pack the folder of one run.")
            entries = [entry for entry in entries if wanted(entry.filename)]
            _check_total(sum(entry.file_size for entry in entries), name, MAX_ZIP_BYTES)
            return {entry.filename: _unpacked(archive, entry, name) for entry in entries}
    except DAMAGED:
        raise BadInput(f"{name} is not a whole zip file: pack the folder again.") from None


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> bytes:
    """One entry, never more bytes than it declares: a stream may promise little and hold a lot."""
    if harmful_kind(entry):
        raise BadInput(
            f"{name} holds a link, an encrypted or an oversized file ({entry.filename[:80]!r}): "
            "pack it again."
        )
    with archive.open(entry) as stream:
        content = stream.read(entry.file_size + 1)
    if len(content) > entry.file_size:
        raise BadInput(f"{name} holds more data than it declares ({entry.filename[:80]!r}): pack it again.")
    return content


def _check_total(size: int, name: str, most: int) -> None:
    if size > most:
        raise BadInput(f"{name} holds over {most >> 20} MiB of logs: give the folder of one run.")
