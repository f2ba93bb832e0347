"""A network called with weights from outside is that network; packing weights loses nothing."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from cltoolkit import networks
from cltoolkit.params import Stateless, pack, unpack
from cltoolkit.randomness import seeded, stream

SHAPE = st.lists(st.integers(1, 4), max_size=3).map(torch.Size)
SHAPES = st.lists(SHAPE, min_size=1, max_size=4).map(lambda shapes: {f"w{i}": s for i, s in enumerate(shapes)})
BATCH = st.lists(st.integers(1, 3), max_size=2).map(tuple)


def drawn(*shape, key="x"):
    return torch.randn(shape, generator=stream(0, key))


def network(**options):
    return networks.mlp((4,), (5,), 3, **options)


@given(SHAPES, BATCH)
def test_unpack_undoes_pack(shapes, batch):
    params = {name: drawn(*batch, *shape, key=name) for name, shape in shapes.items()}
    flat = pack(params, shapes)
    assert flat.shape == (*batch, sum(shape.numel() for shape in shapes.values()))
    for name, value in unpack(flat, shapes).items():
        assert torch.equal(value, params[name])


@given(SHAPES, BATCH)
def test_pack_undoes_unpack(shapes, batch):
    flat = drawn(*batch, sum(shape.numel() for shape in shapes.values()))
    assert torch.equal(pack(unpack(flat, shapes), shapes), flat)


def test_unpack_gives_views_in_the_order_of_shapes():
    shapes = {"b": torch.Size([2]), "a": torch.Size([1, 2])}
    flat = torch.arange(4.0)
    params = unpack(flat, shapes)
    flat[0] = 7
    assert params["b"].tolist() == [7, 1]
    assert params["a"].tolist() == [[2, 3]]


def test_pack_takes_only_what_is_named():
    assert pack({"a": torch.ones(2), "statistics": torch.zeros(9)}, {"a": torch.Size([2])}).tolist() == [1, 1]


def test_unpack_says_how_many_scalars_fit():
    with pytest.raises(ValueError, match=r"6\) scalars.*\(2, 5\)"):
        unpack(torch.zeros(2, 5), {"a": torch.Size([2, 3])})


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_equals_the_module_itself(training, batch_norm):
    module = network(batch_norm=batch_norm).train(training)
    net = Stateless(module, weights="given")
    assert_close(net(net.initial(0), drawn(6, 4), training=training), module(drawn(6, 4)), rtol=0, atol=0)


def test_gradients_are_those_of_the_module():
    module, x = network(), drawn(6, 4)
    module(x).square().sum().backward()
    net = Stateless(module, weights="given")
    params = {name: value.requires_grad_() for name, value in net.initial(0).items()}
    net(params, x).square().sum().backward()
    for name, p in module.named_parameters():
        assert_close(params[name].grad, p.grad, rtol=0, atol=0)


def test_counts_its_weights():
    module = network(batch_norm=True)
    net = Stateless(module)
    assert net.size == sum(p.numel() for p in module.parameters())
    assert list(net.shapes) == [name for name, _ in module.named_parameters()]
    assert net.buffers == tuple(name for name, _ in module.named_buffers())
    assert net.num_outputs((4,)) == 3
    assert net.recipe == module.recipe


def test_holds_no_weights_of_its_own():
    module = network()
    net = Stateless(module)
    params = net.initial(0)
    before = net(params, drawn(2, 4))
    for p in module.parameters():
        p.data.zero_()
    assert torch.equal(net(params, drawn(2, 4)), before)


def test_batch_norm_moves_in_the_weights_given_and_nowhere_else():
    module = network(batch_norm=True)
    net = Stateless(module, weights="given")
    params, others = net.initial(0), net.initial(0)
    statistics = {name: params[name] for name in net.buffers}
    before = copy.deepcopy((params, module.state_dict()))
    net(params, drawn(6, 4) + 1, training=True)
    module.train()(drawn(6, 4) + 1)
    for name in net.buffers:
        assert params[name] is statistics[name]
        assert_close(params[name], module.state_dict()[name], rtol=0, atol=0)
        assert not torch.equal(params[name], before[0][name])
        assert torch.equal(others[name], before[0][name])
        assert torch.equal(net.initial(0)[name], before[0][name])
    for name in net.shapes:
        assert torch.equal(params[name], before[0][name])


def test_evaluation_moves_no_statistics():
    net = Stateless(network(batch_norm=True))
    params = net.initial(0)
    before = copy.deepcopy(params)
    net(params, drawn(6, 4))
    net.features(params, drawn(6, 4))
    assert all(torch.equal(params[name], before[name]) for name in params)


@pytest.mark.parametrize("training", [False, True])
def test_features_are_the_heads_input(training):
    module = network(batch_norm=True).train(training)
    net = Stateless(module, weights="given")
    features = net.features(net.initial(0), drawn(6, 4), training=training)
    assert_close(features, module.body(drawn(6, 4)), rtol=0, atol=0)
    assert_close(module.head(features), net(net.initial(0), drawn(6, 4), training=training), rtol=0, atol=0)


def test_head_is_the_last_linear_layer_unless_named():
    with seeded(0):
        module = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    assert Stateless(module).head == "2"
    assert Stateless(module, head="0").head_names == ("0.weight", "0.bias")
    assert Stateless(module[2]).head_names == ("weight", "bias")


@pytest.mark.parametrize("name", ["body.1.weight", "head.bias", "body.2.running_mean"])
def test_missing_weight_is_named(name):
    net = Stateless(network(batch_norm=True))
    params = net.initial(0)
    del params[name]
    with pytest.raises(RuntimeError, match=name):
        net(params, drawn(2, 4))
    with pytest.raises(RuntimeError, match=name):
        net.features(params, drawn(2, 4))


def test_unknown_weight_is_named():
    net = Stateless(network())
    with pytest.raises(RuntimeError, match="surplus"):
        net(net.initial(0) | {"surplus": torch.zeros(1)}, drawn(2, 4))


def test_works_again_after_an_error():
    net = Stateless(network())
    params = net.initial(0)
    with pytest.raises(RuntimeError):
        net(params, drawn(2, 7))
    assert net(params, drawn(2, 4)).shape == (2, 3)


def test_initial_is_a_function_of_its_key():
    net = Stateless(network(batch_norm=True))
    first = net.initial(0, "task", 1)
    with seeded(5):
        torch.rand(9)
        again = net.initial(0, "task", 1)
    assert all(torch.equal(first[name], again[name]) for name in first)
    for other in (net.initial(1, "task", 1), net.initial(0, "task", 2)):
        assert not torch.equal(first["head.weight"], other["head.weight"])


def test_initial_is_how_the_module_draws_itself():
    with seeded(0, "w"):
        fresh = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    params = Stateless(fresh).initial(0, "w")
    assert all(torch.equal(params[name], p) for name, p in fresh.named_parameters())


def test_initial_touches_no_global_generator():
    before = torch.get_rng_state()
    Stateless(network()).initial(0)
    for make in (network, lambda: networks.lenet((1, 28, 28), 2), lambda: networks.resnet32((3, 8, 8), 2)):
        make()
    assert torch.equal(torch.get_rng_state(), before)


def test_given_weights_are_those_the_module_came_with_each_time():
    module = network()
    net = Stateless(module, weights="given")
    first = net.initial(0)
    assert all(torch.equal(first[name], p) for name, p in module.named_parameters())
    first["head.weight"].zero_()
    assert torch.equal(net.initial(7)["head.weight"], module.head.weight)


def test_runs_on_a_stack_of_weights_under_vmap():
    net, x = Stateless(network()), drawn(6, 4)
    several = [net.initial(0, k) for k in range(3)]
    flat = torch.stack([pack(params, net.shapes) for params in several])
    logits = torch.func.vmap(lambda row: net(unpack(row, net.shapes), x))(flat)
    assert_close(logits, torch.stack([net(params, x) for params in several]))


def test_precision_lowers_the_forward_pass_alone():
    net = Stateless(network())
    params = net.initial(0)
    exact = net(params, drawn(6, 4))
    net.precision = torch.bfloat16
    low = net(params, drawn(6, 4))
    assert low.dtype == torch.float32
    assert params["head.weight"].dtype == torch.float32
    assert not torch.equal(low, exact)
    assert_close(low, exact, rtol=0.05, atol=0.05)


def test_double_weights_make_double_logits():
    net = Stateless(network())
    params = {name: value.double() for name, value in net.initial(0).items()}
    assert net(params, drawn(6, 4).double()).dtype == torch.float64


def test_tied_weights_are_one_weight():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(4, 4)
            self.head = nn.Linear(4, 4)
            self.head.weight = self.first.weight

        def forward(self, x):
            return self.head(self.first(x))

    with seeded(0):
        module = Tied()
    net = Stateless(module, weights="given")
    assert net.size == 16 + 4 + 4
    assert_close(net(net.initial(0), drawn(3, 4)), module(drawn(3, 4)), rtol=0, atol=0)


# Frozen parts


def partly_frozen():
    """A body whose first layer is frozen, and its norm; then a layer of which the weight alone is; then a head."""
    with seeded(0):
        module = nn.Sequential(
            nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3)
        )
        nn.init.uniform_(module[1].running_mean)
    module[:2].requires_grad_(False)
    module[3].weight.requires_grad_(False)
    return module


def test_frozen_parameters_are_no_weights():
    net = Stateless(partly_frozen())
    assert net.frozen == ("0.weight", "0.bias", "1.weight", "1.bias", "3.weight")
    assert list(net.shapes) == ["3.bias", "5.weight", "5.bias"]
    assert net.size == 6 + 18 + 3
    assert set(net.initial(0)) == {*net.shapes, *net.buffers}
    assert repr(net) == "Stateless(Sequential, 27 weights, 65 frozen, head '5')"


@pytest.mark.parametrize("training", [False, True])
def test_with_frozen_parts_it_equals_the_module(training):
    module = partly_frozen().train(training)
    net, x = Stateless(module, weights="given"), drawn(6, 4)
    assert_close(net(net.initial(0), x, training=training), module(x), rtol=0, atol=0)


def test_what_holds_a_frozen_parameter_begins_as_given():
    module = partly_frozen()
    net = Stateless(module)
    first, other = net.initial(0), net.initial(1)
    for name, value in (("3.bias", module[3].bias), ("1.running_mean", module[1].running_mean)):
        assert torch.equal(first[name], value)
        assert torch.equal(other[name], value)
    assert not torch.equal(first["5.weight"], other["5.weight"])


def test_gradients_pass_through_what_is_frozen():
    with seeded(0):
        module = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    module[1].requires_grad_(False)
    net, x = Stateless(module, weights="given"), drawn(6, 4)
    params = {name: p.requires_grad_() for name, p in net.initial(0).items()}
    net(params, x).square().sum().backward()
    module(x).square().sum().backward()
    for name, p in params.items():
        assert_close(p.grad, module.get_parameter(name).grad, rtol=0, atol=0)


def test_the_frozen_part_is_a_copy_and_the_only_one():
    module = partly_frozen()
    net, x = Stateless(module), drawn(6, 4)
    params = net.initial(0)
    before = net(params, x)
    for p in module.parameters():
        p.data.zero_()
    assert torch.equal(net(params, x), before)
    for name, p in net._given.named_parameters():
        assert name not in net.frozen or p.data_ptr() == net._fixed.values[name].data_ptr()
    for skeleton in net._modes.values():
        assert all(value.device.type == "meta" for value in skeleton.state_dict().values())


def test_frozen_parts_serve_a_stack_of_weights():
    net, x = Stateless(partly_frozen()), drawn(6, 4)
    each = [net.initial(0, k) for k in range(3)]
    stacked = {name: torch.stack([params[name] for params in each]) for name in each[0]}
    assert_close(torch.func.vmap(lambda p: net(p, x))(stacked), torch.stack([net(p, x) for p in each]))


def test_frozen_parts_used_first_in_evaluation_serve_in_training():
    net, x = Stateless(partly_frozen()), drawn(6, 4).double()
    with torch.inference_mode():
        net({name: p.double() for name, p in net.initial(0).items()}, x)
    params = {name: p.double().requires_grad_(name in net.shapes) for name, p in net.initial(0).items()}
    logits = net(params, x)
    assert logits.dtype == torch.float64
    logits.sum().backward()
    assert params["5.weight"].grad.any()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_frozen_parts_follow_the_inputs_to_their_device():
    net, x = Stateless(partly_frozen()), drawn(6, 4)
    there = {name: p.cuda() for name, p in net.initial(0).items()}
    assert_close(net(there, x.cuda()).cpu(), net(net.initial(0), x), rtol=1e-4, atol=1e-4)


def test_frozen_parts_and_a_translated_forward_pass(monkeypatch):
    """What `torch.compile` sees is a function of weights, frozen part and inputs."""
    seen = []
    monkeypatch.setattr(torch, "compile", lambda f: lambda *given: seen.append(given) or f(*given))
    net, x = Stateless(partly_frozen()), drawn(6, 4)
    plain = net(net.initial(0), x)
    net.compile()
    assert torch.equal(net(net.initial(0), x), plain)
    assert set(seen[0][1]) == set(net.frozen)


def test_a_frozen_weight_is_not_to_be_given():
    net = Stateless(partly_frozen())
    with pytest.raises(RuntimeError, match=r"unknown \['0.bias'\]"):
        net(net.initial(0) | {"0.bias": torch.zeros(5)}, drawn(2, 4))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: Stateless(network().requires_grad_(False)),
            ValueError,
            "every parameter .* is frozen.*requires_grad_",
        ),
        (lambda: Stateless(partly_frozen(), head="3"), ValueError, r"head is frozen: \['3.weight'\].*head="),
        (lambda: Stateless(nn.Conv2d(1, 1, 1)), ValueError, "head="),
        (lambda: Stateless(network(), head="tail"), ValueError, "no submodule 'tail'.*'head'"),
        (lambda: Stateless(network(), weights="new"), ValueError, "'drawn' or 'given'"),
        (lambda: Stateless(Stateless(network())), TypeError, "used as it is"),
        (lambda: Stateless(network()).num_outputs((9,)), ValueError, r"inputs of shape \(9,\)"),
        (lambda: Stateless(nn.Linear(4, 2)).num_outputs((3, 4)), ValueError, r"logits \(n, k\)"),
    ],
)
def test_what_does_not_fit_is_said(make, error, message):
    with seeded(0), pytest.raises(error, match=message):
        make()


def test_by_batch_batch_norm_takes_the_statistics_of_the_batch_and_stores_none() -> None:
    """As in training, but that dropout stays off."""
    with seeded(0, "test"):
        net = Stateless(nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 2)))
        plain = Stateless(nn.Linear(4, 2))
    params, x = net.initial(0), torch.linspace(-2, 2, 32).view(8, 4).sin()
    before = {name: value.clone() for name, value in params.items()}
    z = nn.functional.linear(x, params["0.weight"], params["0.bias"])
    normed = (z - z.mean(0)) / (z.var(0, unbiased=False) + 1e-5).sqrt()
    expected = nn.functional.linear(normed, params["3.weight"], params["3.bias"])
    assert_close(net(params | net.by_batch, x), expected)
    assert all(torch.equal(params[name], value) for name, value in before.items())
    assert plain.by_batch == {}
