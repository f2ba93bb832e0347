"""Real-valued targets: learners learn them, boxes hold what their networks say, and what needs classes says so."""

import json
from itertools import islice

import numpy as np
import pytest
import tiny
import torch
from torch.testing import assert_close

import cltoolkit as cl
from cltoolkit import learners
from cltoolkit.intervals import sample, worst_case_squared_error
from cltoolkit.randomness import stream
from cltoolkit.sequences import hermite
from cltoolkit.tasks import Examples, Task, TaskSequence, squared_error
from cltoolkit.training import evaluate, infer_task, steps

CLASSES_ONLY = {"HEmbedding", "HopSupSup", "InterContiNet", "TaskFreeSupSup"}
MASKED = {"ExSSNeT", "SupSup"}  # choices among weights need larger steps than weights, and more of them
PER_TASK = {"HyperNet", "Separate", *MASKED}  # weights for each task, which has to be named
REGRESSION = sorted(set(learners.METHODS) - CLASSES_ONLY)
every_learner = pytest.mark.parametrize("name", REGRESSION)


def task(t, k=2, n=24):
    """Linear functions of `tiny.FEATURES` numbers, another for every task."""
    generator = stream(0, "linear", t)
    slope = torch.randn(tiny.FEATURES, k, generator=generator) / tiny.FEATURES**0.5
    x = torch.randn(2 * n + 8, tiny.FEATURES, generator=generator)
    parts = [Examples(*part) for part in zip(x.split([n, n, 8]), (x @ slope).split([n, n, 8]), strict=True)]
    return Task(f"t{t}", *parts)


def sequence(count=2, scenario="task", k=2):
    return TaskSequence([task(t, k) for t in range(count)], name="linear").as_scenario(scenario)


def learned(name, made=None, *, epochs=2, outputs=2, **config):
    learner = tiny.learner(name, outputs, **config)
    for _ in steps(learner, made or sequence(), epochs=epochs, batch_size=8, device="cpu"):
        pass
    return learner


def trained(learner, epochs):
    run = cl.train(learner, hermite(order=[0, 3]), epochs=epochs, progress=False, device="cpu")
    return run, learner


def target():
    return cl.networks.mlp((1,), (50, 50), 1)


@pytest.fixture(scope="module")
def boxed():
    """Two tasks learned with boxes: the run and the learner."""
    return trained(learners.HyperInterval(target(), radius=0.1), 20)


# Every learner


@pytest.mark.parametrize(
    ("name", "scenario"), [(n, "task") for n in REGRESSION] + [(n, "domain") for n in REGRESSION if n not in PER_TASK]
)
def test_it_learns_real_valued_targets(name, scenario):
    made = sequence(1, scenario)
    epochs, lr = (80, 0.1) if name in MASKED else (40, 0.01)
    learner = learned(name, made, epochs=epochs, lr=lr)
    assert evaluate(learner, made)[0] > 0.7
    assert learner.logits(made[0].test.x, 0).shape == (24, 2)


@every_learner
def test_outputs_that_no_target_uses_count_for_nothing(name):
    learner, y = learned(name, outputs=3), torch.ones(5, 2)
    z = torch.arange(15.0).view(5, 3)
    assert_close(learner.loss(z, y, (0, 1)), squared_error(z[:, :2], y).mean())
    assert evaluate(learner, sequence()).shape == (2,)


@every_learner
def test_a_state_in_the_middle_of_a_regression_goes_on_to_the_bit(name):
    made, learner = sequence(), tiny.learner(name, 2)
    last = list(islice(steps(learner, made, epochs=2, batch_size=8, device="cpu"), 8))[-1]
    tensors, facts = learner.state()
    tensors, facts = tiny.copied(tensors), json.loads(json.dumps(facts))
    other = tiny.learner(name, 2)
    other.restore(tensors, facts)
    other.remember(made[0])
    for each in (learner, other):
        for _ in steps(each, made, epochs=2, batch_size=8, device="cpu", start=last.next):
            pass
    assert other.regression
    assert tiny.differing(other.state()[0], learner.state()[0]) == []


def test_states_saved_before_there_were_targets_are_of_classes():
    learner = learned("Finetune", tiny.sequence(1))
    tensors, facts = learner.state()
    del facts["regression"]
    other = tiny.learner("Finetune")
    other.restore(tensors, facts)
    assert not other.regression


# R² in the place of accuracy


def test_evaluation_is_r_squared_over_the_whole_part_whatever_the_batches():
    made, learner = sequence(), learned("Finetune")
    for t, fit in enumerate(evaluate(learner, made)):
        data = made[t].test
        z, y = learner.logits(data.x, t).detach().numpy().astype(float), data.y.numpy().astype(float)
        assert fit == pytest.approx(1 - ((y - z) ** 2).sum() / ((y - y.mean(0)) ** 2).sum())
    assert_close(evaluate(learner, made, batch_size=5), evaluate(learner, made))


def test_a_run_may_have_negative_cells_and_is_tabled_and_drawn():
    run = cl.train(learners.Finetune(tiny.net(2)), sequence(), epochs=1, progress=False, device="cpu")
    assert run.accuracy[0].min() < 0
    assert np.isfinite(run.metrics()["acc"].item())
    assert "Average accuracy" in cl.plots.alt_text(cl.plots.accuracy_matrix(run))


def test_hypernet_learns_hermite_polynomials_and_forgets_none():
    run, _ = trained(learners.HyperNet(target()), 20)
    assert run.accuracy[-1].min() > 0.98


# Boxes


def test_hyper_interval_learns_hermite_polynomials_with_boxes_that_have_a_width(boxed):
    run, _ = boxed
    assert run.accuracy[-1].min() > 0.98
    assert run.series["width"][-1, :, 2].min() > 1e-4


def test_there_is_no_certified_accuracy_where_no_answer_is_right(boxed):
    run, _ = boxed
    assert "certified" not in run.series
    assert np.isnan(run.series["drift_curve"][-1]).all()
    assert np.isnan(run.series["certified_by_drift"][-1]).all()


def test_the_band_holds_what_every_network_of_the_box_says(boxed):
    _, learner = boxed
    for t, made in enumerate(hermite(order=[0, 3])):
        x, y = made.test.x.double(), made.test.y.double()
        bounds = {name: value.double() for name, value in learner.bounds(t).items()}
        band = learner.net(bounds, x)
        worst, slack = worst_case_squared_error(band, y), 1e-9
        assert band.width.min() > 0
        for i in range(40):
            point = sample(bounds, stream(i, "network", t), corners=i % 2 == 1)
            z = learner.net(point, x)
            assert ((band.lower - slack <= z) & (z <= band.upper + slack)).all()
            assert squared_error(z, y).mean() <= worst + slack


def test_what_answers_lies_in_the_band(boxed):
    _, learner = boxed
    for t, made in enumerate(hermite(order=[0, 3])):
        band, z = learner.net(learner.bounds(t), made.test.x), learner.logits(made.test.x, t)
        assert ((band.lower - 1e-4 <= z) & (z <= band.upper + 1e-4)).all()


def test_a_step_reports_the_plain_and_the_worst_error():
    """κ L + (1 − κ) L̂, and L̂ ≥ L as soon as the box has a width."""
    learner = tiny.learner("HyperInterval", 2, worst_share=1.0)
    for step in islice(steps(learner, sequence(), epochs=8, batch_size=8, device="cpu"), 20):
        assert step.losses["worst"] >= step.losses["loss"] - 1e-6
    assert step.losses["radius"] > 0


def test_boxes_stop_growing_where_they_would_cost_too_much():
    """Without the rule the box has all of γ, and nothing is learned; with it the fit is kept."""
    made = hermite(1, train=200)
    grown = [learners.HyperInterval(target(), radius=3.0, adaptive=adaptive) for adaptive in (0.9, None)]
    fits = [cl.train(each, made, epochs=40, progress=False, device="cpu").accuracy[-1, 0] for each in grown]
    assert grown[0].boxes.shares[0] < 0.5
    assert grown[1].boxes.shares[0] == 1
    assert fits[0] > 0.9 > 0.5 > fits[1]


# What needs classes


@pytest.mark.parametrize(
    ("name", "config"), [("HEmbedding", {}), ("HyperInterval", {"guidance": "decoder"})], ids=["own", "guided"]
)
def test_guidance_needs_classes(name, config):
    with pytest.raises(ValueError, match=f"{name} as it is set up looks at classes.*HyperInterval without guidance"):
        learned(name, **config)


@pytest.mark.parametrize(
    ("name", "config"), [("HyperNet", {}), ("Separate", {}), ("HyperInterval", {"nesting": "none"})]
)
def test_no_task_is_inferred_from_real_numbers(name, config):
    with pytest.raises(ValueError, match=f"{name} has weights for each task.*Use scenario='task'"):
        learned(name, sequence(scenario="domain"), **config)
    with pytest.raises(ValueError, match="do not tell how sure they are"):
        infer_task(learned(name, **config), torch.zeros(3, tiny.FEATURES))
