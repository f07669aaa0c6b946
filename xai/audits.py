"""`python -m xai audits`: the stored audits of all runs at hand, and all of them measured anew."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import BadInput
from xai.auditing import METHOD, STORED_METHODS, audited_cases, methods_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.data.manifest import Manifest
    from models.runs import Run

AUDITS = """\
Print a Markdown table of the audits that the runs at hand keep: the joint map's measures with 95 %
intervals beside a blob in the centre, noise and the best a map of that grid could do, and the check with
random weights. With --measure each is measured anew on the run's own test cases and stored first: the
manifests are looked for where LESIONLENS_DATA says. What cannot be measured is told and left as it is."""


def add_parser(commands) -> None:
    audits = commands.add_parser(
        "audits",
        help="the stored audits of all runs",
        description=AUDITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    audits.add_argument("runs", metavar="RUN", nargs="*", help="only these runs (default: all at hand)")
    audits.add_argument("--measure", action="store_true", help="measure and store them first; minutes a run")
    audits.add_argument(
        "--method", metavar="M", action="append", default=[], help=f"with --measure: {METHOD}"
    )
    audits.add_argument("--json", action="store_true", help="the stored documents as one JSON list")
    audits.set_defaults(execute=run_audits)


def run_audits(options: argparse.Namespace) -> int:
    """`audits`: 2 where a run that was named could not be measured."""
    from models.runs import find_run, list_runs
    from xai.audit import read_audit
    from xai.audit.overview import markdown_table
    from xai.export import to_json

    if options.method and not options.measure:
        raise BadInput("--method says what to measure: give it with --measure.")
    runs = [find_run(name) for name in options.runs] or list(list_runs())
    failed = False
    if options.measure:
        for run in runs:
            try:
                measure(run, options.method or [STORED_METHODS])
            except BadInput as refusal:
                print(f"{run.id}: {refusal}", file=sys.stderr)
                failed = bool(options.runs)
        runs = [find_run(run.folder) for run in runs]
    if options.json:
        sys.stdout.write(to_json([found for run in runs if (found := read_audit(run)) is not None]))
    else:
        sys.stdout.write(markdown_table(runs))
    return 2 if failed else 0


def measure(run: Run, methods: Sequence[str]) -> Run:
    """The run's audit on its own test cases, stored. BadInput where the run has no weights, its data set is
    not at hand or has no masks."""
    from tqdm import tqdm

    from models.data.at_hand import DATA_VARIABLE, manifest_at_hand
    from models.data.prepare import as_trained
    from models.engines import open_engine
    from xai.audit import AuditJob, store

    if not run.has_weights:
        raise BadInput(f"The run {run.id} came without weights: audit its folds with --store-in.")
    manifest: Manifest | None = manifest_at_hand(run.card.data.manifest_digest)
    if manifest is None:
        raise BadInput(
            f"The data set of {run.id} is not at hand: put its folder into one that {DATA_VARIABLE} names."
        )
    with tempfile.TemporaryDirectory() as folder:
        cut, _ = as_trained(run.card.prepare, manifest, Path(folder))
        asked, tuning = audited_cases(run, cut, "test")
        cases, labels = [case for case, _ in asked], [label for _, label in asked]
        chosen = methods_of(run, methods)
        with tqdm(total=len(cases), desc=run.id, unit="case", file=sys.stderr, disable=None) as bar:
            job = AuditJob(
                run,
                open_engine(run),
                cases,
                labels,
                chosen,
                watch=lambda done, total: bar.update(done - bar.n),
                tuning=tuning,
            )
            return store(job.measure())
