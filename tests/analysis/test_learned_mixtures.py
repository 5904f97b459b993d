"""Tables of learned shares: what was predicted beside what came of it, recomputed from plain numbers."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from winnow.analysis.learned_mixtures import fit_of, learned_tables
from winnow.analysis.mixtures import on_the_way
from winnow.analysis.statistics import mean_interval
from winnow.analysis.study_records import KnotAsked, MixtureRead, SourceRead

ARMS = [SimpleNamespace(name=name, seeds=(0, 1, 2)) for name in ("natural", "equal", "learned")]
LOSSES = {
    "natural": {0: (1.0, 2.0), 1: (1.1, 2.1), 2: (1.2, 1.9)}, "equal": {0: (0.9, 1.8), 1: (1.0, 1.7), 2: (0.95, 1.9)},
    "learned": {0: (0.8, 1.7), 1: (0.85, 1.75), 2: (0.9, 1.6)},
}  # fmt: skip
"""Arm -> seed -> bits per byte on the books and on the web."""
GOAL = {"books": 0.25, "web": 0.75}


def read(source, share):
    return SourceRead(source, share, share, 10, 100, 100, 1.0, 100.0)


def mixture(*knots, between="linear"):
    return MixtureRead(
        (read("books", 0.5), read("web", 0.5)), rows=(0, 4, 10), rows_by_source=((0, 0), (1, 3), (5, 5)),
        between=between,
        knots=tuple(KnotAsked(at, {"books": share, "web": 1 - share}) for at, share in knots),
    )  # fmt: skip


class Study:
    """The little of a study folder that the tables read."""

    def __init__(self, folder, fit, *, losses=LOSSES, mixtures=None):
        self.folder, self.losses = folder, losses
        (folder / "learned.json").write_text(json.dumps(fit))
        shares = {"natural": 0.3, "equal": 0.5, "learned": 0.8}
        self.mixtures = mixtures or {name: mixture((0.0, share)) for name, share in shares.items()}
        study = SimpleNamespace(confidence=0.95, primary=SimpleNamespace(checkpoint="last"))
        self.recipe = SimpleNamespace(study=study)

    def runs_of(self, arm):
        plan = SimpleNamespace(tokens=320, visits=10)
        return {seed: SimpleNamespace(mixture=self.mixtures[arm], plan=plan) for seed in self.losses.get(arm, ())}

    def path_of(self, file, arm, seed):
        return self.folder / f"{arm}.json"

    def finals_of(self, arm, checkpoint):
        assert checkpoint == "last"
        return {
            seed: SimpleNamespace(
                levels={"books": {"bits_per_byte": books}, "web": {"bits_per_byte": web}, "micro": {}}
            )
            for seed, (books, web) in self.losses.get(arm, {}).items()
        }


def fit(**changes):
    learned = {
        "goal": GOAL, "shares": {"books": 0.8, "web": 0.2}, "gain_interval": [0.02, 0.4], "predicted_loss": 1.1,
        "predicted_gain": 0.1, "rank_correlation": 0.9, "sentences": ["a", "b"],
    }  # fmt: skip
    proxy = {"name": "p0", "shares": {"books": 1.0, "web": 0.0}, "tokens": 320, "steps": 5, "flops": 2e15,
             "match_repeats": True, "losses": {"books": 0.7, "web": 1.5}}  # fmt: skip
    return {"learned": learned | changes, "proxies": [proxy]}


def row_of(tmp_path, **others):
    changes = others.pop("fit", {})
    (row,) = {table.name: table for table in learned_tables(Study(tmp_path, fit(**changes), **others), ARMS)}[
        "predicted_realised"
    ].rows
    return row


def nats(pair):
    return math.log(2) * (0.25 * pair[0] + 0.75 * pair[1])


def test_realised_loss_and_gain_are_the_goals_weighted_mean_in_nats(tmp_path):
    row = row_of(tmp_path)
    ours, theirs = ([nats(pair) for pair in LOSSES[arm].values()] for arm in ("learned", "equal"))
    expected = mean_interval([their - our for our, their in zip(ours, theirs, strict=True)])
    assert row["realised_loss"] == pytest.approx(np.mean(ours))
    assert (row["realised_gain"], row["realised_gain_low"], row["realised_gain_high"]) == pytest.approx(
        (expected.mean, expected.low, expected.high)
    )
    assert row["realised_gain"] > 0 and row["inside"] is True
    assert (row["shares"], row["note"]) == ("books 0.800, web 0.200", "a; b")


@pytest.mark.parametrize(("interval", "inside"), [
    ([0.02, 0.4], True), ([0.2, 0.4], False), ([-0.1, 0.01], False), (None, None),
])  # fmt: skip
def test_inside_is_told_only_where_there_is_an_interval(tmp_path, interval, inside):
    assert row_of(tmp_path, fit={"gain_interval": interval})["inside"] is inside


def test_without_an_arm_of_equal_shares_no_gain_is_realised(tmp_path):
    drifting = mixture((0.0, 0.5), (1.0, 0.6))
    mixtures = {"natural": mixture((0.0, 0.3)), "equal": drifting, "learned": mixture((0.0, 0.8))}
    row = row_of(tmp_path, mixtures=mixtures)
    assert (row["realised_gain"], row["inside"]) == (None, None) and row["realised_loss"] is not None


def test_a_goal_that_is_not_evaluated_has_no_realised_loss(tmp_path):
    row = row_of(tmp_path, fit={"goal": {"target": 1.0}})
    assert (row["realised_loss"], row["realised_gain"], row["predicted_loss"]) == (None, None, 1.1)


def test_gains_are_paired_over_the_seeds_that_both_have(tmp_path):
    losses = LOSSES | {"equal": {1: LOSSES["equal"][1], 2: LOSSES["equal"][2]}}
    gains = [nats(losses["equal"][seed]) - nats(losses["learned"][seed]) for seed in (1, 2)]
    assert row_of(tmp_path, losses=losses)["realised_gain"] == pytest.approx(np.mean(gains))


def test_proxies_have_a_row_for_each_set(tmp_path):
    proxies = learned_tables(Study(tmp_path, fit()), ARMS)[0]
    assert [(row["arm"], row["set"], row["nats_per_byte"]) for row in proxies.rows] == [
        ("learned", "books", 0.7), ("learned", "web", 1.5),
    ]  # fmt: skip
    assert {row["exaflops"] for row in proxies.rows} == {0.002}


def test_shares_that_were_given_leave_no_table(tmp_path):
    study = Study(tmp_path, {"learned": None})
    assert fit_of(study, "learned") == fit_of(study, "natural") == {} and learned_tables(study, ARMS) == []


@pytest.mark.parametrize(("knots", "between"), [
    ([(0.0, 0.25)], "linear"), ([(0.0, 0.0), (1.0, 1.0)], "linear"), ([(0.0, 1.0), (0.4, 0.5)], "step"),
    ([(0.5, 0.2), (0.9, 0.6)], "linear"),
])  # fmt: skip
def test_points_on_the_way_have_what_was_asked_and_read_between_them(tmp_path, knots, between):
    """Rows 0 to 4 and 4 to 10 of ten: a share is the mean of its line there, by a fine sum."""
    study = Study(tmp_path, {}, mixtures={"learned": mixture(*knots, between=between)})
    rows = on_the_way(study, ARMS[2:]).rows
    books, web = ([row for row in rows if row["source"] == name] for name in ("books", "web"))
    places, heights = zip(*knots, strict=True)
    for row, (start, end) in zip(books, ((0.0, 0.4), (0.4, 1.0)), strict=True):
        fine = np.linspace(start, end, 20001)[:-1] + (end - start) / 40000
        line = np.interp(fine, places, heights) if between == "linear" else np.where(fine < 0.4, 1.0, 0.5)
        assert row["asked_share"] == pytest.approx(line.mean(), abs=1e-6)
    assert [row["realised_share"] for row in books] == pytest.approx([1 / 4, 4 / 6])
    assert [(row["from_tokens"], row["until_tokens"]) for row in books] == [(0, 128), (128, 320)]
    for one, other in zip(books, web, strict=True):
        assert one["asked_share"] + other["asked_share"] == pytest.approx(1)
        assert one["realised_share"] + other["realised_share"] == pytest.approx(1)
