"""Names in folders and archives: a stranger's text, and what it tells about a file."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from models.study.source import display_name

SLIDE = "is a whole slide: open it with python -m xai slide or the Slide view of the Batch page."
STRAY_MASK = "is named like a mask, and its image is not beside it: rename it, or add the image."
SLIDE_INSIDE = "is a whole slide inside an archive: unpack it, and open it with python -m xai slide."
LEAVES = "has a path that leads out of the archive: pack it again with plain names."
LINK = "is a link inside the archive: pack the file itself."
NO_FILE = "is neither a file nor a folder: give image files."
TOO_LONG = "has a path that is too long to be honest: pack it again with a shorter one."
LONGEST_KEY = 200
"""Characters of a key; a longer path is cut in its middle, with a digest of the whole in the place."""

_SYSTEM = {
    "thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "$recycle.bin", "system volume information",
    "@eadir", "lost+found", "icon\r",
}  # fmt: skip
_ARCHIVES = (
    ".zip", ".tar", ".tgz", ".gz", ".bz2", ".tbz", ".tbz2", ".xz", ".txz", ".zst", ".tzst", ".7z", ".rar",
    ".z", ".lz", ".lzma", ".cab", ".iso", ".jar", ".docx", ".xlsx", ".pptx",
)  # fmt: skip
# OpenSlide's formats by their extension (openslide.org/formats); a TIFF may be a slide or a picture.
_SLIDES = (".svs", ".svslide", ".ndpi", ".vms", ".vmu", ".scn", ".mrxs", ".bif", ".czi")
_DICOMS = ("", ".dcm", ".dicom", ".dic", ".ima")
_MASK = re.compile(r"^(?P<stem>.+)_mask(_\d+)?$", re.IGNORECASE | re.DOTALL)
_MASK_FOLDERS = ("masks", "mask")
_IMAGE_FOLDERS = ("images", "image")
# A mask is drawn; of these forms only, so that "x_mask.dcm" is not taken for one.
_MASK_FORMS = (".png", ".bmp", ".tif", ".tiff", ".gif", ".jpg", ".jpeg")
_ORDINARY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.()-]{0,60}").fullmatch
_HARMFUL = re.compile(r"C.|Zl|Zp").fullmatch
_DRIVE = re.compile(r"^[A-Za-z]:")


def clean(name: str) -> str:
    """A name as text that can be shown, stored and compared: "/" between folders, one form of accents
    (NFC, which archives of macOS lack), and whatever is control, format, the end of a line or no text at all
    written out as %0a, %u202e, %ff."""
    text = name.replace("\\", "/")
    if text.isascii() and text.isprintable():
        return text
    text = unicodedata.normalize("NFC", text)
    return "".join(_written_out(c) if _HARMFUL(unicodedata.category(c)) else c for c in text)


def _written_out(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no text in the file system's encoding (PEP 383)
        code -= 0xDC00
    return f"%{code:02x}" if code <= 0xFF else f"%u{code:04x}"


def shown(name: str) -> str:
    """The last part of a path, for people: at most 80 characters."""
    last = name.rpartition("/")[2]
    if _ORDINARY(last):
        return last  # the same, and quicker where there are millions
    return display_name(name)


def sentence(name: str, rest: str) -> str:
    return f'"{shown(name)}" {rest}'


def leaves_archive(raw: str) -> bool:
    """True for a name that a program might unpack elsewhere: absolute, with a drive, or with ".."."""
    plain = raw.replace("\\", "/")
    return plain.startswith("/") or bool(_DRIVE.match(plain)) or ".." in plain.split("/")


def tidy(name: str) -> str:
    """A path without its empty and "." parts: "./a//b.png" is "a/b.png"."""
    if "./" not in name and "//" not in name and not name.startswith("/"):
        return name
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def passed_over(parts: Iterable[str]) -> bool:
    """True for what an operating system left there: hidden files and folders, thumbnails, resource forks."""
    return any((part.startswith(".") and part != "..") or part.casefold() in _SYSTEM for part in parts)


def passed_over_sentence(count: int, title: str, kind: str = "file") -> str:
    """A notice of how many were; kind: "file", or "file or folder"."""
    if count == 1:
        return f"1 hidden or system {kind} of {shown(title)} was passed over."
    many = " or ".join(f"{each}s" for each in kind.split(" or "))
    return f"{count:,} hidden or system {many} of {shown(title)} were passed over."


def is_archive(name: str) -> bool:
    return name.casefold().endswith(_ARCHIVES)


def is_slide(name: str) -> bool:
    return name.casefold().endswith(_SLIDES)


def may_be_dicom(name: str) -> bool:
    return PurePosixPath(name).suffix.casefold() in _DICOMS


def is_mask(name: str) -> bool:
    """True for "x_mask.png", "x_mask_1.png" (as the BUSI data set names them) and all in a folder `masks`."""
    *folders, last = name.split("/")
    stem, dot, extension = last.rpartition(".")
    if not dot or f".{extension}".casefold() not in _MASK_FORMS:
        return False
    return bool(_MASK.match(stem)) or in_mask_folder(folders)


def in_mask_folder(folders: Iterable[str]) -> bool:
    return any(folder.casefold() in _MASK_FOLDERS for folder in folders)


def without_roles(folders: Iterable[str]) -> tuple[str, ...]:
    """Folders without those that only say "images here, masks there"."""
    return tuple(each for each in folders if each.casefold() not in _MASK_FOLDERS + _IMAGE_FOLDERS)


def picture_of(name: str) -> str:
    """What an image and its masks have in common: "images/a/x.jpg", "a/x_mask_1.png" and "masks/a/x.png" are
    all "a/x"."""
    *folders, last = name.split("/")
    stem, dot, extension = last.rpartition(".")
    stem = stem if dot else last
    found = _MASK.match(stem) if f".{extension}".casefold() in _MASK_FORMS else None
    return "/".join((*without_roles(folders), found["stem"] if found else stem))


def label_folders(name: str) -> tuple[str, ...]:
    """The folders of a path that may be a label, the outermost first."""
    return without_roles(name.split("/")[:-1])


def digest64(text: str) -> int:
    """64 bits of a name, the same in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "little")


def shortened(name: str, longest: int = LONGEST_KEY) -> str:
    """A path of at most `longest` characters, unlike that of any other path."""
    if len(name) <= longest:
        return name
    mark = f"\N{HORIZONTAL ELLIPSIS}{digest64(name):016x}\N{HORIZONTAL ELLIPSIS}"
    tail = 60
    return name[: longest - tail - len(mark)] + mark + name[-tail:]


class Keys:
    """Keys of a source's entries, each once: the name, then "name (2)", "name (3)".

    It remembers eight bytes of digest a name. Where a whole listing is known to hold no name twice, `unique`
    spares that.
    """

    def __init__(self, prefix: str, unique: bool = False):
        self._prefix, self._unique, self._seen = prefix, unique, set()

    def key(self, name: str) -> str:
        key = self._prefix + shortened(name)
        if self._unique:
            return key
        found, number = key, 2
        while (digest := digest64(found)) in self._seen:
            found, number = f"{key} ({number})", number + 1
        self._seen.add(digest)
        return found


def unique_names(names: Iterable[str]) -> list[str]:
    """The names, later ones of the same name with " (2)" and so on."""
    keys = Keys("")
    return [keys.key(name) for name in names]


def first_of(names: Iterable[str], most: int = 3) -> str:
    """ "a, b, c and 4 more", for a notice."""
    listed = list(names)
    shown = ", ".join(shortened(name, 60) for name in listed[:most])
    return shown if len(listed) <= most else f"{shown} and {len(listed) - most:,} more"
