"""κ and γ: the published schedules to the digit, the relative ones at their ends, and growth that waits."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cltoolkit.learners._schedules import Growth, growth, kappa_at


@pytest.mark.parametrize(
    ("n", "i", "kappa", "share"),
    [
        (5000, 0, 1, 0),
        (5000, 1250, 0.9375, 0.50020),
        (5000, 2499, 0.87505, 1),
        (5000, 2500, 0.5, 1),
        (2000, 500, 0.975, 0.50050),
        (2000, 999, 0.95005, 1),
        (2000, 1000, 0.5, 1),
    ],
)
def test_the_published_schedules(n: int, i: int, kappa: float, share: float) -> None:
    assert kappa_at(i, n, schedule="published") == pytest.approx(kappa, abs=1e-12)
    assert growth(i, n, schedule="published") == pytest.approx(share, abs=5e-6)


def test_the_published_growth_knows_no_warmup() -> None:
    assert growth(10, 100, warmup=0.1, schedule="published") == growth(10, 100, schedule="published") < 1


@given(st.integers(2, 10_000), st.floats(0.05, 1.0), st.floats(0.0, 1.0))
@settings(max_examples=25)
def test_the_relative_schedules_reach_their_ends_with_the_warmup(n: int, warmup: float, kappa: float) -> None:
    """However long the training: κ from 1 to its end and γ from 0 to 1, monotone, then still."""
    shares = [growth(i, n, warmup=warmup) for i in range(0, n, max(1, n // 50))]
    kappas = [kappa_at(i, n, kappa=kappa, warmup=warmup) for i in range(0, n, max(1, n // 50))]
    assert shares == sorted(shares)
    assert kappas == sorted(kappas, reverse=True)
    last = max(int(warmup * n) - 1, 0)
    assert growth(last, n, warmup=warmup) == 1
    assert kappa_at(last, n, kappa=kappa, warmup=warmup) == pytest.approx(kappa)
    assert last < 1 or (shares[0], kappas[0]) == (0, 1)


def test_a_task_of_unknown_length_has_full_boxes() -> None:
    assert growth(0, 0) == new().share(0, 0) == 1
    assert kappa_at(0, 0, kappa=0.3) == pytest.approx(0.3)


def new(*, watched: bool = True) -> Growth:
    return Growth(warmup=0.5, schedule="relative", watched=watched)


def test_growth_that_nothing_slows_is_the_schedule() -> None:
    free, unwatched = new(), new(watched=False)
    assert [unwatched.share(i, 100) for i in range(100)] == [growth(i, 100) for i in range(100)]
    for i in range(0, 50, 5):
        free.check(i, 100, certified=0.9, right=1.0, least=0.8)
    assert [free.share(i, 100) for i in range(50, 100)] == [1.0] * 50
    assert free.share(0, 100) == pytest.approx(1e-3)


def test_boxes_that_are_too_wide_go_back_and_grow_slower() -> None:
    """At half the pace, every step multiplies by the root of what it did."""
    grown = new()
    grown.check(10, 100, certified=0.9, right=1.0, least=0.8)
    well, step = grown.share(10, 100), grown.share(11, 100) / grown.share(10, 100)
    assert grown.share(20, 100) > well
    grown.check(20, 100, certified=0.7, right=1.0, least=0.8)
    assert grown.share(20, 100) == well
    assert grown.share(21, 100) / well == pytest.approx(step**0.5)
    assert grown.share(99, 100) < 1


def test_boxes_that_never_were_well_do_not_vanish() -> None:
    grown = new()
    for i in range(5, 50, 5):
        before = grown.share(i, 100)
        grown.check(i, 100, certified=0.0, right=1.0, least=0.8)
        assert before > grown.share(i, 100) > 1e-3


def test_certified_accuracy_is_compared_with_the_best_accuracy_of_the_task() -> None:
    """A network that answers everything alike is certified as often as it is right: that is no reason to grow."""
    grown = new()
    grown.check(10, 100, certified=0.9, right=1.0, least=0.8)
    grown.check(20, 100, certified=0.5, right=0.5, least=0.8)
    assert grown.share(20, 100) == new().share(10, 100)


def test_growth_survives_an_interruption() -> None:
    grown, again = new(), new()
    grown.check(10, 100, certified=0.9, right=1.0, least=0.8)
    grown.check(20, 100, certified=0.7, right=1.0, least=0.8)
    again.share(5, 100)
    again.load_state_dict(grown.state_dict())
    again.forget()
    assert [again.share(i, 100) for i in range(100)] == [grown.share(i, 100) for i in range(100)]
    grown.begin()
    assert torch.equal(grown.state, new().state)
