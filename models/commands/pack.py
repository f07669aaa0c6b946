"""`python -m models pack`: a run as one portable file."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from models.commands import DONE, add_json_option, print_json
from models.runs import find_run, pack_run, without_weights


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser(
        "pack",
        help="a run as one zip file, trunks included",
        description="Write RUN and the trunks it uses into one zip file; the same run gives the same bytes.",
    )
    parser.add_argument("run", metavar="RUN", help="id of a run (python -m models list) or its folder")
    parser.add_argument("--out", metavar="FILE.zip", required=True, type=Path, help="the zip file to write")
    parser.add_argument(
        "--without-weights",
        action="store_true",
        help="predictions, history, recipe and card alone: all that evaluation and training pages need",
    )
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    found = find_run(arguments.run)
    if arguments.without_weights:
        with tempfile.TemporaryDirectory() as folder:
            out = pack_run(without_weights(found, Path(folder) / found.folder.name), arguments.out)
    else:
        out = pack_run(found, arguments.out)
    if arguments.json:
        print_json(
            {"run": found.id, "run_digest": found.digest, "file": str(out), "bytes": out.stat().st_size}
        )
    else:
        print(f"{out} ({out.stat().st_size / 1e6:.1f} MB)")
    return DONE
