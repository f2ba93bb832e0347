"""Certificates in embedding coordinates: below every sampled margin, and never below those of boxes."""

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor

import cltoolkit as cl
from cltoolkit.hypernetworks import Hypernetwork
from cltoolkit.intervals import (
    Certificate,
    IntervalTensor,
    affine_margins,
    affine_weights,
    certify,
    certify_embedding,
    certify_generated,
    certify_network,
    margins,
)
from cltoolkit.intervals._affine_weights import generated
from cltoolkit.networks import mlp
from cltoolkit.params import Params, Stateless, unpack
from cltoolkit.randomness import stream
from cltoolkit.tasks import Examples


@pytest.fixture(scope="module")
def trained() -> "Trained":
    """A small hypernetwork that has learned one task of three classes; unit 3 never answers."""
    net = Stateless(mlp((8,), (16, 16), 4))
    hypernet = Hypernetwork(net.shapes, embedding_dim=4, hidden=(16, 16), generator=stream(0, "test", "hypernet"))
    embedding = torch.randn(4, generator=stream(0, "test", "embedding"))
    y = torch.arange(90) % 3
    x = torch.randn(4, 8, generator=stream(0, "test", "centers"))[y]
    x = x + 0.3 * torch.randn(90, 8, generator=stream(0, "test", "x"))
    adam = torch.optim.Adam(hypernet.parameters(), lr=0.003)
    for _ in range(60):
        adam.zero_grad()
        logits = net(unpack(hypernet(embedding[None])[0], net.shapes), x)
        torch.nn.functional.cross_entropy(logits[:, :3], y).backward()
        adam.step()
    return Trained(net, hypernet.requires_grad_(False), embedding, Examples(x, y))


class Trained:
    """As much of a learner as a certificate asks for."""

    device = torch.device("cpu")

    def __init__(self, net: Stateless, hypernet: Hypernetwork, embedding: Tensor, data: Examples) -> None:
        self.net, self.hypernet, self.embedding, self.data = net, hypernet, embedding, data
        self.half_width = torch.full((4,), 0.02)

    def embedding_box(self, t: int) -> IntervalTensor:
        return IntervalTensor(self.embedding, self.half_width)

    def params(self, t: int) -> Params:
        return generated(self.hypernet, self.embedding)

    def units(self, t: int) -> tuple[int, ...]:
        return (0, 1, 2)

    def affine(self, width: float, **settings: object) -> Certificate:
        half_width = torch.full((4,), width)
        return certify_generated(
            self.net, self.hypernet, self.embedding, half_width, self.data, self.units(0), **settings
        )

    def box(self, width: float) -> Certificate:
        e, r = self.embedding.double()[None], torch.full((1, 4), width).double()
        flat = Hypernetwork.double(self._copy())(IntervalTensor(e, r, rigorous=True))[0]
        return certify_network(self.net, unpack(flat, self.net.shapes), self.data, self.units(0))

    def _copy(self) -> Hypernetwork:
        made = Hypernetwork(self.net.shapes, embedding_dim=4, hidden=(16, 16))
        made.load_state_dict(self.hypernet.state_dict())
        return made.requires_grad_(False)

    def sampled(self, width: float) -> Tensor:
        """The least margin of each example among networks that embeddings of the box make."""
        drawn = torch.rand(1000, 4, generator=stream(0, "test", "embeddings"), dtype=torch.float64) * 3 - 1.5
        embeddings = self.embedding.double() + torch.tensor(width).double() * drawn.clamp(-1, 1)
        weights = unpack(self._copy().double()(embeddings), self.net.shapes)
        logits = torch.vmap(self.net, (0, None))(weights, self.data.x.double())
        return torch.stack([margins(part, self.data.y, self.units(0)) for part in logits]).amin(0)


WIDTHS = (0.001, 0.005, 0.02, 0.05, 0.3)


@pytest.mark.parametrize("width", WIDTHS)
def test_margins_lie_between_those_of_the_box_and_all_sampled_ones(trained: Trained, width: float) -> None:
    affine, box, sampled = trained.affine(width), trained.box(width), trained.sampled(width).numpy()
    for own, theirs in ((affine.margins, box.margins), (affine.margins_plain, box.margins_plain)):
        assert (own >= theirs - 1e-9).all()
        assert (own <= sampled).all()
    assert affine.certified >= box.certified


def test_far_larger_boxes_are_certified(trained: Trained) -> None:
    assert trained.box(0.1).certified == 0.0
    assert trained.affine(0.2).certified == trained.affine(0.2).accuracy > 0.95


def test_a_box_of_one_embedding_has_the_margins_of_its_network(trained: Trained) -> None:
    with torch.no_grad():
        logits = trained.net(
            generated(trained.hypernet, trained.embedding, dtype=torch.float64), trained.data.x.double()
        )
    own = trained.affine(0.0)
    np.testing.assert_allclose(own.margins, margins(logits, trained.data.y, trained.units(0)), atol=1e-9)
    assert own.vacuous  # and it says so


def test_the_learner_answers_for_its_box(trained: Trained) -> None:
    own = certify_embedding(trained, trained.data, 0, batch_size=7, name="three")
    assert own.agrees_with(trained.affine(0.02))
    assert (own.task, own.name, own.rigorous, own.settings["method"]) == (0, "three", True, "affine")


def test_a_certificate_is_read_again_as_it_was_saved(trained: Trained, tmp_path) -> None:
    own = trained.affine(0.02)
    own.save(tmp_path / "certificate.json")
    assert Certificate.open(tmp_path / "certificate.json").agrees_with(own)


def test_rounding_costs_little_and_single_precision_a_little_more(trained: Trained) -> None:
    exact, rigorous = trained.affine(0.02, rigorous=False), trained.affine(0.02)
    single = trained.affine(0.02, dtype=torch.float32)
    assert not exact.rigorous
    assert (rigorous.margins <= exact.margins).all()
    assert (exact.margins - rigorous.margins).max() < 1e-8
    assert (single.margins <= exact.margins).all()
    assert (exact.margins - single.margins).max() < 1e-1


def test_the_last_layer_elided_is_at_least_as_good(trained: Trained) -> None:
    own = trained.affine(0.3)
    assert (own.margins >= own.margins_plain).all()
    assert own.margins.mean() > own.margins_plain.mean()
    plain = trained.affine(0.3, elided=False)
    np.testing.assert_array_equal(plain.margins, plain.margins_plain)


def test_units_that_may_not_answer_do_not_matter(trained: Trained) -> None:
    weights = affine_weights(trained.hypernet, trained.embedding, trained.half_width)
    x, y = trained.data.x.double(), trained.data.y
    two, _ = affine_margins(trained.net, weights, x, y, (0, 1))
    all_units, _ = affine_margins(trained.net, weights, x, y, (0, 1, 2, 3))
    assert (two[y == 2] == -torch.inf).all()
    assert (two[y < 2] >= all_units[y < 2]).all()
    alone, _ = affine_margins(trained.net, weights, x, torch.zeros_like(y), (0,))
    assert (alone == torch.inf).all()


def test_frozen_statistics_are_part_of_the_function() -> None:
    net = Stateless(mlp((8,), (6,), 2, batch_norm=True))
    hypernet = Hypernetwork(net.shapes, embedding_dim=3, hidden=(8,))
    x = torch.randn(20, 8, generator=stream(0, "test", "x"))
    buffers = {name: net.initial(0)[name] + (0.1 if "running" in name else 0) for name in net.buffers}
    point = generated(hypernet, torch.ones(3)) | buffers
    data = Examples(x, net(point, x).argmax(1).detach())
    own = certify_generated(net, hypernet, torch.ones(3), torch.full((3,), 1e-4), data, buffers=buffers)
    assert own.accuracy == 1.0
    assert own.certified > 0.8


def test_an_interval_learner_is_certified_in_both_coordinates() -> None:
    learner, sequence = tiny.learner("HyperInterval"), tiny.sequence(1)
    cl.train(learner, sequence, epochs=5)
    box, own = certify(learner, sequence[0].test, 0), certify_embedding(learner, sequence[0].test, 0)
    assert (own.margins >= box.margins - 1e-9).all()
    assert own.width < box.width
