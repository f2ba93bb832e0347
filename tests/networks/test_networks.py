"""Target networks: their sizes are the published ones, and they run on any weights that are handed to them."""

import json

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from cltoolkit import networks
from cltoolkit.params import Stateless
from cltoolkit.randomness import stream

IMAGE = (3, 16, 16)
SMALL = {
    "mlp": lambda **kw: networks.mlp(IMAGE, (12, 8), 5, **kw),
    "lenet": lambda **kw: networks.lenet(IMAGE, 5, **kw),
    "resnet18": lambda **kw: networks.resnet18(IMAGE, 5, width=4, **kw),
    "resnet32": lambda **kw: networks.resnet32(IMAGE, 5, **kw),
}
EVERY = [
    pytest.param(make, norm, id=f"{name}-{'bn' if norm else 'plain'}")
    for name, make in SMALL.items()
    for norm in (0, 1)
]


def images(n=4, shape=IMAGE):
    return torch.randn(n, *shape, generator=stream(0, "images"))


def count(net):
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize(("make", "norm"), EVERY)
def test_gives_logits_from_the_heads_input(make, norm):
    net = make(batch_norm=bool(norm)).eval()
    assert net(images()).shape == (4, 5)
    assert_close(net.head(net.body(images())), net(images()))
    assert any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in net.modules()) == bool(norm)


@pytest.mark.parametrize(("make", "norm"), EVERY)
def test_stateless_finds_the_head_and_equals_the_module(make, norm):
    net = make(batch_norm=bool(norm)).eval()
    bare = Stateless(net, weights="given")
    params = bare.initial(0)
    assert bare.head == "head"
    assert bare.head_names == ("head.weight", "head.bias")
    assert_close(bare(params, images()), net(images()), rtol=0, atol=0)
    assert_close(bare.features(params, images()), net.body(images()), rtol=0, atol=0)
    assert bare.num_outputs(IMAGE) == 5


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("make", "norm"), EVERY)
def test_runs_on_a_stack_of_weights_under_vmap(make, norm, training):
    bare = Stateless(make(batch_norm=bool(norm)))
    drawn = [bare.initial(0, k) for k in range(3)]
    stacked = {name: torch.stack([params[name] for params in drawn]) for name in drawn[0]}
    x = images()
    logits = torch.func.vmap(lambda params: bare(params, x, training=training))(stacked)
    each = torch.stack([bare(params, x, training=training) for params in drawn])
    assert_close(logits, each, rtol=1e-4, atol=1e-4)
    for name in bare.buffers:
        assert_close(stacked[name], torch.stack([params[name] for params in drawn]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("make", "norm"), EVERY)
def test_inputs_stay_as_they_are(make, norm):
    x = images()
    make(batch_norm=bool(norm))(x)
    assert torch.equal(x, images())


@pytest.mark.parametrize(("make", "norm"), EVERY)
def test_same_network_again_from_its_recipe(make, norm):
    net = make(batch_norm=bool(norm))
    again = networks.build(json.loads(json.dumps(net.recipe)))
    assert again.recipe == net.recipe
    assert {k: v.shape for k, v in again.state_dict().items()} == {k: v.shape for k, v in net.state_dict().items()}
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))


def test_names_are_those_that_build():
    assert networks.names() == (*SMALL, "text_cnn", "vit_lora")


def test_resnet32_has_the_published_size():
    """Convolutions with biases, affine batch norm, 60 outputs: P = 468,540."""
    assert count(networks.resnet32((3, 32, 32), 60)) == 468_540
    norm = sum(
        p.numel()
        for m in networks.resnet32((3, 32, 32), 60).modules()
        if isinstance(m, nn.BatchNorm2d)
        for p in m.parameters()
    )
    assert count(networks.resnet32((3, 32, 32), 60, batch_norm=False)) == 468_540 - norm


def test_resnet32_has_32_weighted_layers_and_free_shortcuts():
    layers = [m for m in networks.resnet32((3, 32, 32), 10).modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == 32
    assert all(m.kernel_size == (3, 3) for m in layers[:-1])


@pytest.mark.parametrize("bias", [True, False])
def test_resnet32_biases_are_an_option(bias):
    convolutions = [m for m in networks.resnet32(IMAGE, 10, bias=bias).modules() if isinstance(m, nn.Conv2d)]
    assert all((m.bias is not None) == bias for m in convolutions)


def test_resnet32_with_zero_weights_is_its_shortcut():
    """With silent convolutions a stage hands on every second pixel, between channels of zeros."""
    block = networks.resnet32(IMAGE, 10, batch_norm=False).body.blocks[5]
    for p in block.parameters():
        p.data.zero_()
    x = images(shape=(16, 6, 6)).relu()
    out = block(x)
    assert out.shape == (4, 32, 3, 3)
    assert torch.equal(out[:, 8:24], x[:, :, ::2, ::2])
    assert not out[:, :8].any()
    assert not out[:, 24:].any()


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 32, 32)])
def test_lenet_has_the_published_size(shape):
    net = networks.lenet(shape, 10)
    assert count(net) == 61_706
    assert net(torch.zeros(2, *shape)).shape == (2, 10)


@pytest.mark.parametrize("shape", [(1, 12, 12), (3, 13, 17), (2, 40, 31), (3, 64, 64)])
def test_lenet_fits_images_of_any_size(shape):
    assert networks.lenet(shape, 3)(torch.zeros(2, *shape)).shape == (2, 3)


def test_resnet18_has_18_weighted_layers_beside_its_projections():
    layers = [m for m in networks.resnet18((3, 32, 32), 10).modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    projections = [m for m in layers if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)]
    assert len(layers) - len(projections) == 18
    assert len(projections) == 3
    assert networks.resnet18((3, 32, 32), 10).head.in_features == 160


def test_resnet18_of_width_64_has_the_published_size_with_a_small_stem():
    """torchvision's has 11,689,512 with 1000 outputs and a 7 × 7 stem."""
    assert count(networks.resnet18((3, 32, 32), 1000, width=64)) == 11_689_512 - 64 * 3 * (49 - 9)


def test_mlp_without_hidden_layers_is_linear():
    net = networks.mlp((2, 3), (), 4)
    assert_close(net(torch.ones(1, 2, 3)), net.head(torch.ones(1, 6)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: networks.lenet((28, 28), 10), r"\(channels, height, width\).*\(28, 28\).*x\[:, None\]"),
        (lambda: networks.lenet((1, 8, 8), 10), "at least 12 x 12 pixels; got 8 x 8"),
        (lambda: networks.lenet((32, 32, 3), 10), "channels last"),
        (lambda: networks.resnet18((3, 4, 4), 10), "at least 8 x 8"),
        (lambda: networks.resnet32((3, 4, 4), 10), "at least 8 x 8"),
        (lambda: networks.mlp((), (8,), 2), "shape of one input"),
        (lambda: networks.mlp((4,), (0,), 2), "at least one unit"),
        (lambda: networks.mlp((4,), (8,), 0), "at least one unit"),
        (lambda: networks.build({"name": "lenett", "arguments": {}}), "did you mean 'lenet'"),
        (lambda: networks.build({"name": "mlp", "arguments": {"hiden": [3]}}), "did you mean 'hidden'"),
    ],
)
def test_what_does_not_fit_is_said(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_one_width_is_not_a_list_of_widths():
    with pytest.raises(TypeError, match=r"\(64,\)"):
        networks.mlp((4,), 64, 2)
