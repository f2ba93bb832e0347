"""InterContiNet: nested boxes, certificates that do not fall, and each deviation that its docstring names."""

from collections.abc import Iterator
from typing import get_args

import numpy as np
import pytest
import tiny
import torch
from torch import nn

import cltoolkit as cl
from cltoolkit.intervals import IntervalTensor, certify, certify_network
from cltoolkit.learners._contraction import Box, ends, is_inside
from cltoolkit.learners._intercontinet import InterContiNet
from cltoolkit.learners._interval import VacuousWarning
from cltoolkit.learners._point_head import PointHead
from cltoolkit.randomness import seeded, stream
from cltoolkit.tasks import Scenario, TaskSequence
from cltoolkit.training import Step, evaluate, steps

every_scenario = pytest.mark.parametrize("scenario", get_args(Scenario))
every_contraction = pytest.mark.parametrize("contraction", ["bisection", "gate"])
EPOCHS = 6


def learner(scenario: Scenario = "task", *, batch_norm: bool = False, **config: object) -> InterContiNet:
    outputs = tiny.sequence(3, scenario=scenario).num_classes
    return InterContiNet(tiny.net(outputs, batch_norm=batch_norm), **{"lr": 0.02, **config})


def train(made: InterContiNet, sequence: TaskSequence) -> Iterator[Step]:
    return steps(made, sequence, epochs=EPOCHS, batch_size=8, device="cpu")


def learned(scenario: Scenario = "task", **config: object) -> InterContiNet:
    made = learner(scenario, **config)
    for _ in train(made, tiny.sequence(3, scenario=scenario)):
        pass
    return made


def body(made: InterContiNet) -> Box:
    """The current box of all interval weights, end to end."""
    intervals = [v for v in made.bounds(0).values() if isinstance(v, IntervalTensor)]
    return Box(torch.cat([v.center.flatten() for v in intervals]), torch.cat([v.radius.flatten() for v in intervals]))


def copied(box: Box) -> Box:
    """The box as it is now, whatever happens to it."""
    return Box(box.center.clone(), box.radius.clone())


# Nesting


@every_contraction
@every_scenario
def test_at_every_step_the_box_is_inside_the_last(scenario: Scenario, contraction: str) -> None:
    """In float64; and the weights that answer are a point of it."""
    made, sequence = learner(scenario, contraction=contraction), tiny.sequence(3, scenario=scenario)
    last = None
    for step in train(made, sequence):
        if step.task or step.phase == "contract":
            now, weights = body(made), made.params(step.task)
            assert last is None or is_inside(now, last)
            for name, value in made.bounds(step.task).items():
                assert torch.equal(weights[name], value.center if isinstance(value, IntervalTensor) else value)
        if step.ended:
            last = copied(body(made))
            assert float(last.radius.min()) >= 0


@pytest.mark.parametrize("normalize", [False, True])
def test_no_shift_and_no_scale_leads_out_of_the_box(normalize: bool) -> None:
    """Not even adversarial ones, and not through a saved state."""
    made = learner(normalize_shift=normalize, normalize_scale=normalize)
    for step in train(made, tiny.sequence(3)):
        if step.task == 1 and not step.ended:
            break
    last = copied(made.box.last)
    generator = stream(0, "adversary")
    with torch.no_grad():
        made.box.shift.copy_(100 * torch.rand(len(made.box.shift), generator=generator) - 50)
        made.box.scale.copy_(100 * torch.rand(len(made.box.scale), generator=generator) - 50)
    assert is_inside(body(made), last)
    other = learner(normalize_shift=normalize, normalize_scale=normalize)
    tensors, facts = made.state()
    other.restore(tiny.copied(tensors), facts)
    assert is_inside(body(other), last)
    assert all(torch.equal(a, b) for a, b in zip(body(other), body(made), strict=True))


@every_scenario
def test_certified_accuracy_on_the_first_task_never_falls(scenario: Scenario) -> None:
    """Over the same output units. Nor does that on any other task."""
    sequence, made = tiny.sequence(3, scenario=scenario), learner(scenario)
    certified: dict[int, list[float]] = {}
    for step in train(made, sequence):
        if step.ended:
            for j in range(step.task + 1):
                units = range(6) if scenario == "class" else made.units(j)
                certificate = certify_network(made.net, made.bounds(j), sequence[j].test, units)
                certified.setdefault(j, []).append(certificate.certified)
    for row in certified.values():
        assert row == sorted(row)
    assert certified[0][0] >= 0.8


@every_contraction
def test_the_threshold_is_reached_on_a_full_pass(contraction: str) -> None:
    """Certified training accuracy at the end of each task is at least τ of the accuracy."""
    sequence, made = tiny.sequence(3), learner(contraction=contraction, threshold=0.8)
    for step in train(made, sequence):
        if step.ended:
            x, y = sequence[step.task].train.take(torch.arange(22))
            right = float((made.logits(x, step.task).argmax(1) == y).float().mean())
            certificate = certify(made, sequence[step.task].train, step.task, rigorous=False)
            assert certificate.certified >= 0.8 * right
            told = float(made.series()["certified_train"][step.task])
            assert certificate.certified == pytest.approx(told, abs=1e-6)


def test_networks_drawn_from_the_last_box_answer_every_certified_example() -> None:
    made, sequence = learned(), tiny.sequence(3)
    generator = stream(0, "drawn")
    for t in range(3):
        x, y = sequence[t].test.take(torch.arange(30))
        margins = torch.as_tensor(certify(made, sequence[t].test, t).margins)
        assert (margins > 0).any()
        for _ in range(50):
            drawn = {name: point(value, generator) for name, value in made.bounds(t).items()}
            answers = made.net(drawn, x.double()).argmax(1)
            assert bool((answers == y)[margins > 0].all())


def point(value: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A corner of the box, half of the time; float64."""
    if not isinstance(value, IntervalTensor):
        return value.double()
    draw = 2 * torch.rand(value.shape, generator=generator, dtype=torch.float64) - 1
    draw = draw.sign() if torch.rand((), generator=generator) < 0.5 else draw
    return value.center.double() + draw * value.radius.double()


# What learns and what does not


def test_heads_are_points_of_each_task_and_stay() -> None:
    made, sequence = learner(), tiny.sequence(3)
    kept = {}
    for step in train(made, sequence):
        if step.ended:
            kept[step.task] = tiny.copied({name: made.params(step.task)[name] for name in made.net.head_names})
    for t in range(3):
        bounds = made.bounds(t)
        assert all(not isinstance(bounds[name], IntervalTensor) for name in made.net.head_names)
        assert tiny.differing({name: made.params(t)[name] for name in made.net.head_names}, kept[t]) == []


@pytest.mark.parametrize("scenario", ["domain", "class"])
def test_a_shared_head_is_an_interval_and_all_tasks_have_the_same_box(scenario: Scenario) -> None:
    made = learned(scenario)
    assert all(isinstance(made.bounds(0)[name], IntervalTensor) for name in made.net.shapes)
    assert tiny.differing(made.params(0), made.params(2)) == []


@every_scenario
def test_batch_norm_stands_still_after_the_first_task(scenario: Scenario) -> None:
    """It is part of what was certified; what is certified is the network that answers."""
    sequence, made = tiny.sequence(3, scenario=scenario), learner(scenario, batch_norm=True)
    kept = {}
    for step in train(made, sequence):
        if step.ended:
            kept[step.task] = tiny.copied({name: made.params(0)[name] for name in made.net.buffers})
    assert tiny.differing(kept[0], kept[2]) == []
    assert float(kept[0]["1.num_batches_tracked"]) > 0
    for t in range(3):
        accuracy = evaluate(made, sequence)[t]
        certificate = certify(made, sequence[t].test, t)
        assert certificate.certified <= certificate.accuracy == pytest.approx(accuracy)


def test_in_the_class_scenario_the_first_task_is_certified_against_all_units() -> None:
    sequence, made = tiny.sequence(3, scenario="class"), learner("class")
    for step in train(made, sequence):
        if step.ended:
            break
    assert certify_network(made.net, made.bounds(0), sequence[0].train, range(6)).certified >= 0.8


@every_contraction
def test_a_task_that_needs_no_room_leaves_all_of_it(contraction: str) -> None:
    """Where published radii shrink by σ(5) with every task."""
    made, task = learner(contraction=contraction, threshold=1e-6), tiny.task(0)
    made.start()
    made.begin(task, made.phases(task)[0])
    x, y = task.train.take(torch.arange(22))
    for _ in range(40):
        made.step(x, y)
    made.begin(task, made.phases(task)[1])
    made.end(task)
    before = copied(made.box.last)
    for phase in made.phases(task):
        made.begin(task, phase)
    made.end(task)
    share = made.box.last.radius / before.radius
    assert float(share.min()) > (0.999 if contraction == "bisection" else 0.99)


def test_gate_does_nothing_where_enough_is_certified() -> None:
    made = learner(contraction="gate", threshold=0.5, max_radius=0.01, optimizer="sgd", lr=0.5, scale_lr=100.0)
    task = tiny.task(0)
    made.start()
    made.begin(task, made.phases(task)[0])
    x, y = task.train.take(torch.arange(22))
    for _ in range(60):
        made.step(x, y)
    made.begin(task, made.phases(task)[1])
    before = made.box.scale.detach().clone()
    losses = made.step(x, y)
    assert torch.equal(made.box.scale, before)
    assert losses["worst"] >= losses["loss"]
    made.threshold = 1.0 + 1e-6  # never reached: now it shrinks
    made.step(x, y)
    assert not torch.equal(made.box.scale, before)


def test_elided_worst_cases_leave_more_room_than_those_of_logits() -> None:
    elided, plain = (learned(worst_case=kind) for kind in ("elided", "logits"))
    assert elided.series()["log_volume"][0] > plain.series()["log_volume"][0]


def test_published_settings_run() -> None:
    made = learned(contraction="gate", worst_case="logits", whiten=0.0, optimizer="sgd", lr=0.5, shift_lr=0.5,
                   scale_lr=0.01, normalize_shift=True, threshold=0.8)  # fmt: skip
    assert made.series()["certified_train"].min() >= 0.5


# What it tells


def test_series() -> None:
    made = learned()
    series = made.series()
    shapes = {name: tuple(rows.shape) for name, rows in series.items()}
    assert shapes == {
        "width": (3, 5), "collapsed": (3, 1), "log_volume": (3, 1), "factor": (3, 1), "certified_train": (3, 1),
        "watched": (3, 8, 2),
    }  # fmt: skip
    watched = series["watched"]
    assert bool((watched[1:, :, 0] >= watched[:-1, :, 0]).all())
    assert bool((watched[1:, :, 1] <= watched[:-1, :, 1]).all())
    assert torch.equal(watched[2], torch.stack(ends(made.box.last), 1)[made.watched])
    assert bool((series["log_volume"].diff(dim=0) <= 0).all())


def test_steps_report_width_and_worst_case_while_contracting() -> None:
    for step in train(learner(), tiny.sequence(1)):
        assert set(step.losses) == ({"loss", "worst", "width"} if step.phase == "contract" else {"loss"})


def test_boxes_without_width_are_warned_about() -> None:
    """Such as those that a gate has closed for good."""
    made, task = learner(contraction="gate"), tiny.task(0)
    made.start()
    for phase in made.phases(task):
        made.begin(task, phase)
    with torch.no_grad():
        made.box.scale.fill_(-60.0)
    with pytest.warns(VacuousWarning, match="vacuous"):
        made.end(task)


def test_weights_that_are_not_numbers_are_an_error() -> None:
    made, task = learner(), tiny.task(0)
    made.start()
    for phase in made.phases(task):
        made.begin(task, phase)
    with torch.no_grad():
        made.box.shift[0] = torch.nan
    with pytest.raises(RuntimeError, match="not inside the one before"):
        made.end(task)


@every_contraction
@pytest.mark.parametrize("task", [0, 1])
def test_an_interruption_while_contracting_leaves_no_trace(task: int, contraction: str) -> None:
    sequence, made, other = tiny.sequence(2), learner(contraction=contraction), learner(contraction=contraction)
    for step in train(made, sequence):
        if (step.task, step.phase) == (task, "contract"):
            break
    assert not step.ended
    tensors, facts = made.state()
    other.restore(tiny.copied(tensors), facts)
    for _ in steps(other, sequence, epochs=EPOCHS, batch_size=8, device="cpu", start=step.next):
        pass
    uninterrupted = learner(contraction=contraction)
    for _ in train(uninterrupted, sequence):
        pass
    assert tiny.differing(other.state()[0], uninterrupted.state()[0]) == []


# The point head


@pytest.mark.parametrize("bias", [True, False])
def test_a_whitened_head_begins_where_it_should_and_sees_white_inputs(bias: bool) -> None:
    generator = stream(0, "features")
    inputs = torch.randn(400, 3, generator=generator) @ torch.tensor([[9.0, 1, 0], [0, 1, 2], [0, 0, 0.5]]) + 3
    shapes = {"weight": torch.Size([2, 3])} | ({"bias": torch.Size([2])} if bias else {})
    initial = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    head = PointHead()
    head.allocate(shapes)
    head.begin(initial)
    head.whiten(inputs, 0.0)
    assert tiny.differing(tiny.copied(head.params()), initial) == []
    with torch.no_grad():
        head.learned[:6] = torch.tensor([1.0, 0, 0, 0, 1, 0])
    now = head.params()
    change = (inputs @ (now["weight"] - initial["weight"]).T + (now["bias"] - initial["bias"] if bias else 0)).detach()
    torch.testing.assert_close(change.T @ change / 400, torch.eye(2), atol=2e-3, rtol=0)
    if bias:
        torch.testing.assert_close(change.mean(0), torch.zeros(2), atol=2e-4, rtol=0)


def test_whitened_heads_learn_where_plain_ones_do_not_yet() -> None:
    sequence = cl.sequences.split_digits()[:3]
    last = [digits(sequence, epochs=10, whiten=ridge)[1][-1, -1] for ridge in (0.01, 0.0)]
    assert last[0] > last[1] + 0.05


# Real data


def digits(
    sequence: TaskSequence, *, epochs: int, **config: object
) -> tuple[InterContiNet, np.ndarray, list[list[float]]]:
    """The learner, accuracy `(T, T)`, and certified accuracy by task and time."""
    net = cl.networks.mlp(sequence.input_shape, (64, 64), sequence.num_classes)
    made, accuracy, certified = InterContiNet(net, **config), [], []
    for step in steps(made, sequence, epochs=epochs, batch_size=32, device="cpu"):
        if step.ended:
            accuracy.append(evaluate(made, sequence))
            certified.append([certify(made, sequence[j].test, j).certified for j in range(step.task + 1)])
    return made, np.array([list(row) for row in accuracy]), certified


def test_split_digits() -> None:
    made, accuracy, certified = digits(cl.sequences.split_digits(), epochs=20)
    assert accuracy[-1].mean() >= 0.97
    assert np.mean(certified[-1]) >= 0.93
    first = [row[0] for row in certified]
    assert first == sorted(first)
    assert float(made.series()["width"][-1, 2]) >= 1e-2  # the median: nothing vacuous


def test_a_convolutional_network_has_boxes_that_say_something() -> None:
    with seeded(0, "small conv"):
        net = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.ReLU(),
            nn.Flatten(), nn.Linear(32, 2),
        )  # fmt: skip
    sequence = cl.sequences.split_digits()[:2]
    made, certified = InterContiNet(net), []
    for step in steps(made, sequence, epochs=8, batch_size=32, device="cpu"):
        if step.ended:
            certified.append([certify(made, sequence[j].test, j) for j in range(step.task + 1)])
    assert certified[1][0].certified >= certified[0][0].certified >= 0.8
    assert certified[1][1].certified >= 0.6
    assert not certified[1][1].vacuous


# Words


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"contraction": "half"}, "expected contraction='bisection' or 'gate'; got 'half'"),
        ({"worst_case": "best"}, "expected worst_case='elided' or 'logits'; got 'best'"),
        ({"optimizer": "lion"}, "expected optimizer='adam' or 'sgd'; got 'lion'"),
        ({"threshold": 1.5}, "expected threshold above 0 and at most 1"),
        ({"scale_share": 1.0}, "expected scale_share between 0 and 1"),
        ({"volume": -1.0}, "expected volume and whiten of at least 0"),
        ({"max_radius": 0.0}, "expected max_radius above 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(config: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        learner(**config)


def test_a_head_that_is_not_linear_is_refused() -> None:
    with seeded(0, "head"):
        net = nn.Sequential(nn.Linear(6, 4), nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)))
    with pytest.raises(ValueError, match="expected a head of one linear layer"):
        InterContiNet(cl.Stateless(net, head="1"))
