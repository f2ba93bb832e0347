"""HyperInterval: what its boxes hold, the universal network, certificates without data, and the published rules."""

from functools import cache
from itertools import islice

import numpy as np
import pytest
import tiny
import torch
from torch import nn

import cltoolkit as cl
from cltoolkit.intervals import (
    EmptyIntersectionError,
    IntervalTensor,
    certify,
    certify_network,
    contained,
    half_widths,
    nested_center,
    widths,
)
from cltoolkit.learners import HyperInterval, HyperNet, VacuousWarning
from cltoolkit.params import unpack
from cltoolkit.randomness import seeded, stream
from cltoolkit.tasks import Examples, Scenario
from cltoolkit.training import evaluate, steps


def trained(scenario: Scenario = "task", *, tasks: int = 3, epochs: int = 6, **settings: object) -> HyperInterval:
    sequence = tiny.sequence(tasks, scenario=scenario)
    learner = tiny.learner("HyperInterval", sequence.num_classes, **settings)
    for _ in steps(learner, sequence, epochs=epochs, batch_size=8, device="cpu"):
        pass
    assert isinstance(learner, HyperInterval)
    return learner


@cache
def shared(scenario: Scenario = "task", **settings: object) -> HyperInterval:
    """One that tests only look at."""
    return trained(scenario, **settings)


def inside(params: dict[str, torch.Tensor], bounds: dict[str, torch.Tensor]) -> bool:
    """Whether weights lie in their boxes, but for rounding in single precision."""
    slack = {name: 1e-5 * (1 + box.abs().max()) for name, box in params.items()}
    return all(
        bool(((params[name] >= box.lower - slack[name]) & (params[name] <= box.upper + slack[name])).all())
        for name, box in bounds.items()
        if isinstance(box, IntervalTensor)
    )


every_scenario = pytest.mark.parametrize("scenario", ["task", "domain", "class"])


@every_scenario
@pytest.mark.parametrize("deploy", ["embedding", "center"])
def test_what_answers_a_task_lies_in_its_box(scenario: Scenario, deploy: str) -> None:
    learner = shared(scenario, deploy=deploy)
    for t in range(3):
        assert inside(learner.params(t), learner.bounds(t))


@every_scenario
def test_every_embedding_of_the_box_makes_weights_of_the_box(scenario: Scenario) -> None:
    learner = shared(scenario)
    for t in range(3):
        box, bounds = learner.embedding_box(t), learner.bounds(t)
        ends = torch.where(torch.rand(200, 4, generator=stream(0, "ends", t)) < 0.5, box.lower, box.upper)
        for weights in learner.hypernet(ends).detach():
            assert inside(unpack(weights, learner.net.shapes), bounds)


def test_half_widths_are_learned_and_share_the_budget_reached() -> None:
    learner = shared()
    series = learner.series()
    torch.testing.assert_close(series["half_widths"].sum(1, keepdim=True), series["radius"])
    torch.testing.assert_close(
        learner.embedding_box(1).radius, half_widths(learner.boxes.spreads[1], series["radius"][1])
    )
    assert learner.boxes.spreads.std(1).min() > 0
    assert shared(half_widths="uniform").boxes.spreads.abs().max() == 0


# The universal network


def test_one_network_answers_all_tasks_of_a_domain() -> None:
    learner = shared("domain")
    assert not learner.needs_task
    universal = learner.universal()
    for t in range(3):
        assert tiny.differing(learner.params(t), universal) == []
        assert inside(universal, learner.bounds(t))
    assert not learner.intersection().empty.any()
    with pytest.raises(ValueError, match="one network"):
        cl.infer_task(learner, torch.ones(2, tiny.FEATURES))


@pytest.mark.parametrize("nesting", ["tanh", "cos"])
def test_nested_boxes_have_the_published_form(nesting: str) -> None:
    learner = shared("domain", nesting=nesting, adaptive=None)
    for t in range(3):
        box = learner.embedding_box(t)
        torch.testing.assert_close(box.center, nested_center(learner.embeddings[t], learner.radius, nesting))
        torch.testing.assert_close(box.radius, torch.full((4,), learner.radius / 4))


def test_without_nesting_the_universal_network_may_not_exist() -> None:
    learner = shared()
    with pytest.raises(EmptyIntersectionError, match=r"share no embedding.*nesting='tanh'"):
        learner.universal()


def test_a_nested_hypernetwork_begins_at_the_weights_that_the_target_begins_with() -> None:
    learner = tiny.learner("HyperInterval", 2)
    assert isinstance(learner, HyperInterval)
    learner.start(scenario="domain")
    at_zero = unpack(learner.hypernet(torch.zeros(1, 4))[0].detach(), learner.net.shapes)
    initial = learner.net.initial(0, "weights")
    assert tiny.differing(at_zero, {name: initial[name] for name in learner.net.shapes}) == []


# Certificates


@every_scenario
@pytest.mark.parametrize("batch_norm", [False, True])
def test_every_network_of_the_box_answers_what_is_certified(scenario: Scenario, batch_norm: bool) -> None:
    sequence = tiny.sequence(2, scenario=scenario)
    learner = tiny.learner("HyperInterval", sequence.num_classes, batch_norm=batch_norm, radius=0.1)
    for _ in steps(learner, sequence, epochs=6, batch_size=8, device="cpu"):
        pass
    assert isinstance(learner, HyperInterval)
    for t in range(2):
        certificate = certify(learner, sequence[t].test, t)
        assert certificate.certified <= certificate.accuracy
        x, y = sequence[t].test.take(torch.arange(30))
        units, sure = torch.tensor(learner.units(t)), torch.tensor(certificate.margins > 0)
        assert sure.any()
        bounds = {name: value.double() for name, value in learner.bounds(t).items()}
        for i in range(100):
            drawn = cl.intervals.sample(bounds, stream(0, "drawn", t, i), corners=i % 2 == 0)
            answers = units[learner.net(drawn, x.double())[:, units].argmax(1)]
            assert (answers == y)[sure].all()


def test_what_is_certified_without_data_holds_with_them() -> None:
    """The drift and the curve of each task promise no more than its box holds at the end."""
    sequence = tiny.sequence(3)
    learner = tiny.learner("HyperInterval", 2, beta=100.0, lr=2e-3)
    assert isinstance(learner, HyperInterval)
    watched, before = [], []
    for step in steps(learner, sequence, epochs=30, batch_size=8, device="cpu"):
        if step.step == 0:
            watched.append(Examples(*learner._watched))  # type: ignore[misc]
        if step.ended:
            before.append(learner.bounds(step.task))
    series = learner.series()
    promised = series["certified_by_drift"][:, 0].tolist()
    assert max(promised[:2]) > 0
    for t in range(3):
        assert contained(learner.bounds(t), cl.intervals.inflate(before[t], series["drift"][t].item()))
        now = certify_network(learner.net, learner.bounds(t), watched[t], learner.units(t))
        assert promised[t] <= now.certified


def test_where_nothing_holds_the_boxes_nothing_is_certified_without_data() -> None:
    series = trained(tasks=2, beta=0.0).series()
    assert series["drift"][:, 0].tolist() == [torch.inf, 0]
    assert series["certified_by_drift"][0] == 0


def test_a_run_keeps_what_was_certified_and_how_wide_boxes_were(tmp_path: object) -> None:
    sequence = tiny.sequence(2)
    run = cl.train(
        tiny.learner("HyperInterval", 2), sequence, epochs=4, batch_size=8, out=f"{tmp_path}/run", progress=False
    )
    learner = cl.restore(run, device="cpu", learner=tiny.learner("HyperInterval", 2))
    for t in range(2):
        assert run.series["certified"][1, t, 0] == certify(learner, sequence[t].test, t).certified
        np.testing.assert_allclose(run.series["width"][1, t], widths(learner.bounds(t)).numpy())
    assert np.isnan(run.series["certified"][0, 1, 0])
    assert {"embeddings", "half_widths", "intersection", "universal", "radius", "drift", "collapsed"} <= set(run.series)
    assert {"loss", "worst", "width", "kappa", "radius"} <= set(run.curves)


def test_a_run_whose_boxes_have_no_width_is_warned_about() -> None:
    with pytest.warns(VacuousWarning, match="task 0, step .* 100% of the weights .* vacuous"):
        trained(tasks=1, radius=0.0)


# Deviations, and the published rules by name


def test_a_point_is_a_hypernetwork() -> None:
    """Without width, the box is the network that HyperNet would generate."""
    with pytest.warns(VacuousWarning):
        learner = trained(tasks=1, radius=0.0)
    (box,) = [learner.embedding_box(0)]
    assert box.radius.abs().max() == 0
    assert tiny.differing(learner.params(0), learner.generated.params(0)) == []
    begun = HyperNet(tiny.net(), embedding_dim=4, hidden=(8,))
    begun.start(seed=0)
    fresh = HyperInterval(tiny.net(), embedding_dim=4, hidden=(8,))
    fresh.start(seed=0)
    assert tiny.differing(begun.starting(0) or {}, fresh.starting(0) or {}) == []


def test_the_center_of_the_box_is_another_network_than_that_of_the_embedding() -> None:
    center, embedding = (shared(deploy=deploy, radius=1.0, adaptive=None) for deploy in ("center", "embedding"))
    for learner in (center, embedding):
        middle = {n: b.center if isinstance(b, IntervalTensor) else b for n, b in learner.bounds(0).items()}
        same = all(torch.allclose(middle[name], value) for name, value in learner.params(0).items())
        assert same == (learner is center)


@pytest.mark.parametrize(("scenario", "held"), [("task", "center"), ("domain", "box")])
def test_the_published_regularizer(scenario: Scenario, held: str) -> None:
    """Centers alone without nesting; and divided by the number of earlier tasks a second time."""
    sequence = tiny.sequence(3, scenario=scenario)
    learner = tiny.learner("HyperInterval", sequence.num_classes, regularizer="published")
    list(islice(steps(learner, sequence, epochs=2, batch_size=8, device="cpu"), 14))
    assert isinstance(learner, HyperInterval)
    assert learner.held is not None
    assert (learner.num_tasks, learner.held.held) == (2, held)
    current = learner.boxes.current(learner.generated.embedding, 1.0)
    whole, published = learner.held(learner.hypernet, current)[1], learner._weights(current)[2]
    torch.testing.assert_close(published, whole / 2)


def test_the_published_schedule_is_one_of_steps() -> None:
    sequence = tiny.sequence(1)
    for schedule, kappa in (("published", 1 - 5e-5), ("relative", 1 - 0.5 / 11)):
        learner = tiny.learner("HyperInterval", 2, schedule=schedule, adaptive=None)
        taken = list(islice(steps(learner, sequence, epochs=8, batch_size=8, device="cpu"), 2))
        assert taken[0].losses["radius"] == 0
        assert taken[1].losses["kappa"] == pytest.approx(kappa)


@pytest.mark.parametrize("inference", ["entropy", "interval_entropy", "margin"])
def test_the_task_is_inferred_as_asked(inference: str) -> None:
    learner = shared("class", inference=inference)
    x = tiny.sequence(3)[0].test.take(torch.arange(20))[0]
    guessed = cl.infer_task(learner, x)
    assert guessed.shape == (20,)
    logits = torch.stack([learner.net(learner.params(t), x) for t in range(3)])
    assert learner.doubt(x, logits).shape == (3, 20)
    assert evaluate(learner, tiny.sequence(3, scenario="class")).min() >= 0


def test_weights_are_chosen_on_the_validation_part() -> None:
    """The best certified and right answers there, once boxes are full-grown; without such a part, the last."""
    sequence = tiny.sequence(1)
    assert sequence[0].validation is not None
    kept: list[float] = []
    looked_at: dict[bool, list[float]] = {True: [], False: []}
    for selection in (True, False):
        learner = tiny.learner("HyperInterval", 2, lr=0.05, adaptive=None, radius=2.0, selection=selection)
        assert isinstance(learner, HyperInterval)
        for _ in steps(learner, sequence, epochs=20, batch_size=8, device="cpu"):
            if learner.best is not None:
                looked_at[selection].append(float(learner.best.score))
        certificate = certify(learner, sequence[0].validation, 0, rigorous=False)
        kept.append(certificate.certified + evaluate(learner, sequence, part="validation")[0])
    assert kept[0] >= max(looked_at[True]) - 1e-6  # a score is kept in single precision
    assert max(looked_at[True]) > 0
    assert looked_at[False] == []
    assert kept[0] >= kept[1]


@pytest.mark.parametrize("guidance", ["decoder", "shared_decoder", "distance", "initialization"])
@pytest.mark.parametrize("scenario", ["task", "domain"])
def test_the_h_embedding_guides_it_as_well(guidance: str, scenario: Scenario) -> None:
    """With the record that `HEmbedding` keeps; interrupted, it goes on to the same bytes."""
    sequence = tiny.sequence(4, scenario=scenario)

    def new() -> HyperInterval:
        learner = tiny.learner("HyperInterval", 2, guidance=guidance, guidance_weight=0.5)
        assert isinstance(learner, HyperInterval)
        return learner

    whole, early = new(), new()
    taken = list(steps(whole, sequence, epochs=2, batch_size=8, device="cpu"))
    series = whole.series()
    assert series["scores"].shape == (4, 4)
    assert series["h_embeddings"][2:].isfinite().all()
    assert ("guidance" in taken[-1].losses) == (guidance != "initialization")
    *_, last = islice(steps(early, sequence, epochs=2, batch_size=8, device="cpu"), 21)
    tensors, facts = early.state()
    late = new()
    late.restore(tiny.copied(tensors), facts)
    for _ in steps(late, sequence, epochs=2, batch_size=8, device="cpu", start=last.next):
        pass
    assert tiny.differing(late.state()[0], whole.state()[0]) == []
    plain = trained(scenario, tasks=4, epochs=2)
    assert tiny.differing(whole.params(3), plain.params(3)) != []


def test_settings_that_make_no_sense_are_refused() -> None:
    for wrong in ({"kappa": 1.5}, {"adaptive": -0.1}, {"radius": -1.0}, {"nesting": "sine"}, {"deploy": "both"}):
        with pytest.raises(ValueError, match=f"expected {next(iter(wrong))}"):
            tiny.learner("HyperInterval", **wrong)


def test_a_convolutional_target_is_bounded() -> None:
    with seeded(0, "test"):
        net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 2))
    x = torch.rand(24, 1, 8, 8, generator=stream(0, "images"))
    y = (x[:, :, :4].mean((1, 2, 3)) > x[:, :, 4:].mean((1, 2, 3))).long()
    task = cl.Task("halves", Examples(x, y), Examples(x, y))
    learner = HyperInterval(net, embedding_dim=4, hidden=(8,), lr=5e-3)
    for _ in steps(learner, cl.TaskSequence([task]), epochs=30, batch_size=8, device="cpu"):
        pass
    certificate = certify(learner, task.test, 0)
    assert 0.5 < certificate.certified <= certificate.accuracy
    assert not certificate.vacuous


def test_the_walk_out_of_a_box_stays_above_its_certificate() -> None:
    sequence = tiny.sequence(3)
    learner, data = shared(radius=0.1), sequence[1].test
    box, certified = learner.embedding_box(1), certify(learner, data, 1).certified
    walk = cl.intervals.along_interval(
        tiny.net(), learner.generate, box.center, box.radius, data, learner.units(1), certified=certified
    )
    assert walk.lowest >= certified
    assert walk.center == evaluate(learner, sequence)[1]
