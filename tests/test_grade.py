"""The grader of a reader's own batch norm: right ones pass, each mistake gets its name."""

import numpy as np
import pytest
import torch

from bnbook import lab as labs

EPS = 1e-5


def forward(x, gamma, beta, eps=EPS):
    """A right one."""
    centered = x - x.mean(0)
    scale = 1 / np.sqrt((centered**2).mean(0) + eps)
    xhat = centered * scale
    return gamma * xhat + beta, (xhat, scale, gamma)


def backward(dy, cache):
    xhat, scale, gamma = cache
    n = len(dy)
    dgamma, dbeta = (dy * xhat).sum(0), dy.sum(0)
    return gamma * scale * (dy - dbeta / n - xhat * dgamma / n), dgamma, dbeta


def in_steps(dy, cache):
    """The same gradient, along the graph."""
    xhat, scale, gamma = cache
    centered, n = xhat / scale, len(dy)
    dxhat = dy * gamma
    dvar = (dxhat * centered).sum(0) * -0.5 * scale**3
    dmean = -(dxhat * scale).sum(0) - 2 * dvar * centered.mean(0)
    return dxhat * scale + 2 * dvar * centered / n + dmean / n, (dy * xhat).sum(0), dy.sum(0)


def normalizing(z):
    """A forward pass with `z(x)` in place of xhat; what backward needs is as it should be."""
    return lambda x, gamma, beta: (gamma * z(x) + beta, forward(x, gamma, beta)[1])


def only_complaint(grade):
    (complaint,) = grade.complaints
    assert not grade.passed
    assert complaint in grade._repr_markdown_()
    assert complaint in repr(grade)
    return complaint


@pytest.mark.parametrize("solution", [backward, in_steps])
def test_a_right_solution_passes_every_check(solution):
    grade = labs.grade_batch_norm(forward, solution)
    assert grade.passed
    assert grade.complaints == []
    assert repr(grade).count("✓") == len(grade.items) == 13
    shown = grade._repr_markdown_()
    assert shown.startswith("**All checks pass.**")
    assert "<details><summary>13 of 13 checks pass</summary>\n\n- ✓" in shown


def test_a_solution_in_torch_passes():
    def by_autograd(x, gamma, beta):
        x, gamma, beta = (torch.tensor(a, requires_grad=True) for a in (x, gamma, beta))
        y = torch.nn.functional.batch_norm(x, None, None, gamma, beta, training=True, eps=EPS)
        return y, (y, x, gamma, beta)

    def by_torch(dy, cache):
        y, *inputs = cache
        return torch.autograd.grad(y, inputs, torch.as_tensor(dy))

    assert labs.grade_batch_norm(by_autograd, by_torch).passed


# Published mistakes of the forward pass, each made in one line

MISTAKES = {
    "squared": lambda x: (x - x.mean(0)) / np.sqrt(x.var(0) ** 2 + EPS),
    "instead of the number of rows": lambda x: (
        (x - x.sum(0) / 4) / np.sqrt(((x - x.sum(0) / 4) ** 2).sum(0) / 4 + EPS)
    ),
    "The squares are divided by": lambda x: (
        (x - x.mean(0)) / np.sqrt(((x - x.mean(0)) ** 2).sum(0) / 4 + EPS)
    ),
    "Epsilon is missing": lambda x: (x - x.mean(0)) / np.sqrt(x.var(0)),
    "unbiased": lambda x: (x - x.mean(0)) / x.std(0, ddof=1),
    "outside the root": lambda x: (x - x.mean(0)) / (x.std(0) + EPS),
    "Your eps is 1e-08": lambda x: (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-8),
    "Your eps is 0.001": lambda x: (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3),
    "You divide by the variance": lambda x: (x - x.mean(0)) / (x.var(0) + EPS),
    "layer norm": lambda x: (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + EPS),
    "whole array": lambda x: (x - x.mean()) / np.sqrt(x.var() + EPS),
    "The mean is not subtracted": lambda x: x / np.sqrt(x.var(0) + EPS),
    "nothing is divided": lambda x: x - x.mean(0),
    "the mean of x²": lambda x: (x - x.mean(0)) / np.sqrt((x**2).mean(0) + EPS),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_published_mistake_of_the_forward_pass_is_named(name):
    grade = labs.grade_batch_norm(normalizing(MISTAKES[name]), backward)
    assert name in grade.complaints[0]


AFFINE = {
    "gamma and beta are not used": lambda xhat, gamma, beta: xhat,
    "gamma is not used": lambda xhat, gamma, beta: xhat + beta,
    "beta is not used": lambda xhat, gamma, beta: gamma * xhat,
    "before gamma multiplies": lambda xhat, gamma, beta: gamma * (xhat + beta),
    "changed places": lambda xhat, gamma, beta: beta * xhat + gamma,
    "gamma * xhat + beta": lambda xhat, gamma, beta: 2 * gamma * xhat + beta,
}


@pytest.mark.parametrize("name", AFFINE)
def test_a_mistake_with_gamma_and_beta_is_named(name):
    def affine(x, gamma, beta):
        cache = forward(x, gamma, beta)[1]
        plain = np.all(gamma == 1) and not beta.any()
        return (cache[0] if plain else AFFINE[name](cache[0], gamma, beta)), cache

    assert name in labs.grade_batch_norm(affine, backward).complaints[0]


# The backward pass

WRONG_DX = {
    "treated as constants": lambda dy, xhat, gain, gamma: gain * dy,
    "path through the mean": lambda dy, xhat, gain, gamma: gain * (dy - xhat * (dy * xhat).mean(0)),
    "path through the variance": lambda dy, xhat, gain, gamma: gain * (dy - dy.mean(0)),
    "gamma is missing": lambda dy, xhat, gain, gamma: right_dx(dy, xhat, gain) / gamma,
    "sqrt(var + eps) is missing": lambda dy, xhat, gain, gamma: (
        right_dx(dy, xhat, gain) * gamma / gain
    ),
    "not divided by n": lambda dy, xhat, gain, gamma: (
        gain * (dy - dy.sum(0) - xhat * (dy * xhat).sum(0))
    ),
    "every path from x": lambda dy, xhat, gain, gamma: right_dx(dy, xhat, gain) + 1,
}


def right_dx(dy, xhat, gain):
    return gain * (dy - dy.mean(0) - xhat * (dy * xhat).mean(0))


@pytest.mark.parametrize("name", WRONG_DX)
def test_a_mistake_in_dx_is_named_and_the_rest_passes(name):
    def wrong(dy, cache):
        xhat, scale, gamma = cache
        return WRONG_DX[name](dy, xhat, gamma * scale, gamma), *backward(dy, cache)[1:]

    assert name in only_complaint(labs.grade_batch_norm(forward, wrong))


@pytest.mark.parametrize(
    ("name", "index", "change"),
    [
        ("mean over the rows", 2, lambda dy, cache: dy.mean(0)),
        ("mean over the rows", 1, lambda dy, cache: (dy * cache[0]).mean(0)),
        ("Use the normalized xhat", 1, None),
        ("Use xhat alone", 1, lambda dy, cache: (dy * cache[0] * cache[2]).sum(0)),
        ("centered x", 1, lambda dy, cache: (dy * cache[0] / cache[1]).sum(0)),
    ],
)
def test_a_mistake_in_dgamma_or_dbeta_is_named(name, index, change):
    def keeps_x(x, gamma, beta):
        y, cache = forward(x, gamma, beta)
        return y, (*cache, x)

    def wrong(dy, cache):
        found = list(backward(dy, cache[:3]))
        found[index] = change(dy, cache) if change else (dy * cache[3]).sum(0)
        return found

    assert name in only_complaint(labs.grade_batch_norm(keeps_x, wrong))


def test_the_gradient_is_judged_against_the_readers_own_forward_pass():
    def centering(x, gamma, beta):
        return gamma * (x - x.mean(0)) + beta, (x - x.mean(0), gamma)

    def its_gradient(dy, cache):
        centered, gamma = cache
        return gamma * (dy - dy.mean(0)), (dy * centered).sum(0), dy.sum(0)

    grade = labs.grade_batch_norm(centering, its_gradient)
    assert "nothing is divided" in only_complaint(grade)
    assert "✓ dx is the gradient of x" in repr(grade)


# Nothing a reader writes ends in a traceback


def no_cache(x, gamma, beta):
    return x


def too_many(x, gamma, beta):
    return x, x, x


def wrong_shape(x, gamma, beta):
    return x.mean(0), None


def no_numbers(x, gamma, beta):
    return "y", None


def raising(x, gamma, beta):
    return x @ x, None


def half_written(x, gamma, beta):
    mean = ...
    return x - mean, None


def one_argument(x):
    return x, None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (no_cache, "`return y, cache`; it returns ndarray"),
        (too_many, "it returns 3 values"),
        (wrong_shape, r"For x of shape (7, 4), y has shape (4,)"),
        (no_numbers, "y should be an array of numbers, not str"),
        (raising, "forward raises ValueError, in the line `return x @ x, None`: `matmul"),
        (half_written, "forward raises TypeError, in the line `return x - mean, None`"),
        (one_argument, "forward raises TypeError: `one_argument() takes 1 positional"),
        (3, "forward raises TypeError: `'int' object is not callable`"),
    ],
)
def test_a_broken_forward_pass_becomes_a_message(wrong, message):
    grade = labs.grade_batch_norm(wrong, backward)
    assert message in only_complaint(grade)
    assert "Not checked yet: " in grade._repr_markdown_()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda dy, cache: None, "backward returns nothing yet"),
        (lambda dy, cache: dy, "`return dx, dgamma, dbeta`; it returns ndarray"),
        (lambda dy, cache: (dy, dy), "it returns 2 values"),
        (
            lambda dy, cache: (dy, dy, dy.sum(0)),
            "dgamma has shape (7, 4) and should have (4,). Sum",
        ),
        (lambda dy, cache: (dy.T, dy[0], dy[0]), "dx has shape (4, 7) and should have (7, 4)."),
        (lambda dy, cache: dy @ dy, "backward raises ValueError"),
        (lambda dy, cache: (dy * np.nan, dy.sum(0), dy.sum(0)), "Follow every path from gamma"),
    ],
)
def test_a_broken_backward_pass_becomes_a_message(wrong, message):
    assert message in labs.grade_batch_norm(forward, wrong).complaints[0]


def test_a_forward_pass_that_changes_its_input_is_told():
    def in_place(x, gamma, beta):
        y, cache = forward(x, gamma, beta)
        x -= x.mean(0)
        return y, cache

    assert "changes x in place" in only_complaint(labs.grade_batch_norm(in_place, backward))


def test_single_precision_is_told_before_its_gradient_fails():
    def single(x, gamma, beta):
        return forward(*(a.astype(np.float32) for a in (x, gamma, beta)))

    assert "y is float32" in only_complaint(labs.grade_batch_norm(single, backward))


@pytest.mark.parametrize("value", [None, ...])
def test_an_unwritten_template_waits(value):
    grade = labs.grade_batch_norm(lambda x, gamma, beta: value, lambda dy, cache: value)
    assert not grade.passed
    assert grade.complaints == []
    assert grade._repr_markdown_() == repr(grade)
    assert repr(grade).startswith("Not written yet: ")


def test_grading_is_quiet_about_a_readers_numbers(recwarn):
    labs.grade_batch_norm(normalizing(lambda x: (x - x.mean(0)) / x.std(0)), backward)
    assert not recwarn.list
