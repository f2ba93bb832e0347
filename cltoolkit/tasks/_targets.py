"""What is to be answered: labels, which name output units, or real-valued targets, which outputs should equal."""

import torch
from torch import Tensor

__all__ = ["checked", "r_squared", "squared_error"]


def checked(y: Tensor) -> Tensor:
    """Labels as `(n,)` int64, or targets `(n, k)` as they are; or an error that says what was given."""
    if y.is_floating_point() and y.ndim == 2:
        return _targets(y)
    if y.ndim != 1 or y.is_floating_point() or y.is_complex():
        raise ValueError(
            "expected labels as a one-dimensional tensor of whole numbers, or real-valued targets as floats (n, k); "
            f"got shape {tuple(y.shape)} of {y.dtype}. "
            "One-hot labels become labels by y.argmax(1), one number for each example a target by y[:, None]."
        )
    if len(y) and int(y.min()) < 0:
        raise ValueError(f"expected labels counted from 0; the smallest is {int(y.min())}")
    return y.to(torch.int64)


def _targets(y: Tensor) -> Tensor:
    if y.shape[1] == 0:
        raise ValueError(f"expected at least one number for each example; got targets of shape {tuple(y.shape)}")
    finite = torch.isfinite(y).all(1)
    if not bool(finite.all()):
        raise ValueError(
            f"expected finite targets; that of example {int((~finite).nonzero()[0, 0])} holds NaN or infinity "
            f"(of {len(y)}). Remove such examples before building the task."
        )
    return y


def squared_error(outputs: Tensor, y: Tensor) -> Tensor:
    """Σ_c (z_c − y_c)² of every example.

    Args:
        outputs: `(*, m)`, m ≥ k; outputs beyond the first k mean nothing.
        y: `(*, k)`, targets.

    Returns:
        `(*,)`.

    Example:
        >>> squared_error(torch.tensor([[1.0, 2.0, 9.0]]), torch.tensor([[0.0, 4.0]]))
        tensor([5.])
    """
    return (outputs[..., : y.shape[-1]] - y).square().sum(-1)


def r_squared(error: Tensor, y: Tensor) -> Tensor:
    """The coefficient of determination R² = 1 − SSE / SST, SST = Σ_n |y_n − ȳ|²: the share of the spread explained.

    1 is perfect, 0 no better than their mean for every example, and there is no least value. Where all targets are the
    same there is nothing to explain: R² is then 1 without any error, else 0.

    Args:
        error: SSE, a scalar: `squared_error` summed over the examples.
        y: `(n, k)`, targets.

    Returns:
        Scalar, float64; nothing waits for the device.

    Example:
        >>> y = torch.tensor([[0.0], [2.0]])
        >>> [float(r_squared(squared_error(z * torch.ones(2, 1), y).sum(), y)) for z in (1.0, 3.0)]
        [0.0, -4.0]
    """
    targets, error = y.double(), error.double()
    spread = (targets - targets.mean(0)).square().sum()
    return torch.where(spread > 0, 1 - error / spread.clamp_min(torch.finfo(torch.float64).tiny), (error == 0).double())
