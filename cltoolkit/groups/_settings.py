"""The settings of a Run as one flat table: dotted names, values in words."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..records import Run

__all__ = ["differing", "same_tasks", "sequence_key", "settings_of"]

SILENT = ("config", "arguments")  # levels of a record that tell a reader nothing


def settings_of(run: Run) -> dict[str, str]:
    """Learner, network, sequence and training of a run: dotted name → value. The seed is none of them."""
    flat: dict[str, str] = {}
    for part, value in run.config.items():
        if part == "sequence" and isinstance(value, Mapping):
            flat |= _sequence(value)
        elif part != "seed":
            flat |= _flat(value, str(part))
    return flat


def differing(settings: Sequence[Mapping[str, str]]) -> list[str]:
    """The names whose values are not the same in all, in order of first appearance."""
    names = dict.fromkeys(name for each in settings for name in each)
    return [name for name in names if len({each.get(name) for each in settings}) > 1]


def sequence_key(run: Run) -> list[Any]:
    """What is the same for all seeds of one sequence: a recipe without its seed, or else the tasks' names."""
    sequence = run.config.get("sequence", {})
    recipe = sequence.get("recipe")
    if isinstance(recipe, Mapping):
        arguments = recipe.get("arguments")
        rest = {k: v for k, v in arguments.items() if k != "seed"} if isinstance(arguments, Mapping) else arguments
        return [sequence.get("name"), sequence.get("scenario"), run.T, recipe.get("name"), rest]
    return [sequence.get("name"), sequence.get("scenario"), run.T, run.task_names]


def same_tasks(a: Run, b: Run) -> bool:
    """Whether two runs learned the same data in the same order, as far as their records tell."""
    return a.task_names == b.task_names and all(
        _alike(one.get(key), other.get(key)) for one, other in zip(_tasks(a), _tasks(b), strict=True) for key in one
    )


def _tasks(run: Run) -> list[dict[str, Any]]:
    return list(run.config.get("sequence", {}).get("tasks", []))


def _alike(old: Any, new: Any) -> bool:
    """Equality; of floats, but for the last digits, which another machine may round otherwise."""
    if isinstance(old, list) and isinstance(new, list) and all(isinstance(v, float) for v in (*old, *new)):
        return len(old) == len(new) and all(math.isclose(x, y, rel_tol=1e-3) for x, y in zip(old, new, strict=True))
    return bool(old == new)


def _flat(value: Any, name: str) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {name: str(value)}
    flat: dict[str, str] = {}
    for key, inner in value.items():
        silent = key in SILENT and isinstance(inner, Mapping)
        flat |= _flat(inner, name if silent or key == "name" else f"{name}.{key}")
    return flat


def _sequence(sequence: Mapping[str, Any]) -> dict[str, str]:
    """A sequence, its tasks as columns rather than one by one; checksums of the data are left out."""
    recipe = sequence.get("recipe")
    flat = {"sequence": str(sequence.get("name", "–"))}
    if isinstance(recipe, Mapping):
        flat |= _flat({key: value for key, value in recipe.items() if key != "name"}, "sequence")
        flat["sequence.recipe"] = str(recipe.get("name"))
    flat |= {f"sequence.{k}": str(v) for k, v in sequence.items() if k not in ("name", "recipe", "tasks")}
    tasks = sequence.get("tasks", [])
    if tasks:
        flat["sequence.tasks"] = ", ".join(str(task.get("name")) for task in tasks)
    for key in ("classes", "train", "validation", "test"):
        if any(key in task for task in tasks):
            flat[f"sequence.{key} of tasks"] = _column([task.get(key) for task in tasks])
    return flat


def _column(values: Sequence[Any]) -> str:
    """One value for each task; once where all are the same."""
    words = [", ".join(map(str, value)) if isinstance(value, list) else str(value) for value in values]
    return f"{words[0]} each" if len(words) > 1 and len(set(words)) == 1 else "; ".join(words)
