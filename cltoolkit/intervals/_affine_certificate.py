"""Certificates in embedding coordinates: right for every weight that an embedding in the box makes."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ..params import Params, Stateless
from ..tasks import Data
from ._affine import AffineTensor, ends, form_of, is_rigorous
from ._affine_weights import Generator, affine_weights, generated
from ._boxes import as_dtype
from ._certificate import Certificate
from ._certify import assemble
from ._passes import _full_precision, batches, bounding
from ._rounding import gamma
from ._tensor import IntervalTensor

__all__ = ["Embedded", "affine_margins", "certify_embedding", "certify_generated"]


class Embedded(Protocol):
    """What a certificate in embedding coordinates needs of a learner: a hypernetwork, and a box of embeddings."""

    net: Stateless

    @property
    def hypernet(self) -> Generator:
        """h."""

    @property
    def device(self) -> torch.device:
        """Where its values are."""

    def embedding_box(self, t: int) -> IntervalTensor:
        """B_t: the embeddings `(d,)` that answer task t."""

    def params(self, t: int) -> Params:
        """The weights of task t; only the buffers among them are looked at."""

    def units(self, t: int) -> tuple[int, ...]:
        """The output units that may answer task t."""


def certify_embedding(
    learner: Embedded,
    data: Data,
    t: int,
    *,
    dtype: torch.dtype = torch.float64,
    rigorous: bool = True,
    batch_size: int = 100,
    elided: bool = True,
    noises: int = 128,
    name: str = "",
) -> Certificate:
    """Which examples of task t are answered right by every network h(e) that an embedding e in the box B_t makes.

    The smallest box of weights Θ_t ⊇ h(B_t), of which `certify` speaks, holds weights that no embedding makes. Here
    weights, activations and logits are affine functions of the embedding with a remainder, so far larger boxes B_t are
    certified, and never fewer examples. It covers h(e) for e in B_t, and so the universal embedding that tasks share;
    it says nothing about other points of Θ_t, among them its center, where that is what the learner deploys.

    Time and memory are those of up to `noises` + 4 ordinary passes over weights and examples together.

    Args:
        learner: one with a hypernetwork and boxes of embeddings.
        data: examples of the task, such as `sequence[t].test`.
        t: the task.
        dtype: of all numbers, float64 or float32.
        rigorous: whether bounds cover the rounding of their own computation, and of forward passes in `dtype`.
        batch_size: examples per pass.
        elided: whether the last layer is elided, where it is linear.
        noises: generators at most, see `affine_weights`.
        name: the task's name, for the record.

    Returns:
        A `Certificate` with the method "affine" in its settings. Its deployed weights are h(center of B_t), its widths
        those of the smallest box around the affine weights.

    Raises:
        ValueError: if there are no examples, or more coordinates than noises.
        IndexError: if the learner does not know the task.
        MissingRuleError: if a network uses a function that has no rule.

    Example:
        >>> cl.intervals.certify_embedding(learner, sequence[0].test, 0)  # doctest: +SKIP
        Certificate(task 0: 98.6% certified (98.6% plain) of 72, accuracy 100.0%, median width 0.0004)
    """
    box = learner.embedding_box(t)
    values = learner.params(t)
    return certify_generated(
        learner.net,
        learner.hypernet,
        box.center.detach(),
        box.radius.detach(),
        data.to(learner.device),
        learner.units(t),
        buffers={buffer: values[buffer] for buffer in learner.net.buffers},
        dtype=dtype,
        rigorous=rigorous,
        batch_size=batch_size,
        elided=elided,
        noises=noises,
        task=t,
        name=name,
    )


def certify_generated(
    net: Stateless,
    hypernet: Generator,
    center: Tensor,
    half_width: Tensor,
    data: Data,
    units: Sequence[int] | None = None,
    *,
    buffers: Params | None = None,
    dtype: torch.dtype = torch.float64,
    rigorous: bool = True,
    batch_size: int = 100,
    elided: bool = True,
    noises: int = 128,
    task: int = 0,
    name: str = "",
) -> Certificate:
    """The same for any hypernetwork and any box {e' : |e' − e| ≤ ε}.

    Args:
        net: the target network.
        hypernet: h.
        center: e, `(d,)`.
        half_width: ε ≥ 0 per coordinate, `(d,)`.
        data: the examples.
        units: the output units that may answer; all by default.
        buffers: the target's batch-norm statistics, where it has any.
        dtype: of all numbers, float64 or float32.
        rigorous: whether rounding is covered.
        batch_size: examples per pass.
        elided: whether the last layer is elided, where it is linear.
        noises: generators at most, see `affine_weights`.
        task: a number for the record.
        name: a name for the record.

    Returns:
        A `Certificate`.

    Raises:
        ValueError: if there are no examples, or more coordinates than noises.
        MissingRuleError: if a network uses a function that has no rule.

    Example:
        >>> from cltoolkit.hypernetworks import Hypernetwork
        >>> from cltoolkit.tasks import Examples
        >>> net = Stateless(torch.nn.Linear(2, 2))
        >>> hypernet = Hypernetwork(net.shapes, embedding_dim=3)
        >>> x = torch.randn(10, 2, generator=torch.Generator().manual_seed(0))
        >>> embedding = torch.ones(3)
        >>> y = net(generated(hypernet, embedding), x).argmax(1).detach()
        >>> certify_generated(net, hypernet, embedding, torch.full((3,), 0.01), Examples(x, y)).accuracy
        1.0
    """
    fixed = as_dtype(buffers or {}, dtype, rigorous=False)
    with _full_precision():
        weights = affine_weights(hypernet, center, half_width, noises=noises, dtype=dtype, rigorous=rigorous)
    bounds: Params = {weight: value.box for weight, value in weights.items()} | fixed
    net, how = bounding(net, bounds, data, units, dtype=dtype, rigorous=rigorous, batch_size=batch_size, elided=elided)
    every = weights | fixed
    with _full_precision():
        parts = [
            affine_margins(net, every, x.to(dtype), y, how.units, elided=how.elided)
            for x, y in batches(data, batch_size)
        ]
    ahead, plain = zip(*parts, strict=True)
    return assemble(
        net,
        bounds,
        generated(hypernet, center, dtype=dtype) | fixed,
        data,
        how,
        (torch.cat(ahead), torch.cat(plain)),
        task=task,
        name=name,
        settings={"method": "affine", "noises": noises, "half_width": half_width.tolist()},
    )


@torch.no_grad()
def affine_margins(
    net: Stateless,
    weights: Mapping[str, Tensor],
    x: Tensor,
    y: Tensor,
    units: tuple[int, ...],
    *,
    elided: bool = True,
) -> tuple[Tensor, Tensor]:
    """How far the label stays ahead of every other unit, whatever the noise: the least z_y − z_k.

    Logits are subtracted as affine functions, so what both owe to the same noise cancels. With the last layer elided
    it is rows of weights that are subtracted, and the difference is applied to the features.

    Args:
        net: the target network.
        weights: every parameter, as `affine_weights` gives them, and every buffer.
        x: `(n, *input_shape)`.
        y: `(n,)`, output units.
        units: the output units that may answer.
        elided: whether the last layer is elided; only where it is linear.

    Returns:
        Elided margins, the larger of both bounds, and plain ones, `(n,)` each; infinity where no other unit may
        answer, minus infinity where the label's own may not.
    """
    rigorous = is_rigorous(*weights.values())
    if rigorous:  # so that layers of points are bounded as well
        x = AffineTensor(x, x.new_zeros(0, *x.shape), rigorous=True)
    features, logits = net.both(dict(weights), x)
    first, second = torch.tensor(units, device=y.device)[torch.triu_indices(len(units), len(units), 1)]
    plain = _least(logits[:, first] - logits[:, second], 0.0, y, units)
    if not elided:
        return plain, plain
    prefix = f"{net.head}." if net.head else ""
    weight, bias = weights[f"{prefix}weight"], weights.get(f"{prefix}bias")
    if not _agree(F.linear(features, weight, bias), logits):
        return plain, plain
    shift = None if bias is None else bias[first] - bias[second]
    ahead = F.linear(features, weight[first] - weight[second], shift)
    rounding = _rounding(features, weight, bias)
    slack = rounding[:, first] + rounding[:, second] if rigorous else 0.0
    return _least(ahead, slack, y, units).maximum(plain), plain


def _agree(a: Tensor, b: Tensor) -> bool:
    """Whether two forms are the same up to rounding: nothing comes after the head, and the head is linear."""
    pairs = zip(form_of(a), form_of(b), strict=True)
    return all(p.shape == q.shape and torch.allclose(p, q, rtol=1e-5) for p, q in pairs)


def _least(ahead: Tensor, slack: Tensor | float, y: Tensor, units: tuple[int, ...]) -> Tensor:
    """min_{k ≠ y} z_y − z_k `(n,)`, from sets of z_a − z_b `(n, pairs)` for every pair a, b of units in order."""
    allowed = torch.tensor(units, device=y.device)
    first, second = allowed[torch.triu_indices(len(units), len(units), 1)]
    low, high = ends(ahead)
    low, high = low - slack, high + slack
    inf = torch.full_like(low, torch.inf)
    each = torch.where(first == y[:, None], low, torch.where(second == y[:, None], -high, inf))
    least = torch.cat([each, inf.new_full((len(y), 1), torch.inf)], 1).amin(1)
    return torch.where((allowed == y[:, None]).any(1), least, -torch.inf)


def _rounding(features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """How far logits `(n, k)`, computed apart and not as one difference, can be from their real values."""
    size = F.linear(form_of(features).reach, form_of(weight).reach)
    size = size if bias is None else size + form_of(bias).reach
    return gamma(4 * weight.shape[1] + 64, size.dtype) * size
