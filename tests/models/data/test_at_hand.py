"""A case's image is found by the manifest's digest, cut or drawn again, or there is none."""

import os

import numpy as np
import pytest

from models.data import at_hand
from models.data.at_hand import case_image, data_roots, images_at_hand, manifest_at_hand
from models.data.manifest import read_manifest
from models.data.merging import merge
from models.data.phantoms import phantom
from models.errors import BadInput
from models.runs import write_run
from models.runs.cases import CASES_FILE
from models.study import read_mask, read_study
from tests.models.runs.tiny_run import tiny_files


@pytest.fixture
def packs(tmp_path, monkeypatch):
    """Two packs of a 64 x 64 picture each below one data root."""
    from PIL import Image

    for name in ("ultrasound_a", "mammography_b"):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        picture = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8) + 100
        Image.fromarray(picture).save(folder / "x.png")
        mask = np.zeros((64, 64), bool)
        mask[:32, :32] = True
        Image.fromarray(mask).save(folder / "x_mask.png")
        (folder / "manifest.csv").write_text(f"file,label,mask_file,note\nx.png,mass,x_mask.png,{name}\n")
    monkeypatch.setenv("LESIONLENS_DATA", str(tmp_path / "data"))
    return [read_manifest(tmp_path / "data" / name) for name in ("ultrasound_a", "mammography_b")]


def run_on(folder, digest, case_id, **card):
    fields, files = tiny_files()
    fields |= {"id": folder.name, "data": {"name": "x", "manifest_digest": digest}} | card
    files["predictions.csv"] = f"case_id,split,label,p_other,p_malignant\n{case_id},test,other,0.5,0.5\n"
    return write_run(folder, fields, files)


def test_a_manifest_is_found_by_its_digest_alone_or_merged(packs):
    for pack in packs:
        assert manifest_at_hand(pack.digest).path == pack.path
    together = manifest_at_hand(merge(packs).digest)
    assert {case.case_id for case in together.cases} == {"ultrasound_a/x", "mammography_b/x"}
    assert manifest_at_hand("0" * 64) is None and manifest_at_hand(None) is None


def test_a_changed_manifest_is_another(packs):
    path = packs[0].path
    path.write_text(path.read_text() + "y.png,mass,,\n")
    os.utime(path, ns=(1, 1))
    assert manifest_at_hand(packs[0].digest) is None


def test_the_default_is_the_repository_s_data_folder(monkeypatch):
    monkeypatch.delenv("LESIONLENS_DATA", raising=False)
    assert data_roots() == (at_hand.DEFAULT_ROOT,) and at_hand.DEFAULT_ROOT.name == "data"
    monkeypatch.setenv("LESIONLENS_DATA", os.pathsep.join(["/a", "/b"]))
    assert [str(root) for root in data_roots()] == ["/a", "/b"]


def test_a_file_and_its_mask(packs, tmp_path):
    run = run_on(tmp_path / "one", packs[0].digest, "x")
    image = case_image(run, 0)
    assert (image.name, image.modality, image.drawn_anew) == ("x.png", "ultrasound", False)
    assert image.content == (packs[0].path.parent / "x.png").read_bytes()
    assert read_mask(image.mask, "mask").sum() == 1024
    assert images_at_hand(run)
    (packs[0].path.parent / "x.png").unlink()
    assert case_image(run, 0) is None and not images_at_hand(run)
    with pytest.raises(BadInput, match="no case 1"):
        case_image(run, 1)


def test_a_tile_is_cut_as_for_the_training(packs, tmp_path):
    prepare = {"cut": "tiles", "margin": 0.2, "size": 32, "stride": 32}
    run = run_on(tmp_path / "one", packs[1].digest, '"x@0,0"', prepare=prepare)
    image = case_image(run, 0)
    whole = read_study(packs[1].path.parent / "x.png").display()
    assert np.array_equal(read_study(image.content, "t").display(), whole[:32, :32])
    assert read_mask(image.mask, "mask").all() and images_at_hand(run)
    absent = run_on(tmp_path / "two", packs[1].digest, '"x@1,0"', prepare=prepare)
    assert case_image(absent, 0) is None


def test_a_phantom_needs_no_data(tmp_path, monkeypatch):
    monkeypatch.setenv("LESIONLENS_DATA", str(tmp_path / "nothing"))
    run = run_on(tmp_path / "one", "0" * 64, "us_s1_00001")
    image = case_image(run, 0)
    drawn = phantom("ultrasound", 1, 1)
    assert np.array_equal(read_study(image.content, "p").display().squeeze(), drawn.image)
    assert np.array_equal(read_mask(image.mask, "m"), drawn.mask)
    assert image.synthetic and image.drawn_anew and images_at_hand(run)


def test_a_marked_phantom_is_drawn_with_its_marker(tmp_path, monkeypatch):
    monkeypatch.setenv("LESIONLENS_DATA", str(tmp_path / "nothing"))
    image = case_image(run_on(tmp_path / "one", "0" * 64, "usm_s1_00001"), 0)
    drawn = phantom("ultrasound", 1, 1, marker=True)  # the phantom of that number is malignant
    assert np.array_equal(read_study(image.content, "p").display().squeeze(), drawn.image)
    plain = case_image(run_on(tmp_path / "two", "0" * 64, "usm_s1_00000"), 0)
    drawn = phantom("ultrasound", 1, 0)
    assert np.array_equal(read_study(plain.content, "p").display().squeeze(), drawn.image)


def test_no_phantom_stands_in_for_a_real_case(tmp_path, monkeypatch):
    monkeypatch.setenv("LESIONLENS_DATA", str(tmp_path / "nothing"))
    real = run_on(tmp_path / "real", "0" * 64, "us_s1_00001", synthetic=False)
    assert case_image(real, 0) is None and not images_at_hand(real)
    fields, files = tiny_files()
    files["predictions.csv"] = "case_id,p_other,p_malignant\nus_s1_00001,0.5,0.5\n"
    files[CASES_FILE] = "case_id,label\nus_s1_00001,benign\n"  # the phantom of that number is malignant
    other = write_run(tmp_path / "other", fields | {"id": "other"}, files)
    assert case_image(other, 0) is None
