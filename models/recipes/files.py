"""The files that recipes are written in: where they lie, what they inherit, what the command line changes.

A file may say `base = "portal"`, or a list of bases, later ones first in rank: `_portal.toml` beside it, or
among the shipped recipes. Tables merge, anything else is replaced, and the file itself has the last word.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import tomli_w

from models.errors import BadInput

FOLDER = Path(__file__).parent
RESOLVED = "# Written out in full: what the bases and the command line say is in its place.\n"
_BASE_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


def shipped_recipes() -> list[Path]:
    """The recipe files of this project, by name; a folder a suite. Bases (`_*.toml`) are none."""
    found = [*FOLDER.glob("*.toml"), *FOLDER.glob("*/*.toml")]
    return sorted((path for path in found if not path.name.startswith("_")), key=lambda path: path.name)


def recipe_file(name: str | Path) -> Path:
    """The file of that path or shipped name; BadInput lists the shipped ones."""
    if Path(name).is_file():
        return Path(name)
    shipped = shipped_recipes()
    for path in shipped:
        if str(name) in (path.stem, path.name):
            return path
    known = ", ".join(path.stem for path in shipped)
    raise BadInput(f"There is no recipe {name}; give a TOML file or one of: {known}.")


def read_fields(path: Path, changes: tuple[str, ...] = ()) -> tuple[dict, str]:
    """The recipe's fields with its bases and the changes in them, and the TOML text that says just that.

    The text is the file's own where there is neither base nor change: checkpoints are keyed by its digest.
    Raises BadInput for a file that is no TOML, a base that is missing or leads back, a change that fits
    nowhere.
    """
    text, fields = _read(path)
    if not changes and "base" not in fields:
        return fields, text
    fields = _with_bases(path, fields, (path,))
    for change in changes:
        _apply(fields, change)
    # Whoever opens the text looks for its name first.
    fields = {key: fields[key] for key in ("id", "title") if key in fields} | fields
    return fields, RESOLVED + tomli_w.dumps(fields)


def _read(path: Path) -> tuple[str, dict]:
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise BadInput(f"{path.name} is not a TOML file that can be read: {fault}.") from fault
    except OSError as fault:
        raise BadInput(f"The recipe {path} cannot be read ({fault.strerror}); check the file.") from fault


def _with_bases(path: Path, fields: dict, way: tuple[Path, ...]) -> dict:
    """`fields` over what its bases say. way: the files that led here."""
    own = dict(fields)
    named = own.pop("base", [])
    merged: dict = {}
    for name in [named] if isinstance(named, str) else _list_of_names(path, named):
        base = _base_file(path, name)
        if base.resolve() in {step.resolve() for step in way}:
            names = " -> ".join(step.name for step in (*way, base))
            raise BadInput(f"The recipe {way[0].name} is its own base ({names}); break the circle.")
        merged = _merged(merged, _with_bases(base, _read(base)[1], (*way, base)))
    return _merged(merged, own)


def _list_of_names(path: Path, named: object) -> list[str]:
    if isinstance(named, list) and all(isinstance(name, str) for name in named):
        return named
    raise BadInput(f'base in {path.name} is no name of a base; write base = "portal" or a list of names.')


def _base_file(path: Path, name: str) -> Path:
    """`_<name>.toml` beside `path`, else among the shipped recipes (for a copy in a folder of one's own)."""
    file = f"_{name}.toml"
    # A name that is a path would lead out of the folder.
    places = (path.with_name(file), *sorted(FOLDER.glob(f"*/{file}"))) if _BASE_NAME.fullmatch(name) else ()
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        bases = (*path.parent.glob("_*.toml"), *FOLDER.glob("*/_*.toml"))
        known = sorted({base.stem[1:] for base in bases})
        raise BadInput(
            f"The base {name!r} of {path.name} is not there; put _{name}.toml beside it or name one of: "
            f"{', '.join(known) or 'none yet'}."
        )
    return found


def _merged(base: dict, own: dict) -> dict:
    """Tables key by key; lists and single values are replaced."""
    merged = dict(base)
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _apply(fields: dict, change: str) -> None:
    """Write one `part.key=value` into the parsed TOML; a list takes an index: stages.0.epochs=3."""
    key, sign, value = change.partition("=")
    if not sign:
        raise BadInput(f"--set {change} has no value: write it as key=value, for instance stages.0.epochs=3.")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    place: dict | list = fields
    *parts, last = key.strip().split(".")
    try:
        for part in parts:
            place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
        place[int(last) if isinstance(place, list) else last] = parsed
    except (ValueError, IndexError, TypeError, AttributeError) as fault:
        raise BadInput(f"--set {key}: the recipe has no such place.") from fault
