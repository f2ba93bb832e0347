"""Runs to touch: the accuracy matrix, where each number comes from, and how it came about."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import traitlets

from .. import plots
from ..records import Run
from ._view import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["RunExplorer"]


class RunExplorer(View):
    """The accuracy matrix of Runs, cell by cell."""

    front: ClassVar[tuple[str, ...]] = ("run_explorer",)
    run = traitlets.Int(0).tag(sync=True)

    def __init__(self, runs: Run | Iterable[Run]) -> None:
        self.runs = (runs,) if isinstance(runs, Run) else tuple(runs)
        super().__init__(title=self.runs[0].name, tasks=self.runs[0].task_names)
        self.show({"runs": [run.name for run in self.runs]}, {"accuracy": np.stack([run.accuracy for run in self.runs])})

    def figure(self) -> "Figure":
        """Matrix and average so far."""
        run = self.runs[self.run]
        return plots.sheet([lambda ax: plots.accuracy_matrix(run, ax=ax), lambda ax: plots.average_so_far(self.runs, ax=ax)])

    def words(self) -> str:
        """What the matrix says."""
        run: Any = self.runs[self.run]
        return f"Accuracy matrix of {run.name}, {run.T} tasks."
