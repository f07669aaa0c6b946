"""What a comparison comes to, in sentences. Everything here is text made of results."""

from __future__ import annotations

from collections.abc import Sequence

from models.runs import Run
from models.study import Study
from pages.ui.plain_text import plain
from xai.explain import Reading
from xai.measures.agreement import Agreement

#: Where runs look for different findings: the positive class of each.
OWN_FINDING = "their finding"


def verdicts(readings: Sequence[Reading]) -> str:
    """How many runs say what: "4 of 6 runs say malignant"; or that both or all do."""
    said = by_label(readings)
    if len(readings) == 1:
        return f"1 run says {readings[0].label}"
    label, runs = next(iter(said.items()))
    if len(said) == 1:
        every = "Both" if len(readings) == 2 else f"All {len(readings)}"
        return f"{every} runs say {label}"
    return f"{len(runs)} of {len(readings)} runs say {label}"


def dissent(readings: Sequence[Reading]) -> str:
    """Who says something else than most; empty where nobody does."""
    others = list(by_label(readings).items())[1:]
    return "; ".join(f"**{plain(label)}**: {_names(runs)}" for label, runs in others)


def by_label(readings: Sequence[Reading]) -> dict[str, list[str]]:
    """Verdict -> the ids of the runs that give it, the most frequent first (then as the readings come).

    Runs of different classes answer different questions: what they have in common is whether they call the
    positive class or not.
    """
    classes = {frozenset(reading.run.classes) for reading in readings}
    positives = {reading.run.positive for reading in readings}
    found: dict[str, list[str]] = {}
    for reading in readings:
        said = reading.label
        if len(classes) > 1:
            finding = reading.run.positive if len(positives) == 1 else OWN_FINDING
            said = finding if said == reading.run.positive else f"not {finding}"
        found.setdefault(said, []).append(reading.run.id)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def findings(readings: Sequence[Reading]) -> str:
    """A sentence where the runs do not look for the same finding; else empty."""
    positives = list(dict.fromkeys(reading.run.positive for reading in readings))
    if len(positives) < 2:
        return ""
    return f"The runs look for different findings ({', '.join(map(plain, positives))})."


def pair_agreement(readings: Sequence[Reading]) -> str:
    """The share of pairs of runs that give the same verdict."""
    n = len(readings)
    pairs = n * (n - 1) // 2
    same = sum(len(runs) * (len(runs) - 1) // 2 for runs in by_label(readings).values())
    return f"{same} of {pairs} pairs of runs give the same verdict." if pairs > 1 else ""


def apart(
    readings: Sequence[Reading], labels: Sequence[str], table: Sequence[Sequence[Agreement]]
) -> list[str]:
    """The pairs that give the same verdict for different places, a sentence for each run that is in one.

    labels: the class whose map each reading's is; only readings that give this verdict take part. table: the
    agreement of these maps. A pair is named once: with the run that is in most of them.
    """
    agreed = [i for i, reading in enumerate(readings) if reading.label == labels[i]]
    pairs = {(i, j) for i in agreed for j in agreed if i < j and table[i][j].apart}
    sentences = []
    while pairs:
        most = max(agreed, key=lambda i: (sum(i in pair for pair in pairs), -i))
        others = sorted(sum(pair) - most for pair in pairs if most in pair)
        pairs = {pair for pair in pairs if most not in pair}
        shares = [f"{table[most][j].overlap:.0%}" for j in others]
        named = ", ".join(
            f"{plain(readings[j].run.id)} (overlap {share})" for j, share in zip(others, shares, strict=True)
        )
        sentences.append(
            f"**{plain(readings[most].run.id)}** says {plain(labels[most])} for another place than {named}."
        )
    return sentences


def trunks(runs: Sequence[Run]) -> str:
    """How much of the computing the runs had in common; empty where nothing."""
    asked = sum(len(run.branches) for run in runs)
    distinct = len({(branch.trunk, run.inputs) for run in runs for branch in run.branches})
    if asked == distinct:
        return ""
    return f"{asked} branches, {distinct} passes: a trunk that several runs share was computed once."


def doubts(study: Study, runs: Sequence[Run]) -> list[str]:
    """Why some of these runs may have nothing to say about this image, a sentence a reason."""
    strangers = [run.id for run in runs if study.modality and run.modality not in (study.modality, "mixed")]
    untrained = [run.id for run in runs if run.card.synthetic and not study.synthetic]
    people = [run.id for run in runs if study.synthetic and not run.card.synthetic]
    found = []
    if strangers:
        found.append(
            f"This image is {study.modality}, and {_names(strangers)} {_was(strangers)} made for another "
            "modality: what is said there means nothing."
        )
    if untrained:
        found.append(
            f"{_names(untrained)} {_has(untrained)} seen synthetic phantoms only: what is said there about "
            "an image of a person means nothing."
        )
    if people:
        which = "all runs" if len(people) == len(runs) else f"{len(people)} of {len(runs)} runs"
        found.append(
            f"This image is a synthetic phantom and {which} were trained on images of people: take the "
            "comparison as a demonstration."
        )
    return found


def _names(ids: Sequence[str]) -> str:
    names = [plain(name) for name in ids]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _was(ids: Sequence[str]) -> str:
    return "was" if len(ids) == 1 else "were"


def _has(ids: Sequence[str]) -> str:
    return "has" if len(ids) == 1 else "have"
