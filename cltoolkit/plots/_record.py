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
