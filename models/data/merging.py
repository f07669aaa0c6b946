"""Several manifests as one, for runs over more than one pack or modality."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from models.data.manifest import Case, Manifest
from models.errors import BadInput
from models.study import MODALITIES


def merge(manifests: Sequence[Manifest]) -> Manifest:
    """All cases of several manifests, in the order given; one manifest is returned as it is.

    Case ids, patients, groups and the column `file` begin with their pack's name, so equal names of two packs
    stay apart. A case without a modality takes the one that its pack's name begins with. The digest does not
    depend on the order of the packs. Raises BadInput for none, and for one manifest given twice.
    """
    if not manifests:
        raise BadInput("There is no manifest to merge: give at least one.")
    if len(manifests) == 1:
        return manifests[0]
    digests = [manifest.digest for manifest in manifests]
    if len(set(digests)) < len(digests):
        twice = next(m for m in manifests if digests.count(m.digest) > 1)
        raise BadInput(f"The manifest {twice.path} is given twice: give each once.")
    names = pack_names(manifests)
    pairs = list(zip(names, manifests, strict=True))
    return Manifest(
        path=manifests[0].path,
        digest=hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest(),
        cases=tuple(_renamed(case, name, m) for name, m in pairs for case in m.cases),
        left_out=tuple(_renamed(case, name, m) for name, m in pairs for case in m.left_out),
        packs=tuple(manifests),
    )


def pack_names(manifests: Sequence[Manifest]) -> list[str]:
    """The packs' names, numbered where two are alike: pack, pack-2."""
    names: list[str] = []
    for manifest in manifests:
        name, n = manifest.name, 2
        while name in names:
            name, n = f"{manifest.name}-{n}", n + 1
        names.append(name)
    return names


def merged_id(pack: str, name: str) -> str:
    """A case's (or a patient's, or a group's) name in the merged manifest."""
    return f"{pack}/{name}"


def modality_of(case: Case, manifest: Manifest) -> str | None:
    """The case's own modality, else the one that its pack's name begins with, else None."""
    return case.modality or next((m for m in MODALITIES if manifest.name.startswith(m)), None)


def _renamed(case: Case, pack: str, manifest: Manifest) -> Case:
    return replace(
        case,
        case_id=merged_id(pack, case.case_id),
        patient_id=merged_id(pack, case.patient_id),
        group=merged_id(pack, case.group),
        modality=modality_of(case, manifest),
        columns=dict(case.columns) | {"file": merged_id(pack, case.columns.get("file", case.file.name))},
    )
