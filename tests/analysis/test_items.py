import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from study_factory import write_study

from winnow.analysis.item_records import items_of, read_items
from winnow.analysis.items import ItemScores, Parts, interval_of_one_run, interval_over_items, parts_of
from winnow.analysis.statistics import mean_interval
from winnow.analysis.study_folder import load
from winnow.analysis.verdict import judge
from winnow.errors import ArtifactError

SETS = np.array(["a"] * 6 + ["b"] * 4)


def scores(seed, *, sets=SETS, metric="loss"):
    rng = np.random.default_rng(seed)
    tokens = np.arange(1.0, len(sets) + 1)
    ids = np.array([f"{name}:{place}" for place, name in enumerate(sets)])
    if metric == "exact_match":
        return ItemScores(sets, ids, rng.integers(0, 2, len(sets)).astype(float), np.ones(len(sets)))
    return ItemScores(sets, ids, rng.random(len(sets)) * tokens, tokens)


def level(each, aggregate):
    """From the definition: nats per target token, or the share that is right."""
    if aggregate == "macro":
        return np.mean([level(each.of_set(name), "micro") for name in ("a", "b")])
    kept = each if aggregate == "micro" else each.of_set(aggregate)
    return kept.sums.sum() / kept.weights.sum()


@pytest.mark.parametrize("metric", ["loss", "exact_match"])
@pytest.mark.parametrize("aggregate", ["micro", "macro", "b"])
def test_the_parts_of_a_run_add_up_to_its_level(metric, aggregate):
    runs = {seed: scores(seed, metric=metric) for seed in (3, 1, 2)}
    sums = parts_of(runs, aggregate=aggregate).values.sum(axis=1)
    assert sums == pytest.approx([level(runs[seed], aggregate) for seed in (1, 2, 3)])


def test_runs_on_other_items_have_no_parts():
    other = scores(1, sets=SETS[:-1])
    assert parts_of({0: scores(0), 1: other}, aggregate="micro") is None
    ours, theirs = (parts_of({0: each}, aggregate="micro") for each in (scores(0), other))
    assert ours.minus(theirs) is None
    assert parts_of({0: scores(0)}, aggregate="c") is None


def test_variances_are_those_of_the_two_way_layout():
    """Against the mean squares of a textbook's table: seeds, items within one set, and what is left."""
    values = np.random.default_rng(0).standard_normal((4, 30))
    found = interval_over_items(Parts(values / 30, np.full(30, "a"), np.arange(30).astype(str)))
    rows, columns = values.mean(axis=1), values.mean(axis=0)
    rest = values - rows[:, None] - columns + values.mean()
    squares = 30 * rows.var(ddof=1), 4 * columns.var(ddof=1), (rest**2).sum() / (3 * 29)
    variance = max(squares[0] + squares[1] - squares[2], squares[0]) / 120
    assert found.mean == pytest.approx(values.mean())
    over_seeds = mean_interval(rows.tolist()).half_width
    assert found.half_width >= over_seeds
    assert found.half_width == pytest.approx(max(over_seeds, _quantile(squares, variance) * np.sqrt(variance)))


def _quantile(squares, variance):
    from scipy.stats import t

    freedom = (3, 29, 3 * 29)
    spread = sum((each / 120) ** 2 / number for each, number in zip(squares, freedom, strict=True))
    return t.ppf(0.975, variance**2 / spread)


def test_one_run_has_an_interval_over_its_items_alone():
    values = np.random.default_rng(0).standard_normal((1, 400)) / 400
    parts = Parts(values, np.full(400, "a"), np.arange(400).astype(str))
    assert interval_over_items(parts) is None
    found = interval_of_one_run(parts)
    assert found.half_width == pytest.approx(1.966 * values.std(ddof=1) * 20, rel=1e-3)
    one = Parts(values[:, :2], np.array(["a", "b"]), np.array(["0", "1"]))
    assert interval_of_one_run(one) is None


def test_equal_parts_leave_no_doubt():
    parts = Parts(np.full((3, 10), 0.1), np.full(10, "a"), np.arange(10).astype(str))
    assert interval_over_items(parts).half_width == 0


def write_items(folder, arm, seed, *, gain):
    """Four items a set, the arm's losses lower by `gain`, more on some items than on others."""
    rng = np.random.default_rng(seed)
    varied = np.array([3.0, -1.0, 3.0, -1.0, 3.0, -1.0, 3.0, -1.0])
    rows = {
        "set": ["gsm_like"] * 4 + ["choice_like"] * 4, "id": [str(each) for each in range(8)],
        "loss": 10 * (2 - gain * varied + 0.001 * rng.standard_normal(8)), "target_tokens": [10] * 8,
        "correct": [True, False] * 4,
    }  # fmt: skip
    place = folder / "records" / "items" / f"evaluation.{arm}{'' if seed == 0 else f'_s{seed}'}_best.parquet"
    place.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(rows), place)
    return place


def test_a_finding_that_rests_on_few_items_is_said_not_to_hold_for_others(tmp_path):
    folder = write_study(tmp_path / "s", effects={"full": 0.0, "herding_0.25": 0.05})
    for seed in (0, 1, 2):
        write_items(folder, "full", seed, gain=0.0)
        write_items(folder, "herding_0.25", seed, gain=0.05)
    found = judge(load(folder))
    assert (found.kind, found.primary.num_items) == ("better", 8)
    assert found.primary.over_items.low < 0 < found.primary.over_items.high
    assert found.notes[-1].startswith("The interval covers other seeds on these 8 items; for other items of the same")
    assert found.notes[-1].endswith("; the difference is not shown for other items.")


def test_missing_items_leave_the_interval_over_seeds(tmp_path):
    folder = write_study(tmp_path / "s", effects={"full": 0.0, "herding_0.25": 0.05}, seeds=(0, 1))
    write_items(folder, "full", 0, gain=0.0)
    study = load(folder)
    assert items_of(study, "full", "best", "loss") == {}
    assert judge(study).primary.over_items is None


def test_a_damaged_file_of_items_is_named(tmp_path):
    place = tmp_path / "items.parquet"
    place.write_bytes(b"PAR1")
    with pytest.raises(ArtifactError, match=r"items.parquet is damaged"):
        read_items(place, "loss")
