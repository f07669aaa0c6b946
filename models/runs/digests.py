"""sha256 of files, remembered for as long as a file's path, time and size stay the same."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path


def file_digest(path: Path) -> str:
    """Hex sha256 of the file's bytes. A file that was read before in this process is not read again unless
    its time or size changed. OSError when it cannot be read."""
    state = os.stat(path)
    # The inode tells apart what a relative path may mean elsewhere; resolving it is what costs.
    return _digest(os.fspath(path), state.st_mtime_ns, state.st_size, state.st_ino)


def bytes_digest(content: bytes) -> str:
    """Hex sha256."""
    return hashlib.sha256(content).hexdigest()


@lru_cache(maxsize=8192)
def _digest(path: str, _mtime_ns: int, _size: int, _inode: int) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
