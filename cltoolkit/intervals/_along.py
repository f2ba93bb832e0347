"""Accuracy along the interval: how good the networks are that a task's embeddings make, inside its box and beyond."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn, vmap

from ..params import Params, Stateless
from ..randomness import stream
from ..tasks import Data, closed

__all__ = ["AlongInterval", "along_interval"]

BATCH = 1000  # examples at once


@dataclass(frozen=True, eq=False)
class AlongInterval:
    """Accuracy of the networks h(e + λ ε∘v), along directions v out of the middle of an embedding's box.

    Attributes:
        lambdas: `(L,)`, λ; within [−1, 1] the embedding lies in its box.
        accuracy: `(D, L)`, of direction v at λ.
        center: accuracy at λ = 0, the same in all directions.
        certified: certified accuracy of the box, below which no network in it falls; NaN where none was given.
    """

    lambdas: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    center: float
    certified: float = float("nan")

    @property
    def inside(self) -> NDArray[np.bool_]:
        """`(L,)`, which λ lie in the box."""
        return np.asarray(np.abs(self.lambdas) <= 1)

    @property
    def lowest(self) -> float:
        """The lowest accuracy found inside the box: no certified accuracy may be above it."""
        return float(self.accuracy[:, self.inside].min(initial=self.center))


@torch.no_grad()
def along_interval(
    net: nn.Module | Stateless,
    generate: Callable[[Tensor], Params],
    center: Tensor,
    half_width: Tensor,
    data: Data,
    units: Sequence[int] | None = None,
    *,
    lambdas: Sequence[float] | Tensor | None = None,
    directions: int | Tensor = 8,
    certified: float = float("nan"),
    seed: int = 0,
) -> AlongInterval:
    """Walks out of the middle of an embedding's box to its corners and beyond, and measures every network on the way.

    Points inside the box must do at least as well as its certificate says; where accuracy falls outside of it shows
    how much of the certified room is needed.

    Args:
        net: the target network.
        generate: from embeddings `(m, d)` to all that `net` takes by name, each `(m, *shape)`.
        center: `(d,)`, e.
        half_width: `(d,)`, ε ≥ 0.
        data: on which the networks are measured.
        units: the output units that may answer; all by default.
        lambdas: `(L,)`, λ; by default 31 of them, evenly from −1.5 to 1.5.
        directions: v, `(D, d)` within [−1, 1]; or how many, drawn from the corners {−1, 1}^d.
        certified: certified accuracy of the box, if it is known.
        seed: of the directions drawn.

    Returns:
        The record, which `plots.along_interval` draws.

    Raises:
        ValueError: if shapes do not fit, a half-width is negative, a direction leaves [−1, 1], or there are no data.

    Example:
        >>> from cltoolkit.tasks import Examples
        >>> net = Stateless(torch.nn.Linear(1, 2, bias=False))
        >>> data = Examples(torch.ones(4, 1), torch.tensor([0, 0, 0, 1]))
        >>> walk = along_interval(
        ...     net, lambda e: {"weight": e[:, :, None]}, torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0]), data,
        ...     lambdas=[-1, 0, 1], directions=torch.tensor([[0.0, 1.0]]),
        ... )
        >>> walk.accuracy                                       # weight 2 of unit 1 wins against weight 1 of unit 0
        array([[0.75, 0.75, 0.25]])
    """
    _check(center, half_width, data)
    given = np.linspace(-1.5, 1.5, 31) if lambdas is None else lambdas
    steps = torch.as_tensor(given, dtype=center.dtype, device=center.device)
    signs = _directions(directions, center, seed)
    target = net if isinstance(net, Stateless) else Stateless(net)
    answers = vmap(target, in_dims=(0, None))
    every = [center + steps[:, None] * half_width * v for v in signs]
    accuracy = [_accuracy(answers, generate(points), data, units) for points in [center[None], *every]]
    return AlongInterval(steps.double().cpu().numpy(), np.stack(accuracy[1:]), float(accuracy[0][0]), certified)


def _check(center: Tensor, half_width: Tensor, data: Data) -> None:
    if center.ndim != 1 or center.shape != half_width.shape:
        raise ValueError(
            f"expected the center and half-widths of one box, (d,) both; got {tuple(center.shape)} and "
            f"{tuple(half_width.shape)}: pick one task's row"
        )
    if not bool((half_width >= 0).all()):
        raise ValueError("expected half-widths of at least 0; got a negative one, or NaN")
    if not len(data):
        raise ValueError("expected examples to measure accuracy on; got none")


def _directions(given: int | Tensor, center: Tensor, seed: int) -> Tensor:
    """Directions `(D, d)`: those given, or corners of the cube."""
    if isinstance(given, Tensor):
        if given.ndim != 2 or given.shape[1:] != center.shape or not bool((given.abs() <= 1).all()):
            raise ValueError(
                f"expected directions (D, {len(center)}) within [-1, 1], so that |λ| ≤ 1 stays in the box; "
                f"got shape {tuple(given.shape)} with entries up to {float(given.abs().max()):.3g}"
            )
        return given.to(center)
    if given < 1:
        raise ValueError(f"expected at least one direction; got {given}")
    drawn = torch.randint(2, (given, len(center)), generator=stream(seed, "directions along the interval"))
    return (2 * drawn - 1).to(center)


def _accuracy(
    answers: Callable[[Params, Tensor], Tensor], params: Params, data: Data, units: Sequence[int] | None
) -> NDArray[np.float64]:
    """`(m,)`, accuracy of each of the stacked networks."""
    right: Tensor | int = 0  # whole numbers: a share of them is exact to the last digit of float64
    for start in range(0, len(data), BATCH):
        x, y = data.take(torch.arange(start, min(start + BATCH, len(data))))
        logits = answers(params, x)  # (m, n, k)
        allowed = logits if units is None else logits + closed(units, logits)
        right = right + (allowed.argmax(-1) == y).sum(-1)
    return np.asarray(torch.as_tensor(right).cpu().numpy() / len(data), dtype=np.float64)
