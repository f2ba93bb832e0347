"""Runs as a person reads them: a table, and figures in a folder."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .. import metrics
from ..groups import grouped
from ..records import Run

__all__ = ["save_figures", "table"]

NUMBERS = ("acc", "bwt", "fwt", "forgetting", "seconds")


def table(runs: Sequence[Run]) -> str:
    """One line per Run, and the mean ± standard deviation of Runs that differ in their seed alone."""
    rows = [["run", "learner", "sequence", "seed", *NUMBERS, "status"]]
    for run in runs:
        cells = map(_number, _numbers(run))
        rows.append([_name(run), run.name, _sequence(run), str(run.seed), *cells, _status(run)])
    for group in grouped(runs):
        if len(group.seeds) > 1:
            said = [f"{len(group.runs)} runs", group.label, _sequence(group.first), f"{len(group.seeds)} seeds"]
            rows.append([*said, *_spread(group.runs), ""])
    return _aligned([row[:-1] for row in rows] if all(run.status == "finished" for run in runs) else rows)


def _numbers(run: Run) -> list[float]:
    """The numbers of a Run's line; of an unfinished one, over the tasks learned."""
    k = run.num_tasks
    values = metrics.table(run.accuracy[: k + 1, :k]) if k > 0 else {}
    values["seconds"] = float(np.nansum(run.seconds))
    return [values.get(name, math.nan) for name in NUMBERS]


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _spread(runs: Sequence[Run]) -> list[str]:
    columns = zip(*map(_numbers, runs), strict=True)
    return [f"{_number(float(np.mean(c)))} ± {_number(float(np.std(c, ddof=1)))}" for c in columns]


def _name(run: Run) -> str:
    return run.path.name if run.path else run.name


def _sequence(run: Run) -> str:
    sequence = run.config.get("sequence", {})
    return f"{sequence.get('name', '?')} ({sequence.get('scenario', '?')})"


def _status(run: Run) -> str:
    return run.status if run.status == "finished" else f"{run.status}, {run.num_tasks} of {run.T} tasks"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width: words to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = [">" if name in (*NUMBERS, "seed") else "<" for name in rows[0]]
    lines = [
        "  ".join(f"{cell:{a}{w}}" for cell, a, w in zip(row, sides, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join([lines[0], "  ".join("─" * width for width in widths), *lines[1:]])


def save_figures(runs: Sequence[Run], folder: Path) -> int:
    """Matrix, curves and embeddings of each Run, average so far and comparison of those on the same tasks.

    Returns how many.
    """
    from .. import plots

    drawn = {}
    names = [_name(run) for run in runs]
    for i, (name, run) in enumerate(zip(names, runs, strict=True)):
        unique = name if names.count(name) == 1 else f"{i}-{name}"
        drawn[f"{unique}-accuracy_matrix"] = plots.accuracy_matrix(run)
        if run.curves:
            drawn[f"{unique}-curves"] = plots.curves(run)
        if "embeddings" in run.series:
            drawn[f"{unique}-embedding_trajectories"] = plots.embedding_trajectories(run)
        if "discrepancy" in run.series and run.num_tasks > 2:
            drawn[f"{unique}-discrepancy"] = plots.discrepancy(run)
    for tasks in dict.fromkeys(map(_tasks, runs)):
        alike = [run for run in runs if _tasks(run) == tasks]
        drawn[f"{tasks}-average_so_far"] = plots.average_so_far(alike)
        drawn[f"{tasks}-compare"] = plots.compare(alike)
    folder.mkdir(parents=True, exist_ok=True)
    for name, ax in drawn.items():
        ax.figure.get_figure(root=True).savefig(
            folder / f"{name}.png", dpi=150, bbox_inches="tight", metadata={"Description": plots.alt_text(ax)}
        )
    return len(drawn)


def _tasks(run: Run) -> str:
    sequence = run.config.get("sequence", {})
    return f"{sequence.get('name', 'tasks')}-{sequence.get('scenario', '')}-{run.T}".replace("/", "-").replace(" ", "_")
