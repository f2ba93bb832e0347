"""What is known of a Run's intervals: its own series, and the certificates and curves that came with it, checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..intervals import AccuracyCurves, Certificate, certified_at
from ..plots._interval_accuracy import watched_part
from ..records import Run
from ..tasks import TaskSequence

__all__ = ["NARROW", "Ledger", "ledger"]

NARROW = 1e-8  # a width below which an interval is a point for all purposes
Numbers = NDArray[np.float64]
HOW = (
    "train HyperInterval or InterContiNet, which keep them; or give certificates, "
    "[cl.intervals.certify(learner, sequence[t].test, t)], or curves, {t: cl.intervals.accuracy_curves(learner.net, "
    "learner.bounds(t), sequence[t].test, learner.units(t), scales=(0, 0.5, 1, 2))}"
)


@dataclass(frozen=True)
class Ledger:
    """Numbers about intervals of T tasks; [i, j] is task j after i + 1 tasks, NaN where it was not learned yet."""

    run: Run
    names: list[str]
    learned: int  # tasks, when the Run was last measured
    clean: Numbers  # (T, T)
    series: Mapping[str, Numbers]  # name → (T, T, …)
    curves: Mapping[int, AccuracyCurves]
    certificates: Mapping[int, Certificate]
    chance: Numbers  # (T,), accuracy of a guess; NaN where it is not known
    sequence: TaskSequence | None
    watched: str  # the part of the data that certificates without data are about

    @property
    def T(self) -> int:
        """How many tasks there are."""
        return len(self.names)

    @property
    def heading(self) -> str:
        """Which run it is."""
        return f"{self.run.name}, seed {self.run.seed}"

    @property
    def reach(self) -> float:
        """The largest scale of any curve."""
        return max((float(each.scales[-1]) for each in self.curves.values()), default=1.0)

    def at(self, t: int, scale: float) -> tuple[float, float, float]:
        """What is certified, attacked and clean of task t in a box of this scale, or in one that says as much.

        A smaller box is never certified worse, so what holds at the next larger scale of the grid holds here; what
        an attack found in the last smaller box lies in this one. Beyond the grid nothing is certified.
        """
        each = self.curves[t]
        k = int(np.searchsorted(each.scales, scale, side="right")) - 1
        attacked = float(each.attacked[k]) if k >= 0 else float("nan")
        return certified_at(each.certified, each.scales.tolist(), scale), attacked, each.clean


def ledger(
    run: Run,
    curves: Mapping[int, AccuracyCurves] | None,
    certificates: Sequence[Certificate],
    sequence: TaskSequence | None,
) -> Ledger:
    """All that was given, checked against the Run.

    Raises:
        TypeError: if something is of another kind.
        ValueError: if it belongs to other tasks, or there is nothing about intervals in it.
    """
    if not isinstance(run, Run):
        raise TypeError(f"expected a Run, as cl.train gives it; got {type(run).__name__}")
    held, names = _series(run), run.task_names
    found = Ledger(
        run=run,
        names=names,
        learned=max([1, run.num_tasks, *map(_rows_known, held.values())]),
        clean=np.asarray(run.accuracy[1:], dtype=np.float64),
        series=held,
        curves=_curves(curves or {}, run.T),
        certificates=_certificates(certificates, names),
        chance=_chance(run),
        sequence=_sequence(sequence, names),
        watched=watched_part(run),
    )
    if not (held or found.curves or found.certificates):
        kept = ", ".join(sorted(run.series)) or "none"
        raise ValueError(f"expected something about intervals; {run.name} kept no such series (it has {kept}): {HOW}")
    return found


def _series(run: Run) -> dict[str, Numbers]:
    """The series that are shown, of which anything is known."""
    names = ("half_widths", "radius", "width", "collapsed", "certified", "certified_by_drift")
    every = {name: np.asarray(run.series[name], dtype=np.float64) for name in names if name in run.series}
    return {name: values for name, values in every.items() if np.isfinite(values).any()}


def _rows_known(values: Numbers) -> int:
    """After how many tasks a series was last kept."""
    return int(np.flatnonzero(np.isfinite(values).reshape(len(values), -1).any(1))[-1]) + 1


def _curves(given: Mapping[int, AccuracyCurves], T: int) -> dict[int, AccuracyCurves]:
    for t, each in given.items():
        if not isinstance(each, AccuracyCurves):
            raise TypeError(f"expected AccuracyCurves for task {t}; got {type(each).__name__}: {HOW}")
        if t not in range(T):
            raise ValueError(f"expected curves of the tasks 0 to {T - 1}; got some of task {t}")
    return dict(sorted(given.items()))


def _certificates(given: Sequence[Certificate], names: list[str]) -> dict[int, Certificate]:
    found: dict[int, Certificate] = {}
    for each in given:
        if not isinstance(each, Certificate):
            raise TypeError(f"expected Certificates; got {type(each).__name__}: {HOW}")
        t = each.task
        if t not in range(len(names)):
            raise ValueError(f"expected certificates of the tasks 0 to {len(names) - 1}; got one of task {t}")
        if each.name in names and each.name != names[t]:
            raise ValueError(
                f"expected certificates of the Run's tasks; that of task {t} is of {each.name!r}, and task {t} of the "
                f"Run is {names[t]!r}: give those of the same sequence, in its order"
            )
        if t in found:
            raise ValueError(f"expected one certificate per task; got two of task {t}: choose one")
        found[t] = each
    return dict(sorted(found.items()))


def _sequence(given: TaskSequence | None, names: list[str]) -> TaskSequence | None:
    found = names if given is None else [task.name for task in given]
    if found != names:
        raise ValueError(f"expected the sequence that the Run was trained on, {names}; got {found}")
    return given


def _chance(run: Run) -> Numbers:
    """1 / k of each task's k classes; with classes told apart across tasks, of all of them."""
    described: Mapping[str, Any] = run.config.get("sequence", {})
    outputs = [task.get("outputs", ()) for task in described.get("tasks", [])] or [()] * run.T
    if described.get("scenario") == "class":
        outputs = [list({unit for own in outputs for unit in own})] * run.T
    return np.array([1 / len(own) if len(own) > 1 else np.nan for own in outputs])
