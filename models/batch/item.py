"""One thing to be read of a batch, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: Read and scored.
OK = "ok"
#: No image could be made of it.
UNREADABLE = "unreadable"
#: An image, but not one for this run.
REFUSED = "refused"
#: A fault of this program; the other cases are not touched by it.
FAILED = "failed"
STATUSES = (OK, UNREADABLE, REFUSED, FAILED)

Load = Callable[[], bytes | Path]
"""Gives what `models.study.read_study` takes; BadInput where it cannot. It can be pickled, so that another
process may call it."""


@dataclass(frozen=True)
class Item:
    """One image of a batch, not yet read.

    key: its name within the batch, of which there is one, and the same each time the same input is listed:
    the path below the input with "/", "archive.zip/folder/image.png" for a member, "image.dcm#3" for frame 3
    (from 1) of several. It is text of a stranger: never a path to open or write. index: its place, from 0.
    name: the file's name for people. label: as written by whoever labelled it, "" where nobody did.
    why: a sentence where it is refused before it is read (a link, an encrypted member); load is None then.
    """

    key: str
    index: int
    name: str
    load: Load | None
    label: str = ""
    patient_id: str = ""
    group: str = ""
    modality: str | None = None
    mask: Load | None = None
    frame: int = 0
    why: str = ""


@dataclass(frozen=True)
class Score:
    """What one run said of an item. probabilities: one a class, in the run's order; logits: one or one a
    class. extra: what the steps found (`models.batch.step`), column -> number, text or None."""

    probabilities: tuple[float, ...]
    logits: tuple[float, ...]
    extra: Mapping[str, float | int | str | bool | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """What became of an item. status: one of STATUSES; why: a sentence where it is not "ok", else "".

    scores: run id -> what it said; a run may be missing where it alone refused the image, and `refusals` says
    why. facts: of the image itself (modality, laterality, view, width, height, spacing), the same for all
    runs; never a name, a date or a number of a person.
    """

    index: int
    key: str
    status: str
    why: str = ""
    label: str = ""
    patient_id: str = ""
    group: str = ""
    scores: Mapping[str, Score] = field(default_factory=dict)
    refusals: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, float | int | str | bool | None] = field(default_factory=dict)
