"""How sure a mean over seeds is."""

import numpy as np

from ._inputs import Array


def mean_and_interval(values: Array, *, level: float = 0.95) -> tuple[Array, Array]:
    """The mean over seeds, and half the width of Student's interval for it: t_{n−1} s / √n.

    Args:
        values: `(seeds, ...)`; unknown ones (NaN) are left out.
        level: the share of such intervals that hold the true mean, if values are normally distributed.

    Returns:
        Two arrays of shape `(...)`; the mean is NaN of no value, the half-width is NaN of fewer than two.

    Example:
        >>> mean, half = mean_and_interval(np.array([0.91, 0.93, 0.92]))
        >>> print(f"{mean:.3f} ± {half:.3f}")
        0.920 ± 0.025
    """
    from scipy.stats import t

    known = ~np.isnan(values)
    n = known.sum(0)
    center = np.where(n > 0, np.where(known, values, 0).sum(0) / np.maximum(n, 1), np.nan)
    squares = np.where(known, (values - center) ** 2, 0).sum(0)
    degrees = np.maximum(n - 1, 1)
    half = t.ppf((1 + level) / 2, degrees) * np.sqrt(squares / degrees / np.maximum(n, 1))
    return center, np.where(n > 1, half, np.nan)
