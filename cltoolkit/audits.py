"""Does a saved run keep what it says? Its certificates computed again, from the saved weights and the data alone."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from .intervals import Bounds, Certificate, certify, drift
from .learners import IntervalLearner, Learner
from .records import Run, RunError
from .tasks import TaskSequence
from .training import certified_part, restore, same_sequence

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Audit", "Finding", "audit"]


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


@dataclass(frozen=True, eq=False)
class Audit:
    """All findings of a run; true if every one of them holds."""

    name: str
    findings: tuple[Finding, ...]

    def __bool__(self) -> bool:
        return all(finding.holds for finding in self.findings)

    def to_frame(self) -> "pd.DataFrame":
        """One row per finding."""
        import pandas as pd

        rows = [
            {
                "after": f.after,
                "task": f.task,
                "recorded": f.recorded,
                "recomputed": f.certificate.certified,
                "accuracy": f.certificate.accuracy,
                "median width": f.certificate.width,
                "drift": f.drift,
                "moved": f.moved,
                "inside": f.inside,
                "holds": f.holds,
            }
            for f in self.findings
        ]
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        wrong = [f"task {f.task} after {f.after}" for f in self.findings if not f.holds]
        said = "every certificate holds" if not wrong else f"{len(wrong)} do not hold: {', '.join(wrong[:5])}"
        return f"Audit({self.name}: {len(self.findings)} certificates, {said})"


def audit(
    path: str | os.PathLike[str],
    *,
    tasks: int | None = None,
    learner: Learner | None = None,
    sequence: TaskSequence | None = None,
    device: torch.device | str | None = None,
) -> Audit:
    """Certifies a saved run of an interval learner anew, and compares with what it recorded while it was trained.

    Nothing but the folder and the data is trusted: weights come from the saved states, boxes are made again, certified
    in float64 with outward rounding, and compared with the states in which their tasks had been learned.

    Args:
        path: the run's folder.
        tasks: after how many tasks; by default after each whose state is kept.
        learner: one built like the run's; needed only where the network was not built by a function of `networks`.
        sequence: the run's own; needed only where it was not built by a function of `sequences`.
        device: where to compute; a GPU if there is one.

    Returns:
        An `Audit`: true if all holds.

    Raises:
        RunError: if there is no run, it is damaged, or it recorded no certificates.
        ValueError: if learner or sequence differ from the run's, or cannot be rebuilt and are not given.

    Example:
        >>> cl.audit("runs/hyperinterval")  # doctest: +SKIP
        Audit(hyperinterval: 15 certificates, every certificate holds)
    """
    run = Run.open(path)
    if "certified" not in run.series:
        raise RunError(f"{path}, a run of {run.name}, has no certificates. Train HyperInterval or InterContiNet.")
    sequence = same_sequence(run, sequence)
    learned: dict[int, Bounds] = {}  # each task's box in the state in which it was learned
    findings: list[Finding] = []
    for after in range(1, run.num_tasks + 1):
        try:
            state = cast(IntervalLearner, restore(run, tasks=after, learner=learner, device=device))
        except RunError:
            if tasks == after or after == run.num_tasks:
                raise
            continue  # snapshots=False keeps the last state alone
        learned[after - 1] = state.bounds(after - 1)
        if tasks in (None, after):
            findings += [_finding(run, state, sequence, after, t, learned.get(t)) for t in range(after)]
    return Audit(run.path.name if run.path else run.name, tuple(findings))


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
