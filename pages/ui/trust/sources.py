"""What an audit can be made on here: manifests with masks at hand, and phantoms drawn on the spot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.data.manifest import Case, Manifest, class_of
from models.errors import BadInput
from models.runs import Run

PHANTOMS = "phantoms drawn now"
ALL = "all"
PARTS = ("test", "validation", "train", ALL)
Labelled = list[tuple[Case, str]]


@dataclass(frozen=True)
class Source:
    """A manifest at hand, or phantoms to be drawn.

    name: of the manifest's folder, or PHANTOMS. part: of the run's own split; ALL for every case. count,
    seed, marker: of phantoms; marker plants a mark in the corner of every positive one. meanings: (label,
    class) for labels that the run itself does not know.
    """

    name: str
    manifest: Manifest | None = None
    part: str = ALL
    modality: str = ""
    count: int = 0
    seed: int = 0
    marker: bool = False
    meanings: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        """For people: "ultrasound_busi, test cases"."""
        if self.manifest is not None:
            return f"{self.name}, {'every case' if self.part == ALL else f'{self.part} cases'}"
        marked = " with the planted marker" if self.marker else ""
        return f"{self.count} {self.modality} phantoms of series {self.seed}{marked}"

    @property
    def digest(self) -> str:
        """Tells sources apart."""
        return f"{self.title} {self.manifest.digest if self.manifest else ''} {self.meanings}"


def with_masks() -> tuple[list[Manifest], list[Manifest]]:
    """The manifests at hand that have masks, and those that have none."""
    from models.data.at_hand import manifests_at_hand

    found = manifests_at_hand()
    masked = [each for each in found if any(case.mask_file is not None for case in each.cases)]
    return masked, [each for each in found if each not in masked]


def is_own(run: Run, manifest: Manifest) -> bool:
    """Whether the run was trained on this manifest (or on what was cut from it, or on it and others)."""
    return run.card.data.manifest_digest == manifest.digest


def strange_labels(run: Run, source: Source) -> list[str]:
    """Labels of the source's cases with masks that stand for none of the run's classes."""
    from models.data.phantoms import LABELS

    if source.manifest is None:
        labels = set(LABELS[source.modality]) - {"normal"}
    else:
        labels = {case.label for case in source.manifest.cases if case.mask_file is not None}
        labels -= set(run.card.data.leave_out)
    return sorted(label for label in labels if not _known(label, run))


def _known(label: str, run: Run) -> bool:
    try:
        class_of(label, run.card.label_map, run.classes)
    except BadInput:
        return False
    return True


def gathered(
    run: Run, source: Source, folder: Path, watch: Callable[[int], None]
) -> tuple[Labelled, Labelled]:
    """(case, class) to measure, and those to tune a threshold on. Phantoms are drawn, and pieces cut, into
    `folder`; watch: called with the number drawn. BadInput where no case has a mask, or a label stands for no
    class of the run."""
    from models.data.manifest import read_manifest
    from models.data.phantoms import write_phantoms
    from models.data.prepare import as_trained
    from xai.auditing import audited_cases

    manifest = source.manifest
    if manifest is None:
        out = folder / "phantoms"
        path = write_phantoms(
            source.modality, source.count, source.seed, out, marker=source.marker, progress=watch
        )
        manifest = read_manifest(path)
    cut, _ = as_trained(run.card.prepare, manifest, folder / "pieces")
    maps = [f"{label}={name}" for label, name in source.meanings]
    asked, tuning = audited_cases(run, cut, None if source.part == ALL else source.part, maps)
    if not asked:
        raise BadInput(
            f"No case of {source.title} has a mask, so there is nothing to hold the maps against: choose "
            "other cases."
        )
    return asked, tuning
