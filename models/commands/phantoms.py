"""python -m models phantoms: write a data set of synthetic images whose truth is known."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from models.data.phantoms import LABELS, MODALITIES


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Register the command; the parsed arguments carry run as `run`."""
    parser = subparsers.add_parser(
        "phantoms",
        help="write synthetic images with known lesions",
        description="Write synthetic images with known lesions, masks and labels, and a manifest.csv.",
        epilog="Labels: "
        + "; ".join(f"{name}: {', '.join(labels)}" for name, labels in LABELS.items())
        + ".",
    )
    parser.add_argument("modality", choices=[*MODALITIES, "all"], help="all: N of each in one folder")
    parser.add_argument("--count", type=int, required=True, metavar="N", help="number of images")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="series of images (default 1)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new or empty folder")
    planted = parser.add_mutually_exclusive_group()
    planted.add_argument(
        "--marker",
        action="store_true",
        help="plant a shortcut: a marker in a corner of every malignant (idc) image and of no other",
    )
    planted.add_argument(
        "--marker-alone",
        action="store_true",
        help="the same, and nothing but the marker tells the label: every image has a lesion, of any look",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Write the folder; BadInput is left to the caller. Returns 0."""
    from tqdm import tqdm

    from models.data.phantoms import write_phantoms

    total = args.count * (len(MODALITIES) if args.modality == "all" else 1)
    with tqdm(total=total, unit="image", file=sys.stderr, disable=None) as bar:
        manifest = write_phantoms(
            args.modality,
            args.count,
            args.seed,
            args.out,
            marker=args.marker,
            alone=args.marker_alone,
            progress=lambda done: bar.update(done - bar.n),
        )
    if args.json:
        written = {
            "modality": args.modality,
            "count": total,
            "seed": args.seed,
            "marker": "alone" if args.marker_alone else "added" if args.marker else "none",
            "manifest": str(manifest),
        }
        print(json.dumps(written))
    else:
        marked = ", positives marked" if args.marker or args.marker_alone else ""
        print(f"{total} phantoms ({args.modality}, seed {args.seed}{marked}): {manifest}")
    return 0
