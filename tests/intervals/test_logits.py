"""What boxes of logits are worth: golden values, attained worst cases, and everything sampled below them."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from cltoolkit import intervals
from cltoolkit.intervals import (
    IntervalTensor,
    elided_margins,
    elided_worst_case,
    interval_entropy,
    margins,
    softmax_bounds,
    worst_case_cross_entropy,
    worst_case_logits,
    worst_case_squared_error,
)
from cltoolkit.randomness import stream


def tensor(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def boxed(center, radius, **flags):
    return IntervalTensor(torch.as_tensor(center), torch.as_tensor(radius), **flags)


def random_head(n=50, h=7, k=4, *, seed=0, nonnegative=True, dtype=torch.float64, rigorous=False):
    """Features and a last layer, all intervals."""
    g = stream(seed, "head")

    def draw(*shape, scale=1.0):
        return scale * torch.randn(*shape, generator=g, dtype=dtype)

    center, radius = draw(n, h), draw(n, h, scale=0.2).abs()
    if nonnegative:
        center = center.abs() + radius
    features = IntervalTensor(center, radius, nonnegative=nonnegative, rigorous=rigorous)
    weight = IntervalTensor(draw(k, h), draw(k, h, scale=0.3).abs(), rigorous=rigorous)
    bias = IntervalTensor(draw(k), draw(k, scale=0.1).abs(), rigorous=rigorous)
    return features, weight, bias, torch.randint(k, (n,), generator=g)


@pytest.fixture
def golden():
    """A net of two layers on x = (0.6, 0.4), computed by hand."""
    first = boxed(tensor([1, -2], [-0.5, 0.25]), tensor([0.1, 0.2], [0.5, 0.05]))
    shift = boxed(tensor(0.5, -0.1), tensor(0.05, 0.0))
    features = F.relu(F.linear(tensor([0.6, 0.4]), first, shift))
    head = (
        boxed(tensor([1, -0.3], [0.05, 2]), tensor([0.2, 0.1], [0.1, 0.5])),
        boxed(tensor(0, 0.1), tensor(0.01, 0.02)),
    )
    return features, *head


def test_golden_logits_and_their_worst_case(golden):
    features, weight, bias = golden
    logits = F.linear(features, weight, bias)
    assert_close(logits.lower, tensor([0.07, 0.0555]))
    assert_close(logits.upper, tensor([0.598, 0.2435]))
    assert_close(worst_case_logits(logits, torch.tensor([0])), tensor([0.07, 0.2435]))
    assert float(worst_case_cross_entropy(logits, torch.tensor([0]))) == pytest.approx(0.7836552518, abs=1e-10)


@pytest.mark.parametrize(("label", "plain", "elided"), [(0, -0.1735, -0.1165), (1, -0.5425, -0.5425)])
def test_golden_margins(golden, label, plain, elided):
    features, weight, bias = golden
    y = torch.tensor([label])
    assert float(margins(F.linear(features, weight, bias), y)) == pytest.approx(plain, abs=1e-12)
    assert float(elided_margins(features, weight, bias, y)) == pytest.approx(elided, abs=1e-12)


def test_golden_entropy():
    logits = boxed(tensor([1.5, -0.75, 0.5]), tensor([0.5, 0.25, 0.5]))
    assert float(interval_entropy(logits, weighted=False)) == pytest.approx(0.798158, abs=5e-7)
    assert float(interval_entropy(logits)) == pytest.approx(0.986845, abs=5e-7)


def test_no_logits_in_the_box_have_a_larger_cross_entropy_and_the_worst_case_has_it():
    g = stream(0, "box")
    logits = boxed(torch.randn(1, 5, generator=g), torch.rand(1, 5, generator=g))
    for label in range(5):
        y = torch.tensor([label])
        worst = worst_case_cross_entropy(logits, y)
        drawn = logits.lower + logits.width * torch.rand(2000, 5, generator=g)
        assert F.cross_entropy(drawn, y.expand(2000), reduction="none").max() <= worst
        assert_close(worst, F.cross_entropy(worst_case_logits(logits, y), y))


def test_units_that_may_not_answer_do_not_count():
    features, weight, bias, y = random_head()
    units = (1, 3)
    y = torch.tensor(units)[y % 2]
    logits = F.linear(features, weight, bias)
    local = (y == 3).long()
    chosen = boxed(logits.center[:, [1, 3]], logits.radius[:, [1, 3]])
    assert_close(margins(logits, y, units), margins(chosen, local))
    assert_close(worst_case_cross_entropy(logits, y, units), worst_case_cross_entropy(chosen, local))
    few = [boxed(value.center[[1, 3]], value.radius[[1, 3]]) for value in (weight, bias)]
    assert_close(elided_margins(features, weight, bias, y, units), elided_margins(features, *few, local))
    worst = elided_worst_case(features, weight, bias, y, units)
    assert (worst[:, [0, 2]] == -torch.inf).all()
    assert_close(F.cross_entropy(worst, y), F.cross_entropy(elided_worst_case(features, *few, local), local))


def test_a_lone_unit_is_always_right_and_a_closed_label_never():
    features, weight, bias, _ = random_head(n=3)
    logits = F.linear(features, weight, bias)
    for label, margin in ((2, math.inf), (0, -math.inf)):
        y = torch.full((3,), label)
        assert margins(logits, y, (2,)).tolist() == [margin] * 3
        assert elided_margins(features, weight, bias, y, (2,)).tolist() == [margin] * 3


@pytest.mark.parametrize("nonnegative", [True, False])
def test_eliding_the_last_layer_never_costs_margin(nonnegative):
    features, weight, bias, y = random_head(nonnegative=nonnegative)
    plain = margins(F.linear(features, weight, bias), y)
    elided = elided_margins(features, weight, bias, y)
    assert (elided >= plain - 1e-12).all()
    assert (elided > plain + 1e-3).float().mean() > 0.5


@pytest.mark.parametrize("bias", [True, False])
def test_elided_margins_are_attained_on_nonnegative_features(bias):
    """For every k some corner of rows and features gives exactly m_k, found by trying all of them."""
    features, weight, shift, y = random_head(n=4, h=3, k=3)
    shift = shift if bias else None
    worst = elided_worst_case(features, weight, shift, y)
    for i in range(4):
        for k in set(range(3)) - {int(y[i])}:
            rows = weight.lower[y[i]] - weight.upper[k]  # features are ≥ 0, so these rows are worst for all of them
            corners = torch.cartesian_prod(*torch.stack([features.lower[i], features.upper[i]], 1))
            least = (corners @ rows).min() + (shift.lower[y[i]] - shift.upper[k] if bias else 0)
            assert_close(-worst[i, k], least)
    assert (worst.gather(1, y[:, None]) == 0).all()


@settings(max_examples=20)
@given(seed=st.integers(0, 2**31), nonnegative=st.booleans(), rigorous=st.booleans())
def test_no_weights_and_features_of_the_box_fall_below_the_elided_margin(seed, nonnegative, rigorous):
    features, weight, bias, y = random_head(n=8, seed=seed, nonnegative=nonnegative, rigorous=rigorous)
    found = elided_margins(features, weight, bias, y)
    g = stream(seed, "inside")
    for corners in (False, True):
        for _ in range(20):
            point = intervals.sample({"h": features, "w": weight, "b": bias}, g, corners=corners)
            assert (
                margins(F.linear(point["h"], point["w"], point["b"]), y) >= found - (0 if rigorous else 1e-12)
            ).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rigorous_margins_cover_logits_that_cancel(dtype):
    """Two rows that are equal up to their last bits, on features that make large logits."""
    g = stream(0, "cancel")
    row = 1e3 * torch.randn(200, generator=g, dtype=dtype)
    weight = torch.stack([row, row * (1 + 3 * torch.finfo(dtype).eps)])
    features = torch.rand(3000, 200, generator=g, dtype=dtype)
    zero = IntervalTensor(features, torch.zeros_like(features), nonnegative=True, rigorous=True)
    for label in (0, 1):
        y = torch.full((3000,), label)
        computed = [
            F.linear(features, weight),
            (features[:, None] * weight).sum(2),
            F.linear(features.flip(1), weight.flip(1)),
        ]
        right = torch.stack([margins(logits, y) > 0 for logits in computed]).all(0)
        certified = elided_margins(zero, weight, None, y) > 0
        assert right[certified].all()
        assert not right.all()  # as it would be, were there no rounding, for one of the two labels: the test bites


def test_a_box_without_width_is_its_point():
    features, weight, bias, y = random_head()
    point = F.linear(features.center, weight.center, bias.center)
    assert_close(elided_margins(features.center, weight.center, bias.center, y), margins(point, y))
    narrow = boxed(point, torch.zeros_like(point))
    assert_close(worst_case_cross_entropy(narrow, y), F.cross_entropy(point, y))
    assert_close(elided_worst_case(features.center, weight.center, bias.center, y).softmax(1), point.softmax(1))
    for low_or_high in softmax_bounds(narrow):
        assert_close(low_or_high, point.softmax(1))


def test_point_heads_and_point_features_serve_as_well():
    features, weight, bias, y = random_head()
    for h, w, b in ((features, weight.center, bias.center), (features.center, weight, bias), (features, weight, None)):
        plain = margins(F.linear(h, w, b), y)
        assert (elided_margins(h, w, b, y) >= plain - 1e-12).all()


def test_wider_boxes_have_smaller_margins():
    features, weight, bias, y = random_head()
    wide = [boxed(v.center, 2 * v.radius) for v in (weight, bias)]
    assert (elided_margins(features, *wide, y) <= elided_margins(features, weight, bias, y) + 1e-12).all()


def test_gradients_of_worst_cases():
    features, weight, bias, y = random_head(n=3, h=4, k=3)
    parts = [t.clone().requires_grad_() for v in (features, weight, bias) for t in (v.center, v.radius)]

    def loss(c, r, m, s, b, t):
        boxes = boxed_of(c, r, True), boxed_of(m, s), boxed_of(b, t)
        logits = F.linear(*boxes)
        return (
            F.cross_entropy(elided_worst_case(*boxes, y, (0, 1, 2)), y),
            worst_case_cross_entropy(logits, y),
            elided_margins(*boxes, y),
        )

    def boxed_of(c, r, nonnegative=False):
        return intervals.box(c, r, nonnegative=nonnegative)

    assert torch.autograd.gradcheck(loss, parts)


def test_softmax_bounds_hold_and_are_attained():
    g = stream(0, "softmax")
    logits = boxed(
        torch.randn(6, 4, generator=g, dtype=torch.float64), torch.rand(6, 4, generator=g, dtype=torch.float64)
    )
    low, high = softmax_bounds(logits)
    for _ in range(500):
        drawn = (logits.lower + logits.width * torch.rand(6, 4, generator=g, dtype=torch.float64)).softmax(1)
        assert (low <= drawn + 1e-15).all()
        assert (drawn <= high + 1e-15).all()
    for k in range(4):
        y = torch.full((6,), k)
        assert_close(low[:, k], worst_case_logits(logits, y).softmax(1)[:, k])
    assert_close(softmax_bounds(boxed(tensor([1e4, -1e4]), tensor([1, 1])))[0], tensor([1, 0]))


def test_worst_squared_error_is_the_largest_at_the_corners():
    outputs, y = boxed(tensor([0.0, 2.0]), tensor([1.0, 0.5])), tensor([0.25, 1.0])
    corners = torch.cartesian_prod(*torch.stack([outputs.lower[0], outputs.upper[0]], 1))
    assert_close(worst_case_squared_error(outputs, y), ((corners - y) ** 2).sum(1).max())
    assert_close(worst_case_squared_error(outputs.center, y), ((outputs.center - y) ** 2).sum())


def test_entropy_never_is_nan():
    assert torch.isfinite(interval_entropy(tensor([1e5, -1e5, 0.0]))).all()
