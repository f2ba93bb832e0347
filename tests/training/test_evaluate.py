"""Accuracy and inferred tasks, against loops over single examples."""

import math
from collections.abc import Sequence
from functools import cache
from typing import get_args

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor

from cltoolkit import learners
from cltoolkit.learners import Finetune, Learner, Separate
from cltoolkit.tasks import Scenario, TaskSequence
from cltoolkit.training import evaluate, infer_task, steps


def trained(name: str, sequence: TaskSequence, *, tasks: int | None = None, epochs: int = 20) -> Learner:
    learner = tiny.learner(name, sequence.num_classes, lr=0.02)
    for _ in steps(learner, sequence[:tasks], epochs=epochs, batch_size=8, device="cpu"):
        pass
    return learner


# Some of these tasks, with one network for all, leave boxes no room; they are about answers.
pytestmark = pytest.mark.filterwarnings("ignore::cltoolkit.learners.VacuousWarning")


@cache
def finished(name: str, scenario: Scenario) -> Learner:
    return trained(name, tiny.sequence(3, scenario=scenario))


def softmax(values: Sequence[float]) -> list[float]:
    top = max(values)
    powers = [math.exp(v - top) for v in values]
    return [p / sum(powers) for p in powers]


def naive_task(learner: Learner, x: Tensor) -> int:
    """The task whose own logits for one input `(*input_shape,)` have the least entropy, relative to log k."""
    relative = []
    for t in range(learner.known):
        logits = learner.net(learner.params(t), x[None])[0]
        p = softmax([float(logits[unit]) for unit in learner.outputs[t]])
        relative.append(-sum(q * math.log(q) for q in p if q > 0) / math.log(len(p)))
    return relative.index(min(relative))


def naive_answer(learner: Learner, sequence: TaskSequence, t: int, x: Tensor) -> int:
    """The output unit that answers one input of task t."""
    units: Sequence[int]
    if learner.scenario == "task":
        units, params = sequence[t].outputs, learner.params(t) if t < learner.known else learner.starting(t)
    elif learner.needs_task and type(learner).finder is not Learner.finder:  # tested where it is
        return int(learner.finder()(x[None])[1])
    elif learner.needs_task:
        found = naive_task(learner, x)
        units, params = learner.outputs[found], learner.params(found)
    elif learner.scenario == "domain":
        units, params = sequence[t].outputs, learner.params(0) if t < learner.known else learner.starting(t)
    else:
        before = sequence.tasks[: max(t + 1, learner.known)]
        units = sorted({u for task in before for u in task.outputs})
        params = learner.params(0) if t < learner.known else learner.starting(t)
    assert params is not None
    logits = learner.net(params, x[None])[0]
    return max(units, key=lambda unit: float(logits[unit]))


def naive_accuracy(learner: Learner, sequence: TaskSequence, t: int) -> float:
    data = sequence[t].test
    right = 0
    for i in range(len(data)):
        x, y = data.take(torch.tensor([i]))
        right += naive_answer(learner, sequence, t, x[0]) == int(y)
    return right / len(data)


# HopSupSup finds one mask for many inputs together, where the task is not told; its own tests look at that.
SINGLE = [
    (name, s) for name in learners.METHODS for s in get_args(Scenario) if (name, s == "task") != ("HopSupSup", False)
]


@pytest.mark.parametrize(("name", "scenario"), SINGLE)
def test_accuracy_is_that_of_single_answers(name: str, scenario: Scenario) -> None:
    sequence = tiny.sequence(3, scenario=scenario)
    learner = finished(name, scenario)
    assert evaluate(learner, sequence).tolist() == [naive_accuracy(learner, sequence, t) for t in range(3)]


@pytest.mark.parametrize(("name", "scenario"), SINGLE)
def test_tasks_to_come_are_measured_too(name: str, scenario: Scenario) -> None:
    """With the weights from which they would begin."""
    sequence = tiny.sequence(3, scenario=scenario)
    learner = trained(name, sequence, tasks=1, epochs=2)
    assert evaluate(learner, sequence).tolist() == [naive_accuracy(learner, sequence, t) for t in range(3)]


@pytest.mark.parametrize("batch_size", [1, 7, 30, 1000])
def test_the_size_of_batches_is_no_matter(batch_size: int) -> None:
    sequence = tiny.sequence(3, noise=2.0)
    learner = trained("Finetune", sequence, epochs=2)
    assert np.array_equal(evaluate(learner, sequence, batch_size=batch_size), evaluate(learner, sequence))


def test_only_the_tasks_asked_for_are_measured() -> None:
    sequence = tiny.sequence(3)
    row = evaluate(finished("Separate", "task"), sequence, tasks=[2, 0])
    assert np.isnan(row).tolist() == [False, True, False]


def test_parts_are_measured_apart() -> None:
    sequence, learner = tiny.sequence(3, noise=2.0), finished("Separate", "task")
    rows = {part: evaluate(learner, sequence, part=part) for part in ("train", "validation", "test")}
    for part, row in rows.items():
        counts = row * [len(task.parts[part]) for task in sequence]
        np.testing.assert_allclose(counts, counts.round(), atol=1e-9)
    assert len({row.tobytes() for row in rows.values()}) == 3


@pytest.mark.parametrize("scenario", ["domain", "class"])
def test_the_inferred_task_is_the_one_with_the_least_relative_entropy(scenario: Scenario) -> None:
    sequence, learner = tiny.sequence(3, scenario=scenario), finished("Separate", scenario)
    x = torch.cat([task.test.take(torch.arange(10))[0] for task in sequence])
    assert infer_task(learner, x).tolist() == [naive_task(learner, single) for single in x]


def test_entropies_are_relative_to_the_number_of_classes() -> None:
    """Otherwise a task of many classes would hardly ever be inferred."""
    sequence = TaskSequence([tiny.task(0), tiny.task(1, classes=(2, 3, 4, 5, 6))]).as_scenario("class")
    learner = trained("Separate", sequence, epochs=3)
    x = torch.cat([task.test.take(torch.arange(30))[0] for task in sequence])
    expected = [naive_task(learner, single) for single in x]
    assert infer_task(learner, x).tolist() == expected
    assert 0 < sum(expected) < 60


@pytest.mark.parametrize("name", ["Separate", "HyperNet"])
def test_tasks_far_apart_are_told_apart(name: str) -> None:
    """Far better than by chance, which would be a third."""
    sequence = tiny.sequence(3, scenario="class", n=60)
    learner = trained(name, sequence, epochs=30)
    found = torch.stack(
        [(infer_task(learner, s.test.take(torch.arange(30))[0]) == t).float() for t, s in enumerate(sequence)]
    )
    assert found.mean() > 0.6
    assert evaluate(learner, sequence).mean() > 0.5


def test_many_inputs_are_taken_in_parts() -> None:
    learner = finished("Separate", "class")
    x = torch.randn(2300, tiny.FEATURES, generator=learner.stream("test"))
    assert torch.equal(infer_task(learner, x), torch.cat([infer_task(learner, part) for part in x.split(77)]))


def test_where_there_is_nothing_to_infer() -> None:
    with pytest.raises(ValueError, match="expected a learner that knows a task; train it first"):
        infer_task(Separate(tiny.net()), torch.ones(1, tiny.FEATURES))
    with pytest.raises(ValueError, match="Finetune answers all tasks with one network in scenario 'domain'"):
        infer_task(finished("Finetune", "domain"), torch.ones(1, tiny.FEATURES))


def test_without_a_task_learned_chance_is_what_remains() -> None:
    sequence = tiny.sequence(3, n=60, scenario="class")
    fresh = Finetune(tiny.net(6))
    fresh.start(scenario="class")
    assert evaluate(fresh, sequence).tolist() == [
        sum(naive_fresh(fresh, sequence, t, i) for i in range(30)) / 30 for t in range(3)
    ]


def naive_fresh(learner: Learner, sequence: TaskSequence, t: int, i: int) -> bool:
    """Whether test example i of task t is answered right by weights that have learned nothing."""
    params = learner.starting(t)
    assert params is not None
    units = sorted({u for task in sequence.tasks[: t + 1] for u in task.outputs})
    x, y = sequence[t].test.take(torch.tensor([i]))
    logits = learner.net(params, x)[0]
    return max(units, key=lambda unit: float(logits[unit])) == int(y)
