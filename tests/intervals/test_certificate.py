"""Certificates: never above what any network of the box does, and a record that cannot be talked into anything."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from boxed_digits import around, digits, trained
from torch import nn

from cltoolkit.intervals import (
    Certificate,
    ContradictionError,
    IntervalTensor,
    box,
    certify,
    certify_network,
    fingerprint,
    sample,
)
from cltoolkit.intervals._boxes import inner_ends
from cltoolkit.intervals._passes import answers, bounding
from cltoolkit.params import Stateless
from cltoolkit.randomness import seeded, stream


@pytest.fixture(scope="module")
def data():
    return digits()[1].subset(torch.arange(300))


def certified(kind, radius, data, **settings):
    net, params = trained(kind)
    return certify_network(net, around(net, params, radius), data, params=params, **settings)


# What is certified holds


def test_eliding_helps_and_larger_boxes_certify_less(data):
    found = [certified("mlp", radius, data) for radius in (1e-4, 3e-4, 1e-3, 2e-3, 3e-3, 5e-3)]
    elided, plain = [[getattr(c, what) for c in found] for what in ("certified", "certified_plain")]
    assert (np.diff(elided) < 0).all()
    assert (np.diff(plain) <= 0).all()
    assert (np.array(elided) >= plain).all()
    assert max(np.subtract(elided, plain)) > 0.15
    assert elided[0] > 0.9
    assert plain[-1] == 0
    assert all((c.margins >= c.margins_plain).all() for c in found)
    assert {c.accuracy for c in found} == {found[0].accuracy}


@pytest.mark.parametrize("radius", [3e-4, 2e-3])
def test_every_network_of_the_box_is_right_where_it_is_certified(radius, data):
    net, params = trained("mlp")
    bounds = around(net, params, radius)
    found = certify_network(net, bounds, data, params=params)
    _, how = bounding(net, bounds, data, None)
    for k in range(60):
        theta = sample(bounds, stream(k, "network"), corners=k % 2 == 0)
        right = answers(net, theta, data, how).numpy()
        assert right[found.margins > 0].all()
        assert right.mean() >= found.certified


@pytest.mark.parametrize("kind", ["mlp", "resnet", "resnet with batch norm"])
@pytest.mark.parametrize(("dtype", "rigorous"), [(torch.float64, True), (torch.float32, True), (torch.float64, False)])
def test_a_box_of_no_width_certifies_the_network_itself(kind, dtype, rigorous, data):
    net, params = trained(kind, 40)
    few = data.subset(torch.arange(60))
    found = certify_network(net, around(net, params, 0.0), few, params=params, dtype=dtype, rigorous=rigorous)
    assert found.certified <= found.accuracy
    if dtype == torch.float64:
        assert found.certified == found.accuracy
        logits = net({name: v.double() for name, v in params.items()}, few.x.double())
        own = logits.gather(1, few.y[:, None])
        margin = (own - logits.scatter(1, few.y[:, None], -torch.inf).amax(1, keepdim=True))[:, 0]
        np.testing.assert_allclose(found.margins, margin.numpy(), atol=1e-3 if rigorous else 1e-9)
    assert found.vacuous
    assert found.verdict.startswith("vacuous: half of the weights' intervals are narrower than 1e-8")


def test_the_same_for_all_sizes_of_batches_and_for_a_module_as_it_is(data):
    with seeded(0, "module"):
        module = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 10))
    net = Stateless(module)
    bounds = around(net, net.initial(0), 1e-3)
    found = [certify_network(module, bounds, data, batch_size=size) for size in (1000, 64, 1)]
    assert all(found[0].agrees_with(other) for other in found[1:])
    assert np.isfinite(found[0].margins).all()


def test_only_units_that_may_answer_count(data):
    net, params = trained("mlp")
    pair = data.subset(((data.y == 3) | (data.y == 5)).nonzero()[:, 0])
    bounds = around(net, params, 2e-3)
    all_units, two = (certify_network(net, bounds, pair, units) for units in (None, (3, 5)))
    assert (two.margins >= all_units.margins - 1e-9).all()
    assert two.certified > all_units.certified
    wrong_units = certify_network(net, bounds, pair, (3, 4))
    assert wrong_units.certified <= np.mean(pair.y.numpy() == 3)
    assert np.isneginf(wrong_units.margins[pair.y.numpy() == 5]).all()


def test_only_a_last_layer_that_is_linear_is_elided(data):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(64, 10)

        def forward(self, x):
            return -self.head(x.flatten(1))

    with seeded(0, "scaled"):
        net = Stateless(Scaled())
    found = certify_network(net, around(net, net.initial(0), 1e-3), data)
    assert np.array_equal(found.margins, found.margins_plain)
    assert found.certified <= found.accuracy


def test_margins_of_a_linear_network_are_the_least_ones(data):
    """One layer on exact inputs: (w_y − w_k)·x + b_y − b_k − 2ρ (Σ|x| + 1) is attained."""
    net, params = trained("linear")
    rho = 0.01
    found = certify_network(net, around(net, params, rho, dtype=torch.float64), data, params=None)
    x, y = data.x.double().flatten(1), data.y
    logits = net({name: v.double() for name, v in params.items()}, data.x.double())
    ahead = logits.gather(1, y[:, None]) - logits.scatter(1, y[:, None], -torch.inf).amax(1, keepdim=True)
    expected = ahead[:, 0] - 2 * rho * (x.abs().sum(1) + 1)
    np.testing.assert_allclose(found.margins, expected.numpy(), atol=1e-9)


# Learners


@pytest.fixture
def learner(data):
    """What a learner looks like to `certify`."""
    net, params = trained("mlp")
    return SimpleNamespace(
        net=net,
        known=1,
        device=torch.device("cpu"),
        bounds=lambda t: around(net, params, 1e-3),
        params=lambda t: params,
        units=lambda t: tuple(range(10)),
    )


def test_certify_asks_a_learner_for_its_box_its_weights_and_its_units(learner, data):
    found = certify(learner, data, 0, name="digits")
    again = certify_network(learner.net, learner.bounds(0), data, params=learner.params(0), name="digits")
    assert found.agrees_with(again)
    assert (found.name, found.n, found.outside) == ("digits", 300, 0.0)
    assert found.box_hash == fingerprint(learner.bounds(0))
    assert found.weights_hash == fingerprint(learner.params(0))
    assert found.width == pytest.approx(2e-3)


def test_deployed_weights_outside_the_box_are_covered_all_the_same_and_named(learner, data):
    inside = certify(learner, data, 0)
    net, params = trained("mlp")
    nudged = params | {"head.bias": params["head.bias"] + 1.5e-3}
    found = certify_network(net, learner.bounds(0), data, params=nudged)
    assert found.outside == pytest.approx(5e-4, rel=1e-3)
    assert (found.margins <= inside.margins).all()
    assert found.certified <= found.accuracy
    with_buffers, values = trained("resnet with batch norm", 5)
    mean = next(name for name in values if name.endswith("running_mean"))
    bounds, few = around(with_buffers, values, 1e-9), data.subset(torch.arange(2))
    with pytest.raises(ValueError, match="batch-norm statistics"):
        certify_network(with_buffers, bounds, few, params=values | {mean: values[mean] + 1})


def test_what_does_not_fit_is_named(data):
    net, params = trained("mlp")
    bounds = around(net, params, 1e-3)
    with pytest.raises(ValueError, match=r"\['head.bias'\] are missing"):
        certify_network(net, {n: v for n, v in bounds.items() if n != "head.bias"}, data)
    with pytest.raises(ValueError, match="at least one example"):
        certify_network(net, bounds, data.subset(torch.arange(0)))
    with pytest.raises(ValueError, match=r"distinct output units out of 0 to 9; got \(3, 12\)"):
        certify_network(net, bounds, data, (3, 12))


# The record


@pytest.fixture
def record():
    return Certificate(
        task=2,
        name="twos",
        margins=np.array([0.5, -0.25, 1e-300, np.inf]),
        margins_plain=np.array([0.25, -0.5, -1.0, np.nan]),
        correct=np.array([True, False, True, True]),
        width_quantiles=np.array([0.0, 1e-4, 1e-3, 0.1, 1 / 3]),
        layer_widths={"head.weight": (1e-4, 0.1, 1 / 3)},
        collapsed=0.125,
        outside=0.0,
        rigorous=True,
        dtype="float64",
        box_hash="ab" * 32,
        weights_hash="cd" * 32,
        settings={"units": [0, 1], "elided": True},
    )


def test_everything_follows_from_the_margins(record):
    assert (record.n, record.accuracy, record.certified, record.certified_plain) == (4, 0.75, 0.75, 0.25)
    assert repr(record) == (
        "Certificate(task 2 'twos': 75.0% certified (25.0% plain) of 4, accuracy 75.0%, median width 0.001)"
    )
    assert record.verdict.startswith("every network of the box answers at least 75.0% of these 4 examples right")
    assert list(record.to_frame()["certified"]) == [True, False, True, True]


def test_the_word_vacuous_stands_where_nothing_is_said(record):
    none = replace(record, margins=-np.ones(4))
    narrow = replace(record, width_quantiles=np.array([0, 0, 1e-9, 0.1, 0.1]))
    assert none.vacuous
    assert narrow.vacuous
    assert not record.vacuous
    assert "none of 4 examples is certified" in none.verdict
    assert "vacuous" in repr(narrow)
    assert "Rounding is not covered" in replace(record, rigorous=False).verdict


def test_a_certificate_that_its_own_network_contradicts_is_not_made(record):
    with pytest.raises(ContradictionError, match=r"example 0 has the margin 0\.5 > 0"):
        replace(record, correct=np.zeros(4, dtype=bool))
    with pytest.raises(ValueError, match="n ≥ 1 examples"):
        replace(record, correct=np.ones(3, dtype=bool))


def test_saved_and_opened_it_is_the_same_to_the_last_bit(record, tmp_path):
    record.save(tmp_path / "deep" / "certificate.json")
    opened = Certificate.open(tmp_path / "deep" / "certificate.json")
    for what, value in vars(record).items():
        np.testing.assert_equal(vars(opened)[what], value)
    assert opened.agrees_with(record)
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["certificate.json"]
    json.loads((tmp_path / "deep" / "certificate.json").read_text(), parse_constant=pytest.fail)  # strict JSON


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"certified": 1.0}, "certified does not follow"),
        ({"verdict": "every network is right"}, "verdict does not follow"),
        ({"margins": [0.5, 0.5, 0.5, "inf"]}, "ContradictionError"),
        ({"margins": [0.5, "1e5", 0.1, 0.2]}, "expected a number"),
        ({"margins": None}, "expected `margins` to be list"),
        ({"correct": [2, 0, 1, 1]}, "something else than 0 and 1"),
        ({"task": True}, "expected `task` to be int"),
        ({"box_hash": None}, "expected `box_hash` to be str"),
        ({"width_quantiles": [1.0]}, "5 quantiles"),
        ({"format": "recipe"}, "does not say"),
        ({"version": 99}, "has version 99"),
    ],
)
def test_a_file_that_was_tampered_with_is_refused(record, tmp_path, change, why):
    path = tmp_path / "certificate.json"
    record.save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=why):
        Certificate.open(path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b'{"format": "cltoolkit certificate", "version": 1}']
)
def test_a_file_that_is_no_certificate_says_what_to_do(tmp_path, content):
    path = tmp_path / "certificate.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="Compute it again with `certify`"):
        Certificate.open(path)


def test_two_certificates_differ_in_words(record, learner, data):
    other = replace(record, margins=np.array([0.6, -0.25, 1.0, np.inf]), box_hash="ef" * 32)
    assert record.differences(record) == []
    assert record.differences(other) == ["box: 'abababababab' and 'efefefefefef'", "margins: 2 of 4 differ"]
    found = certify(learner, data, 0)
    wider = replace(found, margins=found.margins + 1e-12)  # as rounding on another machine may have it
    assert found.agrees_with(wider)


# Soundness, sampled


def inside_and_outside(net, bounds, x, *, draws, seed=0):
    """How many logits of sampled networks were looked at, and how many lie outside the bounds."""
    point = bounds["head.weight"].center
    z = net(bounds, box(x, torch.zeros_like(x), rigorous=True))
    count = outside = 0
    for theta in networks_of(net, bounds, x, draws, seed):
        logits = net(theta, x)
        outside += int(((logits < z.lower) | (logits > z.upper)).sum())
        count += logits.numel()
    assert torch.isfinite(z.radius).all()
    assert logits.dtype == point.dtype
    return count, outside


def networks_of(net, bounds, x, draws, seed):
    """Uniform draws, random corners, and corners to which the gradient of one logit of one example points."""
    for k in range(draws):
        if k % 3 < 2:
            yield sample(bounds, stream(seed, "theta", k), corners=k % 3 == 1)
        else:
            yield steepest(net, bounds, x[k % len(x)][None], unit=k % 10, sign=1 if k % 2 else -1)


def steepest(net, bounds, x, *, unit, sign):
    leaves = {name: v.center.clone().requires_grad_() for name, v in bounds.items() if isinstance(v, IntervalTensor)}
    found = torch.autograd.grad((sign * net(bounds | leaves, x)[0, unit]), list(leaves.values()))
    ends = {name: inner_ends(bounds[name]) for name in leaves}
    return bounds | {n: torch.where(g > 0, ends[n][1], ends[n][0]) for n, g in zip(leaves, found, strict=True)}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ("kind", "radius"), [("mlp", 1e-3), ("mlp", 1e-8), ("resnet", 1e-6), ("resnet with batch norm", 1e-9)]
)
def test_no_sampled_logit_lies_outside(kind, radius, dtype, data):
    net, params = trained(kind, 40)
    bounds = around(net, params, radius, dtype=dtype, rigorous=True)
    count, outside = inside_and_outside(net, bounds, data.x[:50].to(dtype), draws=24)
    assert count >= 10_000
    assert outside == 0


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("kind", ["mlp", "resnet", "resnet with batch norm"])
def test_none_of_a_million_sampled_logits_lies_outside(kind, dtype, data):
    net, params = trained(kind, 40)
    radii = (1e-9, 1e-7, 1e-5, 1e-3)
    total = 0
    for i, radius in enumerate(radii):
        bounds = around(net, params, radius, dtype=dtype, rigorous=True)
        count, outside = inside_and_outside(net, bounds, data.x[:100].to(dtype), draws=252, seed=i)
        assert outside == 0
        total += count
    assert total >= 1_000_000
