"""Finding the task of inputs from all masks of a learner at once, and their answer under the mask found."""

from functools import cache

import pytest
import tiny
import torch
from torch.testing import assert_close

import cltoolkit as cl
from cltoolkit.learners import MaskLearner, SupSup
from cltoolkit.learners._mask_inference import by_superposition, infer, superposition
from cltoolkit.masks import binary, exhaustive, one_shot
from cltoolkit.params import Params
from cltoolkit.tasks import Scenario, TaskSequence
from cltoolkit.training import steps

METHODS = {"one_shot": one_shot, "binary": binary, "exhaustive": exhaustive}
X = torch.linspace(-2, 2, 7 * tiny.FEATURES).view(7, tiny.FEATURES).sin()


def learned(
    name: str = "SupSup", count: int = 3, *, scenario: Scenario = "domain", batch_norm: bool = False, upto: int = 99
) -> MaskLearner:
    """One with 8 outputs, of which `count` tasks leave some to no class; after `upto` steps."""
    learner = tiny.learner(name, 8, batch_norm=batch_norm)
    assert isinstance(learner, MaskLearner)
    made = steps(learner, tiny.sequence(count, scenario=scenario), epochs=4, batch_size=8, device="cpu")
    for i, _ in enumerate(made):
        if i + 1 == upto:
            break
    return learner


def plain(learner: MaskLearner, t: int) -> Params:
    return {name: value.clone() for name, value in learner.params(t).items()}


@pytest.mark.parametrize("upto", [99, 14, 20])  # all learned; task 1 in the first half, and in the second
@pytest.mark.parametrize("name", ["SupSup", "ExSSNeT"])
def test_one_mask_of_the_superposition_is_what_answers_its_task(name: str, upto: int) -> None:
    """The task being learned and its exclusive weights included."""
    learner = learned(name, upto=upto)
    every = superposition(learner)
    assert len(every.masks) == learner.known
    for t, alpha in enumerate(torch.eye(learner.known)):
        assert_close(every.logits(every.weights(alpha), X), learner.net(plain(learner, t), X), atol=1e-6, rtol=0)


WAYS = [(method, objective) for method in METHODS for objective in ("entropy", "superfluous")]
WAYS.remove(("exhaustive", "superfluous"))


@pytest.mark.parametrize(("method", "objective"), WAYS)
@pytest.mark.parametrize("images", [1, 3, 7, 9])
def test_successive_inputs_share_a_decision(method: str, objective: str, images: int) -> None:
    learner = learned()
    every = superposition(learner, objective)
    expected = [METHODS[method](every, part[None]).expand(len(part)) for part in X.split(images)]
    found = infer(learner, X, method=method, objective=objective, images=images)
    assert torch.equal(found, torch.cat(expected))


@pytest.mark.parametrize("all_outputs", [False, True])
@pytest.mark.parametrize("scenario", ["domain", "class"])
@pytest.mark.parametrize("method", METHODS)
def test_the_answer_is_that_of_the_task_found_among_its_units(
    method: str, scenario: Scenario, all_outputs: bool
) -> None:
    learner = learned(scenario=scenario)
    find = by_superposition(learner, method=method, objective="entropy", images=1, all_outputs=all_outputs)
    with torch.inference_mode():
        tasks, units = find(X * 1.0)
    assert torch.equal(tasks, infer(learner, X, method=method, all_outputs=all_outputs))
    for x, t, unit in zip(X, tasks.tolist(), units.tolist(), strict=True):
        own = learner.units(t)
        assert unit == own[int(learner.logits(x[None], t).argmax())]


def test_a_finder_made_where_nothing_has_gradients_works() -> None:
    learner = learned(upto=14)
    for objective, all_outputs in (("entropy", False), ("entropy", True), ("superfluous", True)):
        with torch.inference_mode():
            found = infer(learner, X * 1.0, method="one_shot", objective=objective, all_outputs=all_outputs)
        assert torch.equal(found, infer(learner, X, method="one_shot", objective=objective, all_outputs=all_outputs))


def test_looking_for_a_task_changes_nothing() -> None:
    learner = learned("ExSSNeT", batch_norm=True, upto=20)
    before = tiny.copied(learner.state()[0])
    for method in METHODS:
        infer(learner, X, method=method, images=3)
    assert tiny.differing(learner.state()[0], before) == []


def test_by_itself_it_asks_each_mask_alone_where_the_loss_did_not_run_over_all_outputs() -> None:
    learner = learned()
    expected = infer(learner, X, method="exhaustive", all_outputs=False)
    assert torch.equal(infer(learner, X, all_outputs=False), expected)


# Batch norm


@pytest.mark.parametrize("upto", [99, 14, 5])
def test_exhaustive_asks_each_mask_with_its_own_statistics(upto: int) -> None:
    learner = learned(batch_norm=True, upto=upto)
    entropies = [cl.masks.entropy(learner.net(plain(learner, t), X)) for t in range(learner.known)]
    expected = torch.stack(entropies).argmin(0)
    assert torch.equal(infer(learner, X, method="exhaustive"), expected)
    assert torch.equal(infer(learner, X), expected)  # "auto": no statistics of one image


def test_a_mixture_takes_the_statistics_of_a_group_and_no_group_has_one_image() -> None:
    learner = learned(batch_norm=True)
    with pytest.raises(ValueError, match="expected 2 images or more for one decision; got 1"):
        infer(learner, X, method="one_shot")
    found = infer(learner, X, images=3)  # 7 = 3 + 4
    assert torch.equal(found, torch.cat([infer(learner, X[:3], images=3), infer(learner, X[3:], images=4)]))


# What is refused


def test_what_cannot_tell_a_task_is_refused() -> None:
    learner = learned(count=4, scenario="class")
    with pytest.raises(ValueError, match=r"all 8 outputs of the network stand for classes seen.*objective='entropy'"):
        infer(learner, X, objective="superfluous")
    with pytest.raises(ValueError, match=r"the loss ran over the units of each task alone.*loss_over='all'"):
        infer(learner, X, objective="superfluous", all_outputs=False)
    with pytest.raises(ValueError, match="masks cannot be compared by its value"):
        infer(learner, X, method="exhaustive", objective="superfluous")
    with pytest.raises(ValueError, match="expected inference to be one of 'auto', 'one_shot'"):
        infer(learner, X, method="best")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected images of at least 1"):
        infer(learner, X, images=0)
    new = tiny.learner("SupSup", 8)
    assert isinstance(new, SupSup)
    new.start()
    with pytest.raises(ValueError, match="expected the mask of one task or more; got none"):
        infer(new, X)


# What it is worth


def supsup(sequence: TaskSequence, hidden: tuple[int, int], *, lr: float, epochs: int, batch_size: int) -> SupSup:
    """As published for permuted MNIST: threshold, RMSprop, 100 outputs for ten classes."""
    net = cl.networks.mlp(sequence.input_shape, hidden, 100)
    learner = SupSup(
        net, rule="threshold", optimizer="rmsprop", momentum=0.0, schedule="constant", selection=False, lr=lr
    )
    for _ in steps(learner, sequence, epochs=epochs, batch_size=batch_size, device="cpu"):
        pass
    return learner


def share_found(learner: SupSup, sequence: TaskSequence, count: int, **how: object) -> list[float]:
    """Of the first `count` test images of each task, one image a decision."""
    images = [task.test.take(torch.arange(count))[0] for task in sequence]
    return [(infer(learner, x, **how) == t).double().mean().item() for t, x in enumerate(images)]


@cache
def permuted_digits() -> tuple[SupSup, TaskSequence]:
    sequence = cl.sequences.permuted_digits(5, scenario="domain")
    return supsup(sequence, (100, 100), lr=3e-3, epochs=10, batch_size=32), sequence


@pytest.mark.parametrize(
    ("method", "objective"), [("one_shot", "entropy"), ("one_shot", "superfluous"), ("binary", "superfluous")]
)
def test_one_image_tells_which_permutation_of_digits_it_is(method: str, objective: str) -> None:
    learner, sequence = permuted_digits()
    found = share_found(learner, sequence, 100, method=method, objective=objective)
    assert sum(found) / 5 >= 0.98


def test_without_its_other_outputs_the_task_is_harder_to_find() -> None:
    learner, sequence = permuted_digits()
    with_all = sum(share_found(learner, sequence, 100))
    assert sum(share_found(learner, sequence, 100, method="one_shot", all_outputs=False)) < with_all - 0.2


@pytest.mark.slow
def test_one_image_tells_which_permutation_of_mnist_it_is(data_root: str) -> None:
    """Five tasks, one epoch each, batches of 128, RMSprop 1e-4: at least 99 of 100 are found."""
    sequence = cl.sequences.permuted_mnist(
        5, normalize=True, validation=0, scenario="domain", root=data_root, download=False
    )
    learner = supsup(sequence, (300, 300), lr=1e-4, epochs=1, batch_size=128)
    told = []
    for t, task in enumerate(sequence):
        x, y = task.test.take(torch.arange(1000))
        told.append((learner.logits(x, t).argmax(1) == y).double().mean().item())
    assert min(told) >= 0.9
    for method, objective in (("one_shot", "entropy"), ("one_shot", "superfluous"), ("binary", "superfluous")):
        assert min(share_found(learner, sequence, 200, method=method, objective=objective)) >= 0.99
