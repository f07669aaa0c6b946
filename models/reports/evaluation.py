"""A report of one view of a run: part, unit, filters, threshold and prevalence as a person chose them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from models.evaluation.screening import PER, at_prevalence
from models.reports.document import Part, Report, Section, Table, Text, facts
from models.reports.evaluation_figures import (
    confusion_figure,
    decision_figure,
    histogram_figure,
    precision_recall_figure,
    reliability_figure,
    roc_figure,
)
from models.reports.model_card import member_parts
from models.reports.subgroup_tables import known_columns, spoken, subgroup_parts
from models.reports.wording import DIGITS, INTERVALS, count, listed, metric_table, percent, told

if TYPE_CHECKING:
    from models.evaluation.curves import RocCurve
    from models.evaluation.evidence import Evidence
    from models.evaluation.verdicts import Verdicts
    from models.runs import Run

TITLE = "Evaluation"
WORST = 10
POINTS = {
    "run": "The run's own",
    "youden": "Youden",
    "best_f1": "Best F1",
    "sensitivity_95": "Sensitivity 0.95",
}
PARTS = {"test": "test part", "validation": "validation part", "train": "training part", "all": "all cases"}
UNITS = {"image": "image", "breast": "breast", "patient": "patient"}


def evaluation_report(
    run: Run,
    evidence: Evidence,
    threshold: float | None = None,
    prevalence: float | None = None,
    columns: Sequence[str] | None = None,
    *,
    label: str | None = None,
    filters: Mapping[str, object] | None = None,
    faint: Sequence[RocCurve] = (),
) -> Report:
    """What this view of the run shows.

    threshold: the run's default unless given; of more than two classes the most probable one is called unless
    `label` names one to call against the rest. prevalence: a share, for PPV and NPV in women who are invited.
    columns: of cases.csv, for subgroups; None for those that tell groups of women apart. filters: name ->
    value of what was chosen before. faint: ROC curves of a run's members.
    """
    verdicts = evidence.at(threshold, label)
    sections = [
        Section("What was evaluated", _view(run, evidence, verdicts, filters or {})),
        Section("Verdicts", _verdicts(evidence, verdicts, threshold, label)),
        Section("Discrimination", _discrimination(run, evidence, verdicts, faint)),
        Section("Calibration", _calibration(evidence, verdicts)),
    ]
    if verdicts.label is not None:
        sections.append(Section("In practice", _practice(evidence, verdicts, prevalence)))
        sections.append(Section("Operating points", _points(evidence, verdicts)))
    if groups := _subgroups(run, evidence, verdicts, columns):
        sections.append(Section("Subgroups", tuple(groups)))
    sections.append(Section("Largest errors", _errors(evidence, verdicts)))
    return Report(TITLE, f"{run.title} (run {run.id}), {_where(evidence)}", tuple(sections))


def _where(evidence: Evidence) -> str:
    return f"{PARTS.get(evidence.part, evidence.part)}, by {UNITS.get(evidence.unit, evidence.unit)}"


def _view(
    run: Run, evidence: Evidence, verdicts: Verdicts, filters: Mapping[str, object]
) -> tuple[Part, ...]:
    names, counts = np.unique(evidence.predictions.labels, return_counts=True)
    classes = ", ".join(f"{n:,} {evidence.classes[k]}" for k, n in zip(names, counts, strict=True))
    called = (
        "the most probable class"
        if verdicts.label is None
        else f"{verdicts.label} at a probability of {verdicts.threshold:.4f} or more"
    )
    kind = "phantoms" if run.card.synthetic else run.card.data.name
    parts: list[Part] = [
        facts(
            [
                ("Run", run.id),
                ("Digest", run.digest[:DIGITS]),
                ("Data", kind),
                ("Cases", f"{len(evidence):,}: {classes}"),
                ("Independent groups", evidence.n_groups),
                ("Part and unit", _where(evidence)),
                ("Filters", "; ".join(f"{name}: {value}" for name, value in filters.items()) or "none"),
                ("Called", called),
                ("Licence of the data", run.card.data.licence),
            ]
        )
    ]
    if evidence.part == "train":
        parts.append(Text("The run learnt from these cases: its figures here flatter it.", "warning"))
    if evidence.part == "validation":
        parts.append(Text("Thresholds and calibration were chosen on these cases, which flatters.", "small"))
    return tuple(parts)


def _verdicts(
    evidence: Evidence, verdicts: Verdicts, threshold: float | None, label: str | None
) -> tuple[Part, ...]:
    whole = label is None or evidence.binary
    metrics = evidence.metrics(threshold) if whole else verdicts.metrics
    return (
        *confusion_figure(verdicts),
        metric_table(metrics, width=0.5),
        _class_report(verdicts),
        Text(INTERVALS, "small"),
    )


def _class_report(verdicts: Verdicts) -> Table:
    rows = [
        (row.name, row.n, *(told(figure) for figure in (row.precision, row.recall, row.specificity, row.f1)))
        for row in verdicts.report
    ]
    columns = ("Class", "n", "Precision", "Recall", "Specificity", "F1")
    return Table(columns, tuple(rows), "Each class against the rest")


def _discrimination(
    run: Run, evidence: Evidence, verdicts: Verdicts, faint: Sequence[RocCurve]
) -> tuple[Part, ...]:
    curves = [
        *roc_figure(evidence, verdicts.label, verdicts.threshold, faint),
        *precision_recall_figure(evidence, verdicts.label, verdicts.threshold),
    ]
    if not curves:
        name = evidence.classes[evidence.predictions.labels[0]]
        return (Text(f"All cases are {name}: there is nothing to tell them from, so there is no curve."),)
    return (*curves, *member_parts(run))


def _calibration(evidence: Evidence, verdicts: Verdicts) -> tuple[Part, ...]:
    return (
        *reliability_figure(evidence, verdicts.label),
        *histogram_figure(evidence, verdicts.label, verdicts.threshold),
    )


def _practice(evidence: Evidence, verdicts: Verdicts, prevalence: float | None) -> tuple[Part, ...]:
    label = verdicts.label
    row = next(row for row in verdicts.report if row.name == label)
    figure = decision_figure(evidence, label, verdicts.threshold)
    if prevalence is None:
        said = "No prevalence was given: PPV and NPV hold for the mixture of these cases only."
        return (*figure, Text(said, "small"))
    found = at_prevalence(row.recall, row.specificity, prevalence)
    names = (
        ("PPV", found.ppv, 3),
        ("NPV", found.npv, 3),
        (f"Recalls per {PER:,} women", found.recalls, 1),
        (f"Found per {PER:,}", found.found, 2),
        (f"Missed per {PER:,}", found.misses, 2),
        (f"False alarms per {PER:,}", found.false_alarms, 1),
    )
    rows = tuple((name, told(metric, digits)) for name, metric, digits in names)
    columns = (f"At a prevalence of {percent(prevalence)}", "Value (95 % interval)")
    said = (
        "Worked out from sensitivity and specificity by Bayes' rule. The women are taken to be like these "
        "cases in all else, which a data set of the clinic seldom is."
    )
    return (*figure, Table(columns, rows, width=0.5), Text(said, "small"))


def _points(evidence: Evidence, verdicts: Verdicts) -> tuple[Part, ...]:
    rows, seen = [], set()
    for name, point in evidence.points(verdicts.label).items():
        if point.threshold in seen:
            continue
        seen.add(point.threshold)
        own = evidence.at(point.threshold, verdicts.label).report
        row = next(row for row in own if row.name == verdicts.label)
        rows.append(
            (
                POINTS.get(name, name),
                f"{point.threshold:.4f}",
                point.rule,
                point.on,
                told(row.recall, 2),
                told(row.specificity, 2),
            )
        )
    columns = ("Point", "Threshold", "Rule", "Chosen on", "Sensitivity", "Specificity")
    shown = any(row[3] == evidence.part for row in rows)
    said = [Text("Points chosen on the cases shown flatter their figures.", "small")] if shown else []
    return (Table(columns, tuple(rows)), *said)


def _subgroups(run: Run, evidence: Evidence, verdicts: Verdicts, columns: Sequence[str] | None) -> list[Part]:
    from models.runs.cases import read_cases

    label = verdicts.label or evidence.positive
    threshold = evidence.threshold if verdicts.threshold is None else verdicts.threshold
    if columns is None:
        known = known_columns(run, evidence.predictions)
    else:
        table = read_cases(run)
        of_cases = {} if table is None else table.of(evidence.predictions)
        known = {name: of_cases[name] for name in columns if name in of_cases}
    if not known:
        return []
    by = listed([spoken(name).lower() for name in known])
    said = Text(f"By {by}; {label} is called from {threshold:.4f} on.", "small")
    return [said, *subgroup_parts(evidence.predictions, known, label, threshold)]


def _errors(evidence: Evidence, verdicts: Verdicts) -> tuple[Part, ...]:
    """The cases that were called wrongly with the highest probability of what they were called."""
    wrong = np.flatnonzero(verdicts.truth != verdicts.called)
    if not len(wrong):
        return (Text("No case was called wrongly."),)
    label = verdicts.label or evidence.positive
    p = evidence.predictions.probabilities[:, evidence.classes.index(label)]
    sure = _sureness(evidence, verdicts)
    truth, called = (np.array(verdicts.classes)[which] for which in (verdicts.truth, verdicts.called))
    order = wrong[np.argsort(-sure[wrong], kind="stable")][:WORST].tolist()
    rows = [
        (str(evidence.rows[i]), str(truth[i]), str(called[i]), f"{sure[i]:.3f}", f"{p[i]:.3f}") for i in order
    ]
    missed = int((truth[wrong] == label).sum())
    said = f"{count(len(wrong), 'case')} of {len(evidence):,} called wrongly, {missed:,} of them {label}."
    note = (
        "The most confident errors. A case is named by its row in the run's predictions.csv (0 is the first "
        "case): this report holds no case or patient id."
    )
    columns = ("Row", "True", "Called", "Probability of the call", f"Probability of {label}")
    return Text(said), Table(columns, tuple(rows)), Text(note, "small")


def _sureness(evidence: Evidence, verdicts: Verdicts) -> np.ndarray:
    """The probability of what each case was called, float [n]."""
    p = evidence.predictions.probabilities
    if verdicts.label is None or evidence.binary:
        return p[np.arange(len(p)), verdicts.called]
    own = p[:, evidence.classes.index(verdicts.label)]
    return np.where(verdicts.called == 1, own, 1 - own)
