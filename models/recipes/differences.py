"""Recipes read again: every choice of one by name, and what tells two of them apart."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from models.errors import BadInput
from models.recipes.recipe import Recipe

MOST_CHARACTERS = 1 << 20
#: What names and explains a recipe but shapes no weight: told after everything that does.
WORDS = (
    "id", "title", "suite", "intended_use", "limits", "published", "data.name", "data.licence",
    "data.citation", "data.note",
)  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """One choice of a recipe: its dotted key ("stages.finetune.rate"), its value, whether it was written."""

    key: str
    value: Any
    written: bool

    @property
    def shown(self) -> str:
        """The value for people; one that the recipe leaves to the program is marked."""
        return shown_value(self.value) if self.written else f"{shown_value(self.value)} (default)"


@dataclass(frozen=True)
class Difference:
    """A choice in two recipes; None where a recipe has no such choice (a stage of that name, for one)."""

    key: str
    first: Choice | None
    second: Choice | None

    @property
    def kind(self) -> Literal["changed", "only first", "only second", "same"]:
        """How the two stand to each other. A value written out is the same as that value by default."""
        if self.first is None:
            return "only second"
        if self.second is None:
            return "only first"
        return "same" if self.first.value == self.second.value else "changed"


def choices(text: str) -> dict[str, Choice]:
    """Every choice of a recipe's TOML text by its dotted key, defaults included, in the recipe's order.

    A stage goes by its name. A text that is no recipe of this program (of a run from elsewhere) is taken as
    it is written. BadInput for a text that is no TOML or too long.
    """
    fields = _fields(text)
    written = dict(_flat(fields))
    try:
        whole = dict(_flat(Recipe.model_validate(fields).model_dump(mode="json")))
    except ValidationError:
        whole = written
    return {key: Choice(key, value, key in written) for key, value in whole.items()}


def differences(first: str, second: str) -> tuple[Difference, ...]:
    """Every choice of two recipes' texts: what was changed, what only one has (as far as it is written out),
    what the recipes say about themselves, and last what is the same. BadInput as `choices`."""
    ours, theirs = choices(first), choices(second)
    found = [Difference(key, ours.get(key), theirs.get(key)) for key in (ours | theirs)]
    telling = [item for item in found if (item.first and item.second) or (item.first or item.second).written]
    # sorted() is stable, so that within a rank the order is the recipe's.
    return tuple(sorted(telling, key=_rank))


def shown_value(value: Any) -> str:
    """A value as people write it: "yes", "0.0003", "distil, settle"; a dash for nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(shown_value, value)) or "none"
    if isinstance(value, Mapping):
        return "; ".join(f"{key} = {shown_value(item)}" for key, item in value.items()) or "none"
    return "none" if value in ("", None) else str(value)


def _fields(text: str) -> dict[str, Any]:
    if len(text) > MOST_CHARACTERS:
        raise BadInput("The recipe is longer than a million characters: it is no recipe.")
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as fault:
        raise BadInput(f"The recipe is not TOML that can be read ({fault}): import the run again.") from None


def _flat(fields: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of every leaf; tables are entered, the stages by their names."""
    for key, value in fields.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping) and value and name != "data.label_map":
            yield from _flat(value, f"{name}.")
        elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            yield from _of_tables(name, value)
        elif not (value is None or value == {}):
            yield name, value


def _of_tables(name: str, tables: list[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """A list of tables: the order of their names, then each one's own fields."""
    named, seen = [], {}
    for place, table in enumerate(tables, 1):
        label = str(table.get("name", place))
        seen[label] = seen.get(label, 0) + 1
        named.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    yield name, named
    for label, table in zip(named, tables, strict=True):
        yield from _flat({key: value for key, value in table.items() if key != "name"}, f"{name}.{label}.")


def _rank(item: Difference) -> int:
    if item.kind == "same":
        return 4
    if any(item.key == words or item.key.startswith(f"{words}.") for words in WORDS):
        return 3
    return ("changed", "only first", "only second").index(item.kind)
