"""From a stored run back to its Keras network."""

from __future__ import annotations

from models.errors import BadInput
from models.networks.graph import Network, NetworkSpec, build_network
from models.networks.onnx_export import load_weights, read_initialisers
from models.runs import Run
from models.runs.schema import HEAD_FILE, Head


def spec_of(run: Run) -> NetworkSpec:
    """The graph that `run.json` describes; the number of support vectors is read from the head's file."""
    card, head = run.card, run.card.head or Head()
    units = head.units
    if head.kind == "svm":
        units = (len(read_initialisers(run.folder / HEAD_FILE)["head/vectors"]),)
    return NetworkSpec(
        backbones=tuple(branch.backbone for branch in card.branches),
        units=units,
        classes=len(card.classes),
        positive=card.classes.index(card.positive),
        height=card.input.height,
        width=card.input.width,
        channels=card.input.channels,
        head=head.kind,
    )


def rebuild(run: Run) -> Network:
    """The run's explain graph with the numbers of its ONNX files: the same weights for every engine.

    Raises BadInput for a run without weights.
    """
    if not run.card.branches:
        raise BadInput(f"The run {run.id} has no weights, so its network cannot be rebuilt.")
    network = build_network(spec_of(run))
    trunks = {branch.name: run.trunk_files[branch.trunk] for branch in run.card.branches}
    load_weights(network, trunks, run.folder / HEAD_FILE)
    return network
