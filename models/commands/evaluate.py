"""`python -m models evaluate`: a run's metrics on a manifest."""

from __future__ import annotations

import argparse
import sys
import tempfile
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
own map, changed by --map. Several --data count as one; with more than one modality among them each has
its own metrics too. Images are cut as they were for the run's training. With --out, DIR gets
predictions.csv, a case a row."""


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("evaluate", help="metrics of a run on a manifest", description=DESCRIPTION)
    parser.add_argument("run", metavar="RUN", help="id of a run (python -m models list) or its folder")
    parser.add_argument(
        "--data",
        metavar="MANIFEST",
        required=True,
        type=Path,
        action="append",
        help="CSV with file and label; may be given many times",
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
    from models.data.manifest import read_manifest
    from models.data.merging import merge
    from models.data.prepare import as_trained

    found = find_run(arguments.run)
    manifest = merge([read_manifest(path) for path in arguments.data])
    with tempfile.TemporaryDirectory() as folder:
        manifest, skipped = as_trained(found.card.prepare, manifest, Path(folder), arguments.json)
        document = _evaluated(arguments, found, manifest, skipped)
    if arguments.json:
        print_json(document)
    else:
        print(summary(document))
    return DONE


def _evaluated(
    arguments: argparse.Namespace, found: Run, manifest: Manifest, unread: list[dict[str, str]]
) -> dict[str, Any]:
    """Score the manifest's cases, write the predictions where asked to, and the document."""
    from models.data.manifest import class_of, parse_label_map
    from models.engines import open_engine
    from models.engines.scoring import score

    splits = _splits(found, manifest, arguments.part)
    chosen = [case for case in manifest.cases if arguments.part in (None, splits[case.case_id])]
    unused = {label.strip().casefold() for label in found.card.data.leave_out}
    cases, without = [], []
    for case in chosen:
        if case.label.strip().casefold() not in unused:
            cases.append(case)
            continue
        why = f"the run was trained without the label {case.label}"
        without.append({"file": case.columns.get("file", case.file.name), "why": why})
    label_map = found.card.label_map | parse_label_map(arguments.map, found.classes)
    labels = [found.classes.index(class_of(case.label, label_map, found.classes, case.row)) for case in cases]
    _make_folder(arguments.out)
    engine = open_engine(found, arguments.engine)
    predictions, skipped = score(engine, cases, labels, splits, quiet=arguments.json)
    if arguments.out:
        _write(predictions, arguments.out)
    document = report(found, engine, predictions, unread + without + skipped)
    return document | _by_modality(found, manifest, predictions)


def _by_modality(run: Run, manifest: Manifest, predictions: Predictions) -> dict[str, Any]:
    """{"by_modality": {name: {n, metrics}}} where the cases scored are of more than one modality, else {}."""
    import numpy as np

    named = {case.case_id: case.modality or "unknown" for case in manifest.cases}
    modalities = np.array([named[case_id] for case_id in predictions.case_ids], dtype=str)
    if len(set(modalities)) < 2:
        return {}
    found = {}
    for name in sorted(set(modalities)):
        chosen = predictions.take(modalities == name)
        found[str(name)] = {"n": len(chosen), "metrics": metrics_of(run, chosen)}
    return {"by_modality": found}


def metrics_of(run: Run, predictions: Predictions) -> dict[str, Any]:
    """Every metric with its interval at the run's default operating point."""
    from models.evaluation import evaluate

    return evaluate(
        predictions.labels,
        predictions.probabilities,
        classes=run.classes,
        positive=run.positive,
        threshold=run.operating_point.threshold,
        groups=predictions.groups,
    )


def report(
    run: Run, engine: Engine, predictions: Predictions, skipped: list[dict[str, str]]
) -> dict[str, Any]:
    """The document of the command's contract, at the run's default operating point."""
    from models.evaluation import confusion, predicted_classes

    threshold = run.operating_point.threshold
    called = predicted_classes(predictions.probabilities, threshold, run.classes.index(run.positive))
    return {
        "run": run.id,
        "run_digest": run.digest,
        "engine": engine.name,
        "n": len(predictions),
        "skipped": skipped,
        "threshold": threshold,
        "metrics": metrics_of(run, predictions),
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
    for name, part in document.get("by_modality", {}).items():
        auc = part["metrics"]["auc"]
        told = f"AUC {auc['value']:.3f}" if auc["value"] is not None else f"AUC undefined: {auc['why']}"
        lines.append(f"  {name}: {part['n']} cases, {told}")
    lines += [f"  skipped {entry['file']}: {entry['why']}" for entry in document["skipped"]]
    return "\n".join(lines)


def _splits(run: Run, manifest: Manifest, part: str | None) -> dict[str, str]:
    """Case id -> part: of the run's own split on its own data, of the manifest's where a part is asked for,
    else of the manifest's own column."""
    from models.data.splits import parts_of, split_for

    known = run.card.data.manifest_digest
    origins = (manifest, *manifest.packs, manifest.source, *(pack.source for pack in manifest.packs))
    own_data = known is not None and known in {origin.digest for origin in origins if origin}
    if not (own_data or part):
        return {case.case_id: case.split or "" for case in manifest.cases}
    parts = parts_of(run, manifest) if own_data else split_for(manifest).parts
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
