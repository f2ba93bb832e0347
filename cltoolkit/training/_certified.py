"""Certified test accuracy of every task known, for learners with intervals."""

import torch
from torch import Tensor

from ..intervals import certify
from ..learners import IntervalLearner, Learner
from ..randomness import stream
from ..tasks import Data, TaskSequence

__all__ = ["certified", "certified_part"]

AT_MOST = 2000  # test examples of a task, drawn once: a rigorous pass takes some times longer than an evaluation


def certified(learner: Learner, sequence: TaskSequence) -> dict[str, Tensor]:
    """What a Run keeps after each task: {"certified": `(t, 1)`}, in float64, rounded outward; {} without intervals.

    Row j is the share of task j's examples (`certified_part`) that every network of its box answers right now, after
    all tasks so far. {} also where targets are real numbers: no answer to them is right.
    """
    if not isinstance(learner, IntervalLearner) or sequence.regression:
        return {}
    shares = [certify(learner, certified_part(sequence, t), t).certified for t in range(learner.known)]
    return {"certified": torch.tensor(shares, dtype=torch.float64)[:, None]}


def certified_part(sequence: TaskSequence, t: int) -> Data:
    """The test examples of task t that a Run's certificates are about: all, or 2,000 of them, the same in every Run."""
    data = sequence[t].test
    if len(data) <= AT_MOST:
        return data
    return data.subset(torch.randperm(len(data), generator=stream(0, "certified", t))[:AT_MOST].to(data.y.device))
