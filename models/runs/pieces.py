"""Runs that were trained on pieces of images, shown a whole one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.runs.folder import Run

# A little more than a tile is no other picture.
_LARGER = 1.5


def cut_note(run: Run, height: int, width: int) -> str | None:
    """A sentence where an image of that size, in pixels, is not what the run was trained on; else None."""
    cut, size = run.card.prepare.get("cut"), run.card.prepare.get("size")
    if cut == "tiles" and isinstance(size, int | float) and max(height, width) > _LARGER * size:
        return (
            f"{run.id} was trained on tiles of {size:g} x {size:g} pixels and sees the whole image at once "
            "here: its probability and its map may mean little. Give it tiles."
        )
    if cut == "roi":
        return (
            f"{run.id} was trained on crops around marked lesions: of a whole image its probability and its "
            "map may mean little. Give it such a crop."
        )
    return None
