"""What may come in as distances and points: arrays and tensors, checked once at the door."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

__all__ = ["Array", "array", "distance_matrix", "named"]

Array = NDArray[np.float64]


def array(values: ArrayLike | Tensor) -> Array:
    """Two-dimensional, float64, finite, on the CPU."""
    given = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
    out: Array = np.asarray(given, dtype=np.float64)
    if out.ndim != 2 or 0 in out.shape:
        raise ValueError(f"expected a matrix with a row for each task; got shape {out.shape}")
    if not np.isfinite(out).all():
        row, column = np.argwhere(~np.isfinite(out))[0]
        raise ValueError(
            f"expected finite values; row {row}, column {column} holds {out[row, column]}. "
            "Leave out tasks that have not been compared with all others."
        )
    return out


def distance_matrix(values: ArrayLike | Tensor, name: str = "distances") -> Array:
    """Square and symmetric; rounding errors of symmetry are taken out."""
    out = array(values)
    if out.shape[0] != out.shape[1]:
        raise ValueError(f"expected {name} (T, T) between tasks; got shape {out.shape}")
    if not np.allclose(out, out.T, rtol=1e-6, atol=1e-9 * float(np.abs(out).max())):
        i, j = np.unravel_index(int(np.abs(out - out.T).argmax()), out.shape)
        raise ValueError(
            f"expected symmetric {name}; got {out[i, j]:.6g} from {i} to {j} and {out[j, i]:.6g} back. "
            "Take (D + D.T) / 2, or `score_distances` of a transfer matrix."
        )
    return (out + out.T) / 2


def named(names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    """A name for each task; numbers from 0 by default."""
    chosen = tuple(str(t) for t in range(count)) if names is None else tuple(names)
    if len(chosen) != count:
        raise ValueError(f"expected a name for each of {count} tasks; got {len(chosen)}: {', '.join(chosen)}")
    return chosen
