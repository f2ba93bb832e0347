"""The loop as an iterator: against a loop written out here, and step by step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NoReturn

import pytest
import tiny
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from cltoolkit import learners
from cltoolkit.learners import Finetune, Learner, Phase
from cltoolkit.params import Stateless, pack, unpack
from cltoolkit.randomness import seeded, stream
from cltoolkit.tasks import Examples, Streamed, Task, TaskSequence
from cltoolkit.training import steps
from cltoolkit.training._loop import Position, num_steps


def naive_finetune(
    net: nn.Module, sequence: TaskSequence, *, seed: int, epochs: int, size: int, lr: float
) -> dict[str, Tensor]:
    """Finetune on one head, written out: one vector, one Adam per task, orders from their streams."""
    stateless = Stateless(net)
    initial = stateless.initial(seed, "weights")
    vector = nn.Parameter(pack(initial, stateless.shapes))
    buffers = {name: initial[name] for name in stateless.buffers}
    for t, task in enumerate(sequence):
        adam = torch.optim.Adam([vector], lr=lr, fused=True)
        for epoch in range(epochs):
            order = torch.randperm(len(task.train), generator=stream(seed, "order", t, 0, epoch))
            for batch, index in enumerate(order.tensor_split(-(-len(order) // size))):
                x, y = task.train.take(index)
                with seeded(seed, "step", t, 0, epoch, batch):
                    net.train()
                    logits = torch.func.functional_call(net, unpack(vector, stateless.shapes) | buffers, (x,))
                adam.zero_grad()
                F.cross_entropy(logits, y).backward()
                adam.step()
    return {name: value.detach() for name, value in unpack(vector, stateless.shapes).items()} | buffers


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize(("batch_norm", "dropout"), [(False, False), (True, False), (True, True)])
def test_the_loop_is_the_plain_loop(seed: int, batch_norm: bool, dropout: bool) -> None:
    """Bit for bit."""
    sequence, net = tiny.sequence(3), tiny.net(batch_norm=batch_norm, dropout=dropout)
    learner = Finetune(net, lr=0.01)
    for _ in steps(learner, sequence, seed=seed, epochs=3, batch_size=8, device="cpu"):
        pass
    expected = naive_finetune(net, sequence, seed=seed, epochs=3, size=8, lr=0.01)
    assert tiny.differing(learner.params(2), expected) == []


def test_positions_follow_each_other() -> None:
    """Each step is where the step before said that the next would be."""
    sequence = TaskSequence([tiny.task(0, n=22), tiny.task(1, n=8), tiny.task(2, n=9)])
    taken = list(steps(learner := Finetune(tiny.net()), sequence, epochs=3, batch_size=8, device="cpu"))
    counts = [9, 3, 6]  # ⌈22 / 8⌉, 1 and ⌈9 / 8⌉ batches in each of 3 epochs
    assert num_steps(learner, sequence, epochs=3, batch_size=8) == counts
    assert [step.task for step in taken] == [0] * 9 + [1] * 3 + [2] * 6
    assert [step.step for step in taken] == [*range(9), *range(3), *range(6)]
    assert [step.ended for step in taken] == [i in (8, 11, 17) for i in range(18)]
    for before, after in zip([Position(), *(step.next for step in taken)], taken, strict=False):
        assert (before.task, before.epoch, before.step) == (after.task, after.epoch, after.step)
    assert [taken[i].next for i in (1, 2)] == [Position(0, 0, 0, 2, 2), Position(0, 0, 1, 0, 3)]
    assert [taken[i].next for i in (8, 17)] == [Position(1), Position(3)]


@pytest.mark.parametrize("size", [1, 5, 7, 8, 21, 22, 23, 1000])
def test_batches_hold_every_example_once_in_nearly_equal_parts(size: int) -> None:
    seen: list[list[tuple[float, ...]]] = []
    sequence = tiny.sequence(1, n=22)
    learner = watched(Finetune(tiny.net()), lambda x: seen.append([tuple(row) for row in x.tolist()]))
    for _ in steps(learner, sequence, epochs=1, batch_size=size, device="cpu"):
        pass
    sizes = [len(batch) for batch in seen]
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1
    every = sequence[0].train.take(torch.arange(22))[0].tolist()
    assert sorted(row for batch in seen for row in batch) == sorted(map(tuple, every))


def watched(learner: Learner, look: Any) -> Learner:
    """The learner, with every batch shown to `look` first."""
    step = learner._step

    def shown(x: Tensor, y: Tensor) -> dict[str, Tensor]:
        look(x)
        return step(x, y)

    learner._step = shown
    return learner


class Staged(Learner):
    """Learns in three stages; notes what it is told."""

    one_network = True

    def __init__(self, net: nn.Module, *, shares: Sequence[float] = (0.25, 0.5, 0.25)) -> None:
        super().__init__(net)
        self.shares = shares
        self.weight = nn.Parameter(torch.zeros(1))
        self.told: list[tuple[str, ...]] = []

    def phases(self, task: Task) -> Sequence[Phase]:
        return [Phase(name, share) for name, share in zip("abc", self.shares, strict=True)]

    def _start(self) -> None:
        self.told = []

    def _begin(self, task: Task, phase: Phase) -> None:
        self.told.append(("begin", task.name, phase.name))

    def _optimizers(self, phase: Phase) -> dict[str, torch.optim.Optimizer]:
        return {}

    def _step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        self.told.append(("step", self.phase.name))
        return {"loss": x.sum()}

    def _end(self, task: Task) -> None:
        self.told.append(("end", task.name))

    def _params(self, t: int) -> dict[str, Tensor]:
        return {}


def test_phases_take_their_shares_of_the_epochs() -> None:
    sequence = tiny.sequence(2)
    learner = Staged(tiny.net())
    taken = list(steps(learner, sequence, epochs=8, batch_size=8, device="cpu"))
    per_task = [("a", 2 * 3), ("b", 4 * 3), ("c", 2 * 3)]
    expected = []
    for task in sequence:
        for phase, count in per_task:
            expected += [("begin", task.name, phase), *[("step", phase)] * count]
        expected.append(("end", task.name))
    assert learner.told == expected
    epochs = [*(("a", e) for e in range(2)), *(("b", e) for e in range(4)), *(("c", e) for e in range(2))]
    assert [(s.phase, s.epoch) for s in taken[:24:3]] == epochs
    assert [s.step for s in taken[:24]] == list(range(24))


def test_every_phase_has_an_epoch_at_least() -> None:
    learner = Staged(tiny.net(), shares=(0.0, 1.0, 0.01))
    taken = list(steps(learner, tiny.sequence(1), epochs=2, batch_size=22, device="cpu"))
    assert [s.phase for s in taken] == ["a", "b", "b", "c"]


def test_the_loop_goes_on_from_any_step_of_any_phase() -> None:
    sequence = tiny.sequence(2)
    whole = list(steps(Staged(tiny.net()), sequence, epochs=4, batch_size=8, device="cpu"))
    for i in range(len(whole) - 1):
        learner = Staged(tiny.net())
        learner.start()
        learner.num_tasks, learner.learning = whole[i].next.task, whole[i].next.step > 0
        rest = list(steps(learner, sequence, epochs=4, batch_size=8, device="cpu", start=whole[i].next))
        for again, first in zip(rest, whole[i + 1 :], strict=True):
            assert replace(again, losses={}) == replace(first, losses={})
            assert torch.equal(again.losses["loss"], first.losses["loss"])  # of the very same batch


def noisy(x: Tensor, generator: torch.Generator) -> Tensor:
    return x + 0.5 * torch.randn(x.shape, generator=generator, device=x.device)


def batches_seen(sequence: TaskSequence, *, seed: int = 0, epochs: int = 2) -> list[Tensor]:
    seen: list[Tensor] = []
    learner = watched(Finetune(tiny.net()), seen.append)
    for _ in steps(learner, sequence, seed=seed, epochs=epochs, batch_size=8, device="cpu"):
        pass
    return seen


def test_augmentation_changes_training_batches_alike_for_the_same_seed() -> None:
    plain = tiny.sequence(2)
    augmented = TaskSequence([replace(task, augment=noisy) for task in plain])
    first, again, other = (batches_seen(augmented, seed=seed) for seed in (0, 0, 1))
    raw = batches_seen(plain)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    noise = [a - b for a, b in zip(first, raw, strict=True)]  # the order of the data does not depend on it
    assert all(0.3 < float(n.std()) < 0.7 for n in noise)
    assert len({n.flatten()[0].item() for n in noise}) == len(noise)  # fresh in every batch of every epoch


def test_the_order_differs_between_epochs_tasks_and_seeds() -> None:
    sequence = TaskSequence([tiny.task(0), replace(tiny.task(0), name="again")])
    epochs = [torch.cat(batches_seen(sequence, seed=seed)).split(22) for seed in (0, 1)]
    orders = {tuple(epoch[:, 0].tolist()) for seed in epochs for epoch in seed}
    assert len(orders) == 8  # 2 seeds × 2 tasks × 2 epochs


@dataclass(frozen=True, eq=False)
class Untouchable(Examples):
    """Examples whose inputs nobody may see."""

    def take(self, index: Tensor) -> NoReturn:
        raise AssertionError("these examples are not for training")

    def batches(self, order: Tensor, size: int, *, start: int = 0, seed: int = 0) -> NoReturn:
        raise AssertionError("these examples are not for training")

    def to(self, device: torch.device | str, memo: dict[int, Any] | None = None) -> "Untouchable":
        return self


CHOOSE = ("HyperInterval", "SupSup", "ExSSNeT")  # on the validation part, as their docstrings say


@pytest.mark.parametrize("name", learners.METHODS)
def test_training_sees_training_data_alone(name: str) -> None:
    seen = {"train", "validation"} if name in CHOOSE else {"train"}

    def hidden(task: Task) -> Task:
        assert task.validation is not None
        parts = {part: Untouchable(data.x, data.y) for part, data in task.parts.items() if part not in seen}
        return replace(task, **parts)

    sequence = TaskSequence([hidden(task) for task in tiny.sequence(3)])
    with pytest.raises(AssertionError, match="not for training"):
        sequence[0].test.take(torch.arange(2))
    taken = list(steps(tiny.learner(name), sequence, epochs=2, batch_size=8, device="cpu"))
    assert taken[-1].ended


def test_streamed_data_gives_the_same_bytes_as_data_in_memory() -> None:
    plain = tiny.sequence(2)

    def streamed(data: Examples) -> Streamed:
        return Streamed(TensorDataset(data.x), torch.arange(len(data)), data.y)

    tasks = [replace(task, train=streamed(task.train), test=streamed(task.test), validation=None) for task in plain]
    params = []
    for sequence in (plain, TaskSequence(tasks)):
        learner = Finetune(tiny.net())
        for _ in steps(learner, sequence, epochs=2, batch_size=8, device="cpu"):
            pass
        params.append(learner.params(1))
    assert tiny.differing(*params) == []


def test_stopping_and_looking_in_between_changes_nothing() -> None:
    def trained(look: bool) -> Iterator[Tensor]:
        learner = Finetune(tiny.net(batch_norm=True))
        for step in steps(learner, tiny.sequence(2), epochs=2, batch_size=8, device="cpu"):
            if look:
                learner.logits(torch.ones(3, tiny.FEATURES), step.task)
        yield from learner.params(1).values()

    assert all(torch.equal(a, b) for a, b in zip(trained(look=True), trained(look=False), strict=True))


def test_a_task_ended_is_answered_and_a_task_begun_too() -> None:
    learner = Finetune(tiny.net())
    todo = steps(learner, tiny.sequence(2), epochs=1, batch_size=8, device="cpu")
    list(islice(todo, 2))
    assert (learner.num_tasks, learner.known) == (0, 1)
    next(todo)
    assert (learner.num_tasks, learner.known) == (1, 1)
    next(todo)
    assert (learner.num_tasks, learner.known) == (1, 2)
