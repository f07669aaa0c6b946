"""A file's name, and other free text, free of what the file says of a person.

Hospitals name files after patients, accession numbers and UIDs. The values of the elements that are dropped
are looked for in the name; where one is found, the name goes.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator

from models.study.dicom.elements import Dropped, Elements

# Their words are looked for one by one: names, and everything of group 10 and of these tags.
_NUMBERS = {0x00080050, 0x00200010, 0x00400253, 0x00401001, 0x00402016, 0x00402017, 0x00380010, 0x00321064}
_DATES = {"DA", "DT"}
# As file names have them where letters with dots and strokes are not to be had.
_WRITTEN_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "æ": "ae", "ł": "l"})
_LEAST_WITHIN = 3
_LEAST_VALUE = 4
_MOST_HASHED = 64 * 1024 * 1024


def safe_name(name: str, elements: Elements) -> str:
    """The name as it is, or "dicom-<8 hex of the pixels' digest>.dcm" where it holds a dropped value."""
    return scrubbed_name(elements) if tells_of(name, elements) else name


def scrubbed_name(elements: Elements) -> str:
    """A name from the pixels alone: the same for the same image."""
    pixels = elements.pixels if elements.pixels is not None else b""
    return f"dicom-{hashlib.sha256(pixels[:_MOST_HASHED]).hexdigest()[:8]}.dcm"


def tells_of(text: str, elements: Elements) -> bool:
    """Whether a text holds a value of an element that is dropped."""
    if not text or not elements.dropped:
        return False
    plain = _plain(text)
    words, joined = set(plain.split()), plain.replace(" ", "")
    return any(
        word in words if whole else word in joined
        for dropped in elements.dropped
        for word, whole in _tells(dropped, elements.character_set)
    )


def without(elements: Elements) -> Callable[[str], str]:
    """A function that gives a free text of the file back, or "" where it holds something of the person."""
    return lambda text: "" if tells_of(text, elements) else text


def _tells(dropped: Dropped, character_set: bytes) -> Iterator[tuple[str, bool]]:
    """(letters and digits to look for, whether as a whole word only)."""
    personal = dropped.vr == "PN" or dropped.tag >> 16 == 0x0010 or dropped.tag in _NUMBERS
    texts = {*_texts(dropped.value, character_set)}
    texts |= {text.casefold().translate(_WRITTEN_OUT) for text in texts}
    for text in texts:
        plain = _plain(text)
        joined = plain.replace(" ", "")
        if dropped.vr == "TM":
            joined = joined[:6]
        if len(joined) >= _LEAST_VALUE:
            yield joined, False
        if dropped.vr in _DATES and len(joined) >= 8:
            year, month, day = joined[:4], joined[4:6], joined[6:8]
            yield from ((order, False) for order in (joined[:8], day + month + year, month + day + year))
        if personal:
            for word in plain.split():
                # A word of one or two letters or digits stands in other words by chance.
                yield word, not (len(word) >= _LEAST_WITHIN and dropped.vr in ("PN", "LO", "SH"))


def _texts(value: bytes, character_set: bytes) -> Iterator[str]:
    """The value, in every reading that its bytes may have: each of its parts where it has several."""
    value = value.rstrip(b"\0 ")
    if not value or b"\0" in value:
        return
    readings = {value.decode("utf-8", "ignore"), value.decode("latin-1")}
    encodings = _encodings(character_set)
    if encodings:
        from models.study.dicom.pixels import quiet

        readings.add(quiet(lambda: _decoded(value, encodings), ""))
    for reading in readings:
        yield from (part for part in reading.split("\\") if part.strip())


def _encodings(character_set: bytes) -> list[str]:
    if not character_set.strip(b"\0 "):
        return []
    from models.study.dicom.pixels import quiet

    def python_names() -> list[str]:
        from pydicom.charset import convert_encodings

        stated = character_set.decode("ascii", "replace").strip("\0 ").split("\\")
        return list(convert_encodings([part.strip() for part in stated]))

    return quiet(python_names, [])


def _decoded(value: bytes, encodings: list[str]) -> str:
    from pydicom.charset import decode_bytes

    return decode_bytes(value, encodings, {ord("\\"), ord("^"), ord("=")})


def _plain(text: str) -> str:
    """Lower-case letters and digits in words, without accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(c for c in apart if not unicodedata.combining(c))
    return " ".join(re.findall(r"[^\W_]+", kept))
