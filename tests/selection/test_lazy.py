import numpy as np
import pytest

from winnow.selection import lazy
from winnow.selection.lazy import lazy_greedy


class Cover:
    """Weighted coverage: each row holds some items, and adds the weight of those that nobody has added."""

    def __init__(self, rows, items, seed):
        rng = np.random.default_rng(seed)
        self.holds = rng.random((rows, items)) < 0.2
        self.weights = rng.integers(1, 4, items).astype(float)
        self.scored = 0

    def score(self, rows):
        self.scored += len(rows)
        return self.holds[rows] @ self.weights

    def take(self, row):
        self.weights[self.holds[row]] = 0


def greedy(cover, size):
    chosen = []
    for _ in range(size):
        scores = cover.score(np.arange(len(cover.holds)))
        scores[chosen] = -1
        chosen.append(int(scores.argmax()))
        cover.take(chosen[-1])
    return chosen


@pytest.mark.parametrize("front", [7, 60, 4_096])
@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_plain_greedy_with_ties_to_the_lower_row(front, batch, seed, monkeypatch):
    monkeypatch.setattr(lazy, "FRONT", front)
    plain, cover = Cover(150, 40, seed), Cover(150, 40, seed)
    bounds = cover.score(np.arange(150)) + np.random.default_rng(0).random(150)
    chosen = lazy_greedy(bounds, 150, score=cover.score, take=cover.take, batch=batch)
    assert chosen.tolist() == greedy(plain, 150)


def test_most_scores_are_left_uncomputed():
    cover = Cover(2_000, 400, 0)
    bounds = cover.score(np.arange(2_000))
    cover.scored = 0
    lazy_greedy(bounds, 20, score=cover.score, take=cover.take)
    assert cover.scored < 0.5 * 20 * 2_000


def test_rows_without_a_bound_are_never_chosen():
    cover = Cover(30, 40, 0)
    bounds = cover.score(np.arange(30))
    bounds[:20] = -np.inf
    chosen = lazy_greedy(bounds, 10, score=cover.score, take=cover.take)
    assert sorted(chosen) == list(range(20, 30))
