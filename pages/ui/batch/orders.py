"""What was asked of the Batch page, kept beside the batch: with it a restarted server goes on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from models.errors import BadInput
from models.runs import Run
from pages.ui.batch.places import ORDER
from pages.ui.batch.spool import read_json, write_json
from pages.ui.plain_text import amount

SCHEMA = 1
STATE = "state.json"


@dataclass(frozen=True)
class Uploads:
    """Files that were given: `inputs` below the folder of incoming files, `labels` a CSV there or "", masks
    as (name, file). table: the key in the listing of the member that `labels` was copied from, or ""."""

    inputs: tuple[str, ...]
    files: int
    archives: int
    labels: str = ""
    masks: tuple[tuple[str, str], ...] = ()
    table: str = ""
    kind = "uploads"

    @property
    def title(self) -> str:
        parts = [amount(self.files, "file")] if self.files else []
        return " and ".join(parts + ([amount(self.archives, "archive")] if self.archives else []))


@dataclass(frozen=True)
class Pack:
    """A data set of this computer, by its manifest."""

    name: str
    path: str
    kind = "pack"

    @property
    def title(self) -> str:
        return self.name


@dataclass(frozen=True)
class Phantoms:
    """Phantoms 0 .. count - 1 of a series, to be drawn."""

    modality: str
    count: int
    seed: int
    marker: bool = False
    kind = "phantoms"

    @property
    def title(self) -> str:
        marked = " with the planted marker" if self.marker else ""
        return f"{self.count:,} {self.modality} phantoms of series {self.seed}{marked}"


Source = Uploads | Pack | Phantoms
_SOURCES = {each.kind: each for each in (Uploads, Pack, Phantoms)}


@dataclass(frozen=True)
class Order:
    """One batch as asked. runs: (id, digest), the first in front. frames: "first" or "all" of a file that has
    several. use_labels: whether labels that the source brings are looked at. meanings: (label, class) for
    labels that the runs do not know. asked: seconds since 1970."""

    source: Source
    runs: tuple[tuple[str, str], ...]
    heatmaps: bool = True
    measures: bool = True
    frames: str = "first"
    use_labels: bool = True
    meanings: tuple[tuple[str, str], ...] = ()
    asked: float = field(default_factory=time.time)

    @property
    def title(self) -> str:
        """For people; it holds no name of a file that was given."""
        return f"{self.source.title}, {self.asked_of}"

    @property
    def asked_of(self) -> str:
        """The runs, for people."""
        names = ", ".join(run_id for run_id, _ in self.runs[:2])
        more = f" and {len(self.runs) - 2} more" if len(self.runs) > 2 else ""
        return f"{names}{more}"

    def with_source(self, source: Source) -> Order:
        """The same, of those images."""
        return replace(self, source=source)

    def runs_of(self, runs: Sequence[Run]) -> list[Run]:
        """The runs it was asked with, of those at hand. BadInput where one is gone or is another by now."""
        by_id, found = {run.id: run for run in runs}, []
        for run_id, digest in self.runs:
            run = by_id.get(run_id)
            if run is None or run.digest != digest:
                what = "is not at hand any more" if run is None else "was changed since this batch was begun"
                raise BadInput(f"The run {run_id} {what}: begin the batch anew.")
            found.append(run)
        return found


def write_order(home: Path, order: Order) -> None:
    source = {"kind": order.source.kind, **asdict(order.source)}
    write_json(home / ORDER, {"schema": SCHEMA, **asdict(order), "source": source})


def read_order(home: Path) -> Order:
    """What was asked. BadInput where that cannot be read."""
    found = read_json(home / ORDER) or {}
    try:
        if found.pop("schema") != SCHEMA:
            raise KeyError
        source = found.pop("source")
        made = _SOURCES[source.pop("kind")](**{name: _frozen(value) for name, value in source.items()})
        return Order(made, **{name: _frozen(value) for name, value in found.items()})
    except (KeyError, TypeError, AttributeError):
        raise BadInput("What was asked of this batch cannot be read any more: begin it anew.") from None


def _frozen(value: object) -> object:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value
