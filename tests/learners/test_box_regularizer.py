"""What holds the boxes of earlier tasks: its two forms, the identity behind it, and how far boxes have moved."""

import pytest
import torch
from torch import nn

from cltoolkit.hypernetworks import Hypernetwork
from cltoolkit.intervals import IntervalTensor, inflate
from cltoolkit.learners._box_regularizer import BoxRegularizer
from cltoolkit.learners._drift_ledger import DriftLedger
from cltoolkit.randomness import stream

SHAPES = {name: p.shape for name, p in nn.Linear(7, 3).named_parameters()}
every_output = pytest.mark.parametrize("output", ["full", "chunked", "low_rank"])


def boxes(count: int) -> IntervalTensor:
    generator = stream(0, "boxes")
    center = torch.randn(count, 4, generator=generator, dtype=torch.float64)
    return IntervalTensor(center, 0.1 * torch.rand(count, 4, generator=generator, dtype=torch.float64))


def hypernet(output: str = "full") -> Hypernetwork:
    return Hypernetwork(
        SHAPES, embedding_dim=4, hidden=(5,), output=output, rank=3, chunk_dim=2, chunk_size=10
    ).double()


def moved(net: Hypernetwork) -> Hypernetwork:
    """The network with every weight changed."""
    with torch.no_grad():
        for i, p in enumerate(net.parameters()):
            p += 0.1 * torch.randn(p.shape, generator=stream(0, "move", i), dtype=p.dtype)
    return net


@every_output
@pytest.mark.parametrize("form", ["batched", "gram"])
def test_it_is_the_mean_of_centers_and_both_ends(output: str, form: str) -> None:
    """1/(3t) Σ |Δl|² + |Δc|² + |Δu|², from centers and radii alone, in both forms."""
    net, earlier = hypernet(output), boxes(3)
    regularizer = with_form(net, earlier, form)
    old = net(earlier)
    new = moved(net)(earlier)
    expected = sum(((a - b) ** 2).sum() for a, b in zip(ends(old), ends(new), strict=True)) / 9
    weights, penalty = regularizer(net, boxes(1))
    torch.testing.assert_close(penalty, expected)
    torch.testing.assert_close(weights.center, net(boxes(1)).center)
    center = with_form(hypernet(output), earlier, form, held="center")
    torch.testing.assert_close(center(net, boxes(1))[1], ((old.center - new.center) ** 2).sum() / 3)


def ends(box: IntervalTensor) -> tuple[torch.Tensor, ...]:
    return box.lower.detach(), box.center.detach(), box.upper.detach()


def with_form(net: Hypernetwork, earlier: IntervalTensor, form: str, **settings: object) -> BoxRegularizer:
    """The regularizer in the form that is wanted, whichever is cheaper."""
    import cltoolkit.learners._box_regularizer as module

    chosen = module.cheaper_form
    module.cheaper_form = lambda **sizes: form
    try:
        return BoxRegularizer(net, earlier, **settings)
    finally:
        module.cheaper_form = chosen


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_centers_and_radii_in_turn_add_up_to_both(parts: int) -> None:
    """Over two rounds every earlier task has met both."""
    net = hypernet()
    regularizer = with_form(net, boxes(6), "gram", max_tasks=6 // parts)
    moved(net)
    taken = []
    for step in range(2 * parts):
        compared = regularizer.sample(stream(0, "dealt"), step % parts)
        taken.append(regularizer(net, boxes(1), compared, step=step)[1])
    torch.testing.assert_close(torch.stack(taken).mean(), regularizer(net, boxes(1))[1])


@every_output
def test_both_forms_have_one_gradient(output: str) -> None:
    gradients = []
    for form in ("batched", "gram"):
        net = hypernet(output)
        regularizer = with_form(net, boxes(3), form)
        regularizer(moved(net), boxes(1))[1].backward()
        gradients.append([p.grad for p in net.parameters()])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b)


@every_output
def test_it_begins_at_zero(output: str) -> None:
    net = hypernet(output)
    assert BoxRegularizer(net, boxes(3))(net, boxes(1))[1] < 1e-28


def test_every_earlier_task_has_its_turn() -> None:
    net = hypernet()
    regularizer = BoxRegularizer(net, boxes(5), max_tasks=2)
    seen = [regularizer.sample(stream(0, "round"), part) for part in range(regularizer.num_parts)]
    assert set(torch.cat([tasks for tasks in seen if tasks is not None]).tolist()) == set(range(5))
    moved(net)
    values = [BoxRegularizer.forward(regularizer, net, boxes(1), torch.tensor([s]))[1] for s in range(5)]
    whole = BoxRegularizer(hypernet(), boxes(5), max_tasks=None)(net, boxes(1))[1]
    torch.testing.assert_close(torch.stack(values).mean(), whole)


def test_the_drift_is_what_the_old_box_needs_to_hold_the_new_one() -> None:
    net, held = hypernet(), boxes(3)
    regularizer, old = BoxRegularizer(net, held), hypernet()(held)
    assert regularizer.drifts(net) == [0, 0, 0]
    for s, (drift, new) in enumerate(zip(regularizer.drifts(moved(net)), net(held), strict=True)):
        grown = inflate({"": old[s]}, drift)[""]
        assert (grown.lower <= new.lower).all()
        assert (new.upper <= grown.upper).all()
        short = inflate({"": old[s].detach()}, 0.99 * drift)[""]
        assert ((short.lower > new.lower) | (new.upper > short.upper)).any()


def test_drifts_add_up_and_curves_are_read_to_the_right() -> None:
    ledger = DriftLedger()
    curve = torch.linspace(1, 0, ledger.curves.shape[1], dtype=torch.float64)
    ledger.append(curve)
    ledger.move([0.0])
    assert ledger.series()["drift"].tolist() == [[0]]
    assert ledger.series()["certified_by_drift"].tolist() == [[1]]
    ledger.append(curve)
    ledger.move([1e-6, 0.0])
    ledger.move([1e-6, torch.inf])
    drifts = ledger.series()["drift"][:, 0]
    assert 2e-6 <= drifts[0] <= 2.0000001e-6
    left = ledger.series()["certified_by_drift"][:, 0]
    assert 0 < left[0] < 1
    assert left[1] == 0
