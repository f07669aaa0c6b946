"""What a person gives to the Batch page: files as Streamlit hands them over, and archives of them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from models.runs import Run, load_run
from pages.ui.batch.orders import Order, write_order
from pages.ui.batch.places import BatchPlace, new_id, place_of
from pages.ui.batch.receiving import Given, receive
from tests.pages.pictures import bright, dark_disc, png
from tests.pages.tiny_run import write_tiny_run

DARK, MASK = (png(pixels) for pixels in dark_disc())
BRIGHT = png(bright())


class Upload(io.BytesIO):
    """A file of `st.file_uploader`."""

    def __init__(self, name: str, content: bytes) -> None:
        super().__init__(content)
        self.name = name


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def encrypted(files: dict[str, bytes]) -> bytes:
    """A ZIP whose members say that they are encrypted."""
    content = bytearray(zipped(files))
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(mark, at + 4)
    return bytes(content)


def tiny(folder: Path, name: str = "tiny") -> Run:
    """The tiny run; it calls DARK malignant and BRIGHT other."""
    return load_run(write_tiny_run(folder, name))


def ordered(given: Given, *runs: Run, **options: object) -> tuple[BatchPlace, Order]:
    """A batch as the page begins one, not yet started."""
    place = place_of(new_id())
    home = place.folder.parent
    home.mkdir(parents=True)
    named = tuple((run.id, run.digest) for run in runs)
    order = Order(receive(home, given), named, **options)
    write_order(home, order)
    return place, order


def many(n: int) -> dict[str, bytes]:
    """n images, every second one dark."""
    return {f"{number:03d}.png": DARK if number % 2 else BRIGHT for number in range(n)}
