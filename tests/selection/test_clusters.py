import numpy as np
import pytest

from winnow.errors import DataError
from winnow.selection.clusters import default_clusters, kmeans, kmeans_flops


def blobs(size=600, clusters=5, seed=0):
    rng = np.random.default_rng(seed)
    centres = 12 * rng.standard_normal((clusters, 8))
    labels = rng.integers(0, clusters, size)
    return (centres[labels] + rng.standard_normal((size, 8))).astype(np.float32), labels


@pytest.mark.parametrize("seed", range(3))
def test_planted_clusters_are_found(seed):
    points, labels = blobs(seed=seed)
    found = kmeans(points, 5, seed).assign(points)
    assert len(set(zip(found, labels, strict=True))) == 5


def test_rows_go_to_the_nearest_centre_and_centres_are_their_means():
    points, _ = blobs(clusters=3)
    found = kmeans(points, 7, 0, iterations=200)
    labels, distances = found.assign_with_distances(points)
    gaps = np.square(points[:, None].astype(np.float64) - found.centres).sum(axis=2)
    assert np.array_equal(labels, gaps.argmin(axis=1))
    np.testing.assert_allclose(distances, gaps.min(axis=1), rtol=1e-6)
    for cluster in range(7):
        np.testing.assert_allclose(found.centres[cluster], points[labels == cluster].mean(axis=0), rtol=1e-5)


def test_more_rounds_lower_the_sum_of_squares_and_a_seed_repeats():
    points, _ = blobs(clusters=30)
    sums = [kmeans(points, 12, 3, iterations=rounds).assign_with_distances(points)[1].sum() for rounds in (0, 1, 5, 50)]
    assert sums == sorted(sums, reverse=True) and sums[0] > sums[-1]
    assert np.array_equal(kmeans(points, 12, 3).centres, kmeans(points, 12, 3).centres)
    assert not np.array_equal(kmeans(points, 12, 3).centres, kmeans(points, 12, 4).centres)


def test_as_many_clusters_as_rows_differ():
    three = np.repeat(blobs()[0][:3], 30, axis=0)
    assert len(kmeans(three, 9, 0).centres) == 3
    assert kmeans(three, 9, 0).assign_with_distances(three)[1].max() == 0
    assert len(kmeans(np.ones((40, 4), dtype=np.float32), 9, 0).centres) == 1
    assert len(kmeans(three[:1], 9, 0).centres) == 1


def test_a_tie_goes_to_the_lower_cluster():
    found = kmeans(np.array([[0.1], [0.7]], dtype=np.float32), 2, 0)
    assert found.assign(np.array([[0.4]], dtype=np.float32)) == 0


def test_centres_fitted_to_a_sample_still_own_every_row():
    points, labels = blobs(2_000)
    found = kmeans(points, 5, 0, sample=200)
    assert len(set(zip(found.assign(points), labels, strict=True))) == 5


def test_nan_is_refused():
    points, _ = blobs()
    points[4, 2] = np.nan
    with pytest.raises(DataError, match="row 4"):
        kmeans(points, 3, 0)


def test_counts():
    assert [default_clusters(rows) for rows in (1, 3, 10_000)] == [1, 2, 100]
    assert kmeans_flops(1_000, 8, 10, iterations=4, sample=200) == 2 * 8 * 10 * (5 * 200 + 1_000)
