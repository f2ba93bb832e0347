"""Metrics of Runs as a view needs them: values of all dialects, the cells behind each, and slopes when asked for."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .. import metrics
from ..records import Run

__all__ = ["RunMetrics"]

T = TypeVar("T")


class RunMetrics:
    """Every metric that needs no reference, of every Run.

    Attributes:
        told: what to say of each metric, in JSON's types; of its dialects "at" is their place in `values`.
        values: `(R, D)`, of each Run and dialect; NaN where a Run lacks what the dialect needs.
        cells: `(K, T + 1, T)`, the bit `at` of a cell is set where a dialect depends on it.
        cells_of: which of `cells` is a Run's own; those of the same tasks share one.
        doubts: by Run and metric, what makes the values doubtful.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self._explained = [metrics.explanations(run) for run in runs]
        self._dialects = _union(
            [[(name, key) for name in each for key in each[name].value] for each in self._explained]
        )
        self.told = [self._tell(name) for name in _union([list(each) for each in self._explained])]
        self.values = np.array([self._values(each) for each in self._explained])
        self.cells, self.cells_of = _distinct([self._bits(each) for each in self._explained])
        self.doubts = [
            {name: found.warning for name, found in each.items() if found.warning} for each in self._explained
        ]

    def at(self, metric: str, dialect: str) -> int:
        """The place of a dialect in `values`; the metric's own first one if none is named."""
        return self._dialects.index((metric, dialect or self.dialects(metric)[0]))

    def names(self) -> list[str]:
        """The metrics."""
        return [each["name"] for each in self.told]

    def dialects(self, metric: str) -> list[str]:
        """The dialects of a metric, its own first."""
        return [key for name, key in self._dialects if name == metric]

    def mask(self, run: int, metric: str, dialect: str) -> NDArray[np.bool_]:
        """`(T + 1, T)`, the cells that a dialect depends on."""
        bits = self.cells[self.cells_of[run]].astype(np.int64)
        return np.asarray((bits >> self.at(metric, dialect)) & 1, dtype=bool)

    def slopes(self, run: int, metric: str, dialect: str) -> list[float]:
        """How the value answers to each cell that it depends on, row by row."""
        found = self._of(run, metric, dialect)
        return [] if found is None else [float(f"{x:.6g}") for x in found.slope[dialect][found.cells[dialect]]]

    def slope(self, run: int, metric: str, dialect: str, i: int, j: int) -> float:
        """How the value answers to one cell."""
        found = self._of(run, metric, dialect)
        return float("nan") if found is None else found.slope_at(dialect, i, j)

    def _of(self, run: int, metric: str, dialect: str) -> metrics.Explanation | None:
        """None where the Run lacks what the dialect needs."""
        if (metric, dialect) not in self._dialects:
            raise KeyError(f"no metric {metric!r} in the dialect {dialect!r}")
        found = self._explained[run].get(metric)
        return found if found is not None and dialect in found.value else None

    def _tell(self, name: str) -> dict[str, Any]:
        having = [each[name] for each in self._explained if name in each]
        first = having[0]
        keys = {dialect: key for each in having for dialect, key in each.key.items()}
        formulas = {dialect: formula for each in having for dialect, formula in each.formula.items()}
        known = [
            {"name": d, "at": self.at(name, d), "key": keys[d], "formula": formulas[d], "cells": d != "steps"}
            for d in self.dialects(name)
        ]
        told = {"name": name, "title": first.title, "unit": first.unit, "direction": first.direction}
        return told | {"note": first.note, "dialects": known}

    def _values(self, explained: dict[str, metrics.Explanation]) -> list[float]:
        return [explained[name].value.get(key, np.nan) if name in explained else np.nan for name, key in self._dialects]

    def _bits(self, explained: dict[str, metrics.Explanation]) -> NDArray[np.float64]:
        """One whole number per cell; float32 holds those of 24 bits exactly."""
        bits = np.zeros(next(iter(explained.values())).accuracy.shape, dtype=np.int64)
        for at, (name, key) in enumerate(self._dialects):
            if name in explained and key in explained[name].cells:
                bits |= explained[name].cells[key].astype(np.int64) << at
        return bits.astype(np.float64)


def _union(lists: list[list[T]]) -> list[T]:
    """What is in any of them, in the order of the longest."""
    return list(dict.fromkeys(each for known in sorted(lists, key=len, reverse=True) for each in known))


def _distinct(masks: list[NDArray[np.float64]]) -> tuple[NDArray[np.float64], list[int]]:
    """The different masks, and which of them each one is."""
    found: list[NDArray[np.float64]] = []
    places = []
    for mask in masks:
        place = next((k for k, known in enumerate(found) if np.array_equal(known, mask)), len(found))
        places.append(place)
        found += [mask] if place == len(found) else []
    return np.array(found), places
