"""The runs a visitor brought in: theirs alone, in a temporary folder that goes when their session ends."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from models.errors import BadInput
from models.runs import Run, import_run, pack_run, without_weights, write_run
from models.runs.importing import free_id

MAX_RUNS = 20
MAX_BYTES = 256 << 20
"""Of one visitor's packed runs together."""
MARK = "imported, this session"


@dataclass(frozen=True)
class Arrival:
    """A packed run that was taken in, and what had to be changed for it."""

    run: Run
    renamed: bool
    """Another run had its id."""
    bare: bool
    """It came with weights, which were left out."""


class SessionRuns:
    """Runs in a temporary folder of their own, with a packed copy of each in `packed` (id -> zip file).

    The folder goes with `close`, with this object or with the process, whichever is first. `packed` may
    outlive it: an object made anew from the same mapping has the same runs again, so that a connection which
    breaks for a moment costs nobody their work.
    """

    def __init__(self, packed: MutableMapping[str, bytes]) -> None:
        self._place = TemporaryDirectory(prefix="lesionlens-", ignore_cleanup_errors=True)
        self._packed = packed
        self._runs: dict[str, Run] = {}
        for run_id, content in packed.items():
            file = _write(Path(self._place.name) / "packed.zip", content)
            self._runs[run_id] = import_run(file, self.folder, beside=()).run
            file.unlink()

    @property
    def folder(self) -> Path:
        """Where a new run is to be written, as `folder / id`."""
        return Path(self._place.name) / "runs"

    @property
    def runs(self) -> tuple[Run, ...]:
        """In the order in which they came."""
        return tuple(self._runs.values())

    def check_room(self) -> None:
        """BadInput where no further run may come."""
        if len(self._runs) >= MAX_RUNS:
            raise BadInput(f"{MAX_RUNS} runs are imported already: remove one of them first.")

    def add(self, run: Run) -> None:
        """Take a run that was just written into `folder`. BadInput, and it is gone, where it is too big."""
        packed = pack_run(run, Path(self._place.name) / "packed.zip")
        content = packed.read_bytes()
        packed.unlink()
        if sum(map(len, self._packed.values())) + len(content) > MAX_BYTES:
            shutil.rmtree(run.folder, ignore_errors=True)
            raise BadInput(
                f"The imported runs together would take more than {MAX_BYTES >> 20} MiB: remove one first."
            )
        self._packed[run.id] = content
        self._runs[run.id] = run

    def add_packed(self, content: bytes, name: str, known: Iterable[Run]) -> Arrival:
        """Take a run from a zip file of `models.runs.pack_run`, without its weights.

        A visitor's weights are not run on this machine. `known`: the runs this visitor sees already. BadInput
        for whatever `import_run` refuses, and for a run that is there already.
        """
        self.check_room()
        known = tuple(known)
        with TemporaryDirectory(prefix="lesionlens-", ignore_cleanup_errors=True) as place:
            scratch = Path(place)
            file = _write(scratch / safe_file_name(name), content)
            found = import_run(file, scratch / "runs", beside=()).run
            if found.digest in {run.digest for run in known}:
                raise BadInput(f"The run {found.id} of {name} is here already: choose it on any page.")
            bare = found.has_weights
            if bare:
                found = without_weights(found, scratch / "bare" / found.id)
            taken = [run.id for run in known]
            run_id = free_id(found.id, taken) if found.id in taken else found.id
            card = found.card.model_dump(mode="json") | {"id": run_id}
            files = {file: found.folder / file for file in found.card.files}
            run = write_run(self.folder / run_id, card, files)
        self.add(run)
        return Arrival(run, run_id != found.id, bare)

    def zip_file(self, run_id: str) -> bytes:
        """The run as `python -m models import` and this page take it."""
        return self._packed[run_id]

    def remove(self, run_id: str) -> None:
        """Forget the run and delete its files."""
        run = self._runs.pop(run_id, None)
        self._packed.pop(run_id, None)
        if run:
            shutil.rmtree(run.folder, ignore_errors=True)

    def close(self) -> None:
        """Delete the folder with everything in it."""
        self._runs.clear()
        self._place.cleanup()


def safe_file_name(name: str) -> str:
    """The name of an upload as a file name that stays in its folder and can stand in a sentence."""
    return re.sub(r"[^\w .+-]", "_", name)[-80:].lstrip(". ") or "upload"


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
