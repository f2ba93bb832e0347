"""Lookahead: the step an optimizer is about to take, before it takes it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["adam_lookahead", "adam_shift"]


def adam_shift(
    gradient: Tensor, first: Tensor, second: Tensor, step: int, *, lr: float, betas: tuple[float, float], eps: float
) -> Tensor:
    """Adam's next change of one parameter: −lr · m̂ / (√v̂ + ε).

    m̂ = (β₁ m + (1 − β₁) g) / (1 − β₁ˢ) and v̂ = (β₂ v + (1 − β₂) g²) / (1 − β₂ˢ), s the number of the coming step.

    Args:
        gradient: g, any shape.
        first: m, the running mean of gradients so far, same shape.
        second: v, of squared gradients.
        step: steps taken so far, s − 1.
        lr: learning rate.
        betas: β₁, β₂.
        eps: ε, added outside the root as torch does.

    Returns:
        The change, same shape.

    References:
        Kingma & Ba, Adam, ICLR 2015, algorithm 1.

    Example:
        >>> zero = torch.zeros(2)
        >>> adam_shift(torch.tensor([4.0, -0.1]), zero, zero, 0, lr=0.01, betas=(0.9, 0.999), eps=0.0)   # −lr · sign(g)
        tensor([-0.0100,  0.0100])
    """
    beta1, beta2 = betas
    mean = torch.lerp(first, gradient, 1 - beta1) / (1 - beta1 ** (step + 1))
    square = (second * beta2).addcmul_(gradient, gradient, value=1 - beta2) / (1 - beta2 ** (step + 1))
    return -lr * mean / (square.sqrt_() + eps)


@torch.no_grad()
def adam_lookahead(
    optimizer: torch.optim.Adam, parameters: Mapping[str, nn.Parameter], gradients: Mapping[str, Tensor | None]
) -> dict[str, Tensor]:
    """Δθ: how `optimizer.step()` would change the parameters on these gradients. Nothing is changed.

    Args:
        optimizer: Adam or AdamW, fused or not.
        parameters: name → parameter, each held by the optimizer; `dict(hypernet.named_parameters())`.
        gradients: name → gradient of the same shape; a parameter whose gradient is absent or None would not move.

    Returns:
        Name → change, for every parameter that would move.

    Raises:
        TypeError: if the optimizer is not an Adam.
        ValueError: if it does not hold a parameter, or uses `amsgrad` or `maximize`.

    References:
        von Oswald et al., Continual learning with hypernetworks, ICLR 2020, eq. 2 (Δθ).

    Example:
        >>> layer = nn.Linear(1, 1)
        >>> optimizer = torch.optim.Adam(layer.parameters(), lr=0.01)
        >>> adam_lookahead(optimizer, dict(layer.named_parameters()), {"bias": torch.tensor([3.0])})
        {'bias': tensor([-0.0100])}
    """
    if not isinstance(optimizer, torch.optim.Adam):
        raise TypeError(
            f"expected torch.optim.Adam or AdamW; got {type(optimizer).__name__}; use one of them, or no lookahead"
        )
    groups = {parameter: group for group in optimizer.param_groups for parameter in group["params"]}
    moves = {}
    for name, parameter in parameters.items():
        gradient = gradients.get(name)
        if gradient is not None:
            if parameter not in groups:
                raise ValueError(
                    f"expected an optimizer that holds {name!r}; give it to the optimizer, or leave its gradient out"
                )
            moves[name] = _next_change(parameter, gradient, groups[parameter], optimizer.state.get(parameter, {}))
    return moves


def _next_change(parameter: Tensor, gradient: Tensor, group: dict[str, Any], state: dict[str, Any]) -> Tensor:
    if group["amsgrad"] or group["maximize"]:
        raise ValueError("lookahead knows Adam without `amsgrad` and `maximize`; switch them off, or use no lookahead")
    lr, decay = float(group["lr"]), group["weight_decay"]
    decoupled = decay != 0 and group.get("decoupled_weight_decay", False)
    if decay != 0 and not decoupled:
        gradient = gradient + decay * parameter
    first, second = (state.get(key, torch.zeros_like(parameter)) for key in ("exp_avg", "exp_avg_sq"))
    shift = adam_shift(
        gradient, first, second, int(state.get("step", 0)), lr=lr, betas=group["betas"], eps=group["eps"]
    )
    return shift - lr * decay * parameter if decoupled else shift
