"""What a reader thought before and after seeing the model's score and map; kept in the session alone.

An image is called by its digest, or by its row where it is a case of a run's data: never by its name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

LEVELS = (1, 2, 3, 4, 5)
COLUMNS = (
    "reading", "image", "case_row", "case_of", "run", "label", "probability", "verdict", "trust",
    "suspicion_before", "recall_before", "row_before", "column_before",
    "suspicion_after", "recall_after", "row_after", "column_after",
    "suspicion_change", "recall_changed",
)  # fmt: skip
DIGITS = 12


@dataclass(frozen=True)
class Opinion:
    """suspicion: of LEVELS, 1 none to 5 certain. recall: whether to call the person back. place: (row,
    column) in native pixels of what the reader means, None where nothing was marked."""

    suspicion: int
    recall: bool
    place: tuple[int, int] | None = None


@dataclass(frozen=True)
class Asked:
    """What was read: the image's digest, its row and run where it is a case of a run's data, and by which
    run it was scored."""

    image: str
    run: str
    row: int | None = None
    of: str | None = None


@dataclass(frozen=True)
class Said:
    """What the model said in between: probability 0..1 of the label, the verdict, the trust card's level."""

    label: str
    probability: float
    verdict: str
    trust: str


@dataclass(frozen=True)
class Read:
    """One reading; said and after are None until they are there."""

    asked: Asked
    before: Opinion
    said: Said | None = None
    after: Opinion | None = None

    @property
    def change(self) -> int | None:
        """Suspicion after less before, -4..4."""
        return None if self.after is None else self.after.suspicion - self.before.suspicion

    @property
    def recall_changed(self) -> bool | None:
        return None if self.after is None else self.after.recall != self.before.recall


def table(reads: Iterable[Read]) -> list[list[object]]:
    """A row a reading under COLUMNS; None where there is nothing yet."""
    return [_row(number, read) for number, read in enumerate(reads, 1)]


def changes(reads: Iterable[Read]) -> str:
    """How often the reader changed their mind, in a sentence."""
    done = [read for read in reads if read.after is not None]
    if not done:
        return "No second opinion yet."
    moved = sum(read.change != 0 for read in done)
    recalls = sum(bool(read.recall_changed) for read in done)
    return f"Of {len(done)} second opinions {moved} changed the suspicion and {recalls} the recall."


def _row(number: int, read: Read) -> list[object]:
    asked, said = read.asked, read.said
    of_model = (said.label, round(said.probability, 4), said.verdict, said.trust) if said else (None,) * 4
    return [
        number, asked.image[:DIGITS], asked.row, asked.of, asked.run, *of_model,
        *_opinion(read.before), *_opinion(read.after), read.change, _word(read.recall_changed),
    ]  # fmt: skip


def _opinion(opinion: Opinion | None) -> tuple[object, ...]:
    if opinion is None:
        return (None,) * 4
    row, column = opinion.place or (None, None)
    return opinion.suspicion, _word(opinion.recall), row, column


def _word(answer: bool | None) -> str | None:
    return None if answer is None else "yes" if answer else "no"
