"""Modules run on boxes as they are written, and every network inside the boxes stays inside the bounds."""

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.testing import assert_close

from cltoolkit import networks
from cltoolkit.hypernetworks import Hypernetwork
from cltoolkit.intervals import IntervalTensor, MissingRuleError, box
from cltoolkit.params import Stateless, unpack
from cltoolkit.randomness import seeded, stream

IMAGE = (3, 8, 8)
SMALL = {
    "mlp": lambda **kw: networks.mlp(IMAGE, (12, 8), 4, **kw),
    "lenet": lambda **kw: networks.lenet((3, 12, 12), 4, **kw),
    "resnet18": lambda **kw: networks.resnet18(IMAGE, 4, width=2, **kw),
    "resnet32": lambda **kw: networks.resnet32(IMAGE, 4, **kw),
}
RADII = {"mlp": 1e-2, "lenet": 1e-3, "resnet18": 1e-4, "resnet32": 1e-7}
EVERY = [(name, norm) for name in SMALL for norm in (False, True)]


def lively(module, dtype=torch.float64):
    """The module in evaluation, whose batch norms have statistics and gains of their own."""
    generator = stream(0, "statistics")
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            for value, low in (
                (part.running_mean, -0.3),
                (part.running_var, 0.5),
                (part.weight, -1.0),
                (part.bias, -0.5),
            ):
                value.data = low + torch.rand(value.shape, generator=generator)
    return module.to(dtype).eval()


def images(name, n=2, dtype=torch.float64):
    shape = (3, 12, 12) if name == "lenet" else IMAGE
    return torch.rand(n, *shape, generator=stream(0, "images"), dtype=dtype)


def boxed(params, radius, **flags):
    return {name: IntervalTensor(p, torch.full_like(p, radius), **flags) for name, p in params.items()}


def drawn(bounds, generator, corner):
    """Weights inside boxes, or the last numbers inside their corners."""
    weights = {}
    for name, value in bounds.items():
        share = 2 * torch.rand(value.shape, generator=generator, dtype=value.dtype) - 1
        share = share.sign() if corner else share
        weights[name] = torch.nextafter(value.center + share * value.radius, value.center)
    return weights


def ends(value):
    return value.center.double() - value.radius.double(), value.center.double() + value.radius.double()


def logits_outside(run, bounds, count=30, tolerance=1e-12):
    """How many logits of networks drawn inside the boxes lie outside the bounds."""
    low, high = ends(run(bounds))
    slack = tolerance * torch.maximum(low.abs(), high.abs())
    generator = stream(1, "networks")
    with torch.no_grad():
        drawings = [run(drawn(bounds, generator, i % 2 == 0)) for i in range(count)]
    return sum(int(((z < low - slack) | (z > high + slack)).sum()) for z in drawings)


@pytest.mark.parametrize(("name", "norm"), EVERY)
def test_networks_in_the_boxes_stay_in_the_bounds(name, norm):
    net = Stateless(lively(SMALL[name](batch_norm=norm)), weights="given")
    params = net.initial(0)
    fixed = {n: params[n] for n in net.buffers}
    bounds = boxed({n: params[n] for n in net.shapes}, RADII[name])
    x = images(name)
    assert logits_outside(lambda weights: net({**weights, **fixed}, x), bounds) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("name", "norm"), EVERY)
def test_rigorous_bounds_need_no_tolerance(name, norm, dtype):
    net = Stateless(lively(SMALL[name](batch_norm=norm), dtype), weights="given")
    params = net.initial(0)
    fixed = {n: params[n] for n in net.buffers}
    x = images(name, dtype=dtype)
    for radius in (0.0, RADII[name]):
        bounds = boxed({n: params[n] for n in net.shapes}, radius, rigorous=True)
        assert logits_outside(lambda weights: net({**weights, **fixed}, x), bounds, count=6, tolerance=0.0) == 0


@pytest.mark.parametrize(("name", "norm"), EVERY)
def test_width_zero_is_the_network(name, norm):
    net = Stateless(lively(SMALL[name](batch_norm=norm)), weights="given")
    params = net.initial(0)
    bounds = boxed({n: params[n] for n in net.shapes}, 0.0) | {n: params[n] for n in net.buffers}
    logits = net(bounds, images(name))
    assert not logits.radius.any()
    assert_close(logits.center, net(params, images(name)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", SMALL)
def test_smaller_boxes_have_smaller_bounds(name):
    net = Stateless(lively(SMALL[name](batch_norm=True)), weights="given")
    params = net.initial(0)
    fixed = {n: params[n] for n in net.buffers}
    outer = boxed({n: params[n] for n in net.shapes}, RADII[name])
    inner = {n: box(v.center + 0.25 * v.radius, 0.5 * v.radius) for n, v in outer.items()}
    (low, high), (inner_low, inner_high) = (ends(net({**b, **fixed}, images(name))) for b in (outer, inner))
    assert bool((inner_low >= low).all())
    assert bool((inner_high <= high).all())


def test_torchvisions_resnet18_runs_as_it_is():
    from torchvision.models import resnet18

    with seeded(0, "torchvision"):
        net = lively(resnet18(num_classes=4))
    x = torch.rand(2, 3, 32, 32, generator=stream(0, "images"), dtype=torch.float64)
    bounds = boxed({n: p.detach() for n, p in net.named_parameters()}, 1e-6)
    with torch.no_grad():
        logits = functional_call(net, bounds, (x,))
    assert logits.shape == (2, 4)
    assert bool((logits.width > 0).all())
    with torch.no_grad():
        assert logits_outside(lambda weights: functional_call(net, weights, (x,)), bounds, count=4) == 0


def test_torchvisions_resnet18_runs_on_the_meta_device():
    from torchvision.models import resnet18

    with torch.device("meta"), seeded(0, "torchvision"):
        net = resnet18(num_classes=4).eval()
    bounds = {n: box(p.detach(), p.detach()) for n, p in net.named_parameters()}
    assert functional_call(net, bounds, (torch.empty(2, 3, 64, 64, device="meta"),)).shape == (2, 4)


@pytest.mark.parametrize("output", ["full", "chunked", "low_rank"])
@pytest.mark.parametrize("activation", ["relu", "elu", "tanh", "gelu", "silu", "leaky_relu", "sigmoid"])
def test_hypernetworks_turn_boxes_of_embeddings_into_boxes_of_weights(output, activation):
    net = Stateless(networks.mlp((6,), (5,), 3))
    hypernet = Hypernetwork(net.shapes, embedding_dim=4, hidden=(8, 8), output=output, activation=activation).double()
    generator = stream(0, "embeddings")
    bounds = IntervalTensor(
        torch.randn(3, 4, generator=generator).double(), 0.1 * torch.rand(3, 4, generator=generator).double()
    )
    weights = hypernet(bounds)
    logits = [net(unpack(row, net.shapes), torch.ones(2, 6).double()) for row in weights]
    assert weights.shape == (3, net.size)
    for i in range(40):
        (embeddings,) = drawn({"e": bounds}, generator, i % 2 == 0).values()
        made = hypernet(embeddings)
        assert weights.contains(made) or (made - weights.center).abs().sub(weights.radius).max() < 1e-12
        for row, bound in zip(made, logits, strict=True):
            z = net(unpack(row, net.shapes), torch.ones(2, 6).double())
            assert bool(((z - bound.center).abs() <= bound.radius + 1e-12).all())


def test_training_by_the_bounds_reaches_every_weight():
    hypernet = Hypernetwork({"a": torch.Size([5, 3])}, embedding_dim=4, hidden=(8,))
    weights = hypernet(IntervalTensor(torch.ones(2, 4), torch.full((2, 4), 0.1)))
    (weights.center.square().sum() + weights.radius.sum()).backward()
    assert all(p.grad is not None and p.grad.any() for p in hypernet.parameters())


def test_inputs_may_be_boxes_too():
    net = lively(networks.lenet((3, 12, 12), 4))
    x = IntervalTensor(images("lenet"), torch.full((2, 3, 12, 12), 1e-3).double())
    assert logits_outside(lambda inputs: net(inputs["x"]), {"x": x}) == 0


def test_hidden_units_in_another_order_have_the_same_bounds():
    net = networks.mlp((6,), (9,), 3).double()
    order = torch.randperm(9, generator=stream(0, "order"))
    bounds = boxed({n: p.detach() for n, p in net.named_parameters()}, 0.01)
    first, head = [n for n in bounds if n.startswith("body")], "head.weight"
    moved = bounds | {n: bounds[n][order] for n in first} | {head: bounds[head][:, order]}
    x = torch.rand(5, 6, generator=stream(0, "x")).double()
    a, b = (functional_call(net, weights, (x,)) for weights in (bounds, moved))
    assert_close(a.center, b.center, rtol=1e-12, atol=1e-12)
    assert_close(a.radius, b.radius, rtol=1e-12, atol=1e-12)


def test_a_layer_scaled_up_and_the_next_down_has_the_same_bounds():
    net = networks.mlp((6,), (9,), 3).double()
    bounds = boxed({n: p.detach() for n, p in net.named_parameters()}, 0.01)
    scales = {n: 4.0 if n.startswith("body") else 0.25 if n == "head.weight" else 1.0 for n in bounds}
    x = torch.rand(5, 6, generator=stream(0, "x")).double()
    a, b = (functional_call(net, w, (x,)) for w in (bounds, {n: v * scales[n] for n, v in bounds.items()}))
    assert_close(a.center, b.center, rtol=1e-12, atol=1e-12)
    assert_close(a.radius, b.radius, rtol=1e-12, atol=1e-12)


class Block(nn.Module):
    """Much of what networks do between their layers."""

    def __init__(self) -> None:
        super().__init__()
        self.relu, self.norm, self.drop = nn.ReLU(inplace=True), nn.GroupNorm(2, 4), nn.Dropout(0.5)
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4 * 4 + 4, 3)

    def forward(self, x):
        out = self.norm(self.first(x))
        identity = out
        out = self.drop(self.second(self.relu(out)))
        out += identity
        pooled = nn.functional.adaptive_avg_pool2d(out, 2).flatten(1)
        squeezed = torch.sigmoid(out.amax((2, 3))) * 0.5
        return torch.softmax(self.head(torch.cat([pooled, squeezed], 1)), -1)


def test_a_module_of_ones_own_runs_too():
    with seeded(0, "block"):
        net = Block().double().eval()
    x = torch.rand(2, 3, 8, 8, generator=stream(0, "x"), dtype=torch.float64)
    bounds = boxed({n: p.detach() for n, p in net.named_parameters()}, 1e-3)
    result = functional_call(net, bounds, (x,))
    assert result.nonnegative
    assert bool((result.upper <= 1).all())
    assert logits_outside(lambda weights: functional_call(net, weights, (x,)), bounds) == 0


def test_batch_norm_in_training_is_refused():
    net = Stateless(SMALL["mlp"](batch_norm=True))
    params = net.initial(0)
    weights = params | boxed({n: params[n] for n in net.shapes}, 0.1)
    with pytest.raises(MissingRuleError, match=r"training=False"):
        net(weights, torch.rand(2, *IMAGE, generator=stream(0, "x")), training=True)


@pytest.mark.filterwarnings("ignore:the frozen weights of .* are random")
def test_a_transformer_with_boxes_as_adapters_stays_in_its_bounds():
    net = Stateless(networks.vit_lora((3, 16, 16), 4, model="toy", rank=2).double())
    bounds = boxed({n: p for n, p in net.initial(0).items() if n in net.shapes}, 1e-4)
    fixed = {n: p for n, p in net.initial(0).items() if n not in net.shapes}
    x = torch.rand(2, 3, 16, 16, generator=stream(0, "x"), dtype=torch.float64)
    assert logits_outside(lambda weights: net({**weights, **fixed}, x), bounds) == 0


def test_torchs_own_attention_is_refused_by_name():
    with seeded(0, "attention"):
        net = nn.MultiheadAttention(4, 2, batch_first=True).eval()
    x = IntervalTensor(torch.zeros(1, 3, 4), torch.ones(1, 3, 4))
    with pytest.raises(MissingRuleError, match=r"multi_head_attention_forward"):
        net(x, x, x)
