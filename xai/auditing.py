"""`python -m xai audit`: the command around xai.audit."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import BadInput
from xai.methods import DEFAULT_METHOD, METHODS, check_method, same_as, why_not

if TYPE_CHECKING:
    from models.data.manifest import Case, Manifest
    from models.runs import Run
    from xai.audit import Audit, AuditJob

AUDIT = """\
Measure RUN's heatmaps against the lesion masks of a manifest, with 95 % intervals, by method, class and
lesion size, beside the best a map of that grid could do, a blob in the centre and noise. Each case is read
once for all methods of the stored family. DIR gets xai.csv (a row a case, method and map), xai.json and the
journal from which --resume goes on."""

STORED_METHODS = "stored"
METHOD = (
    f"a method of explain, once or several times; the first gives the headline; {STORED_METHODS!r} for every "
    f"one that needs no further pass and gives a map of its own on this run (default: {DEFAULT_METHOD})"
)
STORE = "keep the measures in the run (xai.csv, xai.json, its card); needs its own manifest and --part test"
STORE_IN = "as --store, for the folds of a cross-validation: the pooled run that keeps them"
FAITHFULNESS = "deletion, insertion, average drop and more; many passes a case, so it says how long it takes"
BASELINE = "with --faithfulness: take pixels away to mean, blur or black too; may be given several times"


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
    audit.add_argument("--method", metavar="M", action="append", default=[], help=METHOD)
    audit.add_argument(
        "--masks", metavar="N", type=int, help="passes a perturbation method may take, see explain"
    )
    audit.add_argument("--seed", metavar="N", type=int, default=0, help="of methods that draw at random")
    audit.add_argument("--faithfulness", action="store_true", help=FAITHFULNESS)
    audit.add_argument("--baseline", metavar="B", action="append", default=[], help=BASELINE)
    audit.add_argument(
        "--no-randomisation", action="store_true", help="leave the maps with random weights out"
    )
    audit.add_argument("--engine", metavar="K", help="onnx, openvino, onnxruntime or tensorflow")
    audit.add_argument("--out", metavar="DIR", type=Path, help="folder for the results, kept case by case")
    audit.add_argument("--resume", action="store_true", help="go on with the audit that --out holds")
    audit.add_argument("--store", action="store_true", help=STORE)
    audit.add_argument("--store-in", metavar="RUN", help=STORE_IN)
    audit.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    audit.set_defaults(execute=run_audit)


def run_audit(options: argparse.Namespace) -> int:
    """`audit`: measure, keep and print. 2 where it was stopped; what was done is kept and printed."""
    from models.data.manifest import read_manifest
    from models.data.prepare import as_trained
    from models.runs import find_run
    from xai.audit import document, pooled, store
    from xai.export import to_json

    _check_options(options)
    manifest, members = read_manifest(options.data), _fold_runs(options.run)
    run = members[0] if members else find_run(options.run)
    target = _target(options, run, members, manifest)
    if members and options.part is None:
        raise BadInput(
            "A cross-validation is audited on the cases each run was not trained on: give --part test."
        )
    with tempfile.TemporaryDirectory() as folder:
        cut, _ = as_trained(run.card.prepare, manifest, Path(folder), options.json)
        audits, whole = _audited([_job(member, cut, options) for member in members or [run]], options.json)
    result = pooled(audits)
    fields = document(result)
    if options.out:
        _write(options.out, result, to_json(fields))
    if target and whole:
        store(result, target)
    if options.json:
        sys.stdout.write(to_json(fields))
    else:
        print(summary(fields))
    if not whole:
        kept = f"--resume goes on ({options.out})" if options.out else "give --out to keep what is done"
        print(f"Cancelled after {len(result.cases)} of {result.asked} cases: {kept}.", file=sys.stderr)
    return 0 if whole else 2


def _check_options(options: argparse.Namespace) -> None:
    """Refuse what needs no run to refuse, before anything is loaded."""
    for method in options.method:
        if method != STORED_METHODS:
            check_method(method)
    if options.limit is not None and options.limit < 1:
        raise BadInput(f"--limit {options.limit} leaves no case: give 1 or more.")
    if options.baseline and not options.faithfulness:
        raise BadInput("--baseline says how pixels are taken away: give it with --faithfulness.")
    if options.resume and not options.out:
        raise BadInput("--resume goes on with what --out holds: give the folder.")
    if options.out and options.out.exists() and not options.out.is_dir():
        raise BadInput(f"{options.out} is a file: give a folder for the results with --out.")
    if (options.store or options.store_in) and options.limit is not None:
        raise BadInput("--store keeps the whole test part: leave --limit out.")


def _target(options: argparse.Namespace, run: Run, members: list[Run], manifest: Manifest) -> Run | None:
    """The run that keeps the measures; None where nothing is stored. BadInput where they are not those of its
    own test cases."""
    from models.runs import find_run

    if not (options.store or options.store_in):
        return None
    if members and not options.store_in:
        raise BadInput("Measures of a cross-validation are kept by its pooled run: name it with --store-in.")
    if options.store_in and not members:
        raise BadInput("--store-in is for the folds of a cross-validation: give --store.")
    target = find_run(options.store_in) if members else run
    if options.part != "test" or target.card.data.manifest_digest != manifest.digest:
        raise BadInput(
            "--store keeps what was measured on the run's own test cases: give its manifest and --part test."
        )
    if members and sorted(member.name for member in target.members) != sorted(r.folder.name for r in members):
        raise BadInput(f"The run {target.id} does not pool these folds: name the one that does.")
    return target


def _audited(jobs: Sequence[AuditJob], quiet: bool) -> tuple[list[Audit], bool]:
    """Every job's audit, and whether none was stopped; Ctrl-C stops, what was done until then is kept."""
    from tqdm import tqdm

    bar = tqdm(total=sum(job.total for job in jobs), unit="case", disable=quiet or None, file=sys.stderr)
    before = 0
    with bar:
        for job in jobs:

            def show(done: int, total: int, before: int = before) -> None:
                bar.update(before + done - bar.n)

            job.watch = show
            try:
                job.measure()
            except KeyboardInterrupt:
                return [job.audit for job in jobs], False
            before += job.total
    return [job.audit for job in jobs], True


def _job(run: Run, manifest: Manifest, options: argparse.Namespace) -> AuditJob:
    """One run on the cases asked for."""
    from models.engines import open_engine
    from xai.audit import AuditJob, Faithfulness

    def notice(sentence: str) -> None:
        print(sentence, file=sys.stderr)

    asked, tuning = audited_cases(run, manifest, options.part, options.map)
    asked = asked[: options.limit]
    cases, labels = [case for case, _ in asked], [label for _, label in asked]
    return AuditJob(
        run,
        open_engine(run, options.engine),
        cases,
        labels,
        methods_of(run, options.method),
        Faithfulness(tuple(options.baseline)) if options.faithfulness else False,
        masks=options.masks,
        seed=options.seed,
        tuning=tuning,
        randomisation=not options.no_randomisation,
        journal=options.out / f"audit-{run.folder.name}.jsonl" if options.out else None,
        resume=options.resume,
        notice=notice,
    )


def audited_cases(
    run: Run, manifest: Manifest, part: str | None = None, maps: Sequence[str] = ()
) -> tuple[list[tuple[Case, str]], list[tuple[Case, str]]]:
    """(case, its class) of the manifest's cases with a mask, of one part of the run's split or all; and those
    of the positive class in its validation part, on which thresholds are tuned (none where they are among
    the first).

    maps: LABEL=CLASS. BadInput for a label that stands for no class.
    """
    from models.data.manifest import class_of, parse_label_map
    from models.data.splits import parts_of

    label_map = run.card.label_map | parse_label_map(list(maps), run.classes)
    unused = {label.strip().casefold() for label in run.card.data.leave_out}
    masked = [
        case
        for case in manifest.cases
        if case.mask_file is not None and case.label.strip().casefold() not in unused
    ]
    parts = parts_of(run, manifest) if part or _own(run, manifest) else {}
    asked = [case for case in masked if part is None or parts.get(case.case_id) == part]

    def labelled(cases: Sequence[Case]) -> list[tuple[Case, str]]:
        return [(case, class_of(case.label, label_map, run.classes, case.row)) for case in cases]

    # A threshold tuned on the cases it is measured on would be too good.
    known = {case.case_id for case in asked}
    held = [c for c in masked if parts.get(c.case_id) == "validation" and c.case_id not in known]
    return labelled(asked), [pair for pair in labelled(held) if pair[1] == run.positive]


def _own(run: Run, manifest: Manifest) -> bool:
    """Whether the run was trained on this manifest, or on what was cut from it."""
    whole = manifest.source or manifest
    return run.card.data.manifest_digest in (manifest.digest, whole.digest)


def methods_of(run: Run, asked: Sequence[str]) -> list[str]:
    """The methods of `--method`, "stored" spelled out."""
    found = []
    for name in asked or [DEFAULT_METHOD]:
        if name != STORED_METHODS:
            found.append(name)
            continue
        found += [
            key
            for key, method in METHODS.items()
            if method.family == "stored" and not why_not(key, run) and not same_as(key, run)
        ]
    return found


def _fold_runs(name: str) -> list[Run]:
    """The runs of a cross-validation's folder, none for a single run."""
    import json

    from models.runs import load_run

    summary = Path(name) / "folds.json"
    if not summary.is_file():
        return []
    return [load_run(Path(name) / run) for run in json.loads(summary.read_text(encoding="utf-8"))["runs"]]


def _write(folder: Path, result: Audit, text: str) -> None:
    """`xai.csv` and `xai.json`, each whole or not at all."""
    from models.runs import write_atomically
    from xai.audit.store import DOCUMENT_FILE
    from xai.audit.table import TABLE_FILE

    for name, content in ((TABLE_FILE, result.table().to_csv()), (DOCUMENT_FILE, text)):
        write_atomically(folder / name, lambda path, content=content: path.write_text(content, "utf-8"))


def summary(fields: dict[str, Any]) -> str:
    """The table a person at a terminal wants to read."""
    lines = [f"{fields['run']}: {fields['n']} {fields['population']}"]
    rows = {
        **{_title(name, fields): found for name, found in fields["methods"].items()},
        **{f"branch {n}": v for n, v in fields["branches"].items()},
        **fields["baselines"],
    }
    for name, figures in rows.items():
        cells = ", ".join(f"{measure} {_cell(figure)}" for measure, figure in figures.items())
        lines.append(f"  {name:<22} {cells}")
    lines.append(f"  {_randomisation(fields['randomisation'])}")
    lines += [f"  finding: {entry['sentence']}" for entry in fields["findings"]]
    lines += [f"  skipped {entry['file']}: {entry['why']}" for entry in fields["skipped"]]
    return "\n".join(lines)


def _title(method: str, fields: dict[str, Any]) -> str:
    same = fields["same_maps"].get(method)
    return f"{method} ({same})" if same else method


def _randomisation(found: dict[str, Any]) -> str:
    if found["correlation"] is None:
        return f"random weights: undefined ({found['why']})"
    verdict = "passed" if found["passed"] else "FAILED: the maps do not show what was learned"
    figure = _cell(found | {"value": found["correlation"]})
    return f"random weights: correlation {figure} over {found['n']} cases, {verdict}"


def _cell(figure: dict[str, Any]) -> str:
    if figure["value"] is None:
        return "undefined"
    return f"{figure['value']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})"
