"""`python -m models import`: bring in a run, or what another tool left behind."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.commands import DONE, add_json_option, print_json
from models.errors import BadInput
from models.runs import Run, import_run, run_roots

if TYPE_CHECKING:
    from models.evaluation import Predictions
    from models.runs.cases import CaseTable
    from models.runs.importing import Log, Mapping, Table

DESCRIPTION = """\
Check SOURCE and put it under $LESIONLENS_RUNS, else among the shipped runs. SOURCE is told by its content: a
zip file of `pack` or a run folder; a CSV of predictions (a case a row: y_true,y_score is enough); or the log
of a training: Keras' CSVLogger, a W&B CSV export, a TensorBoard event file or folder, an MLflow run folder
(folders also as zip files). Imported results have no weights: they can be evaluated and compared, not
asked."""
ROLES = ("case_id", "label", "score", "patient_id", "group", "split")


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser(
        "import",
        help="bring in a run, or predictions and logs of another tool",
        description=DESCRIPTION,
    )
    parser.add_argument("source", metavar="SOURCE", type=Path, help="file or folder, see above")
    parser.add_argument(
        "--history", metavar="PATH", type=Path, help="the log that belongs to the predictions"
    )
    parser.add_argument("--id", metavar="ID", help="id of the run (default: after the file's name)")
    parser.add_argument("--title", metavar="TEXT", default="", help="its title (default: the id)")
    parser.add_argument(
        "--modality", metavar="M", help="ultrasound, mammography, histopathology or mixed; needed for results"
    )
    parser.add_argument("--classes", metavar="A,B", help="names of the classes in their order")
    parser.add_argument("--positive", metavar="CLASS", help="the class that is looked for")
    parser.add_argument(
        "--column",
        metavar="ROLE=NAME",
        action="append",
        default=[],
        help=f"column of a role: {', '.join(ROLES)}, or p_CLASS for a class; an empty NAME for none",
    )
    parser.add_argument(
        "--map",
        metavar="LABEL=CLASS",
        action="append",
        default=[],
        help="what a cell of the label column means",
    )
    parser.add_argument("--scale", help="what the scores are: probability, percent or logit")
    parser.add_argument(
        "--threshold", type=float, metavar="T", help="probability from which a case is called"
    )
    parser.add_argument("--data", metavar="TEXT", default="", help="name of the data")
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    from models.runs.importing import kind_of

    # A path that is not there, or is no zip file, keeps the sentence it always had.
    if not arguments.source.exists() or kind_of(arguments.source) == "run":
        imported = import_run(arguments.source)
        return _told(imported.run, imported.already_there, None, arguments.json)
    if kind_of(arguments.source) == "log":
        made = _write(arguments, None, arguments.source)
        return _told(made, False, "history", arguments.json)
    made = _write(arguments, _predictions(arguments), arguments.history)
    return _told(made, False, "predictions", arguments.json)


def _predictions(arguments: argparse.Namespace) -> tuple[Predictions, Mapping, CaseTable | None]:
    from models.runs.importing import (
        facts_from,
        guess_mapping,
        numbered_labels,
        predictions_from,
        read_table,
    )

    table = read_table(arguments.source)
    mapping = _mapping(arguments, table, guess_mapping(table))
    chosen = {role: getattr(mapping, role) for role in ROLES if getattr(mapping, role)}
    chosen |= {f"p_{name}": column for name, column in (mapping.probabilities or {}).items()}
    told = ", ".join(f"{role} from {column}" for role, column in chosen.items())
    print(f"{table.name}: {told}; classes {', '.join(mapping.classes)}, positive {mapping.positive}, "
          f"numbers taken as {mapping.scale}.", file=sys.stderr)  # fmt: skip
    predictions = predictions_from(table, mapping)
    if numbered := numbered_labels(table, mapping):
        said = ", ".join(f"{cell} is {name}" for cell, name in numbered.items())
        print(f"In {mapping.label} {said}: where that is wrong, say --map {next(iter(numbered))}=CLASS.",
              file=sys.stderr)  # fmt: skip
    return predictions, mapping, facts_from(table, mapping, tuple(predictions.case_ids.tolist()))


def _mapping(arguments: argparse.Namespace, table: Table, guess: Mapping) -> Mapping:
    """The guess with what the command line says put over it."""
    from models.data.manifest import parse_label_map

    pairs = dict(_pair(text) for text in arguments.column)
    if unknown := next((role for role in pairs if role not in ROLES and not role.startswith("p_")), None):
        raise BadInput(f"--column {unknown}=... names no role: use {', '.join(ROLES)} or p_CLASS.")
    changes: dict[str, Any] = {role: name or None for role, name in pairs.items() if role in ROLES}
    probabilities = {role[2:]: name for role, name in pairs.items() if role.startswith("p_")}
    if probabilities:
        changes |= {"probabilities": probabilities, "score": None, "classes": tuple(probabilities)}
    elif pairs.get("score"):
        changes |= {"probabilities": None}
    if arguments.classes:
        changes["classes"] = tuple(name.strip() for name in arguments.classes.split(","))
    classes = changes.get("classes", guess.classes)
    if "classes" in changes and guess.positive not in classes:
        changes["positive"] = classes[-1]
    if arguments.positive:
        changes["positive"] = arguments.positive
    if arguments.scale:
        changes["scale"] = arguments.scale
    kept = {label: name for label, name in guess.labels.items() if name in classes}
    return replace(guess, **changes, labels=kept | parse_label_map(arguments.map, classes))


def _pair(text: str) -> tuple[str, str]:
    role, equals, name = (part.strip() for part in text.partition("="))
    if not equals or not role:
        raise BadInput(f"--column {text!r} is not understood: write it as label=NAME.")
    return role, name


def _write(
    arguments: argparse.Namespace,
    results: tuple[Predictions, Mapping, CaseTable | None] | None,
    log_path: Path | None,
) -> Run:
    from models.runs.importing import free_id, read_log, write_imported

    if not arguments.modality:
        raise BadInput(
            "Results of another tool need their modality: add --modality with ultrasound, mammography, "
            "histopathology or mixed."
        )
    log: Log | None = read_log(log_path) if log_path else None
    predictions, mapping, cases = results or (None, None, None)
    root = run_roots()[0]
    taken = [folder.name for place in run_roots() if place.is_dir() for folder in place.iterdir()]
    identity = arguments.id or free_id(
        (log.name if log and not results else "") or arguments.source.name, taken
    )
    classes = arguments.classes.split(",") if arguments.classes and not mapping else None
    return write_imported(
        root,
        id=identity,
        title=arguments.title or (log.name if log else ""),
        modality=arguments.modality,
        predictions=predictions,
        history=log.history if log else None,
        classes=classes,
        positive=mapping.positive if mapping else arguments.positive,
        data=arguments.data,
        threshold=arguments.threshold,
        note=f"Imported from {arguments.source.name}" + (f" ({log.tool})." if log else "."),
        parameters=log.parameters if log else None,
        cases=cases,
    )


def _told(found: Run, already_there: bool, kind: str | None, as_json: bool) -> int:
    """kind: "predictions" or "history", None for a run of our own."""
    if as_json:
        document = {
            "run": found.id,
            "run_digest": found.digest,
            "folder": str(found.folder),
            "already_there": already_there,
        }
        print_json(document | ({"kind": kind} if kind else {}))
    else:
        print(f"{found.id} {'was already there' if already_there else 'imported'}: {found.folder}")
    return DONE
