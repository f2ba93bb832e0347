"""Which earlier task's mask a new task starts from, and why."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

__all__ = ["Choice", "Rule", "binomial_margin", "chosen", "permuted_critical_value"]

Rule = Literal["margin", "published", "always"]


@dataclass(frozen=True, eq=False, repr=False)
class Choice:
    """Which of t earlier tasks gives the mask that a new one starts from.

    Attributes:
        scores: `(t,)` float64, what each earlier task scored; more is better.
        donor: the task that gives its mask; None if none has what is needed.
        needed: the score above which a donor is taken: of the donor, or where there is none of the best task.
        chance: the score of features that say nothing, likewise.
        separation: `(t,)`, the share of the features' variance that lies between the classes: it breaks ties.
        queries: how many examples were classified.
        references: how many they were compared with; all others of the sample.
        neighbors: k.
        estimator: the score's name in `transferability.ESTIMATORS`.
        rule: "margin", "published" or "always".
    """

    scores: Tensor
    donor: int | None
    needed: float
    chance: float
    separation: Tensor
    queries: int
    references: int
    neighbors: int
    estimator: str
    rule: str

    @property
    def best(self) -> int:
        """The earlier task with the highest score, donor or not; of equal ones that whose features separate best."""
        return int(ranking(self.scores, self.separation)[0])

    def __repr__(self) -> str:
        new, needed = len(self.scores), "" if math.isinf(self.needed) else f", needed {self.needed:.2f}"
        if self.donor is not None:
            found = f"task {new} starts from task {self.donor}: {self.scores[self.donor]:.2f}"
        else:
            found = f"task {new} starts afresh: {self.scores[self.best]:.2f} of task {self.best}"
        return f"Choice({found}{needed} (chance {self.chance:.2f}))"


def binomial_margin(level: float, queries: int, chance: float) -> float:
    """The share of hits that guesses exceed with probability `level`, at most: max {c/n : P(X ≥ c) > level}.

    The normal approximation p + z √(p (1 − p) / n) is near it for many queries, and too low for few: of 70 queries with
    p = 0.18 guesses exceed it twice as often as they should.

    Args:
        level: the probability.
        queries: n.
        chance: p, of a hit.

    Example:
        >>> binomial_margin(0.05, 100, 0.5), binomial_margin(0.05 / 100, 100, 0.5)
        (0.58, 0.66)
    """
    hits = torch.arange(queries + 1, dtype=torch.float64)
    distribution = torch.distributions.Binomial(queries, torch.tensor(chance, dtype=torch.float64))
    tail = distribution.log_prob(hits).exp().flip(0).cumsum(0).flip(0)  # P(X ≥ c)
    return float((tail > level).nonzero().max()) / queries


def permuted_critical_value(standardized: Tensor, level: float) -> float:
    """What the best of t scores exceeds by chance with probability `level`, at most, as permuted labels show it.

    Args:
        standardized: `(m, t)`, scores for labels in m random orders, in deviations from their mean.
        level: at least 1 / (m + 1).

    References:
        Westfall and Young, Resampling-Based Multiple Testing, 1993, algorithm 2.8: the largest of all scores under one
        permutation, so that neither skew nor correlation of the scores matters.
    """
    rank = math.floor(level * (len(standardized) + 1) + 1e-9)
    return float(standardized.amax(1).sort(descending=True).values[rank - 1])


def ranking(scores: Tensor, separation: Tensor) -> Tensor:
    """`(t,)`, the tasks by score, those of equal score by separation, and of equal separation the earlier first."""
    by_separation = separation.argsort(descending=True, stable=True)
    return by_separation[scores[by_separation].argsort(descending=True, stable=True)]


def chosen(scores: Tensor, needed: Tensor, separation: Tensor) -> tuple[int | None, int]:
    """The highest in the ranking above what it needs, if any; and whose levels are told: its own or the first one's."""
    order = ranking(scores, separation)
    enough = order[scores[order] > needed[order]].tolist()
    return (enough[0], enough[0]) if enough else (None, int(order[0]))
