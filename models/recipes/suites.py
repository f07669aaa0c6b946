"""Suites: shipped recipes that belong together, and which of them a pack of images can serve."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from models.data.manifest import Manifest
from models.errors import BadInput
from models.recipes.recipe import Recipe, load_recipe, shipped_recipes

_MODALITIES = ("ultrasound", "mammography", "histopathology")


def suite_recipes(suite: str | None = None) -> dict[Path, Recipe]:
    """{file: recipe} of the shipped recipes, by suite and id; of one suite where it is named.

    BadInput lists the suites when there is none of that name.
    """
    known = {path: load_recipe(path)[0] for path in shipped_recipes()}
    found = {path: recipe for path, recipe in known.items() if suite in (None, recipe.suite)}
    if not found:
        names = ", ".join(sorted({recipe.suite for recipe in known.values()}))
        raise BadInput(f"There is no suite {suite!r}; choose one of {names}.")
    return dict(sorted(found.items(), key=lambda item: (item[1].suite, item[1].id)))


def training_order(recipes: Iterable[Recipe]) -> list[Recipe]:
    """Teachers and the trunks of a hybrid before what is built on them."""
    return sorted(recipes, key=lambda recipe: (recipe.trains_head_only, bool(recipe.teacher), recipe.id))


def modalities(manifest: Manifest) -> frozenset[str]:
    """Those of its images, as its column `modality` says, else as its name does; empty where unknown."""
    said = {case.modality.strip().lower() for case in manifest.cases if case.modality}
    return frozenset(said or (word for word in _MODALITIES if word in manifest.name.lower()))


def fitting(
    recipe: Recipe, manifests: Sequence[Manifest], guess: bool = False
) -> tuple[tuple[Manifest, ...], str]:
    """Those of the manifests that the recipe's modality fits, and where there are none, why.

    A recipe of mixed modality takes them all, if they hold two or more. guess: whether a manifest of unknown
    modality fits.
    """
    held = [modalities(manifest) for manifest in manifests]
    if unknown := [m.path for m, kinds in zip(manifests, held, strict=True) if not kinds and not guess]:
        return (), f"{unknown[0]} does not say its modality; add a column modality or train by name"
    together = frozenset().union(*held)
    everything = " and ".join(sorted(together))
    wanted = recipe.data.modality
    if wanted == "mixed":
        if len(together) > 1 or not all(held):
            return tuple(manifests), ""
        return (), f"it takes several modalities and there is only {everything}; give --data for each"
    fits = tuple(m for m, kinds in zip(manifests, held, strict=True) if kinds <= {wanted})
    return fits, "" if fits else f"it is for {wanted} and the data are {everything}"


def start_changes(recipe: Recipe, start: str) -> tuple[str, ...]:
    """Changes that begin every backbone at `start`, except where it begins with another run's weights."""
    return tuple(
        f"start.{name}={json.dumps(start)}"
        for name in recipe.network.backbones
        if not recipe.start.get(name, "").startswith(("run:", "weights:"))
    )
