"""The value of an order, predicted from how easily its tasks transfer to one another."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from ..randomness import key_seed
from ..transferability import TransferMatrix

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Orders", "Rule", "predict_orders"]

Rule = Literal["best", "mean", "last"]
NUMBERS = 2**21  # of one intermediate array, at most: 16 MiB


@dataclass(frozen=True, eq=False, repr=False)
class Orders:
    """Orders of tasks with their predicted values.

    Attributes:
        orders: `(K, T)`, task numbers.
        values: `(K,)`, predicted; larger is better.
        names: the T tasks.
        rule: which of the earlier tasks count.
        complete: whether these are all orders.
        scores: `(T, T)`, that from which they are predicted; [s, t] is source s on target t.
    """

    orders: np.ndarray
    values: np.ndarray
    names: tuple[str, ...]
    rule: Rule
    complete: bool
    scores: np.ndarray

    def best(self, n: int = 5) -> "pd.DataFrame":
        """The `n` orders of highest value, the best first; as `to_frame`."""
        return self._frame(np.argsort(-self.values, kind="stable")[:n])

    def worst(self, n: int = 5) -> "pd.DataFrame":
        """The `n` orders of lowest value, the worst first; as `to_frame`."""
        return self._frame(np.argsort(self.values, kind="stable")[:n])

    def to_frame(self) -> "pd.DataFrame":
        """A row for each order: "order" (a tuple of task numbers), "names", "predicted"."""
        return self._frame(np.arange(len(self.values)))

    def value_of(self, order: Sequence[int]) -> float:
        """The predicted value of any order of two or more of the tasks.

        Raises:
            ValueError: if a number is not that of a task, or comes twice.
        """
        given = [int(t) for t in order]
        if len(given) < 2 or len(set(given)) < len(given) or not set(given) <= set(range(len(self.names))):
            raise ValueError(f"expected different task numbers from 0 to {len(self.names) - 1}; got {given}")
        return float(_values(self.scores, np.array([given]), self.rule)[0])

    def _frame(self, rows: np.ndarray) -> "pd.DataFrame":
        import pandas as pd

        orders = [tuple(order) for order in self.orders[rows].tolist()]
        names = [" → ".join(self.names[t] for t in order) for order in orders]
        return pd.DataFrame({"order": orders, "names": names, "predicted": self.values[rows]})

    def __repr__(self) -> str:
        some = "all" if self.complete else "drawn"
        span = f"{self.values.min():.3g} to {self.values.max():.3g}"
        return f"Orders({len(self.values)} {some}, {len(self.names)} tasks, rule {self.rule!r}, {span})"


def predict_orders(
    matrix: TransferMatrix, *, rule: Rule = "best", max_exact: int = 8, samples: int = 5000, seed: int = 0
) -> Orders:
    """What each order of the tasks promises: the mean over all tasks but the first of what the earlier ones offer.

    With M[s, t] the transfer from s to t, order π has the value

        V(π) = 1/(T − 1) Σ_(i ≥ 2) f({M[π_j, π_i] : j < i}),

    where f is the largest of them, their mean, or the last one. It speaks of how well tasks are learned, not of how
    well they are kept.

    Args:
        matrix: square, the tasks as sources and as targets. Scores of different scale per target say little about
            orders: a matrix of measured gains, or a score that is comparable between targets, serves.
        rule: "best" if a task draws on the most helpful one before it (a learner that keeps them apart), "mean" if on
            all of them, "last" if on its predecessor alone (finetuning).
        max_exact: up to how many tasks all orders are valued, T! of them.
        samples: how many different orders are drawn beyond.
        seed: draws them.

    Raises:
        TypeError: if it is no TransferMatrix.
        ValueError: if sources and targets differ, or a transfer from one task to another is unknown.

    Example:
        >>> matrix = TransferMatrix([[1, 0.5, 0], [0.1, 1, 0.7], [0, 0.2, 1]], "gain", ("a", "b", "c"), ("a", "b", "c"))
        >>> predict_orders(matrix, rule="last").best(1)
               order      names  predicted
        0  (0, 1, 2)  a → b → c        0.6
    """
    if rule not in get_args(Rule):
        raise ValueError(f"expected rule='best', 'mean' or 'last'; got {rule!r}")
    if max_exact < 1 or samples < 1:
        raise ValueError(f"expected max_exact and samples of at least 1; got {max_exact} and {samples}")
    scores, count = _square(matrix), len(matrix.targets)
    complete = count <= max_exact or math.factorial(min(count, 20)) <= samples
    orders = np.array(list(permutations(range(count)))) if complete else _drawn(count, samples, seed)
    return Orders(orders, _values(scores, orders, rule), matrix.targets, rule, complete, scores)


def _square(matrix: TransferMatrix) -> np.ndarray:
    """The scores, rows in the order of the columns."""
    if not isinstance(matrix, TransferMatrix):
        raise TypeError(
            f"expected a TransferMatrix, which names its tasks; got a {type(matrix).__name__}; take one out of a "
            "dictionary by its estimator, or make one: TransferMatrix(values, name, sources, targets)"
        )
    if set(matrix.sources) != set(matrix.targets) or len(matrix.targets) < 2:
        raise ValueError(
            "expected a matrix of at least two tasks, all of them sources and targets; got sources "
            f"{list(matrix.sources)} and targets {list(matrix.targets)}"
        )
    scores = matrix.values[[matrix.sources.index(name) for name in matrix.targets]]
    unknown = np.argwhere(np.isnan(scores) & ~np.eye(len(scores), dtype=bool))
    if len(unknown):
        s, t = unknown[0]
        raise ValueError(
            f"expected the transfer between any two tasks; that from {matrix.targets[s]!r} to {matrix.targets[t]!r} "
            f"is unknown ({len(unknown)} are)"
        )
    return scores


def _drawn(count: int, samples: int, seed: int) -> np.ndarray:
    """`(samples, count)`: different random orders."""
    rng = np.random.default_rng(key_seed(seed, "orders"))
    orders = np.empty((0, count), dtype=np.int64)
    while len(orders) < samples:
        more = rng.permuted(np.tile(np.arange(count), (samples, 1)), axis=1)
        orders = np.unique(np.concatenate([orders, more]), axis=0)
    return orders[np.sort(rng.permutation(len(orders))[:samples])]


def _values(scores: np.ndarray, orders: np.ndarray, rule: Rule) -> np.ndarray:
    """V `(K,)` of orders `(K, T)`."""
    size = max(1, NUMBERS // orders.shape[1] ** 2)
    return np.concatenate([_offers(scores, some, rule).mean(1) for some in _parts(orders, size)])


def _offers(scores: np.ndarray, orders: np.ndarray, rule: Rule) -> np.ndarray:
    """`(K, T − 1)`: what the earlier tasks offer to each task but the first."""
    if rule == "last":
        return scores[orders[:, :-1], orders[:, 1:]]
    length = orders.shape[1]
    offers = scores[orders[:, :, None], orders[:, None, :]]  # (K, j, i)
    earlier = np.triu(np.ones((length, length), dtype=bool), 1)
    if rule == "best":
        return np.where(earlier, offers, -np.inf).max(1)[:, 1:]
    return np.where(earlier, offers, 0.0).sum(1)[:, 1:] / np.arange(1, length)


def _parts(orders: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for first in range(0, len(orders), size):
        yield orders[first : first + size]
