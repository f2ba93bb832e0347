"""Boxes: their ends hold what they were made of, in floating point too, and what they are not, they say."""

import copy
import pickle
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import vmap
from torch.testing import assert_close

from cltoolkit.intervals import IntervalTensor, MissingRuleError, box
from cltoolkit.randomness import stream

NUMBERS = st.floats(-1e6, 1e6, width=32)
DTYPES = [torch.float32, torch.float64]


def random_box(*shape, key=0, dtype=torch.float64, **flags):
    generator = stream(key, "box")
    center, radius = torch.randn(shape, generator=generator).to(dtype), torch.rand(shape, generator=generator).to(dtype)
    return IntervalTensor(center, radius, **flags)


def exact_ends(value):
    """By rational arithmetic."""
    pairs = zip(value.center.flatten().tolist(), value.radius.flatten().tolist(), strict=True)
    return [(Fraction(c) - Fraction(r), Fraction(c) + Fraction(r)) for c, r in pairs]


@given(NUMBERS, NUMBERS, st.sampled_from(DTYPES))
@settings(max_examples=25)
def test_from_bounds_contains_both_ends(a, b, dtype):
    lower, upper = torch.tensor([min(a, b)], dtype=dtype), torch.tensor([max(a, b)], dtype=dtype)
    made = IntervalTensor.from_bounds(lower, upper)
    ((low, high),) = exact_ends(made)
    assert low <= Fraction(min(a, b))
    assert high >= Fraction(max(a, b))
    assert made.contains(lower)
    assert made.contains(upper)
    assert made.width <= (upper - lower) + 4 * torch.finfo(dtype).eps * torch.maximum(lower.abs(), upper.abs())


def test_from_bounds_of_one_point_has_no_width():
    x = torch.tensor([0.1, -3.7])
    made = IntervalTensor.from_bounds(x, x)
    assert torch.equal(made.center, x)
    assert not made.radius.any()


@given(NUMBERS, st.floats(0, 1e6, width=32), st.sampled_from(DTYPES))
@settings(max_examples=25)
def test_rigorous_ends_lie_outside(center, radius, dtype):
    made = IntervalTensor(torch.tensor([center], dtype=dtype), torch.tensor([radius], dtype=dtype), rigorous=True)
    ((low, high),) = exact_ends(made)
    assert Fraction(made.lower.item()) <= low
    assert Fraction(made.upper.item()) >= high


@given(NUMBERS, st.floats(0, 10, width=32))
@settings(max_examples=25)
def test_lower_precision_holds_the_same_values(center, radius):
    made = IntervalTensor(torch.tensor([center * 1.1]).double() / 3, torch.tensor([radius]).double() / 7)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        if abs(center) > 1e4:
            continue  # beyond half precision
        moved = made.to(dtype)
        assert moved.dtype == dtype
        ((low, high),), ((own_low, own_high),) = exact_ends(moved), exact_ends(made)
        assert low <= own_low
        assert high >= own_high
        assert Fraction(moved.lower.item()) <= own_low
        assert Fraction(moved.upper.item()) >= own_high
        back = moved.double()
        assert torch.equal(back.center, moved.center.double())


def test_what_lower_precision_holds_stays_a_point():
    point = IntervalTensor(torch.tensor([0.5, 3.0]).double(), torch.zeros(2).double())
    assert not point.float().radius.any()
    assert point.float().dtype == torch.float32


def test_moves_keep_flags():
    made = random_box(3, nonnegative=True, rigorous=True)
    for moved in (made.float(), made.cpu(), made.to("cpu"), made.clone(), made.detach(), made[0], copy.copy(made)):
        assert moved.nonnegative
        assert moved.rigorous


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_moves_to_a_gpu_and_back():
    made = random_box(3)
    there = made.cuda()
    assert there.device.type == there.radius.device.type == "cuda"
    assert torch.equal(there.cpu().center, made.center)
    assert torch.equal((there + there).cpu().radius, (made + made).radius)


def test_contains_points_and_boxes_and_says_where():
    made = IntervalTensor(torch.tensor([0.0, 10.0]), torch.tensor([1.0, 2.0]))
    assert made.contains(torch.tensor([-1.0, 12.0]))
    assert made.holds(torch.tensor([-1.1, 12.0])).tolist() == [False, True]
    assert made.contains(made)
    assert made.contains(IntervalTensor(torch.tensor([0.5, 9.0]), torch.tensor([0.5, 1.0])))
    assert made.holds(IntervalTensor(torch.tensor([0.5, 9.0]), torch.tensor([0.6, 1.0]))).tolist() == [False, True]
    assert made.holds(torch.zeros(3, 1)).shape == (3, 2)
    assert not made.contains(torch.tensor([torch.nan, 10.0]))


def test_intersection_and_hull_are_the_smallest_boxes():
    a = IntervalTensor(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 1.0]))
    b = IntervalTensor(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 0.25]), nonnegative=True, rigorous=True)
    both, around = a.intersect(b), a.hull(b)
    assert both.center.tolist() == [0.5, 1.0]
    assert both.radius.tolist() == [0.5, 0.25]
    assert around.center.tolist() == [0.5, 1.0]
    assert around.radius.tolist() == [1.5, 1.0]
    assert both.nonnegative
    assert both.rigorous
    assert not around.nonnegative
    assert around.contains(a)
    assert around.contains(b)
    assert a.hull(torch.tensor([5.0, 1.0])).contains(torch.tensor([5.0, 0.0]))


def test_an_empty_intersection_is_refused():
    a, b = (IntervalTensor(torch.tensor([x, 0.0]), torch.ones(2)) for x in (0.0, 2.5))
    with pytest.raises(ValueError, match=r"1 of 2 entries do not meet.*0\.5"):
        a.intersect(b)


def test_indexes_and_iterates_like_a_tensor():
    made = random_box(3, 4)
    rows = list(made)
    assert len(made) == len(rows) == 3
    assert all(isinstance(row, IntervalTensor) and row.shape == (4,) for row in rows)
    assert torch.equal(rows[1].radius, made.radius[1])
    assert torch.equal(made[:, made.center[0] > 0].center, made.center[:, made.center[0] > 0])
    assert torch.equal(made.T.center, made.center.T)
    assert made.mT.shape == made.transpose(0, 1).shape == made.permute(1, 0).shape == (4, 3)


def test_copies_share_nothing():
    made = random_box(2)
    other = copy.deepcopy({"a": made, "b": made})
    assert other["a"] is other["b"]
    other["a"].center.zero_()
    assert made.center.any()


def test_knows_whether_gradients_are_needed():
    made = random_box(2)
    assert not made.requires_grad
    made.radius.requires_grad_()
    assert made.requires_grad
    assert made.is_leaf
    assert not (made * 2.0).is_leaf
    assert not made.detach().requires_grad


def test_is_short_to_print():
    assert repr(IntervalTensor(torch.tensor([1.0]), torch.tensor([0.5]))) == "IntervalTensor([[0.5, 1.5]])"
    assert repr(random_box(30, 20, rigorous=True)).startswith(
        "IntervalTensor(shape=(30, 20), min, median and max width"
    )
    assert repr(random_box(30, 20, rigorous=True)).endswith("float64, rigorous)")
    assert repr(IntervalTensor(torch.zeros(0), torch.zeros(0))) == "IntervalTensor([])"
    nothing = torch.empty(9, device="meta")
    assert repr(box(nothing, nothing)) == "IntervalTensor(shape=(9,))"


WRONG = {
    "one shape": lambda: IntervalTensor(torch.zeros(2), torch.zeros(3)),
    "floating dtype": lambda: IntervalTensor(torch.zeros(2), torch.zeros(2).double()),
    "at least 0": lambda: IntervalTensor(torch.zeros(2), -torch.ones(2)),
    "or NaN": lambda: IntervalTensor(torch.zeros(2), torch.full((2,), torch.nan)),
    "1 of 2 entries": lambda: IntervalTensor.from_bounds(torch.zeros(2), torch.tensor([1.0, -1.0])),
}


@pytest.mark.parametrize("word", WRONG)
def test_what_is_no_box_is_refused(word):
    with pytest.raises(ValueError, match=word):
        WRONG[word]()


def test_a_box_of_boxes_is_refused():
    with pytest.raises(TypeError, match="got a box"):
        IntervalTensor(random_box(2), torch.zeros(2).double())


UNSUPPORTED = {
    "lower": [lambda x: x > 0, lambda x: x == x.center, lambda x: x.argmax(), lambda x: torch.equal(x, x)],
    "single value": [lambda x: x.numpy(), lambda x: x.__array__(), lambda x: x[0].item(), lambda x: x.tolist(),
                     lambda x: bool(x[0]), lambda x: float(x[0])],
    "gradients belong": [lambda x: x.backward(), lambda x: x.requires_grad_(), lambda x: x.grad],
    "changed in place": [lambda x: x.__setitem__(0, 1.0)],
}  # fmt: skip


@pytest.mark.parametrize(("hint", "call"), [(hint, call) for hint, calls in UNSUPPORTED.items() for call in calls])
def test_what_a_box_has_not_is_explained(hint, call):
    with pytest.raises(MissingRuleError, match=hint):
        call(random_box(2))


def test_boxes_are_not_pickled():
    with pytest.raises(TypeError, match=r"save \.center and \.radius"):
        pickle.dumps(random_box(2))


def test_runs_inside_vmap():
    made, weight = random_box(5, 3), random_box(2, 3, key=1)

    def ends(center, radius):
        result = torch.tanh(box(center, radius) @ weight.T + 1.0)
        return result.center, result.radius

    center, radius = vmap(ends)(made.center, made.radius)
    together = torch.tanh(made @ weight.T + 1.0)
    assert_close(center, together.center)
    assert_close(radius, together.radius)


def test_runs_on_the_meta_device():
    nothing = torch.empty(4, 3, device="meta")
    made = torch.tanh(box(nothing, nothing) * 2.0)
    assert made.device.type == "meta"
    assert made.shape == (4, 3)


def test_what_is_changed_in_place_is_changed() -> None:
    """Also where a module drops what the function returns."""
    box = IntervalTensor(torch.tensor([-1.0, 2.0]), torch.tensor([0.5, 0.5]))
    torch.nn.ReLU(inplace=True)(box)
    assert (box.lower.tolist(), box.upper.tolist(), box.nonnegative) == ([0, 1.5], [0, 2.5], True)
    box.add_(1.0)
    assert box.upper.tolist() == [1, 3.5]
    same = box
    box += torch.ones(2)
    assert same is box
    assert box.upper.tolist() == [2, 4.5]
    box.relu()
    torch.nn.ReLU()(box)
    assert box.upper.tolist() == [2, 4.5]
    with pytest.raises(MissingRuleError, match=r"cannot become one of shape \(3, 2\)"):
        box.add_(torch.ones(3, 1))
