"""Several manifests as one, for runs over more than one pack or modality."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from models.data.manifest import Case, Manifest
from models.errors import BadInput
from models.study import MODALITIES

if TYPE_CHECKING:
    from models.data.splits import Split


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
    paths = [manifest.path.resolve() for manifest in manifests]
    if twice := next((path for path in paths if paths.count(path) > 1), None):
        raise BadInput(f"The manifest {twice} is given twice: give each once.")
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


def unmerged(manifest: Manifest) -> list[Manifest]:
    """The packs of a merged manifest with the cases and masks that it still has; packs without one are out.

    Cases that were taken out of the merged manifest are left out of their pack.
    """
    merged = manifest.by_id()
    packs = []
    for name, pack in zip(pack_names(manifest.packs), manifest.packs, strict=True):
        pairs = [(case, merged.get(merged_id(name, case.case_id))) for case in pack.cases]
        kept = tuple(replace(case, mask_file=now.mask_file) for case, now in pairs if now is not None)
        out = tuple(case for case, now in pairs if now is None)
        if kept:
            packs.append(replace(pack, cases=kept, left_out=(*pack.left_out, *out)))
    return packs


def whole_images(manifest: Manifest, split: Split) -> tuple[Manifest, Split]:
    """The images that a prepared (or merged and prepared) manifest was cut from, each in its pieces' part.

    A manifest of whole images comes back as it is.
    """
    if manifest.source is None and not any(pack.source for pack in manifest.packs):
        return manifest, split
    parts = {image: split.parts[piece] for piece, image in _images(manifest).items() if piece in split.parts}
    return manifest.source or merge(_sources(manifest)), replace(split, parts=parts)


def split_of_pieces(manifest: Manifest, whole: Split) -> Split:
    """A split of whole images for the pieces that were cut from them: the reverse of `whole_images`."""
    if manifest.source is None and not any(pack.source for pack in manifest.packs):
        return whole
    images = _images(manifest)
    parts = {piece: whole.parts[image] for piece, image in images.items() if image in whole.parts}
    return replace(whole, manifest=manifest.name, manifest_digest=manifest.digest, parts=parts)


def _sources(manifest: Manifest) -> list[Manifest]:
    return [pack.source or pack for pack in manifest.packs]


def _images(manifest: Manifest) -> dict[str, str]:
    """Case id of each piece -> that of its image, both as the manifest and its merged sources call them."""
    if manifest.source is not None:
        return {case.case_id: case.columns["source_case"] for case in manifest.cases}
    sources = pack_names(_sources(manifest))
    return {
        merged_id(name, case.case_id): merged_id(source, case.columns.get("source_case", case.case_id))
        for name, source, pack in zip(pack_names(manifest.packs), sources, manifest.packs, strict=True)
        for case in pack.cases
    }


def modality_of(case: Case, manifest: Manifest) -> str | None:
    """The case's own modality, else the one that its pack's name begins with, else None."""
    if case.modality or manifest.packs:
        return case.modality
    return next((m for m in MODALITIES if manifest.name.startswith(m)), None)


def _renamed(case: Case, pack: str, manifest: Manifest) -> Case:
    return replace(
        case,
        case_id=merged_id(pack, case.case_id),
        patient_id=merged_id(pack, case.patient_id),
        group=merged_id(pack, case.group),
        modality=modality_of(case, manifest),
        columns=dict(case.columns) | {"file": merged_id(pack, case.columns.get("file", case.file.name))},
    )
