"""`python -m models audit-data`: what is wrong with a data set before anybody trains on it."""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from models.commands import DONE, add_json_option, print_json
from models.errors import BadInput

if TYPE_CHECKING:
    from models.data.audit import Audit

DESCRIPTION = """\
Look through one or more manifests for copies, contradictory labels, leakage between the parts of the
split, patients in two parts, unreadable files, masks that do not fit and marks burned into the pixels.
Several manifests are looked at as one, so copies between packs are found too. Exit status 0 also with
findings: `ok` in the JSON document says whether there is something to mend."""
EXAMPLES = 5


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("audit-data", help="faults of a data set", description=DESCRIPTION)
    parser.add_argument("manifests", metavar="MANIFEST", nargs="+", type=Path, help="CSV with file and label")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="seed of the split (default 1)")
    parser.add_argument("--out", metavar="FILE.csv", type=Path, help="all findings as a table, one a row")
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    from models.data.audit import audit
    from models.data.manifest import read_manifest
    from models.data.merging import merge
    from models.data.splits import split_for

    manifest = merge([read_manifest(path) for path in arguments.manifests])
    try:
        split = split_for(manifest, arguments.seed)
    except BadInput as refusal:
        # Too few cases for a split is itself worth an audit of the rest.
        print(f"{refusal} Leakage was not looked for.", file=sys.stderr)
        split = None
    found = audit(manifest, split, quiet=arguments.json)
    if arguments.out:
        _write(found, arguments.out)
    if arguments.json:
        print_json(found.to_dict())
    else:
        print(summary(found))
    return DONE


def summary(found: Audit) -> str:
    """What a person at a terminal wants to read: counts, first examples, what to do."""
    counts = ", ".join(f"{label} {n}" for label, n in found.classes.items()) or "no labels"
    lines = [f"{found.manifest}: {found.n} images ({counts}).", ""]
    if len(found.classes) < 2:
        lines += ["Fewer than two labels: nothing can be learnt from them; add cases of another class.", ""]
    for title, advice, examples in _sections(found):
        if examples:
            lines.append(f"{title}: {len(examples)}. {advice}")
            lines += [f"  {example}" for example in examples[:EXAMPLES]]
            if len(examples) > EXAMPLES:
                lines.append(f"  and {len(examples) - EXAMPLES} more")
            lines.append("")
    if found.burned_in:
        by_class = Counter((suspect.kind, suspect.label or "no label") for suspect in found.burned_in)
        told = ", ".join(f"{kind} {label} {n}" for (kind, label), n in sorted(by_class.items()))
        lines += [f"Marks by class: {told}. Unequal shares are a shortcut to learn.", ""]
    lines.append("Nothing has to be mended." if found.ok else "Mend these before training.")
    return "\n".join(lines)


def _sections(found: Audit) -> list[tuple[str, str, Sequence[str]]]:
    """Title, what to do, one line a finding."""
    contradictions = [c for c in found.contradictory if not c.marked]
    return [
        (
            "Unreadable or missing files",
            "Training leaves them out; correct the paths or export them again.",
            [f"{f.file}: {f.why}" for f in found.unreadable],
        ),
        (
            "Leakage across the split",
            "Give both files the same dup_group, or set leakage in the recipe.",
            [
                f"{leak.a} ({leak.parts[0]}) and {leak.b} ({leak.parts[1]}): {leak.kind}"
                for leak in found.leakage
            ],
        ),
        ("Patients in two parts", "Correct the split column.", found.patients_in_two_parts),
        (
            "Contradictory labels",
            "Set dup_label_conflict to 1 for them, or correct the labels.",
            [f"{', '.join(c.files)}: {' and '.join(c.labels)} ({c.kind})" for c in contradictions],
        ),
        (
            "Contradictory labels that the manifest marks itself",
            "They are left out of the split.",
            [f"{', '.join(c.files)}: {' and '.join(c.labels)}" for c in found.contradictory if c.marked],
        ),
        ("Masks that do not fit", "Correct mask_file.", [f"{f.file}: {f.why}" for f in found.masks]),
        (
            "Copies, pixel for pixel",
            "Keep them in one part (dup_group).",
            [", ".join(g) for g in found.exact],
        ),
        (
            "Near copies",
            "Keep them in one part (dup_group).",
            [f"{t.a} and {t.b}: {t.kind}, correlation {t.correlation:.3f}" for t in found.near],
        ),
        ("Unusual pictures", "Look at them.", [f"{f.file}: {f.why}" for f in found.unusual]),
        (
            "Suspects of burned-in marks",
            "Look at them: a network may read the mark.",
            [f"{s.file}: {s.kind}" for s in found.burned_in],
        ),
    ]


def _rows(found: Audit) -> list[tuple[str, str, str, str]]:
    rows = [("unreadable", f.file, "", f.why) for f in found.unreadable]
    rows += [("exact", group[0], other, "") for group in found.exact for other in group[1:]]
    rows += [(t.kind, t.a, t.b, f"distance {t.distance}, correlation {t.correlation}") for t in found.near]
    rows += [
        ("contradictory", c.files[0], f, " ".join(c.labels)) for c in found.contradictory for f in c.files[1:]
    ]
    rows += [
        ("leakage", leak.a, leak.b, f"{leak.kind}: {leak.parts[0]}, {leak.parts[1]}")
        for leak in found.leakage
    ]
    rows += [("patient in two parts", "", "", patient) for patient in found.patients_in_two_parts]
    rows += [("burned in", s.file, "", f"{s.kind} {s.score:g}") for s in found.burned_in]
    rows += [("mask", f.file, "", f.why) for f in found.masks]
    return rows + [("unusual", f.file, "", f.why) for f in found.unusual]


def _write(found: Audit, out: Path) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("w", newline="", encoding="utf-8") as sink:
            table = csv.writer(sink, lineterminator="\n")
            table.writerow(("finding", "file", "other", "detail"))
            table.writerows(_rows(found))
    except OSError as error:
        raise BadInput(
            f"{out} cannot be written ({error.strerror}): give another file with --out."
        ) from error
