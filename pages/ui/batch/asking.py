"""What the Batch page asks: images, labels and masks for them, runs, and what is to be made of each case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from models.data.at_hand import DATA_VARIABLE, manifests_at_hand
from models.data.manifest import Manifest
from models.data.phantoms import MODALITIES
from models.errors import BadInput
from models.runs import Run
from pages.ui import caches, state
from pages.ui.batch import meanings
from pages.ui.batch.inside import table_inside
from pages.ui.batch.orders import Order, Pack, Phantoms
from pages.ui.batch.receiving import BY_COMMAND, LARGEST_MB, MOST_BYTES, Given
from pages.ui.comparing import choices
from pages.ui.plain_text import amount, plain
from pages.ui.samples import by_use
from pages.ui.sentences import size

FILES, FOLDER, AT_HAND, DRAWN = "Files or archive", "Folder", "Data at hand", "Phantoms"
SOURCES = (FILES, FOLDER, AT_HAND, DRAWN)
FROM, RUNS, DATA, MODALITY, COUNT, SEED, MARKER = (
    "from", "runs", "data", "modality", "count", "seed", "marker",
)  # fmt: skip
HEATMAPS, MEASURES, FRAMES, LABELS = "heatmaps", "measures", "frames", "labels"
MOST_PHANTOMS = 2_000
AT_FIRST = 60
_ROUND, _TABLE = "batch_round", "batch_table_inside"


@dataclass(frozen=True)
class Images:
    """The images chosen: either files that were given, or a source that is here. modality: where it is known.
    labels: the distinct ones that come with them, as far as they are known before they are read."""

    given: Given | None = None
    source: Pack | Phantoms | None = None
    modality: str | None = None
    labels: tuple[str, ...] = ()
    title: str = ""

    @property
    def any(self) -> bool:
        return self.source is not None or bool(self.given and self.given.pictures)


def forget_files() -> None:
    """Empty the uploaders: what they held is taken in, and leaves the memory."""
    st.session_state.pop(_TABLE, None)
    st.session_state[_ROUND] = _round() + 1


def ask_images() -> Images:
    """Ask for images. BadInput for a table of labels that cannot be read."""
    st.subheader("Images", anchor=False)
    source = st.segmented_control(
        "Where they come from", SOURCES, default=FILES, required=True, key=FROM, bind="query-params",
        label_visibility="collapsed", wrap=True,
    )  # fmt: skip
    if source == AT_HAND:
        return _ask_pack()
    if source == DRAWN:
        return _ask_phantoms()
    return _ask_files(folder=source == FOLDER)


def ask_runs(runs: Sequence[Run], images: Images) -> list[Run]:
    """Ask for runs with weights, those of the images' modality where it is known."""
    fits = {
        run.id: run
        for run in by_use(runs)
        if run.has_weights and (images.modality is None or run.modality in (images.modality, "mixed"))
    }
    if not fits:
        raise BadInput("There is no run with weights for these images: train one or import one.")
    known = st.session_state.get(state.RUN)
    synthetic = isinstance(images.source, Phantoms)
    first = (
        known
        if known in fits and not synthetic
        else min(fits, key=lambda id: fits[id].card.synthetic != synthetic)
    )
    chosen = choices.pick_many(
        "Runs", list(fits), RUNS, default=[first], placeholder="Choose runs", max_selections=8,
        help="Every image is asked of each of them. A trunk that several share is computed once, so a second "
        "run of the same trunk costs next to nothing.",
    )  # fmt: skip
    modalities = sorted({fits[id].modality for id in chosen})
    if len(chosen) == 1:
        st.caption(fits[chosen[0]].title)
    elif len(modalities) > 1:
        st.caption(
            f"Runs for {' and '.join(modalities)}: an image that says what it is goes only to the runs made "
            "for it."
        )
    return [fits[id] for id in chosen]


def ask_options(images: Images) -> dict[str, object]:
    """Ask what is made of each case: fields of an Order."""
    heatmaps = st.toggle(
        "Heatmaps", True, key=HEATMAPS, bind="query-params", help="A Grad-CAM picture of every case and run."
    )
    measures = st.toggle(
        "Measure them against masks", True, key=MEASURES, bind="query-params", disabled=not heatmaps,
        help="Where an image has a lesion mask: pointing game, overlap, energy inside, as the Trust page has "
        "them.",
    )  # fmt: skip
    frames = "first"
    if images.given is not None:
        every = st.toggle(
            "All frames", key=FRAMES, bind="query-params",
            help="Of a DICOM with several frames each becomes a row; else its first alone.",
        )  # fmt: skip
        frames = "all" if every else "first"
    return {"heatmaps": heatmaps, "measures": measures and heatmaps, "frames": frames}


def ask_order(runs: Sequence[Run], images: Images) -> Order | None:
    """Ask for runs and options; None while something is missing or does not fit."""
    chosen = ask_runs(runs, images)
    if not chosen:
        st.caption("Choose at least one run.")
        return None
    use_labels, meant = meanings.ask(images.labels, chosen)
    options = ask_options(images)
    if use_labels is None:
        return None
    named = tuple((run.id, run.digest) for run in chosen)
    return Order(images.source, named, use_labels=use_labels, meanings=meant, **options)


def _ask_files(folder: bool) -> Images:
    # Each way of giving has an uploader of its own: Streamlit empties one whose kind changes.
    uploads = st.file_uploader(
        "Drop a folder, with all folders in it" if folder else "Drop images or archives",
        key=f"batch_{'folder' if folder else 'files'}_{_round()}",
        accept_multiple_files="directory" if folder else True,
        max_upload_size=LARGEST_MB,
        help="DICOM, PNG, JPEG, TIFF, BMP; ZIP, TAR and TAR.GZ. Each is told by its content, whatever its "
        "name. Folders named after classes are labels.",
    )  # fmt: skip
    with st.expander("Labels and lesion masks (optional)", icon=":material/label:"):
        labels, masks = _ask_labels_and_masks()
    given = Given(uploads or (), labels or _table_inside(uploads or (), folder), masks or (), folder)
    if given.table is not None and labels is None:
        st.caption(f"Labels are read from {plain(given.table.name)}.")
    if not given.pictures:
        st.caption(
            f"Up to {LARGEST_MB >> 10} GB a file, {MOST_BYTES >> 30} GB together: the server holds uploads "
            f"in its memory until they are taken in. For more, {BY_COMMAND}."
        )
        return Images(given)
    st.caption(f"{amount(len(given.pictures), 'file')}, {size(given.bytes)}")
    return Images(given, labels=meanings.labels_of(given))


def _table_inside(uploads, folder: bool):
    """The table of labels among the files, looked for once."""
    files = tuple(upload.file_id for upload in uploads)
    if st.session_state.get(_TABLE, ((), None))[0] != (files, folder):
        st.session_state[_TABLE] = ((files, folder), table_inside(uploads, folder))
    return st.session_state[_TABLE][1]


def _ask_labels_and_masks():
    table, drawn = st.columns(2, gap="medium")
    labels = table.file_uploader(
        "Labels (CSV)", key=f"batch_labels_{_round()}",
        help="Columns file and label, optionally patient_id. Such a table inside the folder or ZIP is found "
        "by itself, and a folder for each class does the same.",
    )  # fmt: skip
    masks = drawn.file_uploader(
        "Masks", key=f"batch_masks_{_round()}", accept_multiple_files=True,
        help="Pictures named as their images, or with _mask behind that. Masks inside the folder or archive "
        "(x_mask.png beside x.png, or a folder masks) are found by themselves.",
    )  # fmt: skip
    return labels, masks


def _ask_pack() -> Images:
    packs = {pack.name: pack for pack in manifests_at_hand()}
    if not packs:
        st.info(
            "No data set is on this server: put its folder, with its manifest.csv, into the folder that "
            f"{DATA_VARIABLE} names.", icon=":material/info:",
        )  # fmt: skip
        return Images()
    pack = packs[choices.pick_one("Data set", list(packs), DATA)]
    masks = sum(case.mask_file is not None for case in pack.cases)
    labels = pack.labels()
    told = [amount(len(pack.cases), "image"), f"{masks:,} with a mask" if masks else "no masks"]
    told += [f"labels {', '.join(map(plain, labels[:6]))}" if labels else "no labels"]
    st.caption(", ".join(told) + ". They stay where they are: nothing of them is copied.")
    return Images(
        source=Pack(pack.name, str(pack.path.resolve())), modality=_modality(pack), labels=labels,
        title=pack.name,
    )  # fmt: skip


def _ask_phantoms() -> Images:
    what, how_many, series = st.columns([5, 3, 3])
    with what:
        modality = choices.pick_one("Modality", MODALITIES, MODALITY)
    count = how_many.number_input("Phantoms", 6, MOST_PHANTOMS, AT_FIRST, 6, key=COUNT, bind="query-params")
    seed = series.number_input(
        "Series", 0, 999_999, 101, 1, key=SEED, bind="query-params",
        help="Another number draws other phantoms. The shipped runs were trained on series 1.",
    )  # fmt: skip
    marker = st.toggle(
        "With the planted marker", key=MARKER, bind="query-params",
        help="A small mark in a corner of every positive phantom and of no other: a shortcut to be caught.",
    )  # fmt: skip
    st.caption("Drawn by a program, with labels and masks that are known: no patient is in them.")
    from models.data.phantoms import LABELS as KNOWN

    source = Phantoms(modality, int(count), int(seed), marker)
    return Images(source=source, modality=modality, labels=tuple(KNOWN[modality]), title=source.title)


def _modality(pack: Manifest) -> str | None:
    """What its images are, where all that say so say the same."""
    named = Counter(case.modality for case in pack.cases if case.modality)
    return next(iter(named)) if len(named) == 1 else None


def _round() -> int:
    return st.session_state.get(_ROUND, 0)


def runs_at_hand() -> list[Run]:
    """Those of the server: a visitor's own have no weights, and a batch outlives a visit."""
    own = caches.imported_runs()
    return [run for run in caches.runs().runs if run not in own]
