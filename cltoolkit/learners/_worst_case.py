"""The worst that any network of a box does: as a loss to train on, and as certified accuracy to choose by."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..intervals import Bounds, elided_margins, elided_worst_case, worst_case_squared_error
from ..params import Params
from ..tasks import r_squared, squared_error
from ._base import Learner

__all__ = ["seen", "worst_loss"]


def worst_loss(learner: Learner, bounds: Bounds, x: Tensor, y: Tensor, units: Sequence[int]) -> Tensor:
    """The learner's loss of the worst outputs over a box of weights; batch norm stands still.

    Args:
        learner: says what the loss is.
        bounds: every weight and buffer by name.
        x: `(b, *input_shape)`.
        y: `(b,)` output units, or `(b, k)` real numbers.
        units: the output units that may answer.

    Returns:
        Scalar, at least the loss of every network of the box.
    """
    if learner.regression:
        return worst_case_squared_error(learner.net(dict(bounds), x)[:, : y.shape[1]], y)
    features, _ = learner.net.both(dict(bounds), x)
    worst = elided_worst_case(features, *_head(learner, bounds), y, tuple(units))
    return learner.loss(worst, y, units)


@torch.no_grad()
def seen(
    learner: Learner, bounds: Bounds, params: Params, x: Tensor, y: Tensor, units: Sequence[int]
) -> tuple[float, float]:
    """Certified accuracy of a box and accuracy of a network of it, in the precision of training.

    Of real-valued targets, SST / (SST + SSE) = 1 / (2 − R²), of the worst outputs and of the network's: it lies between
    0 and 1 and grows with R².

    Args:
        learner: says what the loss is.
        bounds: the box.
        params: the network.
        x: `(n, *input_shape)`.
        y: `(n,)` output units, or `(n, k)` real numbers.
        units: the output units that may answer.

    Returns:
        Two shares; the host waits for them.
    """
    if learner.regression:
        errors = worst_loss(learner, bounds, x, y, units), squared_error(learner.net(params, x), y).mean()
        worst, plain = (1 / (2 - float(r_squared(len(y) * error, y))) for error in errors)
        return worst, plain
    features, _ = learner.net.both(dict(bounds), x)
    certified = elided_margins(features, *_head(learner, bounds), y, tuple(units)) > 0
    own = torch.tensor(units, device=x.device)
    right = own[learner.net(params, x)[:, own].argmax(1)] == y
    return float(certified.double().mean()), float(right.double().mean())


def _head(learner: Learner, bounds: Bounds) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of the last layer."""
    values = [bounds[name] for name in learner.net.head_names]
    return values[0], values[1] if len(values) > 1 else None
