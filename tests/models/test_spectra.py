"""Spectra against torch's decomposition, against what is known of matrices, and against random ones."""

import pytest
import torch

from winnow.models.spectra import (
    Compared,
    adapter_singular_values,
    random_rank,
    rank_at,
    rounding_noise,
    singular_values,
    stable_rank,
)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("shape", [(40, 40), (24, 60), (60, 24), (1, 7)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_are_those_of_torch(shape, dtype):
    matrix = normal(*shape).to(dtype)
    expected = torch.linalg.svdvals(matrix.double())
    assert torch.allclose(singular_values(matrix), expected, rtol=1e-6, atol=1e-7 * float(expected[0]))
    compared = Compared(matrix, 2 * matrix)
    assert torch.allclose(compared.base_values, expected, rtol=1e-6)
    assert torch.allclose(compared.tuned_values, 2 * expected, rtol=1e-6)


def by_decomposition(base, tuned, first, below):
    """Intruders, as the paper defines them."""
    before, after = (torch.linalg.svd(each.double(), full_matrices=False).U for each in (base, tuned))
    return sum(int((vector @ before).abs().max() < below) for vector in after.T[:first])


@pytest.mark.parametrize("shape", [(40, 40), (24, 60), (60, 24), (30, 8)])
@pytest.mark.parametrize("size", [0.1, 0.5, 1.0, 3.0])
def test_intruders_are_those_of_torch(shape, size):
    base, change = normal(*shape).float(), normal(*shape, seed=9).float()
    compared = Compared(base, base + size * change)
    for first, below in ((10, 0.5), (3, 0.8), (1, 0.3), (100, 0.6)):
        assert compared.intruders(first=first, below=below) == by_decomposition(
            base, base + size * change, first, below
        )


def test_small_values_are_right_to_a_share_of_the_largest():
    left, right = (torch.linalg.qr(normal(30, 30, seed=seed)).Q for seed in (1, 2))
    planted = torch.logspace(0, -5, 30, dtype=torch.float64)
    assert torch.allclose(singular_values(left @ planted.diag() @ right), planted, atol=1e-7)


@pytest.mark.parametrize("shape", [(40, 30, 4), (30, 40, 16), (12, 40, 16), (8, 8, 16)])
@pytest.mark.parametrize("scale", [2.0, 0.25])
def test_an_adapter_has_the_values_of_its_product(shape, scale):
    out, into, r = shape
    b, a = normal(out, r, seed=1), normal(r, into, seed=2)
    found = adapter_singular_values(b, a, scale=scale)
    dense = singular_values(scale * b @ a)
    assert torch.allclose(found, dense[: len(found)], rtol=1e-6) and len(found) == min(shape)
    assert (dense[len(found) :] < 1e-6 * dense[0]).all()
    assert rank_at(found, 0.9) == rank_at(dense, 0.9)


def test_an_untrained_adapter_changes_nothing():
    values = adapter_singular_values(torch.zeros(9, 2), normal(2, 5).float(), scale=2.0)
    assert values.abs().max() == 0 and rank_at(values, 0.9) == 0 and stable_rank(values) == 0.0


def test_ranks_of_a_diagonal_are_counted_by_hand():
    values = singular_values(torch.diag(torch.tensor([1.0, 3.0, 2.0])))
    assert values.tolist() == pytest.approx([3, 2, 1])
    assert [rank_at(values, share) for share in (0.6, 9 / 14, 0.65, 0.9, 13 / 14, 0.95, 1.0)] == [1, 1, 2, 2, 2, 3, 3]
    assert stable_rank(values) == pytest.approx(14 / 9)
    zero = singular_values(torch.zeros(4, 6))
    assert rank_at(zero, 0.9) == 0 and stable_rank(zero) == 0.0


@pytest.mark.parametrize(
    ("shape", "published"),
    [((64, 64), 33), ((64, 172), 46), ((288, 768), 205), ((288, 288), 147), ((4096, 4096), 2089)],
)
def test_a_random_matrix_has_the_rank_that_was_measured(shape, published):
    expected = random_rank(*shape, 0.9)
    assert abs(expected - published) <= max(1, 0.005 * published)
    assert random_rank(*shape[::-1], 0.9) == expected
    if max(shape) < 1000:
        drawn = rank_at(singular_values(normal(*shape)), 0.9)
        assert abs(drawn - expected) <= 2


def test_every_share_of_a_random_matrix_is_that_of_a_drawn_one():
    values = singular_values(normal(200, 300))
    for share in (0.1, 0.5, 0.8, 0.99):
        assert abs(rank_at(values, share) - random_rank(200, 300, share)) <= 3


def test_intruders_are_the_planted_ones():
    left, right = torch.linalg.qr(normal(40, 40)).Q, torch.linalg.qr(normal(20, 20, seed=1)).Q
    values = torch.linspace(20, 1, 20, dtype=torch.float64)

    def intruders(vectors, first=10, below=0.5):
        return Compared(left[:, :20] * values @ right, vectors * values @ right).intruders(first=first, below=below)

    assert intruders(left[:, :20].flip(1)) == 0, "the base's own, in another order"
    tuned = left[:, :20].clone()
    tuned[:, :3] = left[:, 20:23]
    assert intruders(tuned) == 3 and intruders(tuned, first=2) == 2
    mixed = left[:, :20].clone()
    mixed[:, 0] = 0.6 * left[:, 0] + 0.8 * left[:, 20]
    assert intruders(mixed) == 0 and intruders(mixed, below=0.7) == 1


def test_a_large_rank_one_change_is_one_intruder_and_a_small_one_none():
    base = normal(60, 30)
    direction = normal(60, 1, seed=5) @ normal(1, 30, seed=6) / (60 * 30) ** 0.5
    for size, expected in ((0.01, 0), (10.0, 1)):
        largest = float(singular_values(base)[0])
        assert Compared(base, base + size * largest * direction).intruders(first=10, below=0.5) == expected


def test_matrices_of_lower_rank_have_no_vectors_of_rounding():
    base = normal(30, 3) @ normal(3, 12, seed=1)
    assert Compared(base, 2 * base).intruders(first=10, below=0.5) == 0
    assert Compared(base, torch.zeros(30, 12)).intruders(first=10, below=0.5) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_noise_floor_is_what_rounding_leaves(dtype):
    exact = normal(200, 200)
    rounded = exact.to(dtype)
    left = float((rounded.double() - exact).norm() / exact.norm())
    assert rounding_noise(rounded) == pytest.approx(left, rel=0.02)
    assert rounding_noise(torch.zeros(3, 3, dtype=dtype)) == 0.0
