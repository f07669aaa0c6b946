"""Two runs against each other, on exactly the cases that both have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from models.errors import BadInput
from models.reports.wording import name_of
from models.runs import Run
from pages.ui import caches
from pages.ui.comparing import cases, choices, figures
from pages.ui.comparing.figures import Dot
from pages.ui.comparing.numbers import BAND_POINTS, Curve, PairNumbers
from pages.ui.evaluation.figures import Axes, Band, Line, chart_config, line_figure
from pages.ui.palette import palette
from pages.ui.plain_text import plain
from pages.ui.reporting import offer_report, offer_table
from pages.ui.samples import by_use

FIRST, SECOND, PART = "first", "second", "part"
PARTS = ("test", "validation", "train", "all")
COLUMNS = ("metric", "first", "first low", "first high", "second", "second low", "second high",
           "difference", "low", "high", "n", "why not")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Pair:
    """Two runs, the part of their data, and everything that both say of the cases they share."""

    first: Run
    second: Run
    part: str
    paired: PairNumbers

    @property
    def runs(self) -> tuple[Run, Run]:
        return self.first, self.second


def show(runs: Sequence[Run]) -> None:
    """The whole view."""
    pair = _ask(runs)
    if pair is None:
        return
    show_tests(pair)
    curves, verdicts = st.columns([5.2, 4.8], gap="medium")
    with curves:
        _roc(pair)
    with verdicts:
        _crossed(pair)
    cases.show(pair)
    show_differences(pair)
    _offer(pair)


def show_tests(pair: Pair) -> None:
    """What the two tests come to, in words that do not say more than they do."""
    delong, test, shared = pair.paired.delong, pair.paired.mcnemar, pair.paired.shared
    st.markdown(
        f"**{plain(pair.first.id)}** against **{plain(pair.second.id)}** on the **{len(shared):,} cases** "
        f"that both have ({_part(pair.part)})."
    )
    for note in filter(None, (shared.note, *_warnings(pair))):
        st.caption(plain(note))
    area, verdict = st.columns(2, gap="medium", border=True)
    with area:
        st.markdown(f"**AUC**{'' if len(shared.classes) == 2 else ', mean over the classes'} (DeLong's test)")
        st.markdown(area_sentence(pair))
        if delong.why:
            st.caption(delong.why)
    with verdict:
        st.markdown("**Verdicts** at each run's own threshold (McNemar's test, exact)")
        st.markdown(verdict_sentence(pair))
    if delong.p is not None and min(delong.p, test.p) < 0.05:
        st.caption(
            "A p-value is of one comparison planned beforehand. Of many pairs compared, one in twenty falls "
            "below 0.05 by chance alone."
        )


def area_sentence(pair: Pair) -> str:
    """The two areas, their difference, and what the test lets one say."""
    found = pair.paired.delong
    if found.difference is None:
        return "The areas cannot be compared."
    both = f"{found.first:.3f} and {found.second:.3f}: difference **{found.difference:+.3f}**"
    if found.p is None:
        return f"{both}."
    spread = f"{both} ({found.low:+.3f} to {found.high:+.3f}), {p_value(found.p)}."
    if found.p < 0.05:
        better = pair.first if found.difference > 0 else pair.second
        return f"{spread}  \n{plain(better.id)} ranks these cases better than chance explains."
    return f"{spread}  \nThese cases do not tell the two apart; that does not prove them equal."


def verdict_sentence(pair: Pair) -> str:
    """Who alone is right how often, and what the test lets one say."""
    test = pair.paired.mcnemar
    alone = (
        f"{plain(pair.first.id)} alone is right in **{test.b:,}** cases, {plain(pair.second.id)} alone in "
        f"**{test.c:,}**, {p_value(test.p)}."
    )
    if test.b + test.c == 0:
        return "Both call every case alike or wrongly together: there is nothing to test."
    if test.p < 0.05:
        better = pair.first if test.b > test.c else pair.second
        return f"{alone}  \n{plain(better.id)} is right more often than chance explains."
    return f"{alone}  \nThese cases do not tell the verdicts apart; that does not prove them equal."


def p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def show_differences(pair: Pair) -> None:
    """Every metric of both and their differences, drawn and in a table."""
    st.subheader(f"Differences: {pair.first.id} less {pair.second.id}", anchor=False)
    with st.spinner("Drawing resamples"):
        found = pair.paired.differences
    dots = [
        Dot(
            name_of(name), metric["value"], metric["low"], metric["high"],
            kind="unclear" if _holds_zero(metric) else "clear",
            said=f"{name_of(name)}: {_told(metric, '+.3f')}",
        )
        for name, metric in found.items()
        if metric["value"] is not None
    ]  # fmt: skip
    drawn, listed = st.columns([4.2, 5.8], gap="medium")
    if dots:
        reach = 1.08 * max(
            abs(end) for dot in dots for end in (dot.low, dot.high, dot.value, 0.02) if end is not None
        )
        drawn.plotly_chart(
            figures.dot_figure(dots, "difference, 95 % interval", (-reach, reach), 0.0, palette()),
            theme=None, key="differences", config=chart_config("differences"),
            alt="Difference of every metric with its 95 % interval",
        )  # fmt: skip
    with listed:
        st.dataframe(
            [
                {
                    "Metric": name_of(name),
                    "First": _told(pair.paired.metrics[0][name], ".3f"),
                    "Second": _told(pair.paired.metrics[1][name], ".3f"),
                    "Difference": _told(metric, "+.3f"),
                }
                for name, metric in found.items()
            ],
            hide_index=True, height="content", alt="Metrics of both runs and their differences",
            column_config={"Metric": st.column_config.TextColumn(width=165)},
        )  # fmt: skip
    st.caption(
        "On the shared cases, each run at its own threshold. AUC by DeLong, the rest from "
        f"{pair.paired.samples:,} resamples that draw the same groups of cases for both runs. Of the Brier "
        "score and ECE less is better. Twelve intervals at 95 %: one without 0 can be chance."
    )


def table(pair: Pair) -> list[list[object]]:
    """A row a metric, in the columns of COLUMNS."""
    one, other = pair.paired.metrics
    keys = ("value", "low", "high")
    return [
        [name, *(one[name][k] for k in keys), *(other[name][k] for k in keys),
         *(metric[k] for k in keys), metric["n"], metric.get("why", "")]
        for name, metric in pair.paired.differences.items()
    ]  # fmt: skip


def _ask(runs: Sequence[Run]) -> Pair | None:
    scored = {run.id: run for run in by_use(runs) if run.path("predictions.csv") is not None}
    if len(scored) < 2:
        raise BadInput(
            "Fewer than two runs have stored predictions: train, evaluate or import another one to compare."
        )
    with st.sidebar:
        first = scored[choices.pick_one("First run", list(scored), FIRST)]
        at_first = list(scored).index(_partner(first, list(scored.values())).id)
        second = scored[choices.pick_one("Second run", list(scored), SECOND, index=at_first)]
        part = choices.pick_one("Cases", PARTS, PART)
        st.caption("Both runs are compared on the cases they share, each at its own threshold.")
    if first == second:
        st.info("Choose two different runs at the left.")
        return None
    return Pair(first, second, part, caches.paired(first, second, part))


def _partner(first: Run, runs: Sequence[Run]) -> Run:
    """A run to compare with at first: tested on the same split, else of the same modality and finding."""
    others = [run for run in runs if run != first]

    def far(run: Run) -> tuple[bool, bool, bool]:
        split = run.card.data.split_id is None or run.card.data.split_id != first.card.data.split_id
        return run.positive != first.positive, split, run.modality != first.modality

    return min(others, key=far)


def _roc(pair: Pair) -> None:
    colours, shared = palette(), pair.paired.shared
    what = "mean over the classes" if pair.paired.several else f"{shared.positive} against the rest"
    st.markdown(f"**ROC**, {plain(what)}")
    try:
        curves = pair.paired.curves
    except BadInput as refusal:
        st.info(str(refusal))
        return
    lines = [
        _line(run, curve, colour, dash)
        for run, curve, colour, dash in zip(
            pair.runs, curves, (colours.above, colours.below), ("solid", "dash"), strict=True
        )
    ]
    axes = Axes(
        "false positive rate (1 - specificity)", "sensitivity", reference=((0, 0), (1, 1)), height=380
    )
    st.plotly_chart(
        line_figure(lines, axes, colours), theme=None, key="roc", config=chart_config("roc"),
        alt="ROC curves of both runs on the shared cases",
    )  # fmt: skip
    if not pair.paired.several:
        st.caption(
            "Bands: pointwise 95 %, from 1,000 resamples. They show each run's own spread, which is wider "
            "than that of the difference: read the test, not the overlap."
        )


def _line(run: Run, curve: Curve, colour: str, dash: str) -> Line:
    area, roc = curve.auc["value"], curve.roc
    name = run.id if area is None else f"{run.id}, AUC {area:.3f}"
    banded = curve.low is not None and curve.high is not None
    band = Band(BAND_POINTS, curve.low, curve.high) if banded else None
    thresholds = roc.thresholds if banded else None
    return Line(name, roc.false_positive_rate, roc.sensitivity, colour, band, thresholds, dash=dash)


def _crossed(pair: Pair) -> None:
    st.markdown("**Who calls rightly**")
    st.plotly_chart(
        figures.crossed_figure(pair.paired.crossed, (pair.first.id, pair.second.id), palette()),
        theme=None, key="crossed", config=chart_config("mcnemar"),
        alt="Cases called rightly and wrongly by each run",
    )  # fmt: skip
    thresholds = ", ".join(f"{plain(run.id)} {run.operating_point.threshold:.3f}" for run in pair.runs)
    rule = "the most probable class is called" if pair.paired.several else f"thresholds: {thresholds}"
    st.caption(f"McNemar's test looks only at the two coloured cells, where one run alone is right; {rule}.")


def _offer(pair: Pair) -> None:
    from pages.ui.comparing.report import pair_report

    name = f"{pair.first.id}-against-{pair.second.id}"
    with st.container(horizontal=True):
        offer_report(lambda: pair_report(pair), name)
        offer_table(COLUMNS, lambda: table(pair), name, "Metrics (CSV)")
        offer_table(cases.COLUMNS, lambda: cases.table(pair), f"{name}-cases", "Cases that differ (CSV)")


def _warnings(pair: Pair) -> list[str]:
    found = []
    if len(pair.paired.shared) < 30:
        found.append(f"{len(pair.paired.shared)} cases are few: intervals are wide and tests see little.")
    if len({run.card.synthetic for run in pair.runs}) > 1:
        found.append("One of the runs was trained on synthetic phantoms, the other on images of people.")
    return found


def _part(part: str) -> str:
    return {"all": "all parts", "train": "training cases"}.get(part, f"{part} cases")


def _holds_zero(metric: dict) -> bool:
    return metric["low"] is None or metric["high"] is None or metric["low"] <= 0 <= metric["high"]


def _told(metric: dict, form: str) -> str:
    if metric["value"] is None:
        return "-"
    value = format(metric["value"], form)
    if metric["low"] is None or metric["high"] is None:
        return value
    return f"{value} ({format(metric['low'], form)} to {format(metric['high'], form)})"
