"""Images that a manifest names: a CSV with the columns file and label (`models.data.manifest`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from models.batch.inputs import names
from models.batch.inputs.entry import Entry
from models.batch.inputs.folders import slide_refusal
from models.batch.inputs.loads import FileOf
from models.data.manifest import Manifest, read_manifest


class ManifestSource:
    """A manifest's cases, in its order. The key of a case is its case id, as everywhere in the program."""

    kind, countable = "manifest", True

    def __init__(self, path: Path):
        self._manifest: Manifest = read_manifest(path)
        self.title = names.clean(self._manifest.name)
        self.prefix = f"{self.title}/"

    def prepare(self) -> None:
        """Nothing: whether a file is there is seen when it is read."""

    def entries(self, loads: bool = True) -> Iterator[Entry]:
        for case in self._manifest.cases:
            why = slide_refusal(case.file)
            yield Entry(
                names.tidy(names.clean(case.columns["file"])),
                None if why else FileOf(case.file.absolute()),
                why=why,
                mask=FileOf(case.mask_file.absolute()) if case.mask_file else None,
                label=case.label,
                patient_id=case.patient_id,
                group=case.group,
                modality=case.modality,
                key=names.clean(case.case_id),
            )

    def notices(self) -> list[str]:
        return []

    @property
    def has_masks(self) -> bool:
        return any(case.mask_file for case in self._manifest.cases)

    def fraction(self) -> float | None:
        return None
