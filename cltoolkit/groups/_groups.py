"""Which Runs are seeds of one experiment, and what each experiment is called."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from .. import metrics
from ..records import Run
from ._settings import differing, sequence_key, settings_of

__all__ = ["Given", "Group", "grouped", "labels", "opened"]

Given = Run | str | os.PathLike[str]
WATCHING = ("eval_every", "log_every", "checkpoint_every", "snapshots")  # they change what is seen, not what is learned
FIRST = ("learner", "sequence", "sequence.scenario", "training", "network")  # what names two experiments apart best
NONE = "–"  # where a learner has no such setting
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


def opened(runs: Given | Iterable[Given]) -> tuple[Run, ...]:
    """The Runs, those given by their folders opened.

    Raises:
        TypeError: if something came that is no Run.
        ValueError: if none came, or one whose matrix has no form of an accuracy matrix.
        RunError: if a folder holds none.
    """
    one = (Run, str, os.PathLike)
    listed = list(runs) if isinstance(runs, Iterable) and not isinstance(runs, one) else [runs]
    for each in listed:
        if not isinstance(each, one):
            raise TypeError(f"expected a Run, the folder of one, or several of them; got {type(each).__name__}")
    if not listed:
        raise ValueError("expected at least one Run, such as `train(learner, sequence)` gives; got none")
    found = tuple(given if isinstance(given, Run) else Run.open(given) for given in listed)
    for run in found:
        metrics.average_accuracy(run.accuracy)  # a matrix of another shape is refused here, with what to do
    return found


def grouped(runs: Sequence[Run]) -> list[Group]:
    """Runs by learner and settings, in the order in which they first came; seeds ascending."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(_experiment(run), []).append(run)
    members = [tuple(sorted(group, key=_order)) for group in found.values()]
    names = _names([group[0] for group in members])
    return [Group(name, group, _field(group[0])) for name, group in zip(names, members, strict=True)]


def labels(runs: Sequence[Run]) -> list[str]:
    """Names for Runs, no two alike: the group and the seed; where that is not enough, the folder, or a number."""
    group_of = {id(run): group.label for group in grouped(runs) for run in group.runs}
    names = [f"{group_of[id(run)]}, seed {run.seed}" for run in runs]
    folders = ["" if run.path is None else Path(run.path).name for run in runs]
    alike = Counter(names)
    return _numbered(
        [f"{n}, {folder}" if folder and alike[n] > 1 else n for n, folder in zip(names, folders, strict=True)], " ({})"
    )


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


def _names(runs: Sequence[Run]) -> list[str]:
    """A name for each: the learner's, and where that is not enough, the settings that tell it apart."""
    told, peers = [settings_of(run) for run in runs], [(run.name, run.num_tasks) for run in runs]
    rivals = [[r for r, other in enumerate(peers) if other == peer] for peer in peers]
    return _numbered([_name(runs[r], r, told, rivals[r]) for r in range(len(runs))], " #{}")


def _name(run: Run, r: int, told: Sequence[Mapping[str, str]], rivals: Sequence[int]) -> str:
    parts = [] if run.num_tasks == run.T else [f"{run.num_tasks} of {run.T} tasks"]
    for key in sorted(differing([told[r] for r in rivals]), key=_rank):
        if key.removeprefix("training.") in WATCHING:
            continue
        value = told[r].get(key, NONE)
        remaining = [other for other in rivals if told[other].get(key, NONE) == value]
        if len(remaining) < len(rivals):
            parts.append(f"{key.removeprefix('learner.')} = {_cut(value)}")
            rivals = remaining
    return f"{run.name} ({', '.join(parts)})" if parts else run.name


def _numbered(names: Sequence[str], form: str) -> list[str]:
    """Names as they are, those that come several times with a number behind."""
    often, seen = Counter(names), Counter[str]()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name + form.format(seen[name]) if often[name] > 1 else name)
    return unique


def _rank(key: str) -> tuple[int, str]:
    """The learner's own settings first, then the rest as `FIRST` has them."""
    exact = FIRST.index(key) if key in FIRST else None
    room = key.partition(".")[0]
    if room == "sequence" and exact is None:
        return len(FIRST), key
    return (FIRST.index(room) if room in FIRST else len(FIRST) + 1) if exact is None else exact, key


def _cut(value: str) -> str:
    return value if len(value) <= LONGEST else f"{value[: LONGEST - 1]}…"
