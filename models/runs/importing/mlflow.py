"""An MLflow run folder as its file store writes it: meta.yaml, metrics/<name>, params/<name>."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

import numpy as np

from models.errors import BadInput
from models.runs.history import History
from models.runs.importing.names import metric_name
from models.runs.importing.series import Series, on_common_steps

_LONGEST_PARAMETER = 60
_MOST_PARAMETERS = 60


def is_mlflow_file(name: str) -> bool:
    path = PurePosixPath(name)
    if "artifacts" in path.parts:
        return False  # whatever a person put there
    return path.name == "meta.yaml" or bool({"metrics", "params"} & set(path.parts[:-1]))


def run_of_mlflow(files: Mapping[str, bytes], name: str) -> tuple[History, str, dict[str, str]]:
    """(history, the run's name, its parameters) of the one run in these files.

    Parameters that look like a path, an address or a sentence are left out: they tell of a person's computer,
    not of the training. BadInput for none or several runs, and naming the line that is no figure.
    """
    roots = sorted({_root(file) for file in files if "metrics" in PurePosixPath(file).parts[:-1]})
    if not roots:
        raise BadInput(f"{name} holds no metrics of an MLflow run: give the folder that holds meta.yaml.")
    if len(roots) > 1:
        raise BadInput(f"{name} holds {len(roots)} MLflow runs: give the folder of one of them.")
    (root,) = roots
    inside = {
        PurePosixPath(file).relative_to(root).as_posix(): content
        for file, content in files.items()
        if PurePosixPath(file).is_relative_to(root)
    }
    series = {}
    for file, content in inside.items():
        if file.startswith("metrics/"):
            metric = metric_name(file.removeprefix("metrics/"))
            if metric:
                series[metric] = _series(content, file)
    return on_common_steps(series, name), _run_name(inside.get("meta.yaml", b"")), _parameters(inside)


def _root(file: str) -> str:
    parts = PurePosixPath(file).parts
    return str(PurePosixPath(*parts[: parts.index("metrics")]))


def _series(content: bytes, file: str) -> Series:
    """Lines of "time value step" (older versions write no step) and, in newer ones, words after them."""
    steps, values = [], []
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        cells = line.split()
        if not cells:
            continue
        try:
            values.append(float(cells[1]))
            steps.append(float(cells[2]) if len(cells) > 2 else float(len(steps)))
        except (IndexError, ValueError):
            raise BadInput(f"Line {number} of {file} is no figure of MLflow ({line[:60]!r}).") from None
    return np.array(steps), np.array(values)


def _run_name(meta: bytes) -> str:
    import yaml

    try:
        # Text alone: a date or a number that is none would be an error of another kind.
        fields = yaml.load(meta[: 64 << 10].decode("utf-8", "replace"), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError):
        return ""
    name = fields.get("run_name") if isinstance(fields, dict) else None
    return name[:80] if isinstance(name, str) and name not in ("null", "~") else ""


def _parameters(files: Mapping[str, bytes]) -> dict[str, str]:
    found = {}
    for file, content in files.items():
        value = content[: 4 * _LONGEST_PARAMETER].decode("utf-8", "replace").strip()
        private = any(sign in value for sign in ("/", "\\", "@", "\n"))
        if file.startswith("params/") and value and len(value) <= _LONGEST_PARAMETER and not private:
            found[file.removeprefix("params/")[:80]] = value
    return dict(list(found.items())[:_MOST_PARAMETERS])
