"""Writing into a batch's folder: whole files, one process at a time, a sentence where it cannot be."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from models.errors import BadInput

LOCK_FILE = ".lock"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TRIES, _PAUSE = 10, 0.03


class StorageFull(BadInput):
    """The output cannot be written any more: the batch stops, and what was written stays."""


@contextmanager
def storing(folder: Path) -> Iterator[None]:
    """Whatever keeps a file from being written there, as one sentence."""
    try:
        yield
    except OSError as error:
        raise refusal(folder, error) from error


def refusal(folder: Path, error: OSError) -> BadInput:
    """The sentence for a file that could not be written below `folder`."""
    if error.errno in _FULL:
        return StorageFull(
            f"There is no room left for {folder}: what was done is kept, make room and go on with --resume."
        )
    return BadInput(
        f"{folder} cannot be written ({error.strerror or type(error).__name__}): give another folder."
    )


def storage_fault(error: BaseException) -> OSError | None:
    """The full or closed disk behind an exception, or None where it is about something else."""
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        if isinstance(at, OSError) and at.errno in (*_FULL, errno.EROFS):
            return at
        at = at.__cause__ or at.__context__
    return None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The folder for this caller alone, until the block or the process ends, however it ends (flock).

    The folder is made where it is not there. BadInput where another is at work in it.
    """
    with storing(folder):
        if folder.exists() and not folder.is_dir():
            raise BadInput(f"{folder} is a file: give a folder.")
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _lock_soon(file):
            raise BadInput(f"Another batch is at work in {folder}: wait for it or give another folder.")
        yield
    finally:
        os.close(file)


def at_work(folder: Path) -> bool:
    """Whether some process is at work in the folder now."""
    try:
        file = os.open(folder / LOCK_FILE, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _lock(file, shared=True)
    finally:
        os.close(file)


def _lock_soon(file: int) -> bool:
    """Whoever asks if somebody is at work holds the file for a moment: that is no reason to give up."""
    for _ in range(_TRIES):
        if _lock(file):
            return True
        time.sleep(_PAUSE)
    return False


def _lock(file: int, shared: bool = False) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows has no flock; two at once are not told apart there
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: as without flock
        return True
    return True


@contextmanager
def whole_file(path: Path, mode: str = "wb", **options: Any) -> Iterator[IO]:
    """A file that is there whole when the block ends, on disk, or as it was before. BadInput as `storing`.

    Only for whoever holds the folder: the temporary file has one name, so that a killed program leaves one.
    """
    temporary = path.with_name(f".{path.name}.part")
    with storing(path.parent):
        try:
            with temporary.open(mode, **options) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def sync_folder(folder: Path) -> None:
    """The names in the folder, on disk as well; where a file system knows no such thing, nothing."""
    with suppress(OSError):
        file = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """One JSON document, whole or as before."""
    text = json.dumps(content, indent=2, ensure_ascii=True, allow_nan=False)
    with whole_file(path) as file:
        file.write(text.encode("ascii") + b"\n")
