"""Folders out of strangers' zip files."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest

from models.errors import BadInput
from models.runs import unpacking
from models.runs.unpacking import unpack_folder


def packed(path: Path, files: dict[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def refusal(source: Path, tmp_path: Path, wanted=lambda name: True) -> str:
    """The sentence, once nothing was written anywhere but under the folder that was given."""
    before = {path for path in tmp_path.rglob("*")}
    with pytest.raises(BadInput) as caught:
        unpack_folder(source, tmp_path / "into", wanted, "mine.zip")
    outside = {path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "into")}
    assert outside == before
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text and str(tmp_path) not in text
    return text


def test_wanted_files_come_out_and_others_are_not_opened(tmp_path):
    source = packed(tmp_path / "a.zip", {"run/metrics/loss": "1 0.5 0", "run/model.bin": b"\0" * 5000})
    names = unpack_folder(source, tmp_path / "into", lambda name: "metrics/" in name, "a.zip")
    assert names == ("run/metrics/loss",)
    assert (tmp_path / "into/run/metrics/loss").read_text() == "1 0.5 0"
    assert not (tmp_path / "into/run/model.bin").exists()


@pytest.mark.parametrize(
    "name", ["../out", "a/../../out", "/tmp/out", "..\\out", "C:out", "a/\x1bout", "a" * 401]
)
def test_a_name_that_leads_out_is_refused(tmp_path, name):
    assert "leads out of its folder" in refusal(packed(tmp_path / "a.zip", {name: "x"}), tmp_path)


def test_a_link_is_refused(tmp_path):
    entry = zipfile.ZipInfo("metrics/loss")
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    assert "holds a link" in refusal(tmp_path / "a.zip", tmp_path)


def test_bombs_are_refused(tmp_path, monkeypatch):
    source = packed(tmp_path / "a.zip", {f"metrics/{i}": b"\0" * 1000 for i in range(30)})
    with monkeypatch.context() as patch:
        patch.setattr(unpacking, "MAX_TOTAL_BYTES", 20_000)
        assert "holds more than" in refusal(source, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(unpacking, "MAX_ENTRIES", 29)
        assert "holds more than 29 files" in refusal(source, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(unpacking, "MAX_FILE_BYTES", 999)
        assert "oversized" in refusal(source, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(unpacking, "MAX_LISTED", 29)
        patch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("the list was read"))
        assert "lists more than 29 files" in refusal(source, tmp_path, lambda name: False)


def test_a_stream_longer_than_it_declares_is_refused(tmp_path):
    source = packed(tmp_path / "a.zip", {"metrics/loss": b"\0" * 100_000})
    content = bytearray(source.read_bytes())
    place = content.index(b"PK\x01\x02") + 24
    assert struct.unpack_from("<L", content, place) == (100_000,)
    struct.pack_into("<L", content, place, 10)
    source.write_bytes(content)
    refusal(source, tmp_path)
    written = tmp_path / "into/metrics/loss"
    assert not written.exists() or written.stat().st_size <= 10


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_zip_file(tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)
    assert "is not a whole zip file" in refusal(tmp_path / "a.zip", tmp_path)


def test_a_file_in_the_place_of_a_folder(tmp_path):
    source = packed(tmp_path / "a.zip", {"metrics": "x", "metrics/loss": "y"})
    assert "cannot be unpacked" in refusal(source, tmp_path)
