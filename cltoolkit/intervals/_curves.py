"""Accuracy against the size of a box: where its certificate breaks, and what an attack makes of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..params import Stateless
from ..tasks import Data
from ._attack import attack
from ._boxes import Bounds, as_dtype, scaled, widths
from ._certify import middle
from ._passes import Bounding, answers, bounding, margins_of, surviving

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AccuracyCurves", "accuracy_curves", "breaking_radii", "breaking_radius"]

FACTOR = 4.0  # by which the search for a scale goes up and down, before it bisects
WIDEST = 10  # how often, at most


@dataclass(frozen=True, eq=False)
class AccuracyCurves:
    """Accuracy over boxes ⟨c, α r⟩ of growing scale α: certified ≤ attacked ≤ clean at each.

    Attributes:
        scales: `(g,)`, α.
        clean: accuracy of the center, the same for all.
        certified: `(g,)`, below which no network of the box falls.
        attacked: `(g,)`, the least accuracy found in the box or a smaller one; NaN without an attack.
        width: median width of the weights' intervals at α = 1.
    """

    scales: NDArray[np.float64]
    clean: float
    certified: NDArray[np.float64]
    attacked: NDArray[np.float64]
    width: float

    def to_frame(self) -> "pd.DataFrame":
        """One row per scale, as `plots.certified_by_radius` draws it."""
        import pandas as pd

        columns = {"scale": self.scales, "clean": self.clean, "certified": self.certified, "attacked": self.attacked}
        return pd.DataFrame(columns)

    def __repr__(self) -> str:
        return f"AccuracyCurves({len(self.scales)} scales from {self.scales[0]:.3g} to {self.scales[-1]:.3g})"


def breaking_radius(
    net: nn.Module | Stateless,
    bounds: Bounds,
    data: Data,
    units: Sequence[int] | None = None,
    *,
    share: float = 0.9,
    steps: int = 12,
    dtype: torch.dtype = torch.float64,
    rigorous: bool = True,
    batch_size: int = 1000,
    elided: bool = True,
) -> float:
    """The scale α of the radii at which a certificate breaks: beyond it, too little of the accuracy is certified.

    A smaller box is never certified worse, so the scale is found by bisection: first up or down from 1 by factors of
    4, at most 10 of them, then `steps` times between. Each takes an interval pass over the data.

    Args:
        net: the network, a module as it is written or a `Stateless`.
        bounds: every parameter and buffer by name.
        data: the examples.
        units: the output units that may answer; all by default.
        share: τ in (0, 1]: what must be certified, as a fraction of the accuracy of the center.
        steps: of bisection; the scale is exact to a factor of 4^(2^−steps).
        dtype: float64 or float32.
        rigorous: whether bounds cover the rounding of their own computation.
        batch_size: examples per pass.
        elided: whether the last layer is elided.

    Returns:
        The largest α seen with certified(⟨c, α r⟩) ≥ τ accuracy; 0 if none was seen, infinity if none breaks it.

    Raises:
        ValueError: if the share is not in (0, 1], or the bounds do not fit the network.

    Example:
        >>> from cltoolkit.intervals import IntervalTensor
        >>> from cltoolkit.tasks import Examples
        >>> bounds = {"weight": IntervalTensor(torch.tensor([[1.0], [-1.0]]), torch.full((2, 1), 0.5))}
        >>> data = Examples(torch.tensor([[1.0], [2.0]]), torch.tensor([0, 0]))
        >>> round(breaking_radius(nn.Linear(1, 2, bias=False), bounds, data), 2)  # 1 − 0.5 α > −1 + 0.5 α
        2.0
    """
    if not 0 < share <= 1:
        raise ValueError(f"expected a share in (0, 1]; got {share!r}")
    net, how = bounding(net, bounds, data, units, dtype=dtype, rigorous=rigorous, batch_size=batch_size, elided=elided)
    start = as_dtype(bounds, dtype, rigorous)
    needed = share * _clean(net, bounds, data, how)

    def holds(scale: float) -> bool:
        ahead, _ = margins_of(net, scaled(start, scale), data, how)
        return float((ahead > 0).double().mean()) >= needed

    good, bad = _bracket(holds)
    for _ in range(steps if 0 < good < bad < np.inf else 0):
        between = float(np.sqrt(good * bad))
        good, bad = (between, bad) if holds(between) else (good, between)
    return good


def breaking_radii(
    net: nn.Module | Stateless,
    bounds: Bounds,
    data: Data,
    units: Sequence[int] | None = None,
    *,
    scales: Sequence[float],
    dtype: torch.dtype = torch.float64,
    rigorous: bool = True,
    batch_size: int = 1000,
    elided: bool = True,
) -> NDArray[np.float64]:
    """For every example, the largest scale of the radii on a grid at which it is still certified.

    All examples share one box, so all are tried at each scale; those that fail are not tried again. At most
    `len(scales)` interval passes over the data.

    Args:
        net: the network, a module as it is written or a `Stateless`.
        bounds: every parameter and buffer by name.
        data: the examples.
        units: the output units that may answer; all by default.
        scales: α, increasing, each ≥ 0.
        dtype: float64 or float32.
        rigorous: whether bounds cover the rounding of their own computation.
        batch_size: examples per pass.
        elided: whether the last layer is elided.

    Returns:
        `(n,)`; minus infinity where not even the first scale is certified.

    Raises:
        ValueError: if the scales do not increase, or the bounds do not fit the network.

    Example:
        >>> from cltoolkit.intervals import IntervalTensor
        >>> from cltoolkit.tasks import Examples
        >>> bounds = {"weight": IntervalTensor(torch.tensor([[1.0], [-1.0]]), torch.full((2, 1), 0.5))}
        >>> data = Examples(torch.tensor([[1.0], [-1.0]]), torch.tensor([0, 0]))
        >>> breaking_radii(nn.Linear(1, 2, bias=False), bounds, data, scales=(0.5, 1.0, 3.0))
        array([  1., -inf])
    """
    grid = _grid(scales)
    net, how = bounding(net, bounds, data, units, dtype=dtype, rigorous=rigorous, batch_size=batch_size, elided=elided)
    start = as_dtype(bounds, dtype, rigorous)
    reached = np.full(len(data), -np.inf)
    every = surviving(net, (scaled(start, float(scale)) for scale in grid), data, how)
    for scale, certified in zip(grid, every, strict=True):
        reached[certified.numpy()] = scale
    return reached


def accuracy_curves(
    net: nn.Module | Stateless,
    bounds: Bounds,
    data: Data,
    units: Sequence[int] | None = None,
    *,
    scales: Sequence[float],
    steps: int = 40,
    restarts: int = 2,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    rigorous: bool = True,
    batch_size: int = 1000,
) -> AccuracyCurves:
    """Clean, certified and attacked accuracy over boxes ⟨c, α r⟩ of growing scale α.

    Args:
        net: the network, a module as it is written or a `Stateless`.
        bounds: every parameter and buffer by name.
        data: the examples.
        units: the output units that may answer; all by default.
        scales: α, increasing, each ≥ 0.
        steps: of each attack.
        restarts: of the attack at each scale; 0 for none, which takes most of the time.
        seed: of the attacks.
        dtype: float64 or float32.
        rigorous: whether bounds cover the rounding of their own computation.
        batch_size: examples per pass.

    Returns:
        `AccuracyCurves`.

    Raises:
        ValueError: if the scales do not increase, or the bounds do not fit the network.

    Example:
        >>> from cltoolkit.intervals import IntervalTensor
        >>> from cltoolkit.tasks import Examples
        >>> bounds = {"weight": IntervalTensor(torch.tensor([[1.0], [-1.0]]), torch.full((2, 1), 0.5))}
        >>> data = Examples(torch.tensor([[1.0], [-1.0]]), torch.tensor([0, 0]))
        >>> curves = accuracy_curves(nn.Linear(1, 2, bias=False), bounds, data, scales=(0.0, 1.0, 3.0), steps=5)
        >>> curves.clean, curves.certified, curves.attacked
        (0.5, array([0.5, 0.5, 0. ]), array([0.5, 0.5, 0.5]))
    """
    grid = _grid(scales)
    net, how = bounding(net, bounds, data, units, dtype=dtype, rigorous=rigorous, batch_size=batch_size)
    start = as_dtype(bounds, dtype, rigorous)
    every = surviving(net, (scaled(start, float(scale)) for scale in grid), data, how)
    certified = np.array([float(found.double().mean()) for found in every])
    attacked = np.full(len(grid), np.nan)
    for i, scale in enumerate(grid if restarts else ()):
        attacked[i] = attack(
            net, scaled(start, float(scale)), data, how.units,
            steps=steps, restarts=restarts, seed=seed, batch_size=batch_size, dtype=dtype,
        ).accuracy  # fmt: skip
    attacked = np.minimum.accumulate(attacked)
    return AccuracyCurves(grid, _clean(net, bounds, data, how), certified, attacked, float(widths(bounds)[2]))


def _clean(net: Stateless, bounds: Bounds, data: Data, how: Bounding) -> float:
    """Accuracy of the center."""
    return float(answers(net, {name: middle(value) for name, value in bounds.items()}, data, how).double().mean())


def _bracket(holds: Callable[[float], bool]) -> tuple[float, float]:
    """A scale at which it holds, and a factor above one at which it does not."""
    if holds(1.0):
        for k in range(WIDEST):
            if not holds(FACTOR ** (k + 1)):
                return FACTOR**k, FACTOR ** (k + 1)
        return np.inf, np.inf
    for k in range(WIDEST):
        if holds(FACTOR ** -(k + 1)):
            return FACTOR ** -(k + 1), FACTOR**-k
    return 0.0, FACTOR**-WIDEST


def _grid(scales: Sequence[float]) -> NDArray[np.float64]:
    grid = np.asarray(scales, dtype=float)
    if grid.ndim != 1 or not len(grid) or not (grid >= 0).all() or not (np.diff(grid) > 0).all():
        raise ValueError(f"expected scales ≥ 0 that increase; got {tuple(scales)}")
    return grid
