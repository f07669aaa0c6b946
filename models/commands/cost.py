"""`python -m models cost`: what runs cost, as a table."""

from __future__ import annotations

import argparse
import sys

from models.commands import DONE, add_json_option, print_json

DESCRIPTION = """\
Parameters, layers, weight size, training time and device, time an explained image and memory of stored runs.
Runs without --measure show what their cards hold."""
COLUMNS = ("parameters", "layers", "weight_megabytes", "inference_ms", "memory_megabytes", "engine")


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("cost", help="what runs cost", description=DESCRIPTION)
    parser.add_argument("runs", metavar="RUN", nargs="*", help="ids or folders; default all")
    parser.add_argument("--measure", action="store_true", help="measure now, on this machine")
    parser.add_argument("--store", action="store_true", help="measure and keep the table in the run's card")
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    from models.engines.cost import cost_of
    from models.runs import find_run, list_runs, rewrite_run

    found = [find_run(name) for name in arguments.runs] if arguments.runs else list(list_runs())
    entries = []
    for stored in found:
        cost = dict(stored.card.cost)
        if (arguments.measure or arguments.store) and stored.branches and stored.has_weights:
            print(f"measuring {stored.id}", file=sys.stderr)
            cost = cost_of(stored)
            if arguments.store:
                stored = rewrite_run(stored, {"cost": cost})
        training = stored.card.training
        entries.append(
            {
                "id": stored.id,
                "network": stored.card.network,
                **{name: cost.get(name) for name in COLUMNS},
                "training_seconds": training.get("seconds"),
                "training_device": training.get("device"),
            }
        )
    if arguments.json:
        print_json(entries)
    else:
        _print_table(entries)
    return DONE


def _print_table(entries: list[dict]) -> None:
    print(
        f"{'run':<30} {'parameters':>12} {'layers':>6} {'MB':>7} {'ms':>7} {'peak MB':>8} {'trained':>9}  on"
    )
    for e in entries:
        cells = [_cell(e[name]) for name in COLUMNS[:-1]]
        trained = "-" if e["training_seconds"] is None else f"{e['training_seconds'] / 60:.1f} min"
        print(
            f"{e['id']:<30} {cells[0]:>12} {cells[1]:>6} {cells[2]:>7} {cells[3]:>7} {cells[4]:>8} "
            f"{trained:>9}  {e['training_device'] or '-'}"
        )


def _cell(value) -> str:
    return "-" if value is None else f"{value:,}"
