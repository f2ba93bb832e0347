"""The two sides of a box: what is certified lies below what an attack finds, which lies below the center."""

import numpy as np
import pytest
import torch
from boxed_digits import around, digits, trained
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from cltoolkit.hypernetworks import Hypernetwork
from cltoolkit.intervals import (
    accuracy_curves,
    attack,
    attack_embedding,
    breaking_radii,
    breaking_radius,
    certify_network,
    contained,
    sample,
    scaled,
)
from cltoolkit.intervals import box as make_box
from cltoolkit.intervals._passes import answers, bounding
from cltoolkit.params import Stateless, unpack
from cltoolkit.randomness import seeded, stream
from cltoolkit.tasks import Examples


@pytest.fixture(scope="module")
def data():
    return digits()[1].subset(torch.arange(200))


@pytest.fixture(scope="module")
def both(data):
    """For a certificate that holds most examples: the certificate and an attack."""
    net, params = trained("mlp")
    bounds = around(net, params, 2e-3)
    made = certify_network(net, bounds, data, params=params)
    return bounds, made, attack(net, bounds, data, steps=15, restarts=3, certified=made.margins > 0)


def test_no_certified_example_is_ever_answered_wrong(both):
    _, made, found = both
    assert found.contradictions == 0
    assert not found.wrong[made.margins > 0].any()
    assert made.certified <= found.robust <= found.accuracy < made.accuracy
    assert made.certified > 0.3


def test_the_network_found_lies_in_the_box_and_is_as_bad_as_is_said(both, data):
    bounds, _, found = both
    net, _ = trained("mlp")
    assert contained(found.params, bounds)
    _, how = bounding(net, bounds, data, None)
    right = answers(net, found.params, data, how).numpy()
    assert right.mean() == found.accuracy
    assert found.wrong[~right].all()
    logits = net(found.params, data.x.double())
    assert found.loss == pytest.approx(float(cross_entropy(logits, data.y)))


def test_an_attack_climbs_far_above_random_corners(both, data):
    bounds, _, found = both
    net, params = trained("mlp")
    drawn = [net(sample(bounds, stream(k, "drawn"), corners=True), data.x) for k in range(50)]
    center, *losses = [float(cross_entropy(z, data.y)) for z in (net(params, data.x), *drawn)]
    assert found.loss - center > 5 * (max(losses) - center)


def test_the_worst_corner_of_a_linear_network_is_found(data):
    """One layer, one example: the loss is monotone in every weight, so the sign of its gradient leads to the worst."""
    net, params = trained("linear")
    one = data.subset(torch.tensor([0]))
    bounds = around(net, params, 0.05, dtype=torch.float64)
    found = attack(net, bounds, one, steps=10, restarts=2)
    x, y = one.x.double().flatten(1)[0], int(one.y)
    logits = net({n: v.double() for n, v in params.items()}, one.x.double())[0]
    away = torch.full((10,), 0.05 * float(x.sum() + 1), dtype=torch.float64)  # pixels are ≥ 0
    away[y] *= -1
    expected = cross_entropy((logits + away)[None], one.y)
    assert found.loss == pytest.approx(float(expected), rel=1e-9)


def test_the_same_seed_and_any_batch_size_find_the_same(data):
    net, params = trained("mlp")
    bounds, few = around(net, params, 1e-3), data.subset(torch.arange(60))
    first, again, apart = (attack(net, bounds, few, steps=3, restarts=3, batch_size=size) for size in (60, 60, 7))
    assert all(torch.equal(first.params[name], again.params[name]) for name in first.params)
    assert apart.loss == pytest.approx(first.loss, rel=1e-6)
    other = attack(net, bounds, few, steps=3, restarts=3, seed=1)
    assert repr(other).startswith("Attack(accuracy ")


def test_only_units_that_may_answer_are_attacked(data):
    net, params = trained("mlp")
    pair = data.subset(((data.y == 3) | (data.y == 5)).nonzero()[:, 0])
    bounds = around(net, params, 2e-3)
    made = certify_network(net, bounds, pair, (3, 5), params=params)
    found = attack(net, bounds, pair, (3, 5), steps=8, restarts=2, certified=made.margins > 0)
    assert found.contradictions == 0
    assert found.accuracy >= made.certified > 0.8


def test_batch_norm_and_float32_are_attacked_as_well(data):
    net, params = trained("resnet with batch norm", 40)
    bounds, few = around(net, params, 1e-2), data.subset(torch.arange(40))
    found = attack(net, bounds, few, steps=4, restarts=1, dtype=torch.float32)
    clean = answers(net, params, few, bounding(net, bounds, few, None)[1]).double().mean()
    assert found.accuracy < float(clean)
    assert contained(found.params, bounds)


def test_contradictions_are_counted_where_a_claim_is_wrong(both, data):
    bounds, _, found = both
    net, _ = trained("mlp")
    lie = attack(net, bounds, data, steps=15, restarts=3, certified=np.ones(len(data), dtype=bool))
    assert lie.contradictions == int(found.wrong.sum()) > 0
    with pytest.raises(ValueError, match="for each of 200 examples"):
        attack(net, bounds, data, steps=1, restarts=1, certified=[True])
    with pytest.raises(ValueError, match="at least one step and one run"):
        attack(net, bounds, data, restarts=0)


# In embedding coordinates


def test_networks_that_embeddings_make_are_no_worse_than_all_of_the_box_and_lie_in_it():
    with seeded(0, "embedding attack"):
        net = Stateless(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)))
        hypernet = Hypernetwork(net.shapes, embedding_dim=5, hidden=(8,)).double()
    g = stream(0, "embedding attack")
    e, half = torch.randn(5, generator=g, dtype=torch.float64), torch.full((5,), 0.1, dtype=torch.float64)
    with torch.no_grad():
        bounds = unpack(hypernet(make_box(e[None], half[None], rigorous=True))[0], net.shapes)
        center = unpack(hypernet(e[None])[0], net.shapes)
    x = torch.randn(50, 3, generator=g)
    data = Examples(x, net(center, x.double()).argmax(1))
    made = certify_network(net, bounds, data, params=center)
    found = attack_embedding(
        net, lambda e: unpack(hypernet(e[None])[0], net.shapes), e, half, data,
        steps=10, restarts=3, certified=made.margins > 0,
    )  # fmt: skip
    assert found.contradictions == 0
    assert ((found.embedding - e).abs() <= half + 1e-15).all()
    with torch.no_grad():
        assert_close(unpack(hypernet(found.embedding[None])[0], net.shapes), found.params)
    assert contained(found.params, bounds)
    at_center = float(cross_entropy(net(center, x.double()), data.y))
    assert at_center < found.loss
    assert made.certified <= found.robust <= found.accuracy


# Against the size of the box


def test_the_breaking_radius_is_where_the_certificate_breaks(data):
    net, params = trained("mlp")
    bounds = around(net, params, 1e-4)
    scale = breaking_radius(net, bounds, data, share=0.9)
    clean = certify_network(net, bounds, data).accuracy
    assert certify_network(net, scaled(bounds, scale), data).certified >= 0.9 * clean
    assert certify_network(net, scaled(bounds, 1.001 * scale), data).certified < 0.9 * clean
    narrow = scaled(bounds, 2.0**-10)  # a power of two: the same radii, and nothing rounded
    assert breaking_radius(net, narrow, data) * 2.0**-10 == pytest.approx(scale, rel=1e-3)
    assert breaking_radius(net, scaled(bounds, 0.0), data) == np.inf
    assert breaking_radius(net, scaled(bounds, 1e9), data) == 0
    with pytest.raises(ValueError, match="a share in"):
        breaking_radius(net, bounds, data, share=0.0)


def test_every_example_breaks_where_its_margin_is_gone(data):
    net, params = trained("mlp")
    bounds, scales = around(net, params, 1e-3), (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
    found = breaking_radii(net, bounds, data, scales=scales)
    for scale in scales:
        assert np.array_equal(found >= scale, certify_network(net, scaled(bounds, scale), data).margins > 0)
    assert len(np.unique(found)) > 4


def test_curves_are_ordered_at_every_scale(data):
    net, params = trained("mlp")
    few = data.subset(torch.arange(100))
    found = accuracy_curves(net, around(net, params, 1e-3), few, scales=(0.0, 1.0, 3.0, 30.0), steps=6, restarts=1)
    assert (found.certified <= found.attacked).all()
    assert (found.attacked <= found.clean).all()
    assert found.certified[0] == found.attacked[0] == found.clean
    assert found.attacked[-1] < 0.5
    assert found.width == pytest.approx(2e-3)
    assert repr(found) == "AccuracyCurves(4 scales from 0 to 30)"
    none = accuracy_curves(net, around(net, params, 1e-3), few, scales=(1.0, 2.0), restarts=0)
    assert np.isnan(none.attacked).all()
    with pytest.raises(ValueError, match="scales ≥ 0 that increase"):
        accuracy_curves(net, around(net, params, 1e-3), few, scales=(2.0, 1.0))
