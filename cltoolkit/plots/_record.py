"""What plots read of a Run, and how runs are grouped."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

REFERENCES = ("finetune", "joint", "separate")


class Record(Protocol):
    """A Run, or anything with these of its attributes."""

    @property
    def accuracy(self) -> NDArray[np.float64]: ...  # (T + 1, T)
    @property
    def curves(self) -> dict[str, NDArray[Any]]: ...
    @property
    def anytime(self) -> dict[str, NDArray[Any]]: ...
    @property
    def name(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def task_names(self) -> Sequence[str]: ...


def title(run: Record) -> str:
    """Which run it is, for headings."""
    return f"{run.name}, seed {run.seed}"


def groups(runs: Iterable[Record]) -> dict[str, list[Record]]:
    """Runs by learner, in order of first appearance: those of one learner differ by their seeds."""
    found: dict[str, list[Record]] = {}
    for run in runs:
        found.setdefault(run.name, []).append(run)
    if not found:
        raise ValueError("no runs came: give at least one Run")
    return found


def is_reference(name: str) -> bool:
    """Whether a learner is one that others are measured against."""
    return name.lower() in REFERENCES


def mean_and_interval(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean over seeds and half the 95 % t-interval of that mean.

    Args:
        values: `(seeds, ...)`; unknown ones (NaN) are left out.

    Returns:
        Two arrays of shape `(...)`; the mean is NaN of no value, the half-width is NaN of fewer than two.
    """
    from scipy.stats import t

    known = ~np.isnan(values)
    n = known.sum(0)
    center = np.where(n > 0, np.where(known, values, 0).sum(0) / np.maximum(n, 1), np.nan)
    squares = np.where(known, (values - center) ** 2, 0).sum(0)
    degrees = np.maximum(n - 1, 1)
    half = t.ppf(0.975, degrees) * np.sqrt(squares / degrees / np.maximum(n, 1))
    return center, np.where(n > 1, half, np.nan)
