"""Does a saved run keep what it says? Certificates computed again, and hashes, from the saved weights and the data."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from .intervals import Bounds, Certificate, certify, drift
from .learners import IntervalLearner, Learner, MaskLearner
from .records import Run, RunError
from .tasks import TaskSequence
from .training import certified_part, restore, same_sequence

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Audit", "Finding", "Unchanged", "audit"]


@dataclass(frozen=True)
class Finding:
    """What a run says of one task at one time, and what comes out now.

    Attributes:
        after: after how many tasks.
        task: the task.
        recorded: certified accuracy, as the run has it.
        certificate: the certificate computed again.
        drift: how far the run says that the task's box has moved since it was learned; NaN where it says nothing.
        moved: how far it has moved, by the saved weights; NaN where the state in which it was learned is not kept.
        inside: whether the weights that answer the task lie in its box.
    """

    after: int
    task: int
    recorded: float
    certificate: Certificate
    drift: float
    moved: float
    inside: bool

    @property
    def holds(self) -> bool:
        """Whether all that the run says is so."""
        kept = np.isnan(self.drift) or np.isnan(self.moved) or self.moved <= self.drift
        return self.recorded == self.certificate.certified and bool(kept) and self.inside

    def row(self) -> dict[str, Any]:
        """For a table."""
        return {
            "after": self.after,
            "task": self.task,
            "recorded": self.recorded,
            "recomputed": self.certificate.certified,
            "accuracy": self.certificate.accuracy,
            "median width": self.certificate.width,
            "drift": self.drift,
            "moved": self.moved,
            "inside": self.inside,
            "holds": self.holds,
        }


@dataclass(frozen=True)
class Unchanged:
    """Whether a task under a mask is answered, at one time, by the bits that answered it when it was learned.

    Attributes:
        after: after how many tasks.
        task: the task.
        learned: SHA-256 of the weights and statistics that answered it when it was learned, as the run says.
        now: SHA-256 of those in the saved state.
    """

    after: int
    task: int
    learned: str
    now: str

    @property
    def holds(self) -> bool:
        """Whether nothing has changed."""
        return self.learned == self.now

    def row(self) -> dict[str, Any]:
        """For a table."""
        return {"after": self.after, "task": self.task, "learned": self.learned, "now": self.now, "holds": self.holds}


@dataclass(frozen=True, eq=False)
class Audit:
    """All findings of a run; true if every one of them holds."""

    name: str
    findings: tuple[Finding | Unchanged, ...]
    kind: str = "certificate"

    def __bool__(self) -> bool:
        return all(finding.holds for finding in self.findings)

    def to_frame(self) -> "pd.DataFrame":
        """One row per finding."""
        import pandas as pd

        return pd.DataFrame([finding.row() for finding in self.findings])

    def __repr__(self) -> str:
        plural = "es" if self.kind == "hash" else "s"
        wrong = [f"task {f.task} after {f.after}" for f in self.findings if not f.holds]
        said = f"every {self.kind} holds" if not wrong else f"{len(wrong)} do not hold: {', '.join(wrong[:5])}"
        return f"Audit({self.name}: {len(self.findings)} {self.kind}{plural}, {said})"


def audit(
    path: str | os.PathLike[str],
    *,
    tasks: int | None = None,
    learner: Learner | None = None,
    sequence: TaskSequence | None = None,
    device: torch.device | str | None = None,
) -> Audit:
    """Looks again whether a saved run keeps what it recorded while it was trained: certificates, or hashes.

    Nothing but the folder and the data is trusted. Of an interval learner the weights come from the saved states, and
    boxes are made again, certified in float64 with outward rounding, and compared with the states in which their tasks
    had been learned. Of a learner of masks the weights and statistics that answer each task are hashed in every saved
    state, and compared with the hashes taken in the state in which the task was learned.

    Args:
        path: the run's folder.
        tasks: after how many tasks; by default after each whose state is kept.
        learner: one built like the run's; needed only where the network was not built by a function of `networks`.
        sequence: the run's own; needed only where it was not built by a function of `sequences`.
        device: where to compute; a GPU if there is one.

    Returns:
        An `Audit`: true if all holds.

    Raises:
        RunError: if there is no run, it is damaged, or its learner promises nothing that can be checked.
        ValueError: if learner or sequence differ from the run's, or cannot be rebuilt and are not given.

    Example:
        >>> cl.audit("runs/hyperinterval")  # doctest: +SKIP
        Audit(hyperinterval: 15 certificates, every certificate holds)
    """
    run = Run.open(path)
    if "certified" not in run.series and "kept" not in run.series:
        raise RunError(
            f"{path}, a run of {run.name}, has neither certificates nor masks. "
            "Train HyperInterval or InterContiNet, SupSup or ExSSNeT."
        )
    sequence = same_sequence(run, sequence)
    states = _states(run, tasks, learner, device)
    if "certified" in run.series:
        findings: Iterable[Finding | Unchanged] = _certificates(run, states, sequence, tasks)
    else:
        findings = _hashes(states, tasks)
    return Audit(
        run.path.name if run.path else run.name, tuple(findings), "certificate" if "certified" in run.series else "hash"
    )


def _states(
    run: Run, tasks: int | None, learner: Learner | None, device: torch.device | str | None
) -> Iterator[tuple[int, Learner]]:
    """After how many tasks, and the learner as it was then, for all states that are kept."""
    for after in range(1, run.num_tasks + 1):
        try:
            yield after, restore(run, tasks=after, learner=learner, device=device)
        except RunError:
            if tasks == after or after == run.num_tasks:
                raise  # snapshots=False keeps the last state alone


def _certificates(
    run: Run, states: Iterable[tuple[int, Learner]], sequence: TaskSequence, tasks: int | None
) -> Iterator[Finding]:
    learned: dict[int, Bounds] = {}  # each task's box in the state in which it was learned
    for after, restored in states:
        state = cast(IntervalLearner, restored)
        learned[after - 1] = state.bounds(after - 1)
        if tasks in (None, after):
            yield from (_finding(run, state, sequence, after, t, learned.get(t)) for t in range(after))


def _hashes(states: Iterable[tuple[int, Learner]], tasks: int | None) -> Iterator[Unchanged]:
    learned: dict[int, str] = {}  # each task's hash, by the state in which it was learned
    for after, restored in states:
        found = cast(MaskLearner, restored).verify()
        learned[after - 1] = found.learned[after - 1]
        if tasks in (None, after):
            said = [learned.get(t, found.learned[t]) for t in range(after)]
            yield from (Unchanged(after, t, said[t], found.now[t]) for t in range(after))


def _finding(
    run: Run, learner: IntervalLearner, sequence: TaskSequence, after: int, t: int, learned: Bounds | None
) -> Finding:
    bounds = learner.bounds(t)
    said = run.series["drift"][after - 1, t, 0] if "drift" in run.series else np.nan
    certificate = certify(learner, certified_part(sequence, t), t, name=sequence[t].name)
    return Finding(
        after=after,
        task=t,
        recorded=float(run.series["certified"][after - 1, t, 0]),
        certificate=certificate,
        drift=float(said),
        moved=np.nan if learned is None else drift(learned, bounds),
        inside=certificate.outside == 0,
    )
