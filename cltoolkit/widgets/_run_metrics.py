"""Metrics of Runs as a view needs them: values of all dialects at once, the cells behind each, slopes cell by cell.

`metrics.explain` computes the slope of every cell, one value of the metric for each: minutes for 200 tasks. Here slopes
come when they are asked for.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics._dialects import METRICS, Dialect, available
from ..metrics._explain import _doubts, _slope, slope_at
from ..metrics._inputs import Inputs, gather
from ..records import Run

__all__ = ["RunMetrics"]


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
        self._given = [gather(run) for run in runs]
        self._dialects = {
            (name, key): dialect
            for name, metric in METRICS.items()
            for key, dialect in metric.dialects.items()
            if any(available(dialect, given) for given in self._given)
        }
        self.told = [self._tell(name) for name in METRICS if any(name == known for known, _ in self._dialects)]
        self.values = np.array([[_value(d, given) for d in self._dialects.values()] for given in self._given])
        masks = [self._bits(given) for given in self._given]
        self.cells, self.cells_of = _distinct(masks)
        self.doubts = [self._doubts(given) for given in self._given]

    def at(self, metric: str, dialect: str) -> int:
        """The place of a dialect in `values`; the metric's own first one if none is named."""
        keys = list(self._dialects)
        return keys.index((metric, dialect or self.dialects(metric)[0]))

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
        chosen, given = self._dialects[metric, dialect], self._given[run]
        if not available(chosen, given):
            return []
        return [float(f"{x:.6g}") for x in _slope(chosen, given)[chosen.cells(given)]]

    def slope(self, run: int, metric: str, dialect: str, i: int, j: int) -> float:
        """How the value answers to one cell."""
        chosen, given = self._dialects[metric, dialect], self._given[run]
        if not available(chosen, given):
            return float("nan")
        return slope_at(chosen, given, chosen.value(given), i, j)

    def _tell(self, name: str) -> dict[str, Any]:
        metric = METRICS[name]
        known = [
            {"name": key, "at": at, "key": dialect.key, "formula": dialect.formula, "cells": key != "steps"}
            for at, ((family, key), dialect) in enumerate(self._dialects.items())
            if family == name
        ]
        told = {"name": name, "title": metric.title, "unit": metric.unit, "direction": metric.direction}
        return told | {"note": metric.note, "dialects": known}

    def _bits(self, given: Inputs) -> NDArray[np.float64]:
        """One whole number per cell; float32 holds those of 24 bits exactly."""
        bits = np.zeros(given.accuracy.shape, dtype=np.int64)
        for at, dialect in enumerate(self._dialects.values()):
            if available(dialect, given):
                bits |= dialect.cells(given).astype(np.int64) << at
        return bits.astype(np.float64)

    def _doubts(self, given: Inputs) -> dict[str, str]:
        found = {}
        for name in self.names():
            known = {key: d for (family, key), d in self._dialects.items() if family == name and available(d, given)}
            if known and (said := " ".join(_doubts(name, known, given))):
                found[name] = said
        return found


def _value(dialect: Dialect, given: Inputs) -> float:
    return dialect.value(given) if available(dialect, given) else float("nan")


def _distinct(masks: list[NDArray[np.float64]]) -> tuple[NDArray[np.float64], list[int]]:
    """The different masks, and which of them each one is."""
    found: list[NDArray[np.float64]] = []
    places = []
    for mask in masks:
        place = next((k for k, known in enumerate(found) if np.array_equal(known, mask)), len(found))
        places.append(place)
        found += [mask] if place == len(found) else []
    return np.array(found), places
