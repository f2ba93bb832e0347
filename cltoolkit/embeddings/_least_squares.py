"""Trilateration with an unknown scale, refined by Levenberg–Marquardt: deterministic, and equivariant to motions."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["least_squares"]

Array = NDArray[np.float64]

RANK = 1e-9  # singular values below this fraction of the largest count as 0
EXACT = 1e-9  # as do residuals of the equations below this
TINY = 1e-15  # relative change at which a search ends
FAR = 1e6  # no search starts farther off, in units of the distances between the e_n
FLOOR = 1e-300  # under a division by a distance


def least_squares(targets: Tensor, embeddings: Tensor, near: Tensor | None) -> tuple[Tensor, float, int]:
    """Minimizes Σ_n (‖ê − e_n‖ − γ d_n)².

    For affinely independent e_n the search may stay in their affine span, unless an exact solution is wanted `near` a
    point outside: at a minimum outside it, Σ_n r_n (ê − e_n) / ‖ê − e_n‖ = 0 is an affine dependency of the e_n, hence
    all residuals r_n are 0.

    Args:
        targets: d_n, `(n,)` float64, not all 0.
        embeddings: e_n, `(n, d)` float64.
        near: `(d,)` float64, which of several exact solutions is taken; the mean of the e_n if None.

    Returns:
        ê `(d,)`, γ, and the number of evaluations.
    """
    d, e = targets.numpy(), embeddings.numpy()
    frame = _Frame.of(e)
    if frame.rank == 0:
        step = d.mean() * np.full(e.shape[1], e.shape[1] ** -0.5)
        return torch.from_numpy(e.mean(0) + step), 1.0, 0
    unit = float(np.sqrt(np.mean(d**2)))
    anchor = frame.seen(frame.origin if near is None else near.numpy())
    start = _trilaterate(d / unit, frame.points, anchor, flat=frame.rank == e.shape[1])
    if start.height > 0:
        embedding = frame.back(start.points[0], start.height * anchor.upwards(frame))
        return torch.from_numpy(embedding), start.scale * frame.size / unit, 0
    best = _search(start.points, d / unit, frame.points)
    scale = float(np.exp(best.z[-1])) * frame.size / unit
    return torch.from_numpy(frame.back(best.z[:-1])), scale, best.evaluations


@dataclass(frozen=True, eq=False)
class _Frame:
    """Coordinates in the affine span of the e_n: their mean is the origin, their root mean square distance to it 1."""

    origin: Array  # (d,)
    axes: Array  # (r, d), orthonormal
    size: float
    points: Array  # (n, r)

    @classmethod
    def of(cls, embeddings: Array) -> "_Frame":
        origin = embeddings.mean(0)
        left, values, axes = np.linalg.svd(embeddings - origin, full_matrices=False)
        floor = RANK * max(float(values[0]), float(np.abs(embeddings).max()) * 1e-3)
        rank = int((values > floor).sum())
        size = float(np.linalg.norm(values[:rank]) / np.sqrt(len(embeddings))) if rank else 1.0
        return cls(origin, axes[:rank], size, left[:, :rank] * values[:rank] / size)

    @property
    def rank(self) -> int:
        return len(self.axes)

    def seen(self, point: Array) -> "_Anchor":
        """A point `(d,)` in these coordinates."""
        away = (point - self.origin) / self.size
        inside = self.axes @ away
        return _Anchor(inside, away - inside @ self.axes)

    def back(self, point: Array, outside: Array | float = 0.0) -> Array:
        """The embedding `(d,)` of a point in the span, moved by `outside`, `(d,)` off the span."""
        embedding: Array = self.origin + self.size * (point @ self.axes + outside)
        return embedding

    def normal(self) -> Array:
        """A direction off the span: the coordinate axis that stands out most from it, less its part inside."""
        outside = np.eye(len(self.origin)) - self.axes.T @ self.axes
        normal: Array = outside[int(outside.diagonal().argmax())]
        return normal / np.linalg.norm(normal)


@dataclass(frozen=True, eq=False)
class _Anchor:
    """The point that a solution should be near: its part in the span `(r,)`, and what stands off it `(d,)`."""

    inside: Array
    outside: Array

    @property
    def height(self) -> float:
        """How far it is off the span."""
        height = float(np.linalg.norm(self.outside))
        return height if height > RANK * (1 + float(np.linalg.norm(self.inside))) else 0.0

    def upwards(self, frame: _Frame) -> Array:
        """The direction off the span that it stands in; any, if it lies in the span."""
        return self.outside / self.height if self.height else frame.normal()


@dataclass(frozen=True, eq=False)
class _Start:
    """Where trilateration ends: points of the span to search from, the best first, and γ and the height above it.

    A height comes with an exact solution off the span, and there is nothing left to search.
    """

    points: list[Array]
    scale: float = 1.0
    height: float = 0.0


def _trilaterate(d: Array, x: Array, anchor: _Anchor, *, flat: bool) -> _Start:
    """Solves ‖p − x_n‖² + h² = s d_n² for p, s = γ² and the height h off the span, as well as can be.

    With Σ x_n = 0, mean ‖x_n‖² = 1 and mean d_n² = 1, the equations less their mean are 2 x_n·p + s (d_n² − 1) =
    ‖x_n‖² − 1, and the mean says h² = s − ‖p‖² − 1. The first give p = a + s b, and s too if they are more than the
    dimensions of the span. Otherwise a family of solutions is left, one for every s with h² ≥ 0, and the one nearest
    the anchor is taken. (`flat`: the span is the whole space, and leaves no room for h.)
    """
    wanted = np.stack([(x**2).sum(1) - 1, 1 - d**2], 1)  # (n, 2): constant part, and factor of s
    solved = np.linalg.lstsq(2 * x, wanted, rcond=None)[0]
    a, b = solved.T
    missed, missed_s = (wanted - 2 * x @ solved).T  # what no p can do
    tied, free = float(missed_s @ missed_s), _nearest(a, b, anchor, flat=flat)
    s = -float(missed @ missed_s) / tied if tied > EXACT**2 * len(x) else free
    p, room = a + s * b, max(1.0, s) * EXACT
    square = s - float(p @ p) - 1
    exact = s > 0 and bool(np.abs(missed + s * missed_s).max() <= EXACT)
    if exact and square > room and not flat:
        return _Start([p], s**0.5, square**0.5)
    if exact and abs(square) <= room:
        return _Start([p])
    first, rho = _first_root(a, b)
    last = first + 2 * rho / max(float(b @ b), FLOOR)  # where the other, farther minimum may be
    roots = [root for root in dict.fromkeys((first, last)) if root * np.abs(b).max() < FAR]
    return _Start([p, *(a + root * b for root in roots), np.zeros(x.shape[1])])


def _nearest(a: Array, b: Array, anchor: _Anchor, *, flat: bool) -> float:
    """The s whose solution p = a + s b, at height h(s) = √(s − ‖p‖² − 1), is nearest the anchor.

    With q and k the anchor's part in the span and its height, ‖p − q‖² + (h − k)² = c s − 2 k h(s) + const with c = 1 −
    2 b·q, which is convex in s, as h is concave. From the smaller root s₁ of h² on, at t = s − s₁, it is h² = 2 ρ t − β
    t² with β = ‖b‖² and ρ half the slope at s₁, and the minimum is where c h = 2 k (ρ − β t).

    Where no s has h² ≥ 0, it is what `_first_root` gives.
    """
    first, rho = _first_root(a, b)
    square = float(b @ b)
    if rho == 0:
        return first
    c, twice = 1 - 2 * float(b @ anchor.inside), 2 * anchor.height
    if flat or twice == 0:
        return first if c >= 0 else first + 2 * rho / square
    size = (c**2 + twice**2 * square) ** 0.5
    return first + rho * (twice**2 / (size * (size + c)) if c >= 0 else (1 - c / size) / square)


def _first_root(a: Array, b: Array) -> tuple[float, float]:
    """s₁, the smaller root of h², and ρ, half the slope there; the other root is s₁ + 2 ρ / ‖b‖².

    Where h² has no root, the s that comes nearest to one, or 0 if hopeless, and ρ = 0.
    """
    half, constant, square = 0.5 - float(a @ b), 1 + float(a @ a), float(b @ b)
    inside = half**2 - square * constant
    if half <= 0:
        return 0.0, 0.0
    if inside < 0:
        return half / square, 0.0
    return constant / (half + inside**0.5), inside**0.5


@dataclass(frozen=True, eq=False)
class _Fit:
    """A local minimum of the squares of residuals, at z = (p, log γ)."""

    z: Array
    cost: float
    evaluations: int
    converged: bool


def _search(starts: list[Array], d: Array, x: Array) -> _Fit:
    """The best of what Levenberg–Marquardt finds from some points of the span: it may have a near and a far minimum."""
    fits = [_levenberg_marquardt(point, d, x) for point in starts]
    best = min(fits, key=lambda fit: fit.cost)
    if not best.converged:
        best = _newton(best.z, d, x)
        fits.append(best)
    return replace(best, evaluations=sum(fit.evaluations for fit in fits))


def _levenberg_marquardt(point: Array, d: Array, x: Array) -> _Fit:
    """From `point` and the scale that fits it best. Quick where residuals end near 0, however narrow the valley."""
    from scipy import optimize

    residuals, jacobian = _residuals(d, x), _jacobian(d, x)
    scale = max(float(d @ _distances(point, x)) / float(d @ d), 1e-12)
    found: Any = optimize.least_squares(
        residuals, np.append(point, np.log(scale)), jacobian, method="lm", max_nfev=200, ftol=TINY, xtol=TINY, gtol=TINY
    )
    return _Fit(found.x, float(found.cost), int(found.nfev), found.status > 0)


def _newton(z: Array, d: Array, x: Array) -> _Fit:
    """By second derivatives, from `z`. Quick where residuals stay, which is where Levenberg–Marquardt creeps."""
    from scipy import optimize

    residuals, jacobian = _residuals(d, x), _jacobian(d, x)

    def value(z: Array) -> tuple[float, Array]:
        r = residuals(z)
        return 0.5 * float(r @ r), r @ jacobian(z)

    found: Any = optimize.minimize(
        value, z, method="trust-exact", jac=True, hess=_hessian(d, x), options={"gtol": 1e-12, "maxiter": 200}
    )
    return _Fit(found.x, float(found.fun), int(found.nfev), bool(found.success))


def _residuals(d: Array, x: Array) -> Callable[[Array], Array]:
    """‖p − x_n‖ − γ d_n, `(n,)`."""
    return lambda z: _distances(z[:-1], x) - np.exp(z[-1]) * d


def _jacobian(d: Array, x: Array) -> Callable[[Array], Array]:
    """Its derivative in z, `(n, r + 1)`."""
    return lambda z: np.column_stack([_toward(z[:-1], x), -np.exp(z[-1]) * d])


def _hessian(d: Array, x: Array) -> Callable[[Array], Array]:
    """Of half the sum of squares, `(r + 1, r + 1)`: JᵀJ + Σ_n r_n ∇²r_n."""
    residuals, jacobian = _residuals(d, x), _jacobian(d, x)

    def hessian(z: Array) -> Array:
        r, toward = residuals(z), _toward(z[:-1], x)
        bent = r / np.maximum(_distances(z[:-1], x), FLOOR)  # ∇²‖p − x‖ = (I − u uᵀ) / ‖p − x‖
        H = jacobian(z).T @ jacobian(z)
        H[:-1, :-1] += bent.sum() * np.eye(x.shape[1]) - (toward * bent[:, None]).T @ toward
        H[-1, -1] -= float(r @ d) * np.exp(z[-1])
        return H

    return hessian


def _distances(point: Array, x: Array) -> Array:
    distances: Array = np.linalg.norm(point - x, axis=1)
    return distances


def _toward(point: Array, x: Array) -> Array:
    """Unit vectors `(n, r)` from the x_n to the point; 0 where they meet."""
    toward: Array = (point - x) / np.maximum(_distances(point, x), FLOOR)[:, None]
    return toward
