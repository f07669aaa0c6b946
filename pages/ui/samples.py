"""The sample studies that ship with the program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from models.data.manifest import Case, read_manifest
from models.runs import Run

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "samples"
MODALITIES = ("ultrasound", "mammography", "histopathology", "mixed")


@dataclass(frozen=True)
class Sample:
    """One shipped study.

    id: its case id. label: what it shows, by the manifest. title: the label and, where several of a modality
    share it, a number. mask_file: of its lesion.
    """

    id: str
    file: Path
    mask_file: Path | None
    modality: str
    label: str
    title: str
    synthetic: bool


def read_samples(folder: Path) -> tuple[Sample, ...]:
    """The samples of a folder with a manifest.csv, grouped by modality; none where there is no manifest."""
    if not (folder / "manifest.csv").is_file():
        return ()
    cases = read_manifest(folder / "manifest.csv").cases
    alike = Counter((case.modality, case.label) for case in cases)
    seen: Counter = Counter()
    samples = []
    for case in cases:
        kind = case.modality, case.label
        seen[kind] += 1
        samples.append(_sample(case, seen[kind] if alike[kind] > 1 else None))
    return tuple(sorted(samples, key=lambda sample: _place(sample.modality)))


def by_modality(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    """Modality -> its samples, in the order of a picker."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.modality, []).append(sample)
    return groups


def fitting_run(sample: Sample, runs: Iterable[Run]) -> Run | None:
    """The run to open a sample with: of its modality and, for a phantom, trained on phantoms; else None."""
    fits = [run for run in runs if run.modality == sample.modality and run.has_weights]
    return min(fits, key=lambda run: (run.card.synthetic != sample.synthetic, run.id), default=None)


def by_use(runs: Iterable[Run]) -> list[Run]:
    """Runs in the order of a picker: by modality, trained on real images first, hybrids first."""
    return sorted(
        runs, key=lambda run: (_place(run.modality), run.card.synthetic, len(run.branches) < 2, run.id)
    )


def _sample(case: Case, number: int | None) -> Sample:
    # Everything that ships is a phantom unless its manifest says that it is not.
    synthetic = case.columns.get("synthetic", "1").casefold() not in ("0", "false", "no")
    label = case.label.replace("_", "-")
    title = label if number is None else f"{label} {number}"
    return Sample(case.case_id, case.file, case.mask_file, case.modality or "", label, title, synthetic)


def _place(modality: str) -> int:
    return MODALITIES.index(modality) if modality in MODALITIES else len(MODALITIES)
