"""Recipes: how a sequence or a network was built, so that a Run folder can build it again without pickle."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

__all__ = ["recipe"]

P = ParamSpec("P")
R = TypeVar("R")


def recipe(build: Callable[P, R]) -> Callable[P, R]:
    """Notes on what a builder returns with which arguments it was built.

    The object gets `.recipe = {"name": ..., "arguments": {...}}`, or None where an argument (an array, a module, a function) cannot
    be written as JSON and the object therefore cannot be rebuilt from a file alone.

    Example:
        >>> class Thing: ...
        >>> @recipe
        ... def thing(size, *, color="red"):
        ...     return Thing()
        >>> thing(3).recipe
        {'name': 'thing', 'arguments': {'size': 3, 'color': 'red'}}
    """
    signature = inspect.signature(build)

    @wraps(build)
    def built(*args: P.args, **kwargs: P.kwargs) -> R:
        result = build(*args, **kwargs)
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = {name: _plain(value) for name, value in bound.arguments.items()}
        known = all(value is not NotImplemented for value in arguments.values())
        object.__setattr__(result, "recipe", {"name": build.__name__, "arguments": arguments} if known else None)
        return result

    return built


def _plain(value: Any) -> Any:
    """`value` in JSON's types (tuples become lists), or NotImplemented."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        items = [_plain(item) for item in value]
        return NotImplemented if any(item is NotImplemented for item in items) else items
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        items = {key: _plain(item) for key, item in value.items()}
        return NotImplemented if any(item is NotImplemented for item in items.values()) else items
    return NotImplemented
