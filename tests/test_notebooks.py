"""The shipped notebooks are of the scripts in `notebooks`, whole, small and without a trace of a machine."""

import re
import runpy
from pathlib import Path

import matplotlib
import nbformat
import pandas as pd
import pytest

from models.runs import find_run
from notebooks.build import MOST_BYTES, NOTEBOOK, RUNS, script_digest, script_of

#: Absolute paths and addresses, which only the machine of a build has.
PATH = r"""(?m:^|[\s'"(=])(?:/\w[\w.-]*){2,}"""
OF_A_MACHINE = re.compile(rf"{PATH}|site-packages|localhost")


@pytest.fixture(params=RUNS, scope="module")
def name(request):
    return request.param


@pytest.fixture(scope="module")
def text(name):
    return find_run(RUNS[name]).path(NOTEBOOK).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def cells(text):
    return nbformat.reads(text, as_version=4).cells


def test_the_notebook_was_made_of_the_script_as_it_is(name, text):
    made = nbformat.reads(text, as_version=4).metadata["lesionlens"]
    assert made == {"script": f"notebooks/{name}.py", "sha256": script_digest(name)}, "run `make notebooks`"


def test_every_cell_ran_in_order_and_none_failed(cells):
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 3


def test_it_says_that_its_images_are_phantoms_and_is_small(cells, text):
    assert "Every image here is a phantom" in cells[0].source
    assert "not a diagnostic device" in " ".join(cells[0].source.split())
    assert len(text.encode()) < MOST_BYTES


def test_it_tells_nothing_of_the_machine_it_was_made_on(cells):
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    words = [output.get("text", "") for output in outputs]
    # Not the pictures: four given characters occur in a megabyte of base64 by chance.
    words += [str(part) for o in outputs for kind, part in o.get("data", {}).items() if "image" not in kind]
    assert not [word[:200] for word in words if OF_A_MACHINE.search(word)]
    assert OF_A_MACHINE.search(f"see {Path.cwd()}/notebooks")


@pytest.mark.slow
def test_the_script_still_runs(name, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # the script sets it too; this puts it back
    with matplotlib.rc_context(), pd.option_context("display.max_colwidth", 50):
        values = runpy.run_path(str(script_of(name)))
        values["plt"].close("all")
    assert len(values["explained"]) == values["COUNT"]
    found = values["table"].loc["this run"]
    assert found["pointing game"] >= values["table"].loc["centre", "pointing game"]
