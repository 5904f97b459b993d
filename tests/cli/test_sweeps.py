"""A whole study whose learning rate is swept, through the library."""

import csv

import pytest

from tests_support import SMALLEST
from winnow.errors import ArtifactError
from winnow.pipeline import run
from winnow.recipe.file import load_recipe
from winnow.walk import Watch

pytestmark = pytest.mark.slow

ARMS = [
    "selection={fractions: [0.25], arms: [random], controls: false}",
    "study.primary={baseline: random_0.25}",
]


class Counting(Watch):
    """Remembers what was made."""

    def __init__(self):
        self.made = []

    def stage(self, name, kind):
        self.made.append(name)
        return super().stage(name, kind)


def swept(root, name, grid):
    watch = Counting()
    recipe = load_recipe(SMALLEST, [*ARMS, f"study.sweep={{learning_rate: {grid}, budget_fraction: 0.5}}"])
    findings = run(recipe, out=root / name, watch=watch)
    return findings, watch.made


def test_a_study_sweeps_once_and_trains_at_the_chosen_rate(finished_study):
    root = finished_study.parent  # whose store has a base and a pool
    findings, made = swept(root, "swept", "[3e-4, 1e-2, 900.0]")
    rows = findings.tables["sweep"].rows
    assert [row["learning_rate"] for row in rows] == [3e-4, 1e-2, 900.0]
    assert [row["stable"] for row in rows] == [True, True, False]
    best = min(rows[:2], key=lambda row: row["validation_loss"])
    assert best["chosen"] and findings.tables["iso_compute"].rows[0]["learning_rate"] == best["learning_rate"]
    with (root / "swept/tables/sweep.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 3
    assert "Learning-rate sweep" in (root / "swept/report.html").read_text()
    assert "chosen by a sweep" in (root / "swept/README.md").read_text()
    assert [name for name in made if name.startswith("trial")] == [
        f"trial.random_0.25.{rate}" for rate in (0.0003, 0.01, 900.0)
    ]

    assert swept(root, "swept", "[3e-4, 1e-2, 900.0]")[1] == []
    assert swept(root, "swept_on", "[1e-5, 3e-4, 1e-2]")[1] == ["trial.random_0.25.1e-05", "sweep.random_0.25"]
    with pytest.raises(ArtifactError, match=r"another sweep\.learning_rate"):
        swept(root, "swept", "[1e-5, 1e-2]")


def test_an_arm_that_cannot_pay_for_its_selection_has_no_trials(finished_study):
    overrides = [
        "budget.flops=6e8", "selection={fractions: [0.1], arms: [random, herding], controls: false}",
        "study.primary={baseline: random_0.1}", "study.sweep.learning_rate=[1e-3, 3e-3]",
    ]  # fmt: skip
    findings = run(load_recipe(SMALLEST, overrides), out=finished_study.parent / "poor_sweep")
    arms = {arm.name: arm.not_affordable for arm in findings.arms}
    assert "not affordable" in arms["herding_0.1"] and not arms["random_0.1"]
    assert {row["arm"] for row in findings.tables["sweep"].rows} == {"random_0.1"}
