"""What masks hold, share and came from, in numbers: of a Run that kept them, or of a learner's masks themselves."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..learners import MaskLearner
from ..masks import exclusive_masks, overlap
from ..records import Run

__all__ = ["Ledger", "ledger"]

Numbers = NDArray[np.float64]
NEEDED = ("kept", "exclusive", "layer_sizes", "overlap")
DONORS = ("donor", "donor_scores", "donor_margin")


@dataclass(frozen=True)
class Ledger:
    """The counts of T masks over L layers, after the last of T tasks.

    Attributes:
        kept: `(T, L)`, |M_t|.
        exclusive: `(T, L)`, |E_t|, those that no earlier mask holds.
        sizes: `(L,)`, all weights.
        shared: `(T, T)`, |M_i ∩ M_j|.
        donor: `(T,)`, the task from whose mask each started; −1 for a start of its own.
        scores: `(T, T)`, of the earlier tasks as starts of each; NaN where none was asked.
        levels: `(T, 2)`, the score that a donor needed, and that of chance.
        names: of the tasks.
        layers: their names.
        heading: the learner's name.
    """

    kept: Numbers
    exclusive: Numbers
    sizes: Numbers
    shared: Numbers
    donor: Numbers
    scores: Numbers
    levels: Numbers
    names: list[str]
    layers: list[str]
    heading: str

    @property
    def T(self) -> int:
        """The number of masks."""
        return len(self.kept)

    @cached_property
    def by_chance(self) -> Numbers:
        """`(T, T)`, what independent masks of these sizes share on average, Σ_l |M_i^l| |M_j^l| / n_l."""
        return np.asarray((self.kept / self.sizes) @ self.kept.T)

    @cached_property
    def used_by_chance(self) -> Numbers:
        """`(T + 1, L)`, the share of each layer that t independent masks of these sizes hold."""
        free = np.cumprod(1 - self.kept / self.sizes, axis=0)
        return 1 - np.concatenate([np.ones((1, len(self.sizes))), free])

    @cached_property
    def reused(self) -> Numbers:
        """`(2, T)`, the share of each mask that earlier ones hold: as it is, and of independent masks."""
        size = self.kept.sum(1)
        taken = np.stack([size - self.exclusive.sum(1), (self.kept * self.used_by_chance[:-1]).sum(1)])
        return np.where(size > 0, taken / np.maximum(size, 1), np.nan)

    @property
    def asked(self) -> bool:
        """Whether any task was offered the masks of earlier ones to start from."""
        return bool(np.isfinite(self.scores).any() or (self.donor >= 0).any())


def ledger(given: Run | MaskLearner, names: Sequence[str] | None) -> Ledger:
    """The counts of a run, or of a learner's masks.

    Raises:
        TypeError: if it is neither.
        ValueError: if there are no masks, or names do not fit them, or came with a Run.
    """
    if isinstance(given, Run):
        return _of_run(given, names)
    if isinstance(given, MaskLearner):
        return _of_learner(given, names)
    raise TypeError(
        f"expected a Run of SupSup or ExSSNeT, or a learner of masks; got {type(given).__name__}: other learners have "
        "no masks to explore"
    )


def upto(run: Run, t: int) -> Run:
    """The run as it stood when t tasks were learned."""
    return replace(run, series={name: np.asarray(values)[:t] for name, values in run.series.items()}, path=None)


def _of_run(run: Run, names: Sequence[str] | None) -> Ledger:
    if names is not None:
        raise ValueError(f"expected `names` with a learner alone; this Run of {run.name} knows its tasks: leave it out")
    if missing := [name for name in NEEDED if name not in run.series]:
        raise ValueError(
            f"expected a Run of a learner of masks, such as SupSup or ExSSNeT; this one of {run.name} has no series "
            f"{', '.join(missing)}"
        )
    known = np.isfinite(np.asarray(run.series["kept"], dtype=np.float64)).any(axis=(1, 2))
    if not known.any():
        raise ValueError(f"expected a Run that has learned a task; this one of {run.name} has none yet: train it first")
    t = int(np.flatnonzero(known)[-1]) + 1
    last = {name: np.asarray(values, dtype=np.float64)[t - 1, :t] for name, values in run.series.items()}
    layers = [f"layer {i + 1}" for i in range(last["kept"].shape[1])]
    return Ledger(
        last["kept"],
        last["exclusive"],
        last["layer_sizes"][-1],
        last["overlap"][:, :t],
        **_donors(last, t),
        names=list(run.task_names),
        layers=layers,
        heading=run.name,
    )


def _of_learner(learner: MaskLearner, names: Sequence[str] | None) -> Ledger:
    masks, t = learner.masks, len(learner.masks)
    if not t:
        raise ValueError("expected a learner with the mask of one task or more; it has learned none: train it first")
    called = [f"task {i + 1}" for i in range(t)] if names is None else list(names)
    if len(called) != t:
        raise ValueError(f"expected a name for each of {t} tasks; got {len(called)}: name them in the order learned")
    record = {name: values.cpu().numpy()[:t].astype(np.float64) for name, values in learner.record.series().items()}
    return Ledger(
        masks.counts().cpu().numpy().astype(np.float64),
        exclusive_masks(masks).counts().cpu().numpy().astype(np.float64),
        np.array(masks.layout.sizes, dtype=np.float64),
        overlap(masks, normalize=False).cpu().numpy(),
        **_donors({name: values for name, values in record.items() if len(values) == t}, t),
        names=called,
        layers=list(masks.layout.names),
        heading=type(learner).__name__,
    )


def _donors(last: dict[str, Numbers], t: int) -> dict[str, Any]:
    """Donors, scores and levels; those of tasks that were never asked, where there is no record."""
    if not all(name in last for name in DONORS):
        return {"donor": np.full(t, -1.0), "scores": np.full((t, t), np.nan), "levels": np.full((t, 2), np.nan)}
    donor, scores, levels = (last[name] for name in DONORS)
    return {"donor": np.where(np.isnan(donor[:, 0]), -1.0, donor[:, 0]), "scores": scores[:, :t], "levels": levels}
