"""Bytes from wherever they are, and a name that is safe to show."""

from __future__ import annotations

import os
import stat
import unicodedata
from pathlib import Path

from models.errors import BadInput
from models.study.dicom.elements import is_dicom
from models.study.limits import Limits

Source = bytes | bytearray | memoryview | str | os.PathLike[str]

_LONGEST_NAME = 80
#: Bytes by which a file's kind is told.
HEAD = 512
_HEADER = 16 * 1024 * 1024


def display_name(name: str | os.PathLike[str] | None) -> str:
    """A file's name for people: no folders, no control or invisible characters, at most 80 characters.

    An uploaded name is a stranger's text. It is shown and written into exports, never opened.
    """
    text = unicodedata.normalize("NFC", os.fspath(name) if name is not None else "")
    text = text.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    # Unicode's "other" categories go: control, format (right-to-left overrides), surrogates and the like.
    text = "".join(c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    text = " ".join(text.split())
    if text in ("", ".", ".."):
        return "unnamed"
    if len(text) <= _LONGEST_NAME:
        return text
    stem, dot, extension = text.rpartition(".")
    ending = dot + extension if stem and len(extension) <= 8 else ""
    return text[: _LONGEST_NAME - len(ending) - 1] + "\N{HORIZONTAL ELLIPSIS}" + ending


def name_of(source: Source, name: str | None) -> str:
    """The display name of a source: the name given with it, else its path's last part."""
    if name is None and not isinstance(source, bytes | bytearray | memoryview):
        return display_name(source)
    return display_name(name)


def read_bytes(source: Source, name: str, limits: Limits) -> bytes:
    """The bytes of an upload or a file, at most limits.max_bytes of them (limits.max_dicom_bytes of a DICOM);
    BadInput where that cannot be."""
    if isinstance(source, bytes | bytearray | memoryview):
        size = source.nbytes if isinstance(source, memoryview) else len(source)
        _check_size(size, name, _most(bytes(source[:HEAD]), limits))
        data = bytes(source)
    else:
        data, most = _read_file(Path(source), name, limits)
        _check_size(len(data), name, most)
    if not data:
        raise BadInput(f'"{name}" is empty: choose a file that holds an image.')
    return data


def _most(head: bytes, limits: Limits) -> int:
    return limits.max_dicom_bytes if is_dicom(head) else limits.max_bytes


def _read_file(path: Path, name: str, limits: Limits) -> tuple[bytes, int]:
    """The file's bytes, one more than are allowed where it has more; and how many are allowed."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise BadInput(f'"{name}" is a folder: give the image file inside it.')
        if not stat.S_ISREG(status.st_mode):
            # A pipe or a device may never end, or never begin.
            raise BadInput(f'"{name}" is not a regular file: give an image file.')
        with path.open("rb") as file:
            head = file.read(HEAD)
            most = _most(head, limits)
            _check_size(status.st_size, name, most)
            # Room for what is there, and not for all that is allowed: that costs more than reading.
            return head + file.read(max(0, min(most, status.st_size) + 1 - len(head))), most
    except FileNotFoundError as error:
        raise BadInput(f'There is no file "{name}" at the path given: check the path.') from error
    except PermissionError as error:
        raise BadInput(f'"{name}" may not be read by this user: change its permissions.') from error
    except BadInput:
        raise
    except (OSError, ValueError) as error:
        # ValueError: a path with a null byte in it.
        raise BadInput(f'"{name}" could not be read from disk: check the path and the disk.') from error


def _check_size(size: int, name: str, most: int) -> None:
    if size > most:
        raise BadInput(
            f'"{name}" has {size / 2**20:,.1f} MiB and the limit is {most / 2**20:,.1f} MiB: '
            "export a smaller image."
        )


def read_head(source: Source, name: str, limits: Limits) -> bytes:
    """The first MiBs of a source, in which the header of an image stands; all of it where that is less."""
    if isinstance(source, bytes | bytearray | memoryview):
        return read_bytes(source, name, limits)
    path = Path(source)
    try:
        if path.is_file() and path.stat().st_size > _HEADER:
            with path.open("rb") as file:
                head = file.read(_HEADER)
            if is_dicom(head[:HEAD]):
                return head
    except (OSError, ValueError):
        pass  # read_bytes says what is wrong
    return read_bytes(source, name, limits)
