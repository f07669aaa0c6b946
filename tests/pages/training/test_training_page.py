"""The Training page, driven without a browser."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import ROOT
from tests.pages.scored_run import write_scored_run
from tests.pages.training.histories import STAGED

PAGE = "pages/5_Training.py"
RECIPE = """# The reason stands here.
id = "drawn"
title = "Drawn"
weight_decay = 1e-4

[[stages]]
name = "one"
rate = 1e-2

[[stages]]
name = "two"
rate = 1e-3
keep = "last"
"""
NOTEBOOK = {
    "nbformat": 4, "nbformat_minor": 5, "metadata": {},
    "cells": [{"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# From manifest to heatmap"}],
}  # fmt: skip
COST = {"parameters": 12345, "inference_ms": 1.5, "engine": "stopwatch"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("training-runs")
    files = {"history.csv": STAGED, "recipe.toml": RECIPE, "notebook.ipynb": json.dumps(NOTEBOOK)}
    write_scored_run(folder, "drawn", files=files, cost=COST, training={"seconds": 90, "epochs": 5})
    other = {
        "history.csv": "epoch,loss,val_loss\n0,1,1\n1,0.5,2\n",
        "recipe.toml": RECIPE.replace("e-4", "e-3"),
    }
    write_scored_run(folder, "other", files=other)
    write_scored_run(folder, "at-once")
    member = {"kind": "fold", "threshold": 0.5, "n": 3}
    parts = {f"members/{name}.csv": "" for name in ("fold1", "fold2")}
    histories = {f"members/{name}-history.csv": STAGED for name in ("fold1", "fold2")}
    members = [member | {"name": name} for name in ("fold1", "fold2")]
    write_scored_run(folder, "pooled", files=parts | histories, members=members)
    return folder


@pytest.fixture
def page(folder, monkeypatch) -> AppTest:
    monkeypatch.setattr("models.runs.folder.run_roots", lambda: (folder,))
    monkeypatch.setattr("pages.ui.caches.run_roots", lambda: (folder,))
    st.cache_resource.clear()
    return AppTest.from_file(str(ROOT / PAGE), default_timeout=60)


def opened(page: AppTest, **address: str | list[str]) -> AppTest:
    for key, value in address.items():
        page.query_params[key] = value
    page.run()
    assert not page.exception
    return page


def said(app: AppTest) -> str:
    return "\n".join(e.value for e in (*app.markdown, *app.caption, *app.info, *app.error)).replace("\\", "")


def test_curves_with_what_they_tell(page):
    opened(page, run="drawn")
    assert len(page.get("plotly_chart")) == 1
    assert "In the stage two, validation loss lowest at epoch 4, 1 epoch trained after it" in said(page)
    assert "The run holds the weights of epoch 5" in said(page)
    assert "Stages: one (epochs 1 to 2), two (epochs 3 to 5)." in said(page)


def test_a_link_opens_the_same_view(page):
    opened(page, run="drawn", show="Curves", smooth="0.5", log="Loss", **{"with": ["other", "pooled"]})
    assert page.multiselect(key="with").value == ["other", "pooled"]
    assert page.slider(key="smooth").value == 0.5
    assert "overfitting" not in said(page)
    assert "drawn:" in said(page) and "other:" in said(page)
    assert "mean of 2 folds" in said(page)


def test_compares_view_is_no_view_of_this_page(page):
    """Both pages in one visit: an address must not carry the other page's answer under the same name."""
    opened(page, run="drawn", view="Leaderboard")
    assert "view" not in page.session_state


def test_a_run_without_history_is_said_to_be_one_and_the_others_are_drawn(page):
    opened(page, run="at-once", **{"with": ["drawn"]})
    assert "at-once has no history" in said(page)
    assert len(page.get("plotly_chart")) == 1


def test_a_link_to_a_run_that_is_not_here_says_so(page):
    opened(page, run="drawn", **{"with": ["gone"]})
    assert "gone" in page.error[0].value


def test_the_recipe_beside_its_file(page):
    opened(page, run="drawn", show="Recipe")
    assert "# The reason stands here." in page.code[0].value
    tables = [table.value for table in page.table]
    assert list(tables[0].columns) == ["", "one", "two"]
    assert ["rate", "0\\.01", "0\\.001"] in tables[0].to_numpy().tolist()


def test_two_recipes_as_their_difference(page):
    opened(page, run="drawn", show="Recipe", **{"with": ["other"]})
    table = page.dataframe[0].value
    assert table.to_numpy().tolist() == [["weight_decay", "0.0001", "0.001", "changed"]]
    assert "1 choice differs; 6 are the same" in said(page).replace("*", "")
    page.toggle(key="same").set_value(True).run()
    assert len(page.dataframe[0].value) > 1


def test_a_run_without_recipe_says_so(page):
    opened(page, run="at-once", show="Recipe")
    assert not page.error
    assert "at-once came without" in said(page)


def test_costs_side_by_side_as_numbers(page):
    opened(page, run="drawn", show="Cost", **{"with": ["at-once"]})
    table = page.dataframe[0].value
    assert table["Run"].tolist() == ["drawn", "at-once"]
    assert table["Minutes"].iloc[0] == 1.5
    assert table["Parameters"].iloc[0] == 12345
    assert "One image measured with stopwatch" in said(page)


def test_the_notebook_or_that_there_is_none(page):
    opened(page, run="drawn", show="Notebook")
    frame = page.get("iframe")[0].proto
    assert 'sandbox=""' in frame.srcdoc
    assert "From manifest to heatmap" in frame.srcdoc
    page.selectbox(key="run").select("other").run()
    assert "other came without a notebook" in said(page)


def test_a_notebook_that_is_none_is_a_sentence(page, tmp_path, monkeypatch):
    write_scored_run(tmp_path, "broken", files={"notebook.ipynb": "no notebook"})
    monkeypatch.setattr("models.runs.folder.run_roots", lambda: (tmp_path,))
    monkeypatch.setattr("pages.ui.caches.run_roots", lambda: (tmp_path,))
    opened(page, run="broken", show="Notebook")
    assert "not a Jupyter notebook that can be read" in page.error[0].value
