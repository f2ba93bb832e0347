"""Boxes of weights and of embeddings: containment decided exactly, and the cube that nested boxes share."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from cltoolkit.hypernetworks import Hypernetwork
from cltoolkit.intervals import (
    EmptyIntersectionError,
    IntervalTensor,
    as_dtype,
    box,
    collapsed,
    contained,
    drift,
    fingerprint,
    half_widths,
    hull,
    inflate,
    intersection,
    layer_widths,
    nested_center,
    sample,
    scaled,
    widths,
)
from cltoolkit.params import Stateless
from cltoolkit.randomness import seeded, stream

E = torch.tensor([0, 1, 2, 3], dtype=torch.float64)


def random_bounds(seed=0, dtype=torch.float64, **flags):
    g = stream(seed, "bounds")
    made = {}
    for name, shape in {"w": (5, 3), "b": (5,)}.items():
        center = torch.randn(shape, generator=g, dtype=dtype)
        made[name] = IntervalTensor(center, 0.1 * torch.rand(shape, generator=g, dtype=dtype), **flags)
    return made | {"mean": torch.randn(5, generator=g, dtype=dtype), "count": torch.tensor(3)}


def exactly_inside(point, value):
    """By rational arithmetic."""
    triples = zip(
        point.flatten().tolist(), value.center.flatten().tolist(), value.radius.flatten().tolist(), strict=True
    )
    return all(abs(Fraction(p) - Fraction(c)) <= Fraction(r) for p, c, r in triples)


def exact_drift(old, new):
    parts = [Fraction(0)]
    for c, r, d, s in zip(
        *(v.flatten().tolist() for v in (old.center, old.radius, new.center, new.radius)), strict=True
    ):
        c, r, d, s = map(Fraction, (c, r, d, s))
        parts += [(c - r) - (d - s), (d + s) - (c + r)]
    return max(parts)


# Embeddings


def test_golden_nested_centers():
    cos = torch.tensor([0.25, 0.135076, -0.104037, -0.247498], dtype=torch.float64)
    assert_close(nested_center(E, 2.0, "cos"), cos, atol=5e-7, rtol=0)
    tanh = torch.tensor([0, 0.190399, 0.241007, 0.248764], dtype=torch.float64)
    assert_close(nested_center(E, 2.0, "tanh"), tanh, atol=5e-7, rtol=0)
    assert nested_center(E, 2.0, "none") is E
    upper = nested_center(E, 2.0, "cos") + 2.0 / 4
    assert_close(upper, torch.tensor([0.75, 0.635076, 0.395963, 0.252502], dtype=torch.float64), atol=5e-7, rtol=0)


def test_golden_half_widths():
    rho = torch.tensor([0, 1, -1, 0.5], dtype=torch.float64)
    golden = torch.tensor([0.087186, 0.236995, 0.032074, 0.143745], dtype=torch.float64)
    assert_close(half_widths(rho, 0.5), golden, atol=5e-7, rtol=0)


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=20), st.floats(1e-3, 30))
@settings(max_examples=25)
def test_half_widths_spend_the_whole_budget(rho, radius):
    spent = half_widths(torch.tensor(rho, dtype=torch.float64), radius)
    assert (spent >= 0).all()
    assert float(spent.sum()) == pytest.approx(radius)


@pytest.mark.parametrize("nesting", ["tanh", "cos"])
@pytest.mark.parametrize(("tasks", "d", "radius"), [(1, 1, 1.0), (5, 24, 5.0), (100, 8, 15.0)])
def test_nested_boxes_share_a_cube_however_many_there_are(nesting, tasks, d, radius):
    e = 3 * torch.randn(tasks, d, generator=stream(0, "cube", tasks), dtype=torch.float64)
    center, half = nested_center(e, radius, nesting), radius / d
    common = intersection(center - half, center + half)
    edge = radius / (2 * d)
    assert not common.empty.any()
    assert (common.lower <= -edge + 1e-15).all()
    assert (common.upper >= edge - 1e-15).all()
    assert (center.abs() <= edge).all()  # so every box holds every other's center


@given(sigma=st.floats(0, 2), q=st.floats(0, 2), seed=st.integers(0, 1000))
@settings(max_examples=25)
def test_centers_within_sigma_and_half_widths_of_sigma_plus_q_share_the_cube_of_q(sigma, q, seed):
    g = stream(seed, "any cube")
    center = sigma * (2 * torch.rand(50, 6, generator=g, dtype=torch.float64) - 1)
    half = sigma + q + torch.rand(50, 6, generator=g, dtype=torch.float64)
    common = intersection(center - half, center + half)
    assert (common.lower <= -q + 1e-12).all()
    assert (common.upper >= q - 1e-12).all()


def test_the_universal_embedding_lies_in_every_box_and_its_weights_in_every_box_of_weights():
    with seeded(0, "universal"):
        shapes = {"weight": torch.Size([4, 3]), "bias": torch.Size([4])}
        hypernet = Hypernetwork(shapes, embedding_dim=6, hidden=(12, 12)).double()
    for nesting in ("tanh", "cos"):
        e = 2 * torch.randn(30, 6, generator=stream(0, "e"), dtype=torch.float64)
        center = nested_center(e, 2.0, nesting)
        boxes = IntervalTensor(center, torch.full_like(center, 2.0 / 6), rigorous=True)
        common = intersection(center - 2.0 / 6, center + 2.0 / 6).require()
        assert ((common.point >= center - 2.0 / 6) & (common.point <= center + 2.0 / 6)).all()
        with torch.no_grad():
            weights, own = hypernet(common.point[None]), hypernet(boxes)
        for t in range(30):
            assert contained({"theta": weights[0]}, {"theta": own[t]})


def test_a_box_around_the_universal_point_as_wide_as_the_tasks_leaves_their_weights():
    """Centers −0.5 and 0.5, half-width 1, one hidden unit: the published radius around e* is not covered."""

    def theta(center, radius):
        hidden = torch.relu(IntervalTensor(torch.tensor([center - 0.5]), torch.tensor([radius])))
        return {"theta": box(hidden.center, hidden.radius)}

    first = theta(-0.5, 1.0)
    assert float(first["theta"].lower) == float(first["theta"].upper) == 0
    common = intersection(torch.tensor([[-1.5], [-0.5]]), torch.tensor([[0.5], [1.5]]))
    assert (float(common.point), float(common.half_width)) == (0.0, 0.5)
    assert float(theta(0.0, 1.0)["theta"].center) == 0.25  # the middle of the published box
    assert not contained({"theta": theta(0.0, 1.0)["theta"].center}, first)
    assert contained(theta(0.0, 0.5), first)  # the intersection's own radius
    assert contained({"theta": torch.relu(torch.tensor([0.0 - 0.5]))}, first)  # h(e*)


def test_an_empty_intersection_is_marked_and_refused_with_its_numbers():
    common = intersection(torch.tensor([[0.0, 0.0], [0.5, 2.0]]), torch.tensor([[1.0, 1.0], [2.0, 3.0]]))
    assert common.empty.tolist() == [False, True]
    assert common.half_width.tolist() == [0.25, 0.0]
    with pytest.raises(EmptyIntersectionError, match=r"coordinate 1 .* 2, the smallest upper end 1 .*nesting='tanh'"):
        common.require()
    with pytest.raises(ValueError, match="expected lower and upper ends"):
        intersection(torch.zeros(0, 2), torch.zeros(0, 2))
    with pytest.raises(ValueError, match="expected nesting"):
        nested_center(E, 1.0, "sin")


# Weights


@given(seed=st.integers(0, 2**31), scale=st.sampled_from([1e-17, 1e-9, 0.1, 3.0]), f32=st.booleans())
@settings(max_examples=25)
def test_drift_is_the_exact_one_rounded_up_and_containment_is_exact(seed, scale, f32):
    dtype = torch.float32 if f32 else torch.float64
    old, g = random_bounds(seed, dtype), stream(seed, "moved")
    value = old["w"]
    radius = (value.radius - scale * torch.rand(5, 3, generator=g, dtype=dtype)).clamp_min(0)
    new = old | {"w": box(value.center + scale * (torch.rand(5, 3, generator=g, dtype=dtype) - 0.5), radius)}
    exact = exact_drift(value, new["w"])
    assert contained(new, old) == (exact <= 0)
    assert exact <= Fraction(drift(old, new)) <= exact * (1 + Fraction(1, 10**12)) or exact <= 0 == drift(old, new)


def test_drift_is_the_least_inflation_that_holds_the_new_box():
    old, new = random_bounds(0), random_bounds(1)
    new |= {name: old[name] for name in ("mean", "count")}
    delta = drift(old, new)
    assert contained(new, inflate(as_dtype(old, torch.float64, True), delta))
    assert not contained(new, inflate(old, delta * (1 - 1e-9)))
    assert drift(old, old) == 0
    assert inflate(old, 0.0)["w"] is old["w"]


def test_an_ulp_beyond_the_end_is_outside_even_where_c_plus_r_rounds_to_it():
    outer = {"w": IntervalTensor(torch.tensor([1.0]), torch.tensor([2.0**-30]))}  # 1 + r rounds to 1
    assert contained({"w": torch.tensor([1.0])}, outer)
    assert not contained({"w": torch.nextafter(torch.tensor([1.0]), torch.tensor(2.0))}, outer)


def test_what_is_no_interval_must_not_move():
    old = random_bounds()
    moved = old | {"mean": old["mean"] + 1e-12}
    assert drift(old, moved) == float("inf")
    assert not contained(moved, old)
    assert drift(old, old | {"count": torch.tensor(4)}) == 0
    assert drift(old, old | {"w": box(old["w"].center * float("nan"), old["w"].radius)}) == float("inf")
    with pytest.raises(ValueError, match="only one of them has"):
        drift(old, {"w": old["w"]})


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("corners", [True, False])
def test_samples_lie_inside_to_the_last_bit(dtype, corners):
    bounds = random_bounds(0, dtype)
    for radius in (0.1, 1e-8, 1e-17, 0.0):
        bounds["w"] = box(bounds["w"].center, torch.full_like(bounds["w"].center, radius))
        for _ in range(20):
            point = sample(bounds, stream(0, "inside"), corners=corners)
            assert exactly_inside(point["w"], bounds["w"])
            assert contained(point, bounds)
    assert point["mean"] is not None
    if corners:
        ends = sample(random_bounds(), stream(1, "ends"), corners=True)["w"]
        away = (ends - random_bounds()["w"].center).abs()
        assert_close(away, random_bounds()["w"].radius)


def test_another_precision_is_never_narrower_where_it_is_rigorous():
    bounds = random_bounds()
    narrow = as_dtype(bounds, torch.float32, True)
    assert narrow["w"].dtype == torch.float32
    for name in ("w", "b"):
        assert contained({name: bounds[name]}, {name: narrow[name]})
    assert_close(narrow["w"].radius.double(), bounds["w"].radius, atol=3e-7, rtol=0)
    back = as_dtype(narrow, torch.float64, True)
    assert drift({"w": narrow["w"]}, {"w": back["w"]}) == 0 == drift({"w": back["w"]}, {"w": narrow["w"]})
    assert back["count"] is bounds["count"]


def test_a_hull_holds_its_point_and_only_grows_where_it_must():
    bounds = random_bounds()
    inside = sample(bounds, stream(0, "inside"))
    assert torch.equal(hull(bounds, inside)["w"].radius, bounds["w"].radius)
    far = inside | {"w": inside["w"].clone()}
    far["w"][0, 0] += 5
    grown = hull(bounds, far)
    assert contained(far, grown)
    assert contained(bounds, grown)
    assert (grown["w"].radius != bounds["w"].radius).sum() == 1


@pytest.mark.parametrize("change", [lambda b: inflate(b, 1e-3), lambda b: scaled(b, 3.0)])
def test_rigorous_boxes_grow_at_least_by_what_is_asked(change):
    bounds = random_bounds(rigorous=True)
    assert contained(change(random_bounds()), change(bounds))
    assert change(bounds)["mean"] is bounds["mean"]


def test_widths_collapse_and_layers():
    bounds = {"a": IntervalTensor(torch.zeros(3), torch.tensor([0.0, 1.0, 2.0])), "p": torch.ones(9)}
    bounds["b"] = IntervalTensor(torch.zeros(2), torch.tensor([3.0, 4.0]))
    assert widths(bounds).tolist() == [0, 2, 4, 6, 8]
    assert {name: values.tolist() for name, values in layer_widths(bounds).items()} == {
        "a": [1, 2, 3],
        "b": [6.5, 7, 7.5],
    }
    assert float(collapsed(bounds)) == pytest.approx(0.2)
    values = torch.rand(1001, generator=stream(0, "q"), dtype=torch.float64)
    expected = torch.quantile(2 * values, torch.tensor([0, 0.25, 0.5, 0.75, 1], dtype=torch.float64))
    assert_close(widths({"w": box(values, values)}), expected)
    assert widths({"p": torch.ones(3)}).tolist() == [0] * 5
    assert float(collapsed({"p": torch.ones(3)})) == 1


def test_a_fingerprint_knows_every_byte_and_no_order():
    bounds = random_bounds()
    assert fingerprint(bounds) == fingerprint(dict(reversed(bounds.items())))
    moved = bounds | {"w": box(bounds["w"].center, bounds["w"].radius * (1 + 2**-50))}
    others = [
        moved,
        bounds | {"mean": bounds["mean"] + 1e-9},
        as_dtype(bounds, torch.float32, False),
        {"w": bounds["w"]},
    ]
    assert len({fingerprint(b) for b in (bounds, *others)}) == 5


def test_bounds_run_through_a_network_as_its_weights():
    """Whatever is done to bounds, a network takes them."""
    with seeded(0, "net"):
        net = Stateless(torch.nn.Linear(3, 5))
    bounds = {"weight": random_bounds()["w"], "bias": random_bounds()["b"]}
    x = torch.randn(4, 3, generator=stream(0, "x"), dtype=torch.float64)
    for made in (scaled(bounds, 2.0), inflate(bounds, 0.1), as_dtype(bounds, torch.float64, True)):
        z = net(made, x)
        for k in range(50):
            logits = net(sample(made, stream(k, "theta")), x)
            assert ((logits >= z.lower - 1e-13) & (logits <= z.upper + 1e-13)).all()
