"""Every measure of every group and seed, and what they add up to."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from .. import metrics
from ..groups import Group, same_tasks
from ..records import Run

__all__ = ["MEASURES", "Compared", "Values", "collected"]

MEASURES = ("acc", "bwt", "forgetting", "fwt")
WITH_REFERENCE = {"plasticity_gain": "Separate", "intransigence": "Joint"}  # measure: the learner it looks at
BOUNDS = ("Joint", "Separate")  # they see more than one task's data, or forget by design: never the best of a column
DIGITS = 12
Reference = ArrayLike | Run | None


@dataclass(frozen=True)
class Compared:
    """One group less another in one measure, over the seeds both have."""

    learner: str
    against: str
    mean: float
    low: float
    high: float
    seeds: int

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, eq=False)
class Values:
    """The numbers behind the tables.

    Attributes:
        groups: in the order in which tables have them.
        measures: names of `metrics.table`.
        of_seed: label → seed → measure → value; runs of one seed are averaged.
        level: of every interval.
    """

    groups: Sequence[Group]
    measures: Sequence[str]
    of_seed: dict[str, dict[int, dict[str, float]]]
    level: float

    def over_seeds(self, group: Group, measure: str) -> np.ndarray:
        """`(seeds,)`, NaN where unknown."""
        return np.array([values.get(measure, np.nan) for values in self.of_seed[group.label].values()])

    def mean(self, group: Group, measure: str) -> tuple[float, float]:
        """Mean and half-width of its interval; NaN where there is none."""
        values = self.over_seeds(group, measure)
        if not np.isfinite(values).any():
            return float("nan"), float("nan")
        mean, half = metrics.mean_and_interval(values, level=self.level)
        return float(mean), float(half)

    def best(self, measure: str) -> set[str]:
        """The groups with the best mean, within each field; none where there is no other to be better than."""
        sign = 1 if metrics.direction(measure) == "higher" else -1
        found: set[str] = set()
        for field in dict.fromkeys(group.field for group in self.groups):
            rivals = [g for g in self.groups if g.field == field and g.name not in BOUNDS]
            means = {g.label: sign * self.mean(g, measure)[0] for g in rivals}
            known = {label: mean for label, mean in means.items() if np.isfinite(mean)}
            if len(known) > 1:
                found |= {label for label, mean in known.items() if mean >= max(known.values()) - 1e-12}
        return found

    def compared(self, measure: str) -> list[Compared]:
        """Every pair of groups that learned the same tasks and have a seed in common."""
        pairs = [(a, b) for a, b in combinations(self.groups, 2) if a.field == b.field]
        return [found for a, b in pairs if (found := self._pair(a, b, measure)) is not None]

    def _pair(self, a: Group, b: Group, measure: str) -> Compared | None:
        ours, theirs = self.of_seed[a.label], self.of_seed[b.label]
        both = [(ours[seed].get(measure, np.nan), theirs[seed].get(measure, np.nan)) for seed in common_seeds(a, b)]
        known = [(x, y) for x, y in both if np.isfinite(x) and np.isfinite(y)]
        if not known:
            return None
        difference = metrics.paired_difference([x for x, _ in known], [y for _, y in known], level=self.level)
        return Compared(a.label, b.label, difference.mean, difference.low, difference.high, len(known))


def common_seeds(a: Group, b: Group) -> list[int]:
    """The seeds under which both groups learned the same data in the same order."""
    return [
        seed
        for seed in a.seeds
        if seed in b.seeds and all(same_tasks(x, y) for x in a.runs for y in b.runs if x.seed == y.seed == seed)
    ]


def collected(
    groups: Sequence[Group],
    measures: Sequence[str] | None = None,
    *,
    single: Reference = None,
    joint: Reference = None,
    level: float = 0.95,
) -> Values:
    """Every measure of every group and seed.

    Args:
        groups: in order.
        measures: names of `metrics.table`; by default the usual four, and those whose reference is known.
        single: for plasticity gain; by default the run of Separate of the same seed, if there is one.
        joint: for intransigence; by default the run of Joint of the same seed.
        level: of the intervals.

    Raises:
        ValueError: if a measure is unknown, or a reference does not fit.
    """
    for measure in measures or ():
        metrics.label(measure)  # a name that does not exist raises here, with the nearest that does
    given = {"Separate": single, "Joint": joint}
    found = {group.label: _by_seed(group, groups, given) for group in groups}
    known = {name for seeds in found.values() for row in seeds.values() for name in row if np.isfinite(row[name])}
    usual = [*MEASURES, *(name for name in WITH_REFERENCE if name in known)]
    return Values(groups, usual if measures is None else list(measures), found, level)


def _by_seed(group: Group, groups: Sequence[Group], given: dict[str, Reference]) -> dict[int, dict[str, float]]:
    rows: dict[int, list[dict[str, float]]] = {seed: [] for seed in group.seeds}
    for run in group.runs:
        references = {
            name: _beside(run, group, name, groups) if reference is None else reference
            for name, reference in given.items()
        }
        rows[run.seed].append(_table(run, single=references["Separate"], joint=references["Joint"]))
    return {seed: _averaged(tables) for seed, tables in rows.items()}


def _table(run: Run, *, single: Reference, joint: Reference) -> dict[str, float]:
    """The metrics of a run; of an unfinished one, over the tasks learned."""
    k = run.num_tasks
    if k == run.T:
        return metrics.table(run, single=single, joint=joint)
    return metrics.table(run.accuracy[: k + 1, :k]) if k > 0 else {}


def _beside(run: Run, group: Group, name: str, groups: Sequence[Group]) -> Run | None:
    """The run of a reference that learned the same tasks under the same seed, if it is the only one."""
    found = [
        other
        for candidate in groups
        if candidate.name == name and candidate.field == group.field
        for other in candidate.runs
        if other.seed == run.seed and same_tasks(run, other)
    ]
    return found[0] if len(found) == 1 else None


def _averaged(tables: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of several runs of one seed, without the last bits, which would tell equal accuracies apart."""
    return {name: round(float(np.mean([table.get(name, np.nan) for table in tables])), DIGITS) for name in tables[0]}
