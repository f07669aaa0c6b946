"""All runs side by side, and what publications printed beside them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from models.errors import BadInput
from models.reports.wording import name_of
from models.runs import Run
from models.runs.leaderboard import METRICS, Entry, Filters, Landmark, entries, ranked
from pages.ui import caches, state
from pages.ui.comparing import choices, figures
from pages.ui.comparing.figures import Dot
from pages.ui.evaluation.figures import chart_config
from pages.ui.gallery import INSPECT
from pages.ui.palette import palette
from pages.ui.reporting import offer_report, offer_table

EVALUATE, TRAINING = "pages/4_Evaluate.py", "pages/5_Training.py"
KINDS = {"all": None, "images of people": False, "phantoms": True}
ALWAYS = ("auc",)
BESIDE = ("balanced_accuracy", "sensitivity", "specificity", "ppv", "npv", "brier", "ece")
PRINTED = {
    "accuracy": "Accuracy", "precision": "Precision", "sensitivity": "Sensitivity",
    "specificity": "Specificity", "f1": "F1", "auc": "AUC", "kappa": "Kappa",
}  # fmt: skip
#: Our metric -> what publications call it.
PRINTED_AS = {"ppv": "precision"}
# A dot plot of more rows is no picture any more.
DRAWN = 40


def show(runs: Sequence[Run]) -> None:
    """The whole view."""
    if not runs:
        raise BadInput("No run is at hand: train one or import one (python -m models --help).")
    lines = entries(runs)
    with st.sidebar:
        filters, metric = _ask(lines)
    kept = ranked(filter(filters.keep, lines), metric)
    printed = [line for line in caches.landmarks() if filters.keep_landmark(line)]
    if not kept:
        st.info("No run passes these filters: take one away at the left.")
    else:
        show_runs(kept, printed, metric, filters)
        show_dots(kept, printed, metric)
    show_published(printed, kept)


def show_runs(kept: Sequence[Entry], printed: Sequence[Landmark], metric: str, filters: Filters) -> None:
    """The table; one chosen row leads to its pages, two are compared."""
    st.markdown(
        f"**{len(kept)} runs**, the {'highest' if METRICS[metric] else 'lowest'} {name_of(metric)} first, "
        "each with its 95 % interval on its own test cases. Figures of different data cannot be compared: "
        "only runs of the same *Tested on* saw the same cases."
    )
    columns = list(dict.fromkeys((metric, *ALWAYS)))
    event = st.dataframe(
        table_rows(kept, columns), hide_index=True, height=_height(len(kept), 14), key="leaderboard",
        on_select="rerun", selection_mode="multi-row", column_config=_column_config(columns),
        alt="All runs with their metrics",
    )  # fmt: skip
    chosen = [kept[row] for row in event["selection"]["rows"] if row < len(kept)]
    with st.container(horizontal=True, vertical_alignment="center"):
        if len(chosen) == 1:
            _lead_to(chosen[0].run)
        elif len(chosen) == 2:
            st.button(
                f"Compare {chosen[0].id} with {chosen[1].id}", type="primary", on_click=_compare,
                args=(chosen[0].id, chosen[1].id),
            )  # fmt: skip
        else:
            st.caption("Choose one row to open its pages, two to compare them.")
        from pages.ui.comparing.report import board_report

        names, rows = csv_table(kept)
        offer_report(lambda: board_report(kept, printed, metric, filters), "leaderboard")
        offer_table(names, rows, "leaderboard")


def show_dots(kept: Sequence[Entry], printed: Sequence[Landmark], metric: str) -> None:
    """The chosen metric of every run with its interval, by the cases it was tested on."""
    dots = dots_of(kept, printed, metric)
    known = [end for dot in dots for end in (dot.value, dot.low, dot.high) if end is not None]
    if not known:
        st.caption(f"None of these runs has a measured {name_of(metric)}.")
        return
    st.subheader(f"{name_of(metric)} with 95 % intervals", anchor=False)
    high = max(known)
    span = min(known) - 0.03, max(1.01, high + 0.01) if METRICS[metric] else high + 0.03
    st.plotly_chart(
        figures.dot_figure(
            dots, name_of(metric), span, 0.5 if metric == "auc" else None, palette()
        ),
        theme=None, key="dots", config=chart_config(f"leaderboard-{metric}"),
        alt=f"{name_of(metric)} of every run with its 95 % interval",
    )  # fmt: skip
    if len(kept) > DRAWN:
        st.caption(f"The first {DRAWN} of {len(kept)} runs are drawn.")


def show_published(printed: Sequence[Landmark], kept: Sequence[Entry]) -> None:
    """What publications printed for systems that recipes here follow."""
    if not printed:
        return
    with st.expander(f"Published figures ({len(printed)} systems): other data", expanded=len(printed) <= 12):
        st.markdown(
            "As printed by their authors, on **their own data and splits**: landmarks, not results to be "
            "ranked with those above. Recipes here follow these systems; *our run* names one that is at hand."
        )
        rows = published_rows(printed, kept)
        st.dataframe(
            rows, hide_index=True, height=_height(len(rows), 12),
            column_config={
                name: st.column_config.NumberColumn(format="%.3f", width="small") for name in PRINTED.values()
            },
            alt="Published figures",
        )  # fmt: skip
        offer_table(list(rows[0]), [list(row.values()) for row in rows], "published-figures")


def dots_of(kept: Sequence[Entry], printed: Sequence[Landmark], metric: str) -> list[Dot]:
    """Rows of the dot plot: a heading for each set of test cases, its runs in their order, and below the
    published figures."""
    groups: dict[str, list[Entry]] = {}
    for entry in kept[:DRAWN]:
        if entry.metric(metric).value is not None:
            groups.setdefault(entry.tested_on, []).append(entry)
    dots = []
    for members in groups.values():
        dots.append(Dot(_group(members[0]), None))
        dots += [_dot(entry, metric) for entry in members]
    return dots + _landmark_dots(printed, metric)


def _landmark_dots(printed: Sequence[Landmark], metric: str) -> list[Dot]:
    """All published figures of a modality in one row: they are landmarks, not competitors."""
    named = PRINTED_AS.get(metric, metric)
    groups: dict[str, list[Landmark]] = {}
    for line in printed:
        if named in line.published.figures:
            groups.setdefault(line.modality, []).append(line)
    dots = [Dot("published, on their own data", None)] if groups else []
    for modality, members in groups.items():
        name = f"{modality}, {len(members)} system{'s' if len(members) > 1 else ''}"
        for line in members:
            value = line.published.figures[named]
            said = f"{line.network}: {value:.3f}, {line.published.source}"
            dots.append(Dot(name, value, kind="published", said=said))
            name = ""
    return dots


def table_rows(kept: Sequence[Entry], columns: Sequence[str]) -> list[dict[str, object]]:
    """A row a run for the page."""
    rows = []
    for entry in kept:
        card, row = entry.run.card, {"Run": entry.id}
        for name in columns:
            figure = entry.metric(name)
            label = name_of(name)
            row |= {label: figure.value, f"{label} low": figure.low, f"{label} high": figure.high}
        row |= {"n": entry.n, "Tested on": _tested_on(entry), "Modality": entry.run.modality}
        row |= {"Classes": entry.classes, "Network": entry.network}
        row |= {name_of(name): entry.metric(name).value for name in BESIDE if name not in columns}
        row |= {
            "Parameters (millions)": _millions(card.cost.get("parameters")),
            "ms an image": card.cost.get("inference_ms"),
            "Published (other data)": _printed(entry),
            "Remarks": _remarks(entry),
        }
        rows.append(row)
    return _spoken(rows)


def csv_table(kept: Sequence[Entry]) -> tuple[list[str], list[list[object]]]:
    """Names of columns and rows of the leaderboard as a file: every metric with its interval."""
    names = ["run", "modality", "classes", "positive", "network", "data", "part", "n", "synthetic", "weights"]
    names += [f"{metric}{end}" for metric in METRICS for end in ("", "_low", "_high")]
    rows = []
    for entry in kept:
        run = entry.run
        row = [entry.id, run.modality, entry.classes, run.positive, entry.network, entry.data, entry.part]
        row += [entry.n, int(run.card.synthetic), int(run.has_weights)]
        for metric in METRICS:
            figure = entry.metric(metric)
            row += [figure.value, figure.low, figure.high]
        rows.append(row)
    return names, rows


def published_rows(printed: Sequence[Landmark], kept: Sequence[Entry]) -> list[dict[str, object]]:
    """A row a published system, with our run of its recipe where one is at hand."""
    rows = []
    for line in printed:
        printed_here = line.published
        own = next((entry for entry in kept if entry.published == printed_here), None)
        row: dict[str, object] = {"System": line.network, "Modality": line.modality, "Classes": line.classes}
        row["Setting"] = printed_here.setting
        row |= {label: printed_here.figures.get(name) for name, label in PRINTED.items()}
        row |= {"Our run": own.id if own else None, "Test cases": printed_here.test_cases}
        row |= {"Their data": printed_here.data, "Source": printed_here.source, "Note": printed_here.note}
        row["Recipe"] = line.recipe
        rows.append(row)
    return _spoken(rows)


def _ask(lines: Sequence[Entry]) -> tuple[Filters, str]:
    def options(of) -> list[str]:
        return sorted({of(line) for line in lines})

    modality = choices.pick_many("Modality", options(lambda line: line.run.modality), "modality")
    classes = choices.pick_many("Classes", options(lambda line: line.classes), "classes")
    data = choices.pick_many("Data", options(lambda line: line.data), "data")
    kind = choices.pick_one("Trained on", list(KINDS), "trained_on")
    names = {name_of(name): name for name in METRICS}
    metric = names[choices.pick_one("Sorted by", list(names), "by")]
    return Filters(modality, classes, data, KINDS[kind]), metric


def _spoken(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Without the columns that say nothing in any row: they only take room."""
    spoken = {name for row in rows for name, value in row.items() if value not in (None, "")}
    return [{name: value for name, value in row.items() if name in spoken} for row in rows]


def _height(rows: int, most: int) -> int | str:
    return "content" if rows <= most else 38 + 35 * most


def _lead_to(run: Run) -> None:
    pages = [("Evaluate", EVALUATE), ("Training", TRAINING)] + (
        [("Inspect", INSPECT)] if run.has_weights else []
    )
    for name, page in pages:
        if st.button(f"{name} {run.id}", key=f"{name} from the leaderboard"):
            st.switch_page(page, query_params={state.RUN: run.id})


def _compare(first: str, second: str) -> None:
    st.session_state["view"] = "Two runs"
    for key, run in (("first", first), ("second", second)):
        # Widgets that are not there yet do not write into the address what they are set to.
        st.session_state[key] = st.query_params[key] = run


def _dot(entry: Entry, metric: str) -> Dot:
    figure = entry.metric(metric)
    spread = "" if figure.low is None else f" ({figure.low:.3f} to {figure.high:.3f})"
    return Dot(
        entry.id, figure.value, figure.low, figure.high,
        kind="synthetic" if entry.run.card.synthetic else "run",
        said=f"{entry.id}: {figure.value:.3f}{spread}, n = {figure.n}",
    )  # fmt: skip


def _group(entry: Entry) -> str:
    """The cases a run was tested on, as a heading."""
    cases = "" if entry.n is None else f", {entry.n:,} cases"
    return f"{_tested_on(entry)}, {entry.run.modality}{cases}"


def _tested_on(entry: Entry) -> str:
    return entry.data if entry.part == "test" else f"{entry.data}, {entry.part}"


def _column_config(columns: Sequence[str]) -> dict[str, object]:
    number = st.column_config.NumberColumn
    shown = {}
    for name in dict.fromkeys((*columns, *BESIDE)):
        label = name_of(name)
        shown |= {
            column: number(format="%.3f", width="small")
            for column in (label, f"{label} low", f"{label} high")
        }
    return shown | {
        "Run": st.column_config.TextColumn(pinned=True),
        "n": number(format="%d", width="small", help="Test cases"),
        "Parameters (millions)": number(format="%.2f"),
        "ms an image": number(format="%.0f", help="Median of single predictions, where it was made"),
    }  # fmt: skip


def _printed(entry: Entry) -> str:
    if entry.published is None:
        return ""
    return ", ".join(f"{name_of(name)} {value:.3f}" for name, value in entry.published.figures.items())


def _remarks(entry: Entry) -> str:
    run = entry.run
    said = [
        "phantoms" if run.card.synthetic else "",
        "imported, this session" if caches.is_imported(run) else "",
        "" if run.has_weights else "no weights",
    ]
    return ", ".join(filter(None, said))


def _millions(count: object) -> float | None:
    return count / 1e6 if isinstance(count, int | float) else None
