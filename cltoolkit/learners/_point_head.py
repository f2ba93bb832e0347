"""A head of a task's own that is no interval, on features that were made for another task."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..params import Params, Shapes, pack, unpack

__all__ = ["PointHead"]


class PointHead(nn.Module):
    """The linear head being learned: W = W₀ + V Σ^(−1/2), b = b₀ + v − V Σ^(−1/2) μ, with V and v learned.

    μ and Σ are mean and covariance of its inputs, so the learned part sees inputs without a mean and of equal variance
    in every direction. Features made for another task may vary most where they say nothing about this one, and
    gradients find the rest too slowly. Where inputs are not given, V Σ^(−1/2) is V and μ is 0.
    """

    learned: nn.Parameter
    origin: Tensor
    mean: Tensor
    turn: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.allocate({})

    def allocate(self, shapes: Shapes) -> None:
        """Makes room for the weights named; none where heads are shared."""
        self.shapes = dict(shapes)
        size = sum(shape.numel() for shape in self.shapes.values())
        self.learned = nn.Parameter(torch.zeros(size))
        self.register_buffer("origin", torch.zeros(size))
        self._forget()

    def begin(self, initial: Mapping[str, Tensor]) -> None:
        """Starts at (W₀, b₀), with nothing learned."""
        with torch.no_grad():
            self.origin.copy_(pack(initial, self.shapes))
            self.learned.zero_()
        self._forget()

    def whiten(self, inputs: Tensor, ridge: float) -> None:
        """Takes μ and Σ from the inputs `(n, d)`; `ridge` times its largest eigenvalue is added to Σ."""
        inputs = inputs.double()
        biased = any(len(shape) == 1 for shape in self.shapes.values())
        mean = inputs.mean(0) if biased else torch.zeros_like(inputs[0])
        sizes, vectors = torch.linalg.eigh((inputs - mean).T @ (inputs - mean) / len(inputs))
        floor = ridge * sizes.amax().clamp(min=1e-12)
        turn = (vectors * (sizes.clamp(min=0) + floor).rsqrt()) @ vectors.T
        self.register_buffer("mean", mean.to(self.learned))
        self.register_buffer("turn", turn.to(self.learned))

    def params(self) -> Params:
        """The head as it is, differentiable; nothing where heads are shared."""
        origin, learned = unpack(self.origin, self.shapes), unpack(self.learned, self.shapes)
        if len(self.turn):
            learned = self._turned(learned)
        return {name: origin[name] + value for name, value in learned.items()}

    def end(self) -> None:
        """Forgets the head, which someone has taken down."""
        self.begin({name: torch.zeros(shape, device=self.origin.device) for name, shape in self.shapes.items()})

    def _turned(self, learned: Params) -> Params:
        weights = {name: value @ self.turn for name, value in learned.items() if value.ndim == 2}
        (weight,) = weights.values()
        return {
            name: weights[name] if name in weights else value - weight @ self.mean for name, value in learned.items()
        }

    def _forget(self) -> None:
        self.register_buffer("mean", torch.zeros(0, device=self.origin.device))
        self.register_buffer("turn", torch.zeros(0, 0, device=self.origin.device))
