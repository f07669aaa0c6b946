"""`python -m xai`: heatmaps from the command line. Exit status 0 done, 2 refused or bad input, 1 a fault of
ours."""

from __future__ import annotations

import time

_IMPORTED = time.monotonic()

import argparse  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING, Any, NoReturn  # noqa: E402

from models.errors import BadInput  # noqa: E402
from xai import auditing, audits, batching, slide_command  # noqa: E402
from xai.methods import DEFAULT_METHOD, METHODS, check_method, passes, same_as  # noqa: E402

if TYPE_CHECKING:
    from models.engines import Engine
    from models.runs import Run
    from models.study import Study
    from xai.explain import CaseExplanation
    from xai.methods import Watch

EXPLAIN = """\
Explain what RUN says about each IMAGE: the probability, and a heatmap of one class.

For each image the folder DIR gets the overlay of the joint heatmap (and, of a hybrid, of each
branch) as PNG and a JSON document with every number. Images are explained one after the other; one
that cannot be read is told in a sentence on stderr, the others are done and kept, and the exit
status is then 2."""
CLASS = "class whose heatmap is made (default: the run's positive class, whatever the verdict)"
AGAINST = "the other class of a contrastive heatmap: why NAME and not this one"
METHOD = (
    "way of making the heatmap: {methods} (default: %(default)s); on pooled features hirescam and xgrad-cam "
    "are the same map as Grad-CAM; those from score-cam on look at the network many times or load TensorFlow"
)
LAYER = (
    "layer whose feature maps are used, by its name in the network (default: the last one of every branch); "
    "earlier ones load TensorFlow. A layer that is not there is refused with a list of those that are"
)
MASKS = "score-cam: only the N most active channels; rise: N masks (default: all channels, 500 masks)"
SEED = "of the random numbers of rise and smoothgrad (default: %(default)s)"
CANCELLED = "Cancelled: the images that were done are kept."
STOPPED = "Cancelled before anything was done."
MASK = "image of the lesion's outline, of the image's size; give one an image, in the images' order"


class Parser(argparse.ArgumentParser):
    """argparse that refuses in one sentence, as every command does."""

    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message[:1].upper()}{message[1:].rstrip('.')}: see {self.prog} --help.")


def parser() -> argparse.ArgumentParser:
    """The command line of `python -m xai`."""
    top = Parser(prog="python -m xai", description="Where in the image the evidence lies.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    explain = commands.add_parser(
        "explain",
        help="probability and heatmap of one class, an image at a time",
        description=EXPLAIN,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    explain.add_argument("run", metavar="RUN", help="id of a run (python -m models list) or its folder")
    explain.add_argument("images", metavar="IMAGE", nargs="+", type=Path, help="image file")
    explain.add_argument("--out", metavar="DIR", required=True, type=Path, help="folder for the results")
    explain.add_argument("--mask", metavar="MASK", action="append", default=[], type=Path, help=MASK)
    explain.add_argument("--class", metavar="NAME", dest="label", help=CLASS)
    explain.add_argument("--against", metavar="NAME", help=AGAINST)
    explain.add_argument(
        "--method", metavar="M", default=DEFAULT_METHOD, help=METHOD.format(methods=", ".join(METHODS))
    )
    explain.add_argument("--layer", metavar="L", help=LAYER)
    explain.add_argument("--masks", metavar="N", type=int, help=MASKS)
    explain.add_argument("--seed", metavar="N", type=int, default=0, help=SEED)
    explain.add_argument("--engine", metavar="K", help="onnx, openvino, onnxruntime or tensorflow")
    explain.add_argument("--json", action="store_true", help="print one JSON document, a list, on stdout")
    explain.set_defaults(execute=explain_images)
    auditing.add_parser(commands)
    audits.add_parser(commands)
    batching.add_parser(commands)
    slide_command.add_parser(commands)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status."""
    try:
        options = parser().parse_args(arguments)
        return options.execute(options)
    except BadInput as refusal:
        print(refusal, file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # before a command had anything to keep
        print(STOPPED, file=sys.stderr)
        return 2


def explain_images(options: argparse.Namespace) -> int:
    """`explain`: every image in turn; 2 when one of them was refused, or when someone pressed Ctrl-C."""
    from models.engines import open_engine
    from models.runs import find_run
    from xai.explain import check_class
    from xai.export import to_json
    from xai.methods import Request, Target, check_request

    _check_request(options)
    run = find_run(options.run)
    check_class(run, options.label)
    check_class(run, options.against)
    target = Target(options.label or run.positive, options.against)
    check_request(run, Request(target, options.method, options.layer, options.masks, options.seed))
    documents, status = [], 0
    try:
        engine = open_engine(run, options.engine, _images_to_compute(options, run))
        for fields in _explained(options, run, engine):
            documents += [] if fields is None else [fields]
            status = 2 if fields is None else status
    except KeyboardInterrupt:
        print(CANCELLED, file=sys.stderr)
        status = 2
    if options.json:
        sys.stdout.write(to_json(documents))
    return status


def _explained(options: argparse.Namespace, run: Run, engine: Engine) -> Iterator[dict[str, Any] | None]:
    """The document of every image in turn, None for one that was refused and said so."""
    start = process_seconds()
    masks = options.mask or [None] * len(options.images)
    for image, mask in zip(options.images, masks, strict=True):
        try:
            fields, result = _explain_one(options, run, engine, image, mask, start)
        except BadInput as refusal:
            # With many, the sentence alone may not tell which file it is about.
            print(f"{image}: {refusal}" if len(options.images) > 1 else refusal, file=sys.stderr)
            yield None
            continue
        if not options.json:
            print(summary(fields["image"], result, fields["files"]))
        yield fields


def _images_to_compute(options: argparse.Namespace, run: Run) -> int:
    """How many images the network will see, which decides the engine that is quickest."""
    return len(options.images) * (1 + passes(options.method, run, options.masks))


def _check_request(options: argparse.Namespace) -> None:
    """Refuse what needs no run to refuse, before anything is loaded."""
    check_method(options.method)
    if options.mask and len(options.mask) != len(options.images):
        raise BadInput(
            f"There are {len(options.mask)} masks for {len(options.images)} images: "
            "give one mask an image, or none."
        )
    if options.out.exists() and not options.out.is_dir():
        raise BadInput(f"{options.out} is a file: give a folder for the results with --out.")


def _explain_one(
    options: argparse.Namespace, run: Run, engine: Engine, image: Path, mask: Path | None, start: float
) -> tuple[dict[str, Any], CaseExplanation]:
    from models.study import display_name, mask_for, read_mask, read_study
    from xai.explain import explain_study
    from xai.export import document, write_explanation

    began = time.perf_counter()
    study = read_study(image)
    lesion = None if mask is None else mask_for(study, read_mask(mask))
    decode = time.perf_counter() - began
    with _progress(METHODS[check_method(options.method)].title) as watch:
        result = explain_study(
            study,
            run,
            engine,
            options.label,
            options.method,
            lesion,
            against=options.against,
            layer=options.layer,
            masks=options.masks,
            seed=options.seed,
            watch=watch,
        )
    files = write_explanation(result, options.out, start, decode)
    # A program that reads stdout may stand anywhere; the document on disk stands beside its files.
    paths = [str(path.resolve()) for path in files]
    # A DICOM's name may be its patient's: where the reader replaced it, no document has it.
    named = str(image) if study.name == display_name(image) else study.name
    return document(result, named, paths, start, decode), result


@contextmanager
def _progress(title: str) -> Iterator[Watch]:
    """A bar on stderr where a person watches, once there is something to wait for."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from tqdm import tqdm

    with tqdm(desc=title, unit="pass", leave=False, file=sys.stderr, delay=1.0) as bar:

        def watch(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield watch


def summary(image: str, result: CaseExplanation, files: list[str]) -> str:
    """What a person at a terminal wants to read about one case."""
    reading = result.reading
    positive = reading.run.positive
    joint = result.joint
    same = same_as(result.method, reading.run, result.layer)
    lines = [
        f"{image}: {reading.label} "
        f"(probability of {positive} {reading.probabilities[positive]:.3f}, "
        f"threshold {reading.threshold:.3f})",
        f"  {result.title}, in logits: {_sum_of_parts(result)}",
        f"  {METHODS[result.method].title}{f' ({same})' if same else ''}: heatmap "
        f"{joint.grid[0]}x{joint.grid[1]}, highest value {joint.maximum:.3g} ({joint.map.unit})",
    ]
    if why := result.why_no_contributions:
        lines.append(f"  note: {why}")
    if result.measures is not None:
        m = result.measures
        lines.append(
            f"  lesion: peak {'inside' if m.pointing else 'outside'}, IoU {m.iou:.2f}, "
            f"evidence inside {m.energy:.0%}"
        )
    lines += [f"  image: {line}" for line in _stated(result.study)]
    lines += [f"  note: {notice}" for notice in result.reading.notices]
    lines += [f"  caution: {caution.sentence}" for caution in result.cautions]
    return "\n".join([*lines, *(f"  {file}" for file in files)])


def _stated(study: Study) -> list[str]:
    """Side, view and spacing of a DICOM, in one line."""
    from xai.report import image_facts

    told = ", ".join(f"{name.casefold()} {value}" for name, value in image_facts(study))
    return [] if study.dicom is None else [f"{told}; text burned into the pixels is not removed"]


def _sum_of_parts(result: CaseExplanation) -> str:
    """The margin as the sum of its parts, or alone where the head has none."""
    if result.rest is None:
        return f"margin {result.margin:+.3f}"
    parts = [f"{heatmap.map.name} {heatmap.map.contribution:+.3f}" for heatmap in result.heatmaps]
    return f"{', '.join([*parts, f'rest {result.rest:+.3f}'])} = {result.margin:+.3f}"


def process_seconds() -> float:
    """Seconds since this process was started by the system; where that is not told, since this file was
    imported."""
    try:
        stat = Path("/proc/self/stat").read_text()
        # Field 22, counted after the command's name, which may hold spaces and brackets (proc(5)).
        ticks = int(stat.rpartition(")")[2].split()[19])
        seconds = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return time.monotonic() - _IMPORTED
    # Ticks are hundredths of a second, so a very young process may seem to start in the future.
    return max(seconds, time.monotonic() - _IMPORTED)


if __name__ == "__main__":
    # A file name that the terminal cannot show must not end the program.
    sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(main())
