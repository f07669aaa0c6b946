"""Writing a run folder so that a reader sees all of it or nothing."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from models.errors import BadInput
from models.runs.digests import bytes_digest, file_digest
from models.runs.folder import Run, explain_invalid, load_run
from models.runs.schema import CARD_FILE, FEATURES_FILE, HEAD_FILE, RunCard, safe_relative_name


def write_run(
    folder: str | Path, card: RunCard | Mapping[str, Any], files: Mapping[str, bytes | str | Path]
) -> Run:
    """Write a run folder whole, check it by reading it back, and only then give it its name.

    `files`: relative name -> content (bytes, str as UTF-8) or a Path to copy; their digests go into the
    card. A name "trunks/<sha256>.onnx" puts a trunk inside the folder; trunks found elsewhere
    (models.runs.folder) need not be given. An existing folder is replaced only by a complete one. BadInput
    when the card is not valid or a trunk is missing.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with StagedFolder(folder) as staged:
        digests = {}
        for name, content in files.items():
            if not safe_relative_name(name) or name == CARD_FILE:
                raise BadInput(f"{name!r} cannot be a file of a run: use a plain relative name.")
            digest = staged.write(name, content)
            if not name.startswith("trunks/"):
                digests[name] = digest
        staged.write(CARD_FILE, card_bytes(card, digests))
        load_run(staged.folder)
        staged.publish()
    return load_run(folder)


def rewrite_run(
    run: Run, changes: Mapping[str, Any], files: Mapping[str, bytes | str | Path] | None = None
) -> Run:
    """The run written anew, whole, with some fields of its card changed and some files added."""
    card = run.card.model_dump(mode="json") | dict(changes)
    kept: dict[str, bytes | str | Path] = {name: run.folder / name for name in run.card.files}
    inside = run.folder / "trunks"
    kept |= {f"trunks/{path.name}": path for path in inside.glob("*.onnx")} if inside.is_dir() else {}
    return write_run(run.folder, card, kept | dict(files or {}))


def without_weights(run: Run, folder: str | Path) -> Run:
    """A copy of the run at `folder` without head and trunks: all that the evaluation pages need."""
    card = run.card.model_dump(mode="json")
    shapes = ", ".join(f"{b.backbone} {b.grid[0]}x{b.grid[1]}x{b.channels}" for b in run.branches)
    card |= {"branches": [], "map_scale": {}, "training": card["training"] | {"branches": shapes}}
    kept = [name for name in run.card.files if name not in (HEAD_FILE, FEATURES_FILE)]
    return write_run(folder, card, {name: run.folder / name for name in kept})


def card_bytes(card: RunCard | Mapping[str, Any], digests: Mapping[str, str]) -> bytes:
    """`run.json` for that card with that table of files; BadInput when a field is wrong."""
    fields = card.model_dump(mode="json") if isinstance(card, RunCard) else dict(card)
    try:
        checked = RunCard.model_validate({**fields, "files": dict(sorted(digests.items()))})
    except ValidationError as error:
        raise BadInput(
            f"The run cannot be written because its card is wrong ({explain_invalid(error)})."
        ) from None
    return (json.dumps(checked.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n").encode()


def write_atomically(path: str | Path, fill: Callable[[Path], None]) -> None:
    """`fill(temporary)` writes a sibling, which is synced and takes the name; gone if `fill` raises."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _hidden_sibling(path)
    try:
        fill(temporary)
        sync(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


class StagedFolder:
    """A hidden sibling of `target` that becomes `target` by a rename, or disappears with the `with` block."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.folder = Path()

    def __enter__(self) -> StagedFolder:
        self.folder = _hidden_sibling(self.target)
        self.folder.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, name: str, content: bytes | str | Path) -> str:
        """Write and sync one file; its hex sha256."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            shutil.copyfile(content, path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        sync(path)
        return file_digest(path) if isinstance(content, Path) else bytes_digest(path.read_bytes())

    def publish(self) -> None:
        """Give the folder its name. What had the name is moved aside, and back if the rename fails."""
        for directory, _, _ in os.walk(self.folder):
            sync(Path(directory))
        aside = self.folder.with_suffix(".old")
        replaced = self.target.exists()
        if replaced:
            os.rename(self.target, aside)
        try:
            os.rename(self.folder, self.target)
        except BaseException:
            if replaced:
                os.rename(aside, self.target)
            raise
        shutil.rmtree(aside, ignore_errors=True)
        sync(self.target.parent)


def _hidden_sibling(path: Path) -> Path:
    """Beside it, so that a rename is atomic; hidden, so that no reader takes it for a result."""
    return path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")


def sync(path: Path) -> None:
    """Returns when the file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
