"""A lesson's exercises: answers are compared with computed ones, and a wrong one gets a hint, never an error."""

import html
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from ..recipes import nearest

__all__ = ["Feedback", "Hint", "Lesson"]

Hint = str | tuple[Any, str]  # for any wrong answer; or for those that equal a value or pass a test
Kind = Literal["right", "wrong", "open"]
MARKS: dict[Kind, str] = {"right": "✓ right", "wrong": "✗ not yet", "open": "… open"}


@dataclass(frozen=True)
class Feedback:
    """What a student is told about an answer. Shown in a notebook it is one line; true if the answer is right."""

    kind: Kind
    text: str

    def __bool__(self) -> bool:
        return self.kind == "right"

    def __repr__(self) -> str:
        return f"{MARKS[self.kind]}: {self.text}"

    def _repr_html_(self) -> str:
        """The mark is in words, so that it needs no color."""
        mark, words = html.escape(MARKS[self.kind]), html.escape(self.text)
        return f'<p role="status"><strong>{mark}</strong> &nbsp;{words}</p>'


@dataclass
class _Exercise:
    """One exercise: its answer, and what came so far."""

    answer: Any
    tolerance: float
    hints: list[tuple[Any, str]]
    plain: list[str]
    given: list[Any] = field(default_factory=list)  # the wrong answers that no hint was made for
    right: bool = False


class Lesson:
    """The exercises of a lesson.

    Args:
        title: what the lesson is called.

    Example:
        >>> lesson = Lesson("forgetting")
        >>> accuracy = [[0.9, 0.5], [0.6, 0.8]]
        >>> lesson.answer("bwt", lambda: accuracy[1][0] - accuracy[0][0], hints=[
        ...     (lambda value: value > 0, "forgetting makes it negative: which one is subtracted?"),
        ...     "take the first column",
        ... ])
        >>> lesson.check("bwt", ...)
        … open: not answered yet
        >>> lesson.check("bwt", 0.3)
        ✗ not yet: forgetting makes it negative: which one is subtracted?
        >>> lesson.check("bwt", accuracy)
        ✗ not yet: expected one number; got an array of shape (2, 2)
        >>> lesson.check("bwt", 0.6 - 0.9)
        ✓ right: bwt
        >>> lesson
        Lesson 'forgetting': 1 of 1 right
    """

    def __init__(self, title: str = "") -> None:
        self.title = title
        self._exercises: dict[str, _Exercise] = {}

    def answer(self, name: str, value: Any, tolerance: float = 1e-6, hints: Sequence[Hint] = ()) -> None:
        """Says what is right; a name said before starts anew.

        Args:
            name: of the exercise.
            value: the right answer, computed, or a function of no arguments that computes it when it is needed: a
                number, bool or text, an array, a set, or a list or mapping of these.
            tolerance: how far a number may be off, absolutely.
            hints: `(wrong, hint)`, where `wrong` is a wrong answer or a test of answers: the first that fits is shown.
                A bare text is shown for an answer that fits none: each wrong answer gets the next. When the last has
                been shown, the answer after it is told what is right; without bare texts, none ever is.

        Raises:
            ValueError: if the tolerance is negative, or the value None or `...`, which mean "not answered".
        """
        if value is None or value is ...:
            raise ValueError(f"expected the right answer of {name!r}; got {value}, which means 'not answered'")
        if not tolerance >= 0:
            raise ValueError(f"expected a tolerance of at least 0; got {tolerance}")
        plain = [hint for hint in hints if isinstance(hint, str)]
        fitting = [hint for hint in hints if not isinstance(hint, str)]
        self._exercises[name] = _Exercise(value, tolerance, fitting, plain)

    def check(self, name: str, value: Any = None) -> Feedback:
        """Compares an answer with the right one. Whatever the answer is, this raises nothing.

        Args:
            name: of the exercise.
            value: the student's answer; None and `...` mean that there is none yet.

        Returns:
            What to tell the student.
        """
        exercise = self._exercises.get(str(name))
        if exercise is None:
            near = nearest(name, self._exercises) if self._exercises else "; run the cells above first"
            return Feedback("open", f"there is no exercise {str(name)!r}{near}")
        if value is None or value is ...:
            return Feedback("open", "not answered yet")
        right = _tried(exercise.answer, otherwise=...) if callable(exercise.answer) else exercise.answer
        if right is ...:
            return Feedback("open", "what is right cannot be computed here; run the notebook from the top")
        wrong = _tried(_difference, value, right, exercise.tolerance, otherwise="this cannot be compared")
        exercise.right = wrong == ""
        return Feedback("right", name) if exercise.right else Feedback("wrong", _hint(exercise, value, right, wrong))

    def __repr__(self) -> str:
        right = sum(exercise.right for exercise in self._exercises.values())
        return f"Lesson {self.title!r}: {right} of {len(self._exercises)} right"


def _hint(exercise: _Exercise, value: Any, right: Any, wrong: str) -> str:
    """What to say about a wrong answer: the hint made for it, what is wrong with its form, the next plain hint."""
    for case, hint in exercise.hints:
        if _tried(_fits, value, case, exercise.tolerance, otherwise=False):
            return hint
    if not wrong.startswith(DIFFERS):
        return wrong
    if not any(_tried(_difference, value, old, 0.0, otherwise=DIFFERS) == "" for old in exercise.given):
        exercise.given.append(value)
    place = len(exercise.given) - 1
    if not exercise.plain:
        return wrong
    return exercise.plain[place] if place < len(exercise.plain) else f"it is {right}; find out how one gets there"


def _fits(value: Any, case: Any, tolerance: float) -> bool:
    return bool(case(value)) if callable(case) else _difference(value, case, tolerance) == ""


def _tried(function: Callable[..., Any], *args: Any, otherwise: Any) -> Any:
    """What a function returns. An answer may be anything, and whatever happens with it is no error of the lesson's."""
    try:
        return function(*args)
    except Exception:  # noqa: BLE001
        return otherwise


DIFFERS = "this is something else"


def _difference(value: Any, right: Any, tolerance: float) -> str:
    """What is wrong with a value, nothing if it is right; never says what is right."""
    if isinstance(right, bool | np.bool_):
        return _plainly(value, right, (bool, np.bool_), "True or False")
    if isinstance(right, str):
        return _plainly(
            value.strip().lower() if isinstance(value, str) else value, right.strip().lower(), (str,), "a text"
        )
    if isinstance(right, AbstractSet):
        return _plainly(set(value) if isinstance(value, list | tuple) else value, right, (AbstractSet,), "a set")
    if isinstance(right, Mapping):
        return _of_mapping(value, right, tolerance)
    if isinstance(right, list | tuple) and not _is_numeric(right):
        return _of_list(value, right, tolerance)
    return _of_numbers(value, right, tolerance)


def _plainly(value: Any, right: Any, types: tuple[type, ...], wanted: str) -> str:
    if not isinstance(value, types):
        return f"expected {wanted}; got {_kind(value)}"
    return "" if value == right else DIFFERS


def _of_mapping(value: Any, right: Mapping[Any, Any], tolerance: float) -> str:
    if not isinstance(value, Mapping):
        return f"expected a dict; got {_kind(value)}"
    if set(value) != set(right):
        return "the keys are others"
    return next(filter(None, (_difference(value[key], right[key], tolerance) for key in right)), "")


def _of_list(value: Any, right: Sequence[Any], tolerance: float) -> str:
    if not isinstance(value, list | tuple):
        return f"expected a list; got {_kind(value)}"
    if len(value) != len(right):
        return f"expected {len(right)} things; got {len(value)}"
    return next(filter(None, (_difference(a, b, tolerance) for a, b in zip(value, right, strict=True))), "")


def _of_numbers(value: Any, right: Any, tolerance: float) -> str:
    if not _is_numeric(value):
        return f"expected {_wanted(right)}; got {_kind(value)}"
    mine, theirs = _array(value), _array(right)
    if mine.shape != theirs.shape:
        return f"expected {_wanted(right)}; got {_kind(value)}"
    if np.isnan(mine).any() and not np.isnan(theirs).any():
        return "this is not a number (NaN)" if mine.ndim == 0 else "some of it is not a number (NaN)"
    off = int((~np.isclose(mine, theirs, rtol=0, atol=tolerance, equal_nan=True)).sum())
    if off == 0:
        return ""
    return f"{DIFFERS}: {off} of {mine.size} numbers" if mine.ndim else DIFFERS


def _is_numeric(value: Any) -> bool:
    return _tried(_array, value, otherwise=None) is not None


def _array(value: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """Numbers as float64; tensors too, wherever they are."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
    array = np.asarray(value)
    if isinstance(value, bool | np.bool_) or array.dtype.kind not in "biufO":
        raise TypeError("neither texts nor True and False are numbers here")
    return array.astype(np.float64)


def _wanted(right: Any) -> str:
    shape = _array(right).shape
    return f"an array of shape {shape}" if shape else "one number"


def _kind(value: Any) -> str:
    """What a value is, in words; never its text, which may be anything."""
    if _is_numeric(value):
        shape = _array(value).shape
        return f"an array of shape {shape}" if shape else "a number"
    name = type(value).__name__
    return {"str": "a text", "bool": "True or False", "function": "a function: call it with ()"}.get(name, f"a {name}")
