"""Which examples of a new task speak for it: references and queries, of every class alike."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..randomness import stream
from ..tasks import Data
from ..transferability import draw_sample

__all__ = ["Sample", "sampled"]

FEWEST = 10  # of each class, as far as there are: of fewer a fraction of a small task would be noise


@dataclass(frozen=True, eq=False)
class Sample:
    """Examples by index, the references first.

    Attributes:
        index: `(n,)`.
        y: `(n,)`, their labels, on the CPU.
        references: n_r, how many of them are references; the others are queries.
        classes: C, how many classes the training data have.
    """

    index: Tensor
    y: Tensor
    references: int
    classes: int

    @property
    def queries(self) -> int:
        """n_q, how many are asked."""
        return len(self.index) - self.references

    @property
    def largest_share(self) -> float:
        """p, the share of the largest class among the queries: what a classifier that sees nothing may reach."""
        counts = self.y[self.references :].unique(return_counts=True)[1]
        return int(counts.max()) / self.queries


def sampled(data: Data, *, fraction: float, split: float, most: int, seed: int) -> Sample:
    """A stratified sample, and of each class the share `split` as references; a class's only example is one, too.

    Raises:
        ValueError: if the data are no labels, have a single class, or there are not two examples of two classes.
    """
    if data.y.is_floating_point():
        raise ValueError(
            "expected labels; got real-valued targets: which mask tells classes apart is not defined for them; "
            "do without an initializer"
        )
    classes = len(data.y.unique())
    wanted = min(most, max(math.ceil(fraction * len(data)), FEWEST * classes))
    index = draw_sample(data, wanted, seed, "kkt", "sample")
    index = index[torch.randperm(len(index), generator=stream(seed, "kkt", "split"))]
    y = data.y.cpu()[index]
    numbers, counts = y.unique(return_counts=True)
    if int((counts > 1).sum()) < 2:
        raise ValueError(
            "expected two examples of two classes at least, one to ask and one to compare with; got "
            f"{dict(zip(numbers.tolist(), counts.tolist(), strict=True))} by label in a sample of {len(index)}; "
            "raise `most`, or give more training examples"
        )
    known = torch.zeros(len(index), dtype=torch.bool)
    for label, size in zip(numbers, counts.tolist(), strict=True):
        own = (y == label).nonzero()[:, 0]
        known[own[: min(max(1, round(split * size)), max(1, size - 1))]] = True
    order = torch.cat([known.nonzero()[:, 0], (~known).nonzero()[:, 0]])
    return Sample(index[order], y[order], int(known.sum()), classes)
