"""What plots read of a Run, and how runs are grouped."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..groups import grouped
from ..records import Run

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
    """What differs in its seed alone, under a name: Runs by learner and settings, other records by learner."""
    listed = list(runs)
    if not listed:
        raise ValueError("no runs came: give at least one Run")
    known = [run for run in listed if isinstance(run, Run)]
    if len(known) == len(listed):
        return {group.label: list(group.runs) for group in grouped(known)}
    found: dict[str, list[Record]] = {}
    for run in listed:
        found.setdefault(run.name, []).append(run)
    return found


def is_reference(name: str) -> bool:
    """Whether a learner, or a group of its Runs, is one that others are measured against."""
    return name.partition(" (")[0].lower() in REFERENCES
