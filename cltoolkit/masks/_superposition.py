"""Which of many masks an input belongs to: asked of one network that is all of them at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor
from torch.func import grad, vmap

from ..params import Params, Stateless
from ..tasks import relative_entropy
from ._layout import Layout
from ._objective import Objective, entropy
from ._packed import Masks, unpack_bits

__all__ = ["Superposition", "binary", "exhaustive", "one_shot", "task_entropies", "task_gradients"]

AT_ONCE = 2**24  # weights of masks, mixtures and gradients held in one chunk, at most (unless one set alone is more)
INPUTS = 8192  # inputs times masks in one pass, at most (unless one mask alone takes more)


@dataclass(frozen=True, eq=False)
class Superposition:
    """One network under many masks at once: f(x, W ⊙ Σ_i α_i M_i).

    Batch norm takes the statistics of the images asked about: the mixture has none of its own.

    Args:
        net: the network.
        base: W `(P,)`.
        masks: M_1, …, M_T, of the tasks learned and no others.
        rest: every parameter and buffer of the network that has no mask.
        objective: what should be small for the right mask; the entropy of all outputs by default.

    Raises:
        ValueError: if there is no mask, or the shapes do not fit.

    Example:
        >>> net = Stateless(torch.nn.Linear(3, 2, bias=False))
        >>> layout = Layout.of(net)
        >>> masks = Masks(torch.tensor([[0b111000], [0b000111]], dtype=torch.uint8), layout)
        >>> both = Superposition(net, torch.ones(6), masks, {})
        >>> both.weights()
        tensor([0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000])
        >>> both.logits(both.weights(torch.tensor([1.0, 0.0])), torch.ones(1, 3))
        tensor([[0., 3.]])
    """

    net: Stateless
    base: Tensor
    masks: Masks
    rest: Params
    objective: Objective = entropy

    def __post_init__(self) -> None:
        if not len(self.masks):
            raise ValueError("expected the mask of one task or more; got none. Learn a task first.")
        if self.base.shape != (self.layout.size,):
            raise ValueError(f"expected {self.layout.size} weights for these masks; got shape {tuple(self.base.shape)}")

    @property
    def layout(self) -> Layout:
        """Where each layer's weights lie."""
        return self.masks.layout

    def weights(self, alpha: Tensor | None = None) -> Tensor:
        """W ⊙ Σ_i α_i M_i: `(*batch, P)` for α `(*batch, T)`; for None `(P,)`, equal parts, from their count."""
        return self._equal if alpha is None else self._mixed(alpha).mul_(self.base)

    @cached_property
    def _equal(self) -> Tensor:
        """W ⊙ N / T, from the count N of masks that hold a weight."""
        with torch.inference_mode(False):
            return self.base * (self.masks.total().to(self.base.dtype) / len(self.masks))

    def _mixed(self, alpha: Tensor) -> Tensor:
        """Σ_i α_i M_i."""
        mixed = alpha.new_empty(*alpha.shape[:-1], self.layout.size)
        for where, block in self.masks.blocks():
            mixed[..., where] = alpha @ block.to(alpha.dtype)
        return mixed

    @property
    def least_images(self) -> int:
        """How many images one decision needs: 2 where batch norm takes their statistics, or else 1."""
        return 2 if self.net.by_batch else 1

    def logits(self, weights: Tensor, x: Tensor) -> Tensor:
        """`(n, k)` of x `(n, *input_shape)` under weights `(P,)`.

        Raises:
            ValueError: if batch norm would have to take the statistics of one image.
        """
        if len(x) < self.least_images:
            raise ValueError(
                "the network has batch norm, and a mixture of masks no statistics but those of the images asked about: "
                "expected 2 images or more for one decision; got 1. Use more (`images=`), or the exhaustive method, "
                "which asks each mask with its own statistics."
            )
        return self.net(self.layout.unpack(weights) | self.rest | self.net.by_batch, x)

    def value(self, weights: Tensor, x: Tensor) -> Tensor:
        """The objective, in the mean over images `(n, *input_shape)`."""
        return self.objective(self.logits(weights, x)).mean()


def task_gradients(superposition: Superposition, x: Tensor, alpha: Tensor | None = None) -> Tensor:
    """∂H/∂α_i of the superposed network for every mask, from one forward and one backward pass.

    The chain rule gives ∂H/∂α_i = ⟨M_i, v⟩ with v = W ⊙ ∂H/∂W̃ at W̃ = W ⊙ Σ_i α_i M_i: a product of the packed masks
    with one vector, whatever their number. Memory is that of a few gradients and a few masks: O(P).

    Args:
        superposition: T masks over P weights.
        x: `(g, r, *input_shape)`: g groups of r images; the objective is the mean over a group.
        alpha: `(g, T)`, a mixture for each group; equal parts of all masks by default.

    Returns:
        `(g, T)`; the most negative where more of a mask lowers the objective most.

    References:
        Wortsman et al., Supermasks in Superposition, NeurIPS 2020, §3.3, eq. 2.

    Example:
        >>> net = Stateless(torch.nn.Linear(2, 2, bias=False))
        >>> masks = Masks(torch.tensor([[0b0011], [0b1111]], dtype=torch.uint8), Layout.of(net))  # one row; both
        >>> both = Superposition(net, torch.tensor([1.0, 1.0, -1.0, -1.0]), masks, {})
        >>> (task_gradients(both, torch.ones(1, 1, 2)) < 0).tolist()                              # both make it surer
        [[True, True]]
    """
    with torch.inference_mode(False), torch.no_grad():
        x = x.clone() if x.is_inference() else x  # no gradient passes a tensor made in inference mode
        parts = []
        for own in _slices(len(x), _at_once(3 * superposition.layout.size)):
            weights = superposition.weights(None if alpha is None else alpha[own])
            slope = _slope(superposition, weights, x[own])
            parts.append(superposition.masks.dot(slope.mul_(superposition.base)))
        return torch.cat(parts)


def _slope(superposition: Superposition, weights: Tensor, x: Tensor) -> Tensor:
    """∂H/∂W̃ `(g, P)` of every group, at weights `(P,)` or each at its own `(g, P)`."""
    slope = grad(superposition.value)
    if len(x) == 1:  # no need for batched kernels
        return slope(weights.view(-1), x[0])[None]
    return vmap(slope, in_dims=(0 if weights.ndim == 2 else None, 0))(weights, x)


def one_shot(superposition: Superposition, x: Tensor) -> Tensor:
    """The task whose mask lowers the objective most steeply, from the mixture of all: argmax_i −∂H/∂α_i.

    One forward and one backward pass, whatever the number of tasks.

    Args:
        superposition: T masks.
        x: `(g, r, *input_shape)`: g groups, one decision each.

    Returns:
        `(g,)` task numbers.

    References:
        Wortsman et al., Supermasks in Superposition, NeurIPS 2020, §3.3: One-Shot.
    """
    return task_gradients(superposition, x).argmin(1)


def binary(superposition: Superposition, x: Tensor, *, base: int = 2) -> Tensor:
    """The task that is left when, round by round, the steeper half of the masks is kept: ⌈log₂ T⌉ rounds.

    Each round mixes the m masks left in equal parts and keeps the ⌈m / 2⌉ with the smallest ∂H/∂α_i; of equal ones the
    first. A round is a forward and a backward pass, and from the second on every group has a mixture of its own.

    Args:
        superposition: T masks.
        x: `(g, r, *input_shape)`: g groups, one decision each.
        base: b, keeps ⌈m / b⌉; more than 2 for fewer rounds.

    Returns:
        `(g,)` task numbers.

    Raises:
        ValueError: if `base` is less than 2.

    References:
        Wortsman et al., Supermasks in Superposition, NeurIPS 2020, §3.3: Binary.
    """
    if base < 2:
        raise ValueError(f"expected base of 2 or more, which keeps 1/base of the masks each round; got {base!r}")
    count = len(superposition.masks)
    left = torch.arange(count, device=x.device).expand(len(x), -1)  # (g, m), ascending
    while (m := left.shape[1]) > 1:
        alpha = None if m == count else superposition.base.new_zeros(len(x), count).scatter_(1, left, 1 / m)
        slopes = task_gradients(superposition, x, alpha).gather(1, left)
        keep = slopes.argsort(dim=1, stable=True)[:, : -(-m // base)].sort(1).values
        left = left.gather(1, keep)
    return left[:, 0]


def task_entropies(
    superposition: Superposition, x: Tensor, *, units: Sequence[Sequence[int]] | None = None, own: Params | None = None
) -> Tensor:
    """H of the answer of every mask alone, in the mean over the images of each group: T forward passes.

    Args:
        superposition: T masks; its objective plays no part.
        x: `(g, r, *input_shape)`: g groups of r images.
        units: the output units of each task; the entropy is theirs alone, divided by its maximum log c, so that few
            classes are no advantage. All outputs by default.
        own: buffers `(T, *shape)` of each task, such as batch-norm statistics; by default those of `rest`.

    Returns:
        `(g, T)`.
    """
    images = x.flatten(0, 1)
    parts = []
    chunk = min(_at_once(superposition.layout.size), max(1, INPUTS // len(images)))
    for tasks in _slices(len(superposition.masks), chunk):
        masks = unpack_bits(superposition.masks.bits[tasks], superposition.layout.size)
        weights = superposition.layout.unpack(superposition.base * masks)
        buffers = {name: value[tasks] for name, value in (own or {}).items()}
        logits = vmap(partial(_answer, superposition), in_dims=(0, None))(weights | buffers, images)
        h = entropy(logits) if units is None else _relative(logits, units[tasks])
        parts.append(h.unflatten(1, x.shape[:2]).mean(2))
    return torch.cat(parts).T


def _answer(superposition: Superposition, own: Params, x: Tensor) -> Tensor:
    """Logits `(n, k)` of one task, from the weights and buffers that are its own."""
    return superposition.net(superposition.rest | own, x)


def _relative(logits: Tensor, units: Sequence[Sequence[int]]) -> Tensor:
    """The entropy of each task's own units, divided by its maximum: `(T, n)` of `(T, n, k)`."""
    return torch.stack([relative_entropy(own[:, list(of)]) for own, of in zip(logits, units, strict=True)])


def exhaustive(
    superposition: Superposition, x: Tensor, *, units: Sequence[Sequence[int]] | None = None, own: Params | None = None
) -> Tensor:
    """The task whose mask alone is surest of its answer: argmin_i H_i; T forward passes.

    Args:
        superposition: T masks; its objective plays no part.
        x: `(g, r, *input_shape)`: g groups, one decision each.
        units: as in `task_entropies`.
        own: as in `task_entropies`.

    Returns:
        `(g,)` task numbers.
    """
    return task_entropies(superposition, x, units=units, own=own).argmin(1)


def _at_once(size: int) -> int:
    """How many vectors of so many numbers fit a chunk."""
    return max(1, AT_ONCE // size)


def _slices(count: int, step: int) -> Iterator[slice]:
    """`count` things in chunks of `step`."""
    return (slice(start, min(start + step, count)) for start in range(0, count, step))
