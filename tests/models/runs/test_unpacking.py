"""What is refused of strangers' zip files before they are read."""

from __future__ import annotations

import struct
import zipfile
from io import BytesIO

import pytest

from models.errors import BadInput
from models.runs import import_run, unpacking
from models.runs.unpacking import harmful_kind, refuse_endless_list


def endless(entries: int) -> bytes:
    """A zip file that lists so many files and holds none."""
    entry = (
        struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 0, 0, 0x21, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    )
    listed = entry * entries
    return listed + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, entries, entries, len(listed), 0, 0)


def test_the_made_up_list_is_one_that_python_reads():
    assert len(zipfile.ZipFile(BytesIO(endless(3))).infolist()) == 3


def test_an_endless_list_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "MAX_LISTED", 30_000)
    content = endless(30_001)  # 1.4 MB: over the ends of chunks
    (tmp_path / "run.zip").write_bytes(content)
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("the list was read"))
    for source in (content, tmp_path / "run.zip"):
        with pytest.raises(BadInput, match="mine lists more than 30000 files"):
            refuse_endless_list(source, "mine")
    with pytest.raises(BadInput, match="lists more than"):
        import_run(tmp_path / "run.zip", tmp_path / "runs")
    refuse_endless_list(endless(30_000), "mine")


@pytest.mark.parametrize(
    ("mode", "encrypted", "size", "harmful"),
    [
        (0o100644, False, 10, False),
        (0, False, 10, False),
        (0o120777, False, 10, True),
        (0o010644, False, 10, True),
        (0o100644, True, 10, True),
        (0o100644, False, unpacking.MAX_FILE_BYTES + 1, True),
    ],
)
def test_links_pipes_and_encrypted_or_oversized_files_are_harmful(mode, encrypted, size, harmful):
    entry = zipfile.ZipInfo("file")
    entry.external_attr, entry.flag_bits, entry.file_size = mode << 16, int(encrypted), size
    assert harmful_kind(entry) is harmful
