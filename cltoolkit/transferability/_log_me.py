"""LogME: the evidence of a Bayesian linear model of the labels on the features."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ._inputs import check_features, compact, present_classes

TINY = 1e-30


def log_me(
    features: Tensor, labels: Tensor, *, penalty: float = 1e-5, tolerance: float = 1e-6, steps: int = 1000
) -> Tensor:
    """Logarithm of the maximum evidence, per example, averaged over the classes.

    For each class the indicator y_c ∈ {0, 1}ⁿ is modelled as F w + noise with w ~ N(0, I/α) and noise ~ N(0, I/β). With
    the eigenvalues s of FᵀF, λ = α/β, the posterior mean m and γ = Σ s / (s + λ) the evidence is

        L(α, β) = n/2 log β − ½ Σ log(1 + s/λ) − β/2 |y − F m|² − α/2 |m|² − n/2 log 2π,

    and the fixed point α = γ / (|m|² + ε), β = (n − γ) / (|y − F m|² + ε) maximizes L − ε (α + β) / 2: the penalty
    keeps both finite where features fit the labels exactly, or not at all. Features are not centered.

    Args:
        features: `(*batch, n, d)`, penultimate activations of source models on the target's data.
        labels: `(n,)`, whole numbers, the target's classes.
        penalty: ε, as in the published code.
        tolerance: relative change of λ at which the iteration ends; the published code stops at 0.01.
        steps: iterations, at most; the published code does 11.

    Returns:
        `(*batch,)`, float64, of either sign; larger is easier transfer.

    Raises:
        ValueError: if a shape does not fit, fewer than two classes are present, or a feature is not finite.

    References:
        You et al., LogME: Practical Assessment of Pre-trained Models for Transfer Learning, ICML 2021, alg. 1.
        MacKay, Bayesian interpolation, Neural Computation 1992 (the fixed point).

    Example:
        >>> labels = torch.arange(60) % 3
        >>> good = torch.nn.functional.one_hot(labels).double()
        >>> noise = torch.randn(60, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        >>> scores = log_me(torch.stack([good, noise]), labels)
        >>> bool(scores[0] > scores[1])
        True
    """
    if not penalty > 0:
        raise ValueError(f"expected a positive penalty; got {penalty}; the published one is 1e-5")
    values = compact(check_features(features))
    classes = present_classes(labels, values, values.shape[-2])
    eigenvalues, vectors = torch.linalg.eigh(values.mT @ values)  # ascending
    cut = max(values.shape[-2:]) * torch.finfo(torch.float64).eps
    s = torch.where(eigenvalues > cut * eigenvalues[..., -1:], eigenvalues, 0.0)[..., None, :]  # (*, 1, k)
    projected = (classes.one_hot().T @ values @ vectors).square()  # (*, C, k)
    along = torch.where(s > 0, projected / torch.where(s > 0, s, 1.0), 0.0)
    model = _Model(s, along, (classes.counts - along.sum(-1)).clamp(min=0), values.shape[-2], penalty)
    alpha, beta = model.fixed_point(tolerance, steps)
    return (model.evidence(alpha, beta) / model.samples).mean(-1)


@dataclass(frozen=True, eq=False)
class _Model:
    """The linear models of all classes at once, in the coordinates of the left singular vectors u of F.

    Attributes:
        s: `(*, 1, k)`, eigenvalues of FᵀF, 0 where they are rounding.
        along: `(*, C, k)`, (uᵀy)² of each class.
        outside: `(*, C)`, what is left of |y|².
        samples: n.
        penalty: ε.
    """

    s: Tensor
    along: Tensor
    outside: Tensor
    samples: int
    penalty: float

    def fixed_point(self, tolerance: float, steps: int) -> tuple[Tensor, Tensor]:
        """α and β, `(*, C)`."""
        alpha = beta = torch.ones_like(self.outside)
        rest = self.samples - (self.s > 0).sum(-1)  # n − rank
        for _ in range(steps):
            before = (alpha / beta)[..., None]
            free = torch.where(self.s > 0, before / (self.s + before), 0.0).sum(-1)
            effective = (self.s / (self.s + before)).sum(-1)  # γ
            weights, residual = self._squares(before)
            alpha = (effective / (weights + self.penalty)).clamp(min=TINY)
            beta = (rest + free) / (residual + self.penalty)
            ratio = alpha / beta / before[..., 0]
            if bool(((ratio - 1).abs() < tolerance).all()):
                break
        return alpha, beta

    def evidence(self, alpha: Tensor, beta: Tensor) -> Tensor:
        """L − ε (α + β) / 2, `(*, C)`."""
        ratio = (alpha / beta)[..., None]
        weights, residual = self._squares(ratio)
        fit = beta * (residual + self.penalty) + alpha * (weights + self.penalty)
        size = self.samples * (beta.log() - math.log(2 * math.pi))
        return (size - (self.s / ratio).log1p().sum(-1) - fit) / 2

    def _squares(self, ratio: Tensor) -> tuple[Tensor, Tensor]:
        """|m|² and |y − F m|² at λ = `ratio`."""
        inverse = 1 / (self.s + ratio)
        residual = self.outside + (self.along * (ratio * inverse).square()).sum(-1)
        return (self.along * self.s * inverse.square()).sum(-1), residual
