"""From words to names, settings and values, by the types that the builders are annotated with."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from ..recipes import nearest

__all__ = ["Builder", "assigned", "check_complete", "default_word", "known", "read_value", "settings"]

Builder = Callable[..., Any]
FROM_SEQUENCE = ("input_shape", "num_classes")  # what the sequence tells a network's builder
OPTIONS = ("seed", "out", "device", "scenario", "overwrite")  # of the command itself
ANY_TEXT: tuple[Any, ...] = (str, Path, PathLike)
SIMPLE = {int: "a whole number", float: "a number", str: "a text", Path: "a path", PathLike: "a path"}


def known(kind: str, word: str, words: Iterable[str]) -> str:
    """Which of `words` is meant, whatever the case, hyphens and underscores.

    Example:
        >>> known("learner", "hyper-net", ["HyperNet", "Joint"])
        'HyperNet'
    """
    plain = {_plain(w): w for w in words}
    if _plain(word) not in plain:
        spelled = {w.lower(): w for w in words}
        raise ValueError(f"unknown {kind} {word!r}{nearest(word.lower(), spelled)}")
    return plain[_plain(word)]


def _plain(word: str) -> str:
    return word.lower().replace("-", "").replace("_", "")


def settings(build: Builder) -> dict[str, Any]:
    """What can be set of a builder, with its type: a learner's keywords, a function's arguments."""
    hints = {name: p.annotation for name, p in inspect.signature(build, eval_str=True).parameters.items()}
    return {name: hint for name, hint in hints.items() if name not in FROM_SEQUENCE and _wanted(hint)}


def default_word(build: Builder, setting: str) -> str:
    """The default of a setting, as one would type it."""
    value = inspect.signature(build).parameters[setting].default
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return "..." if value is inspect.Parameter.empty else str(value)


def assigned(pairs: Iterable[str], builders: Mapping[str, Builder]) -> dict[str, dict[str, Any]]:
    """What `--set` says, by group.

    Args:
        pairs: words like "lr=0.01" or "learner.lr=0.01".
        builders: "learner", "training", "sequence" and "network", and what makes each.

    Raises:
        ValueError: for a name that means nothing or several things, and for a value of the wrong type.
    """
    groups = {group: settings(build) for group, build in builders.items()}
    chosen: dict[str, dict[str, Any]] = {group: {} for group in groups}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise ValueError(f"expected --set NAME=VALUE; got {pair!r}")
        group, name = _place(name.strip(), groups)
        chosen[group][name] = read_value(f"{group}.{name}", text.strip(), groups[group][name])
    return chosen


def check_complete(group: str, build: Builder, chosen: Mapping[str, Any]) -> None:
    """Raises ValueError if a setting without a default is not chosen."""
    for name, parameter in inspect.signature(build).parameters.items():
        if parameter.default is inspect.Parameter.empty and name not in chosen:
            raise ValueError(f"the {group} {build.__name__} needs --set {group}.{name}=...")


def _place(name: str, groups: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    """The group that a setting belongs to, and its name there."""
    group, dot, inner = name.rpartition(".")
    if dot:
        if group not in groups:
            raise ValueError(f"--set {name}: unknown group {group!r}{nearest(group, groups)}")
        if inner not in groups[group]:
            raise ValueError(f"--set {name}: the {group} has no setting {inner!r}{nearest(inner, groups[group])}")
        return group, inner
    homes = [group for group in groups if name in groups[group]]
    if name in OPTIONS or len(homes) > 1:
        ways = [*([f"--{name}"] if name in OPTIONS else []), *(f"--set {home}.{name}=..." for home in homes)]
        raise ValueError(f"--set {name} is not clear; write {' or '.join(ways)}")
    if not homes:
        every = {setting for names in groups.values() for setting in names}
        raise ValueError(f"unknown setting {name!r}{nearest(name, every)}")
    return homes[0], name


def read_value(name: str, text: str, hint: Any) -> Any:
    """The value that a text means where `hint` is the type.

    Args:
        name: what an error calls it.
        text: as typed.
        hint: None, bool, int, float, str, a path, a `Literal`, a sequence of these (with commas), or a union of these.

    Raises:
        ValueError: if the text means no such value; the nearest right one is offered.

    Example:
        >>> read_value("hidden", "64,64", tuple[int, ...])
        [64, 64]
        >>> read_value("lr", "none", float | None), read_value("lr", "1e-3", float | None)
        (None, 0.001)
    """
    kinds = _kinds(hint)
    for kind in kinds:
        try:
            return _read(text, kind)
        except ValueError:
            continue
    near = nearest(text.lower(), [word for kind in kinds for word in _choices(kind)])
    raise ValueError(f"{name}: expected {_wanted(hint)}; got {text!r}{near if 'did you mean' in near else ''}")


def _kinds(hint: Any) -> list[Any]:
    """The types of a union, in the order in which a text is tried: any text is a str or a path, so these come last."""
    kinds = (
        [kind for arm in get_args(hint) for kind in _kinds(arm)] if get_origin(hint) in (Union, UnionType) else [hint]
    )
    return sorted(kinds, key=lambda kind: kind in ANY_TEXT or get_origin(kind) in ANY_TEXT)


def _read(text: str, kind: Any) -> Any:
    """One value of one type, or ValueError."""
    choices = _choices(kind)
    if choices:
        return _chosen(text, choices)
    if _is_sequence(kind):
        inner = text.strip("()[] ").removesuffix(",")
        return [read_value("", part.strip(), get_args(kind)[0]) for part in inner.split(",")] if inner else []
    if not _wanted(kind):
        raise ValueError("no text means a value of this type")
    value = kind(text) if kind in (int, float) else text
    if value != value:
        raise ValueError("NaN is no setting")
    return value


def _chosen(text: str, choices: Mapping[str, Any]) -> Any:
    for word in (text, text.lower()):
        if word in choices:
            return choices[word]
    raise ValueError(f"expected one of {list(choices)}; got {text!r}")


def _choices(kind: Any) -> dict[str, Any]:
    """The words for the values of a type that has few."""
    if kind is bool:
        return {"true": True, "false": False}
    if kind in (None, NoneType):
        return {"none": None}
    return {str(value): value for value in get_args(kind)} if get_origin(kind) is Literal else {}


def _is_sequence(kind: Any) -> bool:
    origin, inner = get_origin(kind), get_args(kind)
    return isinstance(origin, type) and issubclass(origin, Sequence) and bool(inner and _wanted(inner[0]))


def _wanted(hint: Any) -> str:
    """A type in words; nothing where a text can mean none of its values."""
    parts: list[str] = []
    for kind in _kinds(hint):
        if _is_sequence(kind):
            parts.append(f"{_wanted(get_args(kind)[0])} or several with commas")
        else:
            parts += _choices(kind) or [SIMPLE[word] for word in (kind, get_origin(kind)) if word in SIMPLE]
    return " or ".join(dict.fromkeys(parts))
