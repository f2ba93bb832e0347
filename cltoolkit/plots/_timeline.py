"""Steps counted within tasks, laid end to end."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._record import Record


def starts(run: Record) -> NDArray[np.int64]:
    """The step at which each task begins, and after them the end: `(T + 1,)`. Tasks not begun have no length."""
    lengths = np.zeros(np.asarray(run.accuracy).shape[1], dtype=np.int64)
    for log in (run.curves, run.anytime):
        if len(log.get("task", ())):
            np.maximum.at(lengths, np.asarray(log["task"], dtype=np.int64), np.asarray(log["step"], dtype=np.int64) + 1)
    return np.concatenate([[0], np.cumsum(lengths)])


def positions(log: dict[str, NDArray[Any]], begins: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each entry of a log lies on the line of all steps: `(E,)`, steps done by then."""
    return begins[np.asarray(log["task"], dtype=np.int64)] + np.asarray(log["step"], dtype=np.int64) + 1
