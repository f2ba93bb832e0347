"""Runs as the figures show them: under the name of their group, with names that are drawn as they are."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..groups import Group
from ..records import Run
from ._words import count

__all__ = ["averaged", "drawable", "has", "losses", "named"]

ROWS = 3  # dimensions of a method's series, at the least: [i, j] is that of task j after i + 1 tasks
SCHEDULES = ("kappa", "radius", "width")  # logged with the losses, and none
COUNTERS = ("task", "epoch", "step")


def drawable(name: str) -> str:
    """A name in one line of characters that can be drawn, whose dollar signs are no formula to a plot."""
    line = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(name.split()))
    line = line.replace("$", r"\$") if line.count("$") > 1 else line
    return f"\u200a{line}" if line.startswith("_") else line  # legends leave out what begins with an underscore


def named(run: Run, label: str) -> Run:
    """The run under the name of its group."""
    sequence: dict[str, Any] = run.config.get("sequence", {})
    tasks = [task | {"name": drawable(task["name"])} for task in sequence.get("tasks", [])]
    config = run.config | {"learner": {"name": drawable(label)}, "sequence": sequence | {"tasks": tasks}}
    return replace(run, config=config, curves={drawable(name): values for name, values in run.curves.items()})


def averaged(group: Group) -> tuple[Run, str, tuple[str, str] | None]:
    """A run with the mean matrix of a group; its heading; and what a plot would call it, with what it is."""
    run = named(group.first, group.label)
    if len(group.runs) == 1:
        return run, f"{group.label}, seed {run.seed}", None
    mean = np.mean([each.accuracy for each in group.runs], axis=0)
    true = f"{run.name}, mean of {count(len(group.seeds), 'seed')}"
    return (
        replace(run, accuracy=mean),
        f"{group.label}, mean of {count(len(group.seeds), 'seed')}",
        (
            f"{run.name}, seed {run.seed}",
            true,
        ),
    )


def has(run: Run, *names: str) -> bool:
    """Whether a run kept these series of the tasks it learned, in the shape that learners write."""
    return run.num_tasks > 0 and all(name in run.series and _kept(run.series[name], run) for name in names)


def _kept(values: np.ndarray, run: Run) -> bool:
    if values.ndim < ROWS or values.shape[:2] != (run.T, run.T) or values.dtype.kind not in "fiu":
        return False
    k = run.num_tasks
    return bool(np.isfinite(values[k - 1, :k]).any())


def losses(run: Run) -> Sequence[str]:
    """The names of the losses a run logged."""
    if not all(len(run.curves.get(name, ())) for name in ("task", "step")):
        return []
    rest = [name for name in run.curves if name not in (*COUNTERS, *SCHEDULES)]
    return [name for name in rest if np.isfinite(run.curves[name]).any()]
