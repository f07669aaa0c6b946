"""Which map: of which class, by which method, at which layer. Every answer stands in the address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from models.runs import Run
from pages.ui.comparing.choices import refuse_unknown
from xai.methods import DEFAULT_METHOD, METHODS, Request, same_as, why_not
from xai.methods.layers import is_last, published_layers
from xai.methods.target import Target

CLASS, MAP, METHOD, LAYER, AGAINST, MASKS = "class", "map", "method", "layer", "against", "masks"
JOINT = "joint"
LAST = "last"
NOBODY = "no one"
FAMILIES = {
    "stored": "From the stored feature maps, at once",
    "perturbation": "By asking the model again",
    "gradient": "By gradients to the pixels (loads TensorFlow)",
    "library": "By another program, as a second opinion (loads TensorFlow)",
}
#: Masks that a page asks for unless told otherwise: RISE of some 500 is a minute of a hybrid on two cores.
PAGE_MASKS = {"score-cam": 128, "tf-keras-vis/score-cam": 128, "rise": 500}
MOST_MASKS = 4000


@dataclass(frozen=True)
class Asked:
    """A map's question, and which of its maps to look at ("joint" or a branch's name)."""

    request: Request
    name: str

    @property
    def method(self) -> str:
        return self.request.method


def ask_map(run: Run) -> Asked:
    """Ask for class, map and method, with the finer choices behind a button."""
    label = _one("Evidence for", run.classes, CLASS, run.positive)
    branches = [branch.name for branch in run.branches]
    name = _one("Map", [JOINT, *branches], MAP, JOINT) if len(branches) > 1 else JOINT
    method = _ask_method()
    with st.popover(
        "More", key="more_of_map", help="Contrast, layer, number of masks, and what each method is."
    ):
        against = _ask_against(run, label)
        layer = _ask_layer(run, method)
        masks = _ask_masks(method)
        _show_methods(run, method)
    return Asked(Request(Target(label, against), method, layer, masks), name)


def notes(run: Run, asked: Asked) -> list[str]:
    """What there is to know about a method on this run: what it does, and where it is another's map."""
    method = METHODS[asked.method]
    lines = [f"{method.title} ({method.paper}): {method.about}"] if asked.method != DEFAULT_METHOD else []
    if same := same_as(asked.method, run, asked.request.layer):
        lines.append(f"Here it is {same}.")
    return lines


def _ask_method() -> str:
    titles = {method.title: key for key, method in METHODS.items()}
    _forget_unknown(METHOD, titles)
    refuse_unknown(METHOD, titles)
    chosen = st.selectbox(
        "Method", list(titles), key=METHOD, bind="query-params", filter_mode="contains", width=240,
    )  # fmt: skip
    return titles[chosen]


def _ask_against(run: Run, label: str) -> str | None:
    if len(run.classes) < 3:
        return None
    others = [NOBODY, *(name for name in run.classes if name != label)]
    chosen = _select(
        "Held against", others, AGAINST, "Why this class and not that one: the difference of their logits."
    )
    return None if chosen == NOBODY else chosen


def _ask_layer(run: Run, method: str) -> str | None:
    if METHODS[method].layers != "any":
        return None
    layers = [LAST, *(layer for layer in published_layers(run) if not is_last(run, layer))]
    if len(layers) < 2:
        return None
    chosen = _select(
        "Layer", layers, LAYER, "An earlier layer has finer cells and less meaning; it needs TensorFlow."
    )
    return None if chosen == LAST else chosen


def _ask_masks(method: str) -> int | None:
    if method not in PAGE_MASKS:
        return None
    return st.number_input(
        "Masks", 8, MOST_MASKS, PAGE_MASKS[method], 8, key=MASKS, bind="query-params",
        help="Each is a pass of the network. More of them make a smoother map.",
    )  # fmt: skip


def _show_methods(run: Run, chosen: str) -> None:
    st.caption("What each method is")
    for family, words in FAMILIES.items():
        lines = []
        for key, method in METHODS.items():
            if method.family != family:
                continue
            remark = ""
            if why := why_not(key, run):
                remark = f" :orange[Not for this run: {why}]"
            elif same := same_as(key, run):
                remark = f" Here: {same}."
            lines.append(f"- {method.title} ({method.paper}). {method.about}{remark}")
        with st.expander(words, expanded=METHODS[chosen].family == family):
            st.markdown("\n".join(lines))


def is_slow(request: Request) -> bool:
    """Whether a map takes more than what the stored pass has left: further passes, or gradients."""
    return METHODS[request.method].family != "stored" or request.layer is not None


def _one(label: str, options: Sequence[str], key: str, default: str) -> str:
    _forget_unknown(key, options)
    refuse_unknown(key, options)
    return st.segmented_control(label, options, default=default, required=True, key=key, bind="query-params")


def _select(label: str, options: Sequence[str], key: str, help: str) -> str:
    _forget_unknown(key, options)
    refuse_unknown(key, options)
    return st.selectbox(label, options, key=key, bind="query-params", filter_mode=None, help=help)


def _forget_unknown(key: str, options: Sequence[str]) -> None:
    """Another run, or another class, may not have what was chosen before."""
    if key in st.session_state and st.session_state[key] not in options:
        del st.session_state[key]
