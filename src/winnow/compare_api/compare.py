"""`winnow.compare`: a study's verdict on runs that others made.

found = compare(rows, baseline="full", metric="loss")     # rows: arm, seed, metric, value, step?, cost?
print(found.verdict)
print(found["herding"].difference, found["herding"].low, found["herding"].high, found["herding"].verdict)
found.write("runs/theirs")                                # page and tables
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from winnow.analysis.given_runs import GivenRun, Question, judge_given
from winnow.compare_api.rows import check_names, rows_of, runs_of
from winnow.errors import DataError
from winnow.findings import Comparison, GivenFindings
from winnow.metrics import direction
from winnow.recipe.arguments import Confidence, FolderPath, Must, Text, Truth, checks_arguments

PAGE = "comparison.html"


@dataclass(frozen=True, slots=True)
class ArmDifference:
    """An arm against the baseline, at the compared checkpoint, paired over seeds."""

    arm: str
    difference: float | None
    """Arm less baseline, mean over the common seeds, in the metric's own unit; None without a common seed."""
    low: float | None
    """Of the interval, corrected for the number of arms; None with one seed."""
    high: float | None
    verdict: Literal["better", "worse", "no difference shown", "too few seeds"]
    seeds: int
    """In common with the baseline."""
    needed_seeds: int | None
    """About how many would show a difference of this size, where none is shown; None: more than 1000."""


class Compared(Mapping[str, ArmDifference]):
    """What the runs show: a mapping from each arm but the baseline, best first, to its difference."""

    def __init__(self, findings: GivenFindings) -> None:
        self.findings = findings
        sign = 1 if findings.higher_is_better else -1
        self._arms = {each.arm: _difference(each, sign) for each in findings.verdict.ranking}

    def __getitem__(self, arm: str) -> ArmDifference:
        return self._arms[arm]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arms)

    def __len__(self) -> int:
        return len(self._arms)

    def __repr__(self) -> str:
        return f"Compared({self.verdict})"

    @property
    def advice(self) -> str:
        """The answer in plain words: which of the two to use, or that none is shown to be the one."""
        return self.findings.verdict.advice

    @property
    def verdict(self) -> str:
        """The answer in one sentence."""
        return self.findings.verdict.sentence

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know beside it, one sentence each."""
        return self.findings.verdict.notes

    @property
    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Rows by table: comparisons, runs, and where there is something to say cost_to_quality and best_steps."""
        return {name: list(table.rows) for name, table in self.findings.tables.items()}

    @checks_arguments(DataError)
    def write(self, folder: FolderPath) -> Path:
        """Leave the page, and the tables as CSV and Markdown, in a folder; the page's path."""
        from winnow.report.compared_page import write_compared

        page = Path(folder) / PAGE
        write_compared(page, self.findings)
        return page


def _difference(found: Comparison, sign: int) -> ArmDifference:
    """The gain, which is positive where it is better, as arm less baseline."""
    assert found.kind != "not affordable"
    gain = found.gain
    bounds: tuple[float | None, float | None] = (None, None)
    if gain is not None and gain.low is not None and gain.high is not None:
        bounds = (gain.low, gain.high) if sign > 0 else (-gain.high, -gain.low)
    return ArmDifference(
        arm=found.arm, difference=None if gain is None else sign * gain.mean, low=bounds[0], high=bounds[1],
        verdict=found.kind, seeds=gain.num if gain else 0, needed_seeds=found.needed_seeds,
    )  # fmt: skip


@checks_arguments(DataError)
def compare(
    rows: Any,
    *,
    baseline: Text,
    metric: Text = "loss",
    primary: Text | None = None,
    higher_is_better: Truth | None = None,
    checkpoint: Annotated[Literal["last", "best"], Must("be 'last' or 'best'")] = "last",
    best_by: Text | None = None,
    cost: Text = "cost",
    confidence: Confidence = 0.95,
) -> Compared:
    """Compare every arm with the baseline, as the verdict of a study does.

    `rows`: one measurement each, with `arm`, `seed`, `metric`, `value` and where known `step` and `cost` (cumulative);
    a list of dicts, a data frame, or paths of CSV, JSONL or Parquet files. `primary` names the arm whose comparison was
    declared before the runs: its sentence stands uncorrected. `higher_is_better` is needed where the metric's name does
    not say it. `checkpoint` is the measurement of each run that counts: its last, or its best by the metric `best_by`.
    Costs, in the column `cost`, give what an arm saves on the way to the baseline's best.

    Raises DataError, in one line, for rows that are incomplete, no numbers, or there twice.
    """
    runs = runs_of(rows_of(rows), cost=cost)
    check_names(runs, metric=metric, arms={"baseline": baseline, "primary": primary})
    question = Question(
        metric=metric, baseline=baseline, directions=_directions(runs, metric, best_by, higher_is_better),
        primary=primary, checkpoint=checkpoint, best_by=best_by, cost=cost, confidence=confidence,
    )  # fmt: skip
    measured = [run for run in runs if metric in run.metrics]
    _check_question(measured, question)
    return Compared(judge_given(measured, question))


def _directions(
    runs: list[GivenRun], metric: str, best_by: str | None, higher_is_better: bool | None
) -> dict[str, bool]:
    """Whether higher is better, of all metrics that say so. Raises DataError where a needed one does not."""
    names = dict.fromkeys(name for run in runs for name in run.metrics)
    found = {name: direction(name, higher_is_better if name == metric else None) for name in names}
    for name in (metric, best_by):
        if name in found and found[name] is None:
            how = "say higher_is_better" if name == metric else "give it a name that says so, such as validation_loss"
            raise DataError(f"the metric {name!r} does not say by its name whether higher is better; {how}")
    return {name: way for name, way in found.items() if way is not None}


def _check_question(runs: list[GivenRun], question: Question) -> None:
    if question.primary == question.baseline:
        raise DataError(f"primary and baseline are both {question.baseline!r}; name two arms")
    if all(run.arm == question.baseline for run in runs):
        raise DataError(f"{question.baseline} is the only arm with {question.metric}; give another to compare with it")
    if question.best_by is not None and question.checkpoint == "last":
        raise DataError(f"best_by is {question.best_by!r}, but the last checkpoint is compared; say checkpoint='best'")
    if question.checkpoint == "best" and all(len(run.metrics[question.metric]) == 1 for run in runs):
        raise DataError(
            f"checkpoint is 'best', but no run has {question.metric} at more than one step; give step with each row, "
            "or compare the last"
        )
    points = [point for run in runs for each in run.metrics.values() for point in each]
    if question.cost != "cost" and all(point.cost is None for point in points):
        raise DataError(f"cost is {question.cost!r}, a column in which no row has a number; name another, or none")
    for run in runs if question.best_by is not None else ():
        steps = {point.step for point in run.metrics[question.metric]}
        if not any(point.step in steps for point in run.metrics.get(question.best_by or "", ())):
            raise DataError(
                f"{run.arm}, seed {run.seed}, has no {question.best_by} at a step with {question.metric}; give both at "
                "the same steps"
            )
