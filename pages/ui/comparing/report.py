"""A comparison as a report: the same numbers as on the page, for reading and printing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from models.reports import Figure, Report, Section, Table, Text
from pages.ui.comparing import words
from pages.ui.pictures import Style, card_picture

if TYPE_CHECKING:
    from models.runs.leaderboard import Entry, Filters, Landmark
    from pages.ui.comparing.pair import Pair
    from pages.ui.comparing.study import Compared


def study_report(compared: Compared, style: Style) -> Report:
    """One study through many runs: verdicts, heatmaps and their agreement."""
    from pages.ui.comparing.study import COLUMNS, table

    readings, study = compared.readings, compared.readings[0].study
    doubts = words.doubts(study, [reading.run for reading in readings])
    said = _without_marks(f"{words.findings(readings)} {words.pair_agreement(readings)}".strip())
    verdicts = Section(
        "Verdicts",
        (
            Text(f"{words.verdicts(readings)}. {said}".strip()),
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
    apart = words.apart(readings, [result.label for result in compared.mapped], compared.places)
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
    return [f"{cell:.3f}" if isinstance(cell, float) else cell for cell in cells]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _without_marks(sentence: str) -> str:
    return sentence.replace("**", "").replace("\\", "")


def pair_report(pair: Pair) -> Report:
    """Two runs on the cases they share, with those that they call differently."""
    from models.reports.comparison import comparison_report
    from pages.ui.comparing import cases

    rows = [_row(row) for row in cases.table(pair, cases.LISTED)]
    cut = f"The {cases.LISTED} furthest apart." if len(rows) == cases.LISTED else ""
    differ = Section("Cases called differently", (Table(cases.COLUMNS, rows, cut),))
    report = comparison_report(*pair.runs, pair.part)
    return replace(report, sections=(*report.sections, differ)) if rows else report


def board_report(kept: Sequence[Entry], printed: Sequence[Landmark], metric: str, filters: Filters) -> Report:
    """The leaderboard as it is filtered and sorted, and the published figures beside it."""
    from models.reports.comparison import leaderboard_report
    from pages.ui.comparing.board import published_rows

    kinds = {None: (), False: ("trained on images of people",), True: ("trained on phantoms",)}
    chosen = (*filters.modality, *filters.classes, *filters.data, *kinds[filters.synthetic])
    rows = published_rows(printed, kept)
    table = Table(tuple(rows[0]), [_row(list(row.values())) for row in rows]) if rows else None
    return leaderboard_report(kept, metric, chosen, table)
