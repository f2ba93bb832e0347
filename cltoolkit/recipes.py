"""Recipes: how a sequence or a network was built, so that a Run folder can build it again without pickle."""

import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import wraps
from typing import Any, ParamSpec, TypeVar

__all__ = ["nearest", "rebuild", "recipe"]

P = ParamSpec("P")
R = TypeVar("R")


def recipe(build: Callable[P, R]) -> Callable[P, R]:
    """Notes on what a builder returns with which arguments it was built.

    The object gets `.recipe = {"name": ..., "arguments": {...}}`, or None where an argument (an array, a module, a
    function) cannot be written as JSON and the object therefore cannot be rebuilt from a file alone.

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


def rebuild(recipe: Mapping[str, Any], builders: Mapping[str, Callable[..., R]]) -> R:
    """What a recipe describes, built again.

    Args:
        recipe: `{"name": ..., "arguments": {...}}`, as `@recipe` notes it.
        builders: the builders that may be named.

    Raises:
        ValueError: if the recipe names no builder of these, or an argument that the builder does not take; the nearest
            right name is offered.

    Example:
        >>> rebuild({"name": "range", "arguments": {}}, {"range": lambda: range(3)})
        range(0, 3)
    """
    if "name" not in recipe:
        raise ValueError(f"expected a recipe {{'name': ..., 'arguments': {{...}}}}; got the keys {sorted(recipe)}")
    name, arguments = recipe["name"], recipe.get("arguments", {})
    if name not in builders:
        raise ValueError(f"unknown name {name!r}{nearest(name, builders)}")
    known = inspect.signature(builders[name]).parameters
    for argument in arguments:
        if argument not in known:
            raise ValueError(f"{name} has no argument {argument!r}{nearest(argument, known)}")
    return builders[name](**arguments)


def nearest(word: str, words: Iterable[str]) -> str:
    """The end of an error about a wrong name: the right ones that come near, or else all of them.

    Example:
        >>> nearest("split_digit", ["split_digits", "rotated_mnist"])
        "; did you mean 'split_digits'?"
        >>> nearest("x", ["red", "blue"])
        "; known are 'blue', 'red'"
    """
    words = sorted(words)
    near = get_close_matches(str(word), words, n=2)
    if near:
        return "; did you mean " + " or ".join(map(repr, near)) + "?"
    return "; known are " + ", ".join(map(repr, words))


def _plain(value: Any) -> Any:
    """`value` in JSON's types (tuples become lists, paths text), or NotImplemented."""
    if isinstance(value, os.PathLike):
        return _plain(os.fspath(value))
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        items = [_plain(item) for item in value]
        return NotImplemented if any(item is NotImplemented for item in items) else items
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        entries = {key: _plain(item) for key, item in value.items()}
        return NotImplemented if any(item is NotImplemented for item in entries.values()) else entries
    return NotImplemented
