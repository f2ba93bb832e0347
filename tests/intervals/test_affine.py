"""Affine tensors: every point of the set stays in it, and in the box; what cancels, cancels."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cltoolkit.hypernetworks import Hypernetwork
from cltoolkit.intervals import (
    AFFINE_RULES,
    AffineTensor,
    IntervalTensor,
    MissingRuleError,
    affine_embedding,
    affine_weights,
)
from cltoolkit.intervals import _affine_rules as rules
from cltoolkit.networks import mlp, resnet18
from cltoolkit.params import Stateless, unpack
from cltoolkit.randomness import seeded, stream

D, DRAWS = 3, 100
TINY = 1e-12


def normal(*shape: int, key: str = "") -> Tensor:
    return torch.randn(shape, generator=stream(0, "affine", key, *shape), dtype=torch.float64)


def noise(*shape: int, key: str = "noise") -> Tensor:
    """Draws from [−1, 1], a third of them corners."""
    ends = torch.rand(shape, generator=stream(1, "affine", key, *shape), dtype=torch.float64) * 3 - 1.5
    return ends.clamp(-1, 1)


def affine(*shape: int, key: str = "", private: float = 0.1, **flags: bool) -> AffineTensor:
    center, generators = normal(*shape, key=key), 0.2 * normal(D, *shape, key=key)
    return AffineTensor(center, generators, private * normal(*shape, key=key + "r").abs(), **flags)


def points(value: object, xi: Tensor, key: str) -> object:
    """For each draw of the shared noise a point of the set."""
    if not isinstance(value, AffineTensor):
        return value
    form, private = value.form, noise(len(xi), *value.shape, key=key)
    shared = torch.einsum("bk,k...->b...", xi[:, : len(form.generators)], form.generators)
    return form.center + shared + form.radius * private


x, w, gain = affine(2, 4, 6, 6), affine(5, 4, 3, 3, key="w"), affine(4, key="g")
FUNCTIONS = {
    "relu": (F.relu, x),
    "leaky_relu": (lambda v: F.leaky_relu(v, 0.2), x),
    "tanh": (torch.tanh, x),
    "sigmoid": (torch.sigmoid, x),
    "linear, points": (lambda v: F.linear(v, normal(3, 6), normal(3)), x),
    "linear, point input": (lambda m, b: F.linear(normal(7, 4), m, b), affine(5, 4), affine(5)),
    "linear": (F.linear, affine(7, 4), affine(5, 4, key="w"), affine(5)),
    "conv2d": (lambda v, m, b: F.conv2d(v, m, b, stride=2, padding=1), x, w, affine(5)),
    "conv2d, groups": (lambda v, m: F.conv2d(v, m, groups=2), x, affine(4, 2, 3, 3)),
    "conv1d": (lambda v, m: F.conv1d(v, m, padding=1), affine(2, 4, 6), affine(5, 4, 3)),
    "matmul": (torch.matmul, affine(2, 3), affine(3, 4)),
    "mul": (torch.mul, affine(2, 4), gain),
    "mul, number": (lambda v: 2 * v * -0.5, x),
    "add": (lambda a, b: a + b + 1, affine(2, 4), gain),
    "sub": (lambda a, b: 1 - (a - b), affine(2, 4), gain),
    "neg, div": (lambda a: -a / normal(4), affine(2, 4)),
    "views": (lambda v: v.flatten(1).view(2, 12, -1).reshape(24, 12).unsqueeze(0).expand(2, -1, -1), x),
    "turned": (lambda v: v.permute(0, 2, 3, 1).transpose(1, 2)[:, ::2, 1], x),
    "padded": (
        lambda v: F.pad(F.pad(v, (1, 0), value=-3.0), (1, 1, 0, 0), mode="replicate").view_as(normal(2, 4, 6, 9)),
        x,
    ),
    "moved": (lambda v: v.to("cpu").double(), x),
    "div, sets": (lambda a, b: a / torch.sigmoid(b), affine(2, 4), gain),
    "parts": (lambda v: v.split([1, 3], 1)[1], x),
    "cat": (lambda a, b: torch.cat([a, normal(2, 4), b], 1), affine(2, 4), affine(2, 3)),
    "stack": (lambda a, b: torch.stack([a, b], 1), affine(2, 4), affine(2, 4, key="b")),
    "mean": (lambda v: v.mean((2, 3)) + v.sum() - v.mean(1)[:, 0, :4], x),
    "pools": (lambda v: F.adaptive_avg_pool2d(F.avg_pool2d(v, 2), 1), x),
    "max_pool": (lambda v: F.max_pool2d(v, 2), x),
    "batch_norm": (lambda v, g, b: F.batch_norm(v, normal(4), normal(4).exp(), g, b), x, gain, affine(4, key="b")),
    "residual": (lambda v, m: F.relu(v - F.conv2d(v, m, padding=1)), x, affine(4, 4, 3, 3)),
    "dropout": (lambda v: F.dropout(v, 0.5, training=False), x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("pairs", [0, rules.PAIRS], ids=["sizes", "pairs"])
def test_every_value_lies_in_the_form_of_the_same_noise_and_in_the_box(
    name: str, pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "PAIRS", pairs)
    function, *operands = FUNCTIONS[name]
    out = function(*operands)
    xi = noise(DRAWS, D)
    drawn = [points(value, xi, str(i)) for i, value in enumerate(operands)]
    values = torch.stack([function(*(part[i] for part in drawn)) for i in range(DRAWS)])
    shared = torch.einsum("bk,k...->b...", xi[:, : len(out.generators)], out.generators)
    assert ((values - out.center - shared).abs() <= out.radius + TINY).all()
    assert ((values >= out.lower - TINY) & (values <= out.upper + TINY)).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_box_is_never_wider_than_that_of_interval_arithmetic(name: str) -> None:
    function, *operands = FUNCTIONS[name]
    out, plain = function(*operands), function(*(value.box for value in operands))
    assert ((out.lower >= plain.lower - TINY) & (out.upper <= plain.upper + TINY)).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_rigorous_sets_hold_values_of_real_and_of_rounded_arithmetic(name: str) -> None:
    function, *operands = FUNCTIONS[name]
    same = [AffineTensor(*value.form, rigorous=True) for value in operands]
    wider, tighter = function(*same), function(*operands)
    assert wider.rigorous
    assert ((wider.lower <= tighter.lower) & (wider.upper >= tighter.upper)).all()
    assert (wider.upper - tighter.upper).max() < 1e-10


def test_what_is_subtracted_from_itself_is_nothing() -> None:
    v = affine(4, private=0.0)
    assert not (v - v).box.radius.any()
    assert (v.box - v.box).radius.gt(0).all()


def test_a_residual_block_is_tighter_than_its_box() -> None:
    v, near = affine(2, 4, private=0.0), torch.eye(4, dtype=torch.float64) + 0.01 * normal(4, 4)
    out, plain = F.relu(v - F.linear(v, near) + 1), F.relu(v.box - F.linear(v.box, near) + 1)
    assert (out.box.width < 0.1 * plain.width).all()


def test_private_noise_that_fills_the_box_is_the_box() -> None:
    out = F.relu(AffineTensor(normal(3, 4), normal(D, 3, 4), torch.full((3, 4), 50.0, dtype=torch.float64)))
    assert not out.generators.any()
    assert torch.equal(out.radius, out.box.radius)


def test_pairs_of_generators_are_tighter_than_their_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    operands = affine(7, 16), affine(5, 16, key="w")
    pairs = F.linear(*operands)
    monkeypatch.setattr(rules, "PAIRS", 0)
    sizes = F.linear(*operands)
    assert (pairs.radius <= sizes.radius).all()
    assert pairs.radius.mean() < 0.9 * sizes.radius.mean()


def test_generators_that_one_operand_lacks_count_as_zero() -> None:
    short, long = affine(4, key="s"), affine(4)
    short = AffineTensor(short.center, short.generators[:1], short.radius)
    full = AffineTensor(short.center, F.pad(short.generators, (0, 0, 0, D - 1)), short.radius)
    for function in (torch.add, torch.mul, lambda a, b: torch.cat([a, b])):
        for out, expected in zip(function(short, long).form, function(full, long).form, strict=True):
            torch.testing.assert_close(out, expected)


def test_an_interval_joins_in_as_private_noise() -> None:
    v, interval = affine(4), IntervalTensor(normal(4), normal(4).abs())
    out = v * interval
    assert out.generators.shape == v.generators.shape
    assert (out.box.radius <= (v.box * interval).radius + TINY).all()


# Through a hypernetwork and its target


with seeded(0, "test"):
    SMALL = nn.Sequential(
        *(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(3, 4, 3), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(16, 3)),
    )
    LINEAR = nn.Linear(6, 3)
TARGETS = {
    "mlp": (mlp((16,), (12, 12), 3), (16,)),
    "conv": (SMALL, (1, 8, 8)),
    "residual": (resnet18((1, 8, 8), 3, width=2, batch_norm=False), (1, 8, 8)),
}


def made(target: str, output: str, activation: str = "relu") -> tuple[Stateless, Hypernetwork, Tensor, Tensor]:
    module, shape = TARGETS[target]
    net = Stateless(module)
    hypernet = Hypernetwork(net.shapes, embedding_dim=4, hidden=(16, 16), output=output, activation=activation, rank=8)
    return net, hypernet.double(), normal(4, key="e"), normal(5, *shape, key="x")


@pytest.mark.parametrize("noises", [4, 64])
@pytest.mark.parametrize("output", ["full", "chunked", "low_rank"])
@pytest.mark.parametrize("target", ["mlp", "conv"])
def test_weights_and_logits_of_every_embedding_in_the_box_are_held(target: str, output: str, noises: int) -> None:
    net, hypernet, center, inputs = made(target, output)
    half_width = torch.tensor([0.01, 0.005, 0.0, 0.002], dtype=torch.float64)
    weights = affine_weights(hypernet, center, half_width, noises=noises)
    logits = net(dict(weights), inputs)
    with torch.no_grad():
        drawn = unpack(hypernet(center + half_width * noise(1000, 4)), net.shapes)
        values = torch.vmap(net, (0, None))(drawn, inputs)
        plain = unpack(hypernet(IntervalTensor(center[None], half_width[None]))[0], net.shapes)
        widest = net(plain, inputs)
    for name, bound in (*weights.items(), ("logits", logits)):
        points = values if name == "logits" else drawn[name]
        whole = widest if name == "logits" else plain[name]
        assert ((points >= bound.lower - TINY) & (points <= bound.upper + TINY)).all()
        assert ((bound.lower >= whole.lower - TINY) & (bound.upper <= whole.upper + TINY)).all()
    assert logits.box.width.mean() < 0.1 * widest.width.mean()


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "leaky_relu", "elu"])
def test_other_activations_are_held(activation: str) -> None:
    net, hypernet, center, inputs = made("residual", "full", activation)
    half_width = torch.full((4,), 0.002, dtype=torch.float64)
    logits = net(dict(affine_weights(hypernet, center, half_width)), inputs)
    with torch.no_grad():
        drawn = unpack(hypernet(center + half_width * noise(100, 4)), net.shapes)
        values = torch.vmap(net, (0, None))(drawn, inputs)
    assert ((values >= logits.lower - TINY) & (values <= logits.upper + TINY)).all()


def test_an_affine_hypernetwork_of_a_linear_target_is_bounded_exactly() -> None:
    net = Stateless(LINEAR)
    hypernet = Hypernetwork(net.shapes, embedding_dim=4, hidden=()).double()
    center, half_width, inputs = normal(4), normal(4).abs(), normal(7, 6)

    def logits(embedding: Tensor) -> Tensor:
        return net(unpack(hypernet(embedding[None])[0], net.shapes), inputs)

    out = net(dict(affine_weights(hypernet, center, half_width)), inputs)
    slopes = torch.func.jacrev(logits)(center)
    torch.testing.assert_close(out.box.center, logits(center))
    torch.testing.assert_close(out.box.radius, slopes.abs() @ half_width)


@pytest.mark.parametrize("output", ["full", "chunked", "low_rank"])
def test_more_noises_are_tighter(output: str) -> None:
    net, hypernet, center, inputs = made("mlp", output)
    half_width = torch.full((4,), 0.05, dtype=torch.float64)
    widths = [
        net(dict(affine_weights(hypernet, center, half_width, noises=noises)), inputs).box.width.mean()
        for noises in (4, 256)
    ]
    assert widths[1] < widths[0]


def test_rigorous_single_precision_holds_double_precision() -> None:
    net, hypernet, center, inputs = made("mlp", "full")
    half_width = torch.full((4,), 1e-6, dtype=torch.float64)
    center, half_width, inputs = center.float().double(), half_width.float().double(), inputs.float().double()
    hypernet = hypernet.float().double()
    weights = affine_weights(hypernet, center, half_width, dtype=torch.float32, rigorous=True)
    logits = net(dict(weights), inputs.float())
    with torch.no_grad():
        drawn = unpack(hypernet(center + half_width * noise(1000, 4)), net.shapes)
        values = torch.vmap(net, (0, None))(drawn, inputs)
        rounded = net(unpack(hypernet.float()(center.float()[None])[0], net.shapes), inputs.float())
    assert logits.rigorous
    assert ((values >= logits.lower) & (values <= logits.upper)).all()
    assert ((rounded >= logits.lower) & (rounded <= logits.upper)).all()


# What is refused


def test_a_function_without_any_rule_raises() -> None:
    with pytest.raises(MissingRuleError, match="cumprod"):
        torch.cumprod(affine(3), 0)
    with pytest.raises(MissingRuleError, match=r"eval\(\)"):
        F.dropout(affine(3), 0.5, training=True)


def test_a_function_with_only_an_interval_rule_forgets_the_noise() -> None:
    out = torch.exp(affine(3))
    assert torch.exp not in AFFINE_RULES
    assert not out.generators.any()
    assert torch.equal(out.box.center, torch.exp(affine(3).box).center)


def test_sizes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"generators \(d, \*shape\)"):
        AffineTensor(torch.zeros(3), torch.zeros(2, 4))
    with pytest.raises(ValueError, match="at least 0"):
        AffineTensor(torch.zeros(3), torch.zeros(2, 3), -torch.ones(3))
    with pytest.raises(ValueError, match="at least 4 noises"):
        affine_weights(made("mlp", "full")[1], torch.zeros(4), torch.ones(4), noises=3)


def test_an_embedding_has_a_noise_for_each_coordinate() -> None:
    out = affine_embedding(torch.zeros(2), torch.tensor([0.5, 0.25]))
    assert torch.equal(out.generators, torch.tensor([[0.5, 0.0], [0.0, 0.25]]))
    assert torch.equal(out.box.radius, torch.tensor([0.5, 0.25]))


def test_what_is_changed_in_place_is_changed():
    """Also where a module drops what the function returns."""
    changed = affine_embedding(torch.tensor([-1.0, 2.0]), torch.tensor([0.5, 0.5]))
    torch.nn.ReLU(inplace=True)(changed)
    assert (changed.lower.tolist(), changed.upper.tolist()) == ([0, 1.5], [0, 2.5])
    same = changed
    changed += torch.ones(2)
    assert same is changed
    assert changed.lower.tolist() == [1, 2.5]
    torch.nn.ReLU()(changed.sub_(9.0))
    assert changed.upper.tolist() == [-8, -5.5]
