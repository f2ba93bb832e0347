"""What plots of intervals read: what a Run kept at one moment, or what a learner keeps right now."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ._points import array
from ._record import title
from ._related import Related

Numbers = NDArray[Any]  # of floating point
Look = dict[str, Any]  # of a line or a patch
Kept = Related | Mapping[str, ArrayLike | Tensor]

BOTH = "HyperInterval or InterContiNet"
KEEPERS = {  # series: what it is, and which learners keep it
    "embeddings": ("task embeddings", "HyperInterval"),
    "half_widths": ("intervals around its embeddings", "HyperInterval"),
    "width": ("interval widths", BOTH),
    "watched": ("watched weights", "InterContiNet"),
    "log_volume": ("volumes of its boxes", "InterContiNet"),
    "certified": ("certified accuracy", BOTH),
    "drift": ("drift of its boxes", "HyperInterval"),
    "drift_curve": ("certified accuracy against drift", "HyperInterval"),
}
READ = (*KEEPERS, "universal", "collapsed", "certified_by_drift")


@dataclass(frozen=True)
class Moment:
    """What is known of the first t tasks, when they were learned and no other."""

    series: Mapping[str, Numbers]  # name → (t, …)
    names: Sequence[str]
    heading: str
    held: Sequence[str]  # the names of all series, of which the intervals' are above

    def __contains__(self, name: str) -> bool:
        return name in self.series

    def __getitem__(self, name: str) -> Numbers:
        """The series `(t, …)`; one that is not there teaches who keeps it."""
        if name not in self.series:
            raise ValueError(_lacks(self.heading or "the learner", name, self.held))
        return self.series[name]


def moment(kept: Kept, after: int | None = None) -> Moment:
    """What was kept after so many tasks; by default, after the last one learned.

    Args:
        kept: a Run; or a learner's own `series()`, of the tasks it knows.
        after: how many tasks were learned, from 1 on.

    Raises:
        ValueError: if so many were never learned, or none was.
    """
    if isinstance(kept, Mapping):
        rows = {name: array(values) for name, values in kept.items() if name in READ}
        t = max(map(len, rows.values()), default=0)
        _check(after, t, "the learner", only_now=True)
        return Moment(rows, [f"task {j + 1}" for j in range(t)], "", list(kept))
    every = {name: np.asarray(kept.series[name], dtype=np.float64) for name in READ if name in kept.series}
    learned = max((_learned(values) for values in every.values()), default=np.asarray(kept.accuracy).shape[1])
    _check(after, learned, title(kept))
    t = learned if after is None else after
    rows = {name: values[t - 1, :t] for name, values in every.items()}
    return Moment(rows, list(kept.task_names)[:t], title(kept), list(kept.series))


def when_learned(run: Related, name: str) -> Numbers:
    """What was kept of each task when it had just been learned, `(T, …)`; NaN for tasks not learned."""
    if name not in run.series:
        raise ValueError(_lacks(title(run), name, run.series))
    values = np.asarray(run.series[name], dtype=np.float64)
    return values[np.arange(len(values)), np.arange(len(values))]


def _learned(values: Numbers) -> int:
    """After how many tasks the last row of a series `(T, T, …)` was kept."""
    known = np.flatnonzero(np.isfinite(values).reshape(len(values), -1).any(1))
    return int(known[-1]) + 1 if known.size else 0


def _check(after: int | None, learned: int, who: str, only_now: bool = False) -> None:
    if not learned:
        raise ValueError(f"{who} has learned no task yet, so there are no intervals to draw; train it first")
    if after is not None and (not 1 <= after <= learned or (only_now and after != learned)):
        allowed = f"{learned}, as it is now" if only_now else f"1 to {learned} tasks"
        raise ValueError(f"expected `after` to be {allowed}; got {after}")


def _lacks(who: str, name: str, held: Iterable[str]) -> str:
    what, keeper = KEEPERS.get(name, (f"series {name!r}", "a learner that keeps them"))
    has = ", ".join(sorted(held))
    return f"{who} has no {what} ({name!r}): train {keeper}; {f'its series are {has}' if has else 'it has no series'}"
