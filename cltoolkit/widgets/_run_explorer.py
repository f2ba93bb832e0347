"""Runs to touch: the accuracy matrix cell by cell, where each number of a metric comes from, two Runs side by side."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import traitlets
from numpy.typing import NDArray

from .. import metrics, plots
from ..groups import Given, labels, opened
from ..records import Run
from ._run_lines import MOST, anytime_lines, loss_lines
from ._run_metrics import RunMetrics
from ._view import View, one_of
from ._words import number

if TYPE_CHECKING:
    from ..plots import Figure, Panel

__all__ = ["RunExplorer"]

SMALL = 20  # tasks up to which all slopes of a metric are computed at once
BAKED = 10_000  # cells of all Runs up to which an exported page takes their slopes along
POINTS = 500_000  # of all lines during training together
CARPET = 40_000  # of those of one Run


class RunExplorer(View):
    """One Run or many of the same tasks: matrix, curves, metrics with the cells behind them, and comparisons.

    A click on a cell picks its task and its moment. A metric lights up the cells that it uses, in each dialect. With a
    second Run the matrix shows differences.

    Args:
        runs: Runs, or the folders of Runs, all of the same tasks in the same order.

    Attributes:
        run: which of the Runs is shown.
        other: the Run that it is compared with, -1 for none.
        moment: the row picked, that is how many tasks had been learned; -1 for none.
        metric: the metric whose cells are lit: a name of `metrics.explain`, "" for none.
        dialect: one of the metric's dialects; "" is its own first.
        view: the picture beside the matrix: "history", "average", "curves" or "anytime".

    Raises:
        ValueError: if there is no Run, or their tasks differ.
        TypeError: if something else came.

    Example:
        >>> import numpy as np, cltoolkit as cl
        >>> run = cl.Run(np.array([[0.5, 0.5], [0.9, 0.5], [0.8, 1.0]]), {"learner": {"name": "Finetune"}, "seed": 0})
        >>> explorer = cl.widgets.RunExplorer(run)
        >>> explorer.task, explorer.moment = 0, 2
        >>> print(explorer.alt_text.splitlines()[-1])
        After 1, task 0: 0.80; right after it was learned 0.90: −0.10.
    """

    front: ClassVar[tuple[str, ...]] = ("run_explorer",)

    run = traitlets.Int(0).tag(sync=True)
    other = traitlets.Int(-1).tag(sync=True)
    moment = traitlets.Int(-1).tag(sync=True)
    metric = traitlets.Unicode("").tag(sync=True)
    dialect = traitlets.Unicode("").tag(sync=True)
    view = traitlets.Enum(("history", "average", "curves", "anytime"), "history").tag(sync=True)

    def __init__(self, runs: Given | Iterable[Given]) -> None:
        self.runs = _of_the_same_tasks(opened(runs))
        self.labels = labels(self.runs)
        self._metrics = RunMetrics(self.runs)
        more = f" and {len(self.runs) - 1} more" if len(self.runs) > 1 else ""
        super().__init__(title=f"{self.labels[0]}{more}", tasks=_tasks(self.runs[0]))
        content, arrays = self._lines()
        content |= {
            "runs": self.labels,
            "told": [self._summary(r) for r in range(len(self.runs))],
            "metrics": self._metrics.told,
            "doubts": self._metrics.doubts,
            "cells_of": self._metrics.cells_of,
            "at_once": len(self.task_names) <= SMALL,
        }
        arrays |= {
            "accuracy": np.stack([run.accuracy for run in self.runs]),  # (R, T + 1, T)
            "average": np.stack([metrics.average_so_far(run.accuracy) for run in self.runs]),  # (R, T)
            "values": self._metrics.values,  # (R, D)
            "cells": self._metrics.cells,  # (K, T + 1, T)
        }
        self.show(content, arrays)

    def _lines(self) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
        """What happened within tasks, where a Run has it."""
        room = min(POINTS // len(self.runs), CARPET) // len(self.task_names)
        content: dict[str, Any] = {"losses": [], "begins": [], "during": []}
        arrays = {}
        for r, run in enumerate(self.runs):
            names, arrays[f"curves {r}"], begins = loss_lines(run)
            arrays[f"anytime {r}"], during = anytime_lines(run, int(np.clip(room, 24, MOST)))
            content["losses"].append(names)
            content["begins"].append(begins or during)
            content["during"].append(bool(during))
        return content, {name: held for name, held in arrays.items() if held.size}

    # What the front end may ask

    def answer(self, *question: Any) -> Any:
        """Slopes: `["slopes", run, metric, dialect]` of all cells used, or `["slope", …, row, column]` of one.

        Raises:
            LookupError: if there is no such question, Run, metric or dialect.
        """
        match question:
            case ["slopes", int(r), str(metric), str(dialect)] if len(self.task_names) <= SMALL:
                return self._metrics.slopes(r, metric, dialect)
            case ["slope", int(r), str(metric), str(dialect), int(i), int(j)]:
                return self._metrics.slope(r, metric, dialect, i, j)
        return super().answer(*question)

    def questions(self) -> Iterator[list[Any]]:
        """The slopes of few tasks, and of as many Runs as a page has room for."""
        T = len(self.task_names)
        if T <= SMALL:
            for r in range(min(len(self.runs), BAKED // (T * (T + 1)))):
                for metric in self._metrics.names():
                    yield from (["slopes", r, metric, dialect] for dialect in self._metrics.dialects(metric))

    # The still picture

    def figure(self) -> "Figure":
        """The matrix with what is picked, beside it the matrix compared with, and the picture chosen, by `plots`."""
        shown = [self.run] + [self.other] * (self.other >= 0)
        panels = [self._matrix(r) for r in shown]
        return plots.sheet([*panels, self._beside(shown)], columns=2)

    def _matrix(self, r: int) -> "Panel":
        seed = f", seed {self.runs[r].seed}"  # which the plot says itself
        run = self._called(r, self.labels[r].replace(seed, "", 1))
        return lambda ax: plots.accuracy_matrix(run, highlight=self._highlight(r), ax=ax)

    def _called(self, r: int, name: str) -> Run:
        return replace(self.runs[r], config=self.runs[r].config | {"learner": {"name": name}})

    def _highlight(self, r: int) -> NDArray[np.bool_] | None:
        """The cells of the metric; without one the cell or the column picked."""
        if self.metric:
            return self._metrics.mask(r, self.metric, self._dialect())
        if self.task < 0:
            return None
        T = len(self.task_names)
        row = np.full(T + 1, True) if self.moment < 0 else np.arange(T + 1) == self.moment
        return np.asarray(row[:, None] & (np.arange(T) == self.task))

    def _beside(self, shown: list[int]) -> "Panel":
        """The picture chosen; the history where a Run has not what it needs."""
        run = self.runs[self.run]
        if self.view == "average":
            lines = [self._called(r, self.labels[r]) for r in shown] if len(shown) > 1 else self.runs
            return lambda ax: plots.average_so_far(lines, ax=ax)
        if self.view == "curves" and self.content["losses"][self.run]:
            return lambda ax: plots.curves(run, ax=ax)
        during = run if self.view == "anytime" else replace(run, anytime={})
        return lambda ax: plots.anytime(during, ax=ax)

    # Words

    def words(self) -> str:
        """What the matrix says, and of what is chosen a sentence each."""
        parts = [self._summary(self.run), self._comparison(), self._explanation(), self._cell()]
        return "\n".join(filter(None, parts))

    def _summary(self, r: int) -> str:
        run, T = self.runs[r], len(self.task_names)
        values = self._metrics.values[r]
        end, transfer = (values[self._metrics.at(metric, "gem")] for metric in ("acc", "bwt"))
        said = [f"Accuracy matrix of {self.labels[r]}: {T} task{'s' * (T > 1)}, {run.num_tasks} learned."]
        said += [f"Average accuracy at the end {end:.3f}."] if np.isfinite(end) else []
        said += [f"Backward transfer {number(transfer, '+z.3f')}."] if np.isfinite(transfer) else []
        return " ".join(said)

    def _comparison(self) -> str:
        if self.other < 0:
            return ""
        at = self._metrics.at("acc", "gem")
        difference = self._metrics.values[self.run, at] - self._metrics.values[self.other, at]
        said = f"Compared with {self.labels[self.other]}"
        return (
            f"{said}: {number(difference, '+z.3f')} in average accuracy at the end."
            if np.isfinite(difference)
            else f"{said}."
        )

    def _explanation(self) -> str:
        if not self.metric:
            return ""
        told = next(each for each in self._metrics.told if each["name"] == self.metric)
        used = self._metrics.mask(self.run, self.metric, self._dialect())
        value = self._metrics.values[self.run, self._metrics.at(self.metric, self._dialect())]
        said = number(value, "z.4f")
        doubts = self._metrics.doubts[self.run].get(self.metric, "")
        return (
            f"{told['title'].capitalize()} ({self._dialect()}): {said}, {told['direction']} is better; "
            f"from {used.sum()} of {used.size} cells. {told['note']} {doubts}".strip()
        )

    def _cell(self) -> str:
        """The cell picked, against the moment at which its task was learned; as the front end says it."""
        if self.task < 0:
            return ""
        accuracy, t, T = self.runs[self.run].accuracy[:, self.task], self.task, len(self.task_names)
        i = T if self.moment < 0 else self.moment
        when = f"After {self.task_names[i - 1]}" if i else "Before training"
        said = f"{when}, task {self.task_names[t]}: {number(accuracy[i])}"
        if i <= t:
            return f"{said}; it is not learned yet."
        if i == t + 1:
            return f"{said}, right after it was learned."
        since = number(accuracy[i] - accuracy[t + 1], "+z.2f")
        return f"{said}; right after it was learned {number(accuracy[t + 1])}: {since}."

    # What may be chosen

    def _dialect(self) -> str:
        return self.dialect or self._metrics.dialects(self.metric)[0]

    @traitlets.validate("run")
    def _known_run(self, proposal: Mapping[str, Any]) -> int:
        if proposal["value"] == -1:
            raise traitlets.TraitError(f"expected a Run from 0 to {len(self.runs) - 1}; got -1")
        return one_of(proposal["value"], len(self.runs), "Run")

    @traitlets.validate("other")
    def _known_other(self, proposal: Mapping[str, Any]) -> int:
        return one_of(proposal["value"], len(self.runs), "Run")

    @traitlets.validate("moment")
    def _known_moment(self, proposal: Mapping[str, Any]) -> int:
        return one_of(proposal["value"], len(self.task_names) + 1, "number of tasks learned")

    @traitlets.validate("metric")
    def _known_metric(self, proposal: Mapping[str, Any]) -> str:
        return _named(proposal["value"], self._metrics.names(), "metric")

    @traitlets.validate("dialect")
    def _known_dialect(self, proposal: Mapping[str, Any]) -> str:
        return _named(
            proposal["value"], self._metrics.dialects(self.metric), f"dialect of {self.metric or 'no metric'}"
        )

    @traitlets.observe("metric")
    def _own_dialect(self, _: Any) -> None:
        if self.dialect not in self._metrics.dialects(self.metric):
            self.dialect = ""


def _of_the_same_tasks(runs: tuple[Run, ...]) -> tuple[Run, ...]:
    first = runs[0]
    for run in runs[1:]:
        if _tasks(run) != _tasks(first):
            raise ValueError(
                "expected Runs of the same tasks in the same order, for their matrices are laid on each other; got "
                f"{_some(_tasks(first))} of {first.name}, seed {first.seed}, and {_some(_tasks(run))} of {run.name}, "
                f"seed {run.seed}: make one explorer for each sequence"
            )
    return runs


def _tasks(run: Run) -> list[str]:
    """T names, numbers where the Run does not know them all."""
    return run.task_names if len(run.task_names) == run.T else [str(t) for t in range(run.T)]


def _some(names: list[str]) -> str:
    return f"{len(names)} tasks ({', '.join(names[:4])}{', …' * (len(names) > 4)})"


def _named(name: str, known: list[str], what: str) -> str:
    if name and name not in known:
        raise traitlets.TraitError(f'expected a {what}: one of {", ".join(known)}, or "" for none; got {name!r}')
    return name
