"""Tables without rows keep their columns, so that whoever reads the files finds the same ones in every study."""

import csv

import pytest
from study_factory import write_study

from winnow.analysis.contamination import COPIES_COLUMNS, FOUND_COLUMNS
from winnow.analysis.find import find
from winnow.findings import Table
from winnow.pool.hygiene.contamination import RULES, SourceRow
from winnow.pool.hygiene.stage import _cell
from winnow.report.tables import csv_text, markdown

ALWAYS = "sweep", "planted", "contamination", "contamination_duplicates", "composition", "delayed_gain", "crossover"


def test_no_rows_are_a_header_and_rows_stay_what_they_were():
    assert csv_text(Table("t", "T", (), columns=("a", "b"))) == "a,b\n"
    assert csv_text(Table("t", "T", ({"a": 1, "b": None},))) == "a,b\n1,\n"
    assert csv_text(Table("t", "T", ())) == ""
    assert "Nothing yet" in markdown(Table("t", "T", (), columns=("a",)))


def test_no_table_of_a_study_is_without_its_columns(tmp_path):
    """Whatever is not there yet; and they are those of a study that has it."""
    alone = find(write_study(tmp_path / "alone", effects={"full": 0.0}, seeds=(0,))).tables
    whole = find(write_study(tmp_path / "whole", seeds=(0, 1))).tables
    assert [name for name, table in alone.items() if not table.rows and not table.columns and table.title] == []
    both = [name for name in alone if not alone[name].rows and name in whole and whole[name].rows]
    assert {"savings", "comparisons", "equal_flops"} <= set(both)
    for name in both:
        assert alone[name].columns == tuple(whole[name].rows[0]), name


def test_rows_have_the_columns_that_are_told():
    with pytest.raises(AssertionError, match="t"):
        Table("t", "T", ({"a": 1},), columns=("b",))


def test_a_study_without_hygiene_has_the_columns_of_one_with_it():
    row = SourceRow("s", "e", 3, dict.fromkeys(RULES, 0))
    assert tuple(_cell(row)) == FOUND_COLUMNS
    assert COPIES_COLUMNS[0] == "source"


@pytest.mark.slow
def test_files_of_a_finished_study_have_their_columns(finished_study):
    for name in ALWAYS:
        with (finished_study / "tables" / f"{name}.csv").open() as file:
            heads = next(csv.reader(file), [])
        assert len(heads) > 3, name
