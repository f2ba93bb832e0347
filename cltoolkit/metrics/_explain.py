"""Where a number comes from: its formula, its value in each dialect, and the cells of the accuracy matrix it uses."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from ..metrics import _show
from ._dialects import METRICS, NAMES, Dialect, available
from ._inputs import Array, Inputs, Mask, Record, gather, nearest

ELSEWHERE = {
    "lca": "learning_curve_area(curves, beta)",
    "learning_curve_area": "learning_curve_area(curves, beta)",
    "task_id_accuracy": "task_id_accuracy(confusion)",
}


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """What `explain` found. Shown in a notebook it is the accuracy matrix with the used cells lit up.

    Args:
        name: the metric's name in `table`.
        key: dialect → its own name in `table`.
        title: the name in words.
        direction: `higher` or `lower` is better.
        unit: of the values.
        formula: dialect → formula.
        value: dialect → value.
        cells: dialect → `(T + 1, T)` of bool: the cells that the value depends on, and no other.
        note: how to read the sign.
        warning: what makes the value doubtful; empty where nothing does.
        accuracy: `(T + 1, T)`, the matrix itself.
        task_names: T names.
    """

    name: str
    key: dict[str, str]
    title: str
    direction: str
    unit: str
    formula: dict[str, str]
    value: dict[str, float]
    cells: dict[str, Mask]
    note: str
    warning: str
    accuracy: Array
    task_names: tuple[str, ...]
    _given: Inputs
    _dialects: dict[str, Dialect]

    @cached_property
    def slope(self) -> dict[str, Array]:
        """Dialect → `(T + 1, T)`: how much the value rises per unit of each cell; of a mean, the cell's weight."""
        slopes = {}
        for dialect, cells in self.cells.items():
            slopes[dialect] = np.zeros_like(self.accuracy)
            for i, j in np.argwhere(cells):
                slopes[dialect][i, j] = self.slope_at(dialect, i, j)
        return slopes

    def slope_at(self, dialect: str, i: int, j: int) -> float:
        """One number of `slope`; all of them take the time of one value for each cell."""
        rise, risen = 2.0**-20, self.accuracy.copy()
        risen[i, j] += rise
        return (self._dialects[dialect].value(replace(self._given, accuracy=risen)) - self.value[dialect]) / rise

    def __repr__(self) -> str:
        return _show.text(self)

    def _repr_html_(self) -> str:
        return _show.html(self)


def explain(
    name: str,
    accuracy_or_run: ArrayLike | Record,
    *,
    single: ArrayLike | Record | None = None,
    joint: ArrayLike | Record | None = None,
    weights: ArrayLike | None = None,
) -> Explanation:
    """Shows a metric's formula, its value in each dialect and the cells of the accuracy matrix behind it.

    Args:
        name: a name of `table` or of a function here: "bwt", "bwt_diaz" and "backward_transfer" are explained together.
        accuracy_or_run: `(T + 1, T)` accuracy matrix, or a Run.
        single: `(T,)`, each task learned alone, or a Run of Separate; `plasticity_gain` needs it.
        joint: `(T,)`, tasks learned together, or a Run of Joint; `intransigence` needs it.
        weights: `(T,)`, test examples per task; a Run knows its own.

    Returns:
        An `Explanation`. `plots.accuracy_matrix(run, highlight=explanation.cells["gem"])` draws its cells.

    Raises:
        ValueError: if no metric has that name, a reference is missing, or a shape is wrong.

    Example:
        >>> explain("bwt", [[0.5, 0.5], [1.0, 0.5], [0.75, 1.0]])
        backward transfer (bwt): higher is better; difference of fractions
        Below zero: earlier tasks were forgotten. Zero: untouched. Above zero: later tasks helped them.
        <BLANKLINE>
        gem  -0.2500  (1/(T−1)) Σⱼ<T (R[T, j] − R[j, j])
                         task 1    task 2
          before          0.500     0.500
          after task 1  [ 1.000]    0.500
          after task 2  [ 0.750]    1.000
        diaz  -0.2500  Σᵢ≥₂ Σⱼ<ᵢ (R[i, j] − R[j, j]) / (T (T−1) / 2)
          the same cells as gem
    """
    family = _family(name)
    given = gather(accuracy_or_run, single=single, joint=joint, weights=weights)
    dialects = _available(family, given)
    if not dialects:
        needs = next(iter(METRICS[family].dialects.values())).needs
        raise ValueError(
            f"{family!r} compares with a reference: give `{needs}=`, one accuracy per task or a Run of the same tasks"
        )
    return _explained(family, given, dialects)


def explanations(accuracy_or_run: ArrayLike | Record) -> dict[str, Explanation]:
    """Every metric that needs no reference, by its name, explained as `explain` does.

    Example:
        >>> found = explanations([[0.5, 0.5], [1.0, 0.5], [0.75, 1.0]])
        >>> {name: round(each.value["gem"], 3) for name, each in found.items() if "gem" in each.value}
        {'acc': 0.875, 'bwt': -0.25, 'fwt': 0.0}
    """
    given = gather(accuracy_or_run)
    return {family: _explained(family, given, known) for family in METRICS if (known := _available(family, given))}


def _available(family: str, given: Inputs) -> dict[str, Dialect]:
    return {key: dialect for key, dialect in METRICS[family].dialects.items() if available(dialect, given)}


def _explained(family: str, given: Inputs, dialects: dict[str, Dialect]) -> Explanation:
    metric = METRICS[family]
    value = {name: dialect.value(given) for name, dialect in dialects.items()}
    cells = {name: dialect.cells(given) for name, dialect in dialects.items()}
    return Explanation(
        name=family,
        key={name: dialect.key for name, dialect in dialects.items()},
        title=metric.title,
        direction=metric.direction,
        unit=metric.unit,
        formula={name: dialect.formula for name, dialect in dialects.items()},
        value=value,
        cells=cells,
        note=metric.note,
        warning=" ".join(_doubts(family, value, cells, given)),
        accuracy=given.accuracy,
        task_names=given.task_names or tuple(f"task {j + 1}" for j in range(given.T)),
        _given=given,
        _dialects=dialects,
    )


def _family(name: str) -> str:
    if name in NAMES:
        return NAMES[name]
    if name in ELSEWHERE:
        raise ValueError(f"{name!r} does not come from the accuracy matrix; call {ELSEWHERE[name]}")
    raise ValueError(f"unknown metric {name!r}{nearest(name, NAMES)}; there are {', '.join(METRICS)}")


def _doubts(family: str, value: dict[str, float], cells: dict[str, Mask], given: Inputs) -> list[str]:
    """What makes the values doubtful, one sentence each."""
    used = np.any(list(cells.values()), axis=0)
    doubts = []
    if given.T == 1 and np.isnan(list(value.values())).any():
        doubts.append("It is undefined for a single task, which has no other before or after it.")
    if unknown := int(np.isnan(given.accuracy[used]).sum()):
        doubts.append(
            f"{unknown} of the {int(used.sum())} cells used are unknown (NaN), and so is a value that rests on them; "
            "of the first k tasks alone the matrix is accuracy[: k + 1, :k]."
        )
    if given.T > 1 and family == "fwt" and (why := _untrained(given)):
        doubts.append(f"{why}: this is chance, not transfer. Look at plasticity_gain instead.")
    if np.nanmax(given.accuracy, initial=0.0) > 1.5:
        doubts.append(
            "Accuracies above 1 look like percent; fractions are expected, so read the values in percent too."
        )
    return doubts


def _untrained(given: Inputs, near: float = 0.1) -> str:
    """Why zero-shot accuracy means nothing here, if so."""
    if given.scenario in ("task", "class"):
        return f"In the {given.scenario}-incremental scenario the outputs of a task not yet learned are untrained"
    gained = np.abs(np.diagonal(given.accuracy)[1:] - given.accuracy[0, 1:])
    return "Every accuracy before learning is near that of the untrained network" if (gained < near).all() else ""
