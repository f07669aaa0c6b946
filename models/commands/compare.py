"""`python -m models compare`: two runs on exactly the cases that both have predictions of."""

from __future__ import annotations

import argparse
from typing import Any

from models.commands import DONE, add_json_option, print_json
from models.errors import BadInput
from models.runs import find_run

DESCRIPTION = """\
Compare the stored predictions of two runs on the cases of one part that both have: DeLong's test of
the areas under the ROC curves, McNemar's exact test of the verdicts at each run's own threshold, and
the difference (first less second) of every metric with its 95 % interval. Cases are matched by name;
runs whose classes differ are compared on their common positive class against the rest. Nothing is
computed by a network. Research use only."""


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("compare", help="two runs on the same cases", description=DESCRIPTION)
    for which in ("first", "second"):
        parser.add_argument(
            which, metavar="RUN", help=f"the {which}: id of a run (python -m models list) or its folder"
        )
    parser.add_argument(
        "--part",
        choices=("train", "validation", "test", "all"),
        default="test",
        help="part of the split that has to hold a case in both runs (default: test)",
    )
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    from models.evaluation.paired import compare_runs

    first, second = find_run(arguments.first), find_run(arguments.second)
    if first.digest == second.digest:
        raise BadInput(f"Both are the run {first.id}: choose two different runs.")
    document = compare_runs(first, second, arguments.part)
    if arguments.json:
        print_json(document)
    else:
        print(summary(document))
    return DONE


def summary(document: dict[str, Any]) -> str:
    """What a person at a terminal wants to read."""
    first, second = document["first"]["run"], document["second"]["run"]
    where = "" if document["split"] == "all" else f"{document['split']} "
    lines = [f"{first} against {second} on {document['shared']} shared {where}cases"]
    lines += [document["note"]] if document["note"] else []
    lines.append(f"  {'':<18} {'first':>7} {'second':>7}   difference (95 % interval)")
    for name, difference in document["differences"].items():
        own = [document[which]["metrics"][name]["value"] for which in ("first", "second")]
        told = " ".join("      -" if value is None else f"{value:7.3f}" for value in own)
        lines.append(f"  {name:<18} {told}   {_interval(difference)}")
    delong, mcnemar = document["delong"], document["mcnemar"]
    lines.append(
        f"  DeLong: {_p(delong['p'])}" if delong["p"] is not None else f"  DeLong: no test. {delong['why']}"
    )
    lines.append(
        f"  McNemar: the first alone is right in {mcnemar['b']} cases, the second alone in {mcnemar['c']}, "
        f"{_p(mcnemar['p'])}"
    )
    return "\n".join(lines)


def _interval(metric: dict[str, Any]) -> str:
    if metric["value"] is None:
        return f"undefined: {metric['why']}"
    if metric["low"] is None:
        return f"{metric['value']:+.3f} ({metric['why']})"
    return f"{metric['value']:+.3f} ({metric['low']:+.3f} to {metric['high']:+.3f})"


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
