"""Rounding: the bound of a sum's error, and the next numbers."""

from fractions import Fraction
from math import inf

import pytest
import torch

from cltoolkit.intervals._rounding import center_radius, gamma, round_down, round_up, unit_roundoff
from cltoolkit.randomness import stream

DTYPES = (torch.float32, torch.float64)


@pytest.mark.parametrize("dtype", DTYPES)
def test_unit_roundoff_is_half_the_step_after_one(dtype: torch.dtype):
    one = torch.ones((), dtype=dtype)
    assert one + unit_roundoff(dtype) == one
    assert float(round_up(one) - one) == 2 * unit_roundoff(dtype) == torch.finfo(dtype).eps


@pytest.mark.parametrize("dtype", DTYPES)
def test_gamma_adds_up(dtype: torch.dtype):
    """γ_m + γ_n + γ_m γ_n ≤ γ_{m+n}, and n u < γ_n."""
    for m, n in ((1, 1), (3, 784), (400, 2000)):
        first, second, both = (Fraction(gamma(k, dtype)) for k in (m, n, m + n))
        assert first + second + first * second <= both * (1 + Fraction(2) ** -50)
        assert n * Fraction(unit_roundoff(dtype)) < second


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_order_of_a_sum_errs_more_than_gamma(dtype: torch.dtype):
    generator = stream(0, "sums")
    terms = torch.randn(200, dtype=dtype, generator=generator) * 10.0 ** torch.randint(
        -6, 7, (200,), generator=generator
    )
    exact, size = sum(map(Fraction, terms.tolist())), sum(abs(Fraction(t)) for t in terms.tolist())
    for _ in range(20):
        total = torch.zeros((), dtype=dtype)
        for term in terms[torch.randperm(200, generator=generator)]:
            total = total + term
        assert abs(Fraction(float(total)) - exact) <= Fraction(gamma(199, dtype)) * size


def test_what_cannot_be_bounded_is_refused():
    with pytest.raises(ValueError, match="expected float32 or float64"):
        unit_roundoff(torch.bfloat16)
    with pytest.raises(ValueError, match="expected sums of at most 8388608 terms"):
        gamma(2**23 + 1, torch.float32)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rounding_leads_to_the_neighbors(dtype: torch.dtype):
    values = torch.tensor([-3.7, -1.0, 0.0, 1e-40, 1.0, 1e30], dtype=dtype)
    up, down = round_up(values), round_down(values)
    assert (down < values).all()
    assert (values < up).all()
    assert torch.equal(round_down(up), values)
    assert torch.equal(round_up(down), values)
    assert round_up(torch.tensor(inf, dtype=dtype)) == inf


def test_rounding_is_the_identity_to_gradients_and_in_vmap():
    values = torch.ones(3, requires_grad=True)
    (round_up(values) * 2 + round_down(values)).sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [3, 3, 3]
    assert torch.equal(torch.func.vmap(round_up)(torch.ones(3)), round_up(torch.ones(3)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_center_and_radius_hold_both_ends(dtype: torch.dtype):
    generator = stream(0, "ends")
    scale = 10.0 ** torch.randint(-8, 9, (300,), generator=generator)
    lower = torch.randn(300, dtype=dtype, generator=generator) * scale
    upper = lower + torch.rand(300, dtype=dtype, generator=generator) * scale.flip(0)
    for low, high, c, r in zip(
        lower.tolist(), upper.tolist(), *map(torch.Tensor.tolist, center_radius(lower, upper)), strict=True
    ):
        assert Fraction(c) - Fraction(r) <= Fraction(low)
        assert Fraction(c) + Fraction(r) >= Fraction(high)
