"""A batch as one HTML file: counts, the cases to look at first with their pictures, figures where there are
labels or masks, and what was not scored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.batch import OK
from models.errors import BadInput
from models.reports import Picture, Report, Section, Table, Text, facts
from models.reports.wording import DIGITS, count, listed, told
from xai.batch.case import shrunk
from xai.batch.columns import Columns
from xai.batch.pictures import find_file, jpeg, write_whole
from xai.batch.report_figures import evaluation_parts, measure_parts
from xai.batch.steps import CAUTIONS, FAMILIAR, HEATMAP, REFUSING, THUMBNAIL, WHY_REFUSED
from xai.batch.table import Labels, called
from xai.batch.triage import SUSPICIOUS, disagreement, order

if TYPE_CHECKING:
    from models.batch import Batch, Row
    from models.batch.results import BatchRun
    from models.reports.document import Cell, Part
    from models.runs import Run

SHOWN = 30
OF_PEOPLE = (
    "This file holds images, and whatever text was burned into them: send it only to who may see them."
)
#: Cases that were not scored, by name; the table has all.
LISTED = 50
_PICTURE_SIDE = 320
_LONGEST_NAME = 60
STATUS_WORDS = {
    "ok": "scored",
    "unreadable": "could not be read",
    "refused": "refused by every run",
    "failed": "failed by a fault of this program",
}
CAUTION_WORDS = {
    "blank": "blank: no place speaks for the class",
    "padding": "lit in the empty margin around the image",
    "saturated": "at the top of the colours over half of the image",
    "border": "along the edge of the image",
    "marks": "on marks drawn into the image",
    "outside": "off the tissue",
    "unfamiliar": "of an image unlike the run's training images",
    "relative": "drawn over its own maximum, not to be compared with another",
    "unscaled": "of a run without a colour range of its own",
}
ON_THE_CARD = {"auc": "AUC", "sensitivity": "Sensitivity", "pointing": "Pointing game"}
FAMILIAR_WORDS = {"good": "like it", "doubt": "at its edge", "bad": "unlike it", "unknown": "unknown"}


class _Seen:
    """What one pass through the rows counts.

    labelled: scored images with a label. cautions, familiar: run id -> kind or level -> images. unscored: the
    first of the rows that no run scored.
    """

    def __init__(self, runs: Sequence[BatchRun]) -> None:
        self.labelled = 0
        self.cautions: dict[str, Counter[str]] = {run.id: Counter() for run in runs}
        self.familiar: dict[str, Counter[str]] = {run.id: Counter() for run in runs}
        self.unscored: list[Row] = []

    def through(self, rows: Iterable[Row], labels: Labels) -> Iterator[Row]:
        """The rows, each counted on its way."""
        for row in rows:
            self.labelled += bool(row.scores and labels.get(row.key, row.label))
            if row.status != OK and len(self.unscored) < LISTED:
                self.unscored.append(row)
            for run_id, score in row.scores.items():
                self.cautions[run_id].update(str(score.extra.get(CAUTIONS) or "").split())
                if level := score.extra.get(FAMILIAR):
                    self.familiar[run_id][str(level)] += 1
            yield row


def html_report(
    batch: Batch,
    path: str | Path,
    runs: Mapping[str, Run] | None = None,
    *,
    shown: int = SHOWN,
    labels: Labels | None = None,
) -> Path:
    """`batch_report` as one self-contained HTML file at `path`, whole or not there. BadInput where it cannot
    be written."""
    from models.reports import to_html

    content = to_html(batch_report(batch, runs, shown=shown, labels=labels)).encode()
    try:
        write_whole(Path(path), content)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise BadInput(f"{path} cannot be written ({reason}): give another place for the report.") from None
    return Path(path)


def batch_report(
    batch: Batch,
    runs: Mapping[str, Run] | None = None,
    *,
    shown: int = SHOWN,
    labels: Labels | None = None,
) -> Report:
    """What the batch says, finished or not.

    runs: run id -> run, where they are at hand: measures against masks and the runs' own limits need them.
    shown: how many of the most suspicious cases are shown with their pictures; they are those of the batch's
    first run. labels: key -> label, for labels that were added afterwards.
    """
    runs, labels = runs or {}, labels or {}
    seen = _Seen(batch.runs)
    columns = Columns(batch.runs, seen.through(batch.rows(), labels))
    first = batch.runs[0]
    scored = int((~np.isnan(columns.answers(first.id).probabilities).any(axis=1)).sum())
    at = order(columns, SUSPICIOUS, first.id)[: min(shown, scored)].tolist()
    sections = [
        Section("What was scored", _counts(batch, seen, columns)),
        Section(f"Most suspicious images, by {first.id}", _suspicious(batch, first, at, scored, labels)),
    ]
    for run in batch.runs:
        if parts := evaluation_parts(batch, run, labels):
            sections.append(Section(f"Against the labels: {run.id}", parts))
    for run in batch.runs:
        if run.id in runs and (parts := measure_parts(batch, runs[run.id], labels)):
            sections.append(Section(f"Heatmaps against the masks: {run.id}", parts))
    if guarded := _guards(batch, seen):
        sections.append(Section("Maps and images to doubt", guarded))
    if seen.unscored:
        sections.append(Section("What was not scored", _unscored(batch, seen)))
    sections.append(Section("Where this comes from", _origin(batch, runs)))
    names = listed([run.id for run in batch.runs])
    return Report("A batch of images", f"{batch.inputs or 'Images'} by {names}", tuple(sections))


def _counts(batch: Batch, seen: _Seen, columns) -> tuple[Part, ...]:
    statuses = [(STATUS_WORDS.get(name, name), n) for name, n in batch.counts.items() if n or name == OK]
    parts: list[Part] = []
    if not batch.complete:
        of = f" of {batch.total:,}" if batch.total else ""
        parts.append(Text(f"This batch is not finished: {len(batch):,}{of} images so far.", "warning"))
    pairs = [("Images", len(batch)), *statuses, ("with a label", seen.labelled)]
    parts.append(facts((name.capitalize(), value) for name, value in pairs))
    rows = []
    for run in batch.runs:
        p = columns.answers(run.id).probabilities
        scored = p[~np.isnan(p).any(axis=1)]
        positive = sum(called(values, run) == run.positive for values in scored.tolist())
        rule = f"{run.threshold:.3f}" if len(run.classes) == 2 else "the most probable class"
        share = f"{positive / len(scored):.1%}".replace("%", " %") if len(scored) else "-"
        rows.append((run.id, run.positive, rule, len(scored), positive, share))
    heads = ("Run", "Looks for", "Called from a probability of", "Scored", "Called so", "Share")
    parts.append(Table(heads, tuple(rows)))
    if len(batch.runs) > 1:
        found = disagreement(columns)
        several = int((found.answers >= 2).sum())
        text = f"The runs call {int(found.differ.sum()):,} of {count(several, 'image')} differently."
        parts.append(Text(text))
    return tuple(parts)


def _suspicious(
    batch: Batch, run: BatchRun, at: Sequence[int], total: int, labels: Labels
) -> tuple[Part, ...]:
    """A table with pictures. In the place of a map that a guard refused stands why."""
    rows = _rows_at(batch, at)
    if not rows:
        return (Text("No image was scored."),)
    pictured = [(row, *_pictures(batch, row, run.id)) for row in rows]
    with_pictures = any(image or heatmap for _, image, heatmap in pictured)
    with_labels = any(labels.get(row.key, row.label) for row in rows)
    heads = ["Image", *(["As stored", "Heatmap"] if with_pictures else []), f"Probability of {run.positive}"]
    heads += ["Called", *(["Label"] if with_labels else []), "To note"]
    cells: list[tuple[Cell, ...]] = []
    for row, image, heatmap in pictured:
        score = row.scores[run.id]
        own: list[Cell] = [_short(row.key)]
        own += [image or "-", heatmap or "-"] if with_pictures else []
        own += [f"{score.probabilities[run.classes.index(run.positive)]:.3f}"]
        own += [called(score.probabilities, run)]
        own += [labels.get(row.key, row.label) or "-"] if with_labels else []
        cells.append((*own, _notes(row, run.id)))
    said = f"{len(rows):,} of {total:,} images, the most probable first. A rank is no diagnosis."
    parts: list[Part] = [Text(said), Table(tuple(heads), tuple(cells))]
    if with_pictures:
        parts.append(
            Text("Pictures are reduced in size. Where a guard refused a map, its place says why.", "small")
        )
        if not run.synthetic:
            parts.append(Text(OF_PEOPLE, "small"))
    return tuple(parts)


def _rows_at(batch: Batch, at: Sequence[int]) -> list[Row]:
    """The rows at those positions, in that order; one pass."""
    wanted = set(at)
    found = {position: row for position, row in enumerate(batch.rows()) if position in wanted}
    return [found[position] for position in at]


def _pictures(batch: Batch, row: Row, run_id: str) -> tuple[Cell, Cell]:
    """The image and its heatmap, or why there is no map; None where there is no picture."""
    extra = row.scores[run_id].extra
    image = _picture(batch.folder, extra.get(THUMBNAIL), f"{_short(row.key)} as stored")
    kinds = str(extra.get(CAUTIONS) or "").split()
    refused = next((WHY_REFUSED[kind] for kind in kinds if kind in REFUSING), None)
    return image, refused or _picture(batch.folder, extra.get(HEATMAP), f"Heatmap of {_short(row.key)}")


def _picture(folder: Path, relative: object, alt: str) -> Picture | None:
    """A picture of the batch, read as any image of a stranger and written anew; None where there is none."""
    from models.study import read_study

    path = find_file(folder, relative)
    try:
        study = None if path is None else read_study(path)
    except BadInput:
        return None
    return None if study is None else Picture(jpeg(shrunk(study, _PICTURE_SIDE).display()), alt)


def _notes(row: Row, run_id: str) -> str:
    """Laterality, view and spacing, cautions, a doubt about the image: what a reader must know beside the
    number."""
    extra = row.scores[run_id].extra
    placed = " ".join(str(row.facts[name]) for name in ("laterality", "view") if row.facts.get(name))
    spacing = [row.facts.get(name) for name in ("row_spacing_mm", "column_spacing_mm")]
    if all(spacing):
        sides = " x ".join(f"{side:.3g}" for side in dict.fromkeys(spacing))
        placed = ", ".join(filter(None, [placed, f"{sides} mm a pixel"]))
    kinds = str(extra.get(CAUTIONS) or "").split()
    notes = [placed, *(f"map {CAUTION_WORDS.get(kind, kind)}" for kind in kinds if kind != "unfamiliar")]
    level = str(extra.get(FAMILIAR) or "")
    if level in ("doubt", "bad"):
        notes.append(f"training data: {FAMILIAR_WORDS[level]}")
    notes.append(str(extra.get("notice") or ""))
    return "; ".join(filter(None, notes)) or "-"


def _guards(batch: Batch, seen: _Seen) -> tuple[Part, ...]:
    parts: list[Part] = []
    for name, counted, words in (
        ("Maps", seen.cautions, CAUTION_WORDS),
        ("Training data", seen.familiar, FAMILIAR_WORDS),
    ):
        kinds = [kind for kind in words if any(counted[run.id][kind] for run in batch.runs)]
        if not kinds:
            continue
        rows = [
            (words[kind], *(counted[run.id][kind] for run in batch.runs), _drawn(name, kind))
            for kind in kinds
        ]
        parts.append(Table((name, *(f"Images, {run.id}" for run in batch.runs), ""), tuple(rows)))
    return tuple(parts)


def _drawn(name: str, kind: str) -> str:
    return "not drawn" if name == "Maps" and kind in REFUSING else ""


def _unscored(batch: Batch, seen: _Seen) -> tuple[Part, ...]:
    rows = [(_short(row.key), STATUS_WORDS.get(row.status, row.status), row.why) for row in seen.unscored]
    total = sum(n for name, n in batch.counts.items() if name != OK)
    more = [] if total <= len(rows) else [Text(f"And {total - len(rows):,} more: see the table.", "small")]
    return (Table(("Image", "What became of it", "Why"), tuple(rows)), *more)


def _origin(batch: Batch, runs: Mapping[str, Run]) -> tuple[Part, ...]:
    parts: list[Part] = [
        facts([("Input", batch.inputs), ("Started", batch.started), ("Engine", batch.engine)])
    ]
    for run in batch.runs:
        card = runs[run.id].card if run.id in runs else None
        pairs = [
            ("Run", f"{run.title} ({run.id})"),
            ("Its digest", run.digest[:DIGITS]),
            ("Classes", listed(run.classes)),
            ("Modality", run.modality),
            ("Trained on", "synthetic phantoms" if run.synthetic else card.data.name if card else ""),
            *(
                (f"{words} on its own test cases", told(card.metrics["test"][name], 2))
                for words, name in (
                    ("AUC", "auc"),
                    ("Sensitivity", "sensitivity"),
                    ("Pointing game", "pointing"),
                )
                if card and name in card.metrics.get("test", {})
            ),
            ("Intended use", card.intended_use if card else ""),
            ("Limits", card.limits if card else ""),
        ]
        parts.append(facts(pairs))
    return tuple(parts)


def _short(key: str) -> str:
    """The end of a key tells cases apart better than its folders do."""
    return key if len(key) <= _LONGEST_NAME else f"\N{HORIZONTAL ELLIPSIS}{key[-_LONGEST_NAME + 1 :]}"
