"""Gradients of masked and of placed weights, against the chain rule written out."""

import pytest
import torch
from torch import Tensor
from torch.func import grad
from torch.testing import assert_close

from cltoolkit.masks import masked, placed, top_k
from cltoolkit.randomness import stream


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=stream(seed, "normal"), dtype=torch.float64)


WEIGHTS, SCORES, X = normal(12), normal(12, seed=1), normal(5, 4, seed=2)
MASK = top_k(SCORES, 5).double()


def loss(used: Tensor) -> Tensor:
    """Of a layer with 3 × 4 weights."""
    return (X @ used.view(3, 4).T).tanh().square().sum()


def by_used(used: Tensor) -> Tensor:
    """∂L/∂W̃, by hand: L = Σ tanh²(a), a = x W̃ᵀ."""
    a = (X @ used.view(3, 4).T).tanh()
    return ((2 * a * (1 - a**2)).T @ X).flatten()


@pytest.mark.parametrize("signed", [True, False])
def test_the_score_gradient_is_the_chain_rule_with_the_selection_left_out(signed: bool) -> None:
    scores = SCORES.clone().requires_grad_()
    loss(masked(WEIGHTS, scores, MASK, signed=signed)).backward()
    expected = WEIGHTS * by_used(WEIGHTS * MASK) * (SCORES.sign() if signed else 1)
    assert_close(scores.grad, expected, rtol=0, atol=1e-10)
    assert (scores.grad[MASK == 0] != 0).all()  # what lies outside may come in


@pytest.mark.parametrize("signed", [True, False])
def test_it_is_what_autograd_finds_for_the_mask_itself(signed: bool) -> None:
    """As if M were |s|, or s."""
    scores, like = SCORES.clone().requires_grad_(), SCORES.clone().requires_grad_()
    loss(masked(WEIGHTS, scores, MASK, signed=signed)).backward()
    magnitude = like.abs() if signed else like
    loss(WEIGHTS * (MASK + magnitude - magnitude.detach())).backward()
    assert_close(scores.grad, like.grad, rtol=0, atol=1e-10)


def test_weights_get_no_gradient_and_do_not_change() -> None:
    weights, scores = WEIGHTS.clone().requires_grad_(), SCORES.clone().requires_grad_()
    used = masked(weights, scores, MASK)
    used.sum().backward()
    assert weights.grad is None
    assert torch.equal(used, WEIGHTS * MASK)
    assert torch.equal(weights, WEIGHTS)


def test_functional_gradients_are_the_same() -> None:
    expected = SCORES.sign() * WEIGHTS * by_used(WEIGHTS * MASK)
    assert_close(grad(lambda s: loss(masked(WEIGHTS, s, MASK)))(SCORES), expected, rtol=0, atol=1e-10)
    theta, index = normal(3, seed=3), torch.tensor([7, 0, 4])
    found = grad(lambda v: loss(placed(v, WEIGHTS, index)))(theta)
    assert_close(found, by_used(WEIGHTS.index_copy(0, index, theta))[index], rtol=0, atol=1e-10)


def test_the_gradient_goes_to_the_values_alone() -> None:
    theta, index = normal(3, seed=3).requires_grad_(), torch.tensor([7, 0, 4])
    around = WEIGHTS.clone().requires_grad_()
    weights = placed(theta, around, index)
    loss(weights).backward()
    assert around.grad is None
    assert_close(theta.grad, by_used(weights.detach())[index], rtol=0, atol=1e-10)
    assert torch.equal(weights[index], theta)


def test_what_is_not_a_number_elsewhere_stays_there() -> None:
    theta, index = normal(3, seed=3).requires_grad_(), torch.tensor([7, 0, 4])
    spoiled = torch.full((12,), torch.nan, dtype=torch.float64).index_fill(0, index, 1.0)
    (placed(theta, WEIGHTS, index) * spoiled).sum().backward()
    assert_close(theta.grad, torch.ones(3, dtype=torch.float64))


def test_no_place_at_all_is_the_network_as_it_is() -> None:
    theta = torch.zeros(0, dtype=torch.float64, requires_grad=True)
    weights = placed(theta, WEIGHTS, torch.zeros(0, dtype=torch.int64))
    loss(weights).backward()
    assert torch.equal(weights, WEIGHTS)
    assert theta.grad is not None
    assert theta.grad.shape == (0,)
