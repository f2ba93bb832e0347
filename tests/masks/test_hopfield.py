"""Hopfield networks: what the two rules store, how deep it lies, and where the network takes other codes."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from cltoolkit.masks import code, energy, hebb, hebb_capacity, is_stored, settle, storkey, storkey_capacity
from cltoolkit.randomness import stream

seeds = st.integers(0, 2**32 - 1)


def codes(count, d, seed=0):
    return 2 * torch.randint(2, (count, d), generator=stream(seed, "codes")).float() - 1


def memory(rule, z):
    weights = torch.zeros(z.shape[1], z.shape[1], dtype=z.dtype)
    for each in z:
        weights = rule(weights, each)
    return weights


@pytest.fixture(scope="module")
def wide():
    """200 random codes of 2048 units, and what Storkey's rule makes of them."""
    z = codes(200, 2048)
    return z, memory(storkey, z)


def hebb_at_once(z):
    return z.T @ z / z.shape[1] - len(z) / z.shape[1] * torch.eye(z.shape[1])


# What they hold


def test_the_storkey_like_rule_stores_200_random_codes_of_2048_units(wide):
    z, weights = wide
    assert is_stored(weights, z).all()


def test_hebbs_rule_stores_100_of_them_and_loses_most_of_200(wide):
    """A unit of a stored code errs with probability Q(√(d / T)): at T = 200 one code in four has no such unit.

    So 49 of 200 are expected to stay as they are; with these 53 did.
    """
    z, _ = wide
    assert is_stored(hebb_at_once(z[:100]), z[:100]).all()
    assert 20 < int(is_stored(hebb_at_once(z), z).sum()) < 100


def test_stored_codes_lie_deeper_than_random_ones(wide):
    z, weights = wide
    assert energy(weights, z).max() < energy(weights, codes(200, 2048, seed=1)).min()


def test_a_stored_code_comes_back_from_damage(wide):
    z, weights = wide
    damaged = torch.where(torch.rand(z.shape, generator=stream(0, "damage")) < 0.1, -z, z)
    assert torch.equal(settle(weights, damaged), z)


def test_capacities_are_those_of_the_theory():
    assert hebb_capacity(2048) == pytest.approx(134.3, abs=0.1)
    assert storkey_capacity(2048) == pytest.approx(524.4, abs=0.1)
    assert all(hebb_capacity(d) < storkey_capacity(d) for d in (4, 64, 2048))


@pytest.mark.parametrize("capacity", [hebb_capacity, storkey_capacity])
def test_a_network_of_one_unit_has_no_capacity(capacity):
    with pytest.raises(ValueError, match="expected a network of at least 2 units; got 1"):
        capacity(1)


# The rules


@settings(max_examples=15)
@given(seed=seeds, count=st.integers(1, 6), d=st.integers(2, 12))
def test_the_storkey_like_rule_is_its_formula_entry_by_entry(seed, count, d):
    z = codes(count, d, seed).double()
    expected = [[0.0] * d for _ in range(d)]
    for x in z.tolist():
        h = [sum(expected[i][k] * x[k] for k in range(d)) for i in range(d)]
        expected = [
            [expected[i][j] + (x[i] * x[j] - (i == j) - x[i] * h[j] - h[i] * x[j]) / d for j in range(d)]
            for i in range(d)
        ]
    assert_close(memory(storkey, z), torch.tensor(expected, dtype=torch.float64))


def test_both_rules_keep_the_couplings_symmetric_to_the_bit():
    for rule in (hebb, storkey):
        weights = memory(rule, codes(20, 65))
        assert torch.equal(weights, weights.T)


def test_the_rules_change_nothing_in_place():
    for rule in (hebb, storkey):
        weights = hebb(torch.zeros(9, 9), codes(1, 9)[0])
        before = weights.clone()
        rule(weights, codes(1, 9, seed=1)[0])
        assert torch.equal(weights, before)


def test_hebbs_rule_knows_no_order_and_storkeys_does():
    z = codes(5, 33).double()
    assert_close(memory(hebb, z), memory(hebb, z.flip(0)))
    assert_close(memory(hebb, z).float(), hebb_at_once(z.float()))
    assert not torch.allclose(memory(storkey, z), memory(storkey, z.flip(0)))


def test_the_first_code_is_stored_alike_by_both():
    z = codes(1, 17)[0]
    assert torch.equal(storkey(torch.zeros(17, 17), z), hebb(torch.zeros(17, 17), z))


def test_of_what_is_reproduced_to_the_full_storkeys_rule_takes_off_what_hebbs_adds():
    z = codes(1, 8)[0]
    full = z.outer(z) / 8  # Ψ z = z
    assert_close(storkey(full, z) + torch.eye(8) / 8, full - z.outer(z) / 8)


# Energy


def test_energy_is_that_of_each_code_alone_and_of_its_opposite():
    weights, z = memory(storkey, codes(4, 30)), codes(6, 30, seed=1).view(2, 3, 30)
    expected = torch.stack([torch.stack([-x @ weights @ x / 2 for x in row]) for row in z])
    assert_close(energy(weights, z), expected)
    assert_close(energy(weights, -z), energy(weights, z))


def test_its_gradient_is_the_field():
    weights, z = memory(storkey, codes(4, 30)), codes(1, 30, seed=1)[0].requires_grad_()
    energy(weights, z).backward()
    assert_close(z.grad, -weights @ z.detach())


def test_the_one_code_stored_and_its_opposite_are_the_lowest_of_all():
    z = codes(1, 9)[0]
    every = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=9)))
    low = energy(hebb(torch.zeros(9, 9), z), every)
    assert low.min() == pytest.approx(-(9 - 1) / 2)
    lowest = every[low < low.min() + 0.5]
    assert sorted(lowest.tolist()) == sorted([z.tolist(), (-z).tolist()])


# Where it settles


@settings(max_examples=20)
@given(seed=seeds, d=st.integers(2, 40))
def test_updates_of_all_units_at_once_end_in_a_cycle_of_two_at_most(seed, d):
    """−z(i+1)ᵀ Ψ z(i) never rises where Ψ is symmetric."""
    generator = stream(seed, "weights")
    weights = torch.randn(d, d, generator=generator, dtype=torch.float64)
    weights = weights + weights.T
    path = [codes(1, d, seed).double()[0]]
    for _ in range(30):
        path.append(settle(weights, path[-1], 1))
    lyapunov = torch.stack([-after @ weights @ before for before, after in itertools.pairwise(path)])
    assert (lyapunov.diff() <= 1e-9).all()
    end = settle(weights, path[0], 1000)
    assert torch.equal(settle(weights, end, 2), end)


def test_a_code_is_stored_if_and_only_if_the_network_leaves_it():
    weights, z = hebb_at_once(codes(12, 64)), codes(12, 64)
    left = (settle(weights, z, 1) == z).all(-1)
    assert torch.equal(is_stored(weights, z), left)
    assert 0 < left.sum() < 12


def test_units_without_a_field_stay_as_they_are():
    z = codes(3, 7)
    assert torch.equal(settle(torch.zeros(7, 7), z), z)
    assert is_stored(torch.zeros(7, 7), z).all()


def test_a_code_of_a_mask_is_one_or_minus_one_whatever_its_type():
    mask = torch.tensor([[True, False], [False, True]])
    assert torch.equal(code(mask), torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))
    assert torch.equal(code(mask.double()), code(mask).double())
