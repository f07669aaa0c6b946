"""An audit, and two audits against each other, as reports: the numbers of the page, to read and print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from models.reports import Figure, Report, Section, Table, Text, facts
from models.reports.drawing import Dot, draw_leaderboard
from models.reports.wording import INTERVALS, count
from pages.ui.trust import methods, sanity, words
from pages.ui.trust.audited import Audited, Look, graded
from pages.ui.trust.cases import SURE, in_order
from pages.ui.trust.localisation import headline_rows, table_rows
from pages.ui.trust.methods_at_hand import title_of

if TYPE_CHECKING:
    from pages.ui.trust.pair import PairAudit

LISTED = 20
RESEARCH = (
    "A heatmap shows what moved the model, which need not be the lesion, and says nothing about whether the "
    "model is right. What is measured here holds for images like those audited."
)


def audit_report(audit: Audited, look: Look) -> Report:
    """Everything the page shows of one audit, for the class, method and map chosen."""
    sections = [
        Section("What was audited", _what(audit, look)),
        Section("Do the maps find the lesions", _localisation(audit, look)),
        Section("Cases", _cases(audit, look)),
        Section("Methods", _methods(audit, look)),
    ]
    if audit.document is not None:
        sections.append(Section("Sanity checks", _sanity(audit.document)))
    return Report("Audit of heatmaps", audit.run.id, tuple(sections))


def pair_report(pair: PairAudit) -> Report:
    """Two runs' audits on the cases they share."""
    from pages.ui.trust import pair as view
    from pages.ui.trust import pair_cases

    first, second = pair.runs
    rows = [
        (words.name_of(name), words.metric(one), words.metric(other), words.difference(less), less["n"])
        for name, one, other, less in pair.rows()
    ]
    said = [
        f"{words.name_of(name)}: {_bare(view.verdict(pair, one, other, less))}"
        for name, one, other, less in pair.rows()
        if name in view.SAID
    ]
    what = Section(
        "What was compared",
        (
            facts([("First run", first.id), ("Second run", second.id), ("Cases of", pair.look.label),
                   ("Shared cases", len(pair.one)), ("Method", title_of(pair.look.method))]),
            *(Text(sentence) for sentence in said),
            Text(RESEARCH, "small"),
        ),
    )  # fmt: skip
    measures = Table(("Measure", "First", "Second", "First less second", "n"), rows, INTERVALS)
    cases = [tuple(_rounded(cell) for cell in row) for row in pair_cases.table(pair)[:LISTED]]
    return Report(
        "Two audits on the same cases",
        f"{first.id} and {second.id}",
        (
            what,
            Section("Every measure", (measures,)),
            Section(
                f"Furthest apart in {words.name_of(pair.look.measure)}", (Table(pair_cases.COLUMNS, cases),)
            ),
        ),
    )


def _what(audit: Audited, look: Look) -> tuple[Any, ...]:
    run = audit.run
    told = facts(
        [
            ("Run", f"{run.card.title} ({run.id}), digest {run.digest[:16]}"),
            ("Data", audit.on or f"{run.card.data.name}, test cases"),
            ("Cases", f"{len(audit.cases(look))} of {look.label} with the lesion outlined"),
            ("Map", f"{title_of(look.method)}, {words.map_name(look.map)}, of each case's own class"),
        ]
    )
    findings = (audit.document or {}).get("findings", [])
    return (
        told,
        *(Text(finding["sentence"], "warning") for finding in findings),
        *([Text("Trained on synthetic phantoms, no patient.", "small")] if run.card.synthetic else []),
        Text(RESEARCH, "small"),
    )


def _localisation(audit: Audited, look: Look) -> tuple[Any, ...]:
    shown = headline_rows(audit, look)
    dots = []
    for row in shown:
        if row.found["value"] is not None:
            dots.append(Dot(row.name, row.found["value"], row.found["low"], row.found["high"]))
            dots += [
                Dot(f"{words.MAPS[name].lower()}", value, other=True)
                for name, value in row.beside.items()
                if value is not None
            ]
    caption = "Filled: the run's maps with their 95 % interval. Open: maps that know no model."
    measures = [name for name in audit.measures if name in words.MEASURES]
    table = Table(
        ("Cases", "n", *(words.name_of(name) for name in measures)),
        [
            (name, n, *(words.metric(found[m]) if m in found else "" for m in measures))
            for name, n, found in table_rows(audit, look)
        ],
        INTERVALS,
    )
    over = [
        Text(f"{words.name_of(name)}. {_bare(words.against_centre(found))}")
        for name in ("pointing", "iou")
        if (found := audit.over(look, "centre", name)) is not None and found["value"] is not None
    ]
    meanings = Text("\n".join(f"- {words.name_of(n)}: {words.meaning(n)}" for n in measures), "small")
    drawn = [Figure(caption, caption, draw_leaderboard(dots, "mean", None))] if dots else []
    return (*drawn, *over, table, meanings)


def _cases(audit: Audited, look: Look) -> tuple[Any, ...]:
    cases = audit.cases(look)
    cases = cases.take(np.isfinite(cases.measures[look.measure]))
    values = graded(cases, look.measure)
    name = words.name_of(look.measure)
    rows = [
        (audit.row(str(cases.case_ids[i])), str(cases.case_ids[i]), f"{cases.probabilities[i]:.3f}",
         f"{values[i]:.2f}", "on" if cases.measures["pointing"][i] > 0 else "off",
         f"{cases.lesion_shares[i]:.1%}", str(cases.cautions[i]))
        for i in in_order(cases, look.measure, SURE)[:LISTED]
    ]  # fmt: skip
    columns = ("Row", "Case", f"Probability of {look.label}", name, "Peak", "Lesion", "Warned of")
    caption = f"Sure, but elsewhere: the first {len(rows)} of {len(cases)}. Row: in the run's predictions."
    return (Table(columns, rows, caption),)


def _methods(audit: Audited, look: Look) -> tuple[Any, ...]:
    measure = look.measure
    order, less = methods.ranked(audit, look, measure), dict(methods.differences(audit, look, measure))
    rows = [
        (
            title_of(name),
            words.metric(metric),
            words.difference(less[name]) if name in less else "",
            metric["n"],
        )
        for name, metric in order
    ]
    _, alike = methods.told_apart(audit)
    return (
        Table(("Method", words.name_of(measure), "Less the best", "n"), rows),
        *(Text(f"{title_of(name)}: {why}; not ranked.", "small") for name, why in alike.items()),
    )


def _sanity(document: Mapping[str, Any]) -> tuple[Any, ...]:
    level, sentence = sanity.randomisation_verdict(document.get("randomisation") or {})
    guards = document.get("guards") or {}
    n = guards.get("n", 0)
    stages: Sequence[Mapping[str, Any]] = (document.get("randomisation") or {}).get("stages", [])
    return (
        Text(
            f"Weights made random (Adebayo et al. 2018). {sentence}", "warning" if level == "bad" else "plain"
        ),
        Table(
            ("Made random", "Rank correlation", "Structural similarity"),
            [(s["name"], f"{s['correlation']:.2f}", f"{s['similarity']:.2f}") for s in stages],
        ),
        Table(("Maps", "Cases"), [(name, f"{k} of {n}") for name, k in sanity.guard_rows(guards)])
        if sanity.guard_rows(guards)
        else Text(f"No warning about any of {count(n, 'map')}."),
    )


def _bare(sentence: str) -> str:
    return sentence.replace("**", "").replace("\\", "").replace("  \n", " ")


def _rounded(cell: object) -> object:
    return f"{cell:.3f}" if isinstance(cell, float) else cell
