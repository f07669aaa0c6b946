"""`python -m models recipes`: what can be trained by name."""

from __future__ import annotations

import argparse
from itertools import groupby
from typing import TYPE_CHECKING

from models.commands import DONE, add_json_option, print_json
from models.errors import BadInput

if TYPE_CHECKING:
    from models.recipes.recipe import Recipe

CLASSIFIERS = {"svm": "RBF SVM", "logistic": "logistic regression", "bayes": "Gaussian naive Bayes"}
OPTIMISERS = {"adamw": "AdamW", "adam": "Adam", "sgdm": "SGDM", "rmsprop": "RMSprop"}
COLUMNS = ("id", "network", "strategy", "published", "data")
# One figure says where the publication stands; the others are in --json.
LANDMARKS = ("auc", "accuracy")


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("recipes", help="the recipes that come with the program")
    parser.add_argument("--suite", metavar="NAME", help="those of one suite")
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    entries = [_entry(recipe) for recipe in recipes_of(arguments.suite).values()]
    if arguments.json:
        print_json(entries)
    else:
        print("\n".join(_table(entries)))
    return DONE


def recipes_of(suite: str | None) -> dict:
    """{file: recipe} of the shipped recipes, by suite and name; of one suite where it is named.

    BadInput lists the suites when there is none of that name.
    """
    from models.recipes.recipe import load_recipe, shipped_recipes

    known = {path: load_recipe(path)[0] for path in shipped_recipes()}
    found = {path: recipe for path, recipe in known.items() if suite in (None, recipe.suite)}
    if not found:
        names = ", ".join(sorted({recipe.suite for recipe in known.values()}))
        raise BadInput(f"There is no suite {suite!r}; choose one of {names}.")
    return dict(sorted(found.items(), key=lambda item: (item[1].suite, item[1].id)))


def _entry(recipe: Recipe) -> dict:
    network = " + ".join(recipe.network.backbones)
    head = recipe.network.head
    return {
        "id": recipe.id,
        "suite": recipe.suite,
        "network": network if head == "pooled" else f"{network} ({head})",
        "strategy": strategy(recipe),
        "data": recipe.data.name,
        "published": recipe.published.model_dump(mode="json") if recipe.published else None,
    }


def strategy(recipe: Recipe) -> str:
    """How the weights come about, in a few words."""
    stages = recipe.stages
    if recipe.classical:
        return f"frozen features + {CLASSIFIERS[recipe.network.head]}"
    if recipe.trains_head_only:
        return "head on stored features"
    if any(stage.kind == "distil" for stage in stages):
        words = "distilled"
    elif stages[0].train == "head" and stages[-1].train != "head":
        words = "progressive"
    else:
        which = {"all": "all weights", "last": "last blocks", "head": "head"}[stages[-1].train]
        words = f"{which}, {OPTIMISERS[stages[-1].optimiser]}"
    return f"{words}, guided" if any(stage.guide for stage in stages) else words


def _table(entries: list[dict]) -> list[str]:
    """Aligned columns under a heading a suite."""
    cells = [entry | {"published": _landmark(entry["published"])} for entry in entries]
    widths = {column: max(len(cell[column]) for cell in cells) for column in COLUMNS}
    lines = []
    for suite, members in groupby(cells, key=lambda cell: cell["suite"]):
        lines += [*([""] if lines else []), suite]
        lines += ["  ".join(f"{cell[c]:<{widths[c]}}" for c in COLUMNS).rstrip() for cell in members]
    return lines


def _landmark(published: dict | None) -> str:
    figures = published["figures"] if published else {}
    name = next((name for name in LANDMARKS if name in figures), None)
    return f"published {name} {figures[name]:.3f}" if name else "-"
