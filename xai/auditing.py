"""`python -m xai audit`: the command around xai.audit."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import BadInput
from xai.methods import DEFAULT_METHOD, check_method

if TYPE_CHECKING:
    from models.data.manifest import Manifest
    from models.runs import Run
    from xai.audit import Audit

AUDIT = """\
Measure RUN's heatmaps against the lesion masks of a manifest: pointing game, IoU at half of the map's
maximum, Dice, energy inside the lesion and average precision, with 95 % intervals, by class and lesion size,
beside the best a map of that grid could do, a blob in the centre and noise."""

STORE = "keep the measures in the run (xai.csv and its card); needs the run's own manifest and --part test"
STORED = ("pointing", "iou", "energy")


def add_parser(commands) -> None:
    audit = commands.add_parser(
        "audit",
        help="a run's heatmaps against known lesions",
        description=AUDIT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    audit.add_argument(
        "run",
        metavar="RUN",
        help="id of a run (python -m models list), its folder, or the folder of a cross-validation",
    )
    audit.add_argument(
        "--data", metavar="MANIFEST", required=True, type=Path, help="CSV with file, label, mask_file"
    )
    audit.add_argument("--map", metavar="LABEL=CLASS", action="append", default=[], help="what a label means")
    audit.add_argument("--part", choices=("train", "validation", "test"), help="only this part of the split")
    audit.add_argument("--limit", metavar="N", type=int, help="only the first N cases with a mask")
    audit.add_argument(
        "--method", metavar="M", default=DEFAULT_METHOD, help="see explain (default: %(default)s)"
    )
    audit.add_argument("--engine", metavar="K", help="onnx, openvino, onnxruntime or tensorflow")
    audit.add_argument("--store", action="store_true", help=STORE)
    audit.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    audit.set_defaults(execute=run_audit)


def run_audit(options: argparse.Namespace) -> int:
    """`audit`: measure and print."""
    from models.data.manifest import read_manifest
    from models.data.prepare import as_trained
    from models.runs import find_run
    from xai.audit import document, pooled
    from xai.export import to_json

    check_method(options.method)
    if options.limit is not None and options.limit < 1:
        raise BadInput(f"--limit {options.limit} leaves no case: give 1 or more.")
    manifest, members = read_manifest(options.data), _fold_runs(options.run)
    if members and options.store:
        raise BadInput("--store keeps measures with one run: give a single run, not a cross-validation.")
    run = members[0] if members else find_run(options.run)
    if options.store and (options.part != "test" or run.card.data.manifest_digest != manifest.digest):
        raise BadInput(
            "--store keeps what was measured on the run's own test cases: give its manifest and --part test."
        )
    if options.store and options.limit is not None:
        raise BadInput("--store keeps the whole test part: leave --limit out.")
    if members and options.part is None:
        raise BadInput(
            "A cross-validation is audited on the cases each run was not trained on: give --part test."
        )

    with tempfile.TemporaryDirectory() as folder:
        cut, _ = as_trained(run.card.prepare, manifest, Path(folder), options.json)
        result = pooled([_audited(member, cut, options) for member in members or [run]])
    fields = document(result)
    if options.store:
        store(result, fields)
    if options.json:
        sys.stdout.write(to_json(fields))
    else:
        print(summary(fields))
    return 0


def _audited(run: Run, manifest: Manifest, options: argparse.Namespace) -> Audit:
    """One run on the cases asked for."""
    from tqdm import tqdm

    from models.data.manifest import class_of, parse_label_map
    from models.data.splits import parts_of
    from models.engines import open_engine
    from xai.audit import audit

    def progress(items):
        return tqdm(items, unit="case", disable=options.json or None, file=sys.stderr)

    label_map = run.card.label_map | parse_label_map(options.map, run.classes)
    cases = list(manifest.cases)
    if options.part:
        parts = parts_of(run, manifest)
        cases = [case for case in cases if parts.get(case.case_id) == options.part]
    unused = {label.strip().casefold() for label in run.card.data.leave_out}
    cases = [case for case in cases if case.label.strip().casefold() not in unused]
    cases = [case for case in cases if case.mask_file is not None][: options.limit]
    labels = [class_of(case.label, label_map, run.classes, case.row) for case in cases]
    return audit(run, open_engine(run, options.engine), cases, labels, options.method, progress)


def _fold_runs(name: str) -> list[Run]:
    """The runs of a cross-validation's folder, none for a single run."""
    import json

    from models.runs import load_run

    summary = Path(name) / "folds.json"
    if not summary.is_file():
        return []
    return [load_run(Path(name) / run) for run in json.loads(summary.read_text(encoding="utf-8"))["runs"]]


def store(result: Audit, fields: dict[str, Any]) -> Run:
    """The run written anew, whole, with the measures of every case in `xai.csv` and their means in its
    card."""
    import csv
    import io

    from models.runs import rewrite_run
    from xai.audit import table

    run = result.run
    text = io.StringIO()
    rows = table(result)
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    metrics = run.card.model_dump(mode="json")["metrics"]
    figures = fields["methods"][result.method]
    metrics.setdefault("test", {}).update({name: figures[name] for name in STORED})
    return rewrite_run(run, {"metrics": metrics}, {"xai.csv": text.getvalue()})


def summary(fields: dict) -> str:
    """The table a person at a terminal wants to read."""
    lines = [f"{fields['run']}: {fields['n']} {fields['population']}"]
    rows = {
        **fields["methods"],
        **{f"branch {n}": v for n, v in fields["branches"].items()},
        **fields["baselines"],
    }
    for name, figures in rows.items():
        cells = ", ".join(f"{measure} {_cell(figure)}" for measure, figure in figures.items())
        lines.append(f"  {name:<22} {cells}")
    lines += [f"  skipped {entry['file']}: {entry['why']}" for entry in fields["skipped"]]
    return "\n".join(lines)


def _cell(figure: dict) -> str:
    if figure["value"] is None:
        return "undefined"
    return f"{figure['value']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})"
