"""What a batch is to do: the same words for this process, for the command line and for Ray."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from models.errors import BadInput

if TYPE_CHECKING:
    from models.batch.item import Item
    from models.batch.step import Step
    from models.runs import Run

SCHEMA_VERSION = 1


class Inputs(Protocol):
    """The images of a batch, listed lazily and in the same order each time (`models.batch.listing`).

    total: how many there are, or None where counting costs a whole pass; `fraction()` is then the share of
    the input's bytes that the latest pass has gone through. notices: whole sentences. title: for people.
    """

    total: int | None
    notices: list[str]
    title: str
    has_labels: bool
    has_masks: bool

    def items(self, skip: Container[str] = ()) -> Iterator[Item]:
        """All items but those whose key is in `skip`, which cost as little as possible."""
        ...


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """One batch.

    runs: each with weights, no id twice; the first is the one that the JSON document speaks of. steps: what
    else is done with a scored case, for all runs or by run id. engine: a kind of `models.engines.KINDS`, or
    None for the default. label_map: label -> class, over the runs' own. workers: threads that decode, and as
    many that do the steps; None for the machine's cores. Raises BadInput for what cannot be.
    """

    runs: Sequence[Run]
    listing: Inputs
    folder: Path
    steps: Mapping[str, Sequence[Step]] | Sequence[Step] = ()
    engine: str | None = None
    label_map: Mapping[str, str] = field(default_factory=dict)
    resume: bool = False
    workers: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "runs", tuple(self.runs))
        object.__setattr__(self, "folder", Path(self.folder))
        object.__setattr__(self, "label_map", dict(self.label_map or {}))
        check_runs(self.runs)
        engine_kind(self.engine)
        if self.workers is not None and self.workers < 1:
            raise BadInput(f"{self.workers} workers cannot do anything: give at least 1.")

    def steps_of(self, run_id: str) -> tuple[Step, ...]:
        """The steps of one run, in their order."""
        return steps_of(self.steps, run_id)

    def signature(self) -> dict[str, Any]:
        """What a batch on disk must share with this one to be gone on with, as JSON gives it back."""
        told = {
            "runs": [{"id": run.id, "digest": run.digest} for run in self.runs],
            "steps": {
                run.id: [
                    {"name": step.name, "columns": list(step.columns), "signature": step.signature}
                    for step in self.steps_of(run.id)
                ]
                for run in self.runs
            },
            "engine": engine_kind(self.engine),
            "label_map": self.label_map,
        }
        return json.loads(json.dumps(told))

    def header(self) -> dict[str, Any]:
        """The content of `batch.json` as far as the plan knows it."""
        runs = [
            {
                "id": run.id,
                "digest": run.digest,
                "title": run.title,
                "modality": run.modality,
                "classes": list(run.classes),
                "positive": run.positive,
                "threshold": run.operating_point.threshold,
                "logits": run.card.logits,
                "label_map": dict(run.card.label_map),
                "synthetic": run.card.synthetic,
            }
            for run in self.runs
        ]
        return {
            "schema_version": SCHEMA_VERSION,
            **self.signature(),
            "runs": runs,
            "inputs": self.listing.title,
            "has_labels": bool(self.listing.has_labels),
            "has_masks": bool(self.listing.has_masks),
            "total": self.listing.total,
        }


def steps_of(steps: Mapping[str, Sequence[Step]] | Sequence[Step], run_id: str) -> tuple[Step, ...]:
    """The steps of one run, whichever way they were given."""
    return tuple(steps.get(run_id, ()) if isinstance(steps, Mapping) else steps)


def meant_for(classes: Sequence[str], label_map: Mapping[str, str]) -> dict[str, str]:
    """What of a batch's label map is about a run of these classes: runs beside it may have others."""
    return {label: name for label, name in label_map.items() if name in classes}


def check_runs(runs: Sequence[Run]) -> None:
    """BadInput where no run is given, one twice, or one that came without weights."""
    if not runs:
        raise BadInput("No run was given: give at least one.")
    ids = [run.id for run in runs]
    if twice := next((one for one in ids if ids.count(one) > 1), None):
        raise BadInput(f"The run {twice} is given twice: give each run once.")
    if without := next((run.id for run in runs if not run.has_weights), None):
        raise BadInput(f"The run {without} came without weights: choose a run that has them.")


def engine_kind(engine: str | None) -> str:
    """The runtime that computes: "openvino", "onnxruntime" or "tensorflow". BadInput where it cannot be had.

    Probabilities of two runtimes agree to a relative 1e-4 only, so a batch keeps to one.
    """
    import os

    from models.engines import ENGINE_VARIABLE, KINDS, default_kind
    from models.engines.onnx import available_runtime

    kind = engine or os.environ.get(ENGINE_VARIABLE) or default_kind()
    if kind not in KINDS:
        raise BadInput(f"There is no engine {kind!r}: choose one of {', '.join(KINDS)}.")
    return kind if kind == "tensorflow" else available_runtime(kind)
