"""Reading run folders: the card, every digest, the trunks; and finding runs by their id."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from models.errors import BadInput
from models.runs.digests import bytes_digest, file_digest
from models.runs.schema import (
    CARD_FILE,
    HEAD_FILE,
    SCHEMA_VERSION,
    Branch,
    Member,
    OperatingPoint,
    RunCard,
    member_file,
    member_history_file,
)

if TYPE_CHECKING:
    from models.inputs import InputSpec

ASSETS = Path(__file__).resolve().parents[2] / "assets"
RUNS_VARIABLE = "LESIONLENS_RUNS"
MAX_CARD_BYTES = 4 << 20


@dataclass(frozen=True, eq=False)
class Run:
    """A run folder whose card, files and trunks were all checked when it was loaded.

    Two runs are equal when they are the same card in the same folder.
    """

    folder: Path
    card: RunCard
    digest: str
    """Hex sha256 of run.json; since run.json lists the other files' digests, it stands for the whole run."""
    trunk_files: Mapping[str, Path]
    """Trunk digest -> the file it was found in."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and (self.folder, self.digest) == (other.folder, other.digest)

    def __hash__(self) -> int:
        return hash((self.folder, self.digest))

    @property
    def id(self) -> str:
        return self.card.id

    @property
    def title(self) -> str:
        return self.card.title

    @property
    def modality(self) -> str:
        return self.card.modality

    @property
    def classes(self) -> tuple[str, ...]:
        return self.card.classes

    @property
    def positive(self) -> str:
        return self.card.positive

    @property
    def branches(self) -> tuple[Branch, ...]:
        return self.card.branches

    @property
    def operating_point(self) -> OperatingPoint:
        """The default one."""
        return self.card.operating_points[0]

    @property
    def members(self) -> tuple[Member, ...]:
        """Folds or seeds of a pooled run; empty for a run of one training."""
        return self.card.members

    def member_predictions(self, name: str) -> Path | None:
        """The file of a member's test predictions, or None for a name that is no member."""
        return self.path(member_file(name))

    def member_history(self, name: str) -> Path | None:
        """The file of a member's history, or None where it has none."""
        return self.path(member_history_file(name))

    @property
    def has_weights(self) -> bool:
        """False for imported results that came without a network: such a run can be compared, not asked."""
        return bool(self.card.branches)

    @cached_property
    def inputs(self) -> InputSpec:
        """How a study becomes this run's tensor."""
        from models.inputs import InputSpec

        return InputSpec.from_dict(self.card.input.model_dump())

    def path(self, name: str) -> Path | None:
        """The file of that name (for example "predictions.csv"), or None when this run lists none."""
        return self.folder / name if name in self.card.files else None

    @property
    def head_file(self) -> Path:
        """BadInput for a run without weights."""
        if not self.has_weights:
            raise BadInput(f"The run {self.id} came without weights: choose a run that has them.")
        return self.folder / HEAD_FILE


@dataclass(frozen=True)
class Skipped:
    """A folder that looked like a run and was refused."""

    folder: Path
    why: str


@dataclass(frozen=True)
class Listing:
    """The runs at hand, by id, and the folders that were refused. Iterates over the runs."""

    runs: tuple[Run, ...]
    skipped: tuple[Skipped, ...]

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)


def run_roots() -> tuple[Path, ...]:
    """Folders whose sub-folders are runs: $LESIONLENS_RUNS where it is set, then the shipped ones."""
    extra = os.environ.get(RUNS_VARIABLE)
    return (*([Path(extra)] if extra else []), ASSETS / "runs")


def list_runs() -> Listing:
    """Every run under `run_roots()`. A damaged folder is reported in `skipped` and does not hide others."""
    runs: dict[str, Run] = {}
    skipped = []
    for root in run_roots():
        for folder in _candidates(root):
            try:
                run = _load_named(folder)
            except BadInput as refusal:
                skipped.append(Skipped(folder, str(refusal)))
                continue
            runs.setdefault(run.id, run)
    return Listing(tuple(runs[key] for key in sorted(runs)), tuple(skipped))


def find_run(id_or_path: str | Path) -> Run:
    """The run of that id under `run_roots()`, else the run in that folder. BadInput lists the known ids."""
    text = str(id_or_path)
    if text and "/" not in text and os.sep not in text and not text.startswith("."):
        for root in run_roots():
            if os.path.isdir(root / text):
                return _load_named(root / text)
    if text and os.path.exists(text):
        return load_run(Path(text))
    known = ", ".join(run.id for run in list_runs())
    raise BadInput(
        f"There is no run {text[:80]!r}: give the folder of a run or a known id ({known or 'none yet'})."
    )


def load_run(folder: str | Path) -> Run:
    """Read a run folder and check the card, every listed file's digest and every trunk's digest.

    BadInput, one sentence, when the folder is not there, half written, altered, of another schema version,
    or when a trunk is missing or altered.
    """
    folder = Path(folder)
    if not os.path.isdir(folder):
        raise BadInput(f"There is no run folder at {str(folder)[:300]}: check the path.")
    content = _card_bytes(folder)
    card = parse_card(content, f"The run folder {folder.name}")
    for name, digest in sorted(card.files.items()):
        _check_file(folder, name, digest)
    trunks = {branch.trunk: _find_trunk(folder, branch) for branch in card.branches}
    return Run(folder, card, bytes_digest(content), trunks)


def parse_card(content: bytes, where: str) -> RunCard:
    """`run.json` bytes -> card; `where` begins the sentence of a refusal (BadInput)."""
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        raise BadInput(f"{where} has a {CARD_FILE} that is not JSON: copy or write the run again.") from None
    version = fields.get("schema_version") if isinstance(fields, dict) else None
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise BadInput(
            f"{where} has schema version {version!r} and this program reads {SCHEMA_VERSION}: "
            "open it with the version of the program that wrote it."
        )
    try:
        return RunCard.model_validate(fields)
    except ValidationError as error:
        raise BadInput(
            f"{where} has a {CARD_FILE} that breaks the format ({explain_invalid(error)}): "
            "copy or write the run again."
        ) from None


def explain_invalid(error: ValidationError) -> str:
    """The first thing pydantic found, in a few words."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _load_named(folder: Path) -> Run:
    """A run under a root must be in the folder of its own id, or one run could stand in for another."""
    run = load_run(folder)
    if run.id != folder.name:
        raise BadInput(f"The folder {folder.name} holds the run {run.id}: rename the folder to {run.id}.")
    return run


def _candidates(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return sorted(
        item
        for item in root.iterdir()
        if item.is_dir() and not item.name.startswith(".") and item.name != "trunks"
    )


def _card_bytes(folder: Path) -> bytes:
    path = folder / CARD_FILE
    try:
        with open(path, "rb") as stream:
            content = stream.read(MAX_CARD_BYTES + 1)
    except FileNotFoundError:
        raise BadInput(
            f"The folder {folder.name} is not a run or was only half written ({CARD_FILE} is missing): "
            "copy or write the run again."
        ) from None
    except OSError as error:
        raise BadInput(
            f"The {CARD_FILE} of {folder.name} cannot be read ({error.strerror}): check the file."
        ) from None
    if len(content) > MAX_CARD_BYTES:
        raise BadInput(
            f"The {CARD_FILE} of {folder.name} is larger than {MAX_CARD_BYTES >> 20} MiB: it is not a run."
        )
    return content


def _check_file(folder: Path, name: str, digest: str) -> None:
    path = folder / name
    if not os.path.isfile(path):
        raise BadInput(
            f"The run folder {folder.name} was only half written ({name} is missing): "
            "copy or write the run again."
        )
    if _leads_out(folder, name):
        raise BadInput(
            f"The run folder {folder.name} has a link that leads out of it ({name}): "
            "put the file itself there."
        )
    if _digest_or_refuse(path) != digest:
        raise BadInput(
            f"The run folder {folder.name} was altered ({name} is not the file that was written): "
            "copy or write the run again."
        )


def _leads_out(folder: Path, name: str) -> bool:
    """Whether a link on the way to the file ends outside the folder. Paths are resolved only where there is a
    link: that costs more than all else, and a listing has thousands of files."""
    way = os.fspath(folder)
    for part in name.split("/"):
        way = os.path.join(way, part)
        if os.path.islink(way):
            return not (folder / name).resolve().is_relative_to(folder.resolve())
    return False


def _find_trunk(folder: Path, branch: Branch) -> Path:
    """Content-addressed, so any folder that has the right bytes will do; the run's own comes first."""
    name = f"{branch.trunk}.onnx"
    extra = [root / "trunks" for root in run_roots()]
    places = [
        folder / "trunks",
        folder.parent / "trunks",
        folder.parent.parent / "trunks",
        *extra,
        ASSETS / "trunks",
    ]
    altered = None
    for path in (place / name for place in places):
        if not path.is_file():
            continue
        if _digest_or_refuse(path) == branch.trunk:
            return path
        altered = path
    short = branch.trunk[:12]
    if altered:
        raise BadInput(
            f"The trunk {short} of the run {folder.name} was altered ({altered.name} has other bytes "
            "than its name says): fetch it again."
        )
    raise BadInput(
        f"The trunk {short} ({branch.backbone}) of the run {folder.name} is missing: put {short}... into "
        "assets/trunks or import the run's zip file."
    )


def _digest_or_refuse(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError as error:
        raise BadInput(f"{path.name} of the run cannot be read ({error.strerror}): check the file.") from None
