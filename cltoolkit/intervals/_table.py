"""The table of rules: which function of tensors bounds which torch function."""

from collections.abc import Callable
from typing import Any

__all__ = ["RULES", "rule"]

Rule = Callable[..., Any]
RULES: dict[Callable[..., Any], Rule] = {}


def rule(*functions: Callable[..., Any]) -> Callable[[Rule], Rule]:
    """Enters a function into the table as the rule of torch functions that mean the same.

    A rule takes the arguments that the torch function takes, of which at least one is an `IntervalTensor`, and returns
    a box that holds every value which the function takes on points of its arguments.

    Args:
        functions: all spellings: `torch.relu`, `F.relu`, `Tensor.relu`, ...

    Example:
        >>> import torch
        >>> torch.nn.functional.relu in RULES
        True
    """

    def enter(made: Rule) -> Rule:
        RULES.update(dict.fromkeys(functions, made))
        return made

    return enter
