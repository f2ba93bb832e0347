"""What a run's record says of its learner and its sequence, and how both are made again from it."""

import math
from collections.abc import Iterator
from typing import Any

from .. import learners, networks, sequences
from ..learners import Learner
from ..records import Run, RunError
from ..tasks import TaskSequence

__all__ = ["describe", "same_learner", "same_sequence"]

WORDS = {"probe": "data (or its order; a probe of the first examples of each part)"}


def describe(learner: Learner, sequence: TaskSequence, training: dict[str, Any], seed: int) -> dict[str, Any]:
    """A run's configuration, in JSON's types."""
    return {
        "learner": {"name": learner.name, "config": _plain(learner.config)},
        "network": learner.net.recipe,
        "sequence": sequence.description,
        "training": training,
        "seed": seed,
    }


def same_sequence(run: Run, sequence: TaskSequence | None) -> TaskSequence:
    """The run's own sequence, rebuilt; or the one given, if the run's tasks are its first.

    Raises:
        ValueError: if it cannot be rebuilt and is not given, or the one given is another.
    """
    saved = _entry(run, "sequence")
    if sequence is None:
        if saved["recipe"] is None:
            raise ValueError(
                f"the sequence {saved['name']!r} holds data of your own, which the record alone cannot bring back; "
                "pass it again with `sequence=`"
            )
        sequence = sequences.build(saved["recipe"]).as_scenario(saved["scenario"])
    given = sequence.description
    for key, (old, new) in _differences(saved, given):
        raise ValueError(
            f"the sequence differs from the run's: {key} was {old!r} and is {new!r}. "
            "Pass the run's own tasks, in their order, and further ones behind them if it is to be extended."
        )
    return sequence


def _entry(run: Run, name: str) -> dict[str, Any]:
    """A part of a run's configuration.

    Raises:
        RunError: if it is not there, as in a record made by hand.
    """
    if name not in run.config:
        raise RunError(
            f"the record of {run.name} does not say with which {name} it was made; it can be shown, not continued"
        )
    return run.config[name]


def _differences(saved: dict[str, Any], given: dict[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    if saved["scenario"] != given["scenario"]:
        yield "scenario", (saved["scenario"], given["scenario"])
    if len(given["tasks"]) < len(saved["tasks"]):
        yield "number of tasks", (len(saved["tasks"]), len(given["tasks"]))
    for t, (old, new) in enumerate(zip(saved["tasks"], given["tasks"], strict=False)):
        yield from (
            (f"task {t}'s {WORDS.get(key, key)}", (old.get(key), new.get(key)))
            for key in {**old, **new}
            if not _alike(old.get(key), new.get(key))
        )


def _alike(old: Any, new: Any) -> bool:
    """Equality; of floats, but for the last digits."""
    if isinstance(old, list) and isinstance(new, list) and all(isinstance(value, float) for value in (*old, *new)):
        return len(old) == len(new) and all(math.isclose(a, b, rel_tol=1e-3) for a, b in zip(old, new, strict=True))
    return bool(old == new)


def same_learner(run: Run, learner: Learner | None) -> Learner:
    """A new learner like the run's, from its record; or the one given, if it is like the run's.

    Raises:
        ValueError: if it cannot be rebuilt and is not given, or the one given is another.
    """
    saved, network = _entry(run, "learner"), run.config.get("network")
    if learner is None:
        if network is None:
            raise ValueError(
                "the run's network was not built by a function of `networks` from plain values; "
                f"pass a new {saved['name']} on the same network with `learner=`"
            )
        return learners.build(saved["name"], networks.build(network), saved["config"])
    given = {"name": learner.name, "config": _plain(learner.config)}
    if given != saved:
        raise ValueError(f"the learner differs from the run's: it was {saved}, and is {given}; build it the same way")
    return learner


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """Hyper-parameters as JSON gives them back."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in config.items()}
