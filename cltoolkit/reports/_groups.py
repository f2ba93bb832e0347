"""Which Runs are seeds of one experiment, and what each experiment is called."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .. import metrics
from ..records import Run
from ._flat import differing, sequence_key, settings_of

__all__ = ["Given", "Group", "grouped", "opened"]

Given = Run | str | os.PathLike[str]
WATCHING = ("eval_every", "log_every", "checkpoint_every", "snapshots")  # they change what is seen, not what is learned
FIRST = ("learner", "sequence", "sequence.scenario", "training", "network")  # what names two experiments apart best
LONGEST = 28  # characters of a value in a name


@dataclass(frozen=True, eq=False)
class Group:
    """Runs that differ in their seed alone.

    Attributes:
        label: a name no other group has.
        runs: by seed.
        field: what is alike among groups whose numbers may be compared: the sequence, and how much of it was learned.
    """

    label: str
    runs: tuple[Run, ...]
    field: str

    @property
    def name(self) -> str:
        """The learner's name."""
        return self.runs[0].name

    @property
    def first(self) -> Run:
        """The run of the lowest seed, which stands for all where one is drawn."""
        return self.runs[0]

    @property
    def done(self) -> int:
        """How many tasks are learned."""
        return self.first.num_tasks

    @cached_property
    def seeds(self) -> list[int]:
        """Every seed once."""
        return sorted({run.seed for run in self.runs})

    @property
    def sequence(self) -> str:
        """What was learned, in a few words."""
        sequence = self.first.config.get("sequence", {})
        name, scenario = sequence.get("name", f"{self.first.T} tasks"), sequence.get("scenario")
        return f"{name} ({scenario}-incremental)" if scenario else str(name)


def opened(runs: Given | Iterable[Given]) -> list[Run]:
    """The Runs, those given by their folders opened.

    Raises:
        ValueError: if none came, or something that is no Run.
        RunError: if a folder holds none.
    """
    listed = [runs] if isinstance(runs, Run | str | os.PathLike) else list(runs)
    if not listed:
        raise ValueError("expected at least one Run, or the folder of one; got none")
    strange = [given for given in listed if not isinstance(given, Run | str | os.PathLike)]
    if strange:
        kind = type(strange[0]).__name__
        raise ValueError(f"expected Runs, or folders of Runs as `train(..., out=folder)` writes them; got {kind}")
    found = [given if isinstance(given, Run) else Run.open(given) for given in listed]
    for run in found:
        metrics.average_accuracy(run.accuracy)  # a matrix of another shape is refused here, with what to do
    return found


def grouped(runs: Sequence[Run]) -> list[Group]:
    """Runs by learner and settings, in the order in which they first came; seeds ascending."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(_experiment(run), []).append(run)
    members = [tuple(sorted(group, key=_order)) for group in found.values()]
    labels = _labels([group[0] for group in members])
    return [Group(label, group, _field(group[0])) for label, group in zip(labels, members, strict=True)]


def _order(run: Run) -> tuple[int, str]:
    return run.seed, "" if run.path is None else str(run.path)


def _field(run: Run) -> str:
    return json.dumps([sequence_key(run), run.num_tasks], sort_keys=True, default=str)


def _experiment(run: Run) -> str:
    """What runs of different seeds have in common."""
    training = run.config.get("training")
    if isinstance(training, Mapping):
        training = {key: value for key, value in training.items() if key not in WATCHING}
    parts: list[Any] = [run.config.get("learner"), run.config.get("network"), training, _field(run)]
    return json.dumps(parts, sort_keys=True, default=str)


def _labels(runs: Sequence[Run]) -> list[str]:
    """A name for each: the learner's, and where that is not enough, the settings that tell it apart."""
    said = [_said(run, [other for other in runs if other.name == run.name]) for run in runs]
    return [f"{label} #{said[:i].count(label) + 1}" if said.count(label) > 1 else label for i, label in enumerate(said)]


def _said(run: Run, alike: Sequence[Run]) -> str:
    parts = [] if run.num_tasks == run.T else [f"{run.num_tasks} of {run.T} tasks"]
    rivals = [other for other in alike if other.num_tasks == run.num_tasks]
    for key in sorted(differing([settings_of(other) for other in rivals]), key=_rank):
        if len(rivals) == 1:
            break
        if key.removeprefix("training.") in WATCHING:
            continue
        value = settings_of(run).get(key, "–")
        remaining = [other for other in rivals if settings_of(other).get(key, "–") == value]
        if len(remaining) < len(rivals):
            parts.append(f"{key.removeprefix('learner.')} = {_cut(value)}")
            rivals = remaining
    return f"{run.name} ({', '.join(parts)})" if parts else run.name


def _rank(key: str) -> tuple[int, str]:
    """The learner's own settings first, then the rest as `FIRST` has them."""
    exact = FIRST.index(key) if key in FIRST else None
    room = key.partition(".")[0]
    if room == "sequence" and exact is None:
        return len(FIRST), key
    return (FIRST.index(room) if room in FIRST else len(FIRST) + 1) if exact is None else exact, key


def _cut(value: str) -> str:
    return value if len(value) <= LONGEST else f"{value[: LONGEST - 1]}…"
