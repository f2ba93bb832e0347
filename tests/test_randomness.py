"""Named streams: a function of their key alone, and the global generator is untouched."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cltoolkit.randomness import key_seed, seeded, stream

KEY = st.lists(st.integers(-(2**40), 2**40) | st.text(max_size=5), max_size=4).map(tuple)


@given(st.integers(0, 2**40), KEY)
def test_seed_of_a_key_is_a_63_bit_number(seed, key):
    assert 0 <= key_seed(seed, *key) < 2**63
    assert key_seed(seed, *key) == key_seed(seed, *key)


@given(KEY, KEY)
def test_different_keys_have_different_seeds(a, b):
    assert (key_seed(0, *a) == key_seed(0, *b)) == (a == b)


def test_seed_of_a_key_stays_what_it_is():
    """Saved runs are resumed with the same numbers: the hash is part of the format."""
    assert key_seed(0, "order", 1) == 1332101017241992705


def test_integers_of_any_kind_are_the_same_key():
    assert key_seed(0, torch.tensor(3)) == key_seed(0, 3) == key_seed(0, True + 2)


def test_streams_do_not_depend_on_one_another():
    expected = torch.rand(3, generator=stream(0, "b"))
    torch.rand(100, generator=stream(0, "a"))
    assert torch.equal(torch.rand(3, generator=stream(0, "b")), expected)
    assert not torch.equal(torch.rand(3, generator=stream(1, "b")), expected)


def test_seeded_leaves_the_global_generator_as_it_was():
    before = torch.get_rng_state()
    with seeded(0, "x"):
        first = torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)
    with seeded(0, "x"):
        assert torch.equal(torch.rand(3), first)


def test_seeded_puts_the_generator_back_after_an_error():
    def fails():
        with seeded(0):
            torch.rand(1)
            raise RuntimeError("inside")

    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="inside"):
        fails()
    assert torch.equal(torch.get_rng_state(), before)


def test_seeded_nests():
    with seeded(0, "outer"):
        expected = torch.rand(2)
    with seeded(0, "outer"):
        first = torch.rand(1)
        with seeded(0, "inner"):
            torch.rand(7)
        assert torch.equal(torch.cat([first, torch.rand(1)]), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_seeded_on_cuda_puts_both_generators_back():
    before = torch.cuda.get_rng_state()
    with seeded(0, "x", device="cuda"):
        first = torch.rand(3, device="cuda")
    assert torch.equal(torch.cuda.get_rng_state(), before)
    with seeded(0, "x", device="cuda"):
        assert torch.equal(torch.rand(3, device="cuda"), first)
