"""`python -m models list`: the runs at hand."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from models.commands import DONE, add_json_option, print_json
from models.runs import Run, list_runs


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser(
        "list", help="the runs at hand", description="The runs under $LESIONLENS_RUNS and the shipped ones."
    )
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    listing = list_runs()
    for skipped in listing.skipped:
        print(f"Skipped {skipped.folder}: {skipped.why}", file=sys.stderr)
    if arguments.json:
        print_json([described(each) for each in listing])
    elif not listing.runs:
        print("There are no runs yet: train one or import one.")
    else:
        print(table(listing.runs))
    return DONE


def described(run: Run) -> dict[str, Any]:
    """The fields of the command's contract; metrics by part of the split ("validation", "test")."""
    card = run.card.model_dump(mode="json")
    return {
        "id": run.id,
        "title": run.title,
        "modality": run.modality,
        "classes": card["classes"],
        "network": card["network"],
        "trunks": [branch.trunk for branch in run.branches],
        "data": card["data"]["name"],
        "licence": card["data"]["licence"],
        "synthetic": card["synthetic"],
        "has_weights": run.has_weights,
        "operating_points": card["operating_points"],
        "metrics": card["metrics"],
    }


def table(runs: tuple[Run, ...]) -> str:
    """A run a line: id, modality, network, data, test AUC with its interval, title."""
    header = ("ID", "MODALITY", "NETWORK", "DATA", "TEST AUC", "TITLE")
    rows = [
        header,
        *(
            (each.id, each.modality, each.card.network, each.card.data.name, _auc(each), each.title)
            for each in runs
        ),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    )


def _auc(run: Run) -> str:
    auc = run.card.metrics.get("test", {}).get("auc")
    if auc is None or auc.value is None:
        return "-"
    interval = f" ({auc.low:.3f}-{auc.high:.3f})" if auc.low is not None and auc.high is not None else ""
    return f"{auc.value:.3f}{interval}"
