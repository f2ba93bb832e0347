"""How fast a task is learned."""

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["steps_to"]


def steps_to(values: ArrayLike, steps: ArrayLike, share: float = 0.9) -> float:
    """The first step at which a curve reaches a share of its final value: min {s : v(s) ≥ share · v(last)}.

    Args:
        values: `(E,)`, accuracy on one task (or any score ≥ 0 of which more is better) while it is learned; the last
            known one is the final value. Unknown ones (NaN) are left out.
        steps: `(E,)`, steps done by then, in order of time.
        share: of the final value, above 0 and at most 1.

    Returns:
        Steps; NaN if no value is known.

    Raises:
        ValueError: if the lengths differ, steps go back, or `share` is out of range.

    Example:
        >>> steps_to([0.5, 0.7, 0.88, 0.9], steps=[10, 20, 30, 40])
        30.0
    """
    v, s = np.asarray(values, dtype=np.float64), np.asarray(steps, dtype=np.float64)
    if v.shape != s.shape or v.ndim != 1:
        raise ValueError(f"`values` and `steps` must be of one length, (E,); got {v.shape} and {s.shape}")
    if not (np.diff(s) >= 0).all():
        raise ValueError(f"`steps` must be numbers in order of time; got {s.tolist()}")
    if not 0 < share <= 1:
        raise ValueError(f"`share` of the final value must be above 0 and at most 1; got {share}")
    known = ~np.isnan(v)
    if not known.any():
        return float("nan")
    v, s = v[known], s[known]
    return float(s[np.argmax(v >= share * v[-1])])
