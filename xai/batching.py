"""`python -m xai batch`: the batch command with a heatmap, measures and cautions of every case."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.commands.batch import add_batch_arguments, run_batch
from models.errors import BadInput
from xai.methods import DEFAULT_METHOD, METHODS, check_method

if TYPE_CHECKING:
    from models.batch import Batch, Step
    from models.runs import Run

BATCH = """\
Score every image of the INPUTs (files, folders, ZIP and TAR archives, manifests) with RUN, as
`python -m models batch` does, and explain each: DIR/heatmaps has the overlay of every image as PNG, and
predictions.csv also what the map adds up to, its cautions, how like the training data the image is and,
where there are lesion masks, the measures of `xai audit`. A map that a guard refuses is not drawn: its
picture says why. What cannot be read is a row with its reason. Each finished image is on disk before it is
counted: after a stop of any kind the same command with --resume does the rest. For research use only."""
METHOD = "way of making the heatmaps, of those that need no further pass: {methods} (default: %(default)s)"
MARKS = (
    "also look for heat on burned-in text, calipers and labels and off the tissue, and draw no such map; "
    "slow: more work an image than the network takes"
)
REPORT = "also one self-contained HTML file: figures, and the most suspicious images with their heatmaps"
WITHOUT_HEATMAPS = "no heatmaps and no thumbnails: only the columns"


def add_parser(commands) -> None:
    batch = commands.add_parser(
        "batch",
        help="any number of images, with heatmaps, into one table",
        description=BATCH,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_batch_arguments(batch)
    batch.add_argument(
        "--method",
        metavar="M",
        default=DEFAULT_METHOD,
        help=METHOD.format(methods=", ".join(stored_methods())),
    )
    batch.add_argument("--marks", action="store_true", help=MARKS)
    batch.add_argument("--no-heatmaps", action="store_true", help=WITHOUT_HEATMAPS)
    batch.add_argument("--report", metavar="FILE", type=Path, help=REPORT)
    batch.set_defaults(execute=explain_batch)


def stored_methods() -> list[str]:
    """Methods whose maps come from what a batch's one pass left."""
    return [key for key, method in METHODS.items() if method.family == "stored"]


def explain_batch(options: argparse.Namespace) -> int:
    """`batch`: the exit status of `models.commands.batch.run_batch`."""
    _check_options(options)
    runs: dict[str, Run] = {}

    def steps(run: Run) -> Sequence[Step]:
        from xai.batch import batch_steps

        runs[run.id] = run
        heatmaps = not options.no_heatmaps
        return batch_steps(
            run, heatmaps=heatmaps, thumbnails=heatmaps, method=options.method, marks=options.marks,
            label_map=_label_map(options, run),
        )  # fmt: skip

    def finish(batch: Batch) -> dict[str, Any]:
        found: dict[str, Any] = {"method": check_method(options.method), "measures": measures_of(batch, runs)}
        if options.report:
            from xai.batch.exports import html_report

            found |= {"report": str(html_report(batch, options.report, runs).resolve())}
        return found

    return run_batch(options, steps, finish)


def measures_of(batch: Batch, runs: dict[str, Run]) -> dict[str, Any] | None:
    """Run id -> the headline of its audit on this batch: {n, population, methods, baselines, guards, cases,
    skipped (the first hundred)}; None where there was no mask."""
    from xai.audit import document
    from xai.batch.audited import audit_of

    found = {}
    for run_id, run in runs.items():
        audit = audit_of(batch, run)
        if audit is not None:
            fields = document(audit)
            names = ("n", "population", "cases", "methods", "by_class", "baselines", "guards")
            found[run_id] = {name: fields[name] for name in names} | {"skipped": fields["skipped"][:100]}
    return found or None


def _check_options(options: argparse.Namespace) -> None:
    """Refuse what needs no run to refuse, before anything is loaded."""
    key = check_method(options.method)
    if key not in stored_methods():
        raise BadInput(
            f"{METHODS[key].title} looks at the network many times an image, which a batch does not: choose "
            f"one of {', '.join(stored_methods())}."
        )
    if options.marks and options.no_heatmaps:
        raise BadInput("--marks says which heatmaps are not drawn: leave --no-heatmaps out.")
    if options.report and options.report.is_dir():
        raise BadInput(f"{options.report} is a folder: give a file for the report.")


def _label_map(options: argparse.Namespace, run: Run) -> dict[str, str]:
    from models.data.manifest import parse_label_map

    return parse_label_map(options.map, run.classes)
