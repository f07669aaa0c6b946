"""Where the masks of an archive are, in sixteen bytes a mask."""

from __future__ import annotations

from array import array
from bisect import bisect_left

import numpy as np

from models.batch.inputs import names


class MaskPlaces:
    """Filled with every file of an archive, then asked for the masks of an image by its name.

    Places are numbers of the archive's own, in increasing order. Digests of 64 bits may coincide, so whoever
    opens a place compares the name that is there. alone: masks in a folder of masks that are of no image.
    """

    def __init__(self):
        self.alone = 0
        self._in_folder = array("Q")
        self._masks, self._places, self._images = array("Q"), array("Q"), array("Q")
        self._with_image = bytearray()

    def add(self, name: str, place: int) -> None:
        digest = names.digest64(names.picture_of(name))
        if not names.is_mask(name):
            self._images.append(digest)
            return
        if names.in_mask_folder(name.split("/")[:-1]):
            self._in_folder.append(digest)
        self._masks.append(digest)
        self._places.append(place)

    def close(self) -> None:
        """All files are in."""
        order = np.argsort(np.frombuffer(self._masks, np.uint64), kind="stable") if self._masks else []
        masks, places = self._masks, self._places
        self._masks = array("Q", (masks[i] for i in order))
        self._places = array("Q", (places[i] for i in order))
        images = np.frombuffer(self._images, np.uint64)
        own = np.isin(np.frombuffer(self._masks, np.uint64), images)
        self._with_image = bytearray(own.astype(np.uint8).tobytes())
        self.alone = int(np.isin(np.frombuffer(self._in_folder, np.uint64), images, invert=True).sum())
        self._images, self._in_folder = array("Q"), array("Q")

    def notices(self, title: str) -> list[str]:
        """A sentence where masks were passed over."""
        if not self.alone:
            return []
        many = "1 mask" if self.alone == 1 else f"{self.alone:,} masks"
        return [
            f"{many} of {names.shown(title)} {'is' if self.alone == 1 else 'are'} of no image and left out: "
            "a folder masks goes with the images beside it, or in a folder images beside it, under the same "
            "names."
        ]

    def __len__(self) -> int:
        """Masks that belong to an image."""
        return sum(self._with_image)

    def of(self, name: str) -> list[int]:
        """The places that may hold masks of an image."""
        digest = names.digest64(names.picture_of(name))
        at = bisect_left(self._masks, digest)
        found = []
        while at < len(self._masks) and self._masks[at] == digest:
            found.append(self._places[at])
            at += 1
        return found

    def has_image(self, name: str) -> bool:
        """Whether the image of a mask is there."""
        at = bisect_left(self._masks, names.digest64(names.picture_of(name)))
        return at < len(self._masks) and bool(self._with_image[at])
