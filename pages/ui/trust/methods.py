"""Methods ranked, and how far methods and branches agree."""

from __future__ import annotations

import streamlit as st

from pages.ui.comparing.figures import Dot, dot_figure
from pages.ui.evaluation.figures import chart_config
from pages.ui.palette import palette
from pages.ui.reporting import offer_table
from pages.ui.trust import agreement, words
from pages.ui.trust.audited import Audited, Look
from pages.ui.trust.methods_at_hand import same_map, title_of
from xai.audit.figures import LOWER_IS_BETTER, rank_methods
from xai.methods import METHODS

#: A smaller difference is nothing that a reader would see in the maps, however sure it is.
SMALL = 0.02
Ranked = list[tuple[str, dict]]


def show(audit: Audited, look: Look) -> None:
    """The ranking by the chosen measure and by the pointing game; then agreement."""
    names = audit.table.method_names
    apart, alike = told_apart(audit)
    st.subheader("Methods, best first", anchor=False)
    if len(apart) < 2:
        _one_method(audit, names)
    else:
        for column, measure in zip(st.columns(2, gap="large"), (look.measure, "pointing"), strict=True):
            with column:
                _ranking(audit, look, measure)
        st.caption(
            "All methods on the same cases. Intervals overlap more than differences do: a method is called "
            "behind only where its paired difference from the best leaves out 0."
        )
        _table(audit, look)
    for name, sentence in alike.items():
        st.caption(f"{title_of(name)}: {sentence}; not ranked.")
    agreement.show(audit)


def told_apart(audit: Audited) -> tuple[list[str], dict[str, str]]:
    """The methods to rank, and those that are another one's map on this run: name -> that sentence."""
    alike = {name: why for name in audit.table.method_names if (why := same_map(name, audit.run))}
    apart = [name for name in audit.table.method_names if name not in alike]
    return (apart, alike) if apart else (list(audit.table.method_names), {})


def ranked(audit: Audited, look: Look, measure: str) -> Ranked:
    """The methods told apart on this measure, best first, over the cases that all were measured on."""
    apart, _ = told_apart(audit)
    found = rank_methods(audit.table, audit.groups, measure, look.map, look.label)
    return [(name, metric) for name, metric in found if name in apart and metric["value"] is not None]


def differences(audit: Audited, look: Look, measure: str) -> list[tuple[str, dict]]:
    """Every other method less the best, on the same cases."""
    from xai.audit.figures import paired_difference

    order = ranked(audit, look, measure)
    if not order:
        return []
    best = audit.table.of(order[0][0], look.map, look.label)
    return [
        (name, paired_difference(audit.table.of(name, look.map, look.label), best, measure, audit.groups))
        for name, _ in order[1:]
    ]


def _one_method(audit: Audited, names: tuple[str, ...]) -> None:
    named = " and ".join(title_of(name) for name in names)
    st.info(
        f"Only {named} was measured on this run. Add others in the view Audit now, or with "
        f"`python -m xai audit {audit.run.id} --data MANIFEST --method grad-cam --method layercam`."
    )


def _ranking(audit: Audited, look: Look, measure: str) -> None:
    order = ranked(audit, look, measure)
    lower = measure in LOWER_IS_BETTER
    st.markdown(f"**{words.name_of(measure)}**{', low is better' if lower else ''}")
    if not order:
        st.caption("Not measured.")
        return
    centre = audit.baseline(look, "centre").get(measure, {}).get("value")
    dots = [
        Dot(title_of(name), metric["value"], metric["low"], metric["high"],
            said=f"{title_of(name)}: {words.metric(metric)}")
        for name, metric in order
    ]  # fmt: skip
    highest = max(metric["high"] for _, metric in order)
    st.plotly_chart(
        dot_figure(dots, "mean, 95 % interval", (0, max(1.0, 1.05 * highest)), centre, palette()),
        theme=None, key=f"rank {measure}",
        config=chart_config(f"{audit.run.id}-methods"),
        alt="; ".join(f"{title_of(name)} {words.metric(metric)}" for name, metric in order),
    )  # fmt: skip
    if centre is not None:
        st.caption(f"The dashed line is a blob in the centre of the image: {centre:.2f}.")


def _table(audit: Audited, look: Look) -> None:
    order, less = ranked(audit, look, look.measure), dict(differences(audit, look, look.measure))
    rows = [
        {
            "Method": title_of(name),
            words.name_of(look.measure): words.metric(metric),
            "Less the best": words.difference(less[name]) if name in less else "",
            "Told apart": _verdict(less.get(name)),
            "Paper": METHODS[name].paper,
        }
        for name, metric in order
    ]
    st.dataframe(rows, hide_index=True, height="content", alt="Methods, best first")
    offer_table(
        ["method", "measure", "value", "low", "high", "n", "less the best", "low", "high"],
        lambda: [
            [name, look.measure, *(metric[k] for k in ("value", "low", "high", "n")),
             *(less.get(name, {}).get(k) for k in ("value", "low", "high"))]
            for name, metric in order
        ],
        f"{audit.run.id}-methods",
    )  # fmt: skip


def _verdict(difference: dict | None) -> str:
    if difference is None:
        return "best"
    if difference["value"] is None:
        return ""
    if difference["low"] <= 0 <= difference["high"]:
        return "not told apart"
    return "behind" if abs(difference["value"]) >= SMALL else "behind, by very little"
