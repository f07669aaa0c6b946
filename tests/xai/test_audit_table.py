"""The table of an audit: what is written is read, figures worked out by hand, methods and runs compared."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import BadInput
from models.runs import load_run
from tests.models.runs.tiny_run import tiny_files, write_tiny_run
from tests.xai.audit_cases import joined, table_from
from xai.audit import figures, paired_difference, rank_methods, read_audit, read_table
from xai.audit.figures import mean_figure
from xai.audit.table import parse_table

OLD = (
    "case_id,label,probability,lesion_share,pointing,iou,cautions\n"
    "a (1),other,0.9,0.05,True,0.25,\nb,malignant,0.1,0.2,False,0,blank border\n"
)


def test_what_is_written_is_read_again():
    table = joined(
        table_from({"iou": [0.1, 1 / 3], "increase": [1.0, None]}),
        table_from({"iou": [0.5, 0.5], "increase": [None, None]}, method="", map="centre"),
    )
    again = parse_table(table.to_csv().encode())
    assert again.to_csv() == table.to_csv()
    assert again.method_names == ("grad-cam",) and again.map_names == ("joint",)
    assert again.of(map="centre").measures["iou"].tolist() == [0.5, 0.5]
    assert again.of().measures["iou"][1] == pytest.approx(1 / 3, abs=1e-6)
    assert np.isnan(again.measures["increase"]).tolist() == [False, True, True, True]


def test_the_old_form_is_grad_cams_joint_map():
    table = parse_table(OLD.encode())
    rows = table.of("grad-cam", "joint")
    assert rows.case_ids.tolist() == ["a (1)", "b"] and rows.measures["pointing"].tolist() == [1.0, 0.0]
    assert rows.caution_kinds() == [(), ("blank", "border")] and np.isnan(rows.lesions).all()
    assert len(table.of("layercam")) == 0 and len(table.of(label="other")) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00",
        b"something,else\n1,2\n",
        b"",
        b"case_id,label,iou\na,other,0.5,9\n",
        b"case_id,label,iou\na,other,much\n",
        b"case_id,label,iou,iou\na,other,1,1\n",
    ],
)
def test_a_file_that_is_no_such_table_is_told_in_a_sentence(content):
    with pytest.raises(BadInput, match=r"xai\.csv"):
        parse_table(content)


def test_a_run_without_an_audit_has_neither_table_nor_document(tmp_path):
    run = write_tiny_run(tmp_path / "tiny")
    assert read_table(run) is None and read_audit(run) is None


@pytest.mark.parametrize("content", ["[]", "{", '{"methods": 3}'])
def test_a_document_that_is_none_of_ours_is_refused(tmp_path, content):
    from models.runs import write_run

    card, files = tiny_files()
    write_run(tmp_path / "tiny", card, files | {"xai.json": content})
    with pytest.raises(BadInput, match=r"xai\.json"):
        read_audit(load_run(tmp_path / "tiny"))


def test_figures_by_hand():
    table = table_from({"pointing": [1, 0, 1, 1], "iou": [0.2, 0.4, None, 0.9]})
    found = figures(table)
    # Wilson's interval of 3 in 4, from his formula.
    assert found["pointing"] == pytest.approx(
        {"value": 0.75, "low": 0.3006, "high": 0.9544, "n": 4}, abs=1e-4
    )
    assert found["iou"]["value"] == pytest.approx(0.5) and found["iou"]["n"] == 3
    assert 0.2 <= found["iou"]["low"] < 0.5 < found["iou"]["high"] <= 0.9
    kept = figures(table, keep=np.array([False, True, False, False]))
    assert kept["iou"]["value"] == 0.4 and kept["iou"]["n"] == 1


def test_found_lesions_are_counted_of_all_lesions():
    one, three = (
        table_from({"lesions_hit": [1.0, 0.0]}),
        table_from({"lesions_hit": [2.0]}, cases="z", lesions=3),
    )
    found = figures(joined(one, three))["lesions_hit"]
    assert found["value"] == pytest.approx(3 / 5) and found["n"] == 3


def test_without_a_case_or_a_value_a_figure_says_why():
    table = table_from({"iou": [0.5], "deletion": [None]})
    assert figures(table)["deletion"]["value"] is None and "not measured" in figures(table)["deletion"]["why"]
    nothing = figures(table, method="layercam")["iou"]
    assert nothing["n"] == 0 and "mask" in nothing["why"]


def test_cases_of_one_patient_count_as_one():
    values = [0.1, 0.1, 0.1, 0.1, 0.9, 0.9, 0.9, 0.9]
    table = table_from({"iou": values, "pointing": [v > 0.5 for v in values]})
    alone, paired = (
        figures(table),
        figures(table, {c: (c in "abcd" and "first") or "second" for c in "abcdefgh"}),
    )
    assert alone["iou"]["low"] > paired["iou"]["low"] == 0.1
    assert alone["pointing"]["low"] > paired["pointing"]["low"]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_an_interval_holds_its_value(values):
    found = mean_figure(np.array(values))
    assert found["low"] <= found["value"] <= found["high"] and found["n"] == len(values)


def test_one_group_alone_tells_nothing_of_the_spread():
    """A resample of one case is that case: an interval without width would be the surest of all."""
    one = figures(table_from({"iou": [0.6], "sensitivity_n": [0.3], "lesions_hit": [1]}))
    assert (one["iou"]["low"], one["iou"]["value"], one["iou"]["high"]) == (0, 0.6, 1)
    assert (one["sensitivity_n"]["low"], one["sensitivity_n"]["high"]) == (-1, 1)
    patient = figures(table_from({"iou": [0.6, 0.7]}), {"a": "p", "b": "p"})
    assert (patient["iou"]["low"], patient["iou"]["high"]) == (0, 1)
    less = paired_difference(table_from({"iou": [0.9]}), table_from({"iou": [0.2]}))
    assert (less["low"], less["high"]) == (-1, 1) and less["value"] == pytest.approx(0.7)


def test_methods_are_ranked_over_the_cases_all_of_them_have():
    table = joined(
        table_from({"iou": [0.2, 0.2, 1.0], "deletion": [0.1, 0.1, 0.1]}),
        table_from({"iou": [0.5, 0.5], "deletion": [0.3, 0.3]}, method="layercam"),
        table_from({"iou": [None, None], "deletion": [0.2, 0.2]}, method="rise"),
        table_from({"iou": [0.9, 0.9], "deletion": [0.0, 0.0]}, method="", map="ceiling"),
    )
    ranked = rank_methods(table, measure="iou")
    assert [name for name, _ in ranked] == ["layercam", "grad-cam", "rise"]
    assert ranked[1][1]["value"] == pytest.approx(0.2) and ranked[1][1]["n"] == 2
    assert [name for name, _ in rank_methods(table, measure="deletion")] == ["grad-cam", "rise", "layercam"]
    with pytest.raises(KeyError):
        rank_methods(table, measure="beauty")


def test_a_difference_is_over_shared_cases_of_one_class():
    first = table_from({"iou": [0.5, 0.7, 0.9]}, cases="abc")
    second = joined(
        table_from({"iou": [0.2]}, cases="b"),
        table_from({"iou": [0.4, 0.0]}, cases="ad"),
        table_from({"iou": [0.1]}, cases="c", label="other"),
    )
    found = paired_difference(first, second, "iou")
    assert found["value"] == pytest.approx((0.1 + 0.5) / 2) and found["n"] == 2
    assert (found["low"], found["high"]) == pytest.approx((0.1, 0.5))
    turned = paired_difference(second, first, "iou")
    assert turned["value"] == pytest.approx(-found["value"])
    assert paired_difference(first, second, "energy")["value"] is None
    assert paired_difference(first, table_from({"iou": [1.0]}, cases="z"), "iou")["why"]


def test_a_difference_of_one_hit_is_never_beyond_doubt():
    many = "abcdefghijklmnopqrstuvwxy"
    first = table_from({"pointing": [1] * 25}, cases=many)
    second = table_from({"pointing": [0] + [1] * 24}, cases=many)
    found = paired_difference(first, second, "pointing")
    assert found["value"] == pytest.approx(0.04) and found["low"] < 0 < found["high"]
    same = paired_difference(first, first, "pointing")
    assert same["value"] == 0 and same["low"] < 0 < same["high"]


def test_a_table_with_several_maps_stands_for_grad_cams_joint_map():
    table = joined(
        table_from({"iou": [0.5]}),
        table_from({"iou": [0.9]}, method="layercam"),
        table_from({"iou": [0.1]}, method="", map="centre"),
    )
    assert paired_difference(table, table.of(map="centre"))["value"] == pytest.approx(0.4)
