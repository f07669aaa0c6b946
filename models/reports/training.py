"""A report of how a run was trained: curves, what they tell, recipe and cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from models.errors import BadInput
from models.reports.document import Figure, Part, Report, Section, Table, Text, facts
from models.reports.drawing_training import draw_history, panels_of, stretches

if TYPE_CHECKING:
    from models.runs import Run
    from models.runs.history import History

TITLE = "Training"
RECIPE_FILE = "recipe.toml"
MOST_CHARACTERS = 20_000
COSTS = (
    ("parameters", "Parameters", ""),
    ("layers", "Layers", ""),
    ("weight_megabytes", "Weights", "MB"),
    ("inference_ms", "One image, explained", "ms"),
    ("memory_megabytes", "Memory at most", "MB"),
    ("engine", "Measured with", ""),
)


def training_report(run: Run) -> Report:
    """What the run's history.csv, recipe.toml and card say; a run without a history says so."""
    sections = [
        Section("Learning curves", _curves(run)),
        Section("Training and cost", (facts(_training(run)), *_cost(run))),
        Section("Recipe", _recipe(run)),
    ]
    return Report(TITLE, f"{run.title} (run {run.id})", tuple(sections))


def recipes_report(first: Run, second: Run) -> Report:
    """What tells the recipes of two runs apart, and what both cost."""
    sections = (
        Section("Recipes", (difference_table(first, second),)),
        Section("Cost", (cost_table([first, second]),)),
    )
    return Report("Two recipes", f"{first.id} and {second.id}", sections)


def difference_table(first: Run, second: Run) -> Table:
    """The choices in which two runs' recipes differ, changed ones first; BadInput where one has no recipe."""
    from models.recipes.differences import differences

    found = [item for item in differences(recipe_text(first), recipe_text(second)) if item.kind != "same"]
    rows = [
        (item.key, *("-" if choice is None else choice.shown for choice in (item.first, item.second)))
        for item in found
    ]
    return Table(("Choice", first.id, second.id), tuple(rows), "" if rows else "The recipes are the same.")


def cost_table(runs: Sequence[Run]) -> Table:
    """A row a run: what it costs to train and to use, as its card holds it."""
    columns = ("Run", "Trained in", *(f"{name} ({unit})" if unit else name for _, name, unit in COSTS))
    rows = [
        (run.id, seconds(run.card.training.get("seconds")), *(run.card.cost.get(key) for key, _, _ in COSTS))
        for run in runs
    ]
    return Table(columns, tuple(rows))


def recipe_text(run: Run) -> str:
    """The run's recipe.toml; BadInput, a sentence, for a run without one."""
    path = run.path(RECIPE_FILE)
    if path is None:
        raise BadInput(f"The run {run.id} came without its recipe: choose a run that has one.")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"The recipe of {run.id} cannot be read ({error}): import the run again.") from None


def seconds(value: object) -> str:
    """A duration for people: "34 seconds", "12 minutes", "2.5 hours"; "" where nobody measured it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    if value < 120:
        return f"{value:.0f} seconds"
    return f"{value / 60:.0f} minutes" if value < 7200 else f"{value / 3600:.1f} hours"


def _curves(run: Run) -> tuple[Part, ...]:
    from models.runs.history import read_history, remarks
    from models.runs.member_histories import mean_history, member_histories

    try:
        members = member_histories(run)
        history = mean_history([one for _, one in members]) if members else read_history(run)
    except BadInput as refusal:
        return (Text(str(refusal)),)
    said = remarks(history)
    if members:
        kinds = f"{len(members)} {run.members[0].kind}s"
        said = (f"The curves are the mean of {kinds}, as far as half of them were trained.",)
    parts: list[Part] = [Text("\n".join(f"- {sentence}" for sentence in said))] if said else []
    if not panels_of(history):
        return (*parts, Text(f"No loss, AUC or accuracy was logged, only {', '.join(history.columns)}."))
    best = None if members else _best(history)
    where = "" if best is None else f" Dashed line: lowest validation loss, epoch {history.epochs[best]}."
    caption = f"Training (dashed) and validation (solid) by epoch.{where}{_stages(history)}"
    alt = f"Learning curves over {len(history)} epochs. {' '.join(said)}"
    return (*parts, Figure(caption, alt, draw_history(history, best)))


def _best(history: History) -> int | None:
    try:
        return history.best("val_loss", history.last_stage())
    except BadInput:
        return None


def _stages(history: History) -> str:
    if len(set(history.stages)) < 2:
        return ""
    epochs = history.epochs
    named = [
        f"{history.stages[rows.start]} (epochs {epochs[rows.start]} to {epochs[rows.stop - 1]})"
        for rows in stretches(history)
    ]
    return f" Stages, divided by lines: {', '.join(named)}; losses of different stages are different sums."


def _training(run: Run) -> list[tuple[str, object]]:
    training = dict(run.card.training)
    length = seconds(training.pop("seconds", None))
    told = [(str(name).replace("_", " ").capitalize(), value) for name, value in training.items()]
    return [("Network", run.card.network), ("Trained in", length), *told]


def _cost(run: Run) -> list[Part]:
    cost = run.card.cost
    pairs = [
        (name, f"{cost[key]:,} {unit}" if unit and isinstance(cost[key], int | float) else cost[key])
        for key, name, unit in COSTS
        if cost.get(key) is not None
    ]
    return [facts(pairs)] if pairs else [Text("What this run costs was not measured.")]


def _recipe(run: Run) -> tuple[Part, ...]:
    try:
        text = recipe_text(run)
    except BadInput as refusal:
        return (Text(str(refusal)),)
    if len(text) > MOST_CHARACTERS:
        cut = f"Only the first {MOST_CHARACTERS:,} characters: the whole is in the run's {RECIPE_FILE}."
        return Text(text[:MOST_CHARACTERS], "code"), Text(cut, "small")
    return (Text(text, "code"),)
