"""Do the maps follow the network at all: weights made random, guards, faithfulness, several lesions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.ui.evaluation.figures import chart_config
from pages.ui.palette import palette
from pages.ui.plain_text import amount, plain
from pages.ui.trust import figures, froc, words
from pages.ui.trust.audited import Audited, Look
from pages.ui.trust.methods_at_hand import title_of

STORED_WITHOUT = (
    "This audit was stored without its document, so nothing is kept of weight randomisation and guards: "
    "audit the run again."
)
#: The guards' kinds in words, of the maps.
CAUTIONS = {
    "blank": "blank: they point nowhere",
    "saturated": "at full colour over half of the image",
    "padding": "lit in the padding around the image",
    "border": "lit along the image's border",
    "unscaled": "without a colour range of the run's own",
    "marks": "lit on marks drawn into the image",
    "outside": "lit outside the breast or tissue",
}
FAMILIAR = {
    "good": "like the training images",
    "doubt": "at the edge of the training images",
    "bad": "unlike the training images",
    "unknown": "not compared with the training images",
}


def show(audit: Audited, look: Look) -> None:
    """What the audit stored of it."""
    if audit.document is None:
        st.info(STORED_WITHOUT)
    else:
        drawn, guards = st.columns([5.4, 4.6], gap="large")
        with drawn:
            _randomisation(audit)
        with guards:
            _guards(audit)
    froc.show(audit, look)
    _faithfulness(audit, look)


def randomisation_verdict(found: Mapping[str, Any]) -> tuple[str, str]:
    """("good" | "bad" | "unknown", a sentence) of an audit's entry on weight randomisation."""
    if found.get("correlation") is None:
        return "unknown", f"Not measured: {found.get('why', 'this audit left it out')}."
    told = (
        f"rank correlation {found['correlation']:.2f} with the trained map, over {amount(found['n'], 'case')}"
    )
    if found["passed"]:
        return (
            "good",
            f"With every weight random the maps are others: {told}. They depend on what was learnt.",
        )
    return "bad", (
        f"With every weight random the maps hardly change: {told}. They show the image, not what the network "
        "learnt: do not read them as its reasons."
    )


def _randomisation(audit: Audited) -> None:
    found = audit.document.get("randomisation") or {}
    level, sentence = randomisation_verdict(found)
    st.subheader("Weights made random", anchor=False)
    badge(level)
    st.markdown(sentence)
    if stages := found.get("stages"):
        lines = {
            "rank correlation (absolute)": [1.0, *(stage["correlation"] for stage in stages)],
            "structural similarity": [1.0, *(stage["similarity"] for stage in stages)],
        }
        st.plotly_chart(
            figures.stages_figure(["nothing", *(stage["name"] for stage in stages)], lines, palette()),
            theme=None, key="randomisation", config=chart_config(f"{audit.run.id}-randomisation"),
            alt="; ".join(f"{s['name']}: rank correlation {s['correlation']:.2f}" for s in stages),
        )  # fmt: skip
    method = f" {title_of(found['method'])}." if "method" in found else ""
    st.caption(
        f"Cascading weight randomisation (Adebayo et al. 2018), from the head downwards.{method} "
        "Passed below 0.5."
    )


def badge(level: str) -> None:
    """A verdict as icon and word: colour never says it alone."""
    icon, word, colour = {
        "good": (":material/check_circle:", "passed", "green"),
        "bad": (":material/cancel:", "failed", "red"),
    }.get(level, (":material/help:", "not measured", "gray"))
    st.badge(word, icon=icon, color=colour)


def _guards(audit: Audited) -> None:
    found = audit.document.get("guards") or {}
    n = found.get("n", 0)
    st.subheader("What the guards said", anchor=False)
    if not n:
        st.caption("No map of the positive class was looked at.")
        return
    rows = guard_rows(found)
    if rows:
        st.dataframe(
            [{"Maps": name, "Cases": f"{count} of {n}", "Share": count / n} for name, count in rows],
            hide_index=True, height="content", alt="Warnings of the maps",
            column_config={
                "Share": st.column_config.ProgressColumn("Share", min_value=0, max_value=1, format="percent"),
                "Maps": st.column_config.TextColumn(width="medium"),
            },
        )  # fmt: skip
    else:
        st.markdown(f"No warning about any of the {amount(n, 'map')}.")
    familiar = found.get("familiar", {})
    told = [f"**{count}** {FAMILIAR.get(level, level)}" for level, count in familiar.items() if count]
    if told:
        st.markdown(f"Images: {', '.join(told)}.")
    st.caption("Counted over the cases of the positive class, the first method's joint map.")


def guard_rows(found: Mapping[str, Any]) -> list[tuple[str, int]]:
    """(what the maps are, of how many cases), most frequent first."""
    counted = sorted(found.get("cautions", {}).items(), key=lambda item: -item[1])
    return [(CAUTIONS.get(kind, kind), int(count)) for kind, count in counted]


def _faithfulness(audit: Audited, look: Look) -> None:
    st.subheader("Does the score hang on the lit places?", anchor=False)
    found = audit.figures(look)
    shown = [name for name in words.FAITHFULNESS if found.get(name, {}).get("value") is not None]
    if not shown:
        st.caption(
            "Faithfulness (deletion, insertion, average drop) was not measured: it takes hundreds of passes "
            "a case. Ask for it in the view Audit now, or with `--faithfulness`."
        )
        return
    noise = audit.baseline(look, "random")
    st.table(
        [
            {
                "Measure": words.name_of(name),
                plain(title_of(look.method)): words.metric(found[name]),
                "Noise": words.metric(noise[name]) if name in noise else words.NONE,
                "How to read it": words.meaning(name),
            }
            for name in shown
        ],
        border="horizontal", hide_index=True, alt="Faithfulness beside noise",
    )  # fmt: skip
