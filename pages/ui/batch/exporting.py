"""What a person takes home of a batch: the table, the overlays, a report. Each is made on demand."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from models.batch.results import read_batch
from models.errors import BadInput
from pages.ui import batch_caches, caches
from pages.ui.batch.columns import Results
from pages.ui.frame import fault_sentence

if TYPE_CHECKING:
    from models.runs import Run
    from pages.ui.batch.places import BatchPlace

#: A browser is handed no more than this at once; the server holds it in memory meanwhile.
MOST_BYTES = 512 << 20
NOTICE = (
    "Research use only: not a diagnostic device. The table holds file names and labels as they were given; "
    "overlays hold the images' pixels with whatever is burned into them. Text that a spreadsheet could run "
    "is made harmless."
)


def show(place: BatchPlace, results: Results) -> None:
    """Four buttons, each with what it gives."""
    stem = f"batch-{place.id[:8]}"
    labels = {key: said.label for key, said in batch_caches.added_labels(place).said.items() if said.label}

    # Asked here: a file is made on a thread of its own, which knows no visit.
    runs = {run.id: run for run in caches.runs().runs}

    def batch():
        return read_batch(place.folder)

    with st.grid("auto", min_column_width=205, gap="small"):
        _offer(
            "Table (CSV)", f"{stem}.csv", "text/csv", f"A row a file, all {len(results):,}: verdicts, "
            "probabilities, facts, and why some have none.", lambda: _csv(batch(), labels),
        )  # fmt: skip
        _offer(
            "Table (Parquet)", f"{stem}.parquet", "application/vnd.apache.parquet",
            "The same columns for programs, with every digit.", lambda: _parquet(batch(), labels),
        )  # fmt: skip
        _offer_overlays(place, results, stem, labels)
        _offer(
            "Report (HTML)", f"{stem}-report.html", "text/html",
            "One file to read, print and send on: counts, the most suspicious images with their maps, "
            "figures where there are labels or masks.", lambda: _report(batch(), runs, labels),
        )  # fmt: skip
    st.caption(NOTICE)


def _offer(
    label: str, name: str, mime: str, about: str, make: Callable[[], bytes], why_not: str = ""
) -> None:
    with st.container(border=True, gap="small"):
        st.download_button(
            label, lambda: _or_sentence(make), name, mime, key=f"take {name}", on_click="ignore",
            icon=":material/download:", width="stretch", disabled=bool(why_not),
        )  # fmt: skip
        st.caption(why_not or about)


def _offer_overlays(place: BatchPlace, results: Results, stem: str, labels: dict[str, str]) -> None:
    count, size = batch_caches.overlays(place, results)
    why_not = ""
    if not count:
        why_not = "This batch was made without heatmaps: make it again with them."
    elif size > MOST_BYTES:
        why_not = (
            f"The overlays take {size / 1e9:.1f} GB, more than a browser should fetch at once "
            f"({MOST_BYTES >> 20} MB): copy the folder heatmaps of {place.folder} on the server."
        )
    about = f"{count:,} pictures, {size / 1e6:,.0f} MB, and the table that says what each belongs to."
    _offer(
        "Overlays (ZIP)", f"{stem}-overlays.zip", "application/zip", about,
        lambda: _overlays(read_batch(place.folder), labels), why_not,
    )  # fmt: skip


def _csv(batch, labels: dict[str, str]) -> bytes:
    from xai.batch.exports import table_csv

    return b"".join(table_csv(batch, labels))


def _parquet(batch, labels: dict[str, str]) -> bytes:
    from xai.batch.exports import table_parquet

    return _through_a_file(lambda path: table_parquet(batch, path, labels))


def _overlays(batch, labels: dict[str, str]) -> bytes:
    from xai.batch.exports import overlays_zip

    return _through_a_file(lambda path: overlays_zip(batch, path, labels))


def _report(batch, runs: dict[str, Run], labels: dict[str, str]) -> bytes:
    from xai.batch.exports import html_report

    return _through_a_file(lambda path: html_report(batch, path, runs, labels=labels))


def _through_a_file(write: Callable[[Path], object]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="lesionlens-export-") as place:
        path = Path(place) / "file"
        write(path)
        return path.read_bytes()


def _or_sentence(make: Callable[[], bytes]) -> bytes:
    """What the person gets for a click: the file, or the sentence why there is none."""
    try:
        return make()
    except BadInput as refusal:
        return f"{refusal}\n".encode()
    except Exception:
        return f"{fault_sentence()}\n".encode()
