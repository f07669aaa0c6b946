"""`python -m models evaluate`: a run's metrics on a manifest."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.commands import DONE, add_json_option, print_json
from models.errors import BadInput
from models.runs import find_run

if TYPE_CHECKING:
    from models.data.manifest import Manifest
    from models.engines import Engine
    from models.evaluation import Predictions
    from models.runs import Run

DESCRIPTION = """\
Score every row of the manifest with RUN and print metrics with 95 % intervals. Files that cannot be
read are listed under `skipped`; nothing is dropped as a duplicate. Labels become classes by the run's
own map, changed by --map. With --out, DIR gets predictions.csv, a case a row."""


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("evaluate", help="metrics of a run on a manifest", description=DESCRIPTION)
    parser.add_argument("run", metavar="RUN", help="id of a run (python -m models list) or its folder")
    parser.add_argument(
        "--data", metavar="MANIFEST", required=True, type=Path, help="CSV with file and label"
    )
    parser.add_argument(
        "--map",
        metavar="LABEL=CLASS",
        action="append",
        default=[],
        help="what a label of the manifest means; may be given many times",
    )
    parser.add_argument(
        "--part",
        choices=("train", "validation", "test"),
        help="only this part of the manifest's split (default: every row)",
    )
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder for predictions.csv")
    parser.add_argument("--engine", metavar="K", help="onnx, openvino, onnxruntime or tensorflow")
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    from models.data.manifest import class_of, parse_label_map, read_manifest
    from models.engines import open_engine
    from models.engines.scoring import score

    found = find_run(arguments.run)
    manifest = read_manifest(arguments.data)
    splits = _splits(found, manifest, arguments.part)
    cases = [case for case in manifest.cases if arguments.part in (None, splits[case.case_id])]
    label_map = found.card.label_map | parse_label_map(arguments.map, found.classes)
    labels = [found.classes.index(class_of(case.label, label_map, found.classes, case.row)) for case in cases]
    _make_folder(arguments.out)
    engine = open_engine(found, arguments.engine)
    predictions, skipped = score(engine, cases, labels, splits, quiet=arguments.json)
    if arguments.out:
        _write(predictions, arguments.out)
    document = report(found, engine, predictions, skipped)
    if arguments.json:
        print_json(document)
    else:
        print(summary(document))
    return DONE


def report(
    run: Run, engine: Engine, predictions: Predictions, skipped: list[dict[str, str]]
) -> dict[str, Any]:
    """The document of the command's contract, at the run's default operating point."""
    from models.evaluation import confusion, evaluate, predicted_classes

    threshold = run.operating_point.threshold
    metrics = evaluate(
        predictions.labels,
        predictions.probabilities,
        classes=run.classes,
        positive=run.positive,
        threshold=threshold,
        groups=predictions.groups,
    )
    called = predicted_classes(predictions.probabilities, threshold, run.classes.index(run.positive))
    return {
        "run": run.id,
        "run_digest": run.digest,
        "engine": engine.name,
        "n": len(predictions),
        "skipped": skipped,
        "threshold": threshold,
        "metrics": metrics,
        "confusion": confusion(predictions.labels, called, run.classes),
    }


def summary(document: dict[str, Any]) -> str:
    """What a person at a terminal wants to read."""
    lines = [
        f"{document['run']} on {document['n']} cases, threshold {document['threshold']:.3f} "
        f"({document['engine']})"
    ]
    for name, metric in document["metrics"].items():
        if metric["value"] is None:
            lines.append(f"  {name:<18} undefined: {metric['why']}")
        else:
            value, low, high = metric["value"], metric["low"], metric["high"]
            lines.append(f"  {name:<18} {value:.3f} ({low:.3f} to {high:.3f}), n {metric['n']}")
    classes, counts = document["confusion"]["classes"], document["confusion"]["counts"]
    for name, row in zip(classes, counts, strict=True):
        called = ", ".join(f"{count} {label}" for label, count in zip(classes, row, strict=True))
        lines.append(f"  {name} called: {called}")
    lines += [f"  skipped {entry['file']}: {entry['why']}" for entry in document["skipped"]]
    return "\n".join(lines)


def _splits(run: Run, manifest: Manifest, part: str | None) -> dict[str, str]:
    """Case id -> part: of the stored split on the run's own data or when a part is asked for, else of the
    manifest's own column."""
    from models.data.splits import split_for

    own_data = run.card.data.manifest_digest == manifest.digest
    if not (own_data or part):
        return {case.case_id: case.split or "" for case in manifest.cases}
    parts = split_for(manifest).parts
    if own_data and part is None:
        print(
            "This run was trained on some of these cases, which flatters it: see --part test.",
            file=sys.stderr,
        )
    return {case.case_id: parts.get(case.case_id, "") for case in manifest.cases}


def _make_folder(out: Path | None) -> None:
    """Before the work, so that an hour is not lost to a mistyped folder."""
    if out:
        with _refusing(out):
            out.mkdir(parents=True, exist_ok=True)


def _write(predictions: Predictions, out: Path) -> None:
    from models.evaluation import write_predictions

    with _refusing(out):
        write_predictions(predictions, out / "predictions.csv")


@contextmanager
def _refusing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BadInput(
            f"{out} cannot be written ({error.strerror}): give another folder with --out."
        ) from error
