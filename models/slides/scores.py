"""What a run said of a slide's tiles: the probability map, its summary, and the table of the tiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.slides.tiles import Survey, Tile

if TYPE_CHECKING:
    from models.runs import Run

TILES_FILE = "tiles.csv"
HOTTEST = 12
_TOP_SHARE = 0.01
ONE_SLIDE = "one slide: its tiles are neighbours, not a sample, so no interval is stated"
NONE_SCORED = "no tile was scored"


@dataclass(frozen=True, eq=False)
class SlideScores:
    """A slide as far as it is scored. probabilities: float32 [rows, columns, classes], calibrated as for
    single patches, NaN where a tile has no tissue or is not done. slide: its facts, without a name. asked:
    tiles there were to score. unreadable: (row, column) -> a sentence. synthetic: the slide was drawn."""

    run: Run
    survey: Survey
    slide: Mapping[str, Any]
    probabilities: np.ndarray
    unreadable: Mapping[tuple[int, int], str]
    asked: int
    engine: str
    synthetic: bool = False

    @property
    def positive(self) -> str:
        return self.run.positive

    @property
    def threshold(self) -> float:
        """The run's default operating point, chosen on single patches."""
        return float(self.run.operating_point.threshold)

    @property
    def map(self) -> np.ndarray:
        """float32 [rows, columns]: probability of the positive class, NaN where there is none."""
        return self.probabilities[..., self.run.classes.index(self.run.positive)]

    @property
    def scored(self) -> int:
        return int(np.isfinite(self.map).sum())

    @property
    def complete(self) -> bool:
        """Whether every tile that was asked for is scored or known to be unreadable."""
        return self.scored + len(self.unreadable) >= self.asked

    def called(self) -> np.ndarray:
        """bool [rows, columns]: tiles called positive, by the rule every metric of the run uses."""
        from models.evaluation import predicted_classes

        positive = self.run.classes.index(self.run.positive)
        found = np.isfinite(self.map)
        called = np.zeros(found.shape, bool)
        called[found] = predicted_classes(self.probabilities[found], self.threshold, positive) == positive
        return called

    def hottest(self, count: int = HOTTEST) -> list[tuple[Tile, float]]:
        """The tiles with the highest probability of the positive class, highest first; ties in reading
        order."""
        values = self.map.ravel()
        found = np.flatnonzero(np.isfinite(values))
        order = found[np.argsort(-values[found], kind="stable")][:count]
        columns = self.survey.grid.columns
        return [(self.survey.tile(*divmod(int(at), columns)), float(values[at])) for at in order]

    def share_called(self) -> dict[str, Any]:
        """Share of the scored tiles that are called positive."""
        return _figure(self.called().sum() / self.scored, self.scored) if self.scored else _undefined()

    def top_mean(self) -> dict[str, Any]:
        """Mean probability of the hottest 1 % of the scored tiles, at least one."""
        count = max(1, round(self.scored * _TOP_SHARE))
        top = [p for _, p in self.hottest(count)]
        return _figure(float(np.mean(top)), len(top)) if top else _undefined()

    def mean(self) -> dict[str, Any]:
        """Mean probability over the scored tiles."""
        return _figure(float(np.nanmean(self.map)), self.scored) if self.scored else _undefined()

    @property
    def unvalidated(self) -> str:
        """What these figures are not; to be shown with every one of them."""
        spec, data = self.survey.spec, self.run.card.data
        return (
            f"No verdict on the whole slide: {self.run.id} was trained and tested on single patches "
            f"({data.name}; tiles here are {spec.size} x {spec.size} pixels of {spec.mpp:g} µm), and neither "
            "its threshold nor any summary of its tiles was validated on slides. Research use only: not a "
            "diagnostic device."
        )

    @property
    def notices(self) -> tuple[str, ...]:
        """Whole sentences, to be shown with the figures."""
        told = list(self.survey.notices)
        if self.unreadable:
            told.append(f"{len(self.unreadable):,} tiles could not be read: the file is damaged there.")
        every = int(self.survey.chosen.sum())
        if self.asked < every:
            told.append(
                f"Only {self.asked:,} of the {every:,} tiles with tissue were asked for, spread over it."
            )
        if self.synthetic != self.run.card.synthetic:
            told.append(
                "The slide is drawn and the run was trained on real tissue: its figures mean nothing."
                if self.synthetic
                else "The run was trained on drawn phantoms alone: what it says of real tissue means nothing."
            )
        return tuple(told)

    def _so_far(self) -> list[str]:
        return [] if self.complete else [f"{self.scored:,} of {self.asked:,} tiles are scored so far."]

    def summary(self) -> dict[str, Any]:
        """Every figure as JSON; metrics as everywhere."""
        return {
            "run": self.run.id,
            "run_digest": self.run.digest,
            "engine": self.engine,
            "slide": dict(self.slide),
            "tiles": self.survey.spec.to_dict()
            | {"rows": self.survey.grid.rows, "columns": self.survey.grid.columns},
            "positive": self.positive,
            "threshold": self.threshold,
            "tissue_mm2": self.survey.tissue_mm2,
            "tissue_tiles": int(self.survey.chosen.sum()),
            "asked": self.asked,
            "scored": self.scored,
            "unreadable": len(self.unreadable),
            "complete": self.complete,
            "share_called": self.share_called(),
            "mean": self.mean(),
            "top_1_percent": self.top_mean(),
            "hottest": [
                {"row": t.row, "column": t.column, "x": t.x, "y": t.y, "side": t.side, "probability": p}
                for t, p in self.hottest()
            ],
            "validated": False,
            "unvalidated": self.unvalidated,
            "synthetic": self.synthetic or self.run.card.synthetic,
            "notices": [*self.notices, *self._so_far()],
        }


def write_tiles(scores: SlideScores, folder: Path) -> None:
    """tiles.csv: a row a tile that is done, in reading order; x, y and side in full-size pixels. Whole or not
    at all; BadInput where it cannot be written."""
    from models.batch.storage import whole_file
    from models.reports.tables import to_csv

    columns = table_columns(scores)
    with whole_file(folder / TILES_FILE) as sink:
        sink.write(to_csv(columns, ()).encode())
        for rows in table_rows(scores):
            # A row of the grid at a time: the table of a large slide is never whole in memory.
            sink.write(to_csv(columns, rows).partition("\r\n")[2].encode())


def table_columns(scores: SlideScores) -> list[str]:
    """The head of tiles.csv."""
    names = [f"p_{name}" for name in scores.run.classes]
    return ["row", "column", "x", "y", "side", "tissue", "status", "why", *names, "called_positive"]


def table_rows(scores: SlideScores) -> Iterator[list[list[Any]]]:
    """The lines of tiles.csv, a row of the grid at a time."""
    called = scores.called()
    done = np.isfinite(scores.map)
    for row, column in scores.unreadable:
        done[row, column] = True
    for row in np.flatnonzero(done.any(axis=1)):
        yield [_line(scores, int(row), int(column), called) for column in np.flatnonzero(done[row])]


def _line(scores: SlideScores, row: int, column: int, called: np.ndarray) -> list[Any]:
    tile = scores.survey.tile(row, column)
    place = [row, column, round(tile.x, 2), round(tile.y, 2), round(tile.side, 2), round(tile.tissue, 4)]
    why = scores.unreadable.get((row, column))
    if why is not None:
        return [*place, "unreadable", why, *[None] * len(scores.run.classes), None]
    found = [float(p) for p in scores.probabilities[row, column]]
    return [*place, "ok", "", *found, bool(called[row, column])]


def _figure(value: float, n: int) -> dict[str, Any]:
    return {"value": float(value), "low": None, "high": None, "n": int(n), "why_no_interval": ONE_SLIDE}


def _undefined() -> dict[str, Any]:
    return {"value": None, "low": None, "high": None, "n": 0, "why": NONE_SCORED}
