"""`python -m models batch`: any number of images through a run, into one table.

`python -m xai batch` is the same command with steps of its own: `add_batch_arguments` and `run_batch`.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.commands import DONE, INTERRUPTED, add_json_option, print_json
from models.errors import BadInput
from models.runs import find_run
from models.runs.digests import file_digest

if TYPE_CHECKING:
    from models.batch import Batch, BatchPlan, Progress, Step
    from models.runs import Run

    Steps = Mapping[str, Sequence[Step]] | Sequence[Step] | Callable[[Run], Sequence[Step]]

DESCRIPTION = """\
Score every image of the INPUTs (files, folders, ZIP and TAR archives, manifests) with RUN and write
DIR/predictions.csv, an image a row: the run folder's columns, facts of the image, status and why.
What cannot be read is a row with its reason. Each finished image is on disk before it is counted:
after a stop of any kind the same command with --resume does the rest. For research use only."""
SHOWN_SKIPPED = 100


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser(
        "batch",
        help="any number of images into one table",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_batch_arguments(parser)


def add_batch_arguments(parser: argparse.ArgumentParser) -> None:
    """What both batch commands take."""
    parser.add_argument("run", metavar="RUN", help="id of a run (python -m models list) or its folder")
    parser.add_argument(
        "inputs", metavar="INPUT", nargs="+", type=Path, help="file, folder, archive or manifest"
    )
    parser.add_argument("--out", metavar="DIR", required=True, type=Path, help="folder for the results")
    parser.add_argument(
        "--labels", metavar="CSV", type=Path, help="columns file and label, for files without a manifest"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the batch in DIR")
    parser.add_argument(
        "--workers",
        metavar="N",
        type=int,
        help="threads that decode (default: one a core); with --ray the processors of a worker (default: 2)",
    )
    parser.add_argument(
        "--with",
        metavar="RUN",
        dest="others",
        action="append",
        default=[],
        help="another run that scores the same images; may be given many times",
    )
    parser.add_argument(
        "--map",
        metavar="LABEL=CLASS",
        action="append",
        default=[],
        help="what a label means; may be given many times",
    )
    parser.add_argument(
        "--frames", choices=("first", "all"), default="first", help="of DICOM files with several frames"
    )
    parser.add_argument("--engine", metavar="K", help="onnx, openvino, onnxruntime or tensorflow")
    parser.add_argument(
        "--ray", metavar="ADDRESS", help="do the work on this Ray cluster, or on a local one: local"
    )
    add_json_option(parser)


def run(options: argparse.Namespace) -> int:
    return run_batch(options)


def run_batch(
    options: argparse.Namespace,
    steps: Steps = (),
    finish: Callable[[Batch], Mapping[str, Any]] | None = None,
) -> int:
    """Do what the options of `add_batch_arguments` ask; the exit status.

    steps: for all runs, by run id, or a function that gives those of a run. finish: called with the finished
    batch; what it gives is added to the JSON document. BadInput as `BatchJob`.
    """
    from models.batch import Cancelled
    from models.batch.plan import check_runs

    began = time.perf_counter()
    runs = _runs(options)
    check_runs(runs)
    plan = _plan(options, runs, steps)
    notices = [*plan.listing.notices, *_notices(runs, options.inputs)]
    for sentence in notices:
        print(sentence, file=sys.stderr)
    before = _done_before(plan)
    try:
        batch = _worked(options, plan)
    except Cancelled as stopped:
        print(f"{stopped} The same command with --resume does the rest.", file=sys.stderr)
        return INTERRUPTED
    document = report(batch, runs, notices, time.perf_counter() - began, before)
    document |= finish(batch) if finish else {}
    if options.json:
        print_json(document)
    else:
        print(summary(document))
    return DONE


def _runs(options: argparse.Namespace) -> list[Run]:
    return [find_run(name) for name in (options.run, *options.others)]


def _plan(options: argparse.Namespace, runs: Sequence[Run], steps: Steps) -> BatchPlan:
    """BadInput for labels that are no class of a run, before anything is scored."""
    from models.batch import BatchPlan
    from models.batch.labels import check_labels, known_labels, read_labels
    from models.batch.listing import folder_labels, list_inputs
    from models.batch.plan import meant_for
    from models.data.manifest import parse_label_map

    classes = dict.fromkeys(name for run in runs for name in run.classes)
    label_map = parse_label_map(options.map, tuple(classes))
    labels = read_labels(str(options.labels)) if options.labels else None
    if options.out.resolve() in [path.resolve() for path in options.inputs]:
        raise BadInput(
            f"{options.out} is the input itself: give another folder, such as {options.out}/results."
        )
    listing = list_inputs(options.inputs, labels=labels, frames=options.frames)
    first = runs[0]
    listing = folder_labels(listing, known_labels(first.card.label_map | label_map, first.classes))
    for run in runs:
        if listing.has_labels:
            meaning = run.card.label_map | meant_for(run.classes, label_map)
            check_labels(listing, meaning, run.classes, run.card.data.leave_out)
    if callable(steps):
        steps = {run.id: tuple(steps(run)) for run in runs}
    return BatchPlan(
        runs, listing, options.out, steps, options.engine, label_map, options.resume, options.workers
    )


def _notices(runs: Sequence[Run], inputs: Sequence[Path]) -> Iterator[str]:
    given = {file_digest(path) for path in _manifests(inputs)}
    for run in runs:
        if run.card.data.manifest_digest in given:
            yield (
                f"The run {run.id} was trained on some of these images, which flatters it here: "
                "python -m models evaluate --part test judges it on those it never saw."
            )
        if (cut := run.card.prepare.get("cut", "none")) != "none":
            yield f"The run {run.id} was trained on parts of images ({cut}) and here sees them whole."


def _manifests(inputs: Sequence[Path]) -> Iterator[Path]:
    for path in inputs:
        listed = path / "manifest.csv" if path.is_dir() else path
        if listed.suffix.lower() == ".csv" and listed.is_file():
            yield listed


def _done_before(plan: BatchPlan) -> int:
    """Cases that an earlier call did, so that the rate is of this one alone."""
    from models.batch import read_batch

    try:
        return len(read_batch(plan.folder)) if plan.resume else 0
    except BadInput:
        return 0


def _worked(options: argparse.Namespace, plan: BatchPlan) -> Batch:
    with _Bar() as bar:
        if options.ray:
            from models.batch.on_ray import RayJob

            job = RayJob.at(options.ray, plan, bar.show, bar.say)
        else:
            from models.batch import BatchJob

            job = BatchJob.of(plan, bar.show, bar.say)
        with _stopping(job.cancel):
            return job.work()


@contextmanager
def _stopping(cancel: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the batch in order; a second one ends it at once. What is done is kept."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        cancel()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    kept = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


class _Bar:
    """Progress on stderr, in place on a terminal; nothing where there is none."""

    def __init__(self) -> None:
        from tqdm import tqdm

        self._bar = tqdm(unit="image", disable=None, file=sys.stderr, dynamic_ncols=True)
        self._first = True

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, progress: Progress) -> None:
        self._bar.total = progress.total
        if self._first:  # what an earlier call did is no work of this one
            self._bar.initial, self._first = progress.done, False
        self._bar.n = progress.done
        if bad := progress.done - progress.ok:
            self._bar.set_postfix_str(f"{bad} not scored", refresh=False)
        self._bar.refresh()

    def say(self, sentence: str) -> None:
        self._bar.write(sentence, file=sys.stderr)


def report(
    batch: Batch, runs: Sequence[Run], notices: Sequence[str], seconds: float, before: int = 0
) -> dict[str, Any]:
    """The command's JSON document. seconds: of this call, which did all but `before` cases."""
    counts = dict(batch.counts)
    n = len(batch)
    return {
        "run": runs[0].id,
        "runs": [_of_run(batch, run) for run in runs],
        "out": str(batch.folder),
        "n": n,
        "counts": counts,
        "seconds": round(seconds, 3),
        "images_per_second": round((n - before) / seconds, 3) if seconds > 0 else None,
        "engine": batch.engine,
        "threshold": batch.runs[0].threshold,
        "metrics": _metrics(batch, runs[0]),
        "skipped": _skipped(batch),
        "notices": list(notices),
    }


def _of_run(batch: Batch, run: Run) -> dict[str, Any]:
    from models.batch.tables import table_name

    predictions = batch.predictions(run.id)
    positive = predictions.probabilities[:, run.classes.index(run.positive)]
    threshold = batch.run(run.id).threshold
    return {
        "id": run.id,
        "run_digest": run.digest,
        "file": table_name(batch, run.id),
        "n": len(predictions),
        "threshold": threshold,
        "positive": int((positive >= threshold).sum()),
        "metrics": _metrics(batch, run),
    }


def _metrics(batch: Batch, run: Run) -> dict[str, Any] | None:
    """As `evaluate` gives them, of the labelled cases; None where there is none."""
    from models.commands.evaluate import metrics_of

    labelled = batch.predictions(run.id).labelled()
    return metrics_of(run, labelled) if len(labelled) else None


def _skipped(batch: Batch) -> list[dict[str, str]]:
    """The first images that were not scored: {file, status, why}."""
    from itertools import islice

    bad = ({"file": row.key, "status": row.status, "why": row.why} for row in batch.rows() if row.why)
    return list(islice(bad, SHOWN_SKIPPED))


def summary(document: Mapping[str, Any]) -> str:
    """What a person at a terminal wants to read."""
    counts = document["counts"]
    told = ", ".join(f"{count:,} {status}" for status, count in counts.items() if count)
    lines = [
        f"{document['n']:,} images in {document['seconds']:.1f} s "
        f"({document['images_per_second']:.1f} a second, {document['engine']}): {told or 'nothing to do'}"
    ]
    for run in document["runs"]:
        lines.append(
            f"  {run['id']}: {run['positive']:,} of {run['n']:,} at or above the threshold "
            f"{run['threshold']:.3f}, in {Path(document['out']) / run['file']}"
        )
        for name in ("auc", "sensitivity", "specificity"):
            metric = (run["metrics"] or {}).get(name)
            if metric and metric["value"] is not None:
                value, low, high = metric["value"], metric["low"], metric["high"]
                lines.append(f"    {name:<12} {value:.3f} ({low:.3f} to {high:.3f}), n {metric['n']}")
    shown = document["skipped"][:10]
    lines += [f"  {entry['status']} {entry['file']}: {entry['why']}" for entry in shown]
    more = sum(counts.values()) - counts.get("ok", 0) - len(shown)
    lines += [f"  and {more:,} more that were not scored" if more > 0 else ""]
    lines += ["Research use only: these numbers are no diagnosis."]
    return "\n".join(line for line in lines if line)
