"""Two learners under the same seeds: does one do better, and how sure is that?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ._inputs import Array, Configured, Record
from ._interval import mean_and_interval
from ._table import table


@dataclass(frozen=True, eq=False)
class Difference:
    """A measure of one learner less that of another, pair by pair.

    Attributes:
        values: `(n,)`, one for each pair.
        low: lower end of the interval for the mean; NaN for a single pair.
        high: upper end.
        level: of the interval.
        measure: a name of `metrics.table`, or "" for plain numbers.
    """

    values: Array
    low: float
    high: float
    level: float
    measure: str = ""

    @property
    def mean(self) -> float:
        """The mean difference."""
        return float(self.values.mean())

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0, so that the sign is known at this level."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return f"{self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}] over {len(self.values)} pairs"


def paired_difference(
    runs: Sequence[Record | float], against: Sequence[Record | float], *, measure: str = "acc", level: float = 0.95
) -> Difference:
    """The mean of x_i − y_i over pairs, with Student's interval: mean ± t_{n−1} s / √n.

    What a seed does to both (data, order, initial weights) cancels within its pair. The interval is that of normally
    distributed differences; over a handful of seeds it is wide, and says so.

    Args:
        runs: one for each seed; or plain numbers.
        against: those of the other learner, under the same seeds, in the same order.
        measure: a name of `metrics.table`.
        level: the share of such intervals that hold the true mean.

    Raises:
        ValueError: if the numbers or seeds of runs differ, or the measure is unknown.

    Example:
        >>> print(paired_difference([0.91, 0.93, 0.92], [0.90, 0.91, 0.91]))
        +0.0133 [-0.0010, +0.0277] over 3 pairs
    """
    if len(runs) != len(against) or not len(runs):
        raise ValueError(f"expected pairs; got {len(runs)} runs against {len(against)}")
    seeds = [[_seed(run) for run in group] for group in (runs, against)]
    if seeds[0] != seeds[1]:
        raise ValueError(f"expected the same seeds in the same order; got {seeds[0]} against {seeds[1]}")
    values = np.array([_value(a, measure) - _value(b, measure) for a, b in zip(runs, against, strict=True)])
    mean, half = float(values.mean()), float(mean_and_interval(values, level=level)[1])
    plain = not isinstance(runs[0], Record)
    return Difference(values, mean - half, mean + half, level, "" if plain else measure)


def _seed(run: Record | float) -> int | None:
    """The seed of a run that knows its own."""
    return run.config.get("seed") if isinstance(run, Configured) else None


def _value(run: Record | float, measure: str) -> float:
    if not isinstance(run, Record):
        return float(run)
    values = table(run)
    if measure not in values:
        raise ValueError(f"expected a measure among {', '.join(values)}; got {measure!r}")
    return values[measure]
