"""Pictures that change: what the kernel of the benchmark `views` shows. Each has a `widget` and `update(k)`."""

import time
from typing import Any

import ipywidgets
import numpy as np

from cltoolkit import Run, plots
from cltoolkit.plots import Figure
from cltoolkit.widgets import RunExplorer, View
from cltoolkit.widgets._front import _shared, stylesheet

TASKS, POINTS, KINDS = 20, 1000, 64
draw = np.random.default_rng(0)
MATRICES = draw.random((KINDS, TASKS + 1, TASKS))
CLOUDS = draw.standard_normal((KINDS, POINTS, 2))

CELLS = """({ render({ model, el }) {
  const stage = new Stage(model, el, "cells"), surface = stage.canvas({ width: 560, height: 500 }, "Cells");
  const names = model.get("content").tasks, rows = [...names, "end"];
  stage.watch(["rev"], () => { const { shape, values } = array(model, "x");
    matrix(surface, { values, shape, rows, columns: names, title: "Cells", words: () => "" }); });
  return stage.end;
} })"""
CLOUD = """({ render({ model, el }) {
  const stage = new Stage(model, el, "cloud"), surface = stage.canvas({ width: 560, height: 500 }, "Cloud");
  stage.watch(["rev"], () => { const { values } = array(model, "x");
    points(surface, { points: Array.from({ length: values.length / 2 },
      (_, k) => ({ x: values[2 * k], y: values[2 * k + 1], name: "", look: look(k % 7, 7) })),
      limits: [-4, 4, -4, 4] }); });
  return stage.end;
} })"""


def record(k: int) -> Run:
    """A Run of 20 tasks."""
    return Run(MATRICES[k % KINDS], {"learner": {"name": "Made"}, "seed": 0})


class Picture(View):
    """One array, drawn."""

    def __init__(self, values: np.ndarray) -> None:
        super().__init__(title="picture", tasks=[str(t) for t in range(TASKS)])
        self.values = values
        self.update(0)

    @property
    def widget(self) -> View:
        return self

    def update(self, k: int) -> None:
        self.show({}, {"x": self.values[k % KINDS]})

    def words(self) -> str:
        return "Numbers."

    def figure(self) -> Figure:
        return plots.sheet([lambda ax: ax])


class Cells(Picture):
    _esm = f"{_shared()}\nexport default {CELLS};"
    _css = stylesheet()


class Cloud(Picture):
    _esm = f"{_shared()}\nexport default {CLOUD};"
    _css = stylesheet()


class Explorer:
    """The matrix of a RunExplorer with its lines, metrics and words."""

    def __init__(self) -> None:
        self.widget = RunExplorer(record(0))

    def update(self, k: int) -> None:
        self.widget.show({}, {"accuracy": MATRICES[None, k % KINDS]})


class Still:
    """The same matrix by matplotlib, as a picture."""

    def __init__(self) -> None:
        self.widget = ipywidgets.Image(format="png")
        self.update(0)

    def update(self, k: int) -> None:
        self.widget.value = plots.png(plots.sheet([lambda ax: plots.accuracy_matrix(record(k), ax=ax)]))


def spaced(picture: Any, updates: int, gap: float = 0.3) -> list[float]:
    """Wall-clock seconds at which updates began, one after the other with room between them."""
    begun = []
    for k in range(1, updates + 1):
        time.sleep(gap)
        begun.append(time.time())
        picture.update(k)
    time.sleep(gap)
    return begun
