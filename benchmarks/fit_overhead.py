"""Training through the package against a bare PyTorch loop that does the same updates."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cltoolkit import Examples, Task, TaskSequence, networks, steps, stream, train
from cltoolkit.learners import Finetune

from ._report import Result, Row, ratio
from ._timing import take_turns

LR = 1e-3


@dataclass(frozen=True)
class Case:
    """A network, and how much it is trained."""

    name: str
    hidden: Sequence[int]
    pixels: int
    examples: int
    batch: int
    classes: int = 10


CASES = (
    Case("MLP 784-400-400-10, batch 128", (400, 400), 784, 60_000, 128),
    Case("MLP 64-64-64-10, batch 32", (64, 64), 64, 25_600, 32),
)


def run(quick: bool = False) -> Result:
    """An epoch of a large and of a small network."""
    turns = 2 if quick else 7
    rows = [row for case in CASES for row in _rows(case, turns, quick)]
    return Result(
        "fit_overhead",
        "Training against a bare PyTorch loop",
        rows,
        {"epochs": 1, "examples": {case.name: case.examples for case in CASES}, "learner": "Finetune", "turns": turns},
        [
            "The bare loop is an ordinary module, data in memory, one `randperm` an epoch, batches by index, "
            "cross-entropy, a fused Adam; it keeps the losses in a list, and ends in the same weights to the bit. "
            "`train` also measures test accuracy before and after, on a sixth as many examples, and keeps a "
            "record; it is compared with the bare loop alone, and with one that measures the same."
        ],
    )


def _rows(case: Case, turns: int, quick: bool) -> list[Row]:
    sequence = synthetic(case, 10 * case.batch if quick else case.examples)
    net = networks.mlp(sequence.input_shape, case.hidden, case.classes)
    initial = Finetune(net).net.initial(0, "weights")
    kinds: dict[str, Callable[[], object]] = {
        "bare loop": lambda: bare_loop(net, initial, sequence[0].train, case.batch),
        "bare loop with the same measurements": lambda: measured_loop(net, initial, sequence[0], case.batch),
        "steps": lambda: list(steps(Finetune(net, lr=LR), sequence, epochs=1, batch_size=case.batch, device="cpu")),
        "train": lambda: train(
            Finetune(net, lr=LR), sequence, epochs=1, batch_size=case.batch, device="cpu", progress=False
        ),
    }
    times = take_turns({f"{case.name}: {kind}": call for kind, call in kinds.items()}, turns=turns, block=0.0)
    bare, measured, by_steps, by_train = times
    return [
        ratio(times, by_steps, bare, at_most=1.15),
        ratio(times, by_train, measured, at_most=1.15),
        ratio(times, by_train, bare),
    ]


def synthetic(case: Case, examples: int) -> TaskSequence:
    """One task of noise, with labels that a network can learn."""
    generator = torch.Generator().manual_seed(0)

    def part(n: int) -> Examples:
        y = torch.randint(case.classes, (n,), generator=generator)
        y[: case.classes] = torch.arange(case.classes)
        return Examples(torch.rand(n, case.pixels, generator=generator) + 0.1 * y[:, None], y)

    return TaskSequence([Task("noise", part(examples), part(examples // 6))], name="noise")


def bare_loop(net: nn.Module, initial: dict[str, Tensor], data: Examples, batch: int, *, seed: int = 0) -> nn.Module:
    """One epoch as one would write it by hand; in the package's order of the data, so that weights can be compared."""
    net = copy.deepcopy(net)
    net.load_state_dict(initial)
    optimizer = torch.optim.Adam(net.parameters(), lr=LR, fused=True)
    net.train()
    losses = []
    order = torch.randperm(len(data.x), generator=stream(seed, "order", 0, 0, 0))
    for index in order.tensor_split(-(-len(order) // batch)):
        loss = F.cross_entropy(net(data.x[index]), data.y[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return net


def measured_loop(net: nn.Module, initial: dict[str, Tensor], task: Task, batch: int) -> tuple[float, float]:
    """The bare loop with test accuracy before and after."""
    before = accuracy(net, task.test)
    return before, accuracy(bare_loop(net, initial, task.train, batch), task.test)


@torch.inference_mode()
def accuracy(net: nn.Module, data: Examples) -> float:
    """The fraction answered right, in batches of 1000."""
    net.eval()
    right = sum((net(x).argmax(1) == y).sum() for x, y in zip(data.x.split(1000), data.y.split(1000), strict=True))
    return float(right) / len(data.y)
