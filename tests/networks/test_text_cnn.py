"""The network over texts: the published size, the largest answers, and the same module on masks and on intervals."""

import itertools
import json

import pytest
import torch
import torch.nn.functional as F
from torch.func import vmap
from torch.testing import assert_close

import cltoolkit as cl
from cltoolkit import networks
from cltoolkit.intervals import IntervalTensor
from cltoolkit.networks import text_cnn
from cltoolkit.params import Stateless
from cltoolkit.randomness import stream

SHAPE = (6, 9)


def texts(n=5, shape=SHAPE):
    return torch.randn(n, *shape, generator=stream(0, "texts"))


def small(**options):
    return text_cnn(SHAPE, 3, **{"filters": 4, "widths": (2, 3)} | options)


@pytest.mark.parametrize(("d", "classes"), [(768, 14), (300, 5), (64, 2)])
def test_has_the_published_size(d, classes):
    net = text_cnn((d, 20), classes, bias=False)
    assert sum(p.numel() for p in net.parameters()) == 200 * d * 12 + 600 * classes


def test_features_are_each_filters_largest_answer_after_a_relu():
    net, x = small(), texts()
    for i, (convolution, width) in enumerate(zip(net.body, (2, 3), strict=True)):
        windows = torch.stack([x[..., p : p + width].flatten(1) for p in range(SHAPE[1] - width + 1)], 1)
        answers = windows @ convolution.weight.flatten(1).T + convolution.bias
        expected = F.relu(answers).max(1).values
        assert_close(net.body(x)[:, 4 * i : 4 * (i + 1)], expected)
    assert_close(net(x), net.head(net.body(x)))


def test_where_a_phrase_stands_makes_no_difference():
    """Moved inside the zeros around it, a phrase has the same features."""
    x = torch.zeros(1, 6, 12)
    x[..., 3:6] = texts(1, (6, 3))
    net = text_cnn((6, 12), 2, filters=4, widths=(2, 3))
    for shift in (-1, 2, 3):
        assert_close(net(x.roll(shift, -1)), net(x))


def test_stateless_knows_head_and_features():
    bare = Stateless(small())
    params = bare.initial(0)
    features, logits = bare.both(params, texts())
    assert bare.head == "head"
    assert bare.num_outputs(SHAPE) == 3
    assert features.shape == (5, 8)
    assert_close(F.linear(features, params["head.weight"], params["head.bias"]), logits)


def test_runs_on_a_stack_of_weights():
    bare = Stateless(small())
    drawn = [bare.initial(0, k) for k in range(3)]
    stacked = {name: torch.stack([params[name] for params in drawn]) for name in drawn[0]}
    together = vmap(bare, in_dims=(0, None))(stacked, texts())
    assert_close(together, torch.stack([bare(params, texts()) for params in drawn]))


def test_the_same_again_from_its_recipe():
    net = small(bias=False)
    again = networks.build(json.loads(json.dumps(net.recipe)))
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))


def test_stays_in_its_bounds_when_weights_are_boxes():
    bare = Stateless(small())
    params, x = bare.initial(0), texts()
    boxes = {name: IntervalTensor(value, torch.full_like(value, 0.05)) for name, value in params.items()}
    bounds = bare(boxes, x)
    for k in range(20):
        noise = stream(0, "noise", k)
        near = {n: v + 0.05 * (2 * torch.rand(v.shape, generator=noise) - 1) for n, v in params.items()}
        logits = bare(near, x)
        assert (logits >= bounds.lower - 1e-6).all()
        assert (logits <= bounds.upper + 1e-6).all()


@pytest.mark.parametrize("name", ["Finetune", "SupSup", "ExSSNeT", "HyperInterval"])
def test_learners_run_on_texts(name):
    cold = [f"{a} {b} day" for a, b in itertools.product(("icy", "cold", "snowy"), ("dark", "short", "windy", "long"))]
    warm = [f"{a} {b} night" for a, b in itertools.product(("hot", "warm", "sunny"), ("dry", "calm", "mild", "long"))]
    tasks = {name: (cold + warm, labels) for name, labels in (("a", "cw"), ("b", "wc"))}
    tasks = {name: (t, [y[0]] * 12 + [y[1]] * 12) for name, (t, y) in tasks.items()}
    made = cl.sequences.from_text(tasks, dim=16, length=5, validation=0.2, test_fraction=0.25)
    config = {"embedding_dim": 4, "hidden": (8,), "radius": 0.1} if name == "HyperInterval" else {}
    config = {"density": 0.5} if name in ("SupSup", "ExSSNeT") else config
    net = text_cnn(made.input_shape, made.num_classes, filters=8, widths=(2, 3))
    run = cl.train(cl.learners.build(name, net, config), made, seed=0, epochs=2, batch_size=8, progress=False)
    assert run.status == "finished"
    assert run.accuracy.shape[-1] == 2


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((6,), {}, r"sequences of vectors \(d, length\); got inputs of shape \(6,\)"),
        ((3, 8, 8), {}, r"got inputs of shape \(3, 8, 8\)"),
        ((6, 4), {}, "filters of 5 tokens over a text of 4"),
        (SHAPE, {"widths": ()}, "at least one width"),
        (SHAPE, {"filters": 0}, "one filter"),
        (SHAPE, {"widths": (0, 2)}, "at least one unit"),
        (SHAPE, {"widths": 3}, "as a list of widths"),
    ],
)
def test_errors_say_what_does_not_fit(shape, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        text_cnn(shape, 2, **options)
