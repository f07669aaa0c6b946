"""`python -m models recipes`: what can be trained by name."""

from __future__ import annotations

import argparse
from itertools import groupby
from typing import TYPE_CHECKING

from models.commands import DONE, add_json_option, print_json

if TYPE_CHECKING:
    from models.recipes.recipe import Recipe

COLUMNS = ("id", "network", "strategy", "published", "data")


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("recipes", help="the recipes that come with the program")
    parser.add_argument("--suite", metavar="NAME", help="those of one suite")
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    from models.recipes.suites import suite_recipes

    entries = [_entry(recipe) for recipe in suite_recipes(arguments.suite).values()]
    if arguments.json:
        print_json(entries)
    else:
        print("\n".join(_table(entries)))
    return DONE


def _entry(recipe: Recipe) -> dict:
    from models.recipes.recipe import strategy

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


def _table(entries: list[dict]) -> list[str]:
    """Aligned columns under a heading a suite."""
    cells = [entry | {"published": _landmark(entry["published"])} for entry in entries]
    widths = {column: max(len(cell[column]) for cell in cells) for column in COLUMNS}
    lines = []
    for suite, members in groupby(entries, key=lambda entry: entry["suite"]):
        rows = list(members)
        source = (rows[0]["published"] or {}).get("source")
        lines += [*([""] if lines else []), f"{suite}: {source}" if source else suite]
        for cell in (row | {"published": _landmark(row["published"])} for row in rows):
            lines.append("  ".join(f"{cell[c]:<{widths[c]}}" for c in COLUMNS).rstrip())
    return lines


def _landmark(published: dict | None) -> str:
    """The one figure that every publication prints; the others are in --json."""
    accuracy = published and published["figures"].get("accuracy")
    return f"published accuracy {accuracy:g}" if accuracy else "-"
