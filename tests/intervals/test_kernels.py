"""Products of intervals against all their corners, against rational numbers, and their gradients against autograd."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import product as every
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from cltoolkit.intervals import IntervalTensor, worst_case_cross_entropy
from cltoolkit.intervals import _kernels as kernels
from cltoolkit.params import Stateless
from cltoolkit.randomness import seeded, stream

Ends = tuple[Tensor, Tensor]
SPREADS = (0.01, 0.5, 3.0)  # radii of weights, whose centers are about 1: with few and with many across 0


def close(a: Tensor, b: Tensor, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def drawn(key: str, *shape: int, spread: float = 1.0, sign: bool = True) -> Ends:
    """A box of float64 with standard normal centers; without signs, one of non-negative numbers."""
    generator = stream(0, "boxes", key)
    center = torch.randn(shape, generator=generator).double()
    radius = spread * torch.rand(shape, generator=generator).double()
    return (center, radius) if sign else (center.abs() + radius, radius)


def by_corners(x: Ends, weight: Ends, bias: Ends) -> Ends:
    """Lower and upper ends of W x + b: the least and the largest of the four corners of each product, added up."""
    (c, r), (m, w), (b, b_radius) = x, weight, bias
    corners = torch.stack([(c + s * r)[:, None] * (m + t * w) for s, t in every((-1, 1), (-1, 1))])  # (4, n, o, i)
    return corners.amin(0).sum(-1) + b - b_radius, corners.amax(0).sum(-1) + b + b_radius


def ends(box: Ends) -> Ends:
    return box[0] - box[1], box[0] + box[1]


def same_box(a: Ends, b: Ends, tolerance: float = 1e-12) -> None:
    close(a[0], b[0], tolerance)
    close(a[1], b[1], tolerance)


# Exactness


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("case", ["nonnegative", "exact input", "exact weight", "any"])
def test_bounds_are_those_of_all_corners(case: str, spread: float):
    x, weight, bias = drawn("x", 6, 9, sign=case != "nonnegative"), drawn("w", 5, 9, spread=spread), drawn("b", 5)
    x_radius = None if case == "exact input" else x[1]
    weight_radius = None if case == "exact weight" else weight[1]
    center, radius = kernels.linear(x[0], x_radius, weight[0], weight_radius, *bias, nonnegative=case == "nonnegative")
    oracle = by_corners(
        (x[0], torch.zeros_like(x[0]) if x_radius is None else x[1]),
        (weight[0], torch.zeros_like(weight[0]) if weight_radius is None else weight[1]),
        bias,
    )
    if case != "any":
        same_box(ends((center, radius)), oracle)
        return
    assert (center - radius <= oracle[0] + 1e-12).all()
    assert (center + radius >= oracle[1] - 1e-12).all()
    assert (radius <= 1.5 * (oracle[1] - oracle[0]) / 2 + 1e-12).all()


@pytest.mark.parametrize("sign", [True, False])
def test_no_vertex_lies_outside_and_the_extreme_ones_lie_on_the_ends(sign: bool):
    """All 2^8 vertices of the box of four weights and four inputs."""
    x, weight, bias = drawn("x", 1, 4, sign=sign), drawn("w", 1, 4, spread=2), drawn("b", 1, spread=0)
    corner = torch.tensor(list(every((-1.0, 1.0), repeat=8)), dtype=torch.float64)
    values = ((x[0] + corner[:, :4] * x[1]) * (weight[0] + corner[:, 4:] * weight[1])).sum(1) + bias[0]
    lower, upper = by_corners(x, weight, bias)
    close(values.amin(), lower.squeeze())
    close(values.amax(), upper.squeeze())
    center, radius = kernels.linear(*x, *weight, *bias, nonnegative=not sign)
    assert (center - radius).item() <= values.min() + 1e-12
    assert (center + radius).item() >= values.max() - 1e-12


def test_products_of_matrices_are_exact_if_one_factor_is_known_to_be_nonnegative():
    a, b = drawn("a", 2, 3, 4, spread=2), drawn("b", 2, 4, 5, sign=False)
    corners = torch.stack(
        [(a[0] + s * a[1])[..., None] * (b[0] + t * b[1])[:, None] for s, t in every((-1, 1), (-1, 1))]
    )  # (4, 2, 3, 4, 5)
    oracle = corners.amin(0).sum(-2), corners.amax(0).sum(-2)
    same_box(ends(kernels.matmul(*a, *b, other_nonnegative=True)), oracle)
    swapped = kernels.matmul(b[0].mT, b[1].mT, a[0].mT, a[1].mT, nonnegative=True)
    same_box(ends((swapped[0].mT, swapped[1].mT)), oracle)
    wider = kernels.matmul(*a, *b)
    assert (wider[1] >= (oracle[1] - oracle[0]) / 2 - 1e-12).all()


def test_an_entrywise_product_is_the_hull_of_its_corners():
    a, b = drawn("a", 50, spread=2), drawn("b", 50, spread=2)
    corners = torch.stack([(a[0] + s * a[1]) * (b[0] + t * b[1]) for s, t in every((-1, 1), (-1, 1))])
    same_box(ends(kernels.product(*a, *b)), (corners.amin(0), corners.amax(0)))
    same_box(kernels.product(*a, b[0], None), (a[0] * b[0], a[1] * b[0].abs()))
    same_box(kernels.product(a[0], None, *b), (a[0] * b[0], b[1] * a[0].abs()))


def test_relu_takes_the_ends():
    box = drawn("x", 400)
    lower, upper = (end.relu() for end in ends(box))
    same_box(ends(kernels.relu(*box)), (lower, upper))
    center, radius = kernels.relu(*box, rigorous=True)
    same_box(ends((center, radius)), (lower, upper))
    for c, r, low, high in zip(*fractions(*box), *fractions(center - 0, radius), strict=True):
        assert low - high <= max(c - r, 0)
        assert low + high >= max(c + r, 0)


@pytest.mark.parametrize("nonnegative", [True, False])
def test_inputs_may_have_any_number_of_dimensions(nonnegative: bool):
    x, weight, bias = drawn("x", 2, 3, 9, sign=False), drawn("w", 5, 9), drawn("b", 5)
    center, radius = kernels.linear(*x, *weight, *bias, nonnegative=nonnegative)
    assert center.shape == (2, 3, 5)
    for i, j in every(range(2), range(3)):
        single = kernels.linear(x[0][i, j], x[1][i, j], *weight, *bias, nonnegative=nonnegative)
        same_box(single, (center[i, j], radius[i, j]))


# Golden values


def test_a_network_of_two_layers():
    def double(*rows: Any) -> Tensor:
        return torch.tensor(rows, dtype=torch.float64)

    x = double(0.6, 0.4)
    first = (double([1, -2], [-0.5, 0.25]), double([0.1, 0.2], [0.5, 0.05]), double(0.5, -0.1), double(0.05, 0))
    second = (double([1, -0.3], [0.05, 2]), double([0.2, 0.1], [0.1, 0.5]), double(0, 0.1), double(0.01, 0.02))
    hidden = kernels.linear(x, None, *first)
    same_box(hidden, (double(0.3, -0.3), double(0.19, 0.32)))
    hidden = kernels.relu(*hidden)
    same_box(hidden, (double(0.30, 0.01), double(0.19, 0.01)))
    exact, wider = (kernels.linear(*hidden, *second, nonnegative=known) for known in (True, False))
    same_box(exact, (double(0.334, 0.1495), double(0.264, 0.094)))
    same_box(wider, (double(0.297, 0.135), double(0.303, 0.1085)))
    middle = F.linear(F.linear(x, first[0], first[2]).relu(), second[0], second[2])
    close(middle, double(0.3, 0.115))
    logits, label = IntervalTensor(exact[0][None], exact[1][None]), torch.tensor([0])
    close(F.cross_entropy(middle[None], label), double(0.6049192187).squeeze(), 1e-9)
    close(worst_case_cross_entropy(logits, label), double(0.7836552518).squeeze(), 1e-9)


def test_a_hypernetwork_of_two_layers():
    with seeded(0, "test"):
        net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2)).double()
    values = {
        "0.weight": [[1, 2], [-1, 0.5], [0.2, -0.3]],
        "0.bias": [0, 0.1, -0.05],
        "2.weight": [[1, -1, 2], [0.5, 0.5, 0]],
        "2.bias": [0.1, -0.2],
    }
    net.load_state_dict({name: torch.tensor(value).double() for name, value in values.items()})
    e = torch.tensor([0.3, -0.2]).double()
    box = net(IntervalTensor(e, torch.full_like(e, 0.2)))
    same_box((box.center, box.radius), (e.new_tensor([0.52, -0.075]), e.new_tensor([0.42, 0.125])), 1e-7)
    close(net(e), e.new_tensor([0.24, -0.20]), 1e-7)


# Convolutions

SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"stride": 2, "padding": 1},
    {"padding": "same"},
    {"padding": "same", "dilation": 2},
    {"padding": "valid", "stride": (2,)},
    {"groups": 2, "padding": 1},
)


def dense(weight: Tensor, size: tuple[int, ...], settings: dict[str, Any]) -> Tensor:
    """The matrix of a convolution, column by column."""
    basis = torch.eye(torch.Size(size).numel(), dtype=weight.dtype).view(-1, *size)
    return convolved(basis, weight, None, settings).flatten(1).T


def convolved(x: Tensor, weight: Tensor, bias: Tensor | None, settings: dict[str, Any]) -> Tensor:
    return (F.conv1d if weight.ndim == 3 else F.conv2d)(x, weight, bias, **settings)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize("rigorous", [False, True])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("size", [(4, 7), (4, 6, 5)], ids=["1d", "2d"])
@pytest.mark.parametrize("case", ["nonnegative", "exact input", "exact weight", "any"])
def test_a_convolution_is_its_matrix(case: str, size: tuple[int, ...], settings: dict[str, Any], rigorous: bool):
    kernel = (2, 3)[: len(size) - 1]
    x = drawn("x", 3, *size, sign=case != "nonnegative")
    weight = drawn("w", 6, size[0] // settings.get("groups", 1), *kernel, spread=0.5)
    bias = drawn("b", 6)
    x_radius, weight_radius = (None if case == f"exact {n}" else v[1] for n, v in (("input", x), ("weight", weight)))
    known = case == "nonnegative"
    box = kernels.conv(
        x[0], x_radius, weight[0], weight_radius, *bias, **settings, nonnegative=known, rigorous=rigorous
    )
    places = box[0][0, 0].numel()
    matrix = [None if w is None else dense(w, size, settings) for w in (weight[0], weight_radius)]
    flat = kernels.linear(
        x[0].flatten(1),
        None if x_radius is None else x_radius.flatten(1),
        *matrix,
        *(b.repeat_interleave(places) for b in bias),
        nonnegative=known,
    )
    assert box[0].shape == convolved(x[0], weight[0], bias[0], settings).shape
    same_box((box[0].flatten(1), box[1].flatten(1)), flat)
    single = kernels.conv(
        x[0][0],
        None if x_radius is None else x_radius[0],
        weight[0],
        weight_radius,
        *bias,
        **settings,
        nonnegative=known,
        rigorous=rigorous,
    )
    same_box(single, (box[0][0], box[1][0]))


def test_paddings_that_mean_nothing_are_refused():
    x, weight = torch.zeros(1, 1, 4), torch.zeros(1, 1, 3)
    with pytest.raises(ValueError, match="expected a stride of 1 with padding='same'"):
        kernels.conv(x, None, weight, weight, stride=2, padding="same")
    with pytest.raises(ValueError, match="expected padding='same', 'valid' or integers; got 'full'"):
        kernels.conv(x, None, weight, weight, padding="full")


# Width zero, growth, symmetry


@pytest.mark.parametrize("nonnegative", [True, False])
def test_width_zero_is_the_plain_pass(nonnegative: bool):
    x, weight, bias = drawn("x", 6, 9, sign=False)[0], drawn("w", 5, 9)[0], drawn("b", 5)[0]
    zeros = [torch.zeros_like(v) for v in (x, weight, bias)]
    center, radius = kernels.linear(x, zeros[0], weight, zeros[1], bias, zeros[2], nonnegative=nonnegative)
    assert torch.equal(center, F.linear(x, weight, bias))
    assert (radius == 0).all()
    assert (kernels.linear(x, None, weight, None, bias, zeros[2])[1] == 0).all()
    image, kernel = x.view(1, 1, 6, 9), weight[:2, :9].reshape(2, 1, 3, 3)
    center, radius = kernels.conv(
        image, torch.zeros_like(image), kernel, torch.zeros_like(kernel), nonnegative=nonnegative
    )
    close(center, F.conv2d(image, kernel))
    assert (radius == 0).all()


@given(st.integers(0, 10**6), st.booleans())
@settings(max_examples=25)
def test_smaller_operands_have_smaller_boxes(seed: int, nonnegative: bool):
    """Operands inside others: so are their products."""
    generator = stream(seed, "nested")

    def nested(*shape: int, sign: bool = True) -> tuple[Ends, Ends]:
        lower = torch.rand(shape, generator=generator).double() * 2 - int(sign)
        upper = lower + torch.rand(shape, generator=generator).double()
        ends = torch.sort(lower + (upper - lower) * torch.rand((2, *shape), generator=generator).double(), 0).values
        return tuple(((a + b) / 2, (b - a) / 2) for a, b in ((lower, upper), ends))  # type: ignore[return-value]

    (x, smaller_x), (weight, smaller_weight) = nested(3, 5, sign=not nonnegative), nested(2, 5)
    outer = kernels.linear(*x, *weight, nonnegative=nonnegative)
    inner = kernels.linear(*smaller_x, *smaller_weight, nonnegative=nonnegative)
    assert ((inner[0] - outer[0]).abs() <= outer[1] - inner[1] + 1e-12).all()


@pytest.mark.parametrize("nonnegative", [True, False])
def test_hidden_units_may_be_permuted_and_scaled(nonnegative: bool):
    x = drawn("x", 4, 6, sign=False)
    first, second = drawn("w", 5, 6), drawn("v", 3, 5)
    order, scale = torch.randperm(5, generator=stream(0, "order")), torch.tensor([0.25, 8, 0.5, 2, 4]).double()

    def network(first: Ends, second: Ends) -> Ends:
        hidden = kernels.relu(*kernels.linear(*x, *first, nonnegative=nonnegative))
        return kernels.linear(*hidden, *second, nonnegative=nonnegative)

    moved = network(
        tuple(scale[:, None] * w[order] for w in first),  # type: ignore[arg-type]
        tuple(w[:, order] / scale for w in second),  # type: ignore[arg-type]
    )
    same_box(network(first, second), moved)


# Gradients


def formula(apply: Callable[..., Tensor], x: Ends, weight: Ends, bias: Ends, view: tuple[int, ...]) -> Ends:
    """M c + P r + b and R c + Q r + b_r, for autograd."""
    (c, r), (m, w), (b, b_radius) = x, weight, bias
    size = m.abs()
    cross, wide = m.sign() * torch.minimum(size, w), torch.maximum(size, w)
    return (
        apply(c, m) + apply(r, cross) + b.view(view),
        apply(c, w) + apply(r, wide) + b_radius.view(view),
    )


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_gradients_are_those_of_the_formula(kind: str, spread: float):
    shapes = {"linear": ((6, 9), (5, 9), (-1,)), "conv": ((2, 3, 5, 5), (4, 3, 3, 3), (-1, 1, 1))}
    x_shape, shape, view = shapes[kind]
    operands = [
        v.requires_grad_()
        for box in (drawn("x", *x_shape, sign=False), drawn("w", *shape, spread=spread), drawn("b", shape[0]))
        for v in box
    ]
    pairs = tuple(zip(operands[::2], operands[1::2], strict=True))
    if kind == "linear":
        written, apply = kernels.linear(*operands, nonnegative=True), F.linear
    else:
        written = kernels.conv(*operands, stride=2, padding=1, nonnegative=True)

        def apply(x: Tensor, w: Tensor) -> Tensor:
            return F.conv2d(x, w, stride=2, padding=1)

    derived = formula(apply, *pairs, view)
    same_box(written, derived)
    seeds = [drawn("g", *v.shape)[0] for v in derived]
    for a, b in zip(*(torch.autograd.grad(v, operands, seeds) for v in (written, derived)), strict=True):
        close(a, b)


def test_an_exact_weight_of_many_rows_is_taken_in_blocks_unnoticed():
    """More rows than one block holds; and those of a layer that a block holds whole."""
    for shape in ((3000, 100), (5, 7)):
        operands = [
            *drawn("x", 2, 3, shape[1]), drawn("w", *shape)[0], drawn("b", shape[0])[0],
        ]  # fmt: skip
        x, radius, weight, bias = (v.requires_grad_() for v in operands)
        written = kernels.linear(x, radius, weight, None, bias)
        derived = F.linear(x, weight, bias), F.linear(radius, weight.abs())
        same_box(written, derived)
        seeds = [drawn("g", *v.shape)[0] for v in derived]
        for a, b in zip(*(torch.autograd.grad(v, operands, seeds) for v in (written, derived)), strict=True):
            close(a, b, 1e-10)


def test_gradients_are_those_of_differences():
    x, weight, bias = drawn("x", 2, 3, sign=False), drawn("w", 2, 3, spread=2), drawn("b", 2)
    operands = [v.requires_grad_() for box in (x, weight, bias) for v in box]
    assert torch.autograd.gradcheck(lambda *v: kernels.linear(*v, nonnegative=True), operands)
    assert torch.autograd.gradcheck(lambda *v: kernels.linear(*v), operands)
    assert torch.autograd.gradcheck(lambda *v: kernels.linear(*v, rigorous=True), operands)
    assert torch.autograd.gradcheck(lambda x, r, w, b: kernels.linear(x, r, w, None, b), [*operands[:3], operands[4]])
    assert torch.autograd.gradcheck(kernels.relu, [v.requires_grad_() for v in drawn("r", 20)])
    assert torch.autograd.gradcheck(kernels.product, operands[:2] + [v.requires_grad_() for v in drawn("p", 2, 3)])


def test_relu_has_the_gradients_of_its_ends():
    box = [v.requires_grad_() for v in drawn("x", 300)]
    lower, upper = ends(tuple(box))  # type: ignore[arg-type]
    derived = ((upper.relu() + lower.relu()) / 2, (upper.relu() - lower.relu()) / 2)
    seeds = [drawn("g", 300)[0], drawn("h", 300)[0]]
    for a, b in zip(*(torch.autograd.grad(v, box, seeds) for v in (kernels.relu(*box), derived)), strict=True):
        close(a, b)


@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_gradients_that_nobody_asks_for_are_left_out(kind: str):
    x_shape, shape = {"linear": ((6, 9), (5, 9)), "conv": ((2, 3, 5, 5), (4, 3, 3, 3))}[kind]
    kernel = {"linear": kernels.linear, "conv": kernels.conv}[kind]
    operands = [v for box in (drawn("x", *x_shape, sign=False), drawn("w", *shape), drawn("b", shape[0])) for v in box]
    every_one = [v.clone().requires_grad_() for v in operands]
    everything = torch.autograd.grad(sum(v.sum() for v in kernel(*every_one, nonnegative=True)), every_one)  # type: ignore[arg-type]
    for i, expected in enumerate(everything):
        alone = [v.clone().requires_grad_() if i == j else v for j, v in enumerate(operands)]
        total = sum(v.sum() for v in kernel(*alone, nonnegative=True))
        close(torch.autograd.grad(total, alone[i])[0], expected)  # type: ignore[arg-type]


def test_a_bias_may_be_missing_or_exact():
    x, weight, bias = drawn("x", 2, 3, 5, 5, sign=False), drawn("w", 4, 3, 3, 3), drawn("b", 4)
    for b, radius in ((None, None), (bias[0], None)):
        center, width = kernels.conv(*x, *weight, b, radius, nonnegative=True)
        full = kernels.conv(
            *x, *weight, torch.zeros(4).double() if b is None else b, torch.zeros(4).double(), nonnegative=True
        )
        same_box((center, width), full)


# Rounding


def fractions(*values: Tensor) -> Iterator[list[Fraction]]:
    return (list(map(Fraction, value.flatten().tolist())) for value in values)


def exact_range(x: Ends, weight: Ends, bias: Ends) -> tuple[Fraction, Fraction]:
    """The range of one output in rational numbers."""
    (c, r), (m, w), (b, b_radius) = (list(fractions(*box)) for box in (x, weight, bias))
    corners = [[(c[i] + s * r[i]) * (m[i] + t * w[i]) for s, t in every((-1, 1), (-1, 1))] for i in range(len(c))]
    return (
        sum((min(four) for four in corners), b[0] - b_radius[0]),
        sum((max(four) for four in corners), b[0] + b_radius[0]),
    )


def holds(center: Tensor, radius: Tensor, lower: Fraction, upper: Fraction) -> bool:
    (c,), (r,) = fractions(center, radius)
    return c - r <= lower <= upper <= c + r


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("exponents", [(0, 1), (-8, 9), (-42, -18)], ids=["plain", "mixed", "underflow"])
@pytest.mark.parametrize("sign", [True, False])
def test_rigorous_boxes_hold_the_range_in_rational_numbers(sign: bool, exponents: tuple[int, int], dtype: torch.dtype):
    generator = stream(0, "rational")
    scale = 7 if dtype == torch.float64 and exponents[0] == -42 else 1

    def box(n: int, spread: float, sign: bool) -> Ends:
        size = 10.0 ** (scale * torch.randint(*exponents, (n,), generator=generator).double())
        center = torch.randn(n, generator=generator).double() * size
        radius = spread * torch.rand(n, generator=generator).double() * size
        center, radius = (center if sign else center.abs() + 2 * radius).to(dtype), radius.to(dtype)
        return center, radius

    for trial in range(60):
        spread = (0.0, 1e-6, 1.0)[trial % 3]
        x, weight, bias = box(6, spread, sign), box(6, spread, True), box(1, spread, True)
        center, radius = kernels.linear(
            x[0][None], x[1][None], weight[0][None], weight[1][None], *bias, nonnegative=not sign, rigorous=True
        )
        assert holds(center, radius, *exact_range(x, weight, bias))
        center, radius = kernels.product(*x, *weight, rigorous=True)
        nothing = (torch.zeros(1), torch.zeros(1))
        for i in range(6):
            entry = tuple((v[0][i : i + 1], v[1][i : i + 1]) for v in (x, weight))
            assert holds(center[i], radius[i], *exact_range(*entry, nothing))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rigorous_boxes_hold_sums_in_every_order(dtype: torch.dtype):
    """Of numbers in the box at its very ends: extreme ones with width, and the plain product without."""
    generator = stream(0, "orders")
    x, weight = ((drawn(k, 1, 40)[0].to(dtype), drawn(k, 1, 40, spread=1e-5)[1].to(dtype)) for k in ("x", "w"))
    for width in (0, 1):
        center, radius = kernels.linear(x[0], width * x[1], weight[0], width * weight[1], rigorous=True)
        lower, upper = ends((center.double(), radius.double()))
        for _ in range(100):
            signs = torch.randint(-1, 2, (2, 40), generator=generator)
            terms = (x[0] + width * 0.999 * signs[0] * x[1]) * (weight[0] + width * 0.999 * signs[1] * weight[1])
            total = torch.zeros((), dtype=dtype)
            for term in terms[0, torch.randperm(40, generator=generator)]:
                total = total + term
            assert lower <= total.double() <= upper


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_networks_drawn_from_rigorous_boxes_stay_inside(dtype: torch.dtype):
    """In their own dtype, without tolerance: wide boxes, and boxes narrower than rounding."""
    generator = stream(0, "networks")
    with seeded(0, "test"):
        module = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, stride=2), nn.ReLU(), nn.Flatten(),
            nn.Linear(36, 20), nn.ReLU(), nn.Linear(20, 3),
        ).to(dtype)  # fmt: skip
    net, x = Stateless(module), torch.rand(10, 1, 8, 8, generator=generator).to(dtype)
    params = net.initial(0)
    for width in (0.0, 1e-9, 1e-3):
        radii = {name: width * torch.rand(v.shape, generator=generator).to(dtype) for name, v in params.items()}
        boxes: dict[str, Tensor] = {n: IntervalTensor(v, radii[n], rigorous=True) for n, v in params.items()}
        logits = net(boxes, x)
        assert isinstance(logits, IntervalTensor)
        lower, upper = ends((logits.center.double(), logits.radius.double()))
        for _ in range(40):
            share = {n: 1.998 * torch.rand(v.shape, generator=generator).to(dtype) - 0.999 for n, v in params.items()}
            values = net({n: v + share[n] * radii[n] for n, v in params.items()}, x).double()
            assert (lower <= values).all()
            assert (values <= upper).all()


def test_rigorous_bounds_do_not_depend_on_the_precision_that_others_ask_for():
    x, weight = ((c.float(), r.float()) for c, r in (drawn("x", 6, 9), drawn("w", 5, 9)))
    outside = kernels.linear(*x, *weight, rigorous=True)
    known = kernels.linear(*x, *weight)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside, coarse = kernels.linear(*x, *weight, rigorous=True), kernels.linear(*x, *weight, nonnegative=True)
    assert all(torch.equal(a, b) for a, b in zip(inside, outside, strict=True))
    assert coarse[0].dtype == torch.bfloat16
    same_box((outside[0], outside[1]), known, 1e-4)


def test_rigorous_bounds_need_a_precision_that_can_be_bounded():
    x = torch.ones(1, 2, dtype=torch.bfloat16)
    with pytest.raises(ValueError, match="expected float32 or float64"):
        kernels.linear(x, None, x, x, rigorous=True)


# Rules


MATRICES: tuple[tuple[Callable[..., Any], tuple[int, ...], tuple[int, ...]], ...] = (
    (torch.matmul, (3, 4), (4, 2)),
    (Tensor.__matmul__, (3, 4), (2, 4, 3)),
    (torch.mm, (3, 4), (4, 2)),
    (Tensor.bmm, (2, 3, 4), (2, 4, 2)),
    (torch.mv, (3, 4), (4,)),
    (torch.dot, (4,), (4,)),
    (F.linear, (3, 4), (2, 4)),
)


@pytest.mark.parametrize(("function", "first", "second"), MATRICES, ids=lambda v: getattr(v, "__name__", str(v)))
@pytest.mark.parametrize("boxed", [(True, False), (False, True), (True, True)])
def test_rules_hold_sampled_products(
    function: Callable[..., Any], first: tuple[int, ...], second: tuple[int, ...], boxed: tuple[bool, bool]
):
    generator = stream(0, "sampled")
    pairs = drawn("a", *first), drawn("b", *second)
    operands = [IntervalTensor(*pair) if is_box else pair[0] for pair, is_box in zip(pairs, boxed, strict=True)]
    box = function(*operands)
    for _ in range(50):
        points = [
            c + is_box * r * (2 * torch.rand(c.shape, generator=generator).double() - 1)
            for (c, r), is_box in zip(pairs, boxed, strict=True)
        ]
        assert ((function(*points) - box.center).abs() <= box.radius + 1e-12).all()


def test_a_plain_matrix_before_a_box_and_sums_behind_products():
    plain, box = drawn("a", 3, 4)[0], IntervalTensor(*drawn("b", 4, 2))
    shift = drawn("c", 3, 2)[0]
    before = plain @ box
    same_box((before.center, before.radius), (plain @ box.center, plain.abs() @ box.radius))
    summed = torch.addmm(shift, plain, box, beta=2, alpha=-3)
    same_box((summed.center, summed.radius), (2 * shift - 3 * before.center, 3 * before.radius))


def test_flags_pass_on_what_is_known():
    positive = IntervalTensor(*drawn("a", 3, 4, sign=False), nonnegative=True)
    signed = IntervalTensor(*drawn("b", 4, 2), rigorous=True)
    assert (positive @ positive.mT).nonnegative
    assert not (positive @ signed).nonnegative
    assert (positive @ signed).rigorous
    assert not (positive @ signed.center).nonnegative
    assert F.linear(positive, signed.center.T, IntervalTensor(*drawn("c", 2), rigorous=True)).rigorous
