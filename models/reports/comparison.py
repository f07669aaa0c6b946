"""Reports that set runs beside each other: two on the cases they share, and all by what their cards say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from models.evaluation.delong import Delong
from models.reports.document import Figure, Part, Report, Section, Table, Text, facts
from models.reports.drawing import Band, Dot, draw_agreement, draw_leaderboard, draw_roc
from models.reports.evaluation_figures import BAND, BAND_POINTS
from models.reports.wording import METRIC_COLUMNS, count, name_of, parts_of, told

if TYPE_CHECKING:
    from models.evaluation.paired import McNemar, Paired, Shared
    from models.runs import Run
    from models.runs.leaderboard import Entry

TITLE = "Two runs on the same cases"
MOST_DOTS = 1500
MOST_LINES = 60
OTHER_DATA = "Figures of runs that were tested on other cases are no contest."


def comparison_report(first: Run, second: Run, part: str = "test", samples: int = 2000) -> Report:
    """DeLong, McNemar and the difference of every metric on exactly the cases both have in `part`, each run
    at its own threshold; BadInput where they share none or their labels differ."""
    from models.evaluation.paired import Paired, shared_cases

    shared = shared_cases(first, second, part)
    paired = Paired(shared, first.operating_point.threshold, second.operating_point.threshold, samples)
    sections = (
        Section("What was compared", _what(first, second, shared, part)),
        Section("Tests", _tests(first, second, paired)),
        Section("Every metric", (_metrics(first, second, paired),)),
        Section("Case by case", tuple(_figures(first, second, paired))),
    )
    return Report(TITLE, f"{first.id} and {second.id}", sections)


def leaderboard_report(
    lines: Sequence[Entry], metric: str = "auc", filters: Sequence[str] = (), published: Table | None = None
) -> Report:
    """Runs by one metric, in the order given, with a figure of the first sixty. filters: what was chosen, in
    words. published: figures of publications, which are always of other data."""
    rows = [
        (entry.id, entry.run.modality, entry.network, entry.data, entry.n, told(entry.metric(metric)))
        for entry in lines
    ]
    columns = ("Run", "Modality", "Network", "Data", "n", f"{name_of(metric)} (95 % interval)")
    parts: list[Part] = [Text(f"Shown: {'; '.join(filters)}." if filters else "Shown: all runs at hand.")]
    measured = [entry for entry in lines if entry.metric(metric).value is not None][:MOST_LINES]
    if measured:
        dots = [_dot(entry, metric) for entry in measured]
        words = f"{name_of(metric)} with its 95 % interval. {OTHER_DATA}"
        parts.append(Figure(words, words, draw_leaderboard(dots, name_of(metric), _chance(metric))))
    parts.append(Table(columns, tuple(rows)))
    sections = [Section("Runs", tuple(parts))]
    if published is not None:
        said = Text(
            "Of other data, other splits and often other definitions: no run here was tested on them."
        )
        sections.append(Section("Published figures", (said, published)))
    return Report("Leaderboard", count(len(lines), "run"), tuple(sections))


def _dot(entry: Entry, metric: str) -> Dot:
    value, low, high, _, _ = parts_of(entry.metric(metric))
    return Dot(entry.id, float(value or 0), low, high)


def _chance(metric: str) -> float | None:
    return 0.5 if metric in ("auc", "balanced_accuracy") else None


def _what(first: Run, second: Run, shared: Shared, part: str) -> tuple[Part, ...]:
    counts = np.bincount(shared.labels, minlength=len(shared.classes))
    classes = ", ".join(f"{n:,} {name}" for n, name in zip(counts, shared.classes, strict=True))
    pairs = [
        ("First", f"{first.title} (run {first.id}), threshold {first.operating_point.threshold:.4f}"),
        ("Second", f"{second.title} (run {second.id}), threshold {second.operating_point.threshold:.4f}"),
        ("Digests", f"{first.digest[:16]}, {second.digest[:16]}"),
        ("Shared cases", f"{len(shared):,}: {classes}"),
        ("Part", part),
        ("Positive class", shared.positive),
    ]
    return (facts(pairs), *([Text(shared.note, "warning")] if shared.note else []))


def _tests(first: Run, second: Run, paired: Paired) -> tuple[Part, ...]:
    return Text(_delong(paired.delong)), Text(_mcnemar(first, second, paired.mcnemar)), _discordant(paired)


def _delong(delong: Delong) -> str:
    if delong.difference is None:
        return f"DeLong's test of the two AUC cannot be had: {delong.why}"
    said = f"AUC {delong.first:.3f} and {delong.second:.3f}, difference {delong.difference:+.3f}"
    if delong.p is None:
        return f"{said}. DeLong's test cannot be had: {delong.why}"
    return f"{said} ({delong.low:+.3f} to {delong.high:+.3f}); DeLong's test, {_p(delong.p)}."


def _mcnemar(first: Run, second: Run, test: McNemar) -> str:
    return (
        f"Verdicts: {first.id} alone is right in {count(test.b, 'case')}, {second.id} alone in "
        f"{count(test.c, 'case')}; McNemar's exact test, {_p(test.p)}."
    )


def _discordant(paired: Paired) -> Table:
    shared = paired.shared
    right = [called == shared.labels for called in (shared.first_called, shared.second_called)]
    rows = [
        (f"First {word}", int((kind & right[1]).sum()), int((kind & ~right[1]).sum()))
        for word, kind in (("right", right[0]), ("wrong", ~right[0]))
    ]
    return Table(("Cases", "Second right", "Second wrong"), tuple(rows))


def _metrics(first: Run, second: Run, paired: Paired) -> Table:
    own = [paired.first.metrics(), paired.second.metrics()]
    rows = []
    for name, difference in paired.differences.items():
        value, low, high, n, why = parts_of(difference)
        shown = why or "-" if value is None else f"{value:+.3f}"
        shown += "" if low is None or high is None else f" ({low:+.3f} to {high:+.3f})"
        rows.append((name_of(name), *(told(metrics[name]) for metrics in own), shown, n))
    columns = (METRIC_COLUMNS[0], first.id, second.id, "Difference (95 % interval)", "n")
    return Table(columns, tuple(rows), "First less second; AUC by DeLong, the others by paired resamples.")


def _figures(first: Run, second: Run, paired: Paired) -> list[Figure]:
    shared = paired.shared
    k = shared.classes.index(shared.positive)
    outcomes = shared.labels == k
    figures = []
    if outcomes.any() and not outcomes.all():
        rankings = {
            run.id: evidence.ranking(shared.positive)
            for run, evidence in ((first, paired.first), (second, paired.second))
        }
        bands = {
            name: Band(BAND_POINTS, *ranking.bands().roc(BAND_POINTS)) for name, ranking in rankings.items()
        }
        svg = draw_roc({name: ranking.roc() for name, ranking in rankings.items()}, bands)
        words = f"ROC curves of {shared.positive} on the shared cases. {BAND}"
        figures.append(Figure(words, words, svg, width=0.5))
    step = max(1, -(-len(shared) // MOST_DOTS))
    some = slice(None, None, step)
    svg = draw_agreement(
        shared.first_p[some, k], shared.second_p[some, k], outcomes[some], (first.id, second.id),
        (first.operating_point.threshold, second.operating_point.threshold), shared.positive,
    )  # fmt: skip
    part = f" Every {step}th case is drawn." if step > 1 else ""
    words = (
        f"Probability of {shared.positive} by {first.id} (across) and {second.id} (up); dashed: their "
        f"thresholds.{part}"
    )
    return [*figures, Figure(words, words, svg, width=0.5)]


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
