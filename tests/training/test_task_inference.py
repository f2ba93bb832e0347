"""Tasks found by learners themselves, counted: against one example at a time, and against what is told."""

import numpy as np
import pytest
import tiny
import torch

import cltoolkit as cl
from cltoolkit.tasks import Scenario, TaskSequence
from cltoolkit.training import evaluate, infer_task, steps, task_inference


def learned(name: str, sequence: TaskSequence, **config: object) -> cl.learners.Learner:
    learner = tiny.learner(name, sequence.num_classes, **config)
    for _ in steps(learner, sequence, epochs=6, batch_size=8, device="cpu"):
        pass
    return learner


@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
@pytest.mark.parametrize("name", ["Separate", "HyperNet", "SupSup", "ExSSNeT"])
def test_the_counts_are_those_of_single_examples(name: str, scenario: Scenario) -> None:
    sequence = tiny.sequence(3, scenario=scenario, noise=1.5)
    learner = learned(name, sequence)
    counts, joint = np.zeros((3, 3)), np.zeros(3)
    for t, task in enumerate(sequence):
        x, y = task.test.take(torch.arange(len(task.test)))
        for i, found in enumerate(infer_task(learner, x).tolist()):
            counts[t, found] += 1
            own = torch.tensor(sequence[found].outputs)
            unit = own[learner.net(learner.params(found), x[i : i + 1])[0, own].argmax()]
            joint[t] += bool(unit == y[i]) and found == t
    result = task_inference(learner, sequence)
    assert np.array_equal(result.confusion, counts)
    np.testing.assert_allclose(result.joint, joint / 30)
    assert result.task_accuracy == np.trace(counts) / 90
    assert (result.joint <= result.accuracy).all()


def test_told_is_the_accuracy_with_the_task_told() -> None:
    sequence = tiny.sequence(3, noise=1.5)
    learner = learned("SupSup", sequence)
    np.testing.assert_allclose(task_inference(learner, sequence).told, evaluate(learner, sequence))


def test_where_classes_are_told_apart_the_label_says_the_task() -> None:
    """Each class has a unit of its own: who gets the unit right has the task right as well."""
    sequence = tiny.sequence(3, scenario="class", noise=1.5)
    result = task_inference(learned("SupSup", sequence), sequence)
    assert np.array_equal(result.accuracy, result.joint)
    assert result.to_frame().shape == (3, 4)
    assert "with the task told" in repr(result)


def test_one_network_for_all_tasks_infers_none() -> None:
    sequence = tiny.sequence(2, scenario="domain")
    with pytest.raises(ValueError, match="no task to infer"):
        task_inference(learned("Finetune", sequence), sequence)


def test_answers_without_a_task_cannot_be_counted() -> None:
    sequence = tiny.sequence(2, scenario="domain")
    learner = learned("HopSupSup", sequence, batch_norm=True, keep_masks=False)
    with pytest.raises(ValueError, match="keeps no mask of task 0"):
        task_inference(learner, sequence)


def test_a_part_that_is_not_there_is_named() -> None:
    sequence = tiny.sequence(2)
    with pytest.raises(ValueError, match="has no part 'tests'; it has train, test, validation"):
        task_inference(learned("Separate", sequence), sequence, part="tests")
