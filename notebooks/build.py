"""The notebooks of the shipped phantom runs: run each script here and put the result into its run.

    python -m notebooks.build [NAME...]        or: make notebooks

A script in jupytext's percent form is the source; the executed notebook carries its digest, and a test tells
when the two no longer agree.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from models.runs import find_run, rewrite_run

if TYPE_CHECKING:
    from nbformat import NotebookNode

HERE = Path(__file__).resolve().parent
NOTEBOOK = "notebook.ipynb"
MOST_BYTES = 1_000_000
RUNS = {name: f"phantom-{name}" for name in ("ultrasound", "mammography", "histopathology")}


def script_of(name: str) -> Path:
    """The script of that modality's notebook."""
    return HERE / f"{name}.py"


def script_digest(name: str) -> str:
    """SHA-256 (hex) of a script: what an executed notebook says it was made of."""
    return hashlib.sha256(script_of(name).read_bytes()).hexdigest()


def executed(name: str) -> NotebookNode:
    """A script as a notebook with its outputs, run in a kernel of its own from the repository's root.

    Raises nbclient's CellExecutionError with the cell that failed.
    """
    import jupytext
    from jupyter_client import AsyncKernelManager
    from nbclient import NotebookClient

    notebook = jupytext.read(script_of(name))
    kernel = AsyncKernelManager(transport="ipc")  # sockets of this machine alone
    where = {"metadata": {"path": str(HERE.parent)}}
    NotebookClient(notebook, km=kernel, timeout=300, resources=where).execute()
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"  # random ids would change the file at every build
        cell.metadata = {}
    made = {"script": f"notebooks/{name}.py", "sha256": script_digest(name)}
    notebook.metadata = {
        "kernelspec": dict(notebook.metadata["kernelspec"]),
        "language_info": {"name": "python"},
        "lesionlens": made,
    }
    return notebook


def main(names: list[str]) -> int:
    """Build the named notebooks, or all, each into its run. Returns 0."""
    import nbformat

    for name in names or RUNS:
        content = nbformat.writes(executed(name)).encode()
        if len(content) > MOST_BYTES:
            raise SystemExit(f"The notebook {name} has {len(content):,} bytes: make its figures smaller.")
        rewrite_run(find_run(RUNS[name]), {}, {NOTEBOOK: content})
        print(f"{RUNS[name]}/{NOTEBOOK}: {len(content):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
