"""Two runs' audits against each other, on exactly the cases that both have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from models.errors import BadInput
from models.runs import Run
from pages.ui import trust_caches
from pages.ui.comparing import choices
from pages.ui.comparing.figures import Dot, dot_figure
from pages.ui.evaluation.figures import chart_config
from pages.ui.frame import guarded
from pages.ui.palette import palette
from pages.ui.plain_text import amount, plain
from pages.ui.reporting import offer_report, offer_table
from pages.ui.samples import by_use
from pages.ui.trust import pair_cases, words
from pages.ui.trust.audited import JOINT, Audited, Look
from pages.ui.trust.methods_at_hand import title_of
from xai.audit.figures import LOWER_IS_BETTER, column_figures, paired_difference
from xai.audit.table import MeasureTable

FIRST, SECOND = "first", "second"
COLUMNS = ("measure", "first", "first low", "first high", "second", "second low", "second high",
           "difference", "low", "high", "n", "why not")  # fmt: skip
#: Measures whose difference is worth a sentence of its own.
SAID = ("pointing", "iou")


@dataclass(frozen=True, eq=False)
class PairAudit:
    """Two audits and their rows on the cases they share, in one order: one class, one method, joint maps."""

    first: Audited
    second: Audited
    look: Look
    one: MeasureTable
    other: MeasureTable
    _kept: dict = field(default_factory=dict, repr=False)

    @property
    def runs(self) -> tuple[Run, Run]:
        return self.first.run, self.second.run

    @property
    def measures(self) -> list[str]:
        """Measures that both audits have."""
        return [name for name in self.first.measures if name in self.second.measures]

    def rows(self) -> list[tuple[str, dict, dict, dict]]:
        """(measure, the first's figure, the second's, their paired difference)."""
        if not self._kept:
            one, other = (column_figures(table, self.first.groups) for table in (self.one, self.other))
            self._kept["rows"] = [
                (name, one[name], other[name],
                 paired_difference(self.one, self.other, name, self.first.groups))
                for name in self.measures
            ]  # fmt: skip
        return self._kept["rows"]


def show(runs: Sequence[Run], beside: DeltaGenerator) -> None:
    """The whole view."""
    pair = None
    with st.sidebar, guarded():
        pair = _ask(runs)
    if pair is None:
        return
    if all(run.card.synthetic for run in pair.runs):
        beside.badge("Synthetic phantoms", color="violet")
    show_pair(pair)


@st.fragment
def show_pair(pair: PairAudit) -> None:
    """All that hangs on the two runs chosen."""
    with guarded():
        _said(pair)
        _differences(pair)
        pair_cases.show(pair)
        _offer(pair)


def paired(first: Audited, second: Audited, label: str, method: str, measure: str) -> PairAudit:
    """Two audits on their shared cases of a class. BadInput where they share none."""
    look = Look(method, JOINT, label, measure)
    one, other = (audit.table.of(method, JOINT, label) for audit in (first, second))
    shared = sorted(set(one.case_ids.tolist()) & set(other.case_ids.tolist()))
    if not shared:
        raise BadInput(
            f"The audits of {first.run.id} and {second.run.id} share no case of the class {label}: choose "
            "two runs that were audited on the same data."
        )
    return PairAudit(first, second, look, _of(one, shared), _of(other, shared))


def _of(table: MeasureTable, cases: list[str]) -> MeasureTable:
    """The rows of these cases, by their names."""
    table = table.take(np.isin(table.case_ids, cases))
    return table.take(np.argsort(table.case_ids, kind="stable"))


def _ask(runs: Sequence[Run]) -> PairAudit | None:
    stored = {run.id: run for run in by_use(runs) if run.path("xai.csv") is not None}
    if len(stored) < 2:
        raise BadInput("Fewer than two runs have a stored audit: audit another one to compare.")
    first = stored[choices.pick_one("First run", list(stored), FIRST)]
    others = list(stored.values())
    at_first = others.index(_partner(first, others))
    second = stored[choices.pick_one("Second run", list(stored), SECOND, index=at_first)]
    if first == second:
        st.info("Choose two different runs.")
        return None
    audits = [trust_caches.audited(run) for run in (first, second)]
    labels = [name for name in audits[0].labels if name in audits[1].labels]
    if not labels:
        raise BadInput(
            f"{first.id} and {second.id} have no class in common: choose two runs that look for the same "
            "finding."
        )
    label = choices.pick_one("Cases of", labels, "class") if len(labels) > 1 else labels[0]
    both = [name for name in audits[0].table.method_names if name in audits[1].table.method_names]
    titles = {title_of(name): name for name in both}
    if not titles:
        raise BadInput(f"{first.id} and {second.id} were audited with no method in common: audit one again.")
    method = titles[choices.pick_one("Method", list(titles), "method")] if len(titles) > 1 else both[0]
    graded = {
        words.name_of(n): n for n in audits[0].measures if n in words.GRADED and n in audits[1].measures
    }
    measure = graded[choices.pick_one("Measure, case by case", list(graded), "measure")]
    st.caption("Both on the cases they share, the joint map of each.")
    return paired(*audits, label, method, measure)


def _partner(first: Run, runs: Sequence[Run]) -> Run:
    """A run to compare with at first: its guided or unguided twin, else of the same data and finding."""
    stem = first.id.removesuffix("-guided")

    def far(run: Run) -> tuple[bool, bool, bool, bool]:
        return (
            run.id.removesuffix("-guided") != stem,
            run.card.data.manifest_digest != first.card.data.manifest_digest,
            run.positive != first.positive,
            run.modality != first.modality,
        )

    return min((run for run in runs if run != first), key=far)


def _said(pair: PairAudit) -> None:
    one, other = pair.runs
    st.markdown(
        f"**{plain(one.id)}** against **{plain(other.id)}** on the **{amount(len(pair.one), 'case')}** of "
        f"{plain(pair.look.label)} that both audits have; {plain(title_of(pair.look.method))}, joint maps."
    )
    found = {name: rest for name, *rest in pair.rows()}
    for column, name in zip(st.columns(len(SAID), gap="medium", border=True), SAID, strict=True):
        if name in found:
            column.markdown(f"**{words.name_of(name)}**  \n{verdict(pair, *found[name])}")


def verdict(pair: PairAudit, first: dict, second: dict, less: dict) -> str:
    """Both values, their difference, and what it lets one say."""
    if less["value"] is None:
        return plain(str(less.get("why", "")))
    told = f"{first['value']:.2f} and {second['value']:.2f}: difference **{words.difference(less)}**.  \n"
    if less["low"] > 0 or less["high"] < 0:
        better = pair.runs[0] if less["value"] > 0 else pair.runs[1]
        return f"{told}{plain(better.id)} lies on the lesion better than chance explains."
    return f"{told}These cases do not tell the two apart; that does not prove them equal."


def _differences(pair: PairAudit) -> None:
    rows = pair.rows()
    st.subheader(f"Differences: {pair.runs[0].id} less {pair.runs[1].id}", anchor=False)
    dots = [
        Dot(words.name_of(name), less["value"], less["low"], less["high"],
            kind="clear" if less["low"] > 0 or less["high"] < 0 else "unclear",
            said=f"{words.name_of(name)}: {words.difference(less)}")
        for name, _, _, less in rows
        if less["value"] is not None
    ]  # fmt: skip
    drawn, listed = st.columns([4.4, 5.6], gap="medium")
    if dots:
        reach = 1.08 * max(0.05, *(abs(end) for dot in dots for end in (dot.low, dot.high)))
        drawn.plotly_chart(
            dot_figure(dots, "difference, 95 % interval", (-reach, reach), 0.0, palette()), theme=None,
            key="audit differences", config=chart_config("audit-differences"),
            alt="; ".join(dot.said for dot in dots),
        )  # fmt: skip
    with listed:
        st.dataframe(
            [
                {
                    "Measure": words.name_of(name),
                    "Difference": words.difference(less),
                    "First": words.metric(one),
                    "Second": words.metric(other),
                }
                for name, one, other, less in rows
            ],
            hide_index=True, height="content", alt="Measures of both runs and their differences",
        )  # fmt: skip
    lower = [words.name_of(name) for name, *_ in rows if name in LOWER_IS_BETTER]
    st.caption(
        "From resamples that draw the same groups of cases for both runs."
        + (f" Low is better for {words.listed(lower)}." if lower else "")
        + " Of many intervals at 95 %, one without 0 can be chance."
    )


def table(pair: PairAudit) -> list[list[object]]:
    """A row a measure, in the columns of COLUMNS."""
    ends = ("value", "low", "high")
    return [
        [name, *(one[k] for k in ends), *(other[k] for k in ends), *(less[k] for k in ends), less["n"],
         less.get("why", "")]
        for name, one, other, less in pair.rows()
    ]  # fmt: skip


def _offer(pair: PairAudit) -> None:
    name = f"{pair.runs[0].id}-against-{pair.runs[1].id}-audits"

    def report():
        from pages.ui.trust.report import pair_report

        return pair_report(pair)

    with st.container(horizontal=True):
        offer_report(report, name)
        offer_table(COLUMNS, lambda: table(pair), name, "Measures (CSV)")
        offer_table(pair_cases.COLUMNS, lambda: pair_cases.table(pair), f"{name}-cases", "Cases (CSV)")
