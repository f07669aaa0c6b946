"""`python -m models import`: bring a run in from a zip file or a folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from models.commands import DONE, add_json_option, print_json
from models.runs import import_run


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser(
        "import",
        help="bring a run in from a zip file or a folder",
        description="Check the run in SOURCE and put it under $LESIONLENS_RUNS, else among the shipped runs.",
    )
    parser.add_argument("source", metavar="SOURCE", type=Path, help="zip file of `pack`, or a run folder")
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    imported = import_run(arguments.source)
    found = imported.run
    if arguments.json:
        print_json(
            {
                "run": found.id,
                "run_digest": found.digest,
                "folder": str(found.folder),
                "already_there": imported.already_there,
            }
        )
    else:
        print(f"{found.id} {'was already there' if imported.already_there else 'imported'}: {found.folder}")
    return DONE
