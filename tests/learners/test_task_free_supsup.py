"""SupSup that is told no task: when it begins a mask, and that it takes no notice of anything else."""

from itertools import islice

import pytest
import tiny
import torch
from torch.testing import assert_close

import cltoolkit as cl
from cltoolkit.learners import Phase, TaskFreeSupSup
from cltoolkit.learners._task_free_supsup import recognized
from cltoolkit.tasks import Scenario, TaskSequence
from cltoolkit.training import evaluate, infer_task, steps

X = torch.linspace(-2, 2, 7 * tiny.FEATURES).view(7, tiny.FEATURES).sin()


def make(outputs: int = 8, *, batch_norm: bool = False, **config: object) -> TaskFreeSupSup:
    learner = tiny.learner("TaskFreeSupSup", outputs, batch_norm=batch_norm, **config)
    assert isinstance(learner, TaskFreeSupSup)
    return learner


def learned(*, tasks: int = 3, scenario: Scenario = "domain", **config: object) -> TaskFreeSupSup:
    learner = make(**config)
    for _ in steps(learner, tiny.sequence(tasks, scenario=scenario), epochs=4, batch_size=8, device="cpu"):
        pass
    return learner


def deciding(learner: TaskFreeSupSup, choices: list[int | None], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Decisions made for it, one after the other; the number of masks that it asked for each comes back."""
    asked: list[int] = []

    def decide(slopes: torch.Tensor, tolerance: float) -> int | None:
        asked.append(len(slopes))
        return choices.pop(0)

    monkeypatch.setattr("cltoolkit.learners._task_free_supsup.recognized", decide)
    return asked


# The rule


@pytest.mark.parametrize("k", [1, 2, 5, 40])
def test_equal_slopes_are_never_recognized_and_a_steep_one_is(k: int) -> None:
    slopes = torch.zeros(k)
    assert recognized(slopes, 1 / 8) is None
    slopes[k - 1] = -10.0
    assert recognized(slopes, 1 / 8) == (k - 1 if k > 1 else None)


def test_the_bound_is_k_times_the_largest_share() -> None:
    share = torch.tensor([0.28, 0.24, 0.24, 0.24])
    assert recognized(-share.log(), 0.11) == 0  # 4 · 0.28 = 1.12
    assert recognized(-share.log(), 0.13) is None
    assert_close(recognized(-share.log() + 7, 0.11), 0)


# What it does with a decision


def test_it_decides_once_in_so_many_batches_whatever_the_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """36 batches in 3 tasks; before batches 7, 14, …, and with five masks at least."""
    learner = make(patience=7)
    asked = deciding(learner, [None, None, None, None, None], monkeypatch)
    at = []
    for i, _ in enumerate(steps(learner, tiny.sequence(3), epochs=4, batch_size=8, device="cpu")):
        at += [i] * (learner.num_masks - 1 - len(at))
    assert at == [7, 14, 21, 28, 35]
    assert asked == [5, 5, 5, 5, 5]
    assert learner.num_masks == 6


def test_a_mask_comes_back_as_it_was_left(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = make(patience=3, batch_norm=True)
    deciding(learner, [None, 0, 1, 1], monkeypatch)
    kept = {}
    for i, _ in enumerate(islice(steps(learner, tiny.sequence(3), epochs=4, batch_size=8, device="cpu"), 14)):
        if i in (2, 5):
            kept[i] = tiny.copied(learner._under(i // 3))
        if i in (3, 4, 5):
            assert tiny.differing(learner._under(0), kept[2]) == []  # while another one learns
        if i in (6, 7, 8):
            assert tiny.differing(learner._under(1), kept[5]) == []
    assert (learner.num_masks, int(learner.active)) == (2, 1)
    assert learner.task_of_mask.tolist() == [0, 1]


def test_a_mask_that_nobody_trained_is_begun_in_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = make(patience=3)
    deciding(learner, [4, None], monkeypatch)
    list(islice(steps(learner, tiny.sequence(3), epochs=4, batch_size=8, device="cpu"), 7))
    assert learner.num_masks == 3


def test_beyond_the_budget_a_mask_goes_on_learning_and_it_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = make(patience=3, budget=2)
    deciding(learner, [None] * 11, monkeypatch)
    with pytest.warns(RuntimeWarning, match=r"no mask knows the inputs of batch 6, and all 2 masks are begun") as said:
        for _ in steps(learner, tiny.sequence(3), epochs=4, batch_size=8, device="cpu"):
            pass
    assert len(said) == 1
    assert learner.num_masks == 2
    assert int(learner.active) < 2


def test_beginnings_and_ends_of_tasks_change_nothing() -> None:
    """The same batches told as one task, or as three, leave the same masks."""
    sequence = tiny.sequence(3)
    batches = [batch for task in sequence for batch in task.train.batches(torch.arange(len(task.train)), 8)] * 4

    def after(parts: int) -> TaskFreeSupSup:
        learner = make()
        learner.start(scenario="domain")
        size = len(batches) // parts
        for t in range(parts):
            learner.begin(sequence[t], Phase())
            for x, y in batches[t * size : (t + 1) * size]:
                learner.step(x, y)
            learner.end(sequence[t])
        return learner

    one, three = after(1), after(3)
    for name in ("scores", "shelf", "average", "active", "batches"):
        assert torch.equal(getattr(one, name), getattr(three, name))


def test_its_steps_are_those_of_rmsprop() -> None:
    learner = make(patience=1000)
    scores: list[torch.Tensor] = []
    given = []
    original = learner._descend

    def watched(loss: torch.Tensor) -> None:
        given.append(torch.autograd.grad(loss, [learner.scores], retain_graph=True)[0])
        original(loss)
        scores.append(learner.scores.detach().clone())

    learner._descend = watched  # type: ignore[method-assign]
    learner.start()
    p = learner.scores.detach().clone().requires_grad_()
    optimizer = torch.optim.RMSprop([p], lr=learner.lr)
    for _ in steps(learner, tiny.sequence(1), epochs=4, batch_size=8, device="cpu"):
        p.grad = given[-1]
        optimizer.step()
        assert_close(scores[-1], p.detach(), atol=1e-7, rtol=0)


# What it keeps, and what it answers


def test_a_task_is_answered_by_the_mask_of_its_last_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = make(patience=9)  # 12 batches a task: decisions at 9, 18, 27
    deciding(learner, [None, 0, None], monkeypatch)
    for _ in steps(learner, tiny.sequence(3), epochs=4, batch_size=8, device="cpu"):
        pass
    assert learner.series()["mask_of_task"].tolist() == [[1], [0], [2]]
    assert learner.series()["allocated"].tolist() == [[2], [2], [3]]
    assert learner.task_of_mask.tolist() == [1, 0, 2]
    for t, mask in enumerate([1, 0, 2]):
        flat = learner.layout.pack(learner.params(t))
        assert torch.equal(flat, torch.where(learner.masks[mask], learner.base, 0.0))


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("scenario", ["domain", "class"])
def test_the_mask_is_found_and_answers_among_all_classes_seen(scenario: Scenario, batch_norm: bool) -> None:
    learner = learned(scenario=scenario, batch_norm=batch_norm)
    with torch.inference_mode():
        tasks, units = learner.finder()(X * 1.0)
    assert torch.equal(tasks, infer_task(learner, X))
    seen = list(learner.seen_units)
    for x, t, unit in zip(X, tasks.tolist(), units.tolist(), strict=True):
        of_task = [i for i in range(learner.num_masks) if learner.task_of_mask[i] == t]
        answers = [seen[int(learner.net(learner._under(i), x[None])[0, seen].argmax())] for i in of_task]
        assert unit in answers


def test_hyperparameters_that_cannot_be_are_refused() -> None:
    for name in ("budget", "patience", "candidates", "tolerance"):
        with pytest.raises(ValueError, match=f"expected {name} above 0; got 0"):
            make(**{name: 0})
    with pytest.raises(ValueError, match="expected initialization to be one of"):
        make(initialization="zero")


# What it is worth


def shares(learner: TaskFreeSupSup, sequence: TaskSequence, count: int) -> list[float]:
    """Of the first test images of each task, those taken for the task in which their mask was trained."""
    images = [task.test.take(torch.arange(count))[0] for task in sequence]
    return [(infer_task(learner, x) == t).double().mean().item() for t, x in enumerate(images)]


def test_permutations_of_digits_get_masks_of_their_own() -> None:
    """Nobody says where a task ends, in training or at test."""
    sequence = cl.sequences.permuted_digits(3, scenario="domain")
    net = cl.networks.mlp(sequence.input_shape, (200, 100), 200)
    learner = TaskFreeSupSup(net, patience=68, tolerance=0.4, lr=3e-3)  # four decisions in a task of 272 batches
    for _ in steps(learner, sequence, epochs=8, batch_size=32, device="cpu"):
        pass
    assert learner.mask_of_task.unique().tolist() == sorted(learner.mask_of_task.tolist())
    assert min(shares(learner, sequence, 100)) >= 0.97
    assert evaluate(learner, sequence).min() >= 0.9


@pytest.mark.slow
def test_permutations_of_mnist_get_masks_of_their_own(data_root: str) -> None:
    """One epoch of 469 batches a task, which is seven times 67."""
    sequence = cl.sequences.permuted_mnist(
        3, normalize=True, validation=0, scenario="domain", root=data_root, download=False
    )
    learner = TaskFreeSupSup(cl.networks.mlp(sequence.input_shape, (300, 300), 500), patience=67)
    for _ in steps(learner, sequence, epochs=1, batch_size=128, device="cpu"):
        pass
    assert learner.mask_of_task.unique().tolist() == sorted(learner.mask_of_task.tolist())
    assert min(shares(learner, sequence, 200)) >= 0.99
