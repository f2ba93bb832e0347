"""What plots of masks read: the counts that a Run kept, or the masks themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..masks import Masks, exclusive_masks
from ._points import array
from ._record import title
from ._related import Related

Numbers = NDArray[np.float64]
KEPT = {  # series: what it is
    "kept": "sizes of masks",
    "exclusive": "sizes of exclusive parts",
    "layer_sizes": "sizes of layers",
    "overlap": "overlaps of masks",
    "donor": "donors",
    "donor_scores": "scores of donors",
    "donor_margin": "scores that donors needed",
}


@runtime_checkable
class Masked(Protocol):
    """A learner of masks, or anything that has them."""

    @property
    def masks(self) -> Masks: ...


Given = Related | Masks | Masked


@dataclass(frozen=True)
class Census:
    """How many weights of each layer each task's mask holds, and how many of these no earlier mask does."""

    kept: Numbers  # (T, L), |M_t|
    exclusive: Numbers  # (T, L), |E_t|
    sizes: Numbers  # (L,), all weights
    names: list[str]  # of the tasks
    layers: list[str]
    heading: str

    @property
    def used_by_chance(self) -> Numbers:
        """`(T + 1, L)`, the share of each layer that t independent masks of these sizes would hold."""
        free = np.cumprod(1 - self.kept / self.sizes, axis=0)
        return 1 - np.concatenate([np.ones((1, len(self.sizes))), free])


def masks_of(given: Masks | Masked) -> Masks:
    """The masks themselves.

    Raises:
        ValueError: if there are none yet.
    """
    masks = given if isinstance(given, Masks) else given.masks
    if not len(masks):
        raise ValueError("expected the mask of one task or more; no task is learned yet: train the learner first")
    return masks


def rows(run: Related, name: str) -> Numbers:
    """What a run kept of the tasks it has learned, after the last of them: `(t, …)` of a series `(T, T, …)`.

    Raises:
        ValueError: if it has no such series, or no task is learned.
    """
    if name not in run.series:
        has = f"its series are {', '.join(sorted(run.series))}" if run.series else "it has no series"
        who = "ExSSNeT with an initializer" if name.startswith("donor") else "SupSup or ExSSNeT"
        raise ValueError(f"{title(run)} has no {KEPT[name]} ({name!r}); a Run of {who} has them; {has}")
    values = np.asarray(run.series[name], dtype=np.float64)
    t = learned(run)
    if not t:
        raise ValueError(f"{title(run)} has learned no task yet, so there are no masks to draw; train it first")
    return values[t - 1, :t]


def learned(run: Related) -> int:
    """How many tasks a run has learned: those whose masks it knows."""
    for name in KEPT:
        if name in run.series:
            values = np.asarray(run.series[name], dtype=np.float64)
            known = np.flatnonzero(np.isfinite(values).reshape(len(values), -1).any(1))
            return int(known[-1]) + 1 if known.size else 0
    return 0


def task_names(T: int, names: Sequence[str] | None) -> list[str]:
    """What T tasks are called: the names given, or their numbers.

    Raises:
        ValueError: if names are not as many as tasks.
    """
    called = [f"task {t + 1}" for t in range(T)] if names is None else list(names)
    if len(called) != T:
        raise ValueError(f"expected a name for each of {T} tasks; got {len(called)}: name them in the order learned")
    return called


def census(given: Given, names: Sequence[str] | None = None) -> Census:
    """The counts of a run, or of masks, whose tasks may be given names.

    Raises:
        ValueError: if there are no masks, or names do not fit them, or came with a run.
    """
    if isinstance(given, Masks | Masked):
        return _counted(masks_of(given), names)
    if names is not None:
        raise ValueError(
            f"expected `names` with a learner or its masks alone; {title(given)} is a Run, which knows the names of "
            "its tasks: leave `names` out"
        )
    kept, exclusive, sizes = (rows(given, name) for name in ("kept", "exclusive", "layer_sizes"))
    layers = [f"layer {i + 1}" for i in range(kept.shape[1])]
    return Census(kept, exclusive, sizes[-1], list(given.task_names)[: len(kept)], layers, title(given))


def _counted(masks: Masks, names: Sequence[str] | None) -> Census:
    called = task_names(len(masks), names)
    sizes = np.array(masks.layout.sizes, dtype=np.float64)
    return Census(
        array(masks.counts()), array(exclusive_masks(masks).counts()), sizes, called, list(masks.layout.names), ""
    )
