"""One contract, held by every learner in every scenario, with and without batch norm."""

import inspect
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import get_args

import numpy as np
import pytest
import tiny
import torch
import torch.nn.functional as F

from cltoolkit import learners
from cltoolkit.learners import HopSupSup, Learner, MaskLearner, TaskFreeSupSup
from cltoolkit.tasks import Scenario, TaskSequence
from cltoolkit.training import Step, evaluate, steps

MIDDLE = 17  # steps after which task 1 is half learned: 3 batches × 4 epochs a task


@dataclass(frozen=True)
class Case:
    """A learner in a scenario, on a target network with or without batch norm."""

    name: str
    scenario: Scenario
    batch_norm: bool

    @property
    def sequence(self) -> TaskSequence:
        return tiny.sequence(3, scenario=self.scenario)

    def learner(self, **config: object) -> Learner:
        return tiny.learner(self.name, self.sequence.num_classes, batch_norm=self.batch_norm, **config)

    def steps(self, learner: Learner, *, seed: int = 0, tasks: int = 3) -> Iterator[Step]:
        return steps(learner, self.sequence[:tasks], seed=seed, epochs=4, batch_size=8, device="cpu")

    def learned(self, *, seed: int = 0, tasks: int = 3) -> Learner:
        """A learner that has learned; not shared, so it may be changed."""
        learner = self.learner()
        for _ in self.steps(learner, seed=seed, tasks=tasks):
            pass
        return learner


@cache
def finished(case: Case) -> Learner:
    """A learner that has learned all tasks; shared between tests that only look at it."""
    return case.learned()


CASES = [
    Case(name, scenario, norm)
    for name in learners.METHODS
    for scenario in get_args(Scenario)
    for norm in (False, True)
    if norm or name not in tiny.NORMED
]
every_case = pytest.mark.parametrize("case", CASES, ids=[f"{c.name}-{c.scenario}{'-bn' * c.batch_norm}" for c in CASES])
every_method = pytest.mark.parametrize("name", learners.METHODS)


@every_case
def test_params_are_every_parameter_and_buffer(case: Case) -> None:
    learner = finished(case)
    given = tiny.net(case.sequence.num_classes, batch_norm=case.batch_norm).state_dict()
    for t in range(3):
        params = learner.params(t)
        kinds = [{name: (value.shape, value.dtype) for name, value in each.items()} for each in (params, given)]
        assert kinds[0] == kinds[1]
        assert not any(p.requires_grad for p in params.values())


@every_case
def test_logits_are_those_of_the_task_and_features_are_the_input_of_the_head(case: Case) -> None:
    learner, x = finished(case), torch.ones(5, tiny.FEATURES)
    for t in range(3):
        units, params = list(learner.units(t)), learner.params(t)
        expected = range(6) if case.scenario == "class" and not learner.needs_task else case.sequence[t].outputs
        assert units == list(expected)
        logits, features = learner.logits(x, t), learner.features(x, t)
        assert logits.shape == (5, len(units))
        assert features.shape == (5, 8)
        weight, bias = (params[name] for name in learner.net.head_names)
        torch.testing.assert_close(F.linear(features, weight, bias)[:, units], logits)


@every_case
def test_same_seed_same_bytes(case: Case) -> None:
    again = case.learned()
    assert tiny.differing(again.state()[0], finished(case).state()[0]) == []
    assert evaluate(again, case.sequence).tobytes() == evaluate(finished(case), case.sequence).tobytes()


@every_case
def test_another_seed_gives_other_weights(case: Case) -> None:
    other, params = case.learned(seed=1, tasks=1).params(0), case.learned(tasks=1).params(0)
    learner = finished(case)
    masked = isinstance(learner, MaskLearner | TaskFreeSupSup | HopSupSup)
    drawn = learner.layout.names if masked else learner.net.shapes  # with masks, biases are always 0
    assert set(tiny.differing(other, params)) >= set(drawn)


@every_method
def test_it_learns(name: str) -> None:
    """The tasks are well apart: each is answered nearly right once it is learned."""
    case = Case(name, "task", batch_norm=False)
    learner, accuracy = case.learner(lr=0.02), []
    for step in steps(learner, case.sequence, epochs=20, batch_size=8, device="cpu"):
        if step.ended:
            accuracy.append(evaluate(learner, case.sequence)[step.task])
    assert min(accuracy) >= 0.9


@every_method
def test_global_generators_are_left_alone(name: str) -> None:
    """Even with dropout, which draws from torch's own generator."""
    sequence = tiny.sequence(2)
    learner = tiny.learner(name, sequence.num_classes, dropout=True)
    before = random.getstate(), repr(np.random.get_state()), torch.random.get_rng_state()  # noqa: NPY002
    for _ in steps(learner, sequence, epochs=1, batch_size=8, device="cpu"):
        evaluate(learner, sequence)
    after = random.getstate(), repr(np.random.get_state()), torch.random.get_rng_state()  # noqa: NPY002
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])


@every_method
def test_dropout_is_the_same_for_the_same_seed_and_off_when_asked(name: str) -> None:
    sequence = tiny.sequence(2)
    pair = [tiny.learner(name, sequence.num_classes, dropout=True) for _ in range(2)]
    for learner in pair:
        for _ in steps(learner, sequence, epochs=1, batch_size=8, device="cpu"):
            pass
    assert tiny.differing(pair[0].state()[0], pair[1].state()[0]) == []
    x = sequence[0].test.take(torch.arange(5))[0]
    assert torch.equal(pair[0].logits(x, 0), pair[0].logits(x, 0))


@every_case
def test_a_state_in_the_middle_of_a_task_round_trips_to_the_bit(case: Case) -> None:
    learner = case.learner()
    last = list(islice(case.steps(learner), MIDDLE))[-1]
    assert (last.next.task, last.ended) == (1, False)
    tensors, facts = learner.state()
    tensors, facts = tiny.copied(tensors), json.loads(json.dumps(facts))
    other = case.learner()
    other.restore(tensors, facts)
    for task in case.sequence[:1]:
        other.remember(task)
    again, told = other.state()
    assert tiny.differing(again, tensors) == []
    assert json.loads(json.dumps(told)) == facts
    assert tiny.differing(other.params(1), learner.params(1)) == []
    for _ in steps(other, case.sequence, epochs=4, batch_size=8, device="cpu", start=last.next):
        pass
    assert tiny.differing(other.state()[0], finished(case).state()[0]) == []


@every_case
def test_a_learner_can_be_restored_over_another_state(case: Case) -> None:
    """Back in time: what a learner learned since leaves no trace."""
    early = case.learner()
    list(islice(case.steps(early), MIDDLE))
    tensors, facts = early.state()
    late = case.learned()
    late.restore(tiny.copied(tensors), facts)
    assert tiny.differing(late.state()[0], tensors) == []
    assert (late.num_tasks, late.learning, late.outputs) == (1, True, early.outputs)


@every_case
def test_looking_changes_nothing(case: Case) -> None:
    learner = case.learner()
    list(islice(case.steps(learner), MIDDLE))
    before = tiny.copied(learner.state()[0])
    evaluate(learner, case.sequence)
    learner.stacked_params()
    learner.series()
    for t in range(2):
        learner.features(torch.ones(3, tiny.FEATURES), t)
    assert tiny.differing(learner.state()[0], before) == []


@every_case
def test_stacked_params_are_the_params_of_each_task(case: Case) -> None:
    learner = case.learner()
    list(islice(case.steps(learner), MIDDLE))
    stacked = learner.stacked_params()
    for t in range(2):
        for name, value in learner.params(t).items():
            torch.testing.assert_close(stacked[name][t], value)


@every_case
def test_a_task_begins_where_starting_says(case: Case) -> None:
    """Row i of the accuracy matrix right of its diagonal is measured with these weights."""
    learner = case.learned(tasks=1)
    task = case.sequence[1]
    expected = learner.starting(1)
    if expected is None:
        pytest.skip(f"{case.name} has no weights for a task it has not begun")
    expected = tiny.copied(expected)
    learner.begin(task, learner.phases(task)[0])
    assert tiny.differing(learner.params(1), expected) == []


Promise = Callable[[Learner], set[str]]


def nothing(learner: Learner) -> set[str]:
    return set()


def statistics(learner: Learner) -> set[str]:
    return set(learner.net.buffers)


def everything(learner: Learner) -> set[str]:
    return {*learner.net.shapes, *learner.net.buffers}


def heads_and_statistics(learner: Learner) -> set[str]:
    return {*learner.net.buffers, *(learner.net.head_names if learner.own_head else ())}


# Which of an earlier task's weights a method promises to leave as they are, to the bit.
PROMISES: dict[str, Promise] = {
    "Finetune": nothing,
    "Joint": nothing,
    "Separate": everything,
    "HyperNet": statistics,
    "HEmbedding": statistics,
    "HyperInterval": statistics,
    "InterContiNet": heads_and_statistics,
    "SupSup": everything,
    "ExSSNeT": everything,
    "TaskFreeSupSup": nothing,
    "HopSupSup": everything,
}


@every_case
def test_what_a_method_promises_to_keep_it_keeps_to_the_bit(case: Case) -> None:
    assert case.name in PROMISES, f"say in PROMISES what {case.name} leaves as it is"
    learner = case.learner()
    kept: dict[int, dict[str, torch.Tensor]] = {}
    for step in case.steps(learner):
        if step.ended:
            kept[step.task] = tiny.copied(learner.params(step.task))
    for t in range(3):
        changed = set(tiny.differing(learner.params(t), kept[t]))
        assert not changed & PROMISES[case.name](learner)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_finetune_with_own_heads_keeps_heads_and_statistics(batch_norm: bool) -> None:
    case = Case("Finetune", "task", batch_norm)
    learner = case.learner(heads="own")
    kept: dict[int, dict[str, torch.Tensor]] = {}
    for step in case.steps(learner):
        if step.ended:
            kept[step.task] = tiny.copied(learner.params(step.task))
    own = {*learner.net.head_names, *learner.net.buffers}
    for t in range(2):
        assert set(tiny.differing(learner.params(t), kept[t])) == set(kept[t]) - own


@every_case
def test_a_task_not_learned_is_refused(case: Case) -> None:
    with pytest.raises(IndexError, match=rf"{case.name} knows no task yet; task 0 was asked for. Train it"):
        case.learner().params(0)
    for t in (3, -1):
        for ask in (finished(case).params, finished(case).units, lambda t: finished(case).logits(torch.ones(1, 6), t)):
            with pytest.raises(IndexError, match=rf"knows tasks 0 to 2; task {t} was asked for"):
                ask(t)


@every_method
def test_a_second_start_is_refused(name: str) -> None:
    case = Case(name, "task", batch_norm=False)
    learner = case.learned(tasks=1)
    before = tiny.copied(learner.state()[0])
    with pytest.raises(ValueError, match="has learned 1 tasks, which a new start would lose"):
        learner.start(seed=0)
    with pytest.raises(ValueError, match="make a new learner"):
        next(case.steps(learner))
    assert tiny.differing(learner.state()[0], before) == []


@every_method
def test_a_start_after_a_start_is_a_new_start(name: str) -> None:
    case = Case(name, "task", batch_norm=True)
    learner = case.learner()
    learner.start(seed=5)
    for _ in case.steps(learner):
        pass
    assert tiny.differing(learner.state()[0], finished(case).state()[0]) == []


@every_method
def test_the_state_of_another_method_or_size_is_refused(name: str) -> None:
    case = Case(name, "task", batch_norm=False)
    tensors, facts = finished(case).state()
    with pytest.raises(ValueError, match=f"expected the state of a {name}; got that of a Other"):
        case.learner().restore(tensors, facts | {"name": "Other"})
    with pytest.raises(ValueError, match=r"has shape .* hyper-parameters of the saved one"):
        tiny.learner(name, 5).restore(tensors, facts)


@every_method
def test_the_configuration_round_trips_through_json(name: str) -> None:
    case = Case(name, "task", batch_norm=False)
    learner = case.learner()
    config = json.loads(json.dumps(learner.config))
    again = learners.build(name, tiny.net(case.sequence.num_classes, batch_norm=name in tiny.NORMED), config)
    assert again.config == learner.config
    for _ in case.steps(again):
        pass
    assert tiny.differing(again.state()[0], finished(case).state()[0]) == []


@every_method
def test_the_docstring_names_every_hyperparameter(name: str) -> None:
    """As an entry of `Args`; and a method out of a paper names it, and where it deviates."""
    text = inspect.getdoc(learners.METHODS[name]) or ""
    for keyword in tiny.learner(name).config:
        assert re.search(rf"^    {keyword}: .", text, re.MULTILINE), f"{name}'s docstring has no entry for {keyword!r}"
    assert ("References:" in text) == ("Deviations from the published code:" in text)


@every_case
def test_losses_are_named_scalars_without_a_graph(case: Case) -> None:
    for step in case.steps(case.learner()):
        assert "loss" in step.losses
        for value in step.losses.values():
            assert value.shape == ()
            assert not value.requires_grad
            assert torch.isfinite(value)


@every_method
def test_it_needs_one_output_per_class_of_the_sequence(name: str) -> None:
    sequence = tiny.sequence(3, scenario="class")
    with pytest.raises(ValueError, match="the network has 4 outputs; tiny in scenario 'class' needs 6"):
        next(steps(tiny.learner(name, 4), sequence, device="cpu"))


@every_method
def test_more_outputs_than_classes_change_no_answer_space(name: str) -> None:
    """Output units that stand for no class are never answered."""
    sequence = tiny.sequence(2, scenario="class")
    learner = tiny.learner(name, 7)
    for _ in steps(learner, sequence, epochs=2, batch_size=8, device="cpu"):
        pass
    assert set(learner.units(1)) <= {0, 1, 2, 3}
    assert learner.logits(torch.ones(2, tiny.FEATURES), 1).shape == (2, len(learner.units(1)))


@every_method
@pytest.mark.parametrize("lr", [0.0, -1.0, float("nan")])
def test_a_step_size_that_cannot_learn_is_refused(name: str, lr: float) -> None:
    with pytest.raises(ValueError, match="expected lr above 0; got"):
        tiny.learner(name, lr=lr)
