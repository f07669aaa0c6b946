"""A packed run that a visitor uploads."""

from __future__ import annotations

from pages.ui import caches
from pages.ui.importing import shelf
from pages.ui.importing.session_runs import Arrival
from pages.ui.importing.upload import Upload
from pages.ui.importing.uploads import forget_files


def take_packed(upload: Upload) -> None:
    """Import it and say so on the shelf. BadInput for whatever is no packed run."""
    arrival = caches.session_runs().add_packed(upload.content, upload.name, caches.runs())
    forget_files()
    shelf.say(arrival_sentence(arrival))


def arrival_sentence(arrival: Arrival) -> str:
    """What came, and what was changed for it."""
    sentence = f"{arrival.run.title} is imported."
    if arrival.renamed:
        sentence += f" Another run had its id, so it is {arrival.run.id} here."
    if arrival.bare:
        sentence += (
            " Its weights were left out: import it on your own computer (python -m models import) to ask it "
            "about images."
        )
    return sentence
