"""How it was made: settings, cost, environment."""

from collections.abc import Mapping, Sequence

import numpy as np

from .. import metrics
from ..groups import Group, differing, settings_of
from ..records import Run
from ._document import Block, Section, Table, Text
from ._words import UNKNOWN, megabytes, seconds, these

__all__ = ["columns_of", "cost_section", "environment_section", "settings_section"]

WIDEST = 10  # tasks that have a column each


def columns_of(groups: Sequence[Group]) -> dict[str, dict[str, str]]:
    """The settings of each group; where its seeds differ in one, all values."""
    return {group.label: _joined([settings_of(run) for run in group.runs]) for group in groups}


def _joined(every: Sequence[Mapping[str, str]]) -> dict[str, str]:
    names = dict.fromkeys(name for each in every for name in each)
    return {name: " | ".join(dict.fromkeys(each.get(name, UNKNOWN) for each in every)) for name in names}


def settings_section(groups: Sequence[Group]) -> Section | None:
    """What all groups share, in what they differ, and what each has alone."""
    columns = columns_of(groups)
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    if not names:
        return None
    other = set(differing(list(columns.values())))
    holders = {name: [label for label, column in columns.items() if name in column] for name in names}
    shared = [[name, next(iter(columns.values()))[name]] for name in names if name not in other]
    differ = [name for name in names if name in other and len(holders[name]) > 1 and name != "learner"]
    alone = [[name, holders[name][0], columns[holders[name][0]][name]] for name in names if name in other]
    alone = [row for row in alone if len(holders[row[0]]) == 1]
    blocks: list[Block] = []
    if shared:
        blocks.append(Table("Shared by all learners", ["setting", "value"], shared, words=True))
    if differ:
        rows = [[name, *(column.get(name, UNKNOWN) for column in columns.values())] for name in differ]
        blocks.append(Table("Settings that differ", ["setting", *columns], rows, words=True))
    if alone:
        alone.sort(key=lambda row: list(columns).index(row[1]))
        blocks.append(Table("Settings that one learner alone has", ["setting", "learner", "value"], alone, words=True))
    intro = (
        "With what each learner was trained. A difference in the results may come from any setting that differs, not "
        f"from the learner alone. {UNKNOWN}: the learner has no such setting. a | b: seeds differ in it."
    )
    return Section("Settings", intro, blocks)


def cost_section(groups: Sequence[Group]) -> Section | None:
    """Seconds and peak memory."""
    timed = [group for group in groups if group.done and any(len(run.seconds) for run in group.runs)]
    if not timed:
        return None
    intro = (
        "Seconds of training, evaluation left out: mean over seeds ± half the width of its 95 % interval. They compare "
        "learners only where the machine did nothing else. Peak memory is that of the device, or on a CPU of the whole "
        "process so far, so that Runs of one process share it."
    )
    fields = dict.fromkeys(group.field for group in timed)
    tables = [_costs([group for group in timed if group.field == field]) for field in fields]
    return Section("Cost", intro, tables)


def _costs(groups: Sequence[Group]) -> Table:
    """One row per group that learned the same tasks."""
    k = groups[0].done
    names = groups[0].first.task_names[:k]
    parts = (
        [f"task {name}" for name in names] if k <= WIDEST else ["least per task", "median per task", "most per task"]
    )
    rows = []
    for group in groups:
        spent = np.array([run.seconds[:k] for run in group.runs if len(run.seconds)], dtype=np.float64)  # (runs, k)
        total, half = (float(value) for value in metrics.mean_and_interval(spent.sum(1)))
        each = spent.mean(0)
        each = each if k <= WIDEST else np.array([each.min(), np.median(each), each.max()])
        said = seconds(total) + ("" if np.isnan(half) else f" ± {seconds(half)}")
        rows.append([group.label, said, *map(seconds, each.tolist()), megabytes(_peak(group.runs))])
    return Table(f"Cost on {groups[0].sequence}", ["learner", "seconds in all", *parts, "peak memory (MB)"], rows)


def _peak(runs: Sequence[Run]) -> float:
    known = np.concatenate([np.asarray(run.memory, dtype=np.float64).ravel() for run in runs])
    known = known[np.isfinite(known)]
    return float(known.max()) if known.size else float("nan")


def environment_section(groups: Sequence[Group]) -> Section:
    """Where each run was made, and what became of it."""
    runs = [(group, run) for group in groups for run in group.runs]
    every = [{str(key): str(value) for key, value in run.environment.items()} for _, run in runs]
    names = list(dict.fromkeys(name for each in every for name in each))
    other = differing(every)
    shared = [[name, every[0][name]] for name in names if name not in other]
    blocks: list[Block] = []
    if other:
        words = (
            f"The Runs were not all made in the same place: they differ in {these(other)}. Times are not comparable."
        )
        blocks.append(Text(words, warning=True))
    elif names:
        blocks.append(Text("All Runs were made in the same environment."))
    if shared:
        blocks.append(Table("Shared by all Runs", ["what", "value"], shared, words=True))
    rows = [
        [
            f"{group.label}, seed {run.seed}",
            run.status,
            f"{run.num_tasks} of {run.T}",
            *(each.get(name, UNKNOWN) for name in other),
            UNKNOWN if run.path is None else run.path.name,
        ]
        for (group, run), each in zip(runs, every, strict=True)
    ]
    blocks.append(Table("The Runs", ["Run", "status", "tasks learned", *other, "folder"], rows, words=True))
    intro = (
        "Where the Runs were made: the same seed gives the same bytes only with the same versions on the same machine."
    )
    return Section("Environment", intro, blocks)
