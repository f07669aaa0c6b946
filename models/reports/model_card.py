"""A run's model card: what it is for, what it was made of, how well it does, what it must not be used for.

The sections are those of Mitchell et al., "Model Cards for Model Reporting", FAT* 2019, pages 220-229.
"""

from __future__ import annotations

from statistics import mean, stdev
from typing import TYPE_CHECKING

from models.errors import BadInput
from models.reports.claim import claim_parts
from models.reports.document import Figure, Part, Report, Section, Table, Text, facts
from models.reports.subgroup_tables import known_columns, spoken, subgroup_parts
from models.reports.wording import (
    DIGITS,
    INTERVALS,
    NAMES,
    confusion_table,
    confusion_words,
    count,
    listed,
    metric_table,
    name_of,
    parts_of,
    told,
)

if TYPE_CHECKING:
    from models.evaluation.evidence import Evidence
    from models.runs import Run

TITLE = "Model card"
EXPLAINING = ("pointing", "iou", "dice", "energy")
SMALL = 100
SHOWN = ("auc", "sensitivity", "specificity")
KEPT_OUT = {
    "age_group": "age", "density": "breast density", "site": "hospital", "scanner": "scanner",
}  # fmt: skip


def model_card(run: Run, figures: bool = True) -> Report:
    """The card of one run, from its folder alone: nothing is trained or scored for it.

    figures: False leaves the pictures out, which take seconds and which a page shows better itself.
    """
    from models.evaluation.evidence import gather

    evidence, columns = None, {}
    try:
        evidence = gather(run, "test")
        columns = known_columns(run, evidence.predictions)
    except BadInput:
        pass  # no stored predictions or no test part: the card's own figures remain
    sections = (
        Section("Model details", _details(run)),
        Section("Intended use", _intended_use(run)),
        Section("Factors", _factors(columns)),
        Section("Metrics", _metrics(run)),
        Section("Evaluation data", _evaluation_data(run)),
        Section("Training data", _training_data(run)),
        Section("Quantitative analyses", _analyses(run, evidence, columns, figures)),
        Section("Ethical considerations", _ethics(run)),
        Section("Caveats and recommendations", _caveats(run)),
        Section("CLAIM 2024", claim_parts(run, tuple(columns))),
    )
    return Report(TITLE, f"{run.title} (run {run.id})", sections)


def _details(run: Run) -> tuple[Part, ...]:
    card = run.card
    size = card.input
    branches = [
        f"{branch.backbone}, target layer {branch.target_layer}, {branch.grid[0]} x {branch.grid[1]} cells "
        f"of {branch.channels:,} channels"
        for branch in card.branches
    ]
    point = run.operating_point
    pairs = [
        ("Run", run.id),
        ("Digest", run.digest[:DIGITS]),
        ("Modality", run.modality),
        ("Classes", f"{', '.join(run.classes)}; {run.positive} is the positive one"),
        ("Network", card.network),
        ("Branches", "; ".join(branches)),
        ("Head", _head(run)),
        ("Input", _input(run) if run.has_weights else ""),
        ("Picture steps", ", ".join(size.steps)),
        ("Calibration", _calibration(run)),
        ("Operating point", f"{point.threshold:.4f} on the probability of {run.positive}; {point.rule}"),
        ("Strategy", card.training.get("strategy")),
        ("Trained in", _seconds(card.training.get("seconds"))),
        ("Parameters", card.cost.get("parameters")),
        ("Weights", _unit(card.cost.get("weight_megabytes"), "MB")),
        ("One image takes", _unit(card.cost.get("inference_ms"), "ms")),
        ("Made", card.created.partition("T")[0]),
        ("Versions", ", ".join(f"{name} {version}" for name, version in card.versions.items())),
    ]
    parts: list[Part] = [facts(pairs)]
    if not run.has_weights:
        parts.insert(
            0, Text("These are results without their network: it cannot be asked about another image.")
        )
    return tuple(parts)


def _input(run: Run) -> str:
    size = run.card.input
    colour = "grey" if size.channels == 1 else "colour"
    fitted = "padded to a square" if size.fit == "pad" else "stretched"
    return f"{size.width} x {size.height} pixels, {colour}, {fitted}"


def _head(run: Run) -> str:
    head = run.card.head
    if head is None:
        return ""
    hidden = f", hidden layers of {', '.join(map(str, head.units))}" if head.units else ""
    dropout = f", dropout {head.dropout:g}" if head.dropout else ""
    return f"{head.kind}{hidden}{dropout}"


def _calibration(run: Run) -> str:
    method = run.card.calibration.method
    named = {"platt": "Platt scaling", "temperature": "temperature scaling"}
    if method in named:
        return f"{named[method]}, fitted on validation cases"
    return "none" if run.has_weights else ""


def _intended_use(run: Run) -> tuple[Part, ...]:
    data = run.card.data.name
    like = "those it was tested on" if data == "not stated" else f"those of {data}"
    of = "synthetic phantoms" if run.card.synthetic else f"{run.modality} images like {like}"
    return (
        Text(run.card.intended_use or "Nothing was written down."),
        Text(
            "- Users: people who study classifiers and their explanations, and teach about them.\n"
            f"- In scope: {of}, looked at for research.\n"
            "- Out of scope: diagnosis, triage, recall, treatment or any other decision on the care of a "
            "person; images of another modality, device or population without a test of their own; the stage "
            "of a cancer."
        ),
    )  # fmt: skip


def _factors(columns: dict) -> tuple[Part, ...]:
    known = [spoken(name).lower() for name in columns]
    unknown = [word for name, word in KEPT_OUT.items() if name not in columns]
    said = (
        f"Known of the test cases, and told apart below: {listed(known)}."
        if known
        else "Nothing is known of the test cases that could tell groups apart."
    )
    not_known = (
        f"Not known: {listed(unknown)}, and ethnic origin." if unknown else "Not known: ethnic origin."
    )
    return (Text(f"{said} {not_known} Whether the run does as well in groups that nobody recorded is open."),)


def _metrics(run: Run) -> tuple[Part, ...]:
    point = run.operating_point
    called = (
        f"A case is called {run.positive} from a probability of {point.threshold:.4f} on, a threshold "
        + ("that no cases were asked for." if point.on == "nothing" else f"chosen on {point.on} cases.")
        if len(run.classes) == 2
        else "The most probable class is called."
    )
    return (
        Text(f"{called} AUC is the chance that a positive case scores above a negative one, ties half."),
        Text(f"Every figure has an interval. {INTERVALS}"),
    )  # fmt: skip


def _evaluation_data(run: Run) -> tuple[Part, ...]:
    data = run.card.data
    return (
        facts(
            [
                ("Data", data.name),
                ("Test cases", data.n_test),
                ("Split", data.split_id),
                ("Labels left out", ", ".join(data.leave_out)),
                ("Manifest", (data.manifest_digest or "")[:DIGITS]),
                ("Licence", data.licence or "not stated"),
                ("Citation", data.citation),
                ("Note", data.note),
            ]
        ),
        Text("Test and training cases are of one origin: figures on other data can be lower."),
    )  # fmt: skip


def _training_data(run: Run) -> tuple[Part, ...]:
    card = run.card
    data = card.data
    labels = ", ".join(f"{label} counts as {name}" for label, name in card.label_map.items())
    cut = ", ".join(
        f"{name} {value}" for name, value in card.prepare.items() if value not in (None, False, "")
    )
    sources = "; ".join(f"{s.name} ({s.licence}{', ' + s.note if s.note else ''})" for s in card.sources)
    return (
        facts(
            [
                ("Data", data.name),
                ("Training cases", data.n_train),
                ("Validation cases", data.n_validation),
                ("Labels", labels),
                ("How images were cut", cut),
                ("Licence", data.licence or "not stated"),
                ("Starting weights", sources),
            ]
        ),
    )


def _analyses(run: Run, evidence: Evidence | None, columns: dict, figures: bool) -> tuple[Part, ...]:
    parts: list[Part] = [*_tables(run), *member_parts(run)]
    if figures:
        parts += [*_confusion(run), *_roc(evidence)]
    elif run.card.confusion is not None:
        found = run.card.confusion
        parts.append(confusion_table(found.classes, found.counts, "Confusion matrix of the test part."))
    test = run.card.metrics.get("test", {})
    if explaining := {name: test[name] for name in EXPLAINING if name in test}:
        parts.append(metric_table(explaining, "Heatmaps of test cases with a lesion against their masks."))
    if evidence is not None and columns:
        parts += subgroup_parts(evidence.predictions, columns, run.positive, evidence.threshold)
    return tuple(parts)


def _tables(run: Run) -> list[Part]:
    """Test and validation side by side."""
    own = {
        part: {name: figure for name, figure in figures.items() if name not in EXPLAINING}
        for part, figures in sorted(run.card.metrics.items())
    }
    own = {part: figures for part, figures in own.items() if figures}
    if not own:
        return [Text("This run's card holds no metrics.", "warning")]
    known = {name for figures in own.values() for name in figures}
    names = [name for name in NAMES if name in known] + sorted(known - set(NAMES))
    columns = [column for part in own for column in (f"{part.capitalize()} (95 % interval)", "n")]
    rows = []
    for name in names:
        cells = [(told(figures.get(name)), parts_of(figures.get(name))[3]) for figures in own.values()]
        rows.append((name_of(name), *(cell for pair in cells for cell in pair)))
    return [Table(("Metric", *columns), tuple(rows), "At the run's operating point.")]


def member_parts(run: Run) -> list[Part]:
    """The folds or seeds of a pooled run, with their mean and standard deviation; nothing for other runs."""
    members = run.card.members
    if not members:
        return []
    names = [name for name in SHOWN if all(name in member.metrics for member in members)]
    rows = [
        (member.name, member.n, f"{member.threshold:.3f}", *(told(member.metrics[n]) for n in names))
        for member in members
    ]
    values = [[member.metrics[name].value for member in members] for name in names]
    known = [[value for value in column if value is not None] for column in values]
    spread = [f"{mean(v):.3f} (SD {stdev(v):.3f})" if len(v) > 1 else "-" for v in known]
    rows.append(("mean", None, None, *spread))
    kind = members[0].kind
    caption = f"Each {kind} at the threshold of its own validation cases; its own test cases."
    return [Table((kind.capitalize(), "n", "Threshold", *map(name_of, names)), tuple(rows), caption)]


def _confusion(run: Run) -> list[Part]:
    found = run.card.confusion
    if found is None:
        return []
    from models.reports.drawing import draw_confusion

    alt = confusion_words(found.classes, found.counts)
    svg = draw_confusion(found.classes, found.counts)
    return [Figure("Confusion matrix of the test part, with shares of each true class.", alt, svg, width=0.5)]


def _roc(evidence: Evidence | None) -> list[Part]:
    from models.reports.evaluation_figures import roc_figure

    return [] if evidence is None else roc_figure(evidence)


def _ethics(run: Run) -> tuple[Part, ...]:
    said = [
        "A missed cancer and a needless recall both harm; the operating point weighs them by a rule, not by "
        "what they mean to a woman.",
        "A heatmap shows what moved the model. It can look right where the model is wrong, and the other way "
        "round.",
        "The run's folder holds no image, name, date or free text; its case and patient ids are the data's.",
    ]
    people = (
        "The images are of people: the licence of their data and its authors' terms hold for the run too."
    )
    drawn = "All cases are phantoms drawn by a program: no person is in them, and nothing follows for one."
    said.insert(0, drawn if run.card.synthetic else people)
    return (Text("\n".join(f"- {sentence}" for sentence in said)),)


def _caveats(run: Run) -> tuple[Part, ...]:
    data, said = run.card.data, []
    if run.card.limits:
        said.append(run.card.limits)
    if data.n_test is not None and data.n_test < SMALL:
        cases = count(data.n_test, "test case")
        said.append(f"{cases} only: the intervals are wide, and small differences mean nothing.")
    value, low, _, _, _ = parts_of(run.card.metrics.get("test", {}).get("auc"))
    if value is not None and low is not None:
        said.append(f"On data like these the AUC may well be as low as {low:.2f}.")
    said += [
        "Never tested on data of another hospital, device or country: do that first.",
        "The share of positive cases is that of the data set, not of screening: PPV and NPV are not those of "
        "a clinic. The evaluation works them out for any prevalence.",
        "A probability holds for images like those the run was calibrated on: check it anew on others.",
    ]
    return (Text("\n".join(f"- {sentence}" for sentence in said)),)


def _seconds(seconds: object) -> str:
    if not isinstance(seconds, int | float):
        return ""
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"


def _unit(value: object, unit: str) -> str:
    return f"{value:,} {unit}" if isinstance(value, int | float) else ""
