"""Whitening: what comes out is uncorrelated, by three ways to the root and three structures."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from bnbook import norms
from bnbook.norms import whitening

seeds = st.integers(0, 2**31)
SHAPES = [(400, 12), (20, 12, 5, 4)]
shaped = pytest.mark.parametrize("shape", SHAPES, ids=["linear", "convolution"])


def draw(shape, seed=0, mixing=1.0):
    """Correlated features; the smaller `mixing`, the less."""
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.eye(shape[1]) + mixing * torch.randn(shape[1], shape[1], generator=generator)
    x = torch.randn(shape, generator=generator).double()
    return torch.einsum("fg,ng...->nf...", mixed.double(), x) + 3


def whitened(kind, x, eps=1e-14):
    layer = norms.build(kind, x.shape[1], x.dim()).double()
    layer.eps = eps
    return layer(x).detach()


def covariance(x):
    values = x.transpose(0, 1).flatten(1)
    return torch.cov(values, correction=0)


def rows(x):
    """Write `x` as `(values, features)`, in NumPy."""
    return x.transpose(0, 1).flatten(1).t().numpy()


@shaped
@pytest.mark.parametrize("kind", ["zca", "pca"])
def test_the_covariance_of_what_comes_out_is_the_identity(kind, shape):
    y = whitened(kind, draw(shape), eps=1e-9)
    torch.testing.assert_close(covariance(y), torch.eye(12).double(), rtol=0, atol=1e-5)
    torch.testing.assert_close(y.transpose(0, 1).flatten(1).mean(1), torch.zeros(12).double())


@shaped
def test_blocks_come_out_white_and_nothing_else_does(shape):
    x = draw(shape)
    cov = covariance(whitened("block", x))
    size = whitening.block_size(12)
    assert size == 6
    inside = torch.block_diag(*[torch.ones(size, size)] * (12 // size)).bool()
    torch.testing.assert_close(cov[inside], torch.eye(12).double()[inside], rtol=0, atol=1e-9)
    assert cov[~inside].abs().max() > 0.1


@shaped
def test_the_columns_of_a_monarch_table_come_out_white(shape):
    x = draw(shape)
    cov = covariance(whitened("monarch", x))
    assert whitening.grid_sides(12) == (3, 4)
    column = torch.arange(12) % 4
    same = column.unsqueeze(0) == column.unsqueeze(1)
    torch.testing.assert_close(cov[same], torch.eye(12).double()[same], rtol=0, atol=1e-9)


def test_of_many_correlations_a_monarch_leaves_less_than_blocks_and_those_less_than_batch_norm():
    x = draw((2000, 120), mixing=0.1)

    def correlation(kind):
        found = covariance(whitened(kind, x))
        return float((found - torch.diag(found.diagonal())).norm())

    assert correlation("monarch") < correlation("block") < correlation("batch")


@settings(deadline=None, max_examples=20)
@given(seeds, st.sampled_from(SHAPES))
def test_zca_is_the_inverse_root_of_the_covariance(seed, shape):
    x = draw(shape, seed)
    naive = rows(x) - rows(x).mean(0)
    eps = 1e-3
    root = linalg.inv(linalg.sqrtm(naive.T @ naive / len(naive) + eps * np.eye(12)))
    np.testing.assert_allclose(rows(whitened("zca", x, eps)), naive @ root.real, atol=1e-6)


def test_a_monarch_whitening_is_two_block_diagonal_matrices_and_a_permutation():
    x = draw((400, 12))
    z = rows(x) - rows(x).mean(0)

    def whitened_blocks(z, size):
        blocks = [z[:, i : i + size] for i in range(0, 12, size)]
        roots = [linalg.inv(linalg.sqrtm(block.T @ block / len(z))).real for block in blocks]
        return linalg.block_diag(*roots)

    first = whitened_blocks(z, 4)
    transpose = np.eye(12)[np.arange(12).reshape(3, 4).T.ravel()]
    second = whitened_blocks(z @ first.T @ transpose.T, 3)
    monarch = transpose.T @ second @ transpose @ first
    np.testing.assert_allclose(rows(whitened("monarch", x)), z @ monarch.T, atol=1e-6)
    assert np.count_nonzero(np.abs(monarch) > 1e-9) == 144  # dense, though made of 12 * (3 + 4)
    assert np.count_nonzero(first) + np.count_nonzero(second) == 84


def test_a_pca_whitening_is_zca_seen_from_other_axes():
    x = draw((400, 12))
    pca, zca = rows(whitened("pca", x)), rows(whitened("zca", x))
    turn = np.linalg.lstsq(zca, pca, rcond=None)[0]
    np.testing.assert_allclose(zca @ turn, pca, atol=1e-6)
    np.testing.assert_allclose(turn @ turn.T, np.eye(12), atol=1e-6)
    divided = whitening.pca(covariance(x), 0.0).norm(dim=1)
    assert (divided.diff() > 0).all(), "longest axis first"


def test_newtons_iteration_converges_to_zca(monkeypatch):
    cov = covariance(draw((400, 12)))
    exact = whitening.zca(cov, 0.0)
    errors = []
    for iterations in (1, 5, 10, 25):
        monkeypatch.setattr(whitening, "ITERATIONS", iterations)
        errors.append(float((whitening.newton(cov, 0.0) - exact).norm() / exact.norm()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-8


def test_five_of_newtons_iterations_are_enough_for_few_features_that_are_little_correlated():
    x = draw((400, 4), mixing=0.05)
    torch.testing.assert_close(whitened("newton", x), whitened("zca", x), rtol=0, atol=1e-3)


def test_the_coupled_iteration_is_the_papers():
    cov = covariance(draw((400, 12), mixing=0.1))
    normed = cov / cov.trace()
    p = torch.eye(12).double()
    for _ in range(whitening.ITERATIONS):
        p = (3 * p - p @ p @ p @ normed) / 2
    torch.testing.assert_close(whitening.newton(cov, 0.0), p / cov.trace().sqrt())


def test_few_iterations_whiten_small_directions_in_part():
    x = draw((400, 12))
    values = torch.linalg.eigvalsh(covariance(whitened("newton", x)))
    assert values.max() < 1 + 1e-6
    assert values.min() < 0.5


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_the_root_has_its_numeric_gradient(seed):
    cov = covariance(draw((60, 5), seed)) + 0.1 * torch.eye(5).double()

    def root(c):
        return whitening.zca((c + c.mT) / 2, 0.0)

    assert torch.autograd.gradcheck(root, cov.requires_grad_())


def test_equal_eigenvalues_leave_the_roots_gradient_right_and_that_of_the_axes_bounded():
    equal = 2.0 * torch.eye(4).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda c: whitening.zca((c + c.mT) / 2, 0.0), equal)

    def slope(function):
        (grad,) = torch.autograd.grad(
            (function(equal) * torch.arange(16.0).view(4, 4)).sum(), equal
        )
        return grad

    def by_autograd(cov):
        values, vectors = torch.linalg.eigh(cov)
        return (vectors / values.sqrt()) @ vectors.mT

    assert not slope(by_autograd).isfinite().all(), "torch's eigh would need no care any more"
    assert slope(lambda c: whitening.pca(c, 1e-5)).isfinite().all()


def test_pca_axes_have_their_numeric_gradient_where_lengths_differ():
    x = (draw((40, 4), mixing=0.1) * torch.tensor([1.0, 2.0, 4.0, 8.0])).requires_grad_()
    layer = norms.PCANorm(4).double()
    assert torch.autograd.gradcheck(layer, x, atol=1e-4)


def test_a_hair_makes_pca_axes_change_places_and_leaves_zca_where_it_was():
    x = whitened("zca", draw((500, 2)))
    longer_first, longer_second = x * torch.tensor([1.01, 1.0]), x * torch.tensor([1.0, 1.01])
    moved = {
        kind: float((whitened(kind, longer_first) - whitened(kind, longer_second)).norm())
        for kind in ("zca", "pca")
    }
    assert moved["zca"] < 0.02 * x.norm()
    assert moved["pca"] > 0.9 * x.norm()


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_zca_turns_with_the_data_and_forgets_stretching_of_whole_batches(seed):
    x = draw((100, 6), seed, mixing=0.2)  # far from singular, where rounding would decide
    x = x - x.mean(0)
    turn = torch.linalg.qr(draw((6, 6), seed + 1))[0]
    torch.testing.assert_close(whitened("zca", x @ turn), whitened("zca", x) @ turn)
    torch.testing.assert_close(whitened("zca", 7 * x), whitened("zca", x))


def test_zca_moves_the_data_least_of_all_whitenings():
    x = draw((400, 12), mixing=0.3)
    zca, pca = whitened("zca", x), whitened("pca", x)
    turn = torch.linalg.qr(draw((12, 12)))[0]
    distances = [float((y - (x - x.mean(0))).norm()) for y in (zca, pca, zca @ turn)]
    assert distances[0] == min(distances)


@pytest.mark.parametrize("n", [3, 5, 8, 12])
def test_a_batch_no_larger_than_the_features_is_finite_and_loses_all_distances(n):
    x = draw((n, 12)).requires_grad_()
    layer = norms.WhiteningNorm(12).double()
    y = layer(x)
    (y * draw((n, 12), 1)).sum().backward()
    assert x.grad.isfinite().all()
    distances = torch.pdist(y.detach())
    torch.testing.assert_close(distances, distances[:1].expand_as(distances), rtol=1e-3, atol=0)
    before = torch.pdist(x.detach())
    assert before.max() > 1.1 * before.min()


def test_eval_uses_the_root_of_the_average_covariance():
    layer = norms.WhiteningNorm(3, momentum=None).double()
    batches = [draw((50, 3), seed) for seed in (0, 1)]
    for batch in batches:
        layer(batch)
    cov = sum(torch.cov(batch.t()) for batch in batches) / 2
    mean = sum(batch.mean(0) for batch in batches) / 2
    root = linalg.inv(linalg.sqrtm((cov + layer.eps * torch.eye(3)).numpy()))
    expected = (batches[0] - mean) @ torch.from_numpy(root)
    torch.testing.assert_close(layer.eval()(batches[0]), expected)


@given(st.integers(1, 600))
def test_blocks_and_tables_hold_every_feature_once(features):
    size = whitening.block_size(features)
    assert features % size == 0
    assert size <= whitening.BLOCK
    height, width = whitening.grid_sides(features)
    assert height * width == features
    assert height <= width


def test_the_compact_forms_keep_fewer_numbers():
    kept = {}
    for kind in ("zca", "block", "monarch"):
        buffers = dict(norms.build(kind, 120, 2).named_buffers())
        kept[kind] = sum(b.numel() for name, b in buffers.items() if "cov" in name)
    assert kept == {"zca": 120**2, "block": 120 * 8, "monarch": 120 * (10 + 12)}
