"""What plots read of a Run whose learner relates tasks: series, with task j's value after i + 1 tasks at [i, j]."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ._record import Record, title


class Related(Record, Protocol):
    """A Run with series of its learner."""

    @property
    def config(self) -> dict[str, Any]: ...
    @property
    def series(self) -> dict[str, NDArray[Any]]: ...


def series(run: Related, name: str) -> NDArray[np.float64]:
    """A series of a run, `(T, T, …)`.

    Raises:
        ValueError: if the run has none of that name; the message has those it has.
    """
    if name not in run.series:
        held = f"it has {', '.join(sorted(run.series))}" if run.series else "it has none"
        raise ValueError(f"{title(run)} has no series {name!r}, which learners like HEmbedding keep; {held}")
    return np.asarray(run.series[name], dtype=np.float64)


def last(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rows of all tasks after the last task learned: `(T, …)` of `(T, T, …)`."""
    known = np.isfinite(values).reshape(len(values), -1).any(1)
    return values[int(np.flatnonzero(known)[-1]) if known.any() else 0]
