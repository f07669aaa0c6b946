"""What of a stranger's table goes into a run for subgroups, and what does not."""

from models.runs.importing import facts_from, guess_mapping, read_table

TABLE = (
    "image,patient_name,patient_id,birth_date,diagnosis,y_score,Breast_Density,side,age,mask_area_fraction,site\n"
    "a,Ada Example,7,1950-01-02,benign,0.2,c,L,71,0.0625,north\n"
    "b,Eve Example,8,1931-01-02,malignant,0.9,d,R,95,,south\n"
)


def facts(text: str):
    table = read_table(text.encode(), "scores.csv")
    return facts_from(table, guess_mapping(table), tuple(table.column("image")))


def test_known_columns_come_along_under_their_names_and_no_other():
    assert facts(TABLE).columns == {
        "label": ("benign", "malignant"),
        "laterality": ("L", "R"),
        "density": ("c", "d"),
        "lesion_size": ("0.0625", ""),
        "site": ("north", "south"),
        "age_group": ("70-79", "90+"),
    }
    assert facts(TABLE).case_ids == ("a", "b")


def test_a_table_without_such_columns_has_no_facts():
    assert facts("image,label,y_score,comment\na,0,0.2,fine\n") is None


def test_columns_of_many_words_are_left_out():
    rows = "".join(f"i{i},{i % 2},0.5,word {i},{i % 3}\n" for i in range(60))
    assert list(facts(f"image,label,y_score,finding,view\n{rows}").columns) == ["label", "view"]
