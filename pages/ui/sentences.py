"""Numbers and results in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from models.runs import Run, RunCard
from models.runs.schema import Interval
from models.study import Study
from xai.explain import CaseExplanation, Reading
from xai.heatmap import Heatmap

NOT_A_DIAGNOSIS = "Research use only: not a diagnosis"
UNKNOWN = "not measured"


def figure(interval: Interval | None, digits: int = 2) -> str:
    """A metric with its 95 % interval: "0.92 (0.87 to 0.97)"; or that nobody measured it."""
    if interval is None or interval.value is None:
        return UNKNOWN
    value = f"{interval.value:.{digits}f}"
    if interval.low is None or interval.high is None:
        return value
    return f"{value} ({interval.low:.{digits}f} to {interval.high:.{digits}f})"


def test_metric(run: Run, *names: str) -> Interval | None:
    """The first of these metrics that the run's card holds for its test cases."""
    metrics = run.card.metrics.get("test", {})
    return next((metrics[name] for name in names if name in metrics), None)


def verdict(reading: Reading) -> tuple[str, str]:
    """What the model says, and against which threshold."""
    run = reading.run
    says = f"Model says {reading.label}"
    if len(run.classes) > 2:
        each = ", ".join(f"{name} {reading.probabilities[name]:.2f}" for name in run.classes)
        return says, f"the most probable class: {each}"
    side = "at or above" if reading.label == run.positive else "below"
    return says, f"{side} the run's operating point"


def map_name(heatmap: Heatmap) -> str:
    return "joint map" if heatmap.map.name == "joint" else heatmap.map.name


def grid_size(heatmap: Heatmap) -> str:
    """The map's true resolution: "7 x 7 cells, each about 80 x 64 pixels of this image"."""
    (rows, columns), placement = heatmap.grid, heatmap.placement
    _, _, height, width = placement.box
    cell_height = placement.input[0] / rows * placement.native[0] / height
    cell_width = placement.input[1] / columns * placement.native[1] / width
    return f"{rows} x {columns} cells, each about {cell_width:.0f} x {cell_height:.0f} pixels of this image"


def study_line(study: Study) -> str:
    """Name, size, colour and depth of an image."""
    colour = "grey" if study.is_grey else "colour"
    depth = "8 bit" if study.depth_max == 255 else f"white at {study.depth_max:,}"
    return f"{study.name}: {study.width:,} x {study.height:,} pixels, {colour}, {depth}"


def mismatches(study: Study, run: Run) -> list[str]:
    """Why this run may have nothing to say about this image."""
    found = []
    if study.modality and run.modality not in (study.modality, "mixed"):
        found.append(
            f"This image is {study.modality} and the run {run.id} was made for {run.modality}: "
            "what it says here means nothing. Choose a run of the image's modality."
        )
    if run.card.synthetic and not study.synthetic:
        found.append(
            f"The run {run.id} has seen synthetic phantoms only: what it says about an image of a person "
            "means nothing."
        )
    if study.synthetic and not run.card.synthetic:
        found.append(
            f"This image is a synthetic phantom and the run {run.id} was trained on images of people: "
            "take the result as a demonstration."
        )
    return found


def measures(result: CaseExplanation) -> list[tuple[str, str, str]]:
    """(name, value, meaning) of each measure of the joint map on the lesion mask; empty without a mask."""
    found = result.measures
    if found is None:
        return []
    return [
        ("Pointing game", "hit" if found.pointing else "miss", "Is the map's highest point on the lesion?"),
        ("IoU", f"{found.iou:.2f}", "Overlap of the lesion with where the map is above half of its maximum."),
        (
            "Energy inside",
            f"{found.energy:.2f}",
            "Share of the evidence for the class that is on the lesion.",
        ),
    ]


def one_case(run: Run) -> str:
    """How this case's measures stand to the run's record."""
    pointing = _pointing(run)
    if pointing is None or pointing.value is None:
        return "One case proves little, and over its test cases this run's heatmaps are not measured yet."
    return f"One case proves little: over its test cases this run's pointing game is {figure(pointing)}."


def trust(run: Run) -> list[tuple[str, str]]:
    """(name, value with its 95 % interval and n, in Markdown): the run's record on its own test cases."""
    named = (("AUC", test_metric(run, "auc")), ("Pointing game", _pointing(run)))
    return [(name, _bold(figure(metric)) + _cases(metric)) for name, metric in named]


def details(card: RunCard, reading: Reading) -> list[tuple[str, str]]:
    """(name, text) of where a result comes from; a text may be empty."""
    size, study = card.input, reading.study
    return [
        ("Run", f"{card.title} ({card.id}), digest {reading.run.digest[:12]}"),
        ("Intended use", card.intended_use),
        ("Limits", card.limits),
        (
            "Data",
            " ".join(filter(None, (card.data.name, card.data.citation, card.data.licence, card.data.note))),
        ),
        ("Starting weights", "; ".join(f"{source.name} ({source.licence})" for source in card.sources)),
        ("Operating point", f"{card.operating_points[0].threshold:.3f}: {card.operating_points[0].rule}"),
        (
            "Network input",
            f"{size.width} x {size.height} pixels, {size.channels} channel, fitted by {size.fit}",
        ),
        ("Engine", f"{reading.explained.engine}, one pass in {1000 * reading.engine_seconds:.0f} ms"),
        ("Image", f"sha256 {study.digest[:12]}"),
    ]


def runs_table(runs: Sequence[Run], marks: Mapping[str, str] | None = None) -> list[dict[str, str]]:
    """The runs at hand, a row each, for people. marks: id -> a remark; a column where there are any."""
    return [
        {
            "Run": run.id,
            **({"Remark": marks.get(run.id, "")} if marks else {}),
            "Modality": run.modality,
            "Network": " + ".join(branch.name for branch in run.branches) or run.card.network,
            "Data": run.card.data.name,
            "n": str(run.card.data.n_test or UNKNOWN),
            "AUC (95 % interval)": figure(test_metric(run, "auc")),
            "Synthetic": "phantoms" if run.card.synthetic else "",
            "Weights": "yes" if run.has_weights else "no",
        }
        for run in runs
    ]


def size(count: int | None) -> str:
    """Bytes as megabytes or gigabytes; "unknown" where the system does not say."""
    if count is None:
        return "unknown"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _pointing(run: Run) -> Interval | None:
    return test_metric(run, "pointing", "pointing_game")


def _bold(text: str) -> str:
    """The value in bold, its interval not."""
    value, space, interval = text.partition(" (")
    return f"**{value}**{space}{interval}"


def _cases(metric: Interval | None) -> str:
    return f", n = {metric.n}" if metric and metric.value is not None and metric.n else ""
