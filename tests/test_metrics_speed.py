"""Steps to a share of the final value: the first that reaches it, whatever the unit of values or steps."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cltoolkit.metrics import steps_to

VALUES = st.lists(st.floats(0.01, 1.0), min_size=1, max_size=12)


@settings(max_examples=25)
@given(VALUES, st.floats(0.05, 1.0))
def test_reaches_the_share_there_and_at_no_earlier_step(values, share):
    """By an independent search; and the last value reaches any share of itself, so that there always is such a step."""
    steps = 3 * np.arange(len(values)) + 2
    want = next(step for step, v in zip(steps, values, strict=True) if v >= share * values[-1])
    assert steps_to(values, steps, share) == want <= steps[-1]


@settings(max_examples=25)
@given(VALUES, st.sampled_from([0.125, 0.5, 8.0]))
def test_invariant_to_the_unit_of_values_and_equivariant_to_that_of_steps(values, unit):
    steps = np.arange(len(values))
    assert steps_to(unit * np.array(values), steps) == steps_to(values, steps)
    assert steps_to(values, unit * steps) == unit * steps_to(values, steps)


@settings(max_examples=25)
@given(VALUES, st.floats(0.1, 0.9))
def test_more_takes_no_fewer_steps(values, share):
    steps = np.arange(len(values))
    assert steps_to(values, steps, share) <= steps_to(values, steps, share + 0.1)


def test_unknown_values_are_left_out():
    nan = math.nan
    assert steps_to([nan, 0.5, nan, 0.95, 1.0, nan], [1, 2, 3, 4, 5, 6]) == 4
    assert math.isnan(steps_to([nan, nan], [1, 2]))
    assert math.isnan(steps_to([], []))


def test_what_is_no_curve_teaches():
    with pytest.raises(ValueError, match=r"of one length, \(E,\); got \(2,\) and \(3,\)"):
        steps_to([0, 1], [1, 2, 3])
    with pytest.raises(ValueError, match="in order of time"):
        steps_to([0, 1], [2, 1])
    with pytest.raises(ValueError, match="above 0 and at most 1; got 90"):
        steps_to([0, 1], [1, 2], share=90)
