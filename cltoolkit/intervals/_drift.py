"""What a task's certificate is worth after its box has moved, when its data are gone."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from ..params import Stateless
from ..tasks import Data
from ._boxes import Bounds, as_dtype, inflate
from ._passes import bounding, surviving

__all__ = ["DRIFTS", "certified_at", "certified_curve"]

DRIFTS: tuple[float, ...] = (0.0, *(float(f"{10 ** (k / 3 - 7):.1e}") for k in range(22)))  # 1e-7 to 1, 3 a decade


def certified_curve(
    net: nn.Module | Stateless,
    bounds: Bounds,
    data: Data,
    units: Sequence[int] | None = None,
    drifts: Sequence[float] = DRIFTS,
    *,
    dtype: torch.dtype = torch.float64,
    rigorous: bool = True,
    batch_size: int = 1000,
    elided: bool = True,
) -> NDArray[np.float64]:
    """Certified accuracy of Θ ⊕ δ for each δ: what the box could bear, taken while its data exist.

    If a box later lies in Θ ⊕ δ, as `drift` tells, its certified accuracy is at least that at δ: a certificate without
    data. An example that is not certified at one δ is not at a larger one, so each pass runs over those that are left;
    the cost is that of at most `len(drifts)` passes over the data.

    Args:
        net: the network, a module as it is written or a `Stateless`.
        bounds: name → IntervalTensor, or a plain tensor for what is exact and never moves.
        data: the task's examples.
        units: the output units that may answer; all by default.
        drifts: increasing, each ≥ 0.
        dtype: float64 or float32.
        rigorous: whether bounds cover the rounding of their own computation.
        batch_size: examples per pass.
        elided: whether the last layer is elided.

    Returns:
        `(len(drifts),)`, fractions that never rise.

    Raises:
        ValueError: if the drifts do not increase, there are no examples, or the bounds do not fit the network.

    Example:
        >>> from cltoolkit.intervals import IntervalTensor
        >>> from cltoolkit.tasks import Examples
        >>> bounds = {"weight": IntervalTensor(torch.tensor([[1.0], [-1.0]]), torch.full((2, 1), 0.1))}
        >>> data = Examples(torch.tensor([[1.0], [2.0]]), torch.tensor([0, 0]))
        >>> certified_curve(nn.Linear(1, 2, bias=False), bounds, data, drifts=(0.0, 0.5, 1.0))
        array([1., 1., 0.])
    """
    grid = np.asarray(drifts, dtype=float)
    if not len(grid) or not (grid >= 0).all() or not (np.diff(grid) > 0).all():
        raise ValueError(f"expected drifts ≥ 0 that increase; got {tuple(drifts)}")
    net, how = bounding(net, bounds, data, units, dtype=dtype, rigorous=rigorous, batch_size=batch_size, elided=elided)
    start = as_dtype(bounds, dtype, rigorous)
    every = surviving(net, (inflate(start, float(delta)) for delta in grid), data, how)
    return np.array([float(certified.double().mean()) for certified in every])


def certified_at(curve: ArrayLike, drifts: Sequence[float], drift: float) -> float:
    """The certified accuracy that a curve vouches for at some drift: its value at the next point of the grid.

    Args:
        curve: `(g,)`, of `certified_curve`.
        drifts: `(g,)`, its grid.
        drift: δ ≥ 0.

    Returns:
        The value at the least grid point ≥ δ; 0 beyond the grid, and for a drift that is not a number.

    Raises:
        ValueError: if curve and grid differ in length, or δ is negative.

    Example:
        >>> [certified_at([0.9, 0.8, 0.1], (0.0, 1e-3, 1e-2), delta) for delta in (0.0, 1e-6, 5e-3, 1.0)]
        [0.9, 0.8, 0.1, 0.0]
    """
    values, grid = np.asarray(curve, dtype=float), np.asarray(drifts, dtype=float)
    if values.shape != grid.shape:
        raise ValueError(f"expected one value per drift; got {values.shape} values and {grid.shape} drifts")
    if drift < 0:
        raise ValueError(f"expected a drift of at least 0; got {drift!r}")
    place = int(np.searchsorted(grid, drift))
    return float(values[place]) if place < len(grid) and not np.isnan(drift) else 0.0
