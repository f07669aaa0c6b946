"""The sample studies that ship with the program."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from models.data.manifest import Case, read_manifest
from models.runs import Run

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "samples"
MODALITIES = ("ultrasound", "mammography", "histopathology", "mixed")


@dataclass(frozen=True)
class Sample:
    """One shipped study. id: its case id. label: what it shows, by the manifest. mask_file: of its lesion."""

    id: str
    file: Path
    mask_file: Path | None
    modality: str
    label: str
    synthetic: bool

    @property
    def title(self) -> str:
        return f"{self.modality.capitalize()}: {self.label.replace('_', ' ')}"


def read_samples(folder: Path) -> tuple[Sample, ...]:
    """The samples of a folder with a manifest.csv, grouped by modality; none where there is no manifest."""
    if not (folder / "manifest.csv").is_file():
        return ()
    cases = (_sample(case) for case in read_manifest(folder / "manifest.csv").cases)
    return tuple(sorted(cases, key=lambda sample: _place(sample.modality)))


def fitting_run(sample: Sample, runs: Iterable[Run]) -> Run | None:
    """The run to open a sample with: of its modality and, for a phantom, trained on phantoms; else None."""
    fits = [run for run in runs if run.modality == sample.modality and run.has_weights]
    return min(fits, key=lambda run: (run.card.synthetic != sample.synthetic, run.id), default=None)


def by_use(runs: Iterable[Run]) -> list[Run]:
    """Runs in the order of a picker: by modality, trained on real images first, hybrids first."""
    return sorted(
        runs, key=lambda run: (_place(run.modality), run.card.synthetic, len(run.branches) < 2, run.id)
    )


def _sample(case: Case) -> Sample:
    # Everything that ships is a phantom unless its manifest says that it is not.
    synthetic = case.columns.get("synthetic", "1").casefold() not in ("0", "false", "no")
    return Sample(case.case_id, case.file, case.mask_file, case.modality or "", case.label, synthetic)


def _place(modality: str) -> int:
    return MODALITIES.index(modality) if modality in MODALITIES else len(MODALITIES)
