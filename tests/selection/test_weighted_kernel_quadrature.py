import numpy as np
import pytest
from scipy.optimize import minimize

from winnow.selection.choose import choose
from winnow.selection.features import fit_fourier_features
from winnow.selection.views import PoolView, Seen, TargetSample
from winnow.selection.weighted_kernel_quadrature import quadrature_weights


def features_of(size, seed=0, features=128):
    rng = np.random.default_rng(seed)
    points = (2 * rng.standard_normal((6, 8)))[rng.integers(0, 6, size)] + rng.standard_normal((size, 8))
    return fit_fourier_features(points.astype(np.float32), features=features, seed=1).apply(points.astype(np.float32))


def select(rows, size, name="weighted_kernel_quadrature", target=None):
    pool = PoolView([f"{row:06d}" for row in range(len(rows))], np.full(len(rows), "a"), np.ones(len(rows), dtype=int))
    sample = None if target is None else TargetSample(np.full(len(target), "a"), features=target)
    return choose(name, pool, size=size, seen=Seen(features=rows, target=sample))


def squared_gap(rows, weights, aim):
    gap = weights @ rows.astype(np.float64) / len(rows) - aim
    return float(gap @ gap)


@pytest.mark.parametrize("size", [1, 5, 60])
@pytest.mark.parametrize("towards", ["pool", "target"])
def test_it_herds_and_the_weighted_mean_is_closer_than_the_plain_one(size, towards):
    rows = features_of(400)
    target = rows[:20] if towards == "target" else None
    found = select(rows, size, target=target)
    assert found.rows.tolist() == select(rows, size, "herding", target).rows.tolist()
    assert found.weights.min() > 0 and found.weights.mean() == pytest.approx(1)
    aim = (rows if target is None else target).mean(axis=0, dtype=np.float64)
    weighted, plain = (squared_gap(rows[found.rows], each, aim) for each in (found.weights, np.ones(size)))
    assert weighted <= plain * (1 + 1e-9)
    if size == 60:
        assert weighted < 0.9 * plain


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_weights_are_the_constrained_optimum(ridge):
    rows = features_of(12, features=32)
    aim = features_of(300, features=32)[:40].mean(axis=0, dtype=np.float64)

    def error(weights):
        return 1e3 * (squared_gap(rows, weights, aim) + ridge * np.square(weights - 1).sum() / 144)

    found = quadrature_weights(rows, aim, ridge=ridge, floor=0.1)
    bounds, total = [(0.1, None)] * 12, {"type": "eq", "fun": lambda weights: weights.sum() - 12}
    best = minimize(error, np.ones(12), bounds=bounds, constraints=total, method="SLSQP", options={"ftol": 1e-12})
    assert found.min() >= 0.1 - 1e-9 and found.sum() == pytest.approx(12)
    assert error(found) <= best.fun * (1 + 1e-3)


def test_a_copied_row_shares_its_weight():
    rows = features_of(30)
    aim = rows[:10].mean(axis=0, dtype=np.float64)
    weights = quadrature_weights(rows[[0, *range(10)]], aim, ridge=0.0, floor=0.01)
    assert weights[:2] == pytest.approx([0.55, 0.55], abs=0.02)
    assert weights[2:] == pytest.approx(np.full(9, 1.1), abs=0.02)
