"""`python -m models train`: from recipes and manifests to runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from models.commands import DONE, REFUSED, add_json_option, print_json
from models.errors import BadInput

if TYPE_CHECKING:
    from models.data.manifest import Manifest
    from models.recipes.recipe import Recipe
    from models.runs import Run

DESCRIPTION = """\
Train RECIPE (a TOML file or the name of a shipped one: python -m models recipes) on a manifest and write a
run. Killed, it continues with the next epoch when the same command is given again. With --suite, every
recipe of a suite that fits the data: what is done is skipped, what is refused is told, and the rest goes on.
Several manifests are trained on together; of a suite, each recipe takes those of its modality."""


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser(
        "train", help="train a recipe or a suite on manifests", description=DESCRIPTION
    )
    add = parser.add_argument
    add("recipe", metavar="RECIPE", nargs="?", help="a TOML file or a shipped recipe's name")
    add("--suite", metavar="NAME", help="every shipped recipe of that suite, done ones skipped")
    add(
        "--data",
        metavar="MANIFEST",
        required=True,
        type=Path,
        action="append",
        help="CSV with file and label; may be given several times",
    )
    add(
        "--out",
        metavar="DIR",
        type=Path,
        help="the run folder (of a suite: its parent); default work/runs/<id>",
    )
    add(
        "--work",
        metavar="DIR",
        type=Path,
        default=Path("work"),
        help="folder of the checkpoints; default work",
    )
    add(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="change one place of the recipe (TOML)",
    )
    add(
        "--start",
        metavar="START",
        help="where every backbone begins: none (random, without internet), imagenet, file:NAME",
    )
    repeats = parser.add_mutually_exclusive_group()
    repeats.add_argument("--folds", metavar="K", type=_several, help="cross-validation with K folds")
    repeats.add_argument("--seeds", metavar="K", type=_several, help="the same training with K seeds")
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    if bool(arguments.recipe) == bool(arguments.suite):
        raise BadInput("Give either a RECIPE or --suite NAME, see python -m models train --help.")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return _run_suite(arguments) if arguments.suite else _run_one(arguments)
    except BrokenPipeError:
        raise
    except OSError as error:
        # A full disk would be refused once a recipe: it ends a suite.
        raise BadInput(
            f"The training stopped because a file could not be written or read ({error.strerror or error}: "
            f"{error.filename}); make room or give other folders with --out and --work, then start again."
        ) from error


def _run_one(arguments: argparse.Namespace) -> int:
    from models.recipes.recipe import recipe_file

    job = _job(arguments, recipe_file(arguments.recipe), arguments.out)
    entry = _trained(job, arguments.data, arguments)
    if arguments.json:
        print_json([entry])
    else:
        print(_line(entry))
    return DONE


def _run_suite(arguments: argparse.Namespace) -> int:
    """Each recipe in turn; REFUSED when one was, after all the others had their turn."""
    from models.data.manifest import read_manifest
    from models.recipes.suites import suite_recipes, training_order

    manifests = [read_manifest(path) for path in arguments.data]
    suite = suite_recipes(arguments.suite)
    # Only a suite of one modality leaves no doubt which images it wants.
    guess = len({recipe.data.modality for recipe in suite.values()}) == 1
    files = {recipe.id: path for path, recipe in suite.items()}
    entries: list[dict] = []
    for recipe in training_order(suite.values()):
        try:
            entry = _member(arguments, recipe.id, files[recipe.id], manifests, guess)
        except BadInput as refusal:
            entry = {"id": recipe.id, "status": "refused", "why": str(refusal)}
        entries.append(entry)
        told = arguments.json or entry["status"] != "trained"
        print(_line(entry), file=sys.stderr if told else sys.stdout, flush=True)
    if arguments.json:
        print_json(entries)
    return _verdict(arguments.suite, entries)


def _verdict(suite: str, entries: list[dict]) -> int:
    refused = [entry["id"] for entry in entries if entry["status"] == "refused"]
    if refused:
        print(f"{len(refused)} recipes of the suite were refused: {', '.join(refused)}.", file=sys.stderr)
        return REFUSED
    if all(entry["status"] == "left out" for entry in entries):
        raise BadInput(f"No recipe of the suite {suite} fits the data; see the reasons above.")
    return DONE


def _member(
    arguments: argparse.Namespace, identity: str, path: Path, manifests: Sequence[Manifest], guess: bool
) -> dict:
    """What became of one recipe of a suite."""
    from models.recipes.suites import fitting

    folder = (arguments.out or Path("work/runs")) / identity
    job = _job(arguments, path, folder)
    fits, why = fitting(job.recipe, manifests, guess)
    if not fits:
        return {"id": identity, "status": "left out", "why": why}
    # Folds and seeds know by themselves what is done.
    if not (arguments.folds or arguments.seeds) and _is_done(job, fits):
        return {"id": identity, "status": "done", "folder": str(folder)}
    return _trained(job, [manifest.path for manifest in fits], arguments)


@dataclass(frozen=True)
class _Job:
    """A recipe to train: its file, what is changed in it, the digest of its text, the run folder."""

    path: Path
    recipe: Recipe
    digest: str
    changes: tuple[str, ...]
    folder: Path


def _job(arguments: argparse.Namespace, path: Path, folder: Path | None) -> _Job:
    from models.recipes.recipe import load_recipe, recipe_digest
    from models.recipes.suites import start_changes

    changes = tuple(arguments.set)
    recipe, text = load_recipe(path, changes)
    if arguments.start:
        changes = (*start_changes(recipe, arguments.start), *changes)
        recipe, text = load_recipe(path, changes)
    return _Job(path, recipe, recipe_digest(text), changes, folder or Path("work/runs") / recipe.id)


def _is_done(job: _Job, manifests: Sequence[Manifest]) -> bool:
    """Whether the run folder holds this very training; BadInput where it holds another."""
    from models.runs import load_run

    if not (job.folder / "run.json").exists():
        return False
    card = load_run(job.folder).card
    # Merged and cut images have a digest that only the training knows.
    plain = len(manifests) == 1 and job.recipe.prepare.cut == "none"
    other = plain and card.data.manifest_digest not in (None, manifests[0].digest)
    if card.recipe_digest != job.digest or other:
        what = "on other data" if card.recipe_digest == job.digest else "of another recipe"
        raise BadInput(f"{job.folder} holds a finished run {what}; remove that folder or give another --out.")
    return True


def _trained(job: _Job, data: Sequence[Path], arguments: argparse.Namespace) -> dict:
    """Train; what was made, as an entry of --json."""
    paths = list(data) if len(data) > 1 else data[0]
    given = (job.path, paths, job.folder, arguments.work / job.folder.name, job.changes, arguments.json)
    try:
        made = _train(given, arguments)
    except Exception as fault:
        # Keras has no class of its own for a download that failed.
        if not str(fault).startswith("URL fetch failure"):
            raise
        raise BadInput(
            f"The ImageNet weights of {job.recipe.id} could not be fetched; connect to the internet, or give "
            f"--start none to begin with random weights."
        ) from fault
    return {"id": job.recipe.id, "status": "trained", "folder": str(job.folder)} | _results(made)


def _train(given: tuple, arguments: argparse.Namespace) -> Run | dict:
    """The run, or what several runs of folds or seeds come to."""
    if arguments.folds:
        from models.training.folds import train_folds

        return train_folds(*given, folds=arguments.folds)
    if arguments.seeds:
        from models.training.folds import train_seeds

        return train_seeds(*given, seeds=arguments.seeds)
    from models.training.train import train

    return train(*given)


def _several(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of repetitions, give 2 or more")
    return int(text)


def _results(made: Run | dict) -> dict:
    if isinstance(made, dict):
        return made
    metrics = {name: metric.model_dump(mode="json") for name, metric in made.card.metrics["test"].items()}
    return {"run_digest": made.digest, "test": metrics}


def _line(entry: dict) -> str:
    if entry["status"] == "done":
        return f"{entry['id']} is done and skipped."
    if "why" in entry:
        return f"{entry['id']} {entry['status']}: {entry['why'].rstrip('.')}."
    auc = (entry.get("test") or entry["pooled"])["auc"]
    known = auc["value"] is not None
    figure = f"{auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})" if known else "undefined"
    runs = f" of {len(entry['runs'])} {entry['kind']}" if "runs" in entry else ""
    return f"{entry['id']}: test AUC{runs} {figure}, n {auc['n']}; written to {entry['folder']}"
