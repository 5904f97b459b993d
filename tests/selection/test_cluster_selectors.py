import numpy as np
import pytest

from tests_support import chosen_rows
from winnow.selection.clusters import KMeans, kmeans
from winnow.selection.semantic_deduplication import copy_scores
from winnow.selection.views import PoolView, Seen


def choose(name, points, size, **options):
    pool = PoolView([f"{row:06d}" for row in range(len(points))], np.full(len(points), "a"), np.ones(len(points), int))
    return chosen_rows(name, pool, size=size, seen=Seen(vectors=points), options=options)


def blobs(counts=(50, 30, 20), seed=0):
    rng = np.random.default_rng(seed)
    centres = 15 * rng.standard_normal((len(counts), 5))
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    return (centres[labels] + rng.standard_normal((len(labels), 5))).astype(np.float32), labels


@pytest.mark.parametrize("inside", ["nearest", "shuffled"])
def test_clusters_take_turns_the_largest_first(inside):
    points, labels = blobs()
    order = choose("cluster_round_robin", points, 100, clusters=3, inside=inside)
    assert labels[order[:60]].tolist() == [0, 1, 2] * 20
    assert labels[order[60:80]].tolist() == [0, 1] * 10
    assert set(labels[order[80:]]) == {0}


def test_the_nearest_to_its_centre_comes_first():
    points, labels = blobs()
    order = choose("cluster_round_robin", points, 100, clusters=3)
    for label in range(3):
        rows = points[order[labels[order] == label]].astype(np.float64)
        assert (np.diff(np.linalg.norm(rows - rows.mean(axis=0), axis=1)) >= -1e-4).all()


def brute_force_scores(rows, found: KMeans):
    """As published: inside a cluster from far to near, the highest cosine to a row that stands before."""
    labels = found.assign(rows)
    scores = np.full(len(rows), -1.0)
    for cluster in range(len(found.centres)):
        members = np.flatnonzero(labels == cluster)
        gaps = np.square(rows[members].astype(np.float64) - found.centres[cluster]).sum(axis=1)
        members = members[np.argsort(-np.round(gaps, 9), kind="stable")]
        cosines = np.triu(rows[members].astype(np.float64) @ rows[members].T, k=1) + np.tril(
            np.full(len(members), -1.0)
        )
        scores[members] = cosines.max(axis=0) if len(members) else []
    return scores


@pytest.mark.parametrize("block", [7, 2_048])
def test_scores_are_those_of_semdedup(block, monkeypatch):
    monkeypatch.setattr("winnow.selection.semantic_deduplication.BLOCK", block)
    rows = np.random.default_rng(0).standard_normal((300, 6)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = kmeans(rows, 9, 0)
    np.testing.assert_allclose(copy_scores(rows, found), brute_force_scores(rows, found), atol=1e-6)


def test_every_threshold_is_a_prefix():
    points = np.random.default_rng(0).standard_normal((300, 4)).astype(np.float32)
    rows = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    scores = copy_scores(rows, kmeans(rows, 17, 0))
    order = choose("semantic_deduplication", points, 300)
    for epsilon in (0.01, 0.05, 0.3):
        kept = np.flatnonzero(scores <= 1 - epsilon)
        assert 0 < len(kept) < 300
        assert set(order[: len(kept)]) == set(kept)


def test_planted_copies_come_last_and_the_first_of_each_stays():
    rng = np.random.default_rng(0)
    distinct = rng.standard_normal((150, 16)).astype(np.float32)
    near = distinct[:50] * 3 + 1e-3 * rng.standard_normal((50, 16)).astype(np.float32)
    points = np.concatenate([distinct, distinct[50:80], near])
    order = choose("semantic_deduplication", points, 230, clusters=6)
    assert set(order[200:]) == set(range(150, 180))
    kept = {row - 180 if row >= 180 else row for row in order[:150]}
    assert len(kept) == 150
