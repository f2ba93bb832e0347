"""Certificates computed: a whole data set against a box of weights."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..params import Params, Stateless
from ..tasks import Data
from ._boxes import Bounds, as_dtype, collapsed, drift, fingerprint, hull, layer_widths, widths
from ._certificate import Certificate
from ._passes import Bounding, answers, bounding, margins_of
from ._tensor import IntervalTensor

__all__ = ["Bounded", "assemble", "certify", "certify_network"]


class Bounded(Protocol):
    """What a certificate needs of a learner: for each task a box of weights, and the point of it that is deployed."""

    net: Stateless

    @property
    def known(self) -> int:
        """How many tasks it answers for."""

    @property
    def device(self) -> torch.device:
        """Where its values are."""

    def bounds(self, t: int) -> dict[str, Tensor]:
        """Every weight as an IntervalTensor, or a plain tensor where it is exact."""

    def params(self, t: int) -> Params:
        """The weights that answer task t."""

    def units(self, t: int) -> tuple[int, ...]:
        """The output units that may answer task t."""


def certify(
    learner: Bounded,
    data: Data,
    t: int,
    *,
    dtype: torch.dtype = torch.float64,
    rigorous: bool = True,
    batch_size: int = 1000,
    elided: bool = True,
    name: str = "",
) -> Certificate:
    """Which examples of task t every network of the learner's box Θ_t answers right.

    Args:
        learner: one with intervals.
        data: examples of the task, such as `sequence[t].test`.
        t: the task.
        dtype: of all numbers, float64 or float32; a rigorous certificate covers forward passes in it.
        rigorous: whether bounds cover the rounding of their own computation.
        batch_size: examples per pass.
        elided: whether the last layer is elided, where it is linear.
        name: the task's name, for the record.

    Returns:
        A `Certificate`; its `verdict` says in words what it is worth.

    Raises:
        ValueError: if there are no examples.
        IndexError: if the learner does not know the task.
        MissingRuleError: if the network uses a function that has no rule.

    Example:
        >>> cl.intervals.certify(learner, sequence[0].test, 0)  # doctest: +SKIP
        Certificate(task 0: 97.2% certified (96.7% plain) of 72, accuracy 100.0%, median width 0.0021)
    """
    return certify_network(
        learner.net,
        learner.bounds(t),
        data.to(learner.device),
        learner.units(t),
        params=learner.params(t),
        dtype=dtype,
        rigorous=rigorous,
        batch_size=batch_size,
        elided=elided,
        task=t,
        name=name,
    )


def certify_network(
    net: nn.Module | Stateless,
    bounds: Bounds,
    data: Data,
    units: Sequence[int] | None = None,
    *,
    params: Params | None = None,
    dtype: torch.dtype = torch.float64,
    rigorous: bool = True,
    batch_size: int = 1000,
    elided: bool = True,
    task: int = 0,
    name: str = "",
) -> Certificate:
    """The same for any network: a module as it is written, and a box for its weights.

    Batch norm is certified with the statistics in `bounds`, as plain tensors: they are part of the function.

    Args:
        net: the network.
        bounds: every parameter and buffer by name: an IntervalTensor, or a plain tensor where it is exact.
        data: the examples.
        units: the output units that may answer; all by default.
        params: the deployed weights; the centers of the box by default. Where they lie outside, the box certified is
            the least one that holds them too, and the certificate says how far.
        dtype: of all numbers, float64 or float32.
        rigorous: whether bounds cover the rounding of their own computation.
        batch_size: examples per pass.
        elided: whether the last layer is elided, where it is linear.
        task: a number for the record.
        name: a name for the record.

    Returns:
        A `Certificate`.

    Raises:
        ValueError: if there are no examples, the bounds lack a weight, or the deployed weights differ where the bounds
            are exact.
        MissingRuleError: if the network uses a function that has no rule.

    Example:
        >>> from cltoolkit.intervals import IntervalTensor
        >>> from cltoolkit.tasks import Examples
        >>> bounds = {"weight": IntervalTensor(torch.tensor([[1.0], [-1.0]]), torch.full((2, 1), 0.5))}
        >>> data = Examples(torch.tensor([[1.0], [2.0], [-1.0]]), torch.tensor([0, 0, 0]))
        >>> certify_network(nn.Linear(1, 2, bias=False), bounds, data)
        Certificate(task 0: 66.7% certified (66.7% plain) of 3, accuracy 66.7%, median width 1)
    """
    net, how = bounding(net, bounds, data, units, dtype=dtype, rigorous=rigorous, batch_size=batch_size, elided=elided)
    deployed = {name: middle(value) for name, value in bounds.items()} if params is None else params
    how_far_outside(bounds, deployed)  # what does not fit together is said before the work, not after it
    point = as_dtype(deployed, dtype, rigorous=False)
    found = margins_of(net, hull(as_dtype(bounds, dtype, rigorous), point), data, how)
    return assemble(net, bounds, deployed, data, how, found, task=task, name=name)


@torch.no_grad()
def assemble(
    net: Stateless,
    bounds: Bounds,
    deployed: Params,
    data: Data,
    how: Bounding,
    margins: tuple[Tensor, Tensor],
    *,
    task: int,
    name: str,
    settings: Mapping[str, Any] | None = None,
) -> Certificate:
    """A certificate from margins, elided and plain, however they were bounded.

    Raises:
        ValueError: if the deployed weights differ where the bounds are exact.
    """
    own = {"method": "box", "units": list(how.units), "batch_size": how.batch_size, "elided": how.elided}
    return Certificate(
        task=task,
        margins=margins[0].double().cpu().numpy(),
        margins_plain=margins[1].double().cpu().numpy(),
        correct=answers(net, deployed, data, how).cpu().numpy(),
        width_quantiles=widths(bounds).double().cpu().numpy(),
        layer_widths={name: (low, half, high) for name, (low, half, high) in _lists(layer_widths(bounds)).items()},
        collapsed=float(collapsed(bounds)),
        outside=how_far_outside(bounds, deployed),
        rigorous=how.rigorous,
        dtype=str(how.dtype).removeprefix("torch."),
        box_hash=fingerprint(bounds),
        weights_hash=fingerprint(deployed),
        name=name,
        settings=own | dict(settings or {}),
    )


def how_far_outside(bounds: Bounds, deployed: Params) -> float:
    """How far the deployed weights lie outside the box.

    Raises:
        ValueError: if they differ where the bounds are exact.
    """
    outside = drift(bounds, deployed)
    if outside == float("inf"):
        raise ValueError(
            "the deployed weights differ from the bounds in a tensor that is no interval there (a head, or batch-norm "
            "statistics), or are not finite; give bounds and weights of one moment"
        )
    return outside


def middle(value: Tensor) -> Tensor:
    """The center of an interval; what is exact is its own."""
    return (value.center if isinstance(value, IntervalTensor) else value).detach()


def _lists(values: Mapping[str, Tensor]) -> dict[str, list[float]]:
    return {name: value.tolist() for name, value in values.items()}
