"""Boxes within boxes: containment to the last bit, whatever the shift and the scale."""

from fractions import Fraction

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from safetensors.torch import load, save
from torch import Tensor

from cltoolkit.learners._contraction import Box, contract, ends, exact, inside, is_inside, largest_factor
from cltoolkit.randomness import stream

N = 200


def numbers(*key: int | str, spread: float = 3.0) -> Tensor:
    """`(N,)` float32 numbers of many sizes."""
    generator = stream(0, "test", *key)
    size = torch.exp(spread * torch.randn(N, generator=generator))
    return size * torch.randn(N, generator=generator)


def test_golden_transform() -> None:
    """Worked by hand."""
    center, radius = torch.tensor([0.5, -0.2, 0.0]), torch.tensor([1.0, 0.1, 0.01])
    shift, scale = torch.tensor([0.3, -0.05, 0.02]), torch.tensor([5.0, 0.0, -2.0])
    new = contract(*(v.double() for v in (center, radius, shift, scale)))
    expected = torch.tensor([[0.791313, -0.246212, 0.009640], [0.703944, 0.026894, 0.000043]], dtype=torch.float64)
    torch.testing.assert_close(torch.stack(new), expected, atol=6e-7, rtol=0)
    lower, upper = ends(new)
    torch.testing.assert_close(lower, torch.tensor([0.087368, -0.273106, 0.009597]).double(), atol=6e-7, rtol=0)
    torch.testing.assert_close(upper, torch.tensor([1.495257, -0.219318, 0.009683]).double(), atol=6e-7, rtol=0)


def test_a_shift_share_does_not_depend_on_the_radius() -> None:
    shift, scale = torch.full((2,), 0.3), torch.full((2,), 1.0)
    radius = torch.tensor([1.0, 0.01])
    new = contract(torch.zeros(2), radius, shift, scale, normalize_shift=False)
    torch.testing.assert_close(new.center / radius, torch.tanh(shift))
    by_distance = contract(torch.zeros(2), radius, shift * radius, scale, normalize_shift=True)
    torch.testing.assert_close(by_distance.center, new.center)
    normalized = contract(torch.zeros(2), radius, shift, scale * radius, normalize_shift=False, normalize_scale=True)
    torch.testing.assert_close(normalized.radius, new.radius)


def test_near_zero_a_normalized_shift_is_a_distance() -> None:
    shift = torch.zeros(2, requires_grad=True)
    contract(torch.zeros(2), torch.tensor([1.0, 1e-3]), shift, torch.zeros(2)).center.sum().backward()
    torch.testing.assert_close(shift.grad, torch.ones(2))


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.booleans(), st.booleans(), st.sampled_from([1e-30, 1e-6, 1.0, 1e6]))
def test_every_box_is_inside_the_one_before(seed: int, shifts: bool, scales: bool, size: float) -> None:
    """In float64, for shifts and scales up to ±50, over six generations; and after a save and a load."""
    generator = stream(seed, "adversary")
    box = exact(size * numbers(seed, "c"), size * numbers(seed, "r").abs())
    for _ in range(6):
        shift, scale = 100 * torch.rand(2, N, generator=generator) - 50
        raw = contract(*box, shift * 10 ** -(6 * torch.rand(N, generator=generator)), scale,
                       normalize_shift=shifts, normalize_scale=scales)  # fmt: skip
        new = inside(raw, box)
        loaded = Box(**load(save(new._asdict())))
        (lower, upper), (least, most) = ends(loaded), ends(box)
        assert bool((lower >= least).all() and (upper <= most).all() and (new.radius >= 0).all())
        assert is_inside(new, box)
        assert new.center.dtype == new.radius.dtype == torch.float32
        box = new


def test_ends_are_exact() -> None:
    """The float64 ends are the ends of real arithmetic."""
    outer = exact(numbers("c"), numbers("r").abs())
    new = inside(contract(*outer, numbers("s"), numbers("k")), outer)
    for each in (outer, new):
        for c, r, low, high in zip(*(v.tolist() for v in (*each, *ends(each))), strict=True):
            assert (Fraction(low), Fraction(high)) == (Fraction(c) - Fraction(r), Fraction(c) + Fraction(r))


def test_what_is_inside_already_is_not_touched() -> None:
    outer = exact(torch.zeros(N), torch.full((N,), 8.0))
    small = Box(numbers("c").clamp(-4, 4), numbers("r").abs().clamp(2.0**-20, 4))
    new = inside(small, outer)
    torch.testing.assert_close(new.center, small.center, rtol=0, atol=2.0**-40)
    torch.testing.assert_close(new.radius, small.radius, rtol=0, atol=2.0**-40)


def test_a_box_wider_than_the_room_takes_the_room() -> None:
    outer = exact(torch.tensor([0.1]), torch.tensor([0.5]))
    new = inside(Box(torch.tensor([0.3]), torch.tensor([100.0])), outer)
    torch.testing.assert_close(new.radius, torch.tensor([0.3]))
    assert float(ends(new)[1]) == pytest.approx(0.6, abs=1e-7)


def test_a_box_of_no_width_holds_one_point() -> None:
    point = exact(numbers("c"), torch.zeros(N))
    new = inside(Box(point.center + 1, torch.ones(N)), point)
    assert torch.equal(new.center, point.center)
    assert torch.equal(new.radius, torch.zeros(N))


def test_a_box_that_is_not_inside_is_found() -> None:
    outer = exact(torch.zeros(2), torch.ones(2))
    assert not is_inside(Box(torch.tensor([0.0, 0.5]), torch.tensor([1.0, 0.5 + 1e-7])), outer)
    assert not is_inside(Box(torch.tensor([0.0, torch.nan]), torch.ones(2)), outer)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 60), st.floats(0.05, 1.0))
def test_bisection_finds_the_largest_factor(seed: int, n: int, share: float) -> None:
    """Against sorting the factors at which the examples break."""
    generator = stream(seed, "breaks")
    breaks = 2.0 ** (6 - 24 * torch.rand(n, generator=generator))
    correct = torch.rand(n, generator=generator) < 0.8
    asked = 0

    def certified(factor: float, index: Tensor) -> Tensor:
        nonlocal asked
        asked += len(index)
        return (factor <= breaks[index]) & correct[index]

    factor, certain = largest_factor(certified, correct, share)
    needed = share * int(correct.sum())
    held = ((factor <= breaks) & correct).sum()
    assert held >= needed
    assert certain == pytest.approx(float(held) / n)
    if factor < 1:
        assert ((factor * 2 ** (24 / 2**12) <= breaks) & correct).sum() < needed
    assert asked <= 14 * n


def test_no_factor_serves() -> None:
    correct = torch.ones(4, dtype=torch.bool)
    assert largest_factor(lambda _, index: torch.zeros(len(index), dtype=torch.bool), correct, 0.5) == (0.0, 1.0)


def test_where_nothing_is_right_nothing_needs_to_be_certified() -> None:
    assert largest_factor(lambda *_: torch.zeros(0), torch.zeros(4, dtype=torch.bool), 0.9) == (1.0, 0.0)
