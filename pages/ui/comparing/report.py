"""A comparison as a report: the same numbers as on the page, for reading and printing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from models.reports import Figure, Report, Section, Table, Text
from models.reports.wording import name_of, told
from pages.ui.comparing import words
from pages.ui.pictures import Style, card_picture

if TYPE_CHECKING:
    from models.runs.leaderboard import Entry
    from pages.ui.comparing.pair import Pair
    from pages.ui.comparing.study import Compared


def study_report(compared: Compared, style: Style) -> Report:
    """One study through many runs: verdicts, heatmaps and their agreement."""
    from pages.ui.comparing.study import COLUMNS, table

    readings, study = compared.readings, compared.readings[0].study
    doubts = words.doubts(study, [reading.run for reading in readings])
    verdicts = Section(
        "Verdicts",
        (
            Text(f"{words.verdicts(readings)}. {words.pair_agreement(readings)}".strip()),
            *(Text(doubt, "warning") for doubt in doubts),
            Table(COLUMNS[:9], [_row(row[:9]) for row in table(compared)]),
        ),
    )
    maps = [
        Figure(
            caption=f"{result.run.id}: {result.reading.label}. Full colour at {result.joint.scale:.3g} "
            f"logits a cell; this map reaches {result.joint.maximum:+.3g}."
            + "".join(f" {caution.sentence}" for caution in result.cautions),
            alt=f"Evidence for {result.label} by {result.run.id}",
            png=card_picture(result.study, result.joint, style, result.mask).png,
            width=0.5,
        )
        for result in compared.mapped
    ]
    return Report(
        f"{len(readings)} runs on one study",
        f"{study.name}, sha256 {study.digest[:12]}",
        (verdicts, Section(f"Evidence for {compared.label}", maps), _agreement(compared)),
    )


def _agreement(compared: Compared) -> Section:
    readings = [result.reading for result in compared.mapped]
    names = [reading.run.id for reading in readings]
    apart = words.apart(readings, compared.label, compared.places)
    pairs = [
        (names[i], names[j], _number(cell.rank, "+.2f"), _number(cell.overlap, ".0%"), cell.why)
        for i, row in enumerate(compared.places)
        for j, cell in enumerate(row)
        if i < j
    ]
    return Section(
        "Agreement of the heatmaps",
        (
            *(Text(_without_marks(sentence), "warning") for sentence in apart),
            Table(
                ("run", "run", "rank correlation", "overlap of the top tenth", "why not"),
                pairs,
                "Spearman's correlation of all places on one grid over the native image; intersection over "
                "union of the tenth of the area where each map is highest.",
            ),
        ),
    )


def _row(cells: list[object]) -> list[object]:
    return [f"{cell:.4g}" if isinstance(cell, float) else cell for cell in cells]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _without_marks(sentence: str) -> str:
    return sentence.replace("**", "").replace("\\", "")


def pair_report(pair: Pair) -> Report:
    """Two runs on the cases they share: tests, curves, differences, and the cases that differ."""
    from models.reports.drawing import Band, draw_agreement, draw_roc
    from pages.ui.comparing import cases
    from pages.ui.comparing.pair import BAND_POINTS, area_sentence, crossed, table, verdict_sentence

    paired, shared = pair.paired, pair.paired.shared
    names = (pair.first.id, pair.second.id)
    tests = Section(
        "Tests",
        (
            Text(f"{len(shared):,} shared cases ({pair.part}). {shared.note}".strip()),
            Text("AUC, DeLong's test: " + _without_marks(area_sentence(pair))),
            Text("Verdicts, McNemar's test: " + _without_marks(verdict_sentence(pair))),
            Table(
                (f"{names[0]} \\ {names[1]}", "rightly", "wrongly"),
                [(word, *row) for word, row in zip(("rightly", "wrongly"), crossed(pair), strict=True)],
            ),
        ),
    )
    figures = []
    if len(shared.classes) == 2 and len(set(shared.labels.tolist())) == 2:
        sides = dict(zip(names, (paired.first, paired.second), strict=True))
        curves = {name: evidence.ranking().roc() for name, evidence in sides.items()}
        bands = {n: Band(BAND_POINTS, *e.bands().roc(BAND_POINTS)) for n, e in sides.items()}
        figures.append(
            Figure("ROC with pointwise 95 % bands", "ROC curves", svg=draw_roc(curves, bands), width=0.5)
        )
        at = shared.classes.index(shared.positive)
        kept = cases.drawn_cases(shared, cases.differing(shared))
        thresholds = tuple(run.operating_point.threshold for run in pair.runs)
        drawn = draw_agreement(
            shared.first_p[kept, at], shared.second_p[kept, at], shared.labels[kept] == at, names, thresholds,
            shared.positive,
        )  # fmt: skip
        figures.append(Figure("Both probabilities, thresholds dashed", "Scatter", svg=drawn, width=0.5))
    differences = Table(
        ("metric", *names, f"{names[0]} less {names[1]}", "n", "why not"),
        [(name_of(row[0]), *(_spread(row[i : i + 3]) for i in (1, 4, 7)), *row[10:]) for row in table(pair)],
        f"Values with 95 % intervals; {paired.samples:,} paired resamples, AUC by DeLong.",
    )
    rows = [_row(row) for row in cases.table(pair, cases.LISTED)]
    return Report(
        f"{names[0]} against {names[1]}",
        f"run digests {pair.first.digest[:12]} and {pair.second.digest[:12]}",
        (
            tests,
            *((Section("Curves", tuple(figures)),) if figures else ()),
            Section("Differences", (differences,)),
            Section("Cases called differently", (Table(cases.COLUMNS, rows, f"At most {cases.LISTED}."),)),
        ),
    )


def board_report(kept: Sequence[Entry], metric: str) -> Report:
    """The leaderboard as it is filtered and sorted."""
    from models.reports.drawing import Dot, draw_leaderboard

    known = [(entry, entry.metric(metric)) for entry in kept if entry.metric(metric).value is not None]
    dots = [Dot(f"{e.id} ({e.data})", f.value, f.low, f.high) for e, f in known[:60]]
    names = ("auc", "balanced_accuracy", "sensitivity", "specificity")
    rows = [
        (e.id, e.run.modality, e.data, e.classes, e.n, *(told(e.metric(name)) for name in names))
        for e in kept
    ]
    columns = ("run", "modality", "data", "classes", "n", *map(name_of, names))
    picture = Figure(
        "Each run on its own test cases; runs of different data cannot be ranked against each other.",
        f"{name_of(metric)} of every run", svg=draw_leaderboard(dots, name_of(metric)),
    )  # fmt: skip
    return Report(
        "Leaderboard",
        f"{len(rows)} runs by {name_of(metric)}",
        (
            *((Section("Figures", (picture,)),) if dots else ()),
            Section("Runs", (Table(columns, rows, "Values with 95 % intervals."),)),
        ),
    )


def _spread(values: Sequence[float | None]) -> str:
    return told(dict(zip(("value", "low", "high"), values, strict=True)))
