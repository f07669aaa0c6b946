"""What is wrong with a data set before anybody trains on it: copies, contradictions, leakage, marks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from models.data.fingerprints import Fingerprints, fingerprints
from models.data.manifest import Case, Manifest
from models.data.merging import modality_of, whole_images
from models.data.similarity import CAUTIOUS, RULES, Pair, pairs
from models.data.splits import Split

UNUSUAL_FACTOR = 4.0
"""A picture with this many times more or fewer pixels than the middle one is unusual."""


@dataclass(frozen=True)
class Twins:
    """Two pictures that are one, by the manifest's file names. kind: "near" or "mirrored" (flipped)."""

    a: str
    b: str
    distance: int
    correlation: float
    kind: str


@dataclass(frozen=True)
class Leak:
    """Two files of different parts of the split that belong together.

    kind: "exact", "near", "mirrored", "dup_group" or "patient".
    """

    a: str
    b: str
    parts: tuple[str, str]
    kind: str


@dataclass(frozen=True)
class Contradiction:
    """Files of one picture with several labels. kind: "exact", "near" or "dup_group". marked: the manifest
    says so itself and the split leaves them out."""

    files: tuple[str, ...]
    labels: tuple[str, ...]
    kind: str
    marked: bool


@dataclass(frozen=True)
class Finding:
    """One file and what is the matter with it."""

    file: str
    why: str


@dataclass(frozen=True)
class Suspect:
    """A file that seems to have a burned-in mark: see `models.data.marks.Mark`."""

    file: str
    label: str
    kind: str
    score: float


@dataclass(frozen=True)
class Audit:
    """All findings on a manifest and its split, by the file names of its rows.

    exact: groups of files with the same pixels. patients_in_two_parts: patient ids. classes: label -> cases.
    ok: nothing that must be mended or told before training; twins within one part and suspects are no fault.
    """

    manifest: str
    n: int
    unreadable: tuple[Finding, ...]
    exact: tuple[tuple[str, ...], ...]
    near: tuple[Twins, ...]
    contradictory: tuple[Contradiction, ...]
    leakage: tuple[Leak, ...]
    patients_in_two_parts: tuple[str, ...]
    burned_in: tuple[Suspect, ...]
    masks: tuple[Finding, ...]
    unusual: tuple[Finding, ...]
    classes: dict[str, int]

    @property
    def ok(self) -> bool:
        unmarked = any(not found.marked for found in self.contradictory)
        faults = self.unreadable, self.leakage, self.patients_in_two_parts, self.masks
        return not (any(faults) or unmarked or len(self.classes) < 2)

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `python -m models audit-data`."""
        return asdict(self) | {"ok": self.ok}


def audit(
    manifest: Manifest, split: Split | None, quiet: bool = True, cache: Path | None = None, marks: bool = True
) -> Audit:
    """Everything above. Files and patients are looked at in the parts of `split`; None leaves leakage out.

    marks: look for burned-in marks, the slowest part. cache: see `fingerprints`.
    """
    prints = fingerprints(manifest, marks=marks, cache=cache, quiet=quiet)
    twins = _pairs(manifest, prints)
    cases, names = manifest.cases, _names(manifest)
    found = zip(cases, names, prints.records, strict=True)
    leaks = _leaks(manifest, split, twins) if split else []
    return Audit(
        manifest=manifest.name,
        n=len(cases),
        unreadable=tuple(Finding(n, r.why) for n, r in zip(names, prints.records, strict=True) if r.why),
        exact=tuple(tuple(names[i] for i in group) for group in _exact_groups(twins)),
        near=tuple(
            Twins(names[p.a], names[p.b], p.distance, p.correlation, p.kind)
            for p in twins
            if p.kind != "exact"
        ),
        contradictory=tuple(_contradictions(cases, names, twins)),
        leakage=tuple(leak for leak in leaks if leak.kind != "patient"),
        patients_in_two_parts=_parted_patients(manifest, split) if split else (),
        burned_in=tuple(
            Suspect(name, case.label, kind, score)
            for case, name, record in found
            for kind, score in record.marks or ()
        ),
        masks=tuple(_mask_findings(cases, names, prints)),
        unusual=tuple(_unusual(manifest, names, prints)),
        classes=dict(sorted(Counter(case.label for case in cases if case.label).items())),
    )


def leakage_of(manifest: Manifest, split: Split, cache: Path | None = None, quiet: bool = True) -> list[Leak]:
    """What stands in two parts of the split and belongs together; empty for a sound one.

    Reads every image once; with `cache` (a folder) later calls take a second. Of a prepared manifest the
    whole images are compared: overlapping tiles are no copies. Refuse to train over what is returned, or
    leave the training cases among it out with `without_leaks`.
    """
    manifest, split = whole_images(manifest, split)
    prints = fingerprints(manifest, cache=cache, quiet=quiet)
    return _leaks(manifest, split, _pairs(manifest, prints))


def without_leaks(manifest: Manifest, split: Split, leaks: Sequence[Leak]) -> Split:
    """The split, of whole images, less the training (or validation) case of each leak; test cases stay."""
    order = ("train", "validation", "test")
    ids = dict(zip(_names(manifest), (case.case_id for case in manifest.cases), strict=True))
    dropped = {
        ids[min((leak.a, leak.parts[0]), (leak.b, leak.parts[1]), key=lambda side: order.index(side[1]))[0]]
        for leak in leaks
    }
    return replace(split, parts={i: part for i, part in split.parts.items() if i not in dropped})


def _names(manifest: Manifest) -> list[str]:
    return [case.columns.get("file", case.file.name) for case in manifest.cases]


def _pairs(manifest: Manifest, prints: Fingerprints) -> list[Pair]:
    """Pairs by index into the manifest's cases, unreadable ones passed over."""
    readable = [i for i, record in enumerate(prints.records) if record.readable]
    records = [prints.records[i] for i in readable]
    found = pairs(
        np.array([record.hash for record in records], np.uint64),
        np.array([record.mirrored for record in records], np.uint64),
        prints.thumbnails[readable],
        [record.content for record in records],
        [RULES.get(modality_of(manifest.cases[i], manifest) or "", CAUTIOUS) for i in readable],
    )
    return [Pair(readable[p.a], readable[p.b], p.kind, p.distance, p.correlation) for p in found]


def _exact_groups(twins: Iterable[Pair]) -> list[list[int]]:
    """Pictures with the same pixels; each pair of a group is among the twins."""
    groups: dict[int, list[int]] = {}
    member: dict[int, int] = {}
    for pair in twins:
        if pair.kind == "exact":
            first = member.setdefault(pair.a, pair.a)
            group = groups.setdefault(first, [first])
            if pair.b not in member:
                member[pair.b] = first
                group.append(pair.b)
    return list(groups.values())


def _contradictions(cases: Sequence[Case], names: list[str], twins: list[Pair]) -> list[Contradiction]:
    by_group: dict[str, list[int]] = defaultdict(list)
    for i, case in enumerate(cases):
        if named := case.columns.get("dup_group"):
            by_group[named].append(i)
    sets = [("exact", group) for group in _exact_groups(twins)]
    sets += [("dup_group", group) for group in by_group.values()]
    sets += [("near", [pair.a, pair.b]) for pair in twins if pair.kind == "near"]
    found, told = [], set()
    for kind, group in sets:
        labels = sorted({cases[i].label for i in group} - {""})
        if len(labels) > 1 and not any(set(group) <= earlier for earlier in told):
            told.add(frozenset(group))
            marked = all(cases[i].contradictory for i in group)
            found.append(Contradiction(tuple(names[i] for i in group), tuple(labels), kind, marked))
    return found


def _leaks(manifest: Manifest, split: Split, twins: list[Pair]) -> list[Leak]:
    cases, names = manifest.cases, _names(manifest)
    parts = [split.parts.get(case.case_id) for case in cases]
    linked = [(pair.a, pair.b, pair.kind) for pair in twins]
    for kind, key in (("dup_group", lambda c: c.columns.get("dup_group", "")), ("patient", _patient)):
        first: dict[tuple[str, str], int] = {}
        for i, case in enumerate(cases):
            if key(case) and parts[i]:
                # The first case of each part, beside that of another part.
                first.setdefault((key(case), parts[i]), i)
        by_key: dict[str, list[int]] = defaultdict(list)
        for (name, _), i in first.items():
            by_key[name].append(i)
        linked += [(group[0], other, kind) for group in by_key.values() for other in group[1:]]
    leaks, told = [], set()
    for a, b, kind in linked:
        if parts[a] and parts[b] and parts[a] != parts[b] and (a, b) not in told:
            told.add((a, b))
            leaks.append(Leak(names[a], names[b], (parts[a], parts[b]), kind))
    return leaks


def _patient(case: Case) -> str:
    """The patient where the manifest names one; a case without is its own patient."""
    return case.patient_id if case.patient_id != case.case_id else ""


def _parted_patients(manifest: Manifest, split: Split) -> tuple[str, ...]:
    seen: dict[str, set[str]] = defaultdict(set)
    for case in manifest.cases:
        if _patient(case) and case.case_id in split.parts:
            seen[_patient(case)].add(split.parts[case.case_id])
    return tuple(sorted(patient for patient, parts in seen.items() if len(parts) > 1))


def _mask_findings(cases: Sequence[Case], names: list[str], prints: Fingerprints) -> list[Finding]:
    return [
        Finding(name, record.mask_why)
        for case, name, record in zip(cases, names, prints.records, strict=True)
        if case.mask_file is not None and record.mask_why
    ]


def _unusual(manifest: Manifest, names: list[str], prints: Fingerprints) -> list[Finding]:
    """Blank pictures, and sizes far from the middle one of their pack."""
    sizes: dict[str, list[int]] = defaultdict(list)
    # The merged manifest's case ids begin with the pack.
    origin = [case.case_id.partition("/")[0] if manifest.packs else "" for case in manifest.cases]
    for pack, record in zip(origin, prints.records, strict=True):
        if record.readable:
            sizes[pack].append(record.height * record.width)
    middle = {pack: float(np.median(pixels)) for pack, pixels in sizes.items()}
    found = []
    for name, pack, record in zip(names, origin, prints.records, strict=True):
        if not record.readable:
            continue
        times = record.height * record.width / middle[pack]
        if record.constant:
            found.append(Finding(name, "every pixel has the same value"))
        elif not 1 / UNUSUAL_FACTOR <= times <= UNUSUAL_FACTOR:
            found.append(Finding(name, f"{record.width} x {record.height} pixels, unlike the others"))
    return found
