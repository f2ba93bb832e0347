"""Total and between-class scatter, and what follows from them: the H-score, its noise floor, its shrinkage."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ._noise import says_little

COARSE = 1e-10  # eigenvalues below this part of the largest are rounding, where features came in float32 or less
PIVOT = 1e-7  # Cholesky is trusted while each feature keeps this part of the largest variance, given those before it

Shrinkage = float | Literal["ledoit_wolf"] | None


@dataclass(frozen=True, eq=False)
class Scatter:
    """What n labelled examples say about the H-score. Coordinates may be fewer than features: those of their span.

    Attributes:
        total: `(b, k, k)`, T = Σ (f_i − m)(f_i − m)ᵀ, of which only the lower triangle counts.
        means: `(b, C, k)`, √n_c (m_c − m), so that B = MᵀM.
        fourth: `(b,)`, Σ |f_i − m|⁴.
        samples: n.
        dim: d, the features.
        coarse: whether they came in less than float64.
    """

    total: Tensor
    means: Tensor
    fourth: Tensor
    samples: int
    dim: int
    coarse: bool

    @property
    def most(self) -> float:
        """C − 1, the H-score's maximum."""
        return float(self.means.shape[-2] - 1)

    @property
    def share(self) -> float:
        """(C − 1) / (n − 1), what noise explains of one direction on average."""
        return self.most / (self.samples - 1)

    @property
    def cut(self) -> float:
        """Eigenvalues of T below this part of the largest are rounding."""
        exact = max(self.samples, self.dim) * torch.finfo(torch.float64).eps
        return max(exact, COARSE) if self.coarse else exact

    @property
    def variance(self) -> Tensor:
        """`(b,)`, tr(T) / d."""
        return self.total.diagonal(dim1=-2, dim2=-1).sum(-1) / self.dim


@dataclass(frozen=True, eq=False)
class Scored:
    """H-scores `(b,)`, and for each what labels without any relation to the features reach on average.

    With shrinkage that floor is exact for scores near it; for others it is an upper bound, which costs nothing.
    """

    value: Tensor
    floor: Tensor


def score(scatter: Scatter, shrinkage: Shrinkage) -> Scored:
    """tr(T⁺ B), clipped to [0, min(C − 1, rank)]; with shrinkage (1 − α) tr(T_α⁻¹ B)."""
    alpha = shrinkage_of(scatter, shrinkage)
    if alpha is None:
        value, rank = trace_ratio(scatter.total, scatter.means, scatter.cut)
        return Scored(value.clamp(min=0).minimum(rank.clamp(max=scatter.most)), rank * scatter.share)
    value = (1 - alpha) * trace_ratio(shrunk(scatter, alpha), scatter.means, scatter.cut)[0]
    value = value.clamp(0, scatter.most)
    floor = (1 - alpha) * (min(scatter.dim, scatter.samples - 1) * scatter.share)  # Σ w / (…) ≤ d, by Jensen
    near = says_little(value, floor, scatter.most, scatter.samples)
    if bool(near.any()):
        floor = torch.where(near, directions(scatter, alpha) * scatter.share, floor)
    return Scored(value, floor)


def noise_floor_of(scatter: Scatter, shrinkage: Shrinkage) -> Tensor:
    """`(b,)`, mean of the score over all permutations of the labels: E[B] = T (C − 1) / (n − 1)."""
    alpha = shrinkage_of(scatter, shrinkage)
    return score(scatter, None).floor if alpha is None else directions(scatter, alpha) * scatter.share


def adjusted(scored: Scored, most: float) -> Tensor:
    """(H − h0) / (1 − h0 / (C − 1)): 0 on average for noise, C − 1 at best; 0 where nothing but noise fits."""
    room = 1 - scored.floor / most
    return torch.where(room > 1e-9, (scored.value - scored.floor) / room.clamp(min=1e-9), 0.0)


def shrinkage_of(scatter: Scatter, shrinkage: Shrinkage) -> Tensor | None:
    """α `(b,)`, or None for the plain H-score."""
    if shrinkage is None:
        return None
    if shrinkage == "ledoit_wolf":
        return ledoit_wolf(scatter)
    if not isinstance(shrinkage, float | int) or not 0 <= shrinkage <= 1:
        raise ValueError(f"expected shrinkage as a number in [0, 1], 'ledoit_wolf' or None; got {shrinkage!r}")
    return scatter.fourth.new_full(scatter.fourth.shape, shrinkage)


def ledoit_wolf(scatter: Scatter) -> Tensor:
    """α = β / δ of Ledoit and Wolf (2004): S = T / n, δ = |S − μI|² / d and β = min(δ, (Σ|f|⁴ / n − |S|²) / (n d)).

    The coordinates that are left out hold nothing but 0, so each adds μ² to δ d.
    """
    n, d = scatter.samples, scatter.dim
    coordinates = scatter.total.shape[-1]
    diagonal = scatter.total.diagonal(dim1=-2, dim2=-1) / n
    mu = diagonal.sum(-1) / d
    across = 2 * (scatter.total.tril(-1) / n).square().sum((-2, -1))
    distance = across + (diagonal - mu[..., None]).square().sum(-1) + (d - coordinates) * mu.square()
    size = across + diagonal.square().sum(-1)
    noise = (scatter.fourth / n - size).clamp(min=0) / n
    return torch.where(distance > 0, torch.minimum(noise, distance) / distance.clamp(min=1e-300), 0.0)


def shrunk(scatter: Scatter, alpha: Tensor) -> Tensor:
    """T_α = (1 − α) T + α tr(T) / d · I."""
    total = (1 - alpha)[..., None, None] * scatter.total
    total.diagonal(dim1=-2, dim2=-1).add_((alpha * scatter.variance)[..., None])
    return total


def directions(scatter: Scatter, alpha: Tensor) -> Tensor:
    """Σ_k (1 − α) w_k / ((1 − α) w_k + α tr(T) / d) over T's eigenvalues: the directions that shrinkage leaves."""
    kept = (1 - alpha)[..., None] * torch.linalg.eigvalsh(scatter.total).clamp(min=0)
    whole = kept + (alpha * scatter.variance)[..., None]
    return torch.where(kept > scatter.cut * whole.amax(-1, keepdim=True), kept / whole.clamp(min=1e-300), 0.0).sum(-1)


def trace_ratio(total: Tensor, means: Tensor, cut: float) -> tuple[Tensor, Tensor]:
    """tr(T⁺ MᵀM) and the rank of T, both `(b,)`.

    Cholesky where T is well conditioned, else eigenvalues, of which those up to `cut` times the largest count as 0.
    Features without variance take no part: given some, they neither spoil the factorization nor add to the trace.
    """
    diagonal = total.diagonal(dim1=-2, dim2=-1)
    idle = diagonal == 0
    active = (~idle).sum(-1)
    typical = (diagonal.sum(-1) / active.clamp(min=1))[..., None]
    filled = torch.where(idle, torch.where(typical > 0, typical, 1.0), diagonal)
    total = torch.diagonal_scatter(total, filled, dim1=-2, dim2=-1) if bool(idle.any()) else total
    factor, failed = torch.linalg.cholesky_ex(total)
    pivots = factor.diagonal(dim1=-2, dim2=-1).square().amin(-1)
    trace = torch.linalg.solve_triangular(factor, means.mT, upper=False).square().sum((-2, -1))
    rank = active.double()
    hard = (failed > 0) | ~(pivots > PIVOT * filled.amax(-1))
    if bool(hard.any()):
        trace[hard], rank[hard] = _by_eigenvalues(total[hard], means[hard], cut, idle[hard].sum(-1))
    return trace, rank


def _by_eigenvalues(total: Tensor, means: Tensor, cut: float, idle: Tensor) -> tuple[Tensor, Tensor]:
    """`trace_ratio` from the eigenvalues; of the rank, `idle` directions are not counted."""
    values, vectors = torch.linalg.eigh(total)
    kept = values > cut * values[..., -1:]
    between = (means @ vectors).square().sum(-2)  # the diagonal of VᵀBV
    trace = torch.where(kept, between / torch.where(kept, values, 1.0), 0.0).sum(-1)
    return trace, (kept.sum(-1) - idle).double()
