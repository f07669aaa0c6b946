"""cases.csv holds what subgroups need and nothing that could name a woman."""

import numpy as np
import pytest

from models.data.manifest import read_manifest
from models.data.merging import merge
from models.errors import BadInput
from models.evaluation import Predictions, read_predictions
from models.runs import load_run, rewrite_run
from models.runs.cases import CASES_FILE, COLUMNS, CaseTable, age_group, case_table, read_cases
from models.runs.folder import ASSETS
from tests.models.runs.tiny_run import write_tiny_run

MANIFEST = (
    "file,label,mask_file,patient_id,side,tissue,patient_name,study_date,age,finding,n_masks,mask_area_fraction\n"
    "a.png,benign,,p1,L,D,Ada,2020-01-01,57,mass,1,0.25\n"
    "b.png,normal,,p2,R,F,Eve,2020-01-02,93,,1,0\n"
)


@pytest.fixture
def manifest(tmp_path):
    (tmp_path / "ultrasound_x").mkdir()
    path = tmp_path / "ultrasound_x" / "manifest.csv"
    path.write_text(MANIFEST)
    return read_manifest(path)


def predictions_of(*ids: str) -> Predictions:
    n = len(ids)
    return Predictions(
        ("other", "malignant"), ids, ids, ids, ["test"] * n, [0] * n, np.tile([0.5, 0.5], (n, 1))
    )


def test_only_listed_columns_leave_the_manifest(manifest):
    table = case_table(manifest, ["b", "a"])
    assert table.columns == {
        "label": ("normal", "benign"),
        "modality": ("ultrasound", "ultrasound"),
        "laterality": ("R", "L"),
        "density": ("F", "D"),
        "finding": ("", "mass"),
        "n_lesions": ("0", "1"),
        "lesion_size": ("", "0.25"),
        "age_group": ("90+", "50-59"),
    }
    for secret in ("Ada", "2020", "57", "p1"):
        assert secret not in table.to_csv().replace("50-59", "")


def test_free_text_is_left_out(tmp_path):
    rows = "\n".join(f"{i}.png,benign,seen by somebody on day {i},{i}" for i in range(60))
    (tmp_path / "manifest.csv").write_text(f"file,label,finding,n_lesions\n{rows}\n")
    table = case_table(read_manifest(tmp_path), [str(i) for i in range(60)])
    assert set(table.columns) == {"label", "n_lesions"}


def test_a_piece_takes_the_facts_of_its_image_and_a_stranger_none(manifest):
    table = case_table(manifest, ["a@0,128", "zzz"])
    assert table.columns["laterality"] == ("L", "")
    assert table.columns["label"] == ("benign", "")


def test_cases_of_merged_manifests_keep_their_modality(manifest, tmp_path):
    (tmp_path / "mammography_y").mkdir()
    other = tmp_path / "mammography_y" / "manifest.csv"
    other.write_text("file,label\na.png,benign\n")
    merged = merge([manifest, read_manifest(other)])
    table = case_table(merged, ["ultrasound_x/a", "mammography_y/a"])
    assert table.columns["modality"] == ("ultrasound", "mammography")
    assert table.columns["density"] == ("D", "")


def test_lesion_size_from_the_mask_and_from_annotations(tmp_path):
    from PIL import Image

    mask = np.zeros((10, 20), bool)
    mask[:5, :4] = True
    Image.fromarray(mask).save(tmp_path / "mask.png")
    for name in ("a", "b"):
        Image.fromarray(np.arange(200, dtype=np.uint8).reshape(10, 20)).save(tmp_path / f"{name}.png")
    (tmp_path / "manifest.csv").write_text("file,label,mask_file\na.png,mass,mask.png\nb.png,mass,\n")
    (tmp_path / "annotations.csv").write_text("file,box_x0,box_y0,box_x1,box_y1\nb.png,0,0,9,4\n")
    table = case_table(read_manifest(tmp_path), ["a", "b"])
    assert table.columns["lesion_size"] == ("0.1", "0.25")


@pytest.mark.parametrize(
    ("age", "group"), [("57", "50-59"), ("057Y", "50-59"), ("90", "90+"), ("", ""), ("old", ""), ("-1", "")]
)
def test_ages_become_decades(age, group):
    assert age_group(age) == group


def test_written_read_and_aligned(tmp_path):
    table = CaseTable(("b", "a"), {"density": ("D", 'F, "x"')})
    run = rewrite_run(write_tiny_run(tmp_path / "tiny"), {}, {CASES_FILE: table.to_csv()})
    again = read_cases(run)
    assert again.case_ids == table.case_ids and again.columns == table.columns
    aligned = again.of(predictions_of("a", "c", "b"))
    assert aligned["density"].tolist() == ['F, "x"', "", "D"]
    assert again.with_column("fold", ["1", "2"]).columns["fold"] == ("1", "2")
    with pytest.raises(BadInput, match="no column 'name'"):
        again.with_column("name", ["1", "2"])
    assert read_cases(write_tiny_run(tmp_path / "without")) is None


def test_unknown_columns_of_a_strangers_file_are_passed_over(tmp_path):
    run = rewrite_run(
        write_tiny_run(tmp_path / "tiny"), {}, {CASES_FILE: "case_id,patient_name,view\na,Ada,CC\n"}
    )
    assert read_cases(run).columns == {"view": ("CC",)}


@pytest.mark.parametrize(
    "text",
    ["", "view\nCC\n", "case_id,view\na\n", "case_id,view\na,CC\na,CC\n", "case_id,view,view\na,b,c\n"],
)
def test_a_file_that_is_no_case_table_is_refused(tmp_path, text):
    run = rewrite_run(write_tiny_run(tmp_path / "tiny"), {}, {CASES_FILE: text})
    with pytest.raises(BadInput, match=r"cases\.csv of the run tiny cannot be used"):
        read_cases(run)


def test_every_shipped_run_has_a_row_for_every_prediction():
    for folder in sorted((ASSETS / "runs").iterdir()):
        run = load_run(folder)
        predictions = read_predictions(run.path("predictions.csv"), run.classes)
        table = read_cases(run)
        assert set(predictions.case_ids.tolist()) <= set(table.case_ids), run.id
        assert set(table.columns) <= set(COLUMNS) and "label" in table.columns, run.id
        mapped = [run.card.label_map.get(label, label) for label in table.of(predictions)["label"]]
        assert mapped == [run.classes[i] for i in predictions.labels], run.id
