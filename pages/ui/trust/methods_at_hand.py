"""Methods by their titles, and which of them are one map on a run."""

from __future__ import annotations

from models.runs import Run
from xai.methods import METHODS, same_as


def title_of(method: str) -> str:
    """A method's name for people; its key where it is none of ours."""
    known = METHODS.get(method)
    return known.title if known else method


def about(method: str) -> str:
    """What a method does, in one sentence."""
    known = METHODS.get(method)
    return known.about if known else ""


def same_map(method: str, run: Run) -> str | None:
    """A sentence where the method gives the same map as another one on this run."""
    return same_as(method, run) if method in METHODS else None


def from_one_pass(method: str) -> bool:
    """Whether the run's one pass gives the method's maps, so that pictures of many cases are quick."""
    return method in METHODS and METHODS[method].family == "stored"
