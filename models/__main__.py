"""`python -m models`: runs from the command line.

Exit status 0 done, 2 refused or bad input, 1 a fault of ours.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from models import __version__
from models.commands import CommandParser, exit_status

# Command -> its file under models/commands; `import` is a word of the language.
COMMANDS = {
    "list": "list",
    "recipes": "recipes",
    "train": "train",
    "evaluate": "evaluate",
    "compare": "compare",
    "batch": "batch",
    "cost": "cost",
    "pack": "pack",
    "import": "import_",
    "report": "report",
    "phantoms": "phantoms",
    "audit-data": "audit_data",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status."""
    return exit_status(lambda: _run(sys.argv[1:] if arguments is None else arguments))


def parser(wanted: str | None = None) -> argparse.ArgumentParser:
    """The whole command line, or that of one command: a command does not pay for what the others import."""
    top = CommandParser(prog="python -m models", description="From breast images to probabilities: runs.")
    top.add_argument("--version", action="version", version=f"LesionLens {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in [wanted] if wanted in COMMANDS else COMMANDS:
        module = _module(name)
        if module is not None:
            module.add_parser(commands)
    return top


def _run(arguments: list[str]) -> int:
    wanted = arguments[0] if arguments else None
    known = wanted in COMMANDS and _module(wanted) is not None
    options = parser(wanted if known else None).parse_args(arguments)
    return _module(options.command).run(options)


def _module(command: str) -> ModuleType | None:
    """The command's file, or None where this version has none."""
    name = f"models.commands.{COMMANDS[command]}"
    return import_module(name) if find_spec(name) else None


if __name__ == "__main__":
    sys.exit(main())
