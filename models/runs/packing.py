"""A run as one portable zip file, and bringing a run in from a zip file or a folder."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import BadInput
from models.runs.folder import MAX_CARD_BYTES, Run, load_run, parse_card, run_roots
from models.runs.schema import CARD_FILE, RunCard
from models.runs.unpacking import (
    DAMAGED,
    MAX_ENTRIES,
    MAX_TOTAL_BYTES,
    harmful_kind,
    refuse_endless_list,
    write_entry,
)
from models.runs.writer import StagedFolder, sync, write_atomically

# The zip format's earliest date: the bytes of a pack must not depend on when it was made.
_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Imported:
    """The run as it is now found, and whether the very same one was there before."""

    run: Run
    already_there: bool


def pack_run(run: Run, out: str | Path) -> Path:
    """Write `<id>/run.json`, every listed file and every trunk into one zip file; same run, same bytes.

    The file appears whole or not at all. BadInput when `out` is a folder or cannot be written.
    """
    out = Path(out)
    if out.is_dir():
        raise BadInput(f"{out} is a folder: give the name of the zip file to write.")
    members = {CARD_FILE: run.folder / CARD_FILE}
    members |= {name: run.folder / name for name in run.card.files}
    members |= {f"trunks/{digest}.onnx": path for digest, path in run.trunk_files.items()}

    def fill(temporary: Path) -> None:
        with zipfile.ZipFile(temporary, "w") as archive:
            for name in sorted(members):
                entry = zipfile.ZipInfo(f"{run.id}/{name}", _DATE)
                entry.external_attr = 0o644 << 16
                # Weights hardly shrink; storing them keeps packing as fast as copying.
                stored = name.endswith(".onnx")
                entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
                archive.writestr(entry, members[name].read_bytes())

    try:
        write_atomically(out, fill)
    except OSError as error:
        raise BadInput(f"{out} cannot be written ({error.strerror}): choose another place.") from error
    return out


def import_run(
    source: str | Path, root: str | Path | None = None, *, beside: Sequence[Path] | None = None
) -> Imported:
    """Bring a run in from a zip file of `pack_run` or from a run folder.

    root: the folder that gets `<id>/`; by default $LESIONLENS_RUNS, else the shipped runs' folder. Everything
    is checked in a hidden folder before one rename makes it a run: names, sizes, digests, the card, that the
    weights hold no references to other files. beside: the other folders where no run may have the id; by
    default `run_roots()`. BadInput for whatever does not pass, and for an id that is taken by another run;
    the very same run is `already_there`.
    """
    source = Path(source)
    root = Path(root) if root is not None else run_roots()[0]
    if not source.exists():
        raise BadInput(f"There is nothing at {source}: give the zip file or the folder of a run.")
    places = (root, *(run_roots() if beside is None else beside))
    try:
        root.mkdir(parents=True, exist_ok=True)
        return _import_folder(source, places) if source.is_dir() else _import_zip(source, places)
    except OSError as error:
        raise BadInput(
            f"{source.name} cannot be imported into {root} ({error.strerror or error})."
        ) from error


def _import_folder(source: Path, places: Sequence[Path]) -> Imported:
    """Into the first of `places`."""
    root, run = places[0], load_run(source)
    there = _same_run(run.card, run.digest, places)
    if there:
        return there
    with StagedFolder(root / run.id) as staged:
        for name in (CARD_FILE, *run.card.files):
            staged.write(name, run.folder / name)
        for digest, path in run.trunk_files.items():
            staged.write(f"trunks/{digest}.onnx", path)
        return _publish(staged, root)


def _import_zip(source: Path, places: Sequence[Path]) -> Imported:
    refuse_endless_list(source, source.name)
    try:
        with zipfile.ZipFile(source) as archive:
            return _import_archive(archive, source.name, places)
    except DAMAGED as error:
        raise BadInput(
            f"{source.name} is not a whole zip file: fetch it again or pack the run again."
        ) from error


def _import_archive(archive: zipfile.ZipFile, name: str, places: Sequence[Path]) -> Imported:
    root, entries = places[0], _entries(archive, name)
    content = _read(archive, entries[CARD_FILE], MAX_CARD_BYTES, name)
    card = parse_card(content, f"The run in {name}")
    there = _same_run(card, hashlib.sha256(content).hexdigest(), places)
    if there:
        return there
    trunks = {f"trunks/{branch.trunk}.onnx" for branch in card.branches}
    unlisted = sorted(set(entries) - set(card.files) - trunks - {CARD_FILE})
    if unlisted:
        raise BadInput(
            f"{name} holds {unlisted[0][:80]!r}, which its {CARD_FILE} does not list: pack it again."
        )
    with StagedFolder(root / card.id) as staged:
        staged.write(CARD_FILE, content)
        for member, entry in entries.items():
            if member != CARD_FILE:
                write_entry(archive, entry, staged.folder / member, name)
                sync(staged.folder / member)
        return _publish(staged, root)


def _publish(staged: StagedFolder, root: Path) -> Imported:
    """Check the staged folder as any run is checked, then give it its name."""
    run = load_run(staged.folder)
    for path in (*run.trunk_files.values(), *([run.head_file] if run.has_weights else [])):
        _refuse_outside_references(path)
    staged.publish()
    return Imported(load_run(root / run.id), already_there=False)


def _same_run(card: RunCard, digest: str, places: Sequence[Path]) -> Imported | None:
    """The same run where it is there already, None where its id is free; BadInput where another has it."""
    for place in dict.fromkeys(places):
        if os.path.lexists(place / card.id):
            run = load_run(place / card.id)
            if run.digest == digest:
                return Imported(run, already_there=True)
            raise BadInput(
                f"Another run is called {card.id} already: remove {place / card.id} or give one another id."
            )
    return None


def _entries(archive: zipfile.ZipFile, name: str) -> dict[str, zipfile.ZipInfo]:
    """Entries by their name inside the run's folder, once names, kinds and declared sizes are harmless."""
    entries: dict[str, zipfile.ZipInfo] = {}
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > MAX_ENTRIES or sum(info.file_size for info in infos) > MAX_TOTAL_BYTES:
        most = f"{MAX_ENTRIES} files or {MAX_TOTAL_BYTES >> 20} MiB"
        raise BadInput(f"{name} holds more than {most}: it is not a run.")
    folders = {info.filename.split("/")[0] for info in infos if "/" in info.filename}
    prefix = f"{folders.pop()}/" if len(folders) == 1 and CARD_FILE not in archive.namelist() else ""
    for info in infos:
        if harmful_kind(info):
            raise BadInput(
                f"{name} holds a link, an encrypted or an oversized file ({info.filename[:80]!r}): "
                "pack the run again."
            )
        inner = info.filename.removeprefix(prefix)
        if inner in entries:
            raise BadInput(f"{name} holds {info.filename[:80]!r} twice: pack the run again.")
        entries[inner] = info
    if CARD_FILE not in entries:
        raise BadInput(f"{name} holds no {CARD_FILE}: give a zip file that `python -m models pack` wrote.")
    return entries


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int, name: str) -> bytes:
    if entry.file_size > limit:
        raise BadInput(f"The {CARD_FILE} in {name} is larger than {limit >> 20} MiB: it is not a run.")
    with archive.open(entry) as stream:
        return stream.read(limit)


def _refuse_outside_references(path: Path) -> None:
    """ONNX may keep tensors in other files; a stranger's weights must not choose what a runtime opens."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except DecodeError:
        raise BadInput(f"{path.name} is not an ONNX file: pack the run again.") from None
    if any(tensor.data_location or tensor.external_data for tensor in _messages(model, onnx.TensorProto)):
        raise BadInput(f"{path.name} keeps weights in other files: only files that hold their own are taken.")


def _messages(message: Any, kind: type) -> Iterator[Any]:
    """Every part of that kind in a protocol buffer, however deep (subgraphs hold tensors too)."""
    if isinstance(message, kind):
        yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in (value,) if hasattr(value, "ListFields") else value:
                yield from _messages(part, kind)
