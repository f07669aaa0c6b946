"""All runs side by side by what their cards say, and the published figures that stand beside them.

Only cards are read, no predictions: hundreds of runs cost milliseconds.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from models.runs.schema import Interval

if TYPE_CHECKING:
    from models.recipes.recipe import Published, Recipe
    from models.runs.folder import Run

TEST = "test"
#: What a leaderboard can be sorted by: metric -> whether more of it is better.
METRICS = {
    "auc": True, "accuracy": True, "balanced_accuracy": True, "sensitivity": True, "specificity": True,
    "ppv": True, "npv": True, "f1": True, "kappa": True, "mcc": True, "brier": False, "ece": False,
}  # fmt: skip
UNKNOWN = Interval(value=None, why="not measured")


@dataclass(frozen=True)
class Entry:
    """A run's line.

    part: the cases its metrics are over ("test" wherever the run has a test part). tested_on: names the test
    cases; runs with the same one were tested on the same cases. published: what the publication that the
    run's recipe follows printed; always of other data.
    """

    run: Run = field(repr=False)
    part: str
    metrics: dict[str, Interval] = field(repr=False)
    tested_on: str
    published: Published | None = field(repr=False)

    @property
    def id(self) -> str:
        return self.run.id

    @property
    def classes(self) -> str:
        return class_list(self.run.classes)

    @property
    def data(self) -> str:
        return self.run.card.data.name

    @property
    def network(self) -> str:
        """Branches joined by "+", and the head where it is not the usual one."""
        card = self.run.card
        name = " + ".join(branch.backbone for branch in card.branches) or card.network
        kind = card.head.kind if card.head else "pooled"
        return name if kind == "pooled" else f"{name} ({kind})"

    @property
    def n(self) -> int | None:
        """Test cases, as far as the card says."""
        return self.metric("auc").n or self.metric("accuracy").n or self.run.card.data.n_test

    def metric(self, name: str) -> Interval:
        """The metric with its 95 % interval; without a value where nobody measured it."""
        return self.metrics.get(name, UNKNOWN)


@dataclass(frozen=True)
class Landmark:
    """What a publication printed for a system that one of our recipes follows: on other data."""

    recipe: str
    modality: str
    classes: str
    network: str
    published: Published


@dataclass(frozen=True)
class Filters:
    """What to keep; an empty choice keeps everything. synthetic: None for both kinds."""

    modality: Sequence[str] = ()
    classes: Sequence[str] = ()
    data: Sequence[str] = ()
    synthetic: bool | None = None

    def keep(self, entry: Entry) -> bool:
        synthetic = self.synthetic is None or entry.run.card.synthetic == self.synthetic
        return synthetic and self._fits(entry.run.modality, entry.classes) and _in(entry.data, self.data)

    def keep_landmark(self, landmark: Landmark) -> bool:
        """By modality and classes only: the data of a publication are never those of a run."""
        return self._fits(landmark.modality, landmark.classes)

    def _fits(self, modality: str, classes: str) -> bool:
        return _in(modality, self.modality) and _in(classes, self.classes)


def entries(runs: Iterable[Run]) -> tuple[Entry, ...]:
    """A line a run, in the order given."""
    return tuple(_entry(run) for run in runs)


def ranked(lines: Iterable[Entry], metric: str = "auc") -> list[Entry]:
    """The best first; runs in which it was not measured come last, by their ids. KeyError for a metric that
    is not among METRICS."""
    sign = -1 if METRICS[metric] else 1

    def place(entry: Entry) -> tuple:
        value = entry.metric(metric).value
        return value is None, 0.0 if value is None else sign * value, entry.id

    return sorted(lines, key=place)


def landmarks() -> tuple[Landmark, ...]:
    """Every published figure that a shipped recipe holds, by suite and recipe; reads them all (a second)."""
    from models.recipes.suites import suite_recipes

    return tuple(_landmark(recipe) for recipe in suite_recipes().values() if recipe.published)


def class_list(classes: Iterable[str]) -> str:
    """Class names in one string, the same for the same classes whatever their order."""
    return " / ".join(sorted(classes))


def _entry(run: Run) -> Entry:
    card = run.card
    part = TEST if TEST in card.metrics or not card.metrics else next(reversed(card.metrics))
    metrics = card.metrics.get(part, {})
    cases = card.data.split_id or card.data.manifest_digest or f"{card.data.name} of {run.id}"
    # The folds of a cross-validation are of one manifest too, and pooled they are more cases.
    counts = {figure.n for figure in metrics.values() if figure.n is not None}
    tested_on = f"{cases}, {part}, {max(counts, default=0)}"
    return Entry(run, part, metrics, tested_on, _published(run))


def _published(run: Run) -> Published | None:
    """The table `published` of the recipe in the run folder; None where there is none to be read."""
    path = run.path("recipe.toml")
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8")
        # Most recipes follow no publication, and parsing TOML is what takes time.
        fields = tomllib.loads(text).get("published") if "[published]" in text else None
    except (OSError, ValueError):
        return None
    if not fields:
        return None
    from models.recipes.recipe import Published

    try:
        return Published.model_validate(fields)
    except ValueError:
        return None


def _landmark(recipe: Recipe) -> Landmark:
    head = recipe.network.head
    network = " + ".join(recipe.network.backbones)
    return Landmark(
        recipe=recipe.id,
        modality=recipe.data.modality,
        classes=class_list(recipe.data.classes),
        network=network if head == "pooled" else f"{network} ({head})",
        published=recipe.published,
    )


def _in(value: str, chosen: Sequence[str]) -> bool:
    return not chosen or value in chosen
