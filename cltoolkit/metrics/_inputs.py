"""What may come in: accuracy matrices, Runs and references, checked once at the door."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Rule = TypeVar("Rule", bound=Callable[..., Any])


@runtime_checkable
class Record(Protocol):
    """What this room reads of a Run: the accuracy matrix."""

    @property
    def accuracy(self) -> NDArray[np.float64]: ...


@runtime_checkable
class Watched(Protocol):
    """A Run that was evaluated during training too."""

    @property
    def anytime(self) -> Mapping[str, NDArray[Any]]: ...


@runtime_checkable
class Configured(Protocol):
    """A Run that knows its configuration."""

    @property
    def config(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Inputs:
    """All that a metric may look at; what was not given is None."""

    accuracy: Array  # (T + 1, T)
    single: Array | None = None  # (T,)
    joint: Array | None = None  # (T,)
    weights: Array | None = None  # (T,)
    anytime: tuple[Array, NDArray[np.int64]] | None = None  # (E, T), (E,)
    scenario: str | None = None
    task_names: tuple[str, ...] = ()

    @property
    def T(self) -> int:
        """The number of tasks."""
        return self.accuracy.shape[1]


def gather(
    accuracy_or_run: ArrayLike | Record,
    *,
    single: ArrayLike | Record | None = None,
    joint: ArrayLike | Record | None = None,
    weights: ArrayLike | None = None,
) -> Inputs:
    """Everything known about a matrix or a Run, checked."""
    run = accuracy_or_run
    accuracy = matrix(run.accuracy if isinstance(run, Record) else run)
    T = accuracy.shape[1]
    sequence: Mapping[str, Any] = run.config.get("sequence", {}) if isinstance(run, Configured) else {}
    tasks = sequence.get("tasks", [])
    if weights is None and len(tasks) == T and all("test" in task for task in tasks):
        weights = [task["test"] for task in tasks]
    anytime = None
    if isinstance(run, Watched) and len(run.anytime.get("task", ())):
        anytime = evaluations(run.anytime["accuracy"], run.anytime["task"])
    return Inputs(
        accuracy,
        None if single is None else reference(single, T, "single"),
        None if joint is None else reference(joint, T, "joint"),
        None if weights is None else sample_weights(weights, T),
        anytime,
        sequence.get("scenario"),
        tuple(str(task["name"]) for task in tasks if "name" in task) if len(tasks) == T else (),
    )


def matrix(accuracy: ArrayLike) -> Array:
    """The accuracy matrix as float64 `(T + 1, T)`, or an error that says how to make it one."""
    values = _numbers(accuracy, "accuracy")
    if values.ndim == 2 and values.shape[1] >= 1 and values.shape[0] == values.shape[1] + 1:
        return values
    expected = "`accuracy` must have shape (T + 1, T) with row 0 measured before any training"
    if values.ndim == 2 and values.shape[0] == values.shape[1] > 0:
        T = len(values)
        raise ValueError(
            f"{expected}; got ({T}, {T}): row 0 is missing. "
            f"If it was not measured, put NaN there: np.vstack([np.full({T}, np.nan), accuracy])"
        )
    if values.ndim == 2 and values.shape[1] == values.shape[0] + 1:
        raise ValueError(f"{expected}; got {values.shape}: tasks are columns, so transpose it: accuracy.T")
    raise ValueError(f"{expected}; got shape {values.shape}")


def reference(values: ArrayLike | Record, T: int, name: str) -> Array:
    """One accuracy per task `(T,)`; of a Run or its matrix, each task's accuracy right after learning it."""
    array = _numbers(values.accuracy if isinstance(values, Record) else values, name)
    if array.shape == (T + 1, T):
        return np.diagonal(array, -1)
    if array.shape == (T,):
        return array
    raise ValueError(
        f"`{name}` must hold one accuracy per task, shape ({T},), or be a Run or accuracy matrix ({T + 1}, {T}) "
        f"of the same {T} tasks; got shape {array.shape}"
    )


def sample_weights(weights: ArrayLike, T: int) -> Array:
    """Test examples per task `(T,)`: not negative, not all zero."""
    array = _numbers(weights, "weights")
    if array.shape != (T,):
        raise ValueError(f"`weights` must hold one number of test examples per task, shape ({T},); got {array.shape}")
    if not np.isfinite(array).all() or (array < 0).any() or array.sum() <= 0:
        raise ValueError(f"`weights` must be finite, not negative and not all zero; got {array.tolist()}")
    return array


def evaluations(accuracy: ArrayLike, task: ArrayLike) -> tuple[Array, NDArray[np.int64]]:
    """Evaluations during training, in order of time: accuracies `(E, T)` and the task being learned at each `(E,)`."""
    values, during = _numbers(accuracy, "accuracy"), np.asarray(task)
    if values.ndim != 2 or not len(values) or during.shape != values.shape[:1]:
        raise ValueError(
            "evaluations during training need `accuracy` of shape (E, T), E ≥ 1, and `task` of shape (E,), the index "
            f"of the task being learned at each; got {values.shape} and {during.shape}"
        )
    whole = during.astype(np.int64)
    if (whole != during).any() or whole.min() < 0 or whole.max() >= values.shape[1] or (np.diff(whole) < 0).any():
        raise ValueError(
            f"`task` must be whole numbers from 0 to {values.shape[1] - 1} that never decrease (tasks are learned in "
            f"order; reorder the columns of `accuracy` if yours were not); got {during.tolist()}"
        )
    return values, whole


def choose(name: str, rules: Mapping[str, Rule]) -> Rule:
    """The rule of a dialect, or an error with the nearest right name."""
    if name not in rules:
        raise ValueError(f"unknown dialect {name!r}{nearest(name, rules)}; there are {', '.join(rules)}")
    return rules[name]


def nearest(name: str, names: Mapping[str, object]) -> str:
    """`: did you mean 'bwt'?`, or nothing where no name is near."""
    close = get_close_matches(name.lower(), list(names), n=1, cutoff=0.5)
    return f": did you mean {close[0]!r}?" if close else ""


def mean(values: Array) -> float:
    """The mean, and NaN (silently) of nothing: a transfer of one task is undefined."""
    return float(values.mean()) if values.size else float("nan")


def _numbers(values: Any, name: str) -> Array:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`{name}` must be numbers (an array, nested lists of equal length, or a Run); "
            f"got {type(values).__name__}: {error}. Unknown cells are NaN"
        ) from error
    if np.isinf(array).any():
        raise ValueError(f"`{name}` must be finite; got an infinite value. Unknown cells are NaN")
    return array
