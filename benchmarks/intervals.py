"""Bounds over boxes of weights: training on them against a plain pass and against the published form; certificates."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cltoolkit import Examples, Stateless, networks
from cltoolkit.intervals import IntervalTensor, box, certify_network, worst_case_cross_entropy
from cltoolkit.learners import HyperInterval

from . import _six_products as six_products
from ._report import Result, Row, ratio, seconds
from ._subjects import LARGE, SMALL, TINY, after, hypernet_step, step_of
from ._timing import Times, take_turns

RADIUS = 1e-5  # of every weight: the residual network's logits are still finite


@dataclass(frozen=True)
class Target:
    """A target network with boxes for its weights, and a batch for it: noise in [0, 1]."""

    name: str
    net: Stateless
    tracks: Callable[[six_products.Boxes, Tensor], six_products.Tracks]
    input_shape: tuple[int, ...]
    batch: int
    at_most: float
    at_least: float | None = None

    def data(self, n: int) -> tuple[Tensor, Tensor]:
        """Inputs `(n, *input_shape)` and labels `(n,)`."""
        generator = torch.Generator().manual_seed(0)
        return torch.rand(n, *self.input_shape, generator=generator), torch.arange(n) % 10

    def boxes(self, dtype: torch.dtype = torch.float32) -> dict[str, tuple[Tensor, Tensor]]:
        """Centers and radii by name, all of them trained."""
        centers = {name: value.to(dtype) for name, value in self.net.initial(0).items()}
        return {
            n: (c.clone().requires_grad_(), torch.full_like(c, RADIUS).requires_grad_()) for n, c in centers.items()
        }


def run(quick: bool = False) -> Result:
    """Forward and backward in four ways, a certificate of many examples, and a step of HyperInterval."""
    _keep_freed_memory()
    turns, block = (2, 0.001) if quick else (25, 0.1)
    rows = [row for target in _targets(quick) for row in _passes(target, turns, block)]
    rows += _certificates(_targets(quick)[0], 100 if quick else 10_000, 1 if quick else 5)
    rows += _steps(quick, turns, block)
    return Result(
        "intervals",
        "Bounds over boxes of weights",
        rows,
        {"turns": turns, "radius of every weight": RADIUS},
        [
            "Forward and backward, float32, inputs exact, gradients of all centers and radii. Intervals: the worst "
            "cross-entropy over the boxes. Six products: the published lower, middle and upper tracks, the same loss; "
            "both forms have the same bounds, compared in float64 in this run. With the middle: both networks' losses. "
            "Certificates are in float64 and cover rounding; their forward pass is the plain one in float32."
        ],
    )


def _targets(quick: bool) -> list[Target]:
    """An MLP, and the narrow ResNet-18."""
    sizes, image, width, batch = ((16, 16), 8, 4, 8) if quick else ((400, 400), 32, 20, 32)
    dense = networks.mlp((784,), sizes, 10)
    residual = networks.resnet18((3, image, image), 10, width=width, batch_norm=False)
    return [
        Target(f"MLP 784-{sizes[0]}-{sizes[1]}-10, batch 128", Stateless(dense), six_products.mlp, (784,), 128, 3, 2),
        Target(
            f"ResNet-18 of width {width}, batch {batch}",
            Stateless(residual),
            six_products.resnet18,
            (3, image, image),
            batch,
            4.5,
        ),
    ]


def _passes(target: Target, turns: int, block: float) -> list[Row]:
    """Forward and backward of one target."""
    _check_equal(target)
    calls = {
        f"{target.name}: {kind}": _pass(target, loss)
        for kind, loss in {
            "plain": _plain,
            "intervals": _intervals,
            "six products": _tracks,
            "intervals with the middle": _intervals_and_middle,
            "six products with the middle": _tracks_and_middle,
        }.items()
    }
    times = take_turns(calls, turns=turns, block=block)
    plain, intervals, six, intervals_and_middle, six_and_middle = calls
    return [
        ratio(times, intervals, plain, at_most=target.at_most),
        ratio(times, six, intervals, at_least=target.at_least),
        ratio(times, six, plain),
        ratio(times, six_and_middle, intervals_and_middle),
    ]


Loss = Callable[[Target, six_products.Boxes, Tensor, Tensor], Tensor]


def _pass(target: Target, loss: Loss) -> Callable[[], object]:
    """Forward and backward of a loss."""
    boxes, (x, y) = target.boxes(), target.data(target.batch)
    leaves = [leaf for pair in boxes.values() for leaf in pair]

    def call() -> None:
        for leaf in leaves:
            leaf.grad = None
        loss(target, boxes, x, y).backward()

    return call


def _plain(target: Target, boxes: six_products.Boxes, x: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(target.net({name: center for name, (center, _) in boxes.items()}, x), y)


def _logits(target: Target, boxes: six_products.Boxes, x: Tensor) -> Tensor:
    return target.net({name: box(*pair) for name, pair in boxes.items()}, x)


def _intervals(target: Target, boxes: six_products.Boxes, x: Tensor, y: Tensor) -> Tensor:
    return worst_case_cross_entropy(_logits(target, boxes, x), y)


def _intervals_and_middle(target: Target, boxes: six_products.Boxes, x: Tensor, y: Tensor) -> Tensor:
    return _plain(target, boxes, x, y) + _intervals(target, boxes, x, y)


def _tracks(target: Target, boxes: six_products.Boxes, x: Tensor, y: Tensor) -> Tensor:
    tracks = target.tracks(boxes, x)
    return F.cross_entropy(torch.where(F.one_hot(y, 10).bool(), tracks.lower, tracks.upper), y)


def _tracks_and_middle(target: Target, boxes: six_products.Boxes, x: Tensor, y: Tensor) -> Tensor:
    tracks = target.tracks(boxes, x)
    worst = torch.where(F.one_hot(y, 10).bool(), tracks.lower, tracks.upper)
    return F.cross_entropy(tracks.middle, y) + F.cross_entropy(worst, y)


def _check_equal(target: Target) -> None:
    """Both forms have the same bounds, up to the rounding of float64."""
    boxes, x = target.boxes(torch.float64), target.data(target.batch)[0].double()
    logits, tracks = _logits(target, boxes, x), target.tracks(boxes, x)
    assert isinstance(logits, IntervalTensor)
    for end, track in ((logits.lower, tracks.lower), (logits.upper, tracks.upper)):
        torch.testing.assert_close(end, track, rtol=1e-9, atol=1e-9)


def _certificates(target: Target, examples: int, times: int) -> list[Row]:
    """A rigorous certificate in float64 of many examples, and how much longer it takes than answering them."""
    data, net = Examples(*target.data(examples)), target.net
    bounds: dict[str, Tensor] = {n: box(c.detach(), r.detach()) for n, (c, r) in target.boxes().items()}
    centers = net.initial(0)

    def answer() -> None:
        with torch.no_grad():
            for begin in range(0, examples, 1000):
                net(centers, data.x[begin : begin + 1000])

    name = f"{target.name.partition(',')[0]}: certificate of {examples} examples"
    calls = {name: lambda: certify_network(net, bounds, data), "their forward pass": answer}
    found: Times = take_turns(calls, turns=times, block=0.0)
    return [seconds(name, found[name]), ratio(found, name, "their forward pass")]


def _steps(quick: bool, turns: int, block: float) -> list[Row]:
    """A training step of HyperInterval against one of HyperNet: same hypernetwork, same target, same earlier tasks."""
    subjects, earlier = ((TINY,), 1) if quick else ((LARGE, SMALL), 10)
    rows = []
    for subject in subjects:
        point, interval, center = (
            f"{subject}: {name}, {earlier} earlier tasks"
            for name in ("HyperNet", "HyperInterval", "HyperInterval that deploys centers, as published")
        )
        calls = {point: hypernet_step(subject, earlier)}
        for name, learner in (
            (interval, HyperInterval(subject.net(), embedding_dim=32)),
            (center, HyperInterval(subject.net(), embedding_dim=32, deploy="center")),
        ):
            calls[name] = step_of(after(learner, subject, earlier), subject)
        times = take_turns(calls, turns=turns, block=block)
        rows += [ratio(times, name, point, at_most=2) for name in (interval, center)]
    return rows


def _keep_freed_memory() -> None:
    """Frees a large tensor once, as a program does that has read a data set.

    From then on the C library keeps what is freed, instead of asking the system for fresh pages in each pass.
    """
    torch.zeros(7 * 2**20)
