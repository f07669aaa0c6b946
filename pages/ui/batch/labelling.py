"""Labels that come after the batch: read, matched with its rows, kept beside its images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.batch.as_run import Said
from models.errors import BadInput
from pages.ui.batch.columns import Results
from pages.ui.plain_text import amount

if TYPE_CHECKING:
    from models.batch.labels import Labels
    from models.batch.results import BatchRun
    from pages.ui.batch.places import BatchPlace

FILE = "added-labels.json"
MOST_BYTES = 64 << 20
NAMED = 5


@dataclass(frozen=True)
class Matched:
    """A label file against a batch. said: key -> what it says. unknown: labels that mean no class of any run.
    astray: names of the file that belong to no row of the batch."""

    said: Mapping[str, Said]
    unknown: tuple[str, ...]
    astray: tuple[str, ...]

    def renamed(self, meanings: Mapping[str, str]) -> dict[str, Said]:
        """With the class that an unknown label means; one that means none is left out."""
        found = {}
        for key, said in self.said.items():
            label = meanings.get(said.label, "" if said.label in self.unknown else said.label)
            if label or said.patient_id:
                found[key] = Said(label, said.patient_id)
        return found


@dataclass(frozen=True, eq=False)
class Added:
    """Labels that came later. said: by key. mark: tells them from others."""

    said: Mapping[str, Said]
    mark: str


def match(labels: Labels, results: Results) -> Matched:
    """BadInput where no row of the file belongs to a row of the batch."""
    said, used = {}, set()
    for key in results.text("key").tolist():
        row = labels.find(key)
        if row is not None:
            used.add(row.row)
            if row.label or row.patient_id:
                said[key] = Said(row.label, row.patient_id)
    if not used:
        first = ", ".join(row.file for row in labels.rows[:3])
        raise BadInput(
            f"No row of {labels.title} belongs to an image of this batch (its files: {first}): the column "
            "file must hold the images' names or paths."
        )
    astray = tuple(row.file for row in labels.rows if row.row not in used)
    known = dict.fromkeys(one.label for one in said.values() if one.label)
    unknown = tuple(label for label in known if not means_anything(label, results.runs))
    return Matched(said, unknown, astray)


def means_anything(label: str, runs: tuple[BatchRun, ...]) -> bool:
    return any(run.label_index(label) >= 0 for run in runs)


def report(matched: Matched, results: Results) -> list[str]:
    """What was found, as sentences."""
    labelled = sum(bool(said.label) for said in matched.said.values())
    told = [f"{labelled:,} of {amount(len(results), 'row')} of the batch get a label."]
    if matched.astray:
        first = ", ".join(matched.astray[:NAMED])
        more = f" and {len(matched.astray) - NAMED:,} more" if len(matched.astray) > NAMED else ""
        told.append(f"{amount(len(matched.astray), 'row')} of the file without an image here: {first}{more}.")
    return told


def keep(place: BatchPlace, said: Mapping[str, Said] | None) -> bool:
    """Keep the labels beside the batch's images, or forget them (None). False where nothing may be written
    there: the batch of a command line is looked at only."""
    path = _path(place)
    if path is None:
        return False
    if said is None:
        path.unlink(missing_ok=True)
        return True
    content = json.dumps({key: [one.label, one.patient_id] for key, one in said.items()})
    draft = path.with_name(f".{path.name}.new")
    try:
        draft.write_text(content, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise BadInput(
            f"The labels cannot be kept ({error.strerror}): make room and give them again."
        ) from None
    return True


def kept(place: BatchPlace) -> Added:
    """The labels that were added to this batch; none where there are none."""
    path = _path(place)
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path else {}
        said = {key: Said(*map(str, one)) for key, one in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        said = {}
    return Added(said, f"kept {stamp(place)}")


def stamp(place: BatchPlace) -> float:
    """When labels were added, 0 where none were: cheap to ask at every rerun."""
    path = _path(place)
    try:
        return path.stat().st_mtime if path else 0.0
    except OSError:
        return 0.0


def with_labels(results: Results, said: Mapping[str, Said]) -> Results:
    """The rows under these labels where they have any."""
    if not said:
        return results
    labels, patients = results.text("label").copy(), results.text("patient_id").copy()
    for at, key in enumerate(results.text("key").tolist()):
        own = said.get(key)
        if own is not None:
            labels[at] = own.label or labels[at]
            patients[at] = own.patient_id or patients[at]
    return results.with_words({"label": np.array(labels, dtype=object), "patient_id": patients})


def _path(place: BatchPlace) -> Path | None:
    return None if place.spool is None else place.spool.parent / FILE
