"""KKT: a new task starts from the mask of the earlier task under which its examples lie best by class."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import torch
from torch import Tensor

from ..params import Params, Stateless
from ..randomness import key_seed
from ..recipes import nearest
from ..tasks import Data
from ..transferability import ESTIMATORS, all_outputs
from ._blocks import Plan, demand, plan_blocks
from ._candidates import Chunks
from ._choice import Choice, Rule, binomial_margin, chosen, permuted_critical_value
from ._levels import estimated_levels, knn_levels, permuted_labels, separation
from ._sample import Sample, sampled

__all__ = ["KNNInitializer"]


@dataclass(frozen=True)
class KNNInitializer:
    """KNN-based knowledge transfer: which earlier task's mask a new task should start from.

    A sample of the new task's training data goes through the network under every earlier mask; references and queries
    of it are told apart class by class. The score of a mask is the accuracy with which the k nearest references, in
    the features that go into the head, tell the queries' classes. The best mask is taken if its score a_j has

        P(X ≥ n_q a_j) ≤ level / t,   X ~ Binomial(n_q, p),

    where t is the number of earlier tasks, n_q that of queries, and p the share of their largest class, 1/C if all C
    are alike: features that know nothing of the classes do not exceed p on average, whatever is made of them. So with
    labels that say nothing some mask is taken with probability `level`, at most, as far as queries are independent. Of
    masks with equal scores that one is better which has the larger share of its features' variance between the classes,
    and then the earlier one: the order of the masks does not matter otherwise.

    Args:
        neighbors: k, at most: half the references that a class has on average bound it, so that votes say something of
            the neighborhood and not of the whole sample.
        fraction: of the training data, the sample; but at least ten of each class, as far as there are.
        split: share of the sample that are references.
        most: examples in the sample, at most.
        rule: "margin"; "published" for a_j > 1/C, where ties of votes go to the smallest label; or "always" for the
            best in any case.
        level: probability of a donor where there is nothing to transfer.
        estimator: "knn", or a name in `transferability.ESTIMATORS`, computed on the whole sample. Such scores are
            skewed, and their chance unknown: its mean, deviation and z_t come from the same under permuted labels.
        memory: bytes that may be used on top of what is there already: masks pass in blocks (one at least).

    Raises:
        ValueError: if one of these is out of range.

    References:
        Yadav and Bansal, Exclusive Supermask Subnetwork Training for Continual Learning, Findings of ACL 2023, and
        their code.
        Westfall and Young, Resampling-Based Multiple Testing, 1993 (margin of the other estimators).

    Deviations from the published code:
        - One fixed, stratified sample for all masks, without augmentation; there a new random fifth for each.
        - The margin, from the binomial itself; there 1/C, which random features exceed every other time
          (`rule="published"`).
        - k is 10 and bounded by the references; there 200, which may be nearly all of them.
        - Features are those that go into the head; there, for LeNet, what comes before their activation function.
        - All masks in one pass, and no tensor of differences; there queries × references × features numbers.

    Example:
        >>> from cltoolkit import Examples
        >>> y = torch.arange(120) % 2
        >>> noise = torch.randn(120, 6, generator=torch.Generator().manual_seed(0))
        >>> data = Examples(noise + 4 * torch.eye(6)[y], y)
        >>> net = Stateless(torch.nn.Sequential(torch.nn.Linear(6, 2, bias=False), torch.nn.Linear(2, 2)))
        >>> params = {name: value.expand(2, *value.shape).clone() for name, value in net.initial(0).items()}
        >>> params["0.weight"][:] = torch.stack([torch.eye(6)[4:], torch.eye(6)[:2]])      # blind, seeing
        >>> KNNInitializer(fraction=1.0)(net, params, data)
        Choice(task 2 starts from task 1: 1.00, needed 0.65 (chance 0.50))
    """

    neighbors: int = 10
    _: dataclasses.KW_ONLY
    fraction: float = 0.2
    split: float = 0.66
    most: int = 2048
    rule: Rule = "margin"
    level: float = 0.05
    estimator: str = "knn"
    memory: int = 256 * 2**20

    def __post_init__(self) -> None:
        for name, least in {"neighbors": 1, "most": 4, "memory": 1}.items():
            value = self.config[name]
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"expected {name}, a whole number of at least {least}; got {value!r}")
        if not 0 < self.fraction <= 1:
            raise ValueError(f"expected fraction above 0 and at most 1, of the training data; got {self.fraction!r}")
        if not 0 < self.split < 1:
            raise ValueError(f"expected split between 0 and 1, the references' share; got {self.split!r}")
        if not 0 < self.level < 1:
            raise ValueError(f"expected level between 0 and 1, the chance of a false donor; got {self.level!r}")
        if self.rule not in get_args(Rule):
            raise ValueError(f"unknown rule {self.rule!r}{nearest(self.rule, get_args(Rule))}")
        if self.estimator not in ESTIMATORS:
            raise ValueError(f"unknown estimator {self.estimator!r}{nearest(self.estimator, ESTIMATORS)}")

    @property
    def config(self) -> dict[str, Any]:
        """The settings, by keyword, in JSON's types."""
        return dataclasses.asdict(self)

    @torch.no_grad()
    def __call__(
        self,
        net: Stateless,
        params: Params | Chunks,
        data: Data,
        *,
        count: int | None = None,
        units: Sequence[Sequence[int]] | None = None,
        seed: int = 0,
        key: Sequence[int | str] = (),
    ) -> Choice:
        """Scores every earlier task and chooses. Nothing that it is given is changed.

        Args:
            net: the network.
            params: weights and buffers under the mask of each of t earlier tasks, each `(t, *shape)`; or a function
                that makes those of tasks a..b − 1, such as `under_masks` gives.
            data: training examples of the new task.
            count: t, if `params` is a function.
            units: the output units of each earlier task, for estimators that need its class probabilities; by default
                all of them.
            seed: draws the sample, together with `key`.
            key: what it is for.

        Raises:
            ValueError: if there is no earlier task, the data are no labels of two classes or too few, or the features
                of a source are not finite, which is named.
        """
        chunks, total = _counted(params, count)
        if units is not None and len(units) != total:
            raise ValueError(f"expected the output units of each of {total} sources; got {len(units)}")
        seed = key_seed(seed, *key)
        sample = sampled(data, fraction=self.fraction, split=self.split, most=self.most, seed=seed)
        plan = self._plan(net, chunks, data, sample, total)
        held = list(data.batches(sample.index, plan.batch)) if plan.held else None
        parts = []
        for first in range(0, total, plan.masks):
            last = min(first + plan.masks, total)
            batches = data.batches(sample.index, plan.batch) if held is None else held
            features, logits, _ = all_outputs(net, chunks(first, last), batches)
            _check_finite(features, first)
            levels = self._levels(features, logits, None if units is None else units[first:last], sample, seed)
            parts.append(torch.cat([separation(features, sample.y)[None], levels]).cpu())
        return self._choice(torch.cat(parts, 1), sample)

    def _plan(self, net: Stateless, chunks: Chunks, data: Data, sample: Sample, total: int) -> Plan:
        one = {name: value[0] for name, value in chunks(0, 1).items()}
        x, _ = data.take(sample.index[:1])
        return plan_blocks(demand(net, one, x), masks=total, examples=len(sample.index), memory=self.memory)

    def _levels(
        self, features: Tensor, logits: Tensor, units: Sequence[Sequence[int]] | None, sample: Sample, seed: int
    ) -> Tensor:
        """The scores of some masks, and below them what tells of chance: `(·, J)`."""
        if self.estimator != "knn":
            permuted = permuted_labels(sample.y, self.level, seed)
            return estimated_levels(self.estimator, features, logits, units, sample.y, permuted)
        published = self.rule == "published"
        chance = 1 / sample.classes if published else sample.largest_share
        return knn_levels(features, sample, self._neighbors(sample), chance, "label" if published else "distance")

    def _chance(self, below: Tensor, sample: Sample) -> tuple[Tensor, Tensor]:
        """The score of each mask by chance `(t,)`, and the one that it exceeds by chance hardly ever."""
        if self.estimator == "knn":
            chance = below[0]
            most = binomial_margin(self.level / len(chance), sample.queries, float(chance[0]))
            return chance, torch.full_like(chance, most)
        mean, deviation = below.mean(0), below.std(0)
        standardized = torch.where(deviation > 0, (below - mean) / deviation, 0.0)
        return mean, mean + permuted_critical_value(standardized, self.level) * deviation

    def _neighbors(self, sample: Sample) -> int:
        return max(1, min(self.neighbors, sample.references // (2 * sample.classes)))

    def _choice(self, levels: Tensor, sample: Sample) -> Choice:
        between, scores = levels[:2]
        chance, needed = self._chance(levels[2:], sample)
        if self.rule != "margin":
            needed = chance if self.rule == "published" else torch.full_like(chance, -math.inf)
        donor, told = chosen(scores, needed, between)
        return Choice(
            scores=scores,
            donor=donor,
            needed=float(needed[told]),
            chance=float(chance[told]),
            separation=between,
            queries=sample.queries,
            references=sample.references,
            neighbors=self._neighbors(sample),
            estimator=self.estimator,
            rule=self.rule,
        )


def _counted(params: Params | Chunks, count: int | None) -> tuple[Chunks, int]:
    """What makes the weights of some sources, and how many sources there are; at least one."""
    if callable(params):
        if count is None:
            raise ValueError("expected count, the number of sources, along with a function that makes their weights")
        chunks, total = params, count
    else:
        counts = {name: len(value) if value.ndim else 0 for name, value in params.items()}
        if len({*counts.values(), *([] if count is None else [count])}) != 1:
            raise ValueError(f"expected stacked weights (t, *shape), all with the same t; got t = {counts}, {count=}")
        stacked, total = params, next(iter(counts.values()))

        def chunks(first: int, last: int) -> Params:
            return {name: value[first:last] for name, value in stacked.items()}

    if total < 1:
        raise ValueError("expected at least one earlier task to start from; got none: start afresh")
    return chunks, total


def _check_finite(features: Tensor, first: int) -> None:
    """Raises a ValueError that names the first source with features that are not finite."""
    broken = (~features.isfinite().flatten(1).all(1)).nonzero()[:, 0].tolist()
    if broken:
        raise ValueError(
            f"features of source {first + broken[0]} hold NaN or infinity; it cannot give its mask: look at the "
            "weights under its mask, and at its batch-norm statistics"
        )
