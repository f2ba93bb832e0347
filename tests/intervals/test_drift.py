"""Certificates without data: what a box could bear is promised to every box that has moved by no more."""

import numpy as np
import pytest
import torch
from boxed_digits import around, digits, trained

from cltoolkit.intervals import (
    DRIFTS,
    box,
    certified_at,
    certified_curve,
    certify_network,
    drift,
    inflate,
)
from cltoolkit.randomness import stream


@pytest.fixture(scope="module")
def data():
    return digits()[1].subset(torch.arange(200))


@pytest.fixture(scope="module")
def curve(data):
    net, params = trained("mlp")
    return certified_curve(net, around(net, params, 3e-4), data)


def moved(bounds, scale, seed):
    """The bounds, each center moved and each radius changed at random, by about `scale`."""
    g = stream(seed, "moved")
    return {
        name: box(
            value.center + scale * (2 * torch.rand(value.shape, generator=g) - 1),
            (value.radius + scale * (torch.rand(value.shape, generator=g) - 0.5)).clamp_min(0),
        )
        for name, value in bounds.items()
    }


@pytest.mark.parametrize("scale", [1e-7, 1e-5, 1e-4, 5e-4, 2e-3])
def test_the_curve_promises_no_more_than_the_moved_box_keeps(scale, data, curve):
    net, params = trained("mlp")
    old = around(net, params, 3e-4)
    for seed in range(3):
        new = moved(old, scale, seed)
        promised = certified_at(curve, DRIFTS, drift(old, new))
        kept = certify_network(net, new, data).certified
        assert promised <= kept
        assert drift(old, new) == pytest.approx(scale * 1.25, rel=0.5)
    assert promised > 0 or scale > 1e-3  # at small drifts it does promise something


def test_the_curve_begins_at_the_certificate_and_never_rises(data, curve):
    net, params = trained("mlp")
    assert curve[0] == certify_network(net, around(net, params, 3e-4), data).certified
    assert curve.shape == (len(DRIFTS),)
    assert (np.diff(curve) <= 0).all()
    assert curve[0] > 0.85 > curve[-1] == 0


def test_every_point_of_the_curve_is_the_certificate_of_that_box(data, curve):
    """Though examples that have failed once are not looked at again."""
    net, params = trained("mlp")
    for i in (3, 8, 11):
        wide = inflate(around(net, params, 3e-4, dtype=torch.float64, rigorous=True), DRIFTS[i])
        assert curve[i] == certify_network(net, wide, data).certified


def test_the_grid_has_a_step_for_no_drift_and_decades_from_1e_7_to_1():
    assert DRIFTS[0] == 0
    assert (DRIFTS[1], DRIFTS[-1]) == (1e-7, 1)
    assert np.diff(np.log10(DRIFTS[1:])) == pytest.approx(1 / 3, abs=0.02)


def test_a_curve_is_read_on_the_safe_side():
    curve, grid = [0.9, 0.8, 0.1], (0.0, 1e-3, 1e-2)
    read = [
        certified_at(curve, grid, delta) for delta in (0.0, 1e-300, 1e-3, 1.0000001e-3, 1e-2, 0.011, np.inf, np.nan)
    ]
    assert read == [0.9, 0.8, 0.8, 0.1, 0.1, 0.0, 0.0, 0.0]
    with pytest.raises(ValueError, match="one value per drift"):
        certified_at(curve, grid[:2], 0.0)
    with pytest.raises(ValueError, match="at least 0"):
        certified_at(curve, grid, -1.0)


@pytest.mark.parametrize("drifts", [(), (0.0, 0.0), (1e-3, 0.0), (-1.0, 0.0)])
def test_drifts_must_increase(drifts, data):
    net, params = trained("mlp")
    with pytest.raises(ValueError, match="drifts ≥ 0 that increase"):
        certified_curve(net, around(net, params, 1e-4), data, drifts=drifts)
