"""`python -m models report`: all that is known of a run, as one file to read and print."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from models.commands import DONE, add_json_option, print_json
from models.errors import BadInput
from models.runs import find_run, write_atomically

if TYPE_CHECKING:
    from models.reports import Report
    from models.runs import Run

DESCRIPTION = """\
Write one HTML file that needs nothing else: the run's model card (with the items of CLAIM 2024 it
answers), its evaluation on stored predictions, and how it was trained. It reads well on a screen and
on paper. Everything comes from the run's folder; no image is opened and no network runs. Research use
only."""


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("report", help="a run's report as one HTML file", description=DESCRIPTION)
    parser.add_argument("run", metavar="RUN", help="id of a run (python -m models list) or its folder")
    parser.add_argument("--out", metavar="FILE.html", required=True, type=Path, help="the file to write")
    parser.add_argument(
        "--part",
        choices=("train", "validation", "test", "all"),
        default="test",
        help="the cases to evaluate (default: test)",
    )
    parser.add_argument("--unit", choices=("image", "breast", "patient"), default="image")
    parser.add_argument("--threshold", metavar="P", type=float, help="instead of the run's own, 0 to 1")
    parser.add_argument(
        "--prevalence", metavar="SHARE", type=float, help="for PPV and NPV in screening, such as 0.006"
    )
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    from models.reports import to_html

    found = find_run(arguments.run)
    _check(arguments)
    text = to_html(
        whole_report(found, arguments.part, arguments.unit, arguments.threshold, arguments.prevalence)
    )
    try:
        write_atomically(arguments.out, lambda temporary: _fill(temporary, text))
    except OSError as error:
        raise BadInput(
            f"{arguments.out} cannot be written ({error.strerror}): give another file with --out."
        ) from None
    size = arguments.out.stat().st_size
    if arguments.json:
        print_json({"run": found.id, "run_digest": found.digest, "file": str(arguments.out), "bytes": size})
    else:
        print(f"{arguments.out} ({size / 1e3:.0f} kB)")
    return DONE


def whole_report(
    run: Run,
    part: str = "test",
    unit: str = "image",
    threshold: float | None = None,
    prevalence: float | None = None,
) -> Report:
    """Model card, evaluation and training as chapters; what a run has nothing for is left out, with a word.

    BadInput for a part or unit the run's predictions have not.
    """
    from models.evaluation.evidence import PREDICTIONS_FILE, gather
    from models.reports import Report, Section, Text, join_reports
    from models.reports.evaluation import TITLE, evaluation_report
    from models.reports.model_card import model_card
    from models.reports.training import training_report

    if run.path(PREDICTIONS_FILE) is None:
        said = "This run came without predictions: there is nothing to evaluate."
        evaluation = Report(TITLE, run.id, (Section("Not evaluated", (Text(said),)),))
    else:
        evidence = gather(run, part, unit)
        evaluation = evaluation_report(run, evidence, threshold, prevalence)
    return join_reports(run.title, f"Run {run.id}", [model_card(run), evaluation, training_report(run)])


def _check(arguments: argparse.Namespace) -> None:
    if arguments.threshold is not None and not 0 <= arguments.threshold <= 1:
        raise BadInput(f"A threshold of {arguments.threshold:g} cannot be: give one between 0 and 1.")
    if arguments.out.is_dir():
        raise BadInput(f"{arguments.out} is a folder: give the name of a file, such as report.html.")


def _fill(temporary: Path, text: str) -> None:
    temporary.write_text(text, encoding="utf-8")
