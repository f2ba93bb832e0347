"""The other side of a certificate: the worst network that a search finds in the box."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from ..params import Params, Stateless
from ..randomness import stream
from ..tasks import Data, closed
from ._boxes import Bounds, as_dtype, inner_ends
from ._logits import margins
from ._passes import Bounding, batches, bounding
from ._tensor import IntervalTensor

__all__ = ["Attack", "attack", "attack_embedding"]

FIRST_STEP, LAST_STEP = 0.25, 0.01  # of the half-width


@dataclass(frozen=True, eq=False)
class Attack:
    """The worst that was found in a box: certified accuracy ≤ `robust` ≤ `accuracy` ≤ that of the deployed network.

    Attributes:
        accuracy: the least accuracy of one network of the box, over all that were tried.
        params: the weights of that network; they lie in the box, to the last bit.
        loss: its mean cross-entropy.
        wrong: `(n,)` of bool, the examples that at least one network tried answers wrong.
        embedding: `(d,)`, the embedding that makes `params`; None for an attack on weights.
        contradictions: certified examples among `wrong`; anything but 0 means that a bound is none.
    """

    accuracy: float
    params: Params
    loss: float
    wrong: NDArray[np.bool_]
    embedding: Tensor | None = None
    contradictions: int = 0

    @property
    def robust(self) -> float:
        """The fraction of examples that no network tried answers wrong."""
        return float(1 - np.mean(self.wrong))

    def __repr__(self) -> str:
        return (
            f"Attack(accuracy {self.accuracy:.1%}, loss {self.loss:.3g}, "
            f"{self.robust:.1%} of {len(self.wrong)} examples never wrong, {self.contradictions} contradictions)"
        )


def attack(
    net: nn.Module | Stateless,
    bounds: Bounds,
    data: Data,
    units: Sequence[int] | None = None,
    *,
    steps: int = 40,
    restarts: int = 5,
    seed: int = 0,
    batch_size: int = 1000,
    dtype: torch.dtype = torch.float64,
    certified: ArrayLike | None = None,
) -> Attack:
    """Searches the box for one network that is as bad as possible on all of the data: projected gradient ascent.

    θ = c + r∘ν with ν ∈ [−1, 1]^P climbs the mean cross-entropy by its gradient's signs, with steps that fall from 0.25
    to 0.01. The first run starts at the center, the second at the corner to which the gradient there points, others
    at random. Costs `restarts × (steps + 1)` passes forward and backward over the data.

    Args:
        net: the network, a module as it is written or a `Stateless`.
        bounds: every parameter and buffer by name; what is a plain tensor stays.
        data: the examples.
        units: the output units that may answer; all by default.
        steps: per run.
        restarts: how many runs.
        seed: of the starting points.
        batch_size: examples per pass.
        dtype: of weights and inputs: that of the certificates compared with. The box should be exact in it.
        certified: `(n,)` of bool, a certificate's `margins > 0`: to count contradictions.

    Returns:
        An `Attack`.

    Raises:
        ValueError: if the bounds do not fit the network, or `restarts` or `steps` is below 1.

    References:
        Madry et al., Towards Deep Learning Models Resistant to Adversarial Attacks, ICLR 2018: the search, there in
        the inputs.

    Example:
        >>> from cltoolkit.intervals import IntervalTensor
        >>> from cltoolkit.tasks import Examples
        >>> bounds = {"weight": IntervalTensor(torch.tensor([[1.0], [-1.0]]), torch.full((2, 1), 1.5))}
        >>> data = Examples(torch.tensor([[1.0], [2.0], [-1.0]]), torch.tensor([0, 0, 1]))
        >>> attack(nn.Linear(1, 2, bias=False), bounds, data)
        Attack(accuracy 0.0%, loss 1.58, 0.0% of 3 examples never wrong, 0 contradictions)
    """
    net, how = bounding(net, bounds, data, units, dtype=dtype, batch_size=batch_size)
    moved = as_dtype(bounds, dtype, rigorous=False)
    boxes = {name: value for name, value in moved.items() if isinstance(value, IntervalTensor)}
    target = _Target(net, data, how, lambda point: moved | point)
    return _search(target, boxes, steps=steps, restarts=restarts, seed=seed, certified=certified)[0]


def attack_embedding(
    net: nn.Module | Stateless,
    generate: Callable[[Tensor], Params],
    center: Tensor,
    half_width: Tensor,
    data: Data,
    units: Sequence[int] | None = None,
    *,
    steps: int = 40,
    restarts: int = 5,
    seed: int = 0,
    batch_size: int = 1000,
    dtype: torch.dtype = torch.float64,
    certified: ArrayLike | None = None,
) -> Attack:
    """The same search among the networks that embeddings e + ε∘ν make: in d coordinates instead of P.

    Args:
        net: the network.
        generate: embedding `(d,)` → every parameter and buffer; differentiable.
        center: e, `(d,)`.
        half_width: ε ≥ 0, `(d,)`.
        data: the examples.
        units: the output units that may answer; all by default.
        steps: per run.
        restarts: how many runs.
        seed: of the starting points.
        batch_size: examples per pass.
        dtype: of inputs and of weights, once they are generated.
        certified: `(n,)` of bool: to count contradictions.

    Returns:
        An `Attack` with its `embedding`.

    Raises:
        ValueError: if what is generated does not fit the network, or `restarts` or `steps` is below 1.
    """
    with torch.no_grad():
        middle = generate(center.detach())
    net, how = bounding(net, middle, data, units, dtype=dtype, batch_size=batch_size)
    target = _Target(net, data, how, lambda point: generate(point["e"]))
    boxes = {"e": IntervalTensor(center.detach(), half_width.detach())}
    found, point = _search(target, boxes, steps=steps, restarts=restarts, seed=seed, certified=certified)
    return replace(found, embedding=point["e"])


class _Target:
    """What is climbed: the mean cross-entropy of all the data, as a function of a point.

    Args:
        net: the network.
        data: the examples; kept in memory.
        how: units, dtype and size of batches.
        make: point → every parameter and buffer.
    """

    def __init__(self, net: Stateless, data: Data, how: Bounding, make: Callable[[Params], Params]) -> None:
        self.net, self.how, self.make, self.size = net, how, make, len(data)
        self.examples = [(x.to(how.dtype), y) for x, y in batches(data, how.batch_size)]

    def weights(self, point: Params) -> Params:
        """The network's weights and buffers at a point."""
        dtype = self.how.dtype
        return {n: v.to(dtype) if v.is_floating_point() else v for n, v in self.make(point).items()}

    @torch.enable_grad()
    def climb(self, point: Params) -> tuple[float, Tensor, Params]:
        """The loss at a point, which examples `(n,)` are answered right there, and the gradient by the point."""
        point = {name: value.detach().requires_grad_() for name, value in point.items()}
        made = self.weights(point)
        moving = [name for name, value in made.items() if value.requires_grad]
        params = {n: v.detach().requires_grad_() if n in moving else v for n, v in made.items()}
        total, right = 0.0, []
        for x, y in self.examples:
            loss, good = self._loss(params, x, y)
            if moving:
                loss.backward(inputs=[params[name] for name in moving])
            total += float(loss.detach())
            right.append(good)
        used = [name for name in moving if params[name].grad is not None]
        if used:
            torch.autograd.backward([made[name] for name in used], [params[name].grad for name in used])
        return total, torch.cat(right), {n: torch.zeros_like(v) if v.grad is None else v.grad for n, v in point.items()}

    def _loss(self, params: Params, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        _, logits = self.net.both(params, x)
        logits = logits + closed(self.how.units, logits)
        return F.cross_entropy(logits, y, reduction="sum") / self.size, margins(logits.detach(), y) > 0


def _search(
    target: _Target,
    boxes: Mapping[str, IntervalTensor],
    *,
    steps: int,
    restarts: int,
    seed: int,
    certified: ArrayLike | None,
) -> tuple[Attack, Params]:
    """The worst that all runs found, and the point of the boxes that makes it."""
    if steps < 1 or restarts < 1:
        raise ValueError(f"expected at least one step and one run; got steps={steps}, restarts={restarts}")
    ends = {name: inner_ends(value) for name, value in boxes.items()}
    wrong = torch.zeros(target.size, dtype=torch.bool, device=target.examples[0][1].device)
    worst, worst_point = (math.inf, 0.0), dict[str, Tensor]()
    toward: Params = {}  # where the gradient at the center points
    for run in range(restarts):
        place = _start(boxes, run, seed, toward)
        for k in range(steps + 1):
            point = {n: (b.center + b.radius * place[n]).clamp(*ends[n]).detach() for n, b in boxes.items()}
            loss, right, gradient = target.climb(point)
            wrong |= ~right
            score = (float(right.double().mean()), -loss)
            if score < worst or not worst_point:
                worst, worst_point = score, point
            signs = {name: value.sign() for name, value in gradient.items()}
            toward = toward or signs
            step = FIRST_STEP * (LAST_STEP / FIRST_STEP) ** (k / max(steps - 1, 1))
            place = {name: (place[name] + step * signs[name]).clamp(-1, 1) for name in place}
    with torch.no_grad():
        params = {name: value.detach() for name, value in target.weights(worst_point).items()}
    found = wrong.cpu().numpy()
    bad = _contradictions(found, certified)
    return Attack(worst[0], params, -worst[1], found, contradictions=bad), worst_point


def _start(boxes: Mapping[str, IntervalTensor], run: int, seed: int, toward: Params) -> Params:
    """ν at the start of a run: the center, the corner that its gradient points to, and then anywhere."""
    if run == 0:
        return {name: torch.zeros_like(value.center) for name, value in boxes.items()}
    if run == 1:
        return dict(toward)
    generator = stream(seed, "attack", run)
    return {
        name: (2 * torch.rand(value.shape, generator=generator, dtype=value.dtype) - 1).to(value.device)
        for name, value in boxes.items()
    }


def _contradictions(wrong: NDArray[np.bool_], certified: ArrayLike | None) -> int:
    if certified is None:
        return 0
    claimed = np.asarray(certified, dtype=bool)
    if claimed.shape != wrong.shape:
        raise ValueError(f"expected `certified` for each of {len(wrong)} examples; got shape {claimed.shape}")
    return int((claimed & wrong).sum())
