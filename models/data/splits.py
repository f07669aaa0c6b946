"""Splits of a manifest into train, validation and test that keep patients and duplicates together.

A stored split is JSON: id, seed, the manifest's name and digest, the fractions, and each part's case ids.
One split a pack (`models/data/splits/<pack>.json`): every run on it can be compared on the same test cases.
"""

import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from models.data.manifest import Case, Manifest
from models.data.merging import merged_id, pack_names
from models.errors import BadInput

if TYPE_CHECKING:
    from models.runs import Run

PARTS = ("train", "validation", "test")
FRACTIONS = (0.70, 0.15, 0.15)
STORED = Path(__file__).with_name("splits")
# Names that manifests give the parts.
_SPELLINGS = {
    "train": "train", "training": "train",
    "validation": "validation", "val": "validation", "valid": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True)
class Split:
    """Which part each case belongs to; a case in no part was left out (contradictory, or without a label).

    `seed` is None for a split that the manifest itself gives.
    """

    id: str
    seed: int | None
    manifest: str
    manifest_digest: str
    fractions: tuple[float, float, float]
    parts: Mapping[str, str] = field(repr=False)

    def ids(self, part: str) -> tuple[str, ...]:
        """The case ids of "train", "validation" or "test", sorted."""
        return tuple(sorted(case_id for case_id, name in self.parts.items() if name == part))

    def cases(self, manifest: Manifest, part: str) -> tuple[Case, ...]:
        """The manifest's cases of one part, in the manifest's order."""
        return tuple(case for case in manifest.cases if self.parts.get(case.case_id) == part)

    def counts(self, manifest: Manifest) -> dict[str, dict[str, int]]:
        """{part: {label: number of cases}}."""
        labels = {part: Counter(case.label for case in self.cases(manifest, part)) for part in PARTS}
        return {part: dict(sorted(counted.items())) for part, counted in labels.items()}

    def leaks(self, manifest: Manifest) -> tuple[str, ...]:
        """Groups (patient or duplicates) with cases in more than one part.

        None in a split made here; a manifest's own split may have some.
        """
        seen: dict[str, set[str]] = defaultdict(set)
        for case in manifest.cases:
            if case.case_id in self.parts:
                seen[case.group].add(self.parts[case.case_id])
        return tuple(sorted(group for group, parts in seen.items() if len(parts) > 1))


def make_split(manifest: Manifest, seed: int = 1, fractions: tuple[float, float, float] = FRACTIONS) -> Split:
    """Split by group, with each label in every part by the fractions as nearly as the groups allow.

    Groups are placed whole, large before small and in an order drawn from the seed and their names (the order
    of the rows has no say), each into the part where it lowers the chi-square distance between the parts'
    label counts and their targets the most: the greedy idea of iterative stratification (Sechidis, Tsoumakas
    and Vlahavas 2011, ECML PKDD) for groups. Contradictory and unlabelled cases are left out.
    Raises BadInput when the fractions are not three positive shares of one, or there are under three groups.
    """
    if len(fractions) != 3 or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise BadInput(f"The fractions {fractions} are not three shares of 1: give 0.7, 0.15, 0.15 or such.")
    groups = _usable_groups(manifest)
    if len(groups) < len(PARTS):
        raise BadInput(
            f"The manifest {manifest.path.name} has {len(groups)} independent groups of labelled cases: "
            "a split into train, validation and test needs at least 3."
        )
    placed = _place(_label_counts(groups), seed, dict(zip(PARTS, fractions, strict=True)))
    parts = {case.case_id: placed[case.group] for cases in groups.values() for case in cases}
    return Split(
        id=f"{manifest.name}-seed{seed}-{manifest.digest[:8]}",
        seed=seed,
        manifest=manifest.name,
        manifest_digest=manifest.digest,
        fractions=tuple(fractions),
        parts=dict(sorted(parts.items())),
    )


def split_for(manifest: Manifest, seed: int = 1) -> Split:
    """The split to use: the manifest's own column where every usable case has it, else the stored one of the
    same digest and seed, else one made now (not stored).

    Of a merged manifest: its packs' splits together. Of a prepared one: that of the manifest it was cut from,
    each piece where its image is. So runs on the pack, on its crops and on several packs share test cases.
    """
    if manifest.packs or manifest.source:
        return _derived(manifest, lambda original: split_for(original, seed))
    return _own_split(manifest) or stored_split(manifest, seed) or make_split(manifest, seed)


def make_folds(manifest: Manifest, folds: int, seed: int = 1) -> list[Split]:
    """Splits for K-fold cross-validation: each usable case is in exactly one test part, no group is parted.

    The groups are dealt into K sets by `make_split`'s rule. Fold i tests on set i, validates on the next and
    trains on the rest. Merged and prepared manifests take their originals' folds, as in `split_for`.
    Raises BadInput for fewer than 3 folds or fewer groups than folds.
    """
    if folds < len(PARTS):
        raise BadInput(f"{folds} folds leave no case to train on: give at least 3.")
    if manifest.packs or manifest.source:
        return [
            _derived(manifest, lambda original, i=i: make_folds(original, folds, seed)[i])
            for i in range(folds)
        ]
    groups = _usable_groups(manifest)
    if len(groups) < folds:
        raise BadInput(
            f"The manifest {manifest.path.name} has {len(groups)} independent groups of labelled cases: "
            f"{folds} folds need at least as many; give fewer folds."
        )
    placed = _place(_label_counts(groups), seed, {str(i): 1 / folds for i in range(folds)})
    sets = {case.case_id: int(placed[case.group]) for cases in groups.values() for case in cases}
    return [
        Split(
            id=f"{manifest.name}-fold{fold}of{folds}-seed{seed}-{manifest.digest[:8]}",
            seed=seed,
            manifest=manifest.name,
            manifest_digest=manifest.digest,
            fractions=(1 - 2 / folds, 1 / folds, 1 / folds),
            parts={
                case_id: {fold: "test", (fold + 1) % folds: "validation"}.get(own, "train")
                for case_id, own in sorted(sets.items())
            },
        )
        for fold in range(folds)
    ]


def parts_of(run: "Run", manifest: Manifest) -> Mapping[str, str]:
    """Case id -> part of the split a run was trained on, as its own predictions tell: that of its fold, where
    it is one of a cross-validation. The manifest's split for a run that holds none of its cases."""
    from models.evaluation.predictions import read_predictions

    path = run.path("predictions.csv")
    if path is not None:
        predictions = read_predictions(path, run.classes)
        own = dict(zip(predictions.case_ids.tolist(), predictions.splits.tolist(), strict=True))
        if any(case.case_id in own for case in manifest.cases):
            return own
    return split_for(manifest).parts


def stored_split(manifest: Manifest, seed: int = 1) -> Split | None:
    """The split shipped for exactly this manifest (by digest) and seed, or None."""
    for path in sorted(STORED.glob("*.json")):
        split = load_split(path)
        if split.manifest_digest == manifest.digest and split.seed == seed:
            return split
    return None


def save_split(split: Split, path: str | Path) -> None:
    """Write a split as JSON: whole or not at all."""
    path = Path(path)
    document = {
        "id": split.id,
        "seed": split.seed,
        "manifest": split.manifest,
        "manifest_digest": split.manifest_digest,
        "fractions": list(split.fractions),
        "parts": {part: list(split.ids(part)) for part in PARTS},
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(document, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def load_split(path: str | Path) -> Split:
    """Read a stored split. Raises BadInput when it is absent, not a split, or puts a case into two parts."""
    path = Path(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        listed = [(case_id, part) for part in PARTS for case_id in document["parts"][part]]
        split = Split(
            id=document["id"],
            seed=document["seed"],
            manifest=document["manifest"],
            manifest_digest=document["manifest_digest"],
            fractions=tuple(document["fractions"]),
            parts=dict(sorted(listed)),
        )
    except FileNotFoundError:
        raise BadInput(f"There is no split at {path}: give the path of a stored split.") from None
    except (ValueError, KeyError, TypeError):
        raise BadInput(f"{path} is not a stored split: make it again from its manifest.") from None
    if len(split.parts) != len(listed):
        raise BadInput(f"The split {path} lists a case in two parts: make it again from its manifest.")
    return split


def _derived(manifest: Manifest, split_of: Callable[[Manifest], Split]) -> Split:
    """The split of a merged or prepared manifest, from those of the manifests behind it."""
    if manifest.packs:
        splits = [split_of(pack) for pack in manifest.packs]
        parts = {
            merged_id(name, case_id): part
            for name, split in zip(pack_names(manifest.packs), splits, strict=True)
            for case_id, part in split.parts.items()
        }
    else:
        splits = [split_of(manifest.source)]
        parts = {
            case.case_id: splits[0].parts[case.columns["source_case"]]
            for case in manifest.listed
            if case.columns["source_case"] in splits[0].parts
        }
    shares = Counter(parts.values())
    return Split(
        id="+".join(split.id for split in splits),
        seed=splits[0].seed,
        manifest=manifest.name,
        manifest_digest=manifest.digest,
        fractions=tuple(shares[part] / max(1, len(parts)) for part in PARTS),
        parts=dict(sorted(parts.items())),
    )


def _usable_groups(manifest: Manifest) -> dict[str, list[Case]]:
    """Group -> its cases with a label that nothing contradicts, those included that could not be read."""
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in manifest.listed:
        if case.label and not case.contradictory:
            groups[case.group].append(case)
    return groups


def _label_counts(groups: Mapping[str, list[Case]]) -> dict[str, Counter[str]]:
    return {name: Counter(case.label for case in cases) for name, cases in groups.items()}


def _own_split(manifest: Manifest) -> Split | None:
    usable = [case for case in manifest.listed if case.label and not case.contradictory]
    parts = {case.case_id: _SPELLINGS.get((case.split or "").casefold(), "") for case in usable}
    if not parts or not all(parts.values()):
        return None
    shares = Counter(parts.values())
    return Split(
        id=f"{manifest.name}-own-{manifest.digest[:8]}",
        seed=None,
        manifest=manifest.name,
        manifest_digest=manifest.digest,
        fractions=tuple(shares[part] / len(parts) for part in PARTS),
        parts=dict(sorted(parts.items())),
    )


def _place(groups: Mapping[str, Counter[str]], seed: int, fractions: Mapping[str, float]) -> dict[str, str]:
    """{group: part} for groups given as label counts; fractions: part -> its share, the largest first."""
    targets = _targets(groups, fractions)
    counts = {part: Counter() for part in fractions}

    def gain(group: Counter[str], part: str) -> float:
        """Change of sum((count - target)^2 / target) when the group joins the part."""
        have, want = counts[part], targets[part]
        return sum(n * (2 * (have[label] - want[label]) + n) / want[label] for label, n in group.items())

    def order(name: str) -> tuple[int, str]:
        # Sizes within a factor of two count as equal: the seed has a say among unequal patients too.
        return -groups[name].total().bit_length(), hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()

    placed = {}
    for name in sorted(groups, key=order):
        placed[name] = min(fractions, key=lambda part: gain(groups[name], part))
        counts[placed[name]].update(groups[name])
    return placed


def _targets(
    groups: Mapping[str, Counter[str]], fractions: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """Cases wanted of each label in each part: at least one, where three groups or more have the label."""
    totals: Counter[str] = Counter()
    holders: Counter[str] = Counter()
    for group in groups.values():
        totals.update(group)
        holders.update(group.keys())
    targets: dict[str, dict[str, float]] = {part: {} for part in fractions}
    for label, total in totals.items():
        wanted = [fraction * total for fraction in fractions.values()]
        if holders[label] >= len(fractions):
            wanted[1:] = [max(1.0, share) for share in wanted[1:]]
            wanted[0] = max(1.0, total - sum(wanted[1:]))
        for part, share in zip(fractions, wanted, strict=True):
            targets[part][label] = share
    return targets
