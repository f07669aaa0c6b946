"""`python -m models recipes`: what can be trained by name."""

from __future__ import annotations

import argparse

from models.commands import DONE, add_json_option, print_json


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("recipes", help="the recipes that come with the program")
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    from models.recipes.recipe import load_recipe, shipped_recipes

    entries = [_entry(load_recipe(path)[0]) for path in shipped_recipes()]
    if arguments.json:
        print_json(entries)
    else:
        for entry in entries:
            print(f"{entry['id']:<26} {entry['network']:<26} {entry['strategy']:<14} {entry['data']}")
    return DONE


def _entry(recipe) -> dict:
    return {
        "id": recipe.id,
        "suite": recipe.suite,
        "network": " + ".join(recipe.network.backbones),
        "strategy": _strategy(recipe),
        "data": recipe.data.name,
        "published": None,
    }


def _strategy(recipe) -> str:
    """How the weights come about, in a word."""
    if recipe.trains_head_only:
        return "head"
    return "distilled" if any(stage.kind == "distil" for stage in recipe.stages) else "fine-tuned"
