"""A column for each factor in which arms differ."""

import pytest
from study_factory import write_study
from varied_factory import ADAPTERS, SMALL, write_varied

from winnow.analysis.factors import with_factors
from winnow.analysis.find import find
from winnow.findings import ArmFacts, Factor, Table
from winnow.report.tables import csv_text, for_people

PER_ARM = (
    "savings", "comparisons", "evaluation", "iso_compute", "cost_to_quality_flops", "cost_to_quality_dollars",
    "crossover_losses", "delayed_gain", "adapters", "ledger_arms",
)  # fmt: skip


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    return find(write_varied(tmp_path_factory.mktemp("varied") / "s", seeds=(0, 1)))


def test_levels_that_set_one_number_are_numbers_others_names(findings):
    adapter, epochs = findings.factors
    assert (adapter.name, adapter.levels, adapter.values) == ("adapter", tuple(ADAPTERS), tuple(ADAPTERS))
    assert (epochs.name, epochs.levels, epochs.values) == ("epochs", ("epochs1", "epochs2"), (1, 2))
    assert epochs.is_numeric and not adapter.is_numeric and epochs.value_of(None) is None


def test_tables_of_arms_have_a_column_for_each_factor_behind_the_arm(findings):
    levels = {arm.name: arm.factors for arm in findings.arms}
    for name in PER_ARM:
        rows = findings.tables[name].rows
        epochs = "factor_epochs" if name == "iso_compute" else "epochs"
        place = list(rows[0]).index("arm")
        assert list(rows[0])[place + 1 : place + 3] == ["adapter", epochs], name
        for row in rows:
            if row["arm"] in levels:
                assert (row["adapter"], f"epochs{row[epochs]}") == tuple(levels[row["arm"]].values())
    start = next(row for row in findings.tables["evaluation"].rows if row["arm"] == "zero_shot")
    assert start["adapter"] is None


def test_no_column_is_empty_for_all_arms(findings):
    for name in PER_ARM:
        headings, cells = for_people(findings.tables[name])
        assert "fraction" not in findings.tables[name].rows[0]
        assert all(set(column) != {"–"} for column in zip(*cells, strict=True)), (name, headings)
    assert csv_text(findings.tables["comparisons"]).startswith("arm,adapter,epochs,baseline,")


def test_a_study_of_selections_has_no_such_columns(tmp_path):
    findings = find(write_study(tmp_path / "s", seeds=(0,)))
    assert findings.factors == ()
    assert all(table.levels == () for table in findings.tables.values())
    assert list(findings.tables["iso_compute"].rows[0])[:2] == ["arm", "fraction"]


@pytest.mark.parametrize(
    ("levels", "values"),
    [
        ({"a": {"training.lora.r": 4}, "b": {"training.lora.r": 8}}, (4, 8)),
        ({"a": {"training.lora.r": 4}, "b": {"training.lora.lora_alpha": 8}}, ("a", "b")),
        ({"a": {"training.packing": True}, "b": {"training.packing": False}}, ("a", "b")),
        ({"a": {"training.lora.r": 4, "training.lora.lora_alpha": 8}, "b": {"training.lora.r": 4}}, ("a", "b")),
    ],
)
def test_a_number_is_the_same_keys_in_all_levels(levels, values, tmp_path):
    findings = find(write_varied(tmp_path / "s", {"x": levels}, seeds=(0,), effect=lambda _: 0.0))
    assert [factor.values for factor in findings.factors] == [values]


def test_names_of_factors_say_nothing_of_a_unit():
    arms = [ArmFacts(str(n), "full", 1.0, None, False, (0,), factors={"loss_share": str(n)}) for n in (1, 2)]
    table = Table("t", "T", tuple({"arm": arm.name, "loss": 1.0} for arm in arms))
    shown = with_factors(table, arms, [Factor("loss_share", ("1", "2"), (0.00025, 5e5))])
    assert for_people(shown) == (
        ["arm", "loss share", "loss"],
        [["1", "0.00025", "1.0000"], ["2", "500,000", "1.0000"]],
    )


def test_one_level_alone_is_no_factor(tmp_path):
    vary = SMALL | {"adapter": {"full": {"training.method": "full"}}}
    findings = find(write_varied(tmp_path / "s", vary, seeds=(0,)))
    assert [factor.name for factor in findings.factors] == ["epochs"]
