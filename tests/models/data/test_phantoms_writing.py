"""Phantoms on disk: a whole folder in the manifest's form, or none; the shipped samples are such a folder."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.__main__ import main
from models.data.phantoms import LABELS, MODALITIES, phantom, write_phantoms
from models.errors import BadInput

SAMPLES = Path(__file__).parents[3] / "assets" / "samples"


def rows_of(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(newline="", encoding="utf-8") as source:
        return list(csv.DictReader(source))


def test_folder_holds_what_was_drawn(tmp_path):
    manifest = write_phantoms("histopathology", 4, 3, tmp_path / "he")
    rows = rows_of(manifest)
    assert list(rows[0])[:6] == ["file", "label", "mask_file", "patient_id", "modality", "synthetic"]
    assert len({row["patient_id"] for row in rows}) == 4
    for index, row in enumerate(rows):
        case = phantom("histopathology", 3, index)
        with Image.open(manifest.parent / row["file"]) as image:
            assert image.format == "PNG" and not image.info
            assert np.array_equal(np.asarray(image), case.image)
        assert (row["label"], row["synthetic"]) == (case.label, "1")
        assert bool(row["mask_file"]) == (case.mask is not None)
        if case.mask is not None:
            with Image.open(manifest.parent / row["mask_file"]) as mask:
                assert mask.mode == "1"
                assert np.array_equal(np.asarray(mask), case.mask)
            assert int(row["box_x1"]) > int(row["box_x0"])
    assert sorted(path.name for path in manifest.parent.iterdir()) == ["images", "manifest.csv", "masks"]


def test_project_s_own_reader_accepts_it(tmp_path):
    from models.data.manifest import read_manifest

    read = read_manifest(write_phantoms("histopathology", 3, 3, tmp_path / "he"))
    assert len(read.cases) == 3 and not read.missing
    assert sorted({case.label for case in read.cases}) == ["idc", "non_idc"]


def test_occupied_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BadInput, match="already holds something"):
        write_phantoms("histopathology", 1, 0, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_nothing_is_left_after_an_interruption(tmp_path):
    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_phantoms("histopathology", 2, 0, tmp_path / "he", progress=stop)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("modality", "n"), [("x-ray", 1), ("ultrasound", 0)])
def test_bad_requests_create_nothing(tmp_path, modality, n):
    with pytest.raises(BadInput):
        write_phantoms(modality, n, 0, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_command_writes_and_reports_one_document(tmp_path, capsys):
    out = tmp_path / "all"
    assert main(["phantoms", "all", "--count", "1", "--seed", "3", "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["count"] == 3 and [row["modality"] for row in rows_of(Path(told["manifest"]))] == list(
        MODALITIES
    )
    assert main(["phantoms", "ultrasound", "--count", "1", "--out", str(out)]) == 2
    assert "already holds something" in capsys.readouterr().err


def test_shipped_samples_are_whole_varied_and_what_the_documented_command_makes():
    """Equal but for the last bit: another processor's vector units may round a grey value the other way."""
    rows = rows_of(SAMPLES / "manifest.csv")
    for modality in MODALITIES:
        assert {row["label"] for row in rows if row["modality"] == modality} == set(LABELS[modality])
    place = dict.fromkeys(MODALITIES, 0)
    for row in rows:
        case = phantom(row["modality"], 9001, place[row["modality"]])
        place[row["modality"]] += 1
        with Image.open(SAMPLES / row["file"]) as image:
            apart = np.abs(np.asarray(image).astype(int) - case.image)
        assert (apart > 1).mean() < 1e-3 and (apart > 0).mean() < 0.01
        assert row["label"] == case.label and row["synthetic"] == "1"
        assert (SAMPLES / row["file"]).stat().st_size < 400_000
