"""Every rule bounds its function: sampled, nested, exact at width 0, with true flags and with gradients."""

import pytest
import torch
import torch.nn.functional as F
from interval_cases import ACTIVATIONS, CASES, CONVERSIONS, MEAN, VARIANCE, Case, Range
from torch import Tensor
from torch.testing import assert_close

from cltoolkit.intervals import RULES, IntervalTensor, MissingRuleError, box, rule
from cltoolkit.intervals._facts import attribute, name_of
from cltoolkit.intervals._shapes import MAKERS
from cltoolkit.randomness import seeded, stream

# They answer about the tensor, make points, or need a GPU.
ELSEWHERE = {*MAKERS, attribute("requires_grad"), attribute("is_leaf"), Tensor.is_contiguous, Tensor.cuda}


def spellings(case):
    """The functions that a case tries."""
    first = case.functions[0]
    return [first] if case.only else [f for f in RULES if RULES[f] is RULES[first]]


def labeled(cases):
    return [pytest.param(case, id=f"{i}-{name_of(case.functions[0])}") for i, case in enumerate(cases)]


EVERY = labeled(CASES)
RIGOROUS = labeled([case for case in CASES if case.rigorous and case not in CONVERSIONS])


def drawn(case, dtype=torch.float64, key=0, **flags):
    """One box per operand."""
    generator = stream(key, "boxes")
    boxes = []
    for r in case.operands:
        center, radius = (torch.rand(r.shape, generator=generator, dtype=dtype) for _ in range(2))
        made = IntervalTensor(r.low + (r.high - r.low) * center, r.spread * radius, **flags)
        made.nonnegative = r.nonnegative
        boxes.append(made)
    return boxes


def inside(value, generator, corner):
    """A random point of a box, or a random corner: the last number inside it."""
    share = torch.rand(value.shape, generator=generator, dtype=value.dtype)
    share = share.round() if corner else share
    return torch.nextafter(value.center + (2 * share - 1) * value.radius, value.center)


def samples(boxes, count=12):
    generator = stream(1, "inside")
    return [[inside(value, generator, i % 2 == 0) for value in boxes] for i in range(count)]


def listed(result):
    return list(result) if isinstance(result, tuple) else [result]


def fresh(values):
    """Copies, since some of the functions work in place."""
    return [value.clone() for value in values]


def ends(value):
    """In float64, which holds float32 sums all but exactly."""
    c, r = value.center.double(), value.radius.double()
    return c - r, c + r


def assert_inside(points, boxes, tolerance=0.0):
    for at, bound in zip(listed(points), listed(boxes), strict=True):
        assert at.shape == bound.shape
        low, high = ends(bound)
        slack = tolerance * (1 + torch.maximum(low.abs(), high.abs()))
        assert bool(((at >= low - slack) & (at <= high + slack)).all()), (at, bound)


def test_every_rule_is_tried():
    tried = {f for case in CASES for f in spellings(case)} | ELSEWHERE
    assert not {name_of(f) for f in set(RULES) - tried}


@pytest.mark.parametrize("case", EVERY)
def test_holds_every_sampled_value_in_every_spelling(case):
    boxes = drawn(case)
    for function in spellings(case):
        result = case.apply(function, *fresh(boxes))
        for points in samples(boxes):
            assert_inside(case.apply(function, *fresh(points)), result, 1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", RIGOROUS)
def test_rigorous_bounds_hold_real_and_computed_values_with_no_tolerance(case, dtype):
    boxes = drawn(case, dtype, key=1, rigorous=True)
    result = case.apply(case.functions[0], *boxes)
    assert all(bound.rigorous for bound in listed(result))
    for points in samples(boxes):
        assert_inside(case.apply(case.functions[0], *fresh(points)), result)
        if dtype == torch.float32:
            assert_inside(case.apply(case.functions[0], *[point.double() for point in points]), result)


@pytest.mark.parametrize("case", RIGOROUS)
def test_rigorous_points_hold_what_is_computed_of_them(case):
    boxes = drawn(case, torch.float32, key=2, rigorous=True)
    boxes = [box(value.center, 0 * value.radius, nonnegative=value.nonnegative, rigorous=True) for value in boxes]
    result = case.apply(case.functions[0], *boxes)
    assert_inside(case.apply(case.functions[0], *fresh(value.center for value in boxes)), result)
    assert_inside(case.apply(case.functions[0], *[value.center.double() for value in boxes]), result)


@pytest.mark.parametrize("case", EVERY)
def test_smaller_boxes_have_smaller_results(case):
    outer = drawn(case)
    low_share, high_share = 0.2, 0.7
    inner = []
    for value in outer:
        low = value.center - value.radius + low_share * value.radius
        high = value.center + high_share * value.radius
        inner.append(box((low + high) / 2, (high - low) / 2, nonnegative=value.nonnegative))
    wide, narrow = (listed(case.apply(case.functions[0], *boxes)) for boxes in (outer, inner))
    for w, n in zip(wide, narrow, strict=True):
        assert_inside(n.center.double() - n.radius.double(), w, 1e-12)
        assert_inside(n.center.double() + n.radius.double(), w, 1e-12)


@pytest.mark.parametrize("case", EVERY)
def test_width_zero_is_the_function_itself(case):
    boxes = [box(value.center, 0 * value.radius, nonnegative=value.nonnegative) for value in drawn(case)]
    values = listed(case.apply(case.functions[0], *fresh(value.center for value in boxes)))
    for value, bound in zip(values, listed(case.apply(case.functions[0], *boxes)), strict=True):
        if case.point:
            assert not bound.radius.any()
        tolerance = 0 if case.centered else 1e-12
        assert_close(bound.center, value, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("case", EVERY)
def test_knows_what_it_should_and_no_more(case):
    boxes = drawn(case)
    known = case.nonnegative or all(value.nonnegative for value in boxes if case.operands[0].nonnegative)
    for bound in listed(case.apply(case.functions[0], *boxes)):
        assert not bound.rigorous
        assert bool((bound.radius >= 0).all())
        if bound.nonnegative:
            assert known
            assert bool((ends(bound)[0] >= -1e-12).all())
        assert bound.nonnegative or not case.nonnegative


@pytest.mark.parametrize("case", EVERY)
def test_gradients_reach_centers_and_radii(case):
    boxes = drawn(case)
    leaves = [part.requires_grad_() for value in boxes for part in (value.center, value.radius)]
    results = listed(case.apply(case.functions[0], *boxes))
    total = sum((result.center.sum() + 1.3 * result.radius.sum()).double() for result in results)
    if not case.differentiable:
        return
    total.backward()
    for leaf in leaves:
        assert leaf.grad is not None
        assert bool(leaf.grad.isfinite().all())
        assert bool(leaf.grad.any())


ONE_NUMBER = labeled([case for case in ACTIVATIONS if len(case.operands) == 1])


@pytest.mark.parametrize("case", ONE_NUMBER)
def test_ranges_of_one_number_are_exact(case):
    (value,) = drawn(case)
    shares = torch.linspace(-1, 1, 20001, dtype=torch.float64).reshape(-1, 1, 1)
    values = case.apply(case.functions[0], value.center + shares * value.radius)
    result = case.apply(case.functions[0], value)
    assert_close(result.lower, values.amin(0), rtol=1e-5, atol=1e-6)
    assert_close(result.upper, values.amax(0), rtol=1e-5, atol=1e-6)


def test_softplus_steps_down_where_torch_leaves_the_curve():
    edge = torch.tensor([20.0], dtype=torch.float64)
    x = edge + 0.999 * torch.linspace(-1e-8, 1e-8, 101, dtype=torch.float64)
    result = F.softplus(IntervalTensor(edge, torch.tensor([1e-8], dtype=torch.float64)))
    assert bool(result.holds(F.softplus(x)).all())
    assert F.softplus(edge) > F.softplus(edge + 1e-9)  # so neither end of the box is an end of the range
    assert result.width < 3e-8


def test_products_of_boxes_are_those_of_their_four_corners():
    x, y = drawn(Case((), None, (Range((200,)), Range((200,)))))
    corners = torch.stack([a * b for a in (x.lower, x.upper) for b in (y.lower, y.upper)])
    assert_close((x * y).lower, corners.amin(0), rtol=1e-12, atol=1e-12)
    assert_close((x * y).upper, corners.amax(0), rtol=1e-12, atol=1e-12)


def test_softmax_bounds_are_reached_at_corners():
    (z,) = drawn(Case((), None, (Range((1, 4)),)))
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 4)
    values = F.softmax(z.center + corners * z.radius, -1)
    assert_close(F.softmax(z, -1).lower[0], values.amin(0), rtol=1e-12, atol=1e-12)
    assert_close(F.log_softmax(z, -1).upper[0], values.amax(0).log(), rtol=1e-12, atol=1e-12)


def test_softmax_of_one_class_is_1():
    z = IntervalTensor(torch.zeros(3, 1, requires_grad=True), torch.ones(3, 1))
    p = F.softmax(z, 1)
    assert p.lower.tolist() == p.upper.tolist() == [[1.0]] * 3
    p.center.sum().backward()
    assert not z.center.grad.any()


@pytest.mark.parametrize("spread", [1e-3, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("m", [1, 2, 3, 16])
def test_standardized_values_stay_inside_under_attack(m, spread):
    """Gradient ascent on every entry, up and down, from random corners."""
    generator = stream(m, "attack")
    center, radius = torch.randn(m, generator=generator).double(), spread * torch.rand(m, generator=generator).double()
    bound = F.layer_norm(IntervalTensor(center, radius), (m,))
    assert float(torch.maximum(bound.lower.abs(), bound.upper.abs()).max()) <= max(m - 1, 0) ** 0.5 + 1e-9
    share = (2 * torch.rand(8, m, m, generator=generator).double() - 1).round().requires_grad_()
    for sign, reached in ((1, bound.upper), (-1, bound.lower)):
        moved = share.detach().clone().requires_grad_()
        for step in range(30):
            values = F.layer_norm(center + moved.clamp(-1, 1) * radius, (m,))
            assert_inside(values, bound[None, None].expand(values.shape), 1e-12)
            (grad,) = torch.autograd.grad(sign * values.diagonal(dim1=1, dim2=2).sum(), moved)
            moved = (moved + 0.5 * 0.9**step * grad.sign()).clamp(-1, 1).detach().requires_grad_()
        assert bool((sign * (reached - values.diagonal(dim1=1, dim2=2)) >= -1e-12).all())


def test_dropout_bounds_what_its_mask_leaves():
    x = IntervalTensor(torch.randn(100, generator=stream(0, "x")), torch.ones(100), nonnegative=False)
    with seeded(0, "mask"):
        bound = F.dropout(x, 0.5, True)
    with seeded(0, "mask"):
        points = F.dropout(x.lower, 0.5, True)
    assert bool(bound.holds(points).all())
    assert 0 < int((bound.radius == 0).sum()) < 100


def test_makers_give_points():
    x = IntervalTensor(torch.ones(2, 3).double(), torch.ones(2, 3).double())
    for made in (
        torch.zeros_like(x),
        torch.ones_like(x),
        x.new_zeros(2),
        x.new_full((2,), 3.0),
        torch.full_like(x, 2.0),
    ):
        assert type(made) is Tensor
        assert made.dtype == torch.float64


GRADIENTS = {
    "silu": F.silu, "softplus": F.softplus, "abs": torch.abs, "softmax": lambda x: F.softmax(x, -1),
    "log_softmax": lambda x: F.log_softmax(x, -1), "layer_norm": lambda x: F.layer_norm(x, (4,)),
    "relu": F.relu, "product": lambda x: x * x.flip(0), "max_pool": lambda x: F.max_pool1d(x, 2),
}  # fmt: skip


@pytest.mark.parametrize("rigorous", [False, True])
@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_are_those_of_the_bounds(name, rigorous):
    if rigorous and name == "layer_norm":
        pytest.skip("no rigorous form")

    def bounds(center, radius):
        result = GRADIENTS[name](box(center, radius, rigorous=rigorous))
        return result.center, result.radius

    (value,) = drawn(Case((), None, (Range((3, 4), spread=0.5),)), key=5)
    assert torch.autograd.gradcheck(bounds, (value.center.requires_grad_(), (value.radius + 0.1).requires_grad_()))


REFUSED = {
    "without masks": lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True),
    "torch.Tensor.median": lambda x: x.median(),
    "max_pool1d_with_indices": lambda x: F.max_pool1d(x, 2, return_indices=True),
    "eval": lambda x: F.batch_norm(x, MEAN, VARIANCE, training=True),
    "may hold 0": lambda x: 1 / x,
    "may be negative": lambda x: x**0.5,
    "exponents": lambda x: x**-1,
    "rounding_mode": lambda x: torch.div(x, 2, rounding_mode="floor"),
    "alpha=-1.0": lambda x: F.elu(x, -1.0),
    "slopes": lambda x: F.rrelu(x, training=True),
    "limit": lambda x: x.clamp(x),
    "condition": lambda x: torch.where(x, 0.0, 1.0),
    "exact": lambda x: MEAN[x],
    "floating point": lambda x: x.to(torch.int64),
    "rounding has no bound": lambda x: F.layer_norm(box(x.center, x.radius, rigorous=True), (4,)),
    "cat or torch.where": lambda x: x.__setitem__(0, 0.0),
}  # fmt: skip


@pytest.mark.parametrize("word", REFUSED)
def test_what_has_no_rule_says_so_and_names_itself(word):
    with pytest.raises(MissingRuleError, match=word):
        REFUSED[word](drawn(Case((), None))[0])


def test_a_rule_can_be_added():
    x = IntervalTensor(torch.ones(2), torch.ones(2))
    with pytest.raises(MissingRuleError, match=r"torch.heaviside.*box \(2,\).*tensor \(\).*intervals.rule"):
        torch.heaviside(x, torch.tensor(0.0))

    @rule(torch.heaviside)
    def heaviside(input, values):
        return IntervalTensor.from_bounds(torch.zeros_like(input.center), torch.ones_like(input.center))

    try:
        assert torch.heaviside(x, torch.tensor(0.0)).upper.tolist() == [1, 1]
    finally:
        del RULES[torch.heaviside]
