"""`python -m models train`: from a recipe and a manifest to a run."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from models.commands import DONE, add_json_option, print_json
from models.errors import BadInput

DESCRIPTION = """\
Train RECIPE (a TOML file or the name of a shipped one: python -m models recipes) on a manifest and write a
run. Killed, it continues with the next epoch when the same command is given again."""


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("train", help="train a recipe on a manifest", description=DESCRIPTION)
    parser.add_argument("recipe", metavar="RECIPE", nargs="?", help="a TOML file or a shipped recipe's name")
    parser.add_argument(
        "--suite", metavar="NAME", help="every shipped recipe of that suite, done ones skipped"
    )
    parser.add_argument(
        "--data", metavar="MANIFEST", required=True, type=Path, help="CSV with file and label"
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="the run folder (of a suite: its parent); default work/runs/<id>",
    )
    parser.add_argument(
        "--work",
        metavar="DIR",
        type=Path,
        default=Path("work"),
        help="folder of the checkpoints; default work",
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="change one place of the recipe (TOML)",
    )
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    names = _recipes(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from models.training.train import train

    done = []
    for name, folder in names:
        if arguments.suite and (folder / "run.json").exists():
            print(f"{folder.name} is done and skipped.", file=sys.stderr)
            continue
        try:
            trained = train(
                name,
                arguments.data,
                folder,
                arguments.work / folder.name,
                tuple(arguments.set),
                arguments.json,
            )
        except OSError as error:
            raise BadInput(
                f"The training stopped because a file could not be written or read ({error.strerror}: "
                f"{error.filename}); make room or give other folders with --out and --work, then start again."
            ) from error
        done.append(trained)
    if arguments.json:
        print_json([_entry(trained) for trained in done])
    else:
        for trained in done:
            print(_line(trained))
    return DONE


def _recipes(arguments: argparse.Namespace) -> list[tuple[Path, Path]]:
    """(recipe file, run folder) of what is to be trained."""
    from models.recipes.recipe import load_recipe, recipe_file, shipped_recipes

    if bool(arguments.recipe) == bool(arguments.suite):
        raise BadInput("Give either a RECIPE or --suite NAME, see python -m models train --help.")
    if arguments.recipe:
        path = recipe_file(arguments.recipe)
        identity = load_recipe(path, tuple(arguments.set))[0].id
        return [(path, arguments.out or Path("work/runs") / identity)]
    suites = {path: load_recipe(path)[0] for path in shipped_recipes()}
    chosen = [path for path, recipe in suites.items() if recipe.suite == arguments.suite]
    if not chosen:
        known = ", ".join(sorted({recipe.suite for recipe in suites.values()}))
        raise BadInput(f"There is no suite {arguments.suite!r}; choose one of {known}.")
    parent = arguments.out or Path("work/runs")
    # A teacher and the trunks of a hybrid come before what is built on them.
    chosen.sort(key=lambda path: (suites[path].trains_head_only, bool(suites[path].teacher), path.name))
    return [(path, parent / suites[path].id) for path in chosen]


def _entry(trained) -> dict:
    metrics = {name: metric.model_dump(mode="json") for name, metric in trained.card.metrics["test"].items()}
    return {"id": trained.id, "folder": str(trained.folder), "run_digest": trained.digest, "test": metrics}


def _line(trained) -> str:
    auc = trained.card.metrics["test"]["auc"]
    figure = "undefined" if auc.value is None else f"{auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})"
    return f"{trained.id}: test AUC {figure}, n {auc.n}; written to {trained.folder}"
