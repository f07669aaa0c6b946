"""A slide scored tile by tile, as work that can be watched, stopped and gone on with: each tile is on disk
before it is counted."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import BadInput
from models.slides.scores import SlideScores, write_tiles
from models.slides.tiles import Survey, Tile, TileSpec, survey, tile_study, tiles_for

if TYPE_CHECKING:
    from models.batch.journal import Journal
    from models.engines import Engine
    from models.inputs import Prepared
    from models.runs import Run
    from models.study import Slide

SLIDE_FILE = "slide.json"
_VERSION = 1
BATCH = 16
READERS = 2
_AHEAD = 3 * BATCH

Watch = Callable[[int, int], None]


class Cancelled(Exception):
    """The scoring was stopped; what is done is kept."""


class SlideJob:
    """One slide through one run.

        job = SlideJob(run, engine, slide, None, folder, watch=show_progress)
        scores = job.score()       # Cancelled where it was stopped; job.scores is what is done
        scores = job.score()       # goes on from there

    In memory are the thumbnail, a number a tile and class, and some dozens of tiles; the folder gets
    slide.json (what this is), journal.jsonl (a line a tile) and tiles.csv.
    """

    def __init__(
        self,
        run: Run,
        engine: Engine,
        slide: Slide,
        spec: TileSpec | None,
        folder: Path,
        *,
        limit: int | None = None,
        resume: bool = False,
        synthetic: bool = False,
        watch: Watch | None = None,
    ) -> None:
        """spec: None for the tiles the run was trained on. limit: only so many tiles, spread over the tissue.
        resume: go on with what the folder holds. synthetic: whether the slide was drawn. watch: called with
        (done, total) tiles, may raise to stop. BadInput for a run of another modality, or whose tiles are not
        known."""
        if limit is not None and limit < 1:
            raise BadInput(f"--limit {limit} leaves no tile: give 1 or more.")
        self.run, self.engine, self.slide, self.folder = run, engine, slide, folder
        self.spec = tiles_for(run, spec)
        self.synthetic, self.watch = synthetic, watch
        self.survey: Survey | None = None
        self.done = self.total = 0
        self._limit, self._resume = limit, resume
        self._stop = threading.Event()
        self._probabilities = np.zeros((0, 0, 0), np.float32)
        self._unreadable: dict[tuple[int, int], str] = {}
        self._clock: tuple[float, int] | None = None

    @property
    def scores(self) -> SlideScores | None:
        """What is done so far; None before the tissue is found. It does not change afterwards."""
        if self.survey is None or self._probabilities.shape[:2] != self.survey.grid.shape:
            return None
        return SlideScores(
            run=self.run,
            survey=self.survey,
            slide=facts(self.slide),
            probabilities=self._probabilities.copy(),
            unreadable=dict(self._unreadable),
            asked=self.total,
            engine=self.engine.name,
            synthetic=self.synthetic,
        )

    @property
    def rate(self) -> float | None:
        """Tiles a second since it was started or gone on with; None until the first are through."""
        if self._clock is None or self.done <= self._clock[1]:
            return None
        began, before = self._clock
        return (self.done - before) / max(1e-9, time.monotonic() - began)

    @property
    def seconds_left(self) -> float | None:
        return (self.total - self.done) / self.rate if self.rate else None

    def cancel(self) -> None:
        """Stop after the tiles that are being computed, from another thread: `score()` raises Cancelled."""
        self._stop.set()

    def score(self) -> SlideScores:
        """Score the tiles that are left. Cancelled where it was stopped; another call goes on.

        BadInput: no scale, no tissue, not one readable tile, a folder that cannot be written, is full, is in
        use or holds another slide's or run's tiles.
        """
        from models.batch.journal import Journal
        from models.batch.storage import locked, write_json

        self._stop.clear()
        with locked(self.folder):
            self._check_folder()
            if self.survey is None:
                self.survey = survey(self.slide, self.spec)
            # Only now: a slide that is refused leaves the folder free for another try.
            write_json(self.folder / SLIDE_FILE, self._signature())
            left = self._take_over()
            with closing(Journal(self.folder)) as journal:
                try:
                    self._score(left, journal)
                finally:
                    write_tiles(self.scores, self.folder)
        if self.done and len(self._unreadable) >= self.done:
            raise BadInput(f"Not one tile could be read: {next(iter(self._unreadable.values()))}")
        return self.scores

    def _check_folder(self) -> None:
        """The folder is free, or this job's own."""
        path = self.folder / SLIDE_FILE
        if not path.exists():
            return
        if not self._resume:
            raise BadInput(
                f"{self.folder} holds the tiles of a slide already: give --resume to go on, or another "
                "folder."
            )
        if _read(path) != self._signature():
            raise BadInput(
                f"{self.folder} holds the tiles of another slide, of another run or of other tiles: give "
                "another folder."
            )

    def _take_over(self) -> list[Tile]:
        """What the journal holds into the grids; the tiles that are left, from coarse to fine."""
        from models.batch.item import OK
        from models.batch.journal import read_rows

        self._resume = True  # from now on the folder is this job's
        shape = self.survey.grid.shape
        self._probabilities = np.full((*shape, len(self.run.classes)), np.nan, np.float32)
        self._unreadable.clear()
        known = set()
        for _, row in read_rows(self.folder):
            if not 0 <= row.index < shape[0] * shape[1]:
                continue
            at = divmod(row.index, shape[1])
            known.add(at)
            if row.status == OK and self.run.id in row.scores:
                self._probabilities[at] = row.scores[self.run.id].probabilities
            else:
                self._unreadable[at] = row.why
        asked = self._asked()
        left = [tile for tile in asked if (tile.row, tile.column) not in known]
        self.total = len(asked)
        self.done = self.total - len(left)
        return left

    def _asked(self) -> list[Tile]:
        tiles = list(self.survey.tiles())
        if self._limit is None or self._limit >= len(tiles):
            return tiles
        chosen = np.unique(np.linspace(0, len(tiles) - 1, self._limit).round().astype(int))
        in_place = sorted(range(len(tiles)), key=lambda i: (tiles[i].row, tiles[i].column))
        kept = {in_place[i] for i in chosen}
        return [tile for i, tile in enumerate(tiles) if i in kept]

    def _score(self, left: list[Tile], journal: Journal) -> None:
        self._clock = time.monotonic(), self.done
        self._tell()
        waiting: list[tuple[Tile, Prepared]] = []
        with closing(self._read_ahead(left)) as found:
            for tile, result in found:
                if isinstance(result, BadInput):
                    self._keep(journal, [], [(tile, str(result))])
                else:
                    waiting.append((tile, result))
                if len(waiting) >= BATCH:
                    self._predict(waiting, journal)
                    waiting = []
        if waiting:
            self._predict(waiting, journal)

    def _read_ahead(self, left: list[Tile]) -> Iterator[tuple[Tile, Prepared | BadInput]]:
        """Each tile in order as the network's input, some of them read while the network computes."""
        ahead: deque[tuple[Tile, Future]] = deque()
        with ThreadPoolExecutor(READERS, thread_name_prefix="slide") as pool:
            try:
                for tile in left:
                    self._check()
                    ahead.append((tile, pool.submit(self._prepared, tile)))
                    if len(ahead) >= _AHEAD:
                        first, future = ahead.popleft()
                        yield first, future.result()
                while ahead:
                    self._check()
                    first, future = ahead.popleft()
                    yield first, future.result()
            finally:
                for _, future in ahead:
                    future.cancel()

    def _prepared(self, tile: Tile) -> Prepared | BadInput:
        try:
            return self.run.inputs.tensor(tile_study(self.slide, self.spec, tile))
        except BadInput as refusal:
            return refusal

    def _predict(self, waiting: list[tuple[Tile, Prepared]], journal: Journal) -> None:
        answer = self.engine.predict(np.concatenate([prepared.tensor for _, prepared in waiting]))
        scored = zip((t for t, _ in waiting), answer.probabilities, answer.logits, strict=True)
        self._keep(journal, list(scored), [])

    def _keep(self, journal: Journal, scored: list[tuple], unreadable: list[tuple[Tile, str]]) -> None:
        """On disk first, then in the grids, then counted."""
        from models.batch.item import OK, UNREADABLE, Row, Score

        columns = self.survey.grid.columns
        rows = [
            Row(
                tile.row * columns + tile.column,
                tile.key,
                OK,
                scores={self.run.id: Score(tuple(map(float, p)), tuple(map(float, logits)))},
            )
            for tile, p, logits in scored
        ]
        rows += [Row(t.row * columns + t.column, t.key, UNREADABLE, why) for t, why in unreadable]
        journal.add(rows)
        for tile, p, _ in scored:
            self._probabilities[tile.row, tile.column] = p
        for tile, why in unreadable:
            self._unreadable[tile.row, tile.column] = why
        self.done += len(rows)
        self._tell()

    def _check(self) -> None:
        if self._stop.is_set():
            raise Cancelled(f"Cancelled: {self.done:,} of {self.total:,} tiles are done and kept.")

    def _tell(self) -> None:
        self._check()
        if self.watch:
            self.watch(self.done, self.total)

    def _signature(self) -> dict[str, Any]:
        """What two calls must share for one to go on with the other's tiles."""
        return {
            "version": _VERSION,
            "run": self.run.id,
            "run_digest": self.run.digest,
            "slide": self.slide.digest,
            "mpp": self.slide.mpp,
            "tiles": self.spec.to_dict(),
        }


def facts(slide: Slide) -> dict[str, Any]:
    """What results say of their slide; nothing of its name."""
    return {
        "format": slide.vendor,
        "width": slide.width,
        "height": slide.height,
        "mpp": slide.mpp,
        "mpp_given": slide.mpp_given,
        "objective": slide.objective,
        "levels": len(slide.levels),
        "digest": slide.digest,
    }


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
