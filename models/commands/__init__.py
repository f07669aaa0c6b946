"""The commands of `python -m models`, a file each: `add_parser(subparsers)` and `run(arguments)`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from models.errors import BadInput

DONE, FAULT, REFUSED, INTERRUPTED = 0, 1, 2, 130
DEBUG_VARIABLE = "LESIONLENS_DEBUG"


class CommandParser(argparse.ArgumentParser):
    """argparse that refuses in one sentence, as every command does."""

    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message[:1].upper()}{message[1:].rstrip('.')}: see {self.prog} --help.")


def exit_status(work: Callable[[], int]) -> int:
    """What `work` returns; 2 with its sentence on stderr when it refuses, 1 with one line when it fails.

    $LESIONLENS_DEBUG=1 adds the traceback of a failure.
    """
    try:
        return work()
    except BadInput as refusal:
        print(refusal, file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has gone; the interpreter would complain once more when it flushes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAULT
    except Exception as fault:
        if os.environ.get(DEBUG_VARIABLE) == "1":
            traceback.print_exc()
        reason = " ".join(str(fault).split())[:300]
        hint = f"set {DEBUG_VARIABLE}=1 to see where"
        print(f"A fault of this program, {type(fault).__name__}: {reason} ({hint}).", file=sys.stderr)
        return FAULT


def print_json(document: Any) -> None:
    """The one JSON document on stdout; numbers that are none are refused rather than written as NaN."""
    print(json.dumps(document, indent=2, allow_nan=False))


def add_json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
