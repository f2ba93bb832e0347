"""The H-embedding: the point at given distances, up to one common scale, from the embeddings of earlier tasks."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ._adam import adam
from ._least_squares import least_squares
from ._normalizers import target_distances

__all__ = ["SOLVERS", "Placement", "h_embedding", "place", "placement_loss"]

SOLVERS = ("least_squares", "adam")


@dataclass(frozen=True, eq=False)
class Placement:
    """Where a task should lie, and how well that can be said.

    Attributes:
        embedding: ê, `(d,)` float64 on the CPU, as all tensors here.
        scale: γ > 0, what target distances are multiplied by.
        targets: d_n, `(n,)`, the target distances before scaling.
        distances: ‖ê − e_n‖, `(n,)`.
        residuals: ‖ê − e_n‖ − γ d_n, `(n,)`.
        steps: evaluations of the objective ("least_squares"), or steps ("adam").
        solver: "least_squares" or "adam".
        history: `(steps, 2)`, loss and γ before each step ("adam" alone).
    """

    embedding: Tensor
    scale: float
    targets: Tensor
    distances: Tensor
    residuals: Tensor
    steps: int
    solver: str
    history: Tensor | None = None

    @property
    def residual(self) -> float:
        """The largest |residual|: 0 where all distances can be had at once."""
        return float(self.residuals.abs().max())

    def __repr__(self) -> str:
        return (
            f"Placement({len(self.targets)} tasks, {len(self.embedding)} dimensions, scale {self.scale:.4g}, "
            f"residual {self.residual:.2g}, {self.solver})"
        )


def place(
    targets: Tensor,
    embeddings: Tensor,
    *,
    near: Tensor | None = None,
    solver: str = "least_squares",
    seed: int = 0,
    steps: int = 2000,
    lr: float = 1e-3,
) -> Placement:
    """The embedding and scale that fit target distances best: minimize Σ_n (‖ê − e_n‖ − γ d_n)² over ê and γ > 0.

    "least_squares" trilaterates, then refines by Levenberg–Marquardt in float64. No number is drawn. Squared, less
    their mean over n, the equations ‖ê − e_n‖² = γ² d_n² are linear in (ê, γ²), and the mean itself is one quadratic
    equation. Up to n = d + 1 they leave a whole family of exact solutions, if any; of these it takes *the one nearest
    to `near`*. By default that is the mean of the e_n: the solution then lies in their affine span and has the smallest
    scale, between the tasks rather than beside them. Either way ê moves with rotations, shifts, rescaling and
    reordering. For e_n in special position (three on a line, say) exact solutions may lie off the span on either side
    of it: the side of `near` is taken, or else a fixed direction.

    "adam" is the published procedure: ê starts in U[0, 1]^d, γ at 1, and Adam minimizes Σ_n |γ d_n − ‖ê − e_n‖|.
    Where it ends depends on `seed`, and it need not have converged.

    With one task, or all e_n in one point, any γ fits and 0 fits best; γ is then 1: the target distances count as they
    are (their mean, for several tasks), in the direction (1, …, 1).

    Args:
        targets: d_n, `(n,)`, not negative, not all 0; see `target_distances`.
        embeddings: e_n, `(n, d)`, constants.
        near: `(d,)`, which exact solution "least_squares" takes; by default the one nearest the mean of the e_n.
        solver: "least_squares" or "adam".
        seed: draws where "adam" starts.
        steps: of "adam".
        lr: step size of "adam".

    Returns:
        The placement, with its residuals.

    Raises:
        ValueError: if a shape does not fit, a value is not finite, or no positive target is given.

    References:
        Wu et al., Exploiting Task Relationships in Continual Learning via Transferability-Aware Task Embeddings,
        NeurIPS 2025, arXiv 2502.11609. "adam": the code published with an earlier version of it.

    Example:
        >>> known = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
        >>> place(torch.tensor([1.0, 1.0, 1.0]), known).embedding           # as far from each: the circumcenter
        tensor([2.0000, 2.0000], dtype=torch.float64)
    """
    targets, embeddings = _checked(targets, embeddings)
    if solver == "adam":
        embedding, scale, history = adam(targets, embeddings, seed=seed, steps=steps, lr=lr)
        return _placement(embedding, scale, targets, embeddings, solver, steps, history)
    if solver == "least_squares":
        embedding, scale, evaluations = least_squares(targets, embeddings, _checked_point(near, embeddings))
        return _placement(embedding, scale, targets, embeddings, solver, evaluations, None)
    raise ValueError(f"unknown solver {solver!r}; choose from {', '.join(SOLVERS)}")


def h_embedding(
    scores: Tensor,
    embeddings: Tensor,
    *,
    normalizer: str = "ahp",
    near: Tensor | None = None,
    solver: str = "least_squares",
    seed: int = 0,
) -> Placement:
    """The H-embedding of a new task: `place` at the distances that transferability scores ask for.

    Args:
        scores: `(n,)`, of the earlier tasks for the new one; larger means easier transfer.
        embeddings: `(n, d)`, of the earlier tasks.
        normalizer: from scores to distances; see `target_distances`.
        near: see `place`.
        solver: see `place`.
        seed: see `place`.

    Returns:
        The placement; its `embedding` is the H-embedding ê.

    Raises:
        ValueError: as `target_distances` and `place`.

    References:
        Wu et al., Exploiting Task Relationships in Continual Learning via Transferability-Aware Task Embeddings,
        NeurIPS 2025, arXiv 2502.11609.

    Example:
        >>> known = torch.tensor([[0.0, 0.0], [4.0, 0.0]])
        >>> h_embedding(torch.tensor([3.0, 1.0]), known).distances          # nearer the task that helps more
        tensor([1.5102, 2.4898], dtype=torch.float64)
    """
    return place(target_distances(scores, normalizer), embeddings, near=near, solver=solver, seed=seed)


def placement_loss(embedding: Tensor, scale: Tensor | float, targets: Tensor, embeddings: Tensor) -> Tensor:
    """What `place` minimizes, Σ_n (‖ê − e_n‖ − γ d_n)², differentiable everywhere: ‖x‖ is √(‖x‖² + 10⁻¹²).

    Args:
        embedding: ê, `(d,)`.
        scale: γ.
        targets: d_n, `(n,)`.
        embeddings: e_n, `(n, d)`.

    Returns:
        Scalar.

    Example:
        >>> placement_loss(torch.zeros(2), 1.0, torch.tensor([3.0]), torch.tensor([[3.0, 4.0]]))
        tensor(4.)
    """
    distances = (torch.linalg.vecdot(embedding - embeddings, embedding - embeddings) + 1e-12).sqrt()
    return (distances - scale * targets).square().sum()


def _placement(
    embedding: Tensor,
    scale: float,
    targets: Tensor,
    embeddings: Tensor,
    solver: str,
    steps: int,
    history: Tensor | None,
) -> Placement:
    distances = torch.linalg.vector_norm(embedding - embeddings, dim=1)
    return Placement(embedding, scale, targets, distances, distances - scale * targets, steps, solver, history)


def _checked(targets: Tensor, embeddings: Tensor) -> tuple[Tensor, Tensor]:
    """Both in float64 on the CPU."""
    d = torch.as_tensor(targets).detach().to("cpu", torch.float64)
    e = torch.as_tensor(embeddings).detach().to("cpu", torch.float64)
    if d.ndim != 1 or e.ndim != 2 or len(d) != len(e) or 0 in e.shape:
        raise ValueError(
            f"expected targets (n,) and embeddings (n, d) of at least one earlier task; "
            f"got shapes {tuple(d.shape)} and {tuple(e.shape)}"
        )
    if not bool(torch.isfinite(d).all() and torch.isfinite(e).all()):
        raise ValueError("expected finite targets and embeddings; got NaN or infinity among them")
    if bool((d < 0).any()) or not bool(d.any()):
        raise ValueError(
            f"expected target distances of at least 0, not all 0; got {d.min():.3g} to {d.max():.3g}. "
            "Make them from scores with `target_distances`."
        )
    return d, e


def _checked_point(near: Tensor | None, embeddings: Tensor) -> Tensor | None:
    """`(d,)` in float64 on the CPU."""
    if near is None:
        return None
    point = torch.as_tensor(near).detach().to("cpu", torch.float64)
    if point.shape != embeddings.shape[1:] or not bool(torch.isfinite(point).all()):
        raise ValueError(
            f"expected near ({embeddings.shape[1]},) of finite numbers, a point among the embeddings; got shape "
            f"{tuple(point.shape)}"
        )
    return point
