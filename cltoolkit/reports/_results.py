"""What came out: the table over seeds, and the differences between learners."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .. import metrics
from ..groups import Group
from ..records import Run
from ._document import Block, Cell, Section, Strong, Table, Text
from ._values import BOUNDS, WITH_REFERENCE, Compared, Values
from ._words import MINUS, UNKNOWN, count, difference, number, spread, these

__all__ = ["difference_section", "result_section"]

ENOUGH = 20  # tasks that are looked at for what makes a measure doubtful
STAR = "★"


def result_section(values: Values) -> Section:
    """One row per learner, and what the columns mean."""
    level = f"{100 * values.level:g} %"
    intro = (
        f"Each row is one learner; a cell is the mean over its seeds ± half the width of Student's {level} interval "
        f"for that mean. {STAR} marks the best mean of a column; where intervals overlap much, look at the paired "
        "differences before calling it better."
    )
    blocks: list[Block] = [Text(words, warning=True) for words in _cautions(values.groups)]
    blocks += [_summary(values), _meanings(values.measures)]
    blocks += [Text(words) for words in (*_bounds(values.groups), *_doubts(values))]
    return Section("Results", intro, blocks)


def _summary(values: Values) -> Table:
    best = {measure: values.best(measure) for measure in values.measures}
    where = {"sequence": [g.sequence for g in values.groups], "tasks learned": [_progress(g) for g in values.groups]}
    where = {name: said for name, said in where.items() if len(set(said)) > 1}
    rows = [
        [
            group.label,
            *(said[i] for said in where.values()),
            *(_cell(values, group, measure, group.label in best[measure]) for measure in values.measures),
            _seeds(group),
        ]
        for i, group in enumerate(values.groups)
    ]
    arrows = {"higher": "↑", "lower": "↓"}
    columns = [f"{measure} {arrows[metrics.direction(measure)]}" for measure in values.measures]
    head = ["learner", *where, *columns, "seeds"]
    return Table("Mean over seeds (↑ higher is better, ↓ lower is better)", head, rows)


def _progress(group: Group) -> str:
    return f"{group.done} of {group.first.T}"


def _cell(values: Values, group: Group, measure: str, best: bool) -> Cell:
    text = spread(*values.mean(group, measure))
    known = int(np.isfinite(values.over_seeds(group, measure)).sum())
    some = f" ({count(known, 'seed')})" if 0 < known < len(group.seeds) else ""
    return Strong(f"{text}{some} {STAR}") if best else f"{text}{some}"


def _seeds(group: Group) -> str:
    n = len(group.seeds)
    return "one seed: no interval" if n == 1 else str(n)


def _meanings(measures: Sequence[str]) -> Table:
    rows = [
        [measure, metrics.label(measure), f"{metrics.direction(measure)} is better", metrics.unit(measure), note]
        for measure in measures
        for note in [_explained(measure)]
    ]
    return Table(
        "What the columns mean", ["column", "measure", "direction", "unit", "how to read it"], rows, words=True
    )


def _explained(measure: str) -> str:
    """The note of a measure, which no numbers change."""
    return metrics.explain(measure, np.zeros((3, 2)), single=[0, 0], joint=[0, 0], weights=[1, 1]).note


def _cautions(groups: Sequence[Group]) -> list[str]:
    """What a reader must know before comparing rows."""
    said = []
    sequences = list(dict.fromkeys(group.sequence for group in groups))
    fields = {(group.field, group.done) for group in groups}
    if len({group.done for group in groups}) < len(fields):
        said.append(
            f"These Runs are of different sequences ({these(sequences)}): rows of different sequences, and their "
            "matrices, are not comparable, and no difference is taken between them."
        )
    unfinished = [group for group in groups if group.done < group.first.T]
    if unfinished:
        said.append(
            "Not all tasks are learned yet by "
            + these([f"{g.name} ({_progress(g)} tasks)" for g in unfinished])
            + ". Measures are over the tasks learned, and rows with another number of them are not compared."
        )
    twice = [group.label for group in groups if len(group.seeds) < len(group.runs)]
    if twice:
        said.append(f"Several Runs of one seed came for {these(twice)}; they are averaged, and count as one seed.")
    return said


def _bounds(groups: Sequence[Group]) -> list[str]:
    there = sorted({group.name for group in groups if group.name in BOUNDS})
    if not there:
        return []
    verb = "is a reference" if len(there) == 1 else "are references"
    return [f"{' and '.join(there)} {verb} and no continual learner{'s' * (len(there) > 1)}, so never marked as best."]


def _doubts(values: Values) -> list[str]:
    """What makes a column doubtful, and for whom."""
    said: dict[str, list[str]] = {}
    for measure in values.measures:
        if measure in WITH_REFERENCE:
            continue
        for group in values.groups:
            if group.done and (warning := metrics.explain(measure, _beginning(group.first), weights=None).warning):
                said.setdefault(f"{measure}: {warning}", []).append(group.label)
    every = len(values.groups)
    return [f"{words} (Holds for {'all' if len(who) == every else these(who)}.)" for words, who in said.items()]


def _beginning(run: Run) -> Run:
    """The first tasks learned, for a matrix of many takes long to explain."""
    k = min(run.num_tasks, ENOUGH)
    sequence = {"scenario": run.config.get("sequence", {}).get("scenario")}
    return replace(run, accuracy=run.accuracy[: k + 1, :k], config={"sequence": sequence}, anytime={})


def difference_section(values: Values) -> Section | None:
    """Learners against each other under the same seeds."""
    found = {measure: values.compared(measure) for measure in values.measures}
    found = {measure: pairs for measure, pairs in found.items() if pairs}
    if not found:
        return None
    level = f"{100 * values.level:g} %"
    intro = (
        "Each row is the mean of the first learner less the second, seed by seed, so that what a seed does to both "
        f"cancels; the brackets hold Student's {level} interval for that mean. An interval that leaves out 0 settles "
        "the sign at that level."
    )
    tables = [_differences(measure, pairs, level) for measure, pairs in found.items()]
    return Section("Differences", intro, [Text(_by_chance(found, values.level)), *tables])


def _differences(measure: str, pairs: Sequence[Compared], level: str) -> Table:
    head = ["pair", "mean difference", f"{level} interval", "leaves out 0?", "seeds in common"]
    rows = [
        [
            f"{pair.learner} {MINUS} {pair.against}",
            Strong(difference(pair.mean)) if pair.clear else difference(pair.mean),
            _interval(pair),
            _verdict(measure, pair),
            str(pair.seeds),
        ]
        for pair in pairs
    ]
    return Table(f"{metrics.label(measure)}, {metrics.direction(measure)} is better", head, rows)


def _interval(pair: Compared) -> str:
    if pair.seeds < 2:
        return "one seed: no interval"
    return f"[{difference(pair.low)}, {difference(pair.high)}]"


def _verdict(measure: str, pair: Compared) -> str:
    if pair.seeds < 2:
        return UNKNOWN
    if not pair.clear:
        return "no"
    first = (pair.mean > 0) == (metrics.direction(measure) == "higher")
    return f"yes: {pair.learner if first else pair.against} is better"


def _by_chance(found: dict[str, list[Compared]], level: float) -> str:
    known = [pair for pairs in found.values() for pair in pairs if pair.seeds > 1]
    if not known:
        return "No two learners have two seeds in common, so there are no intervals: train more seeds."
    clear, n = sum(pair.clear for pair in known), len(known)
    return (
        f"{clear} of {count(n, 'interval')} leave{'s' * (clear == 1)} out 0. If no learner differed from any other, "
        f"about {number((1 - level) * n, 1)} of {n} would by chance: one alone among many says little."
    )
